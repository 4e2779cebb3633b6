"""Finding the best settings, and measuring what each one is worth.

The names load on first use: a sweep doesn't need keras-tuner.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasopt.estimators import KerasOptClassifier, KerasOptRegressor
    from kerasopt.tuning.ablations.ablation import Ablation, ablate
    from kerasopt.tuning.advising.advice import Advice, advise_settings
    from kerasopt.tuning.architectures.search import (
        ArchitectureResult,
        ArchitectureSettings,
        search_architecture,
    )
    from kerasopt.tuning.fields import default_space
    from kerasopt.tuning.hypermodel import RecipeHyperModel, build_model
    from kerasopt.tuning.log import trial_log
    from kerasopt.tuning.searches.result import SearchResult
    from kerasopt.tuning.searches.search import resume, search
    from kerasopt.tuning.searches.settings import SearchSettings
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
    "Ablation": ".ablations.ablation",
    "Advice": ".advising.advice",
    "ArchitectureResult": ".architectures.search",
    "ArchitectureSettings": ".architectures.search",
    "KerasOptClassifier": "kerasopt.estimators",
    "KerasOptRegressor": "kerasopt.estimators",
    "RecipeHyperModel": ".hypermodel",
    "SearchResult": ".searches.result",
    "SearchSettings": ".searches.settings",
    "ablate": ".ablations.ablation",
    "advise_settings": ".advising.advice",
    "build_model": ".hypermodel",
    "default_space": ".fields",
    "resume": ".searches.search",
    "search": ".searches.search",
    "search_architecture": ".architectures.search",
    "sweep": ".sweeping",
    "trial_log": ".log",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'kerasopt.tuning' has no attribute {name!r}")
    module = importlib.import_module(_MODULES[name], "kerasopt.tuning")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
