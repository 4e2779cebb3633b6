"""Names that recipes had in version 0.1; they work for one release."""

from __future__ import annotations

from typing import Any

from kerasopt.names import warn_renamed

__all__ = ["current_content", "current_field"]

_FIELDS = {"learning_rate.peak": "learning_rate.max_learning_rate"}
"""The end of an old dotted field, and what it is now."""


def current_content(content: Any) -> Any:
    """Return the fields of a recipe under today's names.

    Args:
        content: A recipe's fields, or a part of them.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     current_content({"learning_rate": {"name": "one_cycle", "peak": 1}})
        {'learning_rate': {'name': 'one_cycle', 'max_learning_rate': 1}}
    """
    if isinstance(content, list):
        return [current_content(each) for each in content]
    if not isinstance(content, dict):
        return content
    content = {name: current_content(value) for name, value in content.items()}
    if content.get("name") == "one_cycle" and "peak" in content:
        warn_renamed("The argument 'peak' of 'one_cycle'", "'max_learning_rate'")
        content = {
            "max_learning_rate" if name == "peak" else name: value
            for name, value in content.items()
        }
    return content


def current_field(field: str) -> str:
    """Return the dotted field of a recipe under its name of today.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     current_field("optimizer.learning_rate.peak")
        'optimizer.learning_rate.max_learning_rate'
    """
    for old, new in _FIELDS.items():
        if field == old or field.endswith(f".{old}"):
            current = field.removesuffix(old) + new
            warn_renamed(f"The field {field!r}", repr(current))
            return current
    return field
