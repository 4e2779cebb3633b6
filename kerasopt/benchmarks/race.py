"""How many seconds it takes to 80, 90, 93 and 94 % on CIFAR-10's test set.

    python -m kerasopt.benchmarks.race [--seeds 0 1 2] [--out runs/race]

Contenders, each in a process of its own with all cores, one after the other:

* ``kerasopt``: the recipe ``cifar10-94``,
* ``listing``: a textbook chapter's CIFAR-10 project the way it is printed,
* ``torch``: the airbench94 recipe in PyTorch on the CPU, if that is installed.

Time counts all that turns loaded arrays into a tested model: precision timing,
whitening, compilation, training, and one measurement of the test set at the end
(with test-time augmentation where the contender has it; kerasopt's report and saved
model count, too). The measurements after the epochs serve the clock alone: they take
the images as they are, nothing is chosen by them, and the clock stands still
meanwhile. A mark's seconds are those until an epoch's measurement reached it, or the
one at the end. The listing validates on the test data itself, so that is part of its
training time.

A result is a file in ``--out``; those that are there already are reused, so an
interrupted race resumes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from kerasopt import data, recipes
from kerasopt.benchmarks import _shared
from kerasopt.console import Console
from kerasopt.names import unknown
from kerasopt.recipes.text import accuracy_text

__all__ = ["CONTENDERS", "MARKS", "main", "measure", "seconds_to", "show"]

CONTENDERS = ("kerasopt", "listing", "torch")
MARKS = (0.80, 0.90, 0.93, 0.94)
TORCH_SCRIPT = Path(__file__).with_name("torch_airbench.py")


def measure(
    contenders: Sequence[str] = CONTENDERS,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    out: Path = Path("runs/race"),
    dataset: data.Dataset | None = None,
    recipe: str = "cifar10-94",
    epochs: int | None = None,
    budget: float | None = None,
    torch_python: str = sys.executable,
) -> dict[str, Any]:
    """Run the contenders, or read their results, and compare them.

    Args:
        contenders: Some of `CONTENDERS`.
        seeds: One training each.
        out: Folder of the results.
        dataset: Training and test images, 32×32×3 in uint8; CIFAR-10 by default.
        recipe: kerasopt's contender.
        epochs: Instead of each contender's own, for a trial.
        budget: Stop each after the epoch that passes this many seconds, for a trial.
        torch_python: A Python with PyTorch, if this one has none.

    Raises:
        ValueError: if a contender is unknown, or a result in ``out`` is that of
            other settings.
    """
    from kerasopt.training import environment

    for name in contenders:
        if name not in CONTENDERS:
            raise unknown("contender", name, CONTENDERS)
    trial: dict[str, Any] = {"epochs": epochs, "budget": budget}
    trains = _shared.settings_of(recipes.load(recipe).to_dict())
    settings = dict.fromkeys(contenders, trial)
    settings["kerasopt"] = {**trial, "recipe": recipe, "trains": trains}
    taking_part, notes = list(contenders), []
    if "torch" in contenders and not _shared.torch_is_installed(torch_python):
        taking_part.remove("torch")
        notes.append(_shared.INSTALL_TORCH)
    wanted = [(name, seed) for seed in seeds for name in taking_part]
    missing = [
        (name, seed)
        for name, seed in wanted
        if not _is_there(out, name, seed, settings[name])
    ]
    if missing:
        with _arrays(dataset) as arrays:
            for name, seed in missing:
                command = _command(name, seed, arrays, settings[name], torch_python)
                result = {**_run(command), "settings": settings[name]}
                _shared.save(_path(out, name, seed), result)
    runs = {name: [_read(out, name, seed) for seed in seeds] for name in taking_part}
    return {
        "machine": environment.describe(),
        "threads": _shared.threads(),
        "settings": {**trial, "recipe": recipe},
        "seeds": list(seeds),
        "results": {name: _summary(own, runs) for name, own in runs.items()},
        "notes": notes,
    }


def seconds_to(mark: float, run: dict[str, Any]) -> float | None:
    """Return the seconds after which a run had reached an accuracy, or None.

    Example:
        >>> row = {"accuracy": 0.9, "train_seconds": 20.0, "measure_seconds": 3.0}
        >>> run = {"rows": [row], "accuracy": 0.9, "seconds": 23.0}
        >>> seconds_to(0.8, run), seconds_to(0.94, run)
        (23.0, None)
    """
    for row in run["rows"]:
        if row["accuracy"] >= mark:
            return row["train_seconds"] + row["measure_seconds"]
    # Views, or weights restored at the end, may help once more.
    return run["seconds"] if run["accuracy"] >= mark else None


def show(result: dict[str, Any]) -> None:
    """Print what `measure` returned."""
    console = Console(stderr=False, width=120)
    machine = _shared.machine(result["machine"])
    console.print(
        f"Seconds to a test accuracy on {machine}: median of {len(result['seeds'])} "
        "seeds, and as a multiple of kerasopt's",
        highlight=False,
    )
    table = Table()
    for title in ("contender", *(f"{mark:.0%}" for mark in MARKS), "final", "total"):
        table.add_column(title, justify="left" if title == "contender" else "right")
    for name, row in result["results"].items():
        cells = [_cell(row["marks"][f"{mark:.2f}"]) for mark in MARKS]
        total = _text(row["total"]["seconds"], row["total"]["ratio_to_kerasopt"])
        table.add_row(name, *cells, accuracy_text(row["accuracy"]["repeats"]), total)
    console.print(table)
    for name, row in result["results"].items():
        ratio = row["total"]["ratio_to_kerasopt"]
        if name != "kerasopt" and ratio is not None:
            times = _shared.times_text(ratio)
            console.print(f"{name} takes {times} kerasopt's time.", highlight=False)
    for note in result["notes"]:
        console.print(note, highlight=False, markup=False)


def _summary(
    own: list[dict[str, Any]], runs: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    reference = runs.get("kerasopt", [])
    totals = [run["seconds"] for run in own]
    return {
        "marks": {
            f"{mark:.2f}": _compared(
                [seconds_to(mark, run) for run in own],
                [seconds_to(mark, run) for run in reference],
            )
            for mark in MARKS
        },
        "accuracy": _shared.spread([run["accuracy"] for run in own]),
        "total": _compared(totals, [run["seconds"] for run in reference]),
        "runs": own,
    }


def _compared(
    own: Sequence[float | None], reference: Sequence[float | None]
) -> dict[str, Any]:
    """Return the spread of what was reached, and of its ratios, seed by seed."""
    reached = [seconds for seconds in own if seconds is not None]
    # Without kerasopt among the contenders there is nothing to divide by.
    pairs = zip(own, reference, strict=True) if reference else ()
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    return {
        "reached": len(reached),
        "of": len(own),
        "seconds": _shared.spread(reached) if reached else None,
        "ratio_to_kerasopt": _shared.ratios(*zip(*both, strict=True)) if both else None,
    }


def _cell(found: dict[str, Any]) -> str:
    if not found["reached"]:
        return "never"
    text = _text(found["seconds"], found["ratio_to_kerasopt"])
    if found["reached"] < found["of"]:
        text += f", {found['reached']} of {found['of']}"
    return text


def _text(seconds: dict[str, Any], ratio: dict[str, Any] | None) -> str:
    times = "" if ratio is None else f" ({ratio['median']:.2g}×)"
    return f"{_shared.seconds_text(seconds['median'])}{times}"


def _path(out: Path, name: str, seed: int) -> Path:
    return Path(out) / f"{name}-{seed}.json"


def _read(out: Path, name: str, seed: int) -> dict[str, Any]:
    return json.loads(_path(out, name, seed).read_text(encoding="utf-8"))


def _is_there(out: Path, name: str, seed: int, settings: dict[str, Any]) -> bool:
    if not _path(out, name, seed).is_file():
        return False
    if (found := _read(out, name, seed)["settings"]) != settings:
        raise ValueError(
            f"'{_path(out, name, seed)}' is the result of other settings: {found}; "
            f"they are now: {settings}. Choose another folder with --out."
        )
    return True


@contextlib.contextmanager
def _arrays(dataset: data.Dataset | None) -> Iterator[str]:
    """Give the path of a file with the arrays, which needs no kerasopt to read."""
    dataset = dataset or data.load("cifar10", validation=0)
    if dataset.test is None:
        raise ValueError("A race needs test data; the dataset has none.")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "arrays.npz")
        pairs = {"train": dataset.train, "test": dataset.test}
        parts = {f"x_{split}": x for split, (x, _) in pairs.items()}
        parts |= {f"y_{split}": y for split, (_, y) in pairs.items()}
        np.savez(path, **parts)
        yield path


def _command(
    name: str, seed: int, arrays: str, settings: dict[str, Any], torch_python: str
) -> list[str]:
    words = ["--arrays", arrays, "--seed", str(seed)]
    for option in ("epochs", "budget"):
        if settings[option] is not None:
            words += [f"--{option}", str(settings[option])]
    if name == "torch":
        threads = ["--threads", str(_shared.threads())]
        return [torch_python, str(TORCH_SCRIPT), "race", *threads, *words]
    module = [sys.executable, "-m", "kerasopt.benchmarks.race_keras"]
    if name == "listing":
        return [*module, "listing", *words]
    return [*module, "recipe", "--recipe", settings["recipe"], *words]


def _run(command: list[str]) -> dict[str, Any]:
    # Its lines an epoch go straight to our stderr.
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise ValueError(
            f"A contender ended with code {done.returncode}; what it says stands "
            f"above. Its command: {' '.join(command)}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Read the command line, race, print, and save if asked."""
    from kerasopt.training.spec import in_seconds

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contenders", nargs="*", help=f"of {', '.join(CONTENDERS)}")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/race"))
    parser.add_argument("--recipe", default="cifar10-94")
    parser.add_argument("--epochs", type=_shared.positive, help="for a quick trial")
    parser.add_argument("--budget", type=in_seconds, help="such as 5m, each")
    parser.add_argument("--torch-python", default=sys.executable)
    _shared.add_json_option(parser)
    options = parser.parse_args()
    result = measure(
        options.contenders or CONTENDERS,
        seeds=options.seeds,
        out=options.out,
        recipe=options.recipe,
        epochs=options.epochs,
        budget=options.budget,
        torch_python=options.torch_python,
    )
    _shared.present(result, show, options.json)


if __name__ == "__main__":
    main()
