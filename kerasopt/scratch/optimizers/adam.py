"""Adam and its family: momentum, divided by the root of the mean squared gradient."""

from __future__ import annotations

import numpy as np

from kerasopt import names
from kerasopt.scratch import checks
from kerasopt.scratch.optimizers.base import Optimizer

__all__ = ["Adam", "AdamW", "Adamax", "Lamb", "Nadam"]

_VARIANTS = ("corrected", "epsilon_hat", "uncorrected")


class _Moments(Optimizer):
    """Base of optimizers with running averages of the gradient and its square.

    ``m = beta_1 * m + (1 - beta_1) * g``, ``v = beta_2 * v + (1 - beta_2) * g**2``
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(learning_rate)
        self.beta_1 = checks.fraction("beta_1", beta_1)
        self.beta_2 = checks.fraction("beta_2", beta_2)
        self.epsilon = checks.positive("epsilon", epsilon)
        self.m: np.ndarray | float = 0.0
        self.v: np.ndarray | float = 0.0

    def average(self, gradient: np.ndarray) -> tuple[float, float]:
        """Update m and v; return the sums of the weights behind them, 1 - beta**t."""
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * gradient
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * gradient**2
        t = self.iterations + 1
        return 1 - self.beta_1**t, 1 - self.beta_2**t


class Adam(_Moments):
    """Momentum, divided by the root of a running average of the squared gradients.

    At step t = 1, 2, ...: ``m = beta_1 * m + (1 - beta_1) * g`` and
    ``v = beta_2 * v + (1 - beta_2) * g**2``. Both start at 0 and are too small at
    first, by ``c1 = 1 - beta_1**t`` and ``c2 = 1 - beta_2**t``. The variants:

    - ``"corrected"``: ``theta - rate * (m / c1) / (sqrt(v / c2) + epsilon)``, the
      paper's algorithm 1.
    - ``"epsilon_hat"``: ``theta - rate * sqrt(c2) / c1 * m / (sqrt(v) + epsilon)``,
      which Keras computes; epsilon weighs ``1 / sqrt(c2)`` times as much, 32 times in
      the first step.
    - ``"uncorrected"``: ``theta - rate * m / (sqrt(v) + epsilon)``, as some texts
      print it: the first step is ``(1 - beta_1) / sqrt(1 - beta_2)`` = 3.16 times as
      long as the rate.

    The first two are the same where ``sqrt(v)`` is much larger than epsilon.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.001 by default.
        beta_1: Share of m that a step keeps, in [0, 1); 0.9 by default.
        beta_2: Share of v that a step keeps, in [0, 1); 0.999 by default.
        epsilon: Number > 0, in the gradient's unit; 1e-7 by default, as Keras's (the
            paper's is 1e-8).
        variant: One of the three; "corrected" by default.
        amsgrad: Whether to divide by the largest v so far (of the uncorrected, as
            Keras does); False by default.

    Raises:
        ValueError: if an argument is out of its range or the variant is unknown.

    Example:
        >>> Adam(0.1).step(np.ones(2), np.array([5.0, -0.01])).round(4)
        array([0.9, 1.1])

    References:
        Kingma and Ba (2015), https://arxiv.org/abs/1412.6980; AMSGrad: Reddi et al.
        (2018), https://arxiv.org/abs/1904.09237.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        variant: str = "corrected",
        amsgrad: bool = False,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon)
        if variant not in _VARIANTS:
            raise names.unknown("variant of Adam", variant, _VARIANTS)
        self.variant = variant
        self.amsgrad = bool(amsgrad)
        self.v_max: np.ndarray | float = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        c1, c2 = self.average(gradient)
        m, v = self.m, self.v
        if self.amsgrad:
            v = self.v_max = np.maximum(self.v_max, v)
        if self.variant == "corrected":
            return theta - rate * (m / c1) / (np.sqrt(v / c2) + self.epsilon)
        if self.variant == "epsilon_hat":
            rate *= c2**0.5 / c1
        return theta - rate * m / (np.sqrt(v) + self.epsilon)


class AdamW(Adam):
    """Adam with decoupled weight decay: the decay is no part of the gradient.

    ``theta = theta - rate * weight_decay * theta``, then Adam's step

    A penalty in the loss would be divided by ``sqrt(v)`` with the rest of the
    gradient; this decay acts on every parameter alike.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.001 by default.
        weight_decay: Share by which a step at rate 1 would shrink the parameters,
            >= 0; 0.004 by default, as Keras's.
        beta_1: As Adam's; 0.9 by default.
        beta_2: As Adam's; 0.999 by default.
        epsilon: As Adam's; 1e-7 by default.
        variant: As Adam's; "corrected" by default.
        amsgrad: As Adam's; False by default.

    Raises:
        ValueError: if an argument is out of its range or the variant is unknown.

    Example:
        >>> AdamW(0.1, weight_decay=0.5).step(np.ones(1), np.ones(1)).round(4)
        array([0.85])

    References:
        Loshchilov and Hutter (2019), https://arxiv.org/abs/1711.05101.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        variant: str = "corrected",
        amsgrad: bool = False,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, variant, amsgrad)
        self.weight_decay = checks.non_negative("weight_decay", weight_decay)

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        theta = theta - rate * self.weight_decay * theta
        return super().update(theta, gradient, rate)


class Adamax(Optimizer):
    """Adam that divides by the largest recent gradient, decayed.

    At step t = 1, 2, ...: ``m = beta_1 * m + (1 - beta_1) * g``,
    ``u = max(beta_2 * u, abs(g))``, then
    ``theta = theta - rate / (1 - beta_1**t) * m / (u + epsilon)``

    The paper's algorithm 2 has no epsilon; Keras has it as here.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.001 by default.
        beta_1: Share of m that a step keeps, in [0, 1); 0.9 by default.
        beta_2: Share of u that a step keeps, in [0, 1); 0.999 by default.
        epsilon: Number > 0 that prevents a division by 0; 1e-7 by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> Adamax(0.1).step(np.ones(2), np.array([5.0, -0.01])).round(4)
        array([0.9, 1.1])

    References:
        Kingma and Ba (2015), section 7.1, https://arxiv.org/abs/1412.6980.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(learning_rate)
        self.beta_1 = checks.fraction("beta_1", beta_1)
        self.beta_2 = checks.fraction("beta_2", beta_2)
        self.epsilon = checks.positive("epsilon", epsilon)
        self.m: np.ndarray | float = 0.0
        self.u: np.ndarray | float = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        self.m = self.beta_1 * self.m + (1 - self.beta_1) * gradient
        self.u = np.maximum(self.beta_2 * self.u, np.abs(gradient))
        c1 = 1 - self.beta_1 ** (self.iterations + 1)
        return theta - rate / c1 * self.m / (self.u + self.epsilon)


class Nadam(_Moments):
    """Adam with Nesterov's momentum, which grows to beta_1 over the first steps.

    At step t = 1, 2, ... with ``b(t) = beta_1 * (1 - 0.5 * 0.96**t)`` and
    ``B(t) = b(1) * ... * b(t)``, m and v as Adam's:
    ``n = b(t + 1) * m / (1 - B(t + 1)) + (1 - b(t)) * g / (1 - B(t))``, then
    ``theta = theta - rate * n / (sqrt(v / (1 - beta_2**t)) + epsilon)``

    So Keras has it; PyTorch's b grows 250 times as slowly.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.001 by default.
        beta_1: Share of m that a step keeps, in [0, 1); 0.9 by default.
        beta_2: Share of v that a step keeps, in [0, 1); 0.999 by default.
        epsilon: Number > 0 that prevents a division by 0; 1e-7 by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> Nadam(0.1).step(np.ones(2), np.array([5.0, -0.01])).round(3)
        array([0.894, 1.106])

    References:
        Dozat (2016), Incorporating Nesterov momentum into Adam,
        https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon)
        self.product = 1.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        _, c2 = self.average(gradient)
        t = self.iterations + 1
        now = self.beta_1 * (1 - 0.5 * 0.96**t)
        following = self.beta_1 * (1 - 0.5 * 0.96 ** (t + 1))
        self.product *= now
        n = following * self.m / (1 - self.product * following)
        n = n + (1 - now) * gradient / (1 - self.product)
        return theta - rate * n / (np.sqrt(self.v / c2) + self.epsilon)


class Lamb(_Moments):
    """Adam whose step is as long as the rate times the parameters' norm.

    With Adam's corrected step ``a = (m / c1) / (sqrt(v / c2) + epsilon)``:
    ``theta = theta - rate * norm(theta) / norm(a) * a``

    The ratio is 1 where a norm is 0. The paper adds weight decay to a; here, as in
    Keras's Lamb by default, there is none. One array is one layer of the paper's.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.001 by default.
        beta_1: Share of m that a step keeps, in [0, 1); 0.9 by default.
        beta_2: Share of v that a step keeps, in [0, 1); 0.999 by default.
        epsilon: Number > 0 that prevents a division by 0; 1e-7 by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> Lamb(0.1).step(np.array([3.0, 4.0]), np.array([7.0, 0.0])).round(4)
        array([2.5, 4. ])

    References:
        You et al. (2020), https://arxiv.org/abs/1904.00962.
    """

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        c1, c2 = self.average(gradient)
        a = (self.m / c1) / (np.sqrt(self.v / c2) + self.epsilon)
        size, length = np.linalg.norm(theta), np.linalg.norm(a)
        ratio = float(size / length) if size > 0 and length > 0 else 1.0
        return theta - rate * ratio * a
