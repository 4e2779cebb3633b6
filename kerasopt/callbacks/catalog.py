"""Callbacks by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import names
from kerasopt.callbacks.freeze import Freeze
from kerasopt.callbacks.lookahead import Lookahead

__all__ = ["get", "register"]

_TABLE = names.Names("callback")
register = _TABLE.register

register("lookahead")(Lookahead)
register("freeze")(Freeze)


def get(
    spec: str | Mapping[str, Any] | keras.callbacks.Callback, **arguments: Any
) -> keras.callbacks.Callback:
    """Return a Keras callback.

    Args:
        spec: ``"lookahead"``, ``"freeze"``, a dict with ``name`` and arguments, or
            a callback, which comes back as it is.
        **arguments: Arguments of that callback.

    Raises:
        ValueError: if the name or an argument is unknown.

    Example:
        >>> get({"name": "lookahead", "every": 10}).every
        10
    """
    if isinstance(spec, keras.callbacks.Callback):
        _TABLE.refuse_arguments(spec, arguments)
        return spec
    return _TABLE.build(spec, arguments)
