"""What a folder of images holds: classes, or splits with classes in each."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kerasopt.data.checks import is_missing
from kerasopt.data.images import has_image_ending

__all__ = ["Layout", "find_layout", "list_images"]

_SHOWN = 5
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(
        ("validation", "validating", "valid", "val", "dev", "development"), "validation"
    ),
}
_FILLERS = {"set", "data", "dataset", "seg", "images", "image", "imgs", "img", "split"}
"""Words beside the name of a split: seg_train, test-images, TrainingSet."""

_NO_FOLDERS = {"__macosx", "__pycache__", "@eadir", "$recycle.bin"}
_NO_IMAGES = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Layout:
    """Where the images of each split are.

    Attributes:
        folders: Folder of each split that there is, "train" among them.
        classes: Names of the classes, sorted.
    """

    folders: Mapping[str, Path]
    classes: tuple[str, ...]


def find_layout(root: Path) -> Layout:
    """Find out whether the subfolders of a folder are classes or splits.

    They are splits if one of them has a name such as train, Training or seg_train and
    holds folders itself. Folders that hold nothing for a user (hidden ones,
    ``__MACOSX``) don't count, at any depth.

    Args:
        root: The folder.

    Returns:
        The folder of each split, and the classes.

    Raises:
        ValueError: if the subfolders may be either, if a split stands twice, or if
            there are fewer than two classes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in ("Training/a", "Training/b", "test-set/a"):
        ...         Path(root, name).mkdir(parents=True)
        ...     layout = find_layout(Path(root))
        >>> layout.classes, layout.folders["test"].name
        (('a', 'b'), 'test-set')
    """
    folders = _subfolders(root)
    found: dict[str, list[Path]] = {}
    for folder in folders:
        found.setdefault(_split_of(folder.name), []).append(folder)
    others = found.pop("", [])
    if _are_splits(root, found, others):
        _refuse_two_of_a_split(root, found)
        splits = {split: same[0] for split, same in found.items()}
        _tell_of_others(root, others)
    else:
        _refuse_same_subfolders(root, folders)
        _tell_of_classes_like_splits(found, others)
        splits = {"train": root}
    classes = _class_names(splits["train"])
    for split, folder in splits.items():
        _tell_of_loose_images(folder)
        if split != "train":
            _refuse_strangers(folder, splits["train"], classes)
    return Layout(splits, classes)


def _split_of(name: str) -> str:
    """Return the split that a folder's name says, or ""."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    rest = [word for word in words if word not in _FILLERS]
    if len(rest) != 1:
        return ""
    endings = "|".join(_FILLERS)
    return _SPLITS.get(re.sub(rf"(?<=.)({endings})$", "", rest[0]), "")


def _are_splits(root: Path, found: dict[str, list[Path]], others: list[Path]) -> bool:
    """Return whether there are splits; refuse what is neither that nor classes."""
    train = found.get("train", [])
    named = [folder for folders in found.values() for folder in folders]
    with_classes = any(_subfolders(folder) for folder in train)
    if not train and len(found) > 1 and not others:
        raise ValueError(
            f"{root} has the folders {_names(named)}, but none of training images. "
            "Name it train."
        )
    if train and len(named) > 1 and not with_classes:
        raise ValueError(
            f"{root} has the folders {_names(named)}, which look like splits, but "
            f"{_names(train)} has no subfolders. Give each split a folder of images "
            f"for each class (as in {train[0].name}/cat/1.png)."
        )
    if with_classes and len(named) == 1 and others:
        raise ValueError(
            f"{root} has the folder {train[0].name}, which looks like a split, beside "
            f"{_names(others)}, which don't. To train on {train[0].name} alone, give "
            f"the folder {train[0]}. If all of them are classes, put the images of "
            f"{train[0].name} directly into it."
        )
    return with_classes


def _refuse_two_of_a_split(root: Path, found: dict[str, list[Path]]) -> None:
    for split, folders in found.items():
        if len(folders) > 1:
            raise ValueError(
                f"{root} has {len(folders)} folders of {split} data: "
                f"{_names(folders)}. Keep one, or merge them."
            )


def _refuse_same_subfolders(root: Path, folders: list[Path]) -> None:
    """Refuse what looks like splits of other names: the same folders in each."""
    if len(folders) < 2:
        return
    inside = [{sub.name for sub in _subfolders(folder)} for folder in folders]
    common = sorted(set.intersection(*inside))
    if len(common) >= 2:
        raise ValueError(
            f"All subfolders of {root} ({_names(folders)}) hold the folders "
            f"{_listed(common)}: they look like splits, not like classes. Name splits "
            "train, validation and test; of classes put the images directly into them."
        )


def _tell_of_classes_like_splits(
    found: dict[str, list[Path]], others: list[Path]
) -> None:
    named = [
        folder
        for split, folders in found.items()
        for folder in folders
        if split != "train"  # Which may be a vehicle, and has nothing to be kept from.
    ]
    if named and others:
        warnings.warn(
            f"{_names(named)} beside {_names(others)} counts as a class. If it is a "
            f"split, put {_names(others)} into a folder train beside it.",
            UserWarning,
            stacklevel=4,
        )


def _refuse_strangers(folder: Path, train: Path, classes: tuple[str, ...]) -> None:
    names = {sub.name for sub in _subfolders(folder)}
    if not names:
        raise ValueError(
            f"{folder} has no subfolders: give it one for each class, as {train} has, "
            "or move it elsewhere."
        )
    if strangers := sorted(names - set(classes)):
        raise ValueError(
            f"{folder} has classes that {train} lacks: {_listed(strangers)}."
        )


def _tell_of_others(root: Path, others: list[Path]) -> None:
    if others:
        warnings.warn(
            f"{root} has splits; what is beside them isn't used: {_names(others)}.",
            UserWarning,
            stacklevel=4,
        )


def _tell_of_loose_images(folder: Path) -> None:
    loose = [
        entry.name
        for entry in _entries(folder)
        if has_image_ending(entry.name)
        and not _is_folder(entry)
        and _counts(entry.name)
    ]
    if loose:
        warnings.warn(
            f"{len(loose):,} images directly in {folder} belong to no class and aren't "
            f"used: {_listed(sorted(loose))}.",
            UserWarning,
            stacklevel=4,
        )


def _class_names(folder: Path) -> tuple[str, ...]:
    subfolders = _subfolders(folder)
    if len(subfolders) >= 2:
        names = tuple(sub.name for sub in subfolders)
        if unnamed := [name for name in names if is_missing(name)]:
            raise ValueError(
                f"The folder {unnamed[0]!r} in {folder} has a name that stands for a "
                "missing one, and so can't be that of a class: rename it."
            )
        return names
    hint = ""
    if not _entries(folder):
        found = "it is empty"
    elif subfolders:
        only = subfolders[0]
        found = f"its only subfolder is {only.name!r}"
        if len(_subfolders(only)) >= 2:
            hint = f" Did you mean the folder {only}?"
    else:
        found = "it has no subfolders"
    raise ValueError(
        f"{folder} needs a subfolder of images for each of at least 2 classes "
        f"(as in photos/cat/1.png, photos/dog/1.png), but {found}.{hint}"
    )


def list_images(folder: Path) -> list[Path]:
    """Return all files of a class folder, at any depth, sorted.

    Links are followed, each folder once; hidden files and folders are left out.

    Args:
        folder: The folder of a class.

    Raises:
        ValueError: if a folder can't be read, or if a name isn't UTF-8.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.png", "a.png", ".hidden.png"):
        ...         Path(folder, name).touch()
        ...     [path.name for path in list_images(Path(folder))]
        ['a.png', 'b.png']
    """
    # A link to a folder above would bring in the images of other classes.
    above = {*folder.absolute().parents, *folder.resolve().parents}
    return sorted(_walk(folder, {_identity(parent) for parent in above}))


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    seen.add(_identity(folder))
    for entry in _entries(folder):
        if not _counts(entry.name):
            continue
        path = folder / entry.name
        if not _is_folder(entry):
            yield _checked(path)
        elif _identity(path) not in seen:
            yield from _walk(path, seen)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _counts(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _NO_FOLDERS | _NO_IMAGES


def _subfolders(folder: Path) -> list[Path]:
    return sorted(
        _checked(folder / entry.name)
        for entry in _entries(folder)
        if _counts(entry.name) and _is_folder(entry)
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself, say: as a file it is reported.
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"{folder} can't be read: {reason}.") from error


def _checked(path: Path) -> Path:
    """Return a path if it can be written into reports."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        raise ValueError(
            f"The name {shown} isn't valid UTF-8, as reports need it: rename it."
        ) from error
    return path


def _names(folders: list[Path]) -> str:
    return _listed([folder.name for folder in folders])


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
