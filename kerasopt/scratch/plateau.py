"""The learning rate that the loss drives: it falls where the loss stays flat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasopt.scratch import checks

__all__ = ["reduce_on_plateau"]


def reduce_on_plateau(
    losses: Sequence[float],
    *,
    initial: float,
    factor: float = 0.1,
    patience: int = 10,
    min_delta: float = 1e-4,
    cooldown: int = 0,
    minimum: float = 0.0,
) -> np.ndarray:
    """Return the rate of each epoch when the loss decides: it falls on a plateau.

    After ``patience`` epochs in a row whose loss isn't below the best so far by more
    than ``min_delta``, the next epoch's rate is ``max(factor * rate, minimum)``. During
    the ``cooldown`` epochs that follow nothing is counted.

    Args:
        losses: The watched loss after each epoch.
        initial: Rate of the first epoch.
        factor: What the rate is multiplied by, in (0, 1).
        patience: Epochs without improvement.
        min_delta: Least improvement that counts.
        cooldown: Epochs without counting after a fall.
        minimum: Lowest rate.

    Returns:
        The rates of the epochs, one longer than ``losses``: the last one is the rate
        with which training would go on.

    Example:
        >>> rates = reduce_on_plateau([1.0, 0.5, 0.5, 0.5], initial=0.1, patience=2)
        >>> rates.round(6).tolist()
        [0.1, 0.1, 0.1, 0.1, 0.01]
    """
    rates = [float(checks.positive("initial", initial))]
    patience = checks.integer("patience", patience, least=0)
    cooldown = checks.integer("cooldown", cooldown, least=0)
    factor = checks.fraction("factor", factor)
    min_delta = checks.non_negative("min_delta", min_delta)
    minimum = checks.non_negative("minimum", minimum)
    best, waited, cooling = np.inf, 0, 0
    for loss in losses:
        rate = rates[-1]
        if cooling:
            cooling, waited = cooling - 1, 0
        if loss < best - min_delta:
            best, waited = loss, 0
        elif not cooling:
            waited += 1
            if waited >= patience and rate > minimum:
                rate = max(rate * factor, minimum)
                waited, cooling = 0, cooldown
        rates.append(rate)
    return np.array(rates)
