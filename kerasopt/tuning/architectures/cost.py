"""What a model costs: weights, operations, and the time of a prediction."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasopt import checks

__all__ = ["flops", "latency_milliseconds", "parameters"]

# Operations of TensorFlow's graphs: those that multiply matrices and kernels, those
# that call other graphs, and those whose work depends on the data.
_PRODUCTS = (
    "BatchMatMulV2",
    "BatchMatMulV3",
    "Conv2D",
    "Conv2DBackpropInput",
    "Conv3D",
    "Conv3DBackpropInputV2",
    "DepthwiseConv2dNative",
    "Einsum",
    "MatMul",
)
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_HIDING = ("Case", "If", "StatelessCase", "StatelessIf", "StatelessWhile", "While")

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
    _check_built(model)
    return int(model.count_params())


def flops(model: keras.Model) -> int:
    r"""Return the floating-point operations of a prediction for one sample.

    Counted are the products of matrices and of convolutions, each multiplication and
    each addition as one: a kernel of K numbers that is applied at P places takes

    .. math::
        2 K P

    and a product of matrices with inner length k and n results 2 k n. What is done
    element by element (activations, normalisation, pooling) isn't counted.

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
    operations = list(_operations(_traced(model, 1)[0].graph))
    hiding = sorted({op.type for op in operations if op.type in _HIDING})
    if hiding:
        raise ValueError(
            f"Can't count the operations of model {model.name!r}: some are inside "
            f"{', '.join(hiding)}, as those of recurrent layers."
        )
    return sum(map(_products, operations))


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
    function, specs = _traced(model, batch_size)
    samples = [_sample(spec) for spec in specs]
    seconds = []
    for _ in range(_WARM_UP_CALLS + repeats):
        started = time.perf_counter()
        # A GPU has only been asked until its result is read.
        keras.tree.map_structure(np.asarray, function(*samples))
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[_WARM_UP_CALLS:])


def _traced(model: keras.Model, batch_size: int) -> tuple[Any, list[Any]]:
    """Return the graph of a call in inference mode, and what its inputs are."""
    import tensorflow as tf

    _check_built(model)
    if not getattr(model, "inputs", None):
        raise ValueError(
            "model must be a functional or a built Sequential one; given: "
            f"{type(model).__name__}."
        )
    specs = [
        tf.TensorSpec((batch_size, *each.shape[1:]), each.dtype)
        for each in model.inputs
    ]
    if not all(spec.shape.is_fully_defined() for spec in specs):
        raise ValueError(
            f"The inputs of model {model.name!r} have an open size, "
            f"{[tuple(each.shape[1:]) for each in model.inputs]}: build it with a "
            "fixed input_shape."
        )

    @tf.function
    def predict(*inputs: Any) -> Any:
        if len(inputs) == 1:
            return model(inputs[0], training=False)
        packed = keras.tree.pack_sequence_as(model.input, list(inputs))
        return model(packed, training=False)

    return predict.get_concrete_function(*specs), specs


def _sample(spec: Any) -> Any:
    import tensorflow as tf

    if not spec.dtype.is_floating:
        return tf.zeros(spec.shape, spec.dtype)
    rng = np.random.default_rng(0)
    return tf.cast(rng.random(spec.shape.as_list()), spec.dtype)


def _operations(graph: Any) -> Iterator[Any]:
    """Yield the operations of a graph and of the functions that it calls."""
    for op in graph.get_operations():
        if op.type in _CALLS:
            # Of what Keras compiles by itself, such as grouped convolutions.
            yield from _operations(graph._get_function(op.get_attr("f").name).graph)
        else:
            yield op


def _products(op: Any) -> int:
    """Return what a node of the graph multiplies and adds; 0 for other nodes."""
    if op.type not in _PRODUCTS:
        return 0
    shapes = [tensor.shape.as_list() for tensor in op.inputs]
    results = math.prod(op.outputs[0].shape.as_list())
    match op.type:
        case "MatMul":
            inner = shapes[0][-2 if op.get_attr("transpose_a") else -1]
        case "BatchMatMulV2" | "BatchMatMulV3":
            inner = shapes[0][-2 if op.get_attr("adj_x") else -1]
        case "Einsum":
            inner = _summed(op.get_attr("equation").decode(), shapes)
        case "DepthwiseConv2dNative":
            inner = math.prod(shapes[1][:2])
        case _:  # Convolutions, of kernels (*window, inputs, outputs).
            inner = math.prod(shapes[1][:-1])
            if "Backprop" in op.type:  # Transposed: once for each number it reads.
                results = math.prod(shapes[2])
    return 2 * inner * results


def _summed(equation: str, shapes: list[list[int]]) -> int:
    """Return the product of the axes that an einsum sums over, 0 if of one tensor."""
    if len(shapes) < 2:
        return 0
    terms, _, kept = equation.partition("->")
    lengths = {
        axis: length
        for term, shape in zip(terms.split(","), shapes, strict=True)
        for axis, length in _named_axes(term, shape)
    }
    return math.prod(length for axis, length in lengths.items() if axis not in kept)


def _named_axes(term: str, shape: list[int]) -> Iterator[tuple[str, int]]:
    """Yield each letter's axis; those of ``...`` have none."""
    before, _, after = term.partition("...")
    yield from zip(before, shape, strict=False)
    yield from zip(reversed(after), reversed(shape), strict=False)


def _check_built(model: keras.Model) -> None:
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} has no weights yet: give it its input shape, "
            "or call it once."
        )
