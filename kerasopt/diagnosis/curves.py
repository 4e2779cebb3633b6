"""Reading a history."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kerasopt import checks
from kerasopt.training import Run

__all__ = ["Diagnosis", "diagnose", "overfits"]

STILL_FALLS = 0.01
"""A training loss that lost less of itself in an epoch has come to rest."""

USUAL_GOAL = 0.95
"""Training accuracy below which a network at rest underfits, if no goal is given."""

_ADVICE = {
    "diverging": (
        "a lower learning rate: `kerasopt.diagnosis.lr_range_test` shows which work",
        "clipped gradients: `clipnorm=1.0` of the optimizer",
    ),
    "overfitting": (
        "more data, or more of it by augmentation: `augment`",
        "early stopping, which also brings back the best weights: `training.patience`",
        "dropout, L2, weight decay or label smoothing: `model.dropout`, `model.l2`, "
        "`optimizer.weight_decay`, `training.label_smoothing`",
        "a smaller network: fewer `model.units` or `model.filters`",
        "what each of them is worth here, `kerasopt.tuning.ablate` measures",
    ),
    "underfitting": (
        "a larger or deeper network: `model.units`, `model.filters`",
        "less dropout, L2 and augmentation",
        "another learning rate or optimizer: `kerasopt.diagnosis.lr_range_test`, "
        "`kerasopt.tuning.search`",
        "features that say more, or data with fewer wrong labels",
    ),
    "unfinished": ("more epochs: `training.epochs`", "a higher learning rate"),
    "fitting": (),
}


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `diagnose` reads from a history.

    Attributes:
        verdict: "diverging", "overfitting", "unfinished", "underfitting" or "fitting".
        reason: The numbers that say so.
        advice: What usually helps, with the fields of a recipe.
    """

    verdict: str
    reason: str
    advice: tuple[str, ...]

    def __repr__(self) -> str:
        lines = [f"{self.verdict}: {self.reason}"]
        return "\n".join([*lines, *(f"  try {each}" for each in self.advice)])


def diagnose(
    history: pd.DataFrame | Run, *, goal: float | None = None, patience: int = 3
) -> Diagnosis:
    """Say whether a training over- or underfits, and what usually helps.

    The first of these that holds:

    - *diverging*: the training loss isn't finite, or higher than at first;
    - *overfitting*: `overfits` says so;
    - *unfinished*: the validation loss was lowest in the last ``patience`` epochs, and
      the training loss still falls by more than 1 % an epoch;
    - *underfitting*: the accuracy on the training data is below ``goal``: the network
      can't even do what it was shown;
    - *fitting*: none of them.

    Dropout and augmentation make training harder than prediction, so with them the
    training accuracy of a history is lower than that of the finished network on the
    same data, and a lower goal is right. A goal above what the data allow (wrong
    labels) turns any network into one that underfits.

    Args:
        history: One row an epoch with the columns loss and val_loss, and accuracy for
            underfitting; or the run that it belongs to.
        goal: Accuracy that is wanted, in [0, 1]; 0.95 by default.
        patience: As in `overfits`, and how far back "the last epochs" go.

    Returns:
        A `Diagnosis`.

    Raises:
        ValueError: if a column is missing or an argument is out of its range.

    Example:
        >>> history = pd.DataFrame({"loss": [3, 2, 1.5, 1, 0.5],
        ...                         "val_loss": [3, 2.5, 2.6, 2.7, 2.9]})
        >>> diagnose(history).verdict
        'overfitting'
        >>> print(diagnose(history).reason)
        validation was best in epoch 2 of 5, and the training loss fell on to 0.5.

    References:
        Goodfellow, Bengio and Courville (2016), Deep Learning, section 5.2 and 11.4.
    """
    if isinstance(history, Run):
        history = history.history
    wanted = USUAL_GOAL if goal is None else checks.share("goal", goal)
    overfitting = overfits(history, patience=patience)
    verdict, reason = _judged(history, overfitting, wanted, patience)
    return Diagnosis(verdict, reason, _ADVICE[verdict])


def _judged(
    history: pd.DataFrame, overfitting: bool, goal: float, patience: int
) -> tuple[str, str]:
    """Return the verdict and the sentence that gives its numbers."""
    loss = history["loss"].to_numpy(dtype=float)
    first, last = loss[0], loss[-1]
    if not math.isfinite(last) or last > first:
        return "diverging", f"the training loss went from {first:.3g} to {last:.3g}."
    validated = history["val_loss"].dropna()
    best = int(np.argmin(validated)) + 1 if len(validated) else 0
    if overfitting:
        return "overfitting", (
            f"validation was best in epoch {best} of {len(validated)}, and the "
            f"training loss fell on to {last:.3g}."
        )
    fall = _fall_an_epoch(loss, patience)
    if fall > STILL_FALLS and best > len(validated) - patience:
        return "unfinished", (
            f"the training loss still falls by {fall:.1%} an epoch, and validation was "
            f"best in epoch {best} of {len(validated)}."
        )
    if "accuracy" not in history:
        return "fitting", "the history has no accuracy to compare with a goal."
    accuracy = float(history["accuracy"].iloc[-1])
    if accuracy < goal:
        return "underfitting", (
            f"on the training data it is right in {accuracy:.1%}, wanted is "
            f"{goal:.1%}, and it no longer improves."
        )
    return "fitting", (
        f"on the training data it is right in {accuracy:.1%}, and validation doesn't "
        "get worse."
    )


def _fall_an_epoch(loss: np.ndarray, patience: int) -> float:
    """Return the mean share that the loss lost in each of the last epochs."""
    epochs = min(patience, len(loss) - 1)
    if not epochs or loss[-1] <= 0 or loss[-1 - epochs] <= 0:
        return 0.0
    return 1 - (loss[-1] / loss[-1 - epochs]) ** (1 / epochs)


def overfits(history: pd.DataFrame, *, patience: int = 3) -> bool:
    """Say whether a training went on to learn what doesn't carry over.

    That is so if the validation loss hasn't fallen below its lowest value for
    ``patience`` epochs, while the training loss is now lower than at that epoch.

    Args:
        history: One row an epoch with the columns loss and val_loss.
        patience: Epochs since the best one; 3 by default.

    Raises:
        ValueError: if a column is missing or ``patience`` isn't an integer >= 1.

    Example:
        >>> history = pd.DataFrame({"loss": [3, 2, 1.5, 1, 0.5],
        ...                         "val_loss": [3, 2.5, 2.6, 2.7, 2.9]})
        >>> overfits(history)
        True
    """
    missing = {"loss", "val_loss"} - set(history.columns)
    if missing:
        raise ValueError(
            f"history needs the columns loss and val_loss; missing: {sorted(missing)}. "
            "Train with validation data."
        )
    patience = checks.integer("patience", patience)
    measured = history.dropna(subset=["val_loss"])
    if measured.empty:
        return False
    best = int(np.argmin(measured["val_loss"]))
    since = len(measured) - 1 - best
    falls = measured["loss"].iloc[-1] < measured["loss"].iloc[best]
    return bool(since >= patience and falls)
