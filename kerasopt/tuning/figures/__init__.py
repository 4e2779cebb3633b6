"""Figures of a search, an ablation and the trade between cost and quality.

Each takes a table with one row a trial and returns a `kerasopt.charts.Chart`.
"""

from kerasopt.tuning.figures.forest import forest
from kerasopt.tuning.figures.history import best_so_far
from kerasopt.tuning.figures.importance import plot_importance
from kerasopt.tuning.figures.parallel import parallel_coordinates
from kerasopt.tuning.figures.pareto import pareto, pareto_front

__all__ = [
    "best_so_far",
    "forest",
    "parallel_coordinates",
    "pareto",
    "pareto_front",
    "plot_importance",
]
