"""A dataset from a folder of image files, one subfolder a class."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt.console import track
from kerasopt.data.dataset import Dataset
from kerasopt.data.image_reading import choose_cache, read_all
from kerasopt.data.images import (
    COLORS,
    ImageError,
    check_size,
    displayed_size,
    is_no_image,
    quiet,
)
from kerasopt.data.layouts import Layout, find_layout, list_images
from kerasopt.data.leakage import warn_of_two_labels
from kerasopt.data.parallel import in_threads, reading_threads
from kerasopt.data.splits import resolve_size, stratified_split
from kerasopt.files import user_path
from kerasopt.names import unknown

__all__ = ["from_directory"]

_LARGEST_DEFAULT_SIDE = 256
_SHOWN = 5
_LISTED = 50
_VALIDATION = 0.1
_CORRUPT = ("error", "skip")
_TRIED_SIZE = (64, 64)
"""To find out whether files can be read: small, so that resizing takes no time."""
# Test samples never depend on the user's seed: results stay comparable.
_TEST_SEED = 20_090_408


@dataclass(frozen=True)
class _Files:
    """Image files and the label of each."""

    paths: list[Path]
    labels: np.ndarray

    def take(self, indices: np.ndarray) -> _Files:
        return _Files([self.paths[i] for i in indices], self.labels[indices])


def from_directory(
    directory: str | os.PathLike[str],
    *,
    image_size: Sequence[int] | None = None,
    validation: Any = "auto",
    test: Any = 0.0,
    seed: int = 0,
    color: str = "rgb",
    max_images: int | None = None,
    cache: str = "auto",
    corrupt: str = "error",
) -> Dataset:
    """Read a folder of images, in which each subfolder is a class.

    ``photos/cat/*.png``, ``photos/dog/*.jpg``: the names of the subfolders,
    sorted, are the classes. If the subfolders are splits, each with folders of
    classes, they are used as such: names like ``train``, ``Training``,
    ``training_set``, ``seg_train``; ``test``, ``testing``; ``val``, ``valid``,
    ``validation``, ``dev``. Links are followed; hidden files and folders and
    ``__MACOSX`` are left out at every depth. Images may have any size and color
    mode; see `read_image` for how they are converted.

    Files that are neither images nor named like one (``readme.txt``) are left out
    with a warning.

    Args:
        directory: The folder.
        image_size: (height, width) in pixels to which all images are resized, whatever
            their ratio of sides; by default the most common size, shrunk to at most 256
            pixels a side.
        validation: Number or fraction of the training images to cut as
            validation data (stratified); 0 or None for none. "auto" cuts 0.1 where
            there is no folder of validation images.
        test: Number or fraction of images to cut as test data, always the
            same ones whatever the seed; 0 for none.
        seed: Seed of the validation cut and of `max_images`.
        color: "rgb" or "grayscale".
        max_images: Use at most so many training images (stratified).
        cache: Where decoded images are kept. "memory" decodes each once into an
            array. "disk" decodes each once into a file in ``$KERASOPT_HOME/datasets``
            (or ``~/.kerasopt/datasets``), "none" decodes it each time; memory
            doesn't grow with the folder then, and x of each split is an
            `ImageFiles`. "auto" takes memory if the images fit in a quarter of what
            is free, else disk if they fit in half of what is free, else none.
        corrupt: "error" refuses files that can't be read and lists them; "skip"
            leaves them out with a warning. Each file is decoded once before training
            to find them.

    Returns:
        The dataset, uint8 in 0..255. `Dataset.paths` has the file of each image,
        `Dataset.skipped` all files that were left out.

    Raises:
        TypeError: if the folder is no path.
        ValueError: if folders or classes are missing or empty, if subfolders may be
            classes or splits, if names aren't UTF-8, and if files can't be read as
            images: it lists up to 50 of them, and their number.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for color in ("blue", "red"):
        ...         Path(folder, color).mkdir()
        ...         for n in range(4):
        ...             image = Image.new("RGB", (8, 6), color)
        ...             image.save(f"{folder}/{color}/{n}.png")
        ...     data = from_directory(folder, validation=2)
        >>> data.class_names, data.input_shape, data.sizes["train"]
        (('blue', 'red'), (6, 8, 3), 6)
    """
    if not isinstance(color, str) or color not in COLORS:
        raise unknown("color", color, COLORS)
    if not isinstance(corrupt, str) or corrupt not in _CORRUPT:
        raise unknown("corrupt", corrupt, _CORRUPT)
    root = user_path(directory)
    if not root.is_dir():
        raise ValueError(
            f"{root} is a file: give the folder, of an archive the unpacked one."
            if root.exists()
            else f"There is no folder {root}."
            if root.is_absolute()
            else f"There is no folder '{root}' in the current directory. Give the path "
            "of yours."
        )
    layout = find_layout(root)
    with quiet():
        splits, strays = _without_strays(_list_splits(layout), layout)
    errors: dict[Path, str] = {}
    if corrupt == "skip":
        # First, so that what is cut has the size that was asked for.
        splits = _without_corrupt(splits, layout, color, errors)
    if isinstance(validation, str) and validation == "auto":
        validation = 0 if "validation" in splits else _VALIDATION
    if max_images is not None:
        splits["train"] = _at_most(splits["train"], max_images, seed)
    splits = _cut(
        splits,
        classes=layout.classes,
        wishes={"test": (test, _TEST_SEED), "validation": (validation, seed)},
    )
    total = _count(splits)
    size = check_size(image_size) if image_size is not None else None
    with quiet():
        if size is None:
            sizes = _inspect(splits, errors)
            if not sizes:
                _report(errors, total)
            size = _usual_size(sizes)
        images = read_all(
            {split: files.paths for split, files in splits.items()},
            size=size,
            color=color,
            cache=choose_cache(cache, total * size[0] * size[1] * COLORS[color]),
            errors=errors,
        )
    if corrupt == "error":
        _report(errors, total)
    kept = {
        split: files.take(np.flatnonzero(images[split].readable))
        for split, files in splits.items()
    }
    _check_classes(kept["train"], layout.classes)
    _warn_of("can't be read", [*errors])
    warn_of_two_labels(
        [(files.paths, files.labels, images[split].x) for split, files in kept.items()]
    )
    pairs = {
        split: (images[split].x, files.labels)
        for split, files in kept.items()
        if files.paths
    }
    return Dataset(
        train=pairs["train"],
        validation=pairs.get("validation"),
        test=pairs.get("test"),
        num_classes=len(layout.classes),
        class_names=layout.classes,
        source=f"folder {root.name or root}, {_count(kept):,} image files",
        name=root.resolve().name or "images",
        paths={split: files.paths for split, files in kept.items()},
        skipped=tuple(sorted(map(str, [*errors, *strays]))),
    )


def _list_splits(layout: Layout) -> dict[str, _Files]:
    """List the images of each split; in train each class must have some."""
    splits = {}
    for split, folder in layout.folders.items():
        paths: list[Path] = []
        labels: list[int] = []
        for label, name in enumerate(layout.classes):
            place = folder / name
            found = list_images(place) if place.is_dir() else []
            if not found and split == "train":
                raise ValueError(
                    f"The class folder {place} has no images: add some, or remove the "
                    "folder."
                )
            paths += found
            labels += [label] * len(found)
        if not paths:
            raise ValueError(f"{folder} has no images.")
        splits[split] = _Files(paths, np.array(labels, dtype=np.int64))
    return splits


def _without_strays(
    splits: dict[str, _Files], layout: Layout
) -> tuple[dict[str, _Files], list[Path]]:
    """Leave out files that are no images and aren't named like any (readme.txt)."""
    kept, strays = {}, []
    for split, files in splits.items():
        stray = np.array([is_no_image(path) for path in files.paths])
        strays += files.take(np.flatnonzero(stray)).paths
        kept[split] = files.take(np.flatnonzero(~stray))
        if split == "train":
            _check_classes(kept[split], layout.classes)
        elif not kept[split].paths:
            raise ValueError(f"{layout.folders[split]} has no images.")
    _warn_of("aren't images", strays)
    return kept, strays


def _without_corrupt(
    splits: dict[str, _Files], layout: Layout, color: str, errors: dict[Path, str]
) -> dict[str, _Files]:
    """Leave out files that can't be read; `errors` gets the reason of each."""
    with quiet():
        read = read_all(
            {split: files.paths for split, files in splits.items()},
            size=_TRIED_SIZE,
            color=color,
            cache="none",
            errors=errors,
        )
    kept = {
        split: files.take(np.flatnonzero(read[split].readable))
        for split, files in splits.items()
    }
    if not _count(kept):
        _report(errors, len(errors))
    for split, files in kept.items():
        if not files.paths:
            raise ValueError(f"No image in {layout.folders[split]} can be read.")
    _check_classes(kept["train"], layout.classes)
    return kept


def _count(splits: dict[str, _Files]) -> int:
    return sum(len(files.paths) for files in splits.values())


def _warn_of(reason: str, left_out: list[Path]) -> None:
    if not left_out:
        return
    names = ", ".join(str(path) for path in left_out[:_SHOWN])
    more = f" and {len(left_out) - _SHOWN:,} more" if len(left_out) > _SHOWN else ""
    warnings.warn(
        f"Files that {reason} were left out ({len(left_out):,}): {names}{more}.",
        UserWarning,
        stacklevel=3,
    )


def _at_most(files: _Files, max_images: Any, seed: int) -> _Files:
    whole = isinstance(max_images, (int, np.integer))
    if isinstance(max_images, bool) or not whole or max_images < 1:
        raise ValueError(
            f"max_images={max_images!r} must be a whole number, 1 or larger."
        )
    if max_images >= len(files.paths):
        return files
    try:
        return files.take(stratified_split(files.labels, max_images, seed)[1])
    except ValueError as error:
        raise ValueError(f"max_images={max_images}: {error}") from error


def _cut(
    splits: dict[str, _Files],
    *,
    classes: tuple[str, ...],
    wishes: dict[str, tuple[Any, int]],
) -> dict[str, _Files]:
    """Cut from train what `wishes` asks for: by split, its size and a seed."""
    result = dict(splits)
    for split, (wish, wish_seed) in wishes.items():
        train = result["train"]
        size = resolve_size(
            0 if wish is None else wish,
            total=len(train.paths),
            what=split,
            minimum=len(np.unique(train.labels)),
        )
        if split in splits:
            if size:
                raise ValueError(
                    f"{split}={wish} asks to cut {split} images, but there is a folder "
                    f"of {split} images: leave one of the two out."
                )
            continue
        if size:
            try:
                rest, cut = stratified_split(
                    train.labels, size, wish_seed, class_names=classes
                )
            except ValueError as error:
                left = " of what the test part left" if "test" in result else ""
                raise ValueError(
                    f"{split}={wish}{left}: {error} On the command line: "
                    f"--set data.{split}=0."
                ) from error
            result["train"], result[split] = train.take(rest), train.take(cut)
    return result


def _inspect(
    splits: dict[str, _Files], errors: dict[Path, str]
) -> list[tuple[int, int]]:
    """Read the headers of all the files, before time goes into decoding."""
    paths = [path for files in splits.values() for path in files.paths]

    def size_of(path: Path) -> tuple[int, int] | ImageError:
        try:
            return displayed_size(path)
        except ImageError as error:
            return error

    found = in_threads(size_of, paths, threads=reading_threads(), ahead=64)
    results = track(found, description="Inspecting images", total=len(paths))
    sizes: list[tuple[int, int]] = []
    for path, size in zip(paths, results, strict=True):
        if isinstance(size, ImageError):
            errors[path] = str(size)
        else:
            sizes.append(size)
    return sizes


def _usual_size(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    (height, width), _ = Counter(sizes).most_common(1)[0]
    shrink = min(1.0, _LARGEST_DEFAULT_SIDE / max(height, width))
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def _report(errors: dict[Path, str], total: int) -> None:
    """Refuse files that can't be read; all of them are counted, most are listed."""
    if not errors:
        return
    more = len(errors) - _LISTED
    lines = "\n".join(f"  - {error}" for error in sorted(errors.values())[:_LISTED])
    raise ValueError(
        f"{len(errors):,} of {total:,} files can't be used as images:\n{lines}"
        + (f"\n  ... and {more:,} more" if more > 0 else "")
        + "\nRemove or replace them, or leave them out with corrupt='skip' "
        "(--set data.corrupt=skip)."
    )


def _check_classes(files: _Files, classes: tuple[str, ...]) -> None:
    counts = np.bincount(files.labels, minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty:
        raise ValueError(
            f"No training image of {', '.join(empty[:_SHOWN])} can be read: add some, "
            "or remove the folder."
        )
