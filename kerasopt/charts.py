"""The look that the figures share: colours, axes, legends and short names.

Colours are Okabe and Ito's, which people with colour-blindness can tell apart.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "GRID",
    "INK",
    "MUTED",
    "SERIES",
    "TRAINING",
    "VALIDATION",
    "Chart",
    "add_legend",
    "apply_style",
    "label",
]

INK = "#1f2328"
MUTED = "#656d76"
GRID = "#d0d7de"
TRAINING = "#0072b2"
VALIDATION = "#d55e00"
SERIES = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#000000",
)


class Chart(Figure):
    """A Matplotlib figure that a notebook shows without pyplot.

    Example:
        >>> chart = Chart(figsize=(2, 1))
        >>> chart._repr_png_()[1:4]
        b'PNG'
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def label(text: object, length: int = 18) -> str:
    """Return a name as one short line that any font engine can draw.

    Args:
        text: The name.
        length: The most characters; a longer name ends in an ellipsis.

    Returns:
        The shortened name.

    Example:
        >>> label("a rather long class name", 12)
        'a rather lo…'
    """
    # A name read from an odd file name can hold half a surrogate pair.
    line = " ".join(str(text).encode("utf-8", "replace").decode("utf-8").split())
    return line if len(line) <= length else line[: length - 1] + "…"


def apply_style(axes: Axes, *, grid: bool = True) -> None:
    """Give axes the house style, set here because rcParams belong to the caller.

    Args:
        axes: What to style.
        grid: Draw a grid and only the left and lower spine; True by default.
    """
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(not grid or side in ("left", "bottom"))
        spine.set_color(GRID)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=0, which="both")
    axes.xaxis.label.set(color=INK, fontsize=9.5)
    axes.yaxis.label.set(color=INK, fontsize=9.5)
    if grid:
        axes.set_axisbelow(True)
        axes.grid(color=GRID, linewidth=0.6, which="major")


def add_legend(
    axes: Axes, names: Sequence[str], *, handles: Sequence[Any], **options: Any
) -> None:
    """Name the drawn lines; a dollar sign in a name starts no formula.

    Args:
        axes: Where the lines are.
        names: Their names.
        handles: The lines.
        **options: As `matplotlib.axes.Axes.legend`.
    """
    legend = axes.legend(
        handles, names, frameon=False, fontsize=9, labelcolor=INK, **options
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
