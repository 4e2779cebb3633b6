"""Callbacks that go by the share of the training that is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

__all__ = ["ShareCallback"]


class ShareCallback(keras.callbacks.Callback):
    """Base of callbacks that ask how much of the training is done.

    In plain Keras the share is counted in steps; `kerasopt.fit` sets `clock`, so
    that under a time budget it is the share of the time.

    Example:
        >>> callback = ShareCallback()
        >>> callback.clock = lambda: 0.5
        >>> callback.share()
        0.5
    """

    memory: tuple[str, ...] = ("_epoch", "_batch")

    def __init__(self) -> None:
        super().__init__()
        self.clock: Callable[[], float] | None = None
        self._epoch = self._batch = 0

    @property
    def variables(self) -> list[Any]:
        """State that a checkpoint has to keep; none here."""
        return []

    def build(self, model: keras.Model) -> None:
        """Create `variables` for a built model; called before training."""

    def share(self) -> float:
        """Return the share of the training that is done, 0 to 1."""
        if self.clock is not None:
            return self.clock()
        steps, epochs = self.params.get("steps"), self.params["epochs"]
        # The first epoch of a generator has no known length.
        done = self._epoch + (self._batch / steps if steps else 0)
        return min(1.0, done / epochs)

    def on_epoch_begin(
        self, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Count."""
        self._epoch, self._batch = epoch, 0

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Count."""
        self._batch = batch + 1
