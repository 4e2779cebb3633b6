"""Batch normalisation, forward and backward.

Each feature is brought to mean 0 and variance 1 over the batch, and then to a scale
γ and a shift β that are learnt. In training the batch's own statistics are used and
remembered in running averages; at test time the running ones take their place, so
that a prediction doesn't depend on what else is in the batch.

Features are on the last axis, as in Keras: (samples, features), and (samples,
height, width, channels), where all pixels of a channel count as its samples.

References:
    Ioffe & Szegedy (2015), Batch normalization, https://arxiv.org/abs/1502.03167.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kerasopt.scratch import checks

__all__ = [
    "Cache",
    "Running",
    "batch_norm_backward",
    "batch_norm_inference",
    "batch_norm_training",
    "initial_running",
    "update_running",
]

EPSILON = 1e-3
"""Keras's default; the paper gives none, PyTorch has 1e-5."""


class Cache(NamedTuple):
    """What a training's forward pass leaves behind for the way back."""

    normalized: np.ndarray
    """x̂, of the shape of x."""
    deviation: np.ndarray
    """√(variance + ε), shape (features,)."""
    mean: np.ndarray
    """The batch's, shape (features,)."""
    variance: np.ndarray
    """The batch's, shape (features,)."""
    gamma: np.ndarray
    """γ, shape (features,)."""


class Running(NamedTuple):
    """Running averages of the batches' statistics, each of shape (features,)."""

    mean: np.ndarray
    variance: np.ndarray


def batch_norm_training(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, *, epsilon: float = EPSILON
) -> tuple[np.ndarray, Cache]:
    """Normalise a batch by its own mean and variance.

    x̂ = (x - mean) / √(variance + ε), y = γ·x̂ + β. It is the root that makes the
    standard deviation 1: division by the variance would leave 1/σ. The variance
    divides by the number n of values, not by n - 1.

    Args:
        x: Batch, shape (samples, ..., features).
        gamma: Scale γ, shape (features,); starts as ones.
        beta: Shift β, shape (features,); starts as zeros.
        epsilon: ε > 0, for features that don't vary.

    Returns:
        y, of the shape of x, and the cache for `batch_norm_backward`.

    Raises:
        ValueError: if a shape doesn't fit, ε isn't > 0, or something isn't a finite
            float.

    Example:
        >>> x = np.array([[1.0, 20.0], [3.0, 60.0]])
        >>> y, _ = batch_norm_training(x, np.ones(2), np.zeros(2), epsilon=1e-9)
        >>> y.round(6).tolist()
        [[-1.0, -1.0], [1.0, 1.0]]
    """
    x = _check_x(x)
    gamma, beta = _check_features(x, gamma=gamma, beta=beta)
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axis=axes), x.var(axis=axes)
    deviation = np.sqrt(variance + checks.positive("epsilon", epsilon))
    normalized = (x - mean) / deviation
    cache = Cache(normalized, deviation, mean, variance, gamma)
    return gamma * normalized + beta, cache


def batch_norm_inference(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    running: Running,
    *,
    epsilon: float = EPSILON,
) -> np.ndarray:
    """Normalise by the running mean and variance, as at test time.

    y = γ·(x - running mean) / √(running variance + ε) + β. As long as the running
    statistics are the initial ones, 0 and 1, this hardly changes x.

    Args:
        x: Batch, shape (samples, ..., features); one sample will do.
        gamma: Scale γ, shape (features,).
        beta: Shift β, shape (features,).
        running: From `update_running`.
        epsilon: ε > 0, as in the training.

    Returns:
        y, of the shape of x.

    Raises:
        ValueError: if a shape doesn't fit, ε isn't > 0, a variance is negative, or
            something isn't a finite float.

    Example:
        >>> running = Running(mean=np.array([2.0]), variance=np.array([4.0]))
        >>> y = batch_norm_inference(
        ...     np.array([[6.0]]), np.ones(1), np.zeros(1), running, epsilon=1e-9
        ... )
        >>> y.round(6).tolist()
        [[2.0]]
    """
    x = _check_x(x)
    gamma, beta = _check_features(x, gamma=gamma, beta=beta)
    checks.instance("running", running, Running, "the statistics of update_running")
    mean, variance = _check_features(x, mean=running.mean, variance=running.variance)
    if variance.min() < 0:
        raise ValueError(f"variance must be >= 0; given: {variance.min():.4g}.")
    return (
        gamma * (x - mean) / np.sqrt(variance + checks.positive("epsilon", epsilon))
        + beta
    )


def initial_running(features: int) -> Running:
    """Return the running statistics before the first batch: mean 0, variance 1.

    Args:
        features: Size of the last axis.

    Returns:
        The statistics, each of shape (features,).

    Raises:
        ValueError: if features isn't an integer >= 1.

    Example:
        >>> initial_running(2).variance.tolist()
        [1.0, 1.0]
    """
    features = checks.integer("features", features)
    return Running(np.zeros(features), np.ones(features))


def update_running(running: Running, cache: Cache, momentum: float = 0.99) -> Running:
    """Let a batch's statistics into the running averages.

    running ← momentum·running + (1 - momentum)·batch, for mean and variance.

    Args:
        running: The averages so far.
        cache: From `batch_norm_training` on the batch.
        momentum: How much of the past stays, in [0, 1), as in Keras. (PyTorch's
            momentum is 1 minus this one.)

    Returns:
        The new averages; the given ones stay as they are.

    Raises:
        ValueError: if momentum is out of range, or the features aren't as many.

    Example:
        >>> _, cache = batch_norm_training(
        ...     np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1)
        ... )
        >>> running = update_running(initial_running(1), cache, momentum=0.9)
        >>> running.mean.round(6).tolist(), running.variance.round(6).tolist()
        ([0.2], [1.0])
    """
    keep = checks.fraction("momentum", momentum)
    checks.instance("running", running, Running, "the statistics of initial_running")
    checks.instance("cache", cache, Cache, "the cache of batch_norm_training")
    shape = cache.mean.shape
    mean = checks.float_array("running.mean", running.mean, shape=shape)
    variance = checks.float_array("running.variance", running.variance, shape=shape)
    return Running(
        keep * mean + (1 - keep) * cache.mean,
        keep * variance + (1 - keep) * cache.variance,
    )


def batch_norm_backward(
    dy: np.ndarray, cache: Cache
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Send the gradient back through `batch_norm_training`.

    ∂L/∂β = Σ dy, ∂L/∂γ = Σ dy·x̂, and with dx̂ = dy·γ
    ∂L/∂x = (dx̂ - mean(dx̂) - x̂·mean(dx̂·x̂)) / √(variance + ε). The two means are there
    because each x moves the batch's mean and variance too. Sums and means run over
    all axes but the last.

    Args:
        dy: ∂L/∂y, of the shape of x.
        cache: From `batch_norm_training`.

    Returns:
        ∂L/∂x of the shape of x, ∂L/∂γ and ∂L/∂β of shape (features,).

    Raises:
        ValueError: if dy has another shape than x, or isn't of finite floats.

    Example:
        A gradient that is the same for the whole batch can't move x: it is
        normalised away.

        >>> _, cache = batch_norm_training(
        ...     np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1)
        ... )
        >>> dx, dgamma, dbeta = batch_norm_backward(np.ones((2, 1)), cache)
        >>> dx.tolist(), dgamma.tolist(), dbeta.tolist()
        ([[0.0], [0.0]], [0.0], [2.0])
    """
    checks.instance("cache", cache, Cache, "the cache of batch_norm_training")
    dy = checks.float_array("dy", dy, shape=cache.normalized.shape)
    axes = tuple(range(dy.ndim - 1))
    dbeta = dy.sum(axis=axes)
    dgamma = (dy * cache.normalized).sum(axis=axes)
    dnormalized = dy * cache.gamma
    through_mean = dnormalized.mean(axis=axes)
    through_variance = (dnormalized * cache.normalized).mean(axis=axes)
    dx = dnormalized - through_mean - cache.normalized * through_variance
    return dx / cache.deviation, dgamma, dbeta


def _check_x(x: np.ndarray) -> np.ndarray:
    x = checks.float_array("x", x)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(
            "x must have shape (samples, ..., features), with at least one sample; "
            f"given: {x.shape}."
        )
    return x


def _check_features(x: np.ndarray, **vectors: np.ndarray) -> list[np.ndarray]:
    shape = x.shape[-1:]
    return [checks.float_array(name, v, shape=shape) for name, v in vectors.items()]
