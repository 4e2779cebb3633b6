"""Compiled models that are used again: new weights instead of a new compilation."""

from __future__ import annotations

import collections
from collections.abc import Hashable
from typing import Any

import keras

from kerasopt import schedules
from kerasopt.training.tabulated import Tabulated

__all__ = ["CompiledModels"]


class CompiledModels:
    """Compiled models by what was compiled, the most recently used ones.

    Tracing and compiling the training, evaluation and prediction steps takes one to
    two seconds, which is more than a small model takes to train. Models that differ in
    nothing but numbers held in variables (weights, the learning rate or a `Tabulated`
    schedule, the state of the random generators) share those steps: a later model's
    variables are written over the first one's, so it trains bit for bit as if it had
    been compiled itself.

    Args:
        most: How many models are kept; the one used longest ago goes first.

    Example:
        >>> def build(rate):
        ...     keras.utils.set_random_seed(0)
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     return model, keras.optimizers.SGD(rate)
        >>> models = CompiledModels()
        >>> first = models.compiled("dense", *build(0.1), loss="mse")
        >>> second = models.compiled("dense", *build(0.2), loss="mse")
        >>> second is first, round(float(second.optimizer.learning_rate), 2)
        (True, 0.2)
    """

    def __init__(self, most: int = 16) -> None:
        self.most = most
        self._known: collections.OrderedDict[Hashable, keras.Model] = (
            collections.OrderedDict()
        )

    def compiled(
        self,
        key: Hashable | None,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        **arguments: Any,
    ) -> keras.Model:
        """Return a compiled model with the weights and the optimizer that are given.

        Args:
            key: Everything that is fixed by compiling: the layers and their settings,
                the loss, the optimizer and those of its settings that aren't
                variables, steps a call. None compiles anew and keeps nothing.
            network: The new model, built, not compiled.
            optimizer: Its optimizer, new.
            **arguments: What else `keras.Model.compile` takes.

        Returns:
            `network` itself, or an earlier model of this key that now has its
            variables. That one's former state is gone: copy what you need of it first.

        Raises:
            ValueError: if the key stands for a model with other variables.
        """
        known = None if key is None else self._known.get(key)
        if known is None:
            network.compile(optimizer=optimizer, **arguments)
            if key is not None:
                self._keep(key, network)
            return network
        self._known.move_to_end(key)
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
        return known

    def _keep(self, key: Hashable, network: keras.Model) -> None:
        self._known[key] = network
        if len(self._known) > self.most:
            self._known.popitem(last=False)


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
