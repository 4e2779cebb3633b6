"""The drawing of confusion matrices, from two classes to hundreds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.ticker import PercentFormatter

from kerasopt.charts import GRID, INK, MUTED, Chart, apply_style, labels

__all__ = ["CLEAR_TO_BLUE", "confusion"]

# Clear at 0, so that the page's background, light or dark, is the zero colour, and
# dark enough at 1 for white numbers in both themes.
CLEAR_TO_BLUE = LinearSegmentedColormap.from_list(
    "clear_to_blue", [(0.0, 0.42, 0.67, 0.0), (0.0, 0.42, 0.67, 1.0)]
)
_MAX_CLASSES_WITH_SHARES = 12
_MAX_CLASSES_WITH_COUNTS = 25
_MAX_TICKS = 50


def confusion(
    matrix: pd.DataFrame | np.ndarray, *, class_names: Sequence[str] | None = None
) -> Chart:
    """Draw a confusion matrix, coloured by the share of each true class.

    Up to 12 classes each cell has its count and its share of the row, up to 25 its
    count; beyond that the colour alone speaks. The colour grows with the square root
    of the share, which lets rare mistakes be seen.

    Args:
        matrix: Counts, shape (k, k), true classes down, predicted across.
        class_names: The k names; the default is the table's own, or numbers.

    Returns:
        The figure.

    Raises:
        ValueError: if the matrix isn't square or the names don't fit it.

    Example:
        >>> figure = confusion(np.array([[9, 1], [2, 8]]), class_names=["cat", "dog"])
        >>> figure.axes[0].get_xlabel()
        'Predicted class'
    """
    counts, names = _checked_confusion(matrix, class_names)
    size = len(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = float(np.clip(2.6 + 0.56 * size, 4.2, 9.0))
    figure = Chart(figsize=(side + 0.9, side), layout="constrained")
    axes = figure.subplots()
    norm = PowerNorm(0.5, vmin=0, vmax=1)
    if size <= _MAX_CLASSES_WITH_COUNTS:
        drawn: Any = axes.pcolormesh(
            shares, cmap=CLEAR_TO_BLUE, norm=norm, edgecolors=GRID, linewidth=0.5
        )
        _write_cells(axes, counts, shares)
    else:
        drawn = axes.imshow(
            shares, cmap=CLEAR_TO_BLUE, norm=norm, extent=(0, size, size, 0),
            interpolation="nearest",
        )  # fmt: skip
    axes.set(xlim=(0, size), ylim=(size, 0), aspect="equal")
    apply_style(axes, grid=False)
    _label_classes(axes, names)
    bar = figure.colorbar(
        drawn, ax=axes, shrink=0.6, aspect=28, pad=0.02, ticks=[0, 0.05, 0.25, 0.5, 1]
    )
    bar.ax.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0, symbol=" %"))
    bar.ax.tick_params(colors=MUTED, labelsize=8, length=0)
    bar.set_label("Share of the true class", color=INK, fontsize=9)
    bar.ax.set_facecolor("none")
    bar.outline.set_edgecolor(GRID)
    return figure


def _checked_confusion(
    matrix: pd.DataFrame | np.ndarray, class_names: Sequence[str] | None
) -> tuple[np.ndarray, list[str]]:
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(
            f"A confusion matrix has the shape (k, k); given: {counts.shape}."
        )
    if class_names is None:
        own = matrix.columns if isinstance(matrix, pd.DataFrame) else range(len(counts))
        class_names = [str(name) for name in own]
    if len(class_names) != len(counts):
        raise ValueError(
            f"The matrix has {len(counts)} classes but class_names has "
            f"{len(class_names)} names; give one for each."
        )
    return counts, labels(class_names)


def _write_cells(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    with_shares = len(counts) <= _MAX_CLASSES_WITH_SHARES
    for (row, column), count in np.ndenumerate(counts):
        if not count:
            continue
        share = shares[row, column]
        # White is readable on the darkest cells only; elsewhere the ink follows
        # the page's light or dark theme.
        color = "#ffffff" if share > 0.55 else INK
        at: dict[str, Any] = {"ha": "center", "color": color, "clip_on": True}
        middle = (column + 0.5, row + 0.5)
        if with_shares:
            axes.annotate(f"{count:,}", middle, xytext=(0, 0.5), fontsize=8.5,
                          textcoords="offset points", va="bottom", **at)  # fmt: skip
            axes.annotate(f"{100 * share:.1f} %", middle, xytext=(0, -1.5), fontsize=7,
                          textcoords="offset points", va="top", **at)  # fmt: skip
        else:
            axes.text(*middle, f"{count}", fontsize=6, va="center", **at)


def _label_classes(axes: Axes, names: Sequence[str]) -> None:
    step = math.ceil(len(names) / _MAX_TICKS)
    at = np.arange(0, len(names), step) + 0.5
    shown = list(names)[::step]
    long = max(map(len, shown)) > 4 or len(shown) > 25
    axes.set_yticks(at, shown, parse_math=False)
    axes.set_xticks(
        at, shown, parse_math=False, rotation_mode="anchor",
        rotation=(90 if len(shown) > 25 else 40) if long else 0,
        ha="right" if long else "center",
        va="center" if len(shown) > 25 else "top",
    )  # fmt: skip
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    if len(shown) > 25:
        axes.tick_params(labelsize=6)
