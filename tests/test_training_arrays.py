"""kerasopt.training.arrays: Keras's steps, and nothing that sharing them changes."""

import random
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt import models, optimizers
from kerasopt.training import DivergedError, arrays, passes

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 6)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("int32")


def builder(*, rate=0.01, optimizer="adam", **network):
    def build():
        return (
            models.mlp(input_shape=X.shape[1:], num_classes=2, **network),
            optimizers.get(optimizer, learning_rate=rate),
        )

    return build


def train(build, data=(X, Y), **arguments):
    given = {"batch_size": 32, "epochs": 3, "seed": 5, "metrics": ("accuracy",)}
    given |= {"loss": "sparse_categorical_crossentropy", **arguments}
    return arrays.fit(build, data, **given)


def assert_same(first, second):
    """Weights and history are equal bit for bit."""
    for own, other in zip(first[0].variables, second[0].variables, strict=True):
        np.testing.assert_array_equal(own, other)
    assert first[1].equals(second[1])


def keras_fit(build, weights=None):
    """Train by Keras's own `fit` on the batches that `train` takes."""
    state = random.getstate()
    random.seed(5)
    model, optimizer = build()
    random.setstate(state)
    model.compile(
        optimizer, "sparse_categorical_crossentropy", weighted_metrics=["accuracy"]
    )
    rows = []
    for epoch in range(3):
        order = np.random.default_rng((5, epoch)).permutation(len(X))
        parts = [part[order] for part in (X, Y, weights) if part is not None]
        batches = tf.data.Dataset.from_tensor_slices(tuple(parts)).batch(32)
        history = model.fit(batches, verbose=0, shuffle=False).history
        rows.append({name: values[0] for name, values in history.items()})
    return model, rows


NETWORK = {"units": (8, 8), "dropout": 0.2, "batch_norm": True, "l2": 0.01}


@pytest.mark.parametrize("weighted", [False, True])
def test_the_steps_are_those_of_keras_fit(weighted):
    weights = RNG.uniform(0.1, 2, len(X)).astype("float32") if weighted else None
    model, rows = keras_fit(builder(**NETWORK), weights)
    data = (X, Y, weights) if weighted else (X, Y)
    own, history = train(builder(**NETWORK), data)
    for mine, theirs in zip(own.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-7)
    for row, expected in zip(history.to_dict("records"), rows, strict=True):
        assert row == pytest.approx(expected, rel=1e-6)


def test_a_shared_compilation_changes_no_bit():
    runs = [
        ({"rate": 0.01}, {}),
        ({"rate": 0.1}, {"seed": 6, "batch_size": 64}),
        ({"rate": 0.01}, {"data": (X[:101], Y[:101])}),
        ({"rate": 0.01}, {"validation": (X[:50], Y[:50]), "patience": 1}),
        ({"rate": 0.01}, {}),
    ]
    shared = [
        train(builder(**NETWORK, **given), key="shared", **how) for given, how in runs
    ]
    for result, (given, how) in zip(shared, runs, strict=True):
        assert_same(result, train(builder(**NETWORK, **given), **how))
    assert_same(shared[0], shared[-1])


@pytest.mark.parametrize("optimizer", ["nesterov", "schedule_free_adamw", "muon"])
def test_other_optimizers_share_too(optimizer):
    train(builder(optimizer=optimizer, rate=0.1), key=optimizer)
    shared = train(builder(optimizer=optimizer, rate=0.01), key=optimizer)
    assert_same(shared, train(builder(optimizer=optimizer, rate=0.01)))


def test_a_result_stays_when_others_follow():
    model, _ = train(builder(), key="stays")
    before = model.get_weights()
    train(builder(rate=0.5), key="stays", seed=9)
    for kept, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)


def test_another_precision_is_another_compilation():
    train(builder(), key="precision")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, _ = train(builder(), key="precision")
        assert model.layers[1].compute_dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_the_callers_generators_are_left_alone():
    random.seed(1)
    np.random.seed(1)
    tf.random.set_seed(1)
    states = random.getstate(), np.random.get_state()[1].tolist()
    first = train(builder(dropout=0.5))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states
    random.seed(2)
    tf.random.set_seed(2)
    assert_same(first, train(builder(dropout=0.5)))


def test_early_stopping_brings_back_the_best():
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 2, len(X)).astype("int32")
    model, history = train(
        builder(rate=0.05, units=(64,)), (X[:100], noise[:100]), epochs=50,
        validation=(X[100:], noise[100:]), patience=2,
    )  # fmt: skip
    best = history["val_loss"].idxmin()
    assert len(history) == best + 2 < 50
    assert history.index[0] == 1
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    model.compile(loss="sparse_categorical_crossentropy")
    loss = model.evaluate(X[100:], noise[100:], verbose=0)
    assert loss == pytest.approx(history["val_loss"].min(), rel=1e-5)


def test_pixels_are_divided_by_255():
    pixels = np.random.default_rng(2).integers(0, 256, X.shape).astype("uint8")
    scaled = (pixels / np.float32(255)).astype("float32")
    first, second = train(builder(), (pixels, Y)), train(builder(), (scaled, Y))
    for mine, theirs in zip(
        first[0].get_weights(), second[0].get_weights(), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        arrays.predict(first[0], pixels), arrays.predict(first[0], scaled), rtol=1e-6
    )


def test_predictions_are_keras_predictions_whatever_their_company():
    model, _ = train(builder(units=(32,)))
    outputs = arrays.predict(model, X)
    np.testing.assert_allclose(outputs, model.predict(X, verbose=0), rtol=1e-5)
    for batch_size in (1, 7, 149):
        np.testing.assert_array_equal(
            outputs, arrays.predict(model, X, batch_size=batch_size)
        )


def test_an_epoch_of_many_calls_is_the_same_epoch(monkeypatch):
    whole = train(builder())
    monkeypatch.setattr(passes, "MOST_STEPS_A_CALL", 2)
    assert_same(whole, train(builder()))


def test_a_training_that_diverges_says_so_and_leaves_the_next_alone():
    fine = train(builder(optimizer="sgd", rate=0.1))
    with pytest.raises(DivergedError, match="Lower the learning rate"):
        train(builder(optimizer="sgd", rate=1e38), key="diverges", epochs=20)
    assert_same(fine, train(builder(optimizer="sgd", rate=0.1), key="diverges"))


def test_threads_take_turns():
    expected = [train(builder(), seed=seed) for seed in range(3)]
    found = {}

    def work(seed):
        found[seed] = train(builder(), seed=seed, key="threads")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(3):
        assert_same(expected[seed], found[seed])


def test_verbose_prints_an_epoch_a_line(capsys):
    train(builder(), verbose=2)
    assert capsys.readouterr().out.count("Epoch ") == 3


@pytest.mark.parametrize("name", ["batch_size", "epochs"])
def test_bad_numbers_are_named(name):
    with pytest.raises(ValueError, match=f"{name} must be an integer >= 1"):
        train(builder(), **{name: 0})
