"""What all first-order optimizers share: the count of steps and the rate."""

from __future__ import annotations

import numpy as np

from kerasopt.scratch import checks

__all__ = ["Optimizer"]


class Optimizer:
    """Base of the optimizers: one array of parameters, one gradient a step.

    A subclass writes its formula in `update`. Where a formula needs the state of
    earlier steps (m, v), the subclass keeps it in attributes, which start at None or 0.

    Args:
        learning_rate: Number > 0, or a function of the step (from 0) such as one of
            `kerasopt.scratch.schedules`.

    Raises:
        ValueError: if the rate isn't > 0; from `step`, if parameters and gradient
            don't hold finite floats of one shape, or the shape changes between steps.
    """

    def __init__(self, learning_rate: checks.Rate = 0.01) -> None:
        self.learning_rate = checks.learning_rate(learning_rate)
        self.iterations = 0
        self._shape: tuple[int, ...] | None = None

    def step(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Return the parameters after one step; the given ones stay as they are."""
        theta = checks.float_array("theta", theta)
        gradient = checks.float_array("gradient", gradient, shape=theta.shape)
        if self._shape not in (None, theta.shape):
            raise ValueError(
                f"This optimizer keeps state for parameters of shape {self._shape}; "
                f"given: {theta.shape}. Use one optimizer for each array."
            )
        self._shape = theta.shape
        new = self.update(theta, gradient, self.rate())
        self.iterations += 1
        return new.astype(theta.dtype, copy=False)

    def update(
        self, theta: np.ndarray, gradient: np.ndarray, rate: float
    ) -> np.ndarray:
        """Return the new parameters: the formula of the optimizer."""
        raise NotImplementedError

    def rate(self) -> float:
        """Return the learning rate of the next step."""
        return checks.rate_at(self.learning_rate, self.iterations)
