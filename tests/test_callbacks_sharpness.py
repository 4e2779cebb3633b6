"""SharpnessAware inside fit, against the same steps by hand."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt import callbacks, gradients

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 4)).astype("float32")
Y = RNG.integers(0, 3, 24)


def model(**arguments):
    keras.utils.set_random_seed(0)
    settings = {"units": (8,), **arguments}
    return ko.models.mlp(input_shape=(4,), num_classes=3, **settings)


def fitted(network, *extra, optimizer="sgd", **settings):
    rate = {"learning_rate": 0.1}
    network.compile(
        ko.optimizers.get(optimizer, **rate), "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )  # fmt: skip
    settings = {"batch_size": 8, "epochs": 3, "shuffle": False, **settings}
    return network.fit(X, Y, verbose=0, callbacks=list(extra), **settings)


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_equals_the_step_by_hand(optimizer):
    one, other = model(batch_norm=True), model(batch_norm=True)
    fitted(one, callbacks.get("sam", rho=0.1), optimizer=optimizer)
    other.compile(
        ko.optimizers.get(optimizer, learning_rate=0.1),
        "sparse_categorical_crossentropy",
    )
    for _ in range(3):
        for start in range(0, 24, 8):
            batch = X[start : start + 8], Y[start : start + 8]
            gradients.sharpness_aware_step(other, 0.1, batch)
    for ours, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_short_way_to_the_neighbour_is_plain_training_and_a_long_one_is_not():
    plain, near, far = model(), model(), model()
    seen = fitted(plain).history
    near_seen = fitted(near, callbacks.SharpnessAware(rho=1e-6)).history
    fitted(far, callbacks.SharpnessAware(rho=0.5))
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(near_seen[name], seen[name], rtol=1e-3)
    kernels = [each.get_weights()[0] for each in (plain, near, far)]
    np.testing.assert_allclose(kernels[1], kernels[0], rtol=1e-3, atol=1e-5)
    assert np.abs(kernels[2] - kernels[0]).max() > 1e-3


def test_statistics_of_batch_normalisation_are_those_of_one_pass():
    plain, sharp = model(batch_norm=True), model(batch_norm=True)
    settings = {"epochs": 1, "batch_size": 24}
    fitted(plain, **settings)
    fitted(sharp, callbacks.SharpnessAware(rho=0.5), **settings)
    for ours, theirs in zip(
        sharp.non_trainable_variables, plain.non_trainable_variables, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_models_own_step_comes_back():
    network, plain = model(), model()
    fitted(network, callbacks.SharpnessAware(), epochs=1)
    fitted(plain, callbacks.SharpnessAware(), epochs=1)
    assert "train_step" not in vars(network)
    network.fit(X, Y, batch_size=24, epochs=1, verbose=0)
    for _ in range(1):
        plain.train_on_batch(X, Y)
    for ours, theirs in zip(network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_in_a_run_by_its_name(tiny_digits, quick):
    network = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,))
    run = ko.fit(network, tiny_digits, callbacks=["sam"], epochs=3, **quick)
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0]


@pytest.mark.parametrize("rho", [0, -1, float("inf"), float("nan"), True, "far"])
def test_bad_rho(rho):
    with pytest.raises(ValueError, match="rho must be a number > 0"):
        callbacks.get("sam", rho=rho)


def test_what_it_does_not_go_with(two_cpus):
    with two_cpus.scope():
        network = model()
        network.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="several devices"):
        network.fit(X, Y, verbose=0, callbacks=[callbacks.SharpnessAware()])
    accumulating = keras.optimizers.SGD(gradient_accumulation_steps=2)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    for optimizer, message in (
        (accumulating, "gradient_accumulation_steps"),
        (scaled, "mixed_float16"),
    ):
        network = model()
        network.compile(optimizer, "sparse_categorical_crossentropy")
        with pytest.raises(ValueError, match=message):
            network.fit(X, Y, verbose=0, callbacks=[callbacks.SharpnessAware()])


def test_after_an_interruption_a_run_gives_the_model_its_step_back(tiny_digits, quick):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    network = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,))
    with pytest.raises(KeyboardInterrupt):
        ko.fit(network, tiny_digits, callbacks=["sam", Interrupt()], epochs=2, **quick)
    assert "train_step" not in vars(network)


def test_two_of_them_or_an_own_train_step_are_refused():
    network = model()
    network.compile("sgd", "sparse_categorical_crossentropy")
    twice = [callbacks.SharpnessAware(), callbacks.SharpnessAware()]
    with pytest.raises(ValueError, match="a train_step other than Keras's"):
        network.fit(X, Y, verbose=0, callbacks=twice)


def test_a_weight_without_gradient_and_a_model_that_is_built_by_its_first_batch():
    class Odd(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3, activation="softmax")
            self.idle = self.add_weight(shape=(2,), name="idle")

        def call(self, inputs):
            return self.dense(inputs)

    keras.utils.set_random_seed(0)
    network = Odd()
    history = fitted(network, callbacks.SharpnessAware())
    assert np.isfinite(history.history["loss"]).all()
