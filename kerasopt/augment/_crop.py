"""Shift, mirror, colour and cutout: the augmentation of fast CIFAR-10 recipes."""

from __future__ import annotations

import dataclasses
from numbers import Integral
from typing import Any

import tensorflow as tf

from kerasopt import checks
from kerasopt.augment import _settings
from kerasopt.augment._ranges import range_of
from kerasopt.augment._seeds import pair_of

__all__ = ["Crop", "crop"]

_FLIPS = (None, "random", "alternating")


@dataclasses.dataclass(frozen=True)
class Crop:
    r"""Random shift by whole pixels, flip, brightness, contrast and cutout of images.

    Each image draws its own shifts :math:`s, t`, uniform on the whole numbers
    from :math:`-p` to :math:`p` (`padding`), and a flip. Output row :math:`r` and
    column :math:`c` are then a plain copy of the input pixel

    .. math::
        \left(\rho_H(r + s),\; \rho_W(c' + t)\right), \qquad
        c' = W - 1 - c \text{ if flipped, else } c,

    where :math:`\rho` reflects positions beyond the border about the border
    pixel: a random crop of the image padded by ``np.pad(mode="reflect")``.
    Unless `brightness` or `contrast` is set, pixels are moved, never computed with, so
    values stay exact in any type. With them each image also draws a shift
    :math:`b \in [-B, B]` and a factor :math:`f \in [1 - C, 1 + C]`, uniformly, and a
    value :math:`v` becomes :math:`m + f (v - m) + b`, where :math:`m` is the mean of
    its channel in the image: Keras's ``RandomContrast`` and ``RandomBrightness``.

    Args:
        padding: Largest shift either way, in pixels; 0 for none. It must be
            smaller than the images.
        flip: ``"random"`` flips half of the images, drawn anew each time.
            ``"alternating"`` draws once a run whether an image is flipped in
            epoch 0 and mirrors it from epoch to epoch, so that any two
            successive epochs show both sides of each image. None (or False):
            no flips.
        cutout: Side, in pixels, of one square in each image that is painted
            over with the image's own mean colour; 0 for none. Its centre is
            uniform over the image, and what lies beyond the border is lost.
            (The paper's grey, zero after standardisation, is the data set's
            mean. The image's own mean is as neutral, but right on any scale of
            values and without statistics of the data.)
        brightness: :math:`B`, largest change of all values, as a share of their
            range, which is 255 for integers and 1 for floats where none is given.
            Integers are rounded and stay within their range.
        contrast: :math:`C`, largest change of the contrast, in [0, 1].

    Raises:
        ValueError: if a setting is out of range; it says what is accepted.

    Example:
        >>> import numpy as np
        >>> images = np.arange(9, dtype="uint8").reshape(1, 3, 3, 1)
        >>> shift = Crop(1, flip=None)
        >>> shift(images, seed=2).numpy()[0, :, :, 0].tolist()
        [[4, 5, 4], [7, 8, 7], [4, 5, 4]]

    References:
        - [Jordan, 2024](https://arxiv.org/abs/2404.00498): alternating flip.
        - [DeVries and Taylor, 2017](https://arxiv.org/abs/1708.04552): cutout.
        - [Hiverge, 2025](https://github.com/hiverge/cifar10-speedrun): brightness and
          contrast.
    """

    padding: int = 2
    _: dataclasses.KW_ONLY
    flip: str | None = "random"
    cutout: int = 0
    brightness: float = 0.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        for name in ("padding", "cutout"):
            object.__setattr__(self, name, _pixels(name, getattr(self, name)))
        for name in ("brightness", "contrast"):
            object.__setattr__(self, name, _settings.share(name, getattr(self, name)))
        object.__setattr__(self, "flip", _flip(self.flip))

    def __call__(
        self,
        images: Any,
        seed: Any,
        *,
        rows: Any = None,
        epoch: Any = None,
        run_seed: Any = 0,
        value_range: Any = None,
    ) -> tf.Tensor:
        """Return the augmented batch: same shape, same dtype.

        Args:
            images: Batch (batch, height, width, channels), any real type.
            seed: Two integers, shape (2,), as for ``tf.random.stateless_*``,
                or one integer. The same arguments give the same result.
            rows: Which image each one is: integers of shape (batch,), such as
                its place in the training set. Needed by ``"alternating"``.
            epoch: Number of the epoch, an integer. Needed by
                ``"alternating"``.
            run_seed: An integer, the same in all epochs: together with its row
                it settles whether an image is flipped in epoch 0.
            value_range: Lowest and highest value of the images, for `brightness`.

        Raises:
            ValueError: if `images` isn't a batch of images, or too small for
                `padding` or `cutout`; or if ``flip="alternating"`` lacks `rows`
                or `epoch`.
        """
        images = self._checked(tf.convert_to_tensor(images))
        shape = tf.shape(images)
        # All are drawn whatever the settings, so that switching one on leaves
        # the others' draws as they were.
        draws = tf.random.stateless_uniform((7, shape[0]), pair_of(seed), alg="philox")
        u = tf.unstack(draws)
        down, across = _shifts(u[0], self.padding), _shifts(u[1], self.padding)
        if self.flip == "alternating":
            flipped = _alternating(images, rows, epoch, run_seed)
        else:
            flipped = (u[2] < 0.5) & (self.flip == "random")
        # XLA compiles anew for each shape it meets, as in `_resample`.
        fixed = images.shape[1:].is_fully_defined()
        change = _change_compiled if fixed else _change
        colours = None
        if self.brightness or self.contrast:
            shift = self.brightness * (2 * u[5] - 1)
            colours = shift, 1 + self.contrast * (2 * u[6] - 1)
        ends = range_of(images, value_range)
        result = change(
            images, colours, down, across, flipped, u[3], u[4], self.cutout, ends
        )
        return tf.ensure_shape(result, images.shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build an equal object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Crop:
        """Build the object that `get_config` described."""
        return cls(**config)

    def _checked(self, images: tf.Tensor) -> tf.Tensor:
        if images.shape.rank != 4:
            raise ValueError(
                "Crop needs a batch of images of shape (batch, height, width, "
                f"channels); given: shape {images.shape}. "
                "Add a batch axis to a single image with images[None]."
            )
        least = max(self.padding + 1, self.cutout)
        message = (
            f"padding={self.padding} and cutout={self.cutout} need images of at "
            f"least {least}×{least} pixels. Give a padding below the images' "
            "shorter side and a cutout of at most that side."
        )
        known = [side for side in images.shape[1:3] if side is not None]
        if known and min(known) < least:
            raise ValueError(f"{message} Given: images of shape {images.shape}.")
        if len(known) == 2:
            return images
        large = tf.debugging.assert_greater_equal(tf.shape(images)[1:3], least, message)
        # Else a graph may look up a pixel that isn't there before it checks.
        with tf.control_dependencies([large]):
            return tf.identity(images)


def crop(
    padding: int = 2,
    *,
    flip: str | None = "random",
    cutout: int = 0,
    brightness: float = 0.0,
    contrast: float = 0.0,
) -> Crop:
    """Return a `Crop`: random shifts by whole pixels, flips, colours and cutout.

    Args:
        padding: Largest shift either way, in pixels; the border is reflected.
        flip: ``"random"``, ``"alternating"`` (each image shows its other side
            in every second epoch) or None.
        cutout: Side of a square in each image that is painted over, in
            pixels; 0 for none.
        brightness: Largest change of all values of an image, as a share of their
            range (255 for integers, 1 for floats).
        contrast: Largest change of an image's contrast, in [0, 1].

    Returns:
        A fresh `Crop`, to be called as ``augmentation(images, seed)``, or, with
        ``flip="alternating"``, with ``rows=`` and ``epoch=`` besides.

    Raises:
        ValueError: if a setting is out of range; it says what is accepted.

    Example:
        >>> crop(4, flip="alternating")
        Crop(padding=4, flip='alternating', cutout=0, brightness=0.0, contrast=0.0)

    References:
        - [Jordan, 2024](https://arxiv.org/abs/2404.00498)
        - [DeVries and Taylor, 2017](https://arxiv.org/abs/1708.04552)
    """
    return Crop(
        padding, flip=flip, cutout=cutout, brightness=brightness, contrast=contrast
    )


def _pixels(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 0:
        raise ValueError(
            f"{name}={value!r} is not accepted; give a whole number of pixels of "
            "at least 0."
        )
    return int(value)


def _flip(value: Any) -> str | None:
    value = None if value is False else checks.plain(value)
    if value not in list(_FLIPS):
        raise ValueError(
            f"flip={value!r} is not accepted; give 'random', 'alternating' or None."
        )
    return value


def _shifts(u: tf.Tensor, padding: int) -> tf.Tensor:
    # u has 23 random bits and is below 1, so the product is below 2 padding + 1.
    return tf.cast(u * (2 * padding + 1), tf.int32) - padding


def _alternating(images: tf.Tensor, rows: Any, epoch: Any, run_seed: Any) -> tf.Tensor:
    """Whether each image is flipped in this epoch: its coin, turned over if odd."""
    if rows is None or epoch is None:
        raise ValueError(
            "flip='alternating' needs to know which images these are and in which "
            "epoch; call it with rows=<integers, one an image> and epoch=<integer>, "
            "or give flip='random'."
        )
    rows, epoch, run_seed = (
        tf.convert_to_tensor(given, dtype_hint=tf.int64)
        for given in (rows, epoch, run_seed)
    )
    _check_context(images.shape[0], rows, epoch, run_seed)
    # A lone row number would be stretched over the whole batch.
    one_each = tf.debugging.assert_equal(
        tf.size(rows), tf.shape(images)[0], "rows, images"
    )
    with tf.control_dependencies([one_each]):
        rows = tf.identity(rows)
    # A hash is the one stateless draw that hangs on the row number alone, not on
    # the image's place in its batch.
    names = tf.strings.join(
        [tf.strings.as_string(run_seed), tf.strings.as_string(rows)], "/"
    )
    coins = tf.strings.to_hash_bucket_strong(names, 2, key=[0, 0])
    return (coins == 1) ^ (tf.math.floormod(epoch, 2) == 1)


def _check_context(
    batch: int | None, rows: tf.Tensor, epoch: tf.Tensor, run_seed: tf.Tensor
) -> None:
    fitting = rows.shape.is_compatible_with([batch])
    single = epoch.shape.rank == run_seed.shape.rank == 0
    whole = all(given.dtype.is_integer for given in (rows, epoch, run_seed))
    if not (fitting and single and whole):
        raise ValueError(
            f"flip='alternating' needs rows as integers of shape ({batch},), one an "
            "image, and epoch and run_seed as single integers; given: rows of shape "
            f"{rows.shape} and type {rows.dtype.name}, epoch of shape {epoch.shape} "
            f"and type {epoch.dtype.name}, run_seed of shape {run_seed.shape} and "
            f"type {run_seed.dtype.name}."
        )


def _change(
    images: tf.Tensor,
    colours: tuple[tf.Tensor, tf.Tensor] | None,
    down: tf.Tensor,
    across: tf.Tensor,
    flipped: tf.Tensor,
    u_row: tf.Tensor,
    u_column: tf.Tensor,
    cutout: int,
    ends: tuple[float, float],
) -> tf.Tensor:
    if colours is not None:
        images = _recolour(images, *colours, *ends)
    batch, height, width, channels = tf.unstack(tf.shape(images))
    x, y = tf.range(width)[None], tf.range(height)[None]
    x = tf.where(flipped[:, None], width - 1 - x, x)
    columns = _reflected(x + across[:, None], width)
    rows = _reflected(y + down[:, None], height)
    # One gather of whole pixels: in XLA 1.6 µs an image of 32×32, where rows and
    # columns one after the other take 8 µs in TensorFlow's own kernels.
    pixels = tf.reshape(images, (batch, height * width, channels))
    index = rows[:, :, None] * width + columns[:, None, :]
    result = tf.gather(pixels, index, batch_dims=1)
    if not cutout:
        return result
    is_cut = (
        _is_cut(u_row, height, cutout)[:, :, None]
        & _is_cut(u_column, width, cutout)[:, None, :]
    )
    return tf.where(is_cut[..., None], _mean_colour(images), result)


_change_compiled = tf.function(_change, jit_compile=True, autograph=False)


def _recolour(
    images: tf.Tensor, shift: tf.Tensor, factor: tf.Tensor, low: float, high: float
) -> tf.Tensor:
    """Change each image's brightness, as a share of the range, and contrast."""
    values = tf.cast(images, tf.float32)
    mean = tf.reduce_mean(values, (1, 2), keepdims=True)
    shift, factor = shift[:, None, None, None], factor[:, None, None, None]
    values = mean + factor * (values - mean) + (high - low) * shift
    if not images.dtype.is_integer:
        return tf.cast(values, images.dtype)
    return tf.cast(tf.clip_by_value(tf.round(values), low, high), images.dtype)


def _reflected(position: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Fold once about the border pixels' centres: d c b | a b c d | c b a."""
    last = side - 1
    return last - tf.abs(last - tf.abs(position))


def _is_cut(u: tf.Tensor, side: tf.Tensor, cutout: int) -> tf.Tensor:
    """Which of the positions along one axis lie in the square, (batch, side)."""
    centre = tf.cast(u * tf.cast(side, tf.float32), tf.int32)
    offset = tf.range(side)[None] - (centre - cutout // 2)[:, None]
    return (offset >= 0) & (offset < cutout)


def _mean_colour(images: tf.Tensor) -> tf.Tensor:
    mean = tf.reduce_mean(tf.cast(images, tf.float32), (1, 2), keepdims=True)
    if images.dtype.is_integer:
        mean = tf.round(mean)
    return tf.saturate_cast(mean, images.dtype)
