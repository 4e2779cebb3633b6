"""Each transform beside the same one of other libraries, for the benchmark of speed."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt import augment
from kerasopt.benchmarks import _shared

__all__ = ["OWN", "contenders", "missing"]

OWN = "kerasopt"
OTHERS = ("albumentations", "torchvision")
TRANSFORMS = (
    "random_resized_crop",
    "randaugment",
    "noise",
    "random_erasing",
    "mixup",
    "cutmix",
)

Pass = Callable[[], Iterable[Any]]


def missing() -> list[str]:
    """Return the libraries that aren't installed."""
    return [name for name in OTHERS if importlib.util.find_spec(name) is None]


def contenders(
    images: np.ndarray, dataset: Callable[..., tf.data.Dataset]
) -> dict[str, dict[str, Pass]]:
    """Return, by transform and library, a function that starts one pass.

    Args:
        images: uint8 images.
        dataset: Makes a pipeline from images, a transform and a number of threads.
    """
    threads = _shared.threads()
    layers, others = _keras_layers(), [name for name in OTHERS if name not in missing()]
    found: dict[str, dict[str, Pass]] = {}
    for name in TRANSFORMS:
        own = dataset(images, _own(name), threads=threads)
        passes: dict[str, Pass] = {OWN: functools.partial(iter, own)}
        if name in layers:
            theirs = dataset(images, _by_layer(layers[name]), threads=threads)
            passes["Keras's layer"] = functools.partial(iter, theirs)
        for library in others:
            transform = _OF_LIBRARY[library]().get(name)
            if transform is not None:
                passes[library] = functools.partial(map, transform, images)
        found[name] = passes
    return found


def _own(name: str) -> Callable[..., Any]:
    augmentation = augment.get(name)

    def transform(batch: tf.Tensor, seed: tf.Tensor) -> Any:
        labels = tf.one_hot(tf.zeros(tf.shape(batch)[0], tf.int32), 10)
        return augment.apply_to_batch(augmentation, (batch, labels), seed)

    return tf.autograph.experimental.do_not_convert(transform)


def _by_layer(layer: keras.layers.Layer) -> Callable[..., Any]:
    def transform(batch: tf.Tensor, _: tf.Tensor) -> Any:
        if not augment.is_mixing(layer):
            return layer(tf.cast(batch, tf.float32), training=True)
        labels = tf.one_hot(tf.zeros(tf.shape(batch)[0], tf.int32), 10)
        return layer({"images": batch, "labels": labels}, training=True)

    return transform


def _keras_layers() -> dict[str, keras.layers.Layer]:
    return {
        "randaugment": keras.layers.RandAugment(),
        "noise": keras.layers.GaussianNoise(0.05),
        "random_erasing": keras.layers.RandomErasing(),
        "mixup": keras.layers.MixUp(0.2),
        "cutmix": keras.layers.CutMix(),
    }


def _albumentations() -> dict[str, Callable[[np.ndarray], Any]]:
    import albumentations

    made = {
        "random_resized_crop": albumentations.RandomResizedCrop(size=(32, 32)),
        "noise": albumentations.GaussNoise(std_range=(0.05, 0.05), p=1.0),
        "random_erasing": albumentations.Erasing(p=0.5),
    }

    def call(transform: Any, image: np.ndarray) -> Any:
        return transform(image=image)["image"]

    return {name: functools.partial(call, each) for name, each in made.items()}


def _torchvision() -> dict[str, Callable[[np.ndarray], Any]]:
    import torch
    from torchvision.transforms import v2

    made = {
        "random_resized_crop": v2.RandomResizedCrop(32, antialias=True),
        "randaugment": v2.RandAugment(),
        "random_erasing": v2.RandomErasing(p=0.5),
    }

    def call(transform: Any, image: np.ndarray) -> Any:
        rows = np.ascontiguousarray(image.transpose(2, 0, 1))
        return transform(torch.from_numpy(rows))

    return {name: functools.partial(call, each) for name, each in made.items()}


_OF_LIBRARY: dict[str, Callable[[], dict[str, Callable[[np.ndarray], Any]]]] = {
    "albumentations": _albumentations,
    "torchvision": _torchvision,
}
