"""What a model computes: the operations of its traced graph, layer by layer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt.layers import graph

__all__ = [
    "Call",
    "calls",
    "check_built",
    "input_specs",
    "memory",
    "random_samples",
    "trace",
]

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

_MARK = "kerasopt_call_"
"""Begins the name scopes that tell which layer made an operation."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a layer for one sample.

    Args:
        layer: The layer.
        outputs: Shapes of its outputs, without the batch's axis.
        nbytes: Memory of its outputs, in bytes.
        flops: Floating-point operations of its products; None where a loop or a
            branch hides them.
    """

    layer: keras.layers.Layer
    outputs: tuple[tuple[int, ...], ...]
    nbytes: int
    flops: int | None


def calls(model: keras.Model) -> list[Call]:
    """Return the calls of a model's layers in a prediction, in their order.

    The layers of nested functional and Sequential models stand in their place. A
    layer that the model uses twice is called twice.

    Args:
        model: Functional or Sequential model with a fixed input size.

    Raises:
        ValueError: if the model isn't built, or its input size is open.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> [(call.layer.name[:5], call.flops) for call in calls(model)]
        [('dense', 24)]
    """
    specs = input_specs(model, 1)
    made: list[tuple[keras.layers.Layer, list[Any]]] = []

    def watched(operation: Any) -> Any:
        if graph.is_graph(operation):
            return lambda inputs, **_: run(operation, inputs)

        def call(*inputs: Any, **keywords: Any) -> Any:
            with tf.name_scope(f"{_MARK}{len(made)}"):
                outputs = operation(*inputs, **keywords)
            made.append((operation, keras.tree.flatten(outputs)))
            return outputs

        return call

    def run(some: keras.Model, inputs: Any) -> Any:
        # A Sequential model has a functional one inside.
        functional = getattr(some, "_functional", None) or some
        return functional._run_through_graph(inputs, operation_fn=watched)

    @tf.function(autograph=False)
    def predict(*inputs: Any) -> Any:
        return run(model, list(inputs))

    traced = predict.get_concrete_function(*specs).graph
    found: dict[int, int | None] = dict.fromkeys(range(len(made)), 0)
    for number, op in _operations(traced):
        if op.type in _HIDING:
            found[number] = None
        elif (counted := found[number]) is not None:
            found[number] = counted + _products(op)
    return [
        Call(
            layer=layer,
            outputs=tuple(tuple(tensor.shape[1:]) for tensor in outputs),
            nbytes=sum(
                math.prod(tensor.shape.as_list()) * tensor.dtype.size
                for tensor in outputs
            ),
            flops=found[number],
        )
        for number, (layer, outputs) in enumerate(made)
    ]


def trace(model: keras.Model, batch_size: int) -> tuple[Any, list[Any]]:
    """Return the graph of a call in inference mode, and what its inputs are.

    Args:
        model: Functional or Sequential model with a fixed input size.
        batch_size: Samples in a call.

    Raises:
        ValueError: if the model isn't built, or its input size is open.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> predict, specs = trace(model, 2)
        >>> predict(*random_samples(specs)).shape
        TensorShape([2, 3])
    """
    specs = input_specs(model, batch_size)

    @tf.function
    def predict(*inputs: Any) -> Any:
        if len(inputs) == 1:
            return model(inputs[0], training=False)
        packed = keras.tree.pack_sequence_as(model.input, list(inputs))
        return model(packed, training=False)

    return predict.get_concrete_function(*specs), specs


def random_samples(specs: list[Any]) -> list[Any]:
    """Return a tensor for each spec: floats in [0, 1), zeros for other types."""
    rng = np.random.default_rng(0)
    return [
        tf.cast(rng.random(spec.shape.as_list()), spec.dtype)
        if spec.dtype.is_floating
        else tf.zeros(spec.shape, spec.dtype)
        for spec in specs
    ]


def memory(variables: Iterable[Any]) -> int:
    """Return the bytes that the values of Keras variables take."""
    return sum(
        math.prod(variable.shape) * tf.as_dtype(variable.dtype).size
        for variable in variables
    )


def check_built(model: keras.Model) -> None:
    """Raise `ValueError` if a model has no weights yet."""
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} has no weights yet: give it its input shape, "
            "or call it once."
        )


def input_specs(model: keras.Model, batch_size: int) -> list[Any]:
    """Return what a model's inputs are, or raise `ValueError` if that is open."""
    check_built(model)
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
    return specs


def _operations(traced: Any, number: int | None = None) -> Iterator[tuple[int, Any]]:
    """Yield the operations of a graph and of the functions that it calls.

    Each comes with the number of the layer's call that made it.
    """
    for op in traced.get_operations():
        place = _number(op.name) if number is None else number
        if place is None:
            continue  # Inputs, captured weights and outputs.
        if op.type in _CALLS:
            # Of what Keras compiles by itself, such as grouped convolutions.
            called = traced._get_function(op.get_attr("f").name).graph
            yield from _operations(called, place)
        else:
            yield place, op


def _number(name: str) -> int | None:
    """Return the number in an operation's name scope."""
    _, mark, after = name.partition(_MARK)
    return int(after.partition("/")[0]) if mark else None


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
