"""The ``kerasopt`` command: the package's words, from a terminal.

Only typer and rich load here; every command imports what it needs, so that
``kerasopt --help`` answers at once.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from kerasopt import __version__, terminal
from kerasopt.cli import complete, errors, runs, streams, tuning
from kerasopt.cli.options import (
    DataDir,
    Json,
    Out,
    RecipeName,
    Seed,
    Set,
    changed,
    refuse_beside,
    refuse_empty,
    text,
)
from kerasopt.console import Console, escape, say, show_table

EXAMPLES = {
    "demo": "kerasopt demo",
    "recipes": "kerasopt recipes cifar10-chapter",
    "fields": "kerasopt fields digits",
    "data": "kerasopt data fashion_mnist",
    "train": "kerasopt train digits --set model.dropout=0.2 --epochs 20 --out runs/a",
    "lr-range": "kerasopt lr-range digits --plot rates.png",
    "evaluate": "kerasopt evaluate runs/a --tta mirror",
    "predict": "kerasopt predict runs/a photo.png",
    "compare": "kerasopt compare runs/a runs/b",
    "tune": "kerasopt tune digits --max-trials 20 --epochs 10",
    "ablate": "kerasopt ablate digits --factors dropout,augment --seeds 3",
    "bench": "kerasopt bench throughput",
}
"""What the help of each command shows."""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"kerasopt {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Example: kerasopt train digits; kerasopt COMMAND --help has more."
)
def common(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and end.",
            callback=_show_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Train good Keras models fast, with measured recipes."""


def main() -> None:
    """Run the command line; every error is one message and an exit code.

    0 is success, 2 a mistake that the message explains, 1 a bug, 130 an interruption
    and 141 an output that nobody reads any more. With ``KERASOPT_DEBUG=1`` an error
    shows its traceback instead.
    """
    streams.prepare()
    # TensorFlow greets in a dozen lines that say nothing to our users.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        refuse_empty(sys.argv[1:])
        # Its name, whatever started it: shells complete by it.
        with errors.warnings_as_lines():
            code = app(standalone_mode=False, prog_name="kerasopt")
        streams.flush()
    except SystemExit as end:  # Of typer and rich, for a closed pipe among others.
        closed = isinstance(end.__context__, BrokenPipeError)
        code = errors.CLOSED if closed else end.code
    except BaseException as error:
        if os.environ.get("KERASOPT_DEBUG"):
            raise
        code = errors.explain(error)
    finally:
        streams.discard()
    sys.exit(code if isinstance(code, int) else 0)


@app.command()
def demo(
    seed: Seed = None, out: Out = None, data_dir: DataDir = None, json_: Json = False
) -> None:
    """Train the cifar10 recipe (five minutes) and show how well it did.

    Where CIFAR-10 can't be had, it says so and trains digits instead.
    """
    terminal.start_tensorflow()
    from kerasopt import data, recipes

    recipe = recipes.load("cifar10")
    terminal.note("The recipe 'cifar10': about five minutes on two CPU cores.")
    try:
        dataset = recipe.load_data(data_dir=text(data_dir))
    except data.DataUnavailableError as error:
        terminal.note(
            f"{error}\n\nTraining the recipe 'digits' instead, which needs no download."
        )
        recipe = recipes.load("digits")
        dataset = recipe.load_data()
    terminal.show_run(recipe.run(seed=seed, dataset=dataset, directory=out), json_)


@app.command("recipes")
def show_recipes(
    name: RecipeName = None,
    json_: Json = False,
) -> None:
    """List the recipes with their measured results, or print one."""
    from kerasopt import recipes

    if name is not None:
        recipe = recipes.load(name)
        print(json.dumps(recipe.to_dict(), indent=2) if json_ else recipe.to_yaml())
        return
    found = [recipes.load(each) for each in recipes.names()]
    if json_:
        print(json.dumps([recipe.to_dict() for recipe in found], indent=2))
        return
    terminal.show_recipes(found)


@app.command("fields")
def show_fields(recipe: RecipeName = None, json_: Json = False) -> None:
    """List what --set changes: type, value and meaning of each field.

    With a recipe the arguments of its model, optimizer, schedule and augmentation are
    listed, too, and the values are its own.
    """
    if recipe is not None:
        terminal.start_tensorflow()
    from kerasopt import recipes
    from kerasopt.recipes.fields import fields

    found = fields(recipes.load(recipe) if recipe is not None else None)
    if json_:
        rows = [dataclasses.asdict(field) for field in found]
        print(json.dumps(rows, indent=2, default=str))
        return
    terminal.show_fields(found)
    if recipe is None:
        terminal.note("The model's and the optimizer's: kerasopt fields RECIPE.")


@app.command("data")
def show_data(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Fetch and describe this one.",
            autocompletion=complete.datasets,
        ),
    ] = None,
    data_dir: DataDir = None,
    json_: Json = False,
) -> None:
    """List the datasets and what is cached, or fetch one and describe it."""
    from kerasopt import data

    if name is None:
        cached = data.cached()
        if json_:
            print(json.dumps(cached, indent=2, default=str))
            return
        rows = []
        for each in data.available():
            path, size = cached[each]
            absent = "comes with scikit-learn" if each == "digits" else "not yet"
            megabytes = f"{size / 2**20:.0f}" if path else "–"
            rows.append([each, str(path or absent), megabytes])
        show_table(["dataset", "cached at", "MiB"], rows)
        return
    dataset = data.load(name, data_dir=text(data_dir))
    if json_:
        print(json.dumps({"name": name, "source": dataset.source, **_sizes(dataset)}))
        return
    print(escape(dataset.summary()))


@app.command()
def train(
    recipe: RecipeName = None,
    set_: Set = None,
    epochs: Annotated[
        int | None, typer.Option(help="Same as --set training.epochs")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time for everything instead of epochs: 90s, 5m, 1h."),
    ] = None,
    seed: Seed = None,
    out: Out = None,
    resume: Annotated[
        Path | None, typer.Option(help="Resume the interrupted run in this folder.")
    ] = None,
    data_dir: DataDir = None,
    json_: Json = False,
) -> None:
    """Train a recipe; everything about the run lands in one folder."""
    terminal.start_tensorflow()
    from kerasopt import recipes

    if resume is not None:
        words = ("RECIPE", "--set", "--epochs", "--budget", "--seed", "--out")
        values = (recipe, set_, epochs, budget, seed, out)
        refuse_beside(resume, dict(zip(words, values, strict=True)))
        run = recipes.resume(resume, data_dir=text(data_dir))
    elif recipe is None:
        raise ValueError(
            f"Name a recipe: {', '.join(recipes.names())}, or a YAML file."
        )
    elif epochs is not None and budget is not None:
        raise ValueError(
            "--budget lets the clock decide how many epochs there are; give it or "
            "--epochs, not both."
        )
    else:
        loaded = recipes.load(recipe)
        if os.path.isdir(recipe) and recipe not in recipes.names():
            say(Console(), loaded.description)  # What was chosen for it, and why.
        chosen = changed(loaded, set_ or [], epochs, budget, seed)
        run = chosen.run(directory=out, data_dir=text(data_dir))
    terminal.show_run(run, json_)


@app.command("lr-range")
def lr_range(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A name that 'kerasopt recipes' lists, a YAML file, or a folder of "
            "pictures by class.",
            autocompletion=complete.recipes,
        ),
    ],
    set_: Set = None,
    low: Annotated[float, typer.Option(help="First learning rate.")] = 1e-6,
    high: Annotated[float, typer.Option(help="Last learning rate.")] = 10.0,
    steps: Annotated[int, typer.Option(help="Batches, one a rate.")] = 100,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the loss over the rate into this file.")
    ] = None,
    seed: Seed = None,
    data_dir: DataDir = None,
    json_: Json = False,
) -> None:
    """Find the learning rates that a recipe can be trained with, in seconds."""
    terminal.check_drawing(plot)
    terminal.start_tensorflow()
    from kerasopt import recipes

    chosen = changed(recipes.load(recipe), set_ or [], seed=seed)
    with warnings.catch_warnings(action="ignore"):  # The result's note says it.
        found = chosen.lr_range_test(
            low=low, high=high, steps=steps, data_dir=text(data_dir)
        )
    if plot is not None:
        found.plot().savefig(plot)
    terminal.show_rate_range(found, plot, json_)


for command in (
    runs.evaluate,
    runs.predict,
    runs.compare,
    tuning.tune,
    tuning.ablate,
):
    app.command()(command)


@app.command()
def bench(
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PART",
            help="throughput, augmentation, startup; grid_search, search_race, "
            "search_kills, race, budgets, recipes",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="JSON file; below runs/ by default.")
    ] = None,
) -> None:
    """Measure speed on this machine, side by side with Keras and PyTorch.

    Without a name the first three parts run, in a few minutes; the searches take
    minutes, race, budgets and recipes, which are whole trainings, hours.
    """
    from kerasopt import files

    path = out or Path("runs") / f"bench-{time.strftime('%Y%m%d-%H%M%S')}.json"
    if path.exists():
        raise ValueError(f"'{path}' exists already; name another file.")
    files.check_writable(path)
    from kerasopt.benchmarks import suite

    results = suite.run(parts or suite.DEFAULT, say=terminal.note)
    files.write_text(path, json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    print(escape(f"{'results':20} {path}"))


for registered in app.registered_commands:
    name_ = registered.name or getattr(registered.callback, "__name__", "")
    registered.epilog = f"Example: {EXAMPLES[str(name_)]}"


def _sizes(dataset: Any) -> dict[str, Any]:
    splits = {s: getattr(dataset, s) for s in ("train", "validation", "test")}
    sizes = {s: len(pair[0]) if pair else 0 for s, pair in splits.items()}
    return {**sizes, "input_shape": dataset.input_shape, "classes": dataset.num_classes}
