"""The files of a run's folder: one writer and one reader, which checks what it reads.

A file that can't be read, that isn't what kerasopt wrote, or whose values can't be is a
`DamagedRunError`. Archives carry checksums of their own; those of the texts are kept in
``checksums.json``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasopt import files, yaml_text
from kerasopt.training import run_schema

__all__ = [
    "CHECKPOINT",
    "CHECKSUMS",
    "ENVIRONMENT",
    "EXAMPLES",
    "HISTORY",
    "LOCK",
    "METRICS",
    "MODEL",
    "PREDICTIONS",
    "PREFIX",
    "RECIPE",
    "REPORT",
    "TENSORBOARD",
    "WEIGHTS",
    "DamagedRunError",
    "add_checksum",
    "begin_again",
    "check_archive",
    "intact",
    "read_environment",
    "read_history",
    "read_metrics",
    "read_predictions",
    "read_recipe",
    "restore",
    "write",
    "write_json",
    "write_yaml",
]

RECIPE, ENVIRONMENT, HISTORY = "recipe.yaml", "environment.json", "history.csv"
METRICS, MODEL, REPORT = "metrics.json", "model.keras", "report.html"
WEIGHTS, LOCK = "model.weights.h5", ".kerasopt-lock"
PREDICTIONS, CHECKSUMS = "test_predictions.npz", "checksums.json"
CHECKPOINT, TENSORBOARD = "checkpoints/last.npz", "tensorboard"
EXAMPLES = "training_examples.npz"

PREFIX = {"validation": "val", "test": "test"}
"""What the measures of each part of the data begin with, as in Keras's logs."""

CHECKED = (RECIPE, ENVIRONMENT, HISTORY, METRICS)
"""Files with a checksum in ``checksums.json``."""


class DamagedRunError(ValueError):
    """A file of a run can't be read, or holds what no training wrote."""


def read_recipe(folder: Path) -> dict[str, Any]:
    """Return the resolved recipe of a run.

    Args:
        folder: The run's folder.

    Raises:
        DamagedRunError: if it can't be read, or its values can't be.
    """
    return _read(folder, RECIPE, yaml_text.parse, run_schema.check_recipe)


def read_environment(folder: Path) -> dict[str, Any]:
    """Return what a run was made on and with; errors as `read_recipe`."""
    return _read(folder, ENVIRONMENT, json.loads, run_schema.check_environment)


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return what was measured of a run; errors as `read_recipe`."""
    return _read(folder, METRICS, json.loads, run_schema.check_metrics)


def read_history(folder: Path) -> pd.DataFrame:
    """Return the rows of a run's epochs; errors as `read_recipe`."""
    return _read(folder, HISTORY, _table, run_schema.check_history)


def read_predictions(folder: Path) -> dict[str, np.ndarray] | None:
    """Return what was kept of the test part, None where nothing was.

    Returns:
        labels, probabilities and mistakes; weights, mistake_images and mistake_names
        where there are some.

    Raises:
        DamagedRunError: if the file can't be read, or its arrays don't go together.
    """
    path = folder / PREDICTIONS
    if not path.is_file():
        return None
    with intact(folder, PREDICTIONS):
        with np.load(path, allow_pickle=False) as saved:
            arrays = dict(saved)
        run_schema.check_predictions(arrays)
    return arrays


def check_archive(folder: Path, name: str) -> None:
    """Compare the contents of an archive with its own checksums.

    Args:
        folder: The run's folder.
        name: Of the file in it, such as `MODEL`.

    Raises:
        DamagedRunError: if they differ, or it can't be read.
    """
    with intact(folder, name), zipfile.ZipFile(folder / name) as archive:
        if (wrong := archive.testzip()) is not None:
            raise ValueError(f"the checksum of {wrong} differs")


@contextlib.contextmanager
def intact(folder: Path, name: str) -> Iterator[None]:
    """Turn every error of this block, which reads a file, into a `DamagedRunError`.

    Args:
        folder: The run's folder.
        name: Of the file in it.
    """
    try:
        yield
    except DamagedRunError:
        raise
    except Exception as error:  # Whatever a parser raises of damaged bytes.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DamagedRunError(
            f"The run in '{folder}' is damaged: {name} can't be read "
            f"({_one_line(reason)}).{_way_out(folder, name)}"
        ) from error


def _one_line(reason: str) -> str:
    return " ".join(reason.split())[:300].rstrip(".")


def _way_out(folder: Path, name: str) -> str:
    """Return how to go on without the file, where that can be."""
    if name == CHECKPOINT:
        return " Delete it to start the training over."
    if name == CHECKSUMS:
        return " Delete it to use the files as they are."
    redone = (METRICS, MODEL, PREDICTIONS, HISTORY)
    if name in redone and (folder / CHECKPOINT).exists():
        if not (folder / METRICS).exists():
            return " The run hasn't finished: resume it."
        return (
            f" The checkpoint can make it again: delete {METRICS} and resume the run."
        )
    return ""


def _read(
    folder: Path,
    name: str,
    parse: Callable[[str], Any],
    check: Callable[[Any], None],
) -> Any:
    with intact(folder, name):
        content = (folder / name).read_bytes()
        _compare(folder, name, content)
        found = parse(content.decode("utf-8"))
        check(found)
    return found


def _table(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a readable JSON file atomically."""
    files.write_text(path, _json_text(content))


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write a YAML file atomically, keys in their order."""
    files.write_text(path, _yaml_text(content))


def write(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """Write a file of a run atomically, with its checksum.

    Args:
        folder: The run's folder.
        name: `RECIPE`, `ENVIRONMENT` or `METRICS`.
        content: All of it.
    """
    text = (_yaml_text if name == RECIPE else _json_text)(content)
    # First: a kill in between leaves the former file, whose checksum stays, too.
    _add(folder, name, text.encode("utf-8"))
    files.write_text(folder / name, text)


def _json_text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _yaml_text(content: Mapping[str, Any]) -> str:
    return yaml_text.dump(content)


def add_checksum(folder: Path, name: str) -> None:
    """Note the checksum of a file that is as it should be.

    Args:
        folder: The run's folder.
        name: Of the file in it.
    """
    path = folder / name
    if path.is_file():
        _add(folder, name, path.read_bytes())


def begin_again(folder: Path) -> None:
    """Make a run's folder ready for what a resumed training writes.

    The process that holds its lock removes what a killed one left half-written.
    """
    for place in (folder, (folder / CHECKPOINT).parent):
        files.remove_leftovers(place)
    known = _checksums(folder)
    if known.pop(HISTORY, None) is not None:
        write_json(folder / CHECKSUMS, known)


def restore(folder: Path, described: Mapping[str, Any]) -> None:
    """Write what describes a run again, if its folder was moved or deleted meanwhile.

    The log and the model are written into a new folder of that name then, which
    without the recipe would be no run.

    Args:
        folder: The run's folder.
        described: Contents of files by their names, of the recipe too.
    """
    if (folder / RECIPE).is_file():
        return
    for name, content in described.items():
        write(folder, name, content)
    warnings.warn(
        f"The folder of the run was moved or deleted during the training. The run is "
        f"in '{files.shown(folder)}' again.",
        stacklevel=3,
    )


def _add(folder: Path, name: str, content: bytes) -> None:
    known = _checksums(folder)
    known[name] = [*known.get(name, [])[-1:], _sha256(content)]
    write_json(folder / CHECKSUMS, known)


def _compare(folder: Path, name: str, content: bytes) -> None:
    accepted = _checksums(folder).get(name)
    if accepted is not None and _sha256(content) not in accepted:
        raise ValueError(
            f"it isn't what kerasopt wrote, by its checksum; after an intended change "
            f"delete {CHECKSUMS}"
        )


def _checksums(folder: Path) -> dict[str, list[str]]:
    """Return the accepted checksums of each file; a run of version 0.1 has none."""
    path = folder / CHECKSUMS
    if not path.is_file():
        return {}
    with intact(folder, CHECKSUMS):
        known = json.loads(path.read_bytes().decode("utf-8"))
        if not isinstance(known, dict) or not set(known) <= set(CHECKED):
            raise ValueError(f"it must hold checksums of {', '.join(CHECKED)}")
        if not all(isinstance(each, list) for each in known.values()):
            raise ValueError("a file must have a list of checksums")
    return known


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
