"""Figures of one result: curves of a decision, bars by label, errors of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import EngFormatter, MaxNLocator

from kerasopt import names
from kerasopt.charts import (
    INK,
    MUTED,
    TRAINING,
    VALIDATION,
    Chart,
    add_legend,
    apply_style,
    labels,
)
from kerasopt.evaluation import formatting
from kerasopt.evaluation.binary import Binary
from kerasopt.evaluation.heatmap import CLEAR_TO_BLUE
from kerasopt.evaluation.metrics import Classification
from kerasopt.evaluation.multilabel import Multilabel
from kerasopt.evaluation.regression import Regression

__all__ = [
    "per_label",
    "precision_recall",
    "predicted_against_actual",
    "residuals",
    "roc",
]

_MAX_BARS = 40
_MAX_POINTS = 1500
_MAX_CURVE_POINTS = 1000


def roc(result: Binary) -> Chart:
    """Draw the ROC curve and mark the decision threshold.

    Args:
        result: A `Binary`.

    Returns:
        The figure; with samples of one class only it holds a sentence that says so.

    Example:
        >>> from kerasopt.evaluation import measure
        >>> found = measure("binary", [0, 1], [[0.8, 0.2], [0.3, 0.7]])
        >>> roc(found).axes[0].get_xlabel()
        'False positive rate'
    """
    if result.roc is None:
        return _sentence(_ONE_CLASS)
    false, true = _rates_at(result)
    figure, axes = _decision_curve(
        result.roc,
        ("false_positive_rate", "true_positive_rate"),
        (false, true),
        lambda axes: axes.plot([0, 1], [0, 1], **_DASHED),
        f"AUC {result.auc:.3f} (dashed: chance)",
        f"threshold {result.threshold:.3g}: TPR {true:.3f}, FPR {false:.3f}",
    )
    axes.set(xlabel="False positive rate", ylabel="True positive rate")
    return figure


def precision_recall(result: Binary) -> Chart:
    """Draw precision over recall and mark the decision threshold.

    Args:
        result: A `Binary`.

    Returns:
        The figure; with samples of one class only it holds a sentence that says so.

    Example:
        >>> from kerasopt.evaluation import measure
        >>> found = measure("binary", [0, 1], [[0.8, 0.2], [0.3, 0.7]])
        >>> precision_recall(found).axes[0].get_ylabel()
        'Precision'
    """
    if result.precision_recall is None:
        return _sentence(_ONE_CLASS)
    share = np.average(result.labels, weights=result.weights)
    recall, precision = (result.at_threshold[name] for name in ("recall", "precision"))
    figure, axes = _decision_curve(
        result.precision_recall,
        ("recall", "precision"),
        (recall, precision),
        lambda axes: axes.axhline(share, **_DASHED),
        f"average precision {result.average_precision:.3f} (dashed: chance)",
        f"threshold {result.threshold:.3g}: precision {precision:.3f}, "
        f"recall {recall:.3f}",
        drawstyle="steps-pre",
    )
    axes.set(xlabel="Recall", ylabel="Precision")
    return figure


def per_label(
    result: Multilabel | Classification, *, measure: str | None = None
) -> Chart:
    """Draw one bar a label, or a class, and their mean as a line.

    Beyond 40 labels the 40 lowest are drawn.

    Args:
        result: A `Multilabel`, or a classification.
        measure: A column of the result's table by label or class: ``"precision"``,
            ``"recall"``, ``"f1"`` or, for `Multilabel` and by default,
            ``"average_precision"``.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no such measure.

    Example:
        >>> from kerasopt.evaluation import measure
        >>> found = measure("multilabel", [[1, 0], [1, 1]], [[0.9, 0.2], [0.6, 0.3]])
        >>> per_label(found, measure="f1").axes[0].get_xlabel()
        'F1'
    """
    is_multilabel = isinstance(result, Multilabel)
    table = result.per_label if isinstance(result, Multilabel) else result.per_class
    chosen = measure or ("average_precision" if is_multilabel else "f1")
    measures = [str(column) for column in table.columns if column != "support"]
    if chosen not in measures:
        raise names.unknown("measure", chosen, measures)
    values = table[chosen]
    shown = values if len(values) <= _MAX_BARS else _lowest(values)
    figure = Chart(figsize=(5.2, 1.1 + 0.26 * len(shown)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(shown))
    axes.barh(places, shown.fillna(0), height=0.66, color=TRAINING)
    for place, value in zip(places, shown, strict=True):
        axes.annotate(
            formatting.MISSING if np.isnan(value) else f"{value:.2f}",
            (0 if np.isnan(value) else value, place), xytext=(4, 0), color=INK,
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    apply_style(axes)
    axes.grid(False, axis="y")
    named = dict(zip(values.index, labels(values.index), strict=True))
    axes.set_yticks(places, [named[name] for name in shown.index], parse_math=False)
    # Room for the number of a bar of 1.
    axes.set(xlim=(0, 1.12), ylim=(len(shown) - 0.4, -0.6))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    words = formatting.metric_name(chosen)
    axes.set_xlabel(words[:1].upper() + words[1:])
    if values.notna().any():
        line = axes.axvline(values.mean(), color=MUTED, linewidth=1, linestyle="--")
        add_legend(axes, [f"mean {values.mean():.3f}"], handles=[line], **_ABOVE)
    return figure


def predicted_against_actual(
    result: Regression, *, target: str | int | None = None
) -> Chart:
    """Draw predicted over actual values; on the diagonal a prediction is right.

    Up to 1,500 samples are drawn as points, more as the density of samples.

    Args:
        result: A `Regression`.
        target: Name or position of the target; the first by default.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no such target.

    Example:
        >>> from kerasopt.evaluation import measure
        >>> found = measure("regression", [1.0, 2.0, 3.0], [1.2, 1.9, 3.0])
        >>> predicted_against_actual(found).axes[0].get_xlabel()
        'Actual'
    """
    column = _column(result, target)
    actual, predicted = result.targets[:, column], result.predictions[:, column]
    figure, axes = _square()
    both = np.concatenate([actual, predicted])
    low, high = _limits(both)
    axes.plot([low, high], [low, high], **_DASHED)
    _draw_samples(axes, actual, predicted, (low, high, low, high))
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="Actual", ylabel="Predicted")
    for axis in (axes.xaxis, axes.yaxis):
        _shorten_numbers(axis)
    return figure


def residuals(result: Regression, *, target: str | int | None = None) -> Chart:
    """Draw the residuals, predicted minus actual, over the predictions.

    A trend or a funnel shows where the model is biased or unsure. The histogram
    beside shows how the residuals spread.

    Args:
        result: A `Regression`.
        target: Name or position of the target; the first by default.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no such target.

    Example:
        >>> from kerasopt.evaluation import measure
        >>> found = measure("regression", [1.0, 2.0, 3.0], [1.2, 1.9, 3.0])
        >>> residuals(found).axes[0].get_ylabel()
        'Residual'
    """
    column = _column(result, target)
    predicted, errors = result.predictions[:, column], result.errors[:, column]
    figure = Chart(figsize=(4.6, 4.5), layout="constrained")
    axes, beside = figure.subplots(1, 2, width_ratios=[4, 1], sharey=True)
    left, right = _limits(predicted)
    low, high = _limits(errors)
    axes.axhline(0, **_DASHED)
    _draw_samples(axes, predicted, errors, (left, right, low, high))
    beside.hist(errors, bins=30, range=(low, high), orientation="horizontal",
                color=TRAINING, alpha=0.6)  # fmt: skip
    for each in (axes, beside):
        apply_style(each)
    axes.set(xlim=(left, right), ylim=(low, high), xlabel="Predicted",
             ylabel="Residual")  # fmt: skip
    beside.set_xlabel("Samples")
    beside.xaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    for axis in (axes.xaxis, axes.yaxis, beside.xaxis):
        _shorten_numbers(axis)
    return figure


_ONE_CLASS = "Only one class is present, so there is no curve."
_DASHED: dict[str, Any] = {"color": MUTED, "linewidth": 0.9, "linestyle": "--"}
_ABOVE: dict[str, Any] = {
    "loc": "lower left",
    "bbox_to_anchor": (-0.02, 1.0),
    "handlelength": 1.4,
}


def _sentence(text: str) -> Chart:
    figure = Chart(figsize=(5, 1))
    figure.text(0.5, 0.5, text, ha="center", va="center", color=INK)
    return figure


def _square() -> tuple[Chart, Axes]:
    figure = Chart(figsize=(4.6, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    apply_style(axes)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return figure, axes


def _decision_curve(
    curve: pd.DataFrame,
    columns: tuple[str, str],
    at_threshold: tuple[float, float],
    draw_chance: Callable[[Axes], Any],
    *legend: str,
    **line: Any,
) -> tuple[Chart, Axes]:
    """Draw a curve of two columns, and the place of the decision threshold."""
    figure, axes = _square()
    x, y = (_thinned(curve)[column] for column in columns)
    drawn = axes.plot(x, y, color=TRAINING, linewidth=1.8, **line)
    draw_chance(axes)
    drawn += axes.plot(*at_threshold, "o", color=VALIDATION, markersize=7, zorder=3)
    add_legend(axes, list(legend), handles=drawn, **_ABOVE)
    return figure, axes


def _thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """Return at most 1,000 rows, the ends among them."""
    if len(curve) <= _MAX_CURVE_POINTS:
        return curve
    rows = np.linspace(0, len(curve) - 1, _MAX_CURVE_POINTS).round().astype(int)
    return curve.iloc[rows]


def _rates_at(result: Binary) -> tuple[float, float]:
    """Return the false and the true positive rate at the threshold."""
    weights = np.ones(len(result)) if result.weights is None else result.weights
    decided = result.positive >= result.threshold
    false, true = (
        float(np.average(decided[own], weights=weights[own]))
        for own in (result.labels == 0, result.labels == 1)
    )
    return false, true


def _lowest(values: pd.Series) -> pd.Series:
    kept = values.sort_values(kind="stable").index[:_MAX_BARS]
    return values[values.index.isin(kept)]


def _column(result: Regression, target: str | int | None) -> int:
    own = result.target_names
    if target is None:
        return 0
    if isinstance(target, str):
        if target not in own:
            raise names.unknown("target", target, own)
        return own.index(target)
    if not 0 <= target < len(own):
        raise ValueError(
            f"target must be a name or a position 0..{len(own) - 1}; given: {target!r}."
        )
    return int(target)


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5 * abs(high) or 0.5
    return low - margin, high + margin


def _shorten_numbers(axis: Axis) -> None:
    """Write large numbers as 200k and 1.2M rather than as a factor of ten."""
    if np.abs(axis.get_view_interval()).max() >= 1e4:
        axis.set_major_formatter(EngFormatter(sep=""))


def _draw_samples(
    axes: Axes, x: np.ndarray, y: np.ndarray, extent: tuple[float, float, float, float]
) -> None:
    if len(x) <= _MAX_POINTS:
        axes.plot(x, y, "o", color=TRAINING, markersize=3.5, alpha=0.45,
                  markeredgewidth=0)  # fmt: skip
    else:
        axes.hexbin(x, y, gridsize=45, extent=extent, bins="log", mincnt=1,
                    cmap=CLEAR_TO_BLUE, linewidths=0)  # fmt: skip
