"""Finding the best settings, and measuring what each one is worth.

The names load on first use: a sweep doesn't need keras-tuner.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasopt.tuning.ablation import Ablation, ablate
    from kerasopt.tuning.advice import Advice, advise_settings
    from kerasopt.tuning.architecture import (
        ArchitectureResult,
        ArchitectureSettings,
        search_architecture,
    )
    from kerasopt.tuning.estimators import KerasOptClassifier, KerasOptRegressor
    from kerasopt.tuning.hypermodel import RecipeHyperModel, build_model
    from kerasopt.tuning.log import trial_log
    from kerasopt.tuning.result import SearchResult
    from kerasopt.tuning.searching import resume, search
    from kerasopt.tuning.settings import SearchSettings
    from kerasopt.tuning.space import default_space
    from kerasopt.tuning.sweeping import sweep

__all__ = [
    "Ablation",
    "Advice",
    "ArchitectureResult",
    "ArchitectureSettings",
    "KerasOptClassifier",
    "KerasOptRegressor",
    "RecipeHyperModel",
    "SearchResult",
    "SearchSettings",
    "ablate",
    "advise_settings",
    "build_model",
    "default_space",
    "resume",
    "search",
    "search_architecture",
    "sweep",
    "trial_log",
]

_MODULES = {
    "Ablation": "ablation",
    "Advice": "advice",
    "ArchitectureResult": "architecture",
    "ArchitectureSettings": "architecture",
    "KerasOptClassifier": "estimators",
    "KerasOptRegressor": "estimators",
    "RecipeHyperModel": "hypermodel",
    "SearchResult": "result",
    "SearchSettings": "settings",
    "ablate": "ablation",
    "advise_settings": "advice",
    "build_model": "hypermodel",
    "default_space": "space",
    "resume": "searching",
    "search": "searching",
    "search_architecture": "architecture",
    "sweep": "sweeping",
    "trial_log": "log",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'kerasopt.tuning' has no attribute {name!r}")
    module = importlib.import_module(f"kerasopt.tuning.{_MODULES[name]}")
    return getattr(module, name)
