"""What a time budget affords, and what of a recipe that changes."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kerasopt import checks
from kerasopt.training.spec import in_seconds

if TYPE_CHECKING:
    import keras

    from kerasopt.data import Dataset
    from kerasopt.recipes.recipe import Recipe

__all__ = [
    "affordable_epochs",
    "alternatives",
    "changes_at",
    "check_condition",
    "decide",
    "thresholds",
]

FEW_EPOCHS = 5
"""Below so many of a recipe's own network it is worth timing the chosen one, too."""

START_SECONDS = 8.0
"""Compilation, evaluation and report of a small network, on two cores."""

TIMED_SAMPLES = 128
"""A share of a large batch gives the same time a sample."""

_CONDITION = re.compile(r"(from|below) (\d+(?:\.\d+)?) epochs?")


def check_condition(condition: str) -> None:
    """Raise `ValueError` unless it is as in ``from_budget``.

    Example:
        >>> check_condition("from 36 epochs")
        >>> check_condition("8m")
        Traceback (most recent call last):
        ...
        ValueError: '8m' is a time. How much it affords depends on the machine, so ...
    """
    if _CONDITION.fullmatch(condition):
        return
    try:
        in_seconds(condition)
    except ValueError:
        raise ValueError(
            "a condition must be 'from N epochs' or 'below N epochs', the epochs that "
            f"the budget affords; given: {condition!r}."
        ) from None
    raise ValueError(
        f"{condition!r} is a time. How much it affords depends on the machine, so name "
        "the epochs of the recipe's own network that it takes: 'from 36 epochs', or "
        "'below 3 epochs'."
    )


def _read(condition: str) -> tuple[str, float]:
    found = _CONDITION.fullmatch(condition)
    assert found, condition  # The schema has checked it.
    return found[1], float(found[2])


def thresholds(from_budget: Mapping[str, Any]) -> list[float]:
    """Return the numbers of epochs at which something changes, in order.

    Example:
        >>> thresholds({"from 36 epochs": {}, "below 3 epochs": {}})
        [3.0, 36.0]
    """
    return sorted({_read(condition)[1] for condition in from_budget})


def changes_at(
    from_budget: Mapping[str, Mapping[str, Any]], epochs: float
) -> list[tuple[str, Any]]:
    """Return the fields to set where a budget affords so many epochs, in order.

    Of two conditions that hold, the narrower one is the later and so wins.

    Example:
        >>> changes = {"from 9 epochs": {"a": 2}, "from 5 epochs": {"a": 1}}
        >>> changes_at(changes, 20), changes_at(changes, 6), changes_at(changes, 3)
        ([('a', 1), ('a', 2)], [('a', 1)], [])
    """
    holding = []
    for condition, fields in from_budget.items():
        kind, number = _read(condition)
        if epochs >= number if kind == "from" else epochs < number:
            holding.append((number if kind == "from" else -number, fields))
    holding.sort(key=lambda each: each[0])
    return [change for _, fields in holding for change in fields.items()]


def affordable_epochs(
    build: Callable[[], keras.Model],
    dataset: Dataset,
    budget_seconds: float,
    batch_size: int,
    *,
    precision: str = "float32",
    image_sizes: Mapping[int, float] | None = None,
) -> float:
    """Estimate how many epochs fit into a time, by timing a few steps.

    Eight seconds are taken to go into compilation, evaluation and report. Timing takes
    about one second for the network of the recipe ``cifar10`` on two cores.

    Args:
        build: Returns a new, uncompiled model for the dataset.
        dataset: Its training arrays are used.
        budget_seconds: Time for everything.
        batch_size: Samples in a step.
        precision: As in `kerasopt.training.TrainingSettings`; "auto" times both
            candidates and takes the faster.
        image_sizes: As there. A step on smaller images is taken to cost what its
            pixels do.

    Returns:
        The number of epochs, 0 if the time is over before the first step.

    Raises:
        ValueError: if the training samples aren't arrays, whose number is known.

    Example:
        >>> import kerasopt as ko
        >>> digits = ko.data.load("digits")
        >>> build = lambda: ko.models.mlp(input_shape=(8, 8, 1), num_classes=10)
        >>> affordable_epochs(build, digits, 60.0, 32) > 10
        True
    """
    import keras
    import numpy as np

    from kerasopt.data import Dataset, pipeline
    from kerasopt.training import calibration

    checks.instance("dataset", dataset, Dataset, "a kerasopt.data.Dataset")
    if not callable(build):
        raise checks.ArgumentTypeError(
            f"build must be a function that returns a model; given: {build!r}."
        )
    checks.integer("batch_size", batch_size)
    checks.non_negative("budget_seconds", budget_seconds)
    if not (isinstance(dataset.train, tuple) and hasattr(dataset.train[0], "shape")):
        raise ValueError(
            "from_budget needs the number of epochs that the time affords, so training "
            "samples in one array; given: "
            f"{type(dataset.train).__name__}. Set from_budget to {{}}."
        )
    x = dataset.train[0]
    size = min(batch_size, len(x), TIMED_SAMPLES)
    # Any loss does: the time goes into the network.
    batch = (
        pipeline.scale(x[:size], dataset.pixel_scale),
        np.zeros((size, dataset.num_classes)),
    )
    chosen = precision or keras.config.dtype_policy().name
    candidates = calibration.PRECISIONS if precision == "auto" else (chosen,)
    seconds = calibration.seconds_per_step(
        build, batch, keras.losses.MeanSquaredError(), candidates=candidates
    )
    per_epoch = min(seconds.values()) * len(x) / size
    left = max(0.0, budget_seconds - START_SECONDS)
    return left / per_epoch * _gain_of_sizes(image_sizes or {}, dataset.input_shape)


def _gain_of_sizes(sizes: Mapping[int, float], input_shape: Any) -> float:
    """Return how many times as many images fit, some of them smaller.

    Example:
        >>> _gain_of_sizes({16: 0.5}, (32, 32, 3))  # 0.5 · 4 + 0.5
        2.5
    """
    gain, begin = 0.0, 0.0
    for side, until in sizes.items():
        gain += (until - begin) * input_shape[0] * input_shape[1] / side**2
        begin = until
    return gain + 1.0 - begin


def decide(recipe: Recipe, dataset: Dataset) -> Recipe:
    """Return a recipe with a budget as it is on this machine, without ``from_budget``.

    Warns if not even one epoch of what was chosen fits.
    """
    epochs = _affordable_epochs(recipe, dataset)
    decided = _where_affordable(recipe, epochs)
    if epochs < FEW_EPOCHS:
        _warn_if_too_short(decided, dataset)
    return decided


def alternatives(recipe: Recipe) -> list[Recipe]:
    """Return every recipe that `decide` may return."""
    numbers = thresholds(recipe.from_budget)
    below = [math.nextafter(number, -math.inf) for number in numbers]
    return [_where_affordable(recipe, number) for number in sorted(below + numbers)]


def _where_affordable(recipe: Recipe, epochs: float) -> Recipe:
    changed = recipe
    for field, value in changes_at(recipe.from_budget, epochs):
        changed = changed.replace(field, value)
    # A resumed run doesn't decide again.
    return type(recipe)({**changed.to_dict(), "from_budget": {}})


def _affordable_epochs(recipe: Recipe, dataset: Dataset) -> float:
    settings = recipe.training
    return affordable_epochs(
        lambda: recipe.build_model(dataset),
        dataset,
        settings.budget_seconds,
        settings.batch_size,
        precision=settings.precision,
        image_sizes=settings.image_sizes,
    )


def _warn_if_too_short(recipe: Recipe, dataset: Dataset) -> None:
    epochs = _affordable_epochs(recipe, dataset)
    if epochs < 1:
        warnings.warn(
            f"The budget of {recipe.training.budget} affords about {epochs:.1g} epochs "
            "here: not every training sample will be seen. Give more time, or set a "
            "smaller model.",
            stacklevel=5,
        )
