"""Checks of arguments that the factories of models share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import checks, names

__all__ = [
    "MOST_LAYERS",
    "MOST_WEIGHTS",
    "check_activation",
    "check_shrinking",
    "check_weights",
    "cifar_or_imagenet",
    "classes",
    "image_input",
    "image_shape",
    "per_place",
    "positive_integers",
    "rates",
    "sample_shape",
]

MOST_WEIGHTS = 2**29
"""Largest kernel: 2 GiB in float32, four times that with gradient and moments."""

LEAST_FOR_IMAGENET = 96
"""Shorter side, in pixels, from which images get networks made for ImageNet's."""

MOST_LAYERS = 1000
"""Most layers or stages of a model, of each kind: deeper ones aren't meant."""


def check_weights(what: str, *sizes: int) -> None:
    """Raise `ValueError` if a kernel of these sizes can't be meant.

    Args:
        what: What makes it so large, for the message (``"512 units"``).
        *sizes: The sizes of the kernel's axes.

    Example:
        >>> check_weights("99999999999 units", 64, 99_999_999_999)
        Traceback (most recent call last):
        ...
        ValueError: A layer of 99999999999 units has 6.4e+12 weights here, ...
    """
    weights = math.prod(sizes)
    if weights > MOST_WEIGHTS:
        raise ValueError(
            f"A layer of {what} has {weights:.2g} weights here, "
            f"{4 * weights / 2**30:,.0f} GiB; at most {MOST_WEIGHTS:,} are accepted. "
            "Use a smaller layer or input."
        )


def classes(num_classes: Any) -> int:
    """Return the number of classes, or raise unless it is an integer >= 2."""
    found = checks.plain(num_classes)
    if isinstance(found, int) and found == 1 and not isinstance(found, bool):
        raise ValueError(
            "num_classes must be an integer >= 2; given: 1. For one number a sample: "
            'ko.models.get(NAME, task="regression", num_classes=1, input_shape=…). '
            "Two classes are num_classes=2."
        )
    return checks.integer("num_classes", num_classes, least=2)


def check_shrinking(
    what: str, shape: Sequence[int], factor: int, *, hint: str = ""
) -> None:
    """Raise `ValueError` if images are smaller than what a network makes a pixel of.

    Args:
        what: The network, for the message (``"ResNet-18"``).
        shape: (height, width, channels) of the images.
        factor: How many times smaller than they its last map is.
        hint: What else helps, followed by ``" or "``.

    Example:
        >>> check_shrinking("ResNet-18", (4, 8, 3), 8)
        Traceback (most recent call last):
        ...
        ValueError: ResNet-18 makes maps 8 times smaller, so it needs images of 8×8 ...
    """
    if min(shape[:2]) < factor:
        raise ValueError(
            f"{what} makes maps {factor} times smaller, so it needs images of "
            f"{factor}×{factor} pixels or more; given: {shape[0]}×{shape[1]}. Use "
            f"{hint}a network of fewer stages, or larger images (image_size of a "
            "folder)."
        )


def cifar_or_imagenet(name: str, given: Any, shape: Sequence[int]) -> str:
    """Return "cifar" or "imagenet", by the size of the images if "auto" is given.

    Args:
        name: Name of the argument, for the message.
        given: Its value.
        shape: (height, width, channels) of the images.

    Example:
        >>> cifar_or_imagenet("stem", "auto", (224, 224, 3))
        'imagenet'
    """
    checks.choice(name, given, ("auto", "cifar", "imagenet"))
    if given != "auto":
        return str(given)
    return "imagenet" if min(shape[:2]) >= LEAST_FOR_IMAGENET else "cifar"


def sample_shape(input_shape: Any) -> tuple[int, ...]:
    """Return the shape of a sample as a tuple of integers, or raise."""
    return tuple(checks.each("input_shape", input_shape, checks.integer, least=1))


def image_shape(input_shape: Any) -> tuple[int, int, int]:
    """Return (height, width, channels), or raise `ValueError` for anything else."""
    shape = checks.plain(input_shape)
    if not isinstance(shape, list | tuple) or len(shape) != 3:
        raise ValueError(
            "input_shape must be (height, width, channels); given: "
            f"{checks.shown(input_shape)}. For vectors use the model 'mlp'."
        )
    height, width, channels = (
        checks.integer(f"The {name} in input_shape", size)
        for name, size in zip(("height", "width", "channels"), shape, strict=True)
    )
    return height, width, channels


def image_input(shape: Sequence[int], any_size: Any) -> Any:
    """Return the input of a model for images, of one size or of any.

    Args:
        shape: (height, width, channels) of the images.
        any_size: Leave height and width open.

    Example:
        >>> image_input((32, 32, 3), any_size=True).shape
        (None, None, None, 3)
    """
    sides = (None, None) if checks.boolean("any_size", any_size) else shape[:2]
    return keras.Input((*sides, shape[2]), name="images")


def check_activation(name: Any) -> None:
    """Raise a `ValueError` that lists Keras's activations if it isn't one."""
    if callable(name) and not isinstance(name, type):
        _check_saveable(name)
        return
    checks.text("activation", name)
    try:
        keras.activations.get(name)
    except ValueError:
        choices = [n for n in dir(keras.activations) if n[0].islower()]
        choices = [n for n in choices if n not in ("get", "serialize", "deserialize")]
        raise names.unknown("activation", name, choices) from None


def _check_saveable(activation: Any) -> None:
    """Refuse a function that Keras can save with the model but not load again."""
    if isinstance(activation, keras.layers.Layer):
        return
    name = getattr(activation, "__name__", "")
    own = keras.saving.get_registered_name(activation) != name
    of_keras = getattr(keras.activations, name or "get", None) is activation
    if not (own or of_keras):
        raise ValueError(
            "activation must be a Keras name, or a function decorated with "
            "keras.saving.register_keras_serializable(), so that the model can be "
            f"loaded again; given: {checks.shown(activation)}."
        )


def positive_integers(name: str, values: Any) -> tuple[int, ...]:
    """Return layer sizes as a tuple, or raise `ValueError`.

    Args:
        name: Name of the argument, for the message.
        values: One integer or several, one a layer.

    Example:
        >>> positive_integers("units", [64, 64])
        (64, 64)
    """
    sizes = checks.plain(values)
    sizes = list(sizes) if isinstance(sizes, list | tuple) else [sizes]
    for value in sizes:
        try:
            checks.integer(name, value)
        except ValueError:
            raise checks.ArgumentTypeError(
                f"{name} must be integers >= 1 and < 2³¹, one a layer; given: "
                f"{checks.shown(values)}."
            ) from None
    if len(sizes) > MOST_LAYERS:
        raise ValueError(
            f"{name} must be at most {MOST_LAYERS} integers; given: {len(sizes)}."
        )
    return tuple(checks.integer(name, value) for value in sizes)


def per_place(name: str, values: Any, places: Sequence[str]) -> tuple[Any, ...]:
    """Spread one value over all places, or check that there is one for each.

    Example:
        >>> per_place("dropout", 0.5, ["dense 1", "dense 2"])
        (0.5, 0.5)
    """
    values = checks.plain(values)
    if not isinstance(values, list | tuple):
        return (values,) * len(places)
    if len(values) != len(places):
        raise ValueError(
            f"{name} takes one value, or one for each of these {len(places)} places: "
            f"{', '.join(places) or 'none'}; given {len(values)}: "
            f"{checks.shown(values)}."
        )
    return tuple(checks.plain(value) for value in values)


def rates(name: str, values: Any, places: Sequence[str]) -> tuple[float, ...]:
    """Return one drop rate a place, each in [0, 1).

    Example:
        >>> rates("dropout", (0.25, 0.5), ["stage 1", "dense 1"])
        (0.25, 0.5)
    """
    spread = per_place(name, values, places)
    # A single bad rate is refused even where there is no place for it.
    for rate in spread or per_place(name, values, ["nowhere"]):
        try:
            checks.fraction(name, rate)
        except ValueError:
            raise checks.ArgumentTypeError(
                f"{name} must be rates in [0, 1), the share that is dropped; "
                f"given: {checks.shown(values)}."
            ) from None
    return tuple(map(float, spread))
