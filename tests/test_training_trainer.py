"""kerasopt.training.trainer: Keras's own steps, however many make a call."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from thinning import slow_unless

from kerasopt import callbacks, models, optimizers
from kerasopt.training import Trainer, trainer
from kerasopt.training.calibration import JitChoice
from kerasopt.training.sources import ArraySource

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 6)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("int32")
WEIGHTS = RNG.uniform(0.1, 2, len(X)).astype("float32")
BATCH, EPOCHS = 32, 3
NETWORK = {"units": (8, 8), "dropout": 0.2, "batch_norm": True, "l2": 0.01}


def order(samples, epoch):
    return np.random.default_rng((5, epoch)).permutation(samples)


def source(*parts, shuffled=True):
    """Return the samples as the trainer takes them, in batches of 32."""
    tensors = tuple(map(tf.constant, parts))
    own = functools.partial(order, len(parts[0])) if shuffled else None
    return ArraySource(tensors, BATCH, order=own)


def compiled(rate=0.01, **network):
    """Return a network of one seed, compiled and built."""
    keras.utils.set_random_seed(5)
    model = models.mlp(input_shape=X.shape[1:], num_classes=2, **{**NETWORK, **network})
    model.compile(
        optimizers.get("adam", learning_rate=rate),
        "sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    trainer.make_variables(model, (X[:2], Y[:2], WEIGHTS[:2]))
    return model


def train(parts=(X, Y), model=None, **arguments):
    model = model or compiled()
    run = Trainer(model, source(*parts), **{"epochs": EPOCHS, **arguments}).run()
    return model, run.history


def keras_fit(model, *parts):
    """Train by Keras's own `fit` on the batches that `train` takes."""
    rows = {}
    for epoch in range(EPOCHS):
        rows_of_epoch = order(len(X), epoch)
        shuffled = tuple(part[rows_of_epoch] for part in parts)
        batches = tf.data.Dataset.from_tensor_slices(shuffled).batch(BATCH)
        history = model.fit(batches, verbose=0, shuffle=False).history
        for name, values in history.items():
            rows.setdefault(name, []).extend(values)
    return rows


def assert_same(first, second):
    """Weights and history are equal bit for bit."""
    for own, other in zip(first[0].variables, second[0].variables, strict=True):
        np.testing.assert_array_equal(own, other)
    assert first[1] == second[1]


@pytest.mark.parametrize(
    ("parts", "jit", "dropout", "tolerance"),
    # XLA adds in another order, and draws other random numbers from a seed.
    [
        ((X, Y), "none", 0.2, 1e-6),
        pytest.param((X, Y, WEIGHTS), "step", 0.0, 1e-4, marks=pytest.mark.slow),
        ((X, Y, WEIGHTS), "loop", 0.0, 1e-4),
    ],
)
def test_the_steps_are_those_of_keras_fit(parts, jit, dropout, tolerance):
    expected = compiled(dropout=dropout)
    rows = keras_fit(expected, *parts)
    model, history = train(parts, compiled(dropout=dropout), jit=JitChoice(jit))
    for mine, theirs in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance / 10)
    assert set(history) == set(rows)
    for name, values in rows.items():
        assert history[name] == pytest.approx(values, rel=tolerance)


@pytest.mark.parametrize("steps", slow_unless((2).__eq__, [1, 2, 3]))
def test_an_epoch_of_many_calls_is_the_same_epoch(steps, monkeypatch):
    whole = train()
    monkeypatch.setattr(trainer, "FIRST_STEPS", steps)
    monkeypatch.setattr(trainer, "MOST_STEPS", steps)
    assert_same(whole, train())


def test_a_callback_for_each_batch_changes_no_bit():
    seen = []
    watcher = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(batch)
    )
    assert_same(train(), train(callbacks=[watcher]))
    assert seen == [*range(5)] * EPOCHS


def test_early_stopping_brings_back_the_best():
    noise = np.random.default_rng(1).integers(0, 2, len(X)).astype("int32")
    model = compiled(rate=0.05, units=(64,), dropout=0.0)
    stopping = callbacks.EarlyStopping(monitor="val_loss", patience=2, mode="min")
    _, history = train(
        (X[:100], noise[:100]),
        model,
        epochs=50,
        validation=source(X[100:], noise[100:], shuffled=False),
        callbacks=[stopping],
    )
    best = int(np.argmin(history["val_loss"]))
    assert len(history["loss"]) == best + 3 < 50
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    loss, _ = model.evaluate(X[100:], noise[100:], verbose=0)
    assert loss == pytest.approx(history["val_loss"][best], rel=1e-5)


def test_validation_is_what_keras_evaluates():
    validation = source(X[:70], Y[:70], WEIGHTS[:70], shuffled=False)
    model, history = train(validation=validation, epochs=1)
    expected = model.evaluate(
        X[:70], Y[:70], sample_weight=WEIGHTS[:70], batch_size=BATCH, verbose=0
    )
    found = [history["val_loss"][0], history["val_accuracy"][0]]
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_resumed_epoch_ends_as_an_unbroken_one():
    """The metrics go on from the steps that were taken before."""
    whole = train(epochs=1)
    model = compiled()
    broken = Trainer(model, source(X, Y), epochs=1)
    broken.train.begin(0)
    broken.compiled.run("train", broken.train, 2)
    history = Trainer(model, source(X, Y), epochs=1).run(0, 2).history
    assert_same(whole, (model, history))


def test_verbose_prints_an_epoch_a_line(capsys):
    train(verbose=2)
    assert capsys.readouterr().out.count("Epoch ") == EPOCHS
