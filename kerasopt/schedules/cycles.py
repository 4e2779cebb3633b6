"""Schedules that rise and fall, which Keras lacks."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from kerasopt import checks, names
from kerasopt.names import renamed_arguments
from kerasopt.schedules import lengths

__all__ = [
    "CosineCycle",
    "Cyclical",
    "OneCycle",
    "cosine_cycle",
    "cyclical",
    "one_cycle",
]


@keras.saving.register_keras_serializable(package="kerasopt")
class OneCycle(LearningRateSchedule):
    """Linear rise to the highest rate, then linear fall, over the whole training.

    With ``s = step / total_steps``, ``w = warmup_fraction`` and ``high =
    max_learning_rate`` the rate is linear from ``high * initial_factor`` at s=0 to
    ``high`` at s=w and to ``high * final_factor`` at s=1; after that it stays.

    Args:
        max_learning_rate: Highest learning rate.
        total_steps: Optimizer steps of the whole training.
        warmup_fraction: Share of the steps in which the rate rises.
        initial_factor: First rate as a share of the highest.
        final_factor: Last rate as a share of the highest.

    Raises:
        ValueError: if a rate or length isn't positive, or a share is outside
            its range.

    Example:
        >>> schedule = OneCycle(1.0, total_steps=100, warmup_fraction=0.25)
        >>> [round(float(schedule(step)), 4) for step in (0, 25, 100)]
        [0.2, 1.0, 0.0]

    References:
        Smith and Topin (2018), Super-convergence, https://arxiv.org/abs/1708.07120.
    """

    @renamed_arguments(peak="max_learning_rate")
    def __init__(
        self,
        max_learning_rate: float,
        total_steps: int,
        warmup_fraction: float = 0.25,
        initial_factor: float = 0.2,
        final_factor: float = 0.0,
    ) -> None:
        super().__init__()
        self.max_learning_rate = checks.positive("max_learning_rate", max_learning_rate)
        self.total_steps = lengths.whole("total_steps", total_steps)
        self.warmup_fraction = checks.fraction("warmup_fraction", warmup_fraction)
        self.initial_factor = checks.share("initial_factor", initial_factor)
        self.final_factor = checks.share("final_factor", final_factor)

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at an optimizer step."""
        step = ops.cast(step, "float32")
        warmup_steps = self.warmup_fraction * self.total_steps
        rise = ops.minimum(step / max(warmup_steps, 1e-9), 1.0)
        fall = (step - warmup_steps) / (self.total_steps - warmup_steps)
        fall = ops.clip(fall, 0.0, 1.0)
        rising = self.initial_factor + (1.0 - self.initial_factor) * rise
        falling = 1.0 + (self.final_factor - 1.0) * fall
        return self.max_learning_rate * ops.where(step < warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {
            "max_learning_rate": self.max_learning_rate,
            "total_steps": self.total_steps,
            "warmup_fraction": self.warmup_fraction,
            "initial_factor": self.initial_factor,
            "final_factor": self.final_factor,
        }


@keras.saving.register_keras_serializable(package="kerasopt")
class Cyclical(LearningRateSchedule):
    """Triangles between a lowest and a highest rate, driven by the step alone.

    With S = half_cycle_steps, ``cycle = floor(t / 2S)`` (from 0) and ``x = |t/S - 2
    cycle - 1|`` the rate is ``low + (high - low) * (1 - x) * scale``. The scale is 1
    (``"triangular"``), ``1 / 2 ** cycle`` (``"triangular2"``) or ``gamma ** t``
    (``"exp_range"``). The loss has no influence on it: for that see
    `kerasopt.callbacks.ReduceLROnPlateau`.

    Args:
        base_learning_rate: Lowest rate, at step 0, > 0.
        max_learning_rate: Highest rate, at ``half_cycle_steps``, above the lowest.
        half_cycle_steps: Optimizer steps from the lowest to the highest rate (the
            paper's stepsize).
        mode: ``"triangular"`` (default), ``"triangular2"`` or ``"exp_range"``.
        gamma: Factor of the height in each step for ``"exp_range"``, in (0, 1]; 1 by
            default.

    Raises:
        ValueError: if a rate or length is out of its range, or the mode is unknown.

    Example:
        >>> schedule = Cyclical(0.1, 0.5, half_cycle_steps=10)
        >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 20, 30)]
        [0.1, 0.3, 0.5, 0.1, 0.5]

    References:
        Smith (2017), Cyclical learning rates, https://arxiv.org/abs/1506.01186.
    """

    MODES = ("triangular", "triangular2", "exp_range")

    def __init__(
        self,
        base_learning_rate: float,
        max_learning_rate: float,
        half_cycle_steps: int,
        mode: str = "triangular",
        gamma: float = 1.0,
    ) -> None:
        super().__init__()
        self.base_learning_rate = checks.positive(
            "base_learning_rate", base_learning_rate
        )
        self.max_learning_rate = checks.positive("max_learning_rate", max_learning_rate)
        if self.max_learning_rate <= self.base_learning_rate:
            raise ValueError(
                "max_learning_rate must be above base_learning_rate; given: "
                f"{max_learning_rate!r} and {base_learning_rate!r}."
            )
        self.half_cycle_steps = lengths.whole("half_cycle_steps", half_cycle_steps)
        if checks.plain(mode) not in list(self.MODES):
            raise names.unknown("mode of a cyclical schedule", mode, self.MODES)
        if checks.positive("gamma", gamma) > 1:
            raise ValueError(f"gamma must lie in (0, 1]; given: {gamma!r}.")
        if gamma != 1 and mode != "exp_range":
            raise ValueError(
                f"gamma has no effect with mode={mode!r}, only with 'exp_range'; "
                f"given: gamma={gamma!r}."
            )
        self.mode = mode
        self.gamma = gamma

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at an optimizer step."""
        step = ops.cast(step, "float32")
        halves = step / self.half_cycle_steps
        cycle = ops.floor(halves / 2)
        height = 1.0 - ops.abs(halves - 2 * cycle - 1)
        rise = self.max_learning_rate - self.base_learning_rate
        return self.base_learning_rate + rise * height * self._scale(step, cycle)

    def _scale(self, step: Any, cycle: Any) -> Any:
        if self.mode == "triangular2":
            return ops.power(0.5, cycle)
        if self.mode == "exp_range":
            # exp(t log gamma): float32 rounds a gamma such as 0.99994 to its 7th
            # digit, which a power of many steps would multiply.
            return ops.exp(step * math.log(self.gamma))
        return 1.0

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {
            "base_learning_rate": self.base_learning_rate,
            "max_learning_rate": self.max_learning_rate,
            "half_cycle_steps": self.half_cycle_steps,
            "mode": self.mode,
            "gamma": self.gamma,
        }


@keras.saving.register_keras_serializable(package="kerasopt")
class CosineCycle(LearningRateSchedule):
    """A cosine that falls and rises again, without jumps and without end.

    ``rate(t) = low + (initial - low) * (1 + cos(pi * t / half_cycle_steps)) / 2`` with
    ``low = alpha * initial``: PyTorch's CosineAnnealingLR with T_max below the length
    of the training. `cosine` stays at its end instead, `cosine_restarts` jumps back.

    Args:
        initial_learning_rate: Highest rate, at step 0, > 0.
        half_cycle_steps: Optimizer steps from the highest to the lowest rate (T_max).
        alpha: Lowest rate as a share of the highest, in [0, 1]; 0 by default.

    Raises:
        ValueError: if a rate or length is out of its range.

    Example:
        >>> schedule = CosineCycle(0.1, half_cycle_steps=10)
        >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 20)]
        [0.1, 0.05, 0.0, 0.1]
    """

    def __init__(
        self, initial_learning_rate: float, half_cycle_steps: int, alpha: float = 0.0
    ) -> None:
        super().__init__()
        self.initial_learning_rate = checks.positive(
            "initial_learning_rate", initial_learning_rate
        )
        self.half_cycle_steps = lengths.whole("half_cycle_steps", half_cycle_steps)
        self.alpha = checks.share("alpha", alpha)

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at an optimizer step."""
        halves = ops.cast(step, "float32") / self.half_cycle_steps
        # Of large numbers float32 would keep too few digits for the cosine.
        height = (1.0 + ops.cos(math.pi * (halves - 2 * ops.floor(halves / 2)))) / 2
        return self.initial_learning_rate * (self.alpha + (1 - self.alpha) * height)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "half_cycle_steps": self.half_cycle_steps,
            "alpha": self.alpha,
        }


@renamed_arguments(peak="max_learning_rate")
def one_cycle(
    max_learning_rate: float,
    *,
    epochs: float,
    steps_per_epoch: int,
    warmup_fraction: float = 0.25,
    initial_factor: float = 0.2,
    final_factor: float = 0.0,
) -> OneCycle:
    """Return a `OneCycle` over a training of so many epochs.

    With ``high = max_learning_rate`` linear from ``high * initial_factor`` at step 0 to
    ``high`` after ``warmup_fraction`` of the steps to ``high * final_factor`` at the
    last.

    Args:
        max_learning_rate: Highest learning rate, > 0.
        epochs: Length of the training.
        steps_per_epoch: Optimizer steps in one epoch.
        warmup_fraction: Share of the steps in which the rate rises; 0.25 by default.
        initial_factor: First rate as a share of the highest; 0.2 by default.
        final_factor: Last rate as a share of the highest; 0 by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> one_cycle(0.1, epochs=12, steps_per_epoch=391).total_steps
        4692
    """
    total = lengths.steps("total", None, None, steps_per_epoch, training_epochs=epochs)
    return OneCycle(
        max_learning_rate, total, warmup_fraction, initial_factor, final_factor
    )


def cyclical(
    base_learning_rate: float,
    *,
    max_learning_rate: float,
    half_cycle_steps: int | None = None,
    half_cycle_epochs: float | None = None,
    steps_per_epoch: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
) -> Cyclical:
    """Return a `Cyclical` schedule with its length in steps or epochs.

    A triangle wave, ``low + (high - low) * (1 - |t / S - 2 * cycle - 1|) * scale`` with
    S = half_cycle_steps and ``cycle = floor(t / 2S)``; the scale is 1, ``1 / 2 **
    cycle`` or ``gamma ** t`` by the mode.

    Args:
        base_learning_rate: Lowest rate, > 0.
        max_learning_rate: Highest rate.
        half_cycle_steps: Optimizer steps from the lowest to the highest rate.
        half_cycle_epochs: The same in epochs; the paper takes 2 to 10.
        steps_per_epoch: Optimizer steps in one epoch, for epochs.
        mode: ``"triangular"`` (default), ``"triangular2"`` or ``"exp_range"``.
        gamma: Factor of the height in each step for ``"exp_range"``.

    Raises:
        ValueError: if an argument is out of its range, or the length is missing.

    Example:
        >>> schedule = cyclical(0.001, max_learning_rate=0.006,
        ...                     half_cycle_epochs=2, steps_per_epoch=100)
        >>> round(float(schedule(200)), 6)
        0.006
    """
    half = lengths.steps(
        "half_cycle", half_cycle_steps, half_cycle_epochs, steps_per_epoch
    )
    return Cyclical(base_learning_rate, max_learning_rate, half, mode, gamma)


def cosine_cycle(
    initial_learning_rate: float,
    *,
    half_cycle_steps: int | None = None,
    half_cycle_epochs: float | None = None,
    steps_per_epoch: int | None = None,
    alpha: float = 0.0,
) -> CosineCycle:
    """Return a `CosineCycle` with its length in steps or epochs.

    ``rate(t) = initial * (alpha + (1 - alpha) * (1 + cos(pi * t / S)) / 2)`` with S =
    half_cycle_steps, for ever.

    Args:
        initial_learning_rate: Highest rate, at step 0, > 0.
        half_cycle_steps: Optimizer steps from the highest to the lowest rate.
        half_cycle_epochs: The same in epochs: PyTorch's T_max.
        steps_per_epoch: Optimizer steps in one epoch, for epochs.
        alpha: Lowest rate as a share of the highest, in [0, 1]; 0 by default.

    Raises:
        ValueError: if an argument is out of its range, or the length is missing.

    Example:
        >>> schedule = cosine_cycle(0.1, half_cycle_epochs=10, steps_per_epoch=100)
        >>> round(float(schedule(2000)), 6)
        0.1
    """
    half = lengths.steps(
        "half_cycle", half_cycle_steps, half_cycle_epochs, steps_per_epoch
    )
    return CosineCycle(initial_learning_rate, half, alpha)
