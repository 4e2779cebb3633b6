"""Smaller learning rates for the lower layers of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras.optimizers.schedules import LearningRateSchedule

from kerasopt import checks
from kerasopt.optimizers.copying import carry_exclusions
from kerasopt.optimizers.grouped import Grouped

__all__ = ["Discriminative", "Scaled"]


@keras.saving.register_keras_serializable(package="kerasopt")
class Scaled(LearningRateSchedule):
    """A schedule times a factor.

    Args:
        schedule: The schedule.
        factor: The factor, > 0.

    Example:
        >>> float(Scaled(keras.optimizers.schedules.CosineDecay(1.0, 100), 0.5)(0))
        0.5
    """

    def __init__(self, schedule: LearningRateSchedule, factor: float) -> None:
        super().__init__()
        self.schedule = schedule
        self.factor = checks.positive("factor", factor)

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step."""
        return self.schedule(step) * self.factor

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "factor": self.factor}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Scaled:
        """Build one from what `get_config` returns."""
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["factor"])


@keras.saving.register_keras_serializable(package="kerasopt")
class Discriminative(Grouped):
    r"""One optimizer a layer, with learning rates that rise from input to output.

    Lower layers of a pretrained network hold what most pictures share (edges,
    textures), and shall change less than the upper ones. Of n layers that train, the
    k-th from the input, counted from 0, has the rate

    .. math::
        \eta_k = \eta \cdot lowest^{(n-1-k)/(n-1)}

    so the first one trains at ``lowest`` times the rate, the last one (the model's
    output) at the rate itself. Each layer counts its own steps: one that begins late
    (`kerasopt.callbacks.GradualUnfreezing`) begins with right moments, and at the
    start of its schedule.

    Args:
        optimizer: The optimizer of the last layer; the others have copies of it.
        lowest: Share of the rate that the first layer gets, in (0, 1]; 0.1 by default.
            1 gives all layers the same rate.
        loss_scale_factor: Factor of the loss, which every layer's optimizer divides
            its gradients by; None by default.
        name: Name of the optimizer.

    Raises:
        ValueError: if the optimizer is one of several groups itself, or ``lowest`` is
            out of its range.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3),
        ...     keras.layers.Dense(3), keras.layers.Dense(2)])
        >>> optimizer = Discriminative(keras.optimizers.SGD(0.1), lowest=0.01)
        >>> optimizer.build(model.trainable_variables)
        >>> [round(float(each.learning_rate), 4) for each in optimizer.optimizers]
        [0.1, 0.001, 0.01]

    References:
        Howard & Ruder (2018), ULMFiT, https://arxiv.org/abs/1801.06146, where each
        layer's rate is that of the next one divided by 2.6.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        *,
        lowest: float = 0.1,
        loss_scale_factor: float | None = None,
        name: str = "discriminative",
    ) -> None:
        if isinstance(optimizer, keras.optimizers.MultiOptimizer):
            raise ValueError(
                "discriminative makes a group of each layer itself: give it a plain "
                f"optimizer; given: {type(optimizer).__name__}."
            )
        super().__init__(
            default=optimizer,
            groups={},
            loss_scale_factor=loss_scale_factor,
            name=name,
        )
        lowest = checks.share("lowest", lowest)
        self.lowest = checks.positive("lowest", lowest)
        self._factors: list[float] = [1.0]
        # Keras builds optimizers in its traced step, where no value can be read.
        self._config = optimizer.get_config()
        self._of_layer: dict[str, keras.optimizers.Optimizer] = {}

    @property
    def learning_rate(self) -> Any:
        """The last layer's rate."""
        return self.default.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._config["learning_rate"] = value
        for each, factor in zip(self.optimizers, self._factors, strict=True):
            each.learning_rate = _times(value, factor)

    def build(self, variables: Sequence[Any]) -> None:
        """Give every layer its optimizer."""
        if self.built:
            return
        layers = list(dict.fromkeys(_layer(variable) for variable in variables))
        self._of_layer = {layers[-1]: self.default} if layers else {}
        for k, layer in enumerate(layers[:-1]):
            factor = self.lowest ** ((len(layers) - 1 - k) / (len(layers) - 1))
            optimizer = self._scaled(factor, name=f"{self.default.name}_{k}")
            optimizer.loss_scale_factor = self.loss_scale_factor
            self._of_layer[layer] = optimizer
            self._inner_optimizers.append(optimizer)
            self._factors.append(factor)
        super().build(variables)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {
            "optimizer": keras.optimizers.serialize(self.default),
            "lowest": self.lowest,
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Any = None
    ) -> Discriminative:
        """Build one from what `get_config` returns."""
        build = keras.optimizers.deserialize
        return cls(
            **{**config, "optimizer": build(config["optimizer"], custom_objects)}
        )

    def _scaled(self, factor: float, *, name: str) -> keras.optimizers.Optimizer:
        """Return a copy of the optimizer with its rate times a factor."""
        rate = getattr(self.default, "_learning_rate", None)
        if not isinstance(rate, LearningRateSchedule):
            rate = self._config["learning_rate"]
        rate = _times(rate, factor)
        config = {**self._config, "learning_rate": rate, "name": name}
        made = type(self.default).from_config(config)
        carry_exclusions(self.default, made)
        return made

    def _optimizer_of(self, variable: Any) -> keras.optimizers.Optimizer:
        return self._of_layer[_layer(variable)]


def _times(rate: Any, factor: float) -> Any:
    if isinstance(rate, LearningRateSchedule):
        return Scaled(rate, factor)
    return rate * factor


def _layer(variable: Any) -> str:
    """Return the path of the layer that a variable belongs to."""
    return variable.path.rpartition("/")[0]
