"""What must be the same when a run is resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kerasopt import files
from kerasopt.console import Console, say
from kerasopt.training import run_folder
from kerasopt.training.settings_of_objects import readable
from kerasopt.training.spec import TrainingSettings

__all__ = ["check_same", "check_same_data", "with_recorded_choices"]

MAY_CHANGE = (
    "training.epochs",
    "training.budget",
    "training.jit",
    "training.checkpoint_seconds",
    "description",
    "name",
    "model.name",
    "model.parameters",
    "model.layers",
    "optimizer.config.name",
    "callbacks",
)
"""Fields that a resumed run may change: a training may become longer. Whether the model
has the same weights the checkpoint says; a callback may have been mended."""


def with_recorded_choices(settings: TrainingSettings, folder: Path) -> TrainingSettings:
    """Replace what was left to kerasopt by what it decided for this run."""
    recorded = run_folder.read_recipe(folder).get("training", {})
    decided = {}
    if settings.precision == "auto" and recorded.get("precision"):
        decided["precision"] = recorded["precision"]
    if not settings.length_is_given and recorded.get("epochs"):
        decided["epochs"] = recorded["epochs"]
    return settings.model_copy(update=decided)


def check_same(
    folder: Path,
    recipe: Mapping[str, Any],
    environment: Mapping[str, Any],
    console: Console,
) -> None:
    """Refuse to resume with other data, model, optimizer or settings.

    Args:
        folder: The run's folder.
        recipe: The resolved recipe of this call.
        environment: The environment of this call.
        console: Where to warn of another number of threads.

    Raises:
        ValueError: naming each difference.
    """
    recorded = run_folder.read_environment(folder)
    check_same_data(recorded.get("data", {}), environment["data"], folder)
    before, now = (
        dict(_leaves(readable(each)))
        for each in (run_folder.read_recipe(folder), recipe)
    )
    changed = [
        f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name) and name not in MAY_CHANGE
    ]
    if changed:
        raise ValueError(
            f"The run in '{files.shown(folder)}' was made with other settings: "
            f"{'; '.join(changed)}. Pass identical settings to resume, or choose "
            "another directory."
        )
    _check_length(before, now, folder)
    layers = before.get("model.layers")  # Runs of 0.1 have none.
    if layers not in (None, now.get("model.layers")):
        say(
            console,
            "The model's layers have other arguments than those of the run, such as "
            "activations, regularisation or dropout. The training continues with the "
            "new ones.",
        )
    threads = recorded.get("threads")
    deterministic = recipe["training"].get("deterministic")
    if deterministic and threads not in (None, environment["threads"]):
        say(
            console,
            f"The run used {threads} threads and resumes with "
            f"{environment['threads']}: it won't be bit for bit what an unbroken one "
            "would be.",
        )


def check_same_data(
    recorded: Mapping[str, Any], now: Mapping[str, Any], where: Any
) -> None:
    """Refuse data whose hashes aren't those that a run recorded.

    Args:
        recorded: The section ``data`` of the run's environment.
        now: The same of the data at hand.
        where: The run's folder, for the message.
    """
    before, after = recorded.get("sha256", {}), now["sha256"]
    differences = {
        "missing": sorted({*before} - {*after}),
        "new": sorted({*after} - {*before}),
        "changed": sorted(k for k in {*before} & {*after} if before[k] != after[k]),
    }
    found = [f"{', '.join(parts)} {how}" for how, parts in differences.items() if parts]
    if before and found:
        raise ValueError(
            f"The data aren't those of the run in '{where}': {'; '.join(found)}. Give "
            "what the run was given, its validation_data too: "
            f"kerasopt.resume('{where}', data=…) or run.evaluate((x, y))."
        )


def _check_length(
    before: Mapping[str, Any], now: Mapping[str, Any], folder: Path
) -> None:
    name = "training.epochs"
    if now.get("training.budget") is None and now.get(name, 0) < before.get(name, 0):
        raise ValueError(
            f"The run in '{files.shown(folder)}' was laid out for {before[name]} "
            f"epochs: resume it with as many or more; given: {now[name]}."
        )


def _leaves(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
