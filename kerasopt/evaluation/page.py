"""What the HTML pages share: templates, figures inside the page, settings as text.

A page loads nothing: style, figures and images lie in it, and it has no script.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from kerasopt import files
from kerasopt.charts import GRID, INK, MUTED, TRAINING, VALIDATION, Chart
from kerasopt.evaluation import formatting

if TYPE_CHECKING:
    import jinja2

__all__ = ["environment", "flat_rows", "inline_svg", "one_line", "write", "yaml_text"]

# Colours that the style sheet turns with the theme.
_THEMED = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    TRAINING: "var(--training)",
    VALIDATION: "var(--validation)",
}


def environment(*packages: str) -> jinja2.Environment:
    """Return what renders the templates of some packages; all text is escaped.

    Args:
        *packages: Packages with a folder ``templates``, searched in this order.

    Returns:
        The environment, with the filters percent, interval, count, duration, number
        and epochs of `kerasopt.evaluation.formatting`, and code, which marks what
        stands between backticks.

    Example:
        >>> template = environment("kerasopt.evaluation").from_string("{{ x }}")
        >>> template.render(x="<b>")
        '&lt;b&gt;'
    """
    # Jinja2 takes a while to load and only this function needs it.
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in packages]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        percent=formatting.percent,
        interval=formatting.interval,
        count=formatting.count,
        duration=formatting.duration,
        number=formatting.number,
        epochs=formatting.epochs,
        code=_marked_code,
    )
    return found


def _marked_code(text: str) -> Any:
    """Return a text whose parts between backticks are marked as code."""
    import markupsafe

    parts = [str(markupsafe.escape(part)) for part in text.split("`")]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return markupsafe.Markup("".join(parts))


def inline_svg(
    figure: Chart, *, prefix: str, text: str, themed: Mapping[str, str] | None = None
) -> Any:
    """Return a figure as SVG that is part of a page and follows its theme.

    Args:
        figure: The figure.
        prefix: What its ids begin with; no two figures of a page may share it.
        text: What it shows, for those who can't see it.
        themed: From a colour of the figure, as ``"#rrggbb"``, to the CSS value that
            takes its place; besides the colours of `kerasopt.charts`.

    Returns:
        Markup that a template doesn't escape.

    Example:
        >>> svg = inline_svg(Chart(figsize=(2, 1)), prefix="empty", text="Nothing.")
        >>> svg[:39]
        Markup('<svg role="img" aria-label="Nothing." v')
    """
    import markupsafe

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", facecolor="none", metadata=nothing, dpi=150)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Inside HTML the parser knows the name spaces; without them the page has not
    # a single address of another machine.
    svg = re.sub(r'\s(?:xmlns(?::xlink)?|version)="[^"]*"', "", svg)
    # The page decides how large a figure is.
    svg = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", svg, count=2)
    for color, variable in {**_THEMED, **(themed or {})}.items():
        svg = svg.replace(color, variable)
    name = markupsafe.escape(text)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)
    return markupsafe.Markup(_numbered_ids(svg, prefix))


def _numbered_ids(svg: str, prefix: str) -> str:
    """Replace Matplotlib's random ids, which differ at every drawing."""
    ids: dict[str, str] = {}
    for found in re.findall(r'\sid="([^"]+)"', svg):
        ids.setdefault(found, f"{prefix}-{len(ids)}")
    return re.sub(
        r'(\sid="|url\(#|href="#)([^")]+)',
        lambda match: match[1] + ids.get(match[2], match[2]),
        svg,
    )


def write(path: str | os.PathLike[str], html: str) -> None:
    """Write a page as a whole or not at all.

    Args:
        path: Where to; its folder is made if need be.
        html: The page's text.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "report.html"
        >>> write(path, "<!doctype html>")
        >>> path.read_text(encoding="utf-8")
        '<!doctype html>'
    """
    # A name read from an odd file name can hold half a surrogate pair, which
    # UTF-8 hasn't.
    files.write_text(path, html.encode("utf-8", "replace").decode("utf-8"))


def yaml_text(settings: Mapping[str, Any]) -> str | None:
    """Return settings as YAML in their own order, None if there are none.

    Args:
        settings: Nested; NumPy values are fine.

    Example:
        >>> print(yaml_text({"model": {"name": "mlp", "units": (64, 32)}}), end="")
        model:
          name: mlp
          units: [64, 32]
    """
    if not settings:
        return None
    return yaml.safe_dump(
        formatting.plain(settings),
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=88,
    )


def flat_rows(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return nested settings as rows of a name and a line of text.

    Args:
        settings: Nested to any depth.

    Example:
        >>> flat_rows({"packages": {"keras": "3.15.1"}, "cpu_cores": 2})
        [('packages · keras', '3.15.1'), ('cpu cores', '2')]
    """
    flat = formatting.flatten(settings)
    return [
        (name.replace(".", " · ").replace("_", " "), one_line(value))
        for name, value in flat.items()
    ]


def one_line(value: Any) -> str:
    """Return a value as a line of text, a dash for None or nothing in a list.

    Args:
        value: A plain or NumPy value, or a list of such.

    Example:
        >>> one_line((32, 64)), one_line(None)
        ('32, 64', '–')
    """
    value = formatting.plain(value)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or formatting.MISSING
    return formatting.MISSING if value is None else str(value)
