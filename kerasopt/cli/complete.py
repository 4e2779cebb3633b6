"""What a shell offers after the Tab key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["changes", "datasets", "recipes", "words"]


def words(*choices: str) -> Callable[[str], list[str]]:
    """Return a completion of a few words.

    Args:
        *choices: The words.

    Example:
        >>> words("random", "grid")("r")
        ['random']
    """

    def complete(incomplete: str) -> list[str]:
        return [word for word in choices if word.startswith(incomplete)]

    return complete


def recipes(incomplete: str) -> list[str]:
    """Complete the name of a recipe, or the path of a YAML file.

    Args:
        incomplete: What was typed.

    Example:
        >>> recipes("dig")
        ['digits']
    """
    from kerasopt.recipes.builtin import names

    return words(*names())(incomplete) + _files(incomplete, (".yaml", ".yml"))


def datasets(incomplete: str) -> list[str]:
    """Complete the name of a published dataset.

    Args:
        incomplete: What was typed.

    Example:
        >>> datasets("dig")
        ['digits']
    """
    from kerasopt import data

    return words(*data.available())(incomplete)


def changes(incomplete: str) -> list[str]:
    """Complete a field of all recipes, up to its ``=``.

    Args:
        incomplete: What was typed.

    Example:
        >>> changes("training.pa")
        ['training.patience=']
    """
    from kerasopt.recipes.fields import names

    return words(*(f"{name}=" for name in names()))(incomplete)


def _files(incomplete: str, endings: tuple[str, ...]) -> list[str]:
    """Return the files and folders that a path begins."""
    folder, _, start = incomplete.rpartition("/")
    place = Path(folder or ("/" if incomplete.startswith("/") else "."))
    try:
        found = sorted(path for path in place.iterdir() if path.name.startswith(start))
    except OSError:
        return []
    prefix = incomplete[: len(incomplete) - len(start)]
    return [
        f"{prefix}{path.name}{'/' if path.is_dir() else ''}"
        for path in found
        if path.suffix in endings or (path.is_dir() and start)
    ]
