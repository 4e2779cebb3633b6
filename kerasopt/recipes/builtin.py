"""The recipes that come with the package."""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

from kerasopt.names import unknown
from kerasopt.recipes.recipe import Recipe

__all__ = ["load", "names"]


def names() -> list[str]:
    """Return the names of the recipes that come with the package.

    Example:
        >>> "digits" in names()
        True
    """
    files = importlib.resources.files("kerasopt.recipes").iterdir()
    return sorted(Path(f.name).stem for f in files if f.name.endswith(".yaml"))


def load(name: str | os.PathLike[str]) -> Recipe:
    """Load a recipe by name, or from a path that ends in ``.yaml`` or ``.yml``.

    Args:
        name: ``"cifar10"``, or ``"my-recipe.yaml"``.

    Raises:
        ValueError: if there is no such recipe, or it has a mistake.

    Example:
        >>> load("digits").data.name
        'digits'
    """
    text = os.fspath(name)
    if text.endswith((".yaml", ".yml")):
        return Recipe.from_file(text)
    if text not in names():
        raise unknown("recipe", text, [*names(), "PATH.yaml"])
    resource = importlib.resources.files("kerasopt.recipes") / f"{text}.yaml"
    with importlib.resources.as_file(resource) as path:
        return Recipe.from_file(path)
