"""Random rectangles of images, brought to the images' own size."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import tensorflow as tf

from kerasopt.augment import _settings
from kerasopt.augment._ranges import checked_images
from kerasopt.augment._resample import resample
from kerasopt.augment._seeds import pair_of

__all__ = ["RandomResizedCrop", "random_resized_crop"]

_ATTEMPTS = 10
"""As many as torchvision makes before it takes the whole picture."""


@dataclasses.dataclass(frozen=True)
class RandomResizedCrop:
    """A random rectangle of each image, resized to the image's size, bilinearly.

    As torchvision's ``RandomResizedCrop``: the share of the area is uniform in `scale`,
    the logarithm of width by height is uniform in that of `ratio`, sides are whole
    pixels, and the place is uniform. Where ten draws don't fit into the image, the
    largest rectangle in its centre with a ratio in the range is taken. The size stays,
    since validation images have it, too.

    Args:
        scale: Smallest and largest share of the area, above 0, at most 1.
        ratio: Smallest and largest width by height, above 0.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> RandomResizedCrop()(tf.zeros((2, 8, 8, 3), tf.uint8), seed=0).shape
        TensorShape([2, 8, 8, 3])

    References:
        - [Szegedy et al., 2015](https://arxiv.org/abs/1409.4842), section 6.
    """

    scale: tuple[float, float] = (0.08, 1.0)
    _: dataclasses.KW_ONLY
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        for name, highest in (("scale", 1.0), ("ratio", math.inf)):
            ends = _settings.pair(name, getattr(self, name), highest=highest)
            if ends[0] <= 0:
                raise ValueError(
                    f"{name}={ends} is not accepted; its lowest must be above 0."
                )
            object.__setattr__(self, name, ends)

    def __call__(self, images: Any, seed: Any) -> tf.Tensor:
        """Return the crops: same shape, same dtype.

        Args:
            images: Batch (batch, height, width, channels), any real type; integers are
                rounded.
            seed: Two integers, shape (2,), or one. The same seed gives the same result.

        Raises:
            ValueError: if `images` isn't a batch of images.
        """
        images = checked_images("random_resized_crop", images)
        batch, height, width = tf.unstack(tf.shape(images)[:3])
        top, left, rows, columns = self.boxes(batch, height, width, seed)
        across = columns / tf.cast(width, tf.float32)
        down = rows / tf.cast(height, tf.float32)
        zero = tf.zeros_like(across)
        # Centres of pixels lie at halves: the corners of box and image correspond.
        matrices = tf.stack(
            [
                *(across, zero, left + (across - 1) / 2),
                *(zero, down, top + (down - 1) / 2),
                *(zero, zero),
            ],
            axis=-1,
        )
        result = resample(images, matrices, "nearest", 0.0)
        return tf.ensure_shape(result, images.shape)

    def boxes(
        self, batch_size: Any, height: Any, width: Any, seed: Any
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Draw one rectangle for each image.

        Args:
            batch_size: Number of images.
            height: Rows of an image.
            width: Columns of an image.
            seed: Shape (2,), or one integer.

        Returns:
            First row, first column, rows and columns, whole numbers as float32 of shape
            (batch_size,).
        """
        height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
        u = tf.random.stateless_uniform(
            (4, _ATTEMPTS, batch_size), pair_of(seed), alg="philox"
        )
        area = height * width * _between(u[0], *self.scale)
        low, high = self.ratio
        ratio = tf.exp(_between(u[1], math.log(low), math.log(high)))
        columns, rows = tf.round(tf.sqrt(area * ratio)), tf.round(tf.sqrt(area / ratio))
        fits = (columns > 0) & (columns <= width) & (rows > 0) & (rows <= height)
        first = tf.argmax(fits, axis=0)
        rows, columns, u_top, u_left = (
            tf.gather(tf.transpose(each), first, batch_dims=1)
            for each in (rows, columns, u[2], u[3])
        )
        top = tf.floor(u_top * (height - rows + 1))
        left = tf.floor(u_left * (width - columns + 1))
        found = tf.reduce_any(fits, axis=0)
        drawn = top, left, rows, columns
        whole = _central(height, width, low, high)
        top, left, rows, columns = (
            tf.where(found, one, other) for one, other in zip(drawn, whole, strict=True)
        )
        return top, left, rows, columns

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build an equal object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RandomResizedCrop:
        """Build the object that `get_config` described."""
        return cls(**config)


def random_resized_crop(
    scale: tuple[float, float] = (0.08, 1.0),
    *,
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> RandomResizedCrop:
    """Return a `RandomResizedCrop`: a random rectangle, resized to the image's size.

    Args:
        scale: Smallest and largest share of the area.
        ratio: Smallest and largest width by height.

    Returns:
        A fresh `RandomResizedCrop`.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> random_resized_crop((0.5, 1.0)).scale
        (0.5, 1.0)

    References:
        - [Szegedy et al., 2015](https://arxiv.org/abs/1409.4842), section 6.
    """
    return RandomResizedCrop(scale, ratio=ratio)


def _between(u: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return low + u * (high - low)


def _central(
    height: tf.Tensor, width: tf.Tensor, low: float, high: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the largest central rectangle with a ratio in the range."""
    columns = tf.minimum(width, tf.round(height * high))
    rows = tf.minimum(height, tf.round(width / low))
    top = tf.math.floordiv(height - rows, 2.0)
    left = tf.math.floordiv(width - columns, 2.0)
    return top, left, rows, columns
