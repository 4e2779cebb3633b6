"""Choices that a few timed steps decide: number format and XLA.

Neither is looked up by name: what pays depends on the processor and on the network. A
deterministic run calibrates nothing, since a timing may come out differently next time.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from kerasopt import checks
from kerasopt.console import Console, say
from kerasopt.training.compiled import JITS
from kerasopt.training.spec import TrainingSettings, seed_everything

__all__ = [
    "PRECISIONS",
    "JitChoice",
    "policy",
    "resolve_precision",
    "seconds_per_step",
    "xla_may_pay",
]

PRECISIONS = ("float32", "mixed_bfloat16")
SAMPLES = 128

WORTH_SECONDS = 6.0
"""Trying XLA compiles the step twice, which takes two to four seconds: shorter
trainings don't gain it back."""

TIMED_SECONDS, COMPILING_STEPS = 0.2, 2
"""A candidate is timed for so many seconds, after a call that compiles."""

LEAST_GAIN = 1.05


class JitChoice:
    """What XLA compiles in a training: given, or found out by its first steps.

    All timed steps are steps of the training, so none is wasted. First some steps run
    without XLA; if the rest takes long enough to gain the compilation back, each
    candidate gets a call that compiles, and calls that are timed together.

    Args:
        given: One of `kerasopt.training.compiled.JITS`, or ``"auto"``.
        candidates: What ``"auto"`` tries besides ``"none"``; the fastest stays.

    Attributes:
        now: What the next call compiles.
        settled: Whether it stays so.
        seconds: Seconds of a step, by candidate, as timed.

    Example:
        >>> choice = JitChoice("auto", candidates=("loop",))
        >>> timed = [(2, 1.0), (100, 0.2), (2, 2.0), (1000, 0.3)]
        >>> for steps, seconds in timed:
        ...     choice.took(steps, seconds, remaining_steps=10_000)
        >>> choice.now, choice.settled
        ('loop', True)
    """

    def __init__(
        self, given: str = "auto", *, candidates: tuple[str, ...] = JITS[1:]
    ) -> None:
        self.settled = given != "auto" or not candidates
        self.seconds: dict[str, float] = {}
        self._untried = list(candidates)
        self._try("none" if given == "auto" else given)

    def _try(self, candidate: str) -> None:
        self.now = candidate
        self._compiled = False
        self._timed = (0, 0.0)  # Steps and seconds.

    def most_steps(self, limit: int) -> int:
        """Return how many steps the next call may take."""
        if self.settled:
            return limit
        steps, seconds = self._timed
        if not steps:
            return COMPILING_STEPS
        left = (TIMED_SECONDS - seconds) * steps / seconds
        return max(COMPILING_STEPS, min(limit, round(left)))

    def took(
        self,
        steps: int,
        seconds: float,
        *,
        remaining_steps: float,
        at_least: bool = False,
    ) -> None:
        """Learn how long a call took, and decide what the next one compiles.

        Args:
            steps: Steps of the call.
            seconds: Its time.
            remaining_steps: Steps to come.
            at_least: Whether more may come, as in the first epoch of a stream that
                doesn't tell its length: nothing is decided against XLA then.
        """
        if self.settled:
            return
        if not self._compiled:
            self._compiled = True
            return
        self._timed = (self._timed[0] + steps, self._timed[1] + seconds)
        # One short call is mostly the call itself: more steps tell what a step takes.
        if self._timed[1] < TIMED_SECONDS / 2 and remaining_steps:
            return
        self.seconds[self.now] = self._timed[1] / self._timed[0]
        too_short = remaining_steps * self.seconds["none"] < WORTH_SECONDS
        if too_short and at_least and self.now == "none":
            return
        if too_short or not self._untried:
            self._settle()
            return
        self._try(self._untried.pop(0))

    def failed(self) -> None:
        """Learn that XLA can't compile the candidate."""
        self.seconds[self.now] = float("inf")
        if self._untried:
            self._try(self._untried.pop(0))
        else:
            self._settle()

    def _settle(self) -> None:
        fastest = min(self.seconds, key=lambda name: self.seconds[name])
        gain = self.seconds["none"] / self.seconds[fastest]
        self.now = fastest if gain >= LEAST_GAIN else "none"
        self.settled = True


def xla_may_pay(model: keras.Model) -> bool:
    """Say whether XLA is worth a try for a model.

    On CPUs it compiles convolutions to loops of its own, several times slower than
    oneDNN's kernels, so a network that has some isn't even tried: the try alone would
    take longer than many trainings.
    """
    if tf.config.list_logical_devices("GPU"):
        return True
    return not any("Conv" in type(each).__name__ for each in _layers(model))


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    return list(model._flatten_layers())


@contextlib.contextmanager
def policy(name: str | None) -> Iterator[None]:
    """Build layers under a dtype policy, and give the previous one back.

    Args:
        name: Keras's name of the policy; None keeps the present one.

    Example:
        >>> with policy("mixed_bfloat16"):
        ...     layer = keras.layers.Dense(3)
        >>> layer.compute_dtype
        'bfloat16'
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if name is None else name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def seconds_per_step(
    build: Callable[[], keras.Model],
    batch: tuple[Any, Any],
    loss: Any,
    *,
    candidates: tuple[str, ...] = PRECISIONS,
    rounds: int = 3,
) -> dict[str, float]:
    """Time training steps of one model under each policy.

    Args:
        build: Returns a new, uncompiled model.
        batch: (samples, labels) of the size that will be trained on.
        loss: Any loss for these labels.
        candidates: The policies.
        rounds: Timed steps of each, taken in turn so that a slow moment of the
            machine hits all alike.

    Returns:
        The median seconds of a step, by policy.
    """
    models = {}
    for name in candidates:
        with policy(name):
            model = build()
        checks.instance("what build returns", model, keras.Model, "a keras.Model")
        model.compile(optimizer="sgd", loss=loss)
        model.train_on_batch(*batch)  # Traces and warms up.
        models[name] = model
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, model in models.items():
            started = time.perf_counter()
            model.train_on_batch(*batch)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def resolve_precision(
    settings: TrainingSettings,
    build: Callable[[], keras.Model] | None,
    some: Callable[[int], Any],
    loss: Callable[[keras.Model], Any],
    console: Console,
) -> TrainingSettings:
    """Replace ``precision="auto"`` by the policy that trains faster here.

    Args:
        settings: The settings.
        build: Builds the model; None where it is built already.
        some: Returns so many training samples as a batch, scaled.
        loss: Returns a model's loss.
        console: Where to say what was found.
    """
    if settings.precision == "auto":
        if build is None:
            raise ValueError(
                "training.precision='auto' has to build the model twice: give fit a "
                "function that builds it, or name a precision."
            )
        if settings.deterministic:
            return settings.model_copy(update={"precision": "float32"})
        # A share of a large batch gives the same ratio in a share of the time.
        with console.status("Timing float32 against bfloat16 …"):
            batch = some(min(settings.batch_size, SAMPLES))
            seconds = seconds_per_step(build, batch, loss(build()))
        fastest = min(seconds, key=lambda name: seconds[name])
        slowest = max(seconds, key=lambda name: seconds[name])
        gain = seconds[slowest] / seconds[fastest]
        say(console, f"{fastest} trains {gain:.2f}× as fast as {slowest} here.")
        seed_everything(settings)  # The timed steps drew random numbers.
        return settings.model_copy(update={"precision": fastest})
    if build is None and settings.precision is not None:
        raise ValueError(
            f"training.precision={settings.precision!r} is decided when layers are "
            "built: give fit a function that builds the model, or build it under "
            "keras.config.set_dtype_policy."
        )
    return settings
