"""What a recipe file may say. Unknown fields are refused."""

from __future__ import annotations

import math
import numbers
from typing import Any, Literal

import pydantic

from kerasopt import checks, tasks
from kerasopt.names import split_spec, unknown
from kerasopt.recipes import budgets
from kerasopt.training.sections import Integer, Number, Section
from kerasopt.training.spec import TrainingSettings

__all__ = ["DataSection", "Measured", "RecipeSchema"]


AUTO = "auto"


class DataSection(Section):
    """Which data, and how validation is cut from the training part.

    Attributes:
        name: A name that `kerasopt.data.load` takes, or "directory".
        path: Of a directory: the folder with one subfolder a class.
        image_size: Of a directory: height and width to which images are brought.
        validation: Samples or share of train; None takes a tenth, 0 nothing.
        test: Of a directory: samples or share of the images kept for the test.
        seed: Fixes the cut; the run's seed doesn't move it.
        size: Only so many training samples, for a quick trial; of published data the
            same share of the test set.
        color: Of a directory: "rgb" (also None) or "grayscale".
        corrupt: Of a directory: "error" (also None) refuses files that can't be read,
            "skip" leaves them out.
    """

    name: str
    path: str | None = None
    image_size: tuple[Integer, Integer] | None = None
    validation: Integer | Number | None = None
    test: Integer | Number | None = None
    seed: Integer = pydantic.Field(0, ge=0, lt=2**31)
    size: Integer | None = None
    color: str | None = None
    corrupt: str | None = None

    @pydantic.field_validator(
        "image_size", "validation", "test", "seed", "size", mode="before"
    )
    @classmethod
    def _are_finite_numbers(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """Refuse true, text and NaN, which would be read as numbers or pass."""
        if hasattr(value, "tolist"):
            value = value.tolist()  # NumPy's as Python's: 4 isn't 4.0.
        if info.field_name == "image_size" and type(value) is int:
            raise ValueError(
                "must be a height and a width in pixels, "
                f"[{value}, {value}]; given: {value}."
            )
        for number in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(number, (bool, str)) or (
                isinstance(number, numbers.Real) and not math.isfinite(number)
            ):
                raise ValueError(f"must be a finite number; given: {number!r}.")
        return value


class Measured(Section):
    """The recipe's result: what its command gave, seed by seed."""

    command: str
    machine: str
    seeds: list[int]
    test_accuracy: list[float]
    train_seconds: list[float]
    epochs: list[float]
    test_accuracy_tta: list[float] | None = None


class RecipeSchema(Section):
    """A whole recipe; its stages take what the factory of that name takes.

    Attributes:
        name: Letters, digits, dots, dashes and underscores: runs are named after it.
        description: What it is, in a sentence.
        data: The data, and how they are cut.
        augment: What `kerasopt.augment.get` takes: null, a name, a mapping of a name
            and arguments, or a list of these, applied in its order.
        model: A mapping of a name of `kerasopt.models.names` and arguments.
        optimizer: What `kerasopt.optimizers.get` takes: a name, or a mapping of a name
            and arguments.
        loss: What `kerasopt.losses.get` takes, or "auto" for the task's.
        callbacks: What `kerasopt.callbacks.get` takes, several.
        training: How long and how it is trained.
        measured: The result of the recipe as it is.
        task: A name of `kerasopt.tasks.names`, or "auto" for the dataset's. It decides
            the model's output, loss, metrics and report.
        metrics: Names of the metrics to log, or null for the task's.
        class_weight: "balanced", null, or the weight of each class by its index or its
            name.
        from_budget: What a long or a short time budget changes, by the epochs of the
            recipe's own network that it affords on this machine: ``{"from 36 epochs":
            {"model.widths": [32, 256, 256]}, "below 1.5 epochs": {"model.widths": [16,
            64, 64]}}``. The keys of the inner mappings are dotted fields. A field that
            is changed by hand stays as it was set.
    """

    name: str = pydantic.Field(pattern=r"^[\w.-]+$")
    description: str = ""
    data: DataSection
    augment: dict[str, Any] | str | list[dict[str, Any] | str] | None = None
    model: dict[str, Any]
    optimizer: dict[str, Any] | str = "adam"
    task: str = "auto"
    loss: dict[str, Any] | str = "auto"
    metrics: list[str] | None = None
    class_weight: Literal["balanced"] | dict[int | str, Number] | None = None
    callbacks: list[dict[str, Any] | str] = pydantic.Field(default_factory=list)
    training: TrainingSettings = TrainingSettings()
    from_budget: dict[str, dict[str, Any]] = pydantic.Field(default_factory=dict)
    measured: Measured | None = None

    @pydantic.field_validator("task")
    @classmethod
    def _is_a_task(cls, value: str) -> str:
        if value not in (AUTO, *tasks.names()):
            raise unknown("task", value, [AUTO, *tasks.names()])
        return value

    @pydantic.field_validator("class_weight", mode="before")
    @classmethod
    def _indices_are_numbers(cls, value: Any) -> Any:
        """Read the index 0 again that JSON has as ``"0"``."""
        if not isinstance(value, dict):
            return value
        return {int(k) if str(k).isdecimal() else k: v for k, v in value.items()}

    @pydantic.field_validator("class_weight")
    @classmethod
    def _weights_are_positive(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name, weight in value.items():
                if not 0 <= weight < math.inf:
                    raise ValueError(
                        f"the weight of a class must be a finite number >= 0; given "
                        f"for {name!r}: {weight!r}."
                    )
        return value

    @pydantic.field_validator("from_budget")
    @classmethod
    def _by_epochs(cls, value: dict[str, Any]) -> dict[str, Any]:
        for condition in value:
            budgets.check_condition(condition)
        return value

    @pydantic.field_validator(
        "model", "optimizer", "augment", "loss", "callbacks", "from_budget"
    )
    @classmethod
    def _can_be_written(cls, value: Any) -> Any:
        _check_values(value)
        return value

    @pydantic.field_validator("model", "optimizer", "augment", "loss")
    @classmethod
    def _has_a_name(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                split_spec(str(info.field_name), each)
        return value


def _check_values(value: Any) -> None:
    """Refuse what a recipe file can't hold, wherever it stands inside a value."""
    if isinstance(value, dict):
        for item in value.values():
            _check_values(item)
    elif isinstance(value, list):
        for item in value:
            _check_values(item)
    elif not (value is None or isinstance(value, str | bool | int | float)):
        raise ValueError(
            "a recipe holds texts, numbers, booleans, lists and mappings; given: "
            f"{checks.shown(value)}."
        )
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"numbers must be finite; given: {value}.")
