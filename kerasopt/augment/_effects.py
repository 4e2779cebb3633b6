"""Noise and erased rectangles, by Keras's layers, on images of any range."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import keras
import tensorflow as tf

from kerasopt.augment import _settings
from kerasopt.augment._ranges import checked_images, on_pixels
from kerasopt.augment._seeds import following, made_once

__all__ = ["Noise", "RandomErasing", "noise", "random_erasing"]


@dataclasses.dataclass(frozen=True)
class Noise:
    """Gaussian noise on each value of an image, by `keras.layers.GaussianNoise`.

    Args:
        stddev: Standard deviation, as a share of the range of the images' values, in
            [0, 1].

    Raises:
        ValueError: if `stddev` is out of range.

    Example:
        >>> Noise(0.1)(tf.fill((1, 2, 2, 1), 0.5), seed=0).shape
        TensorShape([1, 2, 2, 1])
    """

    stddev: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "stddev", _settings.share("stddev", self.stddev))

    def __call__(self, images: Any, seed: Any, *, value_range: Any = None) -> tf.Tensor:
        """Return noisy images: same shape, same dtype.

        Args:
            images: Batch (batch, height, width, channels), any real type.
            seed: Two integers, shape (2,), or one. The same seed gives the same result.
            value_range: Lowest and highest value; the result stays in it. By default
                (0, 255) for integers and (0, 1) for floats.

        Raises:
            ValueError: if `images` isn't a batch of images.
        """

        def noisy(pixels: tf.Tensor) -> tf.Tensor:
            # Keras's deviation is at most 1.
            with following(self._layer, seed):
                return self._layer(pixels / 255.0, training=True) * 255.0

        return on_pixels(noisy, checked_images("noise", images), value_range)

    @functools.cached_property
    def _layer(self) -> keras.layers.Layer:
        with made_once():
            return keras.layers.GaussianNoise(self.stddev, dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build an equal object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Noise:
        """Build the object that `get_config` described."""
        return cls(**config)


@dataclasses.dataclass(frozen=True)
class RandomErasing:
    """A rectangle of some images is painted over, by `keras.layers.RandomErasing`.

    Args:
        probability: Share of the images that lose a rectangle, in [0, 1].
        scale: Smallest and largest share of the image's area, in [0, 1].
        fill_value: What the rectangle is filled with, as a share of the range of the
            images' values in [0, 1]. None draws each value from a normal distribution,
            cut off at the range's ends.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> erased = RandomErasing(1.0, fill_value=0.0)(tf.ones((1, 8, 8, 1)), seed=0)
        >>> bool(tf.reduce_any(erased == 0))
        True

    References:
        - [Zhong et al., 2017](https://arxiv.org/abs/1708.04896)
    """

    probability: float = 0.5
    _: dataclasses.KW_ONLY
    scale: tuple[float, float] = (0.02, 0.33)
    fill_value: float | None = None

    def __post_init__(self) -> None:
        probability = _settings.share("probability", self.probability)
        object.__setattr__(self, "probability", probability)
        scale = _settings.pair("scale", self.scale, highest=1.0)
        object.__setattr__(self, "scale", scale)
        if self.fill_value is not None:
            filled = _settings.share("fill_value", self.fill_value)
            object.__setattr__(self, "fill_value", filled)

    def __call__(self, images: Any, seed: Any, *, value_range: Any = None) -> tf.Tensor:
        """Return the images with rectangles painted over: same shape, same dtype.

        Args:
            images: Batch (batch, height, width, channels), any real type.
            seed: Two integers, shape (2,), or one. The same seed gives the same result.
            value_range: Lowest and highest value. By default (0, 255) for integers and
                (0, 1) for floats.

        Raises:
            ValueError: if `images` isn't a batch of images.
        """
        images = checked_images("random_erasing", images)

        def erased(pixels: tf.Tensor) -> tf.Tensor:
            with following(self._layer, seed):
                return self._layer(pixels, training=True)

        return on_pixels(erased, images, value_range)

    @functools.cached_property
    def _layer(self) -> keras.layers.Layer:
        with made_once():
            return keras.layers.RandomErasing(
                # Keras draws the probability itself, between two ends.
                factor=(self.probability, self.probability),
                scale=self.scale,
                fill_value=None if self.fill_value is None else 255.0 * self.fill_value,
                dtype="float32",
            )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build an equal object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RandomErasing:
        """Build the object that `get_config` described."""
        return cls(**config)


def noise(stddev: float = 0.05) -> Noise:
    """Return a `Noise`: Gaussian noise on each value.

    Args:
        stddev: Standard deviation, as a share of the range of the images' values, in
            [0, 1].

    Returns:
        A fresh `Noise`.

    Raises:
        ValueError: if `stddev` is out of range.

    Example:
        >>> noise(0.1)
        Noise(stddev=0.1)
    """
    return Noise(stddev)


def random_erasing(
    probability: float = 0.5,
    *,
    scale: tuple[float, float] = (0.02, 0.33),
    fill_value: float | None = None,
) -> RandomErasing:
    """Return a `RandomErasing`: a rectangle of some images is painted over.

    Args:
        probability: Share of the images that lose a rectangle, in [0, 1].
        scale: Smallest and largest share of the image's area.
        fill_value: Share of the range of the images' values, or None for noise.

    Returns:
        A fresh `RandomErasing`.

    Raises:
        ValueError: if a setting is out of range.

    Example:
        >>> random_erasing(0.25).probability
        0.25

    References:
        - [Zhong et al., 2017](https://arxiv.org/abs/1708.04896)
    """
    return RandomErasing(probability, scale=scale, fill_value=fill_value)
