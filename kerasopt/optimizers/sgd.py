"""SGD with the L2 penalty's gradient inside the momentum."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import checks

__all__ = ["CoupledSGD"]


@keras.saving.register_keras_serializable(package="kerasopt")
class CoupledSGD(keras.optimizers.SGD):
    """Keras's SGD with L2 added to the gradient, as most CNN recipes mean it.

    The step uses ``g + l2 * w`` in place of the gradient g: the penalty
    ``l2 / 2 * sum(w ** 2)`` without the cost of computing its value. Unlike
    Keras's ``weight_decay``, which shrinks the weights beside the step, it is
    amplified by the momentum (``1 / (1 - momentum)`` times in the long run).

    Args:
        learning_rate: Number or schedule; 0.01 by default.
        momentum: In [0, 1]; 0 by default.
        nesterov: Whether the momentum is Nesterov's; False by default.
        l2: Factor of the weights in the gradient, at least 0; 0 by default. It
            applies to every variable that the optimizer gets: leave some out
            with `Grouped`.
        weight_decay: As `keras.optimizers.SGD`, like all that follow.
        clipnorm: Largest norm of each gradient.
        clipvalue: Largest absolute value in a gradient.
        global_clipnorm: Largest norm of all gradients together.
        use_ema: Whether to keep a moving average of the weights.
        ema_momentum: Its share of the past.
        ema_overwrite_frequency: Steps after which it replaces the weights.
        loss_scale_factor: Factor of the loss that the gradients carry.
        gradient_accumulation_steps: Steps whose gradients make one update.
        **kwargs: Further arguments of `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if ``l2`` isn't a finite number of at least 0.

    Example:
        >>> w = keras.Variable([1.0])
        >>> optimizer = CoupledSGD(learning_rate=0.1, l2=0.5)
        >>> optimizer.apply([keras.ops.zeros(1)], [w])
        >>> float(w[0])
        0.949999988079071

    References:
        Loshchilov and Hutter (2019), on the difference from decoupled decay,
        https://arxiv.org/abs/1711.05101.
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        l2: float = 0.0,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "SGD",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
            **kwargs,
        )
        self.l2 = checks.non_negative("l2", l2)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take one step with ``gradient + l2 * variable``."""
        penalized = keras.ops.add(gradient, self.l2 * variable)
        super().update_step(penalized, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {**super().get_config(), "l2": self.l2}
