"""What the advised recipes reach beside the defaults and a linear model.

    python -m kerasopt.benchmarks.advice [--seeds 3] [--json FILE]

On a quarter of scikit-learn's breast cancer, wine and digits data, the first two raw
and standardised: what `kerasopt.tuning.advise_settings` advises, the package's default
model (``mlp``, of images ``cnn``) with Adam for 10 epochs, and scikit-learn's logistic
regression. The held-out quarter chooses nothing: each model is measured on it once.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from kerasopt.benchmarks import _shared

__all__ = ["DATA", "main", "measure", "show"]

DATA = {
    "breast cancer, raw": ("breast_cancer", False),
    "breast cancer, standardised": ("breast_cancer", True),
    "wine, raw": ("wine", False),
    "wine, standardised": ("wine", True),
    "digits": ("digits", False),
}
SIDES = ("defaults", "advised", "logistic regression")


def measure(*, seeds: int = 3, names: tuple[str, ...] = tuple(DATA)) -> dict[str, Any]:
    """Return the accuracies on the held-out quarter, by data and side, one a seed.

    Args:
        seeds: So many splits, from seed 0 on, each with a training of that seed.
        names: Some of `DATA`.
    """
    from kerasopt.training import environment

    results: dict[str, dict[str, list[float]]] = {}
    for name in names:
        results[name] = {side: [] for side in SIDES}
        for seed in range(seeds):
            for side, accuracy in _measured(*DATA[name], seed):
                results[name][side].append(accuracy)
    return {"machine": environment.describe(), "seeds": seeds, "results": results}


def _measured(name: str, standardised: bool, seed: int) -> Iterator[tuple[str, float]]:
    """Yield each side's accuracy on one split."""
    from sklearn import datasets
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    import kerasopt as ko

    load: Callable[..., Any] = getattr(datasets, f"load_{name}")
    x, y = load(return_X_y=True)
    x = x.astype("float32")
    parts = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)
    x_train, x_test, y_train, y_test = parts
    if standardised:
        scaler = StandardScaler().fit(x_train)
        x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    linear = LogisticRegression(max_iter=10_000).fit(x_train, y_train)
    yield "logistic regression", float(linear.score(x_test, y_test))
    if name == "digits":
        x_train, x_test = (part.reshape(-1, 8, 8, 1) / 16 for part in (x_train, x_test))
    dataset = ko.data.from_arrays(
        x_train, y_train, test=(x_test, y_test), validation=0.1, seed=seed
    )
    plain = ko.recipes.Recipe(
        {
            "name": "defaults",
            "data": {"name": "digits"},
            "model": {"name": "cnn" if name == "digits" else "mlp"},
        }
    )
    advised = ko.tuning.advise_settings(dataset).recipe
    for side, recipe in (("defaults", plain), ("advised", advised)):
        with tempfile.TemporaryDirectory() as folder:
            run = recipe.run(
                dataset=dataset, seed=seed, directory=f"{folder}/run", verbose=False
            )
        yield side, run.metrics["test_accuracy"]


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    print(f"{'':28}" + "".join(f"{side:>22}" for side in SIDES))
    for name, found in result["results"].items():
        cells = [_shared.accuracy_text(found[side]) for side in SIDES]
        print(f"{name:28}" + "".join(f"{cell:>22}" for cell in cells))
    print(f"n={result['seeds']} splits, on {_shared.machine(result['machine'])}")


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=_shared.positive, default=3)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(seeds=options.seeds)
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
