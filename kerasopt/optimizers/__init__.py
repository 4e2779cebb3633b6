"""Keras optimizers by name, and the few that Keras lacks.

`get` builds one from a name or a dict, with a schedule and checked arguments.
Keras ignores some arguments that it doesn't have (``decay``) and misses some
names (``lamb``); here an unknown word is always an error that lists the choices.
"""

from kerasopt.optimizers.discriminative import Discriminative
from kerasopt.optimizers.grouped import Grouped
from kerasopt.optimizers.muon import ConvMuon
from kerasopt.optimizers.registry import NO_DECAY, complete, copy, get, names, register
from kerasopt.optimizers.schedule_free import ScheduleFreeAdamW
from kerasopt.optimizers.sgd import CoupledSGD

__all__ = [
    "NO_DECAY",
    "ConvMuon",
    "CoupledSGD",
    "Discriminative",
    "Grouped",
    "ScheduleFreeAdamW",
    "complete",
    "copy",
    "get",
    "names",
    "register",
]
