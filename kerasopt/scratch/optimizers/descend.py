"""The loop of a first-order optimizer, which keeps its path."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kerasopt.scratch import checks
from kerasopt.scratch.optimizers.base import Optimizer

__all__ = ["minimize"]


def minimize(
    gradient: Callable[[np.ndarray], np.ndarray],
    theta: np.ndarray,
    optimizer: Optimizer,
    *,
    iterations: int,
    tolerance: float | None = None,
) -> np.ndarray:
    """Step until the gradient is small or the iterations are spent.

    Args:
        gradient: Function from parameters to their gradient.
        theta: Where to start, an array of floats; it stays as it is.
        optimizer: A fresh one: a used one goes on with the state it has.
        iterations: Largest number of steps, >= 1.
        tolerance: Norm of the gradient, >= 0, at which to stop; by default, none.

    Returns:
        All parameters from the start on, as an array of shape
        (steps + 1, *theta.shape); the last is the result.

    Raises:
        ValueError: if an argument is out of its range, or parameters or gradient
            become NaN or infinite.

    Example:
        >>> from kerasopt.scratch.optimizers import GradientDescent
        >>> start = np.array(10.0)
        >>> path = minimize(lambda w: 2 * w, start, GradientDescent(0.1), iterations=50)
        >>> path.shape, path[1], round(path[-1], 9)
        ((51,), np.float64(8.0), np.float64(0.000142725))
    """
    theta = checks.float_array("theta", theta)
    iterations = checks.integer("iterations", iterations)
    if tolerance is not None:
        tolerance = checks.non_negative("tolerance", tolerance)
    path = [theta]
    for _ in range(iterations):
        slope = checks.float_array("gradient", gradient(theta), shape=theta.shape)
        if tolerance is not None and np.linalg.norm(slope) <= tolerance:
            break
        theta = optimizer.step(theta, slope)
        path.append(theta)
    return np.stack(path)
