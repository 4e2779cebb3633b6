"""The benchmarks by name, for the command ``kerasopt bench``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from kerasopt.names import unknown

__all__ = ["DEFAULT", "PARTS", "run"]

PARTS = {
    "throughput": "training images a second: kerasopt, plain Keras, PyTorch",
    "augmentation": "augmented images a second",
    "small": "steps a second of small networks: ko.fit, Keras, JAX with Optax",
    "growth": "what trainings leave behind: memory, threads, open files",
    "image_folders": "folders of images: decoding speed and peak memory (minutes)",
    "small_data": "60 to 2,000 pictures beside logistic regression (an hour)",
    "photos": "kerasopt train on small folders of pictures (a quarter of an hour)",
    "transfer": "CIFAR-10 with few labels, pretrained and from scratch (an hour)",
    "domain_shift": "darker, blurred and noisy CIFAR-10, and AdaBN (an hour)",
    "allocator": "seconds a step and memory, with freed memory kept (minutes)",
    "startup": "seconds of import, --help and a short training",
    "advice": "advised recipes beside the defaults and a linear model (minutes)",
    "grid_search": "scikit-learn's grid search over a small network, 136 fits",
    "search_race": "a search against keras-tuner's RandomSearch (a quarter of an hour)",
    "kills": "trainings killed 30 times and resumed, against unbroken ones (minutes)",
    "search_kills": "a search killed 20 times and resumed (minutes)",
    "race": "seconds to 80, 90, 93 and 94 % on CIFAR-10 (hours)",
    "budgets": "accuracy of the recipe cifar10 over time (an hour)",
    "recipes": "every recipe's measured result, again (hours)",
}
DEFAULT = ("throughput", "augmentation", "startup")


def run(
    parts: Sequence[str] = DEFAULT, *, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Measure, print, and return the results by part.

    Args:
        parts: Some of `PARTS`.
        say: Called with one line before each part.

    Raises:
        ValueError: if a part is unknown.
    """
    for name in parts:
        if name not in PARTS:
            raise unknown("benchmark", name, PARTS)
    results = {}
    for name in parts:
        say(f"{name}: {PARTS[name]}")
        module = importlib.import_module(f"kerasopt.benchmarks.{name}")
        results[name] = module.measure()
        module.show(results[name])
    return results
