"""A step length for every parameter, from the size of its earlier gradients."""

from __future__ import annotations

import numpy as np

from kerasopt.scratch import checks
from kerasopt.scratch.optimizers.base import Optimizer

__all__ = ["AdaDelta", "AdaGrad", "RMSProp"]


class AdaGrad(Optimizer):
    """Divides by the root of the sum of all squared gradients so far.

    ``v = v + g**2``, then ``theta = theta - rate * g / (sqrt(v) + epsilon)``

    The sum only grows, so the steps only shrink. Keras's Adagrad starts the sum at
    0.1 and has ``sqrt(v + epsilon)``: with ``initial_accumulator=0.1`` and
    ``epsilon_inside=True`` this one equals it. Starting at 0, the first step of every
    parameter is as long as the rate.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.01 by default.
        initial_accumulator: v before the first step, >= 0; 0 by default.
        epsilon: Number > 0 that prevents a division by 0; 1e-7 by default.
        epsilon_inside: Whether epsilon is added under the root; False by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> AdaGrad(0.1, epsilon=1e-12).step(np.ones(2), np.array([5.0, -0.01]))
        array([0.9, 1.1])

    References:
        Duchi et al. (2011), https://jmlr.org/papers/v12/duchi11a.html.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.01,
        initial_accumulator: float = 0.0,
        epsilon: float = 1e-7,
        epsilon_inside: bool = False,
    ) -> None:
        super().__init__(learning_rate)
        self.epsilon = checks.positive("epsilon", epsilon)
        self.epsilon_inside = bool(epsilon_inside)
        self.v: np.ndarray | float = checks.non_negative(
            "initial_accumulator", initial_accumulator
        )

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        self.v = self.v + gradient**2
        return theta - rate * gradient / _root(
            self.v, self.epsilon, self.epsilon_inside
        )


class RMSProp(Optimizer):
    """Divides by the root of a running average of the squared gradients.

    ``v = rho * v + (1 - rho) * g**2``, then
    ``theta = theta - rate * g / (sqrt(v) + epsilon)``

    Centered, it subtracts the square of the gradients' own running average a from v:
    ``v - a**2`` estimates the variance. With momentum b, it moves by
    ``w = b * w + rate * g / (sqrt(v) + epsilon)`` instead. Keras's RMSprop has
    ``sqrt(v + epsilon)``, which is ``epsilon_inside=True``.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.001 by default.
        rho: Share of v that a step keeps, in [0, 1); 0.9 by default.
        momentum: b, in [0, 1); 0, the default, is none.
        epsilon: Number > 0 that prevents a division by 0; 1e-7 by default.
        epsilon_inside: Whether epsilon is added under the root; False by default.
        centered: Whether to divide by the estimated deviation; False by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> RMSProp(0.1, rho=0.75, epsilon=1e-12).step(np.ones(1), np.array([5.0]))
        array([0.8])

    References:
        Hinton (2012), Neural networks for machine learning, lecture 6e,
        https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf;
        centered: Graves (2013), https://arxiv.org/abs/1308.0850.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        epsilon_inside: bool = False,
        centered: bool = False,
    ) -> None:
        super().__init__(learning_rate)
        self.rho = checks.fraction("rho", rho)
        self.momentum = checks.fraction("momentum", momentum)
        self.epsilon = checks.positive("epsilon", epsilon)
        self.epsilon_inside = bool(epsilon_inside)
        self.centered = bool(centered)
        self.v: np.ndarray | float = 0.0
        self.average: np.ndarray | float = 0.0
        self.w: np.ndarray | float = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        self.v = self.rho * self.v + (1 - self.rho) * gradient**2
        spread = self.v
        if self.centered:
            self.average = self.rho * self.average + (1 - self.rho) * gradient
            # Rounding may leave less than 0.
            spread = np.maximum(self.v - self.average**2, 0.0)
        step = rate * gradient / _root(spread, self.epsilon, self.epsilon_inside)
        self.w = self.momentum * self.w + step
        return theta - self.w


class AdaDelta(Optimizer):
    """RMSProp whose rate is the running size of its own steps.

    ``v = rho * v + (1 - rho) * g**2``, ``d = g * sqrt((u + epsilon) / (v +
    epsilon))``, ``u = rho * u + (1 - rho) * d**2``, then ``theta = theta - rate * d``

    d has the unit of theta, so the paper needs no rate: it is 1. The first steps are
    short, since u starts at 0. Keras's Adadelta has the default rate 0.001.

    Args:
        learning_rate: Number > 0, or a function of the step; 1 by default.
        rho: Share of v and u that a step keeps, in [0, 1); 0.95 by default.
        epsilon: Number > 0 that starts the steps; 1e-7 by default (the paper's is
            1e-6).

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> AdaDelta(rho=0.75, epsilon=1e-4).step(np.ones(1), np.array([5.0])).round(4)
        array([0.98])

    References:
        Zeiler (2012), https://arxiv.org/abs/1212.5701.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 1.0,
        rho: float = 0.95,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(learning_rate)
        self.rho = checks.fraction("rho", rho)
        self.epsilon = checks.positive("epsilon", epsilon)
        self.v: np.ndarray | float = 0.0
        self.u: np.ndarray | float = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        self.v = self.rho * self.v + (1 - self.rho) * gradient**2
        d = gradient * ((self.u + self.epsilon) / (self.v + self.epsilon)) ** 0.5
        self.u = self.rho * self.u + (1 - self.rho) * d**2
        return theta - rate * d


def _root(v: np.ndarray | float, epsilon: float, inside: bool) -> np.ndarray:
    return np.sqrt(v + epsilon) if inside else np.sqrt(v) + epsilon
