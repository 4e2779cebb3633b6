"""What a training leaves behind: the model first, then measures, then the report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasopt import distribute, evaluation
from kerasopt.console import Console
from kerasopt.data import Stream, pipeline
from kerasopt.evaluation import tta, verdict
from kerasopt.training import (
    environment,
    placement,
    predictions,
    preflight,
    run_folder,
    saving,
    settings_of_objects,
)
from kerasopt.training.batches import Feed, evaluation_batch_size
from kerasopt.training.preparation import Prepared
from kerasopt.training.run import Run
from kerasopt.training.sources import ArraySource, Source
from kerasopt.training.spec import TrainingSettings

__all__ = [
    "environment_of",
    "finish",
    "measure",
    "predict",
    "resolved_recipe",
    "settings_of",
]

INFERENCE_SAMPLES = 512
"""So many training samples tell whether batch normalisation lags behind."""


def finish(
    model: keras.Model,
    ready: Prepared,
    folder: Path,
    how: Mapping[str, Any],
    *,
    clock: Callable[[], float],
    console: Console,
) -> Run:
    """Save the trained model, measure it, and complete the run's folder.

    A failure in measuring or in the report is a warning: the model is saved by then,
    and `Run.evaluate` and `Run.report` do it again. The measures are written last,
    since they mark the run as finished.

    Args:
        model: The trained model, on one device.
        ready: What it was trained by.
        folder: The run's folder.
        how: What the training itself gave; it joins the measures.
        clock: Returns the seconds since the run began.
        console: Where to say what failed.
    """
    saving.save_model(model, folder, ready.task, ready.head)
    if not saving.weights_are_finite(model):
        warnings.warn(
            "Some weights of the trained model are NaN or infinite, though the loss "
            "isn't: look for a batch with such numbers.",
            stacklevel=2,
        )
    found = {**how}
    with console.status("Measuring …"):
        for split in ("validation", "test"):
            try:
                found |= measure(model, ready, split, folder, found)
            except Exception as error:
                _warn(f"measure the {split} data", "run.evaluate(data)", error)
        try:
            found |= _in_inference(model, ready)
        except Exception as error:
            _warn("measure training data in inference mode", "run.evaluate", error)
    run = Run(folder, model=model, metrics=found)
    try:
        run.report()
    except Exception as error:
        _warn("write the report", "run.report()", error)
    run.metrics["total_seconds"] = round(clock(), 2)
    run_folder.add_checksum(folder, run_folder.HISTORY)
    run_folder.write(folder, run_folder.METRICS, run.metrics)
    return run


def _warn(what: str, again: str, error: Exception) -> None:
    warnings.warn(
        f"The model is trained and saved, but kerasopt can't {what}: "
        f"{type(error).__name__}: {error} Try again with {again}.",
        stacklevel=3,
    )


def measure(
    model: keras.Model,
    ready: Prepared,
    split: str,
    folder: Path,
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """Measure one split; keep the predictions of the test part.

    Args:
        model: The trained model.
        ready: What it was trained by.
        split: ``"validation"`` or ``"test"``.
        folder: The run's folder.
        before: What was measured so far: the threshold of the validation part holds
            for the test.
    """
    dataset = ready.feed.dataset
    data = getattr(dataset, split)
    if data is None:
        return {}
    task, settings = ready.task, ready.settings
    if task is None or isinstance(data, Stream):
        return _logged(model, ready, split)
    x, y = data
    weights = dataset.weights.get(split)

    def converted(outputs: Any) -> np.ndarray:
        return evaluation.predictions(
            task, outputs, from_logits=ready.head.gives_logits
        )

    def predicted(samples: Any) -> np.ndarray:
        return converted(predict(model, samples, ready.feed, settings))

    outputs = predict(model, x, ready.feed, settings)
    plain = converted(outputs)
    threshold = before.get("threshold")
    found: dict[str, Any] = {}
    if task.name == "binary" and split == "validation":
        threshold = evaluation.choose_threshold(y, plain, sample_weight=weights)
        found["threshold"] = threshold
    given: dict[str, Any] = {
        "class_names": dataset.class_names,
        "sample_weight": weights,
    }
    if task.name == "binary":
        given["threshold"] = threshold
    result = evaluation.measure(task, y, plain, **given)
    found |= flat(result, split)
    if split == "test":
        predictions.keep(
            folder, (x, y, weights), plain, result, paths=dataset.test_paths
        )
        if settings.tta != "none":
            viewed = tta.predict(
                predicted,
                x,
                settings.tta,
                tta_share=settings.tta_share,
                plain=plain,
                task=task,
            )
            seen = evaluation.measure(task, y, viewed, **given)
            found |= _headline(seen, split, "_tta")
            found |= {"tta": settings.tta, "tta_share": settings.tta_share}
    if ready.measures_logs or not _has_plain_loss(model, ready):
        return {**_logged(model, ready, split), **found}
    loss = _trained_loss(model, ready, y, outputs, weights)
    return {f"{run_folder.PREFIX[split]}_loss": loss, **found}


def _has_plain_loss(model: keras.Model, ready: Prepared) -> bool:
    """Say whether outputs and labels alone give the loss that was trained."""
    as_keras = type(model).compute_loss is keras.Model.compute_loss
    own_step = type(model).test_step is not keras.Model.test_step
    # Those of add_loss and activity_regularizer, which need the samples.
    adds = any(layer._get_own_losses() for layer in model._flatten_layers())
    return model is ready.model and as_keras and not own_step and not adds


def _trained_loss(
    model: keras.Model, ready: Prepared, y: Any, outputs: Any, weights: Any
) -> float:
    """Return the loss that was trained, penalties of the weights included."""
    y = ready.feed.labels_as_trained(y)
    # On the CPU, where all the outputs have room.
    with keras.device("cpu"):
        given = (
            None if each is None else keras.ops.convert_to_tensor(each)
            for each in (y, outputs, weights)
        )
        loss = model.compute_loss(None, *given, training=False)
    return _rounded(float(loss))


def predict(
    model: keras.Model, x: Any, feed: Feed, settings: TrainingSettings
) -> np.ndarray:
    """Return a model's outputs for samples as the training's data has them."""
    return pipeline.predict(
        model,
        x,
        batch_size=evaluation_batch_size(feed.dataset, settings),
        pixel_scale=feed.pixel_scale,
    )


def flat(result: evaluation.Result, split: str) -> dict[str, Any]:
    """Return a result's single numbers under the names of ``metrics.json``."""
    content = result.to_dict()
    at_threshold = content.pop("at_threshold", {})
    numbers = {
        name: value
        for name, value in content.items()
        if name not in ("confidence", "threshold") and _is_number(value)
    }
    numbers |= {
        f"{name}_at_threshold": value
        for name, value in at_threshold.items()
        if name != "threshold" and _is_number(value)
    }
    prefix = run_folder.PREFIX[split]
    found = {f"{prefix}_{name}": _rounded(value) for name, value in numbers.items()}
    return {**found, **_headline(result, split)}


def _headline(
    result: evaluation.Result, split: str, suffix: str = ""
) -> dict[str, Any]:
    name, value, interval = result.headline
    prefix = run_folder.PREFIX[split]
    found = {f"{prefix}_{name}{suffix}": _rounded(value)}
    if interval is not None:
        found[f"{prefix}_interval{suffix}"] = [_rounded(bound) for bound in interval]
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _rounded(value: Any) -> Any:
    return round(float(value), 8) if isinstance(value, (float, np.floating)) else value


def _logged(model: keras.Model, ready: Prepared, split: str) -> dict[str, Any]:
    """Measure loss and metrics alone, as the validation of each epoch does."""
    strategy = ready.parallel_strategy
    if strategy is not None:
        # The model is a copy on one device, which isn't compiled.
        model = ready.model
    with placement.on(ready.strategy):
        source = ready.feed.evaluation(split, ready.settings, strategy)
        assert source is not None
        measured = _measured_logs(model, ready, source)
    samples = ready.feed.dataset.sizes[split]
    prefix = run_folder.PREFIX[split]
    return {
        **{f"{prefix}_{name}": _rounded(value) for name, value in measured.items()},
        f"{prefix}_samples": samples,
    }


def _measured_logs(model: keras.Model, ready: Prepared, source: Source) -> Any:
    from kerasopt.training.trainer import Trainer

    steps = ready.steps if model is ready.model else None
    return Trainer(model, source, epochs=1, steps=steps).measure(source)


def _in_inference(model: keras.Model, ready: Prepared) -> dict[str, Any]:
    """Measure training samples in inference mode, for `kerasopt.diagnosis.diagnose`.

    Only batch normalisation makes the two modes differ in a way that matters. A time
    budget has no time for it, and several devices need batches of their own.
    """
    normalises = any(
        isinstance(layer, keras.layers.BatchNormalization)
        for layer in model._flatten_layers()
    )
    no_time = ready.settings.budget_seconds is not None
    if not normalises or no_time or ready.parallel_strategy is not None:
        return {}
    batch = ready.feed.drawn(INFERENCE_SAMPLES, ready.settings.seed)
    size = evaluation_batch_size(ready.feed.dataset, ready.settings)
    source = ArraySource(batch, size)
    measured = _measured_logs(model, ready, source)
    return {
        f"train_{name}_inference": _rounded(measured[name])
        for name in verdict.MEASURES
        if name in measured
    }


def resolved_recipe(
    recipe: Mapping[str, Any] | None, ready: Prepared, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the recipe with everything filled in, or one made from the objects.

    Args:
        recipe: The recipe, or None.
        ready: The training.
        given: What was given for augment, class_weight and so on.
    """
    training = ready.settings.model_dump(mode="json")
    if recipe is not None:
        # The claim of a recipe isn't a setting of this run.
        settings_only = {k: v for k, v in recipe.items() if k != "measured"}
        return {**settings_only, "training": training}
    model, optimizer = ready.model, ready.model.optimizer
    of_model = settings_of_objects.model_settings(model)
    return {
        "name": of_model["name"],
        "description": "Trained by kerasopt.fit from objects.",
        "augment": _plain(given.get("augment")),
        "model": of_model,
        "optimizer": optimizer
        and _plain(settings_of_objects.optimizer_settings(optimizer)),
        "loss": _plain(preflight.name_of(model.loss)),
        "loss_arguments": _plain(getattr(model.loss, "_fn_kwargs", None)) or None,
        "task": ready.task and ready.task.name,
        "metrics": _plain(given.get("metrics")),
        "class_weight": _plain(given.get("class_weight")),
        "callbacks": [
            _plain(settings_of_objects.callback_settings(callback))
            for callback in ready.callbacks
        ]
        or None,
        "training": training,
    }


def _plain(value: Any) -> Any:
    """Return what YAML can write: built-in types only."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    known = value is None or isinstance(value, (str, bool, int, float))
    kind = type(value)
    # Not its repr, which may have an address in it.
    return value if known else f"{kind.__module__}.{kind.__qualname__}"


def settings_of(ready: Prepared) -> dict[str, Any]:
    """Return the settings that belong beside a result."""
    budget = ready.settings.budget_seconds
    return {
        **({} if budget is None else {"budget_seconds": budget}),
        "task": ready.task and ready.task.name,
        "parameters": saving.num_parameters(ready.model),
        "seed": ready.settings.seed,
        "precision": ready.settings.precision,
        "devices": distribute.describe(ready.strategy),
        "test_is_validation": ready.feed.dataset.test_is_validation,
    }


def environment_of(ready: Prepared) -> dict[str, Any]:
    """Return what the run was made on and with, the data's hashes included."""
    dataset = ready.feed.dataset
    return {
        **environment.describe(),
        "devices": distribute.describe(ready.strategy),
        "threads": environment.threads(),
        "seed": ready.settings.seed,
        "weights_seeded": ready.build is not None,
        "task": ready.task and ready.task.name,
        "from_logits": ready.head.gives_logits,
        "notes": list(ready.notes),
        "data": {
            "name": dataset.name,
            "source": dataset.source,
            "input_shape": _plain(dataset.input_shape),
            "pixel_scale": ready.feed.pixel_scale,
            "class_names": list(dataset.class_names),
            "feature_names": list(dataset.feature_names),
            "sha256": dict(dataset.hashes),
        },
    }
