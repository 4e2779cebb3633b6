"""Learning-rate schedules: Keras's own by short names, and those that it lacks.

Keras counts a schedule in optimizer steps. All factories here take their lengths in
steps or in epochs with ``steps_per_epoch``; `kerasopt.fit` and recipes fill both in
from the data. `plot` draws them. What the loss drives is no schedule but a callback:
`kerasopt.callbacks.ReduceLROnPlateau`.
"""

from kerasopt.schedules.cycles import (
    CosineCycle,
    Cyclical,
    OneCycle,
    cosine_cycle,
    cyclical,
    one_cycle,
)
from kerasopt.schedules.decays import (
    constant,
    cosine,
    cosine_restarts,
    exponential,
    inverse_time,
    piecewise,
    polynomial,
)
from kerasopt.schedules.inspection import optimizers_in, scheduled
from kerasopt.schedules.plotting import plot, rates
from kerasopt.schedules.registry import complete, get, names, register, warmup
from kerasopt.schedules.warmup import Warmup

__all__ = [
    "CosineCycle",
    "Cyclical",
    "OneCycle",
    "Warmup",
    "complete",
    "constant",
    "cosine",
    "cosine_cycle",
    "cosine_restarts",
    "cyclical",
    "exponential",
    "get",
    "inverse_time",
    "names",
    "one_cycle",
    "optimizers_in",
    "piecewise",
    "plot",
    "polynomial",
    "rates",
    "register",
    "scheduled",
    "warmup",
]
