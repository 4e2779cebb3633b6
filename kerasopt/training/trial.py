"""A training that only serves to be compared: no test, no report, no model file.

A search trains dozens of models to look at their validation results. What a run does
besides (environment, test, report, TensorBoard) takes seconds; so does compiling.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import rich.console
import tensorflow as tf

from kerasopt import distribute
from kerasopt.data import Dataset, pipeline
from kerasopt.training import checks, placement, preparation
from kerasopt.training import run as run_folder
from kerasopt.training.loop import Loop
from kerasopt.training.passes import fit_arrays
from kerasopt.training.preparation import Prepared
from kerasopt.training.reuse import CompiledModels
from kerasopt.training.settings import TrainingSettings

__all__ = ["STEPS_A_CALL", "Streams", "TrainedTrial", "train_trial"]

STEPS_A_CALL = 16
"""Steps that run as one compiled call where the batches are a stream."""


@dataclass(frozen=True, eq=False)
class TrainedTrial:
    """What a trial's training gave.

    Attributes:
        measures: loss, accuracy, val_loss and val_accuracy of the weights that are
            kept: the best epoch's with patience, else the last one's; where averages
            take their place in the end, the validation measures are those of these.
        history: One row an epoch.
        seconds: Time of the training, parts before an interruption included.
        parameters: Number of parameters of the model.
        precision: Number format that was trained in; what "auto" came to.
        network: The trained model; the next trial may take it over.
    """

    measures: dict[str, float]
    history: list[dict[str, float]]
    seconds: float
    parameters: int
    precision: str
    network: keras.Model

    @property
    def epochs(self) -> int:
        """Epochs that were trained."""
        return len(self.history)


@dataclass(eq=False)
class Streams:
    """The batches of one dataset, made once for all trials that want the same ones.

    Args:
        dataset: The data.
        most: Streams that are kept.
    """

    dataset: Dataset
    most: int = 32
    epoch: tf.Variable = field(init=False)
    _training: dict[Hashable, tf.data.Dataset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Put the number of the epoch where tf.data reads it."""
        with tf.device("CPU:0"):
            self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False)

    def training(self, ready: Prepared, augment: Hashable) -> tf.data.Dataset:
        """Return one epoch of training batches, that of the number in `epoch`."""
        settings = ready.settings
        key = (settings.batch_size, settings.seed, augment)
        if key not in self._training:
            if len(self._training) >= self.most:
                self._training.clear()
            self._training[key] = pipeline.training_batches(
                *self.arrays[0],  # Tensors: each stream has the same ones.
                batch_size=settings.batch_size,
                seed=settings.seed,
                augmentation=ready.augmentation,
                only_epoch=self.epoch,
            )
        return self._training[key]

    @functools.cached_property
    def arrays(self) -> tuple[Any, Any]:
        """The training and the validation pair as tensors."""
        with tf.device("CPU:0"):
            pairs = (self.dataset.train, self.dataset.validation)
            train, validation = (
                pair and tuple(map(tf.constant, pair)) for pair in pairs
            )
        return train, validation

    @functools.cached_property
    def validation(self) -> tf.data.Dataset | None:
        """The validation batches, once through."""
        if self.dataset.validation is None:
            return None
        return pipeline.evaluation_batches(*self.dataset.validation).cache()


def train_trial(
    model: keras.Model | Callable[[], keras.Model],
    streams: Streams,
    folder: Path,
    *,
    settings: TrainingSettings,
    optimizer: Any = "adam",
    loss: Any = "auto",
    augment: Any = None,
    callbacks: Sequence[Any] = (),
    watchers: Sequence[keras.callbacks.Callback] = (),
    compiled: CompiledModels | None = None,
    key: Hashable | None = None,
    prepare_weights: Callable[[keras.Model], None] | None = None,
) -> TrainedTrial:
    """Train, and measure on validation data alone.

    A folder that holds the checkpoint of this very training, interrupted, is gone on
    with from its last epoch.

    Args:
        model: As in `kerasopt.fit`.
        streams: The data.
        folder: Where history and checkpoint go.
        settings: As in `kerasopt.fit`.
        optimizer: As in `kerasopt.fit`.
        loss: As in `kerasopt.fit`.
        augment: As in `kerasopt.fit`.
        callbacks: As in `kerasopt.fit`; with any, nothing compiled is used again.
        watchers: Callbacks that only watch, and may stop the training.
        compiled: Compiled models that may be used again.
        key: What of this training is fixed by compiling; None compiles anew.
        prepare_weights: Called with the new model before its first step, such as to
            hand it another one's weights.

    Returns:
        A `TrainedTrial`.

    Raises:
        ValueError: as `kerasopt.fit`, `DivergedError` included.

    Example:
        >>> import tempfile
        >>> import kerasopt as ko
        >>> digits = ko.data.load("digits", size=200)
        >>> trial = train_trial(
        ...     lambda: ko.models.mlp(input_shape=(8, 8, 1), num_classes=10),
        ...     Streams(digits), Path(tempfile.mkdtemp()),
        ...     settings=TrainingSettings(epochs=2))
        >>> trial.epochs, sorted(trial.measures)
        (2, ['accuracy', 'loss', 'val_accuracy', 'val_loss'])
    """
    started = time.perf_counter()
    quiet = rich.console.Console(quiet=True)
    checks.data(streams.dataset, settings)
    simple = _is_simple(settings, callbacks)
    if simple:
        settings = settings.model_copy(update={"steps_per_execution": STEPS_A_CALL})
    ready = preparation.prepare(
        model,
        streams.dataset,
        optimizer=optimizer,
        loss=loss,
        augment=augment,
        callbacks=callbacks,
        settings=settings,
        console=quiet,
        compiled=compiled,
        key=key if simple else None,
    )
    if prepare_weights is not None:
        prepare_weights(ready.network)
    budget = ready.time_budget(streams.dataset, started, quiet)
    loop = _TrialLoop(ready, streams.dataset, folder, quiet, budget)
    if simple:
        loop.streams, loop.augment = streams, repr(augment)
        watchers = [_EpochNumber(streams.epoch), *watchers]
    with placement.on(ready.strategy):
        loop.run([*ready.callbacks, *watchers], resume=loop.has_checkpoint())
        measures = loop.kept_measures()
    return TrainedTrial(
        measures=measures,
        history=loop.log.rows,
        seconds=loop.seconds_before + time.perf_counter() - started,
        parameters=ready.network.count_params(),
        precision=ready.settings.precision,
        network=ready.network,
    )


def _is_simple(settings: TrainingSettings, callbacks: Sequence[Any]) -> bool:
    """Say whether whole epochs of equal images make up the training."""
    return (
        not callbacks
        and not placement.is_parallel(distribute.strategy(settings.devices))
        and settings.budget is None
        and not settings.image_sizes
        and settings.steps_per_execution == 1
    )


class _EpochNumber(keras.callbacks.Callback):
    """Tells a stream of one epoch which epoch it is."""

    def __init__(self, number: tf.Variable) -> None:
        super().__init__()
        self.number = number

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.number.assign(epoch)


class _TrialLoop(Loop):
    """Keras's `fit` with what a trial needs."""

    streams: Streams | None = None
    augment: Hashable = None

    def has_checkpoint(self) -> bool:
        return (self.folder / run_folder.CHECKPOINT).is_file()

    def kept_measures(self) -> dict[str, float]:
        """Return the measures of the epoch whose weights are kept."""
        row = self.log.rows[self.summary()["kept_epoch"] - 1]
        measures = {
            name: float(value)
            for name, value in row.items()
            if name not in ("epoch", "learning_rate", "seconds")
        }
        return measures | (self._validated() if self._weights_were_replaced() else {})

    def _weights_were_replaced(self) -> bool:
        """Say whether the last epoch was measured with other weights than are left."""
        optimizer = self.network.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        every = [optimizer, *getattr(optimizer, "optimizers", ())]  # Of each group.
        return bool(self.ready.callbacks or any(each.use_ema for each in every))

    def _validated(self) -> dict[str, float]:
        batches = self._validation_batches()
        if batches is None:
            return {}
        measured = self.network.evaluate(batches, verbose=0, return_dict=True)
        return {f"val_{name}": float(value) for name, value in measured.items()}

    def _fit(self, active: list[Any], first_epoch: int) -> None:
        if self.streams is None or self.augmentation is not None:
            super()._fit(active, first_epoch)
            return
        train, validation = self.streams.arrays
        samples, seed = len(train[0]), self.settings.seed
        fit_arrays(
            self.network,
            train,
            validation,
            batch_size=self.settings.batch_size,
            order=lambda epoch: pipeline.order(samples, seed, epoch).numpy(),
            epochs=self.epochs,
            first_epoch=first_epoch,
            callbacks=active,
        )

    def _batches(self, first_epoch: int) -> tuple[tf.data.Dataset, int | None]:
        if self.streams is None:
            return super()._batches(first_epoch)
        batches = self.streams.training(self.ready, self.augment)
        return batches, None

    def _validation_batches(self) -> tf.data.Dataset | None:
        if self.streams is None:
            return super()._validation_batches()
        return self.streams.validation

    def _tensorboard(self) -> list[keras.callbacks.Callback]:
        return []
