"""The table of model factories."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from kerasopt.names import Names

__all__ = ["defaults", "get", "names", "register"]

_TABLE = Names("model")
register = _TABLE.register


def get(spec: str | Mapping[str, Any], **arguments: Any) -> keras.Model:
    """Build a new, uncompiled model.

    Args:
        spec: The name of a factory, or a dict with ``name`` and arguments.
        **arguments: Arguments of the factory; they win over the dict's.

    Returns:
        A new `keras.Model`.

    Raises:
        ValueError: if the name or an argument is unknown or out of range.

    Example:
        >>> model = get("mlp", input_shape=(784,), num_classes=10, units=(64, 64))
        >>> model.count_params()
        55050
    """
    return _TABLE.build(spec, arguments)


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
