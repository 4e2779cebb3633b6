"""Callbacks about the learning rate: seeing it, and lowering it by the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import checks, names, schedules

__all__ = ["LearningRateMonitor", "ReduceLROnPlateau", "check_no_schedule"]


class LearningRateMonitor(keras.callbacks.Callback):
    """Puts ``learning_rate`` into Keras's history, after each epoch.

    Keras logs the rates that its own callbacks set, but no schedule's. In
    `kerasopt.fit` the history has the learning rate without this.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> import numpy as np
        >>> decay = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
        >>> model.compile(keras.optimizers.SGD(decay), "mse")
        >>> x, y = np.ones((4, 2)), np.ones((4, 1))
        >>> monitor = LearningRateMonitor()
        >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[monitor])
        >>> [round(rate, 3) for rate in history.history["learning_rate"]]
        [0.05, 0.025]
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add the rate that the next step would have."""
        if logs is not None:
            rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
            logs["learning_rate"] = float(rate)


class ReduceLROnPlateau(keras.callbacks.ReduceLROnPlateau):
    """Keras's ReduceLROnPlateau, which refuses a schedule early and survives resuming.

    After ``patience`` epochs in which the watched value didn't improve by more than
    ``min_delta`` the learning rate is multiplied by ``factor``. The loss drives it;
    `kerasopt.schedules.cyclical` and all other schedules go by the step.

    Args:
        monitor: What is watched; ``"val_loss"`` by default.
        factor: What the rate is multiplied by, in (0, 1); 0.1 by default.
        patience: Epochs without improvement; 10 by default.
        min_delta: Least improvement that counts; 1e-4 by default.
        cooldown: Epochs after a fall in which nothing is counted; 0 by default.
        min_lr: Lowest rate; 0 by default.
        mode: ``"auto"``, ``"min"`` or ``"max"``, as in Keras.
        verbose: 1 says when the rate falls; 0 by default.

    Raises:
        ValueError: if an argument is out of its range, or (when training begins) the
            optimizer has a schedule, whose rate can't be set.

    Example:
        >>> ReduceLROnPlateau(patience=2).factor
        0.1
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        mode: str = "auto",
        verbose: int = 0,
    ) -> None:
        if checks.plain(mode) not in ["auto", "min", "max"]:
            raise names.unknown("mode", mode, ("auto", "min", "max"))
        super().__init__(
            monitor=monitor,
            factor=checks.proper_fraction("factor", factor),
            patience=checks.integer("patience", patience, least=0),
            min_delta=checks.non_negative("min_delta", min_delta),
            cooldown=checks.integer("cooldown", cooldown, least=0),
            min_lr=checks.non_negative("min_lr", min_lr),
            mode=mode,
            verbose=verbose,
        )

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Refuse a schedule."""
        check_no_schedule(self.model.optimizer, self)
        inner = getattr(self.model.optimizer, "inner_optimizer", None)
        if isinstance(inner, keras.optimizers.MultiOptimizer):
            raise ValueError(
                "ReduceLROnPlateau would lower one group's rate only: Keras's loss "
                "scaling hides the others. Take mixed_bfloat16 or float32."
            )
        super().on_train_begin(logs)


def check_no_schedule(
    optimizer: keras.optimizers.Optimizer, callback: keras.callbacks.Callback
) -> None:
    """Refuse a callback that sets the learning rate where a schedule does.

    Args:
        optimizer: The optimizer.
        callback: The callback; only Keras's ReduceLROnPlateau and
            LearningRateScheduler and what derives from them are looked at.

    Raises:
        ValueError: if both would decide on the rate.
    """
    setters = (
        keras.callbacks.ReduceLROnPlateau,
        keras.callbacks.LearningRateScheduler,
    )
    if not isinstance(callback, setters):
        return
    for each, schedule in schedules.scheduled(optimizer):
        raise ValueError(
            f"{type(callback).__name__} sets the learning rate, but the optimizer "
            f"'{each.name}' has the schedule {type(schedule).__name__}, whose rate "
            "can't be set. Give the optimizer a number as learning_rate, or leave the "
            "callback out."
        )
