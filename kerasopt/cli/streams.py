"""Standard streams that are closed, full, or can't show a character."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata

__all__ = ["discard", "flush", "prepare"]

PLAIN = {"…": "...", "–": "-", "×": "x", "·": "*", "−": "-", "±": "+/-", "′": "'"}
"""Characters of kerasopt's own texts, for encodings without them."""


def prepare() -> None:
    """Make standard input, output and error usable, whatever the shell gave.

    A closed one becomes the null device: the next file that is opened would take its
    number and receive what is printed. What an encoding lacks is replaced.
    """
    codecs.register_error("kerasopt", _replace)
    # 0 says that the width isn't known; rich would print lines without characters.
    if os.environ.get("COLUMNS", "").strip("0") == "":
        os.environ.pop("COLUMNS", None)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            _open_null(number)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            stream = os.fdopen(number, mode, encoding="utf-8", closefd=False)
            setattr(sys, name, stream)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="kerasopt")


def flush() -> None:
    """Write what is still in memory, while its errors can be told.

    Raises:
        OSError: if the output is full or nobody reads it any more.
    """
    sys.stdout.flush()
    sys.stderr.flush()


def discard() -> None:
    """Drop what can't be written; Python would try again at its end, and complain."""
    for number in (1, 2):
        try:
            (sys.stdout, sys.stderr)[number - 1].flush()
        except (OSError, ValueError):
            _open_null(number)


def _open_null(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return ASCII for the characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    given = error.object[error.start : error.end]
    return "".join(map(_plain, given)), error.end


def _plain(character: str) -> str:
    if character in PLAIN:
        return PLAIN[character]
    if 0xDC80 <= ord(character) <= 0xDCFF:  # A byte of a name that isn't UTF-8.
        return f"\\x{ord(character) - 0xDC00:02x}"
    decomposed = unicodedata.normalize("NFKD", character)
    if plain := decomposed.encode("ascii", "ignore").decode():
        return plain
    return character.encode("ascii", "backslashreplace").decode()
