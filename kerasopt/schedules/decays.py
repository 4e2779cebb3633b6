"""Schedules that Keras has, with horizons in steps or in epochs."""

from __future__ import annotations

from collections.abc import Sequence

from keras.optimizers import schedules
from keras.optimizers.schedules import LearningRateSchedule

from kerasopt import checks
from kerasopt.schedules import lengths

__all__ = [
    "constant",
    "cosine",
    "cosine_restarts",
    "exponential",
    "inverse_time",
    "piecewise",
    "polynomial",
]


def constant(learning_rate: float) -> float:
    """Return a constant rate: ``rate(t) = learning_rate``.

    Args:
        learning_rate: The rate, > 0.

    Raises:
        ValueError: if the rate isn't > 0.

    Example:
        >>> constant(0.01)
        0.01
    """
    return checks.positive("learning_rate", learning_rate)


def piecewise(
    values: Sequence[float],
    *,
    boundaries: Sequence[int] | None = None,
    boundary_epochs: Sequence[float] | None = None,
    steps_per_epoch: int | None = None,
) -> LearningRateSchedule:
    """Return a piecewise constant rate.

    ``rate(t) = values[i]``, where i counts the boundaries below step t: a boundary
    itself still has the rate before it, as in Keras.

    Args:
        values: The rates, one more than boundaries, each > 0.
        boundaries: Rising optimizer steps.
        boundary_epochs: The same in epochs.
        steps_per_epoch: Optimizer steps in one epoch, for ``boundary_epochs``.

    Raises:
        ValueError: if a rate isn't > 0, the boundaries don't rise, or their number
            doesn't fit that of the values.

    Example:
        >>> schedule = piecewise([0.1, 0.01], boundary_epochs=[2], steps_per_epoch=100)
        >>> [round(float(schedule(step)), 3) for step in (0, 200, 201)]
        [0.1, 0.1, 0.01]
    """
    rates = checks.each("values", values, checks.positive)
    found = lengths.boundaries(boundaries, boundary_epochs, steps_per_epoch)
    if len(rates) != len(found) + 1:
        raise ValueError(
            f"values must be one more than the boundaries; given: {len(rates)} values "
            f"and {len(found)} boundaries."
        )
    return schedules.PiecewiseConstantDecay(found, rates)


def exponential(
    initial_learning_rate: float,
    *,
    decay_rate: float,
    decay_steps: int | None = None,
    decay_epochs: float | None = None,
    steps_per_epoch: int | None = None,
    staircase: bool = False,
) -> LearningRateSchedule:
    """Return an exponential decay.

    ``rate(t) = initial_learning_rate * decay_rate ** (t / decay_steps)``; with
    ``staircase`` the exponent is rounded down. ``decay_epochs=1`` gives the
    textbook's ``rate = initial * gamma ** epoch``.

    Args:
        initial_learning_rate: Rate at step 0, > 0.
        decay_rate: Factor of each ``decay_steps``, > 0; usually below 1.
        decay_steps: Optimizer steps in which the rate falls by that factor.
        decay_epochs: The same in epochs.
        steps_per_epoch: Optimizer steps in one epoch, for ``decay_epochs``.
        staircase: Whether the rate falls in steps; False by default.

    Raises:
        ValueError: if a rate or the horizon isn't > 0, or the horizon is missing.

    Example:
        >>> schedule = exponential(
        ...     0.1, decay_rate=0.5, decay_epochs=2, steps_per_epoch=100)
        >>> round(float(schedule(200)), 6)
        0.05
    """
    return schedules.ExponentialDecay(
        checks.positive("initial_learning_rate", initial_learning_rate),
        lengths.steps("decay", decay_steps, decay_epochs, steps_per_epoch),
        checks.positive("decay_rate", decay_rate),
        staircase=checks.boolean("staircase", staircase),
    )


def inverse_time(
    initial_learning_rate: float,
    *,
    decay_rate: float,
    decay_steps: int | None = None,
    decay_epochs: float | None = None,
    steps_per_epoch: int | None = None,
    staircase: bool = False,
) -> LearningRateSchedule:
    """Return a decay by the inverse of time.

    ``rate(t) = initial_learning_rate / (1 + decay_rate * t / decay_steps)``; with
    ``staircase`` the quotient is rounded down.

    Args:
        initial_learning_rate: Rate at step 0, > 0.
        decay_rate: How much the denominator grows in each ``decay_steps``, > 0.
        decay_steps: Optimizer steps.
        decay_epochs: The same in epochs.
        steps_per_epoch: Optimizer steps in one epoch, for ``decay_epochs``.
        staircase: Whether the rate falls in steps; False by default.

    Raises:
        ValueError: if a rate or the horizon isn't > 0, or the horizon is missing.

    Example:
        >>> schedule = inverse_time(0.1, decay_rate=1.0, decay_steps=100)
        >>> round(float(schedule(100)), 6)
        0.05
    """
    return schedules.InverseTimeDecay(
        checks.positive("initial_learning_rate", initial_learning_rate),
        lengths.steps("decay", decay_steps, decay_epochs, steps_per_epoch),
        checks.positive("decay_rate", decay_rate),
        staircase=checks.boolean("staircase", staircase),
    )


def polynomial(
    initial_learning_rate: float,
    *,
    decay_steps: int | None = None,
    decay_epochs: float | None = None,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> LearningRateSchedule:
    """Return a polynomial decay; ``power=1`` is a straight line.

    ``rate(t) = (initial - end) * (1 - t / decay_steps) ** power + end`` up to
    ``decay_steps``, then ``end``. With ``cycle`` the horizon becomes the next
    multiple of ``decay_steps`` instead, so that the rate rises again.

    Args:
        initial_learning_rate: Rate at step 0, > 0.
        decay_steps: Optimizer steps until the end.
        decay_epochs: The same in epochs.
        epochs: Length of the training: the horizon where none is given.
        steps_per_epoch: Optimizer steps in one epoch, for epochs.
        end_learning_rate: Last rate, >= 0; 0.0001 by default, as in Keras.
        power: Exponent, > 0; 1 by default.
        cycle: Whether the rate rises again after the horizon.

    Raises:
        ValueError: if a rate or the horizon is out of its range or missing.

    Example:
        >>> schedule = polynomial(0.1, decay_steps=100, end_learning_rate=0.0)
        >>> round(float(schedule(50)), 6)
        0.05
    """
    return schedules.PolynomialDecay(
        checks.positive("initial_learning_rate", initial_learning_rate),
        lengths.steps(
            "decay", decay_steps, decay_epochs, steps_per_epoch, training_epochs=epochs
        ),
        end_learning_rate=checks.non_negative("end_learning_rate", end_learning_rate),
        power=checks.positive("power", power),
        cycle=checks.boolean("cycle", cycle),
    )


def cosine(
    initial_learning_rate: float,
    *,
    decay_steps: int | None = None,
    decay_epochs: float | None = None,
    epochs: float | None = None,
    steps_per_epoch: int | None = None,
    alpha: float = 0.0,
) -> LearningRateSchedule:
    """Return a cosine decay that stays at its end.

    ``rate(t) = initial * ((1 - alpha) * (1 + cos(pi * t / decay_steps)) / 2 +
    alpha)`` up to ``decay_steps``, then ``initial * alpha``. PyTorch's
    CosineAnnealingLR rises again after its T_max: that is `CosineCycle`. For a
    warm-up before it see `Warmup`.

    Args:
        initial_learning_rate: Rate at step 0, > 0.
        decay_steps: Optimizer steps until the end.
        decay_epochs: The same in epochs.
        epochs: Length of the training: the horizon where none is given.
        steps_per_epoch: Optimizer steps in one epoch, for epochs.
        alpha: Last rate as a share of the first, in [0, 1]; 0 by default.

    Raises:
        ValueError: if a rate or the horizon is out of its range or missing.

    Example:
        >>> schedule = cosine(0.1, epochs=10, steps_per_epoch=100)
        >>> [round(float(schedule(step)), 6) for step in (0, 500, 1000, 2000)]
        [0.1, 0.05, 0.0, 0.0]

    References:
        Loshchilov and Hutter (2017), https://arxiv.org/abs/1608.03983.
    """
    return schedules.CosineDecay(
        checks.positive("initial_learning_rate", initial_learning_rate),
        lengths.steps(
            "decay", decay_steps, decay_epochs, steps_per_epoch, training_epochs=epochs
        ),
        alpha=checks.share("alpha", alpha),
    )


def cosine_restarts(
    initial_learning_rate: float,
    *,
    first_decay_steps: int | None = None,
    first_decay_epochs: float | None = None,
    steps_per_epoch: int | None = None,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
) -> LearningRateSchedule:
    """Return a cosine decay with warm restarts (SGDR).

    Period i lasts ``first_decay_steps * t_mul ** i`` steps, and falls from
    ``initial * m_mul ** i`` to ``initial * alpha`` as `cosine` does; then the next
    one begins at its top.

    Args:
        initial_learning_rate: Rate at step 0, > 0.
        first_decay_steps: Optimizer steps of the first period.
        first_decay_epochs: The same in epochs.
        steps_per_epoch: Optimizer steps in one epoch, for epochs.
        t_mul: How many times as long each period is as the one before, >= 1; 2 by
            default.
        m_mul: How many times as high each period begins; 1 by default.
        alpha: Lowest rate as a share of the first, in [0, 1]; 0 by default.

    Raises:
        ValueError: if a rate or the horizon is out of its range or missing.

    Example:
        >>> schedule = cosine_restarts(0.1, first_decay_steps=100)
        >>> [round(float(schedule(step)), 6) for step in (0, 50, 100, 200)]
        [0.1, 0.05, 0.1, 0.05]

    References:
        Loshchilov and Hutter (2017), https://arxiv.org/abs/1608.03983.
    """
    return schedules.CosineDecayRestarts(
        checks.positive("initial_learning_rate", initial_learning_rate),
        lengths.steps(
            "first_decay", first_decay_steps, first_decay_epochs, steps_per_epoch
        ),
        t_mul=_at_least_one("t_mul", t_mul),
        m_mul=checks.positive("m_mul", m_mul),
        alpha=checks.share("alpha", alpha),
    )


def _at_least_one(name: str, value: float) -> float:
    # Shorter and shorter periods would end at a finite step, in NaN.
    found = checks.positive(name, value)
    if found < 1:
        raise ValueError(f"{name} must be a number >= 1; given: {checks.shown(value)}.")
    return found
