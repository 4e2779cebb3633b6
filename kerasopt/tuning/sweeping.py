"""One field of a recipe, several values, equal seeds."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasopt import checks, files, recipes
from kerasopt.data import Dataset, pipeline
from kerasopt.recipes import Recipe
from kerasopt.training import DivergedError
from kerasopt.training.directories import check_new
from kerasopt.tuning import folder as folders
from kerasopt.tuning.fields import is_of_the_data

__all__ = ["sweep"]


def sweep(
    recipe: Recipe | str,
    field: str,
    values: Sequence[Any],
    *,
    seeds: int | Sequence[int] = (0,),
    equal_updates: bool = False,
    dataset: Dataset | None = None,
    directory: str | os.PathLike[str] | None = None,
    verbose: bool = True,
) -> pd.DataFrame:
    """Train a recipe with each value of one field, on the same seeds.

    All of it is measured on validation data; the test data are left out, since
    choosing by them would spoil them.

    Args:
        recipe: What `kerasopt.recipes.load` gives or takes.
        field: Dotted, such as ``"training.batch_size"``.
        values: Its values.
        seeds: Each value is trained with each of them; a number stands for so many,
            from 0 on.
        equal_updates: For ``"training.batch_size"``: give every value about as many
            optimizer steps as the recipe's own batch size has, instead of as many
            epochs. At equal epochs batches of 256 get an eighth of the updates of
            batches of 32.
        dataset: Instead of the recipe's own.
        directory: Folder of the runs, one each; it must be new or empty. New below
            ``runs/`` by default.
        verbose: Show progress on standard error.

    Returns:
        One row a run: the field, seed, epochs, updates (optimizer steps),
        val_accuracy and val_loss (of the weights that were kept), train_seconds,
        parameters (of the model) and run (its folder). A run whose loss became NaN has
        NaN in its row, and the sweep continues.

    Raises:
        ValueError: before the first training, if a value doesn't fit, none is given,
            the data have no validation part, the field is ``"training.seed"`` (give
            ``seeds``) or one of the data while ``dataset`` is given, or
            ``equal_updates`` comes with another field or a time budget.

    Example:
        >>> import tempfile
        >>> import kerasopt as ko
        >>> recipe = ko.recipes.load("mnist-mlp").replace("training.epochs", 2)
        >>> small = ko.data.load("digits", size=200, validation=50)
        >>> table = sweep(recipe, "training.batch_size", [32, 64], dataset=small,
        ...               directory=tempfile.mkdtemp(), verbose=False)
        >>> table[["training.batch_size", "updates"]].values.tolist()
        [[32, 10], [64, 6]]
    """
    if not isinstance(recipe, Recipe):
        recipe = recipes.load(recipe)
    values = checks.sequence("values", values, "a list with at least one value")
    seeds = folders.seed_list(seeds)
    _check(recipe, field, values, seeds, dataset, equal_updates)
    if dataset is not None or not is_of_the_data(field):
        dataset = recipe.chosen_data(dataset).without_test()
    trials = [
        _trial(recipe, field, value, dataset, equal_updates=equal_updates)
        for value in values
    ]
    folder = _new_folder(directory)
    rows: list[dict[str, Any]] = []
    for value, (changed, data) in zip(values, trials, strict=True):
        for seed in seeds:
            place = folder / f"{len(rows):03d}-seed-{seed}"
            measured = _train(changed, data, seed, place, verbose)
            rows.append({field: value, "seed": seed, **measured})
    return pd.DataFrame(rows)


def _trial(
    recipe: Recipe,
    field: str,
    value: Any,
    dataset: Dataset | None,
    *,
    equal_updates: bool,
) -> tuple[Recipe, Dataset]:
    """Return the changed recipe and its data; a mistake in it shows here."""
    changed = recipe.replace(field, value)
    data = dataset or changed.load_data().without_test()
    folders.check_validation(data, "A sweep")
    if equal_updates:
        changed = _as_long_as(recipe, changed, data)
    changed.check()
    changed.build_model(data)
    return changed, data


def _train(
    recipe: Recipe, dataset: Dataset, seed: int, place: Path, verbose: bool
) -> dict[str, Any]:
    """Train once and return the row's measures."""
    try:
        run = recipe.run(seed=seed, dataset=dataset, directory=place, verbose=verbose)
    except DivergedError:
        return {"val_accuracy": np.nan, "val_loss": np.nan, "run": str(place)}
    per_epoch = pipeline.steps_per_epoch(
        len(dataset.train[0]), recipe.training.batch_size
    )
    epochs = run.metrics["epochs"]
    return {
        "epochs": epochs,
        "updates": round(epochs * per_epoch),
        "val_accuracy": run.metrics["val_accuracy"],
        "val_loss": run.metrics["val_loss"],
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
    values: list[Any],
    seeds: list[int],
    dataset: Dataset | None,
    equal_updates: bool,
) -> None:
    if not values:
        raise ValueError("values must be a list with at least one value; given: none.")
    texts = [checks.shown(value) for value in values]
    if len(set(texts)) < len(texts):
        raise ValueError(
            f"values has a value twice: {values!r}. Repeat trainings with seeds=…."
        )
    if field == "training.seed":
        raise ValueError("Give the seeds as seeds=…; they are the same for each value.")
    checks.text("field", field)
    checks.boolean("equal_updates", equal_updates)
    if dataset is not None and is_of_the_data(field):
        raise ValueError(
            f"{field!r} changes the data, but dataset=… is given: leave it out."
        )
    if equal_updates and (field != "training.batch_size" or recipe.training.budget):
        raise ValueError(
            "equal_updates counts epochs for 'training.batch_size'; given: the field "
            f"{field!r} and the budget {recipe.training.budget!r}."
        )


def _new_folder(directory: str | os.PathLike[str] | None) -> Path:
    if directory is None:
        return Path("runs").absolute() / f"sweep-{time.strftime('%Y%m%d-%H%M%S')}"
    check_new(directory)
    return files.user_path(directory).absolute()
