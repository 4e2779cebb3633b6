"""Gradients of a model's loss by TensorFlow's tape: training steps by hand.

`train_step` is the loop that `fit` runs inside, in five lines. What needs more than
one gradient a step, or gradients outside a training, goes through this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kerasopt import checks

__all__ = [
    "backward_ratio",
    "layer_norms",
    "loss_and_gradients",
    "sharpness_aware_step",
    "train_step",
]


def train_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: str | Callable[[Any, Any], Any],
    x: Any,
    y: Any,
) -> tf.Tensor:
    """Take one training step by hand: forward, loss, gradients, update.

    Ends with the same weights as one step of ``model.fit``, because it adds
    ``model.losses``: the penalties of kernel and activity regularizers, which a loss
    function of labels and predictions doesn't know. Wrap it in ``tf.function`` to run
    it compiled.

    Args:
        model: Built model.
        optimizer: Its optimizer; it may be scheduled.
        loss: Keras loss or its name, or a function of labels and predictions; the
            mean counts.
        x: Samples, shape (batch, ...), on the model's scale.
        y: Labels as the loss takes them.

    Returns:
        The loss before the step, penalties included.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> sgd, loss = keras.optimizers.SGD(0.1), keras.losses.MeanSquaredError()
        >>> x, y = keras.ops.ones((4, 2)), keras.ops.zeros((4, 1))
        >>> values = [float(train_step(model, sgd, loss, x, y)) for _ in range(3)]
        >>> values[0] > values[1] > values[2]
        True
    """
    kind = keras.optimizers.Optimizer
    checks.instance("optimizer", optimizer, kind, "a Keras optimizer")
    value, gradients = loss_and_gradients(model, loss, x, y)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return value


def loss_and_gradients(
    model: keras.Model,
    loss: str | Callable[[Any, Any], Any],
    x: Any,
    y: Any,
    *,
    training: bool = True,
) -> tuple[tf.Tensor, list[Any]]:
    """Return the loss of a batch, penalties included, and its gradients.

    Args:
        model: Built model.
        loss: Keras loss or its name, or a function of labels and predictions; the
            mean counts.
        x: Samples, shape (batch, ...), on the model's scale.
        y: Labels as the loss takes them.
        training: Whether dropout drops and batch normalisation uses the batch's
            statistics; True by default.

    Returns:
        The loss, and one gradient for each of ``model.trainable_variables``.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1,
        ...     use_bias=False, kernel_initializer="ones", kernel_regularizer="l2")])
        >>> loss, ones = keras.losses.MeanSquaredError(), keras.ops.ones((1, 1))
        >>> value, (gradient,) = loss_and_gradients(model, loss, ones, ones)
        >>> round(float(value), 4), round(float(gradient[0, 0]), 4)
        (0.01, 0.02)
    """
    loss_of = _checked(model, loss)
    with tf.GradientTape() as tape:
        predictions = model(x, training=training)
        value = tf.reduce_mean(loss_of(y, predictions))
        # Without this line the penalties have no gradient: regularisation is off.
        value = tf.add_n([value, *(tf.cast(p, value.dtype) for p in model.losses)])
    return value, tape.gradient(value, model.trainable_variables)


def layer_norms(
    model: keras.Model, loss: str | Callable[[Any, Any], Any], x: Any, y: Any
) -> dict[str, float]:
    """Return the Euclidean norm of the loss's gradient for each layer's kernel.

    Args:
        model: Built model.
        loss: Keras loss or its name, or a function of labels and predictions; the
            mean counts.
        x: Samples, shape (batch, ...), on the model's scale.
        y: Labels as the loss takes them.

    Returns:
        From the kernel's path to ``sqrt(sum(gradient ** 2))``, in the model's order.
        Batch normalisation's moving statistics and random states are left as they are.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3),
        ...                           keras.layers.Dense(1)])
        >>> loss = keras.losses.MeanSquaredError()
        >>> x, y = keras.ops.ones((4, 2)), keras.ops.zeros((4, 1))
        >>> len(layer_norms(model, loss, x, y))
        2
    """
    _checked(model, loss)
    kept = [(v, keras.ops.convert_to_numpy(v)) for v in model.non_trainable_variables]
    try:
        _, gradients = loss_and_gradients(model, loss, x, y)
    finally:
        for variable, value in kept:
            variable.assign(value)
    return {
        variable.path: float(tf.norm(gradient))
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
        if gradient is not None and len(variable.shape) > 1
    }


def backward_ratio(
    model: keras.Model, loss: str | Callable[[Any, Any], Any], x: Any, y: Any
) -> float:
    """Return how much of the gradient is left after its way back through the layers.

    ``|dL/da_1| / |dL/da_n|``, where a_k is what the k-th hidden layer hands to the next
    one that has a kernel (its activations), for the first and the last of them. Near 1,
    gradients neither vanish nor explode. (The kernels' own gradients say less: where
    the activations shrink on their way forward as much as the gradients on their way
    back, all kernels get equally small ones.)

    Args:
        model: Built functional or sequential model with two hidden layers or more.
        loss: Keras loss or its name, or a function of labels and predictions; the
            mean counts.
        x: Samples, shape (batch, ...), on the model's scale.
        y: Labels as the loss takes them.

    Returns:
        The ratio; 0 where no gradient is left.

    Raises:
        ValueError: if the model has fewer than two hidden layers.

    Example:
        >>> dense = [keras.layers.Dense(8, "tanh") for _ in range(4)]
        >>> model = keras.Sequential([keras.Input((8,)), *dense])
        >>> loss = keras.losses.MeanSquaredError()
        >>> ones = keras.ops.ones((4, 8))
        >>> ratio = backward_ratio(model, loss, ones, ones)
        >>> 0 < ratio < 10
        True

    References:
        Glorot and Bengio (2010), https://proceedings.mlr.press/v9/glorot10a.html; He
        et al. (2015), section 2.2, https://arxiv.org/abs/1502.01852.
    """
    loss_of = _checked(model, loss)
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    if len(layers) < 3:
        raise ValueError(
            "The ratio compares two hidden layers, so the model needs two and an "
            f"output layer; given: {len(layers)} layers with a kernel."
        )
    inner = keras.Model(
        model.inputs, [layers[1].input, layers[-1].input, model.outputs[0]]
    )
    with tf.GradientTape() as tape:
        first, last, predictions = inner([x], training=False)
        value = tf.reduce_mean(loss_of(y, predictions))
    first_norm, last_norm = map(tf.norm, tape.gradient(value, [first, last]))
    return float(tf.math.divide_no_nan(first_norm, last_norm))


def sharpness_aware_step(
    model: keras.Model, rho: float, data: Any
) -> dict[str, tf.Tensor]:
    """Take the place of a compiled model's ``train_step``, with SAM's two gradients.

    ``w -= update(gradient of the loss at w + rho * g / |g|)``, where g is the gradient
    at w. Losses and metrics are those at w; so are batch normalisation's statistics.

    Args:
        model: Compiled model, on one device.
        rho: Length of the step towards the worst neighbour.
        data: Batch, as Keras hands it to ``train_step``.

    Returns:
        Keras's logs.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> batch = keras.ops.ones((4, 2)), keras.ops.zeros((4, 1))
        >>> logs = sharpness_aware_step(model, 0.05, batch)
        >>> sorted(logs)
        ['loss']

    References:
        Foret et al. (2021), https://arxiv.org/abs/2010.01412.
    """
    checks.instance("model", model, keras.Model, "a keras.Model")
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)

    def gradient() -> tuple[Any, Any, list[Any]]:
        with tf.GradientTape() as tape:
            predictions = model(x, training=True)
            value = model.compute_loss(x, y, predictions, sample_weight, training=True)
        weights = model.trainable_variables
        slopes = tape.gradient(value, weights)
        # A weight that the loss doesn't depend on has none.
        return (
            predictions,
            value,
            [
                keras.ops.zeros_like(weight) if slope is None else slope
                for weight, slope in zip(weights, slopes, strict=True)
            ],
        )

    predictions, value, first = gradient()
    weights = model.trainable_variables
    at, statistics = _values(weights), _values(model.non_trainable_variables)
    # One part in 10^12 keeps a gradient of zero from dividing by zero.
    scale = rho / (tf.linalg.global_norm(first) + 1e-12)
    for weight, direction in zip(weights, first, strict=True):
        weight.assign_add(scale * direction)
    _, _, worst = gradient()
    for variable, before in [*at, *statistics]:
        variable.assign(before)
    model.optimizer.apply_gradients(zip(worst, weights, strict=True))
    for metric in model.metrics:
        if metric.name == "loss":
            samples = tf.shape(keras.tree.flatten(x)[0])[0]
            metric.update_state(value, sample_weight=samples)
    return model.compute_metrics(x, y, predictions, sample_weight=sample_weight)


def _checked(model: Any, loss: Any) -> Callable[[Any, Any], Any]:
    """Return a loss as a function; refuse what is no model or no loss."""
    checks.instance("model", model, keras.Model, "a keras.Model")
    if loss is None or not (isinstance(loss, str) or callable(loss)):
        raise checks.ArgumentTypeError(
            "loss must be a Keras loss, its name, or a function of labels and "
            f"predictions; given: {checks.shown(loss)}."
        )
    return keras.losses.get(loss)


def _values(variables: list[Any]) -> list[tuple[Any, tf.Tensor]]:
    """Return variables with copies of their values."""
    return [(v, tf.identity(keras.ops.convert_to_tensor(v))) for v in variables]
