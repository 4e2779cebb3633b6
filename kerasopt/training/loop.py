"""One call of Keras's `fit`, with the callbacks of a run."""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import rich.console
import tensorflow as tf

from kerasopt import callbacks as own_callbacks
from kerasopt.callbacks import ShareCallback
from kerasopt.data import Dataset, pipeline
from kerasopt.training import image_sizes
from kerasopt.training import run as run_folder
from kerasopt.training.budget import TimeBudget
from kerasopt.training.interruption import Interruption
from kerasopt.training.preparation import Prepared

__all__ = ["DivergedError", "Loop"]

EPOCHS_WITHOUT_END = 1_000_000
"""A time budget ends the training; Keras wants a number."""


class DivergedError(ValueError):
    """The loss became NaN or infinite."""


class Loop:
    """The training of one compiled model, from its first or a later epoch."""

    def __init__(
        self,
        ready: Prepared,
        dataset: Dataset,
        folder: Path,
        console: rich.console.Console,
        budget: TimeBudget | None = None,
    ) -> None:
        self.budget = budget
        self.ready = ready
        self.network = ready.network
        self.settings = settings = ready.settings
        self.augmentation = ready.augmentation
        self.steps = ready.steps
        self.dataset = dataset
        self.folder = folder
        self.console = console
        self.seconds_before = 0.0
        self.epochs = EPOCHS_WITHOUT_END if budget else settings.epochs
        self.log = own_callbacks.EpochLog(folder / run_folder.HISTORY)
        self.early_stopping = None
        if settings.patience is not None:
            self.early_stopping = own_callbacks.ResumableEarlyStopping(
                monitor=settings.monitor, patience=settings.patience
            )

    def run(
        self, extra_callbacks: Sequence[keras.callbacks.Callback], *, resume: bool
    ) -> None:
        """Train to the end, to an early stop, or until interrupted."""
        clock = self.budget.share if self.budget else None
        keeping = [c for c in extra_callbacks if isinstance(c, ShareCallback)]
        for callback in keeping:
            callback.clock = clock
            callback.build(self.network)
        checkpoint = own_callbacks.Checkpoint(
            self.folder / run_folder.CHECKPOINT,
            log=self.log,
            early_stopping=self.early_stopping,
            others=keeping,
            least_seconds=self.settings.checkpoint_seconds,
        )
        first_epoch = 0
        if resume and checkpoint.path.is_file():
            self.network.optimizer.build(self.network.trainable_variables)
            first_epoch = checkpoint.restore(self.network)
            self.seconds_before = sum(row["seconds"] for row in self.log.rows)
            if self.budget:
                self.budget.resume_after(self.seconds_before)
            self._say(f"Going on after epoch {first_epoch}.")
            if checkpoint.ended:
                self.epochs = first_epoch  # It was over, and only the rest is missing.
        elif resume:
            self._say("The run has no checkpoint yet: starting at its first epoch.")
        progress = own_callbacks.Progress(
            epochs=None if self.budget else self.settings.epochs,
            steps_per_epoch=self.steps,
            clock=clock,
            console=self.console,
        )
        # The log stands before the checkpoint, which saves its rows; early stopping
        # after the user's, since the best weights that it brings back are the last.
        active = [own_callbacks.TerminateOnNaN(), self.log]
        active += [] if self.console.quiet else [progress]
        active += [self.budget] if self.budget else []
        active += extra_callbacks
        active += [self.early_stopping] if self.early_stopping else []
        interruption = Interruption()
        active += [checkpoint, *self._tensorboard(), interruption]
        try:
            with interruption.awaited():
                self._fit(active, first_epoch)
        except KeyboardInterrupt:
            kept = "Go on with" if checkpoint.path.is_file() else "Start over with"
            self._say(f"Interrupted. {kept}: kerasopt train --resume {self.folder}")
            raise
        finally:
            progress.close()
            for callback in extra_callbacks:
                if isinstance(callback, own_callbacks.SharpnessAware):
                    callback.restore()
        self._check_finite()

    def _fit(self, active: list[Any], first_epoch: int) -> None:
        batches, steps = self._batches(first_epoch)
        validation = self._validation_batches()
        with warnings.catch_warnings():
            # Keras warns that it can't shuffle a stream; ours is shuffled.
            warnings.filterwarnings("ignore", message="`shuffle=True` was passed")
            # And that a stream of one epoch ends after it.
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            self.network.fit(
                batches,
                steps_per_epoch=steps,
                validation_data=validation,
                validation_freq=self.settings.validation_freq,
                epochs=self.epochs,
                initial_epoch=first_epoch,
                callbacks=active,
                verbose=0,
            )

    def _batches(self, first_epoch: int) -> tuple[tf.data.Dataset, int | None]:
        """Return the stream of batches, and how many of them are an epoch."""
        batches = pipeline.training_batches(
            *self.dataset.train,
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
            augmentation=self.augmentation,
            first_epoch=first_epoch,
            image_size=image_sizes.by_step(
                self.settings, self.steps, self.budget and self.budget.progress
            ),
        )
        # The stream never ends, so the steps count its epochs; with a finite one
        # they would leave stub epochs.
        return batches, self.steps

    def _validation_batches(self) -> tf.data.Dataset | None:
        if self.dataset.validation is None:
            return None
        return pipeline.evaluation_batches(*self.dataset.validation)

    def _say(self, message: str) -> None:
        self.console.print(message, highlight=False, soft_wrap=True)

    def _tensorboard(self) -> list[keras.callbacks.Callback]:
        if importlib.util.find_spec("tensorboard") is None:
            return []  # An extra of kerasopt; history.csv holds the same curves.
        folder = self.folder / run_folder.TENSORBOARD
        return [keras.callbacks.TensorBoard(str(folder), write_graph=False)]

    def _check_finite(self) -> None:
        last = self.log.rows[-1]
        if not math.isfinite(last["loss"]):
            raise DivergedError(
                f"The loss became {last['loss']} in epoch {int(last['epoch'])}. Lower "
                f"the learning rate (it was {last['learning_rate']:.3g}) or clip the "
                f"gradients (clipnorm). The log is kept in '{self.folder}'."
            )

    def summary(self) -> dict[str, Any]:
        """Return how long it trained and which epoch's weights it kept."""
        epochs = best = int(self.log.rows[-1]["epoch"])
        # int() can't read the variable of several devices.
        steps = int(keras.ops.convert_to_numpy(self.network.optimizer.iterations))
        if self.early_stopping is not None:
            best = int(self.early_stopping.best_epoch) + 1
        return {
            "epochs": epochs if not self.budget else round(steps / self.steps, 2),
            "kept_epoch": best,
            "stopped_early": self._stopped_early(epochs),
        }

    def _stopped_early(self, epochs: int) -> bool:
        if self.budget:
            # Not by the share: the last step may end a little before the time does.
            return bool(self.early_stopping and self.early_stopping.stopped_epoch)
        return epochs < self.settings.epochs
