"""``kerasopt tune`` and ``kerasopt ablate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kerasopt import files, terminal
from kerasopt.cli import complete
from kerasopt.cli.options import (
    DataDir,
    Json,
    RecipeName,
    Set,
    changed,
    refuse_beside,
    renamed,
    text,
)
from kerasopt.console import escape
from kerasopt.names import unknown

__all__ = ["ablate", "tune"]

Folder = Annotated[
    Path | None,
    typer.Option(help="Folder of all trainings: a new one, or one to resume."),
]

Objective = Annotated[
    str | None,
    typer.Option(
        help="val_accuracy (default) or val_loss",
        autocompletion=complete.words("val_accuracy", "val_loss"),
    ),
]


def tune(
    recipe: RecipeName = None,
    space: Annotated[
        Path | None,
        typer.Option(
            help="YAML: for each field a list of values or {min_value, max_value}. "
            "Without it: learning rate, batch size, dropout and L2."
        ),
    ] = None,
    set_: Set = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="bayesian (default), random, grid or hyperband",
            autocompletion=complete.words("bayesian", "random", "grid", "hyperband"),
        ),
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option(help="Most trials; 30 without a budget.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time for all trials: 90s, 10m, 2h; with --resume in all."),
    ] = None,
    objective: Objective = None,
    epochs: Annotated[
        int | None, typer.Option(help="Length of each trial; the recipe's own.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Cross-validate by so many folds.")
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(
            help="End hopeless trials by: median (default), halving or none",
            autocompletion=complete.words("median", "halving", "none"),
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that train at the same time.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the choices and the trainings.")
    ] = None,
    out: Folder = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Resume the search in this folder; --max-trials, --budget and "
            "--workers may change."
        ),
    ] = None,
    data_dir: DataDir = None,
    json_: Json = False,
    trials: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Search for a recipe's best settings on validation data."""
    terminal.start_tensorflow()
    from kerasopt import recipes, tuning

    given: dict[str, Any] = {
        "method": method,
        "max_trials": renamed("--trials", trials, "--max-trials", max_trials),
        "budget": budget,
        "objective": objective,
        "folds": folds,
        "workers": workers,
        "seed": seed,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    if stop not in (None, "median", "halving", "none"):
        raise unknown("rule of --stop", stop, ("median", "halving", "none"))
    if stop is not None:
        settings["stop"] = None if stop == "none" else stop
    if resume is not None:
        fixed = ("method", "objective", "folds", "seed")
        refuse_beside(
            resume,
            {"RECIPE": recipe, "--space": space, "--set": set_, "--stop": stop}
            | {"--epochs": epochs}
            | {f"--{name}": given[name] for name in fixed}
            | {"--out": out},
        )
        found = tuning.resume(resume, data_dir=text(data_dir), **settings)
    elif recipe is None:
        raise ValueError(
            f"Name a recipe: {', '.join(recipes.names())}, or a YAML file."
        )
    else:
        chosen = changed(recipes.load(recipe), set_ or [], epochs)
        found = tuning.search(
            chosen, space, data_dir=text(data_dir), directory=out, **settings
        )
    terminal.show_search(found, json_)


def ablate(
    recipe: RecipeName = None,
    factors: Annotated[
        str | None,
        typer.Option(help="Separated by commas: batch_norm,dropout,augment,…"),
    ] = None,
    set_: Set = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0 on.")] = 3,
    epochs: Annotated[
        int | None, typer.Option(help="Length of each training; the recipe's own.")
    ] = None,
    objective: Objective = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time for all trainings: 90s, 10m, 2h; with --out in all."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the differences into this file.")
    ] = None,
    out: Folder = None,
    data_dir: DataDir = None,
    json_: Json = False,
    metric: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure what each strategy of a recipe gains, with an interval."""
    terminal.check_drawing(plot)
    from kerasopt.tuning.ablations import factors as known

    if recipe is None or not factors:
        raise ValueError(
            "Name a recipe and the strategies to leave out and add in: kerasopt ablate "
            f"cifar10-chapter --factors dropout,augment. Accepted: "
            f"{', '.join(known.names())}."
        )
    terminal.start_tensorflow()
    from kerasopt import recipes, tuning

    chosen = changed(recipes.load(recipe), set_ or [], epochs)
    found = tuning.ablate(
        chosen,
        [name.strip() for name in factors.split(",")],
        seeds=seeds,
        epochs=epochs,
        objective=renamed("--metric", metric, "--objective", objective)
        or "val_accuracy",
        budget=budget,
        dataset=chosen.load_data(data_dir=text(data_dir)),
        directory=out,
    )
    if plot is not None:
        found.plot().savefig(plot)
    if json_:
        print(json.dumps(found.to_dict(), indent=2))
        return
    print(found)
    print(f"\n{found.configurations().round(4).to_string()}")
    print(escape(f"\n{'all of it':20} {files.shown(found.directory)}"))
    if plot is not None:
        print(escape(f"{'drawn':20} {plot}"))
