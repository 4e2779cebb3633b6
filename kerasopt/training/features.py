"""Features of a frozen base, computed once a sample instead of once an epoch.

A model that begins with layers that don't train, as those of
`kerasopt.models.transfer` do, computes the same numbers in each epoch, unless the
samples are augmented. So they are computed once, and what follows is trained on them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasopt import callbacks
from kerasopt.callbacks.freeze import frozen
from kerasopt.console import Bar, Console, say
from kerasopt.data import Dataset, Stream, pipeline
from kerasopt.data.structure import first_leaf
from kerasopt.evaluation import formatting
from kerasopt.layers import graph
from kerasopt.layers.backbone import BACKBONE
from kerasopt.training import checkpoint, placement
from kerasopt.training.batches import Feed, evaluation_batch_size
from kerasopt.training.budget import TimeBudget
from kerasopt.training.compiled import CompiledSteps
from kerasopt.training.preparation import Prepared
from kerasopt.training.session import DivergedError
from kerasopt.training.splitting import Parts, split
from kerasopt.training.trainer import Trainer, make_variables

__all__ = ["begin", "check", "features_of"]

HEAD_RATE = 3e-3
"""Adam's rate for a head on features, from where it falls to 0 along a cosine."""

MOST_BYTES = 2 * 2**30
"""Largest features of all samples together."""

HEAD_SHARE = 0.5
"""Share of a time budget after which the head's own training ends."""

INDIFFERENT = (
    callbacks.ReduceLROnPlateau,
    keras.callbacks.CSVLogger,
    keras.callbacks.EarlyStopping,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.TerminateOnNaN,
)
"""Callbacks to which it doesn't matter whether they watch a model or its head; their
subclasses may look at ``self.model``."""


def begin(
    ready: Prepared,
    console: Console,
    *,
    resumed: Path | None = None,
    budget: TimeBudget | None = None,
) -> Prepared:
    """Do what comes before the first epoch; return what the epochs train.

    Args:
        ready: A prepared training. Its head trains for ``head_epochs`` first; then the
            features of a frozen base are computed.
        console: Where to say so.
        resumed: The checkpoint of a training that has done the first, if it is there.
        budget: Its clock: it begins anew, so that its schedule does.

    Returns:
        ``ready``, or the training of its head on features.

    Raises:
        ValueError: as `check`, if the head's loss becomes NaN (`DivergedError`), or if
            nothing is left of the budget.
    """
    if resumed is not None and resumed.is_file():
        # The features are those of the weights that the training began with.
        checkpoint.restore_weights(resumed, ready.model)
    elif ready.settings.head_epochs:
        _train_head(ready, console, budget)
    trained = _on_features(ready, console)
    if budget is not None:
        budget.begin()
    return trained


def _on_features(ready: Prepared, console: Console) -> Prepared:
    """Return a training of the head on the features of its base, where that is equal.

    Model and head share their layers and their optimizer, so what trains one trains
    the other. A base that isn't frozen, or computes something else in each epoch, or
    whose features don't fit 2 GiB, leaves the training as it is.
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
        whole=ready.model,
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
        and all(type(each) in INDIFFERENT for each in ready.callbacks)
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
    feed.mixing = given.mixing
    make_variables(parts.head, feed.some(1))
    return feed


def _bytes(base: keras.Model, dataset: Dataset) -> int:
    sizes = dataset.sizes
    numbers = math.prod(base.output_shape[1:])
    return 4 * numbers * (sizes["train"] + sizes["validation"])


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
            _check_finite(rows, split)
            found[split] = (rows, y)
    say(
        console,
        f"The features of {total:,} samples are computed once, for all epochs: the "
        f"model begins with {base.count_params():,} frozen weights.",
    )
    weights = {s: w for s, w in dataset.weights.items() if s in splits}
    return dataset.replace(**found, test=None, weights=weights, paths={})


def _check_finite(rows: np.ndarray, split: str) -> None:
    bad = ~np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
    if bad.any():
        raise ValueError(
            f"The frozen layers give NaN or infinite values for {bad.sum():,} {split} "
            f"samples; the first is number {bad.argmax()}. Look at its values: they "
            "may be too large for these layers, or for the precision."
        )


def _predicted(
    base: keras.Model, x: Any, size: int, feed: Feed, bar: Bar
) -> Iterator[np.ndarray]:
    batches = pipeline.evaluation_batches(
        x, batch_size=size, pixel_scale=feed.pixel_scale
    )
    for batch in batches:
        rows = np.asarray(base.predict_on_batch(batch))
        # Float32 holds bfloat16 and float16, which NumPy hardly knows, exactly.
        yield rows.astype("float32") if rows.dtype.itemsize < 4 else rows
        bar.update(advance=len(first_leaf(batch)))


def check(ready: Prepared) -> None:
    """Raise unless ``head_epochs`` has a head to train, before anything is written.

    Raises:
        ValueError: if the model has no backbone, more than it stands before its
            features, or the samples can't be held.
    """
    if ready.settings.head_epochs:
        _around_backbone(ready)


def _around_backbone(ready: Prepared) -> Parts:
    """Return the two parts of a model, divided behind its backbone or later."""
    model, asked = ready.model, f"head_epochs={ready.settings.head_epochs}"
    known = graph.is_graph(model)
    backbone = next((x for x in model.layers if known and x.name == BACKBONE), None)
    if backbone is None:
        raise ValueError(
            f"{asked} trains what follows a layer named {BACKBONE!r}, as models of "
            f"kerasopt.models.transfer have one; {model.name!r} has none."
        )
    if not _is_held(ready):
        raise ValueError(
            f"{asked} needs arrays or a folder of pictures, and one device: give "
            "neither a stream nor several devices, or leave it out."
        )
    with frozen([backbone]):
        parts = split(model, least=0)
    if parts is None or backbone not in parts.base.layers:
        raise ValueError(
            f"{asked} needs a Keras model in which everything passes {BACKBONE!r} "
            "once, from the only input to the output, and nothing before it trains, "
            "draws random numbers or is a layer of your own. Leave it out, or give "
            "augmentation as augment=…."
        )
    return parts


def _train_head(ready: Prepared, console: Console, budget: TimeBudget | None) -> None:
    """Train the head alone, on features that are computed once.

    Where layers of the backbone train from the start, the random head's large
    gradients spoil what they know (Kumar et al., 2022, Fine-tuning can distort
    pretrained features, https://arxiv.org/abs/2202.10054). So Adam trains for
    ``head_epochs``, its rate falling from 0.003 to 0 along a cosine, on samples without
    augmentation. With validation data the epoch of least loss is kept.
    """
    settings, epochs = ready.settings, ready.settings.head_epochs
    parts = _around_backbone(ready)
    head = parts.head
    steps = epochs * (ready.steps_per_epoch or 1)
    given = placement.compile_arguments(ready.model)
    rate = keras.optimizers.schedules.CosineDecay(HEAD_RATE, steps)
    head.compile(**{**given, "optimizer": keras.optimizers.Adam(rate)})
    feed = _feed_of(parts, ready, console)
    watching: list[Any] = [callbacks.TerminateOnNaN()]
    if budget is not None:
        watching.append(_StopByShare(budget))
    validation = feed.evaluation("validation", settings)
    if validation is not None:
        watching.append(callbacks.EarlyStopping(monitor="val_loss", patience=epochs))
    trainer = Trainer(
        head, feed.training(settings), validation, epochs=epochs, callbacks=watching
    )
    logs = trainer.run().history
    if not math.isfinite(logs["loss"][-1]):
        raise DivergedError(
            f"The loss became {logs['loss'][-1]} in epoch {len(logs['loss'])} of the "
            "head's own training: look for NaN or huge values in the data, or leave "
            "head_epochs out."
        )
    kept = int(np.argmin(logs["val_loss"])) if "val_loss" in logs else -1
    shown = ", ".join(f"{name} {values[kept]:.3g}" for name, values in logs.items())
    trained = formatting.epochs(len(logs["loss"]))
    say(console, f"The head alone trained for {trained}: {shown}.")


class _StopByShare(keras.callbacks.Callback):
    """Ends the head's training in time for the epochs that follow."""

    def __init__(self, budget: TimeBudget) -> None:
        super().__init__()
        self.budget = budget

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop where the share of the time has passed."""
        if self.budget.share() >= HEAD_SHARE:
            self.model.stop_training = True
