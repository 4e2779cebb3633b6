"""What the commands show on a terminal.

Results go to standard output, all else to standard error. Like `kerasopt.cli` it
imports what it needs when it needs it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import rich.console
import rich.markup
import rich.table

if TYPE_CHECKING:
    from kerasopt.diagnosis import RateRange
    from kerasopt.recipes import Recipe
    from kerasopt.training import Run
    from kerasopt.tuning import SearchResult

__all__ = [
    "check_drawing",
    "note",
    "show_rate_range",
    "show_recipes",
    "show_run",
    "show_search",
    "start_tensorflow",
]

PICTURES = (".png", ".svg", ".pdf", ".jpg")


def note(message: str) -> None:
    """Say something that isn't the result.

    Args:
        message: Text without markup.
    """
    rich.console.Console(stderr=True).print(rich.markup.escape(message), soft_wrap=True)


def start_tensorflow() -> None:
    """Import TensorFlow without its greeting, which no log level turns off."""
    sys.stderr.flush()
    terminal = os.dup(2)
    console = rich.console.Console(file=os.fdopen(os.dup(terminal), "w"), stderr=True)
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
    # A name is there to be typed, so a narrow terminal mustn't break it.
    name_column = rich.table.Column("recipe", no_wrap=True)
    table = rich.table.Table(
        name_column, "what it is; test accuracy, seconds of training"
    )
    for recipe in recipes:
        table.add_row(recipe.name, f"{recipe.description}\n[dim]{_measured(recipe)}[/]")
    rich.console.Console().print(table)


def _measured(recipe: Recipe) -> str:
    if recipe.measured is None:
        return "not measured"
    accuracy, views, seconds = recipe.measured_text()
    with_views = f", with views {views}" if recipe.measured.test_accuracy_tta else ""
    return f"{accuracy}{with_views}, {seconds} s"


def show_run(run: Run, as_json: bool) -> None:
    """Print what a training gave, and what to do with it.

    Args:
        run: The finished run.
        as_json: Print its folder and all of its measures as JSON instead.
    """
    if as_json:
        print(json.dumps({"run": str(run.directory), **run.metrics}, indent=2))
        return
    from kerasopt.evaluation import formatting, tta

    found = run.metrics
    rows = []
    if "test_accuracy" in found:
        low, high = found["test_interval"]
        interval = f"95 % interval {low:.2%} to {high:.2%}"
        rows.append(("test accuracy", f"{found['test_accuracy']:.2%} ({interval})"))
    if "test_accuracy_tta" in found:
        how = tta.describe(found["tta"], found["tta_share"])
        rows.append(("… with views", f"{found['test_accuracy_tta']:.2%} ({how})"))
    if "validation_accuracy" in found:
        rows.append(("validation accuracy", f"{found['validation_accuracy']:.2%}"))
    time = f"{formatting.epochs(found['epochs'])} in {found['train_seconds']:.0f} s"
    rows += [("training", time), ("report", str(run.directory / "report.html"))]
    # After `make run` the command isn't on the path.
    command = "kerasopt" if shutil.which("kerasopt") else sys.argv[0]
    rows.append(("use it", f"{command} predict {run.directory} picture.png"))
    for name, text in rows:  # Not a table: paths must not be broken into lines.
        print(f"{name:20} {text}")


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
    for name, text in rows:
        print(f"{name:20} {text}")


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
    shown = rich.table.Table(found.objective, *headers, "trial")
    for row in table.to_dict(orient="records"):
        values = [_value(row[field]) for field in found.fields]
        spread = "" if row["n"] < 2 else f" ± {show(row['std'])}"
        shown.add_row(show(row["mean"]) + spread, *values, str(row["trial"]))
    rich.console.Console().print(shown)
    command = "kerasopt" if shutil.which("kerasopt") else sys.argv[0]
    others = "trial" if found.equals == 1 else "trials"
    equals = f"{found.equals} more {others}; the first of them is taken"
    for name, words in (
        ("trials", found.counts()),
        *((("as good", equals),) if found.equals else ()),
        ("report", str(found.directory / "report.html")),
        ("train the best", f"{command} train {found.directory / 'best.yaml'}"),
    ):
        print(f"{name:20} {words}")
