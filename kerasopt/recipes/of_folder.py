"""A recipe for a folder of pictures, so that nobody has to write one first."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

from kerasopt.data import layouts
from kerasopt.recipes.recipe import Recipe

__all__ = ["SETTINGS", "of_folder"]

SETTINGS: dict[str, Any] = {
    "augment": {"name": "affine", "rotation_range": 10, "horizontal_flip": True},
    "model": {
        "name": "cnn",
        "filters": [32, 64, 128],
        "global_pool": "average",
        "batch_norm": True,
    },
    "optimizer": {
        "name": "adam",
        "learning_rate": {"name": "one_cycle", "max_learning_rate": 0.004},
    },
    "training": {"epochs": 60, "batch_size": 32},
}
"""What docs/core.md measures on few pictures, and the README shows."""

IMAGE_SIZE = [64, 64]
TEST = 0.2


def of_folder(folder: str | os.PathLike[str]) -> Recipe:
    """Return a recipe that trains on a folder of pictures.

    Args:
        folder: One subfolder for each class, or train, test and validation folders
            of these. Without a test folder a fifth of the pictures is kept for it.

    Raises:
        ValueError: if the folder is a run's, or isn't one of pictures by class.
    """
    path = Path(folder)
    if (path / "recipe.yaml").is_file():
        raise ValueError(
            f"'{path}' is the folder of a run. Give its recipe, "
            f"'{path / 'recipe.yaml'}', or resume the run with "
            f"kerasopt train --resume {path}."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Loading the data says the same.
            has_test = "test" in layouts.find_layout(path).folders
    except ValueError as error:
        raise ValueError(
            f"'{path}' is neither a recipe nor a folder of pictures by class: {error}"
        ) from None
    data = {"name": "directory", "path": str(path), "image_size": IMAGE_SIZE}
    # Runs are named after their recipe.
    name = re.sub(r"[^\w.-]+", "-", path.resolve().name).strip("-.") or "pictures"
    return Recipe(
        {
            "name": name,
            "description": f"Made for the pictures in '{path}'.",
            "data": data if has_test else {**data, "test": TEST},
            **SETTINGS,
        }
    )
