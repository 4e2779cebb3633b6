"""Metrics by name, for every task, form of labels and model output.

`get` returns Keras metrics that are logged under the name that was asked for. Some
measure more than Keras's own: macro averages over classes, areas under curves that
agree with scikit-learn's, and any of them on logits.
"""

from kerasopt.metrics.adapted import Adapted
from kerasopt.metrics.registry import get, names
from kerasopt.metrics.scores import CurveArea, DecisionScore, TargetScore

__all__ = ["Adapted", "CurveArea", "DecisionScore", "TargetScore", "get", "names"]
