"""First-order optimizers in NumPy: each one's formula in a screenful.

Every optimizer has ``step(theta, gradient)``, which returns the new parameters;
`minimize` takes the steps and keeps the path.
"""

from kerasopt.scratch.optimizers.adam import Adam, Adamax, AdamW, Lamb, Nadam
from kerasopt.scratch.optimizers.adaptive import AdaDelta, AdaGrad, RMSProp
from kerasopt.scratch.optimizers.base import Optimizer
from kerasopt.scratch.optimizers.descend import minimize
from kerasopt.scratch.optimizers.modern import Adafactor, Ftrl, Lion, ScheduleFreeAdamW
from kerasopt.scratch.optimizers.momentum import GradientDescent, Momentum, Nesterov
from kerasopt.scratch.optimizers.muon import Muon, newton_schulz
from kerasopt.scratch.optimizers.wrappers import SAM, Lookahead

__all__ = [
    "SAM",
    "AdaDelta",
    "AdaGrad",
    "Adafactor",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "GradientDescent",
    "Lamb",
    "Lion",
    "Lookahead",
    "Momentum",
    "Muon",
    "Nadam",
    "Nesterov",
    "Optimizer",
    "RMSProp",
    "ScheduleFreeAdamW",
    "minimize",
    "newton_schulz",
]
