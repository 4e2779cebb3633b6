"""What the benchmarks share: spreads, ratios, files and options."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasopt import files

__all__ = [
    "INSTALL_TORCH",
    "add_json_option",
    "machine",
    "positive",
    "ratios",
    "save",
    "seconds_text",
    "spread",
    "threads",
    "torch_is_installed",
]

INSTALL_TORCH = (
    'PyTorch is left out: it isn\'t installed. pip install "kerasopt[bench]", or name '
    "a Python that has it by --torch-python."
)


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return median, least, greatest and all of some repeats.

    Example:
        >>> spread([3.0, 1.0, 2.0])
        {'median': 2.0, 'min': 1.0, 'max': 3.0, 'repeats': [3.0, 1.0, 2.0]}
    """
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "repeats": list(values),
    }


def ratios(own: Sequence[float], other: Sequence[float]) -> dict[str, Any]:
    """Return the spread of own / other, repeat by repeat.

    Repeats are taken in turns, so a slow moment of the machine hits both sides of
    a ratio.

    Raises:
        ValueError: if one has more repeats than the other.

    Example:
        >>> ratios([2.0, 9.0], [1.0, 3.0])["repeats"]
        [2.0, 3.0]
    """
    if len(own) != len(other):
        raise ValueError(
            f"Ratios need as many repeats on both sides; given: {len(own)} and "
            f"{len(other)}."
        )
    return spread([a / b for a, b in zip(own, other, strict=True)])


def machine(environment: dict[str, Any]) -> str:
    """Return one phrase for a machine that ``environment.describe`` described.

    Example:
        >>> machine({"gpus": [], "cores": 2, "cpu": "AMD EPYC"})
        '2× AMD EPYC'
    """
    gpus = environment["gpus"]
    return ", ".join(gpus) if gpus else f"{environment['cores']}× {environment['cpu']}"


def threads() -> int:
    """Return the number of cores that this process may use, as TensorFlow does."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows.


def torch_is_installed(python: str) -> bool:
    """Say whether a Python has PyTorch, without importing it.

    Args:
        python: Path of the interpreter.

    Raises:
        ValueError: if there is no such program.
    """
    code = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('torch'))"
    try:
        return subprocess.run([python, "-c", code], check=False).returncode == 0
    except OSError as error:
        raise ValueError(
            f"--torch-python must be the path of a Python interpreter; given: "
            f"{python!r} ({error.strerror})."
        ) from error


def save(path: str | os.PathLike[str], result: dict[str, Any]) -> None:
    """Write a result as JSON, whole or not at all.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "new" / "result.json"
        >>> save(path, {"median": 2.0})
        >>> json.loads(path.read_text())
        {'median': 2.0}
    """
    files.write_text(path, json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def positive(text: str) -> int:
    """Read a command-line count of at least 1.

    Example:
        >>> positive("12")
        12
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def seconds_text(value: float) -> str:
    """Return seconds for a table, with the digits that matter.

    Example:
        >>> seconds_text(0.04567), seconds_text(409.3)
        ('0.046', '409')
    """
    return f"{value:.3f}" if value < 10 else f"{value:.0f}"


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--json FILE``."""
    parser.add_argument("--json", type=Path, help="write the result to this file")
