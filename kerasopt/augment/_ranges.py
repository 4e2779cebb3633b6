"""The range of an image's values: by what the data say, else by the images' type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["checked_images", "on_pixels", "range_of"]


def range_of(images: tf.Tensor, value_range: Any = None) -> tuple[float, float]:
    """Return lowest and highest value: as given, else by the images' type.

    Example:
        >>> range_of(tf.zeros((1, 2, 2, 3)))
        (0.0, 1.0)
    """
    if value_range is not None:
        low, high = value_range
        return float(low), float(high)
    return 0.0, 255.0 if images.dtype.is_integer else 1.0


def on_pixels(
    change: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, value_range: Any
) -> tf.Tensor:
    """Apply a function of pixels in 0..255 to images of any range and type.

    Args:
        change: Function of float32 images.
        images: Batch of images.
        value_range: Lowest and highest value, or None: see `range_of`.

    Returns:
        The changed images, in their range and type.
    """
    low, high = range_of(images, value_range)
    scale = 255.0 / (high - low)
    pixels = tf.cast(images, tf.float32)
    if (low, high) != (0.0, 255.0):  # Else exact as they are.
        pixels = (pixels - low) * scale
    pixels = tf.clip_by_value(tf.cast(change(pixels), tf.float32), 0.0, 255.0)
    if (low, high) != (0.0, 255.0):
        pixels = pixels / scale + low
    if images.dtype.is_integer:
        pixels = tf.round(pixels)
    return tf.ensure_shape(tf.cast(pixels, images.dtype), images.shape)


def checked_images(owner: str, images: Any) -> tf.Tensor:
    """Return a batch of images as a tensor, or refuse what is none."""
    images = tf.convert_to_tensor(images)
    if images.shape.rank != 4:
        raise ValueError(
            f"{owner} needs a batch of images of shape (batch, height, width, "
            f"channels); given: shape {images.shape}. "
            "Add a batch axis to a single image with images[None]."
        )
    return images
