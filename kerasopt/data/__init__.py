"""Data: published datasets, the user's own arrays and folders, honest splits.

`load`, `from_arrays`, `from_directory` and `from_stream` return a `Dataset`:
checked splits and their task, with validation data cut from the training data
alone. Nothing here imports TensorFlow, unless a stream is read;
`kerasopt.data.pipeline`, which turns a dataset into a ``tf.data.Dataset``, is
imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kerasopt.data.adapters import as_dataset, from_stream
from kerasopt.data.arrays import from_arrays
from kerasopt.data.dataset import Dataset
from kerasopt.data.folders import from_directory
from kerasopt.data.images import read_image
from kerasopt.data.leakage import check_validation, overlap
from kerasopt.data.pixels import pixel_scale
from kerasopt.data.sources import (
    DataUnavailableError,
    available,
    cached,
    get,
    load,
    names,
)
from kerasopt.data.splits import stratified_split
from kerasopt.data.streams import Stream, StreamError
from kerasopt.data.structure import count

if TYPE_CHECKING:
    from kerasopt.data import pipeline

__all__ = [
    "DataUnavailableError",
    "Dataset",
    "Stream",
    "StreamError",
    "as_dataset",
    "available",
    "cached",
    "check_validation",
    "count",
    "from_arrays",
    "from_directory",
    "from_stream",
    "get",
    "load",
    "names",
    "overlap",
    "pipeline",
    "pixel_scale",
    "read_image",
    "stratified_split",
]


def __getattr__(name: str) -> Any:
    if name == "pipeline":
        return importlib.import_module("kerasopt.data.pipeline")
    raise AttributeError(f"module 'kerasopt.data' has no attribute {name!r}")
