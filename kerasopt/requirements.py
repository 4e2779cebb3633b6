"""What kerasopt needs besides itself, and the sentences that say how to get it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

__all__ = ["check_backend", "install"]


def install(*extras: str) -> str:
    """Return how to install extras of kerasopt.

    kerasopt is installed from its source folder: an index may hold another package
    under its name.

    Args:
        *extras: Names of ``[options.extras_require]`` in ``setup.cfg``.

    Example:
        >>> install("cpu", "bench")
        'make install EXTRA=cpu,bench, or pip install ".[cpu,bench]", in its source'
    """
    joined = ",".join(extras)
    return f'make install EXTRA={joined}, or pip install ".[{joined}]", in its source'


def check_backend() -> None:
    """Refuse another backend of Keras than TensorFlow, before it is imported.

    Raises:
        ImportError: naming where the other backend was chosen, and how to change it.

    Example:
        >>> check_backend()
    """
    name, where = _backend()
    if name != "tensorflow":
        raise ImportError(
            f"kerasopt runs on Keras's TensorFlow backend; {where} names {name!r}. Set "
            "the environment variable KERAS_BACKEND=tensorflow before Keras is "
            "imported."
        )


def _backend() -> tuple[str, str]:
    """Return the backend that Keras has or will take, and what names it."""
    if config := getattr(sys.modules.get("keras"), "config", None):
        return config.backend(), "Keras, which was imported before,"
    if name := os.environ.get("KERAS_BACKEND"):
        return name, "KERAS_BACKEND"
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    file = Path(home) / "keras.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Keras then takes its default, too.
        content = None
    name = content.get("backend") if isinstance(content, dict) else None
    return (name or "tensorflow"), f"'{file}'"
