"""The settings of an architecture search, and what its genes stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pydantic

from kerasopt import names
from kerasopt.data import Dataset
from kerasopt.models import cost
from kerasopt.recipes import Recipe
from kerasopt.training import run_folder
from kerasopt.training.spec import Budget, Section
from kerasopt.tuning import folder as folders
from kerasopt.tuning.architectures import evolution
from kerasopt.tuning.architectures.evolution import Architecture, GeneSpace
from kerasopt.tuning.searches.settings import Objective

__all__ = ["ArchitectureSettings", "Networks"]

_LIMITS = {
    "parameters": "max_parameters",
    "latency_milliseconds": "max_latency_milliseconds",
}


class ArchitectureSettings(Section):
    """How an architecture search chooses its networks, trains them and ends.

    Attributes:
        method: "evolution" (regularized evolution: of a few of the youngest the best
            gets a child with one gene changed, and the oldest dies) or "hyperband"
            (many short trainings of random networks; the best third continue).
        max_trials: Most networks; None for 30, or as many as fit where there is a
            budget. Hyperband decides itself how many are needed.
        budget: Time for all trials, such as "20m", 600 (seconds) or "2h".
        epochs: Length of a trial; None for 5. A child continues from its parent's
            weights, so that a lineage trains longer than each trial. With hyperband
            the length of the longest training; None for 27.
        objective: "val_accuracy" or "val_loss", of the weights that training keeps.
        population: Networks that are alive; the first ones are random.
        sample: Networks of which the best becomes a parent.
        inherit: Whether a child begins with its parent's weights.
        max_parameters: A network with more isn't trained.
        max_latency_milliseconds: Nor is one that takes longer to predict one sample.
            The time is measured once, before the training: on a busy machine it is
            longer, and a search of the same seed chooses other networks.
        space: {gene: values} instead of those of `architectures.evolution.GENES`:
            "num_stages", "depth", "width", "kernel_size", "block", "attention".
        seed: Of the choices; each trial's training has its own seed, made from it.
    """

    renamed_fields: ClassVar = {
        "trials": "max_trials",
        "most_parameters": "max_parameters",
        "most_latency_milliseconds": "max_latency_milliseconds",
    }

    method: Literal["evolution", "hyperband"] = "evolution"
    max_trials: int | None = pydantic.Field(None, gt=0, strict=True)
    budget: Budget = None
    epochs: int | None = pydantic.Field(None, gt=0, strict=True)
    objective: Objective = "val_accuracy"
    population: int = pydantic.Field(10, gt=1, strict=True)
    sample: int = pydantic.Field(3, gt=0, strict=True)
    inherit: bool = pydantic.Field(True, strict=True)
    max_parameters: int | None = pydantic.Field(None, gt=0, strict=True)
    max_latency_milliseconds: float | None = pydantic.Field(None, gt=0)
    space: dict[str, list[Any]] = pydantic.Field(default_factory=dict)
    seed: int = pydantic.Field(0, ge=0, lt=2**31, strict=True)

    @property
    def maximize(self) -> bool:
        """Whether more of the objective is better."""
        return folders.METRICS[self.objective]

    @property
    def trial_epochs(self) -> int:
        """Epochs of a trial, of the longest one with hyperband."""
        return self.epochs or (27 if self.method == "hyperband" else 5)

    @property
    def trial_limit(self) -> int | None:
        """The number at which the search ends, or None."""
        ends_itself = self.budget is not None or self.method == "hyperband"
        return self.max_trials or (None if ends_itself else 30)

    @property
    def definition(self) -> dict[str, Any]:
        """Settings that are fixed on resume."""
        return self.model_dump(exclude={"max_trials", "budget"})


class Networks:
    """What the genes stand for: recipes, models and what these cost."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, settings: ArchitectureSettings
    ) -> None:
        self.short = recipe.replace("training.epochs", settings.trial_epochs)
        self.dataset = dataset
        self.settings = settings
        self._path: Path | None = None
        self._costs: dict[str, dict[str, Any]] = {}

    def spec(self, architecture: Architecture) -> dict[str, Any]:
        """Return the model of a recipe."""
        own = dict(self.short.model)
        kept = own if names.normalize(own.pop("name")) == "stages" else {}
        return {**kept, "name": "stages", "stages": evolution.to_list(architecture)}

    def recipe(self, architecture: Architecture) -> Recipe:
        """Return the recipe of a trial."""
        return self.short.replace("model", self.spec(architecture))

    def keep(self, path: Path) -> None:
        """Read the costs that are known from a file, and keep all of them there.

        So a resumed search refuses what it refused before.
        """
        self._path = path
        if path.is_file():
            self._costs |= json.loads(path.read_text(encoding="utf-8"))
        run_folder.write_json(path, self._costs)

    def costs(self, architecture: Architecture) -> dict[str, Any]:
        """Return parameters, flops and latency; too many parameters stand alone."""
        key = evolution.text(architecture)
        if key not in self._costs:
            self._costs[key] = self._measured(architecture)
            if self._path is not None:
                run_folder.write_json(self._path, self._costs)
        return self._costs[key]

    def _measured(self, architecture: Architecture) -> dict[str, Any]:
        model = self.recipe(architecture).build_model(self.dataset)
        found: dict[str, Any] = {"parameters": cost.parameters(model)}
        if not self._over(found):
            found["flops"] = cost.flops(model)
            found["latency_milliseconds"] = round(cost.latency_milliseconds(model), 4)
        return found

    def _over(self, costs: Mapping[str, Any]) -> list[str]:
        """Return the limits that are passed."""
        limits = {name: getattr(self.settings, _LIMITS[name]) for name in _LIMITS}
        return [
            name
            for name, most in limits.items()
            if most is not None and costs.get(name, 0) > most
        ]

    def fits(self, architecture: Architecture) -> bool:
        """Say whether an architecture is within the limits."""
        return not self._over(self.costs(architecture))

    def check(self, space: GeneSpace) -> None:
        """Raise `ValueError` for what no trial could do: a limit, an argument."""
        smallest = list(space.smallest())
        self.recipe(smallest[0]).check()
        if not any(self.fits(each) for each in smallest):
            raise self.none_fits()

    def none_fits(self) -> ValueError:
        """Return the error that no architecture is within the limits."""
        costs = self._costs.values()
        found = []
        for name, limit in _LIMITS.items():
            most = getattr(self.settings, limit)
            seen = [each[name] for each in costs if name in each]
            if most is not None and seen:
                found.append(f"{limit}={most:,} (the smallest seen: {min(seen):,})")
        return ValueError(
            f"No architecture of the space is within {' and '.join(found)}. Raise the "
            "limit, or give smaller values in space={'width': [8, 16]}; the stem's "
            "width is an argument of the recipe's model 'stages'."
        )
