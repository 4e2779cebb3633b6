"""What a search found: a table of trials, the best recipe, plots and a report."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasopt import files, yaml_text
from kerasopt.charts import Chart
from kerasopt.data import sources
from kerasopt.evaluation import formatting
from kerasopt.recipes import Recipe
from kerasopt.training import environment
from kerasopt.tuning import _table
from kerasopt.tuning import folder as folders
from kerasopt.tuning.fields import own_value, with_values
from kerasopt.tuning.trials import trial_records

__all__ = ["SearchResult"]

BEST, TABLE, REPORT = "best.yaml", "trials.csv", "report.html"
LIMITS = "limits.yaml"
_CALLS = {
    "architecture": "kerasopt.tuning.search_architecture",
    "ablation": "kerasopt.tuning.ablate",
}
_MEASURES = (
    "mean",
    "std",
    "n",
    "epochs",
    "seconds",
    "parameters",
    "status",
    "reason",
)


class SearchResult:
    """A finished or interrupted search, read from its folder.

    Args:
        directory: The search's folder.

    Attributes:
        directory: The folder.
        definition: What was searched: recipe, space, settings, data.

    Raises:
        ValueError: if it isn't a search's, or (from `recipe`) no trial has succeeded.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = files.user_path(directory).absolute()
        path = self.directory / folders.DEFINITION
        if not path.is_file():
            raise ValueError(
                f"'{directory}' isn't the folder of a search: it has no "
                f"{folders.DEFINITION}."
            )
        self.definition = yaml_text.parse(path.read_text(encoding="utf-8"))
        if self.definition.get("kind") != "search":
            kind = self.definition.get("kind")
            call = _CALLS.get(kind, "the call that made it")
            raise ValueError(
                f"'{directory}' isn't the folder of a search of settings, but of the "
                f"kind {kind!r}: resume it by {call}, with directory=…."
            )

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of `SearchSettings` that the search was last given."""
        path = self.directory / LIMITS
        limits = path.is_file() and yaml_text.parse(path.read_text(encoding="utf-8"))
        return {**(limits or {}), **self.definition["settings"]}

    @property
    def objective(self) -> str:
        """What the trials are compared by."""
        return self.definition["settings"]["objective"]

    @property
    def maximize(self) -> bool:
        """Whether more of the objective is better."""
        return folders.METRICS[self.objective]

    @functools.cached_property
    def fields(self) -> list[str]:
        """The fields that were searched."""
        names = [name for record in self._records for name in record["values"]]
        return list(dict.fromkeys(names))

    @functools.cached_property
    def _records(self) -> list[dict[str, Any]]:
        return trial_records(self.directory)

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """One row a trial: its fields, and what it gave.

        Mean and std of the objective over n folds, epochs, seconds, parameters, status
        ("completed", "stopped" because it was hopeless, "partial" where Hyperband gave
        it a part of the epochs, "failed" or "unfinished") and the reason of a failure.
        With folds epochs and seconds are those of all folds. With Hyperband they are a
        trial's own share, ``parent`` is the trial that it continues, and
        ``lineage_epochs`` are those of both and of what went before.
        """
        measures = list(_MEASURES)
        if self.definition["settings"]["method"] == "hyperband":
            measures[4:4] = ["lineage_epochs", "parent"]
        rows = [
            {
                "trial": record["trial"],
                **{field: record["values"].get(field) for field in self.fields},
                **{name: record.get(name) for name in measures},
            }
            for record in self._records
        ]
        columns = ["trial", *self.fields, *measures]
        table = pd.DataFrame(rows, columns=columns)
        for name in ("mean", "std", "seconds", "epochs", "parameters"):
            table[name] = pd.to_numeric(table[name])
        if "parent" in table:
            table["parent"] = table["parent"].astype("Int64")
        return table

    @property
    def best_trial(self) -> pd.Series:
        """The row of the best trial that was trained to its end."""
        best = _table.best(self.table, maximize=self.maximize)
        if best is None:
            raise ValueError(f"No trial of the search in '{self.directory}' succeeded.")
        return best

    @property
    def equals(self) -> int:
        """How many other completed trials are exactly as good as the best one."""
        ended = self.table[self.table["status"] == "completed"]
        return int((ended["mean"] == self.best_trial["mean"]).sum()) - 1

    @property
    def recipe(self) -> Recipe:
        """The recipe with the best trial's values, for `Recipe.run`."""
        recipe = Recipe(self.definition["recipe"])
        best = int(self.best_trial["trial"])
        for record in self._records:
            if record["trial"] == best:
                recipe = with_values(recipe, record["values"])
        # That of the trials, so that their best is trained again.
        recipe = recipe.replace("training.seed", self.definition["settings"]["seed"])
        content = recipe.to_dict()
        content["name"] = f"{recipe.name}-tuned"
        content["description"] = (
            f"{recipe.name} with the settings of trial {best} of a search: "
            f"{self.objective} {self.best_trial['mean']:.4f}."
        )
        return Recipe(content)

    @property
    def has_its_data(self) -> bool:
        """Whether the recipe names the data that were searched with.

        Else they were given: ``result.recipe.run(dataset=…)`` wants them again.
        """
        own, given = self.definition["recipe"]["data"], self.definition.get("data")
        if given is None:
            return True
        if own["name"] == "directory":
            return given["name"] == Path(own["path"]).resolve().name
        return given["name"] == sources.canonical(own["name"])

    def importance(self) -> pd.DataFrame:
        """Return how much of the objective's variation each field explains."""
        from kerasopt.tuning.figures import importance

        return importance.importance(self.table, self.fields, objective=self.objective)

    def plot(self, against: str = "trials") -> Chart:
        """Draw each trial and the best so far.

        Args:
            against: ``"trials"`` or ``"seconds"``.
        """
        from kerasopt.tuning import figures

        return figures.best_so_far(
            self.table,
            objective=self.objective,
            maximize=self.maximize,
            against=against,
        )

    def plot_parallel(self) -> Chart:
        """Draw every trial as a line through its values: parallel coordinates."""
        from kerasopt.tuning import figures

        return figures.parallel_coordinates(
            self.table, self.fields, objective=self.objective, maximize=self.maximize
        )

    def plot_importance(self) -> Chart:
        """Draw how much each field matters."""
        from kerasopt.tuning import figures

        return figures.plot_importance(self.importance())

    def counts(self) -> str:
        """Return how many trials there are of each status.

        For example "12 completed, 5 stopped, 1 failed".
        """
        counted = self.table["status"].value_counts()
        return ", ".join(f"{number} {status}" for status, number in counted.items())

    def to_dict(self) -> dict[str, Any]:
        """Return the best trial and all others in the types that JSON has."""
        return {
            "search": str(self.directory),
            "objective": self.objective,
            "best_trial": int(self.best_trial["trial"]),
            "best": float(self.best_trial["mean"]),
            "trials": formatting.plain(self.table.to_dict(orient="records")),
        }

    def write(self) -> None:
        """Write the table, the best recipe and the report into the folder."""
        table = self.table.copy()
        for field in self.fields:
            table[field] = [_cell(value) for value in table[field]]
        folders.write_table(self.directory / TABLE, table)
        folders.write_recipe(self.directory / BEST, self.recipe)
        self.report()

    def _samples(self) -> int | None:
        """Return how many samples a trial's objective is measured on, where known."""
        samples = self.definition.get("data", {}).get("samples")
        if samples is None:
            return None
        folds = self.definition["settings"]["folds"]
        return sum(samples.values()) if folds else samples["validation"]

    def _notes(self) -> list[str]:
        notes = []
        data = self.definition.get("data", {})
        if data.get("test_is_validation"):
            notes.append(
                f"The validation data are test data: {folders.SELECTED_ON_TEST}"
            )
        if not self.has_its_data:
            notes.append(
                f"The search was given data of its own ({data['name']}), which "
                "best.yaml can't load: train with "
                "search_result.recipe.run(dataset=…)."
            )
        return notes

    def report(self) -> Path:
        """Write ``report.html`` anew and return its path."""
        from kerasopt.tuning.searches import report

        path = self.directory / REPORT
        recipe = self.definition["recipe"]
        given = Recipe(recipe)
        page = report.render(
            report.SearchReportData(
                title=f"Search: {recipe['name']}",
                description=recipe.get("description", ""),
                objective=self.objective,
                maximize=self.maximize,
                table=self.table,
                fields=self.fields,
                space=self.definition["space"],
                best=self.recipe.to_dict(),
                samples=self._samples(),
                own={name: own_value(given, name) for name in self.fields},
                settings=self.settings,
                seconds=float(np.nansum(self.table["seconds"])),
                environment=environment.describe(),
                notes=self._notes(),
                has_its_data=self.has_its_data,
            )
        )
        report.write(path, page)
        return path

    def __repr__(self) -> str:
        return (
            f"<SearchResult {files.shown(self.directory)} "
            f"{len(self.table)} trials, best "
            f"{self.objective} {self.best_trial['mean']:.4f} (trial "
            f"{int(self.best_trial['trial'])})>"
        )


def _cell(value: Any) -> Any:
    plain = value is None or isinstance(value, (str, int, float, bool))
    return value if plain else json.dumps(value)
