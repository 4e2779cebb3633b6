"""Keras models as scikit-learn estimators, for grids, pipelines and ensembles."""

from kerasopt.tuning.estimators.classifier import KerasOptClassifier
from kerasopt.tuning.estimators.regressor import KerasOptRegressor

__all__ = ["KerasOptClassifier", "KerasOptRegressor"]
