"""What a trained model got right and wrong: numbers, figures, report, comparison.

Everything here works on arrays and tables, so it needs neither TensorFlow nor
Keras. The entry points are `classification` (labels and probabilities to
numbers), `compare` (several runs side by side), `plots` (Matplotlib figures),
`report` (one HTML file a run) and `tta` (test-time augmentation).
"""

from kerasopt.evaluation import plots, report, tta
from kerasopt.evaluation.comparison import Comparison, compare
from kerasopt.evaluation.metrics import Classification, classification

__all__ = [
    "Classification",
    "Comparison",
    "classification",
    "compare",
    "plots",
    "report",
    "tta",
]
