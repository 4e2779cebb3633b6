"""Compiled models that are used again: new weights instead of a new compilation.

A schedule is kept as a table of rates, so that another one fits the same compiled step.
"""

from __future__ import annotations

import collections
from collections.abc import Hashable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from kerasopt import schedules
from kerasopt.training.compiled import CompiledSteps

__all__ = ["CompileCache", "Tabulated", "tabulate"]

POINTS = 20
"""Steps at which an array's rates are compared with those of single steps."""


class CompileCache:
    """Compiled models and their steps, the most recently used ones.

    Tracing and compiling the training and test steps takes one to two seconds, which is
    more than a small model takes to train. Models that differ in nothing but numbers
    held in variables (weights, the learning rate or a `Tabulated` schedule, the state
    of the random generators) share those steps: a later model's variables are written
    over the first one's, so it trains bit for bit as if it had been compiled itself.

    Args:
        max_models: How many models are kept; the one used longest ago goes first.

    Example:
        >>> def build(rate):
        ...     keras.utils.set_random_seed(0)
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     return model, keras.optimizers.SGD(rate)
        >>> cache = CompileCache()
        >>> first = cache.steps("dense", *build(0.1), loss="mse")
        >>> second = cache.steps("dense", *build(0.2), loss="mse")
        >>> second is first, round(float(second.model.optimizer.learning_rate), 2)
        (True, 0.2)
    """

    def __init__(self, max_models: int = 16) -> None:
        self.max_models = max_models
        self._known: collections.OrderedDict[Hashable, CompiledSteps] = (
            collections.OrderedDict()
        )

    def __contains__(self, key: Hashable) -> bool:
        """Say whether a model of this key was compiled."""
        return key in self._known

    def steps(
        self,
        key: Hashable,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        **arguments: Any,
    ) -> CompiledSteps:
        """Return the steps of a compiled model that has these weights and optimizer.

        Args:
            key: Everything that is fixed by compiling: the layers and their settings,
                the loss, the optimizer and those of its settings that aren't variables.
            network: The new model, built, not compiled.
            optimizer: Its optimizer, new.
            **arguments: What else `keras.Model.compile` takes.

        Returns:
            The steps of `network` itself, or of an earlier model of this key that now
            has its variables. That one's former state is gone: copy what you need of it
            first.

        Raises:
            ValueError: if the key stands for a model with other variables.
        """
        known = self._known.get(key)
        if known is None:
            network.compile(optimizer=optimizer, **arguments)
            known = self._known[key] = CompiledSteps(network)
            if len(self._known) > self.max_models:
                self._known.popitem(last=False)
            return known
        self._known.move_to_end(key)
        _take_over(known.model, network, optimizer)
        return known


def _take_over(
    known: keras.Model, network: keras.Model, optimizer: keras.optimizers.Optimizer
) -> None:
    """Write a new model's variables, and its optimizer's, over those of a known one."""
    if isinstance(known.optimizer, keras.optimizers.LossScaleOptimizer):
        # As `compile` wraps that of a mixed_float16 model.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    if not known.optimizer.built:  # Its training ended before the first step.
        known.optimizer.build(known.trainable_variables)
    _overwrite(known.variables, network.variables)
    _overwrite(known.optimizer.variables, optimizer.variables)
    tables, rates = _tables(known.optimizer), _tables(optimizer)
    for table, new in zip(tables, rates, strict=True):
        table.rates.assign(new.rates)


def _tables(optimizer: keras.optimizers.Optimizer) -> list[Tabulated]:
    found = [schedule for _, schedule in schedules.scheduled(optimizer)]
    return [schedule for schedule in found if isinstance(schedule, Tabulated)]


def _overwrite(variables: list[Any], values: list[Any]) -> None:
    if [each.shape for each in variables] != [each.shape for each in values]:
        raise ValueError(
            "A key stands for one structure, but this model's variables have other "
            "shapes than those that were compiled under its key."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


@keras.saving.register_keras_serializable(package="kerasopt")
class Tabulated(LearningRateSchedule):
    """The learning rate of each step, looked up in a variable.

    A schedule's numbers are compiled into the training step; a table's are data. Past
    its end the last rate stays.

    Args:
        rates: One rate a step, shape (steps,).

    Example:
        >>> [round(float(Tabulated([0.2, 0.1])(step)), 3) for step in (0, 1, 5)]
        [0.2, 0.1, 0.1]
    """

    def __init__(self, rates: Any) -> None:
        super().__init__()
        rates = np.asarray(rates, "float32")
        # Of no fixed length: the next training may have another one.
        self.rates = tf.Variable(rates, shape=[None], trainable=False)

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step."""
        last = tf.shape(self.rates)[0] - 1
        return tf.gather(self.rates, tf.minimum(tf.cast(step, tf.int32), last))

    def get_config(self) -> dict[str, Any]:
        """Return the table."""
        return {"rates": self.rates.numpy().tolist()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Tabulated:
        """Return the schedule again."""
        return cls(**config)


def tabulate(optimizer: keras.optimizers.Optimizer, *, steps: int) -> None:
    """Replace an optimizer's schedules by tables of their rates.

    Args:
        optimizer: Not yet built; its groups count, too.
        steps: Length of the training.

    Example:
        >>> cosine = keras.optimizers.schedules.CosineDecay(0.1, 100)
        >>> optimizer = keras.optimizers.SGD(cosine)
        >>> tabulate(optimizer, steps=100)
        >>> type(schedules.scheduled(optimizer)[0][1]).__name__
        'Tabulated'
    """
    for each, schedule in schedules.scheduled(optimizer):
        # Keras has no setter for a schedule once there is one. One rate more: the log
        # of the last epoch has that of the step that would come next.
        each._learning_rate = Tabulated(_rates(schedule, steps + 1))


def _rates(schedule: LearningRateSchedule, steps: int) -> np.ndarray:
    """Return the rates of all steps, by one call where the schedule takes an array."""
    some = np.linspace(0, steps - 1, POINTS).astype(int)
    try:
        rates = keras.ops.convert_to_numpy(schedule(keras.ops.arange(steps)))
        if np.allclose(rates[some], schedules.rates(schedule, some), rtol=1e-6):
            return rates
    except Exception:  # It branches on a single number, each in its own way.
        pass
    # A loop in the graph: 20 µs a step, against half a millisecond one by one.
    each = tf.function(lambda: tf.map_fn(schedule, tf.range(steps), tf.float32))
    return each().numpy()
