"""Watching whether gradients vanish or explode."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import pandas as pd

from kerasopt import checks, gradients

__all__ = ["GradientNorms"]


class GradientNorms(keras.callbacks.Callback):
    """Measures each layer's gradient norm after every epoch and says what is wrong.

    The loss's gradient with respect to each kernel is taken on a fixed batch. A layer
    whose norm is below ``vanishing`` times the largest of all layers learns next to
    nothing from it; a norm above ``exploding``, NaN or infinity ends in divergence.
    A warning says which, once a layer, and what helps.

    Args:
        x: Samples of the batch, on the model's scale; a few dozen are enough.
        y: Their labels.
        vanishing: Least share of the largest norm, in (0, 1); 1e-3 by default.
        exploding: Largest norm, > 0; 100 by default.

    Attributes:
        table: One row an epoch, one column a kernel: the norms.
        flags: From kernel to ``"vanishing"`` or ``"exploding"``, where it is either.

    Raises:
        ValueError: if a limit is out of its range, x holds uint8, or x and y differ in
            length; when training begins, on several devices or with several losses.

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3),
        ...                           keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((40, 2)), np.ones((40, 1))
        >>> watch = GradientNorms(x, y)
        >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[watch])
        >>> watch.table.shape
        (2, 2)

    References:
        Glorot and Bengio (2010), https://proceedings.mlr.press/v9/glorot10a.html.
    """

    def __init__(
        self, x: Any, y: Any, *, vanishing: float = 1e-3, exploding: float = 100.0
    ) -> None:
        super().__init__()
        if getattr(x, "dtype", None) == "uint8":
            raise ValueError(
                "x holds uint8, but models train on pixels in [0, 1]: give x / 255."
            )
        for name, values in (("x", x), ("y", y)):
            is_listed = hasattr(values, "__len__") and getattr(values, "shape", 1) != ()
            if isinstance(values, str | bytes | dict) or not is_listed:
                raise checks.ArgumentTypeError(
                    f"{name} must be an array with one entry a sample; given: "
                    f"{checks.shown(values)}."
                )
        if len(x) != len(y):
            raise ValueError(
                f"x and y must have as many samples; given: {len(x)} and {len(y)}."
            )
        self.x = x
        self.y = y
        self.vanishing = checks.proper_fraction("vanishing", vanishing)
        self.exploding = checks.positive("exploding", exploding)
        self.flags: dict[str, str] = {}
        self._rows: list[dict[str, float]] = []

    @property
    def table(self) -> pd.DataFrame:
        """The norms so far: one row an epoch, one column a kernel."""
        index = pd.RangeIndex(1, len(self._rows) + 1, name="epoch")
        return pd.DataFrame(self._rows, index=index)

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Start anew."""
        if self.model.distribute_strategy.num_replicas_in_sync > 1:
            raise ValueError(
                "GradientNorms measures on one device: train with devices='cpu' or one "
                "GPU."
            )
        if isinstance(self.model.loss, (dict, list)):
            raise ValueError(
                "GradientNorms needs a model with one loss; given: "
                f"{type(self.model.loss).__name__} of {len(self.model.loss)}."
            )
        self.flags, self._rows = {}, []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Measure, and warn where it is needed."""
        loss = keras.losses.get(self.model.loss)
        norms = gradients.layer_norms(self.model, loss, self.x, self.y)
        self._rows.append(norms)
        new = {p: f for p, f in self._found(norms).items() if p not in self.flags}
        self.flags |= new
        for flag in sorted(set(new.values())):
            paths = [path for path, each in new.items() if each == flag]
            warnings.warn(self._advice(paths, flag, norms), stacklevel=2)

    def _found(self, norms: Mapping[str, float]) -> dict[str, str]:
        finite = [norm for norm in norms.values() if math.isfinite(norm)]
        largest = max(finite, default=0.0)
        found = {}
        for path, norm in norms.items():
            if not norm <= self.exploding:  # NaN isn't, either.
                found[path] = "exploding"
            elif norm == 0 or norm < self.vanishing * largest:
                found[path] = "vanishing"
        return found

    def _advice(self, paths: list[str], flag: str, norms: Mapping[str, float]) -> str:
        found = ", ".join(f"{path} ({norms[path]:.2g})" for path in paths)
        if flag == "exploding":
            return (
                f"Gradients explode, by their norms: {found}. Lower the learning rate, "
                "clip them (global_clipnorm=1.0 of any optimizer), or add batch "
                "normalisation."
            )
        return (
            f"Gradients vanish on their way back, by their norms: {found}; the largest "
            f"is {max(norms.values()):.2g}. Take ReLU with "
            "kernel_initializer='he_normal' (tanh: 'glorot_uniform'), or add batch "
            "normalisation."
        )
