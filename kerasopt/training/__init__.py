"""Training: from a model and a dataset to a `Run`. The only place that fits.

The names load on first use: a recipe's settings can be read without TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kerasopt.allocator import keep_freed_memory
from kerasopt.requirements import check_backend

if TYPE_CHECKING:
    from kerasopt.training.directories import runs
    from kerasopt.training.fitting import fit
    from kerasopt.training.run import Run
    from kerasopt.training.second_order import LBFGSResult, fit_lbfgs
    from kerasopt.training.session import DivergedError
    from kerasopt.training.spec import TrainingSettings
    from kerasopt.training.trainer import Trainer

__all__ = [
    "DivergedError",
    "LBFGSResult",
    "Run",
    "Trainer",
    "TrainingSettings",
    "fit",
    "fit_lbfgs",
    "runs",
]

_MODULES = {
    "DivergedError": "session",
    "LBFGSResult": "second_order",
    "Run": "run",
    "TrainingSettings": "spec",
    "Trainer": "trainer",
    "fit": "fitting",
    "fit_lbfgs": "second_order",
    "runs": "directories",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'kerasopt.training' has no attribute {name!r}")
    check_backend()
    keep_freed_memory()
    module = importlib.import_module(f"kerasopt.training.{_MODULES[name]}")
    return getattr(module, name)
