"""What it gains to keep freed memory (`kerasopt.allocator`), and what it takes.

    python -m kerasopt.benchmarks.allocator [--repeats 3] [--json FILE]

Trains networks on random images of CIFAR-10's size, in float32 and batches of 512,
each time in a process of its own: with the allocator that `import kerasopt` sets up,
and with glibc's own. Seconds of a step and the largest memory of the process, in turns.
On other systems both are the same.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from typing import Any

from kerasopt.benchmarks import _shared

__all__ = ["NETWORKS", "main", "measure", "show"]

NETWORKS: dict[str, dict[str, Any]] = {
    "mobilenet": {"name": "mobilenet"},
    "resnet(depth=20)": {"name": "resnet", "depth": 20},
    "cnn, three convolutions": {"name": "cnn", "filters": [32, 64, 128]},
    "airbench": {"name": "airbench", "widths": [64, 256, 256]},
}
BATCH, WARM_UP, STEPS = 512, 2, 6
OWN = {"MALLOC_PERTURB_": "0"}
"""Changes nothing, but is a choice, which `kerasopt.allocator` respects."""


def measure(*, repeats: int = 3) -> dict[str, Any]:
    """Return seconds of a step and peak memory by network, with and without.

    Args:
        repeats: Processes of each, at least 1.
    """
    from kerasopt.training import environment

    results = {}
    for name in NETWORKS:
        memory: dict[str, list[float]] = {"kept": [], "given back": []}
        runners = {
            "kept": functools.partial(_run, name, {}, memory["kept"]),
            "given back": functools.partial(_run, name, OWN, memory["given back"]),
        }
        seconds = _shared.in_turns(runners, repeats)
        memory = {way: each[1:] for way, each in memory.items()}  # warmed up
        results[name] = {
            "seconds": {way: _shared.spread(each) for way, each in seconds.items()},
            "peak_mib": {way: _shared.spread(each) for way, each in memory.items()},
            "speed_up": _shared.ratios(seconds["given back"], seconds["kept"]),
            "memory": _shared.ratios(memory["kept"], memory["given back"]),
        }
    return {"machine": environment.describe(), "results": results}


def _run(name: str, chosen: dict[str, str], memory: list[float]) -> float:
    """Train in a new process; note its peak memory, and return seconds of a step."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-m", "kerasopt.benchmarks.allocator", "--train", name],
        env={**inherited, "TF_CPP_MIN_LOG_LEVEL": "3", **chosen},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    memory.append(found["peak_mib"])
    return float(found["seconds"])


def _train(name: str) -> dict[str, float]:
    """Train a network in this process, the first steps unmeasured."""
    import resource

    import numpy as np

    import kerasopt as ko

    model = ko.models.get(
        {**NETWORKS[name], "input_shape": (32, 32, 3), "num_classes": 10}
    )
    model.compile(ko.optimizers.get("sgd"), "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = rng.random((BATCH * STEPS, 32, 32, 3), "float32")
    y = rng.integers(0, 10, len(x))
    model.fit(x[: BATCH * WARM_UP], y[: BATCH * WARM_UP], batch_size=BATCH, verbose=0)
    started = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, verbose=0)
    seconds = (time.perf_counter() - started) / STEPS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mib": peak}


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    for name, row in result["results"].items():
        step = {way: each["median"] for way, each in row["seconds"].items()}
        print(
            f"{name}: {step['kept']:.2f} s a step instead of {step['given back']:.2f}, "
            f"{_shared.times_text(row['speed_up'])} as fast; memory "
            f"{_shared.times_text(row['memory'])}"
        )
    print(f"On {_shared.machine(result['machine'])}")


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=_shared.positive, default=3)
    parser.add_argument("--train", choices=[*NETWORKS], help=argparse.SUPPRESS)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    if options.train:
        print(json.dumps(_train(options.train)))
    else:
        result = measure(repeats=options.repeats)
        _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
