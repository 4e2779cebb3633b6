"""Learning-rate schedules as formulas of the step.

Each function takes the step t, a number or an array, first, and returns the rate of
that shape. Bind the rest to use one in an optimizer::

    rate = functools.partial(cosine, initial=0.1, decay_steps=1000)
    optimizer = kerasopt.scratch.optimizers.Adam(learning_rate=rate)

All lengths are in optimizer steps: multiply epochs by steps per epoch. The Keras
schedules with the same formulas are in `kerasopt.schedules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasopt import names
from kerasopt.names import renamed_arguments
from kerasopt.scratch import checks

__all__ = [
    "constant",
    "cosine",
    "cosine_cycle",
    "cosine_restarts",
    "cyclical",
    "exponential",
    "inverse_time",
    "one_cycle",
    "piecewise",
    "polynomial",
    "warmup",
]


def constant(step: Any, *, initial: float) -> Any:
    """Return ``initial`` at every step.

    Args:
        step: Optimizer step, >= 0.
        initial: The rate.

    Example:
        >>> constant(10, initial=0.01)
        array(0.01)
    """
    return np.full(np.shape(step), checks.positive("initial", initial))


def piecewise(
    step: Any, *, boundaries: Sequence[float], values: Sequence[float]
) -> Any:
    """Return ``values[i]``, where i is the number of boundaries below the step.

    A boundary itself still has the rate before it.

    Args:
        step: Optimizer step, >= 0.
        boundaries: Rising steps.
        values: The rates, one more than boundaries.

    Raises:
        ValueError: if the numbers don't fit.

    Example:
        >>> piecewise([0, 10, 11], boundaries=[10], values=[0.1, 0.01]).tolist()
        [0.1, 0.1, 0.01]
    """
    if len(values) != len(boundaries) + 1:
        raise ValueError(
            f"values must be one more than boundaries; given: {len(values)} values "
            f"and {len(boundaries)} boundaries."
        )
    return np.asarray(values)[np.searchsorted(boundaries, step, side="left")]


def exponential(
    step: Any,
    *,
    initial: float,
    decay_steps: float,
    decay_rate: float,
    staircase: bool = False,
) -> Any:
    """Return ``initial * decay_rate ** (t / decay_steps)``.

    With ``decay_steps`` the steps of one epoch it is the textbook's ``initial * gamma
    ** epoch``.

    Args:
        step: Optimizer step, >= 0.
        initial: Rate at step 0.
        decay_steps: Steps in which the rate falls by ``decay_rate``.
        decay_rate: That factor.
        staircase: Round the exponent down.

    Example:
        >>> float(exponential(20, initial=0.1, decay_steps=10, decay_rate=0.5))
        0.025
    """
    decays = _quotient(step, decay_steps, staircase)
    return checks.positive("initial", initial) * decay_rate**decays


def inverse_time(
    step: Any,
    *,
    initial: float,
    decay_steps: float,
    decay_rate: float,
    staircase: bool = False,
) -> Any:
    """Return ``initial / (1 + decay_rate * t / decay_steps)``.

    Args:
        step: Optimizer step, >= 0.
        initial: Rate at step 0.
        decay_steps: Steps in which the denominator grows by ``decay_rate``.
        decay_rate: That growth.
        staircase: Round the quotient down.

    Example:
        >>> float(inverse_time(10, initial=0.1, decay_steps=10, decay_rate=1.0))
        0.05
    """
    decays = _quotient(step, decay_steps, staircase)
    return checks.positive("initial", initial) / (1 + decay_rate * decays)


def polynomial(
    step: Any,
    *,
    initial: float,
    decay_steps: float,
    end: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> Any:
    """Return ``(initial - end) * (1 - t / decay_steps) ** power + end``, then ``end``.

    Args:
        step: Optimizer step, >= 0.
        initial: Rate at step 0.
        decay_steps: Steps until the end.
        end: Last rate.
        power: Exponent; 1 is a straight line.
        cycle: Take the next multiple of ``decay_steps`` as the horizon instead of
            staying at the end.

    Example:
        >>> float(polynomial(5, initial=0.1, decay_steps=10, end=0.0))
        0.05
    """
    done = _quotient(step, decay_steps)
    horizon = np.maximum(np.ceil(done), 1) if cycle else 1
    left = 1 - np.minimum(done / horizon, 1)
    return (checks.positive("initial", initial) - end) * left**power + end


def cosine(step: Any, *, initial: float, decay_steps: float, alpha: float = 0.0) -> Any:
    """Return ``initial * ((1-alpha) * (1 + cos(pi * t / decay_steps)) / 2 + alpha)``.

    From ``decay_steps`` on the rate stays at ``alpha * initial``.

    Args:
        step: Optimizer step, >= 0.
        initial: Rate at step 0.
        decay_steps: Steps until the end.
        alpha: Last rate as a share of the first.

    Example:
        >>> cosine([0, 5, 10, 20], initial=0.1, decay_steps=10).round(6).tolist()
        [0.1, 0.05, 0.0, 0.0]

    References:
        Loshchilov and Hutter (2017), https://arxiv.org/abs/1608.03983.
    """
    done = np.minimum(_quotient(step, decay_steps), 1)
    return checks.positive("initial", initial) * ((1 - alpha) * _fall(done) + alpha)


def cosine_cycle(
    step: Any, *, initial: float, half_cycle_steps: float, alpha: float = 0.0
) -> Any:
    """Return `cosine` without its end: it rises again after ``half_cycle_steps``.

    Args:
        step: Optimizer step, >= 0.
        initial: Highest rate, at step 0.
        half_cycle_steps: Steps from the highest to the lowest rate.
        alpha: Lowest rate as a share of the highest.

    Example:
        >>> rates = cosine_cycle([0, 10, 20], initial=0.1, half_cycle_steps=10)
        >>> rates.round(6).tolist()
        [0.1, 0.0, 0.1]
    """
    done = _quotient(step, half_cycle_steps)
    return checks.positive("initial", initial) * ((1 - alpha) * _fall(done) + alpha)


def cosine_restarts(
    step: Any,
    *,
    initial: float,
    first_decay_steps: float,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
) -> Any:
    """Return the cosine of the period that the step is in.

    Period i lasts ``first_decay_steps * t_mul ** i`` steps and falls from ``initial *
    m_mul ** i``, so that it restarts at its top when the period before is over.

    Args:
        step: Optimizer step, >= 0.
        initial: Rate at step 0.
        first_decay_steps: Steps of the first period.
        t_mul: How many times as long each period is as the one before.
        m_mul: How many times as high each one begins.
        alpha: Lowest rate as a share of the first.

    Example:
        >>> rates = cosine_restarts([0, 5, 10, 20], initial=0.1, first_decay_steps=10)
        >>> rates.round(6).tolist()
        [0.1, 0.05, 0.1, 0.05]

    References:
        Loshchilov and Hutter (2017), https://arxiv.org/abs/1608.03983.
    """
    begin, length, height = 0.0, float(first_decay_steps), 1.0
    step = np.asarray(step, dtype=float)
    rates = np.zeros(step.shape)
    while (step >= begin).any():
        falling = (1 - alpha) * height * _fall((step - begin) / length) + alpha
        rates = np.where(step >= begin, falling, rates)
        begin, length, height = begin + length, length * t_mul, height * m_mul
    return checks.positive("initial", initial) * rates


@renamed_arguments(peak="max_learning_rate")
def one_cycle(
    step: Any,
    *,
    max_learning_rate: float,
    total_steps: float,
    warmup_fraction: float = 0.25,
    initial_factor: float = 0.2,
    final_factor: float = 0.0,
) -> Any:
    """Return a straight rise to the highest rate and a straight fall from it.

    With ``high = max_learning_rate`` from ``high * initial_factor`` at step 0 to
    ``high`` at ``warmup_fraction * total_steps`` to ``high * final_factor`` at
    ``total_steps``.

    Args:
        step: Optimizer step, >= 0.
        max_learning_rate: Highest rate.
        total_steps: Steps of the training.
        warmup_fraction: Share of the steps in which the rate rises, in [0, 1).
        initial_factor: First rate as a share of the highest.
        final_factor: Last rate as a share of the highest.

    Example:
        >>> rates = one_cycle([0, 25, 100], max_learning_rate=1.0, total_steps=100)
        >>> rates.tolist()
        [0.2, 1.0, 0.0]

    References:
        Smith and Topin (2018), https://arxiv.org/abs/1708.07120.
    """
    done = _quotient(step, total_steps)
    turn = checks.fraction("warmup_fraction", warmup_fraction)
    with np.errstate(divide="ignore", invalid="ignore"):  # no rise if turn is 0
        rise = initial_factor + (1 - initial_factor) * done / turn
    fall = 1 + (final_factor - 1) * np.minimum((done - turn) / (1 - turn), 1)
    high = checks.positive("max_learning_rate", max_learning_rate)
    return high * np.where(done < turn, rise, fall)


def cyclical(
    step: Any,
    *,
    low: float,
    high: float,
    half_cycle_steps: float,
    mode: str = "triangular",
    gamma: float = 1.0,
) -> Any:
    """Return a triangle wave between ``low`` and ``high``.

    With S = half_cycle_steps, ``cycle = floor(1 + t / 2S)`` and ``x = |t/S - 2 cycle +
    1|`` it is ``low + (high - low) * max(0, 1 - x) * scale``; the scale is 1
    (``"triangular"``), ``1 / 2 ** (cycle - 1)`` (``"triangular2"``) or ``gamma ** t``
    (``"exp_range"``). It goes by the step; the loss doesn't matter.

    Args:
        step: Optimizer step, >= 0.
        low: Lowest rate, at step 0.
        high: Highest rate.
        half_cycle_steps: Steps from the lowest to the highest rate.
        mode: ``"triangular"``, ``"triangular2"`` or ``"exp_range"``.
        gamma: Factor of the height in each step for ``"exp_range"``.

    Raises:
        ValueError: if the mode is unknown.

    Example:
        >>> rates = cyclical([0, 10, 20, 30], low=0.1, high=0.5, half_cycle_steps=10)
        >>> rates.round(6).tolist()
        [0.1, 0.5, 0.1, 0.5]

    References:
        Smith (2017), https://arxiv.org/abs/1506.01186.
    """
    step = np.asarray(step, dtype=float)
    cycle = np.floor(1 + step / (2 * half_cycle_steps))
    x = np.abs(step / half_cycle_steps - 2 * cycle + 1)
    scales = {
        "triangular": 1.0,
        "triangular2": 1 / 2 ** (cycle - 1),
        "exp_range": gamma**step,
    }
    if mode not in scales:
        raise names.unknown("mode of a cyclical schedule", mode, scales)
    return low + (high - low) * np.maximum(0, 1 - x) * scales[mode]


def warmup(
    step: Any,
    *,
    schedule: checks.Rate,
    warmup_steps: float,
    initial_factor: float = 0.0,
) -> Any:
    """Return a straight rise to a schedule's first rate, then that schedule.

    ``schedule(0) * (f + (1 - f) * t / warmup_steps)`` with f = initial_factor, then
    ``schedule(t - warmup_steps)``.

    Args:
        step: Optimizer step, >= 0.
        schedule: A number, or a function of the step.
        warmup_steps: Steps of the rise.
        initial_factor: First rate as a share of the schedule's first.

    Example:
        >>> warmup([0, 5, 10], schedule=0.1, warmup_steps=10).tolist()
        [0.0, 0.05, 0.1]

    References:
        Goyal et al. (2017), https://arxiv.org/abs/1706.02677.
    """
    step = np.asarray(step, dtype=float)
    risen = np.minimum(_quotient(step, warmup_steps), 1)
    after = np.maximum(step - warmup_steps, 0)
    rate = schedule(after) if callable(schedule) else schedule
    return (initial_factor + (1 - initial_factor) * risen) * rate


def _quotient(step: Any, length: float, staircase: bool = False) -> Any:
    """Return how many times the step holds the length."""
    if not length > 0:
        raise ValueError(f"A length in steps must be > 0; given: {length!r}.")
    quotient = np.asarray(step, dtype=float) / length
    return np.floor(quotient) if staircase else quotient


def _fall(done: Any) -> Any:
    """Return the cosine's fall from 1 to 0 while ``done`` goes from 0 to 1."""
    return (1 + np.cos(np.pi * done)) / 2
