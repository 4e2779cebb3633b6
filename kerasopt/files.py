"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = [
    "TEMPORARY_PREFIX",
    "atomic",
    "remove_leftovers",
    "try_lock",
    "user_path",
    "write_text",
]

TEMPORARY_PREFIX = ".writing-"
"""How the names of unfinished files begin."""

_RANDOM = "[a-z0-9_]" * 8
"""What `tempfile.mkstemp` puts after it, as a pattern."""


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path that replaces ``path`` if the block succeeds.

    The temporary file lies in the same folder and keeps the suffixes, by which
    Keras and NumPy choose the format. After an error, Ctrl-C included, it is
    removed and what was at ``path`` is untouched.

    Args:
        path: Where the finished file shall be. Its folder is made if need be.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic(folder / "note.txt") as temporary:
        ...     _ = temporary.write_text("whole")
        >>> [file.name for file in folder.iterdir()]
        ['note.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=TEMPORARY_PREFIX, suffix="".join(path.suffixes[-2:]), dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        # mkstemp makes private files; a result should be as readable as others.
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a UTF-8 text file atomically.

    Args:
        path: Where the file shall be.
        text: All of its content.
    """
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def check_space(folder: str | os.PathLike[str], size: int) -> None:
    """Refuse to write more than there is room for.

    Args:
        folder: Where to write.
        size: How many bytes.

    Raises:
        OSError: with the code of a full disk.

    Example:
        >>> check_space(tempfile.gettempdir(), 10**18)
        Traceback (most recent call last):
        ...
        OSError: [Errno 28] No space left on device: ...
    """
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(folder))


def user_path(path: str | os.PathLike[str], *, what: str = "directory") -> Path:
    """Return a path that a user gave, ``~`` and ``~user`` replaced by home folders.

    Args:
        path: The path.
        what: How messages call it.

    Returns:
        The path.

    Raises:
        TypeError: if it is no path.
        ValueError: if it is empty, holds a character that no path may hold, or there
            is no such home folder.

    Example:
        >>> user_path("photos").name
        'photos'
    """
    plain = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(plain, str):
        raise TypeError(
            f"{what} must be a path; given: {path!r} of type {type(path).__name__}."
        )
    if not plain:
        raise ValueError(f"{what} is empty: give a path; '.' is the present folder.")
    if "\0" in plain:
        raise ValueError(f"{what}={plain!r} holds a null character: no path may.")
    try:
        return Path(plain).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"{what}={plain!r}: the home folder of this user isn't known. Give the "
            "whole path instead of '~'."
        ) from error


def check_writable(path: str | os.PathLike[str]) -> None:
    """Refuse a file that can't be written, before the work for it begins.

    Args:
        path: The file. Its folder is made if need be.

    Raises:
        ValueError: naming the file and the reason.

    Example:
        >>> check_writable(Path(tempfile.mkdtemp()) / "new" / "results.json")
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ValueError(
            f"'{path}' can't be written ({error.strerror or error}); name another file."
        ) from None


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as messages show it: relative if it is in the working directory.

    Args:
        path: Any path.

    Example:
        >>> shown(Path.cwd() / "runs" / "mine")
        'runs/mine'
        >>> shown("/mine")
        '/mine'
    """
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):  # Elsewhere, or the working directory was deleted.
        return str(path)


def in_command(path: str | os.PathLike[str]) -> str:
    """Return a path as a command shows it that can be typed as it stands.

    Args:
        path: Any path.

    Example:
        >>> in_command("/my runs/mine")
        "'/my runs/mine'"
    """
    return shlex.quote(shown(path))


def remove_leftovers(
    folder: str | os.PathLike[str], *, suffix: str = ".*", older_than: float = 0.0
) -> None:
    """Remove the temporary files of `atomic` that a killed process left in a folder.

    Args:
        folder: The folder; what is below it stays.
        suffix: How their names end; ``*`` stands for anything.
        older_than: Only files unchanged for so many seconds: a younger one may be
            another process's, which is at work.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / ".writing-0a1b2c3d.npz").touch()
        >>> (folder / ".my-backup.npz").touch()
        >>> remove_leftovers(folder)
        >>> [file.name for file in folder.iterdir()]
        ['.my-backup.npz']
    """
    # The folder may be the user's own, so only names that `atomic` gives count.
    for path in Path(folder).glob(f"{TEMPORARY_PREFIX}{_RANDOM}{suffix}"):
        with contextlib.suppress(OSError):  # Somebody else's, or gone meanwhile.
            if time.time() - path.stat().st_mtime >= older_than:
                path.unlink()


def try_lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; return False if another process did.

    Args:
        file: The file, open for writing.
    """
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(  # type: ignore[attr-defined]
                file.fileno(),
                msvcrt.LK_NBLCK,  # type: ignore[attr-defined]
                1,
            )
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        # No locks on this file system: go on without.
        return True
    return True


def _flush_to_disk(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
