"""What a command says about an error, and the exit code that it ends with."""

from __future__ import annotations

import contextlib
import dis
import errno
import os
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from kerasopt import meanings
from kerasopt.console import Console, say
from kerasopt.names import normalize

__all__ = ["BUG", "CLOSED", "INTERRUPTED", "MISTAKE", "explain", "warnings_as_lines"]

BUG, MISTAKE, INTERRUPTED, CLOSED = 1, 2, 130, 141
"""Exit codes: of an error of kerasopt's own, of one that the message explains, of
Ctrl-C, and of an output that nobody reads any more (`kerasopt recipes | head -1`)."""

_OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError")


def explain(error: BaseException) -> int:
    """Print an error as one message and return the exit code.

    An error of no known kind is a bug: its traceback is kept in a file.

    Args:
        error: What ended the command.
    """
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return CLOSED
    if hasattr(error, "show") and hasattr(error, "exit_code"):  # click's usage errors
        error.show()
        _suggest(str(getattr(error, "option_name", "")))
        return int(error.exit_code)
    known = _known(error)
    notes = getattr(error, "__notes__", [])  # How to resume what is kept.
    _print("\n".join([known or _bug(error), *notes]))
    return MISTAKE if known else BUG


@contextlib.contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print warnings without the place in the code that gave them."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        console = Console()
        console.print("Warning:", style="yellow", end=" ")
        say(console, message)

    with warnings.catch_warnings():
        warnings.showwarning = show
        # Python hides those on old names, which are meant for who typed them.
        warnings.filterwarnings("default", message=".*the old name is removed in")
        yield


def _suggest(option: str) -> None:
    """Say how to set what an unknown option means, such as ``--lr``."""
    if field := meanings.field_of(normalize(option.lstrip("-"))):
        say(Console(), f"Set a recipe's field with --set {field}=…")


def _known(error: BaseException) -> str | None:
    """Return the message for an error that the user can do something about."""
    kinds = [each.__name__ for each in type(error).__mro__]
    if _is_full_disk(error, kinds):
        reason = _first_line(error)
        return f"The disk is full: {reason}. Free some space and try again."
    if any(kind in kinds for kind in _OUT_OF_MEMORY):
        return (
            f"There isn't enough memory ({_first_line(error)}). Choose a smaller model "
            "or a smaller training.batch_size."
        )
    if "OpError" in kinds and type(error).__module__.startswith("tensorflow"):
        return f"TensorFlow can't compute this: {_first_line(error)}"
    if isinstance(error, (ValueError, OSError, ImportError)) or _was_meant(error):
        return str(error)
    return None


def _is_full_disk(error: BaseException, kinds: list[str]) -> bool:
    """Say whether there was no room for a file.

    TensorFlow reports that as it reports memory that has run out.
    """
    if isinstance(error, OSError):
        return error.errno == errno.ENOSPC
    texts = ("No space left", "Failed to flush")
    return "ResourceExhaustedError" in kinds and any(t in str(error) for t in texts)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    # TensorFlow's first lines name its nodes; the reason is the first after them.
    told = [line for line in lines if line and "node" not in line.lower()]
    return (told or lines or [""])[0] or type(error).__name__


def _was_meant(error: BaseException) -> bool:
    """Say whether kerasopt itself raised a `TypeError`: Python's own are bugs."""
    step = error.__traceback__
    if not isinstance(error, TypeError) or step is None:
        return False
    while step.tb_next is not None:
        step = step.tb_next
    code = step.tb_frame.f_code
    is_raise = dis.opname[code.co_code[step.tb_lasti]] == "RAISE_VARARGS"
    return is_raise and step.tb_frame.f_globals["__name__"].startswith("kerasopt")


def _bug(error: BaseException) -> str:
    what = f"{type(error).__name__}: {_first_line(error)}"
    return (
        f"{what}\n"
        f"This is a bug of kerasopt. Please report it with {_kept(error)} and the "
        "command. KERASOPT_DEBUG=1 shows the traceback here."
    )


def _kept(error: BaseException) -> str:
    """Write the traceback to a new file and return words that name it."""
    text = "".join(traceback.format_exception(error))
    try:
        number, name = tempfile.mkstemp(prefix="kerasopt-error-", suffix=".txt")
    except OSError:
        return "its traceback"
    with os.fdopen(number, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    return f"the traceback in '{Path(name)}'"


def _print(message: str) -> None:
    console = Console()
    console.print("Error:", style="bold red", end=" ")
    say(console, message)
