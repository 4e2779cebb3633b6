"""L1 and L2 penalties by the names that people type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import checks
from kerasopt.names import Names

__all__ = ["get", "names", "register"]

_TABLE = Names("regularizer")
register = _TABLE.register


def get(
    spec: str | Mapping[str, Any] | keras.regularizers.Regularizer | None,
    **arguments: Any,
) -> keras.regularizers.Regularizer | None:
    """Return a Keras regularizer, or None.

    The penalty added to the loss is ``l1 * sum(|w|) + l2 * sum(w ** 2)``.

    Args:
        spec: ``"l1"``, ``"l2"``, ``"l1_l2"``, a dict with ``name`` and
            arguments, a regularizer (returned as it is: it holds no state), or
            None.
        **arguments: ``l1`` and ``l2``, both 0.01 by default as in Keras.

    Returns:
        A `keras.regularizers.Regularizer`, or None if there is nothing to add.

    Raises:
        ValueError: if the name or an argument is unknown, or a factor is
            negative or not finite.

    Example:
        >>> get("l1_l2", l1=1e-4, l2=1e-3).get_config()
        {'l1': 0.0001, 'l2': 0.001}
    """
    if spec is None or isinstance(spec, keras.regularizers.Regularizer):
        _TABLE.refuse_arguments(spec, arguments)
        return spec
    return _TABLE.build(spec, arguments)


def names() -> list[str]:
    """Return the names of all regularizers, your own included.

    Example:
        >>> names()
        ['l1', 'l1_l2', 'l2']
    """
    return list(_TABLE)


@register("l1")
def _l1(l1: float = 0.01) -> keras.regularizers.Regularizer:
    return keras.regularizers.L1(checks.non_negative("l1", l1))


@register("l2", aliases=("ridge",))
def _l2(l2: float = 0.01) -> keras.regularizers.Regularizer:
    return keras.regularizers.L2(checks.non_negative("l2", l2))


@register("l1_l2", aliases=("l1l2", "elastic_net"))
def _l1_l2(l1: float = 0.01, l2: float = 0.01) -> keras.regularizers.Regularizer:
    return keras.regularizers.L1L2(
        checks.non_negative("l1", l1), checks.non_negative("l2", l2)
    )
