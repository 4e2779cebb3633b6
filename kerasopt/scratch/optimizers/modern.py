"""Optimizers for large models: less memory, sparse weights, no schedule."""

from __future__ import annotations

import numpy as np

from kerasopt.scratch import checks
from kerasopt.scratch.optimizers.base import Optimizer

__all__ = ["Adafactor", "Ftrl", "Lion", "ScheduleFreeAdamW"]


class Lion(Optimizer):
    """Moves every parameter by the rate, along the sign of an averaged gradient.

    ``d = sign(beta_1 * m + (1 - beta_1) * g)``,
    ``m = beta_2 * m + (1 - beta_2) * g``, then
    ``theta = theta - rate * (d + weight_decay * theta)``

    Its steps are longer than Adam's at the same rate, so the paper takes a rate 3 to
    10 times smaller, and a weight decay that much larger.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.001 by default.
        beta_1: Weight of m in the direction, in [0, 1); 0.9 by default.
        beta_2: Share of m that a step keeps, in [0, 1); 0.99 by default.
        weight_decay: Decoupled decay, >= 0; 0 by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> Lion(0.1).step(np.ones(3), np.array([5.0, -0.01, 0.0]))
        array([0.9, 1.1, 1. ])

    References:
        Chen et al. (2023), https://arxiv.org/abs/2302.06675.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate)
        self.beta_1 = checks.fraction("beta_1", beta_1)
        self.beta_2 = checks.fraction("beta_2", beta_2)
        self.weight_decay = checks.non_negative("weight_decay", weight_decay)
        self.m: np.ndarray | float = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        d = np.sign(self.beta_1 * self.m + (1 - self.beta_1) * gradient)
        self.m = self.beta_2 * self.m + (1 - self.beta_2) * gradient
        return theta - rate * (d + self.weight_decay * theta)


class Adafactor(Optimizer):
    """RMSProp that keeps a row and a column of averages instead of a matrix.

    At step t = 1, 2, ... with ``b = 1 - t**beta_2_decay`` and
    ``s = g**2 + epsilon_1``:

    - ``r = b * r + (1 - b) * mean(s over columns)``, ``c`` likewise over rows, and
      ``v = outer(r, c) / mean(r)``; a vector has ``v = b * v + (1 - b) * s``
    - ``u = g / sqrt(v)``, divided by ``max(1, rms(u) / clip_threshold)``
    - ``theta = theta - min(rate, 1 / sqrt(t)) * max(epsilon_2, rms(theta)) * u``

    The rate is relative to the size of the parameters, rms(theta). Arrays of more
    dimensions are stacks of matrices in the last two.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.001 by default, as
            Keras's (the paper's is 0.01).
        beta_2_decay: Exponent < 0 with which the averages grow longer; -0.8 by
            default.
        epsilon_1: Number > 0 added to the squared gradient; 1e-30 by default.
        epsilon_2: Smallest size of the parameters, > 0; 0.001 by default.
        clip_threshold: Largest root mean square of u, > 0; 1 by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> Adafactor(0.1).step(np.full((2, 3), 4.0), np.full((2, 3), 7.0))
        array([[3.6, 3.6, 3.6],
               [3.6, 3.6, 3.6]])

    References:
        Shazeer and Stern (2018), https://arxiv.org/abs/1804.04235.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
    ) -> None:
        super().__init__(learning_rate)
        if not isinstance(beta_2_decay, (int, float)) or not beta_2_decay < 0:
            raise ValueError(
                f"beta_2_decay must be a number < 0; given: {beta_2_decay!r}."
            )
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = checks.positive("epsilon_1", epsilon_1)
        self.epsilon_2 = checks.positive("epsilon_2", epsilon_2)
        self.clip_threshold = checks.positive("clip_threshold", clip_threshold)
        self.r: np.ndarray | float = 0.0
        self.c: np.ndarray | float = 0.0
        self.v: np.ndarray | float = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        t = self.iterations + 1
        b = 1 - t**self.beta_2_decay
        s = gradient**2 + self.epsilon_1
        if theta.ndim < 2:
            self.v = b * self.v + (1 - b) * s
        else:
            self.r = b * self.r + (1 - b) * s.mean(axis=-1, keepdims=True)
            self.c = b * self.c + (1 - b) * s.mean(axis=-2, keepdims=True)
            self.v = self.r * self.c / np.mean(self.r, axis=-2, keepdims=True)
        u = gradient / np.sqrt(self.v)
        u = u / max(1.0, _rms(u) / self.clip_threshold)
        rate = min(rate, t**-0.5) * max(self.epsilon_2, _rms(theta))
        return theta - rate * u


class Ftrl(Optimizer):
    """Follow the regularized leader: AdaGrad whose l1 penalty gives exact zeros.

    ``z = z + g - (sqrt(n + g**2) - sqrt(n)) / rate * theta``, ``n = n + g**2``, then
    ``theta = (clip(z, -l1, l1) - z) / ((beta + sqrt(n)) / rate + 2 * l2)``

    As in Keras, l2 is the factor of ``sum(theta**2)``: the paper's is twice it. Each
    step computes theta anew from z, which starts at 0, and so does its theta: the
    first step from any other start loses a part of it.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.001 by default.
        initial_accumulator: n before the first step, >= 0; 0.1 by default, as
            Keras's (the paper's is 0, with beta = 1).
        l1: Strength of the l1 penalty, >= 0; 0 by default.
        l2: Strength of the l2 penalty, >= 0; 0 by default.
        beta: Number >= 0 that shortens the first steps; 0 by default, as Keras's.

    Raises:
        ValueError: if an argument is out of its range, or nothing keeps the division
            from being by 0: one of initial_accumulator, l2 and beta must be > 0.

    Example:
        >>> Ftrl(0.1, 0, l1=1.0, beta=1.0).step(np.zeros(2), np.array([4.0, 0.5]))
        array([-0.06,  0.  ])

    References:
        McMahan et al. (2013), Ad click prediction: a view from the trenches,
        https://doi.org/10.1145/2487575.2488200.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.001,
        initial_accumulator: float = 0.1,
        l1: float = 0.0,
        l2: float = 0.0,
        beta: float = 0.0,
    ) -> None:
        super().__init__(learning_rate)
        self.n: np.ndarray | float = checks.non_negative(
            "initial_accumulator", initial_accumulator
        )
        self.l1 = checks.non_negative("l1", l1)
        self.l2 = checks.non_negative("l2", l2)
        self.beta = checks.non_negative("beta", beta)
        if not (initial_accumulator or l2 or beta):
            raise ValueError(
                "One of initial_accumulator, l2 and beta must be > 0, or a gradient "
                "of 0 divides by 0. The paper has beta=1."
            )
        self.z: np.ndarray | float = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        n = self.n + gradient**2
        self.z = self.z + gradient - (n**0.5 - self.n**0.5) / rate * theta
        self.n = n
        shrunk = np.clip(self.z, -self.l1, self.l1) - self.z
        return shrunk / ((self.beta + n**0.5) / rate + 2 * self.l2)


class ScheduleFreeAdamW(Optimizer):
    """AdamW whose averaged parameters replace the decay of the rate.

    At step t = 1, 2, ... g is the gradient at theta:

    - ``v = beta_2 * v + (1 - beta_2) * g**2``
    - ``z = z - rate * (g / (sqrt(v / (1 - beta_2**t)) + epsilon) + weight_decay *
      theta)``
    - ``x`` is the average of all z so far, weighted by the squared rates
    - ``theta = (1 - beta_1) * z + beta_1 * x``

    x is what to use after the training: the attribute `averaged`. Keras weighs all z
    alike, which is the same at a constant rate, and decays theta alone, which leaves
    z as it is. For a warm-up, let the rate be a function of the step.

    Args:
        learning_rate: Number > 0, or a function of the step; 0.0025 by default.
        beta_1: Weight of x in theta, in [0, 1); 0.9 by default.
        beta_2: Share of v that a step keeps, in [0, 1); 0.999 by default.
        epsilon: Number > 0 that prevents a division by 0; 1e-8 by default.
        weight_decay: Decoupled decay, >= 0; 0 by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> optimizer = ScheduleFreeAdamW(0.1)
        >>> theta = optimizer.step(np.ones(1), np.array([5.0]))  # z = x = 0.9
        >>> optimizer.step(theta, np.array([5.0])).round(4)  # z = 0.8, x = 0.85
        array([0.845])

    References:
        Defazio et al. (2024), https://arxiv.org/abs/2405.15682.
    """

    def __init__(
        self,
        learning_rate: checks.Rate = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate)
        self.beta_1 = checks.fraction("beta_1", beta_1)
        self.beta_2 = checks.fraction("beta_2", beta_2)
        self.epsilon = checks.positive("epsilon", epsilon)
        self.weight_decay = checks.non_negative("weight_decay", weight_decay)
        self.v: np.ndarray | float = 0.0
        self.z: np.ndarray | None = None
        self.averaged: np.ndarray | float = 0.0
        self.weights = 0.0

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        self.v = self.beta_2 * self.v + (1 - self.beta_2) * gradient**2
        root = np.sqrt(self.v / (1 - self.beta_2 ** (self.iterations + 1)))
        z = theta if self.z is None else self.z
        step = gradient / (root + self.epsilon) + self.weight_decay * theta
        self.z = z - rate * step
        self.weights += rate**2
        share = rate**2 / self.weights
        self.averaged = (1 - share) * self.averaged + share * self.z
        return (1 - self.beta_1) * self.z + self.beta_1 * self.averaged


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))
