"""One training with what a folder keeps of it: log, checkpoints, early stopping."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kerasopt import callbacks as own_callbacks
from kerasopt import files
from kerasopt.callbacks import ShareCallback
from kerasopt.callbacks.changed_step import restore_step
from kerasopt.console import Console, say
from kerasopt.data import Stream, StreamError
from kerasopt.data.stream_batches import reason_of
from kerasopt.training import (
    calibration,
    checkpoint,
    image_sizes,
    run_folder,
)
from kerasopt.training.budget import TimeBudget
from kerasopt.training.calibration import JitChoice
from kerasopt.training.checkpoint import Checkpoint
from kerasopt.training.interruption import Interruption
from kerasopt.training.preparation import Prepared
from kerasopt.training.run import how_to_resume
from kerasopt.training.sources import Source
from kerasopt.training.spec import MOST_EPOCHS
from kerasopt.training.trainer import (
    SECONDS_A_CALL,
    Trainer,
    averaged_weights,
    keeps_averages,
    wants_every_batch,
)

__all__ = ["DivergedError", "Session"]

START: dict[str, Any] = {"epoch": 0, "step": 0, "logs": None}
"""The position of a training that begins."""


class DivergedError(ValueError):
    """The loss became NaN or infinite."""


class Session:
    """The training of one prepared model into a folder, from its start or resumed.

    Args:
        ready: The prepared training.
        folder: Where log and checkpoints go.
        console: Where to say how it goes.
        budget: The clock of a time budget, if there is one.
        watchers: Callbacks that only watch, and may stop the training.
    """

    def __init__(
        self,
        ready: Prepared,
        folder: Path,
        console: Console,
        *,
        budget: TimeBudget | None = None,
        watchers: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        self.ready = ready
        self.folder = folder
        self.console = console
        self.budget = budget
        self.watchers = list(watchers)
        settings = ready.settings
        self.epochs = MOST_EPOCHS if budget else settings.epochs
        self.log = own_callbacks.EpochLog(folder / run_folder.HISTORY)
        self.early_stopping = None
        if settings.patience is not None:
            self.early_stopping = own_callbacks.EarlyStopping(
                monitor=settings.monitor,
                patience=settings.patience,
                mode=ready.monitor_mode,
            )
            if keeps_averages(ready.model.optimizer):
                self.early_stopping.weights = lambda: averaged_weights(ready.model)
        self.interruption = Interruption()
        self.jit = self._jit_choice()
        self.checkpoint = self._checkpoint()

    def run(self, *, resume: bool, tensorboard: bool = False) -> Trainer:
        """Train to the end, to an early stop, or until interrupted.

        Args:
            resume: Continue from the folder's checkpoint, if there is one.
            tensorboard: Write TensorBoard's curves, where it is installed.

        Returns:
            The trainer, at its end.
        """
        position = self._restored() if resume else dict(START)
        bar = None if self.console.quiet else self._bar()
        trainer = self._trainer(bar, tensorboard=tensorboard)
        try:
            with self.interruption.awaited():
                trainer.run(
                    position["epoch"],
                    position["step"],
                    logs=position["logs"],
                    resumed=self.checkpoint.remind,
                )
        except KeyboardInterrupt:
            if self.interruption.asked_once:
                self.checkpoint.save(trainer)
            self._say_how_to_resume()
            raise
        except Exception as error:
            kinds = (tf.errors.OpError, StopIteration)
            if isinstance(error, kinds) and not trainer.in_callback:
                raise self._failed(error, trainer) from error
            # Of a callback, or of what the model calls.
            if trainer.epoch or trainer.step:
                self.keep(trainer, error)
            raise
        finally:
            if bar:
                bar.close()
            for source in (trainer.train, trainer.validation):
                if source is not None:
                    source.close()
            restore_step(self.ready.model)
            for callback in self.ready.callbacks:
                if isinstance(callback, ShareCallback):
                    callback.clock = None  # It may be used again, without a budget.
        self._check_finite()
        return trainer

    def _trainer(self, bar: Any, *, tensorboard: bool) -> Trainer:
        ready, settings = self.ready, self.ready.settings
        # The log stands after the user's, which may add to it, and early stopping too:
        # the best weights that it brings back are the last.
        active = [own_callbacks.TerminateOnNaN()]
        active += [each for each in (bar, self.budget) if each]
        active += [*ready.callbacks, *self.watchers, self.log]
        active += [self.early_stopping] if self.early_stopping else []
        active += self._tensorboard() if tensorboard else []
        active += [self.interruption]
        if not self.jit.settled and any(map(wants_every_batch, active)):
            self.jit = JitChoice("none")  # Calls of one step tell nothing.
        train, validation = self._sources()
        trainer = Trainer(
            ready.model,
            train,
            validation,
            epochs=self.epochs,
            callbacks=active,
            validation_freq=settings.validation_freq,
            steps=ready.steps,
            jit=self.jit,
            seconds_a_call=(
                self.budget.seconds_of_a_call if self.budget else lambda: SECONDS_A_CALL
            ),
            after_call=lambda: self.checkpoint.save_if_due(trainer),
            judge_averages=settings.patience is not None,
        )
        return trainer

    def _sources(self) -> tuple[Source, Source | None]:
        ready, settings, feed = self.ready, self.ready.settings, self.ready.feed
        strategy = ready.parallel_strategy
        steps = ready.steps_per_epoch
        sizes = None
        if settings.image_sizes and steps is not None:
            progress = self.budget and self.budget.progress
            sizes = image_sizes.by_step(settings, steps, progress)
        train = feed.training(
            settings,
            augmentation=ready.augmentation,
            image_size=sizes,
            key=None if sizes or strategy else ready.stream_key,
            strategy=strategy,
        )
        return train, feed.evaluation("validation", settings, strategy)

    def _jit_choice(self) -> JitChoice:
        ready, settings = self.ready, self.ready.settings
        if settings.jit != "auto":
            return JitChoice(settings.jit)
        if settings.deterministic or not calibration.xla_may_pay(ready.model):
            return JitChoice("none")
        streams = isinstance(ready.feed.dataset.train, Stream) or ready.augmentation
        return JitChoice("auto", candidates=("step",) if streams else ("loop", "step"))

    def _checkpoint(self) -> Checkpoint:
        clock = self.budget.share if self.budget else None
        for callback in self.ready.callbacks:
            if isinstance(callback, ShareCallback):
                callback.clock = clock
                callback.build(self.ready.model)
        kept = [self.log, *([self.early_stopping] if self.early_stopping else [])]
        kept += [*self.ready.callbacks, *self.watchers]
        return Checkpoint(
            self.folder / run_folder.CHECKPOINT,
            self.ready.model,
            kept,
            least_seconds=self.ready.settings.checkpoint_seconds,
            whole=self.ready.whole,
        )

    def _restored(self) -> dict[str, Any]:
        if not self.checkpoint.path.is_file():
            self._say("The run has no checkpoint yet: starting at its first epoch.")
            return dict(START)
        position = self.checkpoint.restore()
        if position["jit"] is not None:
            self.jit = JitChoice(position["jit"])
        if self.budget:
            self.budget.resume_after(self.checkpoint.seconds)
        where = f"epoch {position['epoch']}"
        if position["step"]:
            where += f" and step {position['step']} of the next"
        self._say(f"Resuming after {where}.")
        if self.checkpoint.ended:
            # It was over, and only the rest is missing.
            self.epochs = position["epoch"]
        return position

    def _bar(self) -> own_callbacks.Progress:
        return own_callbacks.Progress(
            epochs=None if self.budget else self.ready.settings.epochs,
            steps_per_epoch=self.ready.steps_per_epoch,
            clock=self.budget.share if self.budget else None,
            console=self.console,
        )

    def _tensorboard(self) -> list[keras.callbacks.Callback]:
        if importlib.util.find_spec("tensorboard") is None:
            return []  # An extra of kerasopt; history.csv holds the same curves.
        own = (isinstance(c, keras.callbacks.TensorBoard) for c in self.ready.callbacks)
        if any(own):
            return []  # Two of them write into one another's files.
        folder = self.folder / run_folder.TENSORBOARD
        return [own_callbacks.Curves(str(folder), write_graph=False)]

    def keep(self, trainer: Trainer, error: Exception) -> None:
        """Save a training that fails between two steps, and add how to resume it."""
        # Their messages would hide the first one; the folder of a trial has no recipe.
        with contextlib.suppress(OSError):  # A full disk has the last one yet.
            self.checkpoint.save(trainer)
        with contextlib.suppress(OSError, run_folder.DamagedRunError):
            error.add_note(
                f"The training up to {self._last_checkpoint()}, is kept. Resume with: "
                f"{how_to_resume(self.folder)}"
            )

    def _failed(self, error: Exception, trainer: Trainer) -> Exception:
        """Return the error of a step or a stream that failed.

        A stream fails before the step, and validation changes no weight, so a
        checkpoint is written. A training step that failed may have changed some
        variables already: then the last checkpoint stays.
        """
        split, number, of_source = trainer.failed_batch()
        source = trainer.train if split == "train" else trainer.validation
        if of_source or split == "validation":
            self.checkpoint.save(trainer)
        stream = getattr(source, "stream", None)
        if stream is None:
            return ValueError(
                f"The step on batch {number} of the {split} data failed: "
                f"{reason_of(error).rstrip('.')}. {self._what_is_kept()}"
            )
        if of_source:
            failure = stream.failure(error, number)
        else:
            failure = StreamError(
                f"The step on batch {number} of the {split} stream failed: "
                f"{reason_of(error)}"
            )
        return StreamError(f"{failure} {self._what_is_kept()}")

    def _what_is_kept(self) -> str:
        if not self.checkpoint.path.is_file():
            return "There is no checkpoint yet."
        return (
            f"The training up to {self._last_checkpoint()}, is kept: once it is "
            "mended, resume with the same call, "
            f"directory='{self.shown_folder}' and resume=True."
        )

    @property
    def shown_folder(self) -> str:
        """The folder as messages show it."""
        return files.shown(self.folder)

    def _last_checkpoint(self) -> str:
        state, _ = checkpoint.read(self.checkpoint.path)
        return f"epoch {state['epoch'] + 1}, step {state['step']}"

    def _say(self, message: str) -> None:
        say(self.console, message)

    def _say_how_to_resume(self) -> None:
        if self.console.quiet:
            return
        how = how_to_resume(self.folder)
        if not self.checkpoint.path.is_file():
            self._say(
                f"Interrupted before the first checkpoint of '{self.shown_folder}'. "
                f"Start it again with: {how}"
            )
            return
        self._say(
            f"Interrupted; the training up to {self._last_checkpoint()}, is kept in "
            f"'{self.shown_folder}'. Resume with: {how}"
        )

    def _check_finite(self) -> None:
        if not self.log.rows:
            return
        last = self.log.rows[-1]
        watched = {key: value for key, value in last.items() if key[:4] == "val_"}
        lost = [key for key, value in watched.items() if math.isnan(value)]
        if lost and math.isfinite(last.get("loss", 0.0)):
            warnings.warn(
                f"{', '.join(lost)} became NaN in epoch {int(last['epoch'])}: look for "
                "NaN in the validation data, and at the model's outputs for them.",
                stacklevel=2,
            )
        if not math.isfinite(last.get("loss", 0.0)):
            rate = last.get("learning_rate")
            shown = "" if rate is None else f" (it was {rate:.3g})"
            raise DivergedError(
                f"The loss became {last['loss']} in epoch {int(last['epoch'])}. Lower "
                f"the learning rate{shown}, clip the gradients (clipnorm), or scale "
                f"the data. The log is kept in '{self.shown_folder}'."
            )

    def summary(self) -> dict[str, Any]:
        """Return how long it trained and which epoch's weights it kept."""
        epochs = best = int(self.log.rows[-1]["epoch"]) if self.log.rows else 0
        for each in [*self.ready.callbacks, self.early_stopping]:
            if _kept_the_best(each):
                best = int(each.best_epoch) + 1
        trained: float = epochs
        if self.budget and self.ready.steps_per_epoch:
            trained = round(self._steps_trained() / self.ready.steps_per_epoch, 2)
        return {
            "epochs": trained,
            "kept_epoch": best,
            "stopped_early": self._stopped_early(epochs),
            "jit": self.jit.now,
        }

    def _steps_trained(self) -> int:
        # int() can't read the variable of several devices.
        return int(keras.ops.convert_to_numpy(self.ready.model.optimizer.iterations))

    def _stopped_early(self, epochs: int) -> bool:
        if self.budget:
            # Not by the share: the last step may end a little before the time does.
            return bool(self.early_stopping and self.early_stopping.stopped_epoch)
        return epochs < self.ready.settings.epochs


def _kept_the_best(callback: Any) -> bool:
    """Say whether an early stopping, ours or Keras's, brought the best weights back."""
    if isinstance(callback, own_callbacks.EarlyStopping):
        return True
    keras_own = isinstance(callback, keras.callbacks.EarlyStopping)
    return keras_own and callback.restore_best_weights and callback.best_epoch >= 0
