"""How fast a folder of images is decoded, and how much memory it takes.

Makes folders of JPEG files of 224×224 pixels and measures

* images a second through `from_directory` (``cache="none"``, batches of 32, one
  epoch), through `keras.utils.image_dataset_from_directory` and, where PyTorch is
  installed, through a ``DataLoader`` with 2 workers that open files by Pillow, as
  torchvision's ``ImageFolder`` does: in one process and in turns, with the ratios
  repeat by repeat;
* the peak memory of training a small network for one epoch on a small and a large
  folder, each in a process of its own, for ``cache="disk"`` and ``cache="none"``.

Run it with::

    python -m kerasopt.benchmarks.image_folders --repeats 5 --json result.json
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from kerasopt.benchmarks import _shared
from kerasopt.data.parallel import in_threads, reading_threads

__all__ = ["main", "make_folder", "measure", "peak_memory", "show"]

SIDE = 224
BATCH_SIZE = 32
SIZES = (2_000, 20_000)
CACHES = ("disk", "none")
OURS, KERAS, TORCH = "kerasopt", "keras", "torch, 2 workers"
_CLASSES = ("blurred", "noisy")


def measure(
    *,
    repeats: int = 5,
    sizes: Sequence[int] = SIZES,
    side: int = SIDE,
    caches: Sequence[str] = CACHES,
) -> dict[str, Any]:
    """Return images a second, ratios, and peak memory by cache and size of folder.

    Args:
        repeats: Timed epochs of each loader, at least 1.
        sizes: Images in the folders for memory; the last one is timed, too.
        side: Height and width of the images in pixels.
        caches: Caches whose memory is measured; none leaves that part out.
    """
    from kerasopt.training import environment

    with tempfile.TemporaryDirectory(prefix="kerasopt-folders-") as place:
        folders = {size: Path(place, str(size)) for size in sizes}
        for size, folder in folders.items():
            make_folder(folder, size, side=side)
        speeds = _shared.in_turns(_runners(folders[sizes[-1]], side), repeats)
        memory = {
            cache: {
                str(size): _peak_in_child(folder, cache, side, home=place)
                for size, folder in folders.items()
            }
            for cache in caches
        }
    return {
        "machine": environment.describe(),
        "settings": {"side": side, "batch_size": BATCH_SIZE, "images": sizes[-1]},
        "results": {
            name: {
                "images_per_second": _shared.spread(own),
                "ratio": _shared.ratios(own, speeds[KERAS]),
            }
            for name, own in speeds.items()
        },
        "peak_memory_mib": memory,
    }


def make_folder(folder: Path, count: int, *, side: int = SIDE) -> None:
    """Write JPEG files of two classes: smooth pictures, and the same with noise.

    Args:
        folder: Where; it is made.
        count: Number of images.
        side: Height and width in pixels.
    """
    from PIL import Image

    for name in _CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)

    def write(number: int) -> None:
        random = np.random.default_rng(number)
        label = number % len(_CLASSES)
        corners = random.integers(0, 256, (14, 14, 3), dtype=np.uint8)
        picture = Image.fromarray(corners).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        noise = random.integers(-12, 13, (side, side, 3)) * label
        pixels = np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
        path = folder / _CLASSES[label] / f"{number:06}.jpg"
        Image.fromarray(pixels).save(path, quality=90)

    for _ in in_threads(write, range(count), threads=reading_threads()):
        pass


def _runners(folder: Path, side: int) -> dict[str, Callable[[], float]]:
    loaders = {OURS: _our_batches(folder, side), KERAS: _keras_batches(folder, side)}
    if importlib.util.find_spec("torch"):
        loaders[TORCH] = _torch_batches(folder)
    return {
        name: functools.partial(_images_per_second, make)
        for name, make in loaders.items()
    }


def _images_per_second(make: Callable[[], Iterable[Any]]) -> float:
    batches = make()
    started = time.perf_counter()
    images = sum(len(labels) for _, labels in batches)
    return images / (time.perf_counter() - started)


def _our_batches(folder: Path, side: int) -> Callable[[], Iterable[Any]]:
    from kerasopt.data import from_directory, pipeline

    data = from_directory(folder, image_size=(side, side), validation=0, cache="none")
    steps = pipeline.steps_per_epoch(len(data.train[1]), BATCH_SIZE)

    def batches() -> Iterable[Any]:
        endless = pipeline.training_batches(
            *data.train, batch_size=BATCH_SIZE, seed=0, pixel_scale=data.pixel_scale
        )
        return endless.take(steps)

    return batches


def _keras_batches(folder: Path, side: int) -> Callable[[], Iterable[Any]]:
    import keras
    import tensorflow as tf

    def batches() -> Iterable[Any]:
        return keras.utils.image_dataset_from_directory(
            folder,
            image_size=(side, side),
            batch_size=BATCH_SIZE,
            seed=0,
            verbose=False,
        ).prefetch(tf.data.AUTOTUNE)

    return batches


def _torch_batches(folder: Path) -> Callable[[], Iterable[Any]]:
    import torch
    from PIL import Image

    labels = {place.name: i for i, place in enumerate(sorted(folder.iterdir()))}

    class Files(torch.utils.data.Dataset):
        """What ImageFolder and ToTensor make of files: floats, channels first."""

        paths = sorted(folder.glob("*/*.jpg"))

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, index: int) -> tuple[Any, int]:
            path = self.paths[index]
            with Image.open(path) as image:
                pixels = torch.from_numpy(np.array(image.convert("RGB")))
            scaled = pixels.permute(2, 0, 1).contiguous().to(torch.float32) / 255
            return scaled, labels[path.parent.name]

    def batches() -> Iterable[Any]:
        return torch.utils.data.DataLoader(
            Files(), batch_size=BATCH_SIZE, shuffle=True, num_workers=2
        )

    return batches


def peak_memory(folder: Path, cache: str, side: int) -> float:
    """Train for one epoch; return the most memory that this process has taken, in MiB.

    Args:
        folder: Folder of images, two classes.
        cache: As for `kerasopt.data.from_directory`.
        side: Height and width in pixels.
    """
    import keras

    import kerasopt as ko

    data = ko.data.from_directory(folder, image_size=(side, side), cache=cache)
    layers = [
        keras.Input((side, side, 3)),
        keras.layers.Conv2D(8, 8, strides=8, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2, activation="softmax"),
    ]
    with tempfile.TemporaryDirectory() as runs:
        ko.fit(
            keras.Sequential(layers),
            data,
            epochs=1,
            batch_size=BATCH_SIZE,
            directory=Path(runs) / "run",
            verbose=False,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _peak_in_child(folder: Path, cache: str, side: int, *, home: str) -> float:
    code = (
        "import json, pathlib, sys; from kerasopt.benchmarks import image_folders;"
        "folder, cache, side = json.loads(sys.argv[1]);"
        "print(image_folders.peak_memory(pathlib.Path(folder), cache, side))"
    )
    words = [sys.executable, "-c", code, json.dumps([str(folder), cache, side])]
    environment = {**os.environ, "KERASOPT_HOME": home}
    done = subprocess.run(
        words, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout.split()[-1])


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    settings = result["settings"]
    print(
        f"{settings['images']:,} JPEG files of {settings['side']}×{settings['side']}, "
        f"batches of {settings['batch_size']}, one epoch"
    )
    for name, row in result["results"].items():
        speed, ratio = row["images_per_second"], row["ratio"]
        print(
            f"{name:18} {speed['median']:8,.0f} images/s "
            f"({speed['min']:,.0f}–{speed['max']:,.0f}), "
            f"{ratio['median']:.2f} times keras ({ratio['min']:.2f}–{ratio['max']:.2f})"
        )
    for cache, peaks in result["peak_memory_mib"].items():
        sizes = list(peaks)
        text = ", ".join(f"{peaks[size]:,.0f} MiB for {int(size):,}" for size in sizes)
        ratio = peaks[sizes[-1]] / peaks[sizes[0]]
        print(f"peak memory, cache={cache!r}: {text} images, ratio {ratio:.2f}")


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=_shared.positive, default=5)
    parser.add_argument(
        "--sizes", type=_shared.positive, nargs="+", default=list(SIZES)
    )
    parser.add_argument("--no-memory", action="store_true", help="only the speed")
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(
        repeats=options.repeats,
        sizes=options.sizes,
        caches=() if options.no_memory else CACHES,
    )
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
