"""Callbacks with state of a model: every way out of a training, and the next one."""

import keras
import numpy as np
import pytest

from kerasopt import callbacks
from kerasopt.callbacks import changed_step

R = np.random.default_rng(0)
X = R.normal(size=(40, 4)).astype("float32")
Y = X.sum(1, keepdims=True)


class Break(keras.callbacks.Callback):
    """Breaks the second epoch off, as Ctrl-C or a mistake does."""

    def __init__(self, error=KeyboardInterrupt):
        super().__init__()
        self.error = error

    def on_train_batch_end(self, batch, logs=None):
        if self.seen:
            raise self.error

    def on_epoch_begin(self, epoch, logs=None):
        self.seen = epoch


def network(**compiling):
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(3)])
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5, name="first"), inner]
    )
    model.add(keras.layers.Dense(1, name="last"))
    inner.layers[0].trainable = False
    model.compile("sgd", "mse", **compiling)
    return model


def fit(model, *given, epochs=2):
    return model.fit(
        X, Y, epochs=epochs, verbose=0, shuffle=False, callbacks=list(given)
    )


def of_kind(kind):
    return {
        "freeze": lambda: callbacks.Freeze(layers="*", after=0.1),
        "sam": lambda: callbacks.SharpnessAware(rho=0.3),
        "lookahead": lambda: callbacks.Lookahead(every=1, decay=0.9, ramp=0),
        "gradient_norms": lambda: callbacks.GradientNorms(X, Y),
        "reduce_lr_on_plateau": lambda: callbacks.ReduceLROnPlateau("loss", patience=1),
    }[kind]()


KINDS = ["freeze", "sam", "lookahead", "gradient_norms", "reduce_lr_on_plateau"]


# Keras says it of a model that is frozen whole.
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_off_training_leaves_callback_and_model_as_new(kind, error):
    """Used again on a new model, and the model without it: as if nothing had been."""
    callback, model = of_kind(kind), network()
    flags = [layer.trainable for layer in model._flatten_layers()]
    with pytest.raises(error):
        fit(model, callback, Break(error))
    assert [layer.trainable for layer in model._flatten_layers()] == flags

    other, expected = network(), network()
    fit(other, callback)
    fit(expected, of_kind(kind))
    for ours, theirs in zip(other.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)

    plain = network()
    plain.set_weights(model.get_weights())
    for each in (model, plain):
        each.optimizer.learning_rate = 0.01
        fit(each)
    for ours, theirs in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not changed_step.is_changed(model)


@pytest.mark.parametrize("eagerly", [False, True])
def test_freezing_holds_the_layer_and_keeps_the_flags(eagerly):
    model = network(run_eagerly=eagerly)
    flags = [layer.trainable for layer in model._flatten_layers()]
    before = model.get_layer("first").get_weights()
    fit(model, callbacks.Freeze(layers="first", after=0))
    assert all(map(np.array_equal, before, model.get_layer("first").get_weights()))
    assert [layer.trainable for layer in model._flatten_layers()] == flags


def test_sharpness_and_freezing_go_together():
    model, alone = network(), network()
    before = model.get_layer("first").get_weights()
    fit(model, of_kind("sam"), callbacks.Freeze(layers="first", after=0))
    fit(alone, callbacks.Freeze(layers="first", after=0))
    assert all(map(np.array_equal, before, model.get_layer("first").get_weights()))
    last = [each.get_layer("last").get_weights()[0] for each in (model, alone)]
    assert not np.array_equal(*last)
    assert not changed_step.is_changed(model)


def test_a_step_of_the_users_own_comes_back():
    model = network()

    def own(batch):
        return keras.Model.train_step(model, batch)

    model.train_step = own
    fit(model, callbacks.Freeze(layers="first", after=0))
    assert vars(model)["train_step"] is own


def test_train_on_batch_after_a_broken_off_training_trains_everything():
    model = network()
    with pytest.raises(KeyboardInterrupt):
        fit(model, callbacks.Freeze(layers="first", after=0), Break())
    before = model.get_layer("first").get_weights()[0]
    model.train_on_batch(X, Y)
    assert not np.array_equal(before, model.get_layer("first").get_weights()[0])
