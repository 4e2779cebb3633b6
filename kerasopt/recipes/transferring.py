"""Settings that fine-tune a pretrained network, and when they are the better choice."""

from __future__ import annotations

from typing import Any

from kerasopt.fetching.published import fetch
from kerasopt.models.efficientnet_lite0 import WEIGHTS, WeightsUnavailableError

__all__ = ["MOST_SAMPLES", "settings", "why_not"]

BACKBONE = "efficientnet_lite0"

MOST_SAMPLES = 20_000
"""Pictures from which a network from scratch has learnt as much in the same time."""

TUNED_SAMPLES, BATCH = 2_400, 16
"""Pictures that the fine-tuning sees, repeated, and in a step."""

LEAST_EPOCHS, MOST_EPOCHS = 3, 12

UNFROZEN = 12
"""Layers of the backbone that train: its last convolution and about four blocks."""

ENOUGH_TO_STOP_BY = 200
"""Validation pictures from which the best epoch isn't one by chance."""


def settings(samples: int, validation: int = 0) -> dict[str, Any]:
    """Return the sections of a recipe that fine-tunes a pretrained network.

    The head learns first, on features that are computed once; then the last layers of
    the backbone join, at a small rate and on augmented pictures.

    Args:
        samples: Number of training pictures.
        validation: Number of validation pictures. From 200 on the best epoch by their
            loss is kept.

    Example:
        >>> settings(270)["training"]["epochs"]
        9
    """
    epochs = max(LEAST_EPOCHS, min(MOST_EPOCHS, round(TUNED_SAMPLES / max(1, samples))))
    training = {"head_epochs": 30, "epochs": epochs, "batch_size": BATCH}
    if validation >= ENOUGH_TO_STOP_BY:
        training["patience"] = epochs
    return {
        "augment": {"name": "affine", "rotation_range": 10, "horizontal_flip": True},
        "model": {
            "name": "transfer",
            "backbone": BACKBONE,
            "dropout": 0.5,
            "unfreeze": UNFROZEN,
        },
        "optimizer": {
            "name": "adam",
            "learning_rate": {"name": "one_cycle", "max_learning_rate": 0.0003},
        },
        "training": training,
    }


def why_not(samples: int) -> str | None:
    """Say why a network from scratch is the better choice, or None where it isn't.

    The pretrained weights are fetched, if they aren't cached yet.

    Args:
        samples: Number of pictures.

    Example:
        >>> why_not(50_000)
        '50,000 pictures are enough to train a network from scratch as well'
    """
    if samples > MOST_SAMPLES:
        return (
            f"{samples:,} pictures are enough to train a network from scratch as well"
        )
    try:
        fetch(WEIGHTS)
    except WeightsUnavailableError:
        return (
            "the weights of the pretrained network are neither cached nor to be "
            "fetched (kerasopt.models.transfer says why)"
        )
    return None
