"""GradientNorms: what vanishes, what explodes, and the norms themselves."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt import callbacks, models, optimizers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 32)).astype("float32")
Y = RNG.integers(0, 3, 64)


def watched(*, units, activation, initializer, learning_rate=0.01, **limits):
    keras.utils.set_random_seed(0)
    model = models.mlp(
        input_shape=(32,), num_classes=3, units=units, activation=activation,
        kernel_initializer=initializer,
    )  # fmt: skip
    optimizer = optimizers.get("sgd", learning_rate=learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    watch = callbacks.get("gradient_norms", x=X, y=Y, **limits)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[watch])
    return model, watch


def test_a_deep_sigmoid_network_vanishes_at_its_input():
    with pytest.warns(UserWarning, match=r"vanish .*he_normal"):
        _, watch = watched(
            units=(32,) * 8, activation="sigmoid", initializer="glorot_uniform"
        )
    assert set(watch.flags.values()) == {"vanishing"}
    assert next(iter(watch.flags)) == watch.table.columns[0]


def test_too_large_weights_explode():
    with pytest.warns(UserWarning, match=r"explode.*global_clipnorm"):
        _, watch = watched(
            units=(32,) * 6,
            activation="relu",
            initializer={"name": "gaussian", "stddev": 1.0},
            learning_rate=1e-9,
        )
    assert "exploding" in watch.flags.values()


def test_a_sound_network_gets_no_warning_and_the_norms_are_the_tapes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, watch = watched(
            units=(16, 16), activation="relu", initializer="he_normal"
        )
    assert watch.flags == {}
    assert watch.table.index.tolist() == [1, 2, 3]
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy()(Y, model(X))
    kernels = [v for v in model.trainable_variables if v.name == "kernel"]
    expected = [float(tf.norm(g)) for g in tape.gradient(loss, kernels)]
    np.testing.assert_allclose(watch.table.iloc[-1], expected, rtol=1e-4)


def test_nan_counts_as_exploding():
    watch = callbacks.GradientNorms(X, Y)
    assert watch._found({"a": float("nan"), "b": 1.0}) == {"a": "exploding"}


@pytest.mark.parametrize("norm", [0.1, 2.0])
def test_clipping_bounds_the_gradient(norm):
    """SGD at rate 1 moves by the clipped gradient."""
    weight = keras.Variable(np.zeros(4, "float32"))
    optimizer = optimizers.get("sgd", learning_rate=1.0, global_clipnorm=norm)
    optimizer.apply([keras.ops.array([3.0, 4.0, 0.0, 0.0])], [weight])
    assert np.linalg.norm(weight) == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"vanishing": 0}, r"vanishing must lie in \(0, 1\)"),
        ({"vanishing": 1}, r"vanishing must lie in \(0, 1\)"),
        ({"exploding": -1}, "exploding must be a number > 0"),
        ({"x": (X * 9).astype("uint8")}, "give x / 255"),
        ({"y": Y[:60]}, "given: 64 and 60"),
    ],
)
def test_bad_limits(limits, message):
    with pytest.raises(ValueError, match=message):
        callbacks.GradientNorms(**{"x": X, "y": Y, **limits})


def test_gradients_that_are_all_zero_vanish():
    with pytest.warns(UserWarning, match="vanish"):
        _, watch = watched(units=(16,) * 3, activation="relu", initializer="zeros")
    assert set(watch.flags.values()) == {"vanishing"}


def test_several_devices_are_refused(two_cpus):
    with two_cpus.scope():
        model = models.mlp(input_shape=(32,), num_classes=3, units=(8,))
        model.compile("sgd", "sparse_categorical_crossentropy")
    watch = callbacks.GradientNorms(X, Y)
    with pytest.raises(ValueError, match="measures on one device"):
        model.fit(X, Y, verbose=0, callbacks=[watch])
