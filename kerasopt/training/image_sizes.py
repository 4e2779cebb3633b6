"""Progressive resizing: small images first, which cost less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kerasopt.training.settings import TrainingSettings

__all__ = ["by_step"]


def by_step(
    settings: TrainingSettings, steps_per_epoch: int, progress: Any = None
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None:
    """Return the function (epoch, step) → side of the images, 0 for their own size.

    Args:
        settings: Its ``image_sizes`` say until which share of the training each
            side holds.
        steps_per_epoch: Steps an epoch.
        progress: Variable with the share of a time budget; without one the share
            is counted in steps.

    Returns:
        The function, or None if all images keep their size.

    Example:
        >>> settings = TrainingSettings(epochs=4, image_sizes={24: 0.5})
        >>> side = by_step(settings, steps_per_epoch=10)
        >>> [int(side(tf.constant(epoch), tf.constant(0))) for epoch in range(4)]
        [24, 24, 0, 0]
    """
    if not settings.image_sizes:
        return None
    total = settings.epochs * steps_per_epoch

    def side(epoch: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        if progress is None:
            done = tf.cast(epoch, tf.int64) * steps_per_epoch + tf.cast(step, tf.int64)
            share = tf.cast(done / total, tf.float32)
        else:
            share = tf.convert_to_tensor(progress.value)
        chosen = tf.constant(0)
        for pixels, until in reversed(settings.image_sizes.items()):
            chosen = tf.where(share < until, pixels, chosen)
        return chosen

    return side
