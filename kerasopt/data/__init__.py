"""Data: published datasets, the user's own arrays and folders, honest splits.

`load`, `from_arrays` and `from_directory` return a `Dataset`: checked,
read-only arrays with validation data cut from the training data alone.
Nothing here needs TensorFlow; `kerasopt.data.pipeline`, which turns a dataset
into a ``tf.data.Dataset``, is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kerasopt.data.arrays import from_arrays
from kerasopt.data.dataset import Dataset, check_validation, overlap
from kerasopt.data.folders import from_directory
from kerasopt.data.images import read_image
from kerasopt.data.sources import DataUnavailableError, available, cached, load
from kerasopt.data.splits import stratified_split

if TYPE_CHECKING:
    from kerasopt.data import pipeline

__all__ = [
    "DataUnavailableError",
    "Dataset",
    "available",
    "cached",
    "check_validation",
    "from_arrays",
    "from_directory",
    "load",
    "overlap",
    "pipeline",
    "read_image",
    "stratified_split",
]


def __getattr__(name: str) -> Any:
    if name == "pipeline":
        return importlib.import_module("kerasopt.data.pipeline")
    raise AttributeError(f"module 'kerasopt.data' has no attribute {name!r}")
