"""`kerasopt train FOLDER` on small folders of pictures: accuracy and seconds.

    python -m kerasopt.benchmarks.photos [--seeds 3] [--folders shapes-60 shapes-300
        cifar10-300] [--ways tuned scratch] [--json FILE]

Folders of 60 and 300 drawn circles, squares and triangles (PNG), and of 300 pictures
of CIFAR-10, enlarged to heights and widths of 32 to 160 pixels (JPEG). Each has a
folder of 500 other pictures for the test. ``tuned`` is what the command does by
default, with the pretrained network; ``scratch`` is the recipe that it takes without
the weights. Seconds are those of the whole command: imports, reading, training, test,
report.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt import names
from kerasopt.benchmarks import _shared
from kerasopt.benchmarks.small_data import SHAPES, draw_shapes

__all__ = ["FOLDERS", "WAYS", "main", "measure", "show", "write_folder"]

TEST_PICTURES = 500
SHORTEST, LONGEST = 32, 160
"""Heights and widths of CIFAR-10's pictures, in pixels."""

FOLDERS = {
    "shapes-60": ("shapes", 60),
    "shapes-300": ("shapes", 300),
    "cifar10-300": ("cifar10", 300),
}
"""By name, what is on the pictures, and how many are for training and validation."""

WAYS = ("tuned", "scratch")


def write_folder(name: str, folder: Path, *, seed: int = 0) -> None:
    """Write the pictures of one of `FOLDERS`: ``train/cat/3.jpg``, ``test/…``.

    Args:
        name: A name of `FOLDERS`.
        folder: Where they go.
        seed: Fixes which pictures, and their sizes.
    """
    kind, count = FOLDERS[name]
    if kind == "shapes":
        classes: Sequence[str] = SHAPES
        train = draw_shapes(count, side=64, seed=seed)
        test = draw_shapes(TEST_PICTURES, side=64, seed=10_000 + seed)
    else:
        train, test, classes = _shared.few_of_cifar10(
            count, tests=TEST_PICTURES, seed=seed
        )
    rng = np.random.default_rng(seed)
    for split, (x, y) in (("train", train), ("test", test)):
        for number, (pixels, label) in enumerate(zip(x, y, strict=True)):
            place = folder / split / classes[label]
            place.mkdir(parents=True, exist_ok=True)
            _save(pixels, place / str(number), rng if kind == "cifar10" else None)


def _save(pixels: np.ndarray, path: Path, rng: np.random.Generator | None) -> None:
    """Save as PNG, or as JPEG of a random size."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if rng is None:
        image.save(path.with_suffix(".png"))
        return
    width, height = (int(side) for side in rng.integers(SHORTEST, LONGEST + 1, 2))
    larger = image.resize((width, height), Image.Resampling.BICUBIC)
    larger.save(path.with_suffix(".jpg"), quality=90)


def measure(
    *,
    folders: Sequence[str] = tuple(FOLDERS),
    ways: Sequence[str] = WAYS,
    seeds: int = 3,
) -> dict[str, Any]:
    """Return test accuracies and seconds by folder and way, one a seed.

    Args:
        folders: Names of `FOLDERS`.
        ways: Some of `WAYS`.
        seeds: So many trainings of each, from seed 0 on, on as many draws.

    Raises:
        ValueError: if there is no such folder or way.
    """
    from kerasopt.training import environment

    for name in folders:
        if name not in FOLDERS:
            raise names.unknown("folder", name, [*FOLDERS])
    for way in ways:
        if way not in WAYS:
            raise names.unknown("way", way, WAYS)
    cells: dict[str, dict[str, dict[str, list[float]]]] = {
        name: {way: {"test_accuracy": [], "seconds": []} for way in ways}
        for name in folders
    }
    for name in folders:
        for seed in range(seeds):
            for way in ways:
                accuracy, seconds = _train(name, way, seed)
                cells[name][way]["test_accuracy"].append(accuracy)
                cells[name][way]["seconds"].append(seconds)
                line = f"{name}, seed {seed}, {way}: {accuracy:.1%} in {seconds:.0f} s"
                print(line, file=sys.stderr, flush=True)
    return {
        "machine": environment.describe(),
        "test_pictures": TEST_PICTURES,
        "results": cells,
    }


def _train(name: str, way: str, seed: int) -> tuple[float, float]:
    """Return test accuracy and seconds of one command, in a folder of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder, run = Path(place) / "photos", Path(place) / "run"
        write_folder(name, folder, seed=seed)
        what = folder
        if way == "scratch":
            what = _from_scratch(folder, round(0.9 * FOLDERS[name][1]))
        words = ["train", str(what), "--seed", str(seed), "--out", str(run), "--json"]
        command = [sys.executable, "-m", "kerasopt", *words]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return metrics["test_accuracy"], seconds


def _from_scratch(folder: Path, samples: int) -> Path:
    """Write the recipe that a folder gets without the weights, and return its path."""
    from kerasopt.recipes import Recipe, from_scratch
    from kerasopt.recipes.of_folder import SIDE_FROM_SCRATCH

    side = [SIDE_FROM_SCRATCH, SIDE_FROM_SCRATCH]
    data = {"name": "directory", "path": str(folder), "image_size": side}
    settings = from_scratch.settings(samples, side=SIDE_FROM_SCRATCH)
    recipe = Recipe({"name": "scratch", "data": data, **settings})
    path = folder.with_name("scratch.yaml")
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    return path


def show(result: dict[str, Any]) -> None:
    """Print the accuracies and seconds as a table."""
    print(f"{'folder':16}{'way':12}{'test accuracy':>24}{'seconds in all':>20}")
    for name, ways in result["results"].items():
        for way, cell in ways.items():
            accuracy = _shared.accuracy_text(cell["test_accuracy"])
            seconds = ", ".join(map(_shared.seconds_text, cell["seconds"]))
            print(f"{name:16}{way:12}{accuracy:>24}{seconds:>20}")
    machine = _shared.machine(result["machine"])
    print(f"On {result['test_pictures']:,} test pictures; {machine}")


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=_shared.positive, default=3)
    parser.add_argument("--folders", nargs="+", default=[*FOLDERS], choices=[*FOLDERS])
    parser.add_argument("--ways", nargs="+", default=[*WAYS], choices=WAYS)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(folders=options.folders, ways=options.ways, seeds=options.seeds)
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
