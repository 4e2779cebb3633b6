"""Random numbers of a batch: functions of its seed alone, Keras's layers included."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

__all__ = ["fold", "following", "made_once", "pair_of"]

# A layer has one set of generators, which two threads may not redirect at a time.
_REDIRECTED = threading.RLock()


def pair_of(seed: Any) -> tf.Tensor:
    """Return a seed of shape (2,) for one integer or two."""
    seed = tf.convert_to_tensor(seed)
    fits = seed.shape.rank == 0 or seed.shape.is_compatible_with([2])
    if not (fits and seed.dtype.is_integer):
        raise ValueError(
            "seed must be one integer or two, of shape (2,); given: "
            f"{seed.dtype.name} of shape {tuple(seed.shape)}."
        )
    return tf.stack([seed, tf.zeros_like(seed)]) if seed.shape.rank == 0 else seed


def fold(seed: Any, number: int) -> tf.Tensor:
    """Return the seed of one of several draws, shape (2,)."""
    return tf.random.experimental.stateless_fold_in(pair_of(seed), number)


@contextlib.contextmanager
def made_once() -> Iterator[None]:
    """Make layers outside of the graph of an input pipeline, inside this block.

    Their random generators are variables, which a graph may not make.
    """
    with tf.init_scope(), tf.device("CPU:0"):
        yield


@contextlib.contextmanager
def following(layer: keras.layers.Layer, seed: Any) -> Iterator[None]:
    """Let a Keras layer draw by a batch's seed inside this block.

    A layer's own generator counts calls, so that its draws depend on all that came
    before: a resumed training would see other images.

    Args:
        layer: The layer; those inside it follow, too.
        seed: Two integers, shape (2,), or one.

    Example:
        >>> noise = keras.layers.GaussianNoise(1.0)
        >>> with following(noise, 3):
        ...     first = noise(tf.zeros((1, 2)), training=True)
        >>> with following(noise, 3):
        ...     second = noise(tf.zeros((1, 2)), training=True)
        >>> bool(tf.reduce_all(first == second)), bool(tf.reduce_any(first != 0))
        (True, True)
    """
    numbers = itertools.count()

    def draw(ordered: bool = True) -> tf.Tensor:
        return tf.cast(fold(seed, next(numbers)), tf.int64)

    with _REDIRECTED:
        generators = list(_generators(layer, set()))
        for generator in generators:
            generator.next = draw
        try:
            yield
        finally:
            for generator in generators:
                del generator.next


def _generators(value: Any, seen: set[int]) -> Iterator[keras.random.SeedGenerator]:
    """Yield the generators of a layer and of the layers that it holds."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, keras.random.SeedGenerator):
        yield value
    elif isinstance(value, keras.layers.Layer):
        for each in vars(value).values():
            yield from _generators(each, seen)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _generators(each, seen)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _generators(each, seen)
