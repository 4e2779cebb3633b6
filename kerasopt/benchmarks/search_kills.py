"""Kill a search at random moments, resume it, and compare it with an unbroken one.

A search of small networks on digits runs in a process that is killed (SIGKILL) at a
random moment of its training, again and again, and resumed each time. Counted are what
was there before a kill and isn't after it (results of trials that had ended, epochs of
the running trial that its checkpoint lacks), and whether the table in the end is that
of a search that nobody killed.

    python -m kerasopt.benchmarks.search_kills --kills 20 --json kills.json
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt.benchmarks import _shared
from kerasopt.console import Console

__all__ = ["main", "measure", "search", "show"]

SPACE = {
    "optimizer.learning_rate": {
        "min_value": 1e-4,
        "max_value": 0.1,
        "sampling": "log",
    },
    "training.batch_size": [32, 64, 128],
    "model.units": [[32], [64], [64, 64]],
}
_NAME = "kerasopt.benchmarks.search_kills"
LONGEST_SECONDS = 4.0
"""A kill comes up to so long after the search's first sign of life."""


def search(folder: str, method: str, trials: int, epochs: int) -> Any:
    """Run or resume the search.

    Args:
        folder: Its folder.
        method: As in `kerasopt.tuning.search`.
        trials: How many.
        epochs: Length of a training.

    Returns:
        The `kerasopt.tuning.SearchResult`.
    """
    import kerasopt as ko

    recipe = ko.recipes.Recipe(
        {
            "name": "kills",
            "data": {"name": "digits", "validation": 0.2},
            "model": {"name": "mlp"},
            "optimizer": {"name": "adam", "learning_rate": 0.001},
            "training": {"epochs": epochs},
        }
    )
    return ko.tuning.search(
        recipe, SPACE, method=method, max_trials=trials, directory=folder, verbose=False
    )


def measure(
    *,
    kills: int = 20,
    method: str = "bayesian",
    trials: int = 60,
    epochs: int = 60,
    seed: int = 0,
) -> dict[str, Any]:
    """Kill, resume, compare, and return what was lost.

    Args:
        kills: How often; fewer if the search ends before.
        method: As in `kerasopt.tuning.search`.
        trials: How many the search has.
        epochs: Length of a training.
        seed: Of the moments.
    """
    from kerasopt.training import environment

    with tempfile.TemporaryDirectory() as folder:
        found = _measure(Path(folder), kills, (method, trials, epochs), seed)
    settings = {"method": method, "trials": trials, "epochs": epochs}
    return {"machine": environment.describe(), **settings, "results": found}


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    found = result["results"]
    same = "the same" if found["same_table"] else "ANOTHER"
    print(
        f"{found['kills']} kills of a {result['method']} search: "
        f"{found['results_lost']} results of trials lost, at most "
        f"{found['most_epochs_lost']} logged epochs of the running one; in the end "
        f"{same} table as without a kill, on {_shared.machine(result['machine'])}"
    )


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=_shared.positive, default=20)
    parser.add_argument("--method", default="bayesian")
    parser.add_argument("--trials", type=_shared.positive, default=60)
    parser.add_argument("--epochs", type=_shared.positive, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    _shared.add_json_option(parser)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        search(options.folder, options.method, options.trials, options.epochs)
        return
    result = measure(
        kills=options.kills,
        method=options.method,
        trials=options.trials,
        epochs=options.epochs,
        seed=options.seed,
    )
    _shared.present(result, show, options.json)


def _measure(
    folder: Path, wanted: int, settings: tuple[str, int, int], seed: int
) -> dict[str, Any]:
    moments, console = random.Random(seed), Console()
    killed = folder / "killed"
    lost_results = 0
    lost_epochs: list[int] = []
    while len(lost_epochs) < wanted:
        before = _results(killed)
        process = _start(killed, settings)
        delay = moments.uniform(0, LONGEST_SECONDS)
        if not _shared.kill(process, killed, "trials/*/history.csv", delay):
            break  # It had ended before.
        after = _results(killed)
        lost_results += sum(after.get(name) != text for name, text in before.items())
        lost_epochs.append(_epochs_lost(killed))
        console.print(
            f"kill {len(lost_epochs)}: {len(after)} trials had ended, "
            f"{lost_epochs[-1]} epochs of the running one lost",
            highlight=False,
        )
    _start(killed, settings).wait()
    search(str(folder / "unbroken"), *settings)
    return {
        "kills": len(lost_epochs),
        "results_lost": lost_results,
        "most_epochs_lost": max(lost_epochs, default=0),
        "same_table": _table(killed) == _table(folder / "unbroken"),
    }


def _start(folder: Path, settings: tuple[str, int, int]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", _NAME, "--folder", str(folder)]
    for name, value in zip(("method", "trials", "epochs"), settings, strict=True):
        command += [f"--{name}", str(value)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _files(folder: Path, name: str) -> list[Path]:
    return list((folder / "trials").glob(f"*/{name}"))


def _results(folder: Path) -> dict[str, str]:
    """Return the results of the trials that have ended, as they are on the disk."""
    return {path.parent.name: path.read_text() for path in _files(folder, "trial.json")}


def _epochs_lost(folder: Path) -> int:
    """Return the running trial's epochs that its log has and its checkpoint hasn't."""
    lost = 0
    for history in _files(folder, "history.csv"):
        if (history.parent / "trial.json").is_file():
            continue
        logged = len(history.read_text().splitlines()) - 1
        checkpoint = history.parent / "checkpoints" / "last.npz"
        kept = 0
        if checkpoint.is_file():
            with np.load(checkpoint, allow_pickle=False) as saved:
                kept = json.loads(str(saved["state"]))["epochs"]
        lost = max(lost, logged - kept)
    return lost


def _table(folder: Path) -> list[Any]:
    """Return values and result of each trial."""
    from kerasopt.tuning import SearchResult

    table = SearchResult(folder).table
    return json.loads(table[[*SPACE, "mean", "epochs", "status"]].to_json())


if __name__ == "__main__":
    main()
