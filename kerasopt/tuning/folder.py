"""The folder of a search or an ablation: new, or one to resume."""

from __future__ import annotations

import contextlib
import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kerasopt import checks, files, yaml_text
from kerasopt.console import Console, say
from kerasopt.data import Dataset
from kerasopt.names import unknown
from kerasopt.recipes import Recipe
from kerasopt.training import directories, run_folder
from kerasopt.training.spec import in_seconds

__all__ = [
    "METRICS",
    "Deadline",
    "FolderDeadline",
    "about",
    "all_failed",
    "at_work",
    "check_every_epoch",
    "check_objective",
    "check_validation",
    "no_result",
    "opened",
    "seed_list",
    "write_recipe",
    "write_table",
]

METRICS = {"val_accuracy": True, "val_loss": False}
"""What is compared, and whether more of it is better."""

DEFINITION = "definition.yaml"
SELECTED_ON_TEST = (
    "what wins was chosen on the test set, and its score there is optimistic."
)
SECONDS, LOCK = "seconds.json", ".lock"


def check_objective(objective: str) -> None:
    """Refuse an objective that no training logs, and those of the training data."""
    if not isinstance(objective, str) or objective not in METRICS:
        raise unknown("objective", objective, METRICS)


def check_validation(dataset: Dataset, who: str) -> None:
    """Refuse data without a validation part; warn where it is the test part."""
    if dataset.validation is None:
        raise ValueError(
            f"{who} compares on validation data, and this dataset has none: make it "
            "with validation=0.1, such as ko.data.from_arrays(x, y, validation=0.1), "
            "or set data.validation=0.1 where the recipe loads the data."
        )
    if dataset.test_is_validation:
        warnings.warn(
            f"{who} compares on the validation data, which are the test data here: "
            f"{SELECTED_ON_TEST} Cut validation data from train with validation=0.1.",
            stacklevel=3,
        )


class Deadline:
    """A moment at which work ends.

    Args:
        deadline: As `time.monotonic` counts; None for no end.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def keep(self) -> None:
        """Do nothing: the process that began the work keeps the time."""


class FolderDeadline(Deadline):
    """The time budget of what is done in a folder, over all calls together.

    A call that resumes an interrupted or killed one has what that one left.

    Args:
        folder: The folder.
        budget: Time for all of it, such as "10m"; None for no end.
    """

    def __init__(self, folder: Path, budget: str | float | None) -> None:
        self._path = folder / SECONDS
        self._before = 0.0
        if self._path.is_file():
            self._before = json.loads(self._path.read_text(encoding="utf-8"))["seconds"]
        self._started = self._kept = time.monotonic()
        self.given = budget
        self.budget = None if budget is None else in_seconds(budget)
        super().__init__(self.budget and self._started + self.budget - self._before)

    @property
    def seconds(self) -> float:
        """Time that was used so far."""
        return self._before + time.monotonic() - self._started

    def keep(self) -> None:
        """Write down the time that was used, at most once a second."""
        if time.monotonic() - self._kept >= 1.0:
            self.write()

    def write(self) -> None:
        """Write down the time that was used, for a call that resumes."""
        self._kept = time.monotonic()
        run_folder.write_json(self._path, {"seconds": round(self.seconds, 3)})


def seed_list(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds for a number of them, or those given.

    Example:
        >>> seed_list(3), seed_list([5, 7])
        ([0, 1, 2], [5, 7])
    """
    given = checks.plain(seeds)
    if isinstance(given, int):
        return list(range(checks.integer("seeds", given)))
    listed = checks.sequence("seeds", given, "an integer >= 1, or a list of integers")
    if not listed or len(set(listed)) < len(listed):
        raise ValueError(f"seeds must be different integers; given: {listed!r}.")
    return [checks.integer("seeds", each, least=0) for each in listed]


def about(dataset: Dataset) -> dict[str, Any]:
    """Return what identifies the data that are trained and validated on."""
    hashes = {k: v for k, v in dataset.hashes.items() if not k.endswith("_test")}
    samples = {part: dataset.sizes[part] for part in ("train", "validation")}
    found: dict[str, Any] = {"name": dataset.name, "samples": samples, "sha256": hashes}
    if dataset.test_is_validation:
        found["test_is_validation"] = True
    return {"data": found}


def opened(
    directory: str | os.PathLike[str] | None,
    kind: str,
    recipe: Recipe,
    definition: Mapping[str, Any],
) -> Path:
    """Make the folder, or resume the one that holds this very work.

    Args:
        directory: The user's choice, or None for a new one below ``runs/``.
        kind: "search" or "ablation"; begins the new folder's name.
        recipe: What is changed.
        definition: What else makes it this work and not another.

    Raises:
        ValueError: if the folder holds something else.
    """
    content = {"kind": kind, "recipe": recipe.to_dict(), **definition}
    content["recipe"].pop("measured", None)
    # As it will be read, so that it can be compared.
    content = yaml_text.parse(yaml_text.dump(content))
    if directory is not None:
        found = files.user_path(directory).absolute()
        if (path := found / DEFINITION).is_file():
            there = yaml_text.parse(path.read_text(encoding="utf-8"))
            _check_same(found, there, content)
            return found
    folder = directories.new_directory(f"{kind}-{recipe.name}", directory)
    run_folder.write_yaml(folder / DEFINITION, content)
    return folder


def _check_same(folder: Path, there: dict[str, Any], given: dict[str, Any]) -> None:
    from kerasopt.evaluation.formatting import flatten

    old, new = flatten(there), flatten(given)
    # The names tell most, the hashes of the data nothing.
    names = sorted({*old, *new}, key=lambda name: (not name.endswith("name"), name))
    names = [name for name in names if old.get(name) != new.get(name)]
    differing = [
        f"{name} (there {old.get(name)!r}, given {new.get(name)!r})"
        for name in names
        if ".sha256." not in name
    ] or ["the data's content"][: len(names)]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise ValueError(
            f"'{files.shown(folder)}' holds another {there.get('kind')}, which differs "
            f"in {'; '.join(differing[:3])}{more}. Pass identical settings to resume, "
            "or another directory."
        )


def no_result(
    folder: Path, table: pd.DataFrame, clock: FolderDeadline, option: str = ""
) -> ValueError:
    """Return the error of a search that has no trial to choose.

    Args:
        folder: The search's.
        table: Its trials: status and reason.
        clock: Its clock.
        option: The command's option that resumes it, if there is one.
    """
    there = files.shown(folder)
    again = f"directory={there!r}"
    again += f" ({option} {files.in_command(folder)})" if option else ""
    failed = table[table["status"] == "failed"]
    if len(failed) and len(failed) == len(table):
        return all_failed(f"trials of the search in '{there}'", failed["reason"])
    if not clock.is_over:
        found = table["status"].value_counts().items()
        counts = ", ".join(f"{number} {status}" for status, number in found)
        reasons = "; ".join(dict.fromkeys(failed["reason"]))
        return ValueError(
            f"No trial of the search in '{there}' was trained to its end ({counts}): "
            "give more trials by max_trials=…, since Hyperband's short ones count, and "
            f"{again} to resume. {reasons}".rstrip()
        )
    return ValueError(
        f"The budget of {clock.given!r} ended before the first trial was trained to "
        "its end. It is kept: give more time (the budget counts from the beginning) "
        f"and {again}, or let a trial be shorter (training.epochs, training.budget)."
    )


def all_failed(what: str, reasons: pd.Series) -> ValueError:
    """Return the error that nothing could be trained, with some of the reasons."""
    different = list(dict.fromkeys(reasons))
    return ValueError(f"All {len(reasons)} {what} failed: {'; '.join(different[:3])}")


@contextlib.contextmanager
def at_work(
    folder: Path, clock: FolderDeadline, console: Console, again: str = ""
) -> Iterator[None]:
    """Keep other processes out, note the time, and say after Ctrl-C how to resume.

    Args:
        folder: Where the work is done.
        clock: Its clock.
        console: Where to say it.
        again: A command that resumes it, if there is one.

    Raises:
        ValueError: if another process is at work in the folder.
    """
    with open(folder / LOCK, "ab") as lock:
        if not files.try_lock(lock):
            raise ValueError(
                f"Another process is at work in '{files.shown(folder)}': wait until it "
                "has ended."
            )
        try:
            yield
        except KeyboardInterrupt:
            same = f"the same call with directory={files.shown(folder)!r}"
            words = f"{again} or {same}" if again else same
            say(console, f"Interrupted. To resume: {words}.")
            raise
        finally:
            clock.write()


def check_every_epoch(recipe: Recipe) -> None:
    """Refuse a recipe that isn't validated after every epoch."""
    if recipe.training.validation_freq > 1:
        raise ValueError(
            "A search compares after every epoch: set training.validation_freq to 1 "
            f"(it is {recipe.training.validation_freq})."
        )


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe that trains from any folder: the path of its images is whole."""
    content = recipe.to_dict()
    if content["data"]["path"]:
        content["data"]["path"] = str(Path(content["data"]["path"]).absolute())
    run_folder.write_yaml(path, content)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    with files.atomic(path) as temporary:
        table.to_csv(temporary, index=False)
