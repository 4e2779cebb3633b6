"""What one process does for a search: train what it is told, and record it."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from kerasopt.data import Dataset
from kerasopt.data.splits import class_indices
from kerasopt.recipes import Recipe
from kerasopt.training import DivergedError, run_folder
from kerasopt.training.checkpoint import copy_unended
from kerasopt.training.compile_cache import CompileCache
from kerasopt.tuning import folder as folders
from kerasopt.tuning.fields import with_values
from kerasopt.tuning.searches.settings import SearchSettings
from kerasopt.tuning.searches.stopping import Pruner, StopAtEpoch
from kerasopt.tuning.space import Space
from kerasopt.tuning.trials import (
    RESULT,
    TRIALS,
    VALUES,
    Trials,
    failure,
    forget_checkpoints,
    recorded,
)

__all__ = ["Work", "folds_of"]

MOST_DATASETS = 4


@dataclass(eq=False)
class Work:
    """The trials of one search, in its folder.

    Attributes:
        recipe: What is changed.
        space: The fields.
        settings: The settings.
        folder: The search's folder.
        dataset: The data, or None to load each trial's own, as where the space has
            fields of the data.
        clock: Tells when to stop.
        data_dir: Folder with the dataset's files, where they can't be fetched.
    """

    recipe: Recipe
    space: Space
    settings: SearchSettings
    folder: Path
    dataset: Dataset | None = None
    clock: folders.Deadline = field(default_factory=folders.Deadline)
    data_dir: str | None = None
    _compiled: CompileCache = field(default_factory=CompileCache)
    _trials: dict[str, list[Trials]] = field(default_factory=dict)
    _records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(
        self,
        trial: str,
        values: Mapping[str, Any],
        *,
        until: int | None = None,
        after: str | None = None,
    ) -> dict[str, Any]:
        """Train or resume one trial; a recorded one isn't trained again.

        Args:
            trial: Its number, as the name of its folder.
            values: {field: value}.
            until: Stop after this epoch of the whole training.
            after: The trial whose training is continued.

        Returns:
            The record: values, status, reason, and for those that ended mean, std, n,
            epochs, seconds, parameters and curve (the objective by epoch). Where a
            training continues that of another trial, epochs and seconds are its own
            share, and parent, lineage_epochs and lineage_seconds tell the whole.

        Raises:
            OutOfTime: if the deadline came first.
        """
        place = self.folder / TRIALS / trial
        if (known := recorded(place)) is not None:
            return known
        record: dict[str, Any] = {"trial": int(trial), "values": dict(values)}
        # Known before the trial ends, so that an unfinished one can be told, too.
        run_folder.write_json(place / VALUES, dict(values))
        try:
            recipe = with_values(self.recipe, values)
            recipe.check()
            record |= self._train(recipe, place, until, after)
        except Exception as error:  # Whatever it is: the other trials continue.
            record |= failure(error)
        run_folder.write_json(place / RESULT, record)
        if self.settings.method != "hyperband":  # It may still resume it.
            forget_checkpoints(place)
        return record

    def _train(
        self, recipe: Recipe, place: Path, until: int | None, after: str | None
    ) -> dict[str, Any]:
        results: list[dict[str, Any]] = []
        for index, fold in enumerate(self._folds(recipe)):
            part = place / f"fold-{index}" if self.settings.folds else place
            # A fold that ended early would train on from its checkpoint.
            result = recorded(part) if self.settings.folds else None
            if result is None:
                if after is not None:
                    self._continue(part, after, index)
                hopeless = self._hopeless(recipe, part) if index == 0 else None
                result = self._train_part(fold, recipe, part, until, hopeless)
            results.append(result)
            if result["stopped"]:
                break
        values = [each["value"] for each in results]
        if not all(map(math.isfinite, values)):
            raise DivergedError(f"{self.settings.objective} became {values}.")
        status = "stopped" if results[-1]["stopped"] else "completed"
        if until is not None and until < recipe.training.epochs:
            status = "partial"
        return {
            "status": status,
            "reason": None,
            "mean": statistics.fmean(values),
            "std": statistics.stdev(values) if len(values) > 1 else None,
            "n": len(values),
            **self._lengths(results, after),
            "parameters": results[0]["parameters"],
            "curve": results[0]["curve"],
        }

    def _lengths(
        self, results: list[dict[str, Any]], after: str | None
    ) -> dict[str, Any]:
        """Return the trial's own epochs and seconds, and those of its whole line."""
        epochs = sum(each["epochs"] for each in results)
        seconds = round(sum(each["seconds"] for each in results), 3)
        lengths = {"epochs": epochs, "seconds": seconds}
        if self.settings.method != "hyperband":
            return lengths
        lengths |= {"lineage_epochs": epochs, "lineage_seconds": seconds}
        if after is None:
            return lengths
        # The checkpoint that it went on from counts the earlier epochs and seconds.
        earlier = recorded(self.folder / TRIALS / after) or {}
        lengths["parent"] = int(after)
        lengths["epochs"] -= earlier.get("lineage_epochs", 0)
        lengths["seconds"] -= earlier.get("lineage_seconds", 0)
        return {**lengths, "seconds": round(lengths["seconds"], 3)}

    def _train_part(
        self,
        fold: Trials,
        recipe: Recipe,
        part: Path,
        until: int | None,
        hopeless: Pruner | None,
    ) -> dict[str, Any]:
        """Train on one fold, or on the dataset's own parts, and return what it gave."""
        objective = self.settings.objective
        watchers = [each for each in (hopeless, until and StopAtEpoch(until)) if each]
        trained = fold.train(recipe, part, seed=self.settings.seed, watchers=watchers)
        result = {
            "value": trained.measures[objective],
            "epochs": trained.epochs,
            "seconds": trained.seconds,
            "parameters": trained.parameters,
            "curve": [row[objective] for row in trained.history],
            "stopped": hopeless is not None and hopeless.stopped,
        }
        if self.settings.folds:
            run_folder.write_json(part / RESULT, result)
        return result

    def _folds(self, recipe: Recipe) -> list[Trials]:
        """Return what trains on the recipe's data, one for each fold."""
        section = json.dumps(recipe.to_dict()["data"], sort_keys=True)
        if self.dataset is not None and recipe.data != self.recipe.data:
            raise ValueError(
                "This trial changes the data, but the first values of the space don't: "
                "let the function of hp return its data.* fields always."
            )
        if section not in self._trials:
            # Each holds its own copy of the data.
            if len(self._trials) >= MOST_DATASETS:
                self._trials.pop(next(iter(self._trials)))
            dataset = self.dataset or recipe.load_data(data_dir=self.data_dir)
            if not self.settings.folds:  # Which make validation parts of their own.
                folders.check_validation(dataset, "A search")
            parts = [dataset]
            if self.settings.folds:
                parts = folds_of(dataset, self.settings.folds, seed=self.settings.seed)
            self._trials[section] = [
                Trials(part, self.folder, self.clock, self._compiled) for part in parts
            ]
        return self._trials[section]

    def _continue(self, part: Path, after: str, index: int) -> None:
        """Copy the training that is to be continued, unless it has begun."""
        earlier = self.folder / TRIALS / after
        earlier = earlier / f"fold-{index}" if self.settings.folds else earlier
        if not (part / run_folder.CHECKPOINT).is_file():
            copy_unended(earlier / run_folder.CHECKPOINT, part / run_folder.CHECKPOINT)

    def _hopeless(self, recipe: Recipe, part: Path) -> Pruner | None:
        if self.settings.stop is None or self.settings.method == "hyperband":
            return None
        if recipe.training.budget is not None:
            return None  # At the same epoch a faster network is further on.
        callback = Pruner(
            self.settings.stop,
            objective=self.settings.objective,
            maximize=self.settings.maximize,
            others=self._other_curves(recipe.training.epochs),
            epochs=recipe.training.epochs,
        )
        history = part / run_folder.HISTORY
        if history.is_file():
            import pandas as pd

            callback.remember(pd.read_csv(history)[self.settings.objective].tolist())
        return callback

    def forget_checkpoints(self) -> None:
        """Delete them after the end, unless more time or trials resume them."""
        if self.settings.max_trials is None and not self.clock.is_over:
            forget_checkpoints(self.folder)

    def has_results(self) -> bool:
        """Say whether any trial has ended well, those of other workers too."""
        return any(each["status"] != "failed" for each in self._others())

    def _other_curves(self, epochs: int) -> list[list[float]]:
        """Return the objective by epoch of the others that train as long.

        One that trains longer is at another point of its schedule.
        """
        usual = self.recipe.training.epochs
        return [
            each["curve"]
            for each in self._others()
            if each["status"] != "failed"
            and each["values"].get("training.epochs", usual) == epochs
        ]

    def _others(self) -> Collection[dict[str, Any]]:
        """Return what the trials before this one gave, those of other workers too."""
        trials = self.folder / TRIALS
        names = os.listdir(trials) if trials.is_dir() else []
        # Names alone: a look into each folder before each trial would be quadratic.
        for name in sorted({*names} - {*self._records}):
            path = trials / name / RESULT
            if path.is_file():
                self._records[name] = json.loads(path.read_text(encoding="utf-8"))
        return self._records.values()


def folds_of(dataset: Dataset, folds: int, *, seed: int) -> list[Dataset]:
    """Return datasets whose validation parts are the folds of train and validation.

    Folds of classes are stratified.

    Args:
        dataset: The data; the test part is left out.
        folds: How many.
        seed: Of the shuffling.

    Raises:
        ValueError: if there are more folds than samples, or, with classes, than
            samples of the largest class.

    Example:
        >>> import kerasopt as ko
        >>> parts = folds_of(ko.data.load("digits", size=300), 5, seed=0)
        >>> [part.sizes["validation"] for part in parts]
        [60, 60, 60, 60, 60]
    """
    splits = [s for s in ("train", "validation") if getattr(dataset, s) is not None]
    x = np.concatenate([getattr(dataset, split)[0] for split in splits])
    y = np.concatenate([getattr(dataset, split)[1] for split in splits])
    weights = _weights(dataset, splits)
    labels = check_folds(dataset, folds)
    kind = StratifiedKFold if _has_classes(dataset) else KFold
    found = kind(folds, shuffle=True, random_state=seed).split(x, labels)
    parts = ({"train": train, "validation": held} for train, held in found)
    return [
        dataset.without_test().replace(
            **{split: (x[rows], y[rows]) for split, rows in part.items()},
            weights={
                split: weights[rows]
                for split, rows in part.items()
                if weights is not None
            },
            paths={},
        )
        for part in parts
    ]


def _weights(dataset: Dataset, splits: list[str]) -> np.ndarray | None:
    """Return the weights of some splits' samples, 1 where a split has none."""
    found = [dataset.weights.get(split) for split in splits]
    if all(each is None for each in found):
        return None
    return np.concatenate(
        [
            np.ones(dataset.sizes[split]) if each is None else each
            for split, each in zip(splits, found, strict=True)
        ]
    )


def check_folds(dataset: Dataset, folds: int) -> np.ndarray:
    """Refuse more folds than samples, or than samples of the largest class.

    Returns:
        What `folds_of` stratifies by: the class of each sample, 0 without classes.
    """
    labels = _strata(dataset)
    largest = int(np.bincount(labels).max())
    if folds > largest:
        raise ValueError(
            f"search.folds={folds} is more than the {largest} samples of the largest "
            "class, or of all without classes."
        )
    return labels


def _has_classes(dataset: Dataset) -> bool:
    return dataset.task is not None and dataset.task.has_classes


def _strata(dataset: Dataset) -> np.ndarray:
    """Return the class of each sample of train and validation, 0 without classes."""
    pairs = [pair for pair in (dataset.train, dataset.validation) if pair is not None]
    if not _has_classes(dataset):
        return np.zeros(sum(len(x) for x, _ in pairs), int)
    return np.concatenate([class_indices(y) for _, y in pairs])
