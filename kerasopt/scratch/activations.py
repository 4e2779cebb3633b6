"""Activation functions and their derivatives, each in two forms.

A network needs a = g(z) on the way forward and g′ on the way back. For these
functions g′ can be had from z, or more cheaply from the activation a, which the
forward pass has left behind. The two are easily mistaken: σ′ = a·(1 - a) is right
for a = σ(z) and wrong for z itself. Hence the names: ``…_derivative`` takes z,
``…_derivative_from_activation`` takes a, and refuses what can't be an activation.

All work on arrays of any shape, value by value, except `softmax`: it runs over
axis 0, the classes of a network whose samples are columns.
"""

from __future__ import annotations

import numpy as np

from kerasopt.scratch import checks

__all__ = [
    "relu",
    "relu_derivative",
    "relu_derivative_from_activation",
    "sigmoid",
    "sigmoid_derivative",
    "sigmoid_derivative_from_activation",
    "softmax",
    "softmax_derivative",
    "softmax_derivative_from_activation",
    "tanh",
    "tanh_derivative",
    "tanh_derivative_from_activation",
]


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Squash numbers into (0, 1).

    σ(z) = 1 / (1 + e⁻ᶻ) = eᶻ / (1 + eᶻ); of the two the one is computed whose power
    of e can't overflow.

    Args:
        z: Floats of any shape.

    Returns:
        σ(z), of the same shape.

    Raises:
        ValueError: if z holds something else than finite floats.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    z = checks.float_array("z", z)
    power = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, power) / (1 + power)


def sigmoid_derivative(z: np.ndarray) -> np.ndarray:
    """Return σ′ at z, before the activation.

    σ′(z) = σ(z)·(1 - σ(z)) = σ(z)·σ(-z); the latter keeps its digits at large z.

    Args:
        z: Floats of any shape.

    Returns:
        σ′(z), of the same shape: at most 1/4, at z = 0.

    Raises:
        ValueError: if z holds something else than finite floats.

    Example:
        >>> sigmoid_derivative(np.array([0.0, 10.0])).round(7).tolist()
        [0.25, 4.54e-05]
    """
    z = checks.float_array("z", z)
    return sigmoid(z) * sigmoid(-z)


def sigmoid_derivative_from_activation(a: np.ndarray) -> np.ndarray:
    """Return σ′ from the activation a = σ(z).

    σ′ = a·(1 - a).

    Args:
        a: Activations of `sigmoid`, in [0, 1].

    Returns:
        σ′, of the same shape.

    Raises:
        ValueError: if a value lies outside [0, 1], as z does.

    Example:
        >>> float(sigmoid_derivative_from_activation(sigmoid(0.0)))
        0.25
    """
    a = _check_activation("sigmoid", a, 0, 1)
    return a * (1 - a)


def tanh(z: np.ndarray) -> np.ndarray:
    """Squash numbers into (-1, 1): a sigmoid with 0 at its centre.

    tanh(z) = (eᶻ - e⁻ᶻ) / (eᶻ + e⁻ᶻ) = 2σ(2z) - 1.

    Args:
        z: Floats of any shape.

    Returns:
        tanh(z), of the same shape.

    Raises:
        ValueError: if z holds something else than finite floats.

    Example:
        >>> tanh(np.array([-1000.0, 0.0, 1000.0])).tolist()
        [-1.0, 0.0, 1.0]
    """
    return np.tanh(checks.float_array("z", z))


def tanh_derivative(z: np.ndarray) -> np.ndarray:
    """Return tanh′ at z, before the activation.

    tanh′(z) = 1 - tanh²(z) = 4·σ′(2z); the latter keeps its digits at large z.

    Args:
        z: Floats of any shape.

    Returns:
        tanh′(z), of the same shape: at most 1, at z = 0.

    Raises:
        ValueError: if z holds something else than finite floats.

    Example:
        >>> float(tanh_derivative(0.0))
        1.0
    """
    z = checks.float_array("z", z)
    return 4 * sigmoid_derivative(2 * z)


def tanh_derivative_from_activation(a: np.ndarray) -> np.ndarray:
    """Return tanh′ from the activation a = tanh(z).

    tanh′ = 1 - a².

    Args:
        a: Activations of `tanh`, in [-1, 1].

    Returns:
        tanh′, of the same shape.

    Raises:
        ValueError: if a value lies outside [-1, 1], as z does.

    Example:
        >>> float(tanh_derivative_from_activation(tanh(0.0)))
        1.0
    """
    a = _check_activation("tanh", a, -1, 1)
    return 1 - a**2


def relu(z: np.ndarray) -> np.ndarray:
    """Keep what is positive: the rectified linear unit.

    relu(z) = max(z, 0).

    Args:
        z: Floats of any shape.

    Returns:
        relu(z), of the same shape.

    Raises:
        ValueError: if z holds something else than finite floats.

    Example:
        >>> relu(np.array([-2.0, 0.0, 3.0])).tolist()
        [0.0, 0.0, 3.0]

    References:
        Nair & Hinton (2010), Rectified linear units improve restricted Boltzmann
        machines, https://icml.cc/Conferences/2010/papers/432.pdf.
    """
    return np.maximum(checks.float_array("z", z), 0)


def relu_derivative(z: np.ndarray) -> np.ndarray:
    """Return relu′ at z: 1 where z > 0, otherwise 0.

    At the kink, z = 0, there is no derivative: 0 is the custom, TensorFlow's too.

    Args:
        z: Floats of any shape.

    Returns:
        relu′(z), of the same shape and type.

    Raises:
        ValueError: if z holds something else than finite floats.

    Example:
        >>> relu_derivative(np.array([-2.0, 0.0, 3.0])).tolist()
        [0.0, 0.0, 1.0]
    """
    z = checks.float_array("z", z)
    return (z > 0).astype(z.dtype)


def relu_derivative_from_activation(a: np.ndarray) -> np.ndarray:
    """Return relu′ from the activation a = relu(z): 1 where a > 0, otherwise 0.

    Args:
        a: Activations of `relu`, >= 0.

    Returns:
        relu′, of the same shape and type.

    Raises:
        ValueError: if a value is negative, as z may be.

    Example:
        >>> relu_derivative_from_activation(np.array([0.0, 3.0])).tolist()
        [0.0, 1.0]
    """
    return relu_derivative(_check_activation("relu", a, 0, np.inf))


def softmax(z: np.ndarray) -> np.ndarray:
    """Turn scores of classes into probabilities.

    aᵢ = e^zᵢ / Σₖ e^zₖ, over axis 0. Taking the largest score off all of them
    changes nothing in the quotient and keeps the powers from overflowing.

    Args:
        z: Scores, shape (classes, ...): one column a sample.

    Returns:
        Probabilities of the same shape; each column sums to 1.

    Raises:
        ValueError: if z is a scalar, or holds something else than finite floats.

    Example:
        >>> softmax(np.array([[1000.0], [1000.0], [-1000.0]])).tolist()
        [[0.5], [0.5], [0.0]]
    """
    z = checks.float_array("z", z)
    if not (z.ndim and len(z)):
        raise ValueError(f"z must have an axis of classes; given: shape {z.shape}.")
    powers = np.exp(z - z.max(axis=0))
    return powers / powers.sum(axis=0)


def softmax_derivative(z: np.ndarray) -> np.ndarray:
    """Return the Jacobian of softmax at z, before the activation.

    ∂aᵢ/∂zₖ = aᵢ·(1[i = k] - aₖ): each score moves all the probabilities.

    Args:
        z: Scores, shape (classes, ...).

    Returns:
        Jacobians, shape (classes i, classes k, ...).

    Raises:
        ValueError: if z is a scalar, or holds something else than finite floats.

    Example:
        >>> softmax_derivative(np.zeros(2)).tolist()
        [[0.25, -0.25], [-0.25, 0.25]]
    """
    return softmax_derivative_from_activation(softmax(z))


def softmax_derivative_from_activation(a: np.ndarray) -> np.ndarray:
    """Return the Jacobian of softmax from the activation a = softmax(z).

    ∂aᵢ/∂zₖ = aᵢ·(1[i = k] - aₖ).

    Args:
        a: Probabilities, shape (classes, ...); each column sums to 1.

    Returns:
        Jacobians, shape (classes i, classes k, ...).

    Raises:
        ValueError: if a column isn't one of probabilities that sum to 1.

    Example:
        >>> softmax_derivative_from_activation(np.array([0.5, 0.5])).tolist()
        [[0.25, -0.25], [-0.25, 0.25]]
    """
    a = _check_activation("softmax", a, 0, 1)
    if a.ndim == 0 or not np.allclose(a.sum(axis=0), 1, atol=1e-5):
        raise ValueError(
            "a must hold activations of softmax, which sum to 1 over axis 0; given: "
            f"shape {a.shape}, other sums. Pass softmax(z)."
        )
    own = np.eye(len(a), dtype=a.dtype).reshape(
        len(a), *a.shape[:1], *[1] * (a.ndim - 1)
    )
    return a[:, None] * (own - a[None, :])


def _check_activation(name: str, a: np.ndarray, low: float, high: float) -> np.ndarray:
    a = checks.float_array("a", a)
    if a.size and not (low <= a.min() and a.max() <= high):
        raise ValueError(
            f"a must hold activations of {name}, in [{low}, {high}]; given: values "
            f"from {a.min():.4g} to {a.max():.4g}. Pass {name}(z), or z itself to "
            f"{name}_derivative."
        )
    return a
