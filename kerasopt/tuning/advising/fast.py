"""Advice from the recipe ``cifar10``, for images to be classified."""

from __future__ import annotations

from typing import Any

from kerasopt import recipes
from kerasopt.data import Dataset
from kerasopt.recipes import from_scratch
from kerasopt.tuning.advising.statistics import Facts, measure_model

__all__ = ["FAST", "MUON", "PHOTO", "SMOOTH", "Choices", "settings"]

Choices = dict[str, tuple[Any, str]]
"""Dotted field of a recipe → its value, and the reason where it needs one."""

CIFAR10_IMAGES = 45_000
"""What the conditions of the recipe cifar10 are meant for."""

FAST = "(docs/fast-cifar10.md)"
PHOTO = (
    "Shifts and mirroring keep what a photo shows; set flip to null where left and "
    "right matter, as in text or traffic signs."
)
MUON = (
    "Muon on the hidden kernels and SGD with Nesterov momentum on the rest: with the "
    "chapter's network 83.1 % of validation on CIFAR-10 after eight epochs, SGD alone "
    "74.5 (docs/fast-cifar10.md). Momentum averages the gradients' noise and is faster "
    "along flat directions; the rate stays what the schedule says."
)
SMOOTH = "Targets short of 1 keep the logits small; the share is that of the recipe"


def settings(dataset: Dataset, facts: Facts, budget: Any) -> Choices:
    """Take over the measured recipe, for this dataset's colours, size and number.

    Args:
        dataset: The data.
        facts: What was measured on them; the model's size is added.
        budget: Time for everything, or None.

    Returns:
        Dotted field → (value, reason); the reason may be empty.
    """
    recipe = recipes.load("cifar10")
    # Without mean and std the network adapts to those of the training images.
    spec = {k: v for k, v in recipe.model.items() if k not in ("mean", "std")}
    height, width, _ = facts["input_shape"]
    measure_model(dataset, facts, {**spec, "any_size": False})
    choices: Choices = {f"model.{k}": (v, "") for k, v in spec.items() if k != "name"}
    if height == width:
        why = "On smaller images a step takes half; at the start that loses little."
        choices["training.image_sizes"] = (
            from_scratch.smaller(height),
            f"{why} {FAST}",
        )
    if budget is not None:
        choices["from_budget"] = _by_samples(recipe.from_budget, facts["samples"])
    batch = from_scratch.batch_size(facts["samples"])
    smoothing = f"{SMOOTH} cifar10."
    return (
        choices
        | _for_photos(facts, recipe)
        | {
            "optimizer": (from_scratch.optimizer(batch), MUON),
            "callbacks": (
                recipe.callbacks,
                "Freezing the whitening early is no worse, and its steps cheaper. "
                f"{FAST}",
            ),
            "training.batch_size": (
                batch,
                f"{facts['samples']:,} samples. The learning rates of cifar10 were "
                f"tuned for {from_scratch.TUNED_BATCH}; for smaller batches plain ones "
                "fall in proportion, Muon's with the root.",
            ),
            "training.label_smoothing": (recipe.training.label_smoothing, smoothing),
        }
    )


def _by_samples(from_budget: Any, samples: int) -> tuple[Any, str]:
    """Return conditions on the epochs for as many samples seen as on CIFAR-10."""
    scaled = {}
    for condition, fields in from_budget.items():
        kind, number, word = condition.split(" ")
        epochs = round(float(number) * CIFAR10_IMAGES / samples, 1)
        scaled[f"{kind} {epochs:g} {word}"] = fields
    why = "A wider network pays where the machine affords it, a narrower one below: "
    return scaled, f"{why}by as many images seen as on CIFAR-10. {FAST}"


def _for_photos(facts: Facts, recipe: recipes.Recipe) -> Choices:
    """Mirror colour photos, in training and in the test's views."""
    if facts["colours"] != "colour":
        return {}
    training = recipe.training
    return {
        "augment": (recipe.augment, PHOTO),
        "training.tta": (
            training.tta,
            "The mean over mirrored and shifted views is worth 1.2 points on CIFAR-10 "
            "(README).",
        ),
        "training.tta_share": (training.tta_share, ""),
    }
