"""Searching the network itself: stages, their depth, width, kernels and blocks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasopt import recipes
from kerasopt.console import Console, progress_console, say
from kerasopt.data import Dataset
from kerasopt.recipes import Recipe
from kerasopt.training.spec import validate
from kerasopt.tuning import folder as folders
from kerasopt.tuning.architectures import evolution
from kerasopt.tuning.architectures.evolution import GeneSpace
from kerasopt.tuning.architectures.methods import Evolution, Hyperband
from kerasopt.tuning.architectures.networks import ArchitectureSettings, Networks
from kerasopt.tuning.architectures.result import COSTS, ArchitectureResult
from kerasopt.tuning.trials import OutOfTime

__all__ = ["ArchitectureResult", "ArchitectureSettings", "search_architecture"]

_OF_EVOLUTION = ("population", "sample", "inherit")


def search_architecture(
    recipe: Recipe | str,
    *,
    dataset: Dataset | None = None,
    directory: str | os.PathLike[str] | None = None,
    verbose: bool = True,
    **settings: Any,
) -> ArchitectureResult:
    """Search for the network that validates best with a recipe's data and training.

    The recipe's model is replaced by networks of `kerasopt.models.stages`; data,
    augmentation, optimizer and loss stay. Each trial trains one network for a few
    epochs and is measured on validation data; the test data are left out. With
    evolution a child begins with those of its parent's weights that fit
    (`kerasopt.models.inherit_weights`), so accuracy adds up along a lineage.

    Such results rank networks, with a bonus for long lineages. They are not what a
    network reaches when it is trained from scratch: ``.recipe.run()`` measures that.

    Everything is kept: called again with the same `directory` and arguments, an
    interrupted or killed search resumes at the same trial and epoch. A trial that
    fails is recorded, and the search continues.

    Args:
        recipe: What `kerasopt.recipes.load` gives or takes. If its model is "stages"
            already, the arguments besides ``stages`` are kept, such as stem_width.
        dataset: Instead of the recipe's own; images with a validation part.
        directory: Folder of the search; new below ``runs/`` by default.
        verbose: Tell each trial on standard error.
        **settings: Fields of `kerasopt.tuning.ArchitectureSettings`, whose help lists
            them: ``method="evolution"``, ``max_trials=30``, ``budget="20m"``,
            ``epochs=5``, ``population=10``, ``sample=3``, ``inherit=True``,
            ``max_parameters=None``, ``max_latency_milliseconds=None``,
            ``objective="val_accuracy"``, ``space={}``, ``seed=0``.

    Returns:
        An `ArchitectureResult`: ``.table`` of the trials, the Pareto ``.front``,
        ``.plot()``, and ``.recipe`` with the best network, also as ``best.yaml``.

    Raises:
        ValueError: before the first trial, if a setting doesn't fit, the data aren't
            images of 4×4 pixels or more or have no validation part, no network is
            within the limits, or the folder holds another search; after it, if the
            budget ended before a trial did, or all trials failed.
        ImportError: for hyperband without keras-tuner (the extra ``tune``).

    Example:
        >>> import tempfile
        >>> import kerasopt as ko
        >>> small = ko.data.load("digits", size=200, validation=50)
        >>> found = search_architecture(
        ...     "digits", dataset=small, directory=tempfile.mkdtemp(), verbose=False,
        ...     max_trials=2, epochs=1, space={"num_stages": [1], "depth": [1],
        ...     "width": [8, 16], "attention": [None], "block": ["plain"]})
        >>> found.table["status"].tolist(), found.recipe.model["name"]
        (['completed', 'completed'], 'stages')

    References:
        Real et al. (2019), https://arxiv.org/abs/1802.01548. Inheritance of weights:
        Real et al. (2017), https://arxiv.org/abs/1703.01041. Hyperband: Li et al.
        (2018), https://arxiv.org/abs/1603.06560.
    """
    if not isinstance(recipe, Recipe):
        recipe = recipes.load(recipe)
    if dataset is not None:
        dataset = recipe.chosen_data(dataset)
    recipe = recipe.for_budget(dataset)
    chosen = validate(ArchitectureSettings, settings, "search_architecture")
    _check_agreement(recipe, chosen)
    dataset = recipe.chosen_data(dataset)
    folders.check_validation(dataset, "An architecture search")
    space = GeneSpace.read(dataset.input_shape, chosen.space)
    networks = Networks(recipe, dataset, chosen)
    networks.check(space)
    folder = folders.opened(
        directory,
        "architecture",
        recipe,
        {"settings": chosen.definition, **folders.about(dataset)},
    )
    networks.keep(folder / COSTS)
    console = progress_console(verbose)
    make = Hyperband if chosen.method == "hyperband" else Evolution
    clock = folders.FolderDeadline(folder, chosen.budget)
    # After the end of the time the folder tells what there is.
    ends = contextlib.suppress(OutOfTime)
    with folders.at_work(folder, clock, console), ends:
        make(networks, space, folder, clock, _Progress(chosen, clock, console)).run()
    return _finished(folder, clock)


def _check_agreement(recipe: Recipe, settings: ArchitectureSettings) -> None:
    """Refuse settings that don't go together."""
    training = recipe.training
    if training.image_sizes:
        raise ValueError(
            "An architecture search builds networks for one size of images: set "
            f"training.image_sizes to {{}} (it is {training.image_sizes})."
        )
    folders.check_every_epoch(recipe)
    # The default may stand beside a smaller population.
    default = ArchitectureSettings.model_fields["sample"].default
    if settings.sample > max(settings.population, default):
        raise ValueError(
            f"sample={settings.sample} has no effect: at most the whole population "
            f"({settings.population}) is compared. Give less, or a larger population."
        )
    if settings.method != "hyperband":
        return
    from kerasopt.tuning.searches.search import check_keras_tuner

    check_keras_tuner()
    for name in _OF_EVOLUTION:
        if name in settings.model_fields_set:
            raise ValueError(
                f"{name} is for method='evolution'; hyperband draws each network by "
                "itself. Leave it out."
            )


class _Progress:
    """A line for each trial."""

    def __init__(
        self,
        settings: ArchitectureSettings,
        clock: folders.FolderDeadline,
        console: Console,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.console = console

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Say what became of a trial."""
        self.clock.keep()
        parent = record.get("parent")
        origin = "" if parent is None else f", child of {parent}"
        title = f"Trial {record['trial']}{origin}"
        stages = record["values"]["model"]["stages"]
        told = f"failed: {record['reason']}"
        if record["status"] != "failed":
            told = (
                f"{self.settings.objective} {record['mean']:.4f}, "
                f"{record['parameters']:,} parameters"
            )
        say(
            self.console,
            f"{title}: {told}. {evolution.text(evolution.from_list(stages))}",
        )


def _finished(folder: Path, clock: folders.FolderDeadline) -> ArchitectureResult:
    """Return the result, or say why there is none."""
    result = ArchitectureResult(folder)
    table = result.table
    if (table["status"] == "completed").any():
        result.write()
        return result
    raise folders.no_result(folder, table, clock)
