"""A dataset in words."""

from __future__ import annotations

from typing import Any

from kerasopt.data.structure import leaves

__all__ = ["short", "summary"]

_NAMES = 10


def short(data: Any) -> str:
    """Return the sizes and shapes of a dataset in one line.

    Example:
        >>> import kerasopt as ko
        >>> short(ko.data.from_arrays([[0.0], [1.0]], [0.5, 1.5], validation=0))
        "<Dataset 'arrays': train 2, validation 0, test 0; (1,) float32; 1 target>"
    """
    parts = [_sizes(data), _samples(data), _classes(data)]
    return f"<Dataset {data.name!r}: {'; '.join(part for part in parts if part)}>"


def summary(data: Any) -> str:
    """Return a few lines on a dataset: sizes, shape, classes, source and warnings.

    Example:
        >>> import kerasopt as ko
        >>> data = ko.data.from_arrays([[0.0], [1.0]], [0.5, 1.5], validation=0)
        >>> print(summary(data))
        arrays (arrays in memory)
        train 2, validation 0, test 0
        samples (1,) float32, 1 target: target
    """
    names = ", ".join(data.class_names[:_NAMES])
    more = ", ..." if data.num_classes > _NAMES else ""
    classes = f", {_classes(data)}: {names}{more}" if data.num_classes else ""
    lines = [
        f"{data.name} ({data.source})",
        _sizes(data),
        f"samples {_samples(data)}{classes}",
    ]
    weighted = [split for split, weights in data.weights.items() if weights is not None]
    if weighted:
        lines.append(f"Sample weights: {', '.join(weighted)}.")
    if data.skipped:
        lines.append(f"Files that can't be read, left out: {len(data.skipped):,}.")
    if data.test_is_validation:
        lines.append("The validation data are test data: no honest test score.")
    if data.test_rows_in_train:
        lines.append(
            f"{data.test_rows_in_train:,} of {data.sizes['test']:,} test samples are "
            "also training samples."
        )
    return "\n".join(lines)


def _sizes(data: Any) -> str:
    sizes = data.sizes.items()
    return ", ".join(
        f"{split} {'of unknown size' if size is None else format(size, ',')}"
        for split, size in sizes
    )


def _samples(data: Any) -> str:
    if not isinstance(data.train, tuple):
        return data.train.description
    named = leaves(data.train[0], what="")
    texts = [f"{tuple(array.shape[1:])} {array.dtype}" for _, array in named]
    if len(named) == 1 and not named[0][0]:
        return texts[0]
    inputs = [name[1:-1].strip("'") for name, _ in named]
    return ", ".join(map(": ".join, zip(inputs, texts, strict=True)))


def _classes(data: Any) -> str:
    if data.task is None:
        return ""
    kind = {"multilabel": "label", "regression": "target"}.get(data.task.name, "class")
    if data.num_classes == 1:
        return f"1 {kind}"
    return f"{data.num_classes} {kind}{'es' if kind == 'class' else 's'}"
