"""Training: from a model and a dataset to a `Run`. The only place that fits."""

from kerasopt.training.fitting import fit
from kerasopt.training.loop import DivergedError
from kerasopt.training.run import Run
from kerasopt.training.settings import TrainingSettings

__all__ = ["DivergedError", "Run", "TrainingSettings", "fit"]
