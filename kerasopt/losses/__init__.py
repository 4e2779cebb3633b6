"""The loss that fits the task, the labels and the model's output.

``get("auto", ...)`` chooses:

==============  ===================  ==============================================
task            model output         loss
==============  ===================  ==============================================
``binary``      one sigmoid          `keras.losses.BinaryCrossentropy`
``binary``      two softmax classes  as ``multiclass``
``multiclass``  k softmax classes    sparse cross-entropy for integer labels,
                                     categorical cross-entropy for one-hot rows
``multilabel``  k sigmoids           `keras.losses.BinaryCrossentropy`
``regression``  one linear a target  `keras.losses.MeanSquaredError`
==============  ===================  ==============================================

Each cross-entropy takes logits with ``from_logits=True``.
"""

from kerasopt.losses.choice import for_labels, for_task, get
from kerasopt.losses.named import is_spec, names
from kerasopt.losses.smoothed import SmoothedSparseCategoricalCrossentropy

__all__ = [
    "SmoothedSparseCategoricalCrossentropy",
    "for_labels",
    "for_task",
    "get",
    "is_spec",
    "names",
]
