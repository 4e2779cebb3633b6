"""Keras callbacks: those of every run, and those that a recipe may name."""

from kerasopt.callbacks.checkpointing import (
    Curves,
    EarlyStopping,
    EpochLog,
    Progress,
    TerminateOnNaN,
    training_continues,
)
from kerasopt.callbacks.freeze import Freeze
from kerasopt.callbacks.gradient_norms import GradientNorms
from kerasopt.callbacks.gradual_unfreezing import GradualUnfreezing
from kerasopt.callbacks.lookahead import Lookahead
from kerasopt.callbacks.progress_callback import ShareCallback
from kerasopt.callbacks.rates import (
    LearningRateMonitor,
    ReduceLROnPlateau,
    check_no_schedule,
)
from kerasopt.callbacks.registry import get, listed, names, register
from kerasopt.callbacks.sharpness import SharpnessAware

__all__ = [
    "Curves",
    "EarlyStopping",
    "EpochLog",
    "Freeze",
    "GradientNorms",
    "GradualUnfreezing",
    "LearningRateMonitor",
    "Lookahead",
    "Progress",
    "ReduceLROnPlateau",
    "ShareCallback",
    "SharpnessAware",
    "TerminateOnNaN",
    "check_no_schedule",
    "get",
    "listed",
    "names",
    "register",
    "training_continues",
]
