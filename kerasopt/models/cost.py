"""What a model costs: weights, operations, and the time of a prediction."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import keras
import numpy as np

from kerasopt import checks
from kerasopt.layers import operations

__all__ = ["flops", "latency_milliseconds", "parameters", "training_flops"]

_WARM_UP_CALLS = 3


def parameters(model: keras.Model) -> int:
    """Return how many numbers the weights of a model are.

    All of them: what trains, what is frozen, and the statistics of batch
    normalisation, as in `keras.Model.count_params`.

    Args:
        model: Built model.

    Returns:
        The number of weights.

    Raises:
        ValueError: if the model isn't built.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> parameters(model)
        15
    """
    _check_model(model)
    return int(model.count_params())


def flops(model: keras.Model) -> int:
    r"""Return the floating-point operations of a prediction for one sample.

    Counted are the products of matrices and of convolutions, each multiplication and
    each addition as one: a kernel of K numbers that is applied at P places takes

    .. math::
        2 K P

    and a product of matrices with inner length k and n results 2 k n. What is done
    element by element (activations, normalisation, pooling) isn't counted. Papers
    often count multiply-adds, half of these operations.

    Args:
        model: Functional or Sequential model with a fixed input size.

    Returns:
        Operations of one forward pass for one sample.

    Raises:
        ValueError: if the model isn't built, its input size is open, or it hides its
            operations in a loop or a branch, as recurrent layers do.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> flops(model)
        24
    """
    return forward_of(_counted(model))


def training_flops(model: keras.Model) -> int:
    """Return the floating-point operations of a training step for each sample.

    The products that `flops` counts, in up to three passes: forward, for the gradient
    of the layer's weights if any of them trains, and for the gradient of its input if
    a layer before it trains.

    Args:
        model: Functional or Sequential model with a fixed input size.

    Returns:
        Operations for each sample of the batch.

    Raises:
        ValueError: where `flops` raises one.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> training_flops(model)  # Forward and the kernel's gradient.
        48
    """
    return training_of(_counted(model))


def latency_milliseconds(
    model: keras.Model, *, batch_size: int = 1, repeats: int = 30
) -> float:
    """Return how long a prediction takes: the median of several calls.

    A call of the traced model in inference mode, on random samples that are in memory
    already, until its result is there. Tracing and the first calls don't count, nor
    does what `keras.Model.predict` does around it, which takes tens of milliseconds.

    Args:
        model: Functional or Sequential model with a fixed input size.
        batch_size: Samples in a call.
        repeats: Calls that are measured.

    Returns:
        Milliseconds a call, for all its samples. They are those of this machine while
        it does what it does: compare models that were measured in turn.

    Raises:
        ValueError: if the model isn't built, its input size is open, or a number is
            out of its range.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> 0 < latency_milliseconds(model) < 1000
        True
    """
    checks.integer("batch_size", batch_size)
    checks.integer("repeats", repeats)
    checks.instance("model", model, keras.Model, "a keras.Model")
    function, specs = operations.trace(model, batch_size)
    samples = operations.random_samples(specs)
    seconds = []
    for _ in range(_WARM_UP_CALLS + repeats):
        started = time.perf_counter()
        # A GPU has only been asked until its result is read.
        keras.tree.map_structure(np.asarray, function(*samples))
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[_WARM_UP_CALLS:])


def forward_of(calls: Sequence[operations.Call]) -> int:
    """Return the operations of a prediction, of its calls."""
    return sum(call.flops or 0 for call in calls)


def training_of(calls: Sequence[operations.Call]) -> int:
    """Return the operations of a training step for each sample, of its calls."""
    total = 0
    something_learns = False
    for call in calls:
        weights = call.layer.trainable_variables
        has_kernel = any(len(weight.shape) > 1 for weight in weights)
        total += (call.flops or 0) * (1 + has_kernel + something_learns)
        something_learns = something_learns or bool(weights)
    return total


def _counted(model: keras.Model) -> list[operations.Call]:
    """Return the calls of a prediction, or raise if one hides its operations."""
    checks.instance("model", model, keras.Model, "a keras.Model")
    calls = operations.calls(model)
    hiding = [call.layer.name for call in calls if call.flops is None]
    if hiding:
        raise ValueError(
            f"Can't count the operations of model {model.name!r}: those of "
            f"{', '.join(hiding)} are inside a loop or a branch, as recurrent layers "
            "have it."
        )
    return calls


def _check_model(model: keras.Model) -> None:
    checks.instance("model", model, keras.Model, "a keras.Model")
    operations.check_built(model)
