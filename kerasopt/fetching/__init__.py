"""Published datasets and weights: downloaded once, verified, kept in a cache."""

from kerasopt.fetching.download import DownloadError
from kerasopt.fetching.published import Published, Source, UnavailableError, fetch

__all__ = ["DownloadError", "Published", "Source", "UnavailableError", "fetch"]
