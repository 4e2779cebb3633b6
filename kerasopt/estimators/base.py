"""What classifier and regressor share: parameters, training, pickling."""

from __future__ import annotations

import contextlib
import inspect
import json
import random
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from kerasopt import callbacks, checks, models, optimizers
from kerasopt.console import Console
from kerasopt.data import Dataset, pipeline, splits
from kerasopt.data.pixels import scale_of_new
from kerasopt.training import DivergedError, Trainer, preparation, quiet
from kerasopt.training.batches import Feed, affordable_batch
from kerasopt.training.compile_cache import CompileCache
from kerasopt.training.spec import TrainingSettings, TrainingSpec

__all__ = ["KerasOptEstimator", "as_float32", "as_input", "weights_of"]

# The shared models serve one training at a time.
_lock = threading.RLock()
_shared = CompileCache()

ROWS = 64
"""Predictions come in multiples of so many rows, the last one repeated: a processor
rounds products of few rows differently, and those of the rows that are left over."""

OF_THE_MLP = ("hidden_units", "activation", "dropout", "l1", "l2", "batch_norm")


class KerasOptEstimator(BaseEstimator):
    """What classifier and regressor share: the parameters, the training, pickling."""

    def __init__(
        self,
        *,
        hidden_units: int | Sequence[int] = 64,
        learning_rate: Any = 0.001,
        batch_size: int = 32,
        epochs: int = 100,
        optimizer: str | Mapping[str, Any] = "adam",
        activation: str = "relu",
        dropout: float | Sequence[float] = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        batch_norm: bool | str = False,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        model: str | Mapping[str, Any] | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_units = hidden_units
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.optimizer = optimizer
        self.activation = activation
        self.dropout = dropout
        self.l1 = l1
        self.l2 = l2
        self.batch_norm = batch_norm
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.model = model
        self.random_state = random_state
        self.verbose = verbose

    def _fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        weights: Any,
        num_outputs: int,
        *,
        task: str,
        loss: str,
        metrics: tuple[str, ...] = (),
    ) -> None:
        """Train a new network; labels are as the loss takes them."""
        self._check_parameters()
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        data = self._dataset(x, y, weights, seed, task, num_outputs)
        network = self._network_spec()
        shape = x.shape[1:]

        def build() -> keras.Model:
            with _seeded(seed):
                return self._network(network, shape, num_outputs)

        optimizer = self._optimizer_spec(data.sizes["train"] or 0)
        spec = TrainingSpec(
            build,
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            task=task,
            settings=TrainingSettings(
                epochs=self.epochs,
                batch_size=self.batch_size,
                patience=self.patience,
                seed=seed,
                jit="none",
            ),
            compile_key=_key(task, network, optimizer, shape, num_outputs, y.ndim),
            seeds_globally=False,
        )
        with _lock, quiet.tracing():
            self.model_, self.history_ = _trained(spec, data, build, self.verbose)
        self.n_iter_ = len(self.history_)
        self.input_shape_ = shape
        self.pixel_scale_ = data.pixel_scale

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        x = as_input(validate_data(self, X, reset=False, allow_nd=True))
        if x.shape[1:] != self.input_shape_:
            raise ValueError(
                f"X has samples of shape {x.shape[1:]}; this estimator was fitted on "
                f"samples of shape {self.input_shape_}."
            )
        scale = scale_of_new(x, self.pixel_scale_)
        return _predicted(self.model_, x, scale).astype("float64")

    def _check_parameters(self) -> None:
        _widths(self.hidden_units)
        checks.integer("batch_size", self.batch_size)
        checks.integer("epochs", self.epochs)
        checks.proper_fraction("validation_fraction", self.validation_fraction)
        if self.patience is not None:
            checks.integer("patience", self.patience)
        if self.verbose not in (0, 1, 2):
            raise ValueError(f"verbose must be 0, 1 or 2; given: {self.verbose!r}.")

    def _network_spec(self) -> dict[str, Any]:
        """Return the network as a dict for `kerasopt.models.get`."""
        own = {name: getattr(self, name) for name in OF_THE_MLP}
        if self.model is None:
            return {"name": "mlp", "units": _widths(own.pop("hidden_units")), **own}
        defaults = inspect.signature(KerasOptEstimator).parameters
        changed = [name for name in own if own[name] != defaults[name].default]
        if changed:
            raise ValueError(
                f"{', '.join(changed)} would shape the perceptron, whose place model= "
                "takes. Put such settings into the dict: "
                "model={'name': 'cnn', 'filters': [16, 32], 'dropout': 0.2}."
            )
        spec = {"name": self.model} if isinstance(self.model, str) else self.model
        if not isinstance(spec, Mapping):
            raise ValueError(
                "model must be None, the name of a model or a dict with its name and "
                f"arguments; given: {self.model!r}. Names: {', '.join(models.names())}."
            )
        given = {"input_shape", "num_classes"} & set(spec)
        if given:
            raise ValueError(
                f"model has {', '.join(sorted(given))}, which X and y decide: leave it "
                "out."
            )
        return dict(spec)

    def _optimizer_spec(self, num_samples: int) -> dict[str, Any]:
        """Return the optimizer as a dict for `kerasopt.optimizers.get`."""
        given = self.optimizer
        if not isinstance(given, (str, Mapping)):
            raise ValueError(
                "optimizer must be a name or a dict with its name and arguments; "
                f"given: {given!r}. Names: {', '.join(optimizers.names())}."
            )
        spec = {"name": given} if isinstance(given, str) else dict(given)
        if self.learning_rate is not None:
            if "learning_rate" in spec:
                raise ValueError(
                    "optimizer has a learning_rate, and so has the estimator: give it "
                    "once, as learning_rate=…, or set learning_rate=None."
                )
            spec["learning_rate"] = self.learning_rate
        steps = pipeline.steps_per_epoch(num_samples, self.batch_size)
        return optimizers.complete(spec, epochs=self.epochs, steps_per_epoch=steps)

    def _network(
        self, spec: dict[str, Any], shape: tuple[int, ...], num_outputs: int
    ) -> keras.Model:
        return models.get(spec, input_shape=shape, num_classes=num_outputs)

    def _dataset(
        self,
        x: np.ndarray,
        y: np.ndarray,
        weights: Any,
        seed: int,
        task: str,
        num_outputs: int,
    ) -> Dataset:
        """Return the data, with the cut that early stopping watches."""
        parts: dict[str, Any] = {"train": slice(None)}
        if self.patience is not None:
            parts["train"], parts["validation"] = self._cut(y, seed)
        fields: dict[str, Any] = {
            split: (x[rows], y[rows]) for split, rows in parts.items()
        }
        if weights is not None:
            fields["weights"] = {split: weights[rows] for split, rows in parts.items()}
        fields["task"] = task
        return Dataset(num_classes=num_outputs, **fields)

    def _cut(self, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        size = splits.resolve_size(
            self.validation_fraction, total=len(y), what="validation_fraction"
        )
        order = np.random.default_rng(seed).permutation(len(y))
        return order[size:], order[:size]

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = _to_bytes(state["model_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "model_" in state:
            state = {**state, "model_": _from_bytes(state["model_"])}
        super().__setstate__(state)


def _trained(
    spec: TrainingSpec, data: Dataset, build: Any, verbose: int
) -> tuple[keras.Model, pd.DataFrame]:
    """Train a network of its own, with steps that fits of one structure share."""
    feed = Feed(data)
    ready = preparation.prepare(
        spec, data, console=Console(quiet=True), feed=feed, cache=_shared
    )
    log, stopping = keras.callbacks.History(), []
    if spec.settings.patience is not None:
        stopping = [
            callbacks.EarlyStopping(
                monitor="val_loss", patience=spec.settings.patience, mode="min"
            )
        ]
    Trainer(
        ready.model,
        feed.training(spec.settings),
        feed.evaluation("validation", spec.settings),
        epochs=spec.settings.epochs,
        callbacks=[callbacks.TerminateOnNaN(), *stopping, log],
        steps=ready.steps,
        verbose=int(verbose),
    ).run()
    # The compiled model's variables are the next training's.
    own = build()
    for mine, trained in zip(own.variables, ready.model.variables, strict=True):
        mine.assign(trained)
    history = pd.DataFrame(log.history)
    history.index = pd.RangeIndex(1, len(history) + 1, name="epoch")
    _check_finite(history, own)
    return own, history


def _predicted(model: keras.Model, x: np.ndarray, pixel_scale: float) -> np.ndarray:
    """Return what a model predicts, without compiling anything.

    `keras.Model.predict` traces each new model, which takes longer than a small model
    takes for thousands of samples.
    """
    size, parts = affordable_batch(x), []
    multiple = min(ROWS, size)
    for begin in range(0, len(x), size):
        batch = x[begin : begin + size]
        missing = -len(batch) % multiple
        whole = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        outputs = model(pipeline.scale(whole, pixel_scale), training=False)
        parts.append(keras.ops.convert_to_numpy(outputs)[: len(batch)])
    return np.concatenate(parts)


def _check_finite(history: pd.DataFrame, model: keras.Model) -> None:
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


def weights_of(sample_weight: Any, X: np.ndarray) -> tuple[Any, np.ndarray | None]:
    """Return which rows count, and their weights, brought to a mean of 1."""
    if sample_weight is None:
        return slice(None), None
    weights = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    rows = weights > 0
    if not rows.any():
        raise ValueError("sample_weight is 0 for every sample: nothing to learn from.")
    kept = weights[rows]
    return rows, (kept / kept.mean()).astype("float32")


def as_input(X: np.ndarray) -> np.ndarray:
    """Return uint8 pixels as they are, other numbers as float32."""
    return X if X.dtype == np.uint8 else as_float32("X", X)


def as_float32(name: str, values: np.ndarray) -> np.ndarray:
    """Return numbers as float32, or raise `ValueError` if it can't hold them."""
    with np.errstate(over="ignore"):
        cast = values.astype("float32")
    if not np.isfinite(cast).all():
        raise ValueError(f"{name} has numbers too large for float32: scale it.")
    return cast


def _widths(hidden_units: Any) -> list[int]:
    widths = [hidden_units] if np.isscalar(hidden_units) else hidden_units
    what = "an integer >= 1, or a list of them"
    return [
        checks.integer("hidden_units", width)
        for width in checks.sequence("hidden_units", widths, what)
    ]


def _key(task: str, network: Any, optimizer: Any, *shapes: Any) -> str | None:
    """Return what is compiled, or None if it can't be said in JSON."""
    rate = optimizer.get("learning_rate")
    if isinstance(rate, Real):  # Held in a variable.
        optimizer = {**optimizer, "learning_rate": "any"}
    surroundings = (
        keras.config.dtype_policy().name,
        keras.config.floatx(),
        keras.config.image_data_format(),
        tf.config.functions_run_eagerly(),
    )
    try:
        return json.dumps(
            [task, network, optimizer, shapes, surroundings], default=_plain
        )
    except TypeError:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{value!r} isn't plain data.")


def _to_bytes(model: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def _from_bytes(saved: bytes) -> keras.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(saved)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
