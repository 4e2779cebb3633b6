"""Epochs over arrays in memory, each of them one compiled call.

Keras's `fit` spends a millisecond on each step and, in tf.data, ten on the two
iterators of each epoch: several times what a small model takes for its steps. Here the
steps, Keras's own `train_step` and `test_step`, run in a loop inside TensorFlow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt.data import pipeline

__all__ = ["Arrays", "Passes", "fit_arrays", "passes_of"]

MOST_STEPS_A_CALL, FIRST_STEPS = 256, 16
"""Steps in one compiled call at most, and in the first one, which tells how long they
take."""

SECONDS_A_CALL = 1.0
"""So long Ctrl-C, the clock and the progress bar wait."""

TEST_BATCH_SIZE = 1024

Arrays = tuple[np.ndarray, ...]


class Passes:
    """A compiled model's passes over arrays.

    Args:
        model: A compiled Keras model. Its steps are traced once, for all lengths and
            batch sizes.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._train = _Pass(model.train_step)
        self._test = _Pass(model.test_step)
        self._rows_a_second: float | None = None

    def train(
        self,
        arrays: Any,
        order: np.ndarray,
        batch_size: int,
        *,
        after_call: Callable[[int], None] = lambda steps: None,
    ) -> dict[str, float]:
        """Train on the rows in an order; return the loss and the metrics.

        Args:
            arrays: Samples, labels and perhaps weights, as tensors.
            order: Row numbers.
            batch_size: Rows of a step.
            after_call: Called with the number of steps done; may set the model's
                ``stop_training``.
        """
        self.model.reset_metrics()
        done = 0
        while done < len(order):
            rows = order[done : done + self._steps_a_call(batch_size) * batch_size]
            started = time.perf_counter()
            self._train(arrays, rows, batch_size)
            self._rows_a_second = len(rows) / (time.perf_counter() - started)
            done += len(rows)
            after_call(-(-done // batch_size))
            if self.model.stop_training:
                break
        return self._measured()

    def _steps_a_call(self, batch_size: int) -> int:
        if self._rows_a_second is None:
            return FIRST_STEPS
        steps = int(SECONDS_A_CALL * self._rows_a_second / batch_size)
        return min(max(steps, 1), MOST_STEPS_A_CALL)

    def test(self, arrays: Any) -> dict[str, float]:
        """Return the loss and the metrics of all rows."""
        self.model.reset_metrics()
        self._test(arrays, np.arange(len(arrays[0])), TEST_BATCH_SIZE)
        return self._measured()

    def _measured(self) -> dict[str, float]:
        found = self.model.get_metrics_result()
        return {name: float(value) for name, value in found.items()}


class _Pass:
    """A step taken over samples in a given order, in one compiled loop."""

    def __init__(self, step: Callable[[Any], Any]) -> None:
        self.step = step
        self._compiled: dict[Any, Callable[..., Any]] = {}

    def __call__(self, arrays: Any, order: np.ndarray, batch_size: int) -> None:
        # One trace serves all lengths and batch sizes.
        specs = tuple(tf.TensorSpec((None, *a.shape[1:]), a.dtype) for a in arrays)
        if specs not in self._compiled:
            self._compiled[specs] = tf.function(
                self._batches, autograph=False
            ).get_concrete_function(
                specs, tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)
            )
        self._compiled[specs](
            arrays, tf.constant(order, tf.int32), tf.constant(batch_size)
        )

    def _batches(self, arrays: Any, order: tf.Tensor, batch_size: tf.Tensor) -> None:
        def take(begin: tf.Tensor) -> list[tf.Tensor]:
            rows = order[begin : begin + batch_size]
            x, *others = (tf.gather(each, rows) for each in arrays)
            self.step((pipeline.scale(x), *others))
            return [begin + batch_size]

        tf.while_loop(lambda begin: begin < tf.size(order), take, [tf.constant(0)])


def passes_of(model: keras.Model) -> Passes:
    """Return a compiled model's passes; they live as long as it does."""
    if not hasattr(model, "passes_over_arrays"):
        model.passes_over_arrays = Passes(model)
    return model.passes_over_arrays


def fit_arrays(
    model: keras.Model,
    train: Any,
    validation: Any,
    *,
    batch_size: int,
    order: Callable[[int], np.ndarray],
    epochs: int,
    first_epoch: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
) -> None:
    """Do what Keras's `fit` does, on arrays.

    Args:
        model: The compiled model.
        train: Samples, labels and perhaps weights, as tensors.
        validation: Likewise, measured after each epoch, or None.
        batch_size: Rows of a step; the last one of an epoch may have fewer.
        order: Function from the epoch to the order of its rows.
        epochs: The last epoch's number, counted from 1.
        first_epoch: Epochs that were trained before.
        callbacks: Keras's callbacks. A batch is a compiled call to them.
        verbose: As in Keras.

    Example:
        >>> network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> network.compile("sgd", "mse")
        >>> x = tf.constant([[1.0], [2.0]])
        >>> log = keras.callbacks.History()
        >>> fit_arrays(network, (x, 2 * x), None, batch_size=2, epochs=3,
        ...            order=lambda epoch: np.arange(2), callbacks=[log])
        >>> log.epoch
        [0, 1, 2]
    """
    passes = passes_of(model)
    listed = keras.callbacks.CallbackList(
        list(callbacks),
        add_progbar=verbose != 0,
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=1,
    )
    logs: dict[str, float] = {}

    def after_call(steps: int) -> None:
        listed.on_train_batch_end(steps - 1, model.get_metrics_result())

    _make_variables(model, train)
    model.stop_training = False
    listed.on_train_begin()
    for epoch in range(first_epoch, epochs):
        listed.on_epoch_begin(epoch)
        logs = passes.train(train, order(epoch), batch_size, after_call=after_call)
        if validation is not None:
            tested = passes.test(validation)
            logs |= {f"val_{name}": value for name, value in tested.items()}
        listed.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    # What `fit` does, too: the moving average takes the place of the weights.
    model.optimizer.finalize_variable_values(model.trainable_weights)
    listed.on_train_end(logs)


def _make_variables(model: keras.Model, arrays: Any) -> None:
    """Make the optimizer's and the metrics' variables, on one sample.

    A step that makes them while it is traced is traced twice.
    """
    model.optimizer.build(model.trainable_variables)
    x, y = pipeline.scale(arrays[0][:1]), arrays[1][:1]
    model.compute_metrics(x, y, model(x, training=False))
    model.reset_metrics()
