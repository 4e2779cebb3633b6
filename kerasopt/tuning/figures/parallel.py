"""Parallel coordinates: every trial of a search as one line across its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator

from kerasopt.charts import INK, MUTED, VALIDATION, Chart, add_legend, label
from kerasopt.tuning import _table

__all__ = ["PAPER", "RAMP", "parallel_coordinates"]

RAMP = (
    "#c3d7e6",
    "#a8c6dd",
    "#8bb4d3",
    "#6ba1c8",
    "#4a8dbc",
    "#2877ab",
    "#0d6095",
    "#06436b",
)
"""Colours of the trials from worst to best; a page turns them with its theme."""
PAPER = "#fffffe"
"""The halo of the numbers on the axes: the colour of the page."""

_MAX_NUMBERED = 6  # So many different numbers each have their own tick.
_LEAST_GAP = 0.055  # Between two ticks, as a share of the axis.
_UNSET_AT, _FIRST_AT = 0.0, 0.13  # Where an axis has trials without a value.
_UNSET = "none"
_BAND = 0.05  # Trials of the same category lie side by side within it.


@dataclass(frozen=True)
class _Scale:
    """Where the trials lie on one axis, 0 to 1, and its ticks."""

    places: np.ndarray
    ticks: list[tuple[float, str]]


def parallel_coordinates(
    table: pd.DataFrame, fields: Sequence[str], *, objective: str, maximize: bool
) -> Chart:
    """Draw a line a trial across one axis a field; the last axis is the objective.

    The colour follows the trial's rank: the stronger, the better. The best completed
    trial is drawn last, bold and in another colour. Positive numbers that span more
    than 1.5 decades have a logarithmic axis; other values than numbers are categories,
    and trials that share one lie side by side, the better the higher. "none" stands
    for no value. Failed trials aren't drawn, and outcomes far below the others stand
    at the end of their axis.

    Args:
        table: One row a trial, with the fields and trial, mean and status.
        fields: The columns that were tuned, in the order of the axes.
        objective: What `mean` is, such as ``"val_accuracy"``.
        maximize: Whether larger is better.

    Returns:
        The figure; without a measured trial or a field it holds a sentence.

    Raises:
        ValueError: if a column is missing or a status unknown.

    Example:
        >>> table = pd.DataFrame({"trial": [0, 1], "model.units": [16, 64],
        ...                       "mean": [0.8, 0.9], "status": "completed"})
        >>> figure = parallel_coordinates(table, ["model.units"],
        ...                               objective="val_accuracy", maximize=True)
        >>> [text.get_text() for text in figure.axes[0].texts[1:3]]
        ['16', '64']

    References:
        Inselberg (1985), https://doi.org/10.1007/BF01898350.
    """
    table = _table.check(table, ("trial", "mean", "status"), fields=fields)
    rows = _table.measured(table.reset_index(drop=True))
    if rows.empty or not fields:
        return _table.sentence(
            "No trial has a value to draw." if fields else "No field was tuned."
        )
    # The worst first, so that the best lie on top.
    rows = rows.sort_values("mean", ascending=maximize, kind="stable")
    scales = [
        *(_scale(rows[field]) for field in fields),
        _outcome(rows, objective, maximize),
    ]
    figure = Chart(figsize=(max(6.5, 1.3 * len(scales)), 4.6), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set(xlim=(-0.12, len(scales) - 0.55), ylim=(-0.03, 1.03))
    points = np.stack([scale.places for scale in scales], axis=1)
    best = _table.best(rows, maximize=maximize)
    _draw_trials(axes, points)
    if best is not None:
        position = int(np.flatnonzero(rows.index == best.name)[0])
        axes.plot(points[position], "-o", color=VALIDATION, linewidth=2.8, markersize=6,
                  zorder=4)  # fmt: skip
    titles = [*map(_wrapped, fields), _wrapped(_table.axis_name(objective))]
    for position, (title, scale) in enumerate(zip(titles, scales, strict=True)):
        _draw_axis(axes, position, title, scale)
    _explain(axes, best, objective, len(rows))
    return figure


def _draw_trials(axes: Axes, points: np.ndarray) -> None:
    lines = [np.column_stack([np.arange(len(p)), p]) for p in points]
    shades = np.linspace(0, len(RAMP) - 1, len(lines)) if len(lines) > 1 else [7]
    axes.add_collection(
        LineCollection(
            lines,
            colors=[RAMP[round(shade)] for shade in shades],
            linewidths=1.5 if len(lines) <= 40 else 1.0,
            zorder=2,
            capstyle="round",
        )
    )


def _draw_axis(axes: Axes, position: int, title: str, scale: _Scale) -> None:
    axes.plot([position, position], [0, 1], color=MUTED, linewidth=0.9, zorder=3)
    axes.text(position, 1.05, title, ha="center", va="bottom", fontsize=9, color=INK,
              parse_math=False, clip_on=False)  # fmt: skip
    for place, text in scale.ticks:
        axes.plot(position, place, marker="_", color=MUTED, markersize=6, zorder=3)
        axes.text(
            position + 0.05, place, text, ha="left", va="center", fontsize=8.8,
            color=INK, parse_math=False, zorder=5, clip_on=False,
            path_effects=[withStroke(linewidth=3.6, foreground=PAPER)],
        )  # fmt: skip


def _explain(axes: Axes, best: pd.Series | None, objective: str, count: int) -> None:
    handles: list[Any] = []
    words: list[str] = []
    if best is not None:
        handles.append(Line2D([], [], color=VALIDATION, linewidth=2.8, marker="o"))
        value = _table.value_text(objective, best["mean"])
        words.append(f"trial {best['trial']}, the best: {value}")
    if count > 1:
        shades = (RAMP[0], RAMP[2], RAMP[4], RAMP[7])
        handles.append(tuple(Line2D([], [], color=c, linewidth=2) for c in shades))
        words.append("the trials from the worst to the best")
    if handles:
        add_legend(
            axes, words, handles=handles, loc="upper left", ncols=2, handlelength=3,
            bbox_to_anchor=(0, -0.02), handler_map={tuple: HandlerTuple(None, 0)},
        )  # fmt: skip


def _outcome(rows: pd.DataFrame, objective: str, maximize: bool) -> _Scale:
    values = rows["mean"].to_numpy()
    shown = np.clip(values, *_table.near_the_best(values, maximize=maximize))
    scale = _numbers(shown * _table.scale(objective), digits=4)
    if (shown == values).all():
        return scale
    # The tick at the end also stands for what lies beyond it.
    end, sign = (0, "≤") if maximize else (1, "≥")
    ticks = [(at, f"{sign} {text}" if at == end else text) for at, text in scale.ticks]
    return _Scale(scale.places, ticks)


def _scale(column: pd.Series) -> _Scale:
    """Return the axis of a field; the rows are sorted from the worst to the best."""
    unset = np.array([_table.is_unset(value) for value in column], dtype=bool)
    values = [v for v, empty in zip(column, unset, strict=True) if not empty]
    if unset.all():
        return _Scale(np.full(len(unset), 0.5), [(0.5, _UNSET)])
    if all(map(_table.is_number, values)):
        inner = _numbers(np.array(values, dtype=float))
    else:
        inner = _categories(values)
    if not unset.any():
        return inner
    places = np.full(len(unset), _UNSET_AT)
    places[~unset] = _lifted(inner.places)
    ticks = [(float(_lifted(place)), text) for place, text in inner.ticks]
    return _Scale(places, [(_UNSET_AT, _UNSET), *ticks])


def _lifted(place: Any) -> Any:
    return _FIRST_AT + (1 - _FIRST_AT) * place


def _numbers(values: np.ndarray, *, digits: int = 3) -> _Scale:
    low, high = values.min(), values.max()
    if low == high:
        return _Scale(np.full(len(values), 0.5), [(0.5, _number_text(low, 4))])
    few = len(set(values)) <= _MAX_NUMBERED
    if low == 0 and few and _table.spans_decades(values[values > 0]):
        return _steps(values)  # 0, 1e-5 and 1e-3: the first two would coincide.
    logarithmic = _table.spans_decades(values)

    def place(value: Any) -> Any:
        if logarithmic:
            return np.log(value / low) / np.log(high / low)
        return (value - low) / (high - low)

    own = np.unique(values)
    marks: Sequence[float]
    if len(own) <= _MAX_NUMBERED:
        marks, digits = own.tolist(), 4
    elif logarithmic:
        marks = LogLocator(numticks=6).tick_values(low, high)
    else:
        marks = MaxNLocator(5).tick_values(low, high)
    inside = [mark for mark in marks if low < mark < high]
    ticks = [(float(place(m)), _number_text(m, digits)) for m in (low, high, *inside)]
    return _Scale(place(values), _spaced(ticks))


def _steps(values: np.ndarray) -> _Scale:
    """Return the axis of a few numbers that stand at equal distances."""
    own, ranks = np.unique(values, return_inverse=True)
    places = np.linspace(0, 1, len(own))
    ticks = [(float(p), _number_text(v, 4)) for p, v in zip(places, own, strict=True)]
    return _Scale(places[ranks], ticks)


def _spaced(ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Leave out ticks whose text would touch that of an earlier one."""
    kept: list[tuple[float, str]] = []
    for place, text in ticks:
        if all(abs(place - other) >= _LEAST_GAP for other, _ in kept):
            kept.append((place, text))
    return kept


def _categories(values: Sequence[Any]) -> _Scale:
    texts = [_table.text(value) for value in values]
    choices = sorted(set(texts))
    shown = _short_names(dict(zip(texts, values, strict=True)), choices)
    gap = (1 - _BAND) / max(1, len(choices) - 1)
    start = 0.5 if len(choices) == 1 else _BAND / 2
    middles = {choice: start + i * gap for i, choice in enumerate(choices)}
    places = np.array([middles[text] for text in texts])
    for choice in choices:
        mine = np.flatnonzero([text == choice for text in texts])
        if len(mine) > 1:
            places[mine] += np.linspace(-0.5, 0.5, len(mine)) * min(_BAND, 0.6 * gap)
    return _Scale(places, _spaced([(middles[c], shown[c]) for c in choices]))


def _short_names(values: dict[str, Any], choices: Sequence[str]) -> dict[str, str]:
    """Name ``{name: sgd, momentum: 0.9}`` "sgd" where that tells it from the others."""
    names = [
        values[c].get("name") if isinstance(values[c], dict) else c for c in choices
    ]
    if None in names or len(set(names)) < len(names):
        names = [_distinct(c, choices) for c in choices]
    return {c: label(name, 16) for c, name in zip(choices, names, strict=True)}


def _distinct(choice: str, choices: Sequence[str]) -> str:
    """Return a text whose first 16 characters differ from those of the others."""
    if len({label(other, 16) for other in choices}) == len(choices):
        return choice
    return f"#{choices.index(choice) + 1} {choice}"


def _number_text(value: float, digits: int) -> str:
    whole = float(value).is_integer() and abs(value) < 1e5
    return f"{value:.0f}" if whole else f"{value:.{digits}g}"


def _wrapped(name: str) -> str:
    """Return a dotted name in at most four short lines, its end if it is longer."""
    parts = str(name).replace(".", ". ").replace("_", "_\0").split()
    lines = [line for part in parts for line in _broken(part)]
    return "\n".join(label(line, 16) for line in lines[-4:])


def _broken(part: str) -> list[str]:
    """Break a long word after its underscores."""
    lines = [""]
    for piece in part.split("\0"):
        if lines[-1] and len(lines[-1]) + len(piece) > 16:
            lines.append("")
        lines[-1] += piece
    return lines
