"""Comparing settings of a recipe."""

from kerasopt.tuning.sweep import sweep

__all__ = ["sweep"]
