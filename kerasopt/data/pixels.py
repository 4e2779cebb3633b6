"""What counts as an image, and how its pixels are scaled.

The values decide, never the dtype: a table of 0/1 columns stored as uint8 holds no
pixels, and pixels stored as int64 or float32 still are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = [
    "PIXEL_MAX",
    "add_channel_axis",
    "are_pixels",
    "looks_like_images",
    "pixel_scale",
    "range_of_values",
    "scale_of_new",
]

PIXEL_MAX = 255.0

_LARGEST_NO_PIXEL = 16
"""Masks (0/1), labels and scikit-learn's digits (0..16) aren't 8-bit pixels."""

_SAMPLE = 1000
_SAMPLE_VALUES = 2**24
_SMALLEST_SIDE = 5
_CHANNELS = (1, 3, 4)


def looks_like_images(x: Any) -> bool:
    """Return whether samples have the shape of images: grey, RGB or RGBA.

    Args:
        x: Array, or anything with a ``shape``.

    Example:
        >>> looks_like_images(np.zeros((5, 8, 8, 3))), looks_like_images(np.zeros(5))
        (True, False)
    """
    shape: tuple[int, ...] = getattr(x, "shape", ())
    return len(shape) == 4 and shape[-1] in _CHANNELS


def are_pixels(x: np.ndarray) -> bool:
    """Return whether values are 8-bit pixels: whole, from 0 to 255, beyond 16.

    Integers are all looked at; of floats, at most about a thousand samples.

    Args:
        x: Array of numbers.

    Example:
        >>> are_pixels(np.array([0, 200])), are_pixels(np.array([0.0, 0.5]))
        (True, False)
        >>> are_pixels(np.array([0, 1, 1], "uint8"))
        False
    """
    if x.dtype.kind == "f":
        fewer = max(1, len(x) // _SAMPLE, x.size // _SAMPLE_VALUES)
        x = x[::fewer]
    elif x.dtype.kind not in "ui":
        return False
    if not x.size or not _LARGEST_NO_PIXEL < x.max() <= PIXEL_MAX or x.min() < 0:
        return False
    return x.dtype.kind != "f" or bool((x == np.round(x)).all())


def pixel_scale(x: Any) -> float:
    """Return the number by which samples are divided before training.

    Args:
        x: Samples. An array, `ImageFiles`, or a dict or tuple of arrays.

    Returns:
        255.0 for images of shape (n, height, width, channels) whose values are
        8-bit pixels, whatever their dtype. 1.0 for everything else.

    Example:
        >>> photos = np.full((2, 8, 8, 3), 200)
        >>> pixel_scale(photos), pixel_scale(photos / 255), pixel_scale(photos > 0)
        (255.0, 1.0, 1.0)
    """
    if not looks_like_images(x):
        return 1.0
    if not isinstance(x, np.ndarray):
        # Image files: decoded, they are 8-bit pixels.
        return PIXEL_MAX
    return PIXEL_MAX if are_pixels(x) else 1.0


def scale_of_new(x: Any, trained: float) -> float:
    """Return the number by which new samples are divided before prediction.

    Args:
        x: The samples.
        trained: The `pixel_scale` of the training samples.

    Returns:
        That of the training, or 1.0 for floats that are scaled already: where the
        training divided pixels, none of them is above 1.

    Example:
        >>> photos = np.full((2, 8, 8, 3), 200, "uint8")
        >>> scale_of_new(photos, 255.0), scale_of_new(photos / 255, 255.0)
        (255.0, 1.0)
    """
    if trained == 1.0 or getattr(getattr(x, "dtype", None), "kind", None) != "f":
        return trained
    return 1.0 if x.size and x.max() <= 1.0 else trained


def range_of_values(x: Any, scale: float) -> tuple[float, float] | None:
    """Return between which values images lie, for changes of brightness and the like.

    Args:
        x: Samples.
        scale: Their `pixel_scale`.

    Returns:
        (0, 255) for pixels, (0, 1) for images within it, else the lowest and highest
        value of at most about a thousand images. None for what isn't images.

    Example:
        >>> range_of_values(np.full((2, 8, 8, 1), 0.5), 1.0)
        (0.0, 1.0)
        >>> range_of_values(np.full((2, 8, 8, 1), 200), 255.0)
        (0.0, 255.0)
    """
    if scale == PIXEL_MAX:
        return 0.0, PIXEL_MAX
    if not looks_like_images(x) or not isinstance(x, np.ndarray) or not x.size:
        return None
    some = x[:: max(1, len(x) // _SAMPLE, x.size // _SAMPLE_VALUES)]
    low, high = float(some.min()), float(some.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (min(low, 0.0), high) if high > low else None


def add_channel_axis(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Give grey images of shape (n, height, width) their channel axis.

    The first split decides: integers that are pixels, at least 5 a side. Other
    arrays of rank 3 are series or sequences and stay as they are.

    Args:
        arrays: Samples of each split, the training samples first.

    Example:
        >>> images = np.full((4, 28, 28), 200, "uint8")
        >>> add_channel_axis({"train": images})["train"].shape
        (4, 28, 28, 1)
    """
    first, *_ = arrays.values()
    if not _are_grey_images(first):
        return dict(arrays)
    return {
        split: array[..., np.newaxis] if getattr(array, "ndim", 0) == 3 else array
        for split, array in arrays.items()
    }


def _are_grey_images(x: Any) -> bool:
    return (
        isinstance(x, np.ndarray)
        and x.ndim == 3
        and x.dtype.kind in "ui"
        and min(x.shape[1:]) >= _SMALLEST_SIDE
        and are_pixels(x)
    )
