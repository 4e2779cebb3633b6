"""Handing weights from one network to another by the names of the layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasopt import checks
from kerasopt.layers import graph

__all__ = ["inherit_weights", "weights_by_path"]


def inherit_weights(
    model: keras.Model, donor: keras.Model | Mapping[str, Any]
) -> list[str]:
    """Copy the weights of the layers that a model has in common with a donor.

    A layer inherits if the donor has a layer of its name with the same weights: as
    many, of the same names and numbers of axes, and kernels of the same height and
    width. Equal shapes are copied whole. Where an axis is longer or shorter, as
    after a change of width, the part that both have is copied,

    .. math::
        w[:n, :m, ...] = w_{donor}[:n, :m, ...]

    and the rest keeps the values it has, those of the initializer in a new model. The
    statistics of batch normalisation are weights, too. A layer that inherits in part
    doesn't compute what the donor's did: it is a start for training.

    Args:
        model: Built model; its weights are changed.
        donor: Another built model, or what `weights_by_path` made of one, arrays by
            ``"layer/weight"``.

    Returns:
        The names of the layers that inherited, in the model's order; those of a model
        inside this one begin with its name and a slash.

    Raises:
        ValueError: if a model isn't built, or the donor is neither a model nor a
            mapping.

    Example:
        >>> def network(units):
        ...     entry = keras.Input((2,))
        ...     x = keras.layers.Dense(units, name="hidden")(entry)
        ...     return keras.Model(entry, keras.layers.Dense(1, name="out")(x))
        >>> small, large = network(3), network(5)
        >>> inherit_weights(large, small)
        ['hidden', 'out']
        >>> kernels = [weights_by_path(m)["hidden/kernel"] for m in (large, small)]
        >>> np.array_equal(kernels[0][:, :3], kernels[1])
        True

    References:
        Chen et al. (2015), Net2Net, https://arxiv.org/abs/1511.05641, which goes
        further: its copies compute the same function.
    """
    checks.instance("model", model, keras.Model, "a keras.Model")
    given = _paths(donor)
    inherited = []
    for name, layer in _layers(model):
        weights = dict(_weights(name, layer))
        theirs = {path for path in given if path.startswith(f"{name}/")}
        if weights and weights.keys() == theirs and _fit(layer, weights, given):
            for path, variable in weights.items():
                variable.assign(_joined(variable, given[path]))
            inherited.append(name)
    return inherited


def weights_by_path(model: keras.Model) -> dict[str, np.ndarray]:
    """Return copies of a model's weights, to be inherited when it is gone.

    Args:
        model: Built model.

    Returns:
        Arrays by ``"layer/weight"``, such as ``"stage1_cell1_conv/kernel"``.

    Raises:
        ValueError: if the model isn't built.

    Example:
        >>> model = keras.Sequential(
        ...     [keras.Input((2,)), keras.layers.Dense(3, name="hidden")]
        ... )
        >>> sorted(weights_by_path(model))
        ['hidden/bias', 'hidden/kernel']
    """
    checks.instance("model", model, keras.Model, "a keras.Model")
    return {
        path: np.array(keras.ops.convert_to_numpy(variable))
        for name, layer in _layers(model)
        for path, variable in _weights(name, layer)
    }


def _paths(donor: Any) -> Mapping[str, Any]:
    if isinstance(donor, keras.Model):
        return weights_by_path(donor)
    if not isinstance(donor, Mapping):
        raise ValueError(
            "donor must be a Keras model or a mapping from paths to arrays "
            f"(kerasopt.models.weights_by_path); given: {type(donor).__name__}."
        )
    return donor


def _layers(
    model: keras.Model, inside: str = ""
) -> Iterator[tuple[str, keras.layers.Layer]]:
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} has no weights yet: give it its input shape, "
            "or call it once."
        )
    for layer in model.layers:
        if graph.is_graph(layer):
            yield from _layers(layer, f"{inside}{layer.name}/")
        else:
            yield f"{inside}{layer.name}", layer


def _weights(name: str, layer: keras.layers.Layer) -> Iterator[tuple[str, Any]]:
    for variable in layer.weights:
        # Keras's path begins with whatever the layer was built in.
        *_, below = variable.path.rpartition(f"{layer.name}/")
        yield f"{name}/{below}", variable


def _fit(
    layer: keras.layers.Layer, weights: Mapping[str, Any], given: Mapping[str, Any]
) -> bool:
    window = len(getattr(layer, "kernel_size", ()))
    for path, variable in weights.items():
        mine, theirs = tuple(variable.shape), np.shape(given[path])
        if len(mine) != len(theirs):
            return False
        # A part of a 5×5 kernel is no 3×3 kernel.
        if len(mine) > window and mine[:window] != theirs[:window]:
            return False
    return True


def _joined(variable: Any, given: Any) -> np.ndarray:
    values = np.array(keras.ops.convert_to_numpy(variable))
    both = tuple(map(slice, np.minimum(values.shape, np.shape(given))))
    values[both] = np.asarray(given)[both]
    return values
