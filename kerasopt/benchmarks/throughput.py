"""How fast the network of the fast recipes trains, beside its alternatives.

    python -m kerasopt.benchmarks.throughput [--repeats 5] [--json FILE]

Measures on the CPU, in turns, the training images per second of
``kerasopt.models.airbench`` with Nesterov SGD, L2 and the smoothed loss, as airbench94
has them (recipes with Muon orthogonalise their updates besides), each in float32 and in
mixed_bfloat16:

* as kerasopt builds it,
* built of plain Keras layers (``kerasopt.layers.to_keras``),

besides PyTorch, in a process of its own with as many threads (bfloat16 autocast,
channels_last; with GELU, as airbench94 has it, and with ReLU, as ``airbench`` has it),
and a large matrix product, to say which share of the processor's bfloat16 rate the
training reaches.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from kerasopt import layers, losses, models, optimizers
from kerasopt.benchmarks import _shared
from kerasopt.console import Console
from kerasopt.models.cost import training_flops
from kerasopt.training import calibration, environment

__all__ = ["main", "measure", "show"]

WIDTHS = (64, 256, 256)
TORCH_SCRIPT = Path(__file__).with_name("torch_airbench.py")
PRODUCTS = 3
"""Matrix products in a turn; the median counts."""


def measure(
    *,
    repeats: int = 5,
    batch_size: int = 1024,
    steps: int = 2,
    widths: Sequence[int] = WIDTHS,
    matrix_size: int = 4096,
    torch_python: str = sys.executable,
) -> dict[str, Any]:
    """Return rates and their ratios, repeat by repeat, in turns.

    Args:
        repeats: Turns of each contender, after one that warms up.
        batch_size: Images in a step.
        steps: Training steps in a turn.
        widths: Filters of the network's three groups.
        matrix_size: Rows and columns of the matrices.
        torch_python: A Python with PyTorch, if this one has none.

    Raises:
        ValueError: if ``torch_python`` is no program.
    """
    with_torch = _shared.torch_is_installed(torch_python)
    with contextlib.ExitStack() as stack, tf.device("CPU:0"):
        runners = _keras_runners(batch_size, steps, widths)
        if with_torch:
            ask = stack.enter_context(_torch(torch_python, batch_size, widths))
            for activation, name in (("gelu", "GELU"), ("relu", "ReLU")):
                runners[f"PyTorch bfloat16, {name}"] = _torch_runner(
                    ask, activation, steps, batch_size
                )
        for dtype in ("float32", "bfloat16"):
            runners[f"matmul {dtype}"] = _matmul_runner(dtype, matrix_size)
        rates = _shared.in_turns(runners, repeats)
        flops = training_flops(_network("float32", widths))
    return {
        **summary(rates, flops),
        "batch_size": batch_size,
        "steps": steps,
        "threads": _shared.threads(),
        "notes": [] if with_torch else [_shared.INSTALL_TORCH],
    }


def summary(rates: dict[str, list[float]], flops: int) -> dict[str, Any]:
    """Turn the rates of all turns into what is reported.

    Args:
        rates: Images per second of each contender; of ``"matmul …"`` the
            floating-point operations.
        flops: Floating-point operations to train one image.
    """
    names = [name for name in rates if not name.startswith("matmul")]
    own = max(
        (name for name in names if name.startswith("kerasopt")),
        key=lambda name: statistics.median(rates[name]),
    )
    reached = [rate * flops for rate in rates[own]]
    return {
        "machine": environment.describe(),
        "fastest_kerasopt": own,
        "results": {
            name: {
                "images_per_second": _shared.spread(rates[name]),
                "kerasopt_ratio": _shared.ratios(rates[own], rates[name]),
            }
            for name in names
        },
        "flops_per_image": flops,
        "flops_per_second": _shared.spread(reached),
        "matmul_flops_per_second": {
            dtype: _shared.spread(rates[f"matmul {dtype}"])
            for dtype in ("float32", "bfloat16")
        },
        "share_of_bfloat16_matmul": _shared.ratios(reached, rates["matmul bfloat16"]),
    }


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    console = Console(stderr=False, width=120)
    rows = {
        name: (row["images_per_second"], row["kerasopt_ratio"])
        for name, row in result["results"].items()
    }
    title = (
        f"Training images of 32×32 a second, batch {result['batch_size']}, "
        f"{result['threads']} threads on {_shared.machine(result['machine'])}"
    )
    table = _shared.rates_table(title, "contender", "kerasopt is × as fast", rows)
    console.print(table)
    console.print(_share_text(result), highlight=False)
    for note in result["notes"]:
        console.print(note, highlight=False, markup=False)


def _share_text(result: dict[str, Any]) -> str:
    share = result["share_of_bfloat16_matmul"]
    products = {
        dtype: found["median"] / 1e12
        for dtype, found in result["matmul_flops_per_second"].items()
    }
    return (
        f"One image takes {result['flops_per_image'] / 1e9:.3f} GFLOP to train: "
        f"{result['fastest_kerasopt']} does "
        f"{result['flops_per_second']['median'] / 1e12:.2f} TFLOP/s, "
        f"{share['median']:.0%} ({share['min']:.0%} to {share['max']:.0%}) of the "
        f"{products['bfloat16']:.2f} of a bfloat16 matrix product "
        f"(float32: {products['float32']:.2f})."
    )


def _network(policy: str, widths: Sequence[int]) -> keras.Model:
    with calibration.policy(policy):
        return models.airbench(input_shape=(32, 32, 3), num_classes=10, widths=widths)


def _plain_network(policy: str, widths: Sequence[int]) -> keras.Model:
    network = layers.to_keras(_network(policy, widths))
    # As frozen as in the original, so that both compute the same gradients.
    network.get_layer("whitening").kernel.trainable = False
    return network


def _keras_runners(
    batch_size: int, steps: int, widths: Sequence[int]
) -> dict[str, Callable[[], float]]:
    rng = np.random.default_rng(0)
    images = tf.constant(rng.random((batch_size, 32, 32, 3), "float32"))
    labels = tf.constant(np.arange(batch_size) % 10)
    runners = {}
    for owner, build in (("kerasopt", _network), ("plain Keras", _plain_network)):
        for policy in calibration.PRECISIONS:
            network = build(policy, widths)
            network.compile(
                optimizers.get(
                    "sgd", learning_rate=0.1, momentum=0.85, nesterov=True, l2=1.33e-3
                ),
                losses.get("auto", labels=labels, label_smoothing=0.2),
                metrics=["accuracy"],
            )
            runners[f"{owner} {policy}"] = _keras_runner(network, images, labels, steps)
    return runners


def _keras_runner(
    network: keras.Model, images: tf.Tensor, labels: tf.Tensor, steps: int
) -> Callable[[], float]:
    def images_per_second() -> float:
        started = time.perf_counter()
        for _ in range(steps):
            network.train_on_batch(images, labels)
        return steps * len(images) / (time.perf_counter() - started)

    return images_per_second


def _matmul_runner(dtype: str, size: int) -> Callable[[], float]:
    matrix = tf.cast(tf.random.stateless_normal((size, size), (0, 0)), dtype)

    def flops_per_second() -> float:
        seconds = []
        for _ in range(PRODUCTS):
            started = time.perf_counter()
            tf.matmul(matrix, matrix).numpy()
            seconds.append(time.perf_counter() - started)
        return 2 * size**3 / statistics.median(seconds)

    return flops_per_second


@contextlib.contextmanager
def _torch(
    python: str, batch_size: int, widths: Sequence[int]
) -> Iterator[Callable[[str], float]]:
    """Start PyTorch; give a function that sends a request and returns seconds."""
    words = ["--batch-size", str(batch_size), "--threads", str(_shared.threads())]
    words += ["--widths", *map(str, widths)]
    process = subprocess.Popen(
        [python, str(TORCH_SCRIPT), "throughput", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    requests, answers = process.stdin, process.stdout
    assert requests and answers

    def ask(request: str) -> float:
        with contextlib.suppress(BrokenPipeError):  # Then there is no answer either.
            print(request, file=requests, flush=True)
        if answer := answers.readline():
            return float(answer)
        raise ValueError(
            "PyTorch's process ended early; what it says stands above. It was started "
            f"by {python!r}; see --torch-python."
        )

    try:
        yield ask
    finally:
        process.terminate()
        process.communicate()


def _torch_runner(
    ask: Callable[[str], float], activation: str, steps: int, batch_size: int
) -> Callable[[], float]:
    return lambda: steps * batch_size / ask(f"{activation} {steps}")


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=_shared.positive, default=5)
    parser.add_argument("--batch-size", type=_shared.positive, default=1024)
    parser.add_argument("--steps", type=_shared.positive, default=2)
    parser.add_argument("--torch-python", default=sys.executable)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(
        repeats=options.repeats,
        batch_size=options.batch_size,
        steps=options.steps,
        torch_python=options.torch_python,
    )
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
