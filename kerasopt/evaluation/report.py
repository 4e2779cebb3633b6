"""One self-contained HTML page about one run.

The page loads nothing: style, figures and images lie in it, and it has no script.
It follows the reader's light or dark theme, fits a phone and prints.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from kerasopt.charts import label
from kerasopt.evaluation import formatting, page, plots, tta
from kerasopt.evaluation.metrics import Classification, classification
from kerasopt.evaluation.page import write

__all__ = ["ReportData", "preload", "render", "write"]

# Shown elsewhere on the page, or for machines only.
_HIDDEN_METRICS = frozenset(
    {"test_is_validation", "test_interval", "test_interval_tta", "tta", "tta_share"}
)


@dataclass(frozen=True, eq=False)
class ReportData:
    """What a report is made from; whatever is missing becomes a sentence.

    Attributes:
        recipe: The run's settings, nested.
        environment: Versions, machine and data, nested.
        history: One row an epoch (see `plots.curves`), or None.
        metrics: What was measured, such as test_accuracy and train_seconds.
        classification: The test set's measures in detail, or None.
        mistake_images: The images at `mistake_indices`, shape (m, height, width),
            (m, height, width, 1) or (m, height, width, 3), uint8 or float; samples
            of another shape are listed without a picture.
        mistake_indices: The positions of wrongly classified test samples, shape
            (m,); the default is `classification.worst_mistakes(m)`.
        class_names: The k names; the default is those of `classification`.
        notes: Sentences for the top of the page, such as a caveat.
        curve_notes: Sentences below the curves that say how to read them.
    """

    recipe: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    history: pd.DataFrame | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    classification: Classification | None = None
    mistake_images: np.ndarray | None = None
    mistake_indices: np.ndarray | None = None
    class_names: Sequence[str] | None = None
    notes: Sequence[str] = ()
    curve_notes: Sequence[str] = ()


def render(data: ReportData) -> str:
    """Return the report as one HTML page.

    Args:
        data: The run's settings, history and measures.

    Returns:
        The page's text. The same data gives the same text.

    Raises:
        ValueError: if class names or mistakes don't fit the classification.

    Example:
        >>> page = render(ReportData(recipe={"name": "digits"}))
        >>> "<h1>digits</h1>" in page, "No test set was measured." in page
        (True, True)
    """
    found = _renamed(data)
    template = page.environment("kerasopt.evaluation").get_template("report.html.j2")
    return template.render(
        title=str(data.recipe.get("name") or "Training run"),
        description=data.recipe.get("description"),
        notes=list(data.notes),
        headline=_headline(data, found),
        curves=_curves(data.history),
        curve_notes=list(data.curve_notes),
        confusion=None if found is None else _confusion(found),
        per_class=None if found is None else found.per_class.reset_index().to_dict(
            orient="records"
        ),
        mistakes=None if found is None else _mistakes(data, found),
        num_mistakes=0 if found is None else _num_mistakes(found),
        metrics=_metric_rows(data.metrics),
        recipe=page.yaml_text(data.recipe),
        environment=page.flat_rows(data.environment),
        can_be_repeated=_can_be_repeated(data),
    )  # fmt: skip


def preload() -> None:
    """Load what a report needs, libraries, fonts and templates, by drawing a small one.

    A run with a time budget does so before its training, so that what comes after
    takes as long each time.
    """
    render(
        ReportData(
            history=pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.5]}),
            classification=classification([0, 1], [[0.9, 0.1], [0.8, 0.2]]),
            mistake_images=np.zeros((1, 2, 2, 3), "uint8"),
        )
    )


def _renamed(data: ReportData) -> Classification | None:
    found = data.classification
    if found is None or data.class_names is None:
        return found
    names = tuple(map(str, data.class_names))
    if len(names) != len(found.class_names):
        raise ValueError(
            f"class_names has {len(names)} names but the classification has "
            f"{len(found.class_names)} classes; give one name for each."
        )
    return replace(found, class_names=names)


def _headline(data: ReportData, found: Classification | None) -> dict[str, Any]:
    """Return the numbers at the top of the page; what is missing is None."""
    metrics = data.metrics
    samples = metrics.get("test_samples") if found is None else len(found)
    images = data.mistake_images is not None and _are_images(data.mistake_images)
    return {
        "accuracy": metrics.get("test_accuracy") if found is None else found.accuracy,
        "interval": metrics.get("test_interval") if found is None else found.interval,
        "confidence": 0.95 if found is None else found.confidence,
        "views": _views(metrics),
        "samples": samples,
        "kind": "images" if images else "samples",
        "loss": metrics.get("test_loss") if found is None else found.loss,
        "validation": metrics.get("validation_accuracy"),
        "seconds": metrics.get("train_seconds"),
        "epochs": metrics.get("epochs"),
        "budget": metrics.get("budget_seconds"),
        "parameters": metrics.get("parameters"),
    }


def _views(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the accuracy with test-time augmentation, and what that was."""
    if "test_accuracy_tta" not in metrics:
        return None
    return {
        "accuracy": metrics["test_accuracy_tta"],
        # Runs of earlier versions have no interval or share.
        "interval": metrics.get("test_interval_tta"),
        "text": tta.describe(metrics["tta"], metrics.get("tta_share", 1.0)),
    }


def _curves(history: pd.DataFrame | None) -> dict[str, str] | None:
    if history is None or history.empty:
        return None
    last = history.iloc[-1]
    shown = [
        f"{column.replace('val_', 'validation ')} {last[column]:.4g}"
        for column in ("loss", "val_loss", "accuracy", "val_accuracy")
        if column in history.columns and pd.notna(last[column])
    ]
    text = (
        f"Curves of loss and accuracy over {len(history)} epochs. "
        f"At the last epoch: {', '.join(shown)}."
    )
    return {"svg": page.inline_svg(plots.curves(history), prefix="curves", text=text)}


def _confusion(found: Classification) -> dict[str, str]:
    text = (
        f"Confusion matrix of {len(found.class_names)} classes; the counts of "
        f"right answers on its diagonal add up to {np.trace(found.confusion)} of "
        f"{len(found)}."
    )
    figure = plots.confusion(found.confusion)
    return {"svg": page.inline_svg(figure, prefix="confusion", text=text)}


def _num_mistakes(found: Classification) -> int:
    return int(np.sum(found.predicted != found.labels))


def _are_images(samples: np.ndarray) -> bool:
    shape = np.shape(samples)
    return len(shape) == 3 or (len(shape) == 4 and shape[-1] in (1, 3))


def _mistakes(data: ReportData, found: Classification) -> list[dict[str, Any]]:
    images = data.mistake_images
    if data.mistake_indices is None:
        indices = found.worst_mistakes(24 if images is None else len(images))
    else:
        indices = np.asarray(data.mistake_indices, dtype=int)
    if images is not None and len(images) != len(indices):
        raise ValueError(
            f"{len(images)} mistake_images were given for {len(indices)} mistakes; "
            "give one for each, as in x_test[classification.worst_mistakes(24)]."
        )
    if ((indices < 0) | (indices >= len(found))).any():
        raise ValueError(
            f"mistake_indices must be positions 0..{len(found) - 1} of the test set; "
            f"given: {indices.min()}..{indices.max()}."
        )
    pictures: Sequence[str | None] = [None] * len(indices)
    if images is not None and _are_images(images):
        pictures = [_png(image) for image in _as_bytes(np.asarray(images))]
    names = [label(name, 60) for name in found.class_names]
    return [
        {
            "picture": picture,
            "index": int(index),
            "true": names[found.labels[index]],
            "predicted": names[found.predicted[index]],
            "probability": float(found.confidence_of_prediction[index]),
        }
        for picture, index in zip(pictures, indices, strict=True)
    ]


def _as_bytes(images: np.ndarray) -> np.ndarray:
    if images.shape[-1] == 1 and images.ndim == 4:
        images = images[..., 0]
    if images.dtype == np.uint8 or not images.size:
        return images.astype(np.uint8)
    values = np.nan_to_num(images.astype(np.float64))
    low, high = min(values.min(), 0.0), max(values.max(), 1.0)
    return np.round((values - low) / (high - low) * 255).astype(np.uint8)


def _png(image: np.ndarray) -> str:
    """Return the address of an image that lies in the page itself."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _metric_rows(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in metrics.items():
        if name in _HIDDEN_METRICS:
            continue
        rows.append((name.replace("_", " "), _metric_text(name, value)))
    return rows


def _metric_text(name: str, value: Any) -> str:
    if name.endswith("interval"):
        return formatting.interval(value)
    # A seed names a sequence, it counts nothing: no thousands are marked.
    number = isinstance(value, int | float | np.number) and name != "seed"
    if isinstance(value, bool) or not number:
        return page.one_line(value)
    if name.endswith(("accuracy", "accuracy_tta")):
        return formatting.percent(value)
    if name.endswith("seconds"):
        return formatting.duration(value)
    if float(value).is_integer():
        return formatting.count(value)
    return f"{value:.4g}"


def _can_be_repeated(data: ReportData) -> bool:
    """Return whether the run's recipe.yaml makes it again."""
    # The recipe of a run made from objects names no data.
    return "data" in data.recipe
