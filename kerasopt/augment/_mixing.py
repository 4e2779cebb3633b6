"""Mixup and cutmix: images mixed in pairs, and their labels in the same shares."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar

import keras
import tensorflow as tf

from kerasopt import checks
from kerasopt.augment import _settings
from kerasopt.augment._ranges import checked_images
from kerasopt.augment._seeds import following, made_once, pair_of

__all__ = [
    "CutMix",
    "MixUp",
    "Mixed",
    "cutmix",
    "mix_labels",
    "mixed_by_layer",
    "mixup",
]


LEAST = 0.05
"""Of a smaller alpha float32 has no shares: Keras takes both for equal, and mixes."""


@dataclasses.dataclass(frozen=True)
class Mixed:
    """A mixed batch, and what its labels follow.

    Attributes:
        samples: The mixed samples, float32.
        partner: Row of the sample that each one was mixed with, shape (batch,).
        share: Share of the sample itself, in [0, 1], shape (batch,). The partner has
            the rest.
    """

    samples: tf.Tensor
    partner: tf.Tensor
    share: tf.Tensor


@dataclasses.dataclass(frozen=True)
class MixUp:
    r"""Mean of two samples, weighted at random, and of their labels.

    Each sample :math:`x_i` with label :math:`y_i` gets a partner :math:`j` of its batch
    and a share :math:`\lambda`, drawn from the distribution
    :math:`\mathrm{Beta}(\alpha, \alpha)`, and becomes

    .. math::
        \lambda x_i + (1 - \lambda) x_j, \qquad \lambda y_i + (1 - \lambda) y_j.

    `keras.layers.MixUp` mixes. Samples are images, or arrays of numbers of any shape.

    Args:
        alpha: :math:`\alpha`, at least 0.05. Below 1 most shares are near 0 or 1.

    Raises:
        ValueError: if `alpha` isn't a number of at least 0.05.

    Example:
        >>> mixed = MixUp(alpha=1.0).mix(tf.constant([[0.0], [1.0]]), seed=[0, 0])
        >>> mixed.samples.shape, mixed.share.shape
        (TensorShape([2, 1]), TensorShape([2]))

    References:
        - [Zhang et al., 2018](https://arxiv.org/abs/1710.09412)
    """

    alpha: float = 0.2
    mixes_labels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "alpha", _settings.number("alpha", self.alpha, least=LEAST)
        )

    def mix(self, samples: Any, seed: Any) -> Mixed:
        """Mix a batch.

        Args:
            samples: Shape (batch, ...), of any real type.
            seed: Two integers, shape (2,), or one. The same seed gives the same result.
        """
        samples = tf.cast(samples, tf.float32)
        # Keras's layer knows images alone.
        flat = tf.reshape(samples, (tf.shape(samples)[0], -1, 1, 1))
        mixed = mixed_by_layer(self._layer, flat, seed)
        images = tf.reshape(mixed.samples, tf.shape(samples))
        images = tf.ensure_shape(images, samples.shape)
        return dataclasses.replace(mixed, samples=images)

    @functools.cached_property
    def _layer(self) -> keras.layers.Layer:
        with made_once():
            return keras.layers.MixUp(self.alpha, dtype="float32")

    def __call__(self, samples: Any, seed: Any) -> tf.Tensor:
        """Return the mixed samples alone, float32."""
        return self.mix(samples, seed).samples

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build an equal object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MixUp:
        """Build the object that `get_config` described."""
        return cls(**config)


@dataclasses.dataclass(frozen=True)
class CutMix:
    r"""A rectangle of each image replaced by that of another; labels by their area.

    Each image gets a partner of its batch and a rectangle inside the image. Its share
    of the area is :math:`1 - \lambda` with :math:`\lambda` drawn from the distribution
    :math:`\mathrm{Beta}(\alpha, \alpha)`. The rectangle is copied from the partner, and
    the partner's label counts by the rectangle's share of the pixels.

    `keras.layers.CutMix` mixes; labels follow the pixels that it replaced.

    Args:
        alpha: :math:`\alpha`, from 0.05 to 1. With 1 all areas are equally likely.

    Raises:
        ValueError: if `alpha` is out of range.

    Example:
        >>> images = tf.reshape(tf.constant([0.0, 1.0]), (2, 1, 1, 1))
        >>> images = tf.tile(images, (1, 8, 8, 3))
        >>> CutMix()(images, seed=[0, 0]).shape
        TensorShape([2, 8, 8, 3])

    References:
        - [Yun et al., 2019](https://arxiv.org/abs/1905.04899)
    """

    alpha: float = 1.0
    mixes_labels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        alpha = _settings.number("alpha", self.alpha, least=LEAST, highest=1.0)
        object.__setattr__(self, "alpha", alpha)

    def mix(self, samples: Any, seed: Any) -> Mixed:
        """Mix a batch.

        Args:
            samples: Batch (batch, height, width, channels), of any real type.
            seed: Two integers, shape (2,), or one. The same seed gives the same result.

        Raises:
            ValueError: if `samples` isn't a batch of images.
        """
        images = tf.cast(checked_images("cutmix", samples), tf.float32)
        return mixed_by_layer(self._layer, images, seed)

    @functools.cached_property
    def _layer(self) -> keras.layers.Layer:
        with made_once():
            # Keras draws alpha itself, between two ends.
            return keras.layers.CutMix((self.alpha, self.alpha), dtype="float32")

    def __call__(self, samples: Any, seed: Any) -> tf.Tensor:
        """Return the mixed images alone, float32."""
        return self.mix(samples, seed).samples

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build an equal object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CutMix:
        """Build the object that `get_config` described."""
        return cls(**config)


def mixup(alpha: float = 0.2) -> MixUp:
    """Return a `MixUp`: the mean of two samples, and of their labels.

    Args:
        alpha: At least 0.05. The share of a sample has the distribution
            Beta(alpha, alpha).

    Returns:
        A fresh `MixUp`.

    Raises:
        ValueError: if `alpha` isn't a number of at least 0.05.

    Example:
        >>> mixup(alpha=0.4)
        MixUp(alpha=0.4)

    References:
        - [Zhang et al., 2018](https://arxiv.org/abs/1710.09412)
    """
    return MixUp(alpha)


def cutmix(alpha: float = 1.0) -> CutMix:
    """Return a `CutMix`: a rectangle of another image, and as much of its label.

    Args:
        alpha: From 0.05 to 1. The share of an image has the distribution
            Beta(alpha, alpha).

    Returns:
        A fresh `CutMix`.

    Raises:
        ValueError: if `alpha` is out of range.

    Example:
        >>> cutmix()
        CutMix(alpha=1.0)

    References:
        - [Yun et al., 2019](https://arxiv.org/abs/1905.04899)
    """
    return CutMix(alpha)


def mix_labels(
    mixed: Mixed, labels: Any, weights: Any = None, *, by_weight: bool = True
) -> tuple[tf.Tensor, tf.Tensor | None]:
    r"""Mix labels, and sample weights, as a batch was mixed.

    The mixed weight is :math:`w = \lambda w_i + (1 - \lambda) w_j` and the mixed label
    :math:`(\lambda w_i y_i + (1 - \lambda) w_j y_j) / w`. A loss that is linear in the
    labels, as cross-entropies are, is then the mean of both samples' weighted losses. A
    sample of weight 0 has no say.

    Args:
        mixed: What `MixUp.mix` or `CutMix.mix` returned.
        labels: One-hot or soft rows, 0 or 1 or shares of it, or numbers: shape
            (batch,) or (batch, k).
        weights: Weight of each sample, shape (batch,), or None.
        by_weight: Whether a label counts by its sample's weight. False for numbers,
            whose mean must stay that of the mixed samples.

    Returns:
        Labels, float32, and weights, float32 or None.

    Example:
        >>> share = tf.constant([0.75, 0.5])
        >>> mixed = Mixed(tf.zeros((2, 1)), tf.constant([1, 0]), share)
        >>> mix_labels(mixed, tf.constant([0.0, 1.0]))[0].numpy().tolist()
        [0.25, 0.5]
    """
    checks.instance("mixed", mixed, Mixed, "what MixUp.mix or CutMix.mix returns")
    labels = tf.convert_to_tensor(labels)
    if labels.dtype == tf.string:
        raise ValueError("labels must be numbers; given: texts.")
    labels = tf.cast(labels, tf.float32)
    if not (
        labels.shape.rank and labels.shape[:1].is_compatible_with(mixed.share.shape)
    ):
        raise ValueError(
            f"labels must have a row for each of the {mixed.share.shape[0]} samples; "
            f"given: shape {tuple(labels.shape)}."
        )
    own, other = mixed.share, 1.0 - mixed.share
    if weights is not None:
        weights = tf.cast(weights, tf.float32)
        heavy, light = own * weights, other * tf.gather(weights, mixed.partner)
        weights = heavy + light
        if by_weight:
            own = tf.where(weights > 0, heavy / tf.maximum(weights, _TINY), own)
            other = 1.0 - own
    column = [-1, *[1] * (len(labels.shape) - 1)]
    return (
        tf.reshape(own, column) * labels
        + tf.reshape(other, column) * tf.gather(labels, mixed.partner),
        weights,
    )


_TINY = 1e-30
"""Keeps a weight of 0 from dividing 0; it counts nothing."""


def mixed_by_layer(layer: Any, images: tf.Tensor, seed: Any) -> Mixed:
    """Mix images by Keras's layer, which tells how it does by its transformation.

    Args:
        layer: A `keras.layers.MixUp` or `keras.layers.CutMix`.
        images: float32 (batch, height, width, channels).
        seed: Two integers, shape (2,), or one.

    Example:
        >>> layer = keras.layers.MixUp(0.2, dtype="float32")
        >>> mixed_by_layer(layer, tf.zeros((2, 4, 4, 3)), seed=0).partner.shape
        TensorShape([2])
    """
    with following(layer, pair_of(seed)):
        how = layer.get_random_transformation(images, training=True)
    share = tf.cast(how["mix_weight"], tf.float32)
    if "batch_masks" in how:
        # Keras counts fractions of pixels that its mask doesn't have.
        replaced = tf.cast(how["batch_masks"], tf.float32)
        share = 1.0 - tf.reduce_mean(replaced, axis=(1, 2, 3))
    how = {**how, "mix_weight": share}
    mixed = layer.transform_images(images, how, training=True)
    return Mixed(tf.ensure_shape(mixed, images.shape), how["permutation_order"], share)
