"""A neural network of any depth, and backpropagation written out by hand.

Samples are columns. A layer of n units that reads m values has W of shape (n, m) and
b of shape (n, 1), and a batch of k samples goes through it as

    z = W·a + b    (n, k) = (n, m)·(m, k) + (n, 1)
    a = g(z)       value by value

Backpropagation is the chain rule, applied from the loss backwards: each layer's
δ = ∂L/∂z follows from that of the layer after it. The method is older than the paper
of 1986 that made it known: Linnainmaa published it in 1970 for composed functions in
general, and it is in Werbos's thesis of 1974.

References:
    Rumelhart, Hinton & Williams (1986), Learning representations by back-propagating
    errors, https://doi.org/10.1038/323533a0.
    Schmidhuber (2015), Deep learning in neural networks: an overview, section 5.5,
    https://arxiv.org/abs/1404.7828.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from kerasopt.scratch import activations, checks, losses, regularization
from kerasopt.scratch.parameters import Layer, initialize, kernels

__all__ = [
    "Cache",
    "Layer",
    "backward",
    "forward",
    "initialize",
    "kernels",
    "loss",
    "train_step",
    "update",
]


class Cache(NamedTuple):
    """What a forward pass leaves behind for the way back."""

    a: list[np.ndarray]
    """X, then each layer's activations: ``a[k]`` is the input of layer k (from 0)
    and ``a[-1]`` the prediction."""
    z: list[np.ndarray]
    """Each layer's weighted inputs, before the activation."""
    activation: str
    """Name of the hidden layers' activation."""
    output: str
    """Name of the output layer's activation."""


_HIDDEN = {
    "sigmoid": (activations.sigmoid, activations.sigmoid_derivative),
    "tanh": (activations.tanh, activations.tanh_derivative),
    "relu": (activations.relu, activations.relu_derivative),
}
_OUTPUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda z: z,
    "sigmoid": activations.sigmoid,
    "softmax": activations.softmax,
}
_LOSSES = {
    "mean_squared_error": losses.mean_squared_error,
    "binary_crossentropy": losses.binary_crossentropy,
    "categorical_crossentropy": losses.categorical_crossentropy,
}
_USUAL_LOSS = {
    "linear": "mean_squared_error",
    "sigmoid": "binary_crossentropy",
    "softmax": "categorical_crossentropy",
}


def forward(
    parameters: Sequence[Layer],
    X: np.ndarray,
    *,
    activation: str = "relu",
    output: str = "linear",
) -> Cache:
    """Compute a network's prediction, and all that led to it.

    For each layer z = W·a + b, then a = g(z), with the hidden layers' g or the
    output's.

    Args:
        parameters: The layers.
        X: Inputs, shape (features, samples): one column a sample.
        activation: Of the hidden layers: ``"sigmoid"``, ``"tanh"`` or ``"relu"``.
        output: Of the last layer: ``"linear"``, ``"sigmoid"`` or ``"softmax"``.

    Returns:
        The cache; the prediction is ``cache.a[-1]``, of shape (outputs, samples).

    Raises:
        ValueError: if the shapes don't multiply, a name is unknown, or something
            isn't a finite float.

    Example:
        >>> layers = [Layer(np.array([[1.0, 2.0, 3.0]]), np.array([[0.5]]))]
        >>> forward(layers, np.array([[1.0], [2.0], [3.0]])).a[-1].tolist()
        [[14.5]]
    """
    checks.one_of("activation", activation, _HIDDEN)
    checks.one_of("output", output, _OUTPUTS)
    _check_shapes(parameters, X)
    cache = Cache([np.asarray(X)], [], activation, output)
    for W, b in parameters:
        is_output = len(cache.z) == len(parameters) - 1
        g = _OUTPUTS[output] if is_output else _HIDDEN[activation][0]
        z = W @ cache.a[-1] + b
        cache.z.append(z)
        cache.a.append(g(z))
    return cache


def loss(
    parameters: Sequence[Layer],
    cache: Cache,
    Y: np.ndarray,
    *,
    criterion: str | None = None,
    l2: float = 0.0,
) -> float:
    """Return a network's loss, with the penalty on its weights.

    L = criterion(Y, prediction) + l2·ΣW², the sum over all weights but no bias.

    Args:
        parameters: The layers, for the penalty.
        cache: From `forward`.
        Y: Targets, shape (outputs, samples).
        criterion: ``"mean_squared_error"``, ``"binary_crossentropy"`` or
            ``"categorical_crossentropy"``; None for the one that goes with the
            output: in this order linear, sigmoid, softmax.
        l2: Factor of the penalty, >= 0.

    Returns:
        The loss, a mean over the batch.

    Raises:
        ValueError: if the shapes differ, or the criterion doesn't suit the output.

    Example:
        >>> layers = [Layer(np.array([[3.0]]), np.array([[1.0]]))]
        >>> cache = forward(layers, np.array([[2.0]]))
        >>> loss(layers, cache, np.array([[5.0]]), l2=0.1)
        4.9
    """
    _check_cache(parameters, cache)
    criterion = _criterion(cache.output, criterion)
    data_loss = _LOSSES[criterion](Y, cache.a[-1])
    return data_loss + regularization.l2(kernels(parameters), l2)


def backward(
    parameters: Sequence[Layer],
    cache: Cache,
    Y: np.ndarray,
    *,
    criterion: str | None = None,
    l2: float = 0.0,
) -> list[Layer]:
    """Return the gradients of `loss` by all weights and biases: backpropagation.

    From the last layer to the first, with δ = ∂L/∂z (units, samples):

        ∂L/∂W = δ·(input of the layer)ᵀ + 2·l2·W
        ∂L/∂b = δ, summed over the samples
        δ of the layer before = Wᵀ·δ ⊙ g′(z of the layer before)

    Args:
        parameters: The layers, as `forward` had them.
        cache: From `forward`.
        Y: Targets, shape (outputs, samples).
        criterion: As in `loss`.
        l2: As in `loss`.

    Returns:
        One `Layer` of gradients for each of the parameters.

    Raises:
        ValueError: if the shapes differ, or the criterion doesn't suit the output.

    Example:
        >>> layers = [Layer(np.array([[3.0]]), np.array([[1.0]]))]
        >>> cache = forward(layers, np.array([[2.0]]))
        >>> [layer.W.tolist() for layer in backward(layers, cache, np.array([[5.0]]))]
        [[[8.0]]]
    """
    _check_cache(parameters, cache)
    derivative = _HIDDEN[cache.activation][1]
    penalties = regularization.l2_gradient(kernels(parameters), l2)

    gradients: list[Layer] = []
    delta = _output_delta(cache, Y, _criterion(cache.output, criterion))
    for k in reversed(range(len(parameters))):
        layer_input = cache.a[k]
        dW = delta @ layer_input.T + penalties[k]
        db = delta.sum(axis=1, keepdims=True)
        gradients.insert(0, Layer(dW, db))
        if k > 0:
            da = parameters[k].W.T @ delta
            delta = da * derivative(cache.z[k - 1])
    return gradients


def update(
    parameters: Sequence[Layer], gradients: Sequence[Layer], learning_rate: float
) -> list[Layer]:
    """Take one step of gradient descent with all weights and all biases.

    W ← W - α·∂L/∂W, b ← b - α·∂L/∂b.

    Args:
        parameters: The layers; they stay as they are.
        gradients: From `backward`.
        learning_rate: α > 0.

    Returns:
        The new layers.

    Raises:
        ValueError: if the shapes differ or α isn't a number > 0.

    Example:
        >>> layer, slope = Layer(np.ones((1, 1)), np.ones((1, 1))), np.full((1, 1), 2.0)
        >>> new = update([layer], [Layer(slope, slope)], learning_rate=0.1)
        >>> [(W.tolist(), b.tolist()) for W, b in new]
        [([[0.8]], [[0.8]])]
    """
    rate = checks.positive("learning_rate", learning_rate)
    new = []
    for (W, b), (dW, db) in zip(parameters, gradients, strict=True):
        checks.float_array("the gradient of W", dW, shape=W.shape)
        checks.float_array("the gradient of b", db, shape=b.shape)
        new.append(Layer(W - rate * dW, b - rate * db))
    return new


def train_step(
    parameters: Sequence[Layer],
    X: np.ndarray,
    Y: np.ndarray,
    learning_rate: float,
    *,
    activation: str = "relu",
    output: str = "linear",
    criterion: str | None = None,
    l2: float = 0.0,
) -> tuple[list[Layer], float]:
    """Go forward, backward and one step down.

    Args:
        parameters: The layers; they stay as they are.
        X: Inputs, shape (features, samples).
        Y: Targets, shape (outputs, samples).
        learning_rate: α > 0.
        activation: As in `forward`.
        output: As in `forward`.
        criterion: As in `loss`.
        l2: As in `loss`.

    Returns:
        The new layers, and the loss before the step.

    Raises:
        ValueError: as `forward`, `loss`, `backward` and `update`.

    Example:
        A network of two tanh units learns the exclusive or.

        >>> X = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
        >>> Y = np.array([[0.0, 1.0, 1.0, 0.0]])
        >>> layers = initialize([2, 2, 1], seed=1)
        >>> for _ in range(2000):
        ...     layers, last = train_step(
        ...         layers, X, Y, 0.5, activation="tanh", output="sigmoid"
        ...     )
        >>> prediction = forward(layers, X, activation="tanh", output="sigmoid").a[-1]
        >>> prediction.round().tolist(), last < 0.02
        ([[0.0, 1.0, 1.0, 0.0]], True)
    """
    cache = forward(parameters, X, activation=activation, output=output)
    before = loss(parameters, cache, Y, criterion=criterion, l2=l2)
    gradients = backward(parameters, cache, Y, criterion=criterion, l2=l2)
    return update(parameters, gradients, learning_rate), before


def _check_cache(parameters: Sequence[Layer], cache: Cache) -> None:
    """Refuse what isn't the cache of a forward pass through these parameters."""
    checks.instance("cache", cache, Cache, "the cache of forward")
    _check_shapes(parameters, cache.a[0])
    units, computed = [len(layer.W) for layer in parameters], [len(z) for z in cache.z]
    if units != computed:
        raise ValueError(
            f"The cache is of layers of {computed} units, the parameters have {units}: "
            "call forward with these parameters first."
        )


def _output_delta(cache: Cache, Y: np.ndarray, criterion: str) -> np.ndarray:
    """Return δ = ∂L/∂z of the last layer, shape (outputs, samples).

    Where output and loss belong together, the derivative of the output cancels: δ is
    the error a - Y over a count. A sigmoid under the mean squared error keeps its
    σ′, and hardly learns where it is surely wrong: at z = -10 with the target 1, δ is
    -9e-5 there, but -1 under the binary cross-entropy.
    """
    a, z = cache.a[-1], cache.z[-1]
    if criterion == "mean_squared_error":
        dL_da = losses.mean_squared_error_gradient(Y, a)
        if cache.output == "sigmoid":
            return dL_da * activations.sigmoid_derivative(z)
        return dL_da
    # The cross-entropies check Y; their quotients by a cancel.
    _LOSSES[criterion](Y, a)
    means = a.size if criterion == "binary_crossentropy" else a.shape[1]
    return (a - Y) / means


def _criterion(output: str, criterion: str | None) -> str:
    if criterion is None:
        return _USUAL_LOSS[output]
    suitable = {_USUAL_LOSS[output]}
    if output == "sigmoid":
        suitable.add("mean_squared_error")
    return checks.one_of(f"criterion of a {output} output", criterion, sorted(suitable))


def _check_shapes(parameters: Sequence[Layer], X: np.ndarray) -> None:
    values = checks.float_array("X", X, shape=(None, None)).shape[0]
    source = f"X with shape {np.shape(X)}"
    if not parameters:
        raise ValueError("parameters must hold at least one layer; given: none.")
    for k, layer in enumerate(parameters):
        checks.instance(f"layer {k} of parameters", layer, Layer, "a Layer(W, b)")
        W, b = layer
        checks.float_array(f"W of layer {k}", W, shape=(None, None))
        if W.shape[1] != values:
            raise ValueError(
                f"W of layer {k} has shape {W.shape} and reads {W.shape[1]} values, "
                f"but {source} gives {values}. Samples are columns, and W has shape "
                "(units, inputs): transpose what isn't."
            )
        checks.float_array(f"b of layer {k}", b, shape=(len(W), 1))
        values, source = len(W), f"W of layer {k} with shape {W.shape}"
