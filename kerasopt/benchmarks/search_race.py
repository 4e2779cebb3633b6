"""A search by kerasopt against keras-tuner's RandomSearch as its guide shows it.

Both get the same data, network, space and time. keras-tuner's loop is that of its
guide: a HyperModel whose `fit` tunes the batch size, `search` with arrays and a number
of epochs, the best model's checkpoint at the end. Repeats have different seeds. Each
side runs in a process of its own; its start isn't counted.

    python -m kerasopt.benchmarks.search_race --data digits --budget 60 --json race.json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from kerasopt.benchmarks import _shared
from kerasopt.console import Console

__all__ = ["SIDES", "fields", "keras_tuner_search", "kerasopt_search", "main"]

EPOCHS = {"digits": 30, "mnist": 10}
PATIENCE = 5
VALIDATION = {"digits": 0.2, "mnist": 0.1}
_NAME = "kerasopt.benchmarks.search_race"


def fields(hp: Any) -> dict[str, Any]:
    """Declare the space that both sides search: 4 · 3 widths, and so on.

    Args:
        hp: A `keras_tuner.HyperParameters`.

    Returns:
        units (a list), dropout, learning_rate and batch_size.

    Example:
        >>> import keras_tuner
        >>> fields(keras_tuner.HyperParameters())["units"]
        [32]
    """
    return {
        "units": [hp.Choice("units", [32, 64, 128, 256])] * hp.Int("layers", 1, 3),
        "dropout": hp.Float("dropout", 0.0, 0.5, step=0.1),
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"),
        "batch_size": hp.Choice("batch_size", [32, 64, 128, 256]),
    }


def kerasopt_search(
    name: str, seconds: float, seed: int, folder: str, method: str = "bayesian"
) -> dict[str, Any]:
    """Search with kerasopt; train the winner once and test it.

    Args:
        name: "digits" or "mnist".
        seconds: Time of the search.
        seed: Of the choices, the trainings and the cut of the data.
        folder: Where to put it.
        method: As in `kerasopt.tuning.search`.

    Returns:
        trials (those that ended), best (validation accuracy), test (accuracy), seconds.
    """
    import kerasopt as ko

    dataset = ko.data.load(name, validation=VALIDATION[name], seed=seed)
    recipe = ko.recipes.Recipe(
        {
            "name": f"race-{name}",
            "data": {"name": name, "validation": VALIDATION[name], "seed": seed},
            "model": {"name": "mlp"},
            "optimizer": {"name": "adam", "learning_rate": 0.001},
            "training": {
                "epochs": EPOCHS[name],
                "patience": PATIENCE,
                "monitor": "val_accuracy",
            },
        }
    )

    def space(hp: Any) -> dict[str, Any]:
        chosen = fields(hp)
        return {
            "model.units": chosen["units"],
            "model.dropout": chosen["dropout"],
            "optimizer.learning_rate": chosen["learning_rate"],
            "training.batch_size": chosen["batch_size"],
        }

    started = time.perf_counter()
    found = ko.tuning.search(
        recipe,
        space,
        dataset=dataset,
        directory=Path(folder) / "search",
        method=method,
        budget=seconds,
        seed=seed,
        verbose=False,
    )
    took = time.perf_counter() - started
    run = found.recipe.run(
        seed=seed, dataset=dataset, directory=Path(folder) / "run", verbose=False
    )
    return {
        "trials": int(found.table["mean"].notna().sum()),
        "best": float(found.best_trial["mean"]),
        "test": run.metrics["test_accuracy"],
        "seconds": took,
    }


def keras_tuner_search(
    name: str, seconds: float, seed: int, folder: str
) -> dict[str, Any]:
    """Search with keras-tuner's RandomSearch; test the best model that it kept.

    Args:
        name: "digits" or "mnist".
        seconds: Time of the search, after which it is interrupted.
        seed: Of the choices and the cut of the data.
        folder: Where to put it.

    Returns:
        As `kerasopt_search`.
    """
    import keras
    import keras_tuner

    import kerasopt as ko

    dataset = ko.data.load(name, validation=VALIDATION[name], seed=seed)
    pairs = (dataset.train, dataset.validation, dataset.test)
    (x, y), validation, test = [(pair[0] / 255.0, pair[1]) for pair in pairs if pair]

    class Model(keras_tuner.HyperModel):
        def build(self, hp: Any) -> keras.Model:
            chosen = fields(hp)
            model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten()])
            for units in chosen["units"]:
                model.add(keras.layers.Dense(units, "relu"))
                model.add(keras.layers.Dropout(chosen["dropout"]))
            model.add(keras.layers.Dense(10, "softmax"))
            model.compile(
                keras.optimizers.Adam(chosen["learning_rate"]),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
            )
            return model

        def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            size = fields(hp)["batch_size"]
            return model.fit(*args, batch_size=size, **kwargs)

    class TimeIsOver(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if time.perf_counter() - started >= seconds:
                raise KeyboardInterrupt

    keras.utils.set_random_seed(seed)
    tuner = keras_tuner.RandomSearch(
        Model(),
        objective="val_accuracy",
        max_trials=100_000,
        seed=seed + 1,
        directory=folder,
        project_name="plain",
    )
    started = time.perf_counter()
    with contextlib.suppress(KeyboardInterrupt):
        tuner.search(
            x,
            y,
            epochs=EPOCHS[name],
            validation_data=validation,
            callbacks=[TimeIsOver()],
            verbose=0,
        )
    took = time.perf_counter() - started
    ended = [t for t in tuner.oracle.trials.values() if t.status == "COMPLETED"]
    best = tuner.get_best_models()[0]
    _, accuracy = best.evaluate(*test, verbose=0)
    return {
        "trials": len(ended),
        "best": max(trial.score for trial in ended),
        "test": float(accuracy),
        "seconds": took,
    }


SIDES = {"kerasopt": kerasopt_search, "keras-tuner": keras_tuner_search}


def measure(
    *,
    data: str = "digits",
    budget: float = 60.0,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    method: str = "bayesian",
) -> dict[str, Any]:
    """Run the race and return each search's row.

    Args:
        data: "digits" or "mnist".
        budget: Seconds of a search.
        seeds: One search of each side a seed.
        method: kerasopt's, as in `kerasopt.tuning.search`.
    """
    from kerasopt.training import environment

    console = Console()
    rows = []
    for seed in seeds:
        for side in SIDES:  # In turn, so that a slow moment hits both.
            with console.status(f"{side}, seed {seed} …"):
                row = _apart(side, data, budget, seed, method)
            rows.append({"side": side, "seed": seed, **row})
            console.print(rows[-1], highlight=False)
    return {
        "machine": environment.describe(),
        "data": data,
        "budget_seconds": budget,
        "method": method,
        "results": rows,
    }


def show(result: Mapping[str, Any]) -> None:
    """Print what `measure` returned."""
    table = Table("side", "best validation", "test, once", "trials an hour")
    for line in summary(result["results"]):
        table.add_row(*line)
    Console(stderr=False).print(table)
    rows = result["results"]
    rates = {
        side: [r["trials"] / r["seconds"] for r in rows if r["side"] == side]
        for side in SIDES
    }
    ratio = _shared.ratios(rates["kerasopt"], rates["keras-tuner"])
    print(
        f"{result['data']}, {result['budget_seconds']:g} s a search, "
        f"{result['method']}: {_shared.times_text(ratio)} the trials an hour, on "
        f"{_shared.machine(result['machine'])}"
    )


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=tuple(EPOCHS), default="digits")
    parser.add_argument("--budget", type=float, default=60, help="seconds a search")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--method", default="bayesian", help="kerasopt's")
    _shared.add_json_option(parser)
    parser.add_argument("--side", choices=tuple(SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        with tempfile.TemporaryDirectory() as folder:
            arguments = (options.data, options.budget, options.seeds[0], folder)
            more = (options.method,) if options.side == "kerasopt" else ()
            print(json.dumps(SIDES[options.side](*arguments, *more)))
        return
    result = measure(
        data=options.data,
        budget=options.budget,
        seeds=options.seeds,
        method=options.method,
    )
    _shared.present(result, show, options.json)


def _apart(
    side: str, data: str, budget: float, seed: int, method: str
) -> dict[str, Any]:
    """Run one side in a process of its own."""
    command = [sys.executable, "-m", _NAME]
    command += ["--side", side, "--data", data, "--budget", str(budget)]
    command += ["--seeds", str(seed), "--method", method]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{side} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def summary(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return name, best, test and trials an hour of each side: mean ± std.

    Args:
        rows: One a search.

    Example:
        >>> row = {"side": "kerasopt", "best": 0.9, "test": 0.8, "trials": 10,
        ...        "seconds": 36.0}
        >>> summary([row, {**row, "best": 0.8}])
        [('kerasopt', '85.00 ± 7.07 %', '80.00 ± 0.00 %', '1000 ± 0')]
    """
    lines = []
    for side in dict.fromkeys(row["side"] for row in rows):
        own = [row for row in rows if row["side"] == side]
        cells = [
            _spread([100 * row[name] for row in own], 2) + " %"
            for name in ("best", "test")
        ]
        hourly = _spread([3600 * row["trials"] / row["seconds"] for row in own], 0)
        lines.append((side, *cells, hourly))
    return lines


def _spread(values: Sequence[float], digits: int) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.{digits}f} ± {deviation:.{digits}f}"


if __name__ == "__main__":
    main()
