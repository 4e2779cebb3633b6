"""Training by L-BFGS, SciPy's, on all the data at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import pandas as pd
import rich.console
import tensorflow as tf
from scipy import optimize

from kerasopt import checks, gradients, losses
from kerasopt.data import pipeline

__all__ = ["LBFGSResult", "fit_lbfgs"]


@dataclasses.dataclass(frozen=True)
class LBFGSResult:
    """Result of `fit_lbfgs`.

    Attributes:
        history: One row an iteration: loss (penalties included), gradient_norm (the
            largest absolute value in the gradient).
        converged: Whether the gradient or the improvement became small enough, and not
            merely the iterations ran out.
        message: SciPy's words on why it stopped.
    """

    history: pd.DataFrame
    converged: bool
    message: str


def fit_lbfgs(
    model: keras.Model,
    x: Any,
    y: Any,
    *,
    loss: Any = "auto",
    max_iterations: int = 200,
    tolerance: float = 1e-5,
    memory: int = 10,
    batch_size: int = 4096,
    verbose: bool = True,
) -> LBFGSResult:
    """Train a small model with L-BFGS: curvature from the last gradients.

    Minimises the mean loss over all samples plus the model's penalties, with SciPy's
    L-BFGS-B. Each iteration sees all the data at least once, so it pays for models and
    data that are small, where it needs tens of iterations instead of thousands of
    steps. The loss must be a fixed function of the weights: the model runs in
    inference mode, dropout doesn't drop.

    Args:
        model: Built model; its trainable weights are changed. Compiled or not.
        x: Samples, shape (n, ...); uint8 is divided by 255, as in `kerasopt.fit`.
        y: Labels.
        loss: ``"auto"`` (cross-entropy by the labels' shape), a Keras name or loss.
        max_iterations: Most iterations.
        tolerance: Stop when no element of the gradient is larger.
        memory: Gradients that are remembered.
        batch_size: Samples that are in memory at a time; it doesn't change the result.
        verbose: Show progress on standard error.

    Returns:
        An `LBFGSResult`; the model holds the best weights.

    Raises:
        ValueError: if an argument is out of its range, samples and labels differ in
            number, samples or loss aren't finite at the start, or the model has batch
            normalisation, whose statistics L-BFGS would never learn.

    Example:
        >>> import kerasopt as ko
        >>> digits = ko.data.load("digits")
        >>> model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,))
        >>> result = ko.training.fit_lbfgs(model, *digits.train, max_iterations=20,
        ...                                verbose=False)
        >>> bool(result.history["loss"].iloc[-1] < 0.3)
        True

    References:
        Liu and Nocedal (1989), https://doi.org/10.1007/BF01589116; Byrd et al. (1995),
        https://doi.org/10.1137/0916069.
    """
    _check(model, x, y, max_iterations, tolerance)
    problem = _Problem(model, losses.get(loss, labels=y), x, y, batch_size)
    console = rich.console.Console(stderr=True, quiet=not verbose)
    with console.status("L-BFGS …") as status:

        def tell(intermediate_result: optimize.OptimizeResult) -> None:
            problem.remember(float(intermediate_result.fun))
            status.update(
                f"L-BFGS: iteration {len(problem.rows)} of at most {max_iterations}, "
                f"loss {intermediate_result.fun:.6g}"
            )

        result = optimize.minimize(
            problem.value_and_gradient,
            problem.start(),
            jac=True,
            method="L-BFGS-B",
            callback=tell,
            options={
                "maxiter": max_iterations,
                "maxfun": 10 * max_iterations,
                "maxcor": memory,
                "gtol": tolerance,
                "ftol": problem.least_improvement,
            },
        )
    problem.assign(result.x)
    history = pd.DataFrame(problem.rows, columns=["loss", "gradient_norm"])
    history.index = pd.RangeIndex(1, len(history) + 1, name="iteration")
    return LBFGSResult(history, bool(result.success), str(result.message))


class _Problem:
    """The loss over all samples as a function of one flat vector of weights."""

    def __init__(
        self, model: keras.Model, loss: Any, x: Any, y: Any, batch_size: int
    ) -> None:
        self.weights = model.trainable_variables
        self.dtype = model.inputs[0].dtype
        # SciPy's default in float32, where smaller differences are rounding.
        self.least_improvement = 1e-15 if self.dtype == "float64" else 2.2e-9
        self.samples = len(x)
        self.x, self.y, self.batch_size = x, y, batch_size
        self.rows: list[tuple[float, float]] = []
        self._norms: dict[float, float] = {}

        @tf.function(reduce_retracing=True)
        def batch(x: Any, y: Any) -> Any:
            return gradients.loss_and_gradients(model, loss, x, y, training=False)

        self._batch = batch

    def start(self) -> np.ndarray:
        x = np.asarray(self.x)
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise ValueError("x holds NaN or infinite values: clean the data.")
        theta = np.concatenate(
            [keras.ops.convert_to_numpy(w).ravel() for w in self.weights]
        ).astype("float64")
        value, gradient = self.value_and_gradient(theta)
        if not np.isfinite(value) or not np.isfinite(gradient).all():
            raise ValueError(
                f"The loss is {value} before the first step, or its gradient isn't "
                "finite: look for NaN in the weights, and whether the loss fits the "
                "model's output."
            )
        return theta

    def assign(self, theta: np.ndarray) -> None:
        begin = 0
        for weight in self.weights:
            size = int(np.prod(weight.shape))
            weight.assign(theta[begin : begin + size].reshape(weight.shape))
            begin += size

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        self.assign(theta)
        value, gradient = 0.0, np.zeros_like(theta)
        for begin in range(0, self.samples, self.batch_size):
            rows = slice(begin, begin + self.batch_size)
            x = self._scaled(self.x[rows])
            # The batches' shares add up to 1, so the penalties count once.
            share = len(self.x[rows]) / self.samples
            loss, parts = self._batch(x, tf.convert_to_tensor(self.y[rows]))
            value += share * float(loss)
            flat = [np.ravel(keras.ops.convert_to_numpy(part)) for part in parts]
            gradient += share * np.concatenate(flat)
        self._norms[value] = float(np.abs(gradient).max())
        return value, gradient

    def _scaled(self, x: Any) -> tf.Tensor:
        """Return samples as `kerasopt.fit` has them, but float64 for such a model."""
        x = np.asarray(x)
        return tf.cast(pipeline.scale(x) if x.dtype == np.uint8 else x, self.dtype)

    def remember(self, value: float) -> None:
        """Add an iteration's row; SciPy names it by its value alone."""
        self.rows.append((value, self._norms.get(value, float("nan"))))


def _check(model: Any, x: Any, y: Any, max_iterations: int, tolerance: float) -> None:
    if len(x) != len(y) or not len(x):
        raise ValueError(
            f"x and y must have as many samples, at least one; given: {len(x)} and "
            f"{len(y)}."
        )
    checks.integer("max_iterations", max_iterations)
    checks.positive("tolerance", tolerance)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            raise ValueError(
                f"The layer {layer.name!r} learns its statistics from batches, which "
                "L-BFGS doesn't use. Build the model with batch_norm=False, or train "
                "it with kerasopt.fit."
            )
