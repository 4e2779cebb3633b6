"""kerasopt: Keras recipes for training good models fast, with measured results.

Submodules load on first use, so that ``import kerasopt`` costs milliseconds
and TensorFlow starts only when something needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kerasopt.version import __version__ as __version__

_WITHOUT_KERAS = ("charts", "checks", "data", "names", "scratch")
_SUBMODULES = (
    "augment",
    "callbacks",
    "charts",
    "checks",
    "data",
    "diagnosis",
    "distribute",
    "estimators",
    "evaluation",
    "gradients",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "names",
    "optimizers",
    "recipes",
    "regularizers",
    "schedules",
    "scratch",
    "tasks",
    "training",
    "tuning",
)
_OBJECTS = {
    "Dataset": "kerasopt.data",
    "Run": "kerasopt.training",
    "fit": "kerasopt.training",
    "resume": "kerasopt.recipes",
    "runs": "kerasopt.training",
    "compare": "kerasopt.evaluation",
}

if TYPE_CHECKING:
    from kerasopt import augment as augment
    from kerasopt import callbacks as callbacks
    from kerasopt import charts as charts
    from kerasopt import checks as checks
    from kerasopt import data as data
    from kerasopt import diagnosis as diagnosis
    from kerasopt import distribute as distribute
    from kerasopt import estimators as estimators
    from kerasopt import evaluation as evaluation
    from kerasopt import gradients as gradients
    from kerasopt import initializers as initializers
    from kerasopt import layers as layers
    from kerasopt import losses as losses
    from kerasopt import metrics as metrics
    from kerasopt import models as models
    from kerasopt import names as names
    from kerasopt import optimizers as optimizers
    from kerasopt import recipes as recipes
    from kerasopt import regularizers as regularizers
    from kerasopt import schedules as schedules
    from kerasopt import scratch as scratch
    from kerasopt import tasks as tasks
    from kerasopt import training as training
    from kerasopt import tuning as tuning
    from kerasopt.data import Dataset as Dataset
    from kerasopt.evaluation import compare as compare
    from kerasopt.recipes import resume as resume
    from kerasopt.training import Run as Run
    from kerasopt.training import fit as fit
    from kerasopt.training import runs as runs


def __getattr__(name: str) -> Any:
    if name not in _SUBMODULES and name not in _OBJECTS:
        raise AttributeError(f"module 'kerasopt' has no attribute {name!r}")
    from kerasopt import allocator, requirements

    if name not in _WITHOUT_KERAS:
        requirements.check_backend()
        allocator.keep_freed_memory()
    try:
        if name in _SUBMODULES:
            return importlib.import_module(f"kerasopt.{name}")
        return getattr(importlib.import_module(_OBJECTS[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        raise ImportError(
            "kerasopt needs TensorFlow for this, one of the extras cpu, gpu and tpu: "
            f"{requirements.install('cpu')}."
        ) from None


def __dir__() -> list[str]:
    return sorted(["__version__", *_SUBMODULES, *_OBJECTS])
