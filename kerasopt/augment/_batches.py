"""Any augmentation on a batch: in the input pipeline, and on a picture."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt.augment._affine import Affine
from kerasopt.augment._crop import Crop
from kerasopt.augment._generator import ImageDataGenerator, check_generator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["apply", "preview", "unconverted"]

# Keras's generator draws from NumPy's global random state.
_GLOBAL_RANDOM_STATE = threading.Lock()


def apply(
    augmentation: Any,
    images: Any,
    seed: Any,
    *,
    rows: Any = None,
    epoch: Any = None,
    run_seed: Any = None,
) -> tf.Tensor:
    """Augment a batch of images with any kind of augmentation.

    For use in ``tf.data.Dataset.map``, but it works eagerly too.

    Args:
        augmentation: None (the images come back as they are); an `Affine`, a
            `Crop` or another callable, called with ``(images, seed)``, or with the
            images alone if it has no second required parameter; a Keras layer,
            called with ``training=True``; or an ``ImageDataGenerator``, whose
            random transforms run image by image.
        images: Batch (batch, height, width, channels).
        seed: Two integers, shape (2,). The same seed gives the same result
            (Keras layers carry their own seed and don't follow it).
        rows: The images' row numbers in the data, integers of shape (batch,).
        epoch: Number of the epoch.
        run_seed: An integer that stays the same over all epochs. These three
            reach callables that take a seed and have keyword-only parameters
            of these names, such as `Crop`; None is not handed on.

    Returns:
        The batch, on the same scale of values. An ``ImageDataGenerator`` gives
        float32, an `Affine` or `Crop` the type it got, others what they return.

    Raises:
        ValueError: if it isn't an augmentation, or is an
            ``ImageDataGenerator`` set to scale or split.

    Example:
        >>> from kerasopt.augment import Affine
        >>> images = np.zeros((2, 8, 8, 3), "uint8")
        >>> apply(Affine(rotation_range=20), images, seed=[0, 1]).shape
        TensorShape([2, 8, 8, 3])
    """
    images = tf.convert_to_tensor(images)
    seed = tf.convert_to_tensor(seed)
    if augmentation is None:
        return images
    if isinstance(augmentation, ImageDataGenerator):
        check_generator(augmentation)
        return _apply_generator(augmentation, images, seed)
    if isinstance(augmentation, keras.layers.Layer):
        return augmentation(images, training=True)
    if not callable(augmentation):
        raise ValueError(
            f"{augmentation!r} is not an augmentation; give None, an Affine, a Crop, "
            "an ImageDataGenerator, a Keras layer or a callable on batches."
        )
    if not _takes_seed(augmentation):
        return augmentation(images)
    context = {"rows": rows, "epoch": epoch, "run_seed": run_seed}
    return augmentation(images, seed, **_wanted(augmentation, context))


def unconverted(function: Callable[..., Any], augmentation: Any = None) -> Any:
    """Return a function of an input pipeline that is traced without AutoGraph.

    AutoGraph takes seconds to convert all that the pipeline calls. A function of the
    user that augments may need it, for conditions on tensors.

    Args:
        function: The function.
        augmentation: What it applies, as in `apply`.

    Example:
        >>> unconverted(len)([1, 2])
        2
    """
    own = (Affine, Crop, ImageDataGenerator, keras.layers.Layer)
    if augmentation is None or isinstance(augmentation, own):
        return tf.autograph.experimental.do_not_convert(function)
    return function


def preview(
    augmentation: Any,
    images: Any,
    *,
    columns: int = 8,
    rows: int = 3,
    seed: int = 0,
) -> Figure:
    """Draw images above augmented versions of themselves.

    Args:
        augmentation: Whatever `apply` takes.
        images: Batch (batch, height, width, channels) of 1, 3 or 4 channels,
            uint8 or float; the first `columns` are shown.
        columns: Number of images.
        rows: Number of augmented versions of each.
        seed: Row `r` is drawn with the seed pair ``(seed, r)``, as epoch `r`.

    Returns:
        A Matplotlib figure, which a notebook shows by itself; save it with
        ``figure.savefig(path)``.

    Raises:
        ValueError: if there are no images, or they aren't a batch of pictures.

    Example:
        >>> from kerasopt.augment import Affine
        >>> images = np.zeros((5, 8, 8, 3), "uint8")
        >>> len(preview(Affine(rotation_range=20), images, rows=2).axes)
        15
    """
    from kerasopt.charts import Chart

    originals = np.asarray(images)
    if (
        originals.ndim != 4
        or not len(originals)
        or originals.shape[-1] not in (1, 3, 4)
    ):
        raise ValueError(
            "preview needs at least one image, as (batch, height, width, channels) "
            f"with 1, 3 or 4 channels; given: shape {originals.shape}."
        )
    if columns < 1 or rows < 1:
        raise ValueError(
            f"columns={columns} and rows={rows} are not accepted; give at least 1."
        )
    originals = originals[:columns]
    versions = [
        np.asarray(
            apply(
                augmentation,
                originals,
                (seed, row),
                rows=np.arange(len(originals)),
                epoch=row,
                run_seed=seed,
            )
        )
        for row in range(rows)
    ]
    # A uint8 image and its float32 version share one scale.
    bright = 255 if originals.dtype == np.uint8 or originals.max() > 1 else 1
    figure = Chart(figsize=(len(originals), rows + 1), layout="constrained")
    grid = figure.subplots(rows + 1, len(originals), squeeze=False)
    for label, row_axes, batch in zip(
        ["original", *[""] * rows], grid, [originals, *versions], strict=True
    ):
        for axes, image in zip(row_axes, batch, strict=True):
            shown = np.clip(image.astype("float32") / bright, 0, 1)
            shown = shown[..., 0] if shown.shape[-1] == 1 else shown
            axes.imshow(shown, cmap="gray", vmin=0, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
        row_axes[0].set_ylabel(label)
    return figure


def _takes_seed(augmentation: Any) -> bool:
    """Whether a second positional argument is required.

    A second parameter with a default may be anything (a strength, an int
    seed), so that such a callable gets the images alone.
    """
    try:
        parameters = inspect.signature(augmentation).parameters.values()
    except (TypeError, ValueError):
        return False
    required = [
        p
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        and p.default is p.empty
    ]
    return len(required) > 1


def _wanted(augmentation: Any, context: dict[str, Any]) -> dict[str, Any]:
    """The known part of the context for which there are keyword-only parameters.

    A positional parameter of the same name may mean anything.
    """
    parameters = inspect.signature(augmentation).parameters
    return {
        name: value
        for name, value in context.items()
        if value is not None
        and name in parameters
        and parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
    }


def _apply_generator(
    generator: ImageDataGenerator, images: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    count = tf.shape(images)[0]
    seeds = tf.random.stateless_uniform(
        (count,), seed, minval=0, maxval=2**31 - 1, dtype=tf.int32
    )
    result = tf.numpy_function(
        lambda batch, numbers: _transform_each(generator, batch, numbers),
        [tf.cast(images, tf.float32), seeds],
        tf.float32,
    )
    result.set_shape(images.shape)
    return result


def _transform_each(
    generator: ImageDataGenerator, images: np.ndarray, seeds: np.ndarray
) -> np.ndarray:
    result = np.empty_like(images)
    for i, (image, seed) in enumerate(zip(images, seeds, strict=True)):
        transform = _draw(generator, image.shape, int(seed))
        result[i] = generator.apply_transform(image, transform)
    return result


def _draw(
    generator: ImageDataGenerator, shape: tuple[int, ...], seed: int
) -> dict[str, Any]:
    # The first half of `random_transform`: seeding and drawing must not be
    # interleaved with other threads, nor be seen outside; resampling may.
    with _GLOBAL_RANDOM_STATE:
        state = np.random.get_state()
        try:
            return generator.get_random_transform(shape, seed=seed)
        finally:
            np.random.set_state(state)
