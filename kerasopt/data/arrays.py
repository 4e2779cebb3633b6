"""A dataset from the user's own arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasopt.data.checks import as_array, as_pair
from kerasopt.data.dataset import Dataset
from kerasopt.data.splits import resolve_size, stratified_split

__all__ = ["from_arrays"]


def from_arrays(
    x: Any,
    y: Any,
    *,
    test: Any = None,
    validation: Any = 0.1,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    seed: int = 0,
    name: str = "arrays",
    allow_test_as_validation: bool = False,
) -> Dataset:
    """Make a dataset of arrays, lists, tensors or data frames.

    Images of integers in 0..255 become uint8 (and are divided by 255 before
    training); other integers and float64 become float32, and floats are
    trained on as they are. Labels may be names: they are numbered in sorted
    order, or in the order of `class_names`.

    Args:
        x: Training samples, ``(n, height, width, channels)``,
            ``(n, height, width)`` or ``(n, features)``.
        y: Training labels: integers from 0, names, or one-hot.
        test: Pair ``(x, y)``, or None for no test data.
        validation: Number or fraction of the training samples to cut
            (stratified), a pair ``(x, y)`` of your own, or 0 or None for none.
        num_classes: Number of classes; by default as the labels say.
        class_names: A name for each class.
        seed: Seed of the validation cut.
        name: Short name of the dataset.
        allow_test_as_validation: Accept test data as validation data.

    Returns:
        The dataset.

    Raises:
        ValueError: if anything about the arrays is wrong.

    Example:
        >>> import numpy as np
        >>> x = np.arange(40.0).reshape(20, 2)
        >>> data = from_arrays(x, ["cat", "dog"] * 10, validation=4)
        >>> data
        <Dataset 'arrays': train 16, validation 4, test 0; (2,) float32; 2 classes>
        >>> data.class_names
        ('cat', 'dog')
    """
    given = {"train": (x, y)}
    if isinstance(validation, (tuple, list)):
        given["validation"] = as_pair(validation, what="validation")
    if test is not None:
        given["test"] = as_pair(test, what="test")
    features = _convert_features(
        {split: as_array(pair[0], what=f"{split} x") for split, pair in given.items()}
    )
    labels, names = _number_labels(
        {split: as_array(pair[1], what=f"{split} y") for split, pair in given.items()},
        class_names,
    )
    # Checked before the cut, so that messages speak of the arrays as given.
    whole = Dataset(
        train=(features["train"], labels["train"]),
        validation=_pair(features, labels, "validation"),
        test=_pair(features, labels, "test"),
        num_classes=_check_num_classes(num_classes),
        class_names=names,
        name=name,
        allow_test_as_validation=allow_test_as_validation,
    )
    if "validation" in given or validation is None:
        return whole
    return cut_validation(whole, validation=validation, seed=seed)


def cut_validation(dataset: Dataset, *, validation: Any, seed: int) -> Dataset:
    """Cut validation samples from the training samples of a dataset.

    Args:
        dataset: A dataset without validation data.
        validation: Number or fraction of samples to cut; a fraction gives at
            least one sample of each class.
        seed: Seed of the stratified cut.

    Returns:
        A dataset with validation data, or the same one if the number is 0.

    Raises:
        ValueError: if the cut is too large or leaves a class empty.

    Example:
        >>> import numpy as np
        >>> whole = Dataset(train=(np.eye(8), [0, 1] * 4))
        >>> cut_validation(whole, validation=0.25, seed=0).sizes
        {'train': 6, 'validation': 2, 'test': 0}
    """
    x, y = dataset.train
    size = resolve_size(validation, total=len(y), minimum=dataset.num_classes)
    if not size:
        return dataset
    try:
        rest, cut = stratified_split(y, size, seed)
    except ValueError as error:
        raise ValueError(f"validation={validation}: {error}") from error
    return Dataset(
        train=(x[rest], y[rest]),
        validation=(x[cut], y[cut]),
        test=dataset.test,
        num_classes=dataset.num_classes,
        class_names=dataset.class_names,
        source=dataset.source,
        name=dataset.name,
    )


def _pair(features: dict[str, Any], labels: dict[str, Any], split: str) -> Any:
    return (features[split], labels[split]) if split in features else None


def _check_num_classes(num_classes: Any) -> int:
    if num_classes is None:
        return 0
    if num_classes == 0:
        raise ValueError("num_classes=0: classification needs at least 2 classes.")
    return num_classes


def _convert_features(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Choose one dtype for all the splits together."""
    kinds = {array.dtype.kind for array in arrays.values()}
    if kinds <= set("ui"):
        pixels = any(a.ndim > 2 or a.dtype == np.uint8 for a in arrays.values())
        fits = all(a.size and a.min() >= 0 and a.max() <= 255 for a in arrays.values())
        wanted: type = np.uint8 if pixels and fits else np.float32
    elif kinds <= set("uifb") and not any(a.dtype == np.uint8 for a in arrays.values()):
        wanted = np.float32
    else:
        return arrays
    # A float64 beyond float32 becomes infinite, which the check then reports.
    with np.errstate(over="ignore"):
        return {s: a.astype(wanted, copy=False) for s, a in arrays.items()}


def _number_labels(
    arrays: dict[str, np.ndarray], class_names: Sequence[str] | None
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Replace names of classes by their numbers."""
    names = tuple(str(name) for name in class_names or ())
    flat = {
        split: a[:, 0] if a.ndim == 2 and a.shape[1] == 1 else a
        for split, a in arrays.items()
    }
    if flat["train"].dtype.kind not in "OUST":
        return flat, names
    texts = {split: _as_names(a, what=f"{split} y") for split, a in flat.items()}
    if all(isinstance(v, int) for labels in texts.values() for v in labels):
        return {split: np.array(v) for split, v in texts.items()}, names
    names = names or tuple(sorted({str(label) for label in texts["train"]}))
    numbers = {label: number for number, label in enumerate(names)}
    numbered = {}
    for split, labels in texts.items():
        strangers = [label for label in labels if label not in numbers]
        if strangers:
            raise ValueError(
                f"{split} y has {len(strangers):,} labels that aren't classes; the "
                f"first is {strangers[0]!r}. Classes: {', '.join(names[:20])}."
            )
        numbered[split] = np.array([numbers[str(v)] for v in labels], dtype=np.int64)
    return numbered, names


def _as_names(array: np.ndarray, *, what: str) -> list[Any]:
    """Return labels that are all text, or all whole numbers."""
    labels = array.tolist()
    if array.ndim == 1:
        labels = [v.decode() if isinstance(v, bytes) else v for v in labels]
        for kind in (str, int):
            if all(isinstance(label, kind) for label in labels):
                return labels
        index = next(i for i, v in enumerate(labels) if not isinstance(v, str))
        raise ValueError(
            f"{what} mixes names with other values; the first other one is "
            f"{labels[index]!r} at index {index}. Give names only or integers "
            "only, and fill or drop missing labels."
        )
    raise ValueError(f"{what} has shape {array.shape}; names need the shape (n,).")
