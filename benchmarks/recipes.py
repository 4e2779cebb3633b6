"""Measure recipes again: several seeds each, mean ± std, one process a run.

    python -m benchmarks.recipes [NAME …] [--seeds 0 1 2] [--out runs/bench]

Prints a line a run and, for each recipe, the ``measured:`` block of its YAML file
and its row of the README's table. Runs that are in ``--out`` already are reused.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from kerasopt import recipes
from kerasopt.recipes import Recipe


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=recipes.names())
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    options = parser.parse_args()
    for name in options.names:
        runs = [measure(name, seed, options.out) for seed in options.seeds]
        report(name, options.seeds, runs)


def measure(name: str, seed: int, out: Path) -> dict[str, Any]:
    """Train one seed in a process of its own; return its metrics and machine."""
    folder = out / f"{name}-{seed}"
    if not (folder / "metrics.json").exists():
        words = ["-m", "kerasopt", "train", name, "--seed", str(seed)]
        words += ["--out", str(folder), "--json"]
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    print(
        f"{name} seed {seed}: test accuracy {metrics['test_accuracy']:.4f}, "
        f"{metrics['epochs']} epochs, {metrics['train_seconds']:.0f} s, "
        f"{metrics['precision']}",
        flush=True,
    )
    return {**metrics, "machine": machine(environment)}


def machine(environment: dict[str, Any]) -> str:
    """Return one phrase for the machine."""
    gpus = environment["gpus"]
    return ", ".join(gpus) if gpus else f"{environment['cores']}× {environment['cpu']}"


def report(name: str, seeds: list[int], runs: list[dict[str, Any]]) -> None:
    """Print the YAML block and the README row."""
    measured = {
        "command": f"kerasopt train {name}",
        "machine": runs[0]["machine"],
        "seeds": seeds,
        "test_accuracy": [run["test_accuracy"] for run in runs],
        "train_seconds": [run["train_seconds"] for run in runs],
        "epochs": [run["epochs"] for run in runs],
    }
    print(yaml.safe_dump({"measured": measured}, sort_keys=False))
    content = {**recipes.load(name).to_dict(), "measured": measured}
    accuracy, seconds = Recipe(content).measured_text()
    command = f"{measured['command']} --seed S"
    print(f"| `{name}` | {accuracy} | {seconds} s | `{command}` |\n", flush=True)


if __name__ == "__main__":
    main()
