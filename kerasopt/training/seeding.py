"""Random seeds of a training."""

from __future__ import annotations

import keras
import tensorflow as tf

from kerasopt.training.settings import TrainingSettings

__all__ = ["seed_everything"]


def seed_everything(settings: TrainingSettings) -> None:
    """Seed Python, NumPy and Keras, and ask for determinism if it is set."""
    keras.utils.set_random_seed(settings.seed)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
