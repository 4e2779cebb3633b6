"""Keras's classic ``ImageDataGenerator``, with its settings checked."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from tensorflow.keras.preprocessing.image import ImageDataGenerator

from kerasopt import checks, names
from kerasopt.augment._settings import check, number, pair

__all__ = ["ImageDataGenerator", "check_generator", "image_data_generator"]

# What the input pipeline does itself, with the value that means "off".
_PIPELINE_WORK: dict[str, tuple[Any, str]] = {
    "featurewise_center": (False, "the input pipeline scales the images"),
    "featurewise_std_normalization": (False, "the input pipeline scales the images"),
    "samplewise_center": (False, "the input pipeline scales the images"),
    "samplewise_std_normalization": (False, "the input pipeline scales the images"),
    "zca_whitening": (False, "the input pipeline scales the images"),
    "zca_epsilon": (1e-6, "there is no whitening"),
    "rescale": (None, "the input pipeline divides uint8 images by 255"),
    "preprocessing_function": (
        None,
        "give the function itself as the augmentation instead",
    ),
    "validation_split": (
        0.0,
        "validation is cut from the dataset, unaugmented: "
        "data.load(..., validation=...)",
    ),
    "data_format": (None, "images are (batch, height, width, channels)"),
    "dtype": (None, "the result is float32"),
}


def image_data_generator(
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
    brightness_range: Any = None,
    channel_shift_range: float = 0.0,
    interpolation_order: int = 1,
    **pipeline_work: Any,
) -> ImageDataGenerator:
    """Return Keras's own ``ImageDataGenerator``, after checking its settings.

    Names and units are Keras's. It works image by image in SciPy; `affine`
    draws the same transforms for a whole batch at once, many times faster.

    Args:
        rotation_range: Largest rotation either way, in degrees.
        width_shift_range: Fraction of the width (float below 1), pixels (float
            from 1 on), whole pixels (int) or a list of shifts. Keras moves the
            *rows* by it, so give both shifts alike or use `affine`.
        height_shift_range: The same along the height.
        shear_range: Largest shear either way, in degrees (not radians).
        zoom_range: Float `z` for zooms from ``1 - z`` to ``1 + z``, or a pair.
        horizontal_flip: Whether half of the images are mirrored left-right.
        vertical_flip: Whether half of the images are mirrored top-bottom.
        fill_mode: ``"nearest"``, ``"reflect"``, ``"constant"`` or ``"wrap"``.
        cval: The value for ``"constant"``, on the scale of the images.
        brightness_range: Pair of factors, such as ``(0.8, 1.2)``; images must
            be on the scale 0 to 255.
        channel_shift_range: Largest value added to or taken from all pixels,
            on the scale of the images.
        interpolation_order: Order of SciPy's spline, 0 to 5; 1 is bilinear.
        **pipeline_work: Keras's arguments for scaling and splitting are
            accepted switched off, as its examples list them, and refused
            otherwise: the input pipeline does that work.

    Returns:
        A fresh native ``ImageDataGenerator``.

    Raises:
        ValueError: if a setting is out of range, unknown, or the pipeline's
            own work.

    Example:
        >>> generator = image_data_generator(rotation_range=20, zoom_range=0.2)
        >>> generator.rotation_range, generator.zoom_range
        (20.0, [0.8, 1.2])

    References:
        - [Shorten and Khoshgoftaar, 2019](
          https://doi.org/10.1186/s40537-019-0197-0)
    """
    _refuse_pipeline_work(pipeline_work)
    settings = check(
        rotation_range=rotation_range,
        width_shift_range=width_shift_range,
        height_shift_range=height_shift_range,
        shear_range=shear_range,
        zoom_range=zoom_range,
        horizontal_flip=horizontal_flip,
        vertical_flip=vertical_flip,
        fill_mode=fill_mode,
        cval=cval,
    )
    _warn_of_swapped_shifts(
        settings["width_shift_range"], settings["height_shift_range"]
    )
    interpolation_order = checks.plain(interpolation_order)
    if interpolation_order not in list(range(6)):
        raise ValueError(
            f"interpolation_order={interpolation_order!r} is not accepted; "
            "give an int from 0 to 5 (1 is bilinear)."
        )
    if brightness_range is not None:
        brightness_range = pair("brightness_range", brightness_range)
    return ImageDataGenerator(
        **settings,
        brightness_range=brightness_range,
        channel_shift_range=number("channel_shift_range", channel_shift_range),
        interpolation_order=interpolation_order,
    )


def check_generator(generator: ImageDataGenerator) -> None:
    """Refuse a generator that someone set to do the pipeline's work.

    Only its random transforms are applied, so that scaling asked of it would
    silently not happen.

    Raises:
        ValueError: naming the argument to leave out.

    Example:
        >>> check_generator(ImageDataGenerator(rescale=1 / 255))
        Traceback (most recent call last):
        ...
        ValueError: ImageDataGenerator's rescale=0.00392156862745098 is not accepted \
here: the input pipeline divides uint8 images by 255. Leave it out.
    """
    given = {
        name: getattr(generator, name)
        for name in _PIPELINE_WORK
        if name not in ("data_format", "dtype", "validation_split", "zca_epsilon")
    }
    given["validation_split"] = generator._validation_split
    if generator.data_format != "channels_last":
        given["data_format"] = generator.data_format
    _refuse_pipeline_work(given)
    # Only for its warning: a native generator checks nothing.
    check(shear_range=generator.shear_range)


def _refuse_pipeline_work(given: dict[str, Any]) -> None:
    for name, value in given.items():
        if name not in _PIPELINE_WORK:
            parameters = inspect.signature(image_data_generator).parameters.values()
            raise names.unknown(
                "argument of augmentation 'image_data_generator'",
                name,
                [p.name for p in parameters if p.kind is not p.VAR_KEYWORD],
            )
        off, reason = _PIPELINE_WORK[name]
        # Keras's own examples spell out arguments at their defaults.
        if value is not off and value != off:
            raise ValueError(
                f"ImageDataGenerator's {name}={value!r} is not accepted here: "
                f"{reason}. Leave it out."
            )


def _warn_of_swapped_shifts(width_shift_range: Any, height_shift_range: Any) -> None:
    if width_shift_range != height_shift_range:
        warnings.warn(
            "Keras's ImageDataGenerator moves rows by width_shift_range "
            f"({width_shift_range!r}) and columns by height_shift_range "
            f"({height_shift_range!r}), the wrong way round. "
            "augment.affine moves them as named.",
            UserWarning,
            stacklevel=3,
        )
