"""What a model is compiled with: loss and metrics by task, labels and model output."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasopt import distribute, losses, metrics, tasks
from kerasopt.data import Dataset, Stream
from kerasopt.training import label_mixing, placement, preflight
from kerasopt.training.batches import Feed
from kerasopt.training.compile_cache import CompileCache, tabulate
from kerasopt.training.compiled import CompiledSteps
from kerasopt.training.head import Head, head_of, outputs_of
from kerasopt.training.spec import TrainingSpec

__all__ = ["Chosen", "choose", "compiled", "is_of_numbers"]


LOSSES_OF_NUMBERS = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "huber_loss",
    "log_cosh",
    "poisson",
)


@dataclass(frozen=True)
class Chosen:
    """What a model is compiled with, how its outputs are read, and its batches."""

    task: tasks.Task | None
    head: Head
    loss: Any
    metrics: Any
    notes: list[str]
    feed: Feed


_NO_PROBABILITIES = (
    *("elu", "gelu", "leaky_relu", "mish", "relu", "relu6", "selu", "silu"),
    *("softplus", "softsign", "swish", "tanh"),
)
"""Activations of hidden layers: a cross-entropy of what they give is none."""


def _check_activation(head: Head) -> None:
    if head.activation in _NO_PROBABILITIES:
        raise ValueError(
            f"The model ends in {head.activation}, whose outputs aren't probabilities. "
            "End it in a softmax or sigmoid, or without activation (logits); for "
            "another meaning of the outputs give loss=…."
        )


def _check_automatic(
    task: tasks.Task | None, head: Head, outputs: Any, labels: Any
) -> None:
    """Refuse to choose a loss for outputs that it doesn't fit."""
    if task is not None:
        if task.has_classes:
            _check_activation(head)
        return
    if not (keras.ops.is_tensor(outputs) and keras.ops.is_tensor(labels)):
        return
    # Without a task it is the cross-entropy of classes.
    found, given = tuple(outputs.shape), tuple(labels.shape)
    if len(found) != 2 or found[1] == 1 or given[1:] not in ((), (1,), found[1:]):
        raise ValueError(
            "loss='auto' can't tell the loss of outputs of shape "
            f"{found} and labels of shape {given} without a task: name one, such as "
            "loss='mse', or 'sparse_categorical_crossentropy' for a class at each step "
            "or pixel."
        )


def choose(spec: TrainingSpec, feed: Feed, model: keras.Model) -> Chosen:
    """Return task, head, loss and metrics for a built model.

    Raises:
        ValueError: if the model's output doesn't fit the labels, or a name is unknown.
    """
    feed.has_column, feed.mixing = False, None  # What another model's training set.
    some = feed.some(preflight.SAMPLES)
    x, y, _ = keras.utils.unpack_x_y_sample_weight(some)
    outputs = outputs_of(model, x)
    head = head_of(model, outputs)
    task = _task(spec, feed.dataset, head, model)
    if task is not None and task != feed.dataset.task:
        # The model's output says what the labels alone didn't.
        return choose(spec, feed.for_task(task), model)
    notes: list[str] = []
    try:
        preflight.check_fit(task, head, feed.dataset)
    except ValueError:
        own_way = _has_own_step(model) or _is_the_users(spec.loss, model)
        if spec.task != "auto" or not own_way:
            raise
        task = None  # An autoencoder ignores labels; quantiles are several a target.
        notes.append(
            "The outputs don't fit the labels as predictions, so there is no task: "
            "loss and metrics alone are measured."
        )
    feed.mixing = label_mixing.choose(
        spec.augment,
        some,
        task=task,
        head=head,
        num_classes=feed.dataset.num_classes,
    )
    if feed.mixing is not None:
        y = feed.mixing.rows(y)
    own = placement.compile_arguments(model)
    logits = head.gives_logits and task is not None and task.name != "regression"
    given = spec.loss
    if given is None:
        given = own.get("loss", "auto" if task or not _has_own_step(model) else None)
    if given == "auto" and len(getattr(model, "outputs", None) or ()) > 1:
        raise ValueError(
            f"The model has several outputs ({', '.join(model.output_names)}): give a "
            "loss for each, such as loss={"
            f"{model.output_names[0]!r}: 'mse', …}} or a list in their order."
        )
    if given == "auto" and y is None:
        raise ValueError(
            "The data have no labels, from which the loss is computed: give (x, y), or "
            "a stream of such batches; (x, x) where a model reconstructs its input. "
            "Only a train_step of the model's own does without."
        )
    if given == "auto":
        _check_automatic(task, head, outputs, y)
    loss = given
    of_several = isinstance(given, (dict, list, tuple)) and not losses.is_spec(given)
    if of_several:
        loss = losses.get(given, label_smoothing=spec.settings.label_smoothing)
    elif given is not None:
        loss = losses.get(
            given,
            labels=y,
            task=task,
            num_outputs=head.units,
            from_logits=logits,
            label_smoothing=spec.settings.label_smoothing,
        )
        if logits and given == "auto":
            notes.append(
                f"The model ends in logits, so the loss is {loss.name} with "
                "from_logits=True."
            )
    if feed.mixing is not None:
        label_mixing.check_loss(spec.augment, _loss_of(loss, model))
    chosen = _metrics(spec, own, task, head, y, logits)
    feed.has_column = task is not None and head.units == 1
    return Chosen(task, head, loss, chosen, notes, feed)


def _task(
    spec: TrainingSpec, dataset: Dataset, head: Head, model: keras.Model
) -> tasks.Task | None:
    """Return the task: as given, or by labels and model output together."""
    if spec.task is None:
        return None
    if spec.task != "auto":
        return tasks.get(spec.task)
    known = dataset.task
    if known is None or head.units is None:
        return None
    train = dataset.train
    labels = train.labels() if isinstance(train, Stream) else train[1]
    found = tasks.infer(labels, num_outputs=head.units, activation=head.activation)
    is_of_zeros_and_ones = found.name in ("binary", "multilabel")
    if is_of_zeros_and_ones and head.gives_logits and is_of_numbers(spec.loss, model):
        return tasks.get("regression")
    # Names of classes say what the labels are.
    return known if known.has_classes and _has_names(dataset) else found


def is_of_numbers(loss: Any, model: Any) -> bool:
    """Say whether the loss compares numbers, not classes.

    Args:
        loss: What was given, or None for that of a compiled model.
        model: The model, or a function that builds one.
    """
    return preflight.name_of(_loss_of(loss, model)) in LOSSES_OF_NUMBERS


def _loss_of(loss: Any, model: Any) -> Any:
    """Return the loss that was given, or that of a compiled model."""
    if loss is None and isinstance(model, keras.Model):
        loss = placement.compile_arguments(model).get("loss")
    with contextlib.suppress(ValueError, TypeError):
        loss = losses.get(loss) if losses.is_spec(loss) else keras.losses.get(loss)
    return loss


def _is_the_users(loss: Any, model: Any) -> bool:
    """Say whether someone wrote the loss, who knows what outputs it takes."""
    loss = _loss_of(loss, model)
    kind = loss if inspect.isroutine(loss) else type(loss)
    return callable(loss) and not kind.__module__.startswith(("keras.", "kerasopt."))


def _has_names(dataset: Dataset) -> bool:
    numbers = tuple(map(str, range(dataset.num_classes)))
    return tuple(dataset.class_names) != numbers


def _metrics(
    spec: TrainingSpec,
    own: dict[str, Any],
    task: tasks.Task | None,
    head: Head,
    y: Any,
    logits: bool,
) -> Any:
    if spec.metrics is None and "metrics" in own:
        return own["metrics"]
    if task is None:
        return spec.metrics
    return [
        metrics.get(
            each,
            task=task,
            num_outputs=head.units,
            sparse=np.ndim(y) == 1,
            from_logits=logits,
        )
        for each in (task.metrics if spec.metrics is None else spec.metrics)
    ]


def compiled(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer | None,
    chosen: Chosen,
    spec: TrainingSpec,
    parallel: bool,
    cache: CompileCache | None,
    steps: int | None,
) -> CompiledSteps:
    """Compile, or keep a compiled model as it is where nothing else is asked for."""
    own = placement.compile_arguments(model)
    asked = (optimizer, spec.loss, spec.metrics)
    if own and not parallel and all(each is None for each in asked):
        return CompiledSteps(model)
    arguments = {
        **own,
        "loss": chosen.loss,
        "metrics": chosen.metrics,
        "jit_compile": False,
    }
    arguments.pop("optimizer", None)
    if parallel and chosen.loss is not None:
        arguments["loss"] = distribute.GlobalBatchLoss(chosen.loss)
    optimizer = optimizer or own["optimizer"]
    if cache is None or spec.compile_key is None or parallel:
        model.compile(optimizer=optimizer, **arguments)
        return CompiledSteps(model)
    if steps is not None:
        tabulate(optimizer, steps=spec.settings.epochs * steps)
    return cache.steps(spec.compile_key, model, optimizer, **arguments)


def _has_own_step(model: keras.Model) -> bool:
    kind = type(model)
    return (
        kind.train_step is not keras.Model.train_step
        or kind.compute_loss is not keras.Model.compute_loss
    )
