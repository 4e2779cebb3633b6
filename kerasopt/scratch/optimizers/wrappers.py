"""Optimizers around another one: SAM and Lookahead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kerasopt.scratch import checks
from kerasopt.scratch.optimizers.base import Optimizer

__all__ = ["SAM", "Lookahead"]


class SAM(Optimizer):
    """Sharpness-aware minimisation: the gradient from where the loss is about worst.

    ``theta`` steps by the base optimizer along the gradient at
    ``theta + rho * g / norm(g)``, the point of the ball of radius rho around theta
    where the loss would be largest if it were linear. Every step takes two gradients:
    that at theta, which `step` is given, and that one.

    Args:
        base: The optimizer that steps; its learning rate holds.
        gradient: Function from parameters to their gradient. If `step` is given the
            gradient of a mini-batch, this must be of the same one: set the attribute
            `gradient` before the step.
        rho: Radius of the ball, > 0, in the unit of theta; 0.05 by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> from kerasopt.scratch.optimizers import GradientDescent
        >>> sam = SAM(GradientDescent(0.1), lambda theta: 2 * theta, rho=0.5)
        >>> sam.step(np.array([1.0]), np.array([2.0]))  # 1 - 0.1 * 2 * (1 + 0.5)
        array([0.7])

    References:
        Foret et al. (2021), https://arxiv.org/abs/2010.01412.
    """

    def __init__(
        self,
        base: Optimizer,
        gradient: Callable[[np.ndarray], np.ndarray],
        rho: float = 0.05,
    ) -> None:
        super().__init__(_check(base).learning_rate)
        if not callable(gradient):
            raise ValueError(
                "gradient must be a function from parameters to their gradient; "
                f"given: {gradient!r}."
            )
        self.base = base
        self.gradient = gradient
        self.rho = checks.positive("rho", rho)

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        norm = float(np.linalg.norm(gradient))
        climb = self.rho / norm * gradient if norm > 0 else 0.0
        return self.base.step(theta, self.gradient(theta + climb))


class Lookahead(Optimizer):
    """Every few steps, goes back a part of the way to where it last did so.

    After each ``every`` steps of the base optimizer:
    ``slow = slow + alpha * (theta - slow)``, ``theta = slow``, with slow starting at
    the first theta. The base optimizer keeps its state.

    Args:
        base: The optimizer that steps; its learning rate holds.
        every: Steps between two updates of slow, >= 1; 5 by default.
        alpha: Share of the way that slow goes, in (0, 1]; 0.5 by default.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> from kerasopt.scratch.optimizers import GradientDescent
        >>> optimizer = Lookahead(GradientDescent(1.0), every=2)
        >>> theta = optimizer.step(np.zeros(1), np.ones(1))  # -1
        >>> optimizer.step(theta, np.ones(1))  # half of the way to -2
        array([-1.])

    References:
        Zhang et al. (2019), https://arxiv.org/abs/1907.08610.
    """

    def __init__(self, base: Optimizer, every: int = 5, alpha: float = 0.5) -> None:
        super().__init__(_check(base).learning_rate)
        self.base = base
        self.every = checks.integer("every", every)
        self.alpha = checks.positive("alpha", alpha)
        if alpha > 1:
            raise ValueError(f"alpha must lie in (0, 1]; given: {alpha!r}.")
        self.slow: np.ndarray | None = None

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters."""
        if self.slow is None:
            self.slow = theta.copy()
        theta = self.base.step(theta, gradient)
        if (self.iterations + 1) % self.every == 0:
            self.slow = self.slow + self.alpha * (theta - self.slow)
            theta = self.slow.copy()
        return theta


def _check(base: Optimizer) -> Optimizer:
    if not isinstance(base, Optimizer):
        raise ValueError(
            "base must be an optimizer of kerasopt.scratch.optimizers, such as "
            f"GradientDescent(0.1); given: {base!r}."
        )
    return base
