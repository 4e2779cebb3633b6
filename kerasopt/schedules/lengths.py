"""From epochs to optimizer steps: the one conversion that all schedules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasopt.checks import positive

__all__ = ["boundaries", "steps", "whole"]


def whole(name: str, value: Any) -> int:
    """Return a whole number >= 1, or raise `ValueError`.

    Example:
        >>> whole("total_steps", 100)
        100
    """
    positive(name, value)
    if value != int(value):
        raise ValueError(f"{name} must be a whole number; given: {value!r}.")
    return int(value)


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
        return whole(f"{what}_steps", in_steps)
    name = f"{what}_epochs"
    if in_epochs is None:
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
    given: Any = in_steps if in_epochs is None else in_epochs
    given = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise ValueError(f"{name} must be a list of numbers; given: {given!r}.")
    if in_epochs is None:
        found = [whole("each of boundaries", each) for each in given]
    else:
        found = [
            round(_epochs_in_steps("boundary_epochs", each, steps_per_epoch))
            for each in given
        ]
    if found != sorted(set(found)):
        raise ValueError(f"{name} must rise; given: {list(given)}.")
    return found


def _epochs_in_steps(name: str, epochs: Any, steps_per_epoch: Any) -> float:
    positive(name, epochs)
    if steps_per_epoch is None:
        raise ValueError(
            f"{name}={epochs!r} counts epochs, a Keras schedule counts optimizer "
            "steps: give steps_per_epoch=ceil(samples / batch_size) as well, or the "
            f"horizon in steps. kerasopt.fit and recipes fill it in by themselves."
        )
    return epochs * whole("steps_per_epoch", steps_per_epoch)
