"""One style for all hidden layers of a model."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from kerasopt import checks, initializers, layers, regularizers
from kerasopt.models import arguments

__all__ = ["BATCH_NORM_MOMENTUM", "Style", "checked", "place"]

BATCH_NORM_MOMENTUM = 0.9
"""Share of the running statistics that a step keeps, unless a factory is told.

After n steps ``momentum ** n`` of them is still the start. With Keras's 0.99 that is
half after 69 steps, ten epochs of 200 pictures in batches of 32: the trained network
then predicts with statistics that were never those of its weights.
"""

BATCH_NORM_PLACES = ("after_activation", "before_activation")
PADDINGS = ("same", "valid", "symmetric")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Style:
    """Settings that every hidden layer of a model has in common, and its layers.

    The factories make one of their arguments; `kerasopt.models.blocks` take one as
    ``style``. Its methods apply a single kind of layer with these settings to a Keras
    tensor. They name the layers by ``name``, its place in the model; without one Keras
    names them.

    Attributes:
        activation: Keras name of the hidden activation.
        kernel_initializer: What `kerasopt.initializers.get` takes; each layer gets a
            fresh one.
        batch_norm: False, ``"before_activation"``, where the layers have no bias, or
            True (= ``"after_activation"``).
        batch_norm_momentum: Share of the running mean and variance that a step
            keeps, in [0, 1).
        batch_norm_epsilon: Added to the variance.
        l1: Factor of ``sum(|w|)`` over the hidden kernels.
        l2: Factor of ``sum(w ** 2)`` over the hidden kernels.
        activity_l1: Factor of ``sum(|a|)`` over the hidden activations, a mean over
            the batch.

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> style = Style(activation="gelu", l2=1e-4)
        >>> x = style.convolution(keras.Input((8, 8, 3)), 16, 3, name="first")
        >>> x.shape
        (None, 8, 8, 16)
    """

    activation: Any = "relu"
    kernel_initializer: Any = "he_normal"
    batch_norm: bool | str = "before_activation"
    batch_norm_momentum: float = BATCH_NORM_MOMENTUM
    batch_norm_epsilon: float = 1e-3
    l1: float = 0.0
    l2: float = 0.0
    activity_l1: float = 0.0

    def __post_init__(self) -> None:
        for name in ("l1", "l2", "activity_l1"):
            self._set(name, checks.non_negative(name, getattr(self, name)))
        order = checks.plain(self.batch_norm)
        if not isinstance(order, bool) and order not in list(BATCH_NORM_PLACES):
            raise ValueError(
                f"batch_norm must be False, True or one of {BATCH_NORM_PLACES}; "
                f"given: {checks.shown(order)}."
            )
        self._set("batch_norm", order)
        momentum = checks.fraction("batch_norm_momentum", self.batch_norm_momentum)
        self._set("batch_norm_momentum", momentum)
        epsilon = checks.positive("batch_norm_epsilon", self.batch_norm_epsilon)
        self._set("batch_norm_epsilon", epsilon)
        arguments.check_activation(self.activation)
        with checks.naming("kernel_initializer"):
            initializers.get(self.kernel_initializer)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def dense(self, x: Any, units: int, *, name: str | None = None) -> Any:
        """Apply Dense, activation and batch normalisation."""
        arguments.check_weights(f"{units} units", x.shape[-1], units)
        layer = keras.layers.Dense(units, name=name, **self.kernel_arguments())
        return self.finish(layer(x), name)

    def convolution(
        self,
        x: Any,
        filters: int,
        kernel_size: int = 3,
        *,
        strides: int = 1,
        padding: str = "same",
        pool: int = 1,
        activate: bool = True,
        name: str | None = None,
    ) -> Any:
        """Apply a convolution, max-pooling if ``pool`` > 1, and `finish`."""
        use_bias = None
        if not activate and self.batch_norm:
            use_bias = False  # The normalisation has one.
        x = self.kernel(
            x,
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            use_bias=use_bias,
            name=name,
        )
        x = max_pool(x, pool) if pool > 1 else x
        return self.finish(x, name, activate=activate)

    def kernel(
        self,
        x: Any,
        filters: int,
        kernel_size: int = 3,
        *,
        strides: int = 1,
        padding: str = "same",
        use_bias: bool | None = None,
        name: str | None = None,
    ) -> Any:
        """Apply a convolution alone.

        Args:
            x: (batch, height, width, channels).
            filters: Number of output channels.
            kernel_size: Height and width of the kernel.
            strides: Step of the kernel.
            padding: As in Keras, or ``"symmetric"``: as many zeros on all four sides,
                half an odd kernel. With "same" and strides of 2 the first kernel's
                centre is the second pixel of an even map; of a 1×1 kernel it is the
                first.
            use_bias: By default there is one unless batch normalisation follows the
                kernel, which would subtract it again.
            name: Of the layer.
        """
        filters = checks.integer("filters", filters)
        kernel_size = checks.integer("kernel_size", kernel_size)
        strides = checks.integer("strides", strides)
        checks.choice("padding", padding, PADDINGS)
        if padding == "valid" and min(x.shape[1:3]) < kernel_size:
            raise ValueError(
                f"A {kernel_size}×{kernel_size} convolution with padding='valid' "
                f"doesn't fit a feature map of {x.shape[1]}×{x.shape[2]}; use "
                "padding='same', fewer stages or larger images."
            )
        sizes = (kernel_size, kernel_size, x.shape[-1], filters)
        arguments.check_weights(f"{filters} filters", *sizes)
        if padding == "symmetric":
            padding = "same"
            if strides > 1 and kernel_size > 1 and kernel_size % 2:
                padding = "valid"
                zeros = keras.layers.ZeroPadding2D(
                    kernel_size // 2, name=place(name, "padding")
                )
                x = zeros(x)
        settings = self.kernel_arguments()
        if use_bias is not None:
            settings["use_bias"] = use_bias
        layer = layers.Conv2D(
            filters, kernel_size, strides, padding, name=name, **settings
        )
        return layer(x)

    def depthwise(
        self,
        x: Any,
        kernel_size: int = 3,
        *,
        strides: int = 1,
        use_bias: bool = False,
        name: str | None = None,
    ) -> Any:
        """Convolve each channel by itself."""
        kernel_size = checks.integer("kernel_size", kernel_size)
        strides = checks.integer("strides", strides)
        what = f"kernel_size {kernel_size}"
        arguments.check_weights(what, kernel_size, kernel_size, x.shape[-1])
        settings = self.kernel_arguments()
        layer = keras.layers.DepthwiseConv2D(
            kernel_size,
            strides,
            padding="same",
            use_bias=use_bias,
            depthwise_initializer=_by_channel(settings["kernel_initializer"]),
            depthwise_regularizer=settings["kernel_regularizer"],
            name=name,
        )
        return layer(x)

    def finish(self, x: Any, name: str | None = None, *, activate: bool = True) -> Any:
        """Apply batch normalisation and activation, in the order of the style."""
        if not activate:
            return self._normalize(x, name) if self.batch_norm else x
        if self.batch_norm == "before_activation":
            return self.activate(self._normalize(x, name), name)
        x = self.activate(x, name)
        return self._normalize(x, name) if self.batch_norm else x

    def activate(self, x: Any, name: str | None = None) -> Any:
        """Apply the activation, with its penalty."""
        is_half = keras.config.dtype_policy().compute_dtype != "float32"
        penalty = None
        if self.activity_l1 and not is_half:
            penalty = regularizers.get("l1", l1=self.activity_l1)
        layer = keras.layers.Activation(
            self.activation,
            activity_regularizer=penalty,
            name=place(name, "activation"),
        )
        x = layer(x)
        if self.activity_l1 and is_half:
            # A sum in half precision is off, and Keras can't add it to the loss.
            x = keras.layers.ActivityRegularization(
                l1=self.activity_l1, dtype="float32", name=place(name, "activity")
            )(x)
        return x

    def kernel_arguments(self) -> dict[str, Any]:
        """Return fresh arguments of a Keras layer with a kernel."""
        return {
            "kernel_initializer": initializers.get(self.kernel_initializer),
            "kernel_regularizer": self.penalty(),
            # A bias right before batch normalisation would be subtracted again.
            "use_bias": self.batch_norm != "before_activation",
        }

    def penalty(self) -> Any:
        """Return the penalty on a kernel, or None."""
        if self.l1 or self.l2:
            return regularizers.get("l1_l2", l1=self.l1, l2=self.l2)
        return None

    def _normalize(self, x: Any, name: str | None) -> Any:
        layer = layers.FusedBatchNormalization(
            momentum=self.batch_norm_momentum,
            epsilon=self.batch_norm_epsilon,
            name=place(name, "norm"),
        )
        return layer(x)


def checked(style: Style | None) -> Style:
    """Return the style of a block; None is the default one.

    Raises:
        ArgumentTypeError: if it is no `Style`.
    """
    if style is None:
        return Style()
    checks.instance("style", style, Style, "a kerasopt.models.Style(…)")
    return style


def place(name: str | None, part: str) -> str | None:
    """Return the name of a part of what is called ``name``; None stays None.

    Example:
        >>> place("stage1_block1", "conv")
        'stage1_block1_conv'
    """
    return name and f"{name}_{part}"


def max_pool(x: Any, size: int) -> Any:
    """Apply MaxPooling2D, or raise `ValueError` if the map is too small."""
    if min(x.shape[1:3]) < size:
        raise ValueError(
            f"Pooling by {size} doesn't fit a feature map of "
            f"{x.shape[1]}×{x.shape[2]}; use fewer stages, a smaller pool or "
            "larger images."
        )
    return keras.layers.MaxPooling2D(size)(x)


def _by_channel(
    initializer: keras.initializers.Initializer,
) -> keras.initializers.Initializer:
    """Return an initializer's like for kernels of one channel each.

    Keras takes all channels of a depthwise kernel for its inputs, and so draws it too
    small by the root of their number. Its outputs are counted right: height × width,
    which is the number of inputs as well.
    """
    if not isinstance(initializer, keras.initializers.VarianceScaling):
        return initializer
    return keras.initializers.VarianceScaling(
        initializer.scale, "fan_out", initializer.distribution
    )
