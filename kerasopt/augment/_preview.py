"""What an augmentation does to pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasopt import checks
from kerasopt.augment._batches import apply
from kerasopt.augment._registry import get, split_standardization

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["preview"]


def preview(
    augmentation: Any,
    images: Any,
    *,
    columns: int = 8,
    rows: int = 3,
    seed: int = 0,
) -> Figure:
    """Draw images above augmented versions of themselves.

    Args:
        augmentation: What `kerasopt.augment.get` takes, a list too. A standardisation
            at its end isn't drawn.
        images: Batch (batch, height, width, channels) of 1, 3 or 4 channels,
            uint8 or float; the first `columns` are shown.
        columns: Number of images.
        rows: Number of augmented versions of each.
        seed: Row `r` is drawn with the seed pair ``(seed, r)``, as epoch `r`.

    Returns:
        A Matplotlib figure, which a notebook shows by itself; save it with
        ``figure.savefig(path)``.

    Raises:
        ValueError: if there are no images, they aren't a batch of pictures, or `get`
            refuses the augmentation.

    Example:
        >>> from kerasopt.augment import Affine
        >>> images = np.zeros((5, 8, 8, 3), "uint8")
        >>> len(preview(Affine(rotation_range=20), images, rows=2).axes)
        15
    """
    from kerasopt.charts import Chart

    originals = np.asarray(images)
    if (
        originals.dtype.kind not in "buif"
        or originals.ndim != 4
        or not len(originals)
        or originals.shape[-1] not in (1, 3, 4)
    ):
        raise ValueError(
            "preview needs at least one image, as (batch, height, width, channels) "
            f"with 1, 3 or 4 channels; given: shape {originals.shape}, dtype "
            f"{originals.dtype}."
        )
    columns, rows = checks.integer("columns", columns), checks.integer("rows", rows)
    seed = checks.integer("seed", seed, least=0)
    augmentation, _ = split_standardization(get(augmentation))
    originals = originals[:columns]
    # A uint8 image and its float32 version share one scale.
    bright = 255 if originals.dtype == np.uint8 or originals.max() > 1 else 1
    versions = [
        np.asarray(
            apply(
                augmentation,
                originals,
                (seed, row),
                rows=np.arange(len(originals)),
                epoch=row,
                run_seed=seed,
                value_range=(0, bright),
            )
        )
        for row in range(rows)
    ]
    figure = Chart(figsize=(len(originals), rows + 1), layout="constrained")
    grid = figure.subplots(rows + 1, len(originals), squeeze=False)
    for label, row_axes, batch in zip(
        ["original", *[""] * rows], grid, [originals, *versions], strict=True
    ):
        for axes, image in zip(row_axes, batch, strict=True):
            shown = np.clip(image.astype("float32") / bright, 0, 1)
            shown = shown[..., 0] if shown.shape[-1] == 1 else shown
            axes.imshow(shown, cmap="gray", vmin=0, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
        row_axes[0].set_ylabel(label)
    return figure
