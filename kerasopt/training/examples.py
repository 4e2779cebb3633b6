"""Examples of the training images as the model is handed them.

``training_examples.npz`` in the run's folder keeps up to 12 images of a first batch,
after augmentation and scaling, with their labels; the report shows them. Images of more
than 192 pixels a side are thinned out. Samples that are no images are not kept, nor are
augmented ones of a training on several devices.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasopt import files, tasks
from kerasopt.evaluation import formatting
from kerasopt.evaluation.pictures import TrainingExamples, is_image_shape
from kerasopt.training import run_folder
from kerasopt.training.value_ranges import SHOWN as MAX_EXAMPLES

if TYPE_CHECKING:
    from kerasopt.training.preparation import Prepared

__all__ = ["MAX_EXAMPLES", "keep", "load"]

MAX_SIDE = 192


def keep(folder: Path, ready: Prepared) -> None:
    """Write the examples of a run, if its samples are images.

    Args:
        folder: The run's folder.
        ready: The prepared training.
    """
    dataset = ready.feed.dataset
    if not is_image_shape(dataset.input_shape):
        return
    batch = ready.augmented
    if ready.augmentation is None:
        batch = ready.feed.drawn(MAX_EXAMPLES, ready.settings.seed)
    if batch is None:
        return
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    images = np.asarray(x[:MAX_EXAMPLES])
    step = math.ceil(max(images.shape[1:3]) / MAX_SIDE)
    images = images[:, ::step, ::step].astype("float32")
    found = np.nan_to_num(images)
    low, high = float(found.min()), float(found.max())
    bottom, top = _range_of(low, high)
    pixels = np.round((found - bottom) / (top - bottom) * 255).astype("uint8")
    with files.atomic(folder / run_folder.EXAMPLES) as temporary:
        np.savez_compressed(
            temporary,
            images=pixels,
            labels=np.array(
                _texts(y, len(images), ready.task, dataset.class_names), str
            ),
            range=np.array([low, high]),
        )


def load(folder: Path) -> TrainingExamples | None:
    """Return the examples of a run, or None if it has none.

    Args:
        folder: The run's folder.

    Raises:
        DamagedRunError: if the file can't be read.
    """
    path = folder / run_folder.EXAMPLES
    if not path.is_file():
        return None
    with (
        run_folder.intact(folder, run_folder.EXAMPLES),
        np.load(path, allow_pickle=False) as saved,
    ):
        low, high = saved["range"].tolist()
        images, labels = saved["images"], tuple(saved["labels"].tolist())
        if len(images) != len(labels):
            raise ValueError("images and labels differ in number")
        return TrainingExamples(images, labels, (low, high))


def _range_of(low: float, high: float) -> tuple[float, float]:
    """Return the values of black and white: the usual ones, or those that occur."""
    for bottom, top in ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)):
        if bottom <= low and high <= top:
            return bottom, top
    return low, high


def _texts(y: Any, count: int, task: tasks.Task | None, class_names: Any) -> list[str]:
    """Return the label of each example as text; "" where the task doesn't say."""
    if y is None or task is None:
        return [""] * count
    rows = np.asarray(y)[:count].reshape(count, -1)
    if task.name == "regression":
        return [", ".join(map(formatting.number, row)) for row in rows]
    if task.name == "multilabel":
        names = np.array(class_names, dtype=object)
        return [", ".join(names[row > 0.5]) or "no label" for row in rows]
    classes = rows.argmax(axis=1) if rows.shape[1] > 1 else rows[:, 0].astype(int)
    return [str(class_names[number]) for number in classes]
