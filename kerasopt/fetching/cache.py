"""Verified copies of downloaded datasets and weights on disk.

A cache file is an uncompressed ``.npz`` with the arrays, the SHA-256 of each
and a note of their origin. It appears under its name only when it is
complete, and it is never believed without its sums.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from kerasopt import files
from kerasopt.console import Console, say
from kerasopt.fetching.hashing import sha256

__all__ = ["CacheDamaged", "cache_file", "folder", "lock", "read", "write"]

Arrays = dict[str, np.ndarray]

_SUFFIX = "_sha256"
_MAX_BYTES = 2**31
_POLL_SECONDS = 0.1
_LEFTOVER_SECONDS = 24 * 3600
_PATIENCE_SECONDS = 2.0


class CacheDamaged(ValueError):
    """A cache file that isn't what it should be."""


def folder(
    data_dir: str | os.PathLike[str] | None = None, *, room: str = "datasets"
) -> Path:
    """Return the folder of the datasets, or of the weights; it need not exist yet.

    Args:
        data_dir: A folder of your choice; by default the subfolder ``room`` of
            ``$KERASOPT_HOME``, or else of ``~/.kerasopt``.
        room: Name of the subfolder: "datasets" or "weights".

    Returns:
        The folder.

    Raises:
        ValueError: if it is a file, or if there is no home folder.

    Example:
        >>> folder("my_data").name
        'my_data'
    """
    if data_dir is not None:
        path = files.user_path(data_dir, what="data_dir")
    elif own := os.environ.get("KERASOPT_HOME"):
        path = files.user_path(own, what="KERASOPT_HOME") / room
    else:
        path = _in_home() / room
    if path.exists() and not path.is_dir():
        raise ValueError(f"data_dir must be a folder; {path} is a file.")
    return path


def _in_home() -> Path:
    try:
        return Path.home() / ".kerasopt"
    except RuntimeError as error:
        # A container whose user number has no name.
        raise ValueError(
            "There is no home folder to keep datasets in. Set the environment variable "
            "KERASOPT_HOME to a folder that can be written, or HOME."
        ) from error


def cache_file(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    room: str = "datasets",
) -> Path:
    """Return where the dataset of that name, or a network's weights, are cached.

    Args:
        name: Name of the dataset or network.
        data_dir: As for `folder`.
        room: As for `folder`.

    Returns:
        The path; the file need not exist.

    Example:
        >>> cache_file("mnist", data_dir="my_data").name
        'kerasopt-mnist.npz'
    """
    # The prefix keeps it apart from a `mnist.npz` that the user put there.
    return folder(data_dir, room=room) / f"kerasopt-{name}.npz"


def read(path: Path, *, hashes: Mapping[str, str]) -> tuple[Arrays, str]:
    """Read a cache file and verify every array.

    Args:
        path: The file.
        hashes: Published SHA-256 sums. For an array without one, the sum
            noted when the file was written must hold.

    Returns:
        The arrays and their origin.

    Raises:
        FileNotFoundError: if there is no file.
        CacheDamaged: if it can't be read or a sum differs.

    Example:
        >>> read(Path("nowhere.npz"), hashes={})
        Traceback (most recent call last):
        ...
        FileNotFoundError: nowhere.npz
    """
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES} bytes")
        # np.load leaves a path that it can't read open; Windows then can't remove it.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            contents = {key: stored[key] for key in stored.files}
    # Damaged bytes raise nearly anything in the zip, zlib and header readers.
    except Exception as error:
        raise CacheDamaged(f"it can't be read: {error}") from error
    origin = str(contents.pop("origin", "unknown origin"))
    noted = {
        key.removesuffix(_SUFFIX): str(contents.pop(key))
        for key in list(contents)
        if key.endswith(_SUFFIX)
    }
    if set(contents) != set(hashes):
        raise CacheDamaged(f"it holds {sorted(contents)}, not {sorted(hashes)}")
    for key, array in contents.items():
        if sha256(array) != (hashes[key] or noted.get(key)):
            raise CacheDamaged(f"{key} doesn't have its SHA-256 sum")
    return contents, origin


def write(path: Path, arrays: Mapping[str, np.ndarray], *, origin: str) -> bool:
    """Write a cache file, whole or not at all.

    A disk that is full or read-only isn't the end: one line of warning, and
    whatever was there before stays.

    Args:
        path: The file.
        arrays: The verified arrays.
        origin: Where they came from.

    Returns:
        Whether it was written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     write(Path(home) / "a.npz", {"x": np.zeros(3)}, origin="zeros")
        True
    """
    notes: dict[str, Any] = {key + _SUFFIX: sha256(a) for key, a in arrays.items()}
    entries: dict[str, Any] = {**arrays, **notes, "origin": origin}
    try:
        with files.atomic(path) as temporary:
            # A younger one may be another dataset that is being written just now.
            files.remove_leftovers(
                path.parent, suffix=temporary.suffix, older_than=_LEFTOVER_SECONDS
            )
            np.savez(temporary, **entries)
    # zipfile raises ValueError on top of the OSError when closing fails too.
    except (OSError, ValueError) as error:
        reason: BaseException = error
        while not isinstance(reason, OSError) and reason.__context__ is not None:
            reason = reason.__context__
        why = getattr(reason, "strerror", None) or reason
        say(
            Console(),
            f"{path.name} could not be kept in {path.parent} ({why}): the data are "
            "used from memory and will be fetched again next time.",
        )
        return False
    return True


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock of a cache file, so that one process at a time fetches it.

    The operating system frees the lock when a process ends, however it ends.
    Where files can't be locked (a read-only folder, some network disks), the
    body runs unlocked: writing is atomic in any case.

    Args:
        path: The cache file.

    Yields:
        Nothing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home, lock(Path(home) / "a.npz"):
        ...     print("alone")
        alone
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            name = path.parent / f".{path.stem}.lock"
            _wait_for(stack.enter_context(open(name, "a+b")), path)
        # Closing the file frees the lock. The file itself stays: removing it
        # would let two processes lock two different files of the same name.
        yield


def _wait_for(file: IO[bytes], path: Path) -> None:
    start = time.monotonic()
    told = False
    while not files.try_lock(file):
        if not told and time.monotonic() - start > _PATIENCE_SECONDS:
            say(Console(), f"Another process is fetching {path.name}: waiting for it.")
            told = True
        time.sleep(_POLL_SECONDS)
