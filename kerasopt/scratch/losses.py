"""Losses and their gradients by the prediction.

y is the target and a the prediction, in Keras's order (y, a) and of one shape. The
means run over all values, except in `categorical_crossentropy`: the classes of a
sample make one value there, and they lie on axis 0, since samples are columns.

The logarithms are kept finite as Keras does it: predictions are moved into
[1e-7, 1 - 1e-7] before the logarithm, so that a wrong prediction of exactly 0 or 1
costs 16.1 and not infinity.
"""

from __future__ import annotations

import numpy as np

from kerasopt.scratch import checks

__all__ = [
    "binary_crossentropy",
    "binary_crossentropy_gradient",
    "categorical_crossentropy",
    "categorical_crossentropy_gradient",
    "half_squared_error",
    "half_squared_error_gradient",
    "log_loss",
    "mean_squared_error",
    "mean_squared_error_gradient",
    "squared_error",
    "squared_error_gradient",
]

EPSILON = 1e-7
"""How near to 0 and 1 the logarithms look at a probability."""


def squared_error(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the squared error of each prediction.

    (y - a)².

    Args:
        y: Targets, any shape.
        a: Predictions, the same shape.

    Returns:
        The squares, of the same shape.

    Raises:
        ValueError: if the shapes differ, or something isn't a finite float.

    Example:
        >>> squared_error(np.array([1.0, 0.0]), np.array([0.5, 2.0])).tolist()
        [0.25, 4.0]
    """
    y, a = _check_pair(y, a)
    return (y - a) ** 2


def squared_error_gradient(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the derivative of each squared error by its prediction.

    2(a - y), twice that of `half_squared_error`.

    Args:
        y: Targets, any shape.
        a: Predictions, the same shape.

    Returns:
        The derivatives, of the same shape.

    Raises:
        ValueError: if the shapes differ, or something isn't a finite float.

    Example:
        >>> squared_error_gradient(np.array([1.0, 0.0]), np.array([0.5, 2.0])).tolist()
        [-1.0, 4.0]
    """
    y, a = _check_pair(y, a)
    return 2 * (a - y)


def half_squared_error(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return half the squared error of each prediction.

    (a - y)² / 2: the half is there to give the plain derivative a - y.

    Args:
        y: Targets, any shape.
        a: Predictions, the same shape.

    Returns:
        The halved squares, of the same shape.

    Raises:
        ValueError: if the shapes differ, or something isn't a finite float.

    Example:
        >>> half_squared_error(np.array([1.0]), np.array([0.5])).tolist()
        [0.125]
    """
    return squared_error(y, a) / 2


def half_squared_error_gradient(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the derivative of each halved squared error by its prediction.

    a - y.

    Args:
        y: Targets, any shape.
        a: Predictions, the same shape.

    Returns:
        The derivatives, of the same shape.

    Raises:
        ValueError: if the shapes differ, or something isn't a finite float.

    Example:
        >>> half_squared_error_gradient(np.array([1.0]), np.array([0.5])).tolist()
        [-0.5]
    """
    y, a = _check_pair(y, a)
    return a - y


def mean_squared_error(y: np.ndarray, a: np.ndarray) -> float:
    """Return the mean squared error, the usual loss of a regression.

    Σ(y - a)² / n, over all n values.

    Args:
        y: Targets, any shape.
        a: Predictions, the same shape.

    Returns:
        The mean.

    Raises:
        ValueError: if the shapes differ, or something isn't a finite float.

    Example:
        >>> mean_squared_error(np.array([1.0, 0.0]), np.array([0.5, 2.0]))
        2.125
    """
    return float(squared_error(y, a).mean())


def mean_squared_error_gradient(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the gradient of `mean_squared_error` by the predictions.

    2(a - y) / n.

    Args:
        y: Targets, any shape.
        a: Predictions, the same shape.

    Returns:
        The gradient, of the same shape.

    Raises:
        ValueError: if the shapes differ, or something isn't a finite float.

    Example:
        >>> y, a = np.array([1.0, 0.0]), np.array([0.5, 2.0])
        >>> mean_squared_error_gradient(y, a).tolist()
        [-0.5, 2.0]
    """
    return squared_error_gradient(y, a) / np.size(y)


def binary_crossentropy(y: np.ndarray, a: np.ndarray) -> float:
    """Return the binary cross-entropy, also called log loss: for yes or no.

    -Σ(y·log a + (1 - y)·log(1 - a)) / n, over all n values.

    Args:
        y: Targets in [0, 1], any shape.
        a: Predicted probabilities of 1, the same shape; of 0 and 1 too.

    Returns:
        The mean, in nats: log 2 = 0.693 for guessing.

    Raises:
        ValueError: if the shapes differ, a value lies outside [0, 1] or isn't a
            float.

    Example:
        >>> round(binary_crossentropy(np.array([1.0]), np.array([0.5])), 3)
        0.693
        >>> round(binary_crossentropy(np.array([1.0]), np.array([0.0])), 1)
        16.1

    References:
        Good (1952), Rational decisions,
        https://doi.org/10.1111/j.2517-6161.1952.tb00104.x.
    """
    y, a = _check_probabilities(y, a)
    a = np.clip(a, EPSILON, 1 - EPSILON)
    return float(-np.mean(y * np.log(a) + (1 - y) * np.log(1 - a)))


log_loss = binary_crossentropy


def binary_crossentropy_gradient(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the gradient of `binary_crossentropy` by the predictions.

    (a - y) / (a·(1 - a)) / n, at a moved into [1e-7, 1 - 1e-7]. Behind a sigmoid,
    whose derivative is a·(1 - a), nothing but (a - y) / n is left of it.

    Args:
        y: Targets in [0, 1], any shape.
        a: Predicted probabilities of 1, the same shape.

    Returns:
        The gradient, of the same shape, finite at predictions of 0 and 1 too.

    Raises:
        ValueError: if the shapes differ, a value lies outside [0, 1] or isn't a
            float.

    Example:
        >>> binary_crossentropy_gradient(np.array([1.0]), np.array([0.5])).tolist()
        [-2.0]
    """
    y, a = _check_probabilities(y, a)
    a = np.clip(a, EPSILON, 1 - EPSILON)
    return (a - y) / (a * (1 - a)) / y.size


def categorical_crossentropy(y: np.ndarray, a: np.ndarray) -> float:
    """Return the cross-entropy of classes, the usual loss of a softmax.

    -Σ y·log a / samples. With one-hot targets only the probability of the true
    class counts: all other terms are multiplied by 0.

    Args:
        y: Targets, shape (classes, samples): one-hot, or columns that sum to 1.
        a: Predicted probabilities, the same shape.

    Returns:
        The mean over the samples, in nats: log(classes) for guessing.

    Raises:
        ValueError: if the shapes differ, a target's column doesn't sum to 1, or a
            value lies outside [0, 1] or isn't a float.

    Example:
        >>> y, a = np.array([[0.0], [1.0], [0.0]]), np.array([[0.2], [0.5], [0.3]])
        >>> round(categorical_crossentropy(y, a), 3)
        0.693
    """
    y, a = _check_classes(y, a)
    a = np.clip(a, EPSILON, 1 - EPSILON)
    return float(-np.sum(y * np.log(a)) / y.shape[1])


def categorical_crossentropy_gradient(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the gradient of `categorical_crossentropy` by the predictions.

    -y / a / samples, at a moved into [1e-7, 1 - 1e-7]. Behind a softmax nothing but
    (a - y) / samples is left of it.

    Args:
        y: Targets, shape (classes, samples): one-hot, or columns that sum to 1.
        a: Predicted probabilities, the same shape.

    Returns:
        The gradient, of the same shape, finite at predictions of 0 too.

    Raises:
        ValueError: if the shapes differ, a target's column doesn't sum to 1, or a
            value lies outside [0, 1] or isn't a float.

    Example:
        >>> y, a = np.array([[0.0], [1.0], [0.0]]), np.array([[0.2], [0.5], [0.3]])
        >>> abs(categorical_crossentropy_gradient(y, a)).tolist()
        [[0.0], [2.0], [0.0]]
    """
    y, a = _check_classes(y, a)
    a = np.clip(a, EPSILON, 1 - EPSILON)
    return -y / a / y.shape[1]


def _check_pair(y: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, a = checks.float_array("y", y), checks.float_array("a", a)
    if y.shape != a.shape:
        raise ValueError(
            f"y and a must have one shape; given: y with {y.shape}, a with {a.shape}. "
            "NumPy would stretch them to fit; reshape one instead."
        )
    if y.size == 0:
        raise ValueError(f"y must hold at least one value; given: shape {y.shape}.")
    return y, a


def _check_probabilities(y: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, a = _check_pair(y, a)
    for name, values in (("y", y), ("a", a)):
        if values.min() < 0 or values.max() > 1:
            raise ValueError(
                f"{name} must lie in [0, 1]; given: values from {values.min():.4g} to "
                f"{values.max():.4g}. Scores become probabilities by sigmoid or "
                "softmax."
            )
    return y, a


def _check_classes(y: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, a = _check_probabilities(y, a)
    if y.ndim != 2 or not np.allclose(y.sum(axis=0), 1, atol=1e-5):
        raise ValueError(
            "y must have shape (classes, samples) with columns that sum to 1; given: "
            f"shape {y.shape}. One-hot columns of labels: np.eye(classes)[labels].T."
        )
    return y, a
