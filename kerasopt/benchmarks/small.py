"""How fast `kerasopt.fit` trains small networks, beside Keras and JAX with Optax.

    python -m kerasopt.benchmarks.small [--networks mlp lstm] [--repeats 3]

Steps a second of one epoch on drawn data, validation and compilation left out: the
median over the last epochs of a training, in turns. `kerasopt.fit` trains long enough
for ``jit="auto"`` to decide. The JAX row (the network ``mlp`` alone) is one
``jax.lax.scan`` over the steps of an epoch with Optax's Adam, in a process of its own;
it needs ``jax`` and ``optax``.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from kerasopt.benchmarks import _shared
from kerasopt.console import Console

__all__ = ["NETWORKS", "main", "measure", "show"]

# Shape of a sample, samples, batch size, epochs of ko.fit (enough for it to decide).
NETWORKS: dict[str, tuple[tuple[int, ...], int, int, int]] = {
    "mlp": ((784,), 54_000, 32, 50),
    "mlp, batch 8": ((784,), 16_000, 8, 60),
    "mlp, batch norm, dropout": ((784,), 54_000, 32, 40),
    "lstm": ((28, 28), 8_000, 32, 30),
}
WAYS = ("Keras fit", "Keras fit, 32 steps a call", "ko.fit")
KERAS_EPOCHS = 3

JAX = """
import time, jax, jax.numpy as jnp, numpy as np, optax
samples, batch = {samples}, {batch}
rng = np.random.default_rng(0)
x = jnp.asarray(rng.random((samples, 784), dtype="float32"))
y = jnp.asarray(rng.integers(0, 10, samples))
widths = (784, 64, 64, 10)
w = [jnp.asarray(rng.normal(size=s) * (2 / s[0]) ** 0.5, "float32")
     for s in zip(widths, widths[1:])]
params = [(k, jnp.zeros(k.shape[1])) for k in w]
adam = optax.adam(0.001)
def loss(params, x, y):
    for k, b in params[:-1]:
        x = jax.nn.relu(x @ k + b)
    k, b = params[-1]
    return optax.softmax_cross_entropy_with_integer_labels(x @ k + b, y).mean()
def step(carry, rows):
    params, state = carry
    value, gradient = jax.value_and_grad(loss)(params, x[rows], y[rows])
    update, state = adam.update(gradient, state)
    return (optax.apply_updates(params, update), state), value
epoch = jax.jit(lambda carry, rows: jax.lax.scan(step, carry, rows))
carry, steps = (params, adam.init(params)), samples // batch
for _ in range(6):
    rows = jnp.asarray(rng.permutation(samples)[:steps * batch].reshape(steps, batch))
    started = time.perf_counter()
    carry, values = epoch(carry, rows)
    values.block_until_ready()
    print(steps / (time.perf_counter() - started))
"""


def measure(
    networks: Sequence[str] = tuple(NETWORKS), *, repeats: int = 3
) -> dict[str, Any]:
    """Return steps a second by network and way.

    Args:
        networks: Some of `NETWORKS`.
        repeats: Trainings of each way, in turns.
    """
    from kerasopt.training import environment

    results = {}
    for name in networks:
        ways: dict[str, Callable[[], float]] = {
            "Keras fit": functools.partial(_keras_rate, name, 1),
            "Keras fit, 32 steps a call": functools.partial(_keras_rate, name, 32),
            "ko.fit": functools.partial(_own_rate, name),
        }
        if name == "mlp" and _has_jax():
            ways["JAX and Optax, scan"] = functools.partial(_jax_rate, name)
        rates = _shared.in_turns(ways, repeats)
        results[name] = {way: _shared.spread(values) for way, values in rates.items()}
    return {"machine": environment.describe(), "results": results}


def _network(name: str) -> Any:
    import keras

    layers = keras.layers
    if name == "lstm":
        body = [layers.LSTM(32, return_sequences=True), layers.LSTM(32)]
    elif "batch norm" in name:
        body = []
        for _ in range(2):
            body += [layers.Dense(64, activation="relu")]
            body += [layers.BatchNormalization(), layers.Dropout(0.2)]
    else:
        body = [layers.Dense(64, activation="relu") for _ in range(2)]
    shape = NETWORKS[name][0]
    last = layers.Dense(10, activation="softmax")
    return keras.Sequential([keras.Input(shape), *body, last])


def _data(name: str) -> tuple[Any, Any]:
    import numpy as np

    shape, samples, *_ = NETWORKS[name]
    rng = np.random.default_rng(0)
    x = rng.random((samples, *shape), dtype="float32")
    return x, rng.integers(0, 10, samples)


def _keras_rate(name: str, steps_per_execution: int) -> float:
    import keras

    class Seconds(keras.callbacks.Callback):
        """Times the epochs as `kerasopt.fit` does."""

        def on_train_begin(self, logs: Any = None) -> None:
            self.epochs: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.epochs.append(time.perf_counter() - self.started)

    _, samples, batch, _ = NETWORKS[name]
    model, seconds = _network(name), Seconds()
    model.compile(
        "adam",
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    model.fit(
        *_data(name),
        batch_size=batch,
        epochs=KERAS_EPOCHS,
        verbose=0,
        callbacks=[seconds],
    )
    return -(-samples // batch) / statistics.median(seconds.epochs[1:])


def _own_rate(name: str) -> float:
    import kerasopt as ko

    _, samples, batch, epochs = NETWORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        run = ko.fit(
            _network(name),
            _data(name),
            batch_size=batch,
            epochs=epochs,
            directory=Path(folder) / "run",
            verbose=False,
        )
        seconds = run.history["seconds"].iloc[epochs // 2 :].median()
    return -(-samples // batch) / float(seconds)


def _has_jax() -> bool:
    found = [importlib.util.find_spec(name) for name in ("jax", "optax")]
    return all(each is not None for each in found)


def _jax_rate(name: str) -> float:
    _, samples, batch, _ = NETWORKS[name]
    done = subprocess.run(
        [sys.executable, "-c", JAX.format(samples=samples, batch=batch)],
        check=True,
        capture_output=True,
        text=True,
    )
    rates = [float(line) for line in done.stdout.split()]
    return statistics.median(rates[1:])


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    columns = ("network", "way", "steps a second", "times Keras fit", "times 32 a call")
    table = Table(*columns)
    for name, found in result["results"].items():
        base, called = (found[way] for way in WAYS[:2])
        for way, rates in found.items():
            table.add_row(
                name if way == WAYS[0] else "",
                way,
                f"{rates['median']:,.0f} ({rates['min']:,.0f}–{rates['max']:,.0f})",
                _ratio(rates, base),
                _ratio(rates, called),
            )
    console = Console(stderr=False)
    console.print(table)
    console.print(_shared.machine(result["machine"]), highlight=False)


def _ratio(rates: dict[str, Any], base: dict[str, Any]) -> str:
    ratio = _shared.ratios(rates["repeats"], base["repeats"])
    return f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})"


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--repeats", type=_shared.positive, default=3)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(options.networks, repeats=options.repeats)
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
