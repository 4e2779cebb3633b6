"""The folders of runs: a table of them, new ones, and one process in each."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from kerasopt import files
from kerasopt.training import run_folder
from kerasopt.training.run import Run, check_is_run
from kerasopt.training.run_folder import LOCK, METRICS, RECIPE, DamagedRunError

__all__ = ["check_new", "locked", "new_directory", "runs", "unfinished_directory"]

LONGEST_NAME = 50
"""Characters of a name in that of a folder: file systems take 255 bytes, and one
character has up to four."""


def runs(directory: str | os.PathLike[str] = "runs") -> pd.DataFrame:
    """Return all runs below a folder as a table, the newest first.

    Args:
        directory: The folder; ``runs/`` by default.

    Returns:
        One row a run: run (its folder, relative to the directory), status
        (``"finished"``, ``"unfinished"`` or ``"damaged"``), task, the measures of the
        test and validation part that stand for the result, epochs, seconds and seed.

    Raises:
        ValueError: if there is no such folder.
    """
    root = files.user_path(directory)
    if not root.is_dir():
        raise ValueError(f"There is no folder '{root}'.")
    rows = [_row(path.parent, root) for path in root.rglob(RECIPE)]
    rows.sort(key=lambda row: row["made"], reverse=True)
    columns = ["run", "status", "task", "measure", "test", "val"]
    columns += ["epochs", "seconds", "seed", "made"]
    return pd.DataFrame(rows, columns=columns).drop(columns="made")


def _row(folder: Path, root: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "run": str(folder.relative_to(root)),
        "made": (folder / RECIPE).stat().st_mtime,
        "status": "finished" if (folder / METRICS).is_file() else "unfinished",
    }
    if row["status"] == "unfinished":
        return row
    try:
        run = Run.load(folder)
    except DamagedRunError:
        return row | {"status": "damaged"}
    measure = run.task.headline if run.task else "loss"
    return row | {
        "task": run.task and run.task.name,
        "measure": measure,
        "test": run.metrics.get(f"test_{measure}"),
        "val": run.metrics.get(f"val_{measure}"),
        "epochs": run.metrics.get("epochs"),
        "seconds": run.metrics.get("train_seconds"),
        "seed": run.metrics.get("seed"),
    }


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training into a folder inside this block.

    Raises:
        ValueError: if one does.
    """
    with open(folder / LOCK, "wb") as file:
        if not files.try_lock(file):
            raise ValueError(
                f"Another process is training into '{files.shown(folder)}': wait for "
                "it, or choose another folder."
            )
        yield


def check_new(directory: str | os.PathLike[str] | None) -> None:
    """Raise `ValueError` if the folder chosen for a new run can't be used, or is."""
    if directory is None:
        return
    path = files.user_path(directory)
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"The folder {str(path)!r} has a name that isn't UTF-8, under which "
            "TensorFlow can't write. Choose another one."
        ) from None
    # A link that leads nowhere is there, too.
    if os.path.lexists(path) and (not path.is_dir() or any(_foreign(path))):
        raise ValueError(
            f"'{path}' exists already and isn't an empty folder; nothing was "
            "changed. Choose another one, or resume the run that is in it."
        )


def _foreign(folder: Path) -> Iterator[Path]:
    return (each for each in folder.iterdir() if each.name != LOCK)


@contextlib.contextmanager
def _advised() -> Iterator[None]:
    """Add to the error of a folder that can't be made what to do about it."""
    try:
        yield
    except OSError as error:
        error.add_note(
            "The folder of a run can't be made there. Name another one: directory=…, "
            "or --out … on the command line."
        )
        raise


def new_directory(name: str, directory: str | os.PathLike[str] | None) -> Path:
    """Make the folder of a new run; never one that is in use.

    Args:
        name: First part of the folder's name below ``runs/``; a long one is cut.
        directory: A folder chosen by the user, or None.

    Returns:
        Its absolute path: callbacks may change the working directory.

    Raises:
        ValueError: if the chosen folder exists and isn't empty.
    """
    check_new(directory)
    if directory is not None:
        path = files.user_path(directory).absolute()
        with _advised():
            path.mkdir(parents=True, exist_ok=True)
        return path
    with _advised():
        return _new_below_runs(name[:LONGEST_NAME])


def _new_below_runs(name: str) -> Path:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for attempt in range(1, 1000):
        suffix = "" if attempt == 1 else f"-{attempt}"
        path = Path("runs").absolute() / f"{name}-{stamp}{suffix}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue  # Another run of this very second.
        return path
    raise ValueError(f"Too many runs named '{name}-{stamp}'.")


def unfinished_directory(directory: str | os.PathLike[str] | None) -> Path:
    """Return the folder of an interrupted run; never one that has its results.

    Args:
        directory: The run's folder.

    Raises:
        ValueError: if none is given, it isn't a run's, the run has finished, or
            (`DamagedRunError`) its recipe or environment is damaged.
    """
    if directory is None:
        raise ValueError("resume=True needs directory=, the interrupted run's folder.")
    path = files.user_path(directory).absolute()
    check_is_run(directory)
    if (path / METRICS).is_file():
        raise ValueError(
            f"The run in '{directory}' has already finished: open it with "
            f"kerasopt.Run('{directory}'). To train for longer, start a new run."
        )
    # What the resumed run rests on is read before anything is made of it.
    run_folder.read_recipe(path)
    run_folder.read_environment(path)
    return path
