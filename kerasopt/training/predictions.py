"""What a run's folder keeps of the test part: labels, predictions, worst mistakes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt import evaluation, files
from kerasopt.evaluation.pictures import is_image_shape
from kerasopt.training import run_folder

__all__ = ["MISTAKES_KEPT", "keep", "names_of"]

MISTAKES_KEPT = 24


def keep(
    folder: Path,
    data: tuple[Any, Any, Any],
    predictions: Any,
    result: evaluation.Result,
    *,
    paths: Sequence[str],
) -> None:
    """Write the predictions of the test part, with its worst mistakes.

    Args:
        folder: The run's folder.
        data: Samples, labels and weights or None.
        predictions: As `kerasopt.evaluation.measure` takes them.
        result: What it returned.
        paths: The file of each sample; empty if they are no files.
    """
    x, y, weights = data
    mistakes = result.worst_mistakes(MISTAKES_KEPT)
    kept = {} if weights is None else {"weights": weights}
    if is_image_shape(tuple(getattr(x, "shape", ()))[1:]):
        kept["mistake_images"] = np.asarray(x[mistakes])
    if paths:
        kept["mistake_names"] = np.array(names_of(paths, mistakes), dtype=str)
    with files.atomic(folder / run_folder.PREDICTIONS) as temporary:
        np.savez_compressed(
            temporary, labels=y, probabilities=predictions, mistakes=mistakes, **kept
        )


def names_of(paths: Sequence[str], rows: np.ndarray) -> list[str]:
    """Return the files of some samples, relative to the folder that holds all.

    Args:
        paths: The file of each sample.
        rows: Numbers of the samples.

    Example:
        >>> names_of(["photos/cat/1.png", "photos/dog/1.png"], np.array([1]))
        ['dog/1.png']
    """
    chosen = [paths[row] for row in rows]
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError:  # Of several drives, or some absolute.
        return chosen
    return [Path(os.path.relpath(path, folder)).as_posix() for path in chosen]
