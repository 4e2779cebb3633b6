"""Decoded images in one file on disk, so that each is decoded only once.

The file holds the bytes of image after image. It is read at the place of an image,
not mapped: mapped pages would count as memory of the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt import files
from kerasopt.fetching import cache

__all__ = ["ImageStore", "room_on_disk", "store_path", "writing"]

_PREFIX = "kerasopt-images-"
_OURS = re.compile(_PREFIX + r"[0-9a-f]{40}\.(bin|npz)")
_VERSION = 1
_UNUSED_SECONDS = 30 * 24 * 3600
_SHARE_OF_DISK = 0.5


class ImageStore:
    """Decoded images on disk.

    Args:
        path: The file, complete.
        image_bytes: Bytes of an image.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.bin")
        ...     _ = path.write_bytes(bytes([1, 2, 3, 4]))
        ...     image = np.empty(2, np.uint8)
        ...     ImageStore(path, image_bytes=2).read(1, into=image)
        >>> image
        array([3, 4], dtype=uint8)
    """

    def __init__(self, path: Path, *, image_bytes: int) -> None:
        self.path, self.image_bytes = path, image_bytes
        self._open()

    def _open(self) -> None:
        self._file = open(self.path, "rb", buffering=0)  # noqa: SIM115
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def read(self, row: int, *, into: np.ndarray) -> None:
        """Read one image.

        Args:
            row: Its number.
            into: Array of its shape, which receives the pixels.
        """
        offset = int(row) * self.image_bytes
        if hasattr(os, "preadv"):
            count = os.preadv(self._file.fileno(), [into.data], offset)
        else:
            # Windows and macOS: the place is shared, so one thread at a time.
            with self._lock:
                self._file.seek(offset)
                count = self._file.readinto(into.data) or 0
        if count != self.image_bytes:
            raise OSError(f"{self.path} ends within image {row:,}: remove the file.")

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "image_bytes": self.image_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()


def store_path(paths: Sequence[Path], *, size: tuple[int, int], color: str) -> Path:
    """Return where the decoded images of some files are kept.

    The name depends on the files' paths, sizes and times of change, so that changed
    files are decoded anew.

    Args:
        paths: The files, sorted.
        size: (height, width) in pixels.
        color: "rgb" or "grayscale".

    Example:
        >>> store_path([], size=(8, 8), color="rgb").name[:16]
        'kerasopt-images-'
    """
    digest = hashlib.sha256(json.dumps([_VERSION, *size, color]).encode())
    for path in paths:
        try:
            status = path.stat()
            known = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            known = "missing"
        digest.update(f"{path.resolve()}\0{known}\n".encode("utf-8", "surrogateescape"))
    return cache.folder() / f"{_PREFIX}{digest.hexdigest()[:40]}.bin"


def room_on_disk(needed: int) -> bool:
    """Return whether the cache's disk has room: at most half of what is free.

    Without a home folder there is no cache, and so no room.

    Args:
        needed: Bytes to write.

    Example:
        >>> room_on_disk(0)
        True
    """
    try:
        place = cache.folder().absolute()
    except ValueError:
        return False
    while not place.exists():
        place = place.parent
    return os.access(place, os.W_OK) and (
        needed <= _SHARE_OF_DISK * shutil.disk_usage(place).free
    )


@contextlib.contextmanager
def writing(path: Path, *, size: int) -> Iterator[Any]:
    """Write a store; it appears under its name when the block has succeeded.

    Args:
        path: What `store_path` returns.
        size: Its bytes.

    Yields:
        Function of (offset, array) that writes an array at a place; threads may call
        it at the same time.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "kerasopt-images-1.bin")
        ...     with writing(path, size=2) as write:
        ...         write(0, np.array([7, 8], np.uint8))
        ...     list(path.read_bytes())
        [7, 8]
    """
    _remove_unused(path.parent)
    with files.atomic(path) as temporary, open(temporary, "r+b", buffering=0) as file:
        file.truncate(size)
        lock = threading.Lock()

        def write(offset: int, array: np.ndarray) -> None:
            data = np.ascontiguousarray(array).data.cast("B")
            if hasattr(os, "pwrite"):
                while data:
                    count = os.pwrite(file.fileno(), data, offset)
                    data, offset = data[count:], offset + count
                return
            with lock:
                file.seek(offset)
                file.write(data)

        yield write


def _remove_unused(folder: Path) -> None:
    """Remove stores that nothing has used for a month."""
    with contextlib.suppress(OSError):
        for old in folder.iterdir():
            if not _OURS.fullmatch(old.name):
                continue
            if time.time() - old.stat().st_mtime > _UNUSED_SECONDS:
                old.unlink(missing_ok=True)
