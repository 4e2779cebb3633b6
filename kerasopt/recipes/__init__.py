"""Recipes: one YAML file for each published claim, with its measured result."""

from kerasopt.recipes.recipe import Recipe, resume
from kerasopt.recipes.shelf import load, names

__all__ = ["Recipe", "load", "names", "resume"]
