"""Reading the image files of all splits: once each, before training.

This pass finds every file that can't be read. It fills the cache on its way: an
array in memory, or a file of decoded images on disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt import files
from kerasopt.console import Console, say, track
from kerasopt.data.image_files import ImageFiles
from kerasopt.data.image_store import ImageStore, room_on_disk, store_path, writing
from kerasopt.data.images import COLORS, ImageError, decode_and_look
from kerasopt.data.memory import free_memory
from kerasopt.data.parallel import in_threads, reading_threads
from kerasopt.data.row_digests import row_digests
from kerasopt.fetching import cache as caching
from kerasopt.names import unknown

__all__ = ["CACHES", "Images", "choose_cache", "read_all"]

CACHES = ("auto", "memory", "disk", "none")

_SHARE_OF_MEMORY = 0.25


@dataclass(frozen=True)
class Images:
    """The images of one split.

    Attributes:
        x: uint8 array, or `ImageFiles`, of the images that can be read.
        readable: Whether each file can be read, shape (files,).
    """

    x: Any
    readable: np.ndarray


@dataclass(frozen=True)
class _Form:
    """What all the images are brought to."""

    size: tuple[int, int]
    color: str

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.size, COLORS[self.color])

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape))

    def decode(self, path: Path) -> np.ndarray:
        return self.decode_and_look(path)[0]

    def decode_and_look(self, path: Path) -> tuple[np.ndarray, bool]:
        return decode_and_look(path, size=self.size, color=self.color)


def choose_cache(cache: str, needed: int) -> str:
    """Choose where decoded images are kept.

    Args:
        cache: "memory", "disk", "none", or "auto": memory if they fit in a quarter of
            what is free, else disk if they fit in half of what is free, else none.
        needed: Bytes of the decoded images.

    Returns:
        "memory", "disk" or "none".

    Raises:
        ValueError: on another name, and if there is no room for a cache that was
            asked for.

    Example:
        >>> choose_cache("auto", needed=1000)
        'memory'
    """
    if cache not in CACHES:
        raise unknown("cache", cache, CACHES)
    free = free_memory()
    gigabytes = f"{needed / 2**30:.1f} GiB"
    if cache == "auto":
        if free is None or needed <= _SHARE_OF_MEMORY * free:
            return "memory"
        return "disk" if room_on_disk(needed) else "none"
    if cache == "memory" and free is not None and needed > free:
        raise ValueError(
            f"cache='memory': the decoded images take {gigabytes}, and "
            f"{free / 2**30:.1f} GiB are free. Use cache='disk', a smaller "
            "image_size=(height, width) or max_images=."
        )
    if cache == "disk" and not room_on_disk(needed):
        raise ValueError(
            f"cache='disk': the decoded images take {gigabytes}, more than half of "
            f"what is free in {caching.folder()}. Set KERASOPT_HOME to a folder on "
            "another disk, or use cache='none'."
        )
    return cache


def read_all(
    splits: Mapping[str, Sequence[Path]],
    *,
    size: tuple[int, int],
    color: str,
    cache: str,
    errors: dict[Path, str],
) -> dict[str, Images]:
    """Read the image files of all splits.

    Args:
        splits: The files of each split.
        size: (height, width) in pixels.
        color: "rgb" or "grayscale".
        cache: "memory", "disk" or "none".
        errors: Files known to be unreadable; those found here are added.

    Returns:
        The images of each split.

    Example:
        >>> read_all({"train": []}, size=(2, 2), color="rgb", cache="none", errors={})
        {'train': Images(x=<ImageFiles: 0 files; (2, 2, 3) uint8>, readable=array([], \
dtype=bool))}
    """
    form = _Form(size, color)
    if cache == "disk":
        with contextlib.suppress(_NoStore):
            return _on_disk(splits, form, errors)
    if cache == "memory":
        return {
            split: _in_memory(paths, form, errors) for split, paths in splits.items()
        }
    return {split: _verified(paths, form, errors) for split, paths in splits.items()}


def _pass(
    paths: Sequence[Path],
    errors: dict[Path, str],
    work: Callable[[tuple[int, Path]], Any],
) -> Iterator[tuple[int, Any]]:
    """Yield row and result of each file that can be read; note the others."""

    def attempt(job: tuple[int, Path]) -> Any:
        try:
            return work(job)
        except ImageError as error:
            return error

    jobs = [(row, path) for row, path in enumerate(paths) if path not in errors]
    results = in_threads(attempt, jobs, threads=reading_threads())
    shown = track(results, description="Reading images", total=len(jobs))
    for (row, path), result in zip(jobs, shown, strict=True):
        if isinstance(result, ImageError):
            errors[path] = str(result)
        else:
            yield row, result


def _readable(paths: Sequence[Path], errors: Mapping[Path, str]) -> np.ndarray:
    return np.array([path not in errors for path in paths], dtype=bool)


def _in_memory(paths: Sequence[Path], form: _Form, errors: dict[Path, str]) -> Images:
    x = np.empty((len(paths), *form.shape), np.uint8)

    def fill(job: tuple[int, Path]) -> None:
        row, path = job
        x[row] = form.decode(path)

    for _ in _pass(paths, errors, fill):
        pass
    readable = _readable(paths, errors)
    if readable.all():
        return Images(x, readable)
    # Row by row: a copy of the readable ones would double the memory.
    for target, row in enumerate(np.flatnonzero(readable)):
        x[target] = x[row]
    return Images(x[: int(readable.sum())], readable)


def _verified(paths: Sequence[Path], form: _Form, errors: dict[Path, str]) -> Images:
    """Decode all files and keep nothing but their sums."""
    digests = np.zeros(len(paths), np.uint64)
    plain_jpeg = np.zeros(len(paths), bool)
    total = hashlib.sha256()

    def read(job: tuple[int, Path]) -> tuple[np.ndarray, bool, np.uint64]:
        image, plain = form.decode_and_look(job[1])
        return image, plain, row_digests(image[np.newaxis])[0]

    for row, (image, plain, digest) in _pass(paths, errors, read):
        plain_jpeg[row], digests[row] = plain, digest
        total.update(image.data)
    readable = _readable(paths, errors)
    x = ImageFiles(
        [path for path, good in zip(paths, readable, strict=True) if good],
        size=form.size,
        color=form.color,
        digests=digests[readable],
        sha256=total.hexdigest(),
        plain_jpeg=plain_jpeg[readable],
    )
    return Images(x, readable)


class _NoStore(Exception):
    """Decoded images can't be kept on disk."""


def _on_disk(
    splits: Mapping[str, Sequence[Path]], form: _Form, errors: dict[Path, str]
) -> dict[str, Images]:
    # Sorted, so that another cut of the same files finds the same store.
    paths = sorted({path for paths in splits.values() for path in paths})
    rows = {path: row for row, path in enumerate(paths)}
    place = store_path(paths, size=form.size, color=form.color)
    with caching.lock(place):
        digests, found = _open_store(place, paths, form, errors)
    errors |= found
    store = ImageStore(place, image_bytes=form.nbytes)
    images = {}
    for split, own in splits.items():
        readable = _readable(own, errors)
        kept = [path for path, good in zip(own, readable, strict=True) if good]
        own_rows = np.array([rows[path] for path in kept], dtype=np.int64)
        x = ImageFiles(
            kept,
            size=form.size,
            color=form.color,
            store=store,
            store_rows=own_rows,
            digests=digests[own_rows],
        )
        images[split] = Images(x, readable)
    return images


def _open_store(
    place: Path, paths: Sequence[Path], form: _Form, errors: Mapping[Path, str]
) -> tuple[np.ndarray, dict[Path, str]]:
    """Return digests and unreadable files of a store, which is written if need be."""
    known = _read_notes(place, len(paths) * form.nbytes)
    if known is None:
        try:
            known = _write_store(place, paths, form, errors)
        except OSError as error:
            say(
                Console(),
                f"The decoded images can't be kept in {place.parent} "
                f"({error.strerror or error}): they are decoded each time.",
            )
            raise _NoStore from error
    digests, found = known
    return digests, {Path(path): reason for path, reason in found.items()}


def _write_store(
    place: Path, paths: Sequence[Path], form: _Form, errors: Mapping[Path, str]
) -> tuple[np.ndarray, dict[str, str]]:
    digests = np.zeros(len(paths), np.uint64)
    found = dict(errors)
    with writing(place, size=len(paths) * form.nbytes) as write:

        def keep(job: tuple[int, Path]) -> np.uint64:
            row, path = job
            image = form.decode(path)
            write(row * form.nbytes, image)
            return row_digests(image[np.newaxis])[0]

        for row, digest in _pass(paths, found, keep):
            digests[row] = digest
    reasons = {str(path): reason for path, reason in found.items()}
    with files.atomic(_notes(place)) as temporary:
        np.savez(temporary, digests=digests, errors=json.dumps(reasons))
    return digests, reasons


def _notes(place: Path) -> Path:
    return place.with_suffix(".npz")


def _read_notes(place: Path, size: int) -> tuple[np.ndarray, dict[str, str]] | None:
    """Return what was noted of a complete store, or None."""
    try:
        if place.stat().st_size != size:
            return None
        with np.load(_notes(place), allow_pickle=False) as notes:
            known = notes["digests"], json.loads(str(notes["errors"]))
        # The time of last use: old ones are removed.
        os.utime(place)
        os.utime(_notes(place))
    # Damaged bytes raise nearly anything in the zip and header readers.
    except Exception:
        return None
    return known
