"""The look that the figures share: colours, axes, legends, short names and fonts.

Colours are Okabe and Ito's, which people with colour-blindness can tell apart.
Names in any script are drawn with installed fonts that have their characters.
"""

from __future__ import annotations

import functools
import io
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.text import Text

from kerasopt import checks

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
    "labels",
    "undrawable",
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


# DejaVu Sans, which Matplotlib brings along, has it.
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# They would turn the rest of a line around.
_DIRECTIONS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e"
                        "\u2066\u2067\u2068\u2069")  # fmt: skip


class Chart(Figure):
    """A Matplotlib figure that a notebook shows without pyplot.

    Characters that the chosen font lacks are drawn with another installed font.

    Example:
        >>> chart = Chart(figsize=(2, 1))
        >>> chart._repr_png_()[1:4]
        b'PNG'
    """

    def draw(self, renderer: RendererBase) -> None:
        """Draw the figure, with fonts that have its characters."""
        for text in self.findobj(Text):
            if not text.get_text().isascii():
                _choose_fonts(text)
        super().draw(renderer)

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
    length = checks.integer("length", length)
    # A name read from an odd file name can hold half a surrogate pair.
    line = " ".join(str(text).encode("utf-8", "replace").decode("utf-8").split())
    line = "".join(
        each
        for each in line
        if unicodedata.category(each) != "Cc" and each not in _DIRECTIONS
    )
    return line if len(line) <= length else line[: length - 1] + "…"


def labels(names: Sequence[object], length: int = 18) -> list[str]:
    """Return the labels of classes; one that no font can draw is its number.

    Args:
        names: The names of the classes, in their order.
        length: As in `label`.

    Returns:
        One label for each name. The classes count from 0.

    Example:
        >>> labels(["cat", "a\U0010ffff"])
        ['cat', 'class 1']
    """
    checks.instance("names", names, Iterable, "a list of names")
    short = [label(name, length) for name in names]
    return [
        f"class {number}" if undrawable(name) else name
        for number, name in enumerate(short)
    ]


def undrawable(text: str) -> str:
    """Return the characters of a text that no installed font has, in order.

    Args:
        text: The text.

    Returns:
        The characters, each once; empty if every character can be drawn.

    Example:
        >>> undrawable("cat"), undrawable("a\U0010ffff") == "\U0010ffff"
        ('', True)
    """
    checks.instance("text", text, str, "a text")
    if text.isascii():
        return ""
    lacking = _lacking(_default_font(), frozenset(text))
    return "".join(sorted(_fonts_for(lacking)[1])) if lacking else ""


def _choose_fonts(text: Text) -> None:
    """Let a text fall back on installed fonts that have what its own font lacks."""
    own = font_manager.findfont(text.get_fontproperties())
    lacking = _lacking(own, frozenset(text.get_text()))
    if not lacking:
        return
    families, nowhere = _fonts_for(lacking)
    # Once each, also where a figure is drawn several times.
    text.set_fontfamily(list(dict.fromkeys([*text.get_fontfamily(), *families])))
    if nowhere:
        _say_once("".join(sorted(nowhere)))
        kept = (_REPLACEMENT if each in nowhere else each for each in text.get_text())
        text.set_text("".join(kept))


def _default_font() -> str:
    return font_manager.findfont(font_manager.FontProperties())


def _lacking(font: Any, characters: frozenset[str]) -> frozenset[str]:
    """Return the characters that a font has no glyph for; none of a font unread."""
    try:
        opened = font_manager.get_font(font)
    except (OSError, RuntimeError):  # Removed since, or of bitmaps.
        return characters
    return frozenset(
        each
        for each in characters
        if not each.isspace() and not opened.get_char_index(ord(each))
    )


@functools.cache
def _fonts_for(
    characters: frozenset[str],
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return families that have the characters, and the characters without one."""
    families: list[str] = []
    for entry in _entries():
        if entry.name.startswith("Last Resort"):  # Boxes for every character.
            continue
        still = _lacking(entry.fname, characters)
        if still != characters:
            families.append(entry.name)
            characters = still
        if not characters:
            break
    return tuple(families), characters


def _entries() -> Iterator[Any]:
    """Yield the installed fonts, upright sans-serif ones of usual weight first.

    Matplotlib keeps a list of the fonts; those installed later come last.
    """
    manager = font_manager.fontManager
    known = list(manager.ttflist)
    yield from sorted(known, key=_unlike_a_label)
    files = {str(entry.fname) for entry in known}
    for path in sorted(set(font_manager.findSystemFonts()) - files):
        try:
            manager.addfont(path)
        except (OSError, RuntimeError):
            continue
    yield from sorted(manager.ttflist[len(known) :], key=_unlike_a_label)


def _unlike_a_label(entry: Any) -> tuple[Any, ...]:
    is_usual = entry.style == "normal" and entry.weight in (400, "normal", "regular")
    return not is_usual, "sans" not in entry.name.lower(), entry.name


@functools.cache
def _say_once(characters: str) -> None:
    warnings.warn(
        f"No installed font has the characters {characters}: figures show "
        f"{_REPLACEMENT} for them. Install a font that has them, such as Noto Sans.",
        stacklevel=2,
    )


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
