"""Training inside a time budget: the clock, not the step count, drives it.

A machine's speed changes within minutes, so a number of epochs fixed in advance
misses its time by as much. Here the learning rate, the size of the images and the
end of the training follow the share of the time that has passed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import rich.console
from keras.optimizers.schedules import LearningRateSchedule

from kerasopt.data import Dataset, pipeline
from kerasopt.evaluation import tta
from kerasopt.training.settings import TrainingSettings

__all__ = ["ByTime", "TimeBudget", "evaluation_seconds", "follow"]

REPORT_SECONDS = 5.0
"""Plots, report and saving, on two cores; a second more or less is within 2 % of
the shortest sensible budget."""

CALIBRATION_STEPS = 6
"""Steps after which the throughput is shown; the first two trace and warm up."""


class TimeBudget(keras.callbacks.Callback):
    """Ends a training when its time is over, and says how much of it has passed.

    Args:
        total_seconds: All the time, evaluation included.
        started: When it began, by `time.perf_counter`.
        reserved_seconds: Time kept for what comes after training.
        batch_size: Images a step, for the announcement.
        steps_per_epoch: Steps an epoch, for the announcement.
        console: Where to announce the throughput.

    Raises:
        ValueError: if nothing is left for training.
    """

    def __init__(
        self,
        *,
        total_seconds: float,
        started: float,
        reserved_seconds: float,
        batch_size: int,
        steps_per_epoch: int,
        console: rich.console.Console,
    ) -> None:
        super().__init__()
        self.begins = time.perf_counter()
        self.ends = started + total_seconds - reserved_seconds
        if self.ends <= self.begins:
            spent = self.begins - started
            raise ValueError(
                f"A budget of {total_seconds:.0f} s leaves no time to train: "
                f"{spent:.0f} s went into preparing and {reserved_seconds:.0f} s are "
                "needed for the evaluation. Give more time."
            )
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.console = console
        # A variable, so that compiled steps and the input pipeline see it change.
        self.progress = keras.Variable(0.0, trainable=False, name="progress")
        self._ended: list[float] = []
        self._announced = False

    def share(self) -> float:
        """Return the share of the training time that has passed, 0 to 1."""
        passed = (time.perf_counter() - self.begins) / (self.ends - self.begins)
        return min(1.0, max(0.0, passed))

    def resume_after(self, seconds_before: float) -> None:
        """Count the time of an interrupted run's earlier part."""
        self.begins -= seconds_before
        self.ends -= seconds_before

    def on_train_batch_begin(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Show the compiled step how far the training is."""
        self.progress.assign(self.share())

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Stop where the next step would end further from the goal than this one."""
        now = time.perf_counter()
        self._ended = [*self._ended, now][-CALIBRATION_STEPS:]
        step = float(np.median(np.diff(self._ended))) if len(self._ended) > 2 else 0.0
        if now + step / 2 >= self.ends:
            self.model.stop_training = True
        if batch + 1 == CALIBRATION_STEPS and now - self.begins < self.ends - now:
            self._announce(step)

    def _announce(self, step: float) -> None:
        if self._announced:
            return
        self._announced = True
        epochs = (self.ends - self.begins) / step / self.steps_per_epoch
        self.console.print(
            f"{self.batch_size / step:,.0f} samples a second: about {epochs:.1f} "
            f"epochs in {self.ends - self.begins:.0f} s.",
            highlight=False,
        )


class ByTime(LearningRateSchedule):
    """A schedule that goes by the time that has passed instead of the steps.

    Args:
        schedule: The schedule, laid out for ``total_steps``.
        total_steps: Steps that it was laid out for.
        progress: Variable with the share of the time that has passed.

    Example:
        >>> inner = keras.optimizers.schedules.PolynomialDecay(1.0, 100, 0.0)
        >>> progress = keras.Variable(0.25)
        >>> float(ByTime(inner, total_steps=100, progress=progress)(step=3))
        0.75
    """

    def __init__(
        self, schedule: LearningRateSchedule, *, total_steps: int, progress: Any
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self.total_steps = total_steps
        self.progress = progress

    def __call__(self, step: Any) -> Any:
        """Return the rate at the present share of the time; the step is ignored."""
        return self.schedule(
            keras.ops.convert_to_tensor(self.progress) * self.total_steps
        )

    def get_config(self) -> dict[str, Any]:
        """Return the schedule's own arguments: the clock can't be saved."""
        return self.schedule.get_config()


def follow(
    optimizer: keras.optimizers.Optimizer, *, total_steps: int, progress: Any
) -> None:
    """Let an optimizer's schedules go by time, those of its groups included."""
    for each in (optimizer, *getattr(optimizer, "optimizers", ())):
        schedule = getattr(each, "_learning_rate", None)
        if isinstance(schedule, LearningRateSchedule):
            # Keras has no setter for a schedule: it would trace the old one on.
            each._learning_rate = ByTime(
                schedule, total_steps=total_steps, progress=progress
            )


def evaluation_seconds(
    network: keras.Model,
    dataset: Dataset,
    settings: TrainingSettings,
    batch: np.ndarray,
) -> float:
    """Measure what the evaluation after training will take.

    Args:
        network: The built model; its `predict` is traced here, once for good.
        dataset: Its validation and test part will be evaluated.
        settings: Its ``tta`` and ``tta_share`` count.
        batch: Scaled samples to time the prediction with, a few batches of them.
    """
    batches = pipeline.evaluation_batches(batch)
    network.predict(batches, verbose=0)
    # The least of some: what disturbs a measurement makes it longer.
    each = min(_predict_seconds(network, batches) for _ in range(3)) / len(batch)
    samples = len(dataset.validation[0]) if dataset.validation else 0
    if dataset.test:
        views = tta.count(settings.tta)
        further = views * settings.tta_share if views > 1 else 0
        samples += round(len(dataset.test[0]) * (1 + further))
    return samples * each + REPORT_SECONDS


def _predict_seconds(network: keras.Model, batches: Any) -> float:
    started = time.perf_counter()
    network.predict(batches, verbose=0)
    return time.perf_counter() - started
