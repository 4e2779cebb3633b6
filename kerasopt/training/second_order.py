"""Training by L-BFGS, SciPy's, on all the data at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy import optimize

from kerasopt import checks, gradients, layers, losses
from kerasopt.console import progress_console
from kerasopt.data import as_dataset, pipeline
from kerasopt.training import compiling
from kerasopt.training.batches import Feed
from kerasopt.training.head import head_of, takes_pixels
from kerasopt.training.spec import TrainingSpec

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
        loss: ``"auto"`` (that of the task, as in `kerasopt.fit`), a Keras name or
            loss.
        max_iterations: Most iterations.
        tolerance: Stop when no element of the gradient is larger.
        memory: Gradients that are remembered.
        batch_size: Samples that are in memory at a time; it doesn't change the result.
        verbose: Show progress on standard error.

    Returns:
        An `LBFGSResult`; the model holds the best weights.

    Raises:
        ValueError: if an argument is out of its range, samples and labels differ in
            number, samples or loss aren't finite at the start, or the model isn't a
            functional one with one input, has nothing to train, or has batch
            normalisation, whose statistics L-BFGS would never learn.

    Example:
        >>> import kerasopt as ko
        >>> digits = ko.data.load("digits")
        >>> model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,))
        >>> result = ko.training.fit_lbfgs(model, *digits.train, max_iterations=20,
        ...                                verbose=False)
        >>> bool(result.history["loss"].iloc[-1] < 1)
        True

    References:
        Liu and Nocedal (1989), https://doi.org/10.1007/BF01589116; Byrd et al. (1995),
        https://doi.org/10.1137/0916069.
    """
    _check(model, x, y)
    checks.integer("max_iterations", max_iterations)
    checks.positive("tolerance", tolerance)
    checks.integer("memory", memory)
    checks.integer("batch_size", batch_size)
    layers.adapt(model, pipeline.some_samples(np.asarray(x)))
    problem = _Problem(model, *_loss_and_labels(model, loss, x, y), x, batch_size)
    console = progress_console(verbose)
    with console.status("L-BFGS …") as status:

        def tell(intermediate_result: optimize.OptimizeResult) -> None:
            problem.remember(float(intermediate_result.fun))
            status.update(
                f"L-BFGS: iteration {len(problem.rows)} of at most {max_iterations}, "
                f"loss {intermediate_result.fun:.6g}"
            )

        try:
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
        finally:  # After Ctrl-C, too.
            problem.assign_best()
    history = pd.DataFrame(problem.rows, columns=["loss", "gradient_norm"])
    history.index = pd.RangeIndex(1, len(history) + 1, name="iteration")
    converged = bool(result.success) and not problem.stumbled
    message = str(result.message)
    if problem.stumbled:
        message = "The last trials had a loss or gradient that isn't finite."
    return LBFGSResult(history, converged, message)


class _Problem:
    """The loss over all samples as a function of one flat vector of weights."""

    def __init__(
        self, model: keras.Model, loss: Any, y: Any, x: Any, batch_size: int
    ) -> None:
        self.weights = model.trainable_variables
        self.dtype = model.inputs[0].dtype
        # SciPy's default in float32, where smaller differences are rounding.
        self.least_improvement = 1e-15 if self.dtype == "float64" else 2.2e-9
        self.samples = len(x)
        self.x, self.y, self.batch_size = x, y, batch_size
        self.takes_pixels = takes_pixels(model)
        self.rows: list[tuple[float, float]] = []
        self._norms: dict[float, float] = {}
        self._best: tuple[float, np.ndarray | None] = (np.inf, None)
        self._wall = np.inf
        self.stumbled = False

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
        self.value_and_gradient(theta)
        if self.stumbled:
            raise ValueError(
                "The loss or its gradient isn't finite before the first step: look for "
                "NaN in labels and weights, and whether the loss fits the model's "
                "output."
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
            gradient += share * self._flat(parts)
        return self._judged(theta, value, gradient)

    def _flat(self, parts: list[Any]) -> np.ndarray:
        """Return the gradients as one vector; 0 where the loss doesn't depend."""
        return np.concatenate(
            [
                np.zeros(int(np.prod(weight.shape)))
                if part is None
                else np.ravel(keras.ops.convert_to_numpy(part))
                for weight, part in zip(self.weights, parts, strict=True)
            ]
        )

    def _judged(
        self, theta: np.ndarray, value: float, gradient: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Remember the best point; make what isn't finite a wall to turn back at."""
        if not np.isfinite(value) or not np.isfinite(gradient).all():
            self.stumbled = True
            return self._wall, np.zeros_like(gradient)
        if value < self._best[0]:
            self._best = value, theta.copy()
            # SciPy takes infinity for an answer, a large number for a bad trial.
            self._wall = 1e6 * (1 + abs(value))
        self._norms[value] = float(np.abs(gradient).max())
        return value, gradient

    def assign_best(self) -> None:
        """Put the weights with the lowest loss seen into the model."""
        if self._best[1] is not None:
            self.assign(self._best[1])

    def _scaled(self, x: Any) -> tf.Tensor:
        """Return samples as `kerasopt.fit` has them, but float64 for such a model."""
        x = np.asarray(x)
        divided = x.dtype == np.uint8 and not self.takes_pixels
        return tf.cast(pipeline.scale(x) if divided else x, self.dtype)

    def remember(self, value: float) -> None:
        """Add an iteration's row; SciPy names it by its value alone."""
        self.stumbled = False
        self.rows.append((value, self._norms.get(value, float("nan"))))


def _loss_and_labels(model: keras.Model, loss: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Return the loss for labels and model output, and the labels as it takes them."""
    if isinstance(loss, str) and loss == "auto":
        feed = Feed(as_dataset((x, y)))
        chosen = compiling.choose(TrainingSpec(model, loss=loss), feed, model)
        feed = chosen.feed
        return chosen.loss, feed.labels_as_trained(feed.dataset.train[1])
    head = head_of(model, model(np.asarray(x[:1], model.inputs[0].dtype)))
    if head.units == 1 and np.ndim(y) == 1:
        y = np.asarray(y)[:, np.newaxis]
    return losses.get(loss, from_logits=head.gives_logits), y


def _check(model: Any, x: Any, y: Any) -> None:
    inputs = getattr(model, "inputs", None)
    if inputs is None or len(inputs) != 1:
        given = type(model).__name__
        if isinstance(model, keras.Model) and not model.built:
            given += ", not built yet: begin it with keras.Input(shape)"
        raise ValueError(
            "model must be a built functional or sequential Keras model with one "
            f"input; given: {given}."
        )
    if not model.trainable_variables:
        raise ValueError("The model has no trainable weights: unfreeze a layer.")
    if len(x) != len(y) or not len(x):
        raise ValueError(
            f"x and y must have as many samples, at least one; given: {len(x)} and "
            f"{len(y)}."
        )
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            raise ValueError(
                f"The layer {layer.name!r} learns its statistics from batches, which "
                "L-BFGS doesn't use. Build the model with batch_norm=False, freeze the "
                "layer, or train with kerasopt.fit."
            )
