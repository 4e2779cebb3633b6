"""Figures of training and evaluation, made without Matplotlib's global state.

Every function returns a new `Chart`, a Matplotlib figure, which can be saved
(``figure.savefig("curves.png")``), drawn on further, or shown by a notebook as the
last value of a cell. `matplotlib.pyplot` is never imported, so that threads and the
caller's own figures and style are left alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from kerasopt import checks
from kerasopt.charts import (
    INK,
    SERIES,
    Chart,
    add_legend,
    apply_style,
    label,
)
from kerasopt.evaluation import formatting
from kerasopt.evaluation.heatmap import confusion
from kerasopt.evaluation.learning_curves import (
    axis_name,
    curve,
    curves,
    has,
    line_style,
    metrics_of,
)
from kerasopt.evaluation.result_plots import (
    per_label,
    precision_recall,
    predicted_against_actual,
    residuals,
    roc,
)

__all__ = [
    "Chart",
    "comparison",
    "confusion",
    "curve",
    "curves",
    "metrics_of",
    "mistakes",
    "per_label",
    "precision_recall",
    "predicted_against_actual",
    "residuals",
    "roc",
]

_LINE_STYLES = ("-", "--", ":", "-.")


def mistakes(
    images: np.ndarray,
    *,
    true_names: Sequence[str],
    predicted_names: Sequence[str],
    probabilities: Sequence[float] | np.ndarray,
    columns: int = 6,
) -> Chart:
    """Show images with their true class, the predicted one and its probability.

    Args:
        images: Shape (n, height, width), (n, height, width, 1) or (n, height,
            width, 3); uint8 0..255 or floats 0..1.
        true_names: The n true class names.
        predicted_names: The n predicted class names.
        probabilities: The n probabilities of the predicted classes, 0..1.
        columns: Images in a row.

    Returns:
        The figure; with no images it holds a sentence that says so.

    Raises:
        ValueError: if the lengths differ or the shape isn't one of images.

    Example:
        >>> figure = mistakes(
        ...     np.zeros((1, 8, 8), "uint8"),
        ...     true_names=["3"],
        ...     predicted_names=["8"],
        ...     probabilities=[0.97],
        ... )
        >>> print(figure.axes[0].get_title(loc="left"))
        3
        → 8  97 %
    """
    pictures = _checked_images(images)
    lengths = {len(true_names), len(predicted_names), len(probabilities)}
    if lengths != {len(pictures)} or columns < 1:
        raise ValueError(
            f"{len(pictures)} images need as many true_names ({len(true_names)}), "
            f"predicted_names ({len(predicted_names)}) and probabilities "
            f"({len(probabilities)}), and columns >= 1 ({columns})."
        )
    if not len(pictures):
        figure = Chart(figsize=(5, 1))
        figure.text(0.5, 0.5, "No mistakes.", ha="center", va="center", color=INK)
        return figure
    rows = math.ceil(len(pictures) / columns)
    figure = Chart(figsize=(1.6 * columns, 2.05 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    captions = zip(grid, pictures, true_names, predicted_names, probabilities,
                   strict=False)  # fmt: skip
    for axes, picture, true, predicted, probability in captions:
        axes.imshow(picture, cmap="gray", interpolation="nearest", vmin=0,
                    vmax=255 if picture.dtype == np.uint8 else 1)  # fmt: skip
        axes.set_title(
            f"{label(true, 16)}\n→ {label(predicted, 13)}  {probability:.0%}".replace(
                "%", " %"
            ),
            loc="left", fontsize=8, color=INK, parse_math=False,
        )  # fmt: skip
    return figure


def comparison(
    histories: Mapping[str, pd.DataFrame], *, metric: str = "val_accuracy"
) -> Chart:
    """Draw one curve a run over the epochs.

    Args:
        histories: From the run's name to its history (see `curves`).
        metric: The column to draw; a run without it is left out.

    Returns:
        The figure.

    Raises:
        ValueError: if no history has the metric.

    Example:
        >>> history = pd.DataFrame({"epoch": [1, 2], "val_accuracy": [0.5, 0.7]})
        >>> figure = comparison({"first": history, "second": history})
        >>> len(figure.axes[0].lines)
        2
    """
    what = "a dict from the run's name to its history"
    checks.instance("histories", histories, Mapping, what)
    with_metric = {
        name: history
        for name, history in histories.items()
        if has(history, "epoch") and has(history, metric)
    }
    if not with_metric:
        columns = sorted({str(c) for h in histories.values() for c in h.columns})
        raise ValueError(
            f"None of the {len(histories)} histories has the columns 'epoch' and "
            f"{metric!r}; they have: {', '.join(columns) or 'none'}. Train with "
            "validation data, or choose another metric."
        )
    legend_rows = min(len(with_metric), 24)
    figure = Chart(figsize=(9.5, max(3.8, 0.24 * legend_rows)), layout="constrained")
    axes = figure.subplots()
    share = formatting.is_percentage(metric)
    for index, history in enumerate(with_metric.values()):
        axes.plot(
            history["epoch"],
            history[metric] * (100 if share else 1),
            color=SERIES[index % len(SERIES)],
            linestyle=_LINE_STYLES[index // len(SERIES) % len(_LINE_STYLES)],
            **line_style(history),
        )
    axes.set_ylabel(f"{axis_name(metric)}{' (%)' if share else ''}")
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    apply_style(axes)
    add_legend(
        axes, [label(name, 40) for name in with_metric], handles=axes.lines,
        loc="center left", bbox_to_anchor=(1.01, 0.5),
        ncols=1 + (len(with_metric) - 1) // 24,
    )  # fmt: skip
    return figure


def _checked_images(images: Any) -> np.ndarray:
    array = np.asarray(images)
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[-1] != 3):
        raise ValueError(
            "images must have the shape (n, height, width), (n, height, width, 1) or "
            f"(n, height, width, 3); given: {np.shape(images)}."
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise ValueError(
            f"images must be uint8 0..255 or floats 0..1; given: {array.dtype}."
        )
    return np.clip(array, 0, 1)
