"""What a recipe file may say. Unknown fields are refused."""

from __future__ import annotations

from typing import Any

import pydantic

from kerasopt.names import split_spec
from kerasopt.training import durations
from kerasopt.training.settings import Section, TrainingSettings

__all__ = ["DataSection", "Measured", "RecipeSchema"]


class DataSection(Section):
    """Which data, and how validation is cut from the training part.

    Attributes:
        name: A name that `kerasopt.data.load` takes, or "directory".
        path: The folder with one subfolder a class, for the name "directory".
        image_size: Height and width to which the images of a directory are brought.
        validation: Samples or share of train; None takes a tenth, 0 nothing.
        test: Share of a directory's images kept for the test.
        seed: Fixes the cut; the run's seed doesn't move it.
        size: Only so many training samples, and the same share of the test set, for a
            quick trial.
    """

    name: str
    path: str | None = None
    image_size: tuple[int, int] | None = None
    validation: int | float | None = None
    test: float | None = None
    seed: int = 0
    size: int | None = None


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
        from_budget: What a long time budget changes: ``{"8m": {"model.widths": [32,
            256, 256]}}`` sets these dotted fields where `training.budget` is at least
            that. A field that is changed by hand stays as it was set.
    """

    name: str = pydantic.Field(pattern=r"^[\w.-]+$")
    description: str = ""
    data: DataSection
    augment: dict[str, Any] | str | None = None
    model: dict[str, Any]
    optimizer: dict[str, Any] | str = "adam"
    loss: str = "auto"
    callbacks: list[dict[str, Any] | str] = pydantic.Field(default_factory=list)
    training: TrainingSettings = TrainingSettings()
    from_budget: dict[str, dict[str, Any]] = pydantic.Field(default_factory=dict)
    measured: Measured | None = None

    @pydantic.field_validator("from_budget")
    @classmethod
    def _begins_at_a_time(cls, value: dict[str, Any]) -> dict[str, Any]:
        for least in value:
            durations.seconds(least)
        return value

    @pydantic.field_validator("model", "optimizer", "augment")
    @classmethod
    def _has_a_name(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        if isinstance(value, dict):
            split_spec(str(info.field_name), value)
        return value
