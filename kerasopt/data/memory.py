"""How much memory this process may still take."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from kerasopt import allocator

__all__ = ["free_memory"]


def free_memory(root: Path | str = "/") -> int | None:
    """Return the free memory in bytes: of the machine or of the container, the less.

    What this process has freed is given back first, so that it counts as free.

    A container (cgroup, versions 1 and 2) may have less than the machine. What it
    holds of files that can be dropped at any time counts as free.

    Args:
        root: Root of the file system, for tests.

    Returns:
        The number of bytes, or None where the system doesn't say.

    Example:
        >>> free = free_memory()
        >>> free is None or free > 0
        True
    """
    allocator.give_back()
    root = Path(root)
    found = [*_of_machine(root), *_of_containers(root)]
    return min(found) if found else None


def _of_machine(root: Path) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                yield int(line.split()[1]) * 1024


def _of_containers(root: Path) -> Iterator[int]:
    for folder, limit, usage in _groups(root):
        with contextlib.suppress(OSError, ValueError):
            # "max" in version 2 is no number: no limit.
            most = int((folder / limit).read_text())
            used = int((folder / usage).read_text()) - _droppable(folder)
            yield max(0, most - used)


def _groups(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield the folders of this process's memory groups and of the groups above."""
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        base, names = (
            ("sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes"))
            if controllers
            else ("sys/fs/cgroup", ("memory.max", "memory.current"))
        )
        group = Path(path.lstrip("/"))
        for part in (group, *group.parents):
            yield root / base / part, *names
    # Inside a container the path above may name a folder of the host's.
    yield root / "sys/fs/cgroup", "memory.max", "memory.current"


def _droppable(folder: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, value = line.split()
            if name in ("inactive_file", "total_inactive_file"):
                return int(value)
    return 0
