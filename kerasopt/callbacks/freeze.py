"""Train some layers for a while only."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from kerasopt import checks, names, schedules
from kerasopt.callbacks.changed_step import Step, change_step, restore_step
from kerasopt.callbacks.progress_callback import ShareCallback

__all__ = ["Freeze", "FrozenStep", "frozen", "prepare"]


class Freeze(ShareCallback):
    """Stops training some layers after a share of the training.

    Once the first layers are frozen, backpropagation ends where they end: in the
    speed network the frozen whitening bias saves about 5 % of every further step.
    Frozen batch normalisation uses its moving statistics, as always in Keras. The
    layers' ``trainable`` flags are False inside the training steps only.

    Args:
        layers: Name of a layer, or several; ``*`` and ``?`` stand for any
            characters and any one (``"conv_1_*"``).
        after: Share of the training, in [0, 1), after which they are frozen.

    Raises:
        ValueError: if ``after`` is out of its range, or (when training begins)
            the model has no such layer, or its optimizer averages the weights
            (``use_ema``): Keras can't tell which averages belong to the rest.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)),
        ...     keras.layers.Dense(3, name="first"), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.ones((40, 2)), np.ones((40, 1))
        >>> history = model.fit(x, y, verbose=0, callbacks=[Freeze(layers="first")])

    References:
        Brock et al. (2017), FreezeOut, https://arxiv.org/abs/1706.04983.
    """

    def __init__(self, *, layers: str | Sequence[str], after: float = 0.3) -> None:
        super().__init__()
        self.layers = _names(layers)
        self.after = checks.fraction("after", after)
        self._to_freeze: list[Any] = []

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Look the layers up."""
        prepare(self)
        there = [layer.name for layer in self.model.layers]
        for pattern in self.layers:
            if not fnmatch.filter(there, pattern):
                raise names.unknown(f"layer of {self.model.name}", pattern, there)
        self._to_freeze = [
            layer
            for layer in self.model.layers
            if layer.trainable
            and any(fnmatch.fnmatch(layer.name, pattern) for pattern in self.layers)
        ]

    def on_train_batch_begin(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Freeze the layers when their time is over."""
        if self._to_freeze and self.share() >= self.after:
            layers, self._to_freeze = self._to_freeze, []
            change_step(self.model, lambda step: FrozenStep(step, layers))

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Train the layers again."""
        restore_step(self.model)


def prepare(callback: keras.callbacks.Callback) -> None:
    """Build a model's optimizer for all its layers before some are frozen.

    Args:
        callback: What freezes them.

    Raises:
        ValueError: if the optimizer averages the weights.
    """
    optimizer = callback.model.optimizer
    for each in schedules.optimizers_in(optimizer):
        if getattr(each, "use_ema", False):
            raise ValueError(
                f"{type(callback).__name__} doesn't go with {each.name}'s "
                "use_ema=True: Keras would mix up the averages. Leave use_ema out, or "
                "take kerasopt.callbacks.Lookahead."
            )
    if not optimizer.built:  # Else it would know the other layers only.
        optimizer.build(callback.model.trainable_variables)


class FrozenStep:
    """A training step with some layers frozen inside it, whatever way it ends.

    Attributes:
        step: The step without that.
        layers: The layers. They may be changed between two tracings.
    """

    def __init__(self, step: Step, layers: Sequence[keras.layers.Layer]) -> None:
        self.step = step
        self.layers = layers

    def __call__(self, batch: Any) -> Any:
        """Take a step and return its logs."""
        with frozen(self.layers):
            return self.step(batch)


@contextlib.contextmanager
def frozen(layers: Sequence[keras.layers.Layer]) -> Iterator[None]:
    """Freeze layers and all in them inside this block, whatever way it ends."""
    # Each by itself: a layer sets the flags of what it holds, which may be frozen
    # already, and sets none if it is frozen but something in it isn't.
    flags = [
        (each, each.trainable)
        for layer in layers
        for each in [*layer._flatten_layers(), *layer.variables]
    ]
    for each, _ in flags:
        each.trainable = False
    try:
        yield
    finally:
        for each, trainable in flags:
            each.trainable = trainable


def _names(layers: Any) -> list[str]:
    if isinstance(layers, str):
        return [checks.text("layers", layers)]
    return checks.each("layers", layers, checks.text, least=1)
