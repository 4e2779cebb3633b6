"""How fast each way of augmenting makes images.

Measures, in one process and in turns, the throughput of

* Keras's ``ImageDataGenerator.flow``,
* ``kerasopt.augment.affine`` in a ``tf.data`` pipeline, with every core and
  with one thread,
* Keras's ``Random*`` layers in a ``tf.data`` pipeline,

with the same transform settings on random images of CIFAR-10's shape, besides
``kerasopt.augment.crop``, which only shifts by whole pixels and flips, and the ratio
of each to ``ImageDataGenerator`` repeat by repeat, so that a busy machine slows both
sides of a ratio.

A second table has each transform of `kerasopt.augment` beside Keras's layer of that
name in the same pipeline, and beside albumentations and torchvision where these are
installed: image by image, as their users call them, in one thread.

Run it with::

    python -m kerasopt.benchmarks.augmentation --repeats 5 --json result.json
"""

from __future__ import annotations

import argparse
import functools
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from kerasopt import augment
from kerasopt.benchmarks import _shared
from kerasopt.benchmarks import augmentation_transforms as transforms
from kerasopt.console import Console
from kerasopt.training import environment

__all__ = ["main", "measure", "show"]

SETTINGS: dict[str, Any] = {
    "rotation_range": 20,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
    "fill_mode": "nearest",
}
BASELINE = "ImageDataGenerator"
LAYERS = "Keras Random* layers"
BATCH_SIZE = 512


def generator_batches(images: np.ndarray) -> Iterable[Any]:
    """Batches of Keras's generator, once over the images."""
    flow = augment.image_data_generator(**SETTINGS).flow(
        images, batch_size=BATCH_SIZE, shuffle=False
    )
    return (next(flow) for _ in range(len(flow)))


def dataset(
    images: np.ndarray, transform: Callable[..., Any], *, threads: int
) -> tf.data.Dataset:
    """A ``tf.data`` pipeline: batch, then transform by that many threads."""
    batches = tf.data.Dataset.from_tensor_slices(images).batch(BATCH_SIZE)
    seeds = tf.data.Dataset.random(seed=0).batch(2)
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = 1
    return (
        tf.data.Dataset.zip(batches, seeds)
        .map(transform, num_parallel_calls=threads)
        .prefetch(2)
        .with_options(options)
    )


def keras_layers() -> keras.Sequential:
    """The settings in the words of Keras's ``Random*`` layers."""
    fill = {"fill_mode": SETTINGS["fill_mode"], "interpolation": "bilinear"}
    zoom = (-SETTINGS["zoom_range"], SETTINGS["zoom_range"])
    return keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(SETTINGS["rotation_range"] / 360, **fill),
            keras.layers.RandomTranslation(
                SETTINGS["height_shift_range"], SETTINGS["width_shift_range"], **fill
            ),
            keras.layers.RandomZoom(zoom, zoom, **fill),
        ]
    )


def contenders(images: np.ndarray) -> dict[str, Callable[[], Iterable[Any]]]:
    """What is measured: name to a function that starts one pass."""
    cores = _shared.threads()
    affine = augment.affine(**SETTINGS)
    layers = keras_layers()
    layers(images[:1], training=True)
    threaded = dataset(images, affine, threads=cores)
    single = dataset(images, affine, threads=1)
    crop = dataset(images, augment.crop(2), threads=cores)
    keras_pipeline = dataset(
        images, lambda batch, _: layers(batch, training=True), threads=cores
    )
    return {
        BASELINE: lambda: generator_batches(images),
        "affine": lambda: threaded,
        "affine, one thread": lambda: single,
        LAYERS: lambda: keras_pipeline,
        "crop (shift and flip only)": lambda: crop,
    }


def images_per_second(
    start: Callable[[], Iterable[Any]], count: int, *, least_seconds: float
) -> float:
    """Throughput over as many whole passes as `least_seconds` takes."""
    passes, begun = 0, time.perf_counter()
    while True:
        for _ in start():
            pass
        passes += 1
        elapsed = time.perf_counter() - begun
        if elapsed >= least_seconds:
            return passes * count / elapsed


def measure(
    *, images: int = 10_000, repeats: int = 5, least_seconds: float = 1.0
) -> dict[str, Any]:
    """Return images per second of every contender, repeat by repeat, in turns.

    Args:
        images: Random images of a pass.
        repeats: Measurements of each contender.
        least_seconds: A measurement takes as many passes as last so long.
    """
    pixels = np.random.default_rng(0).integers(
        0, 256, (images, 32, 32, 3), dtype=np.uint8
    )
    runners = {
        name: functools.partial(
            images_per_second, start, images, least_seconds=least_seconds
        )
        for name, start in contenders(pixels).items()
    }
    result = summary(_shared.in_turns(runners, repeats))
    rates = {
        (name, library): functools.partial(
            images_per_second, start, images, least_seconds=least_seconds
        )
        for name, libraries in transforms.contenders(pixels, dataset).items()
        for library, start in libraries.items()
    }
    named = {" by ".join(key): run for key, run in rates.items()}
    measured = _shared.in_turns(named, repeats)
    return {**result, "transforms": by_transform(list(rates), measured)}


def by_transform(
    keys: list[tuple[str, str]], rates: dict[str, list[float]]
) -> dict[str, Any]:
    """Return rates and ratios to kerasopt's own, by transform and library."""
    found: dict[str, Any] = {}
    for name, library in keys:
        rate = rates[f"{name} by {library}"]
        own = rates[f"{name} by {transforms.OWN}"]
        found.setdefault(name, {})[library] = {
            "images_per_second": _shared.spread(rate),
            f"{transforms.OWN}_ratio": _shared.ratios(own, rate),
        }
    return found


def summary(rates: dict[str, list[float]]) -> dict[str, Any]:
    """Machine, settings, rates and ratios: to the baseline, and affine to layers."""
    return {
        "machine": environment.describe(),
        "settings": SETTINGS,
        "batch_size": BATCH_SIZE,
        "image_shape": [32, 32, 3],
        "results": {
            name: {
                "images_per_second": _shared.spread(own),
                f"ratio_to_{BASELINE}": _shared.ratios(own, rates[BASELINE]),
            }
            for name, own in rates.items()
        },
        "affine_ratio_to_layers": _shared.ratios(rates["affine"], rates[LAYERS]),
    }


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    machine = _shared.machine(result["machine"])
    rows = {
        name: (row["images_per_second"], row[f"ratio_to_{BASELINE}"])
        for name, row in result["results"].items()
    }
    title = f"Augmentation of 32x32x3 images on {machine}"
    compared = f"x {BASELINE} (median)"
    table = _shared.rates_table(title, "method", compared, rows)
    times = _shared.times_text(result["affine_ratio_to_layers"])
    console = Console(stderr=False, width=120)
    console.print(table)
    console.print(
        f"affine makes {times} the images a second of {LAYERS}.", highlight=False
    )
    rows = {
        f"{name}, {library}": (row["images_per_second"], row[f"{transforms.OWN}_ratio"])
        for name, libraries in result.get("transforms", {}).items()
        for library, row in libraries.items()
    }
    compared = "kerasopt's / this one's (median)"
    console.print(_shared.rates_table("Each transform", "method", compared, rows))
    for library in transforms.missing():
        console.print(f"{library} is left out: it isn't installed.", highlight=False)


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=_shared.positive, default=10_000)
    parser.add_argument("--repeats", type=_shared.positive, default=5)
    parser.add_argument("--least-seconds", type=float, default=1.0)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(
        images=options.images,
        repeats=options.repeats,
        least_seconds=options.least_seconds,
    )
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
