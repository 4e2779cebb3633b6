"""What the data modules tell the user, always on stderr.

Standard output belongs to results (tables, JSON), so that it can be piped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

__all__ = ["console", "say", "track"]

Item = TypeVar("Item")


def console() -> Console:
    """Return a console on the present stderr.

    Example:
        >>> console().stderr
        True
    """
    return Console(stderr=True)


def say(message: str) -> None:
    """Print one line on stderr.

    Args:
        message: The text; brackets are text too, not markup.

    Example:
        >>> say("The download was resumed.")
    """
    console().print(message, markup=False, highlight=False, soft_wrap=True)


def track(
    items: Iterable[Item], *, description: str, total: int, patience: float = 2.0
) -> Iterator[Item]:
    """Yield the items, with a progress bar once that takes a while.

    Args:
        items: What to go through.
        description: Text before the bar.
        total: Number of items.
        patience: Seconds before the bar appears; short work shows none.

    Yields:
        The items, in order.

    Example:
        >>> list(track("abc", description="Letters", total=3))
        ['a', 'b', 'c']
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console(),
        transient=True,
    )
    task = bar.add_task(description, total=total)
    start = time.monotonic()
    shown = False
    try:
        for item in items:
            yield item
            bar.advance(task)
            if not shown and time.monotonic() - start > patience:
                bar.start()
                shown = True
    finally:
        if shown:
            bar.stop()
