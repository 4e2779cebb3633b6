"""From names and objects to a compiled model that is ready to train."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import rich.console
import tensorflow as tf

from kerasopt import augment as augmentations
from kerasopt import callbacks as callback_table
from kerasopt import distribute, layers, losses, optimizers
from kerasopt.data import Dataset, pipeline
from kerasopt.evaluation import formatting, report
from kerasopt.training import budget as budgets
from kerasopt.training import checks, image_sizes, placement, precision
from kerasopt.training.reuse import CompiledModels
from kerasopt.training.seeding import seed_everything
from kerasopt.training.settings import TrainingSettings
from kerasopt.training.tabulated import tabulate

__all__ = ["Prepared", "prepare", "say"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a training starts from.

    Attributes:
        network: The compiled model, on its devices.
        settings: The settings, ``precision="auto"`` resolved.
        steps: Steps of an epoch.
        augmentation: What `kerasopt.augment.apply` takes, or None.
        callbacks: The user's callbacks.
        strategy: Where the model's variables live.
        build: The function that builds the model, if there is one.
    """

    network: keras.Model
    settings: TrainingSettings
    steps: int
    augmentation: Any
    callbacks: list[keras.callbacks.Callback]
    strategy: tf.distribute.Strategy
    build: Callable[[], keras.Model] | None

    def time_budget(
        self, dataset: Dataset, started: float, console: rich.console.Console
    ) -> budgets.TimeBudget | None:
        """Set up the clock of a time budget, and let the learning rate follow it."""
        settings = self.settings
        if settings.budget_seconds is None:
            return None
        report.preload()
        some = pipeline.some_samples(dataset.train[0])[:1024]
        budget = budgets.TimeBudget(
            total_seconds=settings.budget_seconds,
            started=started,
            reserved_seconds=budgets.evaluation_seconds(
                self.network, dataset, settings, some
            ),
            samples_per_call=settings.batch_size * settings.steps_per_execution,
            samples_per_epoch=len(dataset.train[0]),
            console=console,
            speed_to_come=image_sizes.speed_to_come(settings, dataset.input_shape),
        )
        budgets.follow(
            self.network.optimizer,
            total_steps=settings.epochs * self.steps,
            progress=budget.progress,
        )
        return budget


def prepare(
    model: keras.Model | Callable[[], keras.Model],
    dataset: Dataset,
    *,
    optimizer: Any,
    loss: Any,
    augment: Any,
    callbacks: Sequence[Any],
    settings: TrainingSettings,
    console: rich.console.Console,
    compiled: CompiledModels | None = None,
    key: Hashable | None = None,
) -> Prepared:
    """Look up what is named, build and compile.

    Args:
        model: As in `kerasopt.fit`, and so are the next five.
        dataset: The data.
        optimizer: A spec; lengths that its schedules lack are filled in.
        loss: A spec.
        augment: A spec.
        callbacks: Specs.
        settings: The checked settings.
        console: Where to say what will be trained.
        compiled: Compiled models that may be used again.
        key: What is fixed by compiling (`CompiledModels.compiled`); None compiles.

    Returns:
        A `Prepared`.

    Raises:
        ValueError: if an argument doesn't fit the others.
    """
    strategy = distribute.strategy(settings.devices)
    checks.batch_size(settings, strategy)
    steps = pipeline.steps_per_epoch(len(dataset.train[0]), settings.batch_size)
    loss = losses.get(
        loss, labels=dataset.train[1], label_smoothing=settings.label_smoothing
    )
    augmentation = augmentations.get(augment)
    callbacks = [callback_table.get(each) for each in callbacks]
    with placement.on(strategy):
        length = {"epochs": settings.epochs, "steps_per_epoch": steps}
        optimizer = optimizers.get(optimizers.complete(optimizer, **length))
    for callback in callbacks:
        callback_table.check_no_schedule(optimizer, callback)
    build = placement.builder(model)
    seed_everything(settings)
    say(console, _announcement(dataset, settings, steps, strategy))
    with placement.first_device(strategy):
        settings = precision.resolve(settings, build, dataset, loss, console)
    with placement.on(strategy):
        network = placement.place(model, build, strategy, settings.precision)
        checks.shapes(network, dataset, settings)
        layers.adapt(network, pipeline.some_samples(dataset.train[0]))
        parallel = placement.is_parallel(strategy)
        if key is not None:
            tabulate(optimizer, steps=settings.epochs * steps)
        network = (compiled or CompiledModels()).compiled(
            None if parallel else key,
            network,
            optimizer,
            loss=distribute.GlobalBatchLoss(loss) if parallel else loss,
            metrics=["accuracy"],
            steps_per_execution=settings.steps_per_execution,
        )
    return Prepared(network, settings, steps, augmentation, callbacks, strategy, build)


def _announcement(
    dataset: Dataset,
    settings: TrainingSettings,
    steps: int,
    strategy: tf.distribute.Strategy,
) -> str:
    length = f"{formatting.epochs(settings.epochs)} of {steps} steps"
    if settings.budget_seconds is not None:
        length = f"a budget of {formatting.duration(settings.budget_seconds)}"
    return (
        f"Training on {len(dataset.train[0]):,} samples of {dataset.name}: "
        f"{length}, on {distribute.describe(strategy)}."
    )


def say(console: rich.console.Console, message: str) -> None:
    """Print a line of any length as it is."""
    console.print(message, highlight=False, soft_wrap=True)
