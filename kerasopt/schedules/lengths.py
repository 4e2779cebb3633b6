"""From epochs to optimizer steps: the one conversion that all schedules share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from kerasopt.checks import each, positive, shown

__all__ = ["boundaries", "steps", "whole"]


MOST_STEPS = 10**15
"""More optimizer steps than any training takes."""


def whole(name: str, value: Any) -> int:
    """Return a whole number from 1 to 10¹⁵, or raise `ValueError`.

    Example:
        >>> whole("total_steps", 100)
        100
    """
    found = positive(name, value)
    if found != int(found) or found > MOST_STEPS:
        raise ValueError(
            f"{name} must be a whole number from 1 to {MOST_STEPS:,}; given: "
            f"{shown(value)}."
        )
    return int(found)


def steps(
    what: str,
    in_steps: Any,
    in_epochs: Any,
    steps_per_epoch: Any,
    *,
    training_epochs: Any = None,
) -> int:
    """Return a horizon in optimizer steps, given in steps or in epochs.

    ``steps = round(epochs * steps_per_epoch)``, at least 1; fractions of an epoch
    are fine.

    Args:
        what: Name of the horizon without its unit (``"decay"``), for messages.
        in_steps: The horizon in optimizer steps, or None.
        in_epochs: The horizon in epochs, or None.
        steps_per_epoch: Optimizer steps in one epoch, or None.
        training_epochs: Length of the training, the horizon if none is given.

    Raises:
        ValueError: if it is given twice, not at all, in epochs without
            ``steps_per_epoch``, or isn't positive.

    Example:
        >>> steps("decay", None, 2.5, 391)
        978
    """
    if in_steps is not None and in_epochs is not None:
        raise ValueError(
            f"{what}_steps and {what}_epochs say the same; given: {in_steps!r} and "
            f"{in_epochs!r}. Give one of them."
        )
    if in_steps is not None:
        _refuse_idle(
            f"{what}_steps", epochs=training_epochs, steps_per_epoch=steps_per_epoch
        )
        return whole(f"{what}_steps", in_steps)
    name = f"{what}_epochs"
    if in_epochs is not None:
        _refuse_idle(name, epochs=training_epochs)
    else:
        name, in_epochs = "epochs", training_epochs
    if in_epochs is None:
        raise ValueError(
            f"Give {what}_steps, or {what}_epochs with steps_per_epoch (kerasopt.fit "
            "and recipes fill in the latter)."
        )
    return max(1, round(_epochs_in_steps(name, in_epochs, steps_per_epoch)))


def boundaries(
    in_steps: Sequence[Any] | None,
    in_epochs: Sequence[Any] | None,
    steps_per_epoch: Any,
) -> list[int]:
    """Return rising boundaries in optimizer steps, given in steps or in epochs.

    Example:
        >>> boundaries(None, [10, 20], 391)
        [3910, 7820]
    """
    if (in_steps is None) == (in_epochs is None):
        raise ValueError(
            "Give either boundaries, in optimizer steps, or boundary_epochs with "
            f"steps_per_epoch; given: {in_steps!r} and {in_epochs!r}."
        )
    name = "boundaries" if in_epochs is None else "boundary_epochs"
    given = in_steps if in_epochs is None else in_epochs
    if in_epochs is None:
        _refuse_idle(name, steps_per_epoch=steps_per_epoch)
        found = each(name, given, whole, least=1)
    else:
        found = each(name, given, partial(_rounded, steps_per_epoch), least=1)
    if found != sorted(set(found)):
        raise ValueError(f"{name} must rise; given: {shown(given)}.")
    return found


def _rounded(steps_per_epoch: Any, name: str, epochs: Any) -> int:
    return round(_epochs_in_steps(name, epochs, steps_per_epoch))


def _refuse_idle(horizon: str, **lengths: Any) -> None:
    """Refuse lengths that change nothing beside the horizon that is given."""
    for name, value in lengths.items():
        if value is not None:
            raise ValueError(
                f"{name}={shown(value)} has no effect beside {horizon}: leave one out."
            )


def _epochs_in_steps(name: str, epochs: Any, steps_per_epoch: Any) -> float:
    found = positive(name, epochs)
    if steps_per_epoch is None:
        raise ValueError(
            f"{name}={shown(epochs)} counts epochs, a Keras schedule counts optimizer "
            "steps: give steps_per_epoch=ceil(samples / batch_size) as well, or the "
            f"horizon in steps. kerasopt.fit and recipes fill it in by themselves."
        )
    steps_ = found * whole("steps_per_epoch", steps_per_epoch)
    if steps_ > MOST_STEPS:
        raise ValueError(
            f"{name}={shown(epochs)} makes more than {MOST_STEPS:,} optimizer steps."
        )
    return steps_
