"""A run: one folder that holds everything a training used and gave."""

from __future__ import annotations

import datetime
import functools
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd
import yaml

from kerasopt import files
from kerasopt.data import pipeline
from kerasopt.evaluation import metrics as measures
from kerasopt.evaluation import plots, tta
from kerasopt.evaluation import report as html_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Run"]

RECIPE, ENVIRONMENT, HISTORY = "recipe.yaml", "environment.json", "history.csv"
METRICS, MODEL, REPORT = "metrics.json", "model.keras", "report.html"
PREDICTIONS = "test_predictions.npz"
CHECKPOINT, TENSORBOARD = "checkpoints/last.npz", "tensorboard"
TEST_AS_VALIDATION_NOTE = (
    "The test set served as validation data: the test accuracy is optimistic."
)


class Run:
    """A finished training, read from its folder.

    Args:
        directory: The run's folder.

    Raises:
        ValueError: from `load`, if the folder isn't that of a finished run.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Run:
        """Open a run by its folder."""
        directory = Path(directory)
        if not (directory / RECIPE).is_file():
            raise ValueError(
                f"'{directory}' isn't a run: it has no {RECIPE}. Give the folder "
                "that a training wrote, such as runs/digits-20260131-120000."
            )
        if not (directory / METRICS).is_file():
            raise ValueError(
                f"The run in '{directory}' hasn't finished. Go on with it by: "
                f"kerasopt train --resume {directory}"
            )
        return cls(directory)

    @functools.cached_property
    def recipe(self) -> dict[str, Any]:
        """The fully resolved recipe."""
        return yaml.safe_load((self.directory / RECIPE).read_text(encoding="utf-8"))

    @functools.cached_property
    def environment(self) -> dict[str, Any]:
        """Versions, machine, devices, seed and the data's hashes."""
        return json.loads((self.directory / ENVIRONMENT).read_text(encoding="utf-8"))

    @functools.cached_property
    def history(self) -> pd.DataFrame:
        """One row an epoch: losses, accuracies, seconds, the learning rate at its end.

        With a schedule that is the rate of the step that comes next.
        """
        return pd.read_csv(self.directory / HISTORY)

    @functools.cached_property
    def metrics(self) -> dict[str, Any]:
        """What was measured: ``test_accuracy``, ``train_seconds`` and so on."""
        return json.loads((self.directory / METRICS).read_text(encoding="utf-8"))

    @functools.cached_property
    def model(self) -> keras.Model:
        """The trained model."""
        # The custom objects that a model may name register on import.
        import kerasopt.losses  # noqa: F401

        return keras.saving.load_model(self.directory / MODEL)

    @property
    def seed(self) -> int:
        """The seed that the run was made with."""
        return int(self.metrics["seed"])

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of the model's outputs."""
        return list(self.environment["data"]["class_names"])

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.environment["data"]["input_shape"])

    def predict(
        self,
        x: np.ndarray,
        *,
        batch_size: int = 512,
        views: str = "none",
        views_share: float = 1.0,
    ) -> np.ndarray:
        """Return class probabilities of uint8 or already scaled samples.

        Args:
            x: Shape (n, *input_shape); uint8 is divided by 255, as in training.
            batch_size: Samples at a time.
            views: Test-time augmentation: ``"none"``, ``"mirror"`` or
                ``"mirror_translate"`` (`kerasopt.evaluation.tta`).
            views_share: Share of the samples, the least certain, that get all views.

        Returns:
            Shape (n, classes), float32.

        Raises:
            ValueError: if the samples have another shape.
        """
        x = np.asarray(x)
        if x.shape[1:] != self.input_shape:
            raise ValueError(
                f"Each sample must have the shape {self.input_shape}; given an array "
                f"of shape {x.shape}, samples along its first axis."
            )

        def predict_view(images: np.ndarray) -> np.ndarray:
            return pipeline.predict(self.model, images, batch_size=batch_size)

        return tta.predict(predict_view, x, views, share=views_share)

    @property
    def test_result(self) -> measures.Classification | None:
        """The test set's measures in detail, or None if there was no test set."""
        path = self.directory / PREDICTIONS
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as saved:
            return measures.classification(
                saved["labels"], saved["probabilities"], class_names=self.class_names
            )

    def plot(self) -> Figure:
        """Plot loss, accuracy and learning rate over the epochs."""
        return plots.curves(self.history)

    def report(self) -> Path:
        """Write ``report.html`` anew from the folder's files; return its path."""
        path = self.directory / REPORT
        html_report.write(path, html_report.render(self._report_data()))
        return path

    def _report_data(self) -> html_report.ReportData:
        images = indices = None
        path = self.directory / PREDICTIONS
        if path.is_file():
            with np.load(path, allow_pickle=False) as saved:
                images, indices = saved["mistake_images"], saved["mistakes"]
        return html_report.ReportData(
            recipe=self.recipe,
            environment=self.environment,
            history=self.history,
            metrics=self.metrics,
            classification=self.test_result,
            mistake_images=images,
            mistake_indices=indices,
            class_names=self.class_names,
            notes=self._notes(),
            curve_notes=self._curve_notes(),
        )

    def _notes(self) -> list[str]:
        if self.metrics.get("test_is_validation", False):
            return [TEST_AS_VALIDATION_NOTE]
        return []

    def _curve_notes(self) -> list[str]:
        notes = []
        if smoothing := self.recipe["training"]["label_smoothing"]:
            notes.append(
                f"The loss in the curves is the one that was trained on, with label "
                f"smoothing {smoothing:g}; the measures give the plain cross-entropy, "
                "which is lower."
            )
        if sizes := self.recipe["training"].get("image_sizes"):
            sides = ", ".join(f"{side}×{side}" for side in sizes)
            notes.append(
                f"The training began on images of {sides} pixels. Until it went on to "
                "whole ones, validation on whole ones is low: batch normalisation "
                "knew small ones only."
            )
        return notes

    def __repr__(self) -> str:
        accuracy = self.metrics.get("test_accuracy")
        shown = "no test set" if accuracy is None else f"test_accuracy={accuracy:.4f}"
        return f"<Run {self.directory} {shown}>"


def check_new(directory: str | os.PathLike[str] | None) -> None:
    """Raise `ValueError` if the folder chosen for a new run is in use."""
    if directory is None:
        return
    path = Path(directory)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(
            f"'{path}' exists already and isn't an empty folder; nothing was "
            "changed. Choose another one, or resume the run that is in it."
        )


def new_directory(name: str, directory: str | os.PathLike[str] | None) -> Path:
    """Make the folder of a new run; never one that is in use.

    Args:
        name: First part of the folder's name below ``runs/``.
        directory: A folder chosen by the user, or None.

    Raises:
        ValueError: if the chosen folder exists and isn't empty.
    """
    check_new(directory)
    if directory is not None:
        path = Path(directory)
        path.mkdir(parents=True, exist_ok=True)
        return path
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for attempt in range(1, 1000):
        suffix = "" if attempt == 1 else f"-{attempt}"
        path = Path("runs") / f"{name}-{stamp}{suffix}"
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue  # Another run of this very second.
        return path
    raise ValueError(f"Too many runs named '{name}-{stamp}'.")


def unfinished_directory(directory: str | os.PathLike[str] | None) -> Path:
    """Return the folder of an interrupted run; never one that has its results.

    Args:
        directory: The run's folder.

    Raises:
        ValueError: if none is given, it isn't a run's, or the run has finished.
    """
    if directory is None:
        raise ValueError("resume=True needs directory=, the interrupted run's folder.")
    path = Path(directory)
    if not (path / RECIPE).is_file():
        raise ValueError(f"'{path}' isn't a run: it has no {RECIPE}.")
    if (path / METRICS).is_file():
        raise ValueError(f"The run in '{path}' has already finished.")
    return path


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a readable JSON file atomically."""
    files.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """Write a YAML file atomically, keys in their order."""
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    files.write_text(path, text)
