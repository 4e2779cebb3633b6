"""Every trial of a search, and the best so far."""

from __future__ import annotations

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
)
from kerasopt.tuning import _table

__all__ = ["best_so_far"]

_MARKS: dict[str, dict[str, Any]] = {
    "completed": {"marker": "o", "color": TRAINING, "s": 26},
    "partial": {"marker": "s", "facecolors": "none", "edgecolors": MUTED, "s": 20},
    "stopped": {"marker": "v", "facecolors": "none", "edgecolors": MUTED, "s": 26},
    "unfinished": {"marker": "D", "facecolors": "none", "edgecolors": INK, "s": 22},
    "failed": {"marker": "x", "color": INK, "s": 28, "linewidths": 1.4},
}
_FAR_BELOW, _FAR_ABOVE = "$↓$", "$↑$"


def best_so_far(
    table: pd.DataFrame, *, objective: str, maximize: bool, against: str = "trials"
) -> Chart:
    """Draw the trials in their order and the best value so far.

    Values that lie five times farther from the best than the median does are arrows at
    the edge, failed trials crosses there. Only completed trials count for the best.

    Args:
        table: One row a trial, with trial, mean, status and, for
            ``against="seconds"``, seconds.
        objective: What `mean` is, such as ``"val_accuracy"``.
        maximize: Whether larger is better.
        against: ``"trials"``, the default, or ``"seconds"``: the training time of all
            trials so far.

    Returns:
        The figure; without a measured trial it holds a sentence.

    Raises:
        ValueError: if a column is missing, a status unknown, or ``against`` neither.

    Example:
        >>> table = pd.DataFrame({"trial": [0, 1, 2], "mean": [0.8, 0.7, 0.9],
        ...                       "status": "completed"})
        >>> figure = best_so_far(table, objective="val_accuracy", maximize=True)
        >>> figure.axes[0].lines[0].get_ydata().tolist()
        [80.0, 80.0, 90.0]
    """
    if against not in ("trials", "seconds"):
        raise names.unknown("horizontal axis", against, ("trials", "seconds"))
    needed = ["trial", "mean", "status", *(["seconds"] if against == "seconds" else [])]
    table = _table.check(table, needed).sort_values("trial", kind="stable")
    if _table.measured(table).empty:
        return _table.sentence("No trial has a value to draw.")
    x, words = _progress(table, against)
    values = table["mean"].to_numpy() * _table.scale(objective)
    figure = Chart(figsize=(9.5, 3.8), layout="constrained")
    axes = figure.subplots()
    handles, texts = [], []
    winner = _table.best(table, maximize=maximize)
    if winner is not None:
        handles += _draw_running_best(axes, table, x, values, maximize=maximize)
        value = _table.value_text(objective, winner["mean"])
        texts.append(f"best so far: {value} (trial {winner['trial']})")
    low, high = _limits(values, table["status"].to_numpy(), maximize=maximize)
    axes.set_ylim(low, high)
    apply_style(axes)
    for status, group in _by_status(table, values):
        if status == "failed":
            handles.append(_crosses(axes, x[group], 0.03 if maximize else 0.97))
        else:
            handles.append(_dots(axes, status, x[group], values[group]))
        texts.append(f"{status} ({group.sum()})")
    arrow = _FAR_BELOW if maximize else _FAR_ABOVE
    far = ((values < low) | (values > high)) & (table["status"] != "failed").to_numpy()
    if far.any():
        handles.append(axes.scatter([], [], marker=arrow, color=MUTED, s=40))
        texts.append(f"far off ({far.sum()})")
    axes.set_xlabel(words)
    axes.set_ylabel(_table.axis_name(objective), parse_math=False)
    if against == "trials":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    add_legend(
        axes, texts, handles=handles, loc="lower left", ncols=6,
        bbox_to_anchor=(-0.02, 1.0), handlelength=1.4, columnspacing=1.4,
    )  # fmt: skip
    return figure


def _draw_running_best(
    axes: Axes,
    table: pd.DataFrame,
    x: np.ndarray,
    values: np.ndarray,
    *,
    maximize: bool,
) -> list[Any]:
    counted = ((table["status"] == "completed") & table["mean"].notna()).to_numpy()
    best = (np.maximum if maximize else np.minimum).accumulate(values[counted])
    at = x[counted]
    if x[-1] > at[-1]:
        # The line runs to the last trial, whatever became of it.
        at, best = np.append(at, x[-1]), np.append(best, best[-1])
    marker = "o" if len(at) < 2 else None
    return axes.step(at, best, where="post", color=VALIDATION, linewidth=1.8,
                     marker=marker)  # fmt: skip


def _progress(table: pd.DataFrame, against: str) -> tuple[np.ndarray, str]:
    """Return where the trials lie along the search, and the axis's words."""
    if against == "trials":
        return table["trial"].to_numpy(dtype=float), "Trial"
    spent = np.nan_to_num(table["seconds"].to_numpy(dtype=float)).cumsum()
    total = spent[-1] if len(spent) else 0
    for unit, seconds in (("hours", 3600), ("minutes", 60)):
        if total >= 3 * seconds:
            return spent / seconds, f"Training time of all trials ({unit})"
    return spent, "Training time of all trials (seconds)"


def _limits(
    values: np.ndarray, status: np.ndarray, *, maximize: bool
) -> tuple[float, float]:
    """Return the vertical limits, which leave out values that are far off."""
    seen = values[np.isfinite(values) & (status != "failed")]
    low, high = _table.near_the_best(seen, maximize=maximize)
    room = 0.08 * (high - low) or 0.01 * abs(high) or 1.0
    return low - room, high + room


def _by_status(table: pd.DataFrame, values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return what there is to draw of each status; failed trials need no value."""
    groups = []
    for status in _MARKS:
        group = (table["status"] == status).to_numpy()
        if status != "failed":
            group = group & np.isfinite(values)
        if group.any():
            groups.append((status, group))
    return groups


def _crosses(axes: Axes, x: np.ndarray, height: float) -> Any:
    """Draw failed trials at the worse edge, where they are at no value."""
    edge = axes.get_xaxis_transform()
    heights = np.full(len(x), height)
    return axes.scatter(x, heights, transform=edge, clip_on=False, **_MARKS["failed"])


def _dots(axes: Axes, status: str, x: np.ndarray, y: np.ndarray) -> Any:
    low, high = axes.get_ylim()
    edge = 0.03 * (high - low)
    inside = np.clip(y, low + edge, high - edge)
    for marker, beyond in ((_FAR_BELOW, y < low), (_FAR_ABOVE, y > high)):
        if beyond.any():
            color = TRAINING if status == "completed" else MUTED
            axes.scatter(x[beyond], inside[beyond], marker=marker, color=color, s=40)
    shown = (y >= low) & (y <= high)
    return axes.scatter(x[shown], y[shown], zorder=3, **_MARKS[status])
