"""A run: one folder that holds everything a training used and gave."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from kerasopt import checks, evaluation, files, tasks
from kerasopt.data import pipeline
from kerasopt.data.frames import by_name, targets_by_name
from kerasopt.data.pixels import scale_of_new
from kerasopt.data.streams import is_stream
from kerasopt.evaluation import report as html_report
from kerasopt.names import RenamedKeys
from kerasopt.training import batches, new_data, own_metrics, run_folder
from kerasopt.training.run_folder import METRICS, MODEL, RECIPE, REPORT, WEIGHTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Run"]

TEST_AS_VALIDATION_NOTE = (
    "The test set served as validation data: the test accuracy is optimistic."
)


class Run:
    """A finished training, with its folder.

    Args:
        directory: The run's folder.
        model: The trained model, where it is in memory; else it is loaded from the
            folder when it is first asked for.
        metrics: What was measured, where it is known; else it is read.
        custom_objects: {name: class} of layers, losses and so on that the saved model
            needs, as in `keras.saving.load_model`.

    Raises:
        ValueError: if there is no such folder, or it holds no run.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        model: keras.Model | None = None,
        metrics: dict[str, Any] | None = None,
        custom_objects: Mapping[str, Any] | None = None,
    ) -> None:
        # The working directory may change while the run is in use.
        self.directory = files.user_path(directory).absolute()
        check_is_run(directory)
        if custom_objects is not None and not isinstance(custom_objects, Mapping):
            raise TypeError(
                "custom_objects must be a dict {'Name': Class}; given: "
                f"{custom_objects!r}."
            )
        self._custom_objects = dict(custom_objects or {})
        if model is not None:
            self.model = model
        if metrics is not None:
            self.metrics = _with_old_names(metrics)

    @classmethod
    def load(
        cls,
        directory: str | os.PathLike[str],
        *,
        custom_objects: Mapping[str, Any] | None = None,
    ) -> Run:
        """Open a run by its folder.

        Args:
            directory: The run's folder.
            custom_objects: As in `Run`.

        Raises:
            ValueError: if the folder isn't that of a finished run, or
                (`DamagedRunError`) a file of it is damaged.
        """
        run = cls(directory, custom_objects=custom_objects)
        if not (run.directory / METRICS).is_file():
            raise ValueError(
                f"The run in '{directory}' hasn't finished. Resume it with: "
                f"{how_to_resume(directory)}"
            )
        for name in ("recipe", "environment", "metrics", "history"):
            getattr(run, name)  # Damage shows now, not after an hour's work.
        return run

    @functools.cached_property
    def recipe(self) -> dict[str, Any]:
        """The fully resolved recipe."""
        return run_folder.read_recipe(self.directory)

    @functools.cached_property
    def environment(self) -> dict[str, Any]:
        """Versions, machine, devices, seed and the data's hashes."""
        return run_folder.read_environment(self.directory)

    @functools.cached_property
    def history(self) -> pd.DataFrame:
        """One row an epoch: losses, accuracies, seconds, the learning rate at its end.

        With a schedule that is the rate of the step that comes next.
        """
        return run_folder.read_history(self.directory)

    @functools.cached_property
    def metrics(self) -> dict[str, Any]:
        """What was measured: ``test_accuracy``, ``train_seconds`` and so on."""
        return _with_old_names(run_folder.read_metrics(self.directory))

    @functools.cached_property
    def model(self) -> keras.Model:
        """The trained model."""
        # The custom objects that a model may name register on import.
        import kerasopt.layers
        import kerasopt.losses
        import kerasopt.metrics  # noqa: F401

        path = self.directory / MODEL
        if not path.is_file() and (self.directory / WEIGHTS).is_file():
            raise ValueError(
                f"The run in '{self.directory}' has no {MODEL}: Keras can't save this "
                "model as one file. Build the model, call it on a few samples, then "
                f"model.load_weights('{self.directory / WEIGHTS}'), and open the run "
                "with kerasopt.Run(directory, model=model)."
            )
        run_folder.check_archive(self.directory, MODEL)
        try:
            return keras.saving.load_model(
                path, custom_objects=self._custom_objects, safe_mode=True
            )
        except Exception as error:  # Of the user's classes, too: the file is whole.
            reason = str(error).strip() or type(error).__name__
            raise ValueError(
                f"The model in '{path}' can't be loaded: {reason.splitlines()[0]} "
                "If it has layers of your own, give "
                "kerasopt.Run(directory, custom_objects={'Name': Class})."
            ) from error

    @property
    def task(self) -> tasks.Task | None:
        """The task; None where loss and metrics alone were measured."""
        name = self.environment.get("task", "multiclass")
        return None if name is None else tasks.get(name)

    @property
    def seed(self) -> int:
        """The seed that the run was made with."""
        return int(self.metrics["seed"])

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of the model's outputs."""
        return list(self.environment["data"]["class_names"])

    @property
    def input_shape(self) -> Any:
        """Shape of one sample; a dict or tuple of shapes for several inputs."""
        shape = self.environment["data"]["input_shape"]
        if isinstance(shape, dict):
            return {name: tuple(each) for name, each in shape.items()}
        return tuple(tuple(each) if isinstance(each, list) else each for each in shape)

    def predict(
        self,
        x: Any,
        *,
        batch_size: int | None = None,
        tta: str = "none",
        tta_share: float = 1.0,
    ) -> np.ndarray:
        """Return predictions for samples as the training's data had them.

        Pixels are divided as in training, whatever their dtype; of floats, those in
        [0, 1] are taken as scaled.

        Args:
            x: Samples, shape (n, *input_shape); a dict or tuple of arrays for several
                inputs; or a stream of batches, whose labels don't count. A data frame's
                columns are found by their names, if the training had one, too.
            batch_size: Samples at a time; by default as many as 4 MiB hold.
            tta: Test-time augmentation: ``"none"``, ``"mirror"`` or
                ``"mirror_translate"`` (`kerasopt.evaluation.tta`).
            tta_share: Share of the samples, the least certain, that get all views.

        Returns:
            Probabilities of the classes, shape (n, classes), or of the labels; numbers
            of shape (n, targets) for a regression. Without a task, what the model
            gives.

        Raises:
            TypeError: if the samples are of another kind, or there are labels, too.
            ValueError: if the samples have another shape, or an argument is out of
                its range or has no effect.
        """
        if batch_size is not None:
            checks.integer("batch_size", batch_size)
        if tta == "none" and tta_share != 1.0:
            raise ValueError(f"tta_share={tta_share!r} has no effect without tta.")
        if is_stream(x):
            given: dict[str, Any] = {"batch_size": batch_size, "tta": tta}
            given["tta_share"] = tta_share
            return np.concatenate(
                [self.predict(some, **given) for some, *_ in new_data.batches_of(x)]
            )
        samples = self._checked(x)
        scale = self._scale_of(samples)

        def predict_view(some: Any) -> Any:
            size = batch_size or batches.affordable_batch(some)
            outputs = pipeline.predict(
                self.model, some, batch_size=size, pixel_scale=scale
            )
            if self.task is None:
                return outputs
            logits = bool(self.environment.get("from_logits", False))
            return evaluation.predictions(self.task, outputs, from_logits=logits)

        if tta == "none":
            return predict_view(samples)
        return evaluation.tta.predict(
            predict_view,
            samples,
            tta,
            tta_share=tta_share,
            task=self.task or "regression",
        )

    def _checked(self, x: Any) -> Any:
        """Return samples as arrays, or refuse their structure, shape and numbers."""
        names = self.environment["data"].get("feature_names", ())
        x = by_name(x, names, what="x")
        return new_data.as_samples(x, self.input_shape, self.model)

    def _scale_of(self, x: Any) -> float | None:
        """Return what samples are divided by: as the training decided, by value."""
        scale = self.environment["data"].get("pixel_scale")
        if scale is None:  # A run of version 0.1 went by the dtype.
            return None
        return scale_of_new(x, float(scale))

    def evaluate(
        self, data: Any, *, tta: str = "none", tta_share: float = 1.0
    ) -> dict[str, Any]:
        """Measure the model on other data.

        Args:
            data: A pair ``(x, y)``, a triple ``(x, y, sample_weight)``, a stream of
                such batches, or a `Dataset`, whose test part is measured, or else its
                validation part.
            tta: As in `predict`.
            tta_share: As in `predict`.

        Returns:
            The task's measures by name, such as accuracy and its interval, and the
            metrics that were asked for; without a task, loss and metrics.

        Raises:
            TypeError: if the data are of another kind.
            ValueError: if they don't fit the model.
        """
        if self.task is not None:
            result = self.measure(data, tta=tta, tta_share=tta_share)
            return _with_log_loss(own_metrics.added(self, data, result))
        if not self.model.compiled:
            raise ValueError(
                "The saved model has neither task nor loss. Compile it first: "
                "run.model.compile(loss=…, metrics=[…])."
            )
        scaled = new_data.scaled(data, self._checked, self._scale_of)
        found = self.model.evaluate(scaled, verbose=0, return_dict=True)
        return {name: float(value) for name, value in found.items()}

    def measure(
        self, data: Any, *, tta: str = "none", tta_share: float = 1.0
    ) -> evaluation.Result:
        """Measure the model on other data in detail, as its task asks.

        Args:
            data: As in `evaluate`.
            tta: As in `predict`.
            tta_share: As in `predict`.

        Returns:
            What `kerasopt.evaluation.measure` returns.

        Raises:
            ValueError: if the data don't fit the model, or the run has no task.
        """
        if self.task is None:
            raise ValueError(
                f"The run in '{self.directory}' has no task: call evaluate, which "
                "measures loss and metrics."
            )
        predict = functools.partial(self.predict, tta=tta, tta_share=tta_share)
        predictions, y, weights = new_data.predicted(data, predict)
        return self._measured(self._numbered(y), predictions, weights)

    def _measured(self, y: Any, predictions: Any, weights: Any) -> evaluation.Result:
        assert self.task is not None
        given: dict[str, Any] = {}
        if self.task.name == "binary":
            given["threshold"] = self.metrics.get("threshold")
        return evaluation.measure(
            self.task,
            y,
            predictions,
            class_names=self.class_names,
            sample_weight=weights,
            **given,
        )

    def _numbered(self, y: Any) -> np.ndarray:
        """Return labels as numbers, names of classes included."""
        y = np.asarray(targets_by_name(y, self.class_names))
        if y.dtype.kind not in "OUST":
            return y
        if y.dtype.kind == "S":  # As `from_arrays` reads them.
            y = np.char.decode(y, "utf-8", "replace")
        strangers = sorted({str(each) for each in y.ravel()} - set(self.class_names))
        if strangers:
            raise ValueError(
                f"y has labels that the training didn't have: {strangers[:5]}. "
                f"Classes: {', '.join(self.class_names[:20])}."
            )
        numbers = {name: i for i, name in enumerate(self.class_names)}
        return np.array([numbers[str(each)] for each in y])

    @property
    def test_result(self) -> evaluation.Result | None:
        """The test set's measures in detail, or None if there was no test set."""
        saved = run_folder.read_predictions(self.directory)
        if saved is None or self.task is None:
            return None
        with run_folder.intact(self.directory, run_folder.PREDICTIONS):
            return self._measured(
                saved["labels"], saved["probabilities"], saved.get("weights")
            )

    def plot(self) -> Figure:
        """Plot loss, accuracy and learning rate over the epochs."""
        return evaluation.plots.curves(
            self.history, kept_epoch=self.metrics.get("kept_epoch")
        )

    def report(self) -> Path:
        """Write ``report.html`` anew from the folder's files; return its path."""
        path = self.directory / REPORT
        from kerasopt.training import reporting

        html_report.write(path, html_report.render(reporting.report_data(self)))
        return path

    def __repr__(self) -> str:
        name = self.task.headline if self.task else "loss"
        shown = evaluation.headlines.shown(self.metrics, name)
        return f"<Run {files.shown(self.directory)} {shown}>"


def check_is_run(directory: str | os.PathLike[str]) -> None:
    """Raise `ValueError` if a folder isn't there, or holds no run."""
    folder = files.user_path(directory)
    if (folder / RECIPE).is_file():
        return
    what = f"it has no {RECIPE}" if folder.is_dir() else "there is no such folder"
    raise ValueError(
        f"'{directory}' isn't a run: {what}. Give the folder that a training wrote, "
        "such as runs/digits-20260131-120000."
    )


def how_to_resume(folder: str | os.PathLike[str]) -> str:
    """Return the command or the call that resumes an interrupted run."""
    if "data" in run_folder.read_recipe(Path(folder)):
        return f"kerasopt train --resume {files.in_command(folder)}"
    return (
        f"kerasopt.resume({files.shown(folder)!r}, model=…, data=…), in Python, and "
        "what else fit was given"
    )


# The cross-entropy was called the loss, whatever loss was trained.
_with_log_loss = functools.partial(RenamedKeys, old="loss", new="log_loss")

# ``validation_…``, as version 0.1 wrote them, can be read and asked for.
_with_old_names = functools.partial(RenamedKeys, old="validation_", new="val_")
