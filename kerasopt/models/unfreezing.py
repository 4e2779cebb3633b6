"""Training the last layers of a pretrained network."""

from __future__ import annotations

import keras

from kerasopt import checks
from kerasopt.layers import graph

__all__ = ["BACKBONE", "backbone_of", "unfreezable", "unfreeze"]

BACKBONE = "backbone"
"""Name of the pretrained network in a model of `kerasopt.models.transfer`."""


def unfreeze(
    model: keras.Model, *, last: int | None = None, batch_norm: bool = False
) -> list[str]:
    """Make the last layers of a model's backbone trainable, and freeze those before.

    Batch normalisation stays frozen: it keeps its statistics and computes by them,
    since those of a few small batches would undo what the network has learnt. Compile
    the model after this; `kerasopt.fit` does.

    Args:
        model: A model of `kerasopt.models.transfer`, or one with a nested model named
            "backbone".
        last: How many layers, those without weights and batch normalisation aside;
            None for all, 0 for none.
        batch_norm: Whether batch normalisation between and behind them trains, too.
            It then computes by the statistics of each batch in training.

    Returns:
        The names of the trainable layers of the backbone, from input to output.

    Raises:
        ValueError: if there is no backbone, or it has fewer layers.

    Example:
        >>> from kerasopt import models
        >>> model = models.transfer("vgg16", input_shape=(32, 32, 3), num_classes=2,
        ...                         image_size=32, weights=None)
        >>> unfreeze(model, last=2)
        ['block5_conv2', 'block5_conv3']
    """
    batch_norm = checks.boolean("batch_norm", batch_norm)
    base = backbone_of(model)
    layers = unfreezable(base)
    if last is not None:
        last = checks.integer("last", last, least=0)
        if last > len(layers):
            raise ValueError(
                f"last must be at most {len(layers)}, the layers of the backbone that "
                f"can train; given: {last}. None means all of them."
            )
        layers = layers[len(layers) - last :]
    chosen = {id(layer) for layer in layers}
    base.trainable = bool(chosen)
    reached, names = False, []
    for layer in graph.layers(base):
        reached = reached or id(layer) in chosen
        trains = id(layer) in chosen
        trains = trains or (reached and batch_norm and _is_normalization(layer))
        layer.trainable = trains
        names += [layer.name] * trains
    return names


def backbone_of(model: keras.Model) -> keras.Model:
    """Return the nested model named "backbone".

    Args:
        model: The model around it.

    Raises:
        ValueError: if there is none.
    """
    checks.instance("model", model, keras.Model, "a keras.Model")
    for layer in model.layers:
        if layer.name == BACKBONE and graph.is_graph(layer):
            return layer
    raise ValueError(
        f"The model {model.name!r} has no nested model named {BACKBONE!r}. Build it by "
        "kerasopt.models.transfer, or set layer.trainable yourself."
    )


def unfreezable(base: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a backbone with weights that can train, in order.

    Args:
        base: The nested model. Batch normalisation isn't counted.
    """
    return [
        layer
        for layer in graph.layers(base)
        if layer.weights and not _is_normalization(layer)
    ]


def _is_normalization(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)
