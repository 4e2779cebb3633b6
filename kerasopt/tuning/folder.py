"""The folder of a search or an ablation: new, or one to go on with."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from kerasopt import checks, files
from kerasopt.data import Dataset
from kerasopt.names import unknown
from kerasopt.recipes import Recipe
from kerasopt.training import durations
from kerasopt.training import run as run_folder

__all__ = [
    "METRICS",
    "about",
    "check_metric",
    "check_validation",
    "deadline",
    "no_result",
    "opened",
    "seed_list",
    "write_table",
]

METRICS = {"val_accuracy": True, "val_loss": False}
"""What is compared, and whether more of it is better."""

DEFINITION = "definition.yaml"


def check_metric(metric: str) -> None:
    """Refuse a metric that no training logs, and those of the training data."""
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)


def check_validation(dataset: Dataset, who: str) -> None:
    """Refuse data without a validation part."""
    if dataset.validation is None:
        raise ValueError(
            f"{who} compares on validation data, and this dataset has none: load it "
            "with validation=0.1."
        )


def deadline(budget: str | float | None) -> float | None:
    """Return the moment at which a time budget ends, as `time.monotonic` counts."""
    return None if budget is None else time.monotonic() + durations.seconds(budget)


def seed_list(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds for a number of them, or those given.

    Example:
        >>> seed_list(3), seed_list([5, 7])
        ([0, 1, 2], [5, 7])
    """
    if isinstance(seeds, int):
        return list(range(checks.integer("seeds", seeds)))
    listed = seeds.tolist() if isinstance(seeds, np.ndarray) else list(seeds)
    if not listed or len(set(listed)) < len(listed):
        raise ValueError(f"seeds must be different integers; given: {listed!r}.")
    return [checks.integer("seeds", each, least=0) for each in listed]


def about(dataset: Dataset) -> dict[str, Any]:
    """Return what identifies the data that are trained and validated on."""
    hashes = {k: v for k, v in dataset.hashes.items() if not k.endswith("_test")}
    return {"data": {"name": dataset.name, "sha256": hashes}}


def opened(
    directory: str | os.PathLike[str] | None,
    kind: str,
    recipe: Recipe,
    definition: Mapping[str, Any],
) -> Path:
    """Make the folder, or go on with the one that holds this very work.

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
    content = yaml.safe_load(yaml.safe_dump(content, sort_keys=False))
    folder = (
        _new_folder(f"{kind}-{recipe.name}") if directory is None else Path(directory)
    )
    path = folder / DEFINITION
    if path.is_file():
        _check_same(folder, yaml.safe_load(path.read_text(encoding="utf-8")), content)
        return folder
    run_folder.check_new(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run_folder.write_yaml(path, content)
    return folder


def _check_same(folder: Path, there: dict[str, Any], given: dict[str, Any]) -> None:
    from kerasopt.evaluation.formatting import flatten

    old, new = flatten(there), flatten(given)
    differing = [
        f"{name} (there {old.get(name)!r}, given {new.get(name)!r})"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise ValueError(
            f"'{folder}' holds another {there.get('kind')}, which differs in "
            f"{'; '.join(differing[:3])}{more}. Give the same to go on with it, or "
            "another directory."
        )


def no_result(folder: Path, table: pd.DataFrame, budget: Any) -> ValueError:
    """Return the error of a search that has no trial to choose.

    Args:
        folder: The search's.
        table: Its trials: status and reason.
        budget: The time that it had.
    """
    failed = table[table["status"] == "failed"]
    if len(failed):
        reasons = list(dict.fromkeys(failed["reason"]))
        return ValueError(
            f"All {len(failed)} trials of the search in '{folder}' failed: "
            f"{'; '.join(reasons[:3])}"
        )
    return ValueError(
        f"The budget of {budget!r} ended before the first trial did. It is kept: give "
        f"more time and directory='{folder}' to go on with it, or fewer epochs."
    )


def _new_folder(name: str) -> Path:
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path, attempt = Path("runs") / f"{name}-{stamp}", 1
    while path.exists():  # Another one of this very second.
        attempt += 1
        path = Path("runs") / f"{name}-{stamp}-{attempt}"
    return path


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    with files.atomic(path) as temporary:
        table.to_csv(temporary, index=False)
