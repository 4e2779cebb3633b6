"""kerasopt.training.trial: what `fit` gives on validation data, without the rest."""

import keras
import numpy as np
import pandas as pd
import pytest

import kerasopt as ko
from kerasopt.training import DivergedError, TrainingSettings
from kerasopt.training.batches import Feed
from kerasopt.training.compile_cache import CompileCache
from kerasopt.training.spec import TrainingSpec
from kerasopt.training.trial import train_trial

AUGMENT = {"name": "affine", "rotation_range": 10, "width_shift_range": 0.1}
COSINE = {"name": "sgd", "momentum": 0.9}
COSINE["learning_rate"] = {"name": "cosine", "initial_learning_rate": 0.1}
GROUPED = {
    "name": "grouped",
    "default": {"name": "sgd", "learning_rate": 0.1, "use_ema": True},
    "groups": {"bias": {"name": "sgd", "learning_rate": 0.1, "use_ema": True}},
}
SAME = {"optimizer": COSINE, "augment": AUGMENT}


def build():
    return ko.models.mlp(
        input_shape=(8, 8, 1), num_classes=10, units=(8,), dropout=0.2, batch_norm=True
    )


def settings(**changes):
    given = {"epochs": 4, "batch_size": 32, "seed": 3, "checkpoint_seconds": 0.0}
    return TrainingSettings(**{**given, **changes})


def spec(more=None, **changes):
    """Return the training of `build`; ``more`` has further fields of the spec."""
    return TrainingSpec(build, settings=settings(**changes), **(more or {}))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": {"name": "sgd", "learning_rate": 0.1, "use_ema": True}},
        {"callbacks": ["lookahead"]},
        {"optimizer": GROUPED},
    ],
)
def test_the_weights_that_are_left_are_measured(changes, tiny_digits, tmp_path):
    """Averages take the weights' place after the last epoch's validation."""
    trial = train_trial(spec(changes), Feed(tiny_digits), tmp_path)
    x, y = tiny_digits.validation
    loss = keras.losses.SparseCategoricalCrossentropy()
    outputs = trial.network.predict(np.float32(x) / 255, verbose=0)
    assert trial.measures["val_loss"] == pytest.approx(
        float(loss(y, outputs)), rel=1e-4
    )
    assert trial.history[-1]["val_loss"] != pytest.approx(trial.measures["val_loss"])


class StopAfter(keras.callbacks.Callback):
    """Breaks a training off, as a kill would after an epoch was kept."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epochs:
            raise InterruptedError


@pytest.fixture(scope="module")
def feed(tiny_digits):
    return Feed(tiny_digits)


@pytest.fixture(scope="module")
def cache():
    return CompileCache()


@pytest.fixture(scope="module")
def unbroken(feed, cache, tmp_path_factory):
    """A training of four epochs: what it gave, its weights, its folder."""
    folder = tmp_path_factory.mktemp("unbroken")
    trial = train_trial(spec({**SAME, "compile_key": "k"}), feed, folder, cache=cache)
    return trial, trial.network.get_weights(), folder


def test_it_is_what_fit_measures_on_validation_data(unbroken, tiny_digits, quick):
    trial, weights, folder = unbroken
    run = ko.fit(build, tiny_digits, **SAME, **quick, epochs=4, batch_size=32, seed=3)
    columns = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    history = pd.read_csv(folder / "history.csv")
    np.testing.assert_allclose(history[columns], run.history[columns], rtol=1e-4)
    assert trial.measures["val_loss"] == pytest.approx(
        run.metrics["val_loss"], rel=1e-4
    )
    assert trial.measures["val_accuracy"] == pytest.approx(run.metrics["val_accuracy"])
    assert trial.parameters == run.metrics["parameters"]
    assert trial.epochs == 4
    assert [row["epoch"] for row in trial.history] == [1, 2, 3, 4]
    assert trial.precision == "float32"
    assert trial.seconds > 0
    for one, other in zip(weights, run.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_patience_keeps_the_best_epochs_measures(tiny_digits, quick, tmp_path):
    high = {"name": "sgd", "learning_rate": 1.5, "momentum": 0.9}
    given = {"epochs": 8, "patience": 2, "monitor": "val_accuracy"}
    run = ko.fit(
        build, tiny_digits, optimizer=high, **quick, **given, batch_size=32, seed=3
    )
    trial = train_trial(
        spec({"optimizer": high}, **given), Feed(tiny_digits), tmp_path / "trial"
    )
    assert trial.epochs == run.metrics["epochs"]
    best = max(row["val_accuracy"] for row in trial.history)
    assert trial.measures["val_accuracy"] == best
    assert best == pytest.approx(run.metrics["val_accuracy"])


def test_after_a_stop_it_ends_bit_for_bit_as_unbroken(unbroken, feed, cache, tmp_path):
    _, weights, folder = unbroken

    def train(**more):
        same = spec({**SAME, "compile_key": "k"})
        return train_trial(same, feed, tmp_path, cache=cache, **more)

    with pytest.raises(InterruptedError):
        train(watchers=[StopAfter(2)])
    assert len(pd.read_csv(tmp_path / "history.csv")) == 2
    seen = []
    watcher = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, _: seen.append(e))
    resumed = train(watchers=[watcher])
    assert seen == [2, 3]
    for one, other in zip(weights, resumed.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    rows = [pd.read_csv(at / "history.csv") for at in (folder, tmp_path)]
    pd.testing.assert_frame_equal(
        *[each.drop(columns="seconds") for each in rows], check_exact=True
    )


def test_no_test_data_are_measured_and_no_run_is_left(unbroken, tiny_digits):
    trial, _, folder = unbroken
    assert sorted(trial.measures) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    names = sorted(p.name for p in folder.rglob("*") if p.is_file())
    assert names == ["history.csv", "last.npz"]


def test_without_validation_data_there_are_no_measures_of_them(tiny_digits, tmp_path):
    bare = ko.data.from_arrays(*tiny_digits.train)
    bare = ko.data.Dataset(train=bare.train, num_classes=10)
    trial = train_trial(spec(epochs=1), Feed(bare), tmp_path)
    assert sorted(trial.measures) == ["accuracy", "loss"]


def test_a_loss_that_becomes_nan_is_told(feed, tmp_path):
    high = {"optimizer": {"name": "sgd", "learning_rate": 1e30}}
    with pytest.raises(DivergedError, match="Lower the learning rate"):
        train_trial(spec(high, epochs=1), feed, tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"more": {"callbacks": ("reduce_lr_on_plateau",)}, "epochs": 2},
        pytest.param({"budget": 6}, marks=pytest.mark.slow),
    ],
)
def test_with_callbacks_or_a_budget_nothing_is_shared(changes, feed, tmp_path):
    """Both change what a step does, or the optimizer's schedule, in place."""
    more = {**changes.pop("more", {}), "compile_key": "k"}
    trial = train_trial(
        spec(more, **changes), feed, tmp_path, cache=(cache := CompileCache())
    )
    assert trial.epochs >= 1
    assert "k" not in cache


def test_weights_can_be_handed_to_it(unbroken, feed, cache, tmp_path):
    _, weights, _ = unbroken
    seen = []

    def hand_over(network):
        network.set_weights(weights)
        seen.append(network)

    more = {
        "optimizer": {"name": "sgd", "learning_rate": 1e-12},
        "prepare_weights": hand_over,
        "compile_key": "tiny",
    }
    train_trial(spec(more, epochs=1, seed=9), feed, tmp_path, cache=cache)
    kernel = seen[0].get_weights()[0]
    np.testing.assert_allclose(kernel, weights[0], atol=1e-6)
