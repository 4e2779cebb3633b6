"""Test accuracy on data as small as a user's, beside simple baselines.

    python -m kerasopt.benchmarks.small_data [--sizes 60 300 2000] [--seeds 5]
        [--data shapes] [--json FILE]

Circles, squares and triangles of any colour, place and size, 32×32 pixels (or cuts of
CIFAR-10), through networks from scratch: the package's defaults, and what
`kerasopt.tuning.advise_settings` advises. `kerasopt.benchmarks.transfer` has the
pretrained ones. Each must keep up with logistic regression on the pixels and with the
same network without batch normalisation: a network that predicts with statistics which
lag behind its weights falls to chance here.
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
    "SHAPES",
    "draw_shapes",
    "main",
    "measure",
    "show",
]

SHAPES = ("circle", "square", "triangle")
TEST_SAMPLES = 1_000


def draw_shapes(
    count: int, *, side: int = 32, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw circles, squares and triangles, one a picture, as many of each.

    Colours (bright ones on dark ones), place and size (a quarter to half of the side)
    are drawn at random, and some noise lies over all.

    Args:
        count: Number of pictures.
        side: Their height and width in pixels.
        seed: Fixes everything.

    Returns:
        Pictures of shape (count, side, side, 3), uint8, and labels 0 to 2.

    Example:
        >>> x, y = draw_shapes(4, side=16)
        >>> x.shape, x.dtype.name, y.tolist()
        ((4, 16, 16, 3), 'uint8', [0, 1, 2, 0])
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(SHAPES)
    radius = rng.uniform(side / 8, side / 4, (count, 1, 1))
    row, column = (rng.uniform(radius, side - radius) for _ in range(2))
    rows, columns = np.mgrid[:side, :side] + 0.5
    down, right = (rows - row) / radius, (columns - column) / radius
    inside = np.choose(
        labels[:, None, None],
        [
            down**2 + right**2 <= 1,
            np.maximum(abs(down), abs(right)) <= 1,
            (abs(down) <= 1) & (abs(right) <= (down + 1) / 2),
        ],
    )
    shape, ground = _two_colours(count, rng)
    pictures = np.where(inside[..., None], shape[:, None, None], ground[:, None, None])
    pictures = pictures + rng.normal(0, 0.03, pictures.shape)
    return (255 * pictures.clip(0, 1)).astype("uint8"), labels


def _two_colours(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a bright colour for each shape and a dark one for its background."""
    shape = rng.random((count, 3))
    shape /= shape.max(axis=1, keepdims=True)
    return shape * rng.uniform(0.6, 1, (count, 1)), rng.uniform(0, 0.3, (count, 3))


def _defaults(dataset: Any) -> Any:
    """Return `kerasopt.models.cnn` and `kerasopt.fit` with what they default to."""
    from kerasopt.recipes import Recipe

    model = {"name": "cnn", "batch_norm": True}
    return Recipe({"name": "defaults", "data": {"name": "arrays"}, "model": model})


def _advised(dataset: Any) -> Any:
    from kerasopt import tuning

    return tuning.advise_settings(dataset, pretrained=False).recipe


def _without_batch_norm(choose: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda dataset: choose(dataset).replace("model.batch_norm", False)


CONTENDERS: dict[str, Callable[[Any], Any]] = {
    "defaults": _defaults,
    "defaults, no batch norm": _without_batch_norm(_defaults),
    "advice": _advised,
}
"""By name, the function from a dataset to the recipe that is trained."""

LINEAR = "logistic regression"


def measure(
    *,
    sizes: tuple[int, ...] = (60, 300, 2_000),
    seeds: int = 5,
    data: str = "shapes",
    contenders: tuple[str, ...] = (LINEAR, *CONTENDERS),
) -> dict[str, Any]:
    """Return test accuracies by size and contender, one a seed.

    Args:
        sizes: Numbers of pictures, validation included (a tenth of them).
        seeds: So many trainings of each, from seed 0 on, on as many draws.
        data: ``"shapes"``, or the name of published images such as ``"cifar10"``.
        contenders: Names of `CONTENDERS`, and ``"logistic regression"``.

    Raises:
        ValueError: if there is no such contender, or no such data.
    """
    from kerasopt.training import environment

    for name in contenders:
        if name not in (LINEAR, *CONTENDERS):
            raise names.unknown("contender", name, [LINEAR, *CONTENDERS])
    results: dict[str, dict[str, list[float]]] = {
        str(size): {name: [] for name in contenders} for size in sizes
    }
    for size in sizes:
        for seed in range(seeds):
            dataset = _dataset(data, size, seed)
            for name in contenders:
                accuracy = _accuracy(name, dataset, seed)
                results[str(size)][name].append(accuracy)
                done = f"{size:,} {data}, seed {seed}, {name}: {accuracy:.1%}"
                print(done, file=sys.stderr, flush=True)
    about = {"data": data, "seeds": seeds, "test_samples": TEST_SAMPLES}
    return {"machine": environment.describe(), **about, "results": results}


def _dataset(data: str, size: int, seed: int) -> Any:
    from sklearn.model_selection import train_test_split

    import kerasopt as ko

    train: Any
    test: Any
    if data == "shapes":
        train = draw_shapes(size, seed=seed)
        test = draw_shapes(TEST_SAMPLES, seed=10_000 + seed)
    else:
        whole: Any = ko.data.load(data, validation=0)
        rows, _ = train_test_split(
            np.arange(len(whole.train[0])),
            train_size=size,
            stratify=whole.train[1],
            random_state=seed,
        )
        train = tuple(part[rows] for part in whole.train)
        test = tuple(part[:TEST_SAMPLES] for part in whole.test)
    return ko.data.from_arrays(*train, test=test, validation=0.1, seed=seed)


def _accuracy(name: str, dataset: Any, seed: int) -> float:
    if name == LINEAR:
        return _linear_accuracy(dataset)
    recipe = CONTENDERS[name](dataset)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "run"
        run = recipe.run(dataset=dataset, seed=seed, directory=directory, verbose=False)
    return float(run.metrics["test_accuracy"])


def _linear_accuracy(dataset: Any) -> float:
    """Fit on train and validation, as a model that stops by itself may."""
    from sklearn.linear_model import LogisticRegression

    pairs = (dataset.train, dataset.validation)
    x, y = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    model = LogisticRegression(max_iter=2_000).fit(_rows(x), y)
    x_test, y_test = dataset.test
    return float(model.score(_rows(x_test), y_test))


def _rows(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1) / 255


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    sizes = list(result["results"])
    heading = "".join(f"{int(size):>14,} images" for size in sizes)
    print(f"{result['data']:30}{heading}")
    for name in result["results"][sizes[0]]:
        found = (_shared.accuracy_text(result["results"][size][name]) for size in sizes)
        print(f"{name:30}" + "".join(f"{cell:>21}" for cell in found))
    machine = _shared.machine(result["machine"])
    print(
        f"Test accuracy on {result['test_samples']:,} images, mean ± standard "
        f"deviation (n={result['seeds']} seeds), on {machine}"
    )


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sizes", type=_shared.positive, nargs="+", default=[60, 300, 2_000]
    )
    parser.add_argument("--seeds", type=_shared.positive, default=5)
    parser.add_argument(
        "--data", default="shapes", help="shapes, cifar10, or other published images"
    )
    parser.add_argument(
        "--contenders", nargs="+", default=[LINEAR, *CONTENDERS], metavar="NAME"
    )
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(
        sizes=tuple(options.sizes),
        seeds=options.seeds,
        data=options.data,
        contenders=tuple(options.contenders),
    )
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
