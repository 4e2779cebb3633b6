"""A pretrained network with a new head, for few pictures of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import checks
from kerasopt.layers.backbone import BACKBONE
from kerasopt.models import arguments, backbones, blocks
from kerasopt.models.registry import register
from kerasopt.models.style import BATCH_NORM_MOMENTUM, Style
from kerasopt.models.unfreezing import unfreeze as unfreeze_last

__all__ = ["MOST_PIXELS", "transfer"]

MOST_PIXELS = 2**24
"""Largest image, 4096×4096: its features alone would fill the memory."""

NO_DENSE = Style(batch_norm=False)
"""The style of a head without dense layers, to which it would make no difference."""

LEAST_SIDE = 4
SMALL, ENLARGED, LARGEST, STEP = 64, 160, 224, 32
_POOLING = {
    "average": {
        3: keras.layers.GlobalAveragePooling1D,
        4: keras.layers.GlobalAveragePooling2D,
    },
    "max": {3: keras.layers.GlobalMaxPooling1D, 4: keras.layers.GlobalMaxPooling2D},
    "flatten": {3: keras.layers.Flatten, 4: keras.layers.Flatten},
}
"""By the rank of the features: a row of tokens, or a map."""


@register("transfer")
def transfer(
    backbone: str | keras.Model = "efficientnet_lite0",
    *,
    input_shape: Sequence[int],
    num_classes: int,
    weights: str | None = "imagenet",
    image_size: int | Sequence[int] | None = None,
    pooling: str = "average",
    dense: Sequence[int] = (),
    dropout: float | Sequence[float] = 0.2,
    unfreeze: int | None = 0,
    activation: str = "relu",
    kernel_initializer: Any = "he_normal",
    batch_norm: bool | str = False,
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    l1: float = 0.0,
    l2: float = 0.0,
    activity_l1: float = 0.0,
) -> keras.Model:
    """Build a classifier on the features of a pretrained network.

    Rescaling of the pixels, resizing and the backbone's own preprocessing → the
    backbone → pooling → dropout → dense layers (→ dropout) → output. Everything is in
    the model: it takes pixels of 0..255. The backbone is one layer, named "backbone".
    It is frozen and computes as in prediction, so its batch normalisation keeps its
    statistics; dropout inside it is left out. `unfreeze` trains its last layers, too.

    Args:
        backbone: "efficientnet_lite0"; a name of `keras.applications` ("vgg16",
            "resnet50", "mobilenet_v2", …); the path of a ``.keras`` file or of a run's
            folder; or a functional `keras.Model`. Of a saved or given model the last
            Dense layer and what follows are cut off, and a copy is used.
        input_shape: (height, width, channels). Grey images (one channel) are repeated
            for a backbone of three.
        num_classes: Number of classes, at least 2.
        weights: "imagenet" (of a saved model: the weights it has), None for random
            ones, or the path of a file.
        image_size: Height and width, or both in one number, to which images are
            resized, in pixels. By default images whose shorter side has up to 64
            pixels are enlarged to 160, and others made a multiple of 32, at most 224,
            on the shorter side; a saved model gets the size that it was built for.
        pooling: "average" or "max" over the feature map, or "flatten", which keeps its
            places. Features that are a vector already stay as they are.
        dense: Width of each dense layer before the output; none by default.
        dropout: Drop rate in [0, 1) of the features and after every dense layer, or
            one for each of these places in order; 0.2 by default.
        unfreeze: So many of the backbone's last layers with weights train, batch
            normalisation aside (`kerasopt.models.unfreeze`); None for all. 0 by
            default.
        activation: Keras name of the dense layers' activation.
        kernel_initializer: What `kerasopt.initializers.get` takes, for the dense
            layers. The output layer keeps Keras's default.
        batch_norm: False, True (= ``"after_activation"``) or
            ``"before_activation"``, of the dense layers.
        batch_norm_momentum: Share of the running mean and variance that a step
            keeps, in [0, 1).
        l1: Factor of ``sum(|w|)`` over the head's kernels, the output's included.
        l2: Factor of ``sum(w ** 2)`` over them.
        activity_l1: Factor of ``sum(|a|)`` over the dense layers' activations, a mean
            over the batch.

    Returns:
        An uncompiled `keras.Model` from (batch, height, width, channels) to
        (batch, num_classes).

    Raises:
        WeightsUnavailableError: if the weights can't be fetched.
        ValueError: if an argument is out of its range, or the backbone takes other
            images.

    Example:
        >>> model = transfer("vgg16", input_shape=(64, 64, 3), num_classes=10,
        ...                  weights=None, image_size=64, pooling="flatten",
        ...                  dense=(1024,), dropout=0.0)
        >>> [layer.name for layer in model.layers if layer.trainable_weights]
        ['dense_1', 'logits']

    References:
        Tan & Le (2019), EfficientNet, https://arxiv.org/abs/1905.11946; Yosinski et
        al. (2014), How transferable are features in deep neural networks?,
        https://arxiv.org/abs/1411.1792.
    """
    style = Style(
        activation=activation,
        kernel_initializer=kernel_initializer,
        batch_norm=batch_norm,
        batch_norm_momentum=batch_norm_momentum,
        l1=l1,
        l2=l2,
        activity_l1=activity_l1,
    )
    shape = _image_shape(input_shape)
    checks.choice("pooling", pooling, _POOLING)
    dense = arguments.positive_integers("dense", dense)
    if not dense:
        _refuse_without_dense(style)
    places = ["features", *(f"dense {i + 1}" for i in range(len(dense)))]
    rates = arguments.rates("dropout", dropout, places)
    arguments.classes(num_classes)
    wanted = None if image_size is None else _size("image_size", image_size)
    base, size = _base(backbone, shape, wanted, weights)
    inputs = keras.Input(shape)
    x = _preprocess(inputs, base, size)
    x = base.model(x, training=False)
    if len(x.shape) > 2:
        x = _POOLING[pooling][len(x.shape)](name="pooling")(x)
    for i, rate in enumerate(rates):
        x = style.dense(x, dense[i - 1], name=f"dense_{i}") if i else x
        x = keras.layers.Dropout(rate, name=f"dropout_{i}")(x) if rate else x
    outputs = blocks.classifier(x, num_classes, kernel_regularizer=style.penalty())
    model = keras.Model(inputs, outputs, name="transfer")
    unfreeze_last(model, last=unfreeze)
    return model


def _refuse_without_dense(style: Style) -> None:
    """Refuse settings of dense layers where there are none."""
    for name in ("activation", "kernel_initializer", "batch_norm", "activity_l1"):
        given = getattr(style, name)
        if given != getattr(NO_DENSE, name):
            raise ValueError(
                f"{name}={checks.shown(given)} is for dense layers, and there are "
                "none: give dense=(256,), say, or leave it out."
            )


def _image_shape(input_shape: Any) -> tuple[int, int, int]:
    height, width, channels = arguments.image_shape(input_shape)
    if height * width > MOST_PIXELS:
        raise ValueError(
            f"Images of {height}×{width} pixels are too large; at most {MOST_PIXELS:,} "
            "pixels are accepted. Read them smaller: "
            "ko.data.from_directory(…, image_size=(224, 224))."
        )
    if min(height, width) < LEAST_SIDE:
        raise ValueError(
            f"Images of {height}×{width} pixels show nothing that a pretrained network "
            f"knows; each side must have {LEAST_SIDE} pixels or more."
        )
    return height, width, channels


def _size(name: str, given: Any) -> tuple[int, int]:
    given = checks.plain(given)
    if not isinstance(given, (list, tuple)):
        given = (given, given)
    height, width = checks.each(name, given, checks.integer, length=2)
    if height * width > MOST_PIXELS:
        raise ValueError(
            f"{name} must be at most {MOST_PIXELS:,} pixels; given: {height}×{width}."
        )
    return height, width


def _default_size(height: int, width: int) -> tuple[int, int]:
    """Return the size that images are resized to: their own ratio, up to 2:1."""
    shorter = min(height, width)
    side = ENLARGED
    if shorter > SMALL:
        side = min(LARGEST, -(-shorter // STEP) * STEP)
    sides = [round(side * each / shorter / STEP) * STEP for each in (height, width)]
    return min(sides[0], 2 * side), min(sides[1], 2 * side)


def _base(
    backbone: Any,
    shape: tuple[int, int, int],
    wanted: tuple[int, int] | None,
    weights: str | None,
) -> tuple[backbones.Backbone, tuple[int, int]]:
    """Return the backbone, frozen, and the size of the images that it gets."""
    size = wanted or _default_size(*shape[:2])
    found = backbones.get(backbone, size, weights)
    _, *own, channels = found.model.inputs[0].shape
    if channels != shape[2] and shape[2] != 1:
        alpha = " Leave the alpha channel out: images[..., :3]." * (shape[2] == 4)
        raise ValueError(
            f"The backbone takes images of {channels} channels; given: "
            f"input_shape={shape}.{alpha}"
        )
    own = (own[0] or size[0], own[1] or size[1])
    if wanted not in (None, own):
        raise ValueError(
            f"The backbone was built for images of {own[0]}×{own[1]} pixels; given: "
            f"image_size={wanted}. Leave image_size out."
        )
    model = keras.Model(found.model.inputs[0], found.model.outputs[0], name=BACKBONE)
    model.trainable = False
    return dataclasses.replace(found, model=model), own


def _preprocess(x: Any, base: backbones.Backbone, size: tuple[int, int]) -> Any:
    """Apply a backbone's preprocessing, in float32 at any precision.

    Where one factor and offset serve all channels, they come first. Else pixels are
    divided by 255 first: a Rescaling at the start tells kerasopt that the model takes
    pixels.
    """
    layers = keras.layers
    channels = base.model.inputs[0].shape[-1]
    at_once = len({*base.scale}) == len({*base.offset}) == 1 and base.scale[0] < 0.1
    if base.scale:
        scale, offset = (base.scale[0], base.offset[0]) if at_once else (1 / 255, 0.0)
        x = layers.Rescaling(scale, offset, dtype="float32", name="rescaling")(x)
    if tuple(x.shape[1:3]) != size:
        shrinks = size[0] < x.shape[1] or size[1] < x.shape[2]
        resize = layers.Resizing(
            *size, antialias=shrinks, dtype="float32", name="resizing"
        )
        x = resize(x)
    if x.shape[-1] != channels:
        x = layers.Concatenate(dtype="float32", name="channels")([x] * channels)
    if base.scale and not at_once:
        scales = [255 * each for each in base.scale]
        offsets = list(base.offset)
        x = layers.Rescaling(scales, offsets, dtype="float32", name="standardize")(x)
    return x[..., ::-1] if base.bgr else x
