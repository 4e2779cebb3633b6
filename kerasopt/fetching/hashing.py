"""SHA-256 of arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

__all__ = ["row_chunks", "sha256"]

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
