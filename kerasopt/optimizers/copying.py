"""New optimizers with the settings of others."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import checks
from kerasopt.optimizers.grouped import Grouped

__all__ = ["carry_exclusions", "copy"]


def copy(
    optimizer: keras.optimizers.Optimizer, **changes: Any
) -> keras.optimizers.Optimizer:
    """Return a new, unbuilt optimizer with the same settings.

    Args:
        optimizer: Any Keras optimizer.
        **changes: Fields of its configuration that shall differ.

    Example:
        >>> copy(keras.optimizers.Adam(0.1, beta_1=0.5), learning_rate=0.2).beta_1
        0.5
    """
    kind = keras.optimizers.Optimizer
    checks.instance("optimizer", optimizer, kind, "a Keras optimizer")
    made = type(optimizer).from_config({**optimizer.get_config(), **changes})
    carry_exclusions(optimizer, made)
    return made


def carry_exclusions(old: Any, new: Any) -> None:
    """Copy what exclude_from_weight_decay set: no configuration has it.

    Args:
        old: An optimizer.
        new: One with its configuration.
    """
    for private in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if hasattr(old, private):
            setattr(new, private, getattr(old, private))
    if isinstance(old, keras.optimizers.LossScaleOptimizer):
        carry_exclusions(old.inner_optimizer, new.inner_optimizer)
    elif isinstance(old, Grouped):
        for inner, copied in zip(old.given, new.given, strict=True):
            carry_exclusions(inner, copied)
