"""Searching the settings of a recipe."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path
from typing import Any

import rich.console
import rich.progress

from kerasopt import recipes
from kerasopt.data import Dataset
from kerasopt.evaluation import formatting
from kerasopt.recipes import Recipe
from kerasopt.training import run as run_folder
from kerasopt.training.settings import validate
from kerasopt.tuning import folder as folders
from kerasopt.tuning.result import LIMITS, SearchResult
from kerasopt.tuning.settings import SearchSettings
from kerasopt.tuning.space import Space, SpaceLike, default_space
from kerasopt.tuning.trials import OutOfTime
from kerasopt.tuning.work import Work

__all__ = ["check_keras_tuner", "resume", "search"]


def search(
    recipe: Recipe | str,
    space: SpaceLike | None = None,
    *,
    dataset: Dataset | None = None,
    directory: str | os.PathLike[str] | None = None,
    verbose: bool = True,
    **settings: Any,
) -> SearchResult:
    """Search for the settings with which a recipe's model validates best.

    keras-tuner chooses the values of each trial; a trial trains the recipe with them
    and is measured on validation data. The test data are left out. What doesn't
    change from trial to trial is made once (the batches, and where only numbers such as
    the learning rate differ, the compiled training step), trials that are behind the
    others are stopped, and everything is kept: called again with the same `directory`
    and arguments, an interrupted or killed search goes on in the trial and epoch in
    which it was.

    Args:
        recipe: What `kerasopt.recipes.load` gives or takes.
        space: The fields and their values: a mapping such as
            ``{"optimizer.learning_rate": {"min_value": 1e-4, "max_value": 0.1,
            "sampling": "log"}, "training.batch_size": [32, 64]}``, the path of a YAML
            file with one, or a function of keras-tuner's ``hp`` that returns ``{field:
            value}``, with conditions by ``hp.conditional_scope``. By default
            `kerasopt.tuning.default_space`.
        dataset: Instead of the recipe's own.
        directory: Folder of the search; new below ``runs/`` by default.
        verbose: Show progress on standard error.
        **settings: Fields of `kerasopt.tuning.SearchSettings`, whose help lists them:
            ``method="bayesian"``, ``trials=30``, ``budget="10m"``,
            ``objective="val_accuracy"``, ``folds=None``, ``stop="median"``,
            ``workers=1``, ``seed=0``.

    Returns:
        A `SearchResult`: ``.table`` of the trials, ``.recipe`` that won, plots, and
        the folder with ``report.html`` and ``best.yaml``.

    Raises:
        ValueError: before the first trial, if a field, value or setting doesn't fit or
            the folder holds another search; after it, if the budget ended before a
            trial did, or all trials failed.
        ImportError: without keras-tuner (the extra ``tune``).

    Example:
        >>> import tempfile
        >>> import kerasopt as ko
        >>> small = ko.data.load("digits", size=300, validation=100)
        >>> recipe = ko.recipes.load("mnist-mlp").replace("training.epochs", 2)
        >>> found = search(recipe, {"training.batch_size": [32, 64]}, method="grid",
        ...                dataset=small, directory=tempfile.mkdtemp(), verbose=False)
        >>> found.table["training.batch_size"].tolist()
        [32, 64]
    """
    check_keras_tuner()
    if not isinstance(recipe, Recipe):
        recipe = recipes.load(recipe)
    recipe = recipe.for_budget()
    chosen = validate(SearchSettings, settings, "search")
    choices = Space.read(default_space(recipe) if space is None else space)
    choices.check(recipe)
    _check_agreement(recipe, choices, chosen, dataset)
    shared = dataset
    if dataset is None and not _touches_data(choices):
        shared = recipe.load_data()
    if shared is not None:
        if not chosen.folds:  # Which make validation parts of their own.
            folders.check_validation(shared, "A search")
        choices.check_models(recipe, shared)
    folder = folders.opened(
        directory,
        "search",
        recipe,
        {
            "space": choices.to_dict(),
            "settings": chosen.definition,
            **(folders.about(shared) if shared else {}),
        },
    )
    run_folder.write_yaml(folder / LIMITS, chosen.limits)
    work = Work(
        recipe, choices, chosen, folder, shared, folders.deadline(chosen.budget)
    )
    console = rich.console.Console(stderr=True, quiet=not verbose)
    with folders.interruption_told(folder, console):
        _run(work, console)
    return _finished(folder, chosen)


def resume(
    directory: str | os.PathLike[str],
    *,
    data_dir: str | None = None,
    verbose: bool = True,
    **settings: Any,
) -> SearchResult:
    """Go on with the search in a folder, with more trials or time if you like.

    Args:
        directory: The search's folder.
        data_dir: Folder with the dataset's files, where they can't be fetched.
        verbose: Show progress on standard error.
        **settings: ``trials``, ``budget`` and ``workers``, which may differ from what
            the search was given before; the same by default.

    Returns:
        As `search`.

    Raises:
        ValueError: if the folder isn't a search's, or its space was a function of hp or
            its data arrays: call `search` with the same ones and ``directory=``.
    """
    found = SearchResult(directory)
    definition = found.definition
    recipe = Recipe(definition["recipe"])
    if "function" in definition["space"]:
        raise ValueError(
            f"The space of the search in '{directory}' is a function: call "
            "kerasopt.tuning.search with it and directory=… to go on."
        )
    return search(
        recipe,
        definition["space"],
        dataset=None if data_dir is None else recipe.load_data(data_dir=data_dir),
        directory=directory,
        verbose=verbose,
        **{**found.settings, **settings},
    )


def check_keras_tuner() -> None:
    """Raise `ImportError` with what to install, unless keras-tuner is there."""
    for name in ("keras_tuner", "tensorboard"):
        if importlib.util.find_spec(name) is None:
            raise ImportError(
                f"A search needs {name}, which comes with the extra 'tune': "
                "pip install 'kerasopt[cpu,tune]'."
            )


def _check_agreement(
    recipe: Recipe, space: Space, settings: SearchSettings, dataset: Dataset | None
) -> None:
    """Refuse settings that don't go together."""
    if _touches_data(space) and dataset is not None:
        raise ValueError(
            "The space changes the data, but dataset=… is given: leave one of them out."
        )
    if settings.workers > 1 and space.function is not None:
        raise ValueError(
            "Workers are processes of their own and read the space from a file: give "
            "it as a mapping or YAML, or workers=1."
        )
    if settings.workers > 1 and dataset is not None:
        raise ValueError(
            "Workers are processes of their own and load the recipe's data: leave "
            "dataset=… out, or give workers=1."
        )
    if settings.method == "hyperband" and recipe.training.budget is not None:
        raise ValueError(
            "Hyperband counts epochs, and the recipe "
            f"{recipe.name!r} trains for a time ({recipe.training.budget!r}): set "
            "training.epochs, or take another method."
        )
    folders.check_every_epoch(recipe)


def _touches_data(space: Space) -> bool:
    return any(map(folders.is_of_the_data, space.fields))


def _run(work: Work, console: rich.console.Console) -> None:
    if work.settings.workers > 1:
        from kerasopt.tuning import workers

        workers.run(work, console)
        return
    from kerasopt.tuning import tuner

    # After the end of the time, or failures alone, the folder tells what there is.
    ends = contextlib.suppress(OutOfTime, tuner.AllFailed)
    with _Progress(work.settings, console) as progress, ends:
        tuner.make(work, progress.tell).search()


def _finished(folder: Path, settings: SearchSettings) -> SearchResult:
    """Return the result, or say why there is none."""
    result = SearchResult(folder)
    table = result.table
    if (table["status"] == "completed").any():
        result.write()
        return result
    raise folders.no_result(folder, table, settings.budget)


class _Progress:
    """A bar, and a line for each trial that is the best so far."""

    def __init__(self, settings: SearchSettings, console: rich.console.Console) -> None:
        self.settings = settings
        self.console = console
        self.best: float | None = None
        self.bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> _Progress:
        self.task = self.bar.add_task("trials", total=self.settings.most_trials)
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def tell(self, record: dict[str, Any]) -> None:
        """Count a trial, and say what is new."""
        self.bar.advance(self.task)
        if record["status"] == "failed":
            self._say(f"Trial {record['trial']} failed: {record['reason']}")
            return
        sign = 1 if self.settings.maximize else -1
        if self.best is None or sign * record["mean"] > sign * self.best:
            self.best = record["mean"]
            values = ", ".join(
                f"{name}={formatting.short(value)}"
                for name, value in record["values"].items()
            )
            self._say(
                f"Trial {record['trial']}: {self.settings.objective} "
                f"{record['mean']:.4f} with {values}"
            )

    def _say(self, message: str) -> None:
        self.bar.console.print(message, highlight=False, soft_wrap=True, markup=False)
