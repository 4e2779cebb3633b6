"""What the history of a training shows: over- or underfitting, and what helps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from kerasopt import checks, names

__all__ = ["Diagnosis", "diagnose", "overfits", "statistics_lag"]

STILL_FALLS = 0.01
"""A training loss that lost less of itself in an epoch has come to rest."""

USUAL_GOAL = 0.95
"""Training accuracy below which a network at rest underfits, if no goal is given."""

MEASURES = ("loss", "accuracy")
"""What `statistics_lag` compares."""

LAG_IN_ACCURACY = 0.1
"""So much less accuracy in inference mode on training data isn't rounding or chance."""

LAG_IN_LOSS = 1.5
"""Factor of the loss, for trainings without accuracy, such as those of regression."""

_ADVICE = {
    "lagging": (
        "a smaller momentum of batch normalisation, which forgets the start sooner: "
        "`model.batch_norm_momentum: 0.9`, or 0.8 for fewer than 50 steps",
        "more steps: `training.epochs`, or a smaller `training.batch_size`",
        "no early stopping before the statistics have caught up: a larger "
        "`training.patience`",
        "a network without batch normalisation: `model.batch_norm: false`",
    ),
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
        "`kerasopt.tuning.ablate`, which measures what each of them gains",
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


class HasHistory(Protocol):
    """A `kerasopt.Run`, or what `keras.Model.fit` returns."""

    @property
    def history(self) -> Any:
        """One row an epoch: a table, or {column: values}."""


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `diagnose` reads from a history.

    Attributes:
        verdict: "diverging", "lagging", "overfitting", "unfinished", "underfitting" or
            "fitting".
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
    history: pd.DataFrame | HasHistory,
    *,
    goal: float | None = None,
    patience: int = 3,
    inference: Mapping[str, float] | None = None,
) -> Diagnosis:
    """Say whether a training over- or underfits, and what usually helps.

    The first of these that holds:

    - *diverging*: the training loss isn't finite, or higher than at first;
    - *lagging*: on the same training data the network is much worse in inference mode
      than in training (`statistics_lag`): the running statistics of batch
      normalisation aren't those of its weights;
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
            underfitting; or what has one: a run, or the ``History`` that
            `keras.Model.fit` returns.
        goal: Accuracy that is wanted, in [0, 1]; 0.95 by default.
        patience: As in `overfits`, and how far back "the last epochs" go.
        inference: ``"loss"`` and ``"accuracy"``, or one of them, of the trained network
            on its training data in inference mode (`keras.Model.evaluate`). By default
            those of a run, ``train_loss_inference`` and ``train_accuracy_inference`` of
            its metrics; without them nothing can be found to lag.

    Returns:
        A `Diagnosis`.

    Raises:
        TypeError: if `history` is no table and has none.
        ValueError: if a column is missing or an argument is out of its range.

    Example:
        >>> history = pd.DataFrame({"loss": [3, 2, 1.5, 1, 0.5],
        ...                         "val_loss": [3, 2.5, 2.6, 2.7, 2.9]})
        >>> diagnose(history).verdict
        'overfitting'
        >>> print(diagnose(history).reason)
        the validation loss was lowest in epoch 2 of 5; the training loss fell to 0.5.

    References:
        Goodfellow, Bengio and Courville (2016), Deep Learning, section 5.2 and 11.4.
    """
    if inference is not None:
        what = "a dict with loss or accuracy in inference mode"
        checks.instance("inference", inference, Mapping, what)
    inference = inference or _inference_of(getattr(history, "metrics", {}))
    history = _table(history)
    wanted = USUAL_GOAL if goal is None else checks.share("goal", goal)
    overfitting = overfits(history, patience=patience)
    verdict, reason = _failed(history, inference or {}) or _judged(
        history, overfitting, wanted, patience
    )
    return Diagnosis(verdict, reason, _ADVICE[verdict])


def _table(history: pd.DataFrame | HasHistory) -> pd.DataFrame:
    """Return the table of a history, with at least one row."""
    if not isinstance(history, pd.DataFrame):
        if not hasattr(history, "history"):
            raise TypeError(
                "history must be a table with one row an epoch, a kerasopt.Run, or "
                f"what Keras's fit returns; given: {type(history).__name__}."
            )
        history = pd.DataFrame(history.history)
    _check_columns(history)
    if history.empty:
        raise ValueError("history has no row: train for at least one epoch.")
    return history


def _inference_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return what a run measured on its training data in inference mode."""
    found = {name: metrics.get(f"train_{name}_inference") for name in MEASURES}
    return {name: float(value) for name, value in found.items() if value is not None}


def _failed(
    history: pd.DataFrame, inference: Mapping[str, float]
) -> tuple[str, str] | None:
    """Return the verdict on a training whose other numbers mean nothing."""
    first, last = (float(history["loss"].iloc[place]) for place in (0, -1))
    if not math.isfinite(last) or last > first:
        return "diverging", f"the training loss went from {first:.3g} to {last:.3g}."
    lag = _lag(history, inference)
    return ("lagging", lag) if lag else None


def _judged(
    history: pd.DataFrame, overfitting: bool, goal: float, patience: int
) -> tuple[str, str]:
    """Return the verdict and the sentence that gives its numbers."""
    loss = history["loss"].to_numpy(dtype=float)
    # Validation may have been measured every few epochs only.
    measured = np.flatnonzero(history["val_loss"].notna())
    best = int(np.argmin(history["val_loss"].iloc[measured])) if len(measured) else -1
    lowest = (
        f"the validation loss was lowest in epoch {measured[best] + 1} of {len(loss)}"
        if len(measured)
        else "the validation loss wasn't measured"
    )
    if overfitting:
        return "overfitting", f"{lowest}; the training loss fell to {loss[-1]:.3g}."
    if len(loss) < 2:
        return "unfinished", "only one epoch was trained."
    fall = _fall_an_epoch(loss, patience)
    if fall > STILL_FALLS and best >= len(measured) - patience:
        return "unfinished", (
            f"the training loss still falls by {fall:.1%} an epoch; {lowest}."
        )
    if "accuracy" not in history:
        return "fitting", "the history has no accuracy to compare with a goal."
    accuracy = float(history["accuracy"].iloc[-1])
    if accuracy < goal:
        return "underfitting", (
            f"the training accuracy is {accuracy:.1%}, the goal {goal:.1%}, and the "
            f"training loss falls by only {max(fall, 0):.1%} an epoch."
        )
    return "fitting", (
        f"the training accuracy is {accuracy:.1%}, and the validation loss doesn't "
        "rise."
    )


def _lag(history: pd.DataFrame, inference: Mapping[str, float]) -> str:
    """Return the sentence that says how far inference lags behind, or nothing.

    Early stopping brings back the weights of an earlier epoch, so each epoch may be the
    one of the trained network: only a lag behind the worst of them since validation was
    best is one.
    """
    best = 0
    if history["val_loss"].notna().any():
        best = int(np.nanargmin(history["val_loss"]))
    since = history.iloc[best:]
    training = {"loss": float(since["loss"].max())}
    if "accuracy" in since:
        training["accuracy"] = float(since["accuracy"].min())
    if not statistics_lag(training, inference):
        return ""
    if {"accuracy"} <= training.keys() & inference.keys():
        name, shown = "accuracy", "{:.1%}"
    else:
        name, shown = "loss", "{:.3g}"
    found = shown.format(inference[name])
    return (
        f"on the training data the {name} is {found} in inference mode and "
        f"{shown.format(training[name])} in training mode. The running mean and "
        "variance of batch normalisation lag behind the weights."
    )


def statistics_lag(
    training: Mapping[str, float], inference: Mapping[str, float]
) -> bool:
    """Say whether a network is much worse in inference mode than in training mode.

    Both on the training data. Dropout and augmentation act in training mode alone and
    make it the harder one. So if inference is much worse, the running statistics of
    batch normalisation, which only inference uses, don't belong to the weights: they
    are a mean over the last 1 / (1 - momentum) steps or so, which may be all steps of a
    small training.

    Much worse is an accuracy that is lower by more than 0.1 or, where no accuracy is
    given for both modes, a loss that is more than 1.5 times as high.

    Args:
        training: ``"loss"`` and ``"accuracy"``, or one of them, in training mode.
        inference: The same in inference mode.

    Raises:
        ValueError: if another measure is given.

    Example:
        >>> statistics_lag({"accuracy": 0.9}, {"accuracy": 0.33})
        True
        >>> statistics_lag({"loss": 0.5, "accuracy": 0.9}, {"accuracy": 0.95})
        False

    References:
        Ioffe and Szegedy (2015), https://arxiv.org/abs/1502.03167, section 3.1.
    """
    for name, given in (("training", training), ("inference", inference)):
        if not isinstance(given, Mapping):
            raise TypeError(
                f"{name} must be a dict with 'loss' and 'accuracy'; given: {given!r}."
            )
    for name in {*training, *inference}:
        if name not in MEASURES:
            raise names.unknown("measure", name, MEASURES)
    both = training.keys() & inference.keys()
    if "accuracy" in both:
        return bool(training["accuracy"] - inference["accuracy"] > LAG_IN_ACCURACY)
    if "loss" in both:
        # A loss that is NaN in inference mode only is as bad as it gets.
        return not inference["loss"] <= LAG_IN_LOSS * training["loss"]
    return False


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
    _check_columns(history)
    patience = checks.integer("patience", patience)
    measured = history.dropna(subset=["val_loss"])
    if measured.empty:
        return False
    best = int(np.argmin(measured["val_loss"]))
    since = len(measured) - 1 - best
    falls = measured["loss"].iloc[-1] < measured["loss"].iloc[best]
    return bool(since >= patience and falls)


def _check_columns(history: pd.DataFrame) -> None:
    if not isinstance(history, pd.DataFrame):
        raise TypeError(
            "history must be a table with one row an epoch; given: a "
            f"{type(history).__name__}."
        )
    missing = {"loss", "val_loss"} - set(history.columns)
    if missing:
        raise ValueError(
            f"history needs the columns loss and val_loss; missing: {sorted(missing)}. "
            "Train with validation data."
        )
    for name in ("loss", "val_loss"):
        if not pd.api.types.is_numeric_dtype(history[name]):
            raise TypeError(
                f"The column {name} of history must hold numbers; given: "
                f"{history[name].dtype}."
            )
