"""kerasopt.scratch.regularization: against Keras's penalties and its dropout."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt.scratch import regularization

RNG = np.random.default_rng(0)
KERNELS = [RNG.normal(size=shape) for shape in ((4, 3), (3, 3, 2, 5), (3, 1))]
PENALTIES = {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}


@pytest.mark.parametrize("name", PENALTIES)
# Keras keeps the factor as float32, which holds these exactly.
@pytest.mark.parametrize("factor", [1 / 64, 0.25, 0])
def test_penalty_and_gradient_are_those_of_keras(name, factor):
    variables = [tf.Variable(kernel) for kernel in KERNELS]
    with tf.GradientTape() as tape:
        penalty = sum(PENALTIES[name](factor)(v) for v in variables)
    slopes = tape.gradient(penalty, variables)
    ours = getattr(regularization, name)(KERNELS, factor)
    assert ours == pytest.approx(float(penalty), rel=1e-12)
    gradients = getattr(regularization, f"{name}_gradient")(KERNELS, factor)
    for gradient, slope in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(gradient, slope, rtol=1e-7)


@pytest.mark.parametrize("name", PENALTIES)
def test_defaults_and_single_kernel(name):
    ours = getattr(regularization, name)
    theirs = float(PENALTIES[name]()(KERNELS[0]))
    assert ours(KERNELS[0]) == pytest.approx(theirs, rel=1e-6)
    assert ours(KERNELS[0]) == ours([KERNELS[0]])
    (gradient,) = getattr(regularization, f"{name}_gradient")(KERNELS[0])
    assert gradient.shape == KERNELS[0].shape


def test_l1_has_no_pull_at_0():
    (gradient,) = regularization.l1_gradient(np.zeros((2, 2)), 0.5)
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("name", [*PENALTIES, "l1_gradient", "l2_gradient"])
def test_biases_are_refused(name):
    layer = keras.layers.Dense(3, bias_initializer="ones")
    layer.build((None, 4))
    function = getattr(regularization, name)
    with pytest.raises(ValueError, match=r"given: shape \(3,\). Biases"):
        function(layer.get_weights(), 0.1)
    function(layer.get_weights()[:1], 0.1)


def test_weight_decay_is_l2_for_plain_descent_only():
    def trained(optimizer, with_penalty):
        w = tf.Variable(KERNELS[0])
        for _ in range(5):
            gradient = np.cos(w.numpy())
            if with_penalty:
                (pull,) = regularization.l2_gradient(w.numpy(), 0.125)
                gradient = gradient + pull
            optimizer.apply([tf.constant(gradient)], [w])
        return w.numpy()

    optimizers = keras.optimizers
    np.testing.assert_allclose(
        trained(optimizers.SGD(0.5), True),
        trained(optimizers.SGD(0.5, weight_decay=0.25), False),
        rtol=1e-12,
    )
    penalised = trained(optimizers.Adam(0.5), True)
    decayed = trained(optimizers.AdamW(0.5, weight_decay=0.25), False)
    assert np.abs(penalised - decayed).max() > 0.01


def test_dropout_scales_the_survivors_as_keras_does():
    x = np.ones((200, 50), "float32")
    theirs = np.asarray(keras.layers.Dropout(0.2, seed=0)(x, training=True))
    ours, _ = regularization.dropout(x, 0.2, np.random.default_rng(0))
    np.testing.assert_array_equal(np.unique(ours), np.unique(theirs))
    np.testing.assert_array_equal(np.unique(ours), [0, 1.25])
    for dropped in (ours, theirs):
        assert (dropped == 0).mean() == pytest.approx(0.2, abs=0.02)
        assert dropped.mean() == pytest.approx(1, abs=0.02)
    assert ours.dtype == "float32"


def test_dropout_is_the_identity_at_test_time_and_at_rate_0():
    x = RNG.normal(size=(3, 4))
    for arguments in ({"rate": 0.2, "training": False}, {"rate": 0.0}):
        dropped, mask = regularization.dropout(
            x, rng=np.random.default_rng(0), **arguments
        )
        np.testing.assert_array_equal(dropped, x)
        np.testing.assert_array_equal(mask, 1)


def test_dropout_draws_anew_each_time():
    rng = np.random.default_rng(0)
    masks = [regularization.dropout(np.ones(50), 0.5, rng)[1] for _ in range(2)]
    assert not np.array_equal(*masks)


def test_gradient_goes_where_the_activations_went_as_in_keras():
    x = tf.constant(RNG.uniform(1, 2, (6, 5)))
    weights = RNG.normal(size=(6, 5))
    layer = keras.layers.Dropout(0.2, seed=1, dtype="float64")
    with tf.GradientTape() as tape:
        tape.watch(x)
        dropped = layer(x, training=True)
        total = tf.reduce_sum(dropped * weights)
    mask = dropped.numpy() / x.numpy()
    np.testing.assert_allclose(
        regularization.dropout_backward(weights, mask), tape.gradient(total, x)
    )


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("l1", (KERNELS, -0.1), "factor must be a number >= 0"),
        ("l2_gradient", (KERNELS, np.nan), "factor must be a number >= 0"),
        ("l2", ([np.ones((2, 2), int)],), "hold floats"),
        ("l2", (KERNELS[0] * np.nan,), "finite"),
        ("dropout", (np.ones(3), 1.0, RNG), r"rate must lie in \[0, 1\)"),
        ("dropout", (np.ones(3, int), 0.5, RNG), "a must hold floats"),
        ("dropout_backward", (np.ones(3), np.ones((3, 1))), r"mask .*\(3,\)"),
    ],
)
def test_bad_input(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(regularization, function)(*arguments)
