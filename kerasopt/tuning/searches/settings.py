"""The settings of a search, checked once, wherever they come from."""

from __future__ import annotations

import os
from typing import Annotated, Any, ClassVar, Literal

import pydantic

from kerasopt.training.spec import Budget, Section
from kerasopt.tuning.folder import METRICS

__all__ = ["Objective", "SearchSettings"]


def _is_logged(value: str) -> str:
    if value not in METRICS:
        raise ValueError(
            f"{value!r} is never logged; a search goes by what is measured on "
            f"validation data: {', '.join(METRICS)}."
        )
    return value


Objective = Annotated[str, pydantic.AfterValidator(_is_logged)]
"""What trials are compared by."""


def _fits_the_cores(value: int) -> int:
    cores = os.cpu_count() or 1
    if value > 2 * cores:
        raise ValueError(
            f"each worker is a process with its share of the {cores} cores: at most "
            f"two a core, {2 * cores} here, are accepted; given: {value}."
        )
    return value


Workers = Annotated[int, pydantic.AfterValidator(_fits_the_cores)]
"""A number of processes that train at the same time."""


class SearchSettings(Section):
    """How a search chooses its trials, measures them and ends.

    Attributes:
        method: "bayesian" (a Gaussian process and its upper confidence bound, after
            three random trials a field), "random", "grid" (every combination; of a
            range of floats without a step ten values and the recipe's own) or
            "hyperband" (many short trainings; the best third continue). All are
            keras-tuner's.
        max_trials: Most trials; None for 30, or as many as fit where there is a budget,
            or all of a grid. Hyperband decides itself how many are needed.
        budget: Time for all trials, such as "10m", 600 (seconds) or "2h"; that of
            the earlier calls that this one resumes counts.
        objective: "val_accuracy" or "val_loss", of the weights that training keeps.
        folds: Train each trial once a fold, each fold being validation once
            (stratified, from training and validation data together); None takes the
            dataset's own validation part.
        stop: When a trial is hopeless, after a tenth of its epochs. "median": its best
            result so far is below the median of the others' means so far. "halving":
            its best result isn't in the upper half of theirs at one of the epochs 1, 2,
            4, 8, ... Only trials of equally many epochs are compared, and none that
            trains for a time. None: never.
        workers: Processes that train at the same time, each on its share of the cores.
        seed: Of the choices and of every training.
    """

    renamed_fields: ClassVar = {"trials": "max_trials"}

    method: Literal["bayesian", "random", "grid", "hyperband"] = "bayesian"
    max_trials: int | None = pydantic.Field(None, gt=0, strict=True)
    budget: Budget = None
    objective: Objective = "val_accuracy"
    folds: int | None = pydantic.Field(None, ge=2, strict=True)
    stop: Literal["median", "halving"] | None = "median"
    workers: Workers = pydantic.Field(1, gt=0, strict=True)
    seed: int = pydantic.Field(0, ge=0, lt=2**31, strict=True)

    @property
    def maximize(self) -> bool:
        """Whether more of the objective is better."""
        return METRICS[self.objective]

    @property
    def trial_limit(self) -> int | None:
        """The number at which the search ends, or None."""
        ends_itself = self.budget is not None or self.method in ("grid", "hyperband")
        return self.max_trials or (None if ends_itself else 30)

    @property
    def definition(self) -> dict[str, Any]:
        """Settings that are fixed on resume."""
        return self.model_dump(include={"method", "objective", "folds", "stop", "seed"})

    @property
    def limits(self) -> dict[str, Any]:
        """Settings that may change on resume."""
        return self.model_dump(include={"max_trials", "budget", "workers"})
