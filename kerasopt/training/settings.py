"""The settings of a training, checked once, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import pydantic

from kerasopt import names
from kerasopt.training import durations

__all__ = ["Budget", "Section", "TrainingSettings", "validate"]


def _is_a_time(value: str | float | None) -> str | float | None:
    if value is not None:
        durations.seconds(value)
    return value


Budget = Annotated[str | float | None, pydantic.AfterValidator(_is_a_time)]
"""A time such as "5m" or a number of seconds, or None."""

Model = TypeVar("Model", bound=pydantic.BaseModel)


class Section(pydantic.BaseModel):
    """A part of a recipe: unknown fields are refused, values are frozen."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class TrainingSettings(Section):
    """How long, in what portions, on what and how reproducibly a model trains.

    Attributes:
        epochs: Most passes over the training data.
        budget: Time for everything, evaluation included, such as "5m", "90s" or a
            number of seconds. It takes the place of `epochs`, which then don't count:
            the learning rate reaches the end of its schedule, and the training ends,
            when the time is over.
        batch_size: Samples in a step, over all devices together.
        patience: Epochs without improvement of `monitor` until training stops and the
            best weights come back; None trains to the end and keeps the last weights.
        monitor: What early stopping watches.
        label_smoothing: Share of each target that is spread over all classes.
        precision: Number format of the layers. "auto" times a few steps in float32 and
            mixed_bfloat16 and takes the faster; it needs a function that builds the
            model.
        devices: What `kerasopt.distribute.strategy` takes.
        seed: Fixes weights, order, augmentation and dropout.
        tta: Test-time augmentation: measure the test set also by the mean over these
            views of each image (`kerasopt.evaluation.tta`).
        tta_share: Share of the test images, the least certain ones, that are seen in
            all views.
        image_sizes: Progressive resizing, {side in pixels: share of the training until
            which the images are brought to it}; after the last share they have their
            own size. The model must take images of any size.
        validation_freq: Epochs from one validation to the next; patience needs 1.
        steps_per_execution: Steps that run as one compiled call; it has to divide the
            steps of an epoch. Pays for networks whose step takes less than a few
            milliseconds.
        deterministic: Identical weights, bit for bit, from equal seeds on one machine.
            It holds for the whole process, and slower kernels may be used.
        steps_per_epoch: Leave it out: the batches are counted. A number that would
            leave a stub epoch is refused.
        checkpoint_seconds: Least time between two checkpoints, from which a killed run
            resumes.

    Example:
        >>> TrainingSettings(epochs=12, patience=3).batch_size
        32
    """

    epochs: int = pydantic.Field(10, gt=0, strict=True)
    budget: Budget = None
    batch_size: int = pydantic.Field(32, gt=0, strict=True)
    patience: int | None = pydantic.Field(None, gt=0, strict=True)
    monitor: Literal["val_loss", "val_accuracy", "loss", "accuracy"] = "val_loss"
    label_smoothing: float = pydantic.Field(0.0, ge=0, lt=1)
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    devices: str | list[str] = "auto"
    seed: int = pydantic.Field(0, ge=0, lt=2**31, strict=True)
    tta: Literal["none", "mirror", "mirror_translate"] = "none"
    tta_share: float = pydantic.Field(1.0, gt=0, le=1)
    image_sizes: dict[int, float] = pydantic.Field(default_factory=dict)
    validation_freq: int = pydantic.Field(1, gt=0, strict=True)
    steps_per_execution: int = pydantic.Field(1, gt=0, strict=True)
    deterministic: bool = False
    steps_per_epoch: int | None = pydantic.Field(None, gt=0, strict=True)
    checkpoint_seconds: float = pydantic.Field(5.0, ge=0)

    @pydantic.field_validator("image_sizes")
    @classmethod
    def _sizes_rise(cls, value: dict[int, float]) -> dict[int, float]:
        sides, shares = list(value), list(value.values())
        if sides != sorted(sides) or shares != sorted(shares):
            raise ValueError(f"sides and shares must both rise; given: {value}.")
        if any(side < 1 for side in sides) or any(not 0 < s <= 1 for s in shares):
            raise ValueError(f"sides must be >= 1, shares in (0, 1]; given: {value}.")
        return value

    @property
    def budget_seconds(self) -> float | None:
        """The time budget in seconds, or None."""
        return None if self.budget is None else durations.seconds(self.budget)


def validate(section: type[Model], given: Mapping[str, Any], where: str) -> Model:
    """Build a section; each error names its field, what was given, what fits.

    Args:
        section: The pydantic model.
        given: Its fields.
        where: Name of the section in messages (``"training"``).

    Raises:
        ValueError: one line a mistake.

    Example:
        >>> validate(TrainingSettings, {"epochs": -1}, "training")
        Traceback (most recent call last):
        ...
        ValueError: training.epochs: input should be greater than 0; given: -1.
    """
    try:
        return section.model_validate(dict(given))
    except pydantic.ValidationError as error:
        lines = [_explain(section, problem, where) for problem in error.errors()]
        raise ValueError("\n".join(lines)) from None


def _explain(section: type[pydantic.BaseModel], problem: Any, where: str) -> str:
    place = [str(part) for part in problem["loc"]]
    field = ".".join([where, *place] if where else place)
    if problem["type"] == "extra_forbidden":
        owner = _section_at(section, place[:-1])
        parent = ".".join([where, *place[:-1]] if where else place[:-1]) or "a recipe"
        return str(names.unknown(f"field of {parent}", place[-1], owner.model_fields))
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{field}: {message}" if field else message
    return f"{field}: {message[0].lower()}{message[1:]}; given: {problem['input']!r}."


def _section_at(
    section: type[pydantic.BaseModel], place: list[str]
) -> type[pydantic.BaseModel]:
    for name in place:
        annotation = section.model_fields[name].annotation
        if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
            section = annotation
    return section
