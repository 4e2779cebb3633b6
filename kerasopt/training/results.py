"""What a training leaves behind: measures, predictions, the model, its recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt import distribute, files, layers, losses
from kerasopt.data import Dataset, pipeline
from kerasopt.evaluation import metrics as measures
from kerasopt.evaluation import tta
from kerasopt.training import environment
from kerasopt.training import run as run_folder
from kerasopt.training.run import Run
from kerasopt.training.settings import TrainingSettings

__all__ = [
    "environment_of",
    "finish",
    "measure",
    "resolved_recipe",
    "save_model",
    "settings_of",
]

MISTAKES_KEPT = 24


def finish(
    model: keras.Model,
    dataset: Dataset,
    folder: Path,
    how: Mapping[str, Any],
    *,
    settings: TrainingSettings,
    clock: Callable[[], float],
) -> Run:
    """Measure the trained model, save it, and complete the run's folder.

    Args:
        model: The trained model.
        dataset: Its validation and test data are measured, each once.
        folder: The run's folder.
        how: What the training itself gave; it joins the measures.
        settings: Its ``tta`` says with which views to measure the test set, too.
        clock: Returns the seconds since the run began.
    """
    found = {**measure(model, dataset, folder, settings), **how}
    save_model(model, folder / run_folder.MODEL, dataset.train[1])
    # Written after all else that a run needs, since it marks the run as finished.
    run_folder.write_json(folder / run_folder.METRICS, found)
    Run(folder).report()
    # Once more, since the report is part of what a run takes.
    found["total_seconds"] = round(clock(), 2)
    run_folder.write_json(folder / run_folder.METRICS, found)
    return Run(folder)


def measure(
    model: keras.Model, dataset: Dataset, folder: Path, settings: TrainingSettings
) -> dict[str, Any]:
    """Measure validation and test data; keep the test predictions."""
    results: dict[str, Any] = {}
    for split in ("validation", "test"):
        pair = getattr(dataset, split)
        if pair is None:
            continue
        probabilities = pipeline.predict(model, pair[0])
        found = measures.classification(
            pair[1], probabilities, class_names=dataset.class_names
        )
        results |= _accuracy_of(found, split)
        results[f"{split}_loss"] = round(float(found.loss), 8)
        results[f"{split}_samples"] = len(pair[0])
        if split == "test":
            _keep_predictions(folder, pair, probabilities, found)
            if settings.tta != "none":
                probabilities = tta.predict(
                    lambda images: pipeline.predict(model, images),
                    pair[0],
                    settings.tta,
                    share=settings.tta_share,
                    plain=probabilities,
                )
                found = measures.classification(
                    pair[1], probabilities, class_names=dataset.class_names
                )
                results |= _accuracy_of(found, split, "_tta")
                results["tta"] = settings.tta
                results["tta_share"] = settings.tta_share
    return results


def _accuracy_of(
    found: measures.Classification, split: str, suffix: str = ""
) -> dict[str, Any]:
    return {
        f"{split}_accuracy{suffix}": round(float(found.accuracy), 8),
        f"{split}_interval{suffix}": [round(float(b), 8) for b in found.interval],
    }


def _keep_predictions(
    folder: Path, test: Any, probabilities: np.ndarray, found: Any
) -> None:
    mistakes = found.worst_mistakes(MISTAKES_KEPT)
    with files.atomic(folder / run_folder.PREDICTIONS) as temporary:
        np.savez_compressed(
            temporary,
            labels=test[1],
            probabilities=probabilities,
            mistakes=mistakes,
            mistake_images=test[0][mistakes],
        )


def save_model(model: keras.Model, path: Path, labels: np.ndarray) -> None:
    """Save the model so that plain Keras can load and evaluate it."""
    model = layers.to_keras(model)
    # Schedules and smoothed losses of kerasopt would make the file need kerasopt;
    # the plain loss is also the one to evaluate with.
    # Plain SGD has no state, so nothing is missing when the file is loaded.
    model.compile("sgd", losses.for_labels(labels), metrics=["accuracy"])
    with files.atomic(path) as temporary:
        model.save(temporary)


def resolved_recipe(
    recipe: Mapping[str, Any] | None,
    network: keras.Model,
    augment: Any,
    settings: TrainingSettings,
) -> dict[str, Any]:
    """Return the recipe with everything filled in, or one made from the objects."""
    training = settings.model_dump(mode="json")
    if recipe is not None:
        # The claim of a recipe isn't a setting of this run.
        settings_only = {k: v for k, v in recipe.items() if k != "measured"}
        return {**settings_only, "training": training}
    optimizer = keras.optimizers.serialize(network.optimizer)
    return {
        "name": network.name,
        "description": "Trained by kerasopt.fit from objects.",
        "augment": augment if isinstance(augment, (dict, str)) else repr(augment),
        "model": {"name": network.name},
        "optimizer": _plain(optimizer),
        "training": training,
    }


def settings_of(
    model: keras.Model,
    dataset: Dataset,
    strategy: tf.distribute.Strategy,
    settings: TrainingSettings,
) -> dict[str, Any]:
    """Return the settings that belong beside a result."""
    budget = settings.budget_seconds
    return {
        **({} if budget is None else {"budget_seconds": budget}),
        "parameters": model.count_params(),
        "seed": settings.seed,
        "precision": settings.precision,
        "devices": distribute.describe(strategy),
        "test_is_validation": dataset.test_is_validation,
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
    return value if known else repr(value)


def environment_of(
    dataset: Dataset, strategy: tf.distribute.Strategy, settings: TrainingSettings
) -> dict[str, Any]:
    """Return what the run was made on, the data's hashes included."""
    return {
        **environment.describe(),
        "devices": distribute.describe(strategy),
        "seed": settings.seed,
        "data": {
            "name": dataset.name,
            "source": dataset.source,
            "input_shape": list(dataset.input_shape),
            "class_names": list(dataset.class_names),
            "sha256": dict(dataset.hashes),
        },
    }
