"""Measure recipes again: several seeds each, mean ± std, one process a run.

    python -m kerasopt.benchmarks.recipes [NAME …] [--seeds 0 1 2] [--out runs/bench]

Prints a line a run and, for each recipe, the ``measured:`` block of its YAML file
and its row of the README's table. Runs that are in ``--out`` already are reused.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from kerasopt import recipes
from kerasopt.benchmarks import _shared
from kerasopt.recipes import Recipe

__all__ = ["main", "measure", "show"]


def measure(
    names: Sequence[str] = (),
    *,
    seeds: Sequence[int] = (0, 1, 2),
    out: Path = Path("runs/bench"),
) -> dict[str, Any]:
    """Train each recipe with each seed and return what came out.

    Args:
        names: Recipes; all if there is none.
        seeds: One run each.
        out: Folder of the runs; finished ones in it are reused.
    """
    from kerasopt.training import environment

    return {
        "machine": environment.describe(),
        "results": {
            name: _measured(name, seeds, [_run(name, seed, out) for seed in seeds])
            for name in names or recipes.names()
        },
    }


def show(result: dict[str, Any]) -> None:
    """Print the YAML block and the README row of each recipe."""
    for name, measured in result["results"].items():
        print(
            yaml.safe_dump({"measured": measured}, sort_keys=False, allow_unicode=True)
        )
        content = {**recipes.load(name).to_dict(), "measured": measured}
        accuracy, views, seconds = Recipe(content).measured_text()
        command = f"{measured['command']} --seed S"
        row = [f"`{name}`", accuracy, views, f"{seconds} s", f"`{command}`"]
        print(f"| {' | '.join(row)} |\n", flush=True)


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="recipes; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(options.names, seeds=options.seeds, out=options.out)
    _shared.present(result, show, options.json)


def _run(name: str, seed: int, out: Path) -> dict[str, Any]:
    """Train one seed in a process of its own; return its metrics and machine."""
    folder = out / f"{name}-{seed}"
    metrics = _shared.train(name, folder, seed=seed)
    environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    print(
        f"{name} seed {seed}: test accuracy {metrics['test_accuracy']:.4f}, "
        f"{metrics['epochs']} epochs, {metrics['train_seconds']:.0f} s, "
        f"{metrics['precision']}",
        file=sys.stderr,
        flush=True,
    )
    return {**metrics, "machine": _shared.machine(environment)}


def _measured(
    name: str, seeds: Sequence[int], runs: list[dict[str, Any]]
) -> dict[str, Any]:
    views = [run.get("test_accuracy_tta") for run in runs]
    return {
        "command": f"kerasopt train {name}",
        "machine": runs[0]["machine"],
        "seeds": list(seeds),
        "test_accuracy": [run["test_accuracy"] for run in runs],
        "train_seconds": [run["train_seconds"] for run in runs],
        "epochs": [run["epochs"] for run in runs],
        **({"test_accuracy_tta": views} if None not in views else {}),
    }


if __name__ == "__main__":
    main()
