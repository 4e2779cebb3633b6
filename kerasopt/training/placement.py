"""Where a model's variables live: one device, or a copy on each of several."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from kerasopt.training import precision

__all__ = ["builder", "collect", "first_device", "is_parallel", "on", "place"]


def builder(
    model: keras.Model | Callable[[], keras.Model],
) -> Callable[[], keras.Model] | None:
    """Return the function that builds the model, or None if it is built already."""
    if isinstance(model, keras.Model):
        return None
    if not callable(model):
        raise ValueError(
            "model must be a keras.Model or a function that builds one; given: "
            f"{type(model).__name__}."
        )
    return model


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
    policy: str,
) -> keras.Model:
    """Return the model whose variables live where the strategy wants them."""
    if build is not None:
        with precision.policy(policy):
            return build()
    return _copy(model) if is_parallel(strategy) else model


def collect(
    network: keras.Model,
    model: Any,
    build: Callable[[], keras.Model] | None,
    strategy: tf.distribute.Strategy,
    policy: str,
) -> keras.Model:
    """Return the trained model with ordinary variables, for use without a strategy."""
    if not is_parallel(strategy):
        return network
    if build is not None:
        with precision.policy(policy):
            model = build()
    model.set_weights(network.get_weights())
    return model


def _copy(model: keras.Model) -> keras.Model:
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone
