"""Progressive resizing: small images first, which cost less."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from kerasopt.training.spec import TrainingSettings

__all__ = ["by_step", "speed_to_come"]


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


def speed_to_come(
    settings: TrainingSettings, input_shape: Sequence[int]
) -> Callable[[float], float]:
    """Return the function share → mean speed from there on, relative to that there.

    A step is taken to cost what its pixels do.

    Example:
        >>> settings = TrainingSettings(image_sizes={16: 0.5})
        >>> speed = speed_to_come(settings, (32, 32, 3))
        >>> speed(0.0), speed(0.25), speed(0.5)
        (0.625, 0.5, 1.0)
    """
    phases = [(side**2, until) for side, until in settings.image_sizes.items()]
    phases.append((math.prod(input_shape[:2]), 1.0))  # The whole images.

    def relative(share: float) -> float:
        if share >= 1:
            return 1.0
        present = next(size for size, end in phases if share < end)
        total, begin = 0.0, share
        for size, end in phases:
            total += max(0.0, end - begin) * present / size
            begin = max(begin, end)
        return total / (1 - share)

    return relative
