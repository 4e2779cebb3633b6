"""Sharpness-aware minimisation."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import checks, gradients
from kerasopt.callbacks.changed_step import change_step, restore_step

__all__ = ["SharpnessAware"]


class SharpnessAware(keras.callbacks.Callback):
    """Trains towards flat minima: SAM, around the optimizer that is there.

    Each step takes the gradient not at the weights w but at their worst neighbour,
    ``w + rho * g / |g|``, where g is the gradient at w: two gradients a step, so a
    step takes about twice as long. An optimizer is only handed one gradient, therefore
    SAM is a callback. The first gradient gives the metrics and batch normalisation's
    statistics; dropout draws anew for the second.

    Args:
        rho: Length of the step to the neighbour, > 0; 0.05 by default.

    Raises:
        ValueError: if ``rho`` isn't > 0, or (when training begins) the model trains on
            several devices, in float16, with gradient accumulation, or by a train_step
            of its own.

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((40, 2)), np.ones((40, 1))
        >>> history = model.fit(x, y, verbose=0, callbacks=[SharpnessAware()])

    References:
        Foret et al. (2021), https://arxiv.org/abs/2010.01412.
    """

    def __init__(self, *, rho: float = 0.05) -> None:
        super().__init__()
        self.rho = checks.positive("rho", rho)

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Put SAM's step in the place of the model's own."""
        self._check()
        step = functools.partial(gradients.sharpness_aware_step, self.model, self.rho)
        change_step(self.model, lambda _: step)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Give the model its own step back."""
        restore_step(self.model)

    def _check(self) -> None:
        optimizer: Any = self.model.optimizer
        hindrance = None
        own_step = type(self.model).train_step is not keras.Model.train_step
        if own_step or "train_step" in vars(self.model):
            hindrance = "a train_step other than Keras's, which it would replace"
        elif self.model.distribute_strategy.num_replicas_in_sync > 1:
            hindrance = "several devices: train with devices='cpu' or one GPU"
        elif isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            hindrance = "mixed_float16: take mixed_bfloat16 or float32"
        elif getattr(optimizer, "gradient_accumulation_steps", None):
            hindrance = "gradient_accumulation_steps: leave them out"
        if hindrance:
            raise ValueError(f"SharpnessAware doesn't go with {hindrance}.")
