"""What a run's report is made from, with what limits its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasopt.evaluation import report as html_report
from kerasopt.evaluation import verdict
from kerasopt.training import examples, run_folder
from kerasopt.training.run import TEST_AS_VALIDATION_NOTE

if TYPE_CHECKING:
    from kerasopt.training.run import Run

__all__ = ["report_data"]


def report_data(run: Run) -> html_report.ReportData:
    """Return what the report of a run is made from."""
    saved = run_folder.read_predictions(run.directory) or {}
    names = saved.get("mistake_names")
    return html_report.ReportData(
        recipe=run.recipe,
        environment=run.environment,
        history=run.history,
        metrics=run.metrics,
        result=run.test_result,
        task=run.task and run.task.name,
        mistake_images=saved.get("mistake_images"),
        mistake_indices=saved.get("mistakes"),
        mistake_names=None if names is None else names.tolist(),
        class_names=run.class_names,
        notes=_notes(run),
        curve_notes=_curve_notes(run),
        diagnosis=_diagnosis(run),
        training_examples=examples.load(run.directory),
    )


def _diagnosis(run: Run) -> verdict.Diagnosis | None:
    """Return what the history shows; None without validation data."""
    if run.history.empty or not {"loss", "val_loss"} <= set(run.history.columns):
        return None
    return verdict.diagnose(run)


def _notes(run: Run) -> list[str]:
    notes = list(run.environment.get("notes", []))
    if run.metrics.get("test_is_validation", False):
        notes.append(TEST_AS_VALIDATION_NOTE)
    return notes


def _curve_notes(run: Run) -> list[str]:
    notes = []
    if run.task and run.task.name == "multilabel" and "accuracy" in run.history:
        notes.append(
            "The accuracy in the curves is the binary accuracy, the share of right "
            "labels; the subset accuracy counts samples with every label right."
        )
    if smoothing := run.recipe["training"].get("label_smoothing"):
        notes.append(
            f"The loss in the curves is the one that was trained on, with label "
            f"smoothing {smoothing:g}; the log loss among the measures is the "
            "plain cross-entropy, which is lower."
        )
    if sizes := run.recipe["training"].get("image_sizes"):
        sides = ", ".join(f"{side}×{side}" for side in sizes)
        notes.append(
            f"The training began on images of {sides} pixels. Until it went on to "
            "whole ones, validation on whole ones is low: batch normalisation "
            "knew small ones only."
        )
    return notes
