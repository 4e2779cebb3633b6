"""Images inside a page, and which samples are images."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["TrainingExamples", "are_images", "data_addresses", "is_image_shape"]

IMAGE_CHANNELS = (1, 3)


class TrainingExamples(NamedTuple):
    """Training images as the model is handed them.

    Attributes:
        images: Shape (m, height, width, 1 or 3), uint8.
        labels: Their m labels as text.
        value_range: The lowest and the highest value that the model is handed.
    """

    images: np.ndarray
    labels: Sequence[str]
    value_range: tuple[float, float]


def is_image_shape(shape: Any) -> bool:
    """Return whether a sample of this shape is an image: (height, width, 1 or 3).

    Example:
        >>> is_image_shape((32, 32, 3)), is_image_shape((32, 8)), is_image_shape({})
        (True, False, False)
    """
    is_one = isinstance(shape, tuple | list) and len(shape) == 3
    return is_one and shape[-1] in IMAGE_CHANNELS


def are_images(samples: Any) -> bool:
    """Return whether samples can be shown as pictures.

    Example:
        >>> are_images(np.zeros((5, 8, 8, 1))), are_images(np.zeros((5, 8)))
        (True, False)
    """
    shape = np.shape(samples)
    return len(shape) == 3 or is_image_shape(shape[1:])


def data_addresses(images: Any) -> list[str]:
    """Return the address of each image, which holds the image itself.

    Args:
        images: Shape (m, height, width), (m, height, width, 1) or (m, height, width,
            3), uint8 or float.

    Example:
        >>> data_addresses(np.zeros((1, 2, 2), "uint8"))[0][:22]
        'data:image/png;base64,'
    """
    return [_png(image) for image in _as_bytes(np.asarray(images))]


def _as_bytes(images: np.ndarray) -> np.ndarray:
    if images.shape[-1] == 1 and images.ndim == 4:
        images = images[..., 0]
    if images.dtype == np.uint8 or not images.size:
        return images.astype(np.uint8)
    values = np.nan_to_num(images.astype(np.float64))
    low, high = min(values.min(), 0.0), max(values.max(), 1.0)
    return np.round((values - low) / (high - low) * 255).astype(np.uint8)


def _png(image: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
