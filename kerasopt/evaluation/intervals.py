"""How sure a measure is: the interval of a share, and the bootstrap of a mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kerasopt import checks

__all__ = ["bootstrap", "check_confidence", "of_share", "wilson"]

Interval = tuple[float, float]

# Beyond this, groups of samples are drawn, so that the time stays bounded.
_MAX_DRAWN = 10_000


def check_confidence(confidence: float) -> None:
    """Raise `ValueError` if a coverage isn't a number between 0 and 1."""
    checks.number("confidence", confidence)
    if not 0 < confidence < 1:
        raise ValueError(
            f"confidence must be between 0 and 1, such as 0.95; given: {confidence!r}."
        )


def wilson(successes: int, count: int, *, confidence: float = 0.95) -> Interval:
    r"""Return the Wilson score interval of a share.

    With the share p = successes / count and the normal quantile z,

    .. math:: \frac{p + z^2/2n \pm z \sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}

    Unlike the textbook p ± z·s it stays within 0..1 and keeps its coverage for
    a share near 1, where good classifiers live.

    Args:
        successes: Number of hits, 0..count.
        count: Number of trials, at least 1.
        confidence: Coverage, between 0 and 1.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> low, high = wilson(90, 100)
        >>> round(low, 4), round(high, 4)
        (0.8256, 0.9448)

    References:
        E. B. Wilson, Probable inference, the law of succession, and statistical
        inference, Journal of the American Statistical Association 22, 1927.
    """
    check_confidence(confidence)
    if not 0 <= successes <= count or count < 1:
        raise ValueError(
            f"The interval needs 0 <= successes <= count and count >= 1; given: "
            f"{successes} successes of {count}."
        )
    from scipy.stats import binomtest

    test = binomtest(int(successes), int(count))
    ends = test.proportion_ci(confidence_level=confidence, method="wilson")
    return float(ends.low), float(ends.high)


def of_share(
    hits: np.ndarray, weights: np.ndarray | None = None, *, confidence: float = 0.95
) -> Interval:
    r"""Return the Wilson score interval of the share of hits among samples.

    With sample weights w, n is the effective number of samples,
    :math:`(\sum w)^2 / \sum w^2` (Kish), and p the weighted share.

    Args:
        hits: Whether each sample is a hit, shape (n,).
        weights: The samples' weights, shape (n,), or None.
        confidence: Coverage, between 0 and 1.

    Returns:
        The lower and the upper end.

    Example:
        >>> hits = np.arange(100) < 90
        >>> low, high = of_share(hits, np.full(100, 2.0))
        >>> round(low, 4), round(high, 4)
        (0.8256, 0.9448)

    References:
        L. Kish, Survey Sampling, Wiley, 1965.
    """
    if weights is None:
        return wilson(int(np.sum(hits)), len(hits), confidence=confidence)
    from scipy.stats import norm

    z2 = float(norm.ppf((1 + confidence) / 2)) ** 2
    size = weights.sum() ** 2 / np.square(weights).sum()
    share = np.average(hits, weights=weights)
    middle = share + z2 / (2 * size)
    half = np.sqrt(z2 * (share * (1 - share) / size + z2 / (4 * size**2)))
    scale = 1 + z2 / size
    low, high = (middle - half) / scale, (middle + half) / scale
    return max(float(low), 0.0), min(float(high), 1.0)


def bootstrap(
    samples: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Interval | None]:
    """Return percentile intervals of statistics that follow from column sums.

    Only the sums of a resample are kept, so that memory doesn't grow with the number
    of resamples. Of more than 10,000 samples, groups of equal size are drawn instead:
    sums of independent groups vary just as much.

    Args:
        samples: Shape (n, columns).
        statistic: From sums of shape (resamples, columns) to statistics of shape
            (resamples, s).
        confidence: Coverage, between 0 and 1.
        resamples: How many samples of n to draw with replacement.
        seed: Seed of the draws.

    Returns:
        One interval for each of the s statistics; None where it is undefined.

    Example:
        >>> rows = np.stack([np.ones(100), np.arange(100.0)], axis=1)
        >>> [(low, high)] = bootstrap(rows, lambda sums: sums[:, 1:] / sums[:, :1])
        >>> 43 < low < 45 < 54 < high < 56
        True

    References:
        B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993,
        chapter 13.
    """
    random = np.random.default_rng(seed)
    groups = _grouped(samples, random)
    size = len(groups)
    sums = np.empty((resamples, samples.shape[1]))
    for row in sums:
        counts = np.bincount(random.integers(size, size=size), minlength=size)
        row[:] = counts.astype(float) @ groups
    with np.errstate(divide="ignore", invalid="ignore"):
        found = statistic(sums)
    tails = [50 * (1 - confidence), 50 * (1 + confidence)]
    return [_percentiles(column, tails) if size > 1 else None for column in found.T]


def _grouped(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return sums of groups of random samples, the few left over dropped."""
    size = -(-len(samples) // _MAX_DRAWN)
    if size == 1:
        return samples
    kept = random.permutation(len(samples))[: len(samples) // size * size]
    return samples[kept].reshape(-1, size, samples.shape[1]).sum(axis=1)


def _percentiles(values: np.ndarray, tails: list[float]) -> Interval | None:
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, tails)
    return float(low), float(high)
