"""Times as people write them."""

from __future__ import annotations

import re

__all__ = ["seconds"]

_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds(budget: str | float) -> float:
    """Return a budget in seconds.

    Args:
        budget: A number of seconds, or text with a unit: ``"90s"``, ``"5m"``,
            ``"1.5h"``.

    Raises:
        ValueError: if it isn't a time above 0.

    Example:
        >>> seconds("5m")
        300.0
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*(s|m|min|h)?\s*", str(budget))
    if isinstance(budget, bool) or not found or not float(found[1]) > 0:
        raise ValueError(
            f"budget must be a time such as '90s', '5m' or '1h', or a number of "
            f"seconds; given: {budget!r}."
        )
    return float(found[1]) * _UNITS[found[2] or "s"]
