"""Training inside a time budget: the clock, not the step count, drives it.

A machine's speed changes within minutes, so a number of epochs fixed in advance
misses its time by as much. Here the learning rate, the size of the images and the
end of the training follow the share of the time that has passed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from kerasopt import schedules
from kerasopt.console import Console, say
from kerasopt.data import pipeline
from kerasopt.evaluation import tta
from kerasopt.training.batches import Feed
from kerasopt.training.spec import TrainingSettings

__all__ = ["TimeBudget", "WallClockSchedule", "evaluation_seconds", "follow"]

REPORT_SECONDS = 3.0
"""Plots, report and saving: about one second on two cores of a fast machine, two to
three on a slow one. Two seconds to spare are 3 % of a budget of a minute."""

CALIBRATION_CALLS = 6
"""Calls after which the throughput is shown; the first two trace and warm up."""

LEAST_CALLS = 400
"""The schedule goes by calls, so a call takes at most such a share of the time."""


class TimeBudget(keras.callbacks.Callback):
    """Ends a training when its time is over, and says how much of it has passed.

    Args:
        total_seconds: All the time, evaluation included.
        started: When it began, by `time.perf_counter`.
        reserved_seconds: Time kept for what comes after training.
        batch_size: Samples of a step, for the announcement.
        samples_per_epoch: Samples of an epoch, for the announcement.
        console: Where to announce the throughput.
        speed_to_come: Returns the mean throughput from a share of the time on,
            relative to that at this share.

    Raises:
        ValueError: if nothing is left for training.
    """

    every_batch = False
    memory = ()

    def __init__(
        self,
        *,
        total_seconds: float,
        started: float,
        reserved_seconds: float,
        batch_size: int,
        samples_per_epoch: int,
        console: Console,
        speed_to_come: Callable[[float], float] = lambda share: 1.0,
    ) -> None:
        super().__init__()
        self.total_seconds, self.reserved_seconds = total_seconds, reserved_seconds
        self.started = started
        self.ends = started + total_seconds - reserved_seconds
        self.begin()
        self.batch_size = batch_size
        self.samples_per_epoch = samples_per_epoch
        self.console = console
        self.speed_to_come = speed_to_come
        # A variable, so that compiled steps and the input pipeline see it change.
        self.progress = keras.Variable(0.0, trainable=False, name="progress")
        self._calls = 0
        self._began = (0, started)
        self._seconds_a_step = 0.0

    def begin(self) -> None:
        """Let the training, and its schedule, begin at this moment.

        Raises:
            ValueError: if nothing is left for it.
        """
        self.begins = time.perf_counter()
        if self.ends <= self.begins:
            spent, reserved = self.begins - self.started, self.reserved_seconds
            raise ValueError(
                f"A budget of {self.total_seconds:.0f} s leaves no time to train: "
                f"{spent:.0f} s went into preparing and {reserved:.0f} s are "
                f"needed for the evaluation. Give {spent + reserved + 1:.0f} s "
                "or more."
            )

    def share(self) -> float:
        """Return the share of the training time that has passed, 0 to 1."""
        passed = (time.perf_counter() - self.begins) / (self.ends - self.begins)
        return min(1.0, max(0.0, passed))

    def seconds_of_a_call(self) -> float:
        """Return how long the next call may take: as long as the schedule allows."""
        left = self.ends - time.perf_counter()
        return min(1.0, (self.ends - self.begins) / LEAST_CALLS, max(left, 0.0))

    def resume_after(self, seconds_before: float) -> None:
        """Count the time of an interrupted run's earlier part."""
        self.begins -= seconds_before
        self.ends -= seconds_before

    def on_train_batch_begin(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Show the compiled step how far the training is."""
        self.progress.assign(self.share())
        self._began = (batch, time.perf_counter())

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Stop where the next step would end further from the goal than this one."""
        now = time.perf_counter()
        first, began = self._began
        self._calls += 1
        seconds = (now - began) / (batch + 1 - first)
        if self._calls > 2:
            # The faster of two: what disturbs a call makes it longer.
            self._seconds_a_step = min(seconds, self._seconds_a_step or seconds)
        if now + self._seconds_a_step / 2 >= self.ends:
            self.model.stop_training = True
        if self._calls == CALIBRATION_CALLS:
            self._announce(self.batch_size / self._seconds_a_step)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Stop where validation took the rest of the time."""
        if time.perf_counter() >= self.ends:
            self.model.stop_training = True

    def _announce(self, samples_per_second: float) -> None:
        seconds = max(0.0, self.ends - time.perf_counter())
        samples = seconds * samples_per_second * self.speed_to_come(self.share())
        say(
            self.console,
            f"{samples_per_second:,.0f} samples a second: about "
            f"{samples / self.samples_per_epoch:.1f} epochs in the {seconds:.0f} s "
            "that are left.",
        )


@keras.saving.register_keras_serializable(package="kerasopt")
class WallClockSchedule(LearningRateSchedule):
    """A schedule that goes by the time that has passed instead of the steps.

    Args:
        schedule: The schedule, laid out for ``total_steps``.
        total_steps: Steps that it was laid out for.
        progress: Variable with the share of the time that has passed.

    Example:
        >>> inner = keras.optimizers.schedules.PolynomialDecay(1.0, 100, 0.0)
        >>> progress = keras.Variable(0.25)
        >>> float(WallClockSchedule(inner, total_steps=100, progress=progress)(step=3))
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
        """Return the schedule within: the clock can't be saved."""
        return {"schedule": keras.optimizers.schedules.serialize(self.schedule)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearningRateSchedule:
        """Return the schedule within, which goes by steps again."""
        return keras.optimizers.schedules.deserialize(config["schedule"])


def follow(
    optimizer: keras.optimizers.Optimizer, *, total_steps: int, progress: Any
) -> None:
    """Let an optimizer's schedules go by time, those of its groups included."""
    for each, schedule in schedules.scheduled(optimizer):
        # Keras has no setter for a schedule: it would trace the old one on.
        each._learning_rate = WallClockSchedule(
            schedule, total_steps=total_steps, progress=progress
        )


def evaluation_seconds(
    network: keras.Model, feed: Feed, settings: TrainingSettings
) -> float:
    """Measure what the evaluation after training will take.

    Args:
        network: The built model; its `predict` is traced here, once for good.
        feed: Validation and test part of its dataset will be evaluated.
        settings: Its ``tta`` and ``tta_share`` count.
    """
    batch, *_ = feed.some(1024)
    samples = len(keras.tree.flatten(batch)[0])
    _predict_seconds(network, batch)
    # The least of some: what disturbs a measurement makes it longer.
    each = min(_predict_seconds(network, batch) for _ in range(3)) / samples
    sizes = feed.dataset.sizes
    # Twice: at the end of the last epoch, and of the finished model.
    total = 2 * (sizes["validation"] or 0)
    if sizes["test"]:
        further = (tta.count(settings.tta) - 1) * settings.tta_share
        total += round(sizes["test"] * (1 + further))
    return total * each + REPORT_SECONDS


def _predict_seconds(network: keras.Model, batch: Any) -> float:
    started = time.perf_counter()
    pipeline.predict(network, batch, pixel_scale=1.0)
    return time.perf_counter() - started
