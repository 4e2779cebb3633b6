"""Muon for convolution kernels."""

from __future__ import annotations

import re
from typing import Any

import keras
from keras import ops

from kerasopt import checks

__all__ = ["ConvMuon"]


@keras.saving.register_keras_serializable(package="kerasopt")
class ConvMuon(keras.optimizers.Muon):
    """Keras's Muon that also orthogonalises the updates of convolution kernels.

    With the momentum ``m = momentum * m + g`` (Nesterov: ``u = g + momentum * m``)
    a kernel (…, in, out) becomes the matrix (… * in, out), and its update is the
    nearest half-orthogonal matrix to u, found by Newton–Schulz iterations:
    ``w -= learning_rate * orthogonalise(u)``. Keras's own Muon does this for
    2-D kernels alone and trains convolutions by AdamW.

    Args:
        learning_rate: Number or schedule; 0.24 by default.
        momentum: In [0, 1); 0.6 by default.
        nesterov: Whether the momentum is Nesterov's; True by default.
        ns_steps: Newton–Schulz iterations; 3 by default.
        normalize: Whether every step first scales a convolution kernel to the
            norm ``sqrt(out)``, which replaces weight decay where batch
            normalisation follows (there a kernel's scale doesn't matter); True by
            default.
        rms_rate: As Keras's: None, the default, leaves the update's singular
            values at about 1.
        weight_decay: Decoupled decay of the matrices; None by default.
        adam_lr_ratio: AdamW's rate as a share of the learning rate: variables that
            are no kernels are trained by AdamW, as in Keras's Muon.
        adam_weight_decay: Their decoupled decay; None by default.
        exclude_layers: Regular expressions of variable paths that AdamW trains as
            well.
        clipnorm: Largest norm of each gradient.
        global_clipnorm: Largest norm of all gradients together.
        **kwargs: Further arguments of `keras.optimizers.Muon`.

    Raises:
        ValueError: if ``momentum`` isn't in [0, 1) or ``ns_steps`` isn't an
            integer >= 1.

    Example:
        >>> kernel = keras.Variable(keras.random.normal((3, 3, 8, 16), seed=0))
        >>> optimizer = ConvMuon(learning_rate=0.1)
        >>> optimizer.apply([keras.random.normal((3, 3, 8, 16), seed=1)], [kernel])
        >>> round(float(keras.ops.sum(kernel**2)))  # 16 filters, then a small step
        16

    References:
        Jordan et al. (2024), https://kellerjordan.github.io/posts/muon/, and
        https://github.com/KellerJordan/cifar10-airbench for the settings.
    """

    def __init__(
        self,
        learning_rate: Any = 0.24,
        momentum: float = 0.6,
        nesterov: bool = True,
        ns_steps: int = 3,
        normalize: bool = True,
        rms_rate: float | None = None,
        weight_decay: float | None = None,
        adam_lr_ratio: float = 1.0,
        adam_weight_decay: float | None = None,
        exclude_layers: list[str] | None = None,
        clipnorm: float | None = None,
        global_clipnorm: float | None = None,
        name: str = "conv_muon",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate,
            momentum=checks.fraction("momentum", momentum),
            nesterov=nesterov,
            ns_steps=checks.integer("ns_steps", ns_steps),
            rms_rate=rms_rate,
            weight_decay=weight_decay,
            adam_lr_ratio=adam_lr_ratio,
            adam_weight_decay=adam_weight_decay,
            exclude_layers=exclude_layers,
            clipnorm=clipnorm,
            global_clipnorm=global_clipnorm,
            name=name,
            **kwargs,
        )
        self.normalize = checks.boolean("normalize", normalize)

    def _should_use_adamw(self, variable: Any) -> bool:
        if len(variable.shape) > 2:
            return any(re.search(p, variable.path) for p in self.exclude_layers)
        return bool(super()._should_use_adamw(variable))

    def _muon_update_step(
        self, gradient: Any, variable: Any, lr: Any, momentum: Any
    ) -> None:
        self.assign(momentum, gradient + self.momentum * momentum)
        direction = momentum
        if self.nesterov:
            direction = gradient + self.momentum * momentum
        out = variable.shape[-1]
        matrix = ops.reshape(direction, (-1, out))
        step = lr * self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        step = ops.reshape(self.lr_adjust(step), variable.shape)
        if self.normalize and len(variable.shape) > 2:
            # Not 0 / 0 for a kernel of zeros.
            norm = ops.maximum(ops.sqrt(ops.sum(ops.square(variable))), 1e-7)
            self.assign(variable, variable * (out**0.5 / norm) - step)
        else:
            self.assign_sub(variable, step)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {**super().get_config(), "normalize": self.normalize}
