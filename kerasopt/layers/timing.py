"""How fast this machine is: steps of a model's training, and products of matrices."""

from __future__ import annotations

import statistics
import time
from typing import Any

import keras
import tensorflow as tf

from kerasopt.layers import operations

__all__ = ["product_rate", "seconds_per_step"]

_SIDE = 1024
_PRODUCTS = 5


def product_rate(dtype: str = "float32") -> float:
    """Return the floating-point operations a second of this machine's products.

    The fastest of five products of 1024×1024 matrices, a few hundredths of a second
    in all.

    Args:
        dtype: Of the matrices.

    Example:
        >>> product_rate() > 1e8
        True
    """
    matrix = tf.cast(tf.random.stateless_normal((_SIDE, _SIDE), (0, 0)), dtype)
    seconds = []
    for _ in range(1 + _PRODUCTS):
        started = time.perf_counter()
        tf.matmul(matrix, matrix).numpy()
        seconds.append(time.perf_counter() - started)
    return 2 * _SIDE**3 / min(seconds[1:])


def seconds_per_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    *,
    batch_size: int,
    limit: float = 1.0,
) -> float:
    """Return how long a training step takes: the median of several.

    A copy of the model takes steps on random samples: forward, gradients of the mean
    square of its outputs with its penalties, and the optimizer's update. The model and
    its weights stay as they are. The first step, which traces the graph, isn't counted.

    Args:
        model: Functional or Sequential model with a fixed input size.
        optimizer: A fresh optimizer; it is built for the copy.
        batch_size: Samples in a step.
        limit: Seconds after which no further step begins; there are at least two.

    Returns:
        Seconds a step.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> 0 < seconds_per_step(model, keras.optimizers.SGD(), batch_size=8) < 1
        True
    """
    copy = keras.models.clone_model(model)
    samples = operations.random_samples(operations.input_specs(copy, batch_size))
    structure = (getattr(copy, "_functional", None) or copy).input
    inputs = keras.tree.pack_sequence_as(structure, samples)
    weights = copy.trainable_variables
    optimizer.build(weights)

    @tf.function(autograph=False)
    def step() -> Any:
        with tf.GradientTape() as tape:
            outputs = keras.tree.flatten(copy(inputs, training=True))
            squares = [tf.reduce_mean(tf.cast(y, "float32") ** 2) for y in outputs]
            loss = tf.add_n([*squares, *copy.losses])
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    step().numpy()
    seconds: list[float] = []
    while len(seconds) < 2 or sum(seconds) < limit:
        started = time.perf_counter()
        step().numpy()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
