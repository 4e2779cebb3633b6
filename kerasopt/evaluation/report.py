"""One self-contained HTML page about one run.

The page loads nothing: style, figures and images lie in it, and it has no script.
It follows the reader's light or dark theme, fits a phone and prints. Wide tables and
figures scroll in their own box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from kerasopt import checks, tasks
from kerasopt.evaluation import formatting, headlines, page, pictures, plots, tta
from kerasopt.evaluation import report_sections as sections
from kerasopt.evaluation.measuring import Result, measure
from kerasopt.evaluation.metrics import Classification
from kerasopt.evaluation.multilabel import Multilabel
from kerasopt.evaluation.page import write
from kerasopt.evaluation.verdict import Diagnosis

__all__ = ["ReportData", "preload", "render", "write"]

# Shown elsewhere on the page, or for machines only.
_HIDDEN_METRICS = frozenset(
    {"test_is_validation", "test_interval", "test_interval_tta", "tta", "tta_share"}
)
_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class ReportData:
    """What a report is made from; whatever is missing becomes a sentence.

    Attributes:
        recipe: The run's settings, nested.
        environment: Versions, machine and data, nested.
        history: One row an epoch (see `plots.curves`), or None.
        metrics: What was measured, such as test_accuracy and train_seconds.
        result: What `kerasopt.evaluation.measure` returned for the test set, or None.
        classification: Another name of `result`.
        task: A name or a `kerasopt.tasks.Task`; needed only without a result, to find
            the headline among the metrics.
        kept_epoch: The epoch whose weights were kept, marked in the curves; the
            default is ``metrics["kept_epoch"]``, if there is one.
        mistake_images: The images at `mistake_indices`, shape (m, height, width),
            (m, height, width, 1) or (m, height, width, 3), uint8 or float; samples
            of another shape are listed without a picture.
        mistake_indices: The positions of test samples with mistakes, shape (m,); the
            default is `result.worst_mistakes(m)`.
        mistake_names: Names of the samples at `mistake_indices`, such as file names;
            the default is their positions.
        class_names: Names of the classes, labels or targets; the default is those of
            the result.
        notes: Sentences for the top of the page, such as a caveat.
        curve_notes: Sentences below the curves that say how to read them.
        diagnosis: What `kerasopt.diagnosis.diagnose` says of the training, or None.
        training_examples: Training images as the model is handed them, or None.
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
    result: Result | None = None
    task: str | tasks.Task | None = None
    kept_epoch: float | None = None
    mistake_names: Sequence[str] | None = None
    diagnosis: Diagnosis | None = None
    training_examples: pictures.TrainingExamples | None = None


def render(data: ReportData) -> str:
    """Return the report as one HTML page.

    Args:
        data: The run's settings, history and measures.

    Returns:
        The page's text. The same data gives the same text.

    Raises:
        ValueError: if class names or mistakes don't fit the result.

    Example:
        >>> page = render(ReportData(recipe={"name": "digits"}))
        >>> "<h1>digits</h1>" in page, "No test set was measured." in page
        (True, True)
    """
    checks.instance("data", data, ReportData, "a ReportData")
    found = _result(data)
    headline = headlines.of_run(data.metrics, data.task)
    if found is not None:
        headline = found.headline.name
    template = page.environment("kerasopt.evaluation").get_template("report.html.j2")
    return template.render(
        title=str(data.recipe.get("name") or "Training run"),
        description=data.recipe.get("description"),
        notes=list(data.notes),
        main_boxes=_main_boxes(data.metrics, found, headline),
        boxes=_boxes(data, found, headline),
        curves=_curves(data),
        curve_notes=list(data.curve_notes),
        diagnosis=data.diagnosis,
        examples=_examples(data.training_examples),
        details=None if found is None else sections.details(found),
        mistakes=None if found is None else _mistakes(data, found),
        kind=_kind(data),
        metrics=_metric_rows(data.metrics, headline),
        recipe=page.yaml_text(data.recipe),
        environment=page.flat_rows(data.environment),
        can_be_repeated=_can_be_repeated(data),
    )


def preload() -> None:
    """Load what a report needs, libraries, fonts and templates, by drawing small ones.

    A run with a time budget does so before its training, so that what comes after
    takes as long each time.
    """
    history = pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.5]})
    image = np.zeros((1, 2, 2, 3), "uint8")
    binary = measure("binary", [0, 1], [[0.9, 0.1], [0.8, 0.2]])
    render(ReportData(history=history, result=binary, mistake_images=image))


def _result(data: ReportData) -> Result | None:
    found = data.classification if data.result is None else data.result
    if found is None or data.class_names is None:
        return found
    return sections.renamed(found, data.class_names)


def _main_boxes(
    metrics: Mapping[str, Any], found: Result | None, headline: str | None
) -> list[dict[str, Any]]:
    """Return the large numbers: the headline, and that with views."""
    if found is None:
        value, interval = metrics.get(f"test_{headline}"), metrics.get("test_interval")
    else:
        _, value, interval = found.headline
    if value is None and found is None:
        return [_main_box(headline or "result", None, ["No test set was measured."])]
    small = [_interval_text(headline, interval, found) or _no_interval(found)]
    boxes = [_main_box(headline or "result", value, small)]
    with_views = metrics.get(f"test_{headline}_tta")
    if with_views is not None and "tta" in metrics:
        # Runs of earlier versions have no interval or share.
        views = [
            _interval_text(headline, metrics.get("test_interval_tta"), found),
            tta.describe(metrics["tta"], metrics.get("tta_share", 1.0)),
        ]
        boxes.append(_main_box(f"{headline}_tta", with_views, views))
    return boxes


def _main_box(
    name: str, value: float | None, small: Sequence[str | None]
) -> dict[str, Any]:
    words = formatting.metric_name(name.removesuffix("_tta"))
    ending = " with TTA" if name.endswith("_tta") else ""
    return {
        "name": f"Test {words}{ending}",
        "value": formatting.measure(name, value),
        "small": [line for line in small if line],
    }


def _interval_text(
    headline: str | None, interval: Any, found: Result | None
) -> str | None:
    if interval is None:
        return None
    confidence = getattr(found, "confidence", _CONFIDENCE)
    ends = formatting.measure(headline or "", tuple(interval))
    return f"{formatting.percent(confidence, digits=0)} interval {ends}"


def _no_interval(found: Result | None) -> str:
    if isinstance(found, Multilabel):
        return f"mean over {len(found.class_names)} labels"
    return "no interval recorded" if found is None else "no interval"


def _boxes(
    data: ReportData, found: Result | None, headline: str | None
) -> list[dict[str, Any]]:
    """Return the small numbers at the top; what is missing is left out."""
    metrics = data.metrics
    samples = metrics.get("test_samples") if found is None else len(found)
    log_loss = getattr(found, "log_loss", metrics.get("test_log_loss"))
    name = headline or "result"
    validation = metrics.get(f"val_{name}")
    boxes = [] if found is None else sections.boxes(found)
    if samples is not None:
        boxes.append(_box(f"Test {_kind(data)}", formatting.count(samples)))
    if log_loss is not None:
        boxes.append(_box("Test log loss", f"{log_loss:.4f}", "nats a sample"))
    elif metrics.get("test_loss") is not None and headline != "loss":
        boxes.append(_box("Test loss", f"{metrics['test_loss']:.4f}"))
    if validation is not None:
        words = f"Validation {formatting.metric_name(name)}"
        boxes.append(_box(words, formatting.measure(name, validation)))
    seconds = formatting.duration(metrics.get("train_seconds"))
    boxes.append(_box("Training time", seconds, _length(metrics)))
    boxes.append(_box("Parameters", formatting.count(metrics.get("parameters"))))
    return boxes


def _box(name: str, value: str, small: str | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "small": small}


def _length(metrics: Mapping[str, Any]) -> str | None:
    if metrics.get("epochs") is None:
        return None
    budget = metrics.get("budget_seconds")
    within = f", budget {formatting.duration(budget)}" if budget else ""
    return formatting.epochs(metrics["epochs"]) + within


def _kind(data: ReportData) -> str:
    images = data.mistake_images
    return "images" if images is not None and pictures.are_images(images) else "samples"


def _examples(found: pictures.TrainingExamples | None) -> dict[str, Any] | None:
    if found is None or not len(found.images):
        return None
    addresses = pictures.data_addresses(found.images)
    return {
        "shown": list(zip(addresses, found.labels, strict=True)),
        "range": formatting.measure("value", tuple(found.value_range)),
    }


def _curves(data: ReportData) -> list[Any]:
    """Return a figure for the loss, two metrics and the learning rate."""
    history = data.history
    if history is None or history.empty:
        return []
    kept = (
        data.metrics.get("kept_epoch") if data.kept_epoch is None else data.kept_epoch
    )
    drawn = [*plots.metrics_of(history)[:2]]
    if "loss" in history and history["loss"].notna().any():
        drawn.insert(0, "loss")
    figures = [
        _curve(history, metric, index, kept) for index, metric in enumerate(drawn)
    ]
    if "learning_rate" in history and history["learning_rate"].notna().any():
        figures.append(_curve(history, "learning_rate", len(drawn), kept))
    return figures


def _curve(history: pd.DataFrame, metric: str, index: int, kept: float | None) -> Any:
    last = history.iloc[-1]
    shown = [
        f"{formatting.metric_name(column)} {last[column]:.4g}"
        for column in (metric, f"val_{metric}")
        if column in history.columns and pd.notna(last[column])
    ]
    text = (
        f"{formatting.metric_name(metric)} over {len(history)} epochs. "
        f"At the last epoch: {', '.join(shown)}."
    )
    figure = plots.curve(history, metric, kept_epoch=kept)
    return page.inline_svg(figure, prefix=f"curve-{index}", text=f"Curves of {text}")


def _mistakes(data: ReportData, found: Result) -> dict[str, Any]:
    shown = sections.mistakes(
        found,
        images=data.mistake_images,
        indices=data.mistake_indices,
        sample_names=data.mistake_names,
    )
    return {
        "shown": shown,
        "number": sections.num_mistakes(found),
        "of": type(found).__name__,
        "named": data.mistake_names is not None,
    }


def _metric_rows(
    metrics: Mapping[str, Any], headline: str | None
) -> list[tuple[str, str]]:
    return [
        (formatting.metric_name(name), _metric_text(name, value, headline))
        for name, value in metrics.items()
        if name not in _HIDDEN_METRICS
    ]


def _metric_text(name: str, value: Any, headline: str | None) -> str:
    if name.endswith(("interval", "interval_tta")):
        is_pair = isinstance(value, list | tuple)
        return formatting.measure(
            headline or "accuracy", tuple(value) if is_pair else None
        )
    # A seed names a sequence, it counts nothing: no thousands are marked.
    number = isinstance(value, int | float | np.number) and name != "seed"
    if isinstance(value, bool) or not number:
        return page.one_line(value)
    if formatting.is_percentage(name) or formatting.is_missing(value):
        return formatting.percent(value)
    if name.endswith("seconds"):
        return formatting.duration(value)
    is_whole = float(value).is_integer()
    return (formatting.count if is_whole else formatting.number)(value)


def _can_be_repeated(data: ReportData) -> bool:
    """Return whether the run's recipe.yaml makes it again."""
    # The recipe of a run made from objects names no data.
    return "data" in data.recipe
