"""What trainings leave behind in a process: memory, threads and open files.

    python -m kerasopt.benchmarks.growth [--fits 100] [--json FILE]

Calls `kerasopt.fit` again and again on a new small network, and then trains trials of a
search that compile anew each time. The first ten of each don't count: they load
libraries and fill caches of a fixed size.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasopt.benchmarks import _shared

__all__ = ["main", "measure", "show"]

WARM_UP = 10


def measure(fits: int = 100) -> dict[str, Any]:
    """Return growth a training in MB, threads and open files, by kind of training.

    Args:
        fits: Trainings of each kind, the warm-up included.
    """
    from kerasopt.training import environment

    kinds = {"ko.fit": _fit, "trial that compiles": _trial}
    results = {name: _growth(train, fits) for name, train in kinds.items()}
    return {"machine": environment.describe(), "fits": fits, "results": results}


def _growth(train: Callable[[Path], None], fits: int) -> dict[str, float]:
    before: dict[str, float] = {}
    for number in range(fits):
        if number == WARM_UP:
            before = _state()
        with tempfile.TemporaryDirectory() as folder:
            train(Path(folder) / "run")
    after = _state()
    return {
        "mb_a_fit": (after["mb"] - before["mb"]) / (fits - WARM_UP),
        "threads": after["threads"] - before["threads"],
        "files": after["files"] - before["files"],
    }


def _state() -> dict[str, float]:
    """Return memory, threads and open files of this process, as Linux tells them."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in status)
    return {
        "mb": int(fields["VmRSS"].split()[0]) / 1024,
        "threads": int(fields["Threads"]),
        "files": len(os.listdir("/proc/self/fd")),
    }


def _network() -> Any:
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(2, activation="softmax"),
        ]
    )


def _data() -> Any:
    import numpy as np

    import kerasopt as ko

    x = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
    return ko.data.from_arrays(x, (x[:, 0] > 0).astype(int), validation=40)


def _fit(folder: Path) -> None:
    import kerasopt as ko

    ko.fit(_network(), _data(), epochs=2, directory=folder, verbose=False)


def _trial(folder: Path) -> None:
    from kerasopt.training.batches import Feed
    from kerasopt.training.spec import TrainingSettings, TrainingSpec
    from kerasopt.training.trial import train_trial

    spec = TrainingSpec(_network, settings=TrainingSettings(epochs=2))
    train_trial(spec, Feed(_data()), folder)


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    counted = result["fits"] - WARM_UP
    for name, found in result["results"].items():
        print(
            f"{name}: {found['mb_a_fit']:+.3f} MB a training over {counted}, "
            f"{found['threads']:+.0f} threads, {found['files']:+.0f} open files"
        )
    print(_shared.machine(result["machine"]))


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fits", type=_shared.positive, default=100)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    _shared.present(measure(options.fits), show, options.json)


if __name__ == "__main__":
    main()
