"""Samples on one scale: in training and validation, and as the model takes them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import augment
from kerasopt.data import pipeline
from kerasopt.data.pixels import PIXEL_MAX
from kerasopt.data.stream_batches import reason_of
from kerasopt.training.batches import Feed
from kerasopt.training.head import pixel_factor, takes_pixels
from kerasopt.training.spec import TrainingSettings

__all__ = ["SHOWN", "check_augmentation", "choose_scale"]

SAMPLES = 8
"""Samples that are compared with and without augmentation."""

SHOWN = 12
"""So many augmented samples are kept to be shown."""

MOST_STRETCH = 10.0
"""An augmentation that stretches the values by more changes their scale."""

MOST_SPREAD = 1.8
"""The same of their standard deviation, where values leave their range, too."""


def choose_scale(model: keras.Model, feed: Feed) -> None:
    """Hand a model that scales pixels itself the pixels as they are.

    Args:
        model: A built model.
        feed: The data.

    Raises:
        ValueError: if the model would scale what is within 0..1 already.
    """
    if takes_pixels(model):
        feed.pixel_scale = 1.0
    factor = pixel_factor(model)
    if factor is None or factor > 0.1 or feed.value_range is None:
        return
    _, high = feed.value_range
    if high <= 1:
        raise ValueError(
            f"The model begins by multiplying its input by {factor:.3g}, as for pixels "
            f"in 0..255, but the images are within 0..{high:g}: they would be scaled "
            "twice. Give images of 0..255, or leave the layer out of the model."
        )


def check_augmentation(
    augmentation: Any, feed: Feed, settings: TrainingSettings, *, key: str | None = None
) -> Any:
    """Refuse an augmentation that scales, or takes another scale than the data have.

    Validation batches aren't augmented, so both must have values in one range.

    Args:
        augmentation: What `kerasopt.augment.apply` takes, or None.
        feed: The data.
        settings: Of the training.
        key: Stands for the augmentation, if the training shall use the same stream.

    Returns:
        A few augmented samples with what belongs to them, as a step takes them; None
        without augmentation.

    Raises:
        ValueError: if it fails, changes the samples' shape, or their range.
    """
    if augmentation is None:
        return None
    _check_layers(augmentation, feed.value_range)
    plain, *_ = feed.some(SAMPLES)
    shape = keras.tree.map_structure(lambda each: tuple(each.shape[1:]), plain)
    try:
        source: Any = feed.training(settings, augmentation=augmentation, key=key)
        source.begin(0)
        batch = next(source.iterator)
        source.close()
    except Exception as error:  # Of the user's function, or of TensorFlow.
        raise ValueError(
            f"The augmentation {augmentation!r} fails on samples of shape {shape}: "
            f"{reason_of(error)} Choose one for this kind of input."
        ) from error
    parts = pipeline.parts_of(*keras.utils.unpack_x_y_sample_weight(batch))
    augmented, *_ = parts
    after = keras.tree.map_structure(lambda each: tuple(each.shape[1:]), augmented)
    if after != shape:
        raise ValueError(
            f"The augmentation {augmentation!r} turns samples of shape {shape} into "
            f"samples of shape {after}: it must keep their shape."
        )
    _refuse_weights(augmentation)
    if not isinstance(plain, (dict, tuple)):
        _check_values(augmentation, np.asarray(plain), np.asarray(augmented))
    return keras.tree.map_structure(lambda each: each[:SHOWN], parts)


def _check_values(augmentation: Any, plain: np.ndarray, augmented: np.ndarray) -> None:
    """Compare the values of batches with and without augmentation."""
    plain, augmented = plain.astype("float64"), augmented.astype("float64")
    before, after = (
        max(float(np.abs(each).max()), 1e-6) for each in (plain, augmented)
    )
    low, high = float(plain.min()), float(plain.max())
    leaves = augmented.min() < low - (high - low) / 2
    spreads = augmented.std() > MOST_SPREAD * plain.std()
    if 1 / MOST_STRETCH <= after / before <= MOST_STRETCH and not (leaves and spreads):
        return
    raise ValueError(
        f"With the augmentation {augmentation!r} the training samples reach from "
        f"{augmented.min():.3g} to {augmented.max():.3g}, without it (as in "
        f"validation) from {low:.3g} to {high:.3g}: it scales the samples, or is made "
        "for another range. Scale in the model or in the data, and give layers such as "
        "RandomBrightness value_range=(0, 1) or (0, 255) as the samples have it."
    )


def _refuse_weights(augmentation: Any) -> None:
    """Refuse layers that would learn, which nothing trains in the input pipeline."""
    for layer in augment.layers_of(augmentation):
        if layer.trainable_weights:
            raise ValueError(
                f"The augmentation has the layer {layer.name!r} with weights that no "
                "training changes there: put it into the model."
            )


def _check_layers(augmentation: Any, value_range: tuple[float, float] | None) -> None:
    """Refuse Keras's layers that are set for another range than the images have.

    Some of them change few images, so that a batch may not show it.
    """
    if value_range is None:
        return
    _, high = value_range
    for layer in augment.layers_of(augmentation):
        set_for = getattr(layer, "value_range", None)
        if set_for is None or 1 / MOST_STRETCH < set_for[1] / high < MOST_STRETCH:
            continue
        raise ValueError(
            f"The augmentation's layer {type(layer).__name__} is set for values in "
            f"{tuple(set_for)}, but the images reach {high:g}. Give it value_range="
            f"(0, {high:g}); augmentation comes before pixels are divided."
        )
    for step in augment.steps(augmentation):
        brightness = getattr(step, "brightness_range", None)
        if brightness is not None and high < PIXEL_MAX / MOST_STRETCH:
            raise ValueError(
                f"ImageDataGenerator's brightness_range={brightness} takes images of "
                f"0..255 and makes those within 0..{high:g} black. Give images of "
                "0..255, or use ko.augment.crop(brightness=…)."
            )
