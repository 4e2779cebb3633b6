"""What a search reports while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from kerasopt.console import Bar, Console, say
from kerasopt.evaluation import formatting
from kerasopt.recipes import Recipe
from kerasopt.tuning import folder as folders
from kerasopt.tuning.searches.settings import SearchSettings
from kerasopt.tuning.space import Space

__all__ = ["Progress"]

SECONDS_OF_SILENCE = 10.0
"""Without a terminal's bar a line follows at least so often, if a trial has ended."""


class Progress:
    """A bar, and a line for each trial that failed or is the best so far.

    Args:
        settings: The search's.
        clock: Its clock, which is kept with each trial.
        console: Where to say it.
    """

    def __init__(
        self,
        settings: SearchSettings,
        clock: folders.FolderDeadline,
        console: Console,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.console = console
        self.best: float | None = None
        self.ended: set[int] = set()
        self._said = time.monotonic()
        most = settings.trial_limit
        total = clock.budget if most is None else most
        self.bar = Bar(console, "", total, measure="note")

    def begin(
        self, records: Iterable[Mapping[str, Any]], space: Space, recipe: Recipe
    ) -> None:
        """Take up what is known, and say what differs from what people expect.

        Args:
            records: Trials of an earlier call.
            space: What is searched.
            recipe: What is changed.
        """
        for record in records:
            if record["status"] != "unfinished":
                self.ended.add(record["trial"])
                self._is_best(record)
        self._say_what_is_done(space.first(recipe), recipe)
        if self.ended:
            self._say(self._what_is_left())
        elif space.function is not None:
            self._say("The space is a function: the recipe itself isn't tried first.")
        elif lacking := space.lacking(recipe):
            own = ", ".join(f"{field}={value!r}" for field, value in lacking.items())
            self._say(
                f"The space lacks the recipe's own {own}: no trial is the recipe."
            )

    def _say_what_is_done(self, fields: Iterable[str], recipe: Recipe) -> None:
        searched, training = list(fields), recipe.training
        words = f"Searching {', '.join(searched)}"
        if not {"training.epochs", "training.budget"} & {*searched}:
            length = f"at most {formatting.epochs(training.epochs)}"
            if training.budget_seconds:
                length = formatting.duration(training.budget_seconds)
            words += f"; a trial trains for {length}"
            if self.settings.folds:
                words += f" in each of {self.settings.folds} folds"
        self._say(f"{words}.")

    def _what_is_left(self) -> str:
        most = self.settings.trial_limit
        if self.clock.is_over:
            return (
                f"{self._so_far()}. Their {formatting.duration(self.clock.seconds)} "
                f"have used up the budget of {self.clock.given!r}, which counts from "
                "the beginning: give a longer one to train more."
            )
        if most is not None and len(self.ended) >= most:
            return f"{self._so_far()}: give more trials to train more."
        return f"Going on with {self._so_far()}."

    def __enter__(self) -> Progress:
        """Show the bar."""
        self.bar.start()
        self._move()
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar."""
        self.bar.stop()

    def tell(self, record: Mapping[str, Any]) -> None:
        """Count a trial, and say what is new.

        Args:
            record: What it gave.
        """
        self.clock.keep()
        if self.knows(record["trial"]):
            return  # Killed after its result was kept, before keras-tuner noted it.
        self.ended.add(record["trial"])
        self._move()
        if record["status"] == "failed":
            self._say(f"Trial {record['trial']} failed: {record['reason']}")
        elif self._is_best(record):
            values = ", ".join(
                f"{name}={formatting.short(value)}"
                for name, value in record["values"].items()
            )
            self._say(
                f"Trial {record['trial']}: {self.settings.objective} "
                f"{record['mean']:.4f} with {values}"
            )
        elif not self.console.is_terminal and self._is_silent():
            self._say(f"{self._so_far()}, {self._time()}")

    def knows(self, trial: int) -> bool:
        """Say whether a trial has been told.

        Args:
            trial: Its number.
        """
        return trial in self.ended

    def tell_the_end(self) -> None:
        """Say why a search that has time ended before its number of trials."""
        most, method = self.settings.trial_limit, self.settings.method
        enough = most is not None and len(self.ended) >= most
        draws = method in ("random", "bayesian") or self.settings.max_trials is not None
        if draws and method != "hyperband" and not enough and not self.clock.is_over:
            self._say(f"{self._so_far()}: no other values are left to try.")

    def tell_what_was_random(self, fields: int) -> None:
        """Say so of a Bayesian search that came to no proposal of its own.

        Args:
            fields: How many are searched.
        """
        at_first = 3 * fields
        if self.settings.method == "bayesian" and 0 < len(self.ended) <= at_first:
            self._say(
                f"Only random trials ran: a Bayesian search draws the first {at_first} "
                "at random and learns from their results after that. Give it more "
                "trials or time."
            )

    def _is_best(self, record: Mapping[str, Any]) -> bool:
        """Note a trial's result if none so far is better, and say whether it is."""
        mean, sign = record.get("mean"), 1 if self.settings.maximize else -1
        if mean is None or record["status"] != "completed":
            return False
        if self.best is not None and sign * mean <= sign * self.best:
            return False
        self.best = mean
        return True

    def _is_silent(self) -> bool:
        return time.monotonic() - self._said > SECONDS_OF_SILENCE

    def _move(self) -> None:
        by_time = self.settings.trial_limit is None
        done = self.clock.seconds if by_time else len(self.ended)
        self.bar.update(completed=done, description=self._so_far(), note=self._time())

    def _so_far(self) -> str:
        most = self.settings.trial_limit
        of = f" of {most}" if most and len(self.ended) <= most else ""
        words = f"{len(self.ended)}{of} trials"
        if self.best is None:
            return words
        return f"{words}, best {self.settings.objective} {self.best:.4f}"

    def _time(self) -> str:
        used = formatting.duration(self.clock.seconds)
        if self.clock.budget is None:
            return used
        return f"{used} of {formatting.duration(self.clock.budget)}"

    def _say(self, message: str) -> None:
        self._said = time.monotonic()
        say(self.console, message)
