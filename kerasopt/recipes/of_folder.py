"""A recipe for a folder of pictures, so that nobody has to write one first."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from kerasopt.data import layouts
from kerasopt.recipes import from_scratch, transferring
from kerasopt.recipes.recipe import Recipe

__all__ = ["of_folder"]

SIDE, SIDE_FROM_SCRATCH = 192, 64
"""Pictures are read at this height and width, in pixels."""

TEST, VALIDATION = 0.2, 0.1
"""Shares of the pictures, where there are no folders of them."""


def of_folder(folder: str | os.PathLike[str]) -> Recipe:
    """Return a recipe that trains on a folder of pictures.

    Up to 20,000 pictures fine-tune EfficientNet-Lite0. Its ImageNet weights are fetched
    unless they are cached. With more pictures, or without the weights, a network is
    trained from scratch. The recipe's description says which, and why.

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
            layout = layouts.find_layout(path)
    except ValueError as error:
        raise ValueError(
            f"'{path}' is neither a recipe nor a folder of pictures by class: {error}"
        ) from None
    has_test = "test" in layout.folders
    count = sum(1 for _ in _pictures(layout))
    why_not = transferring.why_not(count)
    share = 1 if has_test else 1 - TEST
    validation = round(count * share * VALIDATION)
    if "validation" in layout.folders:
        validation = 0
    samples = round(count * share) - validation
    if why_not is None:
        settings = transferring.settings(samples, validation)
        how = (
            "the last layers of EfficientNet-Lite0, pretrained on ImageNet, and a head"
        )
    else:
        settings = from_scratch.settings(samples, side=SIDE_FROM_SCRATCH)
        how = f"a network from scratch, since {why_not}"
    side = SIDE_FROM_SCRATCH if why_not else SIDE
    data = {"name": "directory", "path": str(path), "image_size": [side, side]}
    # Runs are named after their recipe.
    name = re.sub(r"[^\w.-]+", "-", path.resolve().name).strip("-.") or "pictures"
    return Recipe(
        {
            "name": name,
            "description": f"For the {count:,} pictures in '{path}': {how}.",
            "data": data if has_test else {**data, "test": TEST},
            **settings,
        }
    )


def _pictures(layout: layouts.Layout) -> Iterator[Path]:
    """Yield the training pictures, those that are cut from them included."""
    for name in layout.classes:
        yield from layouts.list_images(layout.folders["train"] / name)
