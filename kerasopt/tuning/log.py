"""The runs that were made by hand, as one table."""

from __future__ import annotations

import os

import pandas as pd

from kerasopt import files
from kerasopt.evaluation import formatting
from kerasopt.training import Run, run_folder

__all__ = ["trial_log"]

_MEASURES = (
    "val_accuracy",
    "val_loss",
    "epochs",
    "train_seconds",
    "parameters",
)


def trial_log(directory: str | os.PathLike[str] = "runs") -> pd.DataFrame:
    """Return a table of the finished runs in a folder: what differed, what it gave.

    For settings that are tried by hand: each run's folder records all of them, and
    this puts those that aren't the same everywhere beside the validation results. Test
    results are left out, since choosing by them would spoil them.

    Args:
        directory: Where the runs' folders are; ``"runs"`` by default.

    Returns:
        One row a run, the oldest first: run (its folder), the differing settings by
        their dotted names, val_accuracy, val_loss, epochs, train_seconds and
        parameters.

    Raises:
        ValueError: if there is no finished run.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import kerasopt as ko
        >>> small = ko.data.load("digits", size=200)
        >>> recipe = ko.recipes.load("mnist-mlp").replace("training.epochs", 1)
        >>> folder = Path(tempfile.mkdtemp())
        >>> for size in (32, 64):
        ...     _ = recipe.replace("training.batch_size", size).run(
        ...         dataset=small, directory=folder / str(size), verbose=False)
        >>> trial_log(folder)["training.batch_size"].tolist()
        [32, 64]
    """
    found = files.user_path(directory).glob(f"*/{run_folder.METRICS}")
    folders = sorted(
        (path.parent for path in found),
        key=lambda folder: (folder / run_folder.METRICS).stat().st_mtime,
    )
    if not folders:
        raise ValueError(
            f"No folder in '{directory}' holds a finished run of train, fit or "
            "Recipe.run. Give the folder that they are in; a search's trials are in "
            "its .table."
        )
    runs = [Run.load(folder) for folder in folders]
    settings = pd.DataFrame([formatting.settings(run.recipe) for run in runs])
    text = settings.map(repr)
    differing = [name for name in settings if text[name].nunique() > 1]
    table = pd.DataFrame({"run": [str(folder) for folder in folders]})
    table[differing] = settings[differing]
    for name in _MEASURES:
        table[name] = [run.metrics.get(name) for run in runs]
    return table
