"""Schedule-free AdamW as its paper has it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasopt import checks

__all__ = ["ScheduleFreeAdamW"]


@keras.saving.register_keras_serializable(package="kerasopt")
class ScheduleFreeAdamW(keras.optimizers.ScheduleFreeAdamW):
    """Keras's ScheduleFreeAdamW with the recursion of the paper.

    With z the point that steps, x the mean of all z, and y, the weights that the model
    trains with, between them (t counts from 1)::

        z -= learning_rate * (g / (sqrt(v / (1 - beta_2 ** t)) + epsilon) + decay * y)
        x += (z - x) / t
        y = (1 - beta_1) * z + beta_1 * x

    Keras 3.15 on TensorFlow recovers x from the new z instead of the old one
    (``momentum.value`` there follows the variable), starts z at 0 inside ``fit``, and
    decays y alone. The model is evaluated at y, like Keras's: there is no switch to x.

    Args:
        learning_rate: Number or schedule; 0.0025 by default.
        **kwargs: As `keras.optimizers.ScheduleFreeAdamW`: beta_1, beta_2, epsilon,
            warmup_steps, weight_decay, …

    Raises:
        ValueError: when it is built, if ``beta_1`` isn't in (0, 1).

    Example:
        >>> w = keras.Variable([2.0])
        >>> optimizer = ScheduleFreeAdamW(0.1)
        >>> for _ in range(2):
        ...     optimizer.apply([keras.ops.array([5.0])], [w])
        >>> round(float(w[0]), 4)
        1.845

    References:
        Defazio et al. (2024), https://arxiv.org/abs/2405.15682.
    """

    def build(self, var_list: Any) -> None:
        """Create z and v."""
        checks.proper_fraction("beta_1", self.beta_1)
        super().build(var_list)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take one step for one variable."""
        dtype = variable.dtype
        rate, gradient = ops.cast(learning_rate, dtype), ops.cast(gradient, dtype)
        t = ops.cast(self.iterations + 1, dtype)
        if self.warmup_steps > 0:
            rate *= ops.minimum(t / self.warmup_steps, 1.0)
        index = self._get_variable_index(variable)
        z, v = self._momentums[index], self._velocities[index]
        # z starts at the weights. Keras assigns that when it builds the optimizer,
        # which `fit` does while it traces, so that the assignment never runs.
        old_z = ops.where(ops.equal(self.iterations, 0), variable, z)
        self.assign(v, v + (1 - self.beta_2) * (ops.square(gradient) - v))
        second_moment = v / (1 - ops.power(ops.cast(self.beta_2, dtype), t))
        direction = gradient / (ops.sqrt(second_moment) + self.epsilon)
        if self.weight_decay is not None and self._use_weight_decay(variable):
            direction += self.weight_decay * variable
        x = (variable - (1 - self.beta_1) * old_z) / self.beta_1
        new_z = old_z - rate * direction
        new_x = x + (new_z - x) / t
        self.assign(z, new_z)
        self.assign(variable, (1 - self.beta_1) * new_z + self.beta_1 * new_x)

    def _apply_weight_decay(self, variables: Any) -> None:
        """Leave it to the step, which decays z."""
