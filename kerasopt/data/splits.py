"""Cutting validation and test samples from the training data, honestly."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasopt import checks

__all__ = ["class_indices", "random_split", "resolve_size", "stratified_split"]


def resolve_size(
    value: Any, *, total: int, what: str = "validation", minimum: int = 1
) -> int:
    """Turn a count or a fraction into a count.

    Args:
        value: An integer, 0 up to `total` - 1, or a fraction of `total`, above
            0 and below 1.
        total: Number of samples that there are.
        what: How messages call the cut.
        minimum: What a fraction gives at least (one of each class, say). An
            integer is taken as it is.

    Returns:
        The number of samples to cut.

    Raises:
        ValueError: if it is negative, too large or no number.

    Example:
        >>> resolve_size(0.1, total=50_000), resolve_size(5_000, total=50_000)
        (5000, 5000)
    """
    accepted = (
        f"Accepted: a whole number from 0 to {total - 1:,} or a fraction "
        f"between 0 and 1 of the {total:,} samples."
    )
    value = checks.plain(value)
    if isinstance(value, float):
        if value == 0:
            return 0
        if not 0 < value < 1:
            raise ValueError(f"{what}={value} isn't a fraction. {accepted}")
        return min(max(minimum, round(float(value) * total)), max(total - 1, 1))
    try:
        count = operator.index(value)
    except TypeError:
        count = None
    if count is None or isinstance(value, bool):
        raise checks.ArgumentTypeError(
            f"{what} must be a number; given: {type(value).__name__}. {accepted}"
        )
    if count < 0:
        raise ValueError(f"{what}={count} is negative. {accepted}")
    if count >= total:
        raise ValueError(
            f"{what}={count:,} is too large: it leaves nothing for training. {accepted}"
        )
    return count


def class_indices(y: Any) -> np.ndarray:
    """Return integer labels ``(n,)`` for integer or one-hot labels.

    Args:
        y: Labels ``(n,)``, ``(n, 1)`` or ``(n, num_classes)``.

    Returns:
        Class of each sample, ``(n,)``.

    Example:
        >>> class_indices([[0.0, 1.0], [1.0, 0.0]])
        array([1, 0])
    """
    array = np.asarray(y)
    if array.dtype == object and all(isinstance(each, str) for each in array.flat):
        array = array.astype(str)
    if array.ndim not in (1, 2) or array.dtype.kind not in "buifU":
        raise checks.ArgumentTypeError(
            "Labels must be numbers or names of shape (n,), or one-hot rows of shape "
            f"(n, num_classes); given: shape {array.shape}, dtype {array.dtype}."
        )
    if array.ndim == 2:
        return array.argmax(axis=1) if array.shape[1] > 1 else array[:, 0]
    return array


def stratified_split(
    y: Any, size: int, seed: int = 0, *, class_names: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cut `size` random samples so that every class gives its share.

    A class with c of the n samples gives size * c / n samples, rounded up or
    down so that the sum is exact (largest remainders). Rare classes give at
    least one sample and keep at least one.

    Args:
        y: Labels, ``(n,)`` integers or ``(n, num_classes)`` one-hot.
        size: Number of samples to cut.
        seed: Seed of the choice; the same seed cuts the same samples.
        class_names: Name of each class by its index, for errors.

    Returns:
        Indices of the samples that remain and of those cut, both sorted.

    Raises:
        ValueError: if a class would be left without a sample on either side.

    Example:
        >>> rest, cut = stratified_split([0, 0, 0, 0, 1, 1, 1, 1], 2, seed=0)
        >>> len(rest), len(cut)
        (6, 2)
    """
    labels = class_indices(y)
    if not len(labels):
        raise ValueError("y is empty: there are no samples to cut from.")
    size = resolve_size(size, total=len(labels), what="size")
    order = np.arange(len(labels))
    if size == 0:
        return order, order[:0]
    classes, inverse, counts = np.unique(
        labels, return_inverse=True, return_counts=True
    )
    _check_room(classes, counts, size, class_names)
    shares = _shares(counts, size)
    generator = np.random.default_rng(_check_seed(seed))
    cut = np.zeros(len(labels), dtype=bool)
    for index, share in enumerate(shares):
        members = np.flatnonzero(inverse == index)
        cut[generator.choice(members, size=share, replace=False)] = True
    return order[~cut], order[cut]


def random_split(total: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cut `size` random samples, whatever their labels.

    Args:
        total: Number of samples.
        size: Number of samples to cut, from 0 to `total` - 1.
        seed: Seed of the choice.

    Returns:
        Indices of the samples that remain and of those cut, both sorted.

    Example:
        >>> rest, cut = random_split(10, 3)
        >>> len(rest), len(cut)
        (7, 3)
    """
    size = resolve_size(size, total=total, what="size")
    generator = np.random.default_rng(_check_seed(seed))
    order = generator.permutation(total)
    return np.sort(order[size:]), np.sort(order[:size])


def _check_seed(seed: Any) -> int:
    value = checks.plain(seed)
    if not isinstance(value, int) or isinstance(value, bool):
        raise checks.ArgumentTypeError(
            f"seed={seed!r} must be a whole number, 0 or larger."
        )
    if value < 0:
        raise ValueError(f"seed={seed!r} must be a whole number, 0 or larger.")
    return value


def _check_room(
    classes: np.ndarray,
    counts: np.ndarray,
    size: int,
    class_names: Sequence[str] | None,
) -> None:
    if counts.min() < 2:
        rare = classes[int(counts.argmin())]
        name = rare if class_names is None else repr(class_names[rare])
        raise ValueError(
            f"Class {name} has only one sample, so a split would leave it empty on "
            "one side. Add samples, or drop the class, or cut nothing (size 0)."
        )
    lowest, highest = len(classes), int(counts.sum()) - len(classes)
    if not lowest <= size <= highest:
        raise ValueError(
            f"A cut of {size:,} from {counts.sum():,} samples would leave a class "
            f"empty: there are {len(classes)} classes. Accepted sizes: "
            f"{lowest:,} to {highest:,}, or 0."
        )


def _shares(counts: np.ndarray, size: int) -> np.ndarray:
    """Share the cut among the classes by largest remainders."""
    quotas = size * counts / counts.sum()
    shares = np.clip(np.floor(quotas).astype(np.int64), 1, counts - 1)
    while (missing := size - int(shares.sum())) != 0:
        step = 1 if missing > 0 else -1
        room = shares < counts - 1 if step > 0 else shares > 1
        # The stable sort breaks ties by class, so that seeds don't matter here.
        wanting = np.argsort(-step * (quotas - shares), kind="stable")
        chosen = wanting[room[wanting]][: abs(missing)]
        shares[chosen] += step
    return shares
