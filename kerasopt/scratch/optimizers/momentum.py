"""Gradient descent, and the same with a memory of earlier gradients."""

from __future__ import annotations

import numpy as np

from kerasopt import names
from kerasopt.scratch import checks
from kerasopt.scratch.optimizers.base import Optimizer

__all__ = ["GradientDescent", "Momentum", "Nesterov"]

_FORMS = ("average", "sum", "velocity")


class GradientDescent(Optimizer):
    """A step against the gradient.

    ``theta = theta - rate * g``

    With g from the whole data it is batch gradient descent; with g from one sample or
    a mini-batch, stochastic gradient descent. Equals Keras's SGD without momentum.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.01 by default.

    Raises:
        ValueError: if the rate isn't > 0.

    Example:
        >>> GradientDescent(0.1).step(np.array([10.0]), np.array([20.0]))
        array([8.])

    References:
        Robbins and Monro (1951), A stochastic approximation method,
        https://doi.org/10.1214/aoms/1177729586.
    """

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        return theta - rate * gradient


class Momentum(Optimizer):
    """Gradient descent whose steps remember earlier gradients (the heavy ball).

    Texts write it in three forms, with b for the momentum:

    - ``"velocity"``: ``v = b * v - rate * g``, ``theta = theta + v`` (Keras's SGD)
    - ``"sum"``: ``v = b * v + g``, ``theta = theta - rate * v``
    - ``"average"``: ``v = b * v + (1 - b) * g``, ``theta = theta - rate * v``

    At a constant rate "velocity" equals "sum"; when the rate changes, "velocity"
    keeps the rate that each gradient came with. "average" at the rate a equals "sum"
    at the rate ``a * (1 - b)``: at b = 0.9 its steps are 10 times shorter, so it needs
    a rate 10 times as large.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.01 by default.
        momentum: Share of v that a step keeps, in [0, 1); 0.9 by default.
        form: One of the three; "velocity" by default.

    Raises:
        ValueError: if an argument is out of its range or the form is unknown.

    Example:
        >>> optimizer = Momentum(0.1, momentum=0.5)
        >>> theta = optimizer.step(np.array([1.0]), np.array([1.0]))
        >>> optimizer.step(theta, np.array([1.0]))  # 1 - 0.1 - 0.15
        array([0.75])

    References:
        Polyak (1964), Some methods of speeding up the convergence of iteration
        methods, https://doi.org/10.1016/0041-5553(64)90137-5.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.01,
        momentum: float = 0.9,
        form: str = "velocity",
    ) -> None:
        super().__init__(learning_rate)
        if form not in _FORMS:
            raise names.unknown("form of momentum", form, _FORMS)
        self.momentum = checks.fraction("momentum", momentum)
        self.form = form
        self.v: np.ndarray | float = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        if self.form == "velocity":
            self.v = self.momentum * self.v - rate * gradient
            return theta + self.v
        share = 1 - self.momentum if self.form == "average" else 1.0
        self.v = self.momentum * self.v + share * gradient
        return theta - rate * self.v


class Nesterov(Optimizer):
    """Momentum that takes the gradient where the momentum is about to lead.

    ``v = b * v - rate * g``, then ``theta = theta + b * v - rate * g``

    The theta kept here, as in Keras's ``SGD(nesterov=True)``, is the point looked
    ahead to, so the gradient is taken at theta like any other optimizer's.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.01 by default.
        momentum: b, the share of v that a step keeps, in [0, 1); 0.9 by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> optimizer = Nesterov(0.1, momentum=0.5)
        >>> optimizer.step(np.array([1.0]), np.array([1.0]))  # 1 - 0.05 - 0.1
        array([0.85])

    References:
        Nesterov (1983), A method for solving the convex programming problem with
        convergence rate O(1/k^2), https://www.mathnet.ru/eng/dan46009; in this form
        Bengio et al. (2012), https://arxiv.org/abs/1212.0901.
    """

    def __init__(
        self, learning_rate: checks.Rate = 0.01, momentum: float = 0.9
    ) -> None:
        super().__init__(learning_rate)
        self.momentum = checks.fraction("momentum", momentum)
        self.v: np.ndarray | float = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        self.v = self.momentum * self.v - rate * gradient
        return theta + self.momentum * self.v - rate * gradient
