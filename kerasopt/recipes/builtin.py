"""The recipes that come with the package."""

from __future__ import annotations

import importlib.resources
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasopt.checks import ArgumentTypeError, shown
from kerasopt.data import layouts
from kerasopt.names import unknown
from kerasopt.recipes.recipe import Recipe

__all__ = ["get", "load", "names"]


def names() -> list[str]:
    """Return the names of the recipes that come with the package.

    Example:
        >>> "digits" in names()
        True
    """
    files = importlib.resources.files("kerasopt.recipes").iterdir()
    return sorted(Path(f.name).stem for f in files if f.name.endswith(".yaml"))


def load(name: str | os.PathLike[str]) -> Recipe:
    """Load a recipe by name or path, or make one for a folder of pictures.

    Args:
        name: ``"cifar10"``; a file that ends in ``.yaml`` or ``.yml``, such as
            ``"my-recipe.yaml"``; or a folder with one subfolder of pictures for each
            class, such as ``"photos"``.

    Raises:
        ValueError: if there is no such recipe, or it has a mistake.

    Example:
        >>> load("digits").data.name
        'digits'
    """
    if not isinstance(name, str | os.PathLike):
        raise ArgumentTypeError(
            f"name must be the name of a recipe or a path; given: {shown(name)}."
        )
    text = os.fspath(name)
    if text.endswith((".yaml", ".yml")):
        return Recipe.from_file(text)
    recipe = _packaged(text) if text in names() else None
    # A folder "photos" is what the recipe photos reads anyway. Its own recipe counts
    # its pictures.
    if os.path.isdir(text) and (recipe is None or recipe.data.path == text):
        from kerasopt.recipes.of_folder import of_folder

        return of_folder(text)
    if recipe is None:
        raise unknown("recipe", text, [*names(), "PATH.yaml", "FOLDER of pictures"])
    if os.path.isdir(text) and _has_pictures(text):
        warnings.warn(
            f"{text!r} is the recipe of this name. For the folder: ./{text}",
            UserWarning,
            stacklevel=2,
        )
    return recipe


def _has_pictures(folder: str) -> bool:
    """Say whether a folder could be trained on; that of runs, say, can't."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            layouts.find_layout(Path(folder))
        except ValueError:
            return False
    return True


def _packaged(name: str) -> Recipe:
    resource = importlib.resources.files("kerasopt.recipes") / f"{name}.yaml"
    with importlib.resources.as_file(resource) as path:
        return Recipe.from_file(path)


def get(spec: str | os.PathLike[str] | Mapping[str, Any] | Recipe) -> Recipe:
    """Return the recipe that a name, a path or the fields of one stand for.

    Args:
        spec: What `load` takes, the fields as a dict, or a recipe, returned as it is.

    Raises:
        ValueError: if there is no such recipe, or it has a mistake.

    Example:
        >>> get({"name": "mine", "data": {"name": "digits"}, "model": {"name": "mlp"}})
        Recipe('mine')
    """
    if isinstance(spec, Recipe):
        return spec
    return Recipe(spec) if isinstance(spec, Mapping) else load(spec)
