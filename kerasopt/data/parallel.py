"""Work for a few threads, in order and without a long queue."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["in_threads", "reading_threads"]


def reading_threads() -> int:
    """Return how many threads read files at a time: one a core, at most 8.

    Example:
        >>> 1 <= reading_threads() <= 8
        True
    """
    return min(8, os.cpu_count() or 1)


def in_threads(
    function: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    threads: int,
    ahead: int | None = None,
) -> Iterator[Any]:
    """Yield the results of a function in the order of its items.

    Only a few results wait at a time, so that memory doesn't grow with the number
    of items. An abandoned iteration waits for nothing.

    Args:
        function: Called with each item, in threads.
        items: The items; they may have no end.
        threads: Number of threads.
        ahead: Items taken before their results are asked for; by default four a thread.

    Yields:
        The results.

    Example:
        >>> list(in_threads(abs, [-1, 2, -3], threads=2))
        [1, 2, 3]
    """
    remaining = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(
            pool.submit(function, item)
            for item in itertools.islice(remaining, ahead or 4 * threads)
        )
        try:
            while waiting:
                yield waiting.popleft().result()
                for item in itertools.islice(remaining, 1):
                    waiting.append(pool.submit(function, item))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
