"""Equal trainings are equal bit for bit, however their steps are taken."""

import functools
import math
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from thinning import slow_unless

import kerasopt as ko
from kerasopt.training.run import Run

pytestmark = pytest.mark.usefixtures("no_report")

L = keras.layers
RNG = np.random.default_rng(0)
SAMPLES, BATCH, EPOCHS = 56, 16, 4
X = RNG.uniform(size=(SAMPLES, 8, 8, 1)).astype("float32")
Y = np.digitize(X.mean((1, 2, 3)), [0.49, 0.51])
DATA = ko.data.from_arrays(X, Y, validation=(X[:24], Y[:24]))

SETTINGS = {
    "momentum": {
        "optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9},
        "class_weight": "balanced",
    },
    "adam": {"optimizer": "adam"},
    "cosine": {
        "optimizer": {
            "name": "adamw",
            "learning_rate": {"name": "cosine", "initial_learning_rate": 0.01},
        }
    },
    "averages": {"optimizer": {"name": "sgd", "use_ema": True, "ema_momentum": 0.8}},
    "averages_judged": {
        "optimizer": {"name": "sgd", "use_ema": True, "ema_momentum": 0.8},
        "patience": 2,
    },
    "lookahead": {"callbacks": [{"name": "lookahead", "every": 3}]},
    "freeze": {"callbacks": [{"name": "freeze", "layers": "first", "after": 0.4}]},
    "sharpness_aware": {"callbacks": ["sharpness_aware"]},
    "plateau": {
        "callbacks": [
            {"name": "plateau", "monitor": "loss", "patience": 1, "min_delta": 1.0}
        ]
    },
    "early_stopping": {
        "optimizer": {"name": "sgd", "learning_rate": 0.5},
        "patience": 1,
        "epochs": 8,
    },
    "affine": {"augment": {"name": "affine", "rotation_range": 20}},
    "crop": {"augment": {"name": "crop"}},
    "mixed": {
        "augment": [
            "random_resized_crop",
            "randaugment",
            {"name": "random_erasing", "probability": 0.8},
            "noise",
            {"name": "mixup", "alpha": 0.4},
            "cutmix",
        ]
    },
    "keras_layers": {"augment": [L.RandomRotation(0.1), L.RandomFlip(), L.MixUp(0.4)]},
    "standardized": {"augment": [{"name": "standardize", "mean": 0.3, "std": 0.4}]},
}
"""With dropout and batch normalisation each, which are in the network."""


def net():
    layers = [
        L.Flatten(),
        L.Dense(8, name="first"),
        L.BatchNormalization(momentum=0.9),
        L.ReLU(),
    ]
    head = [L.Dropout(0.2), L.Dense(3, activation="softmax")]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers, *head])


def fit(folder, data=DATA, *, callbacks=(), **arguments):
    given = {"epochs": EPOCHS, "batch_size": BATCH, **arguments}
    given["callbacks"] = [*given.pop("more_callbacks", ()), *callbacks]
    return ko.fit(
        net,
        data,
        directory=folder,
        deterministic=True,
        devices="cpu",
        verbose=False,
        **given,
    )


class EveryBatch(keras.callbacks.Callback):
    """Makes calls of one step."""

    def on_train_batch_end(self, batch, logs=None):
        pass


class StopOnce(keras.callbacks.Callback):
    """Breaks off in the midst of an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.place = epoch, batch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            raise KeyboardInterrupt


def interrupted_and_resumed(folder, data=DATA, *, place=(1, 2), **arguments):
    arguments["checkpoint_seconds"] = 0
    own = arguments.pop("callbacks", [])
    with pytest.raises(KeyboardInterrupt):
        fit(folder, data, callbacks=[*own, StopOnce(*place)], **arguments)
    return fit(folder, data, callbacks=own, resume=True, **arguments)


def state(run):
    """Return everything that must be equal."""
    variables = [*run.model.variables, *run.model.optimizer.variables]
    return {
        "variables": [keras.ops.convert_to_numpy(each) for each in variables],
        "history": run.history.drop(columns="seconds").to_dict("list"),
        "measures": {k: v for k, v in run.metrics.items() if "seconds" not in k},
    }


def assert_identical(run, expected):
    found = state(run)
    assert found["history"] == expected["history"]
    for number, (one, other) in enumerate(
        zip(found["variables"], expected["variables"], strict=True)
    ):
        np.testing.assert_array_equal(one, other, err_msg=f"variable {number}")
    assert found["measures"] == expected["measures"]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The state after a training that nobody disturbed, by the name of its settings."""

    @functools.cache
    def trained(name):
        return state(fit(tmp_path_factory.mktemp(name), **SETTINGS[name]))

    return trained


ONE_BY_ONE = {"momentum", "adam"}
STREAMED = {"cosine", "averages", "sharpness_aware"}
INTERRUPTED = {
    "crop",
    "early_stopping",
    "keras_layers",
    "lookahead",
    "mixed",
    "plateau",
}
"""What `make test` runs of each of the three tests below."""


@pytest.mark.parametrize("name", slow_unless(ONE_BY_ONE.__contains__, SETTINGS))
def test_calls_of_one_step(name, unbroken, tmp_path):
    arguments = dict(SETTINGS[name])
    callbacks = [*arguments.pop("callbacks", []), EveryBatch()]
    run = fit(tmp_path, callbacks=callbacks, **arguments)
    assert_identical(run, unbroken(name))


NOT_AUGMENTED = [name for name in SETTINGS if "augment" not in SETTINGS[name]]


@pytest.mark.parametrize("name", slow_unless(STREAMED.__contains__, NOT_AUGMENTED))
def test_arrays_against_a_stream(name, unbroken, tmp_path):
    run = fit(tmp_path, augment=lambda images: images, **SETTINGS[name])
    assert_identical(run, unbroken(name))


@pytest.mark.parametrize("name", slow_unless(INTERRUPTED.__contains__, SETTINGS))
def test_interrupted_in_the_midst_of_an_epoch(name, unbroken, tmp_path):
    assert_identical(
        interrupted_and_resumed(tmp_path, **SETTINGS[name]), unbroken(name)
    )


def test_the_settings_do_what_they_are_there_for(unbroken):
    """Early stopping stops, the plateau lowers the rate, averages differ."""
    assert unbroken("early_stopping")["measures"]["stopped_early"]
    rates = unbroken("plateau")["history"]["learning_rate"]
    assert len(set(rates)) > 1
    plain, averages = unbroken("adam"), unbroken("averages")
    assert plain["history"]["loss"] != averages["history"]["loss"]


@pytest.mark.slow
def test_interrupted_twice_and_between_two_epochs(unbroken, tmp_path):
    arguments = {"checkpoint_seconds": 0}
    for place, resume in (((0, 3), False), ((2, 0), True), ((2, 1), True)):
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path, callbacks=[StopOnce(*place)], resume=resume, **arguments)
    run = fit(tmp_path, resume=True, **arguments)
    assert_identical(run, unbroken("adam"))


def test_a_longer_training_by_resuming(tmp_path):
    """More epochs than at first, where nothing depends on their number."""
    folder = tmp_path / "resumed"
    with pytest.raises(KeyboardInterrupt):
        fit(folder, epochs=2, callbacks=[StopOnce(1, 1)], checkpoint_seconds=0)
    run = fit(folder, epochs=3, resume=True, checkpoint_seconds=0)
    assert_identical(run, state(fit(tmp_path / "unbroken", epochs=3)))


# Streams of the user's own


class PyDataset(keras.utils.PyDataset):
    def __len__(self):
        return math.ceil(SAMPLES / BATCH)

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return X[rows], Y[rows]


def tf_data():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH)


STREAMS = {
    "tf_data": (tf_data, {}),
    "shuffled": (
        lambda: (
            tf.data.Dataset.from_tensor_slices((X, Y))
            .shuffle(SAMPLES, seed=1, reshuffle_each_iteration=False)
            .batch(BATCH)
        ),
        {},
    ),
    "augmented": (tf_data, {"augment": {"name": "affine", "rotation_range": 20}}),
    "mixed": (
        tf_data,
        {
            "augment": ["mixup", L.RandomFlip()],
            "class_weight": {0: 2.0, 1: 0.5, 2: 1.0},
        },
    ),
    "weighted": (tf_data, {"class_weight": {0: 2.0, 1: 0.5, 2: 1.0}}),
    "endless": (lambda: tf_data().repeat(), {"steps_per_epoch": 5}),
    "py_dataset": (PyDataset, {}),
    "generator": (
        lambda: lambda: (PyDataset()[index] for index in range(len(PyDataset()))),
        {},
    ),
}


@pytest.mark.parametrize("name", slow_unless({"generator"}.__contains__, STREAMS))
def test_an_interrupted_stream(name, tmp_path):
    stream, arguments = STREAMS[name]
    arguments = {**arguments, "validation_data": (X[:24], Y[:24])}
    expected = state(fit(tmp_path / "unbroken", stream(), **arguments))
    run = interrupted_and_resumed(tmp_path / "resumed", stream(), **arguments)
    assert_identical(run, expected)


# In another process


def resume_here(folder):
    """Resume, and leave the state in a file: what the child process does."""
    found = state(fit(folder, resume=True, checkpoint_seconds=0))
    np.savez(Path(folder, "state.npz"), *found["variables"])


@pytest.mark.slow
def test_resumed_in_another_process(unbroken, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, callbacks=[StopOnce(1, 2)], checkpoint_seconds=0)
    here = Path(__file__)
    code = f"import {here.stem} as t; t.resume_here({str(tmp_path)!r})"
    paths = os.pathsep.join([str(here.parent), str(here.parents[1])])
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    expected = unbroken("adam")
    assert (
        Run.load(tmp_path).history.drop(columns="seconds").to_dict("list")
        == (expected["history"])
    )
    with np.load(tmp_path / "state.npz") as saved:
        for one, other in zip(saved.values(), expected["variables"], strict=True):
            np.testing.assert_array_equal(one, other)
