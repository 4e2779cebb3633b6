"""Training the last layers of a pretrained network."""

from __future__ import annotations

import keras

from kerasopt import checks
from kerasopt.layers import graph
from kerasopt.layers.backbone import backbone_of, is_normalization, with_weights

__all__ = ["unfreeze"]


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
    layers = [each for each in with_weights(base) if not is_normalization(each)]
    if last is not None:
        last = checks.integer("last", last, least=0)
        if last > len(layers):
            raise ValueError(
                f"The backbone has {len(layers)} layers that can train; to train the "
                f"last {last:,} of them was asked for. None means all."
            )
        layers = layers[len(layers) - last :]
    chosen = {id(layer) for layer in layers}
    base.trainable = bool(chosen)
    reached, names = False, []
    for layer in graph.layers(base):
        reached = reached or id(layer) in chosen
        trains = id(layer) in chosen
        trains = trains or (reached and batch_norm and is_normalization(layer))
        layer.trainable = trains
        names += [layer.name] * trains
    return names
