"""Callbacks by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerasopt.callbacks.freeze import Freeze
from kerasopt.callbacks.gradient_norms import GradientNorms
from kerasopt.callbacks.lookahead import Lookahead
from kerasopt.callbacks.rates import LearningRateMonitor, ReduceLROnPlateau
from kerasopt.callbacks.sharpness import SharpnessAware
from kerasopt.names import Names

__all__ = ["get", "names", "register"]

_TABLE = Names("callback")
register = _TABLE.register

register("lookahead")(Lookahead)
register("freeze")(Freeze)
register("gradient_norms")(GradientNorms)
register("learning_rate_monitor")(LearningRateMonitor)
register("reduce_lr_on_plateau", aliases=("plateau",))(ReduceLROnPlateau)
register("sharpness_aware", aliases=("sam",))(SharpnessAware)


def get(
    spec: str | Mapping[str, Any] | keras.callbacks.Callback, **arguments: Any
) -> keras.callbacks.Callback:
    """Return a Keras callback.

    Args:
        spec: A name from `names`, a dict with ``name`` and arguments, or a callback,
            which comes back as it is.
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


def names() -> list[str]:
    """Return the names of all callbacks, your own included.

    Example:
        >>> "lookahead" in names()
        True
    """
    return list(_TABLE)
