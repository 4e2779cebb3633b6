"""keras-tuner runs the trials of a search: one process, or a chief and its workers."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import TrialStatus

from kerasopt.tuning.searches import oracles
from kerasopt.tuning.searches.worker import Work

__all__ = ["AllFailed", "RecipeTuner", "make"]

RECIPE_FIRST = ("random", "bayesian")
"""Methods whose first trial is the recipe itself."""

FAILURES_AT_FIRST = 5
"""So many failed trials, none other before them, are enough to see that all will."""


class AllFailed(Exception):
    """Every trial so far has failed."""


class _Declares(keras_tuner.HyperModel):
    """Tells keras-tuner what the space is; the model is built by the trial."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work

    def build(self, hp: keras_tuner.HyperParameters) -> None:
        """Declare the fields."""
        self.work.space.declare(hp, self.work.recipe)


class RecipeTuner(BaseTuner):
    """keras-tuner's loop over the trials of a `Work`.

    Args:
        work: Trains and records.
        oracle: Chooses the values.
        tell: Called with each record.
    """

    def __init__(
        self, work: Work, oracle: Any, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self.work = work
        self.tell = tell
        self.failed = 0
        # It says on standard output that it reloads.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(
                oracle, _Declares(work), directory=work.folder, project_name="."
            )

    def run_trial(self, trial: Any) -> dict[str, float]:
        """Train the trial and return its objective."""
        hp = trial.hyperparameters
        record = self.work.run(
            trial.trial_id,
            self.work.space.declare(hp, self.work.recipe),
            until=hp.values.get("tuner/epochs"),
            after=hp.values.get("tuner/trial_id"),
        )
        self.tell(record)
        if record["status"] == "failed":
            self.failed += 1
            raise keras_tuner.errors.FailedTrialError(record["reason"])
        return {self.work.settings.objective: record["mean"]}

    def _try_run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        """As keras-tuner's, without a traceback of what is recorded as failed."""
        try:
            self._run_and_update_trial(trial, *args, **kwargs)
            trial.status = TrialStatus.COMPLETED
        except keras_tuner.errors.FailedTrialError as error:
            trial.status, trial.message = TrialStatus.FAILED, str(error)

    def on_trial_end(self, trial: Any) -> None:
        """Tell the oracle, and give up where nothing works."""
        super().on_trial_end(trial)
        if self.failed >= FAILURES_AT_FIRST and not self.work.has_results():
            raise AllFailed

    def save(self) -> None:
        """Nothing more: the oracle keeps itself."""

    def reload(self) -> None:
        """Let the oracle read its state; a worker's is the chief's."""
        if not self._is_worker():
            self.oracle.reload()

    def _get_tuner_fname(self) -> str:
        return str(self.work.folder / oracles.STATE)


def make(
    work: Work, tell: Callable[[dict[str, Any]], None] = lambda record: None
) -> RecipeTuner:
    """Return the tuner of a search, with what its folder knows already."""
    settings = work.settings
    oracle = oracles.make(
        settings.method,
        objective=settings.objective,
        maximize=settings.maximize,
        trials=settings.trial_limit,
        epochs=work.recipe.training.epochs,
        seed=settings.seed,
    )
    oracle.deadline = work.clock.deadline
    if settings.method in RECIPE_FIRST and work.space.holds(work.recipe):
        hp = keras_tuner.HyperParameters()
        work.space.declare(hp, work.recipe)
        oracle.first = dict(hp.values)
    return RecipeTuner(work, oracle, tell)
