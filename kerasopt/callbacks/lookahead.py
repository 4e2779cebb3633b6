"""Lookahead: slow weights that follow the trained ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import checks
from kerasopt.callbacks.progress_callback import ShareCallback

__all__ = ["Lookahead"]


class Lookahead(ShareCallback):
    """Every few steps, draws the weights back towards a slow copy of them.

    Every ``every`` steps, at share s of the training::

        slow = d * slow + (1 - d) * weights,   weights = slow,   d = decay * s ** ramp

    and at the end the model keeps the slow weights. All floating-point state of
    the model takes part, BatchNorm statistics included: they belong to the
    weights that they were measured with.

    Args:
        every: Steps between two updates.
        decay: Share of the slow weights that an update keeps, in [0, 1).
        ramp: Power with which the decay grows from 0 over the training; 0 makes it
            constant, as in the paper (whose α is ``1 - decay``).

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((40, 2)), np.ones((40, 1))
        >>> history = model.fit(x, y, verbose=0, callbacks=[Lookahead()])

    References:
        Zhang et al. (2019), https://arxiv.org/abs/1907.08610; the growing decay is
        from Jordan (2024), https://arxiv.org/abs/2404.00498.
    """

    def __init__(
        self, *, every: int = 5, decay: float = 0.95**5, ramp: float = 3.0
    ) -> None:
        super().__init__()
        self.every = checks.integer("every", every)
        self.decay = checks.fraction("decay", decay)
        self.ramp = checks.non_negative("ramp", ramp)
        self._fast: list[Any] = []
        self._slow: list[Any] = []
        self._steps: Any = None

    @property
    def variables(self) -> list[Any]:
        """The slow weights and the step count."""
        return [*self._slow, self._steps] if self._slow else []

    def build(self, model: keras.Model) -> None:
        """Copy the weights of a built model."""
        self._fast = [
            v for v in model.variables if keras.backend.is_float_dtype(v.dtype)
        ]
        self._slow = [
            keras.Variable(keras.ops.convert_to_numpy(v), trainable=False)
            for v in self._fast
        ]
        self._steps = keras.Variable(0, dtype="int64", trainable=False)

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Start from the model's weights; `kerasopt.fit` then restores a checkpoint."""
        self.build(self.model)

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Update every few steps."""
        # int() can't read the variable of several devices.
        before = int(keras.ops.convert_to_numpy(self._steps))
        # Keras calls this once for all the steps of a ``steps_per_execution``.
        after = before + batch + 1 - self._batch
        super().on_train_batch_end(batch, logs)
        self._steps.assign(after)
        if after // self.every > before // self.every:
            self._update(self.decay * self.share() ** self.ramp)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Leave the slow weights in the model; a later fit starts anew."""
        for slow, fast in zip(self._slow, self._fast, strict=True):
            fast.assign(slow)

    def _update(self, decay: float) -> None:
        for slow, fast in zip(self._slow, self._fast, strict=True):
            slow.assign(decay * slow + (1 - decay) * keras.ops.convert_to_tensor(fast))
            fast.assign(slow)
