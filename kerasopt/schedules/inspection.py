"""Finding the optimizers and schedules inside an optimizer."""

from __future__ import annotations

import keras
from keras.optimizers.schedules import LearningRateSchedule

__all__ = ["optimizers_in", "scheduled"]


def optimizers_in(
    optimizer: keras.optimizers.Optimizer,
) -> list[keras.optimizers.Optimizer]:
    """Return the optimizer that updates weights, and the groups inside it.

    Args:
        optimizer: Any Keras optimizer. Keras wraps that of a mixed_float16 model to
            scale its loss: the one inside counts.

    Example:
        >>> adam = keras.optimizers.Adam()
        >>> optimizers_in(keras.optimizers.LossScaleOptimizer(adam)) == [adam]
        True
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return [optimizer, *getattr(optimizer, "optimizers", ())]


def scheduled(
    optimizer: keras.optimizers.Optimizer,
) -> list[tuple[keras.optimizers.Optimizer, LearningRateSchedule]]:
    """Return the optimizers that have a schedule, each with it.

    Args:
        optimizer: Any Keras optimizer, with what `optimizers_in` finds in it.

    Example:
        >>> cosine = keras.optimizers.schedules.CosineDecay(0.1, 100)
        >>> len(scheduled(keras.optimizers.SGD(cosine)))
        1
    """
    found = []
    for each in optimizers_in(optimizer):
        # Keras's own learning_rate is the rate at the current step.
        schedule = getattr(each, "_learning_rate", None)
        if isinstance(schedule, LearningRateSchedule):
            found.append((each, schedule))
    return found
