"""Features of a frozen base, computed once a sample instead of once an epoch.

A model that begins with layers that don't train, as those of
`kerasopt.models.transfer` do, computes the same numbers in each epoch, unless the
samples are augmented. So they are computed once, and what follows is trained on them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasopt.console import Bar, Console, say
from kerasopt.data import Dataset, Stream, pipeline
from kerasopt.data.structure import first_leaf
from kerasopt.layers import graph
from kerasopt.training import placement
from kerasopt.training.batches import Feed, evaluation_batch_size
from kerasopt.training.compiled import CompiledSteps
from kerasopt.training.preparation import Prepared
from kerasopt.training.trainer import make_variables

__all__ = ["Parts", "features_of", "on_features", "split"]

LEAST_WEIGHTS = 10_000
"""A base of fewer is computed as fast as its features are read."""

MOST_BYTES = 2 * 2**30
"""Largest features of all samples together."""

INDIFFERENT = (
    keras.callbacks.CSVLogger,
    keras.callbacks.EarlyStopping,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.TerminateOnNaN,
)
"""Callbacks to which it doesn't matter whether they watch a model or its head."""

@dataclass(frozen=True)
class Parts:
    """A model in two parts that share its layers.

    Attributes:
        base: From the model's input to the features.
        head: From the features to the model's output.
    """

    base: keras.Model
    head: keras.Model


def split(model: keras.Model) -> Parts | None:
    """Divide a model behind the layers at its beginning that never change.

    Such a layer has nothing to train, does the same in training and in prediction (no
    dropout, no batch normalisation that keeps statistics), and everything passes
    through it.

    Args:
        model: A built model.

    Returns:
        Its two parts, or None where there is no such beginning of 10,000 weights or
        more, or nothing follows it.

    Example:
        >>> entry = keras.Input((100,))
        >>> base = keras.layers.Dense(200, trainable=False)
        >>> x = keras.layers.Dropout(0.5)(base(entry))
        >>> model = keras.Model(entry, keras.layers.Dense(3)(x))
        >>> parts = split(model)
        >>> parts.base.output_shape, len(parts.head.trainable_variables)
        ((None, 200), 2)
    """
    if type(model).train_step is not keras.Model.train_step or not _is_plain(model):
        return None
    end, weights = model.inputs[0], 0
    while (node := _only_consumer(model, end)) and _is_constant(node.operation):
        (end,) = node.outputs
        if isinstance(node.operation, keras.layers.Layer):
            weights += node.operation.count_params()
    if weights < LEAST_WEIGHTS or any(end is output for output in model.outputs):
        return None
    return Parts(_part(model.inputs[0], end), _part(end, model.output))


def _is_plain(model: keras.Model) -> bool:
    """Say whether Keras's functional graph is all that a model computes."""
    own = type(model).__module__
    return graph.is_graph(model) and len(model.inputs) == 1 and own[:6] == "keras."


def _only_consumer(model: keras.Model, tensor: Any) -> Any:
    """Return the node that alone takes a tensor, takes nothing else and gives one."""
    found = [
        node
        for operation in getattr(model, "operations", model.layers)
        for node in operation._inbound_nodes
        if any(each is tensor for each in node.input_tensors)
    ]
    if len(found) != 1 or len(found[0].operation._inbound_nodes) != 1:
        return None
    (node,) = found
    return node if len(node.input_tensors) == len(node.outputs) == 1 else None


def _is_constant(operation: Any) -> bool:
    """Say whether an operation gives the same for a sample in every step."""
    if not isinstance(operation, keras.layers.Layer):
        return True
    return not operation.trainable_variables and all(
        map(_is_same_in_training, operation._flatten_layers())
    )


def _is_same_in_training(layer: keras.layers.Layer) -> bool:
    if not type(layer).__module__.startswith(("keras.", "kerasopt.")):
        return False  # What someone else's layer does in training isn't known.
    normalises = isinstance(layer, keras.layers.BatchNormalization)
    return (
        not getattr(layer, "rate", 0.0)
        and getattr(layer, "seed_generator", None) is None
        and getattr(layer, "activity_regularizer", None) is None
        and not (normalises and layer.trainable)
    )


def _part(start: Any, end: Any) -> keras.Model:
    """Return a model of a part of a graph, and leave no trace of it in the layers."""
    part = keras.Model(start, end)
    for operation in part.operations:
        # With two nodes `layer.output` would be ambiguous in the whole model.
        if not isinstance(operation, keras.layers.InputLayer):
            del operation._inbound_nodes[1:]
    return part


def on_features(ready: Prepared, console: Console) -> Prepared:
    """Return a training of the head on the features of its base, where that is equal.

    Model and head share their layers and their optimizer, so what trains one trains
    the other.

    Args:
        ready: A prepared training.
        console: Where to show the progress of computing the features.

    Returns:
        The training of the head; ``ready`` itself where the base isn't frozen, or
        computes something else in each epoch, or the features don't fit 2 GiB.
    """
    if not _may_be_computed_once(ready):
        return ready
    parts = split(ready.model)
    if parts is None or _bytes(parts.base, ready.feed.dataset) > MOST_BYTES:
        return ready
    parts.head.compile(**placement.compile_arguments(ready.model))
    feed = Feed(
        features_of(parts.base, ready.feed, ready.settings, console),
        class_weight=ready.feed.class_weight,
    )
    feed.pixel_scale, feed.has_column = 1.0, ready.feed.has_column
    make_variables(parts.head, feed.some(1))
    return dataclasses.replace(
        ready,
        model=parts.head,
        steps=CompiledSteps(parts.head),
        feed=feed,
        stream_key="features",
    )


def _may_be_computed_once(ready: Prepared) -> bool:
    settings = ready.settings
    return (
        settings.cache_features
        and ready.augmentation is None
        and not settings.image_sizes
        and ready.parallel_strategy is None
        and isinstance(ready.feed.dataset.train, tuple)
        and not isinstance(ready.feed.dataset.validation, Stream)
        and all(isinstance(each, INDIFFERENT) for each in ready.callbacks)
    )


def _bytes(base: keras.Model, dataset: Dataset) -> int:
    sizes = dataset.sizes
    numbers = math.prod(base.output_shape[1:])
    return 4 * numbers * ((sizes["train"] or 0) + (sizes["validation"] or 0))


def features_of(
    base: keras.Model, feed: Feed, settings: Any, console: Console
) -> Dataset:
    """Return a dataset's training and validation parts as a base sees them.

    Args:
        base: From samples to features.
        feed: The samples.
        settings: The training's.
        console: Where to show how far it is.
    """
    dataset = feed.dataset
    splits = [s for s in ("train", "validation") if getattr(dataset, s) is not None]
    size = evaluation_batch_size(dataset, settings)
    total = sum(dataset.sizes[split] for split in splits)
    found: dict[str, Any] = {}
    with Bar(console, "Computing features", total, measure="time", patience=1.0) as bar:
        for split in splits:
            x, y = getattr(dataset, split)
            rows = np.concatenate(list(_predicted(base, x, size, feed, bar)))
            found[split] = (rows, y)
    say(
        console,
        f"The features of {total:,} samples are computed once, for all epochs: the "
        f"model begins with {base.count_params():,} frozen weights.",
    )
    weights = {s: w for s, w in dataset.weights.items() if s in splits}
    return dataset.replace(**found, test=None, weights=weights, paths={})


def _predicted(
    base: keras.Model, x: Any, size: int, feed: Feed, bar: Bar
) -> Iterator[np.ndarray]:
    batches = pipeline.evaluation_batches(
        x, batch_size=size, pixel_scale=feed.pixel_scale
    )
    for batch in batches:
        yield base.predict_on_batch(batch)
        bar.update(advance=len(first_leaf(batch)))
