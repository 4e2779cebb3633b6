"""Short digests of the rows of arrays."""

from __future__ import annotations

import numpy as np

from kerasopt.fetching.hashing import row_chunks

__all__ = ["row_digests"]


def row_digests(array: np.ndarray) -> np.ndarray:
    """Return one 64-bit number for the bytes of each row.

    Equal rows have equal digests. Two different rows have the same digest with a
    probability near 2⁻⁶⁴: each half of the digest is a multiply-shift hash of
    32-bit words (Dietzfelbinger et al., 1997).

    Args:
        array: Array of shape (n, ...).

    Returns:
        uint64 array of shape (n,).

    Example:
        >>> import numpy as np
        >>> first, second, third = row_digests(np.array([[1, 2], [3, 4], [1, 2]]))
        >>> first == third, first == second
        (np.True_, np.False_)
    """
    digests = np.empty(len(array), dtype=np.uint64)
    start = 0
    factors = None
    for rows in row_chunks(array):
        words = _words(rows)
        if factors is None:
            factors = _factors(words.shape[1])
        digests[start : start + len(rows)] = _mix(words, factors)
        start += len(rows)
    return digests


def _words(rows: np.ndarray) -> np.ndarray:
    """Return the bytes of each row as 32-bit words, padded with zeros."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
    missing = -flat.shape[1] % 4
    if missing:
        flat = np.pad(flat, ((0, 0), (0, missing)))
    return flat.view(np.uint32)


def _factors(width: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.integers(0, 2**64, (2, width + 1), dtype=np.uint64)


def _mix(words: np.ndarray, factors: np.ndarray) -> np.ndarray:
    high, low = (
        words.astype(np.uint64) @ factor[:-1] + factor[-1] for factor in factors
    )
    return (high >> np.uint64(32) << np.uint64(32)) | (low >> np.uint64(32))
