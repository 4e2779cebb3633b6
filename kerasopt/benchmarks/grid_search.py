"""How long scikit-learn's grid search over a Keras network takes.

    python -m kerasopt.benchmarks.grid_search [--epochs 20] [--json FILE]

``GridSearchCV`` with five folds over the 27 combinations of three learning rates, three
batch sizes and three widths of a hidden layer, on four fifths of scikit-learn's digits:
135 trainings and that of the best on all of them. The last fifth is measured once, with
that one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kerasopt.benchmarks import _shared

__all__ = ["main", "measure", "show"]

GRID: dict[str, list[Any]] = {
    "learning_rate": [0.01, 0.001, 0.0001],
    "batch_size": [32, 64, 128],
    "hidden_units": [16, 32, 64],
}


def measure(
    *,
    epochs: int = 20,
    grid: Mapping[str, Sequence[Any]] = GRID,
    folds: int = 5,
    samples: int | None = None,
) -> dict[str, Any]:
    """Return seconds and scores of the search, everything but the imports in them.

    Args:
        epochs: Epochs of each training.
        grid: Values of the parameters of `kerasopt.tuning.KerasOptClassifier`.
        folds: Folds of the cross-validation.
        samples: Only so many of the digits; all by default.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV, train_test_split

    from kerasopt.estimators import KerasOptClassifier
    from kerasopt.training import environment

    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        x[:samples] / 16, y[:samples], test_size=0.2, stratify=y[:samples],
        random_state=0,
    )  # fmt: skip
    network = KerasOptClassifier(epochs=epochs, random_state=0)
    search = GridSearchCV(network, dict(grid), cv=folds)
    started = time.perf_counter()
    search.fit(x_train, y_train)
    seconds = time.perf_counter() - started
    return {
        "machine": environment.describe(),
        "epochs": epochs,
        "results": {
            "fits": len(search.cv_results_["params"]) * folds + 1,
            "seconds": seconds,
            "best_params": search.best_params_,
            "best_score": float(search.best_score_),
            "test_accuracy": float(search.score(x_test, y_test)),
        },
    }


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    found = result["results"]
    print(
        f"{found['fits']} fits of {result['epochs']} epochs in "
        f"{_shared.seconds_text(found['seconds'])} s "
        f"({found['seconds'] / found['fits']:.2f} s each) on "
        f"{_shared.machine(result['machine'])}"
    )
    best = ", ".join(f"{name}={value}" for name, value in found["best_params"].items())
    print(
        f"best: {best}: {found['best_score']:.4f} over the folds, "
        f"{found['test_accuracy']:.4f} on the test set"
    )


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=_shared.positive, default=20)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(epochs=options.epochs)
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
