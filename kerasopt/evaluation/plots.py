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
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kerasopt.charts import (
    INK,
    MUTED,
    SERIES,
    TRAINING,
    VALIDATION,
    Chart,
    add_legend,
    apply_style,
    label,
)
from kerasopt.evaluation.heatmap import confusion

__all__ = ["Chart", "comparison", "confusion", "curves", "mistakes"]

_LINE_STYLES = ("-", "--", ":", "-.")


def curves(history: pd.DataFrame) -> Chart:
    """Draw the loss and the accuracy over the epochs and mark the best epoch.

    The best epoch is that of the lowest validation loss; without validation none is
    marked. A strip below shows the learning rate where it was recorded.

    Args:
        history: One row an epoch with the columns epoch, loss and, where they were
            measured, accuracy, val_loss, val_accuracy and learning_rate.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no row or no column epoch or loss.

    Example:
        >>> history = pd.DataFrame({"epoch": [1, 2], "loss": [0.9, 0.4]})
        >>> [axes.get_ylabel() for axes in curves(history).axes]
        ['Loss']
    """
    _check_history(history, ("epoch", "loss"))
    top = ["loss"]
    if _has(history, "accuracy") or _has(history, "val_accuracy"):
        top.append("accuracy")
    layout: list[Any] = [top]
    with_rate = _has(history, "learning_rate")
    if with_rate:
        layout.append(["learning_rate"] * len(top))
    figure = Chart(
        figsize=(5.2 * len(top), 5.1 if with_rate else 3.6), layout="constrained"
    )
    ratios = [3.2, 1] if with_rate else [1]
    panels = figure.subplot_mosaic(layout, height_ratios=ratios)
    best = _best_row(history)
    _draw_curve(panels["loss"], history, "loss", best)
    panels["loss"].set_ylabel("Loss")
    if "accuracy" in panels:
        _draw_curve(panels["accuracy"], history, "accuracy", best)
        panels["accuracy"].set_ylabel("Accuracy (%)")
    if with_rate:
        _draw_learning_rate(panels["learning_rate"], history)
    for axes in panels.values():
        apply_style(axes)
        axes.set_xlabel("Epoch", color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


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
    with_metric = {
        name: history
        for name, history in histories.items()
        if _has(history, "epoch") and _has(history, metric)
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
    share = metric.endswith("accuracy")
    for index, history in enumerate(with_metric.values()):
        axes.plot(
            history["epoch"],
            history[metric] * (100 if share else 1),
            color=SERIES[index % len(SERIES)],
            linestyle=_LINE_STYLES[index // len(SERIES) % len(_LINE_STYLES)],
            **_line(history),
        )
    axes.set_ylabel(f"{_metric_name(metric)}{' (%)' if share else ''}")
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    apply_style(axes)
    add_legend(
        axes, [label(name, 40) for name in with_metric], handles=axes.lines,
        loc="center left", bbox_to_anchor=(1.01, 0.5),
        ncols=1 + (len(with_metric) - 1) // 24,
    )  # fmt: skip
    return figure


def _has(history: pd.DataFrame, column: str) -> bool:
    return column in history.columns and bool(history[column].notna().any())


def _check_history(history: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in history.columns]
    if missing or history.empty:
        raise ValueError(
            f"history needs at least one row and the columns {', '.join(columns)}; "
            f"given: {len(history)} rows and the columns "
            f"{', '.join(map(str, history.columns)) or 'none'}."
        )


def _best_row(history: pd.DataFrame) -> int | None:
    """Return the position of the lowest validation loss, None if there is none."""
    if not _has(history, "val_loss"):
        return None
    return int(np.nanargmin(history["val_loss"].to_numpy(dtype=float)))


def _metric_name(column: str) -> str:
    words = column.replace("val_", "validation ").replace("_", " ")
    return words[:1].upper() + words[1:]


def _line(history: pd.DataFrame) -> dict[str, Any]:
    """Return the width and, so that one epoch shows, the marker of a curve."""
    return {"linewidth": 1.8, "marker": "o" if len(history) < 2 else None}


def _draw_curve(
    axes: Axes, history: pd.DataFrame, metric: str, best: int | None
) -> None:
    scale = 100 if metric == "accuracy" else 1
    names, handles = [], []
    for column, name, color in (
        (metric, "training", TRAINING),
        (f"val_{metric}", "validation", VALIDATION),
    ):
        if _has(history, column):
            values = history[column] * scale
            handles += axes.plot(
                history["epoch"], values, color=color, **_line(history)
            )
            names.append(name)
    if best is not None and _has(history, f"val_{metric}"):
        epoch = history["epoch"].iloc[best]
        value = history[f"val_{metric}"].iloc[best] * scale
        axes.axvline(epoch, color=MUTED, linewidth=0.8, linestyle=":")
        handles += axes.plot(
            [epoch], [value], "o", color=VALIDATION, markersize=7, zorder=3
        )
        shown = f"{value:.2f} %" if metric == "accuracy" else f"{value:.4g}"
        names.append(f"best epoch {epoch:g}: {shown}")
    add_legend(
        axes, names, handles=handles, loc="lower left", ncols=3,
        bbox_to_anchor=(-0.02, 1.0), handlelength=1.4, columnspacing=1.2,
    )  # fmt: skip


def _draw_learning_rate(axes: Axes, history: pd.DataFrame) -> None:
    axes.plot(history["epoch"], history["learning_rate"], color=INK, **_line(history))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.set_ylabel("Learning rate")


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
