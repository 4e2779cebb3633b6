"""Finding the schedules inside an optimizer."""

from __future__ import annotations

import keras
from keras.optimizers.schedules import LearningRateSchedule

__all__ = ["scheduled"]


def scheduled(
    optimizer: keras.optimizers.Optimizer,
) -> list[tuple[keras.optimizers.Optimizer, LearningRateSchedule]]:
    """Return the optimizers that have a schedule, each with it.

    Args:
        optimizer: Any Keras optimizer; the groups inside it count, and what Keras wraps
            to scale the loss of a mixed_float16 model.

    Example:
        >>> cosine = keras.optimizers.schedules.CosineDecay(0.1, 100)
        >>> len(scheduled(keras.optimizers.SGD(cosine)))
        1
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    found = []
    for each in (optimizer, *getattr(optimizer, "optimizers", ())):
        # Keras's own learning_rate is the rate at the current step.
        schedule = getattr(each, "_learning_rate", None)
        if isinstance(schedule, LearningRateSchedule):
            found.append((each, schedule))
    return found
