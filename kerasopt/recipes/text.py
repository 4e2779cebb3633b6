"""Recipe text: YAML, with numbers as people write them."""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["parse"]

# YAML 1.1 takes 1e-3 for text: it wants the dot of 1.0e-3.
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")


def parse(text: str) -> Any:
    """Return the value of some YAML, with ``1e-3`` a number.

    Args:
        text: A recipe, or one value of it.

    Raises:
        yaml.YAMLError: if it isn't YAML.

    Example:
        >>> parse("{name: sgd, learning_rate: 1e-3}")
        {'name': 'sgd', 'learning_rate': 0.001}
    """
    return _numbers(yaml.safe_load(text))


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    return value
