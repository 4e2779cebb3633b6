"""A single neuron, and the chain rule through it."""

from __future__ import annotations

import numpy as np

from kerasopt.scratch import activations, checks, losses

__all__ = ["backward_pass", "linear_combination"]


def linear_combination(w: np.ndarray, x: np.ndarray, b: float) -> float:
    """Return what a single neuron sums up, before its activation.

    z = wᵀ·x + b.

    Args:
        w: Weights, shape (n, 1).
        x: Inputs, shape (n, 1).
        b: Bias, a number.

    Returns:
        z, a number.

    Raises:
        ValueError: if the shapes differ or aren't (n, 1), or something isn't a
            finite float.

    Example:
        >>> linear_combination(np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]), 0.5)
        11.5
    """
    w, x = checks.float_array("w", w), checks.float_array("x", x)
    if w.shape != x.shape or w.ndim != 2 or w.shape[1] != 1:
        raise ValueError(
            "w and x must be columns of one shape (n, 1); given: w with "
            f"{w.shape}, x with {x.shape}. A column of a vector: x.reshape(-1, 1)."
        )
    return (w.T @ x).item() + float(_number("b", b))


def backward_pass(
    w: np.ndarray, x: np.ndarray, b: float, y: float
) -> tuple[np.ndarray, float]:
    """Return the gradient of a single sigmoid neuron's loss: the chain rule.

    L = (a - y)² / 2, a = σ(z), z = wᵀ·x + b. Of these steps only z is linear in w:

        ∂L/∂w = ∂L/∂a · ∂a/∂z · ∂z/∂w = (a - y) · σ′(z) · x
        ∂L/∂b = ∂L/∂a · ∂a/∂z · ∂z/∂b = (a - y) · σ′(z) · 1

    Args:
        w: Weights, shape (n, 1).
        x: Inputs, shape (n, 1).
        b: Bias, a number.
        y: Target, a number.

    Returns:
        ∂L/∂w of shape (n, 1), and ∂L/∂b, a number.

    Raises:
        ValueError: if the shapes differ or aren't (n, 1), or something isn't a
            finite float.

    Example:
        >>> w, x = np.array([[0.0], [0.0]]), np.array([[1.0], [2.0]])
        >>> dL_dw, dL_db = backward_pass(w, x, b=0.0, y=1.0)
        >>> dL_dw.tolist(), dL_db
        ([[-0.125], [-0.25]], -0.125)
    """
    z = linear_combination(w, x, b)
    a = activations.sigmoid(np.asarray(z))
    dL_da = losses.half_squared_error_gradient(_number("y", y), a)
    da_dz = activations.sigmoid_derivative_from_activation(a)
    dz_dw, dz_db = x, 1.0
    return dL_da * da_dz * dz_dw, float(dL_da * da_dz * dz_db)


def _number(name: str, value: float) -> np.ndarray:
    value = float(value) if isinstance(value, int) else value
    return checks.float_array(name, value, shape=())
