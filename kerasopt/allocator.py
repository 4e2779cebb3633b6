"""Keep the memory that one training step frees for the next one, on Linux."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os

__all__ = ["give_back", "keep_freed_memory"]

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
"""Parameters of mallopt, as glibc's malloc.h numbers them."""

_PAD = 64 * 2**20
"""Bytes by which the heap grows at least."""


@functools.cache
def keep_freed_memory() -> bool:
    """Tell the C library's allocator to reuse freed arrays, and return whether it will.

    glibc takes arrays of more than 32 MiB from the system one by one and gives each
    back when it is freed, so every step of a training pays for its pages again: the
    activations of 512 images of 32 × 32 pixels with 16 channels are that large. With
    one heap that keeps what was freed, such networks train faster
    (`python -m kerasopt.benchmarks.allocator` measures it). The process keeps what it
    freed until `give_back`.

    Threads that allocated before keep their heaps, so this comes before TensorFlow's
    first operation. Nothing changes on other systems, or where the environment already
    chooses: a variable that starts with ``MALLOC_``, or ``GLIBC_TUNABLES``.

    References:
        mallopt(3), https://man7.org/linux/man-pages/man3/mallopt.3.html.
    """
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    # Windows has no library by this name, macOS and musl have no mallopt.
    with contextlib.suppress(TypeError, OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        settings = {
            _ARENA_MAX: 1,
            _MMAP_MAX: 0,
            _TRIM_THRESHOLD: -1,
            _TOP_PAD: _PAD,
        }
        return all([mallopt(name, value) for name, value in settings.items()])
    return False


def give_back() -> None:
    """Return what the process has freed to the system, as far as the C library can.

    Example:
        >>> give_back()
    """
    with contextlib.suppress(TypeError, OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
