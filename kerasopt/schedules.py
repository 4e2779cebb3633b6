"""Learning-rate schedules: Keras's own by short names, and one-cycle.

Keras counts a schedule in optimizer steps. Factories here that take ``epochs``
and ``steps_per_epoch`` do the conversion; recipes fill both in from the data.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from kerasopt import names

__all__ = ["OneCycle", "complete", "get", "register"]

_TABLE = names.Names("schedule")
register = _TABLE.register


def get(
    spec: str | float | Mapping[str, Any] | LearningRateSchedule, **arguments: Any
) -> float | LearningRateSchedule:
    """Return a Keras learning-rate schedule, or a constant rate.

    Args:
        spec: A name (``"exponential"``, ``"piecewise"``, ``"one_cycle"``, …), a
            dict with ``name`` and arguments, a schedule, or a number, which is
            a constant rate.
        **arguments: Arguments of that schedule.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`, or a float.

    Raises:
        ValueError: if the name or an argument is unknown, or a rate isn't > 0.

    Example:
        >>> schedule = get("one_cycle", peak=0.1, epochs=12, steps_per_epoch=391)
        >>> round(float(schedule(391 * 3)), 6)
        0.1
    """
    if isinstance(spec, LearningRateSchedule):
        _TABLE.refuse_arguments(spec, arguments)
        return spec
    if isinstance(spec, (int, float)) and not isinstance(spec, bool):
        _TABLE.refuse_arguments(spec, arguments)
        return check_rate("learning_rate", spec)
    return _TABLE.build(spec, arguments)


def complete(spec: Any, *, epochs: int, steps_per_epoch: int) -> Any:
    """Fill in the length of the training where a schedule's spec leaves it out.

    Args:
        spec: What `get` takes; only a dict with a ``name`` is completed.
        epochs: Length of the training.
        steps_per_epoch: Optimizer steps in one epoch.

    Example:
        >>> complete({"name": "one_cycle", "peak": 0.1}, epochs=5, steps_per_epoch=9)
        {'epochs': 5, 'steps_per_epoch': 9, 'name': 'one_cycle', 'peak': 0.1}
    """
    if not isinstance(spec, Mapping) or "name" not in spec:
        return spec
    accepted = inspect.signature(_TABLE.factory(spec["name"])).parameters
    length = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    return {**{k: v for k, v in length.items() if k in accepted}, **spec}


def check_rate(name: str, value: Any) -> float:
    """Return a learning rate, or raise `ValueError` if it isn't a number > 0.

    Example:
        >>> check_rate("learning_rate", 0.1)
        0.1
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a number > 0; given: {value!r}.")
    return float(value)


@keras.saving.register_keras_serializable(package="kerasopt")
class OneCycle(LearningRateSchedule):
    """Linear rise to a peak, then linear fall: one cycle over the whole training.

    With ``s = step / total_steps`` and ``w = warmup_fraction`` the rate is
    linear from ``peak * initial_factor`` at s=0 to ``peak`` at s=w and to
    ``peak * final_factor`` at s=1; after that it stays.

    Args:
        peak: Highest learning rate.
        total_steps: Optimizer steps of the whole training.
        warmup_fraction: Share of the steps in which the rate rises.
        initial_factor: First rate as a share of the peak.
        final_factor: Last rate as a share of the peak.

    Raises:
        ValueError: if a rate or length isn't positive, or a share is outside
            its range.

    Example:
        >>> schedule = OneCycle(peak=1.0, total_steps=100, warmup_fraction=0.25)
        >>> [round(float(schedule(step)), 4) for step in (0, 25, 100)]
        [0.2, 1.0, 0.0]

    References:
        Smith and Topin (2018), Super-convergence, https://arxiv.org/abs/1708.07120.
    """

    def __init__(
        self,
        peak: float,
        total_steps: int,
        warmup_fraction: float = 0.25,
        initial_factor: float = 0.2,
        final_factor: float = 0.0,
    ) -> None:
        super().__init__()
        self.peak = check_rate("peak", peak)
        if isinstance(total_steps, bool) or total_steps != int(total_steps):
            raise ValueError(f"total_steps must be an integer; given: {total_steps!r}.")
        if total_steps < 1:
            raise ValueError(f"total_steps must be >= 1; given: {total_steps!r}.")
        if not 0 <= warmup_fraction < 1:
            raise ValueError(
                f"warmup_fraction must lie in [0, 1); given: {warmup_fraction!r}."
            )
        for name, factor in (("initial", initial_factor), ("final", final_factor)):
            if not 0 <= factor <= 1:
                raise ValueError(
                    f"{name}_factor must lie in [0, 1]; given: {factor!r}."
                )
        self.total_steps = int(total_steps)
        self.warmup_fraction = warmup_fraction
        self.initial_factor = initial_factor
        self.final_factor = final_factor

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at an optimizer step."""
        step = ops.cast(step, "float32")
        warmup_steps = self.warmup_fraction * self.total_steps
        rise = ops.minimum(step / max(warmup_steps, 1e-9), 1.0)
        fall = (step - warmup_steps) / (self.total_steps - warmup_steps)
        fall = ops.clip(fall, 0.0, 1.0)
        rising = self.initial_factor + (1.0 - self.initial_factor) * rise
        falling = 1.0 + (self.final_factor - 1.0) * fall
        return self.peak * ops.where(step < warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_fraction": self.warmup_fraction,
            "initial_factor": self.initial_factor,
            "final_factor": self.final_factor,
        }


@register("one_cycle", aliases=("onecycle",))
def _one_cycle(
    peak: float,
    epochs: float,
    steps_per_epoch: int,
    warmup_fraction: float = 0.25,
    initial_factor: float = 0.2,
    final_factor: float = 0.0,
) -> OneCycle:
    return OneCycle(
        peak=peak,
        total_steps=max(1, round(epochs * steps_per_epoch)),
        warmup_fraction=warmup_fraction,
        initial_factor=initial_factor,
        final_factor=final_factor,
    )


@register("constant")
def _constant(learning_rate: float) -> float:
    return check_rate("learning_rate", learning_rate)


def _register_keras_schedules() -> None:
    schedules = keras.optimizers.schedules
    classes = {
        "exponential": (schedules.ExponentialDecay, ("exponential_decay",)),
        "piecewise": (
            schedules.PiecewiseConstantDecay,
            ("piecewise_constant", "piecewise_constant_decay"),
        ),
        "inverse_time": (schedules.InverseTimeDecay, ("inverse_time_decay",)),
        "polynomial": (schedules.PolynomialDecay, ("polynomial_decay",)),
        "cosine": (schedules.CosineDecay, ("cosine_decay", "cosine_annealing")),
        "cosine_restarts": (
            schedules.CosineDecayRestarts,
            ("cosine_decay_restarts", "warm_restarts"),
        ),
    }
    for name, (schedule, aliases) in classes.items():
        register(name, aliases=aliases)(_checked(schedule))


def _checked(schedule: type[LearningRateSchedule]) -> Any:
    """Give a Keras schedule the check of its rates that Keras leaves out."""

    def build(**arguments: Any) -> LearningRateSchedule:
        if "initial_learning_rate" in arguments:
            check_rate("initial_learning_rate", arguments["initial_learning_rate"])
        for value in arguments.get("values", ()):
            check_rate("each of values", value)
        return schedule(**arguments)

    # names.call reads the accepted keywords from the signature.
    build.__signature__ = inspect.signature(schedule)  # type: ignore[attr-defined]
    return build


_register_keras_schedules()
