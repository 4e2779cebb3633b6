"""Wheels from the package index that pip is set up for, without installing them.

The index is asked by the simple repository API, as HTML (PEP 503) or JSON (PEP 691).
"""

from __future__ import annotations

import ast
import html.parser
import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kerasopt.fetching.download import DownloadError, Page, read_limited, read_page

__all__ = ["PipSettings", "links", "pip_settings", "project", "read_wheel"]

_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)
_PAGE_BYTES = 2**26
_PIP_SECONDS = 60.0
_DEFAULT_INDEX = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
_SECTIONS = (":env:", "download", "install", "global")
"""Of pip's settings, the one that wins first."""


@dataclass(frozen=True, kw_only=True)
class PipSettings:
    """Where pip looks for packages.

    Attributes:
        indexes: Addresses of indexes, the first one first.
        find_links: Folders, or pages with links.
        cert: File of certificates that the servers' must come from; None for the
            system's.
    """

    indexes: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    cert: str | None = None


def read_wheel(file: str, *, settings: PipSettings | None = None) -> bytes:
    """Get a wheel by its file name.

    Args:
        file: Its name, which has project and version.
        settings: Where to look; by default where pip would.

    Returns:
        The bytes. Nothing is installed, and nothing of it is run.

    Raises:
        DownloadError: if no index delivers it; the message has each one's reason.

    Example:
        >>> read_wheel("toy-1.0-py3-none-any.whl", settings=PipSettings())
        Traceback (most recent call last):
        ...
        kerasopt.fetching.download.DownloadError: pip has no index: set PIP_INDEX_URL
    """
    name = project(file)
    settings = settings or pip_settings()
    pages = [
        *(index.rstrip("/") + f"/{name}/" for index in settings.indexes),
        *settings.find_links,
    ]
    if not pages:
        raise DownloadError("pip has no index: set PIP_INDEX_URL")
    failures = []
    for page in pages:
        try:
            return _from_page(page, file, settings.cert)
        except (OSError, ValueError) as error:
            failures.append(f"{_without_password(page)}: {error}")
    raise DownloadError("; ".join(failures))


def project(file: str) -> str:
    """Return the name under which an index lists a wheel (PEP 503).

    Args:
        file: The wheel's file name.

    Raises:
        DownloadError: if it isn't one.

    Example:
        >>> project("My_toy-1.0-py3-none-any.whl")
        'my-toy'
    """
    found = re.fullmatch(r"([A-Za-z0-9._]+)-[^-/]+(-[^-/]+){3,4}\.whl", file)
    if found is None:
        raise DownloadError(f"{file!r} isn't the name of a wheel")
    return re.sub(r"[-_.]+", "-", found[1]).lower()


def pip_settings() -> PipSettings:
    """Return where pip looks: its files, its environment variables, its default.

    Where pip isn't installed, ``PIP_INDEX_URL``, ``PIP_EXTRA_INDEX_URL``,
    ``PIP_FIND_LINKS`` and ``PIP_CERT`` count alone.

    Example:
        >>> isinstance(pip_settings(), PipSettings)
        True
    """
    found = _configured()

    def values(key: str) -> list[str]:
        return found.get(key, "").split()

    indexes = [*values("index-url"), *values("extra-index-url")]
    if not values("index-url"):
        indexes[:0] = _pip("-c", _DEFAULT_INDEX).split()
    if found.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        indexes = []
    return PipSettings(
        indexes=tuple(indexes),
        find_links=tuple(values("find-links")),
        cert=found.get("cert") or None,
    )


def _configured() -> Mapping[str, str]:
    """Return pip's settings by name, those of its environment variables first."""
    lines = _pip("-m", "pip", "config", "list").splitlines()
    split = [line.partition("=") for line in lines]
    listed = {key: _unquoted(value) for key, _, value in split}
    for key in ("index-url", "extra-index-url", "find-links", "cert", "no-index"):
        variable = os.environ.get("PIP_" + key.upper().replace("-", "_"))
        if variable is not None:
            listed.setdefault(f":env:.{key}", variable)
    settings: dict[str, str] = {}
    for section in _SECTIONS:
        for key, value in listed.items():
            if key.startswith(f"{section}."):
                settings.setdefault(key.removeprefix(f"{section}."), value)
    return settings


def _unquoted(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value


def _pip(*words: str) -> str:
    """Return what a Python process with pip prints; nothing if it fails."""
    try:
        done = subprocess.run(
            [sys.executable, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PIP_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _from_page(page: str, file: str, cert: str | None) -> bytes:
    folder = _local(page)
    if folder is not None and (folder / file).is_file():
        return read_limited(folder / file)
    if folder is not None:
        content = read_limited(folder / "index.html", limit=_PAGE_BYTES)
        listing = Page(content, "text/html", folder.absolute().as_uri() + "/")
    else:
        listing = read_page(page, limit=_PAGE_BYTES, accept=_ACCEPT, cafile=cert)
    url = links(listing).get(file)
    if url is None:
        raise DownloadError(f"it has no {file}")
    local = _local(url)
    if local is not None:
        return read_limited(local)
    return read_page(_with_password(url, page), cafile=cert).data


def _local(place: str) -> Path | None:
    """Return the path of a ``file:`` address or of a plain path, else None."""
    parts = urllib.parse.urlsplit(place)
    if parts.scheme in ("http", "https"):
        return None
    if parts.scheme == "file":
        return Path(urllib.request.url2pathname(parts.path))
    return Path(place).expanduser()


def links(page: Page) -> dict[str, str]:
    """Return the addresses of the files on a page of an index, by file name.

    Args:
        page: The page; JSON if its type says so, else HTML.

    Raises:
        DownloadError: if it can't be read.

    Example:
        >>> html = b'<a href="../b/toy-1.0-py3-none-any.whl#sha256=0">toy</a>'
        >>> links(Page(html, "text/html", "https://a.example/simple/toy/"))
        {'toy-1.0-py3-none-any.whl': 'https://a.example/simple/b/toy-1.0-py3-none-any.whl'}
    """
    addresses = _in_json if "json" in page.kind else _in_html
    found = {}
    for address in addresses(page):
        try:
            url = urllib.parse.urljoin(page.url, address)
            parts = urllib.parse.urlsplit(url)
        except ValueError:  # Of an address that isn't one.
            continue
        name = urllib.parse.unquote(parts.path.rsplit("/", 1)[-1])
        found[name] = parts._replace(fragment="").geturl()
    return found


def _in_json(page: Page) -> Iterator[str]:
    try:
        entries = json.loads(page.data)["files"]
        yield from [str(entry["url"]) for entry in entries]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise DownloadError(f"its list of files can't be read ({error!r})") from error


def _in_html(page: Page) -> Iterator[str]:
    reader = _Links()
    reader.feed(page.data.decode("utf-8", "replace"))
    base = reader.base or ""
    yield from (urllib.parse.urljoin(base, address) for address in reader.found)


class _Links(html.parser.HTMLParser):
    """Collects the targets of the links on a page, and its base address."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.base: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.found.append(target)
        elif tag == "base":
            self.base = self.base or target


def _with_password(url: str, index: str) -> str:
    """Return a file's address with the index's user and password, on its host alone."""
    file, page = urllib.parse.urlsplit(url), urllib.parse.urlsplit(index)
    user, at, host = page.netloc.rpartition("@")
    if at and file.netloc == host and file.scheme == page.scheme:
        return file._replace(netloc=f"{user}@{host}").geturl()
    return url


def _without_password(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
