"""Recipe text: results as people read them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from kerasopt.yaml_text import parse

__all__ = ["accuracy_text", "mean_and_spread", "parse"]


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
