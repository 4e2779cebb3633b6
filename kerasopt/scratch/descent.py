"""Gradient descent for linear regression: batch, stochastic and mini-batch.

A step goes against the gradient, θ ← θ - α·∇L(θ): that is the direction in which
the loss falls fastest, and the learning rate α is how far to go. Linear regression
is the simplest loss to watch it on, because its minimum is known exactly.
(`kerasopt.scratch.optimizers.minimize` follows the gradient of any function.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kerasopt.scratch import checks

__all__ = [
    "gradient_descent",
    "gradient_noise",
    "regression_cost",
    "regression_gradient",
]


def regression_cost(X: np.ndarray, y: np.ndarray, theta: np.ndarray) -> float:
    """Return the cost of a linear model: half its mean squared error.

    e = Xθ - y, cost = Σe² / (2m).

    Args:
        X: Inputs, shape (m, n); for an intercept, give it a column of ones.
        y: Targets, shape (m,).
        theta: Parameters θ, shape (n,).

    Returns:
        The cost, in squared units of y.

    Raises:
        ValueError: if the shapes don't fit, or something isn't a finite float.

    Example:
        >>> X, y = np.array([[1.0, 1.0], [1.0, 2.0]]), np.array([3.0, 5.0])
        >>> regression_cost(X, y, np.zeros(2))
        8.5
    """
    X, y, theta = _check_regression(X, y, theta)
    return _cost(X, y, theta)


def regression_gradient(X: np.ndarray, y: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return the gradient of `regression_cost` by θ.

    e = Xθ - y, ∇ = Xᵀe / m. The 2 of the square cancels that of 2m.

    Args:
        X: Inputs, shape (m, n).
        y: Targets, shape (m,).
        theta: Parameters θ, shape (n,).

    Returns:
        The gradient, shape (n,).

    Raises:
        ValueError: if the shapes don't fit, or something isn't a finite float.

    Example:
        >>> X, y = np.array([[1.0, 1.0], [1.0, 2.0]]), np.array([3.0, 5.0])
        >>> regression_gradient(X, y, np.zeros(2)).tolist()
        [-4.0, -6.5]
    """
    X, y, theta = _check_regression(X, y, theta)
    return _gradient(X, y, theta)


def gradient_descent(
    X: np.ndarray,
    y: np.ndarray,
    theta: np.ndarray,
    learning_rate: checks.Rate,
    iterations: int,
    *,
    batch_size: int | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a linear model by gradient descent: batch, stochastic or mini-batch.

    One iteration is one update, on one batch of the rows X_b, y_b:
    e = X_b·θ - y_b, θ ← θ - α·X_bᵀe / (rows in the batch), which lowers the cost
    Σe² / (2m), half the mean squared error. So a pass over m rows
    takes m / batch_size iterations, rounded up: the last batch of a pass may be
    smaller. The rows are shuffled anew before each pass.

    Args:
        X: Inputs, shape (m, n); for an intercept, give it a column of ones.
        y: Targets, shape (m,).
        theta: First parameters θ, shape (n,), floats; none of the arrays changes.
        learning_rate: α > 0, or a function from the iteration, from 0, to α.
        iterations: Updates at most, >= 1.
        batch_size: Rows in a batch: None for all of them (batch gradient descent),
            1 for stochastic, and between the two for mini-batch gradient descent.
        tolerance: Stop once the norm of the gradient on all rows is no larger than
            this. (The change of the cost depends on the learning rate too: with a
            tiny one it looks like convergence.) None for never.
        seed: Of the shuffle, >= 0.

    Returns:
        θ and the costs. costs[0] is the cost of the first θ and costs[-1] that of
        the returned one, all of them on all rows, whatever the batch.

    Raises:
        ValueError: if the shapes don't fit, an argument is out of range, something
            isn't a finite float, or the cost grows beyond all bounds.

    Example:
        >>> X = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
        >>> theta, costs = gradient_descent(
        ...     X, np.array([1.0, 3.0, 5.0]), np.zeros(2), 0.5, 200
        ... )
        >>> theta.round(4).tolist(), len(costs)
        ([1.0, 2.0], 201)

    References:
        Robbins & Monro (1951), A stochastic approximation method,
        https://doi.org/10.1214/aoms/1177729586.
        Bottou, Curtis & Nocedal (2018), https://arxiv.org/abs/1606.04838.
    """
    X, y, theta = _check_regression(X, y, theta)
    rate = checks.learning_rate(learning_rate)
    iterations = checks.integer("iterations", iterations)
    if tolerance is not None:
        tolerance = checks.non_negative("tolerance", tolerance)
    seed = checks.integer("seed", seed, least=0)
    batches = _batches(len(X), _check_batch(batch_size, len(X)), seed)

    theta = theta.copy()
    costs = [_cost(X, y, theta)]
    for iteration in range(iterations):
        if tolerance is not None and _slope(X, y, theta) <= tolerance:
            break
        rows = next(batches)
        slope = _gradient(X[rows], y[rows], theta)
        theta = theta - checks.rate_at(rate, iteration) * slope
        costs.append(_cost(X, y, theta))
        _check_bounded(costs, X)
    return theta, np.array(costs)


def gradient_noise(
    X: np.ndarray,
    y: np.ndarray,
    theta: np.ndarray,
    batch_sizes: Sequence[int],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Measure how far mini-batch gradients stray, and what they cost.

    noise(b) = √ mean |∇_b - ∇|², over random batches of b of the m rows. In theory
    it is σ/√b · √((m - b) / (m - 1)), where σ is the noise of single rows: four
    times the work halves the noise, and the whole batch has none.

    Args:
        X: Inputs, shape (m, n).
        y: Targets, shape (m,).
        theta: Where to take the gradients, shape (n,).
        batch_sizes: The sizes b to compare, each in 1…m. An update on b rows costs
            b gradients of single rows.
        draws: Random batches for each size.
        seed: Of the draws.

    Returns:
        For each size a dict of ``batch_size`` (rows for one update),
        ``updates_per_pass`` and ``noise`` (in the units of the gradient).

    Raises:
        ValueError: if the shapes don't fit, or a size is out of range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X, y = rng.normal(size=(1000, 3)), rng.normal(size=1000)
        >>> for row in gradient_noise(X, y, np.zeros(3), [1, 4, 16, 1000]):
        ...     print({key: round(value, 2) for key, value in row.items()})
        {'batch_size': 1, 'updates_per_pass': 1000, 'noise': 1.81}
        {'batch_size': 4, 'updates_per_pass': 250, 'noise': 0.89}
        {'batch_size': 16, 'updates_per_pass': 63, 'noise': 0.45}
        {'batch_size': 1000, 'updates_per_pass': 1, 'noise': 0.0}

    References:
        Bottou, Curtis & Nocedal (2018), https://arxiv.org/abs/1606.04838.
    """
    X, y, theta = _check_regression(X, y, theta)
    draws = checks.integer("draws", draws)
    rng = checks.generator(seed)
    whole = _gradient(X, y, theta)
    table: list[dict[str, float]] = []
    for size in [_check_batch(size, len(X)) for size in batch_sizes]:
        squares = []
        for _ in range(draws):
            rows = rng.choice(len(X), size, replace=False)
            squares.append(np.sum((_gradient(X[rows], y[rows], theta) - whole) ** 2))
        table.append(
            {
                "batch_size": size,
                "updates_per_pass": -(-len(X) // size),
                "noise": float(np.sqrt(np.mean(squares))),
            }
        )
    return table


def _cost(X: np.ndarray, y: np.ndarray, theta: np.ndarray) -> float:
    with np.errstate(over="ignore"):  # _check_bounded says it better.
        e = X @ theta - y
        return float(e @ e / (2 * len(y)))


def _gradient(X: np.ndarray, y: np.ndarray, theta: np.ndarray) -> np.ndarray:
    e = X @ theta - y
    return X.T @ e / len(y)


def _slope(X: np.ndarray, y: np.ndarray, theta: np.ndarray) -> float:
    return float(np.linalg.norm(_gradient(X, y, theta)))


def _batches(m: int, size: int, seed: int) -> Iterator[np.ndarray | slice]:
    """Yield the row numbers of batch after batch, for ever."""
    rng = checks.generator(seed)
    while True:
        if size == m:
            yield slice(None)
        else:
            order = rng.permutation(m)
            for start in range(0, m, size):
                yield order[start : start + size]


def _check_regression(
    X: np.ndarray, y: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    X = checks.float_array("X", X, shape=(None, None))
    y, theta = checks.float_array("y", y), checks.float_array("theta", theta)
    for name, vector, size, what in (
        ("y", y, X.shape[0], "a target for each row"),
        ("theta", theta, X.shape[1], "a parameter for each column"),
    ):
        if vector.shape != (size,):
            flatten = f" Flatten it: {name}.ravel()." if vector.size == size else ""
            raise ValueError(
                f"{name} must have shape ({size},), {what} of X with shape {X.shape}; "
                f"given: shape {vector.shape}.{flatten}"
            )
    if X.size == 0:
        raise ValueError(f"X must hold at least one number; given: shape {X.shape}.")
    return X, y, theta


def _check_batch(size: int | None, m: int) -> int:
    if size is None:
        return m
    if checks.integer("batch_size", size) > m:
        raise ValueError(f"batch_size must be at most the {m} rows; given: {size}.")
    return int(size)


def _check_bounded(costs: list[float], X: np.ndarray) -> None:
    if np.isfinite(costs[-1]):
        return
    limit = 2 / np.linalg.eigvalsh(X.T @ X / len(X))[-1]
    raise ValueError(
        f"The cost grew from {costs[0]:.3g} to {costs[-1]} in {len(costs) - 1} "
        f"iterations. Lower the learning rate: for this X the whole batch converges "
        f"below {limit:.3g}, small batches may need less. Features of one scale "
        "allow larger rates."
    )
