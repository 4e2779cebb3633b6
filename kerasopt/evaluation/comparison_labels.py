"""What runs that are compared are called, and what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kerasopt.evaluation import formatting

__all__ = ["differences", "recipes"]

LONGEST = 60
"""Characters of the settings in a label. Longer ones are numbered instead."""


def recipes(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a label for the recipe of each run; repeats share one.

    Args:
        settings: Of each run, by dotted name.

    Returns:
        The recipe's name, followed by what tells it from its namesakes, or by a
        number where that is long.

    Example:
        >>> recipes([{"name": "a", "rate": 0.1}, {"name": "a", "rate": 0.2}])
        ['a, rate=0.1', 'a, rate=0.2']
        >>> recipes([{"name": "a", "augment": kind * 99, "seed": 0} for kind in "xyx"])
        ['a #1', 'a #2', 'a #1']
    """
    names = [str(own.get("name") or "unnamed") for own in settings]
    labels = [""] * len(settings)
    for name in dict.fromkeys(names):
        positions = [at for at, each in enumerate(names) if each == name]
        namesakes = [_without_seeds(settings[at]) for at in positions]
        for at, label in zip(positions, _labels(name, namesakes), strict=True):
            labels[at] = label
    return labels


def _labels(name: str, namesakes: list[dict[str, Any]]) -> list[str]:
    telling = differences({str(at): own for at, own in enumerate(namesakes)})
    texts = [
        ", ".join(f"{key}={own.get(key, formatting.MISSING)}" for key in telling)
        for own in namesakes
    ]
    if max(map(len, texts)) > LONGEST:
        number = {text: at for at, text in enumerate(dict.fromkeys(texts), start=1)}
        return [f"{name} #{number[text]}" for text in texts]
    return [f"{name}, {text}" if text else name for text in texts]


def differences(
    settings: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return each setting that isn't the same everywhere, with its values by run.

    Args:
        settings: Of each run, by dotted name.

    Example:
        >>> differences({"a": {"rate": 0.1, "size": 2}, "b": {"rate": 0.2, "size": 2}})
        {'rate': {'a': 0.1, 'b': 0.2}}
    """
    fields = dict.fromkeys(name for own in settings.values() for name in own)
    found = {}
    for name in fields:
        values = {run: own[name] for run, own in settings.items() if name in own}
        first = next(iter(values.values()))
        same = all(type(v) is type(first) and v == first for v in values.values())
        if len(values) < len(settings) or not same:
            found[name] = values
    return found


def _without_seeds(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that make runs the same recipe."""
    return {
        name: value
        for name, value in settings.items()
        if name.rsplit(".", 1)[-1] != "seed"
    }
