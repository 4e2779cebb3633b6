"""What the commands show on a terminal.

Results go to standard output, all else to standard error. Like `kerasopt.cli` it
imports what it needs when it needs it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shlex
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasopt import files
from kerasopt.console import Console, escape, say, show_table
from kerasopt.requirements import check_backend

if TYPE_CHECKING:
    from kerasopt.diagnosis import RateRange
    from kerasopt.evaluation import Result
    from kerasopt.recipes import Recipe
    from kerasopt.recipes.fields import Field
    from kerasopt.training import Run
    from kerasopt.tuning import SearchResult

__all__ = [
    "check_drawing",
    "command",
    "note",
    "show_fields",
    "show_rate_range",
    "show_recipes",
    "show_result",
    "show_run",
    "show_search",
    "start_tensorflow",
    "takes_pictures",
]

PICTURES = (".png", ".svg", ".pdf", ".jpg")


def note(message: str) -> None:
    """Say something that isn't the result.

    Args:
        message: Text without markup.
    """
    say(Console(), message)


def start_tensorflow() -> None:
    """Import TensorFlow without its greeting, which no log level turns off."""
    check_backend()
    if "tensorflow" in sys.modules:
        return
    with _without_garbage_collection():
        _import_quietly()


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Keep Python from looking for garbage while modules load.

    What they make stays to the end of the process. Visiting TensorFlow's 670,000
    objects again and again takes a fifth of its import, and at the end as much again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _import_quietly() -> None:
    sys.stderr.flush()
    terminal = os.dup(2)
    console = Console(file=os.fdopen(os.dup(terminal), "w"))
    with tempfile.TemporaryFile() as greeting, console.status("Starting TensorFlow …"):
        os.dup2(greeting.fileno(), 2)
        try:
            import kerasopt.training.fitting  # noqa: F401
        except BaseException:
            greeting.seek(0)
            os.write(terminal, greeting.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def show_recipes(recipes: Sequence[Recipe]) -> None:
    """Print recipes and what was measured of them as a table.

    Args:
        recipes: The recipes, one row each.
    """
    show_table(
        ["recipe", "what it is; test accuracy, seconds of training"],
        [[each.name, f"{each.description}\n{_measured(each)}"] for each in recipes],
        whole=["recipe"],  # A name is there to be typed.
    )


def _measured(recipe: Recipe) -> str:
    if recipe.measured is None:
        return "not measured"
    accuracy, views, seconds = recipe.measured_text()
    with_views = f", with TTA {views}" if recipe.measured.test_accuracy_tta else ""
    return f"{accuracy}{with_views}, {seconds} s"


def show_fields(fields: Sequence[Field]) -> None:
    """Print fields of recipes: one line for each, its meaning below.

    Args:
        fields: What `kerasopt.recipes.fields.fields` returns.
    """
    console = Console(stderr=False)
    for field in fields:
        value = json.dumps(field.value, ensure_ascii=False, default=str)
        say(console, f"{field.name}={value}  ({field.type})")
        for line in textwrap.wrap(field.help, max(40, min(console.width, 88)) - 4):
            say(console, f"    {line}")


def show_run(run: Run, as_json: bool) -> None:
    """Print what a training gave, and what to do with it.

    Args:
        run: The finished run.
        as_json: Print its folder and all of its measures as JSON instead.
    """
    if as_json:
        print(json.dumps({"run": str(run.directory), **run.metrics}, indent=2))
        return
    from kerasopt.evaluation import formatting, headlines

    found = run.metrics
    time = f"{formatting.epochs(found['epochs'])} in {found['train_seconds']:.0f} s"
    headline = str(headlines.of_run(found))
    rows = _test_rows(found, headline)
    validation = found.get(f"val_{headline}")
    if validation is not None:
        name = formatting.metric_name(f"val_{headline}")
        rows.append((name, formatting.measure(headline, validation)))
    rows.append(("training", time))
    report = run.directory / "report.html"
    if report.is_file():  # Which isn't so where it failed, as on a full disk.
        rows.append(("report", files.shown(report)))
    rows.append(("use it", _how_to_predict(run)))
    _print_rows(rows)


def show_result(result: Result, how: Mapping[str, Any], as_json: bool) -> None:
    """Print what a run's model reaches on its test set.

    Args:
        result: What `kerasopt.Run.measure` returned.
        how: The views, under the names that ``metrics.json`` has.
        as_json: Print the single measures as JSON instead.
    """
    from kerasopt.evaluation import tta
    from kerasopt.training import finishing

    found = finishing.flat(result, "test")
    if as_json:
        print(json.dumps({**found, **how}, indent=2))
        return
    found |= {"threshold": result.to_dict().get("at_threshold", {}).get("threshold")}
    rows = _test_rows(found, result.headline.name)
    if how["tta"] != "none":
        rows.append(("measured by", tta.describe(how["tta"], how["tta_share"])))
    _print_rows(rows)
    for name in ("per_class", "per_label", "per_target"):
        if (table := getattr(result, name, None)) is not None:
            print(escape(f"\n{table.round(3).to_string()}"))


def takes_pictures(run: Run) -> bool:
    """Say whether a run was trained on images, so that it can predict pictures.

    Args:
        run: A finished run.
    """
    shape = run.environment["data"]["input_shape"]
    numbers = isinstance(shape, list) and all(isinstance(n, int) for n in shape)
    return numbers and len(shape) == 3 and shape[-1] in (1, 3)


BESIDES_THE_HEADLINE = {
    "accuracy": ("auc", "average_precision"),
    "mean_average_precision": ("micro_f1", "subset_accuracy"),
    "rmse": ("mae", "r2"),
}
"""What is shown with a headline, where it was measured."""


def _test_rows(found: Mapping[str, Any], headline: str) -> list[tuple[str, str]]:
    """Return the headline of the test set, and what belongs to it."""
    from kerasopt.evaluation import formatting, tta

    if f"test_{headline}" not in found:
        return []
    value = formatting.measure(headline, found[f"test_{headline}"])
    if found.get("test_interval") is not None:
        ends = formatting.measure(headline, found["test_interval"])
        value += f" (95 % interval {ends})"
    rows = [(formatting.metric_name(f"test_{headline}"), value)]
    if f"test_{headline}_tta" in found:
        how = tta.describe(found["tta"], found["tta_share"])
        value = formatting.measure(headline, found[f"test_{headline}_tta"])
        rows.append(("… with TTA", f"{value} ({how})"))
    for other in BESIDES_THE_HEADLINE.get(headline, ()):
        if f"test_{other}" in found:
            value = formatting.measure(other, found[f"test_{other}"])
            rows.append((formatting.metric_name(f"test_{other}"), value))
    return [*rows, *_threshold_rows(found)]


def _threshold_rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a binary run reaches at the threshold chosen on validation data."""
    from kerasopt.evaluation import formatting

    if found.get("threshold") is None:
        return []
    measures = [
        f"{formatting.metric_name(name)} {formatting.number(value)}"
        for name in ("precision", "recall", "f1")
        if (value := found.get(f"test_{name}_at_threshold")) is not None
    ]
    threshold = formatting.number(found["threshold"])
    return [("at the threshold", ", ".join([threshold, *measures]))]


def _how_to_predict(run: Run) -> str:
    if not takes_pictures(run):
        return f"kerasopt.Run({files.shown(run.directory)!r}).predict(x), in Python"
    return f"{command()} predict {files.in_command(run.directory)} picture.png"


def command() -> str:
    """Return what starts kerasopt: after `make run` it isn't on the path."""
    if shutil.which("kerasopt"):
        return "kerasopt"
    started = Path(sys.argv[0])
    return "python -m kerasopt" if started.name == "__main__.py" else str(started)


def _print_rows(rows: Sequence[tuple[str, str]]) -> None:
    # Not a table: paths must not be broken into lines.
    width = max(20, *(len(name) for name, _ in rows))
    for name, text in rows:
        print(f"{name:{width}} {escape(text)}")


def check_drawing(plot: Path | None) -> None:
    """Refuse a file that can't be drawn into, before anything is computed.

    Args:
        plot: The file, or None for none.

    Raises:
        ValueError: if it exists, its folder doesn't, or its ending is no picture's.
    """
    if plot is None:
        return
    if plot.exists():
        raise ValueError(f"'{plot}' exists already; name another file.")
    if not plot.parent.is_dir():
        raise ValueError(f"There is no folder '{plot.parent}'; make it first.")
    if plot.suffix.lower() not in PICTURES:
        raise ValueError(
            f"'{plot}' must end in one of {', '.join(PICTURES)}, which says how to "
            "draw it."
        )


def show_rate_range(found: RateRange, plot: Path | None, as_json: bool) -> None:
    """Print what a learning-rate range test found.

    Args:
        found: The test's result.
        plot: Where it was drawn, if it was.
        as_json: Print all of it as JSON instead.
    """
    if as_json:
        table = found.table.to_dict(orient="records")
        fields = ("suggestion", "lowest", "note")
        result = {field: getattr(found, field) for field in fields}
        print(json.dumps({**result, "table": table}, indent=2))
        return
    rows = [
        ("suggestion", f"{found.suggestion:.2g} (the loss falls fastest)"),
        ("upper bound", f"{found.lowest:.2g} (the loss is lowest)"),
    ]
    rows += [("drawn", str(plot))] if plot else []
    rows += [("but", found.note)] if found.note else []
    _print_rows(rows)


def _value(value: object) -> str:
    """Return a setting as a cell has room for it: "crop padding=1" for a mapping."""
    from kerasopt.evaluation import formatting

    if not isinstance(value, dict):
        return formatting.short(value)
    rest = [f"{key}={_value(v)}" for key, v in value.items() if key != "name"]
    return " ".join([str(value.get("name", "")), *rest]).strip()


def show_search(found: SearchResult, as_json: bool) -> None:
    """Print the best trials of a search, and what to do with the winner.

    Args:
        found: The search.
        as_json: Print all trials as JSON instead.
    """
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
        return
    from kerasopt.evaluation import formatting

    table = found.table[found.table["status"] == "completed"]
    sign = -1 if found.maximize else 1  # The first of equals is the winner, as there.
    table = table.iloc[(sign * table["mean"]).argsort(kind="stable")].head(5)
    show = formatting.percent if found.objective == "val_accuracy" else "{:.4f}".format
    # "learning_rate" fits into a column where "optimizer.learning_rate" doesn't.
    last = [field.rpartition(".")[2] for field in found.fields]
    headers = last if len(set(last)) == len(last) else found.fields
    rows = []
    for row in table.to_dict(orient="records"):
        values = [_value(row[field]) for field in found.fields]
        spread = "" if row["n"] < 2 else f" ± {show(row['std'])}"
        rows.append([show(row["mean"]) + spread, *values, str(row["trial"])])
    show_table([found.objective, *headers, "trial"], rows)
    others = "trial" if found.equals == 1 else "trials"
    equals = f"{found.equals} more {others}; the first of them is taken"
    best = shlex.quote(files.shown(found.directory / "best.yaml"))
    for name, words in (
        ("trials", found.counts()),
        *((("as good", equals),) if found.equals else ()),
        ("report", files.shown(found.directory / "report.html")),
        ("train the best", f"{command()} train {best}"),
    ):
        print(f"{name:20} {escape(words)}")
