"""Runs side by side: a table, what differs, and how sure a difference is."""

from __future__ import annotations

import functools
import html
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from kerasopt import names
from kerasopt.evaluation import comparison_labels, formatting, headlines, plots
from kerasopt.evaluation.intervals import wilson
from kerasopt.evaluation.paired import mean_interval

__all__ = ["Comparison", "compare"]

_COMMON = (
    "test_log_loss", "test_loss", "test_interval",
    "train_seconds", "parameters", "epochs",
)  # fmt: skip
_FORMATS: dict[str, Callable[[Any], str]] = {
    "train_seconds": formatting.duration,
    "parameters": formatting.count,
    "epochs": "{:g}".format,
    **dict.fromkeys(("test_log_loss", "test_loss"), "{:.4f}".format),
}
# Of the headline measure, whatever that is.
_DIFFERENCES = ("difference", "difference_interval")
_OF_HEADLINE = ("test_interval", "mean", "std", *_DIFFERENCES)


class RunLike(Protocol):
    """What `compare` reads of a run."""

    @property
    def directory(self) -> Any:
        """The run's folder, or None."""

    @property
    def metrics(self) -> Mapping[str, Any]:
        """What was measured, such as test_accuracy."""

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The settings, nested."""

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch."""

    @property
    def seed(self) -> int | None:
        """The seed of the run, or None."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Several runs side by side, made by `compare`.

    Attributes:
        table: One row a run: run, recipe, seed, val_accuracy, test_accuracy,
            test_accuracy_tta (by the mean of views), test_log_loss, test_loss (as
            trained), test_interval (95 %, of one view), train_seconds, parameters,
            epochs. Other tasks have their headline instead, such as test_rmse.
        summary: One row a recipe, seeds together: n (runs with a test result),
            mean and std (n - 1 in the divisor) of the headline on the test set;
            against the baseline, over the seeds that both have: shared_seeds,
            difference (the paired mean difference) and difference_interval (95 %, t).
        differences: From the dotted name of each setting that isn't the same in
            all runs to the values by run; a run without the setting is left out. Of
            data that differ, such as ``data.x_test``, the hashes begin so.
        baseline: The row of `summary` that the others are compared with.
        histories: From the run to its history.
        headline: The measure that is compared, such as ``"accuracy"`` or ``"rmse"``;
            ``"loss"`` where no other was measured.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    differences: dict[str, dict[str, Any]]
    baseline: str
    histories: dict[str, pd.DataFrame] = field(default_factory=dict)
    headline: str = "accuracy"

    def plot(self, *, metric: str | None = None) -> plots.Chart:
        """Draw one curve a run over the epochs.

        Args:
            metric: A column of the histories; by default that of the headline on
                validation data, or the validation loss where it wasn't logged.

        Returns:
            The figure.

        Raises:
            ValueError: if no run has the metric.
        """
        return plots.comparison(self.histories, metric=metric or self._curve())

    def _curve(self) -> str:
        column = f"val_{self.headline}"
        logged = any(column in history for history in self.histories.values())
        return column if logged or self.headline == "accuracy" else "val_loss"

    def to_dict(self) -> dict[str, Any]:
        """Return tables and differences in the types that JSON has."""
        return {
            "runs": formatting.plain(self.table.to_dict(orient="records")),
            "recipes": formatting.plain(
                self.summary.reset_index().to_dict(orient="records")
            ),
            "differences": formatting.plain(self.differences),
            "baseline": self.baseline,
            "headline": self.headline,
        }

    def __repr__(self) -> str:
        parts = [
            self._readable(table).to_string(index=False)
            for table in (self.table, self.summary.reset_index())
        ]
        if self.differences:
            # A description is as long as a line of the terminal by itself.
            parts.append(self._settings().to_string(max_colwidth=40))
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [
            self._readable(table).to_html(index=False, border=0)
            for table in (self.table, self.summary.reset_index())
        ]
        if self.differences:
            parts.append(self._settings().to_html(border=0))
        title = f"{len(self.table)} runs, compared with {self.baseline}"
        return f"<h4>{html.escape(title)}</h4>" + "".join(parts)

    def _readable(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table with its numbers and headers as people read them."""
        with_views = f"test_{self.headline}_tta"
        shown = table.copy()
        if with_views in shown and shown[with_views].isna().all():
            shown = shown.drop(columns=with_views)
        for column in shown.columns:
            write = self._format(str(column))
            if write is not None:
                cells = [
                    formatting.MISSING if formatting.is_missing(value) else write(value)
                    for value in shown[column]
                ]
                shown[column] = pd.Series(cells, index=shown.index, dtype=object)
        return shown.rename(columns=formatting.metric_name)

    def _format(self, column: str) -> Callable[[Any], str] | None:
        if column in _FORMATS:
            return _FORMATS[column]
        own = column.removesuffix("_tta") in (
            f"val_{self.headline}",
            f"test_{self.headline}",
        )
        if column in _DIFFERENCES and formatting.is_percentage(self.headline):
            return _points
        if own or column in _OF_HEADLINE:
            return functools.partial(formatting.measure, self.headline)
        return str if column == "seed" else None

    def _settings(self) -> pd.DataFrame:
        """Return the differing settings as a table of texts, one column a run."""
        runs = list(self.table["run"])
        cells = [
            [str(values[run]) if run in values else formatting.MISSING for run in runs]
            for values in self.differences.values()
        ]
        return pd.DataFrame(cells, index=list(self.differences), columns=runs)


def compare(*runs: RunLike, baseline: RunLike | str | None = None) -> Comparison:
    """Put runs side by side and measure how they differ.

    Runs whose settings differ in nothing but seeds are repeats of one recipe and
    are summed up together. Two recipes that were run with the same seeds are
    compared seed by seed: with the differences d of n shared seeds, the interval is
    mean(d) ± t(0.975, n - 1) · std(d) / √n.

    Args:
        *runs: At least two, each with directory, metrics, recipe, history and seed.
        baseline: What the others are compared with: one of the runs, or the name of
            a recipe or run; the default is the first run's recipe.

    Returns:
        A `Comparison`; a notebook shows it as tables.

    Raises:
        ValueError: if there are fewer than two runs, one lacks what a run has, they
            are of different tasks, or the baseline isn't among them.

    Example:
        >>> from types import SimpleNamespace as Made
        >>> def run(name, seed, accuracy):
        ...     return Made(directory=f"runs/{name}-{seed}", recipe={"name": name},
        ...                 metrics={"test_accuracy": accuracy}, seed=seed,
        ...                 history=pd.DataFrame())
        >>> found = compare(run("a", 0, 0.90), run("a", 1, 0.92),
        ...                 run("b", 0, 0.91), run("b", 1, 0.94))
        >>> found.summary["mean"].round(3).to_dict()
        {'a': 0.91, 'b': 0.925}
        >>> round(found.summary.loc["b", "difference"], 3)
        np.float64(0.015)
    """
    _check_runs(runs)
    run_names = _run_names(runs)
    headline = _common_headline(runs, run_names)
    settings = [formatting.settings(run.recipe) for run in runs]
    labels = comparison_labels.recipes(settings)
    table = pd.DataFrame(
        [
            _row(run, name, label, headline)
            for run, name, label in zip(runs, run_names, labels, strict=True)
        ]
    )
    table["seed"] = table["seed"].astype("Int64")
    table["test_interval"] = table["test_interval"].astype(object)
    chosen = _baseline_label(baseline, runs, run_names, labels)
    return Comparison(
        table=table,
        summary=_summary(table, chosen, f"test_{headline}"),
        differences=comparison_labels.differences(
            {
                name: {**own, **_hashes(run)}
                for name, own, run in zip(run_names, settings, runs, strict=True)
            }
        ),
        baseline=chosen,
        histories={
            name: run.history for name, run in zip(run_names, runs, strict=True)
        },
        headline=headline,
    )


def _hashes(run: RunLike) -> dict[str, str]:
    """Return the hashes of a run's data, shortened as settings.

    They make no other recipe of it: folds and cuts by seed are repeats.
    """
    data = getattr(run, "environment", {}).get("data", {})
    return {f"data.{part}": each[:8] for part, each in data.get("sha256", {}).items()}


def _points(value: float | tuple[float, float]) -> str:
    """Return a difference of shares in percentage points."""
    ends = value if isinstance(value, tuple | list) else (value,)
    return " to ".join(f"{100 * end:+.2f}" for end in ends) + " points"


def _check_runs(runs: tuple[RunLike, ...]) -> None:
    if len(runs) < 2:
        raise ValueError(
            f"compare needs at least two runs; given: {len(runs)}. Pass them one by "
            "one, or a list as compare(*runs)."
        )
    for position, run in enumerate(runs):
        for attribute in ("directory", "metrics", "recipe", "history", "seed"):
            if not hasattr(run, attribute):
                raise ValueError(
                    f"Argument {position} of compare is no run: {type(run).__name__} "
                    f"has no {attribute!r}. Load a run by kerasopt.Run(folder)."
                )


def _run_names(runs: tuple[RunLike, ...]) -> list[str]:
    """Return a different name for each run, its folder's where that is enough."""
    paths = [
        f"run-{position}" if run.directory is None else str(run.directory)
        for position, run in enumerate(runs, start=1)
    ]
    _refuse_repeated(runs, paths)
    short = [Path(path).name or path for path in paths]
    return short if len(set(short)) == len(short) else paths


def _refuse_repeated(runs: tuple[RunLike, ...], paths: list[str]) -> None:
    """Raise `ValueError` if a run was given twice: by a link, or as a copy."""
    places = [os.path.realpath(path) for path in paths]
    # No two trainings take the same seconds.
    measured = [
        str([run.recipe, run.metrics] if run.metrics.get("train_seconds") else place)
        for run, place in zip(runs, places, strict=True)
    ]
    twice = [
        path
        for path, place, metrics in zip(paths, places, measured, strict=True)
        if places.count(place) > 1 or measured.count(metrics) > 1
    ]
    if twice:
        raise ValueError(
            "The same run was given twice, or a copy of it: "
            f"{', '.join(sorted(set(twice)))}. Give each once."
        )


def _common_headline(runs: tuple[RunLike, ...], run_names: list[str]) -> str:
    """Return the measure that all runs have; those without any don't object."""
    found = [headlines.of_run(run.metrics) for run in runs]
    # Runs of earlier versions don't name their task.
    own = [run.metrics.get("task") or None for run in runs]
    if any(len(set(kinds) - {None}) > 1 for kinds in (found, own)):
        given = ", ".join(
            f"{name} ({task or 'no task recorded'}, {headline or 'nothing measured'})"
            for name, task, headline in zip(run_names, own, found, strict=True)
        )
        raise ValueError(
            "Runs of different tasks can't be compared, since their measures mean "
            f"different things; given: {given}. Compare runs of one task at a time."
        )
    return next(filter(None, found), "accuracy")


def _row(run: RunLike, name: str, label: str, headline: str) -> dict[str, Any]:
    metrics = run.metrics
    values: dict[str, Any] = {
        f"val_{headline}": metrics.get(f"val_{headline}"),
        f"test_{headline}": metrics.get(f"test_{headline}"),
        f"test_{headline}_tta": metrics.get(f"test_{headline}_tta"),
        **{key: metrics.get(key) for key in _COMMON},
    }
    values = {key: np.nan if value is None else value for key, value in values.items()}
    values["test_interval"] = _interval(metrics, headline)
    return {"run": name, "recipe": label, "seed": run.seed, **values}


def _interval(metrics: Mapping[str, Any], headline: str) -> tuple | None:
    if metrics.get("test_interval") is not None:
        return tuple(metrics["test_interval"])
    accuracy, samples = metrics.get("test_accuracy"), metrics.get("test_samples")
    if headline == "accuracy" and accuracy is not None and samples:
        return wilson(round(accuracy * samples), samples)
    return None


def _baseline_label(
    given: RunLike | str | None,
    runs: tuple[RunLike, ...],
    run_names: list[str],
    labels: list[str],
) -> str:
    if given is None:
        return labels[0]
    by_name = dict(zip(run_names, labels, strict=True))
    by_name.update({label: label for label in labels})
    if isinstance(given, str):
        if given not in by_name:
            raise names.unknown("baseline", given, by_name)
        return by_name[given]
    for run, label in zip(runs, labels, strict=True):
        if run is given:
            return label
    raise names.unknown("baseline", given, by_name)


def _summary(table: pd.DataFrame, baseline: str, measure: str) -> pd.DataFrame:
    reference = table[table["recipe"] == baseline]
    rows = []
    for label, group in table.groupby("recipe", sort=False):
        values = group[measure].astype(float)
        row = {
            "recipe": label,
            "n": int(values.notna().sum()),
            "mean": values.mean(),
            "std": values.std(ddof=1),
        }
        paired: tuple[int, float, Any] = (0, np.nan, None)
        if label != baseline:
            paired = _paired(group, reference, measure)
        names_of_paired = ("shared_seeds", "difference", "difference_interval")
        rows.append({**row, **dict(zip(names_of_paired, paired, strict=True))})
    return pd.DataFrame(rows).set_index("recipe")


def _paired(
    group: pd.DataFrame, reference: pd.DataFrame, measure: str
) -> tuple[int, float, tuple[float, float] | None]:
    """Return the shared seeds, the mean difference over them and its interval."""
    differences = (
        (_by_seed(group, measure) - _by_seed(reference, measure)).dropna().to_numpy()
    )
    return len(differences), *mean_interval(differences)


def _by_seed(group: pd.DataFrame, measure: str) -> pd.Series:
    with_seed = group.dropna(subset=["seed", measure])
    # A seed that was run twice counts once.
    return with_seed.groupby("seed")[measure].mean().astype(float)
