"""Layers of a pretrained network that begin to train one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import checks, schedules
from kerasopt.callbacks.changed_step import Step, change_step, restore_step
from kerasopt.callbacks.freeze import FrozenStep, prepare
from kerasopt.layers.backbone import backbone_of, is_normalization, with_weights

__all__ = ["GradualUnfreezing"]

_SECOND_MOMENTS = ("beta_2", "beta_2_decay", "adam_beta_2")


class GradualUnfreezing(keras.callbacks.Callback):
    """Trains the head of a pretrained network first, then its layers from the last on.

    In epoch e, counted from 0, the head trains and the last ``last * (e // every)`` of
    those layers of the backbone that are trainable at all
    (`kerasopt.models.unfreeze`). So the first steps of a head that knows nothing don't
    disturb what the network has learnt. The layers' ``trainable`` flags stay; they are
    False inside the training steps only.

    Args:
        last: So many more layers train each time, batch normalisation aside; 2 by
            default.
        every: Epochs from one time to the next; 1 by default.

    Raises:
        ValueError: if an argument is out of its range, or (when training begins) the
            model has no backbone or a frozen one, or its optimizer averages the weights
            (``use_ema``) or counts steps for layers that begin at different times.

    Example:
        >>> import numpy as np
        >>> from kerasopt import models, optimizers
        >>> model = models.transfer("vgg16", input_shape=(32, 32, 3), num_classes=2,
        ...                         image_size=32, weights=None, unfreeze=2)
        >>> model.compile(optimizers.get("discriminative", optimizer="adam"),
        ...               "sparse_categorical_crossentropy")
        >>> x, y = np.ones((4, 32, 32, 3)), np.array([0, 1, 0, 1])
        >>> history = model.fit(x, y, epochs=3, verbose=0,
        ...                     callbacks=[GradualUnfreezing(last=1)])

    References:
        Howard & Ruder (2018), ULMFiT, https://arxiv.org/abs/1801.06146.
    """

    memory = ()
    """The epoch says all."""

    def __init__(self, *, last: int = 2, every: int = 1) -> None:
        super().__init__()
        self.last = checks.integer("last", last)
        self.every = checks.integer("every", every)
        self._layers: list[Any] = []
        self._step: FrozenStep | None = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Look the layers up."""
        base = backbone_of(self.model)
        self._layers = [each for each in with_weights(base) if each.trainable]
        if not self._layers:
            raise ValueError(
                "The backbone is frozen: say by models.unfreeze(model, last=…), or "
                "unfreeze= of models.transfer, which of its layers shall train in the "
                "end."
            )
        prepare(self)
        self._refuse_shared_counts()
        self._step = None

    def on_epoch_begin(
        self, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Let the epoch's layers train."""
        frozen = self._frozen(epoch)
        if self._step is None:
            change_step(self.model, lambda step: self._frozen_step(step, frozen))
        elif len(self._step.layers) != len(frozen):
            self._step.layers = frozen
            self.model.make_train_function(force=True)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Train all of them again."""
        restore_step(self.model)

    def _frozen_step(self, step: Step, layers: list[Any]) -> FrozenStep:
        self._step = FrozenStep(step, layers)
        return self._step

    def _frozen(self, epoch: int) -> list[Any]:
        """Return the layers that don't train yet."""
        places = [i for i, e in enumerate(self._layers) if not is_normalization(e)]
        count = self.last * (epoch // self.every)
        if count == 0:
            return self._layers
        return self._layers[: places[-count]] if count < len(places) else []

    def _refuse_shared_counts(self) -> None:
        """Refuse Adam's one count of steps for layers that begin at different times.

        The averages of squared gradients begin at 0, which Adam corrects by the count.
        After the count of other layers, steps would be up to six times too long.
        """
        places = [i for i, e in enumerate(self._layers) if not is_normalization(e)]
        begins = {
            id(variable): -(-(len(places) - k) // self.last)
            for k, place in enumerate(places)
            for variable in self._layers[place].trainable_variables
        }
        for each in schedules.optimizers_in(self.model.optimizer):
            if isinstance(each, keras.optimizers.Lion):
                continue
            if not any(hasattr(each, name) for name in _SECOND_MOMENTS):
                continue
            variables = getattr(each, "_trainable_variables", [])
            if len({begins.get(id(variable), 0) for variable in variables}) > 1:
                raise ValueError(
                    f"GradualUnfreezing doesn't go with {each.name}: its count of "
                    "steps would be that of the head, and the first steps of layers "
                    "that begin later far too long. Take "
                    "optimizer={'name': 'discriminative', 'optimizer': …}, in which "
                    "each layer has a count of its own (with 'lowest': 1 all have the "
                    "same rate), or SGD."
                )
