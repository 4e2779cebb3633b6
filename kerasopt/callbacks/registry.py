"""Callbacks by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from kerasopt.callbacks.freeze import Freeze
from kerasopt.callbacks.gradient_norms import GradientNorms
from kerasopt.callbacks.gradual_unfreezing import GradualUnfreezing
from kerasopt.callbacks.lookahead import Lookahead
from kerasopt.callbacks.rates import LearningRateMonitor, ReduceLROnPlateau
from kerasopt.callbacks.sharpness import SharpnessAware
from kerasopt.names import Names, way_to_call

__all__ = ["get", "listed", "names", "register"]

_TABLE = Names("callback")
register = _TABLE.register

register("lookahead")(Lookahead)
register("freeze")(Freeze)
register("gradient_norms")(GradientNorms)
register("gradual_unfreezing")(GradualUnfreezing)
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
        ValueError: if the name or an argument is unknown, or a dict has no name.
        TypeError: if it is something else.

    Example:
        >>> get({"name": "lookahead", "every": 10}).every
        10
    """
    if isinstance(spec, keras.callbacks.Callback):
        _TABLE.refuse_arguments(spec, arguments)
        return spec
    if not isinstance(spec, (str, Mapping)):
        raise TypeError(
            "A callback must be a Keras callback, a name, or a dict with 'name' and "
            f"arguments; given: {spec!r} of type {type(spec).__name__}."
            + way_to_call(spec)
        )
    return _TABLE.build(spec, arguments)


def listed(given: Any) -> list[Any]:
    """Return what `get` takes, one or several, also in nested lists, as one list.

    Args:
        given: A callback, a name or a dict; lists of them; None for none.

    Example:
        >>> listed("lookahead"), listed([["sam"], [{"name": "freeze"}]]), listed(None)
        (['lookahead'], ['sam', {'name': 'freeze'}], [])
    """
    if given is None:
        return []
    if isinstance(given, keras.callbacks.CallbackList):
        return list(given.callbacks)
    if isinstance(given, (str, Mapping, type)) or not isinstance(given, Iterable):
        return [given]
    return [each for some in given for each in listed(some)]


def names() -> list[str]:
    """Return the names of all callbacks, your own included.

    Example:
        >>> "lookahead" in names()
        True
    """
    return list(_TABLE)
