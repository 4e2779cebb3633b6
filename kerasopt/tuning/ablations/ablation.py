"""What each strategy of a recipe is worth: leave one out, add one in."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasopt import files, recipes
from kerasopt.charts import Chart
from kerasopt.console import Bar, Console, progress_console, say
from kerasopt.data import Dataset
from kerasopt.evaluation import formatting
from kerasopt.evaluation.paired import mean_interval
from kerasopt.names import renamed_arguments, warn_renamed
from kerasopt.recipes import Recipe
from kerasopt.training.spec import in_seconds
from kerasopt.tuning import _table
from kerasopt.tuning import folder as folders
from kerasopt.tuning.ablations.factors import Factor, find
from kerasopt.tuning.fields import own_value, with_values
from kerasopt.tuning.trials import OutOfTime, Trials

__all__ = ["Ablation", "ablate"]

ALL, NONE = "all", "none"
EXPLAINED = "* The 95 % interval (low to high) leaves out 0."
LEAVE_OUT, ADD_IN = "leave one out", "add one in"


@dataclass(frozen=True, eq=False, repr=False)
class Ablation:
    """What an ablation gave; a notebook shows its table.

    Attributes:
        table: One row a factor and design: factor, design ("leave one out" or "add one
            in"), difference (mean over the seeds that both sides have, positive where
            the factor helps), low and high (its 95 % interval), n (pairs).
        trainings: One row a training: configuration, seed, status, reason, the
            measures of the weights that were kept, epochs, seconds, parameters.
        objective: What is compared.
        directory: Where everything is.
    """

    table: pd.DataFrame
    trainings: pd.DataFrame
    objective: str
    directory: Path

    def plot(self) -> Chart:
        """Draw each factor's difference with its interval: a forest plot."""
        from kerasopt.tuning import figures

        return figures.forest(self.table, objective=self.objective)

    @property
    def metric(self) -> str:
        """The old name of `objective`."""
        warn_renamed("Ablation.metric", "Ablation.objective", stacklevel=2)
        return self.objective

    def configurations(self) -> pd.DataFrame:
        """Return mean and std of the objective over the seeds, by configuration."""
        grouped = self.trainings.groupby("configuration", sort=False)[self.objective]
        return grouped.agg(["mean", "std", "count"]).rename(columns={"count": "n"})

    def to_dict(self) -> dict[str, Any]:
        """Return the table and the trainings in the types that JSON has."""
        return {
            "ablation": str(self.directory),
            "objective": self.objective,
            "factors": formatting.plain(self.table.to_dict(orient="records")),
            "trainings": formatting.plain(self.trainings.to_dict(orient="records")),
        }

    def _readable(self) -> pd.DataFrame:
        share = _table.is_share(self.objective)
        shown = self.table.copy()
        digits = "+.2f" if share else "+.3g"
        for column in ("difference", "low", "high"):
            values = shown[column] * _table.scale(self.objective)
            shown[column] = [
                formatting.MISSING if formatting.is_missing(v) else format(v, digits)
                for v in values
            ]
        # Those whose interval leaves out 0.
        shown["difference"] += np.where(
            self.table["low"] * self.table["high"] > 0, " *", "  "
        )
        unit = "percentage points of " if share else ""
        return shown.rename(
            columns={"difference": f"difference ({unit}{self.objective})"}
        )

    def failures(self) -> str:
        """Return which trainings failed, and the first one's reason, in a sentence."""
        if "reason" not in self.trainings:
            return ""
        failed = self.trainings.dropna(subset=["reason"])
        names = ", ".join(
            f"{row.configuration} (seed {row.seed})" for row in failed.itertuples()
        )
        if failed.empty:
            return ""
        return (
            f"Failed, so left out with their pairs: {names}. {failed['reason'].iloc[0]}"
        )

    def _notes(self) -> str:
        sure = (self.table["low"] * self.table["high"] > 0).any()
        single = (self.table["n"] == 1).any()
        notes = [EXPLAINED] if sure else []
        notes += ["A single pair gives no interval: give more seeds."] if single else []
        if self.table["factor"].nunique() == 1:
            notes += ["Of one factor both designs are the same trainings."]
        return " ".join([*notes, self.failures()])

    def __repr__(self) -> str:
        table = self._readable().to_string(index=False)
        return f"{table}\n\n{self._notes()}".rstrip()

    def _repr_html_(self) -> str:
        table = self._readable().to_html(index=False, border=0)
        return f"{table}<p>{html.escape(self._notes())}</p>"


@renamed_arguments(metric="objective")
def ablate(
    recipe: Recipe | str,
    factors: Sequence[str] | Mapping[str, Mapping[str, Any]],
    *,
    seeds: int | Sequence[int] = 3,
    objective: str = "val_accuracy",
    epochs: int | None = None,
    budget: str | float | None = None,
    dataset: Dataset | None = None,
    directory: str | os.PathLike[str] | None = None,
    verbose: bool = True,
) -> Ablation:
    """Measure what each factor of a recipe is worth, with an interval.

    Two questions a factor. *Leave one out*: the recipe with all factors against the
    one without this one. *Add one in*: the recipe with this factor alone against the
    one with none. The answers differ where factors do each other's work. Every
    configuration is trained with the same seeds, for the same number of epochs and
    without early stopping; differences are taken seed by seed, with a t interval over
    the seeds (`kerasopt.evaluation.paired.mean_interval`). All of it is measured on
    validation data.

    An interrupted ablation resumes where it was, when it is called again with
    the same `directory`.

    Args:
        recipe: What `kerasopt.recipes.load` gives or takes.
        factors: Names from `kerasopt.tuning.ablations.factors.names`; or your own, a
            mapping from a name to ``{"on": {field: value}, "off": {field: value}}``.
        seeds: How many seeds, from 0 on, or the seeds themselves.
        objective: ``"val_accuracy"`` or ``"val_loss"``.
        epochs: Length of each training; the recipe's own by default.
        budget: Time for all trainings, such as ``"2h"``, that of earlier calls which
            it resumes included. They are made seed by seed, so that what there is
            when it ends can be compared.
        dataset: Instead of the recipe's own.
        directory: Folder of the trainings; new below ``runs/`` by default.
        verbose: Show progress on standard error.

    Returns:
        An `Ablation`.

    Raises:
        ValueError: if a factor is unknown or doesn't fit the recipe, the folder holds
            another ablation, the data have no validation part, or the budget ended
            before two configurations could be compared.

    Example:
        >>> import tempfile
        >>> import kerasopt as ko
        >>> small = ko.data.load("digits", size=300, validation=100)
        >>> recipe = ko.recipes.load("digits")
        >>> found = ablate(recipe, ["augment"], seeds=2, epochs=2, dataset=small,
        ...                directory=tempfile.mkdtemp(), verbose=False)
        >>> found.table[["factor", "design", "n"]].values.tolist()
        [['augment', 'leave one out', 2], ['augment', 'add one in', 2]]
    """
    if not isinstance(recipe, Recipe):
        recipe = recipes.load(recipe)
    plan = _Plan.made(recipe, factors, seeds, objective, epochs)
    if budget is not None:
        in_seconds(budget)  # A mistake in it shows here.
    dataset = plan.recipe.chosen_data(dataset)
    folders.check_validation(dataset, "An ablation")
    for configuration in plan.configurations.values():
        configuration.check()
        configuration.build_model(dataset)
    definition = {**plan.definition, **folders.about(dataset)}
    folder = folders.opened(directory, "ablation", plan.recipe, definition)
    clock = folders.FolderDeadline(folder, budget)
    trials = Trials(dataset, folder, clock)
    console = progress_console(verbose)
    _say_what_was_chosen(plan, console)
    again = f"kerasopt ablate with --out {files.in_command(folder)} and the same words"
    with folders.at_work(folder, clock, console, again):
        trainings = _trained(plan, trials, console)
    table = compared(trainings, [each.name for each in plan.factors], objective)
    if not table["n"].any():
        if "reason" in trainings and trainings["reason"].notna().all():
            what = f"trainings of the ablation in '{files.shown(folder)}'"
            raise folders.all_failed(what, trainings["reason"])
        if not clock.is_over:
            raise ValueError(
                "No two configurations could be compared. "
                f"{Ablation(table, trainings, objective, folder).failures()}"
            )
        raise ValueError(
            f"Within the budget {budget!r} no two configurations could be compared. "
            f"What was trained is kept: give more time (the budget counts from the "
            f"beginning) and directory={files.shown(folder)!r} "
            f"(--out {files.in_command(folder)})."
        )
    folders.write_table(folder / "ablation.csv", table)
    folders.write_table(folder / "trainings.csv", trainings)
    return Ablation(table, trainings, objective, folder)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which configurations are trained, with which seeds."""

    recipe: Recipe
    factors: list[Factor]
    seeds: list[int]
    objective: str

    @classmethod
    def made(
        cls,
        recipe: Recipe,
        factors: Sequence[str] | Mapping[str, Mapping[str, Any]],
        seeds: int | Sequence[int],
        objective: str,
        epochs: int | None,
    ) -> _Plan:
        folders.check_objective(objective)
        if recipe.training.budget is not None and epochs is None:
            raise ValueError(
                f"The recipe {recipe.name!r} trains for a time "
                f"({recipe.training.budget!r}); an ablation compares at equal epochs: "
                "give epochs=…"
            )
        recipe = recipe.replace(
            "training.epochs", recipe.training.epochs if epochs is None else epochs
        )
        # It would end the configurations after different times.
        recipe = recipe.replace("training.patience", None)
        # The last epoch is what is compared.
        recipe = recipe.replace("training.validation_freq", 1)
        return cls(recipe, find(factors, recipe), folders.seed_list(seeds), objective)

    @property
    def configurations(self) -> dict[str, Recipe]:
        every = {each.name for each in self.factors}
        chosen = {ALL: every, NONE: set()}
        for each in self.factors:
            chosen[f"all but {each.name}"] = every - {each.name}
            chosen[f"only {each.name}"] = {each.name}
        return {name: self._with(present) for name, present in chosen.items()}

    def _with(self, present: set[str]) -> Recipe:
        values: dict[str, Any] = {}
        for factor in self.factors:
            values |= factor.fields(factor.name in present)
        return with_values(self.recipe, values)

    @property
    def definition(self) -> dict[str, Any]:
        # Neither seeds nor objective: more seeds can be added, and all is recorded.
        return {"factors": {f.name: {"on": f.on, "off": f.off} for f in self.factors}}


def _say_what_was_chosen(plan: _Plan, console: Console) -> None:
    """Tell what each factor is, and which of them the recipe doesn't have."""
    for factor in plan.factors:
        sides = [
            ", ".join(f"{name}={value}" for name, value in side.items())
            for side in (factor.on, factor.off)
        ]
        has = all(own_value(plan.recipe, name) == factor.on[name] for name in factor.on)
        say(
            console,
            f"{factor.name}: {sides[0]}, or without it {sides[1]}"
            f"{'' if has else ' (not in the recipe)'}.",
        )


def _trained(plan: _Plan, trials: Trials, console: Console) -> pd.DataFrame:
    """Train every configuration with every seed, as far as the time goes."""
    rows: list[dict[str, Any]] = []
    configurations = plan.configurations
    first: dict[str, str] = {}
    with Bar(console, "ablation", len(plan.seeds) * len(configurations)) as bar:
        for seed in plan.seeds:
            for name, recipe in configurations.items():
                bar.update(description=f"{name}, seed {seed}")
                # Of one factor "all" and "only" are the same: trained once.
                same = first.setdefault(recipe.to_yaml(), name).replace(" ", "-")
                place = trials.home / "trainings" / f"{same}-seed-{seed}"
                try:
                    result = trials.record(recipe, place, seed=seed)
                except OutOfTime:
                    return pd.DataFrame(rows)
                rows.append({"configuration": name, "seed": seed, **result})
                bar.update(advance=1)
    return pd.DataFrame(rows)


def compared(
    trainings: pd.DataFrame, factors: Sequence[str], objective: str
) -> pd.DataFrame:
    """Return the paired differences that each factor makes.

    Args:
        trainings: One row a training: configuration, seed and the objective.
        factors: Their names.
        objective: Column to compare; of a loss, less is better.

    Returns:
        The table of `Ablation`.

    Example:
        >>> made = [("all", 0, 0.8), ("all but x", 0, 0.7),
        ...         ("all", 1, 0.9), ("all but x", 1, 0.7)]
        >>> frame = pd.DataFrame(made, columns=["configuration", "seed", "accuracy"])
        >>> found = compared(frame, ["x"], "accuracy")
        >>> round(found.loc[0, "difference"], 3), found["n"].tolist()
        (np.float64(0.15), [2, 0])
    """
    sign = -1.0 if objective.endswith("loss") else 1.0
    rows = []
    for factor in factors:
        for design, with_it, without in (
            (LEAVE_OUT, ALL, f"all but {factor}"),
            (ADD_IN, f"only {factor}", NONE),
        ):
            gains = sign * (
                _by_seed(trainings, with_it, objective)
                - _by_seed(trainings, without, objective)
            )
            gains = gains.dropna().to_numpy()
            mean, interval = mean_interval(gains)
            low, high = interval or (np.nan, np.nan)
            rows.append((factor, design, mean, low, high, len(gains)))
    return pd.DataFrame(
        rows, columns=["factor", "design", "difference", "low", "high", "n"]
    )


def _by_seed(trainings: pd.DataFrame, configuration: str, objective: str) -> pd.Series:
    if objective not in trainings:
        return pd.Series(dtype=float)
    rows = trainings[trainings["configuration"] == configuration]
    return rows.set_index("seed")[objective].astype(float)
