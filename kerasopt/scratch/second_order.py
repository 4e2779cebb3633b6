"""Minimisation by curvature: Newton, BFGS and L-BFGS with one line search.

All work in float64 on the whole data: the gradients of mini-batches are too noisy
for the differences from which BFGS learns the curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kerasopt.scratch import checks

__all__ = ["Result", "bfgs", "lbfgs", "line_search", "newton"]

Function = Callable[[np.ndarray], Any]
Gradient = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Result:
    """Where a minimisation ended.

    Attributes:
        theta: The parameters, in float64.
        value: The function there.
        gradient_norm: The norm of the gradient there.
        iterations: Steps taken.
        converged: Whether the norm of the gradient came down to the tolerance.
        values: The function at the start and after every step.
        path: The parameters there, shape (steps + 1, parameters).
    """

    theta: np.ndarray
    value: float
    gradient_norm: float
    iterations: int
    converged: bool
    values: np.ndarray
    path: np.ndarray


def newton(
    function: Function,
    gradient: Gradient,
    hessian: Callable[[np.ndarray], np.ndarray],
    theta: np.ndarray,
    *,
    iterations: int = 100,
    tolerance: float = 1e-8,
) -> Result:
    """Minimise by Newton's method with a line search.

    ``theta = theta - a * inverse(H) @ g`` with the gradient g, the Hessian H and the
    step a of `line_search`, which tries 1 first. A quadratic takes one step; near a
    minimum, the number of correct digits about doubles with every step.

    Args:
        function: From parameters to the number to minimise.
        gradient: From parameters to its gradient.
        hessian: From parameters to its second derivatives, a symmetric matrix.
        theta: Where to start, a vector of floats; it stays as it is.
        iterations: Largest number of steps, >= 1; 100 by default.
        tolerance: Norm of the gradient, >= 0, at which to stop; 1e-8 by default.

    Raises:
        ValueError: if an argument is out of its range, function or gradient isn't
            finite at the start, or the Hessian isn't symmetric and positive definite.

    Example:
        >>> A, b = np.diag([1.0, 100.0]), np.array([1.0, 1.0])
        >>> result = newton(
        ...     lambda x: x @ A @ x / 2 - b @ x, lambda x: A @ x - b, lambda x: A, b * 0
        ... )
        >>> result.theta, result.iterations
        (array([1.  , 0.01]), 1)

    References:
        Nocedal and Wright (2006), Numerical optimization, chapter 3,
        https://doi.org/10.1007/978-0-387-40065-5.
    """

    def direction(theta: np.ndarray, slope: np.ndarray) -> np.ndarray:
        size = theta.size
        matrix = checks.float_array("hessian", hessian(theta), shape=(size, size))
        return -_solve(matrix, slope)

    def learn(s: np.ndarray, y: np.ndarray) -> None:
        """Newton knows the curvature."""

    return _minimize(function, gradient, theta, direction, learn, iterations, tolerance)


def bfgs(
    function: Function,
    gradient: Gradient,
    theta: np.ndarray,
    *,
    iterations: int = 1000,
    tolerance: float = 1e-8,
) -> Result:
    """Minimise by BFGS, which learns the inverse Hessian from the gradients.

    ``theta = theta - a * H @ g``, then with the step s and the change of the gradient
    y, ``r = 1 / (y @ s)``:
    ``H = (I - r * outer(s, y)) @ H @ (I - r * outer(y, s)) + r * outer(s, s)``

    H has as many entries as theta has squared; `lbfgs` needs less memory. The start
    is ``H = I / norm(g)``, after the first step ``H = (y @ s) / (y @ y) * I``.

    Args:
        function: From parameters to the number to minimise.
        gradient: From parameters to its gradient.
        theta: Where to start, a vector of floats; it stays as it is.
        iterations: Largest number of steps, >= 1; 1000 by default.
        tolerance: Norm of the gradient, >= 0, at which to stop; 1e-8 by default.

    Raises:
        ValueError: if an argument is out of its range, or function or gradient isn't
            finite at the start.

    Example:
        >>> x = np.ones(2)
        >>> result = bfgs(lambda x: (x - 3) @ (x - 3), lambda x: 2 * (x - 3), x)
        >>> result.theta.round(8), result.converged
        (array([3., 3.]), True)

    References:
        Nocedal and Wright (2006), Numerical optimization, algorithm 6.1,
        https://doi.org/10.1007/978-0-387-40065-5.
    """
    inverse: np.ndarray | None = None

    def direction(theta: np.ndarray, slope: np.ndarray) -> np.ndarray:
        return -slope / np.linalg.norm(slope) if inverse is None else -inverse @ slope

    def learn(s: np.ndarray, y: np.ndarray) -> None:
        nonlocal inverse
        if inverse is None:
            inverse = (y @ s) / (y @ y) * np.eye(s.size)
        r = 1 / (y @ s)
        # The product of the docstring, multiplied out: no product of matrices.
        Hy = inverse @ y
        inverse = inverse - r * (np.outer(s, Hy) + np.outer(Hy, s))
        inverse += r * (1 + r * (y @ Hy)) * np.outer(s, s)

    return _minimize(function, gradient, theta, direction, learn, iterations, tolerance)


def lbfgs(
    function: Function,
    gradient: Gradient,
    theta: np.ndarray,
    *,
    memory: int = 10,
    iterations: int = 1000,
    tolerance: float = 1e-8,
) -> Result:
    """Minimise by BFGS from the last few steps alone.

    ``H @ g`` is computed from the last pairs of step and change of the gradient by
    two loops over them, without the matrix H.

    Args:
        function: From parameters to the number to minimise.
        gradient: From parameters to its gradient.
        theta: Where to start, a vector of floats; it stays as it is.
        memory: Pairs that are kept, >= 1; 10 by default.
        iterations: Largest number of steps, >= 1; 1000 by default.
        tolerance: Norm of the gradient, >= 0, at which to stop; 1e-8 by default.

    Raises:
        ValueError: if an argument is out of its range, or function or gradient isn't
            finite at the start.

    Example:
        >>> x = np.ones(2)
        >>> result = lbfgs(lambda x: (x - 3) @ (x - 3), lambda x: 2 * (x - 3), x)
        >>> result.theta.round(8), result.converged
        (array([3., 3.]), True)

    References:
        Liu and Nocedal (1989), https://doi.org/10.1007/BF01589116; the two loops:
        Nocedal (1980), https://doi.org/10.1090/S0025-5718-1980-0572855-7.
    """
    memory = checks.integer("memory", memory)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []

    def direction(theta: np.ndarray, slope: np.ndarray) -> np.ndarray:
        if not pairs:
            return -slope / np.linalg.norm(slope)
        q, weights = slope.copy(), []
        for s, y in reversed(pairs):
            weights.append((s @ q) / (y @ s))
            q -= weights[-1] * y
        s, y = pairs[-1]
        q *= (y @ s) / (y @ y)
        for (s, y), weight in zip(pairs, reversed(weights), strict=True):
            q += (weight - (y @ q) / (y @ s)) * s
        return -q

    def learn(s: np.ndarray, y: np.ndarray) -> None:
        pairs.append((s, y))
        del pairs[:-memory]

    return _minimize(function, gradient, theta, direction, learn, iterations, tolerance)


def line_search(
    function: Function,
    gradient: Gradient,
    theta: np.ndarray,
    direction: np.ndarray,
    *,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    trials: int = 60,
) -> float | None:
    """Return a step along a direction that satisfies the Wolfe conditions.

    With ``p(a) = function(theta + a * direction)`` the step a is long enough,
    ``p'(a) >= curvature * p'(0)``, and goes down enough: either
    ``p(a) <= p(0) + decrease * a * p'(0)`` or, by Hager and Zhang,
    ``p'(a) <= (2 * decrease - 1) * p'(0)`` and ``p(a) <= p(0) + 1e-6 * abs(p(0))``.
    The second test is the first one for a quadratic, but by derivatives: near a
    minimum ``p(a) - p(0)`` is lost in rounding long before they are.

    It tries 1, doubles a step that is too short and halves the interval that holds a
    good step.

    Args:
        function: From parameters to a number.
        gradient: From parameters to its gradient.
        theta: Where to start, a vector of floats.
        direction: A vector along which the function falls.
        decrease: Share of the decrease that the first slope promises, in (0, 0.5).
        curvature: Largest share of the first slope that may be left, in (decrease, 1).
        trials: Largest number of steps tried, >= 1; 60 by default.

    Returns:
        The step, or None if no trial was good: the function falls for ever, the
        gradient isn't its gradient, or nothing is left to gain.

    Raises:
        ValueError: if an argument is out of its range, function or gradient isn't
            finite at theta, or the function doesn't fall along the direction.

    Example:
        >>> x, down = np.array([1.0]), np.array([-4.0])
        >>> line_search(lambda x: x @ x, lambda x: 2 * x, x, down)  # 1 goes too far
        0.25

    References:
        Hager and Zhang (2005), https://doi.org/10.1137/030601880.
    """
    start = _start(function, gradient, theta)
    direction = checks.float_array("direction", direction, shape=start.theta.shape)
    trials = checks.integer("trials", trials)
    if not 0 < decrease < 0.5 or not decrease < curvature < 1:
        raise ValueError(
            "decrease must lie in (0, 0.5) and curvature in (decrease, 1); given: "
            f"{decrease!r} and {curvature!r}."
        )
    slope = float(start.gradient @ direction)
    if not slope < 0:
        raise ValueError(
            "The function must fall along the direction; given: one with the slope "
            f"{slope:.3g}. Try direction = -gradient(theta)."
        )
    found = _search(function, gradient, start, direction, decrease, curvature, trials)
    return None if found is None else found[0]


class _Point(NamedTuple):
    theta: np.ndarray
    value: float
    gradient: np.ndarray


def _start(function: Function, gradient: Gradient, theta: np.ndarray) -> _Point:
    theta = checks.float_array("theta", theta, shape=(None,)).astype(float)
    value = np.asarray(function(theta), dtype=float)
    slopes = checks.float_array("gradient", gradient(theta), shape=theta.shape)
    return _Point(
        theta,
        float(checks.float_array("function", value, shape=())),
        slopes.astype(float),
    )


def _search(
    function: Function,
    gradient: Gradient,
    start: _Point,
    direction: np.ndarray,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    trials: int = 60,
) -> tuple[float, _Point] | None:
    first = start.gradient @ direction
    if not first < 0:  # Rounding may leave no descent.
        return None
    shortest, longest, step = 0.0, np.inf, 1.0
    for _ in range(trials):
        theta = start.theta + step * direction
        new = _Point(theta, float(function(theta)), gradient(theta).astype(float))
        slope = new.gradient @ direction
        falls = new.value <= start.value + decrease * step * first or (
            new.value <= start.value + 1e-6 * abs(start.value)
            and slope <= (2 * decrease - 1) * first
        )
        # What isn't finite is beyond the function's domain, so too far.
        if not falls or not np.isfinite([new.value, slope]).all():
            longest = step
        elif slope < curvature * first:
            shortest = step
        else:
            return step, new
        step = 2 * step if longest == np.inf else (shortest + longest) / 2
    return None


def _minimize(
    function: Function,
    gradient: Gradient,
    theta: np.ndarray,
    direction: Callable[[np.ndarray, np.ndarray], np.ndarray],
    learn: Callable[[np.ndarray, np.ndarray], None],
    iterations: int,
    tolerance: float,
) -> Result:
    """Step along directions, and show the method (s, y) of every step."""
    iterations = checks.integer("iterations", iterations)
    tolerance = checks.non_negative("tolerance", tolerance)
    point = _start(function, gradient, theta)
    values, path = [point.value], [point.theta]
    while len(values) <= iterations and np.linalg.norm(point.gradient) > tolerance:
        way = direction(point.theta, point.gradient)
        found = _search(function, gradient, point, way)
        if found is None:
            break
        new = found[1]
        s, y = new.theta - point.theta, new.gradient - point.gradient
        # The line search makes it > 0, but for rounding.
        if y @ s > 0:
            learn(s, y)
        point = new
        values.append(point.value)
        path.append(point.theta)
    norm = float(np.linalg.norm(point.gradient))
    return Result(
        theta=point.theta,
        value=point.value,
        gradient_norm=norm,
        iterations=len(values) - 1,
        converged=norm <= tolerance,
        values=np.array(values),
        path=np.stack(path),
    )


def _solve(hessian: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    if not np.allclose(hessian, hessian.T, rtol=1e-6, atol=1e-12):
        raise ValueError("The Hessian must be symmetric; check its formula.")
    values, vectors = np.linalg.eigh(hessian)
    if values[0] <= values.size * np.finfo(float).eps * abs(values).max():
        raise ValueError(
            "The Hessian must be positive definite; its smallest eigenvalue is "
            f"{values[0]:.3g}, its largest {values[-1]:.3g}. Start nearer to the "
            "minimum, add an L2 penalty, or use bfgs, which needs no Hessian."
        )
    return vectors @ ((vectors.T @ slopes) / values)
