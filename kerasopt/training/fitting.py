"""Train a model on a dataset, measure it once, and leave a run folder behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import rich.console

from kerasopt.data import Dataset
from kerasopt.evaluation import formatting
from kerasopt.training import checks, placement, preparation, quiet, results
from kerasopt.training import run as run_folder
from kerasopt.training.loop import Loop
from kerasopt.training.preparation import say
from kerasopt.training.run import Run
from kerasopt.training.settings import TrainingSettings, validate

__all__ = ["fit"]


@quiet.tracing()
def fit(
    model: keras.Model | Callable[[], keras.Model],
    dataset: Dataset,
    *,
    optimizer: Any = "adam",
    loss: Any = "auto",
    augment: Any = None,
    callbacks: Sequence[Any] = (),
    directory: str | os.PathLike[str] | None = None,
    recipe: Mapping[str, Any] | None = None,
    resume: bool = False,
    verbose: bool = True,
    **settings: Any,
) -> Run:
    """Train, keep everything in one folder, and measure the test set once.

    The model is compiled here. Its inputs are ``dataset.train`` with uint8
    divided by 255. After training, early stopping's best weights are restored,
    validation and test accuracy are measured, and model, metrics and an HTML
    report are written.

    Args:
        model: An uncompiled model, or a function that builds one. Several
            devices and ``precision="auto"`` build the model themselves.
        dataset: What `kerasopt.data.load` or `kerasopt.data.from_arrays` gives.
        optimizer: What `kerasopt.optimizers.get` takes. A schedule given as a
            dict gets ``epochs`` and ``steps_per_epoch`` filled in.
        loss: ``"auto"`` (cross-entropy by the labels' shape), a Keras name or loss.
        augment: What `kerasopt.augment.get` takes.
        callbacks: What `kerasopt.callbacks.get` takes: Keras callbacks, or names
            and dicts.
        directory: Folder of the run; new below ``runs/`` by default.
        recipe: The resolved recipe to record; made from the arguments by default.
        resume: Go on with the interrupted run in ``directory``.
        verbose: Show progress on standard error.
        **settings: Fields of `kerasopt.training.TrainingSettings`, whose help lists
            them all: ``epochs=10`` or ``budget="5m"``, ``batch_size=32``,
            ``patience=None``, ``seed=0``, …

    Returns:
        The finished `Run`.

    Raises:
        ValueError: if an argument doesn't fit, if test data would steer the
            training, or (`DivergedError`) if the loss becomes NaN.

    Example:
        >>> import tempfile
        >>> import kerasopt as ko
        >>> digits = ko.data.load("digits", size=200)
        >>> model = ko.models.mlp(input_shape=digits.input_shape, num_classes=10)
        >>> folder = tempfile.mkdtemp()
        >>> run = ko.fit(model, digits, epochs=2, directory=folder, verbose=False)
        >>> sorted(run.history.columns)[:3]
        ['accuracy', 'epoch', 'learning_rate']
    """
    started = time.perf_counter()
    chosen = validate(TrainingSettings, settings, "training")
    if not resume:
        run_folder.check_new(directory)
    checks.data(dataset, chosen)
    console = rich.console.Console(stderr=True, quiet=not verbose)
    ready = preparation.prepare(
        model,
        dataset,
        optimizer=optimizer,
        loss=loss,
        augment=augment,
        callbacks=callbacks,
        settings=chosen,
        console=console,
    )
    chosen, network, strategy = ready.settings, ready.network, ready.strategy

    # Before the folder: a budget that is too short leaves nothing behind.
    budget = ready.time_budget(dataset, started, console)
    if resume:
        folder = run_folder.unfinished_directory(directory)
    else:
        resolved = results.resolved_recipe(recipe, network, augment, chosen)
        about = results.environment_of(dataset, strategy, chosen)
        folder = _new_folder(directory, resolved, about)
    loop = Loop(ready, dataset, folder, console, budget)
    with placement.on(strategy):
        loop.run(ready.callbacks, resume=resume)

    def clock() -> float:
        return loop.seconds_before + time.perf_counter() - started

    train_seconds = round(clock(), 2)
    trained = placement.collect(network, model, ready.build, strategy, chosen.precision)
    how = {**loop.summary(), "train_seconds": train_seconds}
    how |= results.settings_of(trained, dataset, strategy, chosen)
    run = results.finish(trained, dataset, folder, how, settings=chosen, clock=clock)
    _say_results(console, run)
    return run


def _new_folder(
    directory: str | os.PathLike[str] | None,
    recipe: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> Path:
    """Make the run's folder, with what is known before training."""
    folder = run_folder.new_directory(recipe["name"], directory)
    run_folder.write_yaml(folder / run_folder.RECIPE, dict(recipe))
    run_folder.write_json(folder / run_folder.ENVIRONMENT, dict(environment))
    return folder


def _say_results(console: rich.console.Console, run: Run) -> None:
    found = run.metrics
    accuracy = found.get("test_accuracy")
    tested = "" if accuracy is None else f"test accuracy {accuracy:.2%}, "
    say(
        console,
        f"Done: {tested}{formatting.epochs(found['epochs'])} in "
        f"{found['train_seconds']:.0f} s, {found['total_seconds']:.0f} s in all; "
        f"everything is in {run.directory}",
    )
    if found["epochs"] < 1:
        say(console, "The time wasn't enough to see all samples once: give it more.")
