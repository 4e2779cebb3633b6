"""Convolutional network of stages that each say what they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasopt import checks
from kerasopt.models import arguments, blocks, cells
from kerasopt.models.registry import register
from kerasopt.models.style import BATCH_NORM_MOMENTUM, Style

__all__ = ["stages"]

_PYRAMID = (
    {"depth": 1, "width": 32},
    {"depth": 1, "width": 64},
    {"depth": 1, "width": 128},
)


@register("stages")
def stages(
    *,
    input_shape: Sequence[int],
    num_classes: int,
    stages: Sequence[Mapping[str, Any]] = _PYRAMID,
    stem_width: int = 32,
    expansion: int = 4,
    activation: str = "relu",
    kernel_initializer: Any = "he_normal",
    batch_norm: bool | str = "before_activation",
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    dropout: float = 0.0,
    l2: float = 0.0,
) -> keras.Model:
    """Build an image classifier of stages, the space of an architecture search.

    Stem (a 3×3 convolution) → stages of equal cells, with max-pooling by 2 between
    them → global average pooling (→ Dropout) → output. A stage is a mapping with

    - ``depth``: how many cells it has (1),
    - ``width``: filters of its output (32),
    - ``kernel_size``: height and width of its kernels, in pixels (3),
    - ``block``: what a cell is (``"plain"``); with y its output, x its input:

      - ``"plain"``: y = conv(x),
      - ``"residual"``: y = activation(x + conv(conv(x))); x passes a 1×1 convolution
        where the width changes,
      - ``"separable"``: each channel convolved by itself, then a 1×1 convolution,
      - ``"bottleneck"``, the inverted one: y = x + project(depthwise(expand(x))),
        the 1×1 convolution ``expand`` to ``expansion`` times the channels of x and
        ``project`` back, without an activation; x is added where the width stays,

    - ``attention``: False (the default), ``"squeeze_excite"`` (channels times
      sigmoid(W₂ relu(W₁ mean(x))), before x is added) or ``"self"`` (after the cell,
      y + attention(norm(y)) with 4 heads over the places of the map, for small maps).

    Every convolution but the depthwise ones has batch normalisation and activation
    as ``batch_norm`` says; those without an activation have the normalisation alone.
    Layers are named by their place (``"stage1_cell2_conv"``), so that networks that
    differ elsewhere can hand weights on (`kerasopt.models.inherit_weights`).

    Args:
        input_shape: (height, width, channels).
        num_classes: Number of classes, at least 2.
        stages: The stages from the first to the last, as above.
        stem_width: Filters of the stem.
        expansion: Factor by which bottlenecks widen their input inside.
        activation: Keras name of the hidden activation.
        kernel_initializer: Of the convolutions, what `kerasopt.initializers.get`
            takes; each layer gets a fresh one. Dense layers and self-attention keep
            Keras's default.
        batch_norm: False, ``"before_activation"``, where the layers have no bias, or
            True (= ``"after_activation"``).
        batch_norm_momentum: Share of the running mean and variance that a step
            keeps, in [0, 1). Less than Keras's 0.99, for trainings of few steps.
        dropout: Drop rate in [0, 1) of what is pooled at the end.
        l2: Factor of ``sum(w ** 2)`` over the kernels of the convolutions.

    Returns:
        An uncompiled `keras.Model` from (batch, height, width, channels) to
        (batch, num_classes).

    Raises:
        ValueError: if an argument is out of its range, a stage has an unknown key,
            or the images are too small for the stages or too large for their
            self-attention.

    Example:
        >>> model = stages(
        ...     input_shape=(8, 8, 1),
        ...     num_classes=10,
        ...     stages=[
        ...         {"width": 16},
        ...         {"width": 32, "block": "residual", "attention": "self"},
        ...     ],
        ... )
        >>> tuple(model.get_layer("stage2_cell1_shortcut").kernel.shape)
        (1, 1, 16, 32)

    References:
        Residual: He et al. (2015), https://arxiv.org/abs/1512.03385. Separable:
        Chollet (2016), https://arxiv.org/abs/1610.02357. Inverted bottlenecks:
        Sandler et al. (2018), https://arxiv.org/abs/1801.04381. Squeeze and excite:
        Hu et al. (2017), https://arxiv.org/abs/1709.01507. Self-attention: Vaswani
        et al. (2017), https://arxiv.org/abs/1706.03762.
    """
    style = Style(
        activation=activation,
        kernel_initializer=kernel_initializer,
        batch_norm=batch_norm,
        batch_norm_momentum=batch_norm_momentum,
        l2=l2,
    )
    plan = cells.read_stages(stages)
    shape = _shape(input_shape, len(plan))
    stem_width = checks.integer("stem_width", stem_width)
    expansion = checks.integer("expansion", expansion)
    inputs = keras.Input(shape, name="images")
    x = style.convolution(inputs, stem_width, 3, name="stem")
    for number, stage in enumerate(plan, start=1):
        if number > 1:
            x = keras.layers.MaxPooling2D(2, name=f"stage{number}_pool")(x)
        for cell in range(1, stage.depth + 1):
            name = f"stage{number}_cell{cell}"
            x = cells.cell(x, stage, style=style, expansion=expansion, name=name)
    outputs = blocks.classifier(x, num_classes, dropout=dropout)
    return keras.Model(inputs, outputs, name="stages")


def _shape(input_shape: Sequence[int], num_stages: int) -> tuple[int, int, int]:
    sizes = arguments.image_shape(input_shape)
    least = 2 ** (num_stages - 1)
    if min(sizes[:2]) < least:
        raise ValueError(
            f"{num_stages} stages need images of {least}×{least} pixels or more; "
            f"given: {min(sizes[:2])} on the shorter side. Use fewer stages."
        )
    return sizes
