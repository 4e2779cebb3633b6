"""Kill trainings at random moments, resume them, and compare them with unbroken ones.

Each training runs in a process that is killed (SIGKILL) at a random moment, often in
the midst of an epoch, again and again, and resumed each time. In the end weights and
history are compared, bit for bit, with those of the same training that nobody killed;
counted are the steps that a kill cost.

    python -m kerasopt.benchmarks.kills --kills 30 --json kills.json
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt.benchmarks import _shared
from kerasopt.console import Console

__all__ = ["SETTINGS", "main", "measure", "show", "train"]

SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9}},
    "adam": {"optimizer": "adam"},
    "averages": {
        "optimizer": {"name": "adam", "use_ema": True, "ema_momentum": 0.99},
    },
    "lookahead": {"callbacks": [{"name": "lookahead", "every": 5}]},
    "plateau": {
        "callbacks": [
            {"name": "plateau", "monitor": "loss", "patience": 1, "min_delta": 1.0}
        ]
    },
    "early_stopping": {"optimizer": "adam", "patience": 1},
    "augmentation": {"augment": {"name": "affine", "rotation_range": 20}},
    "dropout": {"network": {"dropout": 0.3}},
    "batch_norm": {"network": {"batch_norm": True}},
    "stream": {"stream": True},
}
"""By name, what differs from the plain training: arguments of `kerasopt.fit`, those of
the network, and whether the data are a stream."""

SAMPLES, BATCH = 32_000, 8
CHECKPOINT_SECONDS = 0.2
LONGEST_SECONDS = 3.0
"""A kill comes up to so long after the training's first sign of life."""

PLACE, STATE, RUN = "place.json", "state.npz", "run"
_NAME = "kerasopt.benchmarks.kills"


def train(folder: Path, name: str, *, samples: int = SAMPLES, epochs: int = 4) -> None:
    """Run a training, or resume it, and leave its weights and history beside the run.

    Args:
        folder: Where the run and what is compared go.
        name: One of `SETTINGS`.
        samples: Training samples.
        epochs: Length of the training.
    """
    import kerasopt as ko

    arguments = dict(SETTINGS[name])
    shape: dict[str, Any] = {
        "input_shape": (8, 8, 1),
        "num_classes": 4,
        "units": (64, 64),
    }
    shape |= arguments.pop("network", {})
    data, held_out = _data(samples, stream=arguments.pop("stream", False))
    arguments["callbacks"] = [*arguments.get("callbacks", ()), _place_keeper(folder)]
    directory = folder / RUN
    run = ko.fit(
        lambda: ko.models.mlp(**shape),
        data,
        validation_data=held_out,
        epochs=epochs,
        batch_size=BATCH,
        deterministic=True,
        checkpoint_seconds=CHECKPOINT_SECONDS,
        devices="cpu",
        directory=directory,
        resume=(directory / "recipe.yaml").is_file(),
        verbose=False,
        **arguments,
    )
    history = run.history.drop(columns="seconds").to_numpy()
    weights = {str(i): value for i, value in enumerate(run.model.get_weights())}
    np.savez(folder / STATE, history=history, **weights)


def _data(samples: int, *, stream: bool) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(samples + 500, 8, 8, 1)).astype("float32")
    halves = [x[:, :4].mean((1, 2, 3)), x[:, 4:].mean((1, 2, 3))]
    y = (halves[0] > 0.5) + 2 * (halves[1] > 0.5)
    train, held_out = (x[:-500], y[:-500]), (x[-500:], y[-500:])
    if not stream:
        return train, held_out
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(train).batch(BATCH), held_out


def _place_keeper(folder: Path) -> Any:
    import keras

    class PlaceKeeper(keras.callbacks.Callback):
        """Writes down after each call of steps how far the training is."""

        every_batch = False
        memory = ()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._epoch = epoch

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            place = {"epoch": self._epoch, "step": batch + 1}
            (folder / PLACE).write_text(json.dumps(place))

    return PlaceKeeper()


def measure(
    *,
    kills: int = 30,
    settings: Sequence[str] = tuple(SETTINGS),
    samples: int = SAMPLES,
    epochs: int = 4,
    seed: int = 0,
) -> dict[str, Any]:
    """Kill, resume, compare, and return what was lost.

    Args:
        kills: How often, spread over the settings.
        settings: Some of `SETTINGS`.
        samples: Training samples.
        epochs: Length of a training.
        seed: Of the moments.
    """
    from kerasopt.training import environment

    moments = random.Random(seed)
    shares = [kills // len(settings)] * len(settings)
    for i in range(kills % len(settings)):
        shares[i] += 1
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, share in zip(settings, shares, strict=True):
            if share:
                trainings = _Trainings(Path(folder, name), name, samples, epochs)
                results[name] = trainings.measure(share, moments)
    about = {"samples": samples, "batch_size": BATCH, "epochs": epochs}
    return {"machine": environment.describe(), **about, "results": results}


class _Trainings:
    """The killed trainings of one setting, and the unbroken one."""

    def __init__(self, folder: Path, name: str, samples: int, epochs: int) -> None:
        self.folder = folder
        self.name = name
        self.options = ["--samples", str(samples), "--epochs", str(epochs)]
        self.steps = -(-samples // BATCH)
        self.console = Console()

    def measure(self, wanted: int, moments: random.Random) -> dict[str, Any]:
        """Kill so often, in one training if it lasts so long, and compare."""
        lost: list[int] = []
        places: list[str] = []
        same = True
        trainings = 0
        while len(lost) < wanted:
            folder = self.folder / str(trainings)
            trainings += 1
            while len(lost) < wanted:
                process = self._start(folder)
                delay = moments.uniform(0, LONGEST_SECONDS)
                trained = _shared.kill(process, folder, PLACE, delay)
                if not trained or (folder / STATE).is_file():
                    break  # It had ended before.
                steps, place = self._lost(folder)
                lost.append(steps)
                places.append(place)
                self.console.print(
                    f"{self.name}, kill {len(lost)}: {place}, {steps} steps lost",
                    highlight=False,
                )
            self._end(folder)
            same = same and self._is_same(folder)
        return {
            "kills": len(lost),
            "in_the_midst": sum("step 0" not in place for place in places),
            "most_steps_lost": max(lost),
            "trainings": trainings,
            "same": same,
        }

    def _start(self, folder: Path) -> subprocess.Popen[bytes]:
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", _NAME, "--folder", str(folder)]
        command += ["--settings", self.name, *self.options]
        with open(folder / "errors.txt", "ab") as errors:
            return subprocess.Popen(command, stdout=errors, stderr=errors)

    def _end(self, folder: Path) -> None:
        """Run a training to its end."""
        if (folder / STATE).is_file():
            return
        if self._start(folder).wait():
            text = (folder / "errors.txt").read_text(encoding="utf-8")
            raise RuntimeError(f"The training {self.name!r} failed:\n{text[-3000:]}")

    def _lost(self, folder: Path) -> tuple[int, str]:
        """Return the steps that were done and aren't in the checkpoint, and the place.

        The call of steps that ran at the kill, up to a second, isn't counted.
        """
        from kerasopt.training import checkpoint, run_folder

        done = json.loads((folder / PLACE).read_text())
        path = folder / RUN / run_folder.CHECKPOINT
        kept = {"epoch": 0, "step": 0}
        if path.is_file():
            kept, _ = checkpoint.read(path)
        steps = [place["epoch"] * self.steps + place["step"] for place in (done, kept)]
        where = f"resumes after epoch {kept['epoch']}, step {kept['step']}"
        return max(0, steps[0] - steps[1]), where

    def _is_same(self, folder: Path) -> bool:
        whole = self.folder / "unbroken"
        self._end(whole)
        with np.load(folder / STATE) as one, np.load(whole / STATE) as other:
            equal = (
                np.array_equal(one[name], other[name], equal_nan=True)
                for name in other.files
            )
            return one.files == other.files and all(equal)


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    rows = result["results"]
    for name, found in rows.items():
        same = "the same" if found["same"] else "ANOTHER RESULT"
        print(
            f"{name}: {found['kills']} kills, {found['in_the_midst']} of them resumed "
            f"in the midst of an epoch, at most {found['most_steps_lost']} finished "
            f"steps lost; in the end {same}"
        )
    kills = sum(found["kills"] for found in rows.values())
    same = sum(found["same"] for found in rows.values())
    steps = -(-result["samples"] // result["batch_size"])
    print(
        f"{kills} kills, epochs of {steps:,} steps: {same} of {len(rows)} trainings "
        "end bit for bit as without a kill, on "
        f"{_shared.machine(result['machine'])}"
    )


def main() -> None:
    """Read the command line, measure, print, and save if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=_shared.positive, default=30)
    parser.add_argument(
        "--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS)
    )
    parser.add_argument("--samples", type=_shared.positive, default=SAMPLES)
    parser.add_argument("--epochs", type=_shared.positive, default=4)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    _shared.add_json_option(parser)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    length = {"samples": options.samples, "epochs": options.epochs}
    if options.folder:
        train(options.folder, options.settings[0], **length)
        return
    result = measure(
        kills=options.kills, settings=options.settings, seed=options.seed, **length
    )
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
