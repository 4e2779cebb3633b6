"""Standardisation holds for all splits, so it is a layer of the model."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import names

__all__ = ["STANDARDIZING", "STATISTICS", "standardize"]

STANDARDIZING = (keras.layers.Normalization, keras.layers.GroupNormalization)
"""What `standardize` returns."""

_OF_THE_DATA = ("data", "image")

STATISTICS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "mnist": ((0.1307,), (0.3081,)),
}
"""Mean and standard deviation of each channel, of pixels in 0..1."""


def standardize(
    statistics: str | None = None, *, mean: Any = None, std: Any = None
) -> keras.layers.Layer:
    """Return a Keras layer that takes off a mean and divides by a standard deviation.

    Validation, test and prediction need it as training does. So it is no augmentation
    but a layer of the model: put it first there, as in
    ``keras.Sequential([keras.Input(...), standardize("imagenet"), ...])``. Where it is
    the last of ``augment`` and a function builds the model, `kerasopt.fit` and recipes
    put it there.

    Args:
        statistics: ``"imagenet"`` (the default), ``"cifar10"`` or ``"mnist"``: of each
            channel, of pixels in 0..1, as models are handed them. ``"data"``: of each
            channel of the training samples, which `kerasopt.fit` and recipes measure
            before the first step. ``"image"``: each image by mean and deviation of all
            its own values, whatever its exposure; an even image becomes 0.
        mean: A number, or one for each channel, instead of `statistics`. On the scale
            of the samples as the model is handed them.
        std: The standard deviation, likewise, above 0.

    Returns:
        A fresh `keras.layers.Normalization`; for ``"image"`` a
        `keras.layers.GroupNormalization` of one group without weights.

    Raises:
        ValueError: if the name is unknown, one of `mean` and `std` is missing, or a
            standard deviation isn't above 0.

    Example:
        >>> layer = standardize(mean=0.5, std=0.25)
        >>> layer(np.array([[[[0.75]]]])).numpy().item()
        1.0
        >>> standardize("image")(np.array([[[[0.2], [0.4]]]])).numpy().round(3).tolist()
        [[[[-1.0], [1.0]]]]

    References:
        - [PyTorch's ImageNet example](
          https://github.com/pytorch/examples/blob/main/imagenet/main.py)
    """
    if mean is None and std is None:
        name = names.normalize("imagenet" if statistics is None else str(statistics))
        if name in _OF_THE_DATA:
            return _of_the_data(name)
        if name not in STATISTICS:
            accepted = [*STATISTICS, *_OF_THE_DATA]
            raise names.unknown("statistics of augmentation", statistics, accepted)
        mean, std = STATISTICS[name]
    elif statistics is not None or mean is None or std is None:
        raise ValueError(
            "standardize takes the name of statistics, or mean and std together; "
            f"given: statistics={statistics!r}, mean={mean!r}, std={std!r}."
        )
    mean, std = _numbers("mean", mean), _numbers("std", std)
    if (std <= 0).any():
        raise ValueError(f"std={std.tolist()} is not accepted; give numbers above 0.")
    if mean.ndim and std.ndim and len(mean) != len(std):
        raise ValueError(
            f"mean has {len(mean)} channels, std {len(std)}; give as many of both, or "
            "one number."
        )
    channels = max(mean.size, std.size)
    if channels == 1:
        return keras.layers.Normalization(
            axis=None, mean=float(mean.ravel()[0]), variance=float(std.ravel()[0]) ** 2
        )
    return keras.layers.Normalization(
        mean=np.broadcast_to(mean, channels).tolist(),
        variance=np.broadcast_to(std**2, channels).tolist(),
    )


def _of_the_data(name: str) -> keras.layers.Layer:
    if name == "data":
        return keras.layers.Normalization()
    # Less than a grey level of 255 is no contrast.
    return keras.layers.GroupNormalization(
        groups=1, epsilon=1e-5, center=False, scale=False
    )


def _numbers(name: str, given: Any) -> np.ndarray:
    """Return a number, or one a channel, as an array."""
    try:
        values = np.asarray(given, "float64")
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.ndim > 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(
            f"{name}={given!r} is not accepted; give a number, or one for each channel."
        )
    return values
