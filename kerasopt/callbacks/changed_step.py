"""Callbacks that train a model by another step, until their training is over.

Keras calls no callback when a training breaks off, by Ctrl-C for instance. So the
other step is taken away when the next training begins, if not earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

__all__ = ["Step", "change_step", "is_changed", "restore_step"]

Step = Callable[[Any], Any]
"""From a batch to the logs, as Keras's ``train_step``."""


def change_step(model: keras.Model, make: Callable[[Step], Step]) -> None:
    """Train a model by another step from now on.

    Several changes are made one upon the other. `restore_step` undoes all of them; it
    is also called when Keras begins the next training of the model.

    Args:
        model: A compiled model.
        make: Called with the step so far; returns the one to take, which leaves the
            model as it found it but for the training.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> change_step(model, lambda step: lambda batch: step(batch))
        >>> is_changed(model)
        True
        >>> restore_step(model)
        >>> is_changed(model)
        False
    """
    if not is_changed(model):
        model.make_train_function = _Begin(model)
    model.train_step = make(model.train_step)
    model.make_train_function(force=True)


def is_changed(model: keras.Model) -> bool:
    """Say whether a model trains by a step of `change_step`."""
    return isinstance(vars(model).get("make_train_function"), _Begin)


def restore_step(model: keras.Model) -> None:
    """Give a model the step back that it had before `change_step`, if there was one."""
    if not is_changed(model):
        return
    begin = vars(model)["make_train_function"]
    del model.make_train_function, model.train_step
    if begin.own_step is not None:
        model.train_step = begin.own_step
    model.make_train_function(force=True)


class _Begin:
    """Keras's ``make_train_function``, which it calls when a training begins.

    ``force=True`` is for a change in the midst of one.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.own_step = vars(model).get("train_step")

    def __call__(self, force: bool = False) -> Any:
        if not force:
            restore_step(self.model)
        return type(self.model).make_train_function(self.model, force=force)
