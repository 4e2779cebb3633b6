"""How long ``import kerasopt`` and ``kerasopt --help`` take.

    python -m benchmarks.startup [--repeats 7]

Whole processes, after one warm-up, median and range. A bare ``python -c pass`` is
the floor beneath both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import kerasopt": ["-c", "import kerasopt"],
    "kerasopt --help": ["-m", "kerasopt", "--help"],
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    results = {}
    for name, words in COMMANDS.items():
        _seconds(words)
        times = [_seconds(words) for _ in range(repeats)]
        results[name] = {"median": statistics.median(times), "range": _range(times)}
        low, high = _range(times)
        print(f"{name:18} {statistics.median(times):.3f} s ({low:.3f}–{high:.3f})")
    print(json.dumps(results))


def _seconds(words: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _range(times: list[float]) -> tuple[float, float]:
    return min(times), max(times)


if __name__ == "__main__":
    main()
