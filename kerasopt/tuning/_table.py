"""The table of trials as its figures and the report read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from kerasopt import names
from kerasopt.charts import INK, Chart
from kerasopt.evaluation import formatting

STATUSES = ("completed", "partial", "stopped", "unfinished", "failed")
FARTHEST = 5
"""Times the distance of the median from the best, within which a value is shown."""

LOG_DECADES = 1.5
"""Numbers above 0 that span more than this are drawn and judged by their logarithm."""


def check(
    table: Any, columns: Sequence[str], *, fields: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the table with `mean` as floats, or say what it lacks."""
    if not isinstance(table, pd.DataFrame):
        raise ValueError(
            "table must be a pandas DataFrame with a row a trial; given: "
            f"{type(table).__name__}."
        )
    for column in columns:
        if column not in table.columns:
            raise names.unknown("column of trials", column, map(str, table.columns))
    for field in fields:
        if field not in table.columns:
            raise names.unknown("field of the table", field, map(str, table.columns))
    if "status" in columns:
        for status in table["status"]:
            if status not in STATUSES:
                raise names.unknown("status of a trial", status, STATUSES)
    return table.assign(**{c: numbers(table[c], c) for c in columns if c in _NUMBERS})


_NUMBERS = ("mean", "seconds")


def numbers(column: pd.Series, name: str) -> np.ndarray:
    """Return a column as floats, NaN for what isn't finite."""
    try:
        values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The column {name!r} must hold numbers, NaN where there is none: {error}."
        ) from error
    return np.where(np.isfinite(values), values, np.nan)


def completed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that ran to their end and have a value."""
    return table[(table["status"] == "completed") & table["mean"].notna()]


def measured(table: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that have a value, also where they were stopped."""
    return table[(table["status"] != "failed") & table["mean"].notna()]


def best(table: pd.DataFrame, *, maximize: bool) -> pd.Series | None:
    """Return the best completed trial's row, None if none was completed."""
    rows = completed(table)
    if rows.empty:
        return None
    order = rows["mean"].to_numpy()
    return rows.iloc[int(np.argmax(order) if maximize else np.argmin(order))]


def near_the_best(values: np.ndarray, *, maximize: bool) -> tuple[float, float]:
    """Return the least and the largest of the values that a figure shows.

    What lies so many times farther from the best than the median does is drawn at the
    edge, or one bad trial would press all others into a line.

    Args:
        values: Outcomes, all of them finite.
        maximize: Whether larger is better.

    Example:
        >>> near_the_best(np.array([0.99, 0.98, 0.97, 0.1]), maximize=True)
        (0.915, 0.99)
    """
    best = values.max() if maximize else values.min()
    worst = values.min() if maximize else values.max()
    typical = FARTHEST * abs(np.median(values) - best)
    if typical and abs(worst - best) > typical:
        worst = best - typical if maximize else best + typical
    return float(round(min(best, worst), 9)), float(round(max(best, worst), 9))


def is_share(objective: str) -> bool:
    """Return whether an objective is shown in percent."""
    return objective.endswith("accuracy")


def scale(objective: str) -> int:
    """Return what an objective's values are multiplied with to be shown."""
    return 100 if is_share(objective) else 1


def value_text(objective: str, value: Any) -> str:
    """Return an objective's value as people read it."""
    if formatting.is_missing(value):
        return formatting.MISSING
    return formatting.percent(value) if is_share(objective) else f"{value:.4g}"


def objective_name(objective: str) -> str:
    """Return an objective's name in words, such as "Validation accuracy"."""
    words = objective.replace("val_", "validation ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def axis_name(objective: str) -> str:
    """Return an objective's name and unit."""
    unit = " (%)" if is_share(objective) else ""
    return f"{objective_name(objective)}{unit}"


def is_number(value: Any) -> bool:
    """Return whether a setting is a number; True and False are none."""
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool | np.bool_)


def is_unset(value: Any) -> bool:
    """Return whether a trial had no value for a field."""
    return value is None or (
        not isinstance(value, list | tuple | Mapping | np.ndarray) and pd.isna(value)
    )


def text(value: Any) -> str:
    """Return a setting as one line: ``{name: sgd, momentum: 0.9}``."""
    if is_unset(value):
        return formatting.MISSING
    value = formatting.plain(value)
    if isinstance(value, dict):
        inside = ", ".join(f"{key}: {text(item)}" for key, item in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(text, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def spans_decades(values: np.ndarray) -> bool:
    """Return whether numbers are better told apart by their logarithm."""
    values = values[np.isfinite(values)]
    if not values.size or values.min() <= 0:
        return False
    return bool(np.log10(values.max() / values.min()) > LOG_DECADES)


def sentence(words: str) -> Chart:
    """Return a figure that says why there is none."""
    figure = Chart(figsize=(5, 1))
    figure.text(0.5, 0.5, words, ha="center", va="center", color=INK, fontsize=9.5)
    return figure
