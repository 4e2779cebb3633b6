"""One self-contained HTML page about one search.

Like the report of a run it loads nothing, follows the reader's light or dark theme and
prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from kerasopt.charts import Chart
from kerasopt.evaluation import formatting, page
from kerasopt.evaluation.metrics import wilson
from kerasopt.evaluation.page import write
from kerasopt.tuning import _table, figures
from kerasopt.tuning.figures.importance import MIN_TRIALS, importance, plot_importance
from kerasopt.tuning.figures.parallel import PAPER, RAMP

__all__ = ["SearchReportData", "render", "write"]

_RAMP_DARK = (
    "#2a3f52",
    "#2e4f69",
    "#336082",
    "#39729b",
    "#4586b3",
    "#5a9dca",
    "#7db8df",
    "#abd6f2",
)
"""The colours of `RAMP` on a dark page, where the brightest stand out."""
_THEMED = {
    **{color: f"var(--ramp-{index})" for index, color in enumerate(RAMP)},
    PAPER: "var(--paper)",
}
_SHOWN_ROWS = 30
_REM_PER_INCH = 5.2  # Below this the text of a figure is hard to read.
_LEAST_REM = 34
_LONG = 14  # Characters of a setting that get a wider column.
_NO_VALUE = "No trial has a value to draw."
_NO_FIELD = "No field was tuned."
# Columns of the table besides the fields: title and how a value is shown.
_COLUMNS: dict[str, tuple[str, Any]] = {
    "n": ("Runs", formatting.count),
    "epochs": (
        "Epochs",
        lambda value: (
            formatting.MISSING if formatting.is_missing(value) else f"{value:.4g}"
        ),
    ),
    "seconds": ("Time", formatting.duration),
    "parameters": ("Parameters", formatting.count),
}


@dataclass(frozen=True, eq=False)
class SearchReportData:
    """What the report of a search is made from; what is missing becomes a sentence.

    Attributes:
        title: The page's.
        table: One row a trial: trial (its number), the fields, mean (the objective over
            folds or seeds), status (completed, partial, stopped, unfinished or failed)
            and,
            where known, std, n (folds or seeds), epochs, seconds, parameters and
            reason.
        fields: The columns that were tuned.
        objective: What was searched for, such as ``"val_accuracy"``.
        maximize: Whether larger is better.
        description: A sentence below the title.
        space: The search space, nested.
        best: The recipe with the best settings, nested.
        samples: How many samples a trial was measured on, for the interval.
        own: The values of the fields in the recipe that was searched.
        settings: How the search was made, such as method, trials, budget (seconds or
            text), folds and seed.
        seconds: How long it took; the default is the sum of the trials' seconds.
        environment: Versions, machine and data, nested.
        notes: Sentences for the top of the page, such as a caveat.
        has_its_data: Whether the best settings name the data, so that a command trains
            with them.
    """

    title: str
    table: pd.DataFrame
    fields: Sequence[str]
    objective: str
    maximize: bool
    description: str | None = None
    space: Mapping[str, Any] = field(default_factory=dict)
    best: Mapping[str, Any] = field(default_factory=dict)
    samples: int | None = None
    own: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    has_its_data: bool = True


def render(data: SearchReportData) -> str:
    """Return the report of a search as one HTML page.

    Args:
        data: The trials and how they were made.

    Returns:
        The page's text. The same data gives the same text.

    Raises:
        ValueError: if the table lacks trial, mean, status or a field, or has an
            unknown status.

    Example:
        >>> table = pd.DataFrame({"trial": [0, 1], "model.units": [16, 64],
        ...                       "mean": [0.8, 0.9], "status": "completed"})
        >>> html = render(SearchReportData(title="Units", table=table,
        ...     fields=["model.units"], objective="val_accuracy", maximize=True))
        >>> "<h1>Units</h1>" in html, "90.00 %" in html
        (True, True)
    """
    table = _table.check(data.table, ("trial", "mean", "status"), fields=data.fields)
    table = table.reset_index(drop=True)
    fields = list(data.fields)
    packages = ("kerasopt.tuning.searches", "kerasopt.evaluation")
    template = page.environment(*packages).get_template("search.html.j2")
    columns = [name for name in _COLUMNS if name in table.columns]
    with_reasons = "reason" in table.columns and bool(table["reason"].notna().any())
    drawn, no_importance = _importance(table, data)
    return template.render(
        title=data.title,
        description=data.description,
        notes=list(data.notes),
        has_its_data=data.has_its_data,
        objective=_lower(_table.objective_name(data.objective)),
        headline=_headline(table, data),
        best=page.yaml_text(data.best),
        found=_found(table, data),
        progress=_progress(table, data),
        parallel=_parallel(table, data),
        no_parallel=_NO_VALUE if fields else _NO_FIELD,
        importance=drawn,
        no_importance=no_importance,
        fields=fields,
        columns=[_COLUMNS[name][0] for name in columns],
        rows=_rows(table, data, columns),
        shown=_SHOWN_ROWS,
        with_reasons=with_reasons,
        space=page.yaml_text(data.space),
        settings=_settings(data.settings),
        environment=page.flat_rows(data.environment),
        ramp_light=RAMP,
        ramp_dark=_RAMP_DARK,
    )  # fmt: skip


def _headline(table: pd.DataFrame, data: SearchReportData) -> dict[str, Any]:
    counts = table["status"].value_counts()
    seconds = data.seconds
    if seconds is None and "seconds" in table.columns:
        seconds = float(pd.to_numeric(table["seconds"]).sum())
    return {
        "best": _best(_table.best(table, maximize=data.maximize), data),
        "trials": len(table),
        "statuses": ", ".join(
            f"{counts[name]} {name}" for name in _table.STATUSES if name in counts
        ),
        "seconds": seconds,
        "budget": _budget(data.settings.get("budget")),
    }  # fmt: skip


def _best(row: pd.Series | None, data: SearchReportData) -> dict[str, Any] | None:
    if row is None:
        return None
    parameters = row.get("parameters")
    return {
        "value": _table.value_text(data.objective, row["mean"]),
        "trial": row["trial"],
        "spread": _spread(row, data.objective),
        "interval": _interval(row["mean"], data),
        "parameters": None if formatting.is_missing(parameters) else parameters,
    }


def _interval(value: float, data: SearchReportData) -> str | None:
    """Return what so many samples say about a share, None of anything else."""
    if not data.samples or not _table.is_share(data.objective):
        return None
    bounds = wilson(round(value * data.samples), data.samples)
    return f"{formatting.interval(bounds)} by {data.samples:,} samples"


def _found(table: pd.DataFrame, data: SearchReportData) -> list[dict[str, Any]]:
    """Return each field with the best trial's value and the recipe's own."""
    winner = _table.best(table, maximize=data.maximize)
    if winner is None:
        return []
    return [
        {
            "field": name,
            "best": _setting(winner[name])["text"],
            "own": _setting(data.own.get(name))["text"],
        }
        for name in data.fields
    ]


def _spread(row: pd.Series, objective: str) -> str | None:
    """Return the standard deviation and of how many runs, None of a single one."""
    spread, runs = row.get("std"), row.get("n")
    if any(map(formatting.is_missing, (row["mean"], spread, runs))) or runs < 2:
        return None
    return f"± {_table.value_text(objective, spread)} over {runs:.0f} runs"


def _budget(budget: Any) -> str | None:
    if formatting.is_missing(budget):
        return None
    return formatting.duration(budget) if _table.is_number(budget) else str(budget)


def _progress(table: pd.DataFrame, data: SearchReportData) -> list[dict[str, Any]]:
    if _table.measured(table).empty:
        return []
    how: dict[str, Any] = {"objective": data.objective, "maximize": data.maximize}
    figure = figures.best_so_far(table, **how)
    winner = _table.best(table, maximize=data.maximize)
    text = f"The values of {len(table)} trials in their order and the best so far."
    if winner is not None:
        value = _table.value_text(data.objective, winner["mean"])
        text += f" At the end it is {value}, of trial {winner['trial']}."
    drawn = [_drawn(figure, "progress", text, None)]
    if "seconds" in table.columns and pd.to_numeric(table["seconds"]).sum() > 0:
        over_time = figures.best_so_far(table, **how, against="seconds")
        words = "The same over the training time of all trials."
        drawn.append(_drawn(over_time, "time", words, None))
    return drawn


def _parallel(table: pd.DataFrame, data: SearchReportData) -> dict[str, Any] | None:
    rows = _table.measured(table)
    if rows.empty or not data.fields:
        return None
    figure = figures.parallel_coordinates(
        table, data.fields, objective=data.objective, maximize=data.maximize
    )
    text = (
        f"Parallel coordinates of {len(rows)} trials over {len(data.fields)} fields: "
        f"{', '.join(data.fields)}. The table of all trials has the numbers."
    )
    caption = (
        "Each line is a trial, the stronger its colour the better; a stopped one has "
        "the value at which it was stopped, failed ones are left out; what is far from "
        "the others stands at the end of the axis, marked ≤ or ≥."
    )
    return _drawn(figure, "parallel", text, caption)


def _importance(
    table: pd.DataFrame, data: SearchReportData
) -> tuple[dict[str, Any] | None, str]:
    """Return the figure, or None and a sentence that says why there is none."""
    count = len(_table.completed(table))
    if not data.fields:
        return None, _NO_FIELD
    if count < MIN_TRIALS:
        return None, (
            f"{count} completed trials say nothing about importance; it takes at least "
            f"{MIN_TRIALS}."
        )
    found = importance(table, data.fields, objective=data.objective)
    if not found["importance"].any():
        return None, found.attrs["note"]
    shares = ", ".join(
        f"{row.field} {formatting.percent(row.importance, digits=0)}"
        for row in found.itertuples()
    )
    caption = (
        "How much worse a random forest predicts the outcome when the values of a "
        "field are shuffled among the trials; the whiskers are one standard deviation. "
        f"{found.attrs['note']}"
    )
    return _drawn(plot_importance(found), "importance", f"Importance: {shares}.",
                  caption), ""  # fmt: skip


def _drawn(
    figure: Chart, prefix: str, text: str, caption: str | None
) -> dict[str, Any]:
    width = float(figure.get_figwidth())
    return {
        "svg": page.inline_svg(figure, prefix=prefix, text=text, themed=_THEMED),
        # A figure of many axes is scrolled, not made too small to read.
        "rem": round(max(_LEAST_REM, _REM_PER_INCH * width)),
        "caption": caption,
    }


def _rows(
    table: pd.DataFrame, data: SearchReportData, columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the rows: completed trials from the best on, then the others."""
    winner = _table.best(table, maximize=data.maximize)
    ranks = table["status"].map({s: rank for rank, s in enumerate(_table.STATUSES)})
    order = table.assign(
        _rank=ranks, _sign=(-1 if data.maximize else 1) * table["mean"]
    )
    order = order.sort_values(["_rank", "_sign", "trial"], kind="stable")
    rows = []
    for index, row in order.iterrows():
        spread = _spread(row, data.objective)
        value = _table.value_text(data.objective, row["mean"])
        reason = row.get("reason")
        rows.append(
            {
                "best": winner is not None and index == winner.name,
                "trial": row["trial"],
                "value": f"{value} {spread.split(' over')[0]}" if spread else value,
                "settings": [_setting(row[name]) for name in data.fields],
                "numbers": [_COLUMNS[name][1](row[name]) for name in columns],
                "status": row["status"],
                "reason": "" if _table.is_unset(reason) else str(reason),
            }
        )
    return rows


def _setting(value: Any) -> dict[str, Any]:
    # The recipe has the exact number; here it is compared with others.
    short = _table.is_number(value) and isinstance(value, float)
    text = (
        f"{value:.4g}" if short and not _table.is_unset(value) else _table.text(value)
    )
    return {"text": text, "long": len(text) > _LONG}


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    budget = settings.get("budget")
    if _table.is_number(budget):
        settings = {**settings, "budget": formatting.duration(budget)}
    return page.flat_rows(settings)


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
