"""Keras objects as the settings of a run: what tells it from others, and no more."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras.src.utils import naming

__all__ = ["callback_settings", "model_settings", "optimizer_settings", "readable"]


def model_settings(model: keras.Model) -> dict[str, Any]:
    """Return what tells a model from others.

    The name comes without the number that Keras gives namesakes: it counts the models
    of a process, and no two seeds of one model would be repeats of one recipe.

    Args:
        model: A built model.

    Returns:
        name, parameters (their number) and layers, a digest of their kinds, arguments
        and weights' shapes.

    Example:
        >>> def build(*, units=2, name=None):
        ...     return keras.Sequential(
        ...         [keras.Input((3,)), keras.layers.Dense(units)], name=name
        ...     )
        >>> model_settings(build()) == model_settings(build())
        True
        >>> model_settings(build(units=3, name="net_2")) | {"layers": "…"}
        {'name': 'net_2', 'parameters': 12, 'layers': '…'}
    """
    layers = [_kind(each) for each in model._flatten_layers(include_self=False)]
    text = json.dumps(layers, sort_keys=True, default=lambda it: type(it).__qualname__)
    return {
        "name": _unnumbered(model.name, type(model).__name__),
        "parameters": int(model.count_params()),
        "layers": hashlib.sha256(text.encode()).hexdigest()[:8],
    }


def optimizer_settings(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """Return `keras.optimizers.serialize` of an optimizer, as `readable` gives it.

    Example:
        >>> config = optimizer_settings(keras.optimizers.Adam(0.003))["config"]
        >>> config["name"], config["learning_rate"]
        ('adam', 0.003)
    """
    return readable(keras.optimizers.serialize(optimizer))


def callback_settings(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Return the class of a callback and its arguments, as far as it keeps them.

    Callbacks have no ``get_config``. Keras's keep an argument under its own name, as
    most people's do; what else an object knows may change in training.

    Example:
        >>> callback_settings(keras.callbacks.EarlyStopping(patience=3))["config"]
        {'monitor': 'val_loss', 'min_delta': 0, 'patience': 3, ...}
    """
    kind = type(callback)
    arguments = inspect.signature(kind.__init__).parameters
    known = {name: vars(callback).get(name) for name in arguments}
    config = {name: value for name, value in known.items() if value is not None}
    return {"class_name": kind.__name__, "config": config}


def readable(value: Any) -> Any:
    """Return settings without automatic numbers, and with rates as they were given.

    A rate of 0.001 becomes 0.0010000000474974513 in float32: that is undone.
    """
    if isinstance(value, Mapping):
        found = {key: readable(item) for key, item in value.items()}
        config, kind = found.get("config"), found.get("class_name")
        if isinstance(config, dict) and isinstance(config.get("name"), str):
            config["name"] = _unnumbered(config["name"], str(kind))
        return found
    if isinstance(value, list | tuple):
        return [readable(item) for item in value]
    if isinstance(value, float) and float(np.float32(value)) == value:
        return float(str(np.float32(value)))
    return value


def _kind(layer: keras.Layer) -> list[Any]:
    """Return class, arguments and weights' shapes of a layer."""
    try:
        # A model's layers come one by one.
        config = {} if isinstance(layer, keras.Model) else layer.get_config()
    except Exception:  # A layer of the user's, which needn't have one.
        config = {}
    shapes = [list(weight.shape) for weight in layer.weights]
    return [type(layer).__name__, _without_names(config), shapes]


def _without_names(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = [key for key in value if key not in ("name", "seed")]
        return {str(key): _without_names(value[key]) for key in kept}
    if isinstance(value, list | tuple):
        return [_without_names(item) for item in value]
    return value


def _unnumbered(name: str, class_name: str) -> str:
    base, _, number = name.rpartition("_")
    # Where none is given, Keras's name is the class's in snake case.
    automatic = number.isdecimal() and base == naming.to_snake_case(class_name)
    return base if automatic else name
