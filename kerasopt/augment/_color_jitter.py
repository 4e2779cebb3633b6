"""Random brightness, contrast, saturation and gamma."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from kerasopt.augment import _settings
from kerasopt.augment._ranges import checked_images, on_pixels
from kerasopt.augment._seeds import pair_of

__all__ = ["ColorJitter", "color_jitter"]

MOST_GAMMA = 4.0

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R 601-2), as in Pillow and torchvision."""


@dataclasses.dataclass(frozen=True)
class ColorJitter:
    r"""Random brightness, contrast, saturation and gamma of each image.

    Each image draws factors :math:`b, c, s`, uniform on :math:`[1 - B, 1 + B]` and so
    on, and an exponent :math:`\gamma`, whose logarithm is uniform between those of
    :math:`1 / (1 + G)` and :math:`1 + G`. A value :math:`v` in 0..1 becomes, in this
    order and cut off at 0 and 1 each time,

    .. math::
        b\,v, \qquad m + c\,(v - m), \qquad g + s\,(v - g), \qquad v^\gamma,

    where :math:`g` is the grey value of its pixel, ``0.299 R + 0.587 G + 0.114 B``, and
    :math:`m` the mean grey value of its image. Saturation takes images of three
    channels and leaves others as they are; their contrast is about the mean of all
    values. The first three are Pillow's ``ImageEnhance.Brightness``, ``Contrast`` and
    ``Color``.

    Args:
        brightness: :math:`B`, in [0, 1]; 0 for none.
        contrast: :math:`C`, in [0, 1].
        saturation: :math:`S`, in [0, 1].
        gamma: :math:`G`, from 0 to 4.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> jitter = ColorJitter(0.5, contrast=0, saturation=0)
        >>> values = jitter(tf.fill((3, 1, 1, 1), 0.5), seed=0)
        >>> bool(tf.reduce_all((values >= 0.25) & (values <= 0.75)))
        True

    References:
        - [Krizhevsky, Sutskever and Hinton, 2012](
          https://papers.nips.cc/paper/4824), section 4.1: altered intensities.
        - [Isensee et al., 2021](https://doi.org/10.1038/s41592-020-01008-z):
          brightness, contrast and gamma of medical images.
    """

    brightness: float = 0.2
    _: dataclasses.KW_ONLY
    contrast: float = 0.2
    saturation: float = 0.2
    gamma: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            object.__setattr__(self, name, _settings.share(name, getattr(self, name)))
        gamma = _settings.number("gamma", self.gamma, highest=MOST_GAMMA)
        object.__setattr__(self, "gamma", gamma)

    def __call__(self, images: Any, seed: Any, *, value_range: Any = None) -> tf.Tensor:
        """Return the changed images: same shape, same dtype.

        Args:
            images: Batch (batch, height, width, channels), any real type.
            seed: Two integers, shape (2,), or one. The same seed gives the same result.
            value_range: Lowest and highest value; the result stays in it. By default
                (0, 255) for integers and (0, 1) for floats.

        Raises:
            ValueError: if `images` isn't a batch of images.
        """
        images = checked_images("color_jitter", images)
        # All are drawn whatever the settings, so that switching one on leaves the
        # others' draws as they were.
        shape = (4, tf.shape(images)[0], 1, 1, 1)
        u = 2 * tf.random.stateless_uniform(shape, pair_of(seed), alg="philox") - 1

        def changed(pixels: tf.Tensor) -> tf.Tensor:
            if self.brightness:
                pixels = _blended(pixels, 0.0, 1 + self.brightness * u[0])
            if self.contrast:
                mean = tf.reduce_mean(_grey(pixels), (1, 2, 3), keepdims=True)
                pixels = _blended(pixels, mean, 1 + self.contrast * u[1])
            if self.saturation and pixels.shape[-1] == 3:
                pixels = _blended(pixels, _grey(pixels), 1 + self.saturation * u[2])
            if self.gamma:
                exponent = tf.pow(1 + self.gamma, u[3])
                pixels = 255.0 * tf.pow(pixels / 255.0, exponent)
            return pixels

        return on_pixels(changed, images, value_range)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build an equal object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ColorJitter:
        """Build the object that `get_config` described."""
        return cls(**config)


def color_jitter(
    brightness: float = 0.2,
    *,
    contrast: float = 0.2,
    saturation: float = 0.2,
    gamma: float = 0.0,
) -> ColorJitter:
    """Return a `ColorJitter`: random brightness, contrast, saturation and gamma.

    Args:
        brightness: Largest change of the factor 1 of all values, in [0, 1]; 0 for none.
        contrast: The same of distances from the image's mean grey value.
        saturation: The same of distances from a pixel's grey value.
        gamma: Exponents are drawn from ``1 / (1 + gamma)`` to ``1 + gamma``; at most 4.

    Returns:
        A fresh `ColorJitter`.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> color_jitter(0.4)
        ColorJitter(brightness=0.4, contrast=0.2, saturation=0.2, gamma=0.0)

    References:
        - [Krizhevsky, Sutskever and Hinton, 2012](
          https://papers.nips.cc/paper/4824), section 4.1.
    """
    return ColorJitter(
        brightness, contrast=contrast, saturation=saturation, gamma=gamma
    )


def _grey(pixels: tf.Tensor) -> tf.Tensor:
    """Return grey values, with one channel; other images than RGB as they are."""
    if pixels.shape[-1] != 3:
        return pixels
    return tf.reduce_sum(pixels * tf.constant(_LUMA), axis=-1, keepdims=True)


def _blended(pixels: tf.Tensor, other: Any, factor: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(other + factor * (pixels - other), 0.0, 255.0)
