"""The trade between cost and quality: which trials no other one beats in both."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import (
    EngFormatter,
    FuncFormatter,
    LogLocator,
    NullFormatter,
    NullLocator,
)

from kerasopt.charts import (
    GRID,
    INK,
    TRAINING,
    VALIDATION,
    Chart,
    add_legend,
    apply_style,
    label,
)
from kerasopt.tuning import _table

__all__ = ["pareto", "pareto_front"]


def pareto_front(
    table: pd.DataFrame, *, cost: str, maximize: bool, objective: str = "mean"
) -> pd.DataFrame:
    """Return the rows that no other row beats in both cost and objective.

    A row beats another one if it is at least as good in both and better in one. Rows
    that are equal in both don't beat each other. Rows without one of the numbers, and
    those whose `status` isn't completed, are left out.

    Args:
        table: One row a trial.
        cost: The column to keep low, such as ``"parameters"`` or ``"seconds"``.
        maximize: Whether a larger objective is better.
        objective: The objective's column.

    Returns:
        The rows on the front, sorted by cost.

    Raises:
        ValueError: if a column is missing or holds other things than numbers.

    Example:
        >>> table = pd.DataFrame({"trial": [0, 1, 2], "parameters": [10, 20, 30],
        ...                       "mean": [0.8, 0.7, 0.9]})
        >>> pareto_front(table, cost="parameters", maximize=True)["trial"].tolist()
        [0, 2]
    """
    table = _table.check(table, (cost, objective))
    costs = _table.numbers(table[cost], cost)
    values = _table.numbers(table[objective], objective)
    usable = np.isfinite(costs) & np.isfinite(values)
    if "status" in table.columns:
        usable &= (table["status"] == "completed").to_numpy()
    order = np.lexsort((-values if maximize else values, costs))
    order = order[usable[order]]
    kept: list[int] = []
    for row in order:
        better = not kept or (
            values[row] > values[kept[-1]]
            if maximize
            else values[row] < values[kept[-1]]
        )
        same = kept and (costs[row], values[row]) == (costs[kept[-1]], values[kept[-1]])
        if better or same:
            kept.append(row)
    return table.iloc[kept]


def pareto(table: pd.DataFrame, *, cost: str, objective: str, maximize: bool) -> Chart:
    """Draw cost against objective and the front of the best trades.

    The numbers at the front are those of the trials. Costs above 0 have a logarithmic
    axis, and so have objectives that span more than 1.5 decades.

    Args:
        table: One row a trial, with trial, mean, status and the cost.
        cost: The column to keep low, such as ``"parameters"`` or ``"seconds"``.
        objective: What `mean` is, such as ``"val_accuracy"``.
        maximize: Whether larger is better.

    Returns:
        The figure; without a completed trial it holds a sentence.

    Raises:
        ValueError: if a column is missing or a status unknown.

    Example:
        >>> table = pd.DataFrame({"trial": [0, 1], "parameters": [10, 2000],
        ...                       "mean": [0.8, 0.9], "status": "completed"})
        >>> figure = pareto(table, cost="parameters", objective="val_accuracy",
        ...                 maximize=True)
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['1', '0']
    """
    table = _table.check(table, ("trial", "mean", "status", cost))
    table = table.assign(
        _cost=_table.numbers(table[cost], cost),
        _shown=table["mean"] * _table.scale(objective),
    )
    front = pareto_front(table, cost="_cost", maximize=maximize)
    if front.empty:
        return _table.sentence("No completed trial has a cost and a value.")
    rows = _table.completed(table)
    rows = rows[rows["_cost"].notna()]
    figure = Chart(figsize=(9.5, 4.4), layout="constrained")
    axes = figure.subplots()
    others = axes.scatter(
        rows["_cost"], rows["_shown"], color=TRAINING, s=26, alpha=0.5, linewidths=0
    )
    x = [*front["_cost"], rows["_cost"].max()]
    y = [*front["_shown"], front["_shown"].iloc[-1]]
    (line,) = axes.step(x, y, where="post", color=VALIDATION, linewidth=1.6)
    axes.plot(front["_cost"], front["_shown"], "o", color=VALIDATION, markersize=6)
    axes.margins(0.06, 0.1)
    if _table.spans_decades(rows["_shown"].to_numpy()):
        axes.set_yscale("log")
    apply_style(axes)
    _cost_axis(axes, rows["_cost"].to_numpy(dtype=float))
    _number_front(axes, front, upwards=maximize)
    axes.set_xlabel(label(_cost_name(cost), 60), parse_math=False)
    axes.set_ylabel(_table.axis_name(objective), parse_math=False)
    add_legend(axes, ["Pareto front, with the trial's number", "completed trials"],
               handles=[line, others], loc="lower left", ncols=2,
               bbox_to_anchor=(-0.02, 1.0))  # fmt: skip
    return figure


def _cost_name(cost: str) -> str:
    words = cost.replace("_", " ")
    return words[:1].upper() + words[1:]


def _cost_axis(axes: Axes, costs: np.ndarray) -> None:
    large = costs.min() >= 1000
    formatter = EngFormatter(sep=" ") if large else FuncFormatter(lambda v, _: f"{v:g}")
    if costs.min() > 0 and costs.max() > costs.min():
        axes.set_xscale("log")
        wide = _table.spans_decades(costs)
        subs = (1.0, 2.0, 5.0) if wide else tuple(np.arange(1, 10) / 1)
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(formatter)
    axes.grid(color=GRID, linewidth=0.6)


def _number_front(axes: Axes, front: pd.DataFrame, *, upwards: bool) -> None:
    """Write the trials' numbers, but none over another, the best one first."""
    ends = axes.transData.transform(front[["_cost", "_shown"]].to_numpy(dtype=float))
    last = np.array([np.inf, np.inf])
    for (_, row), end in reversed([*zip(front.iterrows(), ends, strict=True)]):
        if (np.abs(end - last) < (16, 11)).all():
            continue
        last = end
        axes.annotate(
            str(row["trial"]), (row["_cost"], row["_shown"]), fontsize=8, color=INK,
            xytext=(-4, 5 if upwards else -5), textcoords="offset points", ha="right",
            va="bottom" if upwards else "top",
        )  # fmt: skip
