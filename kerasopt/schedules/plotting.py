"""Schedules drawn over the steps or epochs of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from kerasopt import checks
from kerasopt.charts import SERIES, Chart, add_legend, apply_style, label
from kerasopt.schedules import lengths
from kerasopt.schedules.registry import complete, get

__all__ = ["plot", "rates"]

POINTS = 1000
"""Most points of a curve: more than a figure has pixels."""


def rates(schedule: Any, steps: Any) -> np.ndarray:
    """Return the learning rates at the given optimizer steps.

    Args:
        schedule: What `kerasopt.schedules.get` takes.
        steps: Array of optimizer steps, from 0.

    Returns:
        Rates of the same shape.

    Example:
        >>> rates({"name": "one_cycle", "max_learning_rate": 1, "epochs": 1,
        ...        "steps_per_epoch": 8}, [0, 2, 8]).round(3).tolist()
        [0.2, 1.0, 0.0]
    """
    found = get(schedule)
    steps = np.asarray(steps)
    if steps.size and not (steps.dtype.kind in "iuf" and np.isfinite(steps).all()):
        raise ValueError(
            f"steps must be numbers of optimizer steps; given: {checks.shown(steps)}."
        )
    if not isinstance(found, LearningRateSchedule):
        return np.full(steps.shape, found)
    # One step at a time: Keras's schedules branch on a single number.
    at = [float(ops.convert_to_numpy(found(int(step)))) for step in steps.ravel()]
    return np.reshape(at, steps.shape)


def plot(
    schedules: Any, *, epochs: float | None = None, steps_per_epoch: int = 1
) -> Chart:
    """Draw one or several schedules over a training.

    Args:
        schedules: What `kerasopt.schedules.get` takes, or a mapping from names of your
            choice to such. Lengths that a dict leaves out are filled in.
        epochs: Length of the training. With ``steps_per_epoch=1``, the default, the
            axis counts optimizer steps.
        steps_per_epoch: Optimizer steps in one epoch.

    Returns:
        The figure.

    Raises:
        ValueError: if ``epochs`` is missing or not positive.

    Example:
        >>> figure = plot({"name": "cosine", "initial_learning_rate": 0.1},
        ...               epochs=10, steps_per_epoch=391)
        >>> figure.axes[0].get_xlabel()
        'Epoch'
    """
    if epochs is None:
        raise ValueError(
            "Give epochs (and steps_per_epoch): how long a training to draw."
        )
    per_epoch = lengths.whole("steps_per_epoch", steps_per_epoch)
    last = round(checks.positive("epochs", epochs) * per_epoch)
    steps = np.unique(np.linspace(0, last, min(last, POINTS) + 1).round().astype(int))
    named = _named(schedules)
    figure = Chart(figsize=(7.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for index, spec in enumerate(named.values()):
        filled = complete(spec, epochs=epochs, steps_per_epoch=per_epoch)
        axes.plot(
            steps / per_epoch,
            rates(filled, steps),
            color=SERIES[index % len(SERIES)],
            linestyle=("-", "--", ":")[index // len(SERIES) % 3],
            linewidth=1.6,
        )
    axes.set_xlabel("Optimizer step" if per_epoch == 1 else "Epoch")
    axes.set_ylabel("Learning rate")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    apply_style(axes)
    if len(named) > 1:
        names = [label(name, 40) for name in named]
        add_legend(axes, names, handles=axes.lines, loc="center left",
                   bbox_to_anchor=(1.01, 0.5))  # fmt: skip
    return figure


def _named(schedules: Any) -> Mapping[str, Any]:
    if isinstance(schedules, (list, tuple)) or not schedules:
        raise ValueError(
            "schedules must be a schedule, its name and arguments as a dict, or a "
            f"mapping from names of your choice to such; given: {schedules!r}."
        )
    if isinstance(schedules, Mapping) and "name" not in schedules:
        return schedules
    return {"schedule": schedules}
