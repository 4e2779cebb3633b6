"""What a kerasopt run adds to every training: log, early stop, checkpoint, bar."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from kerasopt import checks, files
from kerasopt.console import Bar, Console, say

__all__ = [
    "Curves",
    "EarlyStopping",
    "EpochLog",
    "Progress",
    "TerminateOnNaN",
    "training_continues",
]


class EpochLog(keras.callbacks.Callback):
    """Writes one row an epoch to a CSV file, learning rate and seconds included.

    As Keras's `History` it comes after the user's callbacks, and keeps the numbers that
    they added to the logs. The learning rate is that at the end of the epoch: a
    schedule's for the step that comes next, and what ReduceLROnPlateau hasn't changed.

    Args:
        path: The CSV file; replaced atomically after every epoch.
        rows: Rows of earlier epochs, when a training resumes.
    """

    memory = ("rows",)

    def __init__(self, path: Path, rows: list[dict[str, float]] | None = None) -> None:
        super().__init__()
        self.path = path
        self.rows = list(rows or [])

    def on_epoch_begin(
        self, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Append the epoch's row."""
        numbers = _numbers(logs or {})
        numbers.pop("epoch", None)  # A callback of the user's may log one of its own.
        row = {"epoch": epoch + 1, **numbers}
        has_rate = getattr(self.model.optimizer, "learning_rate", None) is not None
        if has_rate and "learning_rate" not in row:  # Keras's callbacks log it.
            rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
            row["learning_rate"] = float(rate)
        row["seconds"] = round(time.perf_counter() - self._started, 4)
        # A callback may have failed at the end of this epoch, and been mended.
        self.rows = [each for each in self.rows if each["epoch"] <= epoch] + [row]
        with training_continues(), files.atomic(self.path) as temporary:
            pd.DataFrame(self.rows).to_csv(temporary, index=False)


class Curves(keras.callbacks.TensorBoard):
    """Keras's TensorBoard, of the numbers in the logs: a callback may add others."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the epoch's numbers."""
        super().on_epoch_end(epoch, _numbers(logs or {}))

    def on_test_end(self, logs: Any = None) -> None:
        """Write the numbers of the validation."""
        super().on_test_end(_numbers(logs or {}))


def _numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """Return what fits into a column; a callback may have added anything."""
    numbers = {}
    for name, value in logs.items():
        with contextlib.suppress(TypeError, ValueError):
            numbers[str(name)] = float(value)
    return numbers


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's EarlyStopping that brings the best weights back.

    Args:
        monitor: Name of the watched value, such as ``"val_loss"``.
        patience: Epochs without improvement until training stops.
        mode: ``"min"``, ``"max"`` or ``"auto"``, by the name.

    Attributes:
        weights: Returns the weights that were measured: the model's, unless averages
            of them are validated.
    """

    memory = ("wait", "best", "best_epoch", "best_weights", "stopped_epoch")

    def __init__(self, *, monitor: str, patience: int, mode: str = "auto") -> None:
        super().__init__(
            monitor=checks.text("monitor", monitor),
            patience=checks.integer("patience", patience, least=0),
            mode=checks.choice("mode", mode, ("auto", "min", "max")),
            restore_best_weights=True,
        )
        self.best_weights: list[np.ndarray] | None = None
        self.weights: Callable[[], list[np.ndarray]] | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Judge the epoch; take averages where they were measured."""
        before = self.best_weights
        super().on_epoch_end(epoch, logs)
        if self.weights is not None and self.best_weights is not before:
            self.best_weights = self.weights()


class TerminateOnNaN(keras.callbacks.Callback):
    """Ends a training whose loss isn't finite; Keras's own also prints on stdout."""

    every_batch = False
    memory = ()

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Look at the loss."""
        if not np.isfinite(float((logs or {}).get("loss", 0.0))):
            self.model.stop_training = True


class Progress(keras.callbacks.Callback):
    """One bar for the whole training, with a line of results an epoch.

    Args:
        epochs: Length of the training, or None if the clock decides.
        steps_per_epoch: Batches in an epoch, or None if only its end will tell: the
            bar then counts epochs.
        clock: Returns the share of a time budget that has passed.
        console: Where to draw; standard error by default, so that standard
            output stays clean for results.
    """

    every_batch = False
    memory = ()

    def __init__(
        self,
        *,
        epochs: int | None,
        steps_per_epoch: int | None,
        clock: Callable[[], float] | None = None,
        console: Console | None = None,
    ) -> None:
        super().__init__()
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.clock = clock
        self.console = console or Console()
        self._bar: Bar | None = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Draw the empty bar."""
        total = self.epochs * (self.steps_per_epoch or 1) if self.epochs else 1.0
        self._bar = Bar(self.console, "training", total)
        self._bar.start()

    def on_epoch_begin(
        self, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Move the bar to the epoch's first batch."""
        self._started = time.perf_counter()
        self._first = epoch * (self.steps_per_epoch or 1)
        self._name = f"epoch {epoch + 1}"
        if self.epochs:
            self._name = f"epoch {epoch + 1:>{len(str(self.epochs))}}/{self.epochs}"
        self._advance(0)

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Advance the bar."""
        self._advance(batch + 1 if self.steps_per_epoch else 0)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Print the epoch's results above the bar."""
        numbers = _numbers(logs or {})
        results = "  ".join(f"{name} {value:.4f}" for name, value in numbers.items())
        seconds = time.perf_counter() - self._started
        say(self.console, f"{self._name}  {results}  {seconds:.1f} s")

    def _advance(self, batches: int) -> None:
        done = self.clock() if self.clock else self._first + batches
        if self._bar is not None:
            self._bar.update(description=self._name, completed=done)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Give the terminal back, also after an interruption."""
        if self._bar is not None:
            self._bar.stop()


@contextlib.contextmanager
def training_continues() -> Iterator[None]:
    """Report a file that can't be written, and let the training continue."""
    try:
        yield
    except OSError as error:
        say(Console(), f"The training continues, but: {error}")
