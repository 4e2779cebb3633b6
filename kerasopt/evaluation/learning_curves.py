"""Learning curves: losses and metrics over the epochs of one training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kerasopt import names
from kerasopt.charts import (
    INK,
    MUTED,
    TRAINING,
    VALIDATION,
    Chart,
    add_legend,
    apply_style,
    label,
)
from kerasopt.evaluation import formatting

__all__ = ["axis_name", "curve", "curves", "has", "line_style", "metrics_of"]

_MAX_METRICS = 2
# Columns of a history that are no metrics.
_NO_METRICS = frozenset({"epoch", "learning_rate", "lr", "seconds", "step", "steps"})


def curves(
    history: pd.DataFrame,
    *,
    metrics: Sequence[str] | None = None,
    kept_epoch: float | None = None,
) -> Chart:
    """Draw the loss and up to two metrics over the epochs and mark the kept epoch.

    A strip below shows the learning rate where it was recorded.

    Args:
        history: One row an epoch with the columns epoch, loss and, where they were
            measured, metrics, their twins on validation data (val_loss,
            val_accuracy, ...) and learning_rate.
        metrics: Which metrics to draw, without ``val_``; the default is the first
            two, those with a twin before the others.
        kept_epoch: The epoch whose weights were kept. By default the epoch of the
            lowest validation loss is marked as the best; without validation none.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no row, no column epoch or loss, or no such metric.

    Example:
        >>> history = pd.DataFrame({"epoch": [1, 2], "loss": [0.9, 0.4]})
        >>> [axes.get_ylabel() for axes in curves(history).axes]
        ['Loss']
    """
    _check_history(history, ("epoch", "loss"))
    top = ["loss", *_metrics_to_draw(history, metrics)]
    with_rate = has(history, "learning_rate")
    # An axes of its own name, since a metric may be called anything.
    layout: list[Any] = [[f"metric {index}" for index in range(len(top))]]
    if with_rate:
        layout.append(["rate"] * len(top))
    figure = Chart(
        figsize=((5.2, 10.4, 13.5)[len(top) - 1], 5.1 if with_rate else 3.6),
        layout="constrained",
    )
    panels = figure.subplot_mosaic(layout, height_ratios=[3.2, 1] if with_rate else [1])
    for index, metric in enumerate(top):
        _draw_curve(panels[f"metric {index}"], history, metric, kept_epoch)
    if with_rate:
        _draw_learning_rate(panels["rate"], history)
    return figure


def curve(
    history: pd.DataFrame, metric: str = "loss", *, kept_epoch: float | None = None
) -> Chart:
    """Draw one metric, or the learning rate, over the epochs.

    Args:
        history: As for `curves`.
        metric: Its name without ``val_``, or ``"learning_rate"``.
        kept_epoch: As for `curves`.

    Returns:
        The figure.

    Raises:
        ValueError: if there is no row, no column epoch or no such metric.

    Example:
        >>> history = pd.DataFrame({"epoch": [1, 2], "val_auc": [0.7, 0.8]})
        >>> curve(history, "auc").axes[0].get_ylabel()
        'AUC'
    """
    _check_history(history, ("epoch",))
    is_rate = metric == "learning_rate"
    figure = Chart(figsize=(5.2, 2.0 if is_rate else 3.6), layout="constrained")
    axes = figure.subplots()
    if is_rate:
        _check_history(history, (metric,))
        _draw_learning_rate(axes, history)
    else:
        _check_metric(history, metric)
        _draw_curve(axes, history, metric, kept_epoch)
    return figure


def metrics_of(history: pd.DataFrame) -> list[str]:
    """Return the logged metrics without ``val_``; those with a twin come first.

    Example:
        >>> metrics_of(pd.DataFrame({"epoch": [1], "loss": [1.0], "val_loss": [1.0],
        ...                          "mae": [0.5], "val_auc": [0.7]}))
        ['auc', 'mae']
    """
    logged = [
        str(column)
        for column in history.columns
        if column not in _NO_METRICS
        and not str(column).endswith("_seconds")
        and pd.api.types.is_numeric_dtype(history[column])
        and has(history, column)
    ]
    twins = [name.removeprefix("val_") for name in logged if name.startswith("val_")]
    others = [name for name in logged if not name.startswith("val_")]
    return [name for name in dict.fromkeys([*twins, *others]) if name != "loss"]


def has(history: pd.DataFrame, column: str) -> bool:
    """Return whether a history has a column with a number in it."""
    return column in history.columns and bool(history[column].notna().any())


def _check_history(history: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in history.columns]
    if missing or history.empty:
        raise ValueError(
            f"history needs at least one row and the columns {', '.join(columns)}; "
            f"given: {len(history)} rows and the columns "
            f"{', '.join(map(str, history.columns)) or 'none'}."
        )


def _metrics_to_draw(history: pd.DataFrame, metrics: Sequence[str] | None) -> list[str]:
    if metrics is None:
        return metrics_of(history)[:_MAX_METRICS]
    chosen = [name for name in metrics if name != "loss"]
    if len(chosen) > _MAX_METRICS:
        raise ValueError(
            f"curves draws the loss and up to {_MAX_METRICS} metrics; given: "
            f"{', '.join(chosen)}. Draw others by plots.curve(history, name)."
        )
    for name in chosen:
        _check_metric(history, name)
    return chosen


def _check_metric(history: pd.DataFrame, metric: str) -> None:
    if not (has(history, metric) or has(history, f"val_{metric}")):
        logged = [name for name in ("loss",) if has(history, name)]
        raise names.unknown("metric", metric, [*logged, *metrics_of(history)])


def _marked_row(
    history: pd.DataFrame, kept_epoch: float | None
) -> tuple[int, str] | None:
    """Return the position of the epoch to mark and what it is, or None."""
    if kept_epoch is not None:
        rows = np.flatnonzero(history["epoch"].to_numpy(dtype=float) == kept_epoch)
        return (int(rows[-1]), "kept") if len(rows) else None
    if not has(history, "val_loss"):
        return None
    return int(np.nanargmin(history["val_loss"].to_numpy(dtype=float))), "best"


def axis_name(column: str) -> str:
    """Return what an axis with a metric is called."""
    words = formatting.metric_name(column)
    return words[:1].upper() + words[1:]


def line_style(history: pd.DataFrame) -> dict[str, Any]:
    """Return the width and, so that one epoch shows, the marker of a curve."""
    return {"linewidth": 1.8, "marker": "o" if len(history) < 2 else None}


def _draw_curve(
    axes: Axes, history: pd.DataFrame, metric: str, kept_epoch: float | None
) -> None:
    percent = formatting.is_percentage(metric)
    scale = 100 if percent else 1
    found, handles = [], []
    for column, name, color in (
        (metric, "training", TRAINING),
        (f"val_{metric}", "validation", VALIDATION),
    ):
        if has(history, column):
            values = history[column] * scale
            handles += axes.plot(
                history["epoch"], values, color=color, **line_style(history)
            )
            found.append(name)
    marked = _marked_row(history, kept_epoch)
    if marked is not None:
        handles.append(_mark_epoch(axes, history, metric, marked[0], scale))
        found.append(_epoch_text(history, metric, marked))
    axes.set_ylabel(
        f"{label(axis_name(metric), 32)}{' (%)' if percent else ''}",
        parse_math=False,
    )
    _style_epochs(axes)
    add_legend(
        axes, found, handles=handles, loc="lower left", ncols=3,
        bbox_to_anchor=(-0.02, 1.0), handlelength=1.4, columnspacing=1.2,
    )  # fmt: skip


def _marked_column(history: pd.DataFrame, metric: str) -> str:
    twin = f"val_{metric}"
    return twin if has(history, twin) else metric


def _mark_epoch(
    axes: Axes, history: pd.DataFrame, metric: str, row: int, scale: float
) -> Any:
    epoch = history["epoch"].iloc[row]
    axes.axvline(epoch, color=MUTED, linewidth=0.8, linestyle=":")
    column = _marked_column(history, metric)
    color = VALIDATION if column.startswith("val_") else TRAINING
    value = history[column].iloc[row] * scale
    return axes.plot([epoch], [value], "o", color=color, markersize=7, zorder=3)[0]


def _epoch_text(history: pd.DataFrame, metric: str, marked: tuple[int, str]) -> str:
    row, kind = marked
    value = history[_marked_column(history, metric)].iloc[row]
    shown = formatting.measure(metric, value)
    return f"{kind} epoch {history['epoch'].iloc[row]:g}: {shown}"


def _draw_learning_rate(axes: Axes, history: pd.DataFrame) -> None:
    axes.plot(
        history["epoch"], history["learning_rate"], color=INK, **line_style(history)
    )
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.set_ylabel("Learning rate")
    _style_epochs(axes)


def _style_epochs(axes: Axes) -> None:
    apply_style(axes)
    axes.set_xlabel("Epoch", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
