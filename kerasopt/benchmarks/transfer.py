"""Test accuracy on CIFAR-10 with few labels: pretrained networks and new ones.

    python -m kerasopt.benchmarks.transfer [--labels 25 100 500] [--seeds 3]
        [--ways frozen tuned scratch] [--json FILE]

From so many labels a class, a tenth of them for validation: a head on the frozen
features of EfficientNet-Lite0, computed once; the same with its last layers tuned, as a
folder of pictures is by default; and what `kerasopt.tuning.advise_settings` advises for
a network from scratch. Measured on the first 2,000 test images. ``uncached`` computes
the frozen features in each epoch, for the speed-up of computing them once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasopt import names
from kerasopt.benchmarks import _shared

__all__ = ["WAYS", "main", "measure", "show"]

TEST_SAMPLES = 2_000
CLASSES = 10
SCRATCH_BUDGET = "2m"


def _frozen(dataset: Any) -> dict[str, Any]:
    from kerasopt.recipes import transferring

    rate = {"name": "cosine", "initial_learning_rate": 0.003}
    return {
        "model": {**transferring.settings(1)["model"], "unfreeze": 0},
        "optimizer": {"name": "adam", "learning_rate": rate},
        "training": {"epochs": 30, "batch_size": 32},
    }


def _uncached(dataset: Any) -> dict[str, Any]:
    settings = _frozen(dataset)
    return {**settings, "training": {**settings["training"], "cache_features": False}}


def _tuned(dataset: Any) -> dict[str, Any]:
    from kerasopt.recipes import transferring

    sizes = dataset.sizes
    return transferring.settings(sizes["train"], sizes["validation"])


def _scratch(dataset: Any) -> dict[str, Any]:
    from kerasopt import tuning

    advice = tuning.advise_settings(dataset, pretrained=False, budget=SCRATCH_BUDGET)
    return advice.recipe.to_dict()


WAYS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "frozen": _frozen,
    "tuned": _tuned,
    "scratch": _scratch,
    "uncached": _uncached,
}
"""By name, the function from a dataset to the sections of a recipe."""


def measure(
    *,
    labels: Sequence[int] = (25, 100, 500),
    seeds: int = 3,
    ways: Sequence[str] = ("frozen", "tuned", "scratch"),
) -> dict[str, Any]:
    """Return test accuracies and seconds of training, one a seed.

    Args:
        labels: Numbers of labels a class, those for validation included.
        seeds: So many trainings of each, from seed 0 on, on as many draws.
        ways: Some of `WAYS`.

    Raises:
        ValueError: if there is no such way.
    """
    from kerasopt.training import environment

    for way in ways:
        if way not in WAYS:
            raise names.unknown("way", way, [*WAYS])
    results: dict[str, dict[str, dict[str, list[float]]]] = {}
    found = {
        "machine": environment.describe(),
        "test_samples": TEST_SAMPLES,
        "results": results,
    }
    for count in labels:
        cells = results[str(count)] = {
            way: {"test_accuracy": [], "train_seconds": []} for way in ways
        }
        for seed in range(seeds):
            dataset = _dataset(count, seed)
            for way in ways:
                measured = _trained(way, dataset, seed)
                for name, values in cells[way].items():
                    values.append(measured[name])
                done = "{test_accuracy:.1%} in {train_seconds:.0f} s".format(**measured)
                line = f"{count} labels a class, seed {seed}, {way}: {done}"
                print(line, file=sys.stderr, flush=True)
    return found


def _dataset(count: int, seed: int) -> Any:
    import kerasopt as ko

    (x, y), test, _ = _shared.few_of_cifar10(
        count * CLASSES, tests=TEST_SAMPLES, seed=seed
    )
    return ko.data.from_arrays(x, y, test=test, validation=0.1, seed=seed)


def _trained(way: str, dataset: Any, seed: int) -> dict[str, Any]:
    from kerasopt.recipes import Recipe

    sections = {"name": way, "data": {"name": "arrays"}, **WAYS[way](dataset)}
    with tempfile.TemporaryDirectory() as folder:
        run = Recipe(sections).run(
            dataset=dataset, seed=seed, directory=Path(folder) / "run", verbose=False
        )
    return dict(run.metrics)


def show(result: dict[str, Any]) -> None:
    """Print the accuracies and seconds as a table."""
    print(f"{'labels a class':16}{'way':12}{'test accuracy':>24}{'training':>20}")
    for count, ways in result["results"].items():
        for way, cell in ways.items():
            accuracy = _shared.accuracy_text(cell["test_accuracy"])
            seconds = ", ".join(map(_shared.seconds_text, cell["train_seconds"])) + " s"
            print(f"{count:16}{way:12}{accuracy:>24}{seconds:>20}")
    machine = _shared.machine(result["machine"])
    print(f"On {result['test_samples']:,} test images; {machine}")


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--labels", type=_shared.positive, nargs="+", default=[25, 100, 500]
    )
    parser.add_argument("--seeds", type=_shared.positive, default=3)
    parser.add_argument(
        "--ways", nargs="+", default=["frozen", "tuned", "scratch"], choices=[*WAYS]
    )
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(labels=options.labels, seeds=options.seeds, ways=options.ways)
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
