"""Images that are decoded when they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt.data.image_store import ImageStore
from kerasopt.data.images import COLORS, decode
from kerasopt.data.parallel import in_threads, reading_threads
from kerasopt.data.row_digests import row_digests

__all__ = ["ImageFiles"]

_PART = 64


class ImageFiles:
    """A lazy array of image files, shape (n, height, width, channels), uint8.

    Indexing decodes: ``x[3]`` is one image, ``x[:32]`` and ``x[[5, 2]]`` are arrays.
    Images come from the files, or, if there is a store, from there already decoded.

    Args:
        paths: The files.
        size: (height, width) in pixels.
        color: "rgb" or "grayscale".
        store: Decoded images on disk, or None.
        store_rows: Row of each image in the store.
        digests: A 64-bit number for the pixels of each image, if they are known.
        sha256: Sum of all the pixels, if it is known.
        plain_jpeg: Whether each file is a JPEG that any decoder turns into the same
            pixels; by default none is.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (8, 6), "red").save(f"{folder}/a.png")
        ...     x = ImageFiles([f"{folder}/a.png"], size=(3, 4), color="rgb")
        ...     x.shape, x[0, ...].shape, x[[0, 0]].shape
        ((1, 3, 4, 3), (3, 4, 3), (2, 3, 4, 3))
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        size: tuple[int, int],
        color: str,
        store: ImageStore | None = None,
        store_rows: np.ndarray | None = None,
        digests: np.ndarray | None = None,
        sha256: str | None = None,
        plain_jpeg: np.ndarray | None = None,
    ) -> None:
        self.paths = [str(path) for path in paths]
        self.size, self.color = size, color
        self.plain_jpeg = (
            np.zeros(len(paths), bool) if plain_jpeg is None else plain_jpeg
        )
        self._store = store
        self._rows = np.arange(len(paths)) if store_rows is None else store_rows
        if digests is not None:
            self.digests = digests
        if sha256 is not None:
            self.sha256 = sha256

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of images, height, width and channels."""
        return len(self.paths), *self.size, COLORS[self.color]

    @property
    def nbytes(self) -> int:
        """Bytes that the decoded images would take in memory."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, rows: Any) -> np.ndarray:
        """Decode some images, one after another.

        Args:
            rows: Their numbers, shape (k,).

        Returns:
            uint8 array of shape (k, height, width, channels).

        Raises:
            ImageError: if a file has changed and can't be read any more.
        """
        rows = np.asarray(rows)
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for image, row in zip(images, rows, strict=True):
            if self._store is not None:
                self._store.read(self._rows[row], into=image)
            else:
                image[...] = decode(
                    Path(self.paths[row]), size=self.size, color=self.color
                )
        return images

    def select(self, rows: Any) -> ImageFiles:
        """Return the images of some rows, still as files."""
        rows = np.arange(len(self))[rows]
        return ImageFiles(
            [self.paths[row] for row in rows],
            size=self.size,
            color=self.color,
            store=self._store,
            store_rows=self._rows[rows],
            digests=vars(self)["digests"][rows] if "digests" in vars(self) else None,
            plain_jpeg=self.plain_jpeg[rows],
        )

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            return np.asarray(self)[key]
        rows = np.arange(len(self))[first]
        images = self._read_in_threads(np.atleast_1d(rows))
        if not np.ndim(rows):
            return images[0][tuple(rest)]
        return images[(slice(None), *rest)]

    def _read_in_threads(self, rows: np.ndarray) -> np.ndarray:
        if len(rows) <= _PART:
            return self.read(rows)
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        start = 0
        for part in self._parts(rows):
            images[start : start + len(part)] = part
            start += len(part)
        return images

    def _parts(self, rows: np.ndarray) -> Any:
        parts = (rows[start : start + _PART] for start in range(0, len(rows), _PART))
        yield from in_threads(self.read, parts, threads=reading_threads(), ahead=4)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("Image files become an array only by decoding: copy=None.")
        images = self._read_in_threads(np.arange(len(self)))
        return images if dtype is None else images.astype(dtype, copy=False)

    @cached_property
    def digests(self) -> np.ndarray:
        """A 64-bit number for the pixels of each image; copies have the same one."""
        parts = [row_digests(part) for part in self._parts(np.arange(len(self)))]
        return np.concatenate(parts)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of all the pixels, the same as for the decoded array."""
        digest = hashlib.sha256()
        for part in self._parts(np.arange(len(self))):
            digest.update(part.data)
        return digest.hexdigest()

    def __repr__(self) -> str:
        """Return number and shape, without decoding anything."""
        where = "files" if self._store is None else "files, decoded on disk"
        return f"<ImageFiles: {len(self):,} {where}; {self.shape[1:]} uint8>"
