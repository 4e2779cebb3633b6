"""Muon: momentum for matrices, with the singular values of its steps evened out."""

from __future__ import annotations

import numpy as np

from kerasopt.scratch import checks
from kerasopt.scratch.optimizers.base import Optimizer

__all__ = ["Muon", "newton_schulz"]


class Muon(Optimizer):
    """Momentum for a matrix, with all singular values of the step made about equal.

    ``m = b * m + g``, ``u = g + b * m`` (or m, without Nesterov), then
    ``theta = theta - rate * (scale * newton_schulz(u) + weight_decay * theta)``
    with ``scale = rms_rate * sqrt(max(theta.shape))``, or 1 if rms_rate is None

    With Keras's rms_rate of 0.2 a step's root mean square is about that of Adam's
    steps, so rates for Adam can be kept. Vectors are left to another optimizer.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.001 by default.
        momentum: b, in [0, 1); 0.95 by default.
        nesterov: Whether the momentum is Nesterov's; True by default.
        steps: Newton-Schulz iterations, >= 1; 5 by default.
        rms_rate: Number > 0, or None; 0.2 by default.
        weight_decay: Decoupled decay, >= 0; 0.004 by default, as Keras's.

    Raises:
        ValueError: if an argument is out of its range; from `step`, if theta is no
            matrix.

    Example:
        >>> optimizer = Muon(0.1, weight_decay=0, rms_rate=None)
        >>> theta = optimizer.step(np.zeros((2, 3)), np.eye(2, 3) * [[9.0], [2.0]])
        >>> theta.round(1)
        array([[-0.1,  0. ,  0. ],
               [ 0. , -0.1,  0. ]])

    References:
        Jordan et al. (2024), https://kellerjordan.github.io/posts/muon/; scale and
        weight decay: Liu et al. (2025), https://arxiv.org/abs/2502.16982.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.001,
        momentum: float = 0.95,
        nesterov: bool = True,
        steps: int = 5,
        rms_rate: float | None = 0.2,
        weight_decay: float = 0.004,
    ) -> None:
        super().__init__(learning_rate)
        self.momentum = checks.fraction("momentum", momentum)
        self.nesterov = bool(nesterov)
        self.steps = checks.integer("steps", steps)
        self.rms_rate = (
            None if rms_rate is None else checks.positive("rms_rate", rms_rate)
        )
        self.weight_decay = checks.non_negative("weight_decay", weight_decay)
        self.m: np.ndarray | float = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        checks.float_array("theta", theta, shape=(None, None))
        self.m = self.momentum * self.m + gradient
        u = gradient + self.momentum * self.m if self.nesterov else self.m
        scale = self.rms_rate * max(theta.shape) ** 0.5 if self.rms_rate else 1.0
        step = scale * newton_schulz(u, steps=self.steps)
        return theta - rate * (step + self.weight_decay * theta)


def newton_schulz(matrix: np.ndarray, *, steps: int = 5) -> np.ndarray:
    """Return a matrix of the same singular vectors with singular values near 1.

    ``x = matrix / norm(matrix)``, then several times
    ``a = x @ x.T``, ``x = 3.4445 * x - 4.775 * a @ x + 2.0315 * a @ a @ x``

    Every iteration maps each singular value s to
    ``3.4445 * s - 4.775 * s**3 + 2.0315 * s**5``. The factors lift small values fast;
    in return the values end in a band about 1 (0.7 to 1.2), not at 1.

    Args:
        matrix: Of any shape (rows, columns).
        steps: Iterations, >= 1; 5 by default.

    Raises:
        ValueError: if it is no matrix of finite floats or steps isn't >= 1.

    Example:
        >>> newton_schulz(np.diag([2.0, 1.0])).round(1) + 0.0
        array([[0.7, 0. ],
               [0. , 1.1]])

    References:
        Jordan et al. (2024), https://kellerjordan.github.io/posts/muon/.
    """
    matrix = checks.float_array("matrix", matrix, shape=(None, None))
    # The products below are of the shorter side's size.
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(checks.integer("steps", steps)):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x
