"""From a spec and a dataset to a compiled model that is ready to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt import augment as augmentations
from kerasopt import callbacks as callback_table
from kerasopt import distribute, layers, optimizers, schedules, tasks
from kerasopt.callbacks.changed_step import restore_step
from kerasopt.console import Console, say
from kerasopt.data import Dataset, Stream
from kerasopt.data.labels import classes_without_samples
from kerasopt.evaluation import formatting, report
from kerasopt.training import budget as budgets
from kerasopt.training import (
    calibration,
    compiling,
    image_sizes,
    placement,
    preflight,
    saving,
    value_ranges,
    watching,
)
from kerasopt.training import standardization as standardizing
from kerasopt.training.batches import Feed
from kerasopt.training.compile_cache import CompileCache
from kerasopt.training.compiled import CompiledSteps
from kerasopt.training.head import Head, outputs_of
from kerasopt.training.spec import TrainingSettings, TrainingSpec, seed_everything
from kerasopt.training.trainer import make_variables

__all__ = ["Prepared", "prepare", "say", "time_budget"]

NAMED = 10
"""So many classes are named in a note."""

FEW_FOR_THRESHOLD = 20
"""With fewer validation samples, a note says that the threshold is uncertain."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a training starts from.

    Attributes:
        model: The compiled model, on its devices.
        steps: Its compiled steps.
        feed: The batches of the data.
        settings: The settings, ``precision`` resolved.
        task: The task, or None where loss and metrics alone are measured.
        head: What the model ends in.
        augmentation: What `kerasopt.augment.apply` takes, or None.
        stream_key: Stands for it: making a stream takes seconds, so the preflight,
            the training and later ones of the same data share one.
        callbacks: The user's callbacks.
        strategy: Where the model's variables live.
        build: The function that builds the model, if there is one.
        steps_per_epoch: Steps of an epoch, or None for a stream of unknown length.
        monitor_mode: ``"min"`` or ``"max"``: what is better.
        measures_logs: Whether metrics were asked for, which the evaluation then
            measures besides the task's own.
        augmented: A few augmented samples with their labels, as a step takes them;
            None without augmentation and where nothing was tried before.
        notes: What was decided without being asked, for people.
        whole: The model that is saved, where ``model`` is its head, on features.
    """

    model: keras.Model
    steps: CompiledSteps
    feed: Feed
    settings: TrainingSettings
    task: tasks.Task | None
    head: Head
    augmentation: Any
    stream_key: str
    callbacks: list[keras.callbacks.Callback]
    strategy: tf.distribute.Strategy
    build: Callable[[], keras.Model] | None
    steps_per_epoch: int | None
    monitor_mode: str
    measures_logs: bool
    augmented: Any = None
    notes: list[str] = field(default_factory=list)
    whole: keras.Model | None = None

    @property
    def parallel_strategy(self) -> tf.distribute.Strategy | None:
        """The strategy where it spans several devices, else None."""
        return self.strategy if placement.is_parallel(self.strategy) else None


@preflight.enough_memory()
def prepare(
    spec: TrainingSpec,
    dataset: Dataset,
    *,
    console: Console,
    feed: Feed | None = None,
    cache: CompileCache | None = None,
) -> Prepared:
    """Look up what is named, build, compile, and try everything on a few samples.

    Args:
        spec: The training.
        dataset: Its data.
        console: Where to say what will be trained.
        feed: The dataset's batches, where trainings share them.
        cache: Compiled models that may be used again (`TrainingSpec.compile_key`).

    Returns:
        A `Prepared`.

    Raises:
        ValueError: if an argument doesn't fit the others or the data.
    """
    settings = spec.settings
    if isinstance(spec.model, keras.Model):
        restore_step(spec.model)  # After a training of Keras's that broke off.
    # Now, since the given model itself is compiled below.
    measures_logs = spec.metrics is not None or _has_own_metrics(spec.model)
    preflight.check_data(dataset, settings)
    preflight.check_views(settings, dataset)
    strategy = distribute.strategy(settings.devices)
    preflight.check_batch_size(settings, strategy.num_replicas_in_sync)
    feed = feed or Feed(dataset, class_weight=spec.class_weight)
    steps = feed.steps_per_epoch(settings)
    augmentation, standardization = augmentations.split_standardization(
        augmentations.get(spec.augment)
    )
    callbacks = [callback_table.get(each) for each in spec.callbacks]
    loaded = _loaded_notes(spec)  # Before the model is compiled.
    with placement.on(strategy):
        optimizer = _optimizer(spec, settings, steps)
    build = standardizing.with_layer(
        placement.builder(spec.model), standardization, dataset.input_shape
    )
    if spec.seeds_globally:
        seed_everything(settings)
    say(console, _announcement(dataset, settings, steps, strategy))
    with placement.first_device(strategy):
        settings = _with_precision(settings, spec, feed, build, console)
    with placement.on(strategy):
        model = placement.place(spec.model, build, strategy, settings.precision)
        _build(model, feed.some(1))
        preflight.check_inputs(model, dataset, settings)
        value_ranges.choose_scale(model, feed)
        standardizing.check_scale(standardization, feed.to_adapt)
        layers.adapt(model, feed.to_adapt)
        chosen = compiling.choose(spec, feed, model)
        feed = chosen.feed
        if optimizer is None and _trains_others(model):
            optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
            chosen.notes.append(
                "Other layers are trainable than when the optimizer was made: it "
                "starts anew, with the same settings."
            )
        some = feed.some(preflight.SAMPLES)
        for callback in callbacks:
            callback_table.check_no_schedule(optimizer or model.optimizer, callback)
        augmented = None
        is_new = cache is None or spec.compile_key not in cache
        parallel = placement.is_parallel(strategy)
        compiled = compiling.compiled(
            model, optimizer, chosen, spec, parallel, cache, steps
        )
        model = compiled.model
        try:
            make_variables(model, some)
        except Exception as error:
            raise preflight.explained(model, error, some) from error
        watching.check_metric_names(model)
        if is_new and not parallel:
            preflight.try_batch(
                model,
                feed.as_handed_over(some),
                task=chosen.task,
                head=chosen.head,
                class_names=feed.dataset.class_names,
            )
            augmented = value_ranges.check_augmentation(
                augmentation, feed, settings, key=repr(spec.augment)
            )
        watching.check_callbacks(callbacks, model, dataset)
    return Prepared(
        model=model,
        steps=compiled,
        feed=feed,
        settings=settings.model_copy(update={"precision": model.dtype_policy.name}),
        task=chosen.task,
        head=chosen.head,
        augmentation=augmentation,
        stream_key=repr(spec.augment),
        callbacks=callbacks,
        strategy=strategy,
        build=build,
        steps_per_epoch=steps,
        monitor_mode=watching.check_monitor(model, settings.monitor, settings.patience),
        measures_logs=measures_logs,
        augmented=augmented,
        notes=[
            *chosen.notes,
            *loaded,
            *_notes(settings, build, feed),
            *_schedule_notes(model.optimizer),
        ],
    )


def _with_precision(
    settings: TrainingSettings,
    spec: TrainingSpec,
    feed: Feed,
    build: Callable[[], keras.Model] | None,
    console: Console,
) -> TrainingSettings:
    """Return the settings with the precision that ``"auto"`` finds the fastest."""

    def loss_of(model: keras.Model) -> Any:
        # Refused now, not after a minute of timing.
        _build(model, feed.some(1))
        preflight.check_inputs(model, feed.dataset, settings)
        return compiling.choose(spec, feed, model).loss

    return calibration.resolve_precision(settings, build, feed.some, loss_of, console)


def time_budget(
    ready: Prepared, started: float, console: Console
) -> budgets.TimeBudget | None:
    """Set up the clock of a time budget, and let the learning rate follow it."""
    settings, dataset = ready.settings, ready.feed.dataset
    if settings.budget_seconds is None:
        return None
    if ready.steps_per_epoch is None:
        raise ValueError(
            "training.budget lays the schedule out over epochs, and this stream "
            "doesn't tell its length: give steps_per_epoch=…, or epochs instead of a "
            "budget."
        )
    report.preload()
    budget = budgets.TimeBudget(
        total_seconds=settings.budget_seconds,
        started=started,
        reserved_seconds=budgets.evaluation_seconds(ready.model, ready.feed, settings),
        batch_size=settings.batch_size,
        samples_per_epoch=dataset.sizes["train"]
        or ready.steps_per_epoch * settings.batch_size,
        console=console,
        speed_to_come=image_sizes.speed_to_come(settings, dataset.input_shape),
    )
    budgets.follow(
        ready.model.optimizer,
        total_steps=settings.epochs * ready.steps_per_epoch,
        progress=budget.progress,
    )
    return budget


def _optimizer(
    spec: TrainingSpec, settings: TrainingSettings, steps: int | None
) -> keras.optimizers.Optimizer | None:
    """Return the optimizer, or None to keep that of a compiled model."""
    given = spec.optimizer
    model: Any = spec.model
    if given is None:
        compiled = isinstance(model, keras.Model) and model.compiled
        if compiled and model.optimizer is not None and not _is_of_a_run(model):
            return None
        given = "adam"
    length: dict[str, Any] = {"epochs": settings.epochs, "steps_per_epoch": steps}
    return optimizers.get(optimizers.complete(given, **length))


def _is_of_a_run(model: Any) -> bool:
    """Say whether a model was loaded from a run, which saves it with a placeholder."""
    return getattr(getattr(model, "optimizer", None), "name", "") == saving.PLACEHOLDER


def _loaded_notes(spec: TrainingSpec) -> list[str]:
    """Say what a model that a run has saved lacks for another training."""
    if spec.optimizer is not None or not _is_of_a_run(spec.model):
        return []
    return [
        "The model of a saved run is trained further by Adam, since its file has no "
        "optimizer. Give optimizer=…, and loss=… where the run had one of its own."
    ]


def _build(model: keras.Model, some: Any) -> None:
    """Make the variables of a model that was given without an input shape."""
    if not model.built:
        outputs_of(model, some[0])


def _trains_others(model: keras.Model) -> bool:
    """Say whether a compiled model's optimizer was built for other variables."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.built:
        return False
    # Keras keeps them under a private name; a test holds it.
    known = {id(each) for each in optimizer._trainable_variables}
    return known != {id(each) for each in model.trainable_variables}


def _notes(settings: TrainingSettings, build: Any, feed: Feed) -> list[str]:
    """Say what a reader of the result would want to know, and didn't ask for."""
    dataset, notes = feed.dataset, []
    if build is None and settings.deterministic:
        notes.append(
            f"The model was given built: seed={settings.seed} fixes order, "
            "augmentation and dropout, but not its first weights. Give a function that "
            "builds the model to repeat the training."
        )
    if feed.pixel_scale != 1:
        notes.append(
            f"The pixels are divided by {feed.pixel_scale:g}; run.predict and "
            "run.evaluate do the same."
        )
    if feed.pixel_scale != dataset.pixel_scale:
        notes.append("The model scales pixels itself, so it is handed 0 to 255.")
    return notes + _data_notes(dataset)


def _data_notes(dataset: Dataset) -> list[str]:
    notes = []
    if dataset.task and dataset.task.has_classes and isinstance(dataset.train, tuple):
        lacking = classes_without_samples(dataset.train[1], dataset.class_names)
        if lacking:
            notes.append(
                f"{len(lacking)} of {dataset.num_classes} classes have no training "
                f"sample and can't be learned: {', '.join(lacking[:NAMED])}."
            )
    if dataset.test_rows_in_train:
        notes.append(
            f"{dataset.test_rows_in_train:,} test samples are training samples, too: "
            "the test measures are optimistic."
        )
    if dataset.skipped:
        left_out = f"{len(dataset.skipped):,}"
        notes.append(f"Files that can't be read as images were left out: {left_out}.")
    count = dataset.sizes["validation"] or 0
    is_binary = dataset.task is not None and dataset.task.name == "binary"
    if is_binary and 0 < count < FEW_FOR_THRESHOLD:
        notes.append(
            "Validation samples that the threshold between the classes is chosen on: "
            f"{count}. Of so few it is uncertain."
        )
    return notes


def _schedule_notes(optimizer: Any) -> list[str]:
    """Say that the optimizer of an earlier training goes on in its schedule."""
    if optimizer is None or not schedules.scheduled(optimizer):
        return []
    steps = int(np.max(keras.ops.convert_to_numpy(optimizer.iterations)))
    if not steps:
        return []
    return [
        f"The model's optimizer has taken {steps:,} steps of its learning rate's "
        "schedule and goes on there. Give optimizer=… to start anew."
    ]


def _has_own_metrics(model: Any) -> bool:
    given = isinstance(model, keras.Model)
    return given and bool(placement.compile_arguments(model).get("metrics"))


def _announcement(
    dataset: Dataset,
    settings: TrainingSettings,
    steps: int | None,
    strategy: tf.distribute.Strategy,
) -> str:
    of = f" of {steps} steps"
    if steps is None:
        of = ", each to the end of the stream (without one, give steps_per_epoch)"
    length = f"{formatting.epochs(settings.epochs)}{of}"
    if settings.budget_seconds is not None:
        length = f"a budget of {formatting.duration(settings.budget_seconds)}"
    samples = dataset.sizes["train"]
    what = "batches" if isinstance(dataset.train, Stream) else "samples"
    count = f"{samples:,} samples" if samples else what
    return (
        f"Training on {count} of {dataset.name}: {length}, on "
        f"{distribute.describe(strategy)}."
    )
