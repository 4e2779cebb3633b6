"""Searching the settings of a recipe."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path
from typing import Any

from kerasopt import files, recipes
from kerasopt.console import Console, progress_console, say
from kerasopt.data import Dataset
from kerasopt.recipes import Recipe
from kerasopt.requirements import install
from kerasopt.training import run_folder
from kerasopt.training.spec import validate
from kerasopt.tuning import folder as folders
from kerasopt.tuning.fields import default_space, is_of_the_data
from kerasopt.tuning.searches.progress import Progress
from kerasopt.tuning.searches.result import LIMITS, REPORT, SearchResult
from kerasopt.tuning.searches.settings import SearchSettings
from kerasopt.tuning.searches.worker import Work, check_folds
from kerasopt.tuning.space import Space, SpaceLike
from kerasopt.tuning.trials import OutOfTime, trial_records

__all__ = ["check_keras_tuner", "resume", "search"]


def search(
    recipe: Recipe | str,
    space: SpaceLike | None = None,
    *,
    dataset: Dataset | None = None,
    data_dir: str | None = None,
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
    and arguments, an interrupted or killed search resumes at the same trial
    and epoch.

    Args:
        recipe: What `kerasopt.recipes.load` gives or takes.
        space: The fields and their values: a mapping such as
            ``{"optimizer.learning_rate": {"min_value": 1e-4, "max_value": 0.1,
            "sampling": "log"}, "training.batch_size": [32, 64]}``, the path of a YAML
            file with one, or a function of keras-tuner's ``hp`` that returns ``{field:
            value}``, with conditions by ``hp.conditional_scope``. By default
            `kerasopt.tuning.default_space`.
        dataset: Instead of the recipe's own.
        data_dir: Folder with the dataset's files, where they can't be fetched.
        directory: Folder of the search; new below ``runs/`` by default.
        verbose: Show progress on standard error.
        **settings: Fields of `kerasopt.tuning.SearchSettings`, whose help lists them:
            ``method="bayesian"``, ``max_trials=30``, ``budget="10m"``,
            ``objective="val_accuracy"``, ``folds=None``, ``stop="median"``,
            ``workers=1``, ``seed=0``.

    Returns:
        A `SearchResult`: ``.table`` of the trials, ``.recipe`` that won, plots, and
        the folder with ``report.html`` and ``best.yaml``.

    Raises:
        ValueError: before the first trial, if a field, value or setting doesn't fit,
            the folder holds another search or another process is at work in it; after
            it, if the budget ended before a trial did, or all trials failed.
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
    if dataset is not None:
        dataset = recipe.chosen_data(dataset)
    recipe = recipe.for_budget(dataset)
    chosen = validate(SearchSettings, settings, "search")
    if chosen.workers > 1:  # Or this process, which checks models, takes all of a GPU.
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    choices = Space.read(default_space(recipe) if space is None else space)
    choices.check(recipe)
    _check_agreement(recipe, choices, chosen, dataset)
    shared = dataset
    if dataset is None and not _touches_data(choices, recipe):
        shared = recipe.load_data(data_dir=data_dir)
    if shared is not None:
        if chosen.folds:  # Which make validation parts of their own.
            check_folds(shared, chosen.folds)
        else:
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
    clock = folders.FolderDeadline(folder, chosen.budget)
    work = Work(recipe, choices, chosen, folder, shared, clock, data_dir)
    console = progress_console(verbose)
    # Which reads all but a function and arrays from the folder.
    by_folder = dataset is None and choices.function is None
    again = f"kerasopt tune --resume {files.in_command(folder)}" if by_folder else ""
    with folders.at_work(folder, clock, console, again):
        run_folder.write_yaml(folder / LIMITS, chosen.limits)
        try:
            _run(work, clock, console)
        except BaseException:
            # What there is can be looked at, though more was wanted.
            if _write(folder):
                report = files.shown(folder / REPORT)
                found = f"So far: {SearchResult(folder).counts()}, {report}."
                say(console, found)
            raise
        if _write(folder):
            return SearchResult(folder)
    raise folders.no_result(folder, SearchResult(folder).table, clock, "--resume")


def resume(
    directory: str | os.PathLike[str],
    *,
    dataset: Dataset | None = None,
    data_dir: str | None = None,
    verbose: bool = True,
    **settings: Any,
) -> SearchResult:
    """Go on with the search in a folder, with more trials or time if you like.

    Args:
        directory: The search's folder.
        dataset: What the search was given, if it wasn't the recipe's own.
        data_dir: Folder with the dataset's files, where they can't be fetched.
        verbose: Show progress on standard error.
        **settings: ``trials``, ``budget`` and ``workers``, which may differ from what
            the search was given before; the same by default. Of a budget the time that
            was used before is gone.

    Returns:
        As `search`.

    Raises:
        ValueError: if the folder isn't a search's, its data are others, or its space
            was a function of hp: call `search` with the same one and ``directory=``.
    """
    found = SearchResult(directory)
    definition = found.definition
    recipe = Recipe(definition["recipe"])
    if "function" in definition["space"]:
        raise ValueError(
            f"The space of the search in '{directory}' is a function: call "
            "kerasopt.tuning.search with it and directory=… to resume."
        )
    return search(
        recipe,
        definition["space"],
        dataset=dataset,
        data_dir=data_dir,
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
                f"{install('cpu', 'tune')}."
            )


def _check_agreement(
    recipe: Recipe, space: Space, settings: SearchSettings, dataset: Dataset | None
) -> None:
    """Refuse settings that don't go together."""
    if dataset is not None and _touches_data(space, recipe):
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
    if settings.method == "hyperband" and "training.epochs" in space.first(recipe):
        raise ValueError(
            "Hyperband decides how many epochs a trial gets: leave 'training.epochs' "
            "out of the space, or take another method."
        )
    folders.check_every_epoch(recipe)


def _touches_data(space: Space, recipe: Recipe) -> bool:
    return any(map(is_of_the_data, space.first(recipe)))


def _run(work: Work, clock: folders.FolderDeadline, console: Console) -> None:
    """Train trials until there are enough, the time is over, or all fail."""
    from kerasopt.tuning.searches import tuner

    progress = Progress(work.settings, clock, console)
    progress.begin(trial_records(work.folder), work.space, work.recipe)
    if work.settings.workers > 1:
        from kerasopt.tuning.searches import processes

        processes.run(work, progress)
        work.forget_checkpoints()
        return
    # After the end of the time, or failures alone, the folder tells what there is.
    with progress, contextlib.suppress(OutOfTime, tuner.AllFailed):
        tuner.make(work, progress.tell).search()
        progress.tell_the_end()
        work.forget_checkpoints()
    progress.tell_what_was_random(len(work.space.first(work.recipe)))


def _write(folder: Path) -> bool:
    """Write what can be looked at, if any trial was trained to its end."""
    result = SearchResult(folder)
    if not (result.table["status"] == "completed").any():
        return False
    result.write()
    return True
