"""The data of a recipe: each source takes its own fields and refuses the others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from kerasopt.data.dataset import Dataset
from kerasopt.data.folders import from_directory
from kerasopt.data.sources import OWN_DATA, available, canonical, load
from kerasopt.names import unknown

__all__ = ["DIRECTORY", "check_fields", "load_fields"]

DIRECTORY = "directory"

_OF_ALL = ("validation", "seed", "size")
_OF_DIRECTORIES = ("path", "image_size", "test", "color", "corrupt")
_REASONS = {
    "path": "Its files are looked for in data_dir",
    "image_size": "Its images have one size",
    "test": "It has test samples of its own",
    "color": "Its images have the colours that they have",
    "corrupt": "Its images can all be read",
}


def check_fields(fields: Mapping[str, Any]) -> None:
    """Refuse fields that have no effect on the source that they name.

    Args:
        fields: ``name``, the name of a source: what `kerasopt.data.load` takes, or
            "directory". Further fields, None where they aren't given: ``validation``,
            ``seed``, ``size``, and of directories ``path``, ``image_size``, ``test``,
            ``color``, ``corrupt``.

    Raises:
        ValueError: on an unknown source, and with the first field that has no effect.

    Example:
        >>> check_fields({"name": "digits", "size": 100})
        >>> check_fields({"name": "digits", "test": 0.5})
        Traceback (most recent call last):
        ...
        ValueError: data.test=0.5 has no effect on 'digits'. It has test samples of \
its own: leave the field out, or set it to null. Fields of 'digits': validation, seed, \
size.
    """
    name = fields["name"]
    if name == DIRECTORY:
        return
    if canonical(name) is None:
        error = unknown("data.name", name, [*available(), DIRECTORY])
        raise ValueError(f"{error} {OWN_DATA}")
    for field in _OF_DIRECTORIES:
        if fields.get(field) is not None:
            raise ValueError(
                f"data.{field}={fields[field]!r} has no effect on {name!r}. "
                f"{_REASONS[field]}: leave the field out, or set it to null. Fields of "
                f"{name!r}: {', '.join(_OF_ALL)}."
            )


def load_fields(
    fields: Mapping[str, Any], *, data_dir: str | os.PathLike[str] | None = None
) -> Dataset:
    """Load the data that the fields of a recipe describe.

    Args:
        fields: As for `check_fields`.
        data_dir: As for `kerasopt.data.load`; not for directories.

    Returns:
        The dataset.

    Raises:
        ValueError: on fields without effect, missing ones and wrong values.

    Example:
        >>> load_fields({"name": "digits", "validation": 0.2}).sizes
        {'train': 1150, 'validation': 287, 'test': 360}
    """
    check_fields(fields)
    shared = {
        field: fields[field]
        for field in ("validation", "seed")
        if fields.get(field) is not None
    }
    if fields["name"] != DIRECTORY:
        size = fields.get("size")
        return load(fields["name"], **shared, size=size, data_dir=data_dir)
    if fields.get("path") is None:
        raise ValueError(f"data.path must name the folder of data {DIRECTORY!r}.")
    if data_dir is not None:
        raise ValueError(
            f"data_dir={str(data_dir)!r} has no effect on data {DIRECTORY!r}: its "
            "folder is data.path. Leave data_dir (--data-dir) out."
        )
    return from_directory(
        fields["path"],
        **shared,
        image_size=fields.get("image_size"),
        test=fields.get("test") or 0,
        max_images=fields.get("size"),
        color=fields.get("color") or "rgb",
        corrupt=fields.get("corrupt") or "error",
    )
