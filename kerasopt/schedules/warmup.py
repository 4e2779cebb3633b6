"""A linear warm-up before any schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from kerasopt import checks
from kerasopt.schedules import lengths

__all__ = ["Warmup"]


@keras.saving.register_keras_serializable(package="kerasopt")
class Warmup(LearningRateSchedule):
    """Rises linearly to the first rate of a schedule, which follows after it.

    With W = warmup_steps and f = initial_factor: ``rate(t) = schedule(0) * (f + (1 -
    f) * t / W)`` for t < W, then ``schedule(t - W)``.

    Args:
        schedule: What follows: a Keras schedule or a constant rate > 0.
        warmup_steps: Optimizer steps of the rise.
        initial_factor: First rate as a share of ``schedule(0)``, in [0, 1]; 0 by
            default: then step 0 changes no weight.

    Raises:
        ValueError: if the schedule is neither, or an argument is out of its range.

    Example:
        >>> schedule = Warmup(keras.optimizers.schedules.CosineDecay(0.1, 100), 10)
        >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 60, 110)]
        [0.0, 0.05, 0.1, 0.05, 0.0]

    References:
        Goyal et al. (2017), section 2.2, https://arxiv.org/abs/1706.02677.
    """

    def __init__(
        self,
        schedule: float | LearningRateSchedule,
        warmup_steps: int,
        initial_factor: float = 0.0,
    ) -> None:
        super().__init__()
        if not isinstance(schedule, LearningRateSchedule):
            schedule = checks.positive("schedule", schedule)
        self.schedule = schedule
        self.warmup_steps = lengths.whole("warmup_steps", warmup_steps)
        self.initial_factor = checks.share("initial_factor", initial_factor)

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at an optimizer step."""
        step = ops.cast(step, "float32")
        risen = ops.minimum(step / self.warmup_steps, 1.0)
        factor = self.initial_factor + (1.0 - self.initial_factor) * risen
        return factor * self._after(ops.maximum(step - self.warmup_steps, 0.0))

    def _after(self, step: Any) -> Any:
        return self.schedule(step) if callable(self.schedule) else self.schedule

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        schedule = self.schedule
        if isinstance(schedule, LearningRateSchedule):
            schedule = keras.optimizers.schedules.serialize(schedule)
        return {
            "schedule": schedule,
            "warmup_steps": self.warmup_steps,
            "initial_factor": self.initial_factor,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Warmup:
        """Build one from what `get_config` returns."""
        schedule = config["schedule"]
        if isinstance(schedule, Mapping):
            schedule = keras.optimizers.schedules.deserialize(schedule)
        return cls(**{**config, "schedule": schedule})
