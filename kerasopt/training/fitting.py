"""`kerasopt.fit`: train a model on data, measure it once, and leave a run folder."""

from __future__ import annotations

import inspect
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasopt import callbacks as callback_table
from kerasopt import checks, files, meanings, names
from kerasopt.console import Console, progress_console, say
from kerasopt.data import Dataset, as_dataset
from kerasopt.evaluation import formatting
from kerasopt.training import (
    batches,
    compiling,
    directories,
    examples,
    features,
    finishing,
    placement,
    preparation,
    quiet,
    random_state,
    resuming,
    run_folder,
    saving,
)
from kerasopt.training.budget import TimeBudget
from kerasopt.training.compiled import free_kernels
from kerasopt.training.preparation import Prepared
from kerasopt.training.run import Run
from kerasopt.training.session import DivergedError, Session
from kerasopt.training.spec import (
    TrainingSettings,
    TrainingSpec,
    refuse_without_effect,
    validate,
)

__all__ = ["fit"]

KERAS_WORDS = {
    "x": "give fit(model, (x, y))",
    "y": "give fit(model, (x, y))",
    "validation": "give kerasopt.data.from_arrays(x, y, validation=0.2)",
    "validation_split": "give kerasopt.data.from_arrays(x, y, validation=0.2)",
    "validation_steps": "give a validation stream that ends, such as stream.take(100)",
    "validation_batch_size": "it is evaluation_batch_size",
    "initial_epoch": "resume=True continues where the run was",
    "shuffle": "arrays are shuffled by the seed, streams taken as they come",
    "learning_rate": 'give optimizer={"name": "adam", "learning_rate": 0.01}',
    "loss_weights": "compile the model with loss and weights, and give no loss here",
    "weighted_metrics": "compile the model with them",
    "steps_per_execution": "as many steps as pay are taken in one call",
    "jit_compile": "it is jit='auto', 'loop', 'step' or 'none'",
    "run_eagerly": "set tf.config.run_functions_eagerly(True) while you debug",
    "name": "give directory='runs/my-name', the run's folder",
    "out": "give directory='runs/my-name', the run's folder",
    "num_classes": "give kerasopt.data.from_arrays(x, y, num_classes=…)",
}
"""Arguments of Keras's ``fit`` that have another name here, or need none."""

ENOUGH_STEPS = 200
"""Adam at its default rate has learned little after fewer."""


@quiet.tracing()
@random_state.kept()
def fit(
    model: keras.Model | Callable[[], keras.Model],
    data: Any = None,
    *others: Any,
    optimizer: Any = None,
    loss: Any = None,
    metrics: Any = None,
    task: str | None = "auto",
    class_weight: Any = None,
    sample_weight: Any = None,
    validation_data: Any = None,
    augment: Any = None,
    callbacks: Any = (),
    settings: TrainingSettings | None = None,
    directory: str | os.PathLike[str] | None = None,
    recipe: Mapping[str, Any] | None = None,
    resume: bool = False,
    verbose: bool = True,
    **fields: Any,
) -> Run:
    """Train a Keras model into one folder, and measure the test set once.

    Takes the place of ``model.compile(…)`` and ``model.fit(…)``. Before the first step
    a few samples go through loss, gradient, metrics and evaluation, so that what would
    fail later fails then. After training, early stopping's best weights are restored,
    the model is saved, and validation and test data are measured by the task.

    Args:
        model: Any Keras model, or a function that builds one. What a compiled model was
            compiled with is used unless an argument says otherwise. Several devices and
            ``precision="auto"`` build the model themselves.
        data: A `kerasopt.data.Dataset`, arrays ``(x, y)`` or ``(x, y,
            sample_weight)``, a `tf.data.Dataset`, a `keras.utils.PyDataset`, or a
            function that returns an iterator of batches. Arrays are trained on whole;
            `kerasopt.data.from_arrays` cuts validation data from them.
        *others: None: features and labels are one argument.
        optimizer: What `kerasopt.optimizers.get` takes; ``"adam"`` by default. A
            schedule given as a dict gets ``epochs`` and ``steps_per_epoch`` filled in.
        loss: What `kerasopt.losses.get` takes; by default that of the task, with
            ``from_logits=True`` where the model ends in logits.
        metrics: What `kerasopt.metrics.get` takes, one or several, such as ``["auc",
            "f1"]``; by default those of the task.
        task: ``"binary"``, ``"multiclass"``, ``"multilabel"`` or ``"regression"``;
            ``"auto"`` infers it from labels and model output. None measures loss and
            metrics alone, for outputs that aren't predictions of the labels.
        class_weight: {class: weight} or ``"balanced"``: n / (classes * samples of the
            class).
        sample_weight: Weights of the training samples, shape (n,), or of each of their
            steps or pixels, shape (n, …), for ``(x, y)``.
        validation_data: ``(x, y)``, ``(x, y, sample_weight)`` or a stream, for data
            without a validation part.
        augment: What `kerasopt.augment.get` takes.
        callbacks: What `kerasopt.callbacks.get` takes, one or several, in nested
            lists, too: Keras callbacks, or names and dicts.
        settings: The fields as one object; single fields override it.
        directory: Folder of the run; new below ``runs/`` by default.
        recipe: The resolved recipe to record; made from the arguments by default.
        resume: Continue the interrupted run in ``directory``, with the same arguments;
            ``epochs`` may be larger.
        verbose: Show progress on standard error.
        **fields: Fields of `kerasopt.training.TrainingSettings`, whose help lists
            them all: ``epochs=10`` (by default as many more as make 200 steps,
            where their number is known) or
            ``budget="5m"``, ``batch_size=32``, ``patience=None``,
            ``monitor="val_loss"``, ``seed=0``, …

    Returns:
        The finished `Run`.

    Raises:
        ValueError: if an argument doesn't fit, if test data would steer the
            training, or (`DivergedError`) if the loss becomes NaN.
        TypeError: if ``data`` is of another kind, or the labels stand beside it.

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
    if others:
        raise TypeError(
            "fit takes features and labels as one argument: fit(model, (x, y), …). "
            "Everything else is given by name, such as epochs=10."
        )
    chosen = _settings(settings, fields)
    resume = checks.boolean("resume", resume)
    console = progress_console(verbose)
    _check_recipe(recipe)
    if data is None:
        raise TypeError(
            "fit needs data: fit(model, (x, y)), fit(model, dataset) or fit(model, "
            "stream)."
        )
    folder = None
    if resume:
        folder = directories.unfinished_directory(directory)
        chosen = resuming.with_recorded_choices(chosen, folder)
    else:
        directories.check_new(directory)
    if task == "auto" and _has_counts(data) and _predicts_a_number(model, loss):
        task = "regression"
    dataset = as_dataset(
        data,
        validation_data=validation_data,
        sample_weight=sample_weight,
        steps_per_epoch=chosen.steps_per_epoch,
        task=task,
    )
    said = [] if resume else batches.check_size(dataset, chosen, "batch_size" in fields)
    chosen, longer = _long_enough(chosen, dataset)
    spec = TrainingSpec(
        model=model,
        optimizer=optimizer,
        loss=loss,
        metrics=None if metrics is None else _listed(_of_one_output(metrics, model)),
        task=task,
        class_weight=class_weight,
        augment=augment,
        callbacks=tuple(callback_table.listed(callbacks)),
        settings=chosen,
    )
    ready = preparation.prepare(spec, dataset, console=console)
    features.check(ready)
    # Before the folder: a budget that is too short leaves nothing behind.
    budget = preparation.time_budget(ready, started, console)
    ready.notes.extend([*said, *longer, *saving.saving_notes(ready.model)])
    for note in ready.notes:
        say(console, note)
    given = {"augment": augment, "class_weight": class_weight, "metrics": spec.metrics}
    resolved = finishing.resolved_recipe(recipe, ready, given)
    about = finishing.environment_of(ready)
    if folder is None:
        folder = directories.new_directory(resolved["name"], directory)
    with directories.locked(folder):
        if resume:
            # Another process may have completed it since.
            directories.unfinished_directory(folder)
            resuming.check_same(folder, resolved, about, console)
            run_folder.begin_again(folder)
        else:
            directories.check_new(folder)
        described = {run_folder.RECIPE: resolved, run_folder.ENVIRONMENT: about}
        for name, content in described.items():
            run_folder.write(folder, name, content)
        examples.keep(folder, ready)
        return _trained(
            ready, model, folder, described, budget, started, console, resume
        )


def _check_recipe(recipe: Any) -> None:
    if recipe is not None and not (isinstance(recipe, Mapping) and "name" in recipe):
        raise checks.ArgumentTypeError(
            "recipe must be the fields of a recipe, as Recipe.to_dict() gives; given: "
            f"{checks.shown(recipe)}. To train a recipe, call its run()."
        )


def _has_counts(data: Any) -> bool:
    """Say whether the labels are whole numbers other than 0 and 1, one a sample."""
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        return False
    y = data[1]
    if isinstance(y, (tuple, list, dict)) and np.ndim(next(iter(y), 0)):
        return False  # Labels of several outputs, or rows of them.
    y = np.asarray(y)
    is_single = y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)
    return bool(
        y.size and is_single and y.dtype.kind in "iu" and (y.max() > 1 or y.min() < 0)
    )


def _predicts_a_number(model: Any, loss: Any) -> bool:
    """Say whether the loss compares numbers and the model may give one a sample."""
    shape = getattr(model, "output_shape", None)
    has_several = isinstance(shape, tuple) and shape[-1] != 1
    return not has_several and compiling.is_of_numbers(loss, model)


def _of_one_output(given: Any, model: Any) -> Any:
    """Return what Keras takes as {name of the only output: metrics} as the metrics."""
    names = getattr(model, "output_names", [])
    is_named = isinstance(given, Mapping) and [*given] == names and len(names) == 1
    return given[names[0]] if is_named else given


def _listed(given: Any) -> Any:
    """Return one object, a name or {"name": …} as a list of it; others as they are."""
    single = isinstance(given, str) or not isinstance(given, Iterable)
    if isinstance(given, Mapping):
        single = "name" in given
    return [given] if single else given


def _trained(
    ready: Prepared,
    model: Any,
    folder: Path,
    described: Mapping[str, Any],
    budget: TimeBudget | None,
    started: float,
    console: Console,
    resume: bool,
) -> Run:
    """Train into the claimed folder, and finish the run."""
    with placement.on(ready.strategy):
        saved = folder / run_folder.CHECKPOINT if resume else None
        begun = features.begin(ready, console, resumed=saved, budget=budget)
        session = Session(begun, folder, console, budget=budget)
        try:
            trainer = session.run(resume=resume, tensorboard=True)
        except DivergedError as error:
            if session.early_stopping and saving.weights_are_finite(ready.model):
                saving.save_model(ready.model, folder, ready.task, ready.head)
                error.add_note(
                    "The model has the weights of its best epoch back and is saved in "
                    f"'{files.shown(folder)}'."
                )
            raise

    def clock() -> float:
        return session.checkpoint.seconds + time.perf_counter() - started

    trained = placement.collect(
        ready.model, model, ready.build, ready.strategy, ready.settings.precision
    )
    how = {
        **session.summary(),
        "train_seconds": round(clock(), 2),
        **finishing.settings_of(ready),
    }
    run_folder.restore(folder, described)
    try:
        run = finishing.finish(
            trained, ready, folder, how, clock=clock, console=console
        )
    except Exception as error:  # A model that can't be saved, a full disk.
        session.keep(trainer, error)
        raise
    free_kernels()
    _say_results(console, run)
    return run


def _settings(
    settings: TrainingSettings | None, fields: Mapping[str, Any]
) -> TrainingSettings:
    for name in fields:
        if name in KERAS_WORDS:
            raise TypeError(f"fit takes no {name}: {KERAS_WORDS[name]}.")
        if name not in TrainingSettings.model_fields:
            accepted = [*inspect.signature(fit).parameters][3:-1]
            raise names.unknown(
                "argument of fit",
                name,
                [*accepted, *TrainingSettings.model_fields],
                meant=meanings.in_python(names.normalize(name)),
            )
    if fields.get("epochs") and fields.get("budget"):
        raise ValueError(
            f"epochs={fields['epochs']} and budget={fields['budget']!r}: a budget "
            "takes as many epochs as there is time for. Leave one of the two out."
        )
    if settings is None:
        chosen = validate(TrainingSettings, fields, "training")
        refuse_without_effect(fields, chosen)
        return chosen
    if not isinstance(settings, TrainingSettings):
        raise TypeError(
            "settings must be a kerasopt.training.TrainingSettings; given: "
            f"{type(settings).__name__}."
        )
    given = settings.model_dump(exclude_unset=True)
    if "epochs" in fields:
        given.pop("budget", None)  # Else the budget would still decide.
    chosen = validate(TrainingSettings, {**given, **fields}, "training")
    refuse_without_effect(fields, chosen)
    return chosen


def _long_enough(
    settings: TrainingSettings, dataset: Dataset
) -> tuple[TrainingSettings, list[str]]:
    """Choose more epochs where the default makes too few steps, and say so."""
    steps = batches.steps_per_epoch(dataset, settings) or ENOUGH_STEPS
    epochs = math.ceil(ENOUGH_STEPS / steps)
    if settings.length_is_given or epochs <= settings.epochs:
        return settings, []
    note = (
        f"The default of {settings.epochs} epochs would be {settings.epochs * steps} "
        f"steps of so few samples, in which little is learned: these are {epochs} "
        f"epochs, {epochs * steps} steps. Give epochs=… for another number."
    )
    return settings.model_copy(update={"epochs": epochs}), [note]


def _say_results(console: Console, run: Run) -> None:
    found = run.metrics
    tested = ""
    if run.task is not None and f"test_{run.task.headline}" in found:
        name = run.task.headline
        value = found[f"test_{name}"]
        shown = f"{value:.2%}" if name == "accuracy" else f"{value:.4g}"
        tested = f"test {name.replace('_', ' ')} {shown}, "
    kept = ""
    if found.get("kept_epoch", found["epochs"]) < found["epochs"]:
        kept = f" (the best, {found['kept_epoch']}, kept)"
    say(
        console,
        f"Done: {tested}{formatting.epochs(found['epochs'])}{kept} in "
        f"{found['train_seconds']:.0f} s, {found['total_seconds']:.0f} s in all; "
        f"everything is in {files.shown(run.directory)}",
    )
    if found["epochs"] < 1:
        say(console, "Less than one epoch was trained; increase the budget.")
