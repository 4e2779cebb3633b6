"""Penalties on the weights, and dropout.

L1 and L2 add to the loss what the weights cost, and their gradients pull weights
towards 0. They are for kernels, the matrices that multiply inputs: a bias only
shifts a unit, so it is left alone.

"Weight decay is L2" holds for plain gradient descent alone: there the step
w - α(g + 2λw) is (1 - 2αλ)·w - αg, which first shrinks w. An optimizer that rescales
its gradient, as Adam does, rescales the penalty's gradient too, and the two differ:
AdamW shrinks the weights beside the step instead.

References:
    Hoerl & Kennard (1970), Ridge regression,
    https://doi.org/10.1080/00401706.1970.10488634.
    Tibshirani (1996), Regression shrinkage and selection via the lasso,
    https://doi.org/10.1111/j.2517-6161.1996.tb02080.x.
    Loshchilov & Hutter (2019), Decoupled weight decay regularization,
    https://arxiv.org/abs/1711.05101.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasopt.scratch import checks

__all__ = [
    "Kernels",
    "dropout",
    "dropout_backward",
    "l1",
    "l1_gradient",
    "l2",
    "l2_gradient",
]

Kernels = np.ndarray | Sequence[np.ndarray]
"""One kernel, or a list of them."""


def l1(weights: Kernels, factor: float = 0.01) -> float:
    """Return the L1 penalty, which drives unneeded weights towards 0.

    λ·Σ|w|, over all kernels.

    Args:
        weights: A kernel or a list of kernels, without the biases.
        factor: λ >= 0; 0.01 is Keras's default.

    Returns:
        What to add to the loss.

    Raises:
        ValueError: if an array has less than two axes, which is a bias, or isn't of
            finite floats, or the factor is negative.

    Example:
        >>> l1([np.array([[1.0, -2.0]]), np.array([[3.0]])], factor=0.5)
        3.0
    """
    factor = checks.non_negative("factor", factor)
    return factor * sum(float(np.abs(w).sum()) for w in _check_kernels(weights))


def l1_gradient(weights: Kernels, factor: float = 0.01) -> list[np.ndarray]:
    """Return the gradients of `l1`, one a kernel.

    λ·sign(w): a pull of the same size on large and small weights. At w = 0, where
    there is no derivative, it is 0.

    Args:
        weights: A kernel or a list of kernels, without the biases.
        factor: λ >= 0.

    Returns:
        A list of the gradients, also for a single kernel.

    Raises:
        ValueError: as `l1`.

    Example:
        >>> [g.tolist() for g in l1_gradient(np.array([[1.0, -2.0]]), factor=0.5)]
        [[[0.5, -0.5]]]
    """
    factor = checks.non_negative("factor", factor)
    return [factor * np.sign(w) for w in _check_kernels(weights)]


def l2(weights: Kernels, factor: float = 0.01) -> float:
    """Return the L2 penalty, which keeps weights small: ridge regression's.

    λ·Σw², over all kernels.

    Args:
        weights: A kernel or a list of kernels, without the biases.
        factor: λ >= 0; 0.01 is Keras's default.

    Returns:
        What to add to the loss.

    Raises:
        ValueError: if an array has less than two axes, which is a bias, or isn't of
            finite floats, or the factor is negative.

    Example:
        >>> l2([np.array([[1.0, -2.0]]), np.array([[3.0]])], factor=0.5)
        7.0
    """
    factor = checks.non_negative("factor", factor)
    return factor * sum(float((w**2).sum()) for w in _check_kernels(weights))


def l2_gradient(weights: Kernels, factor: float = 0.01) -> list[np.ndarray]:
    """Return the gradients of `l2`, one a kernel.

    2λ·w: the larger the weight, the stronger the pull.

    Args:
        weights: A kernel or a list of kernels, without the biases.
        factor: λ >= 0.

    Returns:
        A list of the gradients, also for a single kernel.

    Raises:
        ValueError: as `l2`.

    Example:
        >>> [g.tolist() for g in l2_gradient(np.array([[1.0, -2.0]]), factor=0.5)]
        [[[1.0, -2.0]]]
    """
    factor = checks.non_negative("factor", factor)
    return [2 * factor * w for w in _check_kernels(weights)]


def dropout(
    a: np.ndarray, rate: float, rng: np.random.Generator, *, training: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Drop activations at random in training, and scale up the survivors.

    a·mask, where mask is 0 with probability rate and otherwise 1 / (1 - rate). So
    the expectation stays a, and nothing is left to do at test time. (The paper
    scales at test time instead; this form is called inverted dropout.)

    Args:
        a: Activations, any shape.
        rate: The share to drop, in [0, 1), not the share to keep.
        rng: Where the mask comes from.
        training: False for the test time, when dropout is the identity.

    Returns:
        The activations and the mask, which `dropout_backward` needs.

    Raises:
        ValueError: if the rate is out of range or a isn't of finite floats.

    Example:
        >>> dropped, mask = dropout(np.ones(6), 0.2, np.random.default_rng(3))
        >>> dropped.tolist()
        [0.0, 1.25, 1.25, 1.25, 0.0, 1.25]

    References:
        Srivastava et al. (2014), Dropout,
        https://jmlr.org/papers/v15/srivastava14a.html.
    """
    a, rate = checks.float_array("a", a), checks.fraction("rate", rate)
    checks.instance("rng", rng, np.random.Generator, "a generator of NumPy")
    mask = np.ones_like(a)
    if training:
        survives = rng.random(a.shape) >= rate
        mask = (survives / (1 - rate)).astype(a.dtype)
    return a * mask, mask


def dropout_backward(gradient: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Send the gradient back through `dropout`.

    ∂L/∂a = ∂L/∂(a·mask) · mask: what was dropped learns nothing from this step.

    Args:
        gradient: The gradient by the dropped activations.
        mask: What `dropout` returned, of the same shape.

    Returns:
        The gradient by the activations before dropout.

    Raises:
        ValueError: if the shapes differ, or something isn't a finite float.

    Example:
        >>> dropout_backward(np.array([2.0, 2.0]), np.array([0.0, 1.25])).tolist()
        [0.0, 2.5]
    """
    gradient = checks.float_array("gradient", gradient)
    return gradient * checks.float_array("mask", mask, shape=gradient.shape)


def _check_kernels(weights: Kernels) -> list[np.ndarray]:
    kernels = [weights] if isinstance(weights, np.ndarray) else list(weights)
    for kernel in kernels:
        if checks.float_array("weights", kernel).ndim < 2:
            raise ValueError(
                "weights must be kernels, with two axes or more; given: shape "
                f"{np.shape(kernel)}. Biases aren't penalised: leave them out."
            )
    return kernels
