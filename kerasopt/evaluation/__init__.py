"""What a trained model got right and wrong: numbers, figures, report, comparison.

Everything here works on arrays and tables, so it needs neither TensorFlow nor
Keras. The entry points are `predictions` (what a model returns to probabilities or
numbers), `measure` (labels and predictions to measures, for every task), `compare`
(several runs side by side), `plots` (Matplotlib figures), `report` (one HTML file a
run) and `tta` (test-time augmentation).
"""

from kerasopt.evaluation import plots, report, tta
from kerasopt.evaluation.binary import Binary, choose_threshold
from kerasopt.evaluation.comparison import Comparison, compare
from kerasopt.evaluation.headlines import Headline
from kerasopt.evaluation.measuring import Result, measure
from kerasopt.evaluation.metrics import Classification, classification
from kerasopt.evaluation.multilabel import Multilabel
from kerasopt.evaluation.outputs import predictions
from kerasopt.evaluation.regression import Regression

__all__ = [
    "Binary",
    "Classification",
    "Comparison",
    "Headline",
    "Multilabel",
    "Regression",
    "Result",
    "choose_threshold",
    "classification",
    "compare",
    "measure",
    "plots",
    "predictions",
    "report",
    "tta",
]
