"""Weights out of PyTorch's files, read without PyTorch and without its pickles' power.

A pickle may name any function and call it. The reader here knows four names and
refuses all others; what they are called with is checked number by number. Still, only
files whose SHA-256 is known are read (`kerasopt.models.efficientnet_lite0`).
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["TorchFileError", "read_weights"]

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
MOST_BYTES = 2**30


class TorchFileError(ValueError):
    """A file that isn't PyTorch's, or has more in it than weights."""


@dataclass(frozen=True)
class _Tensor:
    storage: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read_weights(data: bytes) -> dict[str, np.ndarray]:
    """Read the tensors of a state dict in PyTorch's file format up to version 1.5.

    The file is five pickles (a magic number, a protocol number, facts of the machine,
    names with the places of their tensors, the order of the storages) and then, for
    each storage, the number of its elements and the elements.

    Args:
        data: The file.

    Returns:
        float32 and int64 arrays by name.

    Raises:
        TorchFileError: if it is damaged, or names anything but tensors of these types.

    Example:
        >>> read_weights(b"none")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kerasopt.models.torch_files.TorchFileError: the file can't be read (...)
    """
    try:
        return _read(io.BytesIO(data))
    except TorchFileError:
        raise
    # Damaged pickles raise nearly anything.
    except Exception as error:
        raise TorchFileError(f"the file can't be read ({error!r})") from error


def _read(file: io.BytesIO) -> dict[str, np.ndarray]:
    dtypes: dict[str, np.dtype] = {}

    def load() -> Any:
        return _Reader(file, dtypes).load()

    if load() != MAGIC or load() != PROTOCOL:
        raise TorchFileError("it isn't a PyTorch file of the old format")
    load()
    entries, keys = load(), load()
    if not isinstance(entries, dict) or not isinstance(keys, list):
        raise TorchFileError("it isn't a state dict")
    if sorted(keys) != sorted(dtypes):
        raise TorchFileError("its storages aren't those of its tensors")
    storages = {key: _storage(file, dtypes[key]) for key in keys}
    return {str(name): _array(name, each, storages) for name, each in entries.items()}


class _Reader(pickle.Unpickler):
    """Knows four names; a storage is its key, a tensor its place in a storage."""

    def __init__(self, file: io.BytesIO, dtypes: dict[str, np.dtype]) -> None:
        super().__init__(file)
        self.dtypes = dtypes

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for one of the four names."""
        allowed: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch", "FloatStorage"): "<f4",
            ("torch", "LongStorage"): "<i8",
        }
        if (module, name) not in allowed:
            raise TorchFileError(f"the file names {module}.{name}, which is refused")
        return allowed[module, name]

    def persistent_load(self, pid: Any) -> str:
        """Note a storage's type and return its key."""
        kind, dtype, key, *_ = pid
        if kind != "storage" or dtype not in ("<f4", "<i8") or type(key) is not str:
            raise TorchFileError("the file has a reference that isn't to a storage")
        self.dtypes[key] = np.dtype(dtype)
        return key


def _tensor(key: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> _Tensor:
    numbers = [offset, *shape, *stride]
    plain = type(key) is str and all(type(each) is int for each in numbers)
    if not plain or min(numbers) < 0 or len(shape) != len(stride):
        raise TorchFileError("a tensor's place isn't whole numbers >= 0")
    return _Tensor(key, offset, tuple(shape), tuple(stride))


def _storage(file: io.BytesIO, dtype: np.dtype) -> np.ndarray:
    (count,) = struct.unpack("<q", file.read(8))
    if not 0 <= count * dtype.itemsize <= MOST_BYTES:
        raise TorchFileError(f"a storage of {count} elements is refused")
    content = file.read(count * dtype.itemsize)
    if len(content) != count * dtype.itemsize:
        raise TorchFileError("the file ends within a storage")
    return np.frombuffer(content, dtype)


def _array(name: Any, tensor: Any, storages: dict[str, np.ndarray]) -> np.ndarray:
    if not isinstance(tensor, _Tensor):
        raise TorchFileError(f"{name} isn't a tensor")
    storage = storages[tensor.storage]
    if 0 in tensor.shape:
        raise TorchFileError(f"{name} is empty")
    steps = zip(tensor.shape, tensor.stride, strict=True)
    last = tensor.offset + sum((size - 1) * step for size, step in steps)
    if last >= len(storage) or math.prod(tensor.shape) > len(storage):
        raise TorchFileError(f"{name} doesn't lie in its storage")
    # Convolutions converted from TensorFlow keep its order of axes: strides count.
    return np.lib.stride_tricks.as_strided(
        storage[tensor.offset :],
        tensor.shape,
        [step * storage.itemsize for step in tensor.stride],
        writeable=False,
    )
