"""Numbers and settings as people and files read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = [
    "count",
    "duration",
    "epochs",
    "flatten",
    "interval",
    "is_missing",
    "is_percentage",
    "measure",
    "metric_name",
    "number",
    "percent",
    "plain",
    "settings",
    "short",
]

MISSING = "–"
_OF_SERIALIZED = (".module", ".registered_name")

_WORDS = {
    "auc": "AUC",
    "pr": "PR",
    "f1": "F1",
    "mae": "MAE",
    "mse": "MSE",
    "rmse": "RMSE",
    "mape": "MAPE",
    "r2": "R²",
    "tta": "TTA",
    "val": "validation",
}


def is_missing(value: object) -> bool:
    """Return whether a cell of a table has no number in it."""
    # pandas.NA compares to nothing, so it is known by its type.
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, float | np.floating) and not math.isfinite(value)


def percent(value: Any, *, digits: int = 2) -> str:
    """Return a share in 0..1 as a percentage.

    Args:
        value: The share, or None or NaN where there is none.
        digits: Decimals of the percentage.

    Returns:
        The text, a dash for a missing value.

    Example:
        >>> percent(0.9134)
        '91.34 %'
    """
    return MISSING if is_missing(value) else f"{100 * value:.{digits}f} %"


def interval(bounds: Any, *, digits: int = 2) -> str:
    """Return the two ends of an interval of shares as percentages.

    Args:
        bounds: The lower and the upper end in 0..1, or None.
        digits: Decimals of the percentages.

    Returns:
        The text, a dash for a missing interval.

    Example:
        >>> interval((0.905, 0.921), digits=1)
        '90.5 to 92.1 %'
    """
    if not isinstance(bounds, list | tuple) or any(map(is_missing, bounds)):
        return MISSING
    low, high = bounds
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f} %"


def metric_name(name: str) -> str:
    """Return the name of a measure as people read it.

    Args:
        name: As in logs and tables.

    Returns:
        The name in lower case, abbreviations in capitals.

    Example:
        >>> metric_name("val_pr_auc"), metric_name("test_r2"), metric_name("seed")
        ('validation PR AUC', 'test R²', 'seed')
    """
    return " ".join(_WORDS.get(word, word) for word in str(name).split("_"))


def is_percentage(name: str) -> bool:
    """Return whether a measure is shown in percent.

    Example:
        >>> [is_percentage(name) for name in ("val_accuracy", "accuracy_tta", "auc")]
        [True, True, False]
    """
    return str(name).removesuffix("_tta").endswith("accuracy")


def measure(name: str, value: Any, *, digits: int = 2) -> str:
    """Return a measure's value as its name asks: accuracies in percent.

    Args:
        name: As in logs and tables.
        value: A number, None or NaN, or an interval of two numbers.
        digits: Decimals of percentages; others are written by `number`.

    Example:
        >>> measure("accuracy", 0.9134), measure("rmse", 12.34567)
        ('91.34 %', '12.35')
        >>> measure("rmse", (11.2, 13.5))
        '11.2 to 13.5'
    """
    if is_percentage(name):
        bounds = isinstance(value, list | tuple)
        return (interval if bounds else percent)(value, digits=digits)
    if isinstance(value, list | tuple):
        if len(value) != 2 or any(map(is_missing, value)):
            return MISSING
        return " to ".join(number(end) for end in value)
    return number(value)


def number(value: Any, *, sign: str = "") -> str:
    """Return a number to four digits, or whole with its thousands marked.

    Args:
        value: The number, or None or NaN where there is none.
        sign: ``"+"`` marks positive numbers, too.

    Returns:
        The text, a dash for a missing value.

    Example:
        >>> number(0.0123456), number(49160.2), number(2.5e-7), number(3.0, sign="+")
        ('0.01235', '49,160', '2.5e-07', '+3')
    """
    if is_missing(value):
        return MISSING
    large = 1e4 <= abs(value) < 1e15
    return f"{value:{sign},.0f}" if large else f"{value:{sign}.4g}"


def count(value: Any) -> str:
    """Return a whole number with its thousands marked.

    Args:
        value: The number, or None or NaN where there is none.

    Returns:
        The text, a dash for a missing value.

    Example:
        >>> count(1250858)
        '1,250,858'
    """
    return MISSING if is_missing(value) else f"{round(value):,}"


def duration(seconds: Any) -> str:
    """Return a time span in its two largest units.

    Args:
        seconds: The span in seconds, or None or NaN where there is none.

    Returns:
        The text, a dash for a missing value.

    Example:
        >>> duration(4.25), duration(272.4), duration(7322)
        ('4.2 s', '4 min 32 s', '2 h 2 min')
    """
    if is_missing(seconds):
        return MISSING
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def epochs(value: float) -> str:
    """Return a number of epochs, which a time budget may end within one.

    Example:
        >>> epochs(1), epochs(1.33), epochs(14)
        ('1 epoch', '1.33 epochs', '14 epochs')
    """
    return f"{value:g} epoch{'' if value == 1 else 's'}"


def plain(value: Any) -> Any:
    """Return a value in the types that JSON and YAML have.

    Mappings, sequences and NumPy values are converted, numbers that aren't
    finite become None, and anything else becomes its text.

    Args:
        value: The value, nested to any depth.

    Returns:
        The same made of dict, list, str, int, float, bool and None.

    Example:
        >>> plain({"filters": (32, np.int64(64)), "rate": float("nan")})
        {'filters': [32, 64], 'rate': None}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if is_missing(value):
        return None
    # Subclasses such as enumerations are no plain types to a YAML writer.
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def settings(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a recipe by their dotted names, without those not set.

    Recipes list settings that are None, runs of objects leave them out. What Keras
    notes of an object besides its class and arguments is left out, too.

    Example:
        >>> settings({"name": "mine", "training": {"epochs": 2, "budget": None}})
        {'name': 'mine', 'training.epochs': 2}
    """
    flat = flatten(recipe)
    return {
        name: value
        for name, value in flat.items()
        if value is not None and not name.endswith(_OF_SERIALIZED)
    }


def flatten(settings: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level of dotted names.

    Args:
        settings: The nested mapping.
        prefix: What to put before every name.

    Returns:
        A dict from dotted name to plain value; an empty mapping stays a value.

    Example:
        >>> flatten({"name": "small", "optimizer": {"learning_rate": 0.1}})
        {'name': 'small', 'optimizer.learning_rate': 0.1}
    """
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, prefix=f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = plain(value)
    return flat


def short(value: Any) -> str:
    """Return a setting as a few characters.

    Args:
        value: A number, a text, a list, …

    Returns:
        Numbers to four digits, a dash for a missing one.

    Example:
        >>> short(0.0123456), short([64, 64]), short(None)
        ('0.01235', '[64, 64]', '–')
    """
    if isinstance(value, bool | np.bool_):
        return str(value)
    if is_missing(value):
        return MISSING
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
