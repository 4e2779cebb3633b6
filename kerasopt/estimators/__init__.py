"""Keras models as scikit-learn estimators, for grids, pipelines and ensembles."""

from kerasopt.estimators.classifier import KerasOptClassifier
from kerasopt.estimators.regressor import KerasOptRegressor

__all__ = ["KerasOptClassifier", "KerasOptRegressor"]
