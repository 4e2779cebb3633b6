"""Weight initializers by the names that people type.

Keras knows ``glorot_uniform`` and ``he_normal``; texts and other frameworks say
Xavier, Gaussian, Kaiming or "small random". `get` takes them all and returns a
fresh Keras initializer, because one instance shared by two layers of the same
shape gives both the same weights (keras-team/tf-keras#432).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import names

__all__ = ["get", "register"]

_TABLE = names.Names("initializer")
register = _TABLE.register


def get(
    spec: str | Mapping[str, Any] | keras.initializers.Initializer, **arguments: Any
) -> keras.initializers.Initializer:
    """Return a fresh Keras initializer.

    Args:
        spec: A name or an alias (``"xavier"``, ``"gaussian"``, ``"he"``, any
            Keras name), a dict with ``name`` and arguments, or an initializer,
            of which a new copy is returned.
        **arguments: Arguments of the Keras class, for a name.

    Returns:
        A new `keras.initializers.Initializer`.

    Raises:
        ValueError: if the name or an argument is unknown, or arguments come
            with an object.

    Example:
        >>> get("xavier").__class__.__name__
        'GlorotUniform'
        >>> get("gaussian", stddev=0.01).stddev
        0.01
    """
    if isinstance(spec, keras.initializers.Initializer):
        _TABLE.refuse_arguments(spec, arguments)
        return type(spec).from_config(spec.get_config())
    return _TABLE.build(spec, arguments)


def _register_keras_initializers() -> None:
    classes = {
        "glorot_uniform": (
            keras.initializers.GlorotUniform,
            ("glorot", "xavier", "xavier_uniform"),
        ),
        "glorot_normal": (keras.initializers.GlorotNormal, ("xavier_normal",)),
        "he_uniform": (keras.initializers.HeUniform, ("kaiming_uniform",)),
        "he_normal": (
            keras.initializers.HeNormal,
            ("he", "kaiming", "kaiming_normal"),
        ),
        "lecun_uniform": (keras.initializers.LecunUniform, ()),
        "lecun_normal": (keras.initializers.LecunNormal, ("lecun",)),
        "random_normal": (keras.initializers.RandomNormal, ("gaussian", "normal")),
        "random_uniform": (keras.initializers.RandomUniform, ("uniform",)),
        "truncated_normal": (keras.initializers.TruncatedNormal, ()),
        "variance_scaling": (keras.initializers.VarianceScaling, ()),
        "orthogonal": (keras.initializers.Orthogonal, ()),
        "zeros": (keras.initializers.Zeros, ("zero",)),
        "ones": (keras.initializers.Ones, ("one",)),
        "constant": (keras.initializers.Constant, ()),
    }
    for name, (initializer, aliases) in classes.items():
        register(name, aliases=aliases)(initializer)


@register("small_random")
def _small_random(
    stddev: float = 0.01, seed: int | None = None
) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=stddev, seed=seed)


_register_keras_initializers()
