"""Features of a frozen base, computed once a sample instead of once an epoch.

A model that begins with layers that don't train, as those of
`kerasopt.models.transfer` do, computes the same numbers in each epoch, unless the
samples are augmented. So they are computed once, and what follows is trained on them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasopt import callbacks
from kerasopt.console import Bar, Console, say
from kerasopt.data import Dataset, Stream, pipeline
from kerasopt.data.structure import first_leaf
from kerasopt.evaluation import formatting
from kerasopt.layers import graph
from kerasopt.training import placement
from kerasopt.training.batches import Feed, evaluation_batch_size
from kerasopt.training.compiled import CompiledSteps
from kerasopt.training.preparation import Prepared
from kerasopt.training.trainer import Trainer, make_variables

__all__ = ["Parts", "check", "features_of", "on_features", "split", "train_head"]

BACKBONE = "backbone"
"""Name of the layer that `kerasopt.models.transfer` puts before the head."""

HEAD_RATE = 3e-3
"""Adam's rate for a head on features, from where it falls to 0 along a cosine."""

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
    """Return the node that alone takes a tensor, takes nothing else and gives one.

    A grey image that becomes three channels is taken three times by one node.
    """
    found = [
        node
        for operation in getattr(model, "operations", model.layers)
        for node in operation._inbound_nodes
        if any(each is tensor for each in node.input_tensors)
    ]
    if len(found) != 1 or len(found[0].operation._inbound_nodes) != 1:
        return None
    (node,) = found
    alone = all(each is tensor for each in node.input_tensors)
    return node if alone and len(node.outputs) == 1 else None


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
    return dataclasses.replace(
        ready,
        model=parts.head,
        steps=CompiledSteps(parts.head),
        feed=_feed_of(parts, ready, console),
        stream_key="features",
    )


def _may_be_computed_once(ready: Prepared) -> bool:
    settings = ready.settings
    return (
        settings.cache_features
        and ready.augmentation is None
        and not settings.image_sizes
        and _is_held(ready)
        and all(isinstance(each, INDIFFERENT) for each in ready.callbacks)
    )


def _is_held(ready: Prepared) -> bool:
    """Say whether samples are arrays or files, on one device."""
    dataset = ready.feed.dataset
    return (
        ready.parallel_strategy is None
        and isinstance(dataset.train, tuple)
        and not isinstance(dataset.validation, Stream)
    )


def _feed_of(parts: Parts, ready: Prepared, console: Console) -> Feed:
    """Return the features as batches, the head's variables made for them."""
    given = ready.feed
    dataset = features_of(parts.base, given, ready.settings, console)
    feed = Feed(dataset, class_weight=given.class_weight)
    feed.pixel_scale, feed.has_column = 1.0, given.has_column
    make_variables(parts.head, feed.some(1))
    return feed


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


def check(ready: Prepared) -> None:
    """Raise unless ``head_epochs`` has a head to train, before anything is written.

    Raises:
        ValueError: if the model has no backbone, or its samples can't be held.
    """
    if not ready.settings.head_epochs:
        return
    asked = f"head_epochs={ready.settings.head_epochs}"
    if _backbone(ready.model) is None or not graph.is_graph(ready.model):
        raise ValueError(
            f"{asked} trains what follows a layer named {BACKBONE!r}, as models of "
            f"kerasopt.models.transfer have one; {ready.model.name!r} has none."
        )
    if not _is_held(ready):
        raise ValueError(
            f"{asked} needs arrays or a folder of pictures, and one device: give "
            "neither a stream nor several devices, or leave it out."
        )


def _backbone(model: keras.Model) -> Any:
    return next((layer for layer in model.layers if layer.name == BACKBONE), None)


def train_head(ready: Prepared, console: Console) -> None:
    """Train the head alone, on features that are computed once.

    Where layers of the backbone train from the start, the random head's large
    gradients spoil what they know.

    Args:
        ready: A prepared training, ``head_epochs`` of whose settings are trained: by
            Adam, whose rate falls from 0.003 to 0 along a cosine, on samples without
            augmentation. With validation data the epoch of least loss is kept.
        console: Where to say how it went.

    Raises:
        ValueError: if more than the backbone stands between input and features.

    References:
        Kumar et al. (2022), Fine-tuning can distort pretrained features,
        https://arxiv.org/abs/2202.10054.
    """
    settings, epochs = ready.settings, ready.settings.head_epochs
    with _frozen(_backbone(ready.model)):
        parts = split(ready.model)
    if parts is None:
        raise ValueError(
            f"head_epochs needs a model in which everything passes {BACKBONE!r} once, "
            "from the only input to the output."
        )
    steps = epochs * (ready.steps_per_epoch or 1)
    given = placement.compile_arguments(ready.model)
    rate = keras.optimizers.schedules.CosineDecay(HEAD_RATE, steps)
    parts.head.compile(**{**given, "optimizer": keras.optimizers.Adam(rate)})
    feed = _feed_of(parts, ready, console)
    watching: list[Any] = [callbacks.TerminateOnNaN()]
    validation = feed.evaluation("validation", settings)
    if validation is not None:
        watching.append(callbacks.EarlyStopping(monitor="val_loss", patience=epochs))
    trainer = Trainer(
        parts.head,
        feed.training(settings),
        validation,
        epochs=epochs,
        callbacks=watching,
    )
    history = trainer.run()
    last = {name: values[-1] for name, values in history.history.items()}
    shown = ", ".join(f"{name} {value:.3g}" for name, value in last.items())
    say(console, f"The head alone trained for {formatting.epochs(epochs)}: {shown}.")


@contextlib.contextmanager
def _frozen(layer: keras.layers.Layer) -> Iterator[None]:
    """Freeze a layer and all in it inside this block."""
    flags = [
        (each, each.trainable) for each in [*layer._flatten_layers(), *layer.variables]
    ]
    layer.trainable = False
    try:
        yield
    finally:
        for each, trainable in flags:
            each.trainable = trainable
