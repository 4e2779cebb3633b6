"""How the tests of the reports read a page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

__all__ = ["HOSTILE", "Page", "laid_out"]

HOSTILE = "<script>alert(1)</script>\"'&--><b>"


class Page(HTMLParser):
    """A strict reader: every tag must be closed, in order."""

    void = frozenset({"meta", "img", "br", "hr", "link", "input"})

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute twice: {tag} {attrs}"
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"unexpected </{tag}>"

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        """The readable text with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of that name."""
        return [attributes for name, attributes in self.tags if name == tag]


_MEASURE = """
<pre id="sizes"></pre><script>
const wide = [...document.querySelectorAll("main *")].filter((each) => {
  if (each.closest("svg") && each.tagName.toLowerCase() !== "svg") return false;
  for (let box = each.parentElement; box; box = box.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return false;
  return each.getBoundingClientRect().right > innerWidth + 0.5;
});
const bars = [...document.querySelectorAll("td.share")].map((cell) => {
  const style = getComputedStyle(cell), box = cell.getBoundingClientRect();
  return {clip: style.backgroundClip, padding: parseFloat(style.paddingRight),
          text: cell.scrollWidth - cell.clientWidth};
});
document.getElementById("sizes").textContent = JSON.stringify({
  width: innerWidth, page: document.documentElement.scrollWidth, bars: bars,
  outside: wide.map((each) => each.tagName + " " + each.className)});
</script>
"""


def laid_out(html: str, folder: Path, *, width: int) -> dict[str, Any]:
    """Return how Chromium lays a page out; the test is skipped without a Chromium.

    Args:
        html: The page.
        folder: Where files may be written.
        width: Of the window in pixels.

    Returns:
        width, page: of the window and of the whole page in pixels;
        outside: elements right of the window that no box of their own scrolls;
        bars: of each share cell how its bar is clipped, and how far its text runs out.
    """
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None:
        pytest.skip("needs Chromium")
    # The page itself allows no script.
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    inner, outer = folder / "page.html", folder / "frame.html"
    inner.write_text(free.replace("</body>", _MEASURE + "</body>"), encoding="utf-8")
    # A window of Chromium is at least 500 pixels wide, a frame isn't.
    outer.write_text(
        f'<iframe src="page.html" width="{width}" height="900" style="border:0" '
        'onload="document.title = this.contentDocument.getElementById('
        "'sizes').textContent\"></iframe>",
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            "--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}",
            outer.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stderr[-500:]
    return json.loads(unescape(title[1]))
