"""Schedules by name, and the training's length filled in where it is left out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from numbers import Real
from typing import Any

from keras.optimizers.schedules import LearningRateSchedule

from kerasopt import checks
from kerasopt.names import Names
from kerasopt.schedules import cycles, decays, lengths
from kerasopt.schedules.warmup import Warmup

__all__ = ["complete", "get", "names", "register", "warmup"]

_TABLE = Names("schedule")
register, factories = _TABLE.register, _TABLE


def get(
    spec: str | float | Mapping[str, Any] | LearningRateSchedule, **arguments: Any
) -> float | LearningRateSchedule:
    """Return a Keras learning-rate schedule, or a constant rate.

    Args:
        spec: A name from `names`, a dict with ``name`` and arguments, a schedule,
            or a number, which is a constant rate. Each name is also a function of
            this module (``"cosine"`` is `kerasopt.schedules.cosine`), whose help has
            formula and arguments.
        **arguments: Arguments of that schedule. Lengths are given in optimizer steps
            (``decay_steps``) or in epochs (``decay_epochs`` and ``steps_per_epoch``).

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`, or a float.

    Raises:
        ValueError: if the name or an argument is unknown, a rate isn't > 0, or a
            length is given in epochs without ``steps_per_epoch``.

    Example:
        >>> schedule = get("one_cycle", max_learning_rate=0.1, epochs=12,
        ...                steps_per_epoch=391)
        >>> round(float(schedule(391 * 3)), 6)
        0.1
    """
    if isinstance(spec, LearningRateSchedule):
        _TABLE.refuse_arguments(spec, arguments)
        return spec
    if isinstance(checks.plain(spec), Real) and not isinstance(spec, bool):
        _TABLE.refuse_arguments(spec, arguments)
        return checks.positive("learning_rate", spec)
    return _TABLE.build(spec, arguments)


def names() -> list[str]:
    """Return the names of all schedules, your own included.

    Example:
        >>> names()[:3]
        ['constant', 'cosine', 'cosine_cycle']
    """
    return list(_TABLE)


def complete(spec: Any, *, epochs: float, steps_per_epoch: int) -> Any:
    """Fill in the length of the training where a schedule's spec leaves it out.

    What follows a warm-up gets what remains after it.

    Args:
        spec: What `get` takes; only a dict with a ``name`` is completed.
        epochs: Length of the training.
        steps_per_epoch: Optimizer steps in one epoch.

    Raises:
        ValueError: if a warm-up is as long as the training.

    Example:
        >>> complete({"name": "one_cycle", "max_learning_rate": 0.1},
        ...          epochs=5, steps_per_epoch=9)["epochs"]
        5
    """
    if not isinstance(spec, Mapping) or "name" not in spec:
        return spec
    spec = _fill(spec, epochs=epochs, steps_per_epoch=steps_per_epoch)
    if _TABLE.factory(spec["name"]) is warmup and "schedule" in spec:
        length = spec.get("warmup_steps"), spec.get("warmup_epochs")
        per_epoch = steps_per_epoch if length[0] is None else None
        rise = lengths.steps("warmup", *length, per_epoch) / steps_per_epoch
        rest = epochs - rise
        if rest <= 0:
            raise ValueError(
                f"The warm-up of {rise:g} epochs leaves nothing of the training's "
                f"{epochs:g} to what follows it. Shorten it."
            )
        spec["schedule"] = complete(
            spec["schedule"], epochs=rest, steps_per_epoch=steps_per_epoch
        )
    return spec


def warmup(
    schedule: Any,
    *,
    warmup_steps: int | None = None,
    warmup_epochs: float | None = None,
    steps_per_epoch: int | None = None,
    initial_factor: float = 0.0,
) -> Warmup:
    """Return a `Warmup` before any schedule, with its length in steps or epochs.

    With W = warmup_steps and f = initial_factor: ``rate(t) = schedule(0) * (f + (1 -
    f) * t / W)`` for t < W, then ``schedule(t - W)``.

    Args:
        schedule: What follows: anything that `get` takes. In `kerasopt.fit` and
            recipes the length of one given as a dict is what remains of the training.
        warmup_steps: Optimizer steps of the rise.
        warmup_epochs: The same in epochs.
        steps_per_epoch: Optimizer steps in one epoch, for ``warmup_epochs`` and for
            what follows, if that says nothing else.
        initial_factor: First rate as a share of the schedule's first; 0 by default.

    Raises:
        ValueError: if an argument is out of its range, or the length is missing.

    Example:
        >>> then = {"name": "cosine", "initial_learning_rate": 0.1, "decay_epochs": 9}
        >>> schedule = warmup(then, warmup_epochs=1, steps_per_epoch=100)
        >>> [round(float(schedule(step)), 4) for step in (50, 100, 550, 1000)]
        [0.05, 0.1, 0.05, 0.0]
    """
    per_epoch = steps_per_epoch
    if steps_per_epoch is not None:
        filled = _fill(schedule, steps_per_epoch=steps_per_epoch)
        if filled != schedule and warmup_steps is not None:
            per_epoch = None  # It counts for what follows.
        schedule = filled
    length = lengths.steps("warmup", warmup_steps, warmup_epochs, per_epoch)
    with checks.naming("schedule"):
        following = get(schedule)
    return Warmup(following, length, initial_factor)


_IN_STEPS = {
    "boundaries",
    "decay_steps",
    "first_decay_steps",
    "half_cycle_steps",
    "total_steps",
    "warmup_steps",
}
"""Horizons in optimizer steps: with one of them no length is left to be filled in."""


def _fill(spec: Any, **length: float) -> Any:
    """Fill those lengths into a spec that its schedule takes and it doesn't say."""
    if not isinstance(spec, Mapping) or "name" not in spec:
        return spec
    accepted = inspect.signature(_TABLE.factory(spec["name"])).parameters
    given = {name for name, value in spec.items() if value is not None}
    if given & _IN_STEPS:
        return spec
    if any(name.endswith("_epochs") for name in given & accepted.keys()):
        length.pop("epochs", None)
    return {**{k: v for k, v in length.items() if k in accepted}, **spec}


register("constant")(decays.constant)
register("piecewise", aliases=("piecewise_constant", "piecewise_constant_decay"))(
    decays.piecewise
)
register("exponential", aliases=("exponential_decay",))(decays.exponential)
register("inverse_time", aliases=("inverse_time_decay",))(decays.inverse_time)
register("polynomial", aliases=("polynomial_decay", "linear"))(decays.polynomial)
register("cosine", aliases=("cosine_decay", "cosine_annealing"))(decays.cosine)
register("cosine_restarts", aliases=("cosine_decay_restarts", "warm_restarts"))(
    decays.cosine_restarts
)
register("cosine_cycle")(cycles.cosine_cycle)
register("cyclical", aliases=("triangular", "clr"))(cycles.cyclical)
register("one_cycle", aliases=("onecycle",))(cycles.one_cycle)
register("warmup")(warmup)
