"""The version of the package, read by what builds it, too."""

__version__ = "0.2.0.dev0"
