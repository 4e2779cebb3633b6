"""What an architecture search found, read from its folder."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pandas as pd

from kerasopt import files, yaml_text
from kerasopt.charts import Chart
from kerasopt.names import unknown
from kerasopt.recipes import Recipe
from kerasopt.tuning import _table
from kerasopt.tuning import folder as folders
from kerasopt.tuning.architectures import evolution
from kerasopt.tuning.trials import trial_records

__all__ = ["ArchitectureResult"]

BEST, TABLE = "best.yaml", "trials.csv"
COSTS = "costs.json"
COSTS_OF_MODELS = ("parameters", "flops", "latency_milliseconds")
_COLUMNS = (
    "trial",
    "parent",
    "stages",
    "mean",
    *COSTS_OF_MODELS,
    "epochs",
    "lineage_epochs",
    "seconds",
    "status",
    "reason",
)


class ArchitectureResult:
    """A finished or interrupted architecture search, read from its folder.

    The objective of a trial is that of a short training, with evolution from inherited
    weights: it ranks networks. What one reaches from scratch is measured by
    ``result.recipe.run()``.

    Args:
        directory: The search's folder.

    Raises:
        ValueError: if it isn't that of an architecture search, or (from `recipe`) no
            trial was completed.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = files.user_path(directory).absolute()
        path = self.directory / folders.DEFINITION
        there = path.is_file() and yaml_text.parse(path.read_text(encoding="utf-8"))
        if not there or there.get("kind") != "architecture":
            raise ValueError(
                f"'{directory}' isn't the folder of an architecture search: it has no "
                f"{folders.DEFINITION} of one."
            )
        self._definition = there

    @property
    def objective(self) -> str:
        """What the trials are compared by."""
        return self._definition["settings"]["objective"]

    @property
    def maximize(self) -> bool:
        """Whether more of the objective is better."""
        return folders.METRICS[self.objective]

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """One row a trial.

        ``parent``, the ``stages`` as text, ``mean`` (the objective), ``parameters``,
        ``flops`` of a prediction, ``latency_milliseconds`` (of one sample, measured
        before the training, on a machine that may have been busy), ``epochs`` of its
        own, ``lineage_epochs`` with those of its ancestors, whose weights it went on
        with, ``seconds`` of its own, ``status`` ("completed", "partial" where
        Hyperband gave it a part of the epochs, "failed" or "unfinished") and the
        ``reason`` of a failure. What is unknown is empty.
        """
        rows = [self._row(record) for record in self._records.values()]
        table = pd.DataFrame(rows, columns=list(_COLUMNS))
        table["parent"] = table["parent"].astype("Int64")
        for name in ("mean", *COSTS_OF_MODELS, "epochs", "lineage_epochs", "seconds"):
            table[name] = pd.to_numeric(table[name])
        return table

    @functools.cached_property
    def _records(self) -> dict[int, dict[str, Any]]:
        return {each["trial"]: each for each in trial_records(self.directory)}

    @functools.cached_property
    def _costs(self) -> dict[str, dict[str, Any]]:
        path = self.directory / COSTS
        return _read(path) if path.is_file() else {}

    def _row(self, record: dict[str, Any]) -> dict[str, Any]:
        stages = record["values"].get("model", {}).get("stages", [])
        text = evolution.text(evolution.from_list(stages)) if stages else ""
        known = {name: record.get(name) for name in _COLUMNS}
        return {**known, **self._costs.get(text, {}), "stages": text}

    @property
    def best_trial(self) -> pd.Series:
        """The row of the best completed trial."""
        best = _table.best(self.table, maximize=self.maximize)
        if best is None:
            raise ValueError(
                f"No trial of the search in '{self.directory}' was completed."
            )
        return best

    @property
    def recipe(self) -> Recipe:
        """The recipe with the network of the best trial, for `Recipe.run`."""
        return self.recipe_of(int(self.best_trial["trial"]))

    def recipe_of(self, trial: int) -> Recipe:
        """Return the recipe with the network of a trial.

        It trains from scratch, as long as the recipe that the search was given.

        Args:
            trial: Its number in the table.

        Raises:
            ValueError: if there is no such trial.
        """
        if trial not in self._records:
            raise ValueError(
                f"There is no trial {trial!r}: the search has those from "
                f"{min(self._records)} to {max(self._records)}."
            )
        record = self._records[trial]
        recipe = Recipe(self._definition["recipe"])
        content = recipe.replace("model", record["values"]["model"]).to_dict()
        content["name"] = f"{recipe.name}-architecture"
        content["description"] = self._description(recipe.name, record)
        return Recipe(content)

    def _description(self, name: str, record: dict[str, Any]) -> str:
        text = f"{name} with the network of trial {record['trial']} of a search."
        if record["status"] != "completed":
            return text
        epochs = record["lineage_epochs"]
        return (
            f"{text} There {self.objective} was {record['mean']:.4f} after {epochs} "
            "epochs, those of its ancestors included: a rank, not what a training from "
            "scratch reaches."
        )

    @property
    def front(self) -> pd.DataFrame:
        """The trials that no other one beats in both parameters and objective."""
        return self.front_by("parameters")

    def front_by(self, cost: str) -> pd.DataFrame:
        """Return the trials that no other one beats in both cost and objective.

        Args:
            cost: ``"parameters"``, ``"flops"``, ``"latency_milliseconds"`` or
                ``"seconds"``.

        Raises:
            ValueError: if there is no such cost.
        """
        from kerasopt.tuning import figures

        _check_cost(cost)
        return figures.pareto_front(self.table, cost=cost, maximize=self.maximize)

    def plot(self, cost: str = "parameters") -> Chart:
        """Draw cost against objective, and the Pareto front.

        Args:
            cost: As in `front_by`.

        Raises:
            ValueError: if there is no such cost.
        """
        from kerasopt.tuning import figures

        _check_cost(cost)
        return figures.pareto(
            self.table, cost=cost, objective=self.objective, maximize=self.maximize
        )

    def write(self) -> None:
        """Write the table and the best recipe into the folder."""
        folders.write_table(self.directory / TABLE, self.table)
        folders.write_recipe(self.directory / BEST, self.recipe)

    def __repr__(self) -> str:
        best = self.best_trial
        return (
            f"<ArchitectureResult {files.shown(self.directory)} "
            f"{len(self.table)} trials, best "
            f"{self.objective} {best['mean']:.4f} (trial {int(best['trial'])}: "
            f"{best['stages']})>"
        )


def _check_cost(cost: str) -> None:
    costs = (*COSTS_OF_MODELS, "seconds")
    if cost not in costs:
        raise unknown("cost", cost, costs)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
