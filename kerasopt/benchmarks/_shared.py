"""What the benchmarks share: turns, spreads, ratios, tables, files and options."""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from kerasopt import files, recipes
from kerasopt.console import Bar, Console
from kerasopt.requirements import install

__all__ = [
    "INSTALL_TORCH",
    "accuracy_text",
    "add_json_option",
    "few_of_cifar10",
    "in_turns",
    "kill",
    "machine",
    "positive",
    "present",
    "rates_table",
    "ratios",
    "save",
    "seconds_text",
    "settings_of",
    "spread",
    "threads",
    "torch_is_installed",
    "train",
]

INSTALL_TORCH = (
    f"PyTorch is left out: it isn't installed ({install('cpu', 'bench')}). A Python "
    "that has it can be named by --torch-python."
)


def in_turns(
    runners: Mapping[str, Callable[[], float]], repeats: int
) -> dict[str, list[float]]:
    """Return what each runner measured, in turns, so that a slow moment hits all.

    Args:
        runners: By name, a function that measures once.
        repeats: Measurements of each, after one that warms up and doesn't count.

    Example:
        >>> in_turns({"one": lambda: 1.0, "two": lambda: 2.0}, 2)
        {'one': [1.0, 1.0], 'two': [2.0, 2.0]}
    """
    measured: dict[str, list[float]] = {name: [] for name in runners}
    with Bar(Console(), "measuring", (repeats + 1) * len(runners)) as progress:
        for repeat in range(repeats + 1):
            for name, run in runners.items():
                progress.update(description=name)
                value = run()
                if repeat:
                    measured[name].append(value)
                progress.update(advance=1)
    return measured


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return median, least, greatest and all of some repeats.

    Example:
        >>> spread([3.0, 1.0, 2.0])
        {'median': 2.0, 'min': 1.0, 'max': 3.0, 'repeats': [3.0, 1.0, 2.0]}
    """
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "repeats": list(values),
    }


def ratios(own: Sequence[float], other: Sequence[float]) -> dict[str, Any]:
    """Return the spread of own / other, repeat by repeat.

    Repeats are taken in turns, so a slow moment of the machine hits both sides of
    a ratio.

    Raises:
        ValueError: if one has more repeats than the other.

    Example:
        >>> ratios([2.0, 9.0], [1.0, 3.0])["repeats"]
        [2.0, 3.0]
    """
    if len(own) != len(other):
        raise ValueError(
            f"Ratios need as many repeats on both sides; given: {len(own)} and "
            f"{len(other)}."
        )
    return spread([a / b for a, b in zip(own, other, strict=True)])


def times_text(ratio: Mapping[str, Any]) -> str:
    """Return the spread of ratios in words.

    Example:
        >>> times_text(ratios([2.0, 9.0], [1.0, 3.0]))
        '2.50 times (2.00 to 3.00)'
    """
    return f"{ratio['median']:.2f} times ({ratio['min']:.2f} to {ratio['max']:.2f})"


def rates_table(
    title: str,
    who: str,
    compared: str,
    rows: Mapping[str, tuple[dict[str, Any], dict[str, Any]]],
) -> Table:
    """Return a table of images a second and of a ratio, each with its spread.

    Args:
        title: Title of the table.
        who: Heading of the names.
        compared: Heading of the ratios.
        rows: By name, the spread of the rates and that of the ratios.
    """
    table = Table(title=title)
    table.add_column(who)
    for heading in ("images/s (median)", "min to max", compared, "min to max"):
        table.add_column(heading, justify="right")
    for name, (rate, ratio) in rows.items():
        table.add_row(
            name,
            f"{rate['median']:,.0f}",
            f"{rate['min']:,.0f} to {rate['max']:,.0f}",
            f"{ratio['median']:.2f}",
            f"{ratio['min']:.2f} to {ratio['max']:.2f}",
        )
    return table


def settings_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a recipe decides its results, as JSON has it.

    The seed isn't part of it, nor is the precision, which a machine may choose.

    Example:
        >>> from kerasopt import recipes
        >>> settings_of(recipes.load("digits").to_dict())["data"]["name"]
        'digits'
    """
    parts = ("data", "model", "augment", "optimizer", "loss", "callbacks")
    training = dict(recipe["training"])
    for name in ("seed", "precision"):
        training.pop(name, None)
    settings = {**{part: recipe[part] for part in parts}, "training": training}
    return json.loads(json.dumps(settings))


def train(
    name: str, folder: Path, *, seed: int, budget: str | None = None
) -> dict[str, Any]:
    """Return the metrics of a training, made in a process of its own if it isn't there.

    An interrupted one resumes.

    Args:
        name: A recipe's name or file.
        folder: Folder of the run.
        seed: Its seed.
        budget: Its time budget, if not the recipe's.

    Raises:
        ValueError: if the folder has the run of another recipe.
    """
    path = folder / "recipe.yaml"
    words = [name, "--seed", str(seed), "--out", str(folder)]
    words += ["--budget", budget] if budget else []
    if path.exists():
        asked = recipes.load(name)
        asked = asked.replace("training.budget", budget) if budget else asked
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        # What a budget affords may have come out differently then.
        may_be = [settings_of(each.to_dict()) for each in asked.alternatives()]
        if settings_of(found) not in may_be:
            raise ValueError(
                f"'{folder}' has a run of other settings than {name!r} has now. "
                "Choose another folder with --out."
            )
        words = ["--resume", str(folder)]
    if not (folder / "metrics.json").exists():
        command = [sys.executable, "-m", "kerasopt", "train", *words, "--json"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def few_of_cifar10(count: int, *, tests: int, seed: int) -> tuple[Any, Any, Any]:
    """Draw some training images of CIFAR-10, as many of each class.

    Args:
        count: Number of training images.
        tests: So many of the first test images come with them.
        seed: Of the draw.

    Returns:
        Two pairs ``(x, y)``, of training and of test, and the names of the classes.
    """
    from sklearn.model_selection import train_test_split

    import kerasopt as ko

    whole: Any = ko.data.load("cifar10", validation=0)
    x, y = whole.train
    x, _, y, _ = train_test_split(x, y, train_size=count, stratify=y, random_state=seed)
    test = tuple(part[:tests] for part in whole.test)
    return (x, y), test, whole.class_names


def machine(environment: dict[str, Any]) -> str:
    """Return one phrase for a machine that ``environment.describe`` described.

    Example:
        >>> machine({"gpus": [], "cores": 2, "cpu": "AMD EPYC"})
        '2× AMD EPYC'
    """
    gpus = environment["gpus"]
    return ", ".join(gpus) if gpus else f"{environment['cores']}× {environment['cpu']}"


def threads() -> int:
    """Return the number of cores that this process may use, as TensorFlow does."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows.


def torch_is_installed(python: str) -> bool:
    """Say whether a Python has PyTorch, without importing it.

    Args:
        python: Path of the interpreter.

    Raises:
        ValueError: if there is no such program.
    """
    code = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('torch'))"
    try:
        return subprocess.run([python, "-c", code], check=False).returncode == 0
    except OSError as error:
        raise ValueError(
            f"--torch-python must be the path of a Python interpreter; given: "
            f"{python!r} ({error.strerror})."
        ) from error


def save(path: str | os.PathLike[str], result: dict[str, Any]) -> None:
    """Write a result as JSON, whole or not at all.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "new" / "result.json"
        >>> save(path, {"median": 2.0})
        >>> json.loads(path.read_text())
        {'median': 2.0}
    """
    files.write_text(path, json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def present(
    result: dict[str, Any],
    show: Callable[[dict[str, Any]], None],
    path: Path | None,
) -> None:
    """Print a result, and save it if there is a path."""
    show(result)
    if path:
        save(path, result)


def positive(text: str) -> int:
    """Read a command-line count of at least 1.

    Example:
        >>> positive("12")
        12
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def seconds_text(value: float) -> str:
    """Return seconds for a table, with the digits that matter.

    Example:
        >>> seconds_text(0.04567), seconds_text(8.963), seconds_text(409.3)
        ('0.046', '8.96', '409')
    """
    digits = 3 if value < 1 else 2 if value < 10 else 0
    return f"{value:.{digits}f}"


def accuracy_text(accuracies: Sequence[float]) -> str:
    """Return the mean of accuracies in percent, with the spread of two or more.

    Example:
        >>> accuracy_text([0.25]), accuracy_text([0.5, 0.75])
        ('25.0 %', '62.5 ± 17.7 %')
    """
    mean = f"{100 * statistics.fmean(accuracies):.1f}"
    if len(accuracies) < 2:
        return f"{mean} %"
    return f"{mean} ± {100 * statistics.stdev(accuracies):.1f} %"


def kill(
    process: subprocess.Popen[bytes], folder: Path, pattern: str, delay: float
) -> bool:
    """Wait until a process writes one of some files, then a while, then kill it.

    Args:
        process: The process, just started.
        folder: Where it writes.
        pattern: The files that count, as for `pathlib.Path.glob`.
        delay: Seconds between the first writing and SIGKILL.

    Returns:
        False if it ended before.
    """
    started = time.time()
    while process.poll() is None:
        if any(path.stat().st_mtime > started for path in folder.glob(pattern)):
            time.sleep(delay)
            break
        time.sleep(0.02)
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--json FILE``."""
    parser.add_argument("--json", type=Path, help="write the result to this file")
