"""Where a model's variables live: one device, or a copy on each of several."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from kerasopt import checks
from kerasopt.training import calibration

__all__ = [
    "builder",
    "collect",
    "compile_arguments",
    "first_device",
    "is_parallel",
    "on",
    "place",
]


def builder(
    model: keras.Model | Callable[[], keras.Model],
) -> Callable[[], keras.Model] | None:
    """Return the function that builds the model, or None if it is built already."""
    if isinstance(model, keras.Model):
        return None
    if not callable(model) or isinstance(model, keras.layers.Layer):
        raise checks.ArgumentTypeError(
            "model must be a keras.Model or a function that builds one; given: "
            f"{type(model).__name__}."
        )
    _check_needs_nothing(model)

    def build() -> keras.Model:
        built = model()
        if not isinstance(built, keras.Model):
            raise TypeError(
                "The function given as model must return a keras.Model; it returned: "
                f"{type(built).__name__}."
            )
        return built

    return build


def _check_needs_nothing(function: Callable[..., Any]) -> None:
    """Refuse a function that can't be called without arguments."""
    try:
        parameters = inspect.signature(function)
    except ValueError:  # One written in C, which tells nothing.
        return
    try:
        parameters.bind()
    except TypeError as error:
        raise TypeError(
            f"The function given as model is called without arguments: {error}. Give "
            "lambda: build(…) with the arguments that it needs."
        ) from None


def is_parallel(strategy: tf.distribute.Strategy) -> bool:
    """Say whether a strategy copies the model to several devices."""
    return not isinstance(strategy, tf.distribute.OneDeviceStrategy)


def first_device(strategy: tf.distribute.Strategy) -> Any:
    """Compute on one of the strategy's devices inside this block."""
    return tf.device(strategy.extended.worker_devices[0])


@contextlib.contextmanager
def on(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Build and train inside this block."""
    # One device needs no strategy; Keras's distributed path is slower there.
    if is_parallel(strategy):
        with strategy.scope():
            yield
    else:
        with first_device(strategy):
            yield


def place(
    model: Any,
    build: Callable[[], keras.Model] | None,
    strategy: tf.distribute.Strategy,
    policy: str | None,
) -> keras.Model:
    """Return the model whose variables live where the strategy wants them."""
    if build is not None:
        with calibration.policy(policy):
            return build()
    return _copy(model) if is_parallel(strategy) else model


def collect(
    network: keras.Model,
    model: Any,
    build: Callable[[], keras.Model] | None,
    strategy: tf.distribute.Strategy,
    policy: str | None,
) -> keras.Model:
    """Return the trained model with ordinary variables, for use without a strategy."""
    if not is_parallel(strategy):
        return network
    if build is not None:
        with calibration.policy(policy):
            model = build()
    model.set_weights(network.get_weights())
    return model


def _copy(model: keras.Model) -> keras.Model:
    """Return a copy of a model whose variables live on the strategy's devices."""
    clone = keras.models.clone_model(model)
    if model.built:
        clone.set_weights(model.get_weights())
    if arguments := compile_arguments(model):
        optimizer = arguments["optimizer"]
        if isinstance(optimizer, keras.optimizers.Optimizer):
            arguments["optimizer"] = type(optimizer).from_config(optimizer.get_config())
        clone.compile(**arguments)
    return clone


def compile_arguments(model: keras.Model) -> dict[str, Any]:
    """Return what a model was compiled with, as it was given; {} if it wasn't.

    Keras keeps the arguments for saving, under a private name; a test holds it.
    """
    if not model.compiled or not hasattr(model, "_compile_config"):
        return {}
    arguments = dict(model._compile_config.config)
    if model.optimizer is not None:
        arguments["optimizer"] = model.optimizer
    return arguments
