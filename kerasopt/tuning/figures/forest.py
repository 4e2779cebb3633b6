"""The forest plot of an ablation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from kerasopt import names
from kerasopt.charts import (
    INK,
    SERIES,
    Chart,
    add_legend,
    apply_style,
    label,
)
from kerasopt.tuning import _table

__all__ = ["forest"]

_DESIGNS: dict[str, dict[str, Any]] = {
    "leave one out": {"marker": "o", "color": SERIES[0]},
    "add one in": {"marker": "s", "color": SERIES[1]},
}


def forest(table: pd.DataFrame, *, objective: str) -> Chart:
    """Draw the forest plot of an ablation: what each factor is worth.

    A mark is the mean paired difference and its line the interval: where the line
    leaves out zero, the factor makes a difference. The largest is on top.

    Args:
        table: One row a factor and design, with factor, design (``"leave one out"`` or
            ``"add one in"``), difference (positive: the factor helps), low and high
            (the interval of 95 %, NaN where there is one run only) and n (pairs).
        objective: What was compared, such as ``"val_accuracy"``; differences of an
            accuracy are shown in percentage points.

    Returns:
        The figure; without a difference it holds a sentence.

    Raises:
        ValueError: if a column is missing or a design unknown.

    Example:
        >>> table = pd.DataFrame({"factor": ["dropout"], "design": "leave one out",
        ...                       "difference": 0.012, "low": 0.004, "high": 0.02,
        ...                       "n": 5})
        >>> figure = forest(table, objective="val_accuracy")
        >>> figure.axes[0].texts[0].get_text()
        '+1.20 [+0.40, +2.00], n=5'

    References:
        Lewis and Clarke (2001), https://doi.org/10.1136/bmj.322.7300.1479.
    """
    columns = ("factor", "design", "difference", "low", "high", "n")
    table = _table.check(table, columns)
    for design in table["design"]:
        if design not in _DESIGNS:
            raise names.unknown("design", design, _DESIGNS)
    numbers = table[["difference", "low", "high"]].astype(float)
    table = table.assign(**(numbers * _table.scale(objective)))
    if table["difference"].isna().all():
        return _table.sentence("Nothing was compared.")
    gains = table.groupby("factor", sort=False)["difference"].mean()
    factors = list(gains.sort_values(na_position="first").index)
    designs = [d for d in _DESIGNS if (table["design"] == d).any()]
    rows = len(factors) * len(designs)
    figure = Chart(figsize=(9.5, 1.3 + 0.3 * max(rows, 3)), layout="constrained")
    axes = figure.subplots()
    apply_style(axes)
    axes.axvline(0, color=INK, linewidth=1)
    largest = table[["difference", "low", "high"]].abs().max(axis=None)
    digits = 2 if largest >= 0.1 else 4
    for position, factor in enumerate(factors):
        for _, row in table[table["factor"] == factor].iterrows():
            shift = 0.38 * (0.5 - designs.index(row["design"])) * (len(designs) - 1)
            _draw_effect(axes, row, position + shift, digits)
    axes.set_yticks(range(len(factors)), [label(f, 34) for f in factors],
                    parse_math=False, color=INK)  # fmt: skip
    axes.grid(visible=False, axis="y")
    axes.set_ylim(-0.6, len(factors) - 0.4)
    unit = " in percentage points" if _table.is_share(objective) else ""
    axes.set_xlabel(
        f"{_table.objective_name(objective)}: gain through the factor{unit}, mean and "
        "95 % interval",
        parse_math=False,
    )
    handles = [
        axes.plot([], [], linewidth=1.6, markersize=6, **_DESIGNS[d])[0]
        for d in designs
    ]
    add_legend(axes, designs, handles=handles, loc="lower left", ncols=2,
               bbox_to_anchor=(-0.02, 1.0))  # fmt: skip
    return figure


def _draw_effect(axes: Axes, row: pd.Series, y: float, digits: int) -> None:
    at: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "clip_on": False}
    text: dict[str, Any] = {"fontsize": 8, "color": INK, "va": "center"}
    if np.isnan(row["difference"]):
        axes.text(1.015, y, "failed", **at, **text)
        return
    look = _DESIGNS[row["design"]]
    known = not (np.isnan(row["low"]) or np.isnan(row["high"]))
    if known:
        ends = [row["low"], row["high"]]
        axes.plot(ends, [y, y], "-|", color=look["color"], linewidth=1.6)
    axes.plot(row["difference"], y, linestyle="none", markersize=6, zorder=3, **look)
    shown = [row["difference"], *([row["low"], row["high"]] if known else [])]
    first, *others = (f"{value:+.{digits}f}".replace("-", "−") for value in shown)
    between = f" [{', '.join(others)}]" if others else ""
    axes.text(1.015, y, f"{first}{between}, n={row['n']:.0f}", **at, **text)
