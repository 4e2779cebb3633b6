"""Keras callbacks: those of every run, and those that a recipe may name."""

from kerasopt.callbacks.catalog import get, register
from kerasopt.callbacks.freeze import Freeze
from kerasopt.callbacks.keeping import (
    Checkpoint,
    EpochLog,
    Progress,
    ResumableEarlyStopping,
)
from kerasopt.callbacks.lookahead import Lookahead
from kerasopt.callbacks.share import ShareCallback

__all__ = [
    "Checkpoint",
    "EpochLog",
    "Freeze",
    "Lookahead",
    "Progress",
    "ResumableEarlyStopping",
    "ShareCallback",
    "get",
    "register",
]
