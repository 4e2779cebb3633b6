"""Recipe text: YAML with numbers as people write them, results as they read them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from typing import Any

import yaml

__all__ = ["accuracy_text", "mean_and_spread", "parse"]

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


def accuracy_text(shares: Sequence[float]) -> str:
    """Return accuracies as percent, mean ± standard deviation, and their number.

    Args:
        shares: One accuracy in 0..1 a run.

    Example:
        >>> accuracy_text([0.9, 0.92])
        '91.00 ± 1.41 % (n=2)'
    """
    text = mean_and_spread([100 * share for share in shares], digits=2)
    return f"{text} % (n={len(shares)})"


def mean_and_spread(values: Sequence[float], *, digits: int) -> str:
    """Return mean ± standard deviation; one value has no spread.

    Args:
        values: At least one.
        digits: Decimals.

    Example:
        >>> mean_and_spread([3.0, 5.0], digits=0)
        '4 ± 1'
    """
    mean = f"{statistics.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"
