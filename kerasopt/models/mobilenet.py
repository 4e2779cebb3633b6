"""MobileNet: convolutions split into depthwise and 1×1 ones."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import checks
from kerasopt.models import arguments, blocks
from kerasopt.models.blocks.common import places
from kerasopt.models.registry import register
from kerasopt.models.style import BATCH_NORM_MOMENTUM, Style

__all__ = ["mobilenet"]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Widths of the stages, blocks of each, and the strides of the stem."""

    widths: tuple[int, ...]
    depth: tuple[int, ...]
    stem_strides: int


LAYOUTS = {
    "cifar": Layout((64, 128, 256), (1, 2, 4), 1),
    "imagenet": Layout((64, 128, 256, 512, 1024), (1, 2, 2, 6, 2), 2),
}


@register("mobilenet")
def mobilenet(
    *,
    input_shape: Sequence[int],
    num_classes: int,
    layout: str = "auto",
    widths: Sequence[int] | None = None,
    depth: int | Sequence[int] | None = None,
    width_multiplier: float = 1.0,
    activation: str = "relu6",
    kernel_initializer: Any = "he_normal",
    batch_norm: bool | str = "before_activation",
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    activity_l1: float = 0.0,
    any_size: bool = False,
) -> keras.Model:
    """Build a network of depthwise separable convolutions, with few weights.

    Stem (a 3×3 convolution, half as wide as the first stage) → stages of
    `kerasopt.models.blocks.separable` → global average pooling (→ Dropout) → output.
    Every stage after the first halves the map. Layouts:

    - ``"cifar"``: three stages, 64, 128 and 256 wide, of 1, 2 and 4 blocks; the stem
      keeps the size of the image,
    - ``"imagenet"``: five stages, 64 to 1024 wide, of 1, 2, 2, 6 and 2 blocks, after a
      stem with strides of 2: MobileNet as in its paper and in `keras.applications`.

    Layers are named by their place (``"stage2_block1_pointwise"``).

    Args:
        input_shape: (height, width, channels).
        num_classes: Number of classes, at least 2.
        layout: ``"cifar"``, ``"imagenet"`` or ``"auto"``: ``"imagenet"`` for images of
            96 pixels or more on the shorter side.
        widths: Filters of each stage, if not the layout's.
        depth: Blocks of each stage, or one number for all, if not the layout's.
        width_multiplier: Factor of all widths, rounded down; the weights go with its
            square.
        activation: Keras name of the hidden activation.
        kernel_initializer: Of the convolutions, what `kerasopt.initializers.get`
            takes; each layer gets a fresh one. The output layer keeps Keras's default.
        batch_norm: False, ``"before_activation"``, where the layers have no bias, or
            True (= ``"after_activation"``).
        batch_norm_momentum: Share of the running mean and variance that a step
            keeps, in [0, 1). Less than Keras's 0.99, for trainings of few steps.
        dropout: Drop rate in [0, 1) of what is pooled at the end.
        l1: Factor of ``sum(|w|)`` over the kernels of the convolutions.
        l2: Factor of ``sum(w ** 2)`` over the kernels of the convolutions.
        activity_l1: Factor of ``sum(|a|)`` over the hidden activations, a mean over
            the batch.
        any_size: Leave height and width open, for trainings that begin on smaller
            images.

    Returns:
        An uncompiled `keras.Model` from (batch, height, width, channels) to
        (batch, num_classes).

    Raises:
        ValueError: if an argument is out of its range, or the images are too small
            for the stages.

    Example:
        >>> mobilenet(input_shape=(32, 32, 3), num_classes=10).count_params()
        279498
        >>> mobilenet(input_shape=(224, 224, 3), num_classes=1000).count_params()
        4253864

    References:
        Howard et al. (2017), https://arxiv.org/abs/1704.04861.
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
    shape = arguments.image_shape(input_shape)
    plan = _plan(layout, shape, widths, depth)
    factor = checks.positive("width_multiplier", width_multiplier)
    stem, *scaled = _scaled((plan.widths[0] / 2, *plan.widths), factor)
    found = places(plan.depth, scaled)
    # Now, not after minutes of building the layers before it.
    for before, width in itertools.pairwise([stem, *(width for _, width, _ in found)]):
        arguments.check_weights(f"{width} filters", before, width)

    inputs = arguments.image_input(shape, any_size)
    x = style.convolution(inputs, stem, 3, strides=plan.stem_strides, name="stem")
    for name, width, strides in found:
        x = blocks.separable(
            x, width, strides=strides, finish_depthwise=True, style=style, name=name
        )
    outputs = blocks.classifier(x, num_classes, dropout=dropout)
    return keras.Model(inputs, outputs, name="mobilenet")


def _plan(layout: Any, shape: Sequence[int], widths: Any, depth: Any) -> Layout:
    layout = arguments.cifar_or_imagenet("layout", layout, shape)
    plan = LAYOUTS[layout]
    if widths is not None:
        sizes = arguments.positive_integers("widths", widths)
        if depth is None and len(sizes) != len(plan.widths):
            raise ValueError(
                f"The layout {layout!r} has {len(plan.widths)} stages; given: "
                f"{len(sizes)} widths. Give depth, the blocks of each stage, as well."
            )
        plan = dataclasses.replace(plan, widths=sizes)
    if not plan.widths:
        raise ValueError("widths must name at least one stage; given: none.")
    if depth is not None:
        stages = [f"stage {number}" for number, _ in enumerate(plan.widths, 1)]
        repeats = arguments.per_place("depth", depth, stages)
        repeats = arguments.positive_integers("depth", repeats)
        plan = dataclasses.replace(plan, depth=repeats)
    arguments.check_shrinking(
        f"A MobileNet of {len(plan.widths)} stages",
        shape,
        plan.stem_strides * 2 ** (len(plan.widths) - 1),
        hint="layout='cifar', fewer widths, " * (plan.stem_strides > 1),
    )
    return plan


def _scaled(widths: Sequence[float], factor: float) -> list[int]:
    found = [int(width * factor) for width in widths]
    if min(found) < 1:
        raise ValueError(
            f"width_multiplier {factor:g} leaves no filter of {min(widths):g}; use a "
            "larger one."
        )
    return [checks.integer("width_multiplier × widths", width) for width in found]
