"""Samples as a model sees them: pixels divided, by what the data's values say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from kerasopt.data.pixels import looks_like_images
from kerasopt.data.structure import map_leaves

__all__ = ["scale", "scale_all", "some_samples"]

SAMPLES_TO_ADAPT, LEAST_TO_ADAPT = 5000, 100
"""Enough for statistics of pixels; airbench94 whitens with as many."""
ADAPTING_NUMBERS = 2**25
"""Of large samples fewer, that together have so many numbers (128 MiB)."""


def scale(samples: Any, pixel_scale: float | None = None) -> tf.Tensor:
    """Return samples as the model sees them: pixels as float32 in [0, 1].

    Args:
        samples: Numbers of any dtype.
        pixel_scale: What `kerasopt.data.pixel_scale` says of the data: 255.0 divides
            by 255. With 1.0 integers of 16 bits or more stay integers, unless they
            are images; all else becomes float32. None divides uint8 alone.

    Example:
        >>> scale(np.array([0, 255], "uint8")).numpy().tolist()
        [0.0, 1.0]
        >>> scale(np.array([0, 1], "uint8"), pixel_scale=1.0).numpy().tolist()
        [0.0, 1.0]
        >>> scale(np.array([0, 255]), pixel_scale=255.0).numpy().tolist()
        [0.0, 1.0]
    """
    samples = tf.convert_to_tensor(samples)
    if samples.dtype == tf.string:
        return samples
    if pixel_scale is None:
        pixel_scale = 255.0 if samples.dtype == tf.uint8 else 1.0
    elif pixel_scale == 1 and _stays_integer(samples):
        return samples
    floats = tf.cast(samples, tf.float32)
    return floats / pixel_scale if pixel_scale != 1 else floats


def _stays_integer(samples: tf.Tensor) -> bool:
    """Return whether samples are indices or counts; images never are."""
    return (
        samples.dtype.is_integer
        and samples.dtype.size > 1
        and not looks_like_images(samples)
    )


def some_samples(x: Any, *, pixel_scale: float | None = None) -> Any:
    """Return what layers adapt to: the first samples, as the model will see them.

    Args:
        x: Samples, an array or `kerasopt.data.image_files.ImageFiles`.
        pixel_scale: As for `scale`.

    Example:
        >>> some_samples(np.full((6000, 2), 255, "uint8")).shape
        (5000, 2)
    """

    def some(array: Any) -> np.ndarray:
        of_large = ADAPTING_NUMBERS // max(1, math.prod(array.shape[1:]))
        count = min(SAMPLES_TO_ADAPT, max(LEAST_TO_ADAPT, of_large))
        return scale(array[:count], pixel_scale).numpy()

    return map_leaves(some, x)


def scale_all(samples: Any, pixel_scale: float | None = None) -> Any:
    """Apply `scale` to each of several inputs."""
    return map_leaves(lambda array: scale(array, pixel_scale), samples)
