"""What a kerasopt run adds to every training: log, early stop, checkpoint, bar."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import rich.console
import rich.progress

from kerasopt import files
from kerasopt.callbacks.share import ShareCallback

__all__ = [
    "Checkpoint",
    "EpochLog",
    "Progress",
    "ResumableEarlyStopping",
    "TerminateOnNaN",
    "copy_unended",
]


class EpochLog(keras.callbacks.Callback):
    """Writes one row an epoch to a CSV file, learning rate and seconds included.

    The learning rate is that at the end of the epoch: a schedule's for the step that
    comes next, and what a callback such as ReduceLROnPlateau hasn't changed yet.

    Args:
        path: The CSV file; replaced atomically after every epoch.
        rows: Rows of earlier epochs, when a training resumes.
    """

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
        row = {"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}}
        row["learning_rate"] = float(_array(self.model.optimizer.learning_rate))
        row["seconds"] = round(time.perf_counter() - self._started, 4)
        self.rows.append(row)
        with _training_goes_on(), files.atomic(self.path) as temporary:
            pd.DataFrame(self.rows).to_csv(temporary, index=False)


class ResumableEarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's EarlyStopping whose memory survives a restart.

    Keras forgets the best value and weights when `fit` begins again
    (keras-team/keras#9462).

    Args:
        monitor: Name of the watched value, such as ``"val_loss"``.
        patience: Epochs without improvement until training stops.
    """

    _MEMORY = ("wait", "best", "best_epoch")

    def __init__(self, *, monitor: str, patience: int) -> None:
        super().__init__(monitor=monitor, patience=patience, restore_best_weights=True)
        self._restored: dict[str, Any] | None = None

    def remember(self, state: Mapping[str, Any], best_weights: Any) -> None:
        """Take up the state of an interrupted training."""
        self._restored = {**state, "best_weights": best_weights}

    def memory(self) -> dict[str, Any]:
        """Return what `remember` takes, without the weights."""
        return {name: _plain(getattr(self, name)) for name in self._MEMORY}

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Reset as Keras does, then restore."""
        super().on_train_begin(logs)
        for name, value in (self._restored or {}).items():
            setattr(self, name, value)


class Checkpoint(keras.callbacks.Callback):
    """Saves all that a resumed training needs, in one file replaced atomically.

    The file holds every variable of the model (BatchNorm statistics and random
    seeds included) and of the optimizer, the best weights so far, and the log.

    Args:
        path: An ``.npz`` file.
        log: Its rows are saved along.
        early_stopping: Its memory is saved along.
        others: Callbacks whose ``variables`` are saved along.
        least_seconds: Least time between two checkpoints.

    Attributes:
        ended: Whether a callback had ended the training that was restored.
    """

    def __init__(
        self,
        path: Path,
        *,
        log: EpochLog,
        early_stopping: ResumableEarlyStopping | None,
        others: Sequence[ShareCallback] = (),
        least_seconds: float,
    ) -> None:
        super().__init__()
        self.path = path
        self.log = log
        self.early_stopping = early_stopping
        self.others = others
        self.least_seconds = least_seconds
        self.ended = False
        self._saved_at = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Save, if the last time is long enough ago."""
        if time.perf_counter() - self._saved_at >= self.least_seconds:
            self._save(epochs=epoch + 1)
            self._saved_at = time.perf_counter()

    def restore(self, model: keras.Model) -> int:
        """Load the file into a compiled model; return the epochs already done."""
        with np.load(self.path, allow_pickle=False) as saved:
            state = json.loads(str(saved["state"]))
            _assign(model.variables, saved, "model")
            _assign(model.optimizer.variables, saved, "optimizer")
            _assign(self._other_variables(), saved, "callbacks")
            best = [saved[f"best/{i}"] for i in range(state["best_count"])]
        self.log.rows = state["rows"]
        self.ended = state["ended"]
        if self.early_stopping is not None and state["early_stopping"]:
            self.early_stopping.remember(state["early_stopping"], best or None)
        return int(state["epochs"])

    def _other_variables(self) -> list[Any]:
        return [variable for each in self.others for variable in each.variables]

    def _save(self, epochs: int) -> None:
        best: list[np.ndarray] = []
        memory = None
        if self.early_stopping is not None:
            best = self.early_stopping.best_weights or []
            memory = self.early_stopping.memory()
        state = {
            "epochs": epochs,
            # This callback comes last, so the others have said so if it is over.
            "ended": bool(self.model.stop_training),
            "rows": self.log.rows,
            "early_stopping": memory,
            "best_count": len(best),
        }
        arrays = {
            "state": np.array(json.dumps(state)),
            **_numbered(self.model.variables, "model"),
            **_numbered(self.model.optimizer.variables, "optimizer"),
            **_numbered(self._other_variables(), "callbacks"),
            **_numbered(best, "best"),
        }
        with _training_goes_on(), files.atomic(self.path) as temporary:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]


class TerminateOnNaN(keras.callbacks.Callback):
    """Ends a training whose loss isn't finite; Keras's own also prints on stdout."""

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Look at the loss."""
        if not np.isfinite(float((logs or {}).get("loss", 0.0))):
            self.model.stop_training = True


def copy_unended(source: Path, target: Path) -> None:
    """Copy a checkpoint as that of a training which goes on where that one ended.

    Args:
        source: What a `Checkpoint` wrote.
        target: Where the copy shall be.
    """
    with np.load(source, allow_pickle=False) as saved:
        arrays = dict(saved)
    state = {**json.loads(str(arrays["state"])), "ended": False}
    arrays["state"] = np.array(json.dumps(state))
    with files.atomic(target) as temporary:
        np.savez(temporary, **arrays)


class Progress(keras.callbacks.Callback):
    """One bar for the whole training, with a line of results an epoch.

    Args:
        epochs: Length of the training, or None if the clock decides.
        steps_per_epoch: Batches in an epoch.
        clock: Returns the share of a time budget that has passed.
        console: Where to draw; standard error by default, so that standard
            output stays clean for results.
    """

    def __init__(
        self,
        *,
        epochs: int | None,
        steps_per_epoch: int,
        clock: Callable[[], float] | None = None,
        console: rich.console.Console | None = None,
    ) -> None:
        super().__init__()
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.clock = clock
        self.console = console or rich.console.Console(stderr=True)
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.TaskProgressColumn(),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TextColumn("left"),
            rich.progress.TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Draw the empty bar."""
        total = self.epochs * self.steps_per_epoch if self.epochs else 1.0
        self._task = self._bar.add_task("training", total=total)
        self._bar.start()

    def on_epoch_begin(
        self, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Move the bar to the epoch's first batch."""
        self._started = time.perf_counter()
        self._first = epoch * self.steps_per_epoch
        self._name = f"epoch {epoch + 1}"
        if self.epochs:
            self._name = f"epoch {epoch + 1:>{len(str(self.epochs))}}/{self.epochs}"
        self._advance(0)

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Advance the bar."""
        self._advance(batch + 1)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Print the epoch's results above the bar."""
        results = "  ".join(f"{k} {float(v):.4f}" for k, v in (logs or {}).items())
        seconds = time.perf_counter() - self._started
        self._bar.console.print(
            f"{self._name}  {results}  {seconds:.1f} s",
            highlight=False,
            soft_wrap=True,
        )

    def _advance(self, batches: int) -> None:
        done = self.clock() if self.clock else self._first + batches
        self._bar.update(self._task, description=self._name, completed=done)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Give the terminal back, also after an interruption."""
        self._bar.stop()


@contextlib.contextmanager
def _training_goes_on() -> Iterator[None]:
    """Report a file that can't be written; hours of training are worth more."""
    try:
        yield
    except OSError as error:
        console = rich.console.Console(stderr=True)
        console.print(f"The training goes on, but: {error}", highlight=False)


def _numbered(values: Any, group: str) -> dict[str, np.ndarray]:
    return {f"{group}/{i}": _array(value) for i, value in enumerate(values)}


def _array(value: Any) -> np.ndarray:
    # Unlike float() and np.asarray() this also reads a mirrored variable.
    return keras.ops.convert_to_numpy(value)


def _assign(variables: Any, saved: Any, group: str) -> None:
    count = sum(key.startswith(f"{group}/") for key in saved.files)
    if count != len(variables):
        raise ValueError(
            f"The checkpoint holds {count} {group} variables, but this {group} has "
            f"{len(variables)}: it belongs to another recipe or version."
        )
    for i, variable in enumerate(variables):
        variable.assign(saved[f"{group}/{i}"])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
