"""Runs that recipes made: their data again, and how interrupted ones resume."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kerasopt import checks, data
from kerasopt.recipes.recipe import Recipe

if TYPE_CHECKING:
    from kerasopt.training import Run

__all__ = ["data_of", "resume"]


def resume(
    directory: str | os.PathLike[str],
    *,
    model: Any = None,
    data: Any = None,
    data_dir: str | None = None,
    verbose: bool = True,
    **arguments: Any,
) -> Run:
    """Resume an interrupted run from its last checkpoint, or complete its results.

    A recipe's run needs nothing but its folder. A run that `kerasopt.fit` made from
    objects needs them again: model, data, and whatever else `fit` was given. Its
    settings (epochs, batch_size, seed and so on) are in the folder.

    Args:
        directory: The run's folder.
        model: The model, or the function that builds it. A recipe builds its own.
        data: The data. A recipe loads its own, unless it was run with ``dataset=``.
        data_dir: As in `Recipe.run`.
        verbose: Show progress on standard error.
        **arguments: What else `kerasopt.fit` was given: optimizer, loss, metrics,
            augment, callbacks, … ``epochs`` may be larger than before.

    Returns:
        The finished `kerasopt.Run`.

    Raises:
        ValueError: if the folder isn't that of an unfinished run, an object is missing,
            or the data, model or settings aren't those of the run.
    """
    from kerasopt.training import Run, directories

    directory = directories.unfinished_directory(directory)
    content = Run(directory).recipe
    if "data" not in content:
        if data_dir is not None:
            raise ValueError(
                f"data_dir has no effect on the run in '{directory}', which no recipe "
                "made; leave it out."
            )
        return _resume_objects(directory, model, data, verbose, arguments)
    for name in (*(["model"] if model is not None else []), *arguments):
        raise ValueError(
            f"The run in '{directory}' is a recipe's, which has its own {name}: leave "
            f"it out, as in ko.resume('{directory}')."
        )
    return Recipe(content).run(
        directory=directory,
        dataset=data,
        data_dir=data_dir,
        resume=True,
        verbose=verbose,
    )


def _resume_objects(
    directory: os.PathLike[str],
    model: Any,
    data: Any,
    verbose: bool,
    arguments: dict[str, Any],
) -> Run:
    """Call `kerasopt.fit` as it was called, with the settings of the folder."""
    import keras

    from kerasopt import training

    if model is None or data is None:
        raise ValueError(
            f"The run in '{directory}' was trained by ko.fit on objects, which its "
            f"folder doesn't hold. Call ko.resume('{directory}', model=…, data=…) with "
            "the same model and data, and with whatever else ko.fit was given: "
            "optimizer, loss, metrics, augment, callbacks, … The settings are in the "
            "folder."
        )
    recorded = dict(training.Run(directory).recipe["training"])
    if isinstance(model, keras.Model):
        recorded["precision"] = None  # That of a model which is built is decided.
    given = {"settings": training.TrainingSettings(**recorded), **arguments}
    return training.fit(
        model, data, directory=directory, resume=True, verbose=verbose, **given
    )


def data_of(run: Run, *, data_dir: str | None = None) -> data.Dataset:
    """Load the data of a recipe's run again, and check that they are the same.

    Args:
        run: A finished run.
        data_dir: As in `Recipe.run`.

    Raises:
        ValueError: if no recipe made the run, or the data aren't those that it was
            trained on.
    """
    from kerasopt.training import Run, resuming

    checks.instance("run", run, Run, "a kerasopt.Run")
    if "data" not in run.recipe:
        raise ValueError(
            f"The run in '{run.directory}' was trained on data that it doesn't hold. "
            f"Measure it in Python: kerasopt.Run('{run.directory}')"
            ".evaluate((x, y))."
        )
    dataset = Recipe(run.recipe).load_data(data_dir=data_dir)
    if run.task is not None and dataset.task != run.task:
        dataset = dataset.replace(task=run.task.name)
    resuming.check_same_data(
        run.environment.get("data", {}), {"sha256": dataset.hashes}, run.directory
    )
    return dataset
