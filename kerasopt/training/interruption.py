"""Ctrl-C that stops a training between two of its steps."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import keras

__all__ = ["Interruption"]


class Interruption(keras.callbacks.Callback):
    """Raise `KeyboardInterrupt` between two steps, not in the midst of one.

    Python raises it at whatever bytecode runs when Ctrl-C comes. Inside TensorFlow
    that can leave a device scope half closed ("Exiting device scope without proper
    scope nesting": 1 of about 60 interruptions) or end in a segmentation fault (seen
    once). So the first Ctrl-C waits for the step; a second one is Python's own again.

    It stands last among the callbacks, so that the others have ended the step, and
    works where Ctrl-C is Python's: in the main thread, with no handler of the user's.
    """

    every_batch = False
    memory = ()

    def __init__(self) -> None:
        super().__init__()
        self.asked = False
        self.asked_once = False

    @contextlib.contextmanager
    def awaited(self) -> Iterator[None]:
        """Take Ctrl-C inside this block, and give it back after it."""
        before = signal.getsignal(signal.SIGINT)
        main = threading.current_thread() is threading.main_thread()
        if not main or before is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        self._stop_if_asked()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop here if the user asked for it."""
        self._stop_if_asked()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop here if the user asked for it."""
        self._stop_if_asked()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop here if the user asked for it."""
        self._stop_if_asked()

    def _ask(self, number: int, frame: Any) -> None:
        if self.asked:
            self.asked_once = False
            signal.default_int_handler(number, frame)
        self.asked = self.asked_once = True

    def _stop_if_asked(self) -> None:
        if self.asked:
            raise KeyboardInterrupt
