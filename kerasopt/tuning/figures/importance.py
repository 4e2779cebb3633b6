"""How much of the outcome of a search each field explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kerasopt import checks
from kerasopt.charts import INK, TRAINING, Chart, apply_style, label
from kerasopt.tuning import _table

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["MIN_TRIALS", "importance", "plot_importance"]

MIN_TRIALS = 10
"""Fewer completed trials say nothing about importance."""

_OUT_OF_SAMPLE = 30  # From so many on, trees are judged by trials they haven't seen.
_FOLDS = 5
_TREES = 60
_REPEATS = 8


def importance(
    table: pd.DataFrame, fields: Sequence[str], *, objective: str, seed: int = 0
) -> pd.DataFrame:
    r"""Return the share of the objective's variance that each field explains.

    A random forest learns the objective from the fields. The importance of a field is
    how much the forest's R² falls when the field's values are shuffled among the
    trials, over the sum for all fields:

    .. math:: I_j = \frac{\max(0, \overline{\Delta R^2_j})}
        {\sum_k \max(0, \overline{\Delta R^2_k})}

    From 30 completed trials on, R² is that of trials that the forest hasn't seen (five
    folds), below that of the trials it has learnt. An objective that is positive and
    spans more than 1.5 decades is judged by its logarithm. Fields that rise and fall
    together share their importance, and the importance is that within the ranges that
    were searched, no more.

    Args:
        table: One row a trial, with the fields and mean and status. Only completed
            trials count.
        fields: The columns that were tuned. Values that aren't all numbers are
            categories; a field without a value is a value of its own.
        objective: What `mean` is, such as ``"val_accuracy"``, for the messages.
        seed: Of the forest and the shuffling.

    Returns:
        One row a field, the most important first: field, importance (they add up to
        1, or all are 0 if the forest explains nothing) and std, the standard deviation
        over the shufflings. ``attrs["r2"]`` is the forest's R², ``attrs["note"]`` a
        sentence on how far to trust it.

    Raises:
        ValueError: if fewer than 10 trials were completed, no field is given, or a
            column is missing.

    Example:
        >>> rates = np.linspace(1e-4, 1e-1, 40)
        >>> table = pd.DataFrame({"optimizer.learning_rate": rates,
        ...                       "model.units": [16, 64] * 20, "mean": rates ** 0.5,
        ...                       "status": "completed"})
        >>> found = importance(table, ["model.units", "optimizer.learning_rate"],
        ...                    objective="val_accuracy")
        >>> found["field"].tolist()
        ['optimizer.learning_rate', 'model.units']

    References:
        Breiman (2001), https://doi.org/10.1023/A:1010933404324; Hutter et al. (2014),
        https://proceedings.mlr.press/v32/hutter14.html.
    """
    table = _table.check(table, ("mean", "status"), fields=fields)
    rows = _table.completed(table)
    checks.integer("seed", seed, least=0)
    if len(rows) < MIN_TRIALS or not fields:
        raise ValueError(
            f"The importance of fields for {objective} needs at least {MIN_TRIALS} "
            f"completed trials and one field; given: {len(rows)} and {len(fields)}."
        )
    outcome = rows["mean"].to_numpy(dtype=float)
    if _table.spans_decades(outcome):
        outcome = np.log(outcome)
    drops, r2 = _drops(_features(rows, fields), outcome, seed)
    found = _shares(list(fields), drops)
    found.attrs = {"r2": r2, "note": _note(found, r2, len(rows))}
    return found


def _features(rows: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """Return numbers as floats and everything else as text."""
    columns = {}
    for position, field in enumerate(fields):
        unset = [_table.is_unset(value) for value in rows[field]]
        values = rows[field].tolist()
        numeric = all(
            empty or _table.is_number(value)
            for value, empty in zip(values, unset, strict=True)
        )
        if numeric and not all(unset):
            column: list[Any] = [
                np.nan if empty else float(value)
                for value, empty in zip(values, unset, strict=True)
            ]
        else:
            column = [_table.text(value) for value in values]
        columns[f"{position}"] = column
    return pd.DataFrame(columns)


def _drops(x: pd.DataFrame, y: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """Return how much R² falls, shape (fields, shufflings), and R² itself."""
    # scikit-learn takes a while to load and only this function needs it.
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold

    if np.ptp(y) == 0:
        return np.zeros((x.shape[1], 1)), 0.0
    everything = np.arange(len(y))
    splits = [(everything, everything)]
    if len(y) >= _OUT_OF_SAMPLE:
        splits = list(KFold(_FOLDS, shuffle=True, random_state=seed).split(x))
    drops = np.zeros((x.shape[1], _REPEATS))
    predicted = np.zeros(len(y))
    for learnt, unseen in splits:
        forest = _forest(x, seed).fit(x.iloc[learnt], y[learnt])
        predicted[unseen] = forest.predict(x.iloc[unseen])
        result = permutation_importance(
            forest, x.iloc[unseen], y[unseen], n_repeats=_REPEATS, random_state=seed,
            scoring="neg_mean_squared_error",
        )  # fmt: skip
        # Of the whole variance: that of a fold's few trials is a chance of its own.
        drops += result.importances / y.var() * len(unseen) / len(y)
    r2 = float(r2_score(y, predicted))
    # Shuffling the fields of a forest that knows nothing moves chance alone.
    return drops * (r2 > 0), r2


def _forest(x: pd.DataFrame, seed: int) -> Pipeline:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encoder = make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude="number"),
        ),
        remainder="passthrough",
    )
    trees = RandomForestRegressor(_TREES, min_samples_leaf=2, random_state=seed)
    return make_pipeline(encoder, trees)


def _shares(fields: list[str], drops: np.ndarray) -> pd.DataFrame:
    means = np.maximum(drops.mean(axis=1), 0)
    total = means.sum() or 1.0
    found = pd.DataFrame(
        {"field": fields, "importance": means / total, "std": drops.std(axis=1) / total}
    )
    found = found.sort_values("importance", ascending=False, kind="stable")
    return found.reset_index(drop=True)


def _note(found: pd.DataFrame, r2: float, trials: int) -> str:
    if not found["importance"].any():
        return (
            f"{trials} completed trials don't tell which field matters: a forest can't "
            "predict the outcome of one from the others. More trials may."
        )
    if trials < _OUT_OF_SAMPLE:
        return (
            f"From {trials} completed trials only, and judged by the same ones: a hint "
            f"at most. With {_OUT_OF_SAMPLE} the forest is judged by trials that it "
            "hasn't seen."
        )
    return (
        f"From {trials} completed trials; the forest explains {100 * r2:.0f} % of the "
        "variance of trials that it hasn't seen."
    )


def plot_importance(frame: pd.DataFrame) -> Chart:
    """Draw importances as bars, with whiskers of one standard deviation.

    Args:
        frame: What `importance` gives: field, importance and std.

    Returns:
        The figure, the most important field on top; without a field it holds a
        sentence.

    Raises:
        ValueError: if a column is missing.

    Example:
        >>> frame = pd.DataFrame({"field": ["model.units"], "importance": [1.0],
        ...                       "std": [0.1]})
        >>> plot_importance(frame).axes[0].get_xlabel()
        'Share of the variance that the fields explain (%)'
    """
    frame = _table.check(frame, ("field", "importance", "std"))
    if frame.empty:
        return _table.sentence("No field was tuned.")
    if not frame["importance"].any():
        return _table.sentence("The trials don't tell which field matters.")
    frame = frame.sort_values("importance", kind="stable")
    figure = Chart(figsize=(9.5, 1.0 + 0.34 * max(2, len(frame))), layout="constrained")
    axes = figure.subplots()
    apply_style(axes)
    places = np.arange(len(frame))
    shares = 100 * frame["importance"].to_numpy(dtype=float)
    spread = 100 * frame["std"].to_numpy(dtype=float)
    # No share lies below 0 or above 100 %, so the whiskers end there.
    axes.barh(
        places, shares, height=0.62, color=TRAINING, ecolor=INK,
        xerr=[np.minimum(spread, shares), np.minimum(spread, 100 - shares)],
        error_kw={"linewidth": 1.6},
    )  # fmt: skip
    axes.set_yticks(places, [label(name, 40) for name in frame["field"]],
                    parse_math=False, color=INK)  # fmt: skip
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 101)
    axes.set_ylim(-0.6, len(frame) - 0.4)
    axes.set_xlabel("Share of the variance that the fields explain (%)")
    return figure
