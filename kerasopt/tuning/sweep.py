"""One field of a recipe, several values, equal seeds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kerasopt import recipes
from kerasopt.data import Dataset, pipeline
from kerasopt.recipes import Recipe

__all__ = ["sweep"]


def sweep(
    recipe: Recipe | str,
    field: str,
    values: Sequence[Any],
    *,
    seeds: Sequence[int] = (0,),
    equal_updates: bool = False,
    dataset: Dataset | None = None,
    directory: str | os.PathLike[str] = "runs/sweep",
    verbose: bool = True,
) -> pd.DataFrame:
    """Train a recipe with each value of one field, on the same seeds.

    The table has what was measured on validation data. The test results are in each
    run's folder; choosing by them would spoil them.

    Args:
        recipe: What `kerasopt.recipes.load` gives or takes.
        field: Dotted, such as ``"training.batch_size"``.
        values: Its values.
        seeds: Each value is trained with each of them.
        equal_updates: For ``"training.batch_size"``: give every value about as many
            optimizer steps as the recipe's own batch size has, instead of as many
            epochs. At equal epochs batches of 256 get an eighth of the updates of
            batches of 32.
        dataset: Instead of the recipe's own.
        directory: Folder of the runs, one each; it must be new or empty.
        verbose: Show progress on standard error.

    Returns:
        One row a run: the field, seed, epochs, updates (optimizer steps),
        val_accuracy and val_loss (of the weights that were kept), train_seconds,
        parameters (of the model) and run (its folder).

    Raises:
        ValueError: if a value doesn't fit, none is given, the data have no validation
            part, or ``equal_updates`` comes with another field or a time budget.

    Example:
        >>> import tempfile
        >>> import kerasopt as ko
        >>> recipe = ko.recipes.load("digits").replace("training.epochs", 2)
        >>> small = ko.data.load("digits", size=200, validation=50)
        >>> table = sweep(recipe, "training.batch_size", [32, 64], dataset=small,
        ...               directory=tempfile.mkdtemp(), verbose=False)
        >>> table[["training.batch_size", "updates"]].values.tolist()
        [[32, 10], [64, 6]]
    """
    if not isinstance(recipe, Recipe):
        recipe = recipes.load(recipe)
    dataset = dataset or recipe.load_data()
    _check(recipe, field, values, seeds, dataset, equal_updates)
    changed = [recipe.replace(field, value) for value in values]
    if equal_updates:
        changed = [_as_long_as(recipe, each, dataset) for each in changed]
    for each in changed:  # A wrong value shows before the first training.
        each.check()
    folder = _new_folder(Path(directory))
    rows: list[dict[str, Any]] = []
    for value, each in zip(values, changed, strict=True):
        for seed in seeds:
            run = each.run(
                seed=seed,
                dataset=dataset,
                directory=folder / f"{len(rows):03d}-seed-{seed}",
                verbose=verbose,
            )
            rows.append(_row(field, value, seed, run, dataset))
    return pd.DataFrame(rows)


def _row(
    field: str, value: Any, seed: int, run: Any, dataset: Dataset
) -> dict[str, Any]:
    batch_size = run.recipe["training"]["batch_size"]
    per_epoch = pipeline.steps_per_epoch(len(dataset.train[0]), batch_size)
    epochs = run.metrics["epochs"]
    return {
        field: value,
        "seed": seed,
        "epochs": epochs,
        "updates": round(epochs * per_epoch),
        "val_accuracy": run.metrics["validation_accuracy"],
        "val_loss": run.metrics["validation_loss"],
        "train_seconds": run.metrics["train_seconds"],
        "parameters": run.model.count_params(),
        "run": str(run.directory),
    }


def _as_long_as(recipe: Recipe, changed: Recipe, dataset: Dataset) -> Recipe:
    """Give a recipe the epochs that make as many updates as another one's."""
    samples = len(dataset.train[0])
    own = pipeline.steps_per_epoch(samples, recipe.training.batch_size)
    theirs = pipeline.steps_per_epoch(samples, changed.training.batch_size)
    epochs = max(1, round(recipe.training.epochs * own / theirs))
    return changed.replace("training.epochs", epochs)


def _check(
    recipe: Recipe,
    field: str,
    values: Sequence[Any],
    seeds: Sequence[int],
    dataset: Dataset,
    equal_updates: bool,
) -> None:
    if isinstance(values, str) or not len(values) or not len(seeds):
        raise ValueError(
            f"values and seeds must be lists with at least one entry; given: "
            f"{values!r} and {seeds!r}."
        )
    if dataset.validation is None:
        raise ValueError(
            "A sweep compares on validation data, and this dataset has none: load it "
            "with validation=0.1."
        )
    if equal_updates and (field != "training.batch_size" or recipe.training.budget):
        raise ValueError(
            "equal_updates counts epochs for 'training.batch_size'; given: the field "
            f"{field!r} and the budget {recipe.training.budget!r}."
        )


def _new_folder(folder: Path) -> Path:
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"'{folder}' isn't empty; name another directory.")
    return folder
