"""What the files of a run may hold: fields, types and ranges.

Each check raises `ValueError` for what no training writes. Unknown fields pass, since
they are those of another version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pydantic

from kerasopt import tasks
from kerasopt.training.spec import MOST_EPOCHS, TrainingSettings, validate

__all__ = [
    "check_environment",
    "check_history",
    "check_metrics",
    "check_position",
    "check_predictions",
    "check_recipe",
]

SHARES = re.compile(
    r"(test|val|validation)_(accuracy|auc|average_precision|binary_accuracy|f1|hamming_loss|interval|"
    r"mean_average_precision|micro_f1|precision|recall|subset_accuracy)"
    r"(_at_threshold|_tta)*"
)
"""Measures of the tasks with classes or labels that lie in [0, 1]."""


class _Lenient(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", strict=True)


_Name = Annotated[str, pydantic.Field(min_length=1)]
_Task = Annotated[str, pydantic.AfterValidator(lambda name: tasks.get(name).name)]
_Seconds = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
_Seed = Annotated[int, pydantic.Field(ge=0, lt=2**31)]
_Count = Annotated[int, pydantic.Field(ge=0)]
_Epochs = Annotated[float, pydantic.Field(ge=0, le=MOST_EPOCHS)]


class _Part(_Lenient):
    name: str | None = None


class _Recipe(_Lenient):
    name: _Name
    training: dict[str, Any]
    data: _Part | None = None
    model: _Part | str | None = None


class _Data(_Lenient):
    sha256: dict[str, str]
    class_names: list[str]
    feature_names: list[str] = []
    input_shape: list[Any] | dict[str, list[Any]]
    pixel_scale: Annotated[float, pydantic.Field(gt=0)] | None = None


class _Environment(_Lenient):
    data: _Data
    task: _Task | None = None
    from_logits: bool = False
    notes: list[str] = []
    threads: Annotated[int, pydantic.Field(gt=0)] | None = None
    packages: dict[str, str] = {}


class _Metrics(_Lenient):
    seed: _Seed
    epochs: _Epochs
    task: _Task | None = None
    kept_epoch: _Epochs | None = None
    train_seconds: _Seconds | None = None
    total_seconds: _Seconds | None = None
    parameters: _Count | None = None
    threshold: Annotated[float, pydantic.Field(ge=0, le=1)] | None = None
    test_samples: _Count | None = None
    tta: str | None = None
    tta_share: Annotated[float, pydantic.Field(ge=0, le=1)] | None = None
    test_is_validation: bool = False

    @pydantic.model_validator(mode="after")
    def _are_measures(self) -> _Metrics:
        for name, value in (self.model_extra or {}).items():
            _check_measure(name, value, self.task)
        return self


class _Position(_Lenient):
    version: int
    epoch: Annotated[int, pydantic.Field(ge=0, le=MOST_EPOCHS)]
    step: _Count
    logs: dict[str, Any] | None
    jit: Literal["none", "step", "loop"] | None
    ended: bool
    seconds: _Seconds
    callbacks: dict[str, Any]


def _check_measure(name: str, value: Any, task: str | None) -> None:
    numbers = value if isinstance(value, list) else [value]
    measured = name.startswith(("test_", "val_", "validation_"))
    if not measured or value is None or name == "test_is_validation":
        return
    if isinstance(value, list) and len(value) != 2:
        raise ValueError(f"{name} must be two numbers; given: {value!r}.")
    if not all(type(each) in (int, float) for each in numbers):
        raise ValueError(f"{name} must be a number; given: {value!r}.")
    is_share = SHARES.fullmatch(name) and task not in (None, "regression")
    if is_share and not all(0 <= each <= 1 or np.isnan(each) for each in numbers):
        raise ValueError(f"{name} must lie in 0..1; given: {value!r}.")


def check_recipe(content: Any) -> None:
    """Check a resolved recipe, of objects too."""
    _check(_Recipe, content)
    known = TrainingSettings.model_fields
    given = {k: v for k, v in content["training"].items() if k in known}
    validate(TrainingSettings, given, "training")


def check_environment(content: Any) -> None:
    """Check what a run was made on and with."""
    _check(_Environment, content)


def check_metrics(content: Any) -> None:
    """Check what was measured."""
    _check(_Metrics, content)


def check_position(content: Any) -> None:
    """Check the state of a checkpoint."""
    _check(_Position, content)


def _check(section: type[pydantic.BaseModel], content: Any) -> None:
    if not isinstance(content, Mapping):
        raise ValueError(f"it holds {type(content).__name__}, not fields")
    validate(section, content, "")


def check_history(table: pd.DataFrame) -> None:
    """Check the rows of the epochs."""
    if "epoch" not in table:
        raise ValueError("it has no column 'epoch'")
    for name, kind in table.dtypes.items():
        if kind.kind not in "iufb":
            raise ValueError(f"the column {name!r} doesn't hold numbers")
    epochs = table["epoch"]
    rises = epochs.is_monotonic_increasing and epochs.is_unique
    if len(table) and not (rises and epochs.between(1, MOST_EPOCHS).all()):
        raise ValueError("its epochs aren't numbers that rise from 1")


def check_predictions(arrays: Mapping[str, Any]) -> None:
    """Check what was kept of a test part: arrays that go together."""
    parts = [arrays["probabilities"], arrays["labels"]]
    parts += [arrays["weights"]] if "weights" in arrays else []
    samples = len(arrays["probabilities"])
    if {len(part) for part in parts} != {samples}:
        raise ValueError("labels, probabilities and weights differ in number")
    mistakes = arrays["mistakes"]
    if mistakes.size and not 0 <= mistakes.min() <= mistakes.max() < samples:
        raise ValueError("mistakes aren't numbers of samples")
    for name in ("mistake_images", "mistake_names"):
        if name in arrays and len(arrays[name]) != len(mistakes):
            raise ValueError(f"mistakes and {name} differ in number")
