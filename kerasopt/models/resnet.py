"""Residual networks: those for CIFAR, and those for ImageNet."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from kerasopt import checks
from kerasopt.models import arguments, blocks
from kerasopt.models.blocks.common import places
from kerasopt.models.registry import register
from kerasopt.models.style import BATCH_NORM_MOMENTUM, Style

__all__ = ["apply_stages", "resnet"]

EPSILON = 1.001e-5
"""Of batch normalisation: what TensorFlow's fused kernel makes of the papers' 1e-5."""

DEEPEST = 602
"""Deeper ones go beyond the calls that Python nests: Keras follows a model's layers."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """The blocks of each stage, their kind and their width, for one depth."""

    repeats: tuple[int, ...]
    widths: tuple[int, ...]
    bottleneck: bool = False
    shortcut: str = "projection"


_WIDTHS = (64, 128, 256, 512)
PLANS = {
    18: Plan((2, 2, 2, 2), _WIDTHS),
    34: Plan((3, 4, 6, 3), _WIDTHS),
    50: Plan((3, 4, 6, 3), _WIDTHS, bottleneck=True),
    101: Plan((3, 4, 23, 3), _WIDTHS, bottleneck=True),
    152: Plan((3, 8, 36, 3), _WIDTHS, bottleneck=True),
}


@register("resnet")
def resnet(
    *,
    input_shape: Sequence[int],
    num_classes: int,
    depth: int = 20,
    widths: Sequence[int] | None = None,
    stem: str = "auto",
    shortcut: str | None = None,
    strided_kernel: int = 3,
    preactivation: bool = False,
    attention: str | Mapping[str, Any] | None = None,
    activation: str = "relu",
    kernel_initializer: Any = "he_normal",
    batch_norm: bool | str = "before_activation",
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM,
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    activity_l1: float = 0.0,
    any_size: bool = False,
) -> keras.Model:
    """Build a residual network that ends in class probabilities.

    Stem → stages of `kerasopt.models.blocks.residual` (or `bottleneck`, from depth 50
    on) → global average pooling (→ Dropout) → output. Every stage after the first
    halves the map. Two families share the argument ``depth``:

    - 6n + 2, such as 20, 32, 44, 56 and 110: three stages of n blocks, 16, 32 and 64
      wide, for images such as CIFAR's,
    - 18, 34, 50, 101 and 152: four stages, 64 to 512 wide (times four in the
      bottlenecks), for images such as ImageNet's.

    Layers are named by their place (``"stage1_block2_conv"``).

    Args:
        input_shape: (height, width, channels).
        num_classes: Number of classes, at least 2.
        depth: Layers with weights, as the papers count them.
        widths: Filters of each stage, if not the papers'. The stem has as many as the
            first stage.
        stem: ``"cifar"`` (3×3 convolution), ``"imagenet"`` (7×7 convolution with
            strides of 2, then 3×3 max-pooling with strides of 2) or ``"auto"``:
            ``"imagenet"`` for images of 96 pixels or more on the shorter side.
        shortcut: What an input passes where a block changes its shape:
            ``"projection"`` or ``"pad"``, as in `kerasopt.models.blocks.residual`. By
            default the papers': ``"pad"`` for depths of 6n + 2, which has no weights.
        strided_kernel: Which convolution of a bottleneck has the strides: 3, as in
            torchvision, or 1, as in the paper and `keras.applications.ResNet50`. It
            has no effect on other blocks, so 1 is refused for them.
        preactivation: Normalise and activate before each convolution, not after it
            (ResNet v2). The last block is followed by normalisation and activation.
        attention: None, ``"squeeze_excite"`` in every block, or ``"self"``:
            `kerasopt.layers.SelfAttention2D` before the second convolution of the last
            block, for images whose last map has at most 256 places. Or a dict with
            ``name`` and arguments, such as ``{"name": "self", "num_heads": 8}``.
        activation: Keras name of the hidden activation.
        kernel_initializer: Of the convolutions, what `kerasopt.initializers.get`
            takes; each layer gets a fresh one. Output and attention keep Keras's
            default.
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
        ValueError: if an argument is out of its range, the depth is none of these, or
            the images are too small for the network or too large for its
            self-attention.

    Example:
        >>> resnet(input_shape=(32, 32, 3), num_classes=10, depth=20).count_params()
        271098

        Of these 1,376 are running statistics, so 269,722 are trained: the paper's
        0.27 million.

    References:
        He et al. (2015), https://arxiv.org/abs/1512.03385; preactivation: He et al.
        (2016), https://arxiv.org/abs/1603.05027.
    """
    style = Style(
        activation=activation,
        kernel_initializer=kernel_initializer,
        batch_norm=batch_norm,
        batch_norm_momentum=batch_norm_momentum,
        batch_norm_epsilon=EPSILON,
        l1=l1,
        l2=l2,
        activity_l1=activity_l1,
    )
    plan = _plan(depth, widths, shortcut, strided_kernel)
    shape = arguments.image_shape(input_shape)
    stem = arguments.cifar_or_imagenet("stem", stem, shape)
    arguments.check_shrinking(
        f"ResNet-{depth} with the stem {stem!r}",
        shape,
        2 ** (len(plan.widths) - 1) * (4 if stem == "imagenet" else 1),
        hint="stem='cifar', which shrinks them less, or " * (stem == "imagenet"),
    )
    given: dict[str, Any] = {"style": style, "preactivation": preactivation}
    given["shortcut"] = plan.shortcut
    if plan.bottleneck:
        given["strided_kernel"] = strided_kernel
    block = blocks.bottleneck if plan.bottleneck else blocks.residual

    inputs = arguments.image_input(shape, any_size)
    x = _apply_stem(inputs, stem, plan.widths[0], style, preactivation)
    x = apply_stages(x, block, plan.repeats, plan.widths, attention=attention, **given)
    if preactivation:
        x = style.finish(x, "last")
    outputs = blocks.classifier(x, num_classes, dropout=dropout)
    return keras.Model(inputs, outputs, name=f"resnet{depth}")


def apply_stages(
    x: Any,
    block: Callable[..., Any],
    repeats: Sequence[int],
    widths: Sequence[int],
    *,
    attention: Any,
    **given: Any,
) -> Any:
    """Apply the residual blocks of all stages.

    Args:
        x: Feature map.
        block: `kerasopt.models.blocks.residual` or `bottleneck`.
        repeats: Blocks of each stage.
        widths: Filters of each stage.
        attention: As in `resnet`: self-attention belongs to the last block alone.
        **given: Arguments of all blocks.
    """
    in_all = blocks.attention.read_attention(attention)[0] != "self"
    found = places(repeats, widths)
    for name, width, strides in found:
        here = attention if in_all or name == found[-1][0] else None
        x = block(x, width, strides=strides, attention=here, name=name, **given)
    return x


def _plan(depth: Any, widths: Any, shortcut: Any, strided_kernel: Any) -> Plan:
    depth = checks.integer("depth", depth, most=DEEPEST)
    plan = PLANS.get(depth)
    if plan is None and depth >= 8 and depth % 6 == 2:
        plan = Plan((depth // 6,) * 3, (16, 32, 64), shortcut="pad")
    if plan is None:
        raise ValueError(
            "depth must be 6n + 2, such as 20, 32, 44, 56 or 110, for small images, or "
            f"one of {', '.join(map(str, PLANS))}; given: {depth}."
        )
    if strided_kernel == 1 and not plan.bottleneck:
        raise ValueError(
            f"strided_kernel has no effect on ResNet-{depth}, whose blocks have two "
            "kernels of one size; leave it out. It is for depths of 50 and more."
        )
    if widths is not None:
        names = [f"stage {number + 1}" for number in range(len(plan.widths))]
        sizes = arguments.per_place("widths", widths, names)
        sizes = arguments.positive_integers("widths", sizes)
        plan = dataclasses.replace(plan, widths=sizes)
    return dataclasses.replace(plan, shortcut=shortcut or plan.shortcut)


def _apply_stem(
    x: Any, stem: str, width: int, style: Style, preactivation: bool
) -> Any:
    small = stem == "cifar"
    given: dict[str, Any] = {"strides": 1 if small else 2, "padding": "symmetric"}
    # The first block begins with what finishes the stem of a preactivation network.
    convolve = style.kernel if preactivation else style.convolution
    x = convolve(x, width, 3 if small else 7, name="stem", **given)
    if small:
        return x
    # Zeros at the border, as in keras.applications, after a ReLU or not.
    x = keras.layers.ZeroPadding2D(1, name="stem_pool_padding")(x)
    return keras.layers.MaxPooling2D(3, 2, name="stem_pool")(x)
