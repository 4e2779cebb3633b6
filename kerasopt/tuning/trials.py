"""Training the same data again and again with other settings, and keeping the results.

A trial is one training in one folder: ``trial.json`` is its result, written when it
has ended; before that there is its checkpoint, from which it resumes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from kerasopt import augment, distribute, files, losses, schedules
from kerasopt.console import Console
from kerasopt.data import Dataset
from kerasopt.recipes import Recipe
from kerasopt.training import (
    DivergedError,
    calibration,
    placement,
    quiet,
    random_state,
    run_folder,
)
from kerasopt.training.batches import Feed
from kerasopt.training.compile_cache import CompileCache
from kerasopt.training.spec import TrainingSpec
from kerasopt.training.trial import TrainedTrial, train_trial
from kerasopt.tuning.folder import Deadline

__all__ = [
    "OutOfTime",
    "StopAtDeadline",
    "Trials",
    "compile_key",
    "failure",
    "forget_checkpoints",
    "one_precision",
    "recorded",
    "trial_records",
]

TRIALS = "trials"
"""The folder with one folder a trial, named by its number."""

RESULT, VALUES = "trial.json", "values.json"
"""What a trial gave, and what it was given, which is there before it ends."""


PRECISION = "precision.txt"
"""The number format of all trainings in a folder, where the recipe leaves it open."""


class OutOfTime(BaseException):
    """The time was over before the trial was; its checkpoint stays.

    Like an interruption it is no error of the trial's, so `except Exception` lets it
    pass.
    """


class StopAtDeadline(keras.callbacks.Callback):
    """Breaks a training off when the time is over, by `OutOfTime`.

    Args:
        deadline: Tells the moment, and keeps the time that was used.
    """

    every_batch = False
    memory = ()

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self.deadline = deadline

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the clock.

        `stop_training` would not do: Keras ends the epoch then as if it were whole,
        and the checkpoint would hold half an epoch for one.
        """
        if self.deadline.is_over:
            raise OutOfTime

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the time, for a call that resumes after a kill."""
        self.deadline.keep()


@dataclass(eq=False)
class Trials:
    """Trains recipes on one dataset, compiling and loading as little as possible.

    Attributes:
        dataset: The data; its test part is never looked at.
        home: Folder of all trainings that are compared.
        clock: Tells when to stop.
        compiled: Compiled models that may be used again.
    """

    dataset: Dataset
    home: Path
    clock: Deadline = field(default_factory=Deadline)
    compiled: CompileCache = field(default_factory=CompileCache)

    def __post_init__(self) -> None:
        """Leave the test data out, so that nothing can measure them."""
        self._feed = Feed(self.dataset.without_test())

    def train(
        self,
        recipe: Recipe,
        folder: Path,
        *,
        seed: int,
        watchers: Sequence[keras.callbacks.Callback] = (),
        prepare_weights: Callable[[keras.Model], None] | None = None,
    ) -> TrainedTrial:
        """Train a recipe, or resume it where its folder has a checkpoint.

        Args:
            recipe: What to train; it was checked.
            folder: The trial's own.
            seed: Of weights, order, augmentation and dropout.
            watchers: Callbacks that only watch, and may stop the training.
            prepare_weights: As in `kerasopt.training.spec.TrainingSpec`.

        Raises:
            OutOfTime: if the deadline came first.
            ValueError: whatever `kerasopt.fit` refuses.
        """
        # A small model's checkpoint takes milliseconds, so each epoch is kept.
        changes: dict[str, Any] = {"seed": seed, "checkpoint_seconds": 0.0}
        changes["precision"] = one_precision(recipe, self.dataset, self.home)
        if recipe.training.jit == "auto":
            changes["jit"] = "none"  # So that all trials compute alike.
        spec = TrainingSpec(
            lambda: recipe.build_model(self.dataset),
            optimizer=recipe.optimizer,
            loss=recipe.loss,
            augment=recipe.augment,
            callbacks=tuple(recipe.callbacks),
            settings=recipe.training.model_copy(update=changes),
            compile_key=compile_key(recipe, self.dataset),
            prepare_weights=prepare_weights,
        )
        with quiet.tracing(), random_state.kept():
            return train_trial(
                spec,
                self._feed,
                folder,
                watchers=[*watchers, StopAtDeadline(self.clock)],
                cache=self.compiled,
            )

    def record(
        self, recipe: Recipe, folder: Path, *, seed: int, **more: Any
    ) -> dict[str, Any]:
        """Train a recipe and keep its result; a recorded trial isn't trained again.

        A loss that became NaN is a result, too: status "failed", with the reason.

        Args:
            recipe: What to train.
            folder: The trial's own.
            seed: As in `train`.
            **more: As in `train`.

        Returns:
            status, reason, the measures, epochs, seconds and parameters.

        Raises:
            OutOfTime: as in `train`.
            ValueError: as in `train`, `kerasopt.training.DivergedError` apart.
        """
        if (known := recorded(folder)) is not None:
            return known
        try:
            trained = self.train(recipe, folder, seed=seed, **more)
            result = {
                "status": "completed",
                "reason": None,
                **trained.measures,
                "epochs": trained.epochs,
                "seconds": round(trained.seconds, 3),
                "parameters": trained.parameters,
            }
        except DivergedError as error:
            result = failure(error)
        run_folder.write_json(folder / RESULT, result)
        forget_checkpoints(folder)
        return result


def one_precision(recipe: Recipe, dataset: Dataset, home: Path) -> str | None:
    """Return the number format that all trainings in a folder share.

    That of the recipe; "auto" is timed by the first one to ask, and kept, so that
    folds, workers and a resumed search compare like with like.

    Args:
        recipe: The recipe.
        dataset: What it is trained on.
        home: Folder of all trainings.
    """
    training = recipe.training
    if training.precision != "auto":
        return training.precision
    path = home / PRECISION
    if not path.is_file():
        feed = Feed(dataset.without_test())
        loss = losses.get(
            recipe.loss,
            labels=dataset.train[1],
            label_smoothing=training.label_smoothing,
        )
        with placement.first_device(distribute.strategy(training.devices)):
            timed = calibration.resolve_precision(
                training,
                lambda: recipe.build_model(dataset),
                feed.some,
                lambda _: loss,
                Console(quiet=True),
            )
        files.write_text(path, str(timed.precision))
    return path.read_text(encoding="utf-8")


def forget_checkpoints(folder: Path) -> None:
    """Delete what only a resumed training needs: as large as three models.

    Args:
        folder: That of one trial, or of all.
    """
    for checkpoints in [*folder.rglob("checkpoints")]:
        shutil.rmtree(checkpoints)


def failure(error: Exception) -> dict[str, Any]:
    """Return the result of a trial that could not be trained."""
    return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}


def recorded(folder: Path) -> dict[str, Any] | None:
    """Return the result that a trial's folder holds, or None."""
    path = folder / RESULT
    if not path.is_file():
        return None
    return json.loads(path.read_text(encoding="utf-8"))


def trial_records(folder: Path) -> list[dict[str, Any]]:
    """Return what the trials of a search gave, by number, unfinished ones included.

    Args:
        folder: The search's.
    """
    records = []
    places = (folder / TRIALS).glob("[0-9]*")
    # Not by their text: with more trials the numbers get more digits.
    for place in sorted(places, key=lambda each: int(each.name)):
        record = recorded(place)
        if record is None and (place / VALUES).is_file():
            values = json.loads((place / VALUES).read_text(encoding="utf-8"))
            record = {"values": values, "status": "unfinished"}
        if record is not None:
            records.append({**record, "trial": int(place.name)})
    return records


def compile_key(recipe: Recipe, dataset: Dataset) -> str:
    """Return what of a recipe is fixed by compiling it.

    The learning rate lives in a variable and is left out, be it a number or a schedule
    (`kerasopt.training.compile_cache.Tabulated`), and so is all that makes the batches.

    Args:
        recipe: The recipe.
        dataset: Its data; their shape counts.

    Example:
        >>> import kerasopt as ko
        >>> digits = ko.data.load("digits", size=100)
        >>> recipe = ko.recipes.load("digits").replace("optimizer.learning_rate", 0.1)
        >>> other = recipe.replace("optimizer.learning_rate", 0.2)
        >>> compile_key(recipe, digits) == compile_key(other, digits)
        True
    """
    content = recipe.to_dict()
    found = augment.get(content["augment"])
    _, standardization = augment.split_standardization(found)
    layer = standardization and {**standardization.get_config(), "name": None}
    fixed = {
        "model": content["model"],
        "optimizer": _without_rates(content["optimizer"]),
        "loss": content["loss"],
        "training": [
            content["training"][name]
            for name in ("label_smoothing", "precision", "devices")
        ],
        # Mixed labels are rows, and a standardisation is a layer.
        "augment": [
            augment.is_mixing(found),
            layer and str([type(standardization).__name__, layer]),
        ],
        "data": [dataset.input_shape, dataset.num_classes, dataset.train[1].ndim],
    }
    return json.dumps(fixed, sort_keys=True)


def _without_rates(optimizer: Any) -> Any:
    """Return an optimizer's spec with the kind of its rates in their place."""
    if not isinstance(optimizer, dict):
        return optimizer
    kept = {key: _without_rates(value) for key, value in optimizer.items()}
    if "learning_rate" in optimizer:
        length = {"epochs": 1, "steps_per_epoch": 1_000_000}
        rate = schedules.complete(optimizer["learning_rate"], **length)
        # The schedule "constant" is a number, too.
        is_schedule = not isinstance(schedules.get(rate), float)
        kept["learning_rate"] = "schedule" if is_schedule else "number"
    return kept
