"""What accuracy a recipe reaches in how much time.

    python -m kerasopt.benchmarks.budgets [--budgets 1m 2m 5m 10m] [--seeds 0 1 2]
        [--recipe cifar10] [--out runs/budgets] [--plot budgets.png] [--json FILE]

Each run is a process of its own (``kerasopt train RECIPE --budget …``); runs that
are in ``--out`` already are reused. Nothing is selected on the test accuracy.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from kerasopt import charts, files
from kerasopt.benchmarks import _shared
from kerasopt.console import Console
from kerasopt.recipes.text import accuracy_text
from kerasopt.training.spec import in_seconds

__all__ = ["main", "measure", "plot", "show"]

BUDGETS = ("1m", "2m", "5m", "10m")
VIEWS = "test_accuracy_tta"  # Missing where a recipe has no views.


def measure(
    budgets: Sequence[str] = BUDGETS,
    *,
    recipe: str = "cifar10",
    seeds: Sequence[int] = (0, 1, 2),
    out: Path = Path("runs/budgets"),
) -> dict[str, Any]:
    """Train under each budget with each seed.

    Args:
        budgets: Times such as ``"1m"``.
        recipe: A recipe's name or YAML file.
        seeds: One run each.
        out: Folder of the runs; finished ones in it are reused.
    """
    from kerasopt.training import environment

    results = []
    for budget in budgets:
        runs = [_run(recipe, budget, seed, out) for seed in seeds]
        row = {
            "budget": budget,
            "budget_seconds": in_seconds(budget),
            "seeds": list(seeds),
        }
        for key in ("test_accuracy", VIEWS, "total_seconds", "epochs"):
            if key in runs[0]:
                row[key] = [run[key] for run in runs]
        results.append(row)
    return {"machine": environment.describe(), "recipe": recipe, "results": results}


def show(result: dict[str, Any]) -> None:
    """Print a table: accuracy, mean ± std, and the time that was really taken."""
    table = Table("budget", "test accuracy", "with TTA", "took (s)", "epochs")
    for row in result["results"]:
        table.add_row(
            row["budget"],
            accuracy_text(row["test_accuracy"]),
            accuracy_text(row[VIEWS]) if VIEWS in row else "–",
            ", ".join(f"{value:.1f}" for value in row["total_seconds"]),
            ", ".join(f"{value:.1f}" for value in row["epochs"]),
        )
    Console(stderr=False).print(table)


def plot(result: dict[str, Any]) -> charts.Chart:
    """Draw accuracy over time, each seed a dot."""
    chart = charts.Chart(figsize=(6.4, 3.6), layout="constrained")
    axes = chart.add_subplot()
    charts.apply_style(axes)
    rows = result["results"]
    budgets = [row["budget_seconds"] / 60 for row in rows]
    names = {VIEWS: "mean of views", "test_accuracy": "single view"}
    for (key, name), color in zip(names.items(), charts.SERIES, strict=False):
        if key not in rows[0]:
            continue
        means = [100 * statistics.mean(row[key]) for row in rows]
        axes.plot(budgets, means, color=color, label=name)
        for row in rows:
            minutes = [value / 60 for value in row["total_seconds"]]
            axes.plot(minutes, [100 * v for v in row[key]], "o", color=color, ms=4)
    axes.set_xscale("log")
    axes.set_xticks(budgets, [row["budget"] for row in rows])
    axes.minorticks_off()
    axes.set_xlabel("time, everything included")
    axes.set_ylabel(f"test accuracy of {result['recipe']} (%)")
    axes.legend(frameon=False, loc="lower right")
    return chart


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budgets", nargs="+", default=list(BUDGETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--recipe", default="cifar10")
    parser.add_argument("--out", type=Path, default=Path("runs/budgets"))
    parser.add_argument("--plot", type=Path, help="write the figure to this PNG file")
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(
        options.budgets, recipe=options.recipe, seeds=options.seeds, out=options.out
    )
    _shared.present(result, show, options.json)
    if options.plot:
        with files.atomic(options.plot) as temporary:
            plot(result).savefig(temporary, format="png", dpi=150)


def _run(recipe: str, budget: str, seed: int, out: Path) -> dict[str, Any]:
    """Train once in a process of its own, or read the run that is there."""
    folder = out / f"{Path(recipe).stem}-{budget}-{seed}"
    return _shared.train(recipe, folder, seed=seed, budget=budget)


if __name__ == "__main__":
    main()
