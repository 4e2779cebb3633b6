"""Recipes: one YAML file for each published claim, with its measured result."""

from kerasopt.recipes.budgets import affordable_epochs
from kerasopt.recipes.builtin import get, load, names
from kerasopt.recipes.recipe import Recipe
from kerasopt.recipes.runs import data_of, resume

__all__ = ["Recipe", "affordable_epochs", "data_of", "get", "load", "names", "resume"]
