"""The table of model factories."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import tasks
from kerasopt.models import heads
from kerasopt.names import Names

__all__ = ["defaults", "get", "names", "register"]

_TABLE = Names("model")
register, factories = _TABLE.register, _TABLE


def get(
    spec: str | Mapping[str, Any],
    *,
    task: str | tasks.Task = "multiclass",
    **arguments: Any,
) -> keras.Model:
    """Build a new, uncompiled model.

    Args:
        spec: The name of a factory, or a dict with ``name`` and arguments.
        task: What the output is for (`kerasopt.tasks.names`). ``"multiclass"`` and
            ``"binary"`` keep the factory's output, a probability of each class;
            ``"multilabel"`` makes it one of each label (sigmoid), ``"regression"`` one
            number a target (linear). ``num_classes`` is their number.
        **arguments: Arguments of the factory; they win over the dict's.

    Returns:
        A new `keras.Model`. Its outputs are float32 at any precision.

    Raises:
        ValueError: if the name or an argument is unknown or out of range, or the
            factory's model has no output layer that can be replaced.

    Example:
        >>> model = get("mlp", input_shape=(784,), num_classes=10, units=(64, 64))
        >>> model.count_params()
        55050
        >>> model = get("mlp", input_shape=(4,), num_classes=1, task="regression")
        >>> model.output_shape, model.layers[-1].activation.__name__
        ((None, 1), 'linear')
    """
    if tasks.get(task).has_classes:
        return _TABLE.build(spec, arguments)
    given = spec.get("num_classes") if isinstance(spec, Mapping) else None
    outputs = heads.outputs(arguments.get("num_classes", given))
    # Factories build classifiers, of two classes or more; their head is replaced.
    classifier = _TABLE.build(spec, {**arguments, "num_classes": max(2, outputs)})
    return heads.replace(classifier, task, outputs)


def names() -> list[str]:
    """Return the registered names.

    Example:
        >>> "mlp" in names()
        True
    """
    return list(_TABLE)


def defaults(name: str) -> dict[str, Any]:
    """Return the arguments of a factory that have a default, with it.

    Args:
        name: The factory's.

    Raises:
        ValueError: if there is no such factory.

    Example:
        >>> defaults("mlp")["dropout"]
        0.0
    """
    parameters = inspect.signature(_TABLE.factory(name)).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}
