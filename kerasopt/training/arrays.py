"""Training on plain arrays in memory: many short trainings, compiled once."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from kerasopt import callbacks as own_callbacks
from kerasopt import checks, layers
from kerasopt.data import pipeline
from kerasopt.training.passes import Arrays, fit_arrays
from kerasopt.training.reuse import CompiledModels

__all__ = ["fit", "predict"]

PREDICTION_BATCH_SIZE = 1024

Build = Callable[[], tuple[keras.Model, keras.optimizers.Optimizer]]

# The shared models serve one training at a time.
_lock = threading.RLock()
_shared = CompiledModels()


def fit(
    build: Build,
    train: Arrays,
    *,
    loss: Any,
    metrics: Sequence[str] = (),
    batch_size: int,
    epochs: int,
    seed: int,
    validation: Arrays | None = None,
    patience: int | None = None,
    key: Hashable | None = None,
    verbose: int = 0,
) -> tuple[keras.Model, pd.DataFrame]:
    """Train a new model on arrays, with little time spent on anything but its steps.

    The steps are Keras's (`keras.Model.train_step`), an epoch of them one compiled
    call: that takes away what Keras's `fit` spends on each step and on the iterators of
    each epoch, several times what a step of a small model takes. With a ``key``
    trainings share their compilation, too. Neither changes the result.

    Weights and order are functions of the seed alone; no generator of the caller is
    touched.

    Args:
        build: Function without arguments that returns a new network, not compiled, and
            its new optimizer. It may be called twice.
        train: Samples x, shape (n, ...), uint8 (divided by 255) or float32, labels y as
            the loss takes them, and, if there are any, weights of the samples.
        loss: What `keras.Model.compile` takes.
        metrics: Names of Keras's metrics; they are weighted, too.
        batch_size: Samples in a step; the last one of an epoch may have fewer.
        epochs: Most epochs.
        seed: Integer >= 0, of the weights, the order, dropout.
        validation: Like `train`; measured after each epoch.
        patience: Stop when ``val_loss`` hasn't improved for so many epochs, and bring
            back the weights of the best one. None never stops.
        key: Stands for everything that `build` and the loss fix, but for numbers that
            are held in variables (weights, a constant learning rate). None shares
            nothing.
        verbose: 0 (silent), 1 (a bar an epoch) or 2 (a line an epoch), as in Keras.

    Returns:
        The network, its own and not compiled, and the history: one row an epoch, with
        the loss, the metrics and those of the validation data.

    Raises:
        DivergedError: a `ValueError`, if the loss became NaN or infinite.

    Example:
        >>> def build():
        ...     entry = keras.Input((2,))
        ...     network = keras.Model(entry, keras.layers.Dense(1)(entry))
        ...     return network, keras.optimizers.SGD(0.1)
        >>> x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
        >>> y = x @ np.array([[1.0], [-2.0]], "float32")
        >>> model, history = fit(build, (x, y), loss="mse", batch_size=16, epochs=30,
        ...                      seed=0)
        >>> model.get_weights()[0].round(3).ravel().tolist()
        [1.0, -2.0]
    """
    checks.integer("batch_size", batch_size)
    checks.integer("epochs", epochs)
    with _lock:
        with _seeded(seed):
            network, optimizer = build()
        layers.adapt(network, pipeline.some_samples(train[0]))
        shared_key = None if key is None else (key, _surroundings())
        compiled = _shared.compiled(
            shared_key,
            network,
            optimizer,
            loss=loss,
            weighted_metrics=list(metrics),
            jit_compile=False,  # XLA would compile once more for each size of a batch.
        )
        history = _train(
            compiled,
            (train, validation),
            batch_size=batch_size,
            epochs=epochs,
            seed=seed,
            patience=patience,
            verbose=verbose,
        )
        # The compiled model stays here: its variables are the next training's.
        own = network
        if compiled is network:
            with _seeded(seed):
                own, _ = build()
        for mine, trained in zip(own.variables, compiled.variables, strict=True):
            mine.assign(trained)
    _check_finite(history, own)
    return own, history


def predict(
    model: keras.Model, x: np.ndarray, *, batch_size: int = PREDICTION_BATCH_SIZE
) -> np.ndarray:
    """Return what a model predicts, without compiling anything.

    `keras.Model.predict` traces each new model, which takes longer than a small model
    takes for thousands of samples.

    Args:
        model: Built model.
        x: Samples, shape (n, ...), uint8 (divided by 255) or floats.
        batch_size: Samples in memory at a time; 1024 by default.

    Returns:
        Its outputs, shape (n, ...).

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Softmax()])
        >>> predict(model, np.zeros((3, 2), "uint8")).tolist()
        [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """
    parts = []
    for begin in range(0, len(x), batch_size):
        batch = pipeline.scale(x[begin : begin + batch_size])
        # A product with one row is rounded differently: two then, so that a sample's
        # prediction doesn't depend on its company.
        pair = tf.repeat(batch, 2, axis=0) if len(batch) == 1 else batch
        outputs = keras.ops.convert_to_numpy(model(pair, training=False))
        parts.append(outputs[: len(batch)])
    return np.concatenate(parts)


def _train(
    model: keras.Model,
    data: tuple[Arrays, Arrays | None],
    *,
    batch_size: int,
    epochs: int,
    seed: int,
    patience: int | None,
    verbose: int,
) -> pd.DataFrame:
    """Train and return the history; the model is left with the weights to keep."""
    train, validation = (part and tuple(map(tf.constant, part)) for part in data)
    samples = len(data[0][0])
    log = keras.callbacks.History()
    fit_arrays(
        model,
        train,
        validation,
        batch_size=batch_size,
        order=lambda epoch: np.random.default_rng((seed, epoch)).permutation(samples),
        epochs=epochs,
        callbacks=[*_stopping(patience), log],
        verbose=verbose,
    )
    history = pd.DataFrame(log.history)
    history.index = pd.RangeIndex(1, len(history) + 1, name="epoch")
    return history


def _stopping(patience: int | None) -> list[keras.callbacks.Callback]:
    stopping: list[keras.callbacks.Callback] = [own_callbacks.TerminateOnNaN()]
    if patience is not None:
        stopping.append(
            keras.callbacks.EarlyStopping(
                "val_loss", patience=patience, mode="min", restore_best_weights=True
            )
        )
    return stopping


def _check_finite(history: pd.DataFrame, model: keras.Model) -> None:
    # Loaded here: a run's loop brings the report's libraries with it.
    from kerasopt.training.loop import DivergedError

    last = history["loss"].iloc[-1]
    if not np.isfinite(last) or not all(
        np.isfinite(weight).all() for weight in model.get_weights()
    ):
        raise DivergedError(
            f"The loss became {last} in epoch {len(history)}. Lower the learning rate, "
            "clip the gradients (clipnorm), or scale the data."
        )


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed what Keras's layers draw their own seeds from, for the time being."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def _surroundings() -> tuple[Any, ...]:
    """Return what else a compiled model depends on."""
    return (
        keras.config.dtype_policy().name,
        keras.config.floatx(),
        keras.config.image_data_format(),
        tf.config.functions_run_eagerly(),
    )
