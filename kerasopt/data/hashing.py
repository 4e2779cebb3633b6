"""Sums over arrays: SHA-256 of their bytes, and short digests of their rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

__all__ = ["row_chunks", "row_digests", "sha256"]

_CHUNK_BYTES = 4 * 2**20


def sha256(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's bytes in C order, as hexadecimal.

    Args:
        array: Any array of numbers.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> import numpy as np
        >>> sha256(np.frombuffer(b"abc", dtype="uint8"))[:16]
        'ba7816bf8f01cfea'
    """
    if array.flags.c_contiguous:
        return hashlib.sha256(array.data).hexdigest()
    # In parts: a whole copy in C order would double the memory.
    digest = hashlib.sha256()
    for rows in row_chunks(array):
        digest.update(np.ascontiguousarray(rows).data)
    return digest.hexdigest()


def row_chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Yield consecutive rows of an array, about 4 MiB at a time.

    Example:
        >>> import numpy as np
        >>> [len(rows) for rows in row_chunks(np.zeros((10, 2**19)))]
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    row_bytes = max(1, array.nbytes // max(1, len(array)))
    step = max(1, _CHUNK_BYTES // row_bytes)
    for start in range(0, len(array), step):
        yield array[start : start + step]


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
