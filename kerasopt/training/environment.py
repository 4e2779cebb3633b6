"""What a run was made on: versions, machine, devices."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

from kerasopt.version import __version__

__all__ = ["available_cores", "cpu_model", "describe", "threads"]

_PACKAGES = (
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-tpu",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
)


def describe() -> dict[str, Any]:
    """Return the environment as plain values, ready for JSON.

    Example:
        >>> sorted(describe())
        ['cores', 'cpu', 'gpus', 'memory_gib', 'packages', 'platform', 'python']
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "cores": available_cores(),
        "memory_gib": _memory_gib(),
        "gpus": [detail.get("device_name", "GPU") for detail in details],
        "packages": _versions(),
    }


def available_cores() -> int:
    """Return the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Return the threads that share one operation: sums depend on their number.

    Example:
        >>> threads() >= 1
        True
    """
    import tensorflow as tf

    chosen = tf.config.threading.get_intra_op_parallelism_threads()
    asked = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return chosen or int(asked if asked.isdecimal() else 0) or available_cores()


def cpu_model() -> str:
    """Return the processor's name, as far as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return round(pages * size / 2**30, 1)


def _versions() -> dict[str, str]:
    versions = {"kerasopt": __version__}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
