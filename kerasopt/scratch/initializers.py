"""First weights: how large they should be, and why.

A unit sums up fan_in inputs, so that the variance of z is fan_in times that of the
weights (times that of the inputs). To keep signals of one size from layer to layer,
the weights' variance must be about 1 / fan_in: `xavier_uniform` takes the mean of
fan_in and fan_out, for the sake of the gradients on their way back, and `he_uniform`
takes 2 / fan_in, because relu silences half the units.

Shapes are Keras's: (inputs, outputs) for a dense kernel. A network whose samples are
columns has W of shape (outputs, inputs): draw for (inputs, outputs) and transpose,
or fan_in and fan_out change places.

Each function returns new float64 weights. ``seed`` is an integer, a
`numpy.random.Generator` to go on drawing from, or None for another draw each time.
Two layers with the same integer start as copies of one another: give them one
generator.

References:
    Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward
    neural networks, https://proceedings.mlr.press/v9/glorot10a.html.
    He et al. (2015), Delving deep into rectifiers, https://arxiv.org/abs/1502.01852.
"""

from __future__ import annotations

import math

import numpy as np

from kerasopt.scratch import checks

__all__ = [
    "Seed",
    "fans",
    "gaussian",
    "he_normal",
    "he_uniform",
    "small_random",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Seed = int | np.random.Generator | None


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many inputs a unit sums up, and how many outputs an input feeds.

    (inputs, outputs) for a dense kernel; for a convolution both times the kernel's
    positions: fan_in = positions · inputs, fan_out = positions · outputs.

    Args:
        shape: (inputs, outputs), or (*kernel_size, inputs, outputs) for a
            convolution. For a vector both fans are its length, as in Keras.

    Returns:
        fan_in and fan_out.

    Raises:
        ValueError: if the shape has no axis, or a size isn't an integer >= 1.

    Example:
        >>> fans((20, 5)), fans((3, 3, 16, 32))
        ((20, 5), (144, 288))
    """
    shape = _check_shape(shape)
    if len(shape) == 1:
        return shape[0], shape[0]
    positions = math.prod(shape[:-2])
    return positions * shape[-2], positions * shape[-1]


def zeros(shape: tuple[int, ...], *, seed: Seed = None) -> np.ndarray:
    """Return weights of 0: right for biases, wrong for kernels.

    Units that start equal get equal gradients and stay equal for ever: a layer of
    them learns no more than one unit does. With relu, whose derivative at 0 is 0,
    they don't learn at all.

    Args:
        shape: Of the weights.
        seed: Not needed; so that this can stand where the others do.

    Returns:
        Zeros of that shape.

    Raises:
        ValueError: if the shape has no axis, or a size isn't an integer >= 1.

    Example:
        >>> zeros((1, 2)).tolist()
        [[0.0, 0.0]]
    """
    return np.zeros(_check_shape(shape))


def small_random(
    shape: tuple[int, ...], *, stddev: float = 0.01, seed: Seed = None
) -> np.ndarray:
    """Draw small normal weights: they differ, but signals fade in deep networks.

    N(0, 0.01²), whatever the fans.

    Args:
        shape: Of the weights.
        stddev: Standard deviation, >= 0.
        seed: An integer, a generator or None.

    Returns:
        Weights of that shape.

    Raises:
        ValueError: if the shape or the standard deviation is out of range.

    Example:
        >>> bool(abs(small_random((100, 100), seed=0)).max() < 0.05)
        True
    """
    return gaussian(shape, stddev=stddev, seed=seed)


def uniform(
    shape: tuple[int, ...], *, limit: float = 0.05, seed: Seed = None
) -> np.ndarray:
    """Draw uniform weights.

    U(-limit, limit), of variance limit² / 3.

    Args:
        shape: Of the weights.
        limit: Largest weight, >= 0; 0.05 is that of Keras's RandomUniform.
        seed: An integer, a generator or None.

    Returns:
        Weights of that shape.

    Raises:
        ValueError: if the shape or the limit is out of range.

    Example:
        >>> bool(abs(uniform((100, 100), seed=0)).max() <= 0.05)
        True
    """
    limit = checks.non_negative("limit", limit)
    return checks.generator(seed).uniform(-limit, limit, _check_shape(shape))


def gaussian(
    shape: tuple[int, ...], *, stddev: float = 0.05, seed: Seed = None
) -> np.ndarray:
    """Draw normal weights.

    N(0, stddev²).

    Args:
        shape: Of the weights.
        stddev: Standard deviation, >= 0; 0.05 is that of Keras's RandomNormal.
        seed: An integer, a generator or None.

    Returns:
        Weights of that shape.

    Raises:
        ValueError: if the shape or the standard deviation is out of range.

    Example:
        >>> round(float(gaussian((100, 100), seed=0).std()), 3)
        0.05
    """
    stddev = checks.non_negative("stddev", stddev)
    return checks.generator(seed).normal(0, stddev, _check_shape(shape))


def xavier_uniform(shape: tuple[int, ...], *, seed: Seed = None) -> np.ndarray:
    """Draw Xavier's (Glorot's) uniform weights, for tanh and sigmoid.

    U(-limit, limit) with limit = √(6 / (fan_in + fan_out)), of variance
    2 / (fan_in + fan_out).

    Args:
        shape: (inputs, outputs), or (*kernel_size, inputs, outputs).
        seed: An integer, a generator or None.

    Returns:
        Weights of that shape.

    Raises:
        ValueError: if the shape has no axis, or a size isn't an integer >= 1.

    Example:
        >>> weights = xavier_uniform((10, 20), seed=0)
        >>> bool(abs(weights).max() <= np.sqrt(6 / 30))
        True
    """
    fan_in, fan_out = fans(shape)
    return uniform(shape, limit=math.sqrt(6 / (fan_in + fan_out)), seed=seed)


def xavier_normal(shape: tuple[int, ...], *, seed: Seed = None) -> np.ndarray:
    """Draw Xavier's (Glorot's) normal weights, for tanh and sigmoid.

    N(0, 2 / (fan_in + fan_out)), as in the paper. Keras's has the same variance, but
    cuts the normal distribution off at two standard deviations.

    Args:
        shape: (inputs, outputs), or (*kernel_size, inputs, outputs).
        seed: An integer, a generator or None.

    Returns:
        Weights of that shape.

    Raises:
        ValueError: if the shape has no axis, or a size isn't an integer >= 1.

    Example:
        >>> round(float(xavier_normal((100, 100), seed=0).std()), 2)
        0.1
    """
    fan_in, fan_out = fans(shape)
    return gaussian(shape, stddev=math.sqrt(2 / (fan_in + fan_out)), seed=seed)


def he_uniform(shape: tuple[int, ...], *, seed: Seed = None) -> np.ndarray:
    """Draw He's (Kaiming's) uniform weights, for relu.

    U(-limit, limit) with limit = √(6 / fan_in), of variance 2 / fan_in.

    Args:
        shape: (inputs, outputs), or (*kernel_size, inputs, outputs).
        seed: An integer, a generator or None.

    Returns:
        Weights of that shape.

    Raises:
        ValueError: if the shape has no axis, or a size isn't an integer >= 1.

    Example:
        >>> weights = he_uniform((20, 5), seed=0)
        >>> bool(abs(weights).max() <= np.sqrt(6 / 20))
        True
    """
    fan_in, _ = fans(shape)
    return uniform(shape, limit=math.sqrt(6 / fan_in), seed=seed)


def he_normal(shape: tuple[int, ...], *, seed: Seed = None) -> np.ndarray:
    """Draw He's (Kaiming's) normal weights, for relu.

    N(0, 2 / fan_in), as in the paper. Keras's has the same variance, but cuts the
    normal distribution off at two standard deviations.

    Args:
        shape: (inputs, outputs), or (*kernel_size, inputs, outputs).
        seed: An integer, a generator or None.

    Returns:
        Weights of that shape.

    Raises:
        ValueError: if the shape has no axis, or a size isn't an integer >= 1.

    Example:
        >>> round(float(he_normal((200, 200), seed=0).std()), 2)
        0.1
    """
    fan_in, _ = fans(shape)
    return gaussian(shape, stddev=math.sqrt(2 / fan_in), seed=seed)


def _check_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if not isinstance(shape, (tuple, list)) or not shape:
        raise ValueError(
            f"shape must be a tuple such as (inputs, outputs); given: {shape!r}."
        )
    return tuple(checks.integer("each size of shape", n) for n in shape)
