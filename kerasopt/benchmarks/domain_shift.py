"""Test accuracy on darker, blurred and noisy images, with and without AdaBN.

    python -m kerasopt.benchmarks.domain_shift [--seeds 3] [--epochs 6]
        [--contenders "crops and flips" …] [--json FILE]

The network of the recipe cifar10, narrower, is trained on CIFAR-10 as it is, with
several augmentations. Each model is measured on the test images, and on darker, blurred
and noisy copies of them: as it was trained, and with its batch normalisation adapted by
`kerasopt.models.adapt_batch_norm` to validation images that are changed in the same
way. No label of a changed image is used.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt import names
from kerasopt.benchmarks import _shared

__all__ = [
    "CONTENDERS",
    "SHIFTS",
    "blurred",
    "darker",
    "main",
    "measure",
    "noisy",
    "show",
]

UNLABELLED = 2_000
"""Images of the validation part, whose statistics AdaBN takes."""

WAYS = ("as trained", "AdaBN")


def darker(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images with three tenths of their brightness.

    Args:
        images: Pixels, shape (n, height, width, channels), uint8.
        rng: Isn't used.

    Example:
        >>> darker(np.full((1, 1, 1, 1), 200, "uint8"), np.random.default_rng(0)).item()
        60
    """
    return (0.3 * images).round().astype("uint8")


def blurred(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images blurred by a Gaussian of a deviation of one pixel.

    Args:
        images: Pixels, shape (n, height, width, channels), uint8.
        rng: Isn't used.
    """
    from scipy import ndimage

    return np.stack(
        [
            ndimage.gaussian_filter(image.astype("float32"), (1, 1, 0)).round()
            for image in images
        ]
    ).astype("uint8")


def noisy(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images with Gaussian noise of a tenth of their range on each value.

    Args:
        images: Pixels, shape (n, height, width, channels), uint8.
        rng: Draws the noise.
    """
    noise = rng.normal(0, 25.5, images.shape)
    return (images + noise).round().clip(0, 255).astype("uint8")


SHIFTS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "as they are": lambda images, rng: images,
    "darker": darker,
    "blurred": blurred,
    "noisy": noisy,
}

CROPS = {"name": "crop", "padding": 2, "flip": "alternating"}
COLOURS = {"name": "color_jitter", "brightness": 0.8, "contrast": 0.5}
NOISE = {"name": "noise", "stddev": 0.1}
CONTENDERS: dict[str, list[dict[str, Any]]] = {
    "crops and flips": [CROPS],
    "and colours": [CROPS, COLOURS],
    "and noise": [CROPS, NOISE],
    "and colours and noise": [CROPS, COLOURS, NOISE],
}
"""By name, the augmentation of a training."""

Results = dict[str, dict[str, dict[str, list[float]]]]


def measure(
    *,
    seeds: int = 3,
    epochs: int = 6,
    contenders: tuple[str, ...] = tuple(CONTENDERS),
) -> dict[str, Any]:
    """Measure accuracies on changed test images.

    Args:
        seeds: Trainings of each contender, with the seeds 0, 1, …; each draws other
            noise as well.
        epochs: Of each training.
        contenders: Names of `CONTENDERS`.

    Returns:
        ``machine``, ``seeds``, ``epochs``, ``unlabelled`` and ``results``: for each
        contender and shift, accuracies by seed ``"as trained"`` and by ``"AdaBN"``.

    Raises:
        ValueError: if there is no such contender.
    """
    from kerasopt.training import environment

    for name in contenders:
        if name not in CONTENDERS:
            raise names.unknown("contender", name, CONTENDERS)
    results: Results = {
        name: {shift: {way: [] for way in WAYS} for shift in SHIFTS}
        for name in contenders
    }
    dataset = _dataset()
    for seed in range(seeds):
        for name in contenders:
            run, folder = _trained(name, dataset, epochs, seed)
            with folder:
                _add(results[name], run, dataset, seed)
            found = results[name]
            parts = (
                f"{shift} {' to '.join(f'{found[shift][way][-1]:.1%}' for way in WAYS)}"
                for shift in SHIFTS
            )
            print(
                f"seed {seed}, {name}: {', '.join(parts)}", file=sys.stderr, flush=True
            )
    about = {"seeds": seeds, "epochs": epochs, "unlabelled": len(dataset.validation[0])}
    return {"machine": environment.describe(), **about, "results": results}


def _dataset() -> Any:
    import kerasopt as ko

    return ko.data.load("cifar10", validation=UNLABELLED)


def _trained(name: str, dataset: Any, epochs: int, seed: int) -> tuple[Any, Any]:
    """Return the run of a contender and its folder."""
    import kerasopt as ko

    recipe = ko.recipes.load("cifar10")
    settings: dict[str, Any] = {
        "from_budget": {},
        "training.budget": None,
        "training.epochs": epochs,
        "training.tta": "none",
        "training.tta_share": 1.0,
        "model.widths": [16, 64, 64],
        "augment": CONTENDERS[name],
    }
    for field, value in settings.items():
        recipe = recipe.replace(field, value)
    folder = tempfile.TemporaryDirectory()
    directory = Path(folder.name) / "run"
    run = recipe.run(dataset=dataset, seed=seed, directory=directory, verbose=False)
    return run, folder


def _add(
    results: dict[str, dict[str, list[float]]], run: Any, dataset: Any, seed: int
) -> None:
    """Measure a run on every shift, as it was trained and adapted."""
    from kerasopt import models

    trained = run.model.get_weights()
    for shift, change in SHIFTS.items():
        rng = np.random.default_rng([seed, 1])
        unlabelled = change(dataset.validation[0], rng)
        test = change(dataset.test[0], rng), dataset.test[1]
        results[shift]["as trained"].append(run.evaluate(test)["accuracy"])
        models.adapt_batch_norm(run.model, (unlabelled / 255).astype("float32"))
        results[shift]["AdaBN"].append(run.evaluate(test)["accuracy"])
        run.model.set_weights(trained)


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    results: Results = result["results"]
    shifts = list(next(iter(results.values())))
    print(f"{'trained with':34}" + "".join(f"{shift:>16}" for shift in shifts))
    for name, by_shift in results.items():
        for way in WAYS:
            cells = (_shared.accuracy_text(by_shift[shift][way]) for shift in shifts)
            row = name if way == WAYS[0] else f"{name}, {way}"
            print(f"{row:34}" + "".join(f"{cell:>16}" for cell in cells))
    machine = _shared.machine(result["machine"])
    print(
        f"Accuracy on the test images, mean ± standard deviation (n={result['seeds']} "
        f"seeds), {result['epochs']} epochs, AdaBN by {result['unlabelled']:,} other "
        f"images without labels, on {machine}"
    )


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=_shared.positive, default=3)
    parser.add_argument("--epochs", type=_shared.positive, default=6)
    parser.add_argument(
        "--contenders", nargs="+", default=list(CONTENDERS), metavar="NAME"
    )
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(
        seeds=options.seeds,
        epochs=options.epochs,
        contenders=tuple(options.contenders),
    )
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
