"""The mean of paired differences, and how sure it is."""

from __future__ import annotations

import numpy as np

__all__ = ["mean_interval"]


def mean_interval(
    differences: np.ndarray, *, confidence: float = 0.95
) -> tuple[float, tuple[float, float] | None]:
    """Return the mean of n differences and its t interval.

    The interval is mean(d) ± t((1 + confidence) / 2, n - 1) · std(d) / √n, with n - 1
    in the standard deviation's divisor.

    Args:
        differences: One number a pair, shape (n,).
        confidence: How often such an interval holds the true mean; 0.95 by default.

    Returns:
        The mean, NaN without pairs, and the interval, None for fewer than two.

    Example:
        >>> mean, (low, high) = mean_interval(np.array([1.0, 2.0, 3.0]))
        >>> round(mean, 3), round(low, 3), round(high, 3)
        (2.0, -0.484, 4.484)
    """
    pairs = len(differences)
    if not pairs:
        return np.nan, None
    mean = float(np.mean(differences))
    if pairs < 2:
        return mean, None
    from scipy.stats import t

    error = np.std(differences, ddof=1) / np.sqrt(pairs)
    half = float(t.ppf((1 + confidence) / 2, pairs - 1) * error)
    return mean, (mean - half, mean + half)
