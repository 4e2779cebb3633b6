"""The parameters of a network, and where they start."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from kerasopt.scratch import checks, initializers

__all__ = ["Layer", "initialize", "kernels"]


class Layer(NamedTuple):
    """The parameters of a layer, or the gradients by them."""

    W: np.ndarray
    """Weights, shape (units, inputs)."""
    b: np.ndarray
    """Biases, shape (units, 1)."""


def initialize(
    sizes: Sequence[int],
    *,
    initializer: Callable[..., np.ndarray] = initializers.xavier_uniform,
    seed: initializers.Seed = 0,
) -> list[Layer]:
    """Return the first parameters of a network: drawn weights, biases of 0.

    Args:
        sizes: Inputs, units of each hidden layer, outputs: ``[3, 5, 1]``.
        initializer: A function of `kerasopt.scratch.initializers`; it gets the
            shape (inputs, units), as Keras's do, and the result is transposed.
        seed: An integer, a generator or None for another draw each time. All layers
            draw from one generator.

    Returns:
        One `Layer` for each hidden layer and the output.

    Raises:
        ValueError: if there are less than two sizes, or one isn't an integer >= 1.

    Example:
        >>> [(W.shape, b.shape) for W, b in initialize([3, 5, 1])]
        [((5, 3), (5, 1)), ((1, 5), (1, 1))]
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes must be inputs, ..., outputs; given: {sizes!r}.")
    if not callable(initializer):
        raise ValueError(
            "initializer must be a function of kerasopt.scratch.initializers, such as "
            f"initializers.he_normal; given: {initializer!r}."
        )
    rng = checks.generator(seed)
    parameters = []
    for inputs, units in itertools.pairwise(sizes):
        W = initializer((inputs, units), seed=rng).T
        parameters.append(Layer(W, np.zeros((units, 1))))
    return parameters


def kernels(parameters: Sequence[Layer]) -> list[np.ndarray]:
    """Return the weights of all layers without the biases: what penalties are for.

    Args:
        parameters: The layers.

    Returns:
        Their W.

    Example:
        >>> [W.shape for W in kernels(initialize([3, 5, 1]))]
        [(5, 3), (1, 5)]
    """
    return [layer.W for layer in parameters]
