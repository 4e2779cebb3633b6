"""keras-tuner's oracles, with a memory that survives a kill and an eye on the clock.

An oracle chooses the values of each trial. keras-tuner writes its state in place and in
several files, so that a kill at the wrong moment leaves it unreadable or disagreeing
with itself, and what a grid search still has to do isn't saved at all (1.4.8). Here all
of it is one file, replaced atomically.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from kerasopt import files
from kerasopt.names import unknown
from kerasopt.tuning.searches.bayesian import Bayesian

__all__ = ["METHODS", "make"]

STATE = "oracle.json"
WAIT_SECONDS = 0.1


# A mixin for mypy's eyes; at run time the oracle itself comes second.
if TYPE_CHECKING:
    from keras_tuner import Oracle as _Oracle
else:
    _Oracle = object


class _Kept(_Oracle):
    """Mixed into an oracle: keeps its state whole, and stops when the time is over."""

    deadline: float | None = None
    first: dict[str, Any] | None = None

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the next trial's values, those of the recipe itself first."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return {"status": TrialStatus.STOPPED, "values": None}
        if self.first and not self.start_order:
            return {"status": TrialStatus.RUNNING, "values": dict(self.first)}
        response = super().populate_space(trial_id)
        if response["status"] == TrialStatus.IDLE:
            time.sleep(WAIT_SECONDS)  # Workers ask again at once.
        return response

    def state_file(self) -> Path:
        """Return where the state is."""
        return Path(self._project_dir) / STATE

    def save(self) -> None:
        """Write everything, trials included, atomically."""
        state = {
            "oracle": self.get_state(),
            "more": self._more_state(),
            "trials": [trial.get_state() for trial in self.trials.values()],
        }
        files.write_text(self.state_file(), json.dumps(state, default=_plain))

    def reload(self) -> None:
        """Read what `save` wrote; trials that were running come first again."""
        state = json.loads(self.state_file().read_text(encoding="utf-8"))
        for each in state["trials"]:
            trial = Trial.from_state(each)
            self.trials[trial.trial_id] = trial
        self.set_state(state["oracle"])
        self._set_more_state(state["more"])
        self._retry_queue += [t.trial_id for t in self.ongoing_trials.values()]
        self.ongoing_trials: dict[str, Trial] = {}

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """End a trial, and save once more.

        keras-tuner saves in the midst of it, with the trial among the running ones and
        a grid's next one not yet noted.
        """
        super().end_trial(trial)
        self.save()

    def _save_trial(self, trial: Trial) -> None:
        """Nothing: `save`, which always follows, writes the trials, too."""

    def _check_consecutive_failures(self) -> None:
        """Do nothing: a search continues after trials that fail."""

    def _more_state(self) -> dict[str, Any]:
        return {}

    def _set_more_state(self, state: dict[str, Any]) -> None:
        pass


class _Random(_Kept, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Hyperband(_Kept, keras_tuner.oracles.HyperbandOracle):
    """With fewer different trials than a bracket begins with, it continues with those.

    keras-tuner's ends there, before any trial was trained whole.
    """

    def __init__(self, **arguments: Any) -> None:
        self._first_sizes: dict[str, int] = {}
        super().__init__(**arguments)

    def _random_trial(self, trial_id: str, bracket: dict[str, Any]) -> dict[str, Any]:
        response = super()._random_trial(trial_id, bracket)
        if response["status"] == TrialStatus.RUNNING:
            return response
        self._first_sizes[str(bracket["bracket_num"])] = len(bracket["rounds"][0])
        return self.populate_space(trial_id)

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Count a failed trial as the worst one.

        keras-tuner promotes none while the completed ones of a round are no more than
        those to drop, so with a few failures a bracket would never come to its end.
        """
        if trial.status == TrialStatus.FAILED:
            worst = -math.inf if self.objective.direction == "max" else math.inf
            self.update_trial(trial.trial_id, {self.objective.name: worst})
            trial.status = TrialStatus.COMPLETED
        super().end_trial(trial)

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        size = super()._get_size(bracket_num, round_num)
        first = self._first_sizes.get(str(bracket_num))
        if first is None:
            return size
        return math.ceil(size * first / super()._get_size(bracket_num, 0))

    def _more_state(self) -> dict[str, Any]:
        return {"first_sizes": self._first_sizes}

    def _set_more_state(self, state: dict[str, Any]) -> None:
        self._first_sizes = state["first_sizes"]


class _Grid(_Kept, keras_tuner.oracles.GridSearchOracle):
    def _more_state(self) -> dict[str, Any]:
        ordered = self._ordered_ids
        return {
            "next": self._populate_next,
            "memory": ordered._memory,
            "links": ordered._next_index,
            "index": ordered._data_to_index,
            "last": ordered._last_index,
        }

    def _set_more_state(self, state: dict[str, Any]) -> None:
        self._populate_next = state["next"]
        ordered = self._ordered_ids
        ordered._memory, ordered._last_index = state["memory"], state["last"]
        ordered._next_index.update(
            {_index(key): value for key, value in state["links"].items()}
        )
        ordered._data_to_index.update(state["index"])


class _Bayesian(_Kept, Bayesian):
    def _more_state(self) -> dict[str, Any]:
        kind, keys, position, has_gauss, gauss = self._random_state.get_state()
        return {"random": [kind, keys.tolist(), position, has_gauss, gauss]}

    def _set_more_state(self, state: dict[str, Any]) -> None:
        self._random_state.set_state(tuple(state["random"]))


_ORACLES = {
    "bayesian": _Bayesian,
    "grid": _Grid,
    "hyperband": _Hyperband,
    "random": _Random,
}
METHODS = tuple(_ORACLES)


def make(
    method: str,
    *,
    objective: str,
    maximize: bool,
    trials: int | None,
    epochs: int,
    seed: int,
) -> Any:
    """Return the oracle of a search method.

    Args:
        method: One of `METHODS`.
        objective: What is compared.
        maximize: Whether more of it is better.
        trials: The most trials, or None; hyperband has its own number.
        epochs: Length of a whole training, for hyperband.
        seed: Of the choices.

    Raises:
        ValueError: if the method is unknown.
    """
    if method not in _ORACLES:
        raise unknown("search method", method, METHODS)
    arguments: dict[str, Any] = {
        "objective": keras_tuner.Objective(objective, "max" if maximize else "min"),
        # keras-tuner takes 0 for "no seed".
        "seed": seed + 1,
    }
    if method == "hyperband":
        oracle: Any = _Hyperband(max_epochs=epochs, **arguments)
        # Its own end is that of its brackets.
        oracle.max_trials = trials
    else:
        oracle = _ORACLES[method](max_trials=trials, **arguments)
    oracle.verbose = 0
    return oracle


def _index(key: str) -> int | None:
    # JSON's keys are text: "null" stands before the first.
    return None if key == "null" else int(key)


def _plain(value: Any) -> Any:
    return value.item()  # NumPy's numbers.
