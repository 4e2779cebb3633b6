"""Lookahead and Freeze: by a formula and by Keras.

Through a resumed run, also on two devices: tests/test_training_fit.py.
"""

import keras
import numpy as np
import pytest

from kerasopt import callbacks
from kerasopt.callbacks import Freeze, Lookahead, ShareCallback


def model_of(seed=0, **compiling):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(5, name="first"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, name="last"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05), "mse", **compiling)
    return model


def samples():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(40, 4)).astype("float32")
    return x, x.sum(1, keepdims=True)


class Record(keras.callbacks.Callback):
    """Keeps all variables as they are before Lookahead sees them."""

    def __init__(self):
        super().__init__()
        self.before = []

    def on_train_batch_end(self, batch, logs=None):
        self.before.append([v.numpy() for v in self.model.variables])


def test_lookahead_follows_the_formula():
    model, record = model_of(), Record()
    slow = [v.numpy() for v in model.variables]
    lookahead = Lookahead(every=2, decay=0.8, ramp=2)
    # The record stands first, so it sees the weights that were just trained.
    model.fit(
        *samples(),
        batch_size=10,
        epochs=2,
        verbose=0,
        shuffle=False,
        callbacks=[record, lookahead],
    )
    is_float = [v.dtype == "float32" for v in model.variables]
    for step in (2, 4, 6, 8):
        decay = 0.8 * (step / 8) ** 2
        trained = record.before[step - 1]
        slow = [decay * s + (1 - decay) * t for s, t in zip(slow, trained, strict=True)]
    for value, expected, floating in zip(model.variables, slow, is_float, strict=True):
        if floating:
            np.testing.assert_allclose(value.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_lookahead_without_decay_changes_nothing():
    plain, ahead = model_of(), model_of()
    settings = {"batch_size": 10, "epochs": 2, "verbose": 0, "shuffle": False}
    plain.fit(*samples(), **settings)
    ahead.fit(*samples(), **settings, callbacks=[Lookahead(every=1, decay=0.0)])
    for a, b in zip(plain.get_weights(), ahead.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_lookahead_keeps_the_slow_weights_at_the_end():
    model = model_of()
    start = [v.numpy() for v in model.trainable_variables]
    # 4 steps and an update every 100: the slow weights never move.
    model.fit(*samples(), batch_size=10, verbose=0, callbacks=[Lookahead(every=100)])
    for value, expected in zip(model.trainable_variables, start, strict=True):
        np.testing.assert_array_equal(value.numpy(), expected)


def test_lookahead_counts_the_steps_of_one_execution():
    """Two steps a call, an update every 4: as with one step a call."""
    weights = []
    for steps in (1, 2):
        model = model_of(steps_per_execution=steps)
        callback = Lookahead(every=4, decay=0.9, ramp=0)
        model.fit(*samples(), batch_size=5, verbose=0, shuffle=False,
                  callbacks=[callback])  # fmt: skip
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_share_counts_steps_without_a_clock():
    shares = []

    class Note(ShareCallback):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            shares.append(self.share())

    model_of().fit(*samples(), batch_size=20, epochs=2, verbose=0, callbacks=[Note()])
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_freeze_stops_the_training_of_a_layer():
    model, kernels = model_of(), []

    class Note(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kernels.append(
                [model.get_layer(n).kernel.numpy() for n in ("first", "last")]
            )

    freeze = Freeze(layers="first", after=0.5)
    model.fit(*samples(), epochs=4, verbose=0, callbacks=[freeze, Note()])
    first, last = zip(*kernels, strict=True)
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[1], first[3])
    assert not np.array_equal(last[2], last[3])
    assert model.get_layer("first").trainable


def test_freeze_takes_patterns_and_leaves_the_rest():
    model = model_of()
    before = {layer.name: layer.get_weights() for layer in model.layers}
    freeze = Freeze(layers=["fi*", "batch_normalization*"], after=0)
    model.fit(*samples(), verbose=0, callbacks=[freeze])
    same = {
        layer.name.split("_")[0]
        for layer in model.layers
        if all(map(np.array_equal, layer.get_weights(), before[layer.name]))
    }
    assert same == {"first", "batch"}
    assert all(layer.trainable for layer in model.layers)


def test_freeze_leaves_a_frozen_layer_frozen():
    model = model_of()
    model.get_layer("first").trainable = False
    model.compile("sgd", "mse")
    model.fit(*samples(), verbose=0, callbacks=[Freeze(layers="first", after=0)])
    assert not model.get_layer("first").trainable


def test_freeze_lists_the_layers_for_an_unknown_one():
    with pytest.raises(ValueError, match=r"Unknown layer .*'frist'.*first.*last"):
        model_of().fit(*samples(), verbose=0, callbacks=[Freeze(layers="frist")])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "lookahead", "every": 0}, "every must be an integer >= 1"),
        ({"name": "lookahead", "every": True}, "every must be an integer >= 1"),
        ({"name": "lookahead", "decay": 1}, "decay must lie in"),
        ({"name": "lookahead", "ramp": -1}, "ramp must be a number >= 0"),
        ({"name": "freeze", "layers": "a", "after": 1}, "after must lie in"),
        ({"name": "freeze"}, "needs layers"),
        ("lookahaed", "Unknown callback 'lookahaed'"),
        ({"name": "lookahead", "steps": 3}, "Unknown argument"),
    ],
)
def test_bad_specs_are_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        callbacks.get(spec)


def test_a_callback_comes_back_as_it_is():
    stop = keras.callbacks.TerminateOnNaN()
    assert callbacks.get(stop) is stop
    with pytest.raises(ValueError, match="already has its arguments"):
        callbacks.get(stop, every=2)


def test_freeze_refuses_averaged_weights():
    model = model_of()
    model.compile(keras.optimizers.SGD(0.1, use_ema=True), "mse")
    with pytest.raises(ValueError, match=r"use_ema=True.*Lookahead"):
        model.fit(*samples(), verbose=0, callbacks=[Freeze(layers="first")])
