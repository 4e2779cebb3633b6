"""How long kerasopt takes to start, and a short training from start to finish.

    python -m kerasopt.benchmarks.startup [--repeats 7] [--json FILE]

Whole processes in turns, after one warm-up, median and range. A bare ``python -c pass``
is the floor beneath ``import kerasopt`` and ``kerasopt --help``; ``import tensorflow,
keras`` that beneath ``kerasopt train digits``, which loads data, trains 40 epochs,
measures the test set and writes the report. The last line is the ratio of these two,
turn by turn.
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kerasopt.benchmarks import _shared

__all__ = ["main", "measure", "show"]

IMPORT, TRAIN = "import tensorflow, keras", "kerasopt train digits"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import kerasopt": ["-c", "import kerasopt"],
    "kerasopt --help": ["-m", "kerasopt", "--help"],
    IMPORT: ["-c", IMPORT],
    TRAIN: ["-m", "kerasopt", "train", "digits"],
}


def measure(*, repeats: int = 7) -> dict[str, Any]:
    """Return the seconds of each command, in turns.

    Args:
        repeats: Timed starts of each, at least 1.
    """
    from kerasopt.training import environment

    with tempfile.TemporaryDirectory() as folder:
        runners = {
            name: functools.partial(_seconds, name, Path(folder)) for name in COMMANDS
        }
        seconds = _shared.in_turns(runners, repeats)
    return {
        "machine": environment.describe(),
        "results": {
            name: {"seconds": _shared.spread(own)} for name, own in seconds.items()
        },
        "train_to_import": _shared.ratios(seconds[TRAIN], seconds[IMPORT]),
    }


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    for name, row in result["results"].items():
        found = row["seconds"]
        print(
            f"{name:26} {found['median']:.3f} s ({found['min']:.3f}–{found['max']:.3f})"
        )
    ratio = _shared.times_text(result["train_to_import"])
    print(f"{TRAIN} takes {ratio} the time of {IMPORT}.")


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=_shared.positive, default=7)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(repeats=options.repeats)
    _shared.present(result, show, options.json)


def _seconds(name: str, folder: Path) -> float:
    words = [sys.executable, *COMMANDS[name]]
    if name == TRAIN:
        words += ["--out", str(folder / f"run-{len(list(folder.iterdir()))}")]
    started = time.perf_counter()
    # TensorFlow's greeting would break the progress bar.
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr.strip()}")
    return seconds


if __name__ == "__main__":
    main()
