"""The rules of `kerasopt.tuning.advise_settings`, a short function a field.

Each takes the facts that were measured on the data and returns values with the
sentence that says why. They are rules of thumb to start a search from, not its end.
"""

from __future__ import annotations

import math
from typing import Any

from kerasopt import recipes
from kerasopt.data import Dataset, pipeline
from kerasopt.evaluation import formatting
from kerasopt.recipes import from_scratch, transferring
from kerasopt.training.spec import in_seconds
from kerasopt.tuning.advising import fast, tuned
from kerasopt.tuning.advising.fast import Choices
from kerasopt.tuning.advising.statistics import Facts, measure_model

__all__ = ["Choices", "choose"]

STEP_SECONDS = 0.003
"""What a step costs besides its products."""
START_SECONDS = 15.0
"""Compilation, evaluation and report."""
MANY_IMAGES = 10_000
"""From here on Muon and SGD, below Adam, where the fast network isn't for them."""
SURE_SHARE = 1 / 8
"""Share of the budget up to which an estimate, off by several times, surely fits it."""
LEAST_TO_STOP_BY = 200
"""Validation samples below which early stopping goes by chance."""
SPARSE = 0.8
"""Share of zeros from which vectors count as sparse."""
UNBALANCED = 3.0
"""Largest class over smallest from which accuracy hides the small ones."""

_HE = (
    "ReLU silences half of its inputs, He's initialisation makes up for that: through "
    "ten layers the gradient keeps its size, Glorot's leaves 5 % of it "
    "(docs/theory.md). With tanh take glorot_uniform."
)


def choose(
    dataset: Dataset,
    facts: Facts,
    budget: str | float | None,
    *,
    pretrained: bool = True,
) -> Choices:
    """Choose the fields of a recipe.

    Args:
        dataset: The data, with a validation part.
        facts: What was measured on them; the model's size and the estimated time are
            added.
        budget: Time for everything, or None.
        pretrained: Whether a network may begin with weights of other pictures.

    Returns:
        Dotted field → (value, reason); the reason may be empty.
    """
    seconds = None if budget is None else in_seconds(budget)
    facts["validation_samples"] = dataset.sizes["validation"]
    because = ""
    if pretrained and tuned.are_photos(facts):
        why_not = transferring.why_not(facts["samples"])
        if why_not is None:
            choices = tuned.settings(facts)
            choices |= _within(facts, choices, budget)
            return choices | _monitor(dataset, facts)
        because = f" Nothing pretrained, since {why_not}."
    choices = _model_name(facts, because)
    if choices["model.name"][0] == "airbench":
        choices |= fast.settings(dataset, facts, budget)
        if facts["colours"] != "colour":
            choices |= _augmentation(facts)
    else:
        choices |= _own_settings(dataset, facts, seconds)
    choices |= _length(facts, choices, budget)
    choices |= _monitor(dataset, facts)
    return choices | _execution(facts)


def _model_name(facts: Facts, because: str) -> Choices:
    if facts["kind"] == "vectors":
        why = "The samples are vectors, without neighbouring pixels to convolve."
        return {"model.name": ("mlp", why)}
    height, width, _ = facts["input_shape"]
    fits = min(height, width) >= 24 and max(height, width) <= 64
    if fits and facts["task"] in ("binary", "multiclass"):
        why = (
            f"Images of {height}×{width}: the network that reaches 91.8 % on CIFAR-10 "
        )
        why += (
            "in five minutes on two cores (README), and learns from some dozens, too."
        )
        return {"model.name": ("airbench", why + because)}
    why = f"Images of {height}×{width}: neighbouring pixels belong together."
    if height * width > 64 * 64:
        share = 64 * 64 / (height * width)
        why += f" Try them at 64×64 first, {share:.0%} of the pixels and the time."
    return {"model.name": ("cnn", why + because)}


def _own_settings(dataset: Dataset, facts: Facts, seconds: float | None) -> Choices:
    """Choose for all data that aren't like CIFAR-10, field by field."""
    choices = _batch_size(facts)
    batch = choices["training.batch_size"][0]
    choices |= _model(dataset, facts, seconds, _epochs(facts, batch))
    choices |= _regularisation(facts, choices)
    choices |= _augmentation(facts)
    choices |= _optimizer(facts)
    return choices


def _is_large(facts: Facts) -> bool:
    return facts["kind"] == "images" and facts["samples"] >= MANY_IMAGES


def _batch_size(facts: Facts) -> Choices:
    samples = facts["samples"]
    if _is_large(facts):
        return {"training.batch_size": (512, f"Muon's rate is for it. {fast.FAST}")}
    batch = min(256, max(16, 2 ** round(math.log2(samples / 40))))
    steps = pipeline.steps_per_epoch(samples, batch)
    why = (
        f"{samples:,} samples make {steps} steps an epoch; larger batches take more "
        "memory and fewer, less noisy steps."
    )
    return {"training.batch_size": (batch, why)}


def _epochs(facts: Facts, batch_size: int, *, steps: int = 2_000) -> int:
    return from_scratch.epochs(facts["samples"], batch_size, steps=steps)


def _model(data: Dataset, facts: Facts, seconds: float | None, epochs: int) -> Choices:
    """Choose the largest size whose products take half of the time at most."""
    specs = _images_specs(facts) if facts["kind"] == "images" else _vector_specs(facts)
    for spec in specs:
        measure_model(data, facts, spec)
        products = epochs * facts["product_seconds_per_epoch"]
        if seconds is None or products <= seconds / 2:
            break
    field, why = "units", "About 2·√samples units a layer, a power of two."
    if facts["kind"] == "images":
        field, why = "filters", "Stages halve the image to 4 to 7 pixels at the end."
    if seconds is not None:
        why += (
            f" Products of {epochs} epochs are estimated at "
            f"{formatting.duration(products)} of {formatting.duration(seconds)}; a "
            "size that needs more than half is halved."
        )
    return {f"model.{k}": (v, "") for k, v in spec.items() if k != "name"} | {
        f"model.{field}": (spec[field], why),
        "model.kernel_initializer": (spec["kernel_initializer"], _HE),
        "model.batch_norm": (spec["batch_norm"], _about_scale(facts)),
    }


_SHARED = {
    "activation": "relu",
    "kernel_initializer": "he_normal",
    # Keras's 0.99 takes hundreds of steps to forget the start.
    "batch_norm_momentum": 0.9,
}


def _vector_specs(facts: Facts) -> list[dict[str, Any]]:
    """Return MLPs, the preferred one first, each half as wide as the one before."""
    widest = min(512, max(32, 2 ** round(math.log2(2 * math.sqrt(facts["samples"])))))
    norm = False if _is_sparse(facts) else "before_activation"
    return [
        {"name": "mlp", "units": [each, each], "batch_norm": norm, **_SHARED}
        for each in (widest // 2**halvings for halvings in range(6))
        if each >= 16
    ]


def _images_specs(facts: Facts) -> list[dict[str, Any]]:
    """Return convolutional networks, each half as wide as the one before."""
    height, width, _ = facts["input_shape"]
    stages = min(5, max(1, 1 + int(math.log2(max(1, min(height, width) / 4)))))
    # A single stage pools nothing: too wide a view to be averaged.
    large = max(height, width) > 16 and stages > 1
    return [
        {
            "name": "cnn",
            "filters": [min(8 * first, first * 2**stage) for stage in range(stages)],
            "dense": [] if large else [2 * first],
            "global_pool": "average" if large else None,
            "batch_norm": True,
            **_SHARED,
        }
        for first in (32, 16, 8)
    ]


def _is_sparse(facts: Facts) -> bool:
    return facts["kind"] == "vectors" and facts["share_of_zeros"] >= SPARSE


def _about_scale(facts: Facts) -> str:
    """Say why there is batch normalisation or none, and what it can't mend."""
    if _is_sparse(facts):
        return (
            f"{facts['share_of_zeros']:.0%} of the values are 0; the statistics of "
            "rarely active units would hang on the few samples of a batch."
        )
    why = "Layers whose inputs keep their scale bear high learning rates."
    if facts["kind"] == "images":
        if max(facts["channel_deviations"]) > 10:
            why += " Divide the pixels by 255 or give them as uint8: floats stay as is."
        return why
    low, high = facts["smallest_deviation"], facts["largest_deviation"]
    if high <= 10 and 0.1 <= high <= 100 * low and facts["largest_mean"] <= 10:
        return why
    return (
        f"{why} The features aren't standardised (standard deviations from {low:.2g} "
        f"to {high:.2g}), and it scales their sums only: bring each to mean 0 and "
        "deviation 1 with sklearn.preprocessing.StandardScaler, fitted on train."
    )


def _regularisation(facts: Facts, choices: Choices) -> Choices:
    ratio = facts["samples_per_parameter"]
    rate = 0.1 if ratio >= 1 else 0.2 if ratio >= 0.1 else 0.3
    why = (
        f"{facts['samples']:,} samples for {facts['parameters']:,} parameters "
        f"({ratio:.2g} each): the fewer, the more is dropped, from 0.1 to 0.3"
    )
    if facts["kind"] == "vectors":
        sparse = _is_sparse(facts)
        why += ", 0.5 where the samples are sparse." if sparse else "."
        return {"model.dropout": (0.5 if sparse else rate, why)}
    dense = len(choices["model.dense"][0])
    pooled = len(choices["model.filters"][0]) - 1
    rates = [0.1] * (pooled + dense)
    rates[-1] = rate
    chosen: Choices = {
        "model.dropout": (rates, f"{why} before the output, 0.1 at earlier places.")
    }
    if facts["task"] in ("binary", "multiclass"):
        large = _is_large(facts)
        source = "cifar10-same-net" if large else "digits"
        share = 0.1 if large else 0.05
        chosen["training.label_smoothing"] = (share, f"{fast.SMOOTH} {source}.")
    return chosen


def _augmentation(facts: Facts) -> Choices:
    if facts["kind"] == "vectors":
        why = "Nothing is known that changes a vector and keeps its class."
        return {"augment": (None, why)}
    side = min(facts["input_shape"][:2])
    shift = max(1, side // 10)
    if facts["colours"] == "colour":
        flipped = {"name": "crop", "padding": shift, "flip": "alternating"}
        return {"augment": (flipped, fast.PHOTO)}
    if facts["colours"] == "other":
        shifted = {"name": "crop", "padding": shift, "flip": None}
        why = "Shifts alone: what the channels mean, and so their mirror, isn't known."
        return {"augment": (shifted, why)}
    turned = {
        "name": "affine",
        "rotation_range": 10,
        "width_shift_range": 0.1,
        "height_shift_range": 0.1,
        "zoom_range": 0.1,
    }
    why = (
        "Small turns, shifts and zooms keep what a grey image shows, as in the recipe "
        "digits; no mirror, under which digits and letters become others."
    )
    return {"augment": (turned, why)}


def _optimizer(facts: Facts) -> Choices:
    if _is_large(facts):
        return {"optimizer": (recipes.load("cifar10-same-net").optimizer, fast.MUON)}
    is_image = facts["kind"] == "images"
    highest = 0.004 if is_image else 0.002
    name, why = (
        "adam",
        "A step size for each weight, so one rate fits gradients of any size.",
    )
    choices: Choices = {}
    if _is_sparse(facts):
        why = (
            f"{facts['share_of_zeros']:.0%} of the values are 0: weights of rare "
            "features get gradients seldom, and Adam's step size of each weight makes "
            "up for that, where SGD's steps stay small. No weight decay, which "
            "would shrink them at every step between."
        )
    elif not is_image:
        name = "adamw"
        decay = "Decoupled from the step sizes, so every kernel shrinks alike."
        choices["optimizer.weight_decay"] = (0.01, decay)
    rate = {"name": "one_cycle", "max_learning_rate": highest}
    source = "digits" if is_image else "mnist-mlp"
    return choices | {
        "optimizer.name": (name, why),
        "optimizer.learning_rate": (
            rate,
            f"Rises, then falls to almost 0, so that the batches' noise dies out; the "
            f"highest is that of the recipe {source}. "
            "kerasopt.diagnosis.lr_range_test checks it.",
        ),
    }


def _within(facts: Facts, choices: Choices, budget: Any) -> Choices:
    """Let the clock end a training that might not fit its budget."""
    takes = facts["estimated_seconds"]
    if budget is None or takes <= in_seconds(budget) / 2:
        return {}
    epochs, why = choices["training.epochs"]
    why += f" That takes about {formatting.duration(takes)}: so the clock ends it."
    return {"training.epochs": (epochs, ""), "training.budget": (budget, why)}


def _length(facts: Facts, choices: Choices, budget: Any) -> Choices:
    """Set epochs where they surely fit the time, else the time."""
    batch = choices["training.batch_size"][0]
    is_airbench = choices["model.name"][0] == "airbench"
    epochs = _epochs(facts, batch, steps=from_scratch.STEPS if is_airbench else 2_000)
    steps = pipeline.steps_per_epoch(facts["samples"], batch)
    per_epoch = facts["product_seconds_per_epoch"] + STEP_SECONDS * steps
    facts["estimated_seconds"] = START_SECONDS + epochs * per_epoch
    takes = formatting.duration(facts["estimated_seconds"])
    counted = f"{epochs} epochs are {epochs * steps:,} steps, about {takes}"
    if budget is not None:
        seconds = in_seconds(budget)
        asked = formatting.duration(seconds)
        if facts["estimated_seconds"] > SURE_SHARE * seconds:
            why = (
                f"{counted}, which on a slower machine may not fit {asked}: so the "
                "clock drives the schedule and ends the training, and takes it all."
            )
            return {
                "training.epochs": (epochs, ""),
                "training.budget": (budget, why),
            }
        counted += f" of {asked}"
    return {"training.epochs": (epochs, f"{counted}."), **_patience(facts, epochs)}


def _patience(facts: Facts, epochs: int) -> Choices:
    count = facts["validation_samples"]
    if count < LEAST_TO_STOP_BY:
        why = f"{count} validation samples say too little about when to stop; the rate "
        why += "falls to almost 0 at the end anyway."
        return {"training.patience": (None, why)}
    why = "Keeps the best weights; a third of the epochs without gain is overfitting."
    return {"training.patience": (max(5, epochs // 3), why)}


def _monitor(dataset: Dataset, facts: Facts) -> Choices:
    count = facts["validation_samples"]
    if facts["task"] not in ("binary", "multiclass"):
        why = "The loss is what is trained, and smoother than any measure of the task."
        return {"training.monitor": ("val_loss", f"{why}{_about_targets(facts)}")}
    largest, smallest = facts["largest_class"], facts["smallest_class"]
    monitor = "val_loss"
    why = f"With {count} validation samples accuracy moves in steps of 1/{count}."
    if largest >= UNBALANCED * smallest:
        why = (
            f"The classes are unbalanced ({largest:,} samples of the largest, "
            f"{smallest:,} of the smallest): accuracy hides the small ones, and "
            f"{largest / facts['samples']:.0%} is what naming the largest gets. "
            "Read the report's per-class table; class_weight: balanced makes the small "
            "ones count as much, at the cost of the large one."
        )
    elif count >= 1_000:
        monitor = "val_accuracy"
        why = f"{count:,} validation samples, balanced classes: accuracy is the goal."
    return {"training.monitor": (monitor, why)}


def _about_targets(facts: Facts) -> str:
    """Say what the mean squared error of targets of another scale would do."""
    spread, mean = facts.get("target_deviation", 1.0), facts.get("target_mean", 0.0)
    if 0.1 <= spread <= 10 and mean <= 10:
        return ""
    return (
        f" The targets aren't near 0 ± 1 (mean {mean:.2g}, standard deviation "
        f"{spread:.2g}), which the learning rate is for: standardise them, and take it "
        "back in the predictions (sklearn.compose.TransformedTargetRegressor)."
    )


def _execution(facts: Facts) -> Choices:
    if facts["estimated_seconds"] > 120 and facts["kind"] == "images":
        why = "Times float32 and bfloat16 on this machine and takes the faster."
        return {"training.precision": ("auto", why)}
    return {}
