"""How long ``import kerasopt`` and ``kerasopt --help`` take.

    python -m kerasopt.benchmarks.startup [--repeats 7] [--json FILE]

Whole processes, after one warm-up, median and range. A bare ``python -c pass`` is
the floor beneath both.
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import time
from typing import Any

from kerasopt.benchmarks import _shared

__all__ = ["main", "measure", "show"]

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import kerasopt": ["-c", "import kerasopt"],
    "kerasopt --help": ["-m", "kerasopt", "--help"],
}


def measure(*, repeats: int = 7) -> dict[str, Any]:
    """Return the seconds of each command, in turns.

    Args:
        repeats: Timed starts of each, at least 1.
    """
    from kerasopt.training import environment

    runners = {
        name: functools.partial(_seconds, words) for name, words in COMMANDS.items()
    }
    seconds = _shared.in_turns(runners, repeats)
    return {
        "machine": environment.describe(),
        "results": {
            name: {"seconds": _shared.spread(own)} for name, own in seconds.items()
        },
    }


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    for name, row in result["results"].items():
        found = row["seconds"]
        print(
            f"{name:18} {found['median']:.3f} s ({found['min']:.3f}–{found['max']:.3f})"
        )


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=_shared.positive, default=7)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(repeats=options.repeats)
    _shared.present(result, show, options.json)


def _seconds(words: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
