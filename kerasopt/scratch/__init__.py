"""The theory in NumPy alone: each algorithm in a screenful, checked by the tests.

Read a function, run it, compare: `descent` (gradient descent for linear regression),
`neuron` (one, by the chain rule), `network` (forward and backward pass of an MLP),
its `parameters`, `activations`, `losses`, `gradients` (numeric ones), `optimizers`,
`second_order` (Newton, BFGS, L-BFGS), `schedules`, `plateau`, `initializers`,
`normalization`, `regularization`. What to train with is in `kerasopt.optimizers`,
`kerasopt.schedules` and so on, under the same names.
"""

from kerasopt.scratch import (
    activations,
    descent,
    gradients,
    initializers,
    losses,
    network,
    neuron,
    normalization,
    optimizers,
    parameters,
    plateau,
    regularization,
    schedules,
    second_order,
)
from kerasopt.scratch.descent import gradient_descent

__all__ = [
    "activations",
    "descent",
    "gradient_descent",
    "gradients",
    "initializers",
    "losses",
    "network",
    "neuron",
    "normalization",
    "optimizers",
    "parameters",
    "plateau",
    "regularization",
    "schedules",
    "second_order",
]
