"""A first convolution that whitens its input, and how it learns to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasopt import checks, names
from kerasopt.layers import graph
from kerasopt.layers.convolution import Conv2D
from kerasopt.layers.normalization import Normalization

__all__ = ["WhiteningConv2D", "adapt"]

LAYER_ARGUMENTS = ("activity_regularizer", "dtype", "name", "trainable")


@keras.saving.register_keras_serializable(package="kerasopt")
class WhiteningConv2D(Conv2D):
    """A frozen first convolution whose outputs are uncorrelated.

    With the eigenvectors ``v`` and eigenvalues ``l`` of the uncentred covariance
    of all patches of some images, its filters are ``v / sqrt(l + epsilon)`` and
    their negatives: the responses of the first half have about the identity as
    their second-moment matrix, and a rectifier behind them loses nothing. There are
    2 · kernel height · kernel width · channels filters. Only the bias trains.

    `adapt` computes the filters. Before that the layer is a random frozen
    convolution (Glorot uniform); the weights alone say which, so saving,
    `set_weights` and checkpoints keep it.

    Args:
        kernel_size: Height and width of the patches; one integer means a square.
        epsilon: Added to the eigenvalues; damps directions of little variance.
        activation: As in `keras.layers.Conv2D`; so are the arguments below.
        use_bias: Whether there is a bias, which trains.
        padding: ``"valid"`` or ``"same"``. The covariance is that of the patches
            without padding.
        **kwargs: Arguments of `keras.layers.Layer`: ``name``, ``dtype``,
            ``trainable``, ``activity_regularizer``.

    Raises:
        ValueError: if an argument is unknown or the number of channels is.

    Example:
        >>> images = np.random.default_rng(0).normal(size=(10, 8, 8, 3))
        >>> layer = WhiteningConv2D()
        >>> layer.adapt(images)
        >>> layer(images).shape, len(layer.trainable_weights)
        (TensorShape([10, 7, 7, 24]), 1)

    References:
        Page (2019), How to train your ResNet, part 8 (Bag of tricks),
        https://github.com/davidcpage/cifar10-fast; tysam-code,
        https://github.com/tysam-code/hlb-CIFAR10, for the negatives;
        Jordan (2024), https://arxiv.org/abs/2404.00498, section 3.1.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int] = 2,
        *,
        epsilon: float = 5e-4,
        activation: Any = None,
        use_bias: bool = True,
        padding: str = "valid",
        **kwargs: Any,
    ) -> None:
        for name in kwargs:
            if name not in LAYER_ARGUMENTS:
                own = ("kernel_size", "epsilon", "activation", "use_bias", "padding")
                raise names.unknown(
                    "argument of WhiteningConv2D", name, [*own, *LAYER_ARGUMENTS]
                )
        if not isinstance(epsilon, (int, float)) or not 0 < epsilon < math.inf:
            raise ValueError(
                "epsilon is added to variances and must be a positive number; "
                f"given: {epsilon!r}."
            )
        super().__init__(
            None,  # The number of filters follows from the channels, in build.
            kernel_size,
            activation=activation,
            use_bias=use_bias,
            padding=padding,
            data_format="channels_last",
            **kwargs,
        )
        self.epsilon = float(epsilon)

    def build(self, input_shape: Any) -> None:
        """Create the frozen kernel and the bias."""
        self.filters = self._count_filters(input_shape)
        super().build(input_shape)

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        """Create a weight as Keras does, but the kernel as a frozen one."""
        # A kernel that is frozen later would train again after
        # `layer.trainable = True`.
        if kwargs.get("name") == "kernel":
            kwargs["trainable"] = False
        return super().add_weight(*args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the responses."""
        shape = super().compute_output_shape(input_shape)
        return (*shape[:-1], self._count_filters(input_shape))

    def _count_filters(self, input_shape: Any) -> int:
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                "WhiteningConv2D takes images of shape (batch, height, width, "
                f"channels) with a known number of channels; given: {input_shape}."
            )
        return 2 * math.prod(self.kernel_size) * input_shape[-1]

    @property
    def adapted(self) -> bool:
        """Whether the kernel is a whitening one: filters and their negatives."""
        if not self.built:
            return False
        filters, negatives = np.split(self.kernel.numpy(), 2, axis=-1)
        return bool(np.array_equal(filters, -negatives))

    def adapt(self, images: Any, *, batch_size: int = 512) -> None:
        """Set the kernel to the whitening transform of some images.

        Args:
            images: Floats of shape (n, height, width, channels), as they reach
                this layer in training. Some thousands are enough.
            batch_size: Images whose patches are in memory at a time.

        Raises:
            ValueError: if the images aren't finite floats of that shape, are
                smaller than the kernel, or have fewer patches than a patch has
                values.
        """
        images = _float_images(images)
        self._check_shape(images.shape)
        if not self.built:
            self.build(images.shape)
        covariance = self._covariance(images, batch_size)
        eigenvalues, eigenvectors = np.linalg.eigh(covariance)
        # Rounding makes an eigenvalue of 0 slightly negative.
        power = np.maximum(eigenvalues, 0.0) + self.epsilon
        filters = eigenvectors / np.sqrt(power)
        filters = filters.reshape(*self.kernel_size, images.shape[-1], -1)
        self.kernel.assign(np.concatenate([filters, -filters], axis=-1))

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        height, width = self.kernel_size
        expected = self.kernel.shape[-2] if self.built else "channels"
        if len(shape) != 4 or (self.built and shape[-1] != expected):
            raise ValueError(
                f"Layer {self.name!r} adapts to images of shape (n, height, width, "
                f"{expected}); given: {shape}."
            )
        if shape[1] < height or shape[2] < width:
            raise ValueError(
                f"Images of {shape[1]}×{shape[2]} are smaller than the "
                f"{height}×{width} patches of layer {self.name!r}; use larger "
                "images or a smaller kernel_size."
            )
        patches = shape[0] * (shape[1] - height + 1) * (shape[2] - width + 1)
        values = height * width * shape[3]
        if patches < values:
            raise ValueError(
                f"{shape[0]} images have {patches} patches of {height}×{width}, too "
                f"few for a covariance of {values} values; give more images."
            )

    def _covariance(self, images: np.ndarray, batch_size: int) -> np.ndarray:
        """Return the mean of ``p pᵀ`` over all patches ``p``, in float64."""
        total: Any = 0.0
        patches = 0
        for batch in _batches(images, batch_size):
            windows = np.lib.stride_tricks.sliding_window_view(
                batch.astype("float64"), self.kernel_size, axis=(1, 2)
            )
            # To (…, row, column, channel), the order of a kernel.
            rows = windows.transpose(0, 1, 2, 4, 5, 3).reshape(
                -1, math.prod(self.kernel_size) * images.shape[-1]
            )
            total = total + rows.T @ rows
            patches += len(rows)
        if not np.isfinite(total).all():
            raise ValueError(
                f"The images given to adapt layer {self.name!r} hold NaN or infinity."
            )
        return total / patches

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        config = super().get_config()
        keys = ("kernel_size", "activation", "use_bias", "padding", *LAYER_ARGUMENTS)
        kept = {key: config[key] for key in keys if key in config}
        return {**kept, "epsilon": self.epsilon}


def _float_images(images: Any) -> np.ndarray:
    images = keras.ops.convert_to_numpy(images)
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(images.dtype)):
        raise ValueError(
            "Images to adapt to must be floats, on the scale that the model trains "
            f"on; given: {images.dtype}. Give x.astype('float32') if the model "
            "rescales its input itself, x / 255 if you do."
        )
    return images


def _batches(images: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(
            f"batch_size must be a positive integer; given: {batch_size!r}."
        )
    for start in range(0, len(images), batch_size):
        yield images[start : start + batch_size]


ADAPTING = (Normalization, WhiteningConv2D)


def adapt(model: keras.Model, images: Any, *, batch_size: int = 512) -> keras.Model:
    """Adapt every `Normalization` and `WhiteningConv2D` that isn't adapted yet.

    Each layer sees what reaches it (at its first place, if it has several): the
    output of the layers before it, in inference mode. Call this before training. A
    model without such layers, of whatever kind, is left alone.

    Args:
        model: A functional or Sequential model with one input, or any model
            without such layers.
        images: Floats of shape (n, height, width, channels), as the model takes
            them in training. Some thousands are enough. Or a function that returns
            them, called only if a layer needs them.
        batch_size: Images in memory at a time.

    Returns:
        The model.

    Raises:
        ValueError: if it can't be said what reaches a layer (in a subclassed or
            nested model, or one with several inputs), or the images don't fit.

    Example:
        >>> entry = keras.Input((8, 8, 3))
        >>> model = keras.Model(entry, WhiteningConv2D(name="whitening")(entry))
        >>> _ = adapt(model, np.random.default_rng(0).normal(size=(10, 8, 8, 3)))
        >>> model.get_layer("whitening").adapted
        True
    """
    checks.instance("model", model, keras.Model, "a keras.Model")
    for layer in graph.layers(model):
        if isinstance(layer, ADAPTING) and not layer.adapted:
            images = images() if callable(images) else images
            reaching = _what_reaches(layer, model, _float_images(images), batch_size)
            layer.adapt(reaching, batch_size=batch_size)
    return model


def _what_reaches(
    layer: keras.layers.Layer, model: keras.Model, images: np.ndarray, batch_size: int
) -> np.ndarray:
    try:
        (entry,) = model.inputs
        before = keras.Model(entry, layer.input)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"Can't say what reaches layer {layer.name!r} of model {model.name!r}: "
            "that takes a functional model with one input that applies the layer "
            "itself. Call the layer's own adapt(images) before training."
        ) from error
    parts = [
        keras.ops.convert_to_numpy(before(batch, training=False))
        for batch in _batches(images, batch_size)
    ]
    return np.concatenate(parts)
