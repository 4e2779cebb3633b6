"""What a model ends in, and whether it begins by scaling pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasopt.layers import graph

__all__ = ["Head", "head_of", "outputs_of", "pixel_factor", "takes_pixels"]

_WITHOUT_ACTIVATION = ("Dense", "Conv", "Add", "BatchNormalization", "RNN")
_ARITHMETIC = ("TrueDivide", "Divide", "Multiply", "Subtract", "Add")
"""What ``preprocess_input`` and ``images / 255`` become in a functional model."""

_RESIZING = ("Resizing", "CenterCrop", "GetItem", "Stack", "Concatenate", "Cast")
_PASS_THROUGH = (
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.Dropout,
    keras.layers.Identity,
)


@dataclass(frozen=True)
class Head:
    """What a model ends in.

    Attributes:
        units: Width of the output, or None for several outputs.
        activation: ``"softmax"``, ``"sigmoid"``, ``"linear"``, another Keras name, or
            None for several outputs.
    """

    units: int | None = None
    activation: str | None = None

    @property
    def gives_logits(self) -> bool:
        """Whether a classification needs ``from_logits=True``."""
        return self.activation == "linear"


def outputs_of(model: keras.Model, x: Any) -> Any:
    """Return a model's outputs for some samples.

    None for a model with a ``train_step`` of its own and no ``call``, or one that takes
    other parts of a batch than these.
    """
    try:
        return model(x, training=False)
    except Exception as error:
        if type(model).train_step is not keras.Model.train_step:
            return None
        if size := _fixed_batch_size(model):
            raise ValueError(
                f"The model takes batches of {size} samples only: its Input has "
                f"batch_size={size}. Batches here differ in size: a few samples before "
                "the first step, the last batch of an epoch, those of an evaluation. "
                "Build the model without batch_size; one that keeps its state from "
                "batch to batch (stateful=True) trains with Keras's fit."
            ) from error
        raise


def _fixed_batch_size(model: keras.Model) -> int | None:
    inputs = model.inputs if graph.is_graph(model) else []
    return next((each.shape[0] for each in inputs if each.shape[0]), None)


def head_of(model: keras.Model, outputs: Any) -> Head:
    """Return what a model ends in, by its last layer or else by some of its outputs.

    Args:
        model: A built model.
        outputs: Its outputs for some samples, of an untrained or a trained model, or
            None.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> head_of(model, np.zeros((2, 3)))
        Head(units=3, activation='linear')
    """
    if outputs is None or isinstance(outputs, (dict, list, tuple)):
        return Head()
    values = np.asarray(keras.ops.convert_to_numpy(outputs), "float64")
    if values.ndim != 2:
        return Head(None, _activation_of(model))
    return Head(values.shape[1], _activation_of(model) or _by_value(values))


def _activation_of(model: keras.Model) -> str | None:
    """Return the activation of the layer that gives the output, if it can be told."""
    layer: Any = model
    while layer is not None:
        if isinstance(layer, keras.Sequential) and layer.layers:
            layer = layer.layers[-1]
        elif graph.is_graph(layer) and len(layer.outputs) == 1:
            layer = layer.outputs[0]._keras_history.operation
        elif isinstance(layer, _PASS_THROUGH) and not isinstance(
            layer.output, (list, tuple)
        ):
            layer = layer.input._keras_history.operation
        else:
            return _named_activation(layer)
    return None


def _named_activation(layer: Any) -> str | None:
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    activation = getattr(layer, "activation", None)
    if activation is not None:
        return getattr(activation, "__name__", None)
    plain = type(layer).__module__.startswith(("keras.", "kerasopt."))
    if plain and any(name in type(layer).__name__ for name in _WITHOUT_ACTIVATION):
        return "linear"
    return None


def _by_value(outputs: np.ndarray) -> str:
    if outputs.size == 0 or outputs.min() < -1e-6 or outputs.max() > 1 + 1e-6:
        return "linear"
    sums_to_one = np.abs(outputs.sum(axis=1) - 1).max() < 1e-2
    return "softmax" if outputs.shape[1] > 1 and sums_to_one else "sigmoid"


def takes_pixels(model: keras.Model) -> bool:
    """Say whether a model begins by scaling pixels itself, as `keras.applications` do.

    Example:
        >>> takes_pixels(keras.Sequential([keras.Input((2, 2, 3)),
        ...                                keras.layers.Rescaling(1 / 255)]))
        True
    """
    first = _first_operation(model)
    if isinstance(first, keras.layers.Rescaling):
        return bool(np.max(first.scale) < 0.1)
    if isinstance(first, keras.layers.Normalization):
        # Its mean says on which scale it was adapted.
        mean = first.mean
        return mean is not None and np.max(keras.ops.convert_to_numpy(mean)) > 1
    return type(first).__name__ in _ARITHMETIC


def pixel_factor(model: keras.Model) -> float | None:
    """Return by what a model multiplies its input first; None if it doesn't.

    Example:
        >>> inputs = keras.Input((2, 2, 3))
        >>> pixel_factor(keras.Model(inputs, inputs / 100.0))
        0.01
    """
    first = _first_operation(model)
    if isinstance(first, keras.layers.Rescaling):
        return float(np.max(first.scale))
    name = type(first).__name__
    if first is None or name not in ("TrueDivide", "Divide", "Multiply"):
        return None
    numbers = [
        each
        for each in first._inbound_nodes[0].arguments.args
        if isinstance(each, (int, float, np.number))
    ]
    if len(numbers) != 1 or not numbers[0]:
        return None
    return float(numbers[0] if name == "Multiply" else 1 / numbers[0])


def _first_operation(model: keras.Model) -> Any:
    """Return the first operation that may change the range of the values, or None.

    Of a model with a ``call`` of its own only the layers are known.
    """
    if graph.is_graph(model):
        found = (each for each in _operations(model) if not _keeps_scale(each))
    else:
        scaling = (keras.layers.Rescaling, keras.layers.Normalization)
        found = (each for each in model._flatten_layers() if isinstance(each, scaling))
    return next(found, None)


def _operations(model: keras.Model) -> Iterator[Any]:
    """Yield layers and Keras operations, those of the models inside in their place."""
    for each in getattr(model, "operations", model.layers):
        if graph.is_graph(each):
            yield from _operations(each)
        else:
            yield each


def _keeps_scale(operation: Any) -> bool:
    """Say whether an operation changes images, but not the range of their values."""
    name = type(operation).__name__
    return name == "InputLayer" or name in _RESIZING or name.startswith("Random")
