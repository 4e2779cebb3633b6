"""Random affine transforms of whole batches at once."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import tensorflow as tf

from kerasopt.augment._resample import resample
from kerasopt.augment._seeds import pair_of
from kerasopt.augment._settings import check

__all__ = ["Affine", "affine"]

Shift = float | int | tuple[float, ...]


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Affine:
    r"""Random rotation, shift, shear, zoom and flips of a batch of images.

    The same family and distribution of transforms as Keras's
    ``ImageDataGenerator`` with the same arguments, but the whole batch goes
    through one loop compiled by XLA instead of image by image through SciPy.
    Each image draws its own angles :math:`\theta` (rotation) and
    :math:`\varphi` (shear), shifts :math:`t`, zooms :math:`z` and flips, and
    output pixel :math:`p = (\mathrm{column}, \mathrm{row})` is read, with
    bilinear interpolation, at the input position

    .. math::
        c + R_\theta \left(t + \begin{pmatrix} z_1 & -z_2 \sin\varphi \\
        0 & z_2 \cos\varphi \end{pmatrix} (p - c)\right)

    around the image's centre :math:`c`; flips are applied to :math:`p` first.

    On images that aren't square, or with unlike shift ranges, Keras's
    generator has two slips: its `width_shift_range` moves rows and its
    `height_shift_range` columns, and the pivot is off the centre. `Affine`
    does what the names say; ``legacy_axes=True`` repeats Keras to the letter.

    Args:
        rotation_range: Largest rotation either way, in degrees.
        width_shift_range: Largest shift along the width. A float below 1 is a
            fraction of the width, a float from 1 on is in pixels, an int `n`
            draws whole pixels up to ``n - 1`` either way, a list is the shifts
            to choose from (either way).
        height_shift_range: The same along the height.
        shear_range: Largest shear angle either way, in degrees (not radians).
        zoom_range: `z` draws each axis's zoom from ``1 - z`` to ``1 + z``; a
            pair gives the two ends. Above 1 the picture shrinks, as in Keras.
        horizontal_flip: Whether half of the images are mirrored left-right.
        vertical_flip: Whether half of the images are mirrored top-bottom.
        fill_mode: What lies beyond the border: ``"nearest"``, ``"reflect"``,
            ``"constant"`` (`cval`) or ``"wrap"``, all as SciPy defines them.
        cval: The value for ``"constant"``, on the scale of the images.
        legacy_axes: Whether to repeat Keras's mix-up of the two axes.

    Raises:
        ValueError: if a setting is out of range; it says what is accepted.

    Example:
        >>> import numpy as np
        >>> images = np.arange(9, dtype="uint8").reshape(1, 3, 3, 1)
        >>> shift = Affine(width_shift_range=[1])  # one pixel left or right
        >>> shift(images, seed=3).numpy()[0, :, :, 0].tolist()
        [[1, 2, 2], [4, 5, 5], [7, 8, 8]]

    References:
        - [Simard, Steinkraus and Platt, 2003](
          https://doi.org/10.1109/ICDAR.2003.1227801): affine distortions as
          training data.
        - [Shorten and Khoshgoftaar, 2019](
          https://doi.org/10.1186/s40537-019-0197-0): a survey.
    """

    rotation_range: float = 0.0
    _: dataclasses.KW_ONLY
    width_shift_range: Any = 0.0
    height_shift_range: Any = 0.0
    shear_range: float = 0.0
    zoom_range: Any = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    fill_mode: str = "nearest"
    cval: float = 0.0
    legacy_axes: bool = False

    def __post_init__(self) -> None:
        for name, value in check(**self.get_config()).items():
            object.__setattr__(self, name, value)

    def __call__(self, images: Any, seed: Any) -> tf.Tensor:
        """Return the transformed batch: same shape, same dtype.

        Args:
            images: Batch (batch, height, width, channels), any real type;
                it is computed in float32, and integers are rounded.
            seed: Two integers, shape (2,), as for ``tf.random.stateless_*``,
                or one integer. The same seed gives the same result.

        Raises:
            ValueError: if `images` isn't a batch of images, or `cval` doesn't
                fit an integer type.
        """
        images = tf.convert_to_tensor(images)
        if images.shape.rank != 4:
            raise ValueError(
                "Affine needs a batch of images of shape (batch, height, width, "
                f"channels); given: shape {images.shape}. "
                "Add a batch axis to a single image with images[None]."
            )
        self._check_cval(images.dtype)
        batch, height, width = tf.unstack(tf.shape(images)[:3])
        matrices = self.matrices(batch, height, width, seed)
        result = resample(images, matrices, self.fill_mode, self.cval)
        return tf.ensure_shape(result, images.shape)

    def matrices(
        self, batch_size: Any, height: Any, width: Any, seed: Any
    ) -> tf.Tensor:
        """Draw one transform for each image.

        Args:
            batch_size: Number of images.
            height: Rows of an image, in pixels.
            width: Columns of an image, in pixels.
            seed: Shape (2,), or one integer.

        Returns:
            float32 of shape (batch_size, 8), the layout of
            ``tf.raw_ops.ImageProjectiveTransformV3``: ``(a0, a1, a2, b0, b1,
            b2, 0, 0)`` reads output pixel (column x, row y) at column
            ``a0 x + a1 y + a2`` and row ``b0 x + b1 y + b2``.

        Example:
            >>> matrices = Affine(width_shift_range=[2]).matrices(1, 4, 4, seed=3)
            >>> (matrices + 0.0).numpy().tolist()
            [[1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0]]
        """
        height, width = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
        # All rows are drawn whatever the settings, so that switching one on
        # leaves the others' draws as they were.
        draws = tf.random.stateless_uniform(
            (10, batch_size), pair_of(seed), alg="philox"
        )
        u = tf.unstack(draws)
        theta = _angle(u[0], self.rotation_range)
        across = _shift(u[1], u[2], self.width_shift_range, width)
        down = _shift(u[3], u[4], self.height_shift_range, height)
        shear = _angle(u[5], self.shear_range)
        zoom_x, zoom_y = _zoom(u[6], self.zoom_range), _zoom(u[7], self.zoom_range)
        pivot_x, pivot_y = (width - 1) / 2, (height - 1) / 2
        if self.legacy_axes:
            across, down = down, across
            pivot_x, pivot_y = pivot_y, pivot_x

        cos, sin = tf.cos(theta), tf.sin(theta)
        # Rotation times shear: the second column turns by the sum of angles.
        a0, a1 = zoom_x * cos, -zoom_y * tf.sin(theta + shear)
        b0, b1 = zoom_x * sin, zoom_y * tf.cos(theta + shear)
        a2 = pivot_x - a0 * pivot_x - a1 * pivot_y + cos * across - sin * down
        b2 = pivot_y - b0 * pivot_x - b1 * pivot_y + sin * across + cos * down
        if self.horizontal_flip:
            a0, a2, b0, b2 = _flip(u[8] < 0.5, width, a0, a2, b0, b2)
        if self.vertical_flip:
            a1, a2, b1, b2 = _flip(u[9] < 0.5, height, a1, a2, b1, b2)
        zero = tf.zeros_like(a0)
        return tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build an equal object."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Affine:
        """Build the object that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        changed = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"Affine({', '.join(changed)})"

    def __eq__(self, other: object) -> bool:
        # By repr, since a shift of 2 (whole pixels) isn't one of 2.0.
        return isinstance(other, Affine) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def _check_cval(self, dtype: tf.DType) -> None:
        if self.fill_mode != "constant" or not dtype.is_integer:
            return
        if not dtype.min <= self.cval <= dtype.max:
            raise ValueError(
                f"cval={self.cval:g} doesn't fit images of type {dtype.name}; "
                f"give a value from {dtype.min} to {dtype.max}."
            )


def affine(
    rotation_range: float = 0.0,
    *,
    width_shift_range: Any = 0.0,
    height_shift_range: Any = 0.0,
    shear_range: float = 0.0,
    zoom_range: Any = 0.0,
    horizontal_flip: bool = False,
    vertical_flip: bool = False,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    legacy_axes: bool = False,
) -> Affine:
    """Return an `Affine`: ``ImageDataGenerator``'s transforms, many times faster.

    Args:
        rotation_range: Largest rotation either way, in degrees.
        width_shift_range: Fraction of the width (float below 1), pixels (float
            from 1 on), whole pixels (int) or a list of shifts.
        height_shift_range: The same along the height.
        shear_range: Largest shear either way, in degrees (not radians).
        zoom_range: Float `z` for zooms from ``1 - z`` to ``1 + z``, or a pair.
        horizontal_flip: Whether half of the images are mirrored left-right.
        vertical_flip: Whether half of the images are mirrored top-bottom.
        fill_mode: ``"nearest"``, ``"reflect"``, ``"constant"`` or ``"wrap"``.
        cval: The value for ``"constant"``, on the scale of the images.
        legacy_axes: Whether to repeat Keras's mix-up of the two axes.

    Returns:
        A fresh `Affine`, to be called as ``augmentation(images, seed)``.

    Raises:
        ValueError: if a setting is out of range; it says what is accepted.

    Example:
        >>> affine(rotation_range=20, horizontal_flip=True)
        Affine(rotation_range=20.0, horizontal_flip=True)

    References:
        - [Shorten and Khoshgoftaar, 2019](
          https://doi.org/10.1186/s40537-019-0197-0)
    """
    return Affine(
        rotation_range,
        width_shift_range=width_shift_range,
        height_shift_range=height_shift_range,
        shear_range=shear_range,
        zoom_range=zoom_range,
        horizontal_flip=horizontal_flip,
        vertical_flip=vertical_flip,
        fill_mode=fill_mode,
        cval=cval,
        legacy_axes=legacy_axes,
    )


def _angle(u: tf.Tensor, degrees: float) -> tf.Tensor:
    return (2 * u - 1) * math.radians(degrees)


def _zoom(u: tf.Tensor, zoom: float | tuple[float, float]) -> tf.Tensor:
    low, high = zoom if isinstance(zoom, tuple) else (1 - zoom, 1 + zoom)
    # A float32 1 must come out as 1 exactly where there is no zoom.
    return low + u * (high - low)


def _shift(u: tf.Tensor, u_sign: tf.Tensor, shift: Shift, side: tf.Tensor) -> tf.Tensor:
    """Shifts in pixels, under Keras's three readings of the setting."""
    if isinstance(shift, float):
        pixels = (2 * u - 1) * shift
        return pixels * side if shift < 1 else pixels
    # An int n chooses among 0, 1, ..., n - 1; the sign is drawn apart.
    choices = range(max(shift, 1)) if isinstance(shift, int) else shift
    table = tf.constant([float(choice) for choice in choices])
    index = tf.cast(u * len(choices), tf.int32)
    sign = tf.where(u_sign < 0.5, -1.0, 1.0)
    pixels = tf.gather(table, tf.minimum(index, len(choices) - 1)) * sign
    return pixels * side if max(choices) < 1 else pixels


def _flip(
    flipped: tf.Tensor,
    side: tf.Tensor,
    a: tf.Tensor,
    a2: tf.Tensor,
    b: tf.Tensor,
    b2: tf.Tensor,
) -> tuple[tf.Tensor, ...]:
    """Put ``side - 1 - x`` for x in ``a x + a2`` and ``b x + b2`` where flipped."""
    sign = tf.where(flipped, -1.0, 1.0)
    last = tf.where(flipped, side - 1, 0.0)
    return a * sign, a2 + a * last, b * sign, b2 + b * last
