"""A standardisation that was asked for beside augmentation, as the model's first layer.

Validation, test and prediction aren't augmented, but all of them go through the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasopt.layers import Normalization, graph
from kerasopt.training import placement
from kerasopt.training.head import takes_pixels

__all__ = ["check_scale", "with_layer"]

MOST_OFF = 5.0
"""Standardised samples have mean 0 and deviation 1; statistics of other data differ a
little, those of another scale by a factor of 255."""


def with_layer(
    build: Callable[[], keras.Model] | None,
    layer: keras.layers.Layer | None,
    input_shape: Any,
) -> Callable[[], keras.Model] | None:
    """Return a function that builds the model with a standardisation before it.

    Args:
        build: The function that builds the model; None if it was given built.
        layer: The standardisation; without one the function stays as it is. One without
            statistics becomes a layer that adapts to the training samples.
        input_shape: Shape of a sample.

    Raises:
        ValueError: if the model is built already: its caller would not standardise what
            it predicts. The function raises one if the model scales pixels itself, or
            the statistics don't fit its input.

    Example:
        >>> layer = keras.layers.Normalization(mean=0.5, variance=0.25, axis=None)
        >>> def build():
        ...     return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model = with_layer(build, layer, (2,))()
        >>> [type(each).__name__ for each in model.layers]
        ['Normalization', 'Dense']
    """
    if layer is None:
        return build
    if build is None:
        raise ValueError(
            "standardize becomes the first layer of the model, so that validation and "
            "prediction are standardised, too; but the model was given built. Put "
            "ko.augment.standardize(…) first in it, or give a function that builds it. "
            "A model that scales pixels itself, as ko.models.transfer does, needs "
            "none: leave it out (ko.augment.preset(…, preprocess=False))."
        )
    if not isinstance(input_shape, tuple):
        raise ValueError(
            "standardize takes a model with one input; the data have several. Put a "
            "Normalization behind the inputs of the model that need one."
        )
    adapts = isinstance(layer, keras.layers.Normalization) and not _knows(layer)
    kind = Normalization if adapts else type(layer)
    config, build_model = layer.get_config(), build
    for name in ("mean", "variance", "invert") if adapts else ():
        config.pop(name)

    def standardized() -> keras.Model:
        model = build_model()
        if takes_pixels(model):
            raise ValueError(
                "The model scales its pixels itself, so standardize has no place "
                "before it. Leave it out (ko.augment.preset(…, preprocess=False))."
            )
        # One that is fresh for each model, as its other layers are.
        return _before(model, kind.from_config(config), input_shape)

    return standardized


def _before(
    model: keras.Model, layer: keras.layers.Layer, input_shape: tuple[Any, ...]
) -> keras.Model:
    known = getattr(model, "input_shape", None) if graph.is_graph(model) else None
    shape = known[1:] if isinstance(known, tuple) else input_shape
    inputs = keras.Input(shape)
    try:
        standardized = layer(inputs)
    except Exception as error:  # Keras's or TensorFlow's own.
        raise ValueError(
            f"The statistics of standardize don't fit samples of shape {shape}: give "
            "one number, or one for each channel."
        ) from error
    if isinstance(model, keras.Sequential):
        whole = keras.Sequential([inputs, layer, *model.layers], name=model.name)
    else:
        whole = keras.Model(inputs, model(standardized), name=model.name)
    if arguments := placement.compile_arguments(model):
        whole.compile(**arguments)
    return whole


def check_scale(layer: keras.layers.Layer | None, some: Callable[[], Any]) -> None:
    """Refuse statistics of another scale than the samples have.

    Args:
        layer: The standardisation, or None.
        some: Returns some samples as the model is handed them.

    Example:
        >>> layer = keras.layers.Normalization(mean=0.5, variance=0.25, axis=None)
        >>> check_scale(layer, lambda: np.array([[0.0, 1.0]]))
    """
    if layer is None or not _knows(layer):
        return
    samples = some()
    values = keras.ops.convert_to_numpy(layer(samples))
    mean, deviation = float(values.mean()), float(values.std())
    if abs(mean) > MOST_OFF or not 1 / (4 * MOST_OFF) < deviation < MOST_OFF:
        raise ValueError(
            f"Standardised, the training samples have the mean {mean:.3g} and the "
            f"standard deviation {deviation:.3g} instead of about 0 and 1: the "
            "statistics are of another scale. The model is handed samples from "
            f"{np.min(samples):.3g} to {np.max(samples):.3g}; give their mean and std."
        )


def _knows(layer: keras.layers.Layer) -> bool:
    """Say whether a layer came with its statistics."""
    return layer.get_config().get("mean") is not None
