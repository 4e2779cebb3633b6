"""kerasopt.evaluation.verdict on curves whose reading is plain, and on real ones."""

import keras
import numpy as np
import pandas as pd
import pytest

import kerasopt as ko
from kerasopt import diagnosis
from kerasopt.benchmarks.small_data import draw_shapes
from kerasopt.training import run_folder

FALLS = 0.9 ** np.arange(12)
TURNS = np.r_[FALLS[:6], FALLS[5] + 0.05 * np.arange(1, 7)]


@pytest.mark.parametrize(
    ("loss", "val_loss", "expected"),
    [
        (FALLS, TURNS, True),
        (FALLS, FALLS, False),
        (np.ones(12), np.ones(12), False),  # it learns nothing: no overfitting
        (TURNS, TURNS, False),  # it diverges
        (FALLS, np.r_[FALLS[:10], 1, 1], False),  # two bad epochs of three
        (FALLS, np.full(12, np.nan), False),
    ],
)
def test_overfitting_is_a_rising_validation_and_a_falling_training_loss(
    loss, val_loss, expected
):
    history = pd.DataFrame({"loss": loss, "val_loss": val_loss})
    assert diagnosis.overfits(history, patience=3) is expected


def test_bad_arguments():
    history = pd.DataFrame({"loss": [1.0]})
    with pytest.raises(ValueError, match=r"missing: \['val_loss'\]"):
        diagnosis.overfits(history)
    with pytest.raises(ValueError, match="patience must be an integer >= 1"):
        diagnosis.overfits(history.assign(val_loss=1.0), patience=0)


def test_what_has_no_history_is_named():
    with pytest.raises(TypeError, match=r"a kerasopt\.Run.*given: int"):
        diagnosis.diagnose(3)
    empty = pd.DataFrame({"loss": [], "val_loss": []})
    with pytest.raises(ValueError, match="has no row"):
        diagnosis.diagnose(empty)


def test_the_history_of_keras_is_read_too():
    history = keras.callbacks.History()
    history.history = {"loss": list(FALLS), "val_loss": list(TURNS)}
    assert diagnosis.diagnose(history).verdict == "overfitting"


def test_one_epoch_tells_nothing_yet():
    history = pd.DataFrame({"loss": [1.0], "val_loss": [1.0], "accuracy": [0.5]})
    found = diagnosis.diagnose(history)
    assert (found.verdict, found.reason) == (
        "unfinished",
        "only one epoch was trained.",
    )


def test_epochs_without_validation_count():
    sparse = np.where(np.arange(12) % 2, TURNS, np.nan)
    history = pd.DataFrame({"loss": FALLS, "val_loss": sparse})
    found = diagnosis.diagnose(history)
    assert found.verdict == "overfitting"
    assert "lowest in epoch 6 of 12" in found.reason


FLAT = np.r_[FALLS[:6], np.full(6, FALLS[5])]


@pytest.mark.parametrize(
    ("loss", "val_loss", "accuracy", "verdict"),
    [
        (TURNS * [*np.ones(11), 3], TURNS, 0.5, "diverging"),
        (FALLS * [*np.ones(11), np.nan], FALLS, 0.5, "diverging"),
        (FALLS, TURNS, 0.99, "overfitting"),
        (FALLS, FALLS, 0.5, "unfinished"),
        (FLAT, FLAT, 0.5, "underfitting"),
        (FLAT, FLAT, 0.97, "fitting"),
        (np.full(12, 0.0), FLAT, 1.0, "fitting"),
    ],
)
def test_each_verdict(loss, val_loss, accuracy, verdict):
    columns = {"loss": loss, "val_loss": val_loss, "accuracy": accuracy}
    found = diagnosis.diagnose(pd.DataFrame(columns))
    assert found.verdict == verdict
    assert repr(found).startswith(f"{verdict}: ")
    assert bool(found.advice) == (verdict != "fitting")


def test_the_goal_decides_what_underfits():
    history = pd.DataFrame({"loss": FLAT, "val_loss": FLAT, "accuracy": 0.8})
    assert diagnosis.diagnose(history, goal=0.7).verdict == "fitting"
    assert diagnosis.diagnose(history, goal=0.9).verdict == "underfitting"
    bare = history.drop(columns="accuracy")
    assert "no accuracy to compare" in diagnosis.diagnose(bare).reason
    for goal in (-1, 1.5, "much"):
        with pytest.raises(ValueError, match="goal must lie in"):
            diagnosis.diagnose(history, goal=goal)


@pytest.mark.parametrize(
    ("units", "samples", "epochs", "verdict"),
    [
        ([256, 256], 60, 40, "overfitting"),
        ([1], 500, 25, "underfitting"),
        ([64], 500, 2, "unfinished"),
    ],
)
def test_real_trainings(units, samples, epochs, verdict, tmp_path):
    """A network too large for its data, one too small, and one that has just begun."""
    x, y = ko.data.load("digits").train
    dataset = ko.data.from_arrays(
        x[: samples + 200], y[: samples + 200], validation=200, seed=0
    )
    run = ko.fit(
        lambda: ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=units),
        dataset,
        epochs=epochs,
        optimizer={"name": "adam", "learning_rate": 0.01},
        directory=tmp_path / "run",
        verbose=False,
    )
    found = diagnosis.diagnose(run)
    assert found.verdict == verdict, found
    assert ("training.patience" in repr(found)) == (verdict == "overfitting")


@pytest.mark.parametrize(
    ("training", "inference", "expected"),
    [
        ({"accuracy": 0.9}, {"accuracy": 0.3}, True),
        ({"accuracy": 0.9}, {"accuracy": 0.85}, False),
        ({"accuracy": 0.3}, {"accuracy": 0.9}, False),  # dropout, augmentation
        ({"loss": 0.5}, {"loss": 2.0}, True),
        ({"loss": 0.5}, {"loss": float("nan")}, True),
        ({"loss": 0.5}, {"loss": 0.6}, False),
        ({"loss": 0.5, "accuracy": 0.9}, {"loss": 9.0, "accuracy": 0.9}, False),
        ({"loss": 0.5}, {"accuracy": 0.1}, False),  # nothing to compare
        ({}, {}, False),
    ],
)
def test_statistics_lag_where_inference_is_much_worse(training, inference, expected):
    assert diagnosis.statistics_lag(training, inference) is expected


def test_another_measure_is_named():
    with pytest.raises(ValueError, match="Did you mean 'accuracy'"):
        diagnosis.statistics_lag({"acuracy": 0.5}, {})


def test_a_lag_is_a_verdict_with_its_numbers():
    history = pd.DataFrame({"loss": FALLS, "val_loss": TURNS, "accuracy": 0.9})
    found = diagnosis.diagnose(history, inference={"accuracy": 0.34})
    assert found.verdict == "lagging"
    assert "accuracy is 34.0% in inference mode and 90.0% in training" in found.reason
    assert "batch_norm_momentum" in repr(found)
    assert diagnosis.diagnose(history).verdict == "overfitting"
    bare = history.drop(columns="accuracy")
    found = diagnosis.diagnose(bare, inference={"loss": 7})
    assert "loss is 7 in inference" in found.reason


@pytest.mark.slow
@pytest.mark.parametrize(("momentum", "lags"), [(0.99, True), (0.9, False)])
def test_a_real_lag_is_found(momentum, lags, tmp_path):
    """With Keras's momentum 60 steps leave half of the statistics at their start."""
    dataset = ko.data.from_arrays(*draw_shapes(200), validation=20)
    run = ko.fit(
        lambda: ko.models.cnn(
            input_shape=(32, 32, 3), num_classes=3, filters=(16, 32), batch_norm=True,
            batch_norm_momentum=momentum,
        ),
        dataset, epochs=10, directory=tmp_path / "run", verbose=False,
    )  # fmt: skip
    x, y = dataset.train
    loss, accuracy = run.model.evaluate(x / 255, y, verbose=0)
    found = diagnosis.diagnose(run, inference={"loss": loss, "accuracy": accuracy})
    assert (found.verdict == "lagging") is lags, found
    stored = {**run.metrics, "train_accuracy_inference": accuracy}
    finished = run_with(run, stored)
    assert (diagnosis.diagnose(finished).verdict == "lagging") is lags


def run_with(run, metrics):
    """The run as it is once its training measures the training data, too."""
    run_folder.write(run.directory, run_folder.METRICS, metrics)
    return ko.training.Run(run.directory)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diagnosis.overfits(None), "history must be a table .* a NoneType"),
        (lambda: diagnosis.statistics_lag(3, {}), "training must be a dict"),
        (lambda: diagnosis.statistics_lag({}, 3), "inference must be a dict"),
        (
            lambda: diagnosis.diagnose(pd.DataFrame({"loss": ["a"], "val_loss": [1]})),
            "column loss of history must hold numbers",
        ),
    ],
)
def test_arguments_of_a_wrong_type_are_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()
