"""Any augmentation on a batch, as the input pipeline applies it."""

from __future__ import annotations

import inspect
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt import checks
from kerasopt.augment._affine import Affine
from kerasopt.augment._chain import is_mixing, steps
from kerasopt.augment._color_jitter import ColorJitter
from kerasopt.augment._crop import Crop
from kerasopt.augment._dihedral import Dihedral
from kerasopt.augment._effects import Noise, RandomErasing
from kerasopt.augment._generator import ImageDataGenerator, check_generator
from kerasopt.augment._mixing import CutMix, Mixed, MixUp, mix_labels, mixed_by_layer
from kerasopt.augment._randaugment import RandAugment
from kerasopt.augment._resized_crop import RandomResizedCrop
from kerasopt.augment._seeds import fold, following, made_once, pair_of

__all__ = ["apply", "apply_to_batch", "unconverted"]

# Keras's generator draws from NumPy's global random state.
_GLOBAL_RANDOM_STATE = threading.Lock()

_BUILT: weakref.WeakSet[keras.layers.Layer] = weakref.WeakSet()

_OWN = (
    Affine,
    ColorJitter,
    Crop,
    CutMix,
    Dihedral,
    ImageDataGenerator,
    MixUp,
    Noise,
    RandAugment,
    RandomErasing,
    RandomResizedCrop,
    keras.layers.Layer,
)


def apply(
    augmentation: Any,
    images: Any,
    seed: Any,
    *,
    rows: Any = None,
    epoch: Any = None,
    run_seed: Any = None,
    value_range: Any = None,
) -> tf.Tensor:
    """Augment a batch of images with any kind of augmentation.

    For use in ``tf.data.Dataset.map``, but it works eagerly too. Labels that change
    with the images need `apply_to_batch`.

    Args:
        augmentation: None (the images come back as they are); an `Affine`, a `Crop` or
            another callable, called with ``(images, seed)``, or with the images alone
            if it has no second required parameter; a Keras layer, called with
            ``training=True``; an ``ImageDataGenerator``, whose random transforms run
            image by image; or a `Chain` of these.
        images: Batch (batch, height, width, channels).
        seed: Two integers, shape (2,). The same seed gives the same result, of Keras
            layers too.
        rows: The images' row numbers in the data, integers of shape (batch,).
        epoch: Number of the epoch.
        run_seed: An integer that stays the same over all epochs.
        value_range: Lowest and highest value of the images. These four reach callables
            that take a seed and have keyword-only parameters of these names, such as
            `Crop`; None is not handed on.

    Returns:
        The batch, on the same scale of values. An ``ImageDataGenerator``, `MixUp` and
        `CutMix` give float32, kerasopt's others the type they got, the rest what they
        return.

    Raises:
        ValueError: if it isn't an augmentation, or is an
            ``ImageDataGenerator`` set to scale or split.

    Example:
        >>> from kerasopt.augment import Affine
        >>> images = np.zeros((2, 8, 8, 3), "uint8")
        >>> apply(Affine(rotation_range=20), images, seed=[0, 1]).shape
        TensorShape([2, 8, 8, 3])
    """
    context = {
        "rows": rows,
        "epoch": epoch,
        "run_seed": run_seed,
        "value_range": value_range,
    }
    images = tf.convert_to_tensor(images)
    for step, own_seed in _seeded(augmentation, seed):
        if is_mixing(step):
            images = _mixed(step, images, own_seed).samples
        else:
            images = _applied(step, images, own_seed, context)
    return images


def apply_to_batch(
    augmentation: Any,
    batch: tuple[Any, ...],
    seed: Any,
    *,
    by_weight: bool = True,
    **context: Any,
) -> tuple[Any, ...]:
    """Augment a batch of samples, with its labels and weights where they change, too.

    Args:
        augmentation: What `apply` takes.
        batch: (x,), (x, y) or (x, y, sample_weight). For augmentations that mix labels,
            labels are rows or single numbers that can be mixed: see `mix_labels`.
        seed: Two integers, shape (2,).
        by_weight: As in `mix_labels`.
        **context: ``rows``, ``epoch``, ``run_seed`` and ``value_range``, as in `apply`.

    Returns:
        The batch in the same form.

    Example:
        >>> from kerasopt.augment import MixUp
        >>> x, y = np.zeros((2, 8, 8, 3)), np.eye(2)
        >>> _, labels = apply_to_batch(MixUp(1.0), (x, y), seed=[0, 1])
        >>> labels.numpy().sum(axis=1).round(4).tolist()
        [1.0, 1.0]
    """
    if not isinstance(batch, (tuple, list)) or not 1 <= len(batch) <= 3:
        raise TypeError(
            "batch must be (x,), (x, y) or (x, y, sample_weight); given: "
            f"{checks.shown(batch)}."
        )
    images, *others = batch
    if not is_mixing(augmentation):
        return (apply(augmentation, images, seed, **context), *others)
    images = tf.convert_to_tensor(images)
    for step, own_seed in _seeded(augmentation, seed):
        if not is_mixing(step):
            images = _applied(step, images, own_seed, context)
            continue
        mixed = _mixed(step, images, own_seed)
        images = mixed.samples
        if others:
            parts = mix_labels(mixed, *others, by_weight=by_weight)
            others = [part for part in parts if part is not None]
    return (images, *others)


def _seeded(augmentation: Any, seed: Any) -> Iterator[tuple[Any, tf.Tensor]]:
    """Yield each step of an augmentation with a seed of its own."""
    seed = pair_of(seed)
    found = steps(augmentation)
    for number, step in enumerate(found):
        yield step, seed if len(found) == 1 else fold(seed, number)


def _mixed(step: Any, images: tf.Tensor, seed: tf.Tensor) -> Mixed:
    if isinstance(step, keras.layers.Layer):
        return mixed_by_layer(step, tf.cast(images, tf.float32), seed)
    return step.mix(images, seed)


def _applied(
    augmentation: Any, images: tf.Tensor, seed: tf.Tensor, context: dict[str, Any]
) -> tf.Tensor:
    if isinstance(augmentation, ImageDataGenerator):
        check_generator(augmentation)
        return _apply_generator(augmentation, images, seed)
    if isinstance(augmentation, keras.layers.Layer):
        _build(augmentation, images)
        with following(augmentation, seed):
            return augmentation(images, training=True)
    if not callable(augmentation):
        raise ValueError(
            f"{augmentation!r} is not an augmentation; give None, an Affine, a Crop, "
            "an ImageDataGenerator, a Keras layer, a callable on batches, or a list of "
            "these."
        )
    if not _takes_seed(augmentation):
        return augmentation(images)
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
    if not callable(function):
        raise checks.ArgumentTypeError(
            f"function must be a function; given: {checks.shown(function)}."
        )
    if all(isinstance(step, _OWN) for step in steps(augmentation)):
        return tf.autograph.experimental.do_not_convert(function)
    return function


def _build(layer: keras.layers.Layer, images: tf.Tensor) -> None:
    """Call a layer on a symbol, once.

    At its first call a layer that holds others calls some of them twice, to build them,
    and would draw other numbers than later on.
    """
    if layer not in _BUILT:
        with made_once():
            layer(keras.KerasTensor(images.shape, images.dtype.name), training=True)
        _BUILT.add(layer)


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
