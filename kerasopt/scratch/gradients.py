"""Is a gradient right? Compare it with finite differences.

A derivative worked out by hand is easily wrong in one factor and still trains, only
worse. The difference quotient needs no calculus, so that it finds such errors; it
takes two evaluations of the loss for each parameter, so that it is for tests alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasopt.scratch import checks

__all__ = ["check_gradient", "gradient_error", "numeric_gradient"]

STEP = 6e-6
"""About ∛ε of float64, where the truncation's error meets the rounding's."""

FLOOR = 1e-3
"""Entries of a gradient smaller than this are compared as if they were this large."""


def numeric_gradient(
    function: Callable[[np.ndarray], Any], theta: Any, step: float = STEP
) -> np.ndarray:
    """Return the gradient of a function by central differences.

    ∂f/∂θᵢ ≈ (f(θ + h·eᵢ) - f(θ - h·eᵢ)) / 2h, with h = step · max(1, |θᵢ|). Its error
    falls with h², that of the one-sided quotient only with h.

    Args:
        function: From an array of the shape of θ to a number. It is called with
            float64, twice for each entry of θ, which makes this slow.
        theta: Where to take the gradient, floats of any shape; it stays as it is.
        step: > 0. Much smaller steps drown in rounding errors.

    Returns:
        The gradient, of the shape of θ. Across a kink, as that of relu at 0, it is
        the mean of both sides and no gradient.

    Raises:
        ValueError: if the step isn't > 0, θ isn't of finite floats, or the function
            returns something else than a finite number.

    Example:
        >>> numeric_gradient(lambda w: w @ w, np.array([1.0, -3.0])).round(6).tolist()
        [2.0, -6.0]

    References:
        Nocedal & Wright (2006), Numerical Optimization, section 8.1,
        https://doi.org/10.1007/978-0-387-40065-5.
    """
    step = checks.positive("step", step)
    theta = checks.float_array("theta", theta).astype(np.float64)
    gradient = np.empty_like(theta)
    for index in np.ndindex(theta.shape):
        above, below = theta.copy(), theta.copy()
        above[index] += step * max(1, abs(theta[index]))
        below[index] -= step * max(1, abs(theta[index]))
        # Not 2h: what is left of h after it was rounded into θ.
        width = above[index] - below[index]
        gradient[index] = (_number(function(above)) - _number(function(below))) / width
    return gradient


def gradient_error(analytic: Any, numeric: Any, floor: float = FLOOR) -> float:
    """Return the largest relative difference between the entries of two gradients.

    max |aᵢ - nᵢ| / max(|aᵢ|, |nᵢ|, floor).

    Args:
        analytic: The gradient from a formula.
        numeric: That from `numeric_gradient`, of the same shape.
        floor: Smaller entries are compared as if they were this large, because the
            rounding errors of the differences don't shrink with them.

    Returns:
        About 1e-7 or less if the formula is right, 0.5 if it lacks a factor of 2.

    Raises:
        ValueError: if the shapes differ, or something isn't a finite float.

    Example:
        >>> gradient_error(np.array([2.0, 4.0]), np.array([1.0, 4.0]))
        0.5
    """
    analytic = checks.float_array("analytic", analytic)
    numeric = checks.float_array("numeric", numeric, shape=analytic.shape)
    size = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), floor)
    return float((np.abs(analytic - numeric) / size).max())


def check_gradient(
    function: Callable[[np.ndarray], Any],
    gradient: Callable[[np.ndarray], Any],
    theta: Any,
    step: float = STEP,
) -> float:
    """Return how far a gradient is off the function that it claims to belong to.

    The `gradient_error` of ``gradient(theta)`` and the `numeric_gradient` there.

    Args:
        function: From an array of the shape of θ to a number.
        gradient: From the same array to the gradient to be checked.
        theta: Where to compare them, floats of any shape. Take random values: at 0
            and other special places wrong formulas may be right.
        step: Of the central differences.

    Returns:
        The largest relative error of an entry: about 1e-7 or less if all is well.

    Raises:
        ValueError: as `numeric_gradient` and `gradient_error`.

    Example:
        >>> theta = np.array([1.0, 2.0])
        >>> check_gradient(lambda w: w @ w, lambda w: 2 * w, theta) < 1e-7
        True
        >>> check_gradient(lambda w: w @ w, lambda w: w, theta) > 0.4
        True
    """
    return gradient_error(gradient(theta), numeric_gradient(function, theta, step))


def _number(value: Any) -> float:
    if np.size(value) != 1 or not np.isfinite(value).all():
        raise ValueError(
            "The function must return a finite number, such as a loss; given: "
            f"{value!r}."
        )
    return float(np.asarray(value).item())
