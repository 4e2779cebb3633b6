"""A schedule as a table of rates, so that another one fits the same compiled step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from kerasopt import schedules

__all__ = ["Tabulated", "tabulate"]

POINTS = 20
"""Steps at which an array's rates are compared with those of single steps."""


@keras.saving.register_keras_serializable(package="kerasopt")
class Tabulated(LearningRateSchedule):
    """The learning rate of each step, looked up in a variable.

    A schedule's numbers are compiled into the training step; a table's are data. Past
    its end the last rate stays.

    Args:
        rates: One rate a step, shape (steps,).

    Example:
        >>> [round(float(Tabulated([0.2, 0.1])(step)), 3) for step in (0, 1, 5)]
        [0.2, 0.1, 0.1]
    """

    def __init__(self, rates: Any) -> None:
        super().__init__()
        rates = np.asarray(rates, "float32")
        # Of no fixed length: the next training may have another one.
        self.rates = tf.Variable(rates, shape=[None], trainable=False)

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step."""
        last = tf.shape(self.rates)[0] - 1
        return tf.gather(self.rates, tf.minimum(tf.cast(step, tf.int32), last))

    def get_config(self) -> dict[str, Any]:
        """Return the table."""
        return {"rates": self.rates.numpy().tolist()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Tabulated:
        """Return the schedule again."""
        return cls(**config)


def tabulate(optimizer: keras.optimizers.Optimizer, *, steps: int) -> None:
    """Replace an optimizer's schedules by tables of their rates.

    Args:
        optimizer: Not yet built; its groups count, too.
        steps: Length of the training.

    Example:
        >>> cosine = keras.optimizers.schedules.CosineDecay(0.1, 100)
        >>> optimizer = keras.optimizers.SGD(cosine)
        >>> tabulate(optimizer, steps=100)
        >>> type(schedules.scheduled(optimizer)[0][1]).__name__
        'Tabulated'
    """
    for each, schedule in schedules.scheduled(optimizer):
        # Keras has no setter for a schedule once there is one. One rate more: the log
        # of the last epoch has that of the step that would come next.
        each._learning_rate = Tabulated(_rates(schedule, steps + 1))


def _rates(schedule: LearningRateSchedule, steps: int) -> np.ndarray:
    """Return the rates of all steps, by one call where the schedule takes an array."""
    some = np.linspace(0, steps - 1, POINTS).astype(int)
    try:
        rates = keras.ops.convert_to_numpy(schedule(keras.ops.arange(steps)))
        if np.allclose(rates[some], schedules.rates(schedule, some), rtol=1e-6):
            return rates
    except Exception:  # It branches on a single number, each in its own way.
        pass
    # A loop in the graph: 20 µs a step, against half a millisecond one by one.
    each = tf.function(lambda: tf.map_fn(schedule, tf.range(steps), tf.float32))
    return each().numpy()
