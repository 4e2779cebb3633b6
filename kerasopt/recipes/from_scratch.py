"""The recipe cifar10 for other pictures, and fewer or more of them."""

from __future__ import annotations

import math
from typing import Any

from kerasopt.recipes import builtin

__all__ = ["batch_size", "epochs", "optimizer", "settings", "smaller"]

STEPS = 1_000
"""Steps that the training has, as far as 20 to 80 epochs make them."""

LEAST_EPOCHS, MOST_EPOCHS = 20, 80

TUNED_BATCH = 500
"""Batch that the learning rates of the recipe were tuned for."""


def settings(samples: int, *, side: int) -> dict[str, Any]:
    """Return the sections of a recipe that trains a network from random weights.

    Args:
        samples: Number of training pictures.
        side: Their height and width in pixels.

    Example:
        >>> settings(270, side=64)["training"]["epochs"]
        80
    """
    recipe = builtin.load("cifar10")
    batch = batch_size(samples)
    return {
        "augment": recipe.augment,
        # Without mean and std the network adapts to those of the training pictures.
        "model": {k: v for k, v in recipe.model.items() if k not in ("mean", "std")},
        "optimizer": optimizer(batch),
        "callbacks": recipe.callbacks,
        "training": {
            "epochs": epochs(samples, batch, steps=STEPS),
            "batch_size": batch,
            "label_smoothing": recipe.training.label_smoothing,
            "image_sizes": smaller(side),
        },
    }


def smaller(side: int) -> dict[int, float]:
    """Return the side of the pictures at the start, and the share of the training."""
    return {round(0.75 * side): 0.4}


def batch_size(samples: int) -> int:
    """Return a batch for so many samples: a power of 2 from 32 on, or the recipe's.

    Example:
        >>> batch_size(60), batch_size(3_000), batch_size(45_000)
        (32, 64, 500)
    """
    power: int = 2 ** round(math.log2(max(1, samples) / 40))
    return TUNED_BATCH if power >= 256 else max(32, power)


def epochs(samples: int, batch: int, *, steps: int) -> int:
    """Return the epochs that make about so many steps, from 20 to 80.

    Example:
        >>> epochs(3_000, 64, steps=1_000)
        21
    """
    per_epoch = math.ceil(samples / batch)
    return min(MOST_EPOCHS, max(LEAST_EPOCHS, round(steps / max(1, per_epoch))))


def optimizer(batch: int) -> dict[str, Any]:
    """Return the recipe's grouped optimizer for another batch.

    Plain rates go with the batch, Muon's with its root: its steps have one length
    whatever the gradient's is.
    """
    ratio = batch / TUNED_BATCH
    given = builtin.load("cifar10").optimizer
    assert isinstance(given, dict)

    def scaled(group: dict[str, Any]) -> dict[str, Any]:
        factor = math.sqrt(ratio) if group["name"] == "conv_muon" else ratio
        rate = group["learning_rate"]
        highest = float(f"{rate['max_learning_rate'] * factor:.3g}")
        return {**group, "learning_rate": {**rate, "max_learning_rate": highest}}

    groups = {k: scaled(group) for k, group in given["groups"].items()}
    return {**given, "default": scaled(given["default"]), "groups": groups}
