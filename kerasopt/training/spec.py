"""What a training is: its parts and its settings, checked once."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic

from kerasopt.checks import shown
from kerasopt.training.sections import Flag, Integer, Number, Section, validate

if TYPE_CHECKING:
    import keras

__all__ = [
    "Budget",
    "Section",
    "TrainingSettings",
    "TrainingSpec",
    "in_seconds",
    "is_deterministic",
    "refuse_without_effect",
    "seed_everything",
    "validate",
]

MOST_SAMPLES = 2**24
"""Of a batch: TensorFlow counts some of its numbers in 32 bits."""

MOST_PIXELS = 2**16
"""Largest side of an image."""

MOST_EPOCHS = 1_000_000
"""Of a training; a time budget, which needs no number, has as many."""

LONGEST = 365 * 24 * 3600.0
"""Of a budget, in seconds."""

_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def in_seconds(budget: str | float) -> float:
    """Return a budget in seconds.

    Args:
        budget: A number of seconds, or text with a unit: ``"90s"``, ``"5m"``,
            ``"1.5h"``.

    Raises:
        ValueError: if it isn't a time above 0.

    Example:
        >>> in_seconds("5m")
        300.0
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*(s|m|min|h)?\s*", str(budget))
    seconds = float(found[1]) * _UNITS[found[2] or "s"] if found else 0.0
    if isinstance(budget, bool) or not 0 < seconds <= LONGEST:
        raise ValueError(
            f"budget must be a time such as '90s', '5m' or '1h', or a number of "
            f"seconds, at most a year; given: {shown(budget)}."
        )
    return seconds


def _is_a_time(value: str | float | None) -> str | float | None:
    if value is not None:
        in_seconds(value)
    return value


Budget = Annotated[str | float | None, pydantic.BeforeValidator(_is_a_time)]
"""A time such as "5m" or a number of seconds, or None."""

Precision = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]


class TrainingSettings(Section):
    """How long, in what portions, on what and how reproducibly a model trains.

    Attributes:
        epochs (int, 10): Most passes over the training data. Where nothing is given and
            these are less than 200 steps, `kerasopt.fit` takes as many as make 200.
        budget (str or number, None): Time for everything, evaluation and report
            included, such as "5m", "90s" or a number of seconds. It replaces `epochs`,
            which then don't count: schedule and training end when the time does.
        batch_size (int, 32): Samples in a step, over all devices together. Streams have
            their own.
        patience (int, None): Epochs without improvement of `monitor` until training
            stops and the best weights come back; None trains to the end and keeps the
            last weights.
        monitor (str, "val_loss"): What early stopping watches: ``"val_loss"``,
            ``"loss"``, or a metric with or without ``val_``.
        label_smoothing (float, 0.0): Share of each target that is spread over all
            classes.
        precision (str, None): Dtype policy of the layers. None builds them as they are:
            under the policy of the moment. "auto" times a few steps in float32 and
            mixed_bfloat16 and takes the faster; it needs a function that builds the
            model.
        jit (str, "auto"): What XLA compiles: "none", the "step", the whole "loop" of a
            call, or "auto", which tries them out in the first steps of longer
            trainings.
        devices (str or list, "auto"): What `kerasopt.distribute.strategy` takes.
        seed (int, 0): Fixes weights, order, augmentation and dropout. Weights of a
            model that is given built are as they are; give a function that builds it to
            seed them.
        tta (str, "none"): Test-time augmentation: measure the test set also by the mean
            over these views of each image (`kerasopt.evaluation.tta`).
        tta_share (float, 1.0): Share of the test images, the least certain ones, that
            are seen in all views.
        image_sizes (dict, {}): Progressive resizing, {side in pixels: share of the
            training until which the images are brought to it}; after the last share
            they have their own size. The model must take images of any size.
        validation_freq (int, 1): Epochs from one validation to the next; patience needs
            1.
        evaluation_batch_size (int, None): Samples in a batch of validation and
            prediction. By default `batch_size` or more, as long as its input stays
            below 4 MiB.
        deterministic (bool, False): Identical weights, bit for bit, from equal seeds on
            one machine with the same number of threads. It holds for the whole process,
            and slower kernels may be used.
        steps_per_epoch (int, None): For streams: the batches that count as an epoch; a
            finite stream then starts over. Arrays are counted, and refuse it.
        head_epochs (int, 0): Epochs before all others in which only what follows the
            backbone of a `kerasopt.models.transfer` trains, by Adam on features that
            are computed once.
        cache_features (bool, True): Compute what frozen layers at the beginning of a
            model give once a sample, and train what follows on that, where the epochs
            see equal samples: arrays or pictures without augmentation.
        checkpoint_seconds (float, 5.0): Least time between two checkpoints, from which
            a killed run resumes.

    Example:
        >>> TrainingSettings(epochs=12, patience=3).batch_size
        32
    """

    epochs: Integer = pydantic.Field(10, gt=0, le=MOST_EPOCHS)
    budget: Budget = None
    batch_size: Integer = pydantic.Field(32, gt=0, le=MOST_SAMPLES)
    patience: Integer | None = pydantic.Field(None, gt=0, le=MOST_EPOCHS)
    monitor: str = pydantic.Field("val_loss", min_length=1)
    label_smoothing: Number = pydantic.Field(0.0, ge=0, lt=1)
    precision: Precision | None = None
    jit: Literal["auto", "none", "step", "loop"] = "auto"
    devices: str | list[str] = "auto"
    seed: Integer = pydantic.Field(0, ge=0, lt=2**31)
    tta: Literal["none", "mirror", "mirror_translate"] = "none"
    tta_share: Number = pydantic.Field(1.0, gt=0, le=1)
    image_sizes: dict[int, Number] = pydantic.Field(default_factory=dict)
    validation_freq: Integer = pydantic.Field(1, gt=0, le=MOST_EPOCHS)
    evaluation_batch_size: Integer | None = pydantic.Field(None, gt=0, le=MOST_SAMPLES)
    deterministic: Flag = False
    steps_per_epoch: Integer | None = pydantic.Field(None, gt=0, lt=2**31)
    head_epochs: Integer = pydantic.Field(0, ge=0, le=MOST_EPOCHS)
    cache_features: Flag = True
    checkpoint_seconds: Number = pydantic.Field(5.0, ge=0, le=LONGEST)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_steps_per_execution(cls, value: Any) -> Any:
        """Drop a field of version 0.1, which the Trainer no longer needs."""
        if isinstance(value, Mapping) and "steps_per_execution" in value:
            value = dict(value)
            if value.pop("steps_per_execution") != 1:
                warnings.warn(
                    "training.steps_per_execution has no effect any more: many steps "
                    "run as one call anyway. Leave it out.",
                    DeprecationWarning,
                    stacklevel=2,
                )
        return value

    @pydantic.field_validator("image_sizes")
    @classmethod
    def _sizes_rise(cls, value: dict[int, float]) -> dict[int, float]:
        sides, shares = list(value), list(value.values())
        if sides != sorted(sides) or shares != sorted(shares):
            raise ValueError(f"sides and shares must both rise; given: {value}.")
        if any(not 1 <= side <= MOST_PIXELS for side in sides) or any(
            not 0 < share <= 1 for share in shares
        ):
            raise ValueError(
                f"sides must be from 1 to {MOST_PIXELS}, shares in (0, 1]; given: "
                f"{shown(value)}."
            )
        return value

    @property
    def length_is_given(self) -> bool:
        """Whether epochs or a budget were given, and not left to kerasopt."""
        return self.budget is not None or "epochs" in self.model_fields_set

    @property
    def budget_seconds(self) -> float | None:
        """The time budget in seconds, or None."""
        return None if self.budget is None else in_seconds(self.budget)


_NEEDS = {"tta_share": ("tta", "none"), "monitor": ("patience", None)}
"""Fields that do something only where another has not this value."""


def refuse_without_effect(given: Iterable[str], settings: TrainingSettings) -> None:
    """Refuse a field that does nothing beside the others.

    Args:
        given: Names of the fields that were asked for.
        settings: All of them.

    Raises:
        ValueError: if one has no effect.

    Example:
        >>> refuse_without_effect(["monitor"], TrainingSettings(monitor="val_auc"))
        Traceback (most recent call last):
        ...
        ValueError: training.monitor='val_auc' has no effect without training.patience.
    """
    for name in given:
        needed, off = _NEEDS.get(name, (name, ...))
        value = getattr(settings, name)
        if (
            getattr(settings, needed) == off
            and value != TrainingSettings.model_fields[name].default
        ):
            raise ValueError(
                f"training.{name}={value!r} has no effect without training.{needed}."
            )


@dataclass(frozen=True, eq=False)
class TrainingSpec:
    """All that makes a training, its data apart: what `kerasopt.fit` builds.

    Attributes:
        model: A model, or a function that builds one.
        optimizer: What `kerasopt.optimizers.get` takes; None keeps a compiled model's
            own and otherwise takes Adam.
        loss: What `kerasopt.losses.get` takes; None keeps a compiled model's own and
            otherwise takes the task's.
        metrics: What `kerasopt.metrics.get` takes, several; None keeps a compiled
            model's own and otherwise takes the task's.
        task: Name of a task, "auto", or None for loss and metrics alone.
        class_weight: None, "balanced", or {class: weight}.
        augment: What `kerasopt.augment.get` takes.
        callbacks: What `kerasopt.callbacks.get` takes, several.
        settings: The settings.
        compile_key: What of the training is fixed by compiling, where trainings share
            compiled steps; None compiles anew.
        prepare_weights: Called with the new model before its first step.
        seeds_globally: Whether the generators of Python, NumPy and TensorFlow are
            seeded.
    """

    model: keras.Model | Callable[[], keras.Model]
    optimizer: Any = None
    loss: Any = None
    metrics: Any = None
    task: str | None = "auto"
    class_weight: Any = None
    augment: Any = None
    callbacks: tuple[Any, ...] = ()
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    compile_key: Hashable | None = None
    prepare_weights: Callable[[keras.Model], None] | None = None
    seeds_globally: bool = True


def seed_everything(settings: TrainingSettings) -> None:
    """Seed Python, NumPy and Keras, and ask for determinism if it is set."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(settings.seed)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
        _PROCESS["deterministic"] = True


_PROCESS = {"deterministic": False}


def is_deterministic() -> bool:
    """Say whether a training of this process asked for determinism."""
    return _PROCESS["deterministic"]
