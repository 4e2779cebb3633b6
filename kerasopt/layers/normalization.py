"""Normalisation of the input by statistics that are weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

__all__ = ["Normalization"]


@keras.saving.register_keras_serializable(package="kerasopt")
class Normalization(keras.layers.Normalization):
    """Bring each channel to mean 0 and variance 1, by statistics of some samples.

    ``(x - mean) / sqrt(variance)``, as `keras.layers.Normalization` computes it. Keras
    keeps what it adapted to as constants beside its weights; compiled steps,
    `set_weights` and checkpoints then miss a change. Here the weights alone count. A
    channel that is constant is only centred.

    `adapt` sets them, or `kerasopt.layers.adapt` with all other layers of a model.
    Before that the layer passes its inputs on.

    Args:
        axis: The axis of the channels, or several.
        **kwargs: Arguments of `keras.layers.Layer`.

    Example:
        >>> layer = Normalization()
        >>> layer.adapt(np.array([[1.0, 5.0], [3.0, 5.0]]))
        >>> layer(np.array([[1.0, 6.0]], "float32")).numpy().tolist()
        [[-1.0, 1.0]]
    """

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(axis, **kwargs)

    @property
    def adapted(self) -> bool:
        """Whether it has adapted to samples, now or before it was saved."""
        return self.built and int(self.count) > 0

    def adapt(self, samples: Any, *, batch_size: int = 512) -> None:
        """Set mean and variance to those of some samples.

        Args:
            samples: Floats of shape (n, ...), as they reach this layer in training.
            batch_size: Samples that are copied to float64 at a time.

        Raises:
            ValueError: if there is none, they have another shape, or aren't finite.
        """
        samples = np.asarray(samples)
        if not len(samples):
            raise ValueError(f"Layer {self.name!r} needs samples to adapt to; none.")
        if not self.built:
            self.build(samples.shape)
        if tuple(samples.shape[axis] for axis in self._keep_axis) != tuple(
            self.adapt_mean.shape
        ):
            raise ValueError(
                f"Layer {self.name!r} has the statistics of "
                f"{tuple(self.adapt_mean.shape)} channels; given samples of shape "
                f"{samples.shape}."
            )
        mean = self._mean_of(samples, 0.0, 1, batch_size)
        variance = self._mean_of(samples, mean, 2, batch_size)
        if not np.isfinite(variance).all():
            raise ValueError(
                f"The samples given to adapt layer {self.name!r} hold NaN or infinity."
            )
        shape = self.adapt_mean.shape
        self.adapt_mean.assign(mean.reshape(shape))
        # As scikit-learn's StandardScaler: what doesn't vary isn't enlarged.
        self.adapt_variance.assign(np.where(variance > 0, variance, 1.0).reshape(shape))
        self.count.assign(len(samples))

    def _mean_of(
        self, samples: np.ndarray, shift: Any, power: int, batch_size: int
    ) -> np.ndarray:
        """Return the mean of ``(x - shift) ** power`` by channel, in float64."""
        means, counts = [], []
        for start in range(0, len(samples), batch_size):
            batch = samples[start : start + batch_size].astype("float64")
            means.append(
                np.mean((batch - shift) ** power, axis=self._reduce_axis, keepdims=True)
            )
            counts.append(len(batch))
        return np.average(means, axis=0, weights=counts)

    def finalize_state(self) -> None:
        """Do nothing: Keras would keep constants here."""

    def load_own_variables(self, store: Any) -> None:
        """Load the weights."""
        keras.layers.Layer.load_own_variables(self, store)

    def call(self, inputs: Any) -> Any:
        """Return the normalised inputs, in their shape."""
        inputs = keras.ops.cast(inputs, self.compute_dtype)
        mean, variance = (
            keras.ops.cast(
                keras.ops.reshape(weight, self._broadcast_shape), inputs.dtype
            )
            for weight in (self.adapt_mean, self.adapt_variance)
        )
        return (inputs - mean) / keras.ops.sqrt(variance)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        config = super().get_config()
        for name in ("mean", "variance", "invert"):
            config.pop(name, None)
        return config
