"""What the report says about the result of each task: numbers, figures, mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kerasopt.charts import label, undrawable
from kerasopt.evaluation import formatting, page, pictures, plots
from kerasopt.evaluation.binary import Binary
from kerasopt.evaluation.measuring import Result
from kerasopt.evaluation.metrics import Classification
from kerasopt.evaluation.multilabel import Multilabel
from kerasopt.evaluation.regression import Regression

__all__ = ["boxes", "details", "mistakes", "num_mistakes", "renamed"]

_MAX_TARGETS_DRAWN = 4


def renamed(found: Result, names: Sequence[str]) -> Result:
    """Return the result with other names of its classes, labels or targets."""
    own = found.target_names if isinstance(found, Regression) else found.class_names
    given = tuple(map(str, names))
    if len(given) != len(own):
        raise ValueError(
            f"class_names has {len(given)} names but the result has {len(own)} "
            "classes, labels or targets; give one name for each."
        )
    if isinstance(found, Regression):
        return replace(found, target_names=given)
    return replace(found, class_names=given)


def boxes(found: Result) -> list[dict[str, Any]]:
    """Return the numbers beside the headline: name, value and a small line."""
    if isinstance(found, Regression):
        return [
            _box(name, getattr(found, name), found.intervals[name])
            for name in ("mae", "r2")
        ]
    if isinstance(found, Multilabel):
        return [
            _box("subset_accuracy", found.subset_accuracy),
            _box("binary_accuracy", found.binary_accuracy),
            _box("micro_f1", found.micro_f1),
        ]
    if isinstance(found, Binary):
        return [
            _box("auc", found.auc),
            _box("average_precision", found.average_precision),
        ]
    return [_box("macro_f1", found.macro["f1"])]


def _box(
    name: str, value: float | None, interval: tuple[float, float] | None = None
) -> dict[str, Any]:
    words = formatting.metric_name(name)
    small = None if interval is None else formatting.measure(name, interval)
    return {
        "name": words[:1].upper() + words[1:],
        "value": formatting.measure(name, value),
        "small": small,
    }


def details(found: Result) -> dict[str, Any]:
    """Return tables and figures; None for the parts that the task doesn't have."""
    parts: dict[str, Any] = dict.fromkeys(("classes", "decision", "labels", "targets"))
    if isinstance(found, Regression):
        return {**parts, "targets": _targets(found)}
    if isinstance(found, Multilabel):
        return {**parts, "labels": _labels(found)}
    decision = _decision(found) if isinstance(found, Binary) else None
    return {**parts, "classes": _classes(found), "decision": decision}


def _classes(found: Classification) -> dict[str, Any]:
    text = (
        f"Confusion matrix of {len(found.class_names)} classes; the counts of "
        f"right answers on its diagonal add up to {np.trace(found.confusion)} of "
        f"{len(found)}."
    )
    return {
        "confusion": _figure(plots.confusion(found.confusion), "confusion", text),
        "rows": found.per_class.reset_index().to_dict(orient="records"),
        "averages": {"Macro": found.macro, "Weighted": found.weighted},
        "total": len(found),
        "numbered": _numbered(found.class_names),
    }


def _numbered(names: Sequence[str]) -> str:
    """Return what a caption says of the names that no font can draw, or nothing."""
    if not any(map(undrawable, names)):
        return ""
    return (
        "No installed font has the characters of some names: these are numbered as in "
        "the table, from 0."
    )


def _decision(found: Binary) -> dict[str, Any]:
    figures = []
    if found.auc is not None:
        figures = [
            _figure(
                plots.roc(found), "roc", f"ROC curve; its area is {found.auc:.3f}."
            ),
            _figure(
                plots.precision_recall(found),
                "precision-recall",
                f"Precision over recall; average precision "
                f"{found.average_precision:.3f}.",
            ),
        ]
    return {
        "figures": figures,
        "positive": label(found.class_names[1], 60),
        "at": found.at_threshold,
        "is_chosen": found.threshold != 0.5,
    }


def _labels(found: Multilabel) -> dict[str, Any]:
    text = (
        f"Average precision of {len(found.class_names)} labels; their mean is "
        f"{formatting.short(found.mean_average_precision)}."
    )
    return {
        "bars": _figure(plots.per_label(found), "labels", text),
        "rows": formatting.plain(
            found.per_label.reset_index().to_dict(orient="records")
        ),
        "averages": {
            "Macro": {
                **found.macro,
                "average_precision": found.mean_average_precision,
            },
            "Weighted": {**found.weighted, "average_precision": None},
            "Micro": {**found.micro, "average_precision": None},
        },
        "total": int(found.labels.sum()),
        "numbered": _numbered(found.class_names),
        "threshold": found.threshold,
        "hamming_loss": found.hamming_loss,
    }


def _targets(found: Regression) -> dict[str, Any]:
    several = len(found.target_names) > 1
    drawn = [
        {
            "name": label(name, 60) if several else None,
            "figures": [
                _figure(
                    plots.predicted_against_actual(found, target=index),
                    f"actual-{index}",
                    f"Predicted over actual values of {len(found)} samples.",
                ),
                _figure(
                    plots.residuals(found, target=index),
                    f"residuals-{index}",
                    "Residuals, predicted minus actual, over the predictions.",
                ),
            ],
        }
        for index, name in enumerate(found.target_names[:_MAX_TARGETS_DRAWN])
    ]
    rows = found.per_target.reset_index().to_dict(orient="records")
    return {
        "drawn": drawn,
        "left_out": len(found.target_names) - len(drawn),
        "rows": rows if several else [],
    }


def _figure(figure: plots.Chart, prefix: str, text: str) -> Any:
    return page.inline_svg(figure, prefix=prefix, text=text)


def num_mistakes(found: Result) -> int:
    """Return the number of samples with a mistake; in a regression, of all."""
    if isinstance(found, Regression):
        return len(found)
    wrong = found.predicted != found.labels
    return int(np.sum(wrong.any(axis=1) if wrong.ndim == 2 else wrong))


def mistakes(
    found: Result,
    *,
    images: np.ndarray | None,
    indices: Any,
    sample_names: Sequence[str] | None,
) -> list[dict[str, Any]]:
    """Return what the report shows of each mistake, worst first.

    Args:
        found: The result.
        images: The samples at `indices`; only images are shown.
        indices: Positions in the test set, or None for the worst.
        sample_names: Names of the samples at `indices`, such as file names.

    Returns:
        Dicts of picture, sample, true, predicted and number, all texts; of classes
        also of_true, the probability of the true one.

    Raises:
        ValueError: if images, indices and names don't fit together.
    """
    if indices is None:
        indices = found.worst_mistakes(24 if images is None else len(images))
    else:
        indices = np.asarray(indices, dtype=int)
    _check_mistakes(found, images, indices, sample_names)
    shown: Sequence[str | None] = [None] * len(indices)
    if images is not None and pictures.are_images(images):
        shown = pictures.data_addresses(images)
    samples = map(str, indices) if sample_names is None else map(str, sample_names)
    describe = _describer(found)
    return [
        {"picture": picture, "sample": label(sample, 120), **describe(int(index))}
        for picture, sample, index in zip(shown, samples, indices, strict=True)
    ]


def _check_mistakes(
    found: Result,
    images: np.ndarray | None,
    indices: np.ndarray,
    sample_names: Sequence[str] | None,
) -> None:
    for name, given in (("mistake_images", images), ("mistake_names", sample_names)):
        if given is not None and len(given) != len(indices):
            raise ValueError(
                f"{len(given)} {name} were given for {len(indices)} mistakes; "
                "give one for each, as in x_test[result.worst_mistakes(24)]."
            )
    if ((indices < 0) | (indices >= len(found))).any():
        raise ValueError(
            f"mistake_indices must be positions 0..{len(found) - 1} of the test set; "
            f"given: {indices.min()}..{indices.max()}."
        )


def _describer(found: Result) -> Callable[[int], dict[str, str]]:
    """Return what describes the mistake at a position of the test set."""
    if isinstance(found, Regression):
        return lambda index: {
            "true": _numbers(found.targets[index]),
            "predicted": _numbers(found.predictions[index]),
            "number": _numbers(found.errors[index], sign="+"),
        }
    names = [label(name, 60) for name in found.class_names]
    if isinstance(found, Multilabel):
        return lambda index: {
            "true": _chosen(names, found.labels[index]),
            "predicted": _chosen(names, found.predicted[index]),
            "number": f"loss {found.losses[index]:.3g}",
        }
    return lambda index: {
        "true": names[found.labels[index]],
        "predicted": names[found.predicted[index]],
        "number": formatting.percent(found.confidence_of_prediction[index], digits=1),
        "of_true": formatting.percent(
            found.probabilities[index, found.labels[index]], digits=1
        ),
    }


def _numbers(values: np.ndarray, sign: str = "") -> str:
    return ", ".join(formatting.number(value, sign=sign) for value in values)


def _chosen(names: Sequence[str], row: np.ndarray) -> str:
    return ", ".join(np.array(names, dtype=object)[row == 1]) or "no label"
