"""Advice to train a pretrained network further, for few pictures."""

from __future__ import annotations

from kerasopt.recipes import transferring
from kerasopt.tuning.advising.fast import Choices
from kerasopt.tuning.advising.statistics import Facts

__all__ = ["are_photos", "settings"]

SMALL, LARGE = 16, 96
"""Shorter sides from which colour pictures, and grey ones too, count as photos."""

FEATURES_PER_SECOND, TUNED_PER_SECOND = 80, 40
"""Pictures of 160 to 224 pixels a side, on two CPU cores."""


def are_photos(facts: Facts) -> bool:
    """Say whether the samples are pictures that features of ImageNet may help.

    Args:
        facts: What was measured on the data.

    Example:
        >>> are_photos({"kind": "vectors"})
        False
    """
    if facts["kind"] != "images" or facts["task"] not in ("binary", "multiclass"):
        return False
    *sides, channels = facts["input_shape"]
    known = facts["colours"] == "colour" or min(sides) >= LARGE
    return known and channels in (1, 3) and min(sides) >= SMALL


def settings(facts: Facts) -> Choices:
    """Return the fields that tune a pretrained network, with their reasons.

    Args:
        facts: What was measured; the estimated time is added.
    """
    samples, count = facts["samples"], facts["validation_samples"]
    sections = transferring.settings(samples, count)
    training, model = sections["training"], sections["model"]
    epochs = training["epochs"]
    facts["estimated_seconds"] = (
        15 + samples / FEATURES_PER_SECOND + epochs * samples / TUNED_PER_SECOND
    )
    choices: Choices = {f"model.{k}": (v, "") for k, v in model.items()}
    choices["model.name"] = (
        "transfer",
        f"{samples:,} pictures are few: a network that was pretrained on ImageNet "
        "knows edges, textures and parts already. On CIFAR-10 with 25 labels a class "
        "it reaches twice the accuracy of a network from scratch (docs/transfer.md).",
    )
    choices["model.unfreeze"] = (
        model["unfreeze"],
        "The last layers adapt to these pictures; those before are as good for them.",
    )
    choices["training.head_epochs"] = (
        training["head_epochs"],
        "First the head alone, on features that are computed once: a random head's "
        "gradients would spoil the backbone.",
    )
    choices["training.batch_size"] = (
        training["batch_size"],
        "Many small steps: there are few pictures.",
    )
    choices["training.epochs"] = (
        epochs,
        f"{epochs * samples:,} pictures are seen in all: about "
        f"{transferring.TUNED_SAMPLES:,}, but each of them 3 to 12 times.",
    )
    kept = training.get("patience")
    choices["training.patience"] = (
        kept,
        "Keeps the weights of the best epoch."
        if kept
        else f"{count} validation pictures say too little about the best epoch.",
    )
    optimizer = sections["optimizer"]
    choices["optimizer.name"] = (optimizer["name"], "")
    choices["optimizer.learning_rate"] = (
        optimizer["learning_rate"],
        "A tenth of what a new network gets, so that what it knows stays.",
    )
    if facts["colours"] != "colour":
        why = "Grey pictures: which changes keep their meaning isn't known."
        return choices | {"augment": (None, why)}
    why = (
        "Small turns and mirroring keep what a photo shows; leave horizontal_flip out "
        "where left and right matter, as in text or traffic signs."
    )
    return choices | {"augment": (sections["augment"], why)}
