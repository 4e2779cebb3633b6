"""Different optimizers for different variables of one model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasopt import checks

__all__ = ["Grouped"]


@keras.saving.register_keras_serializable(package="kerasopt")
class Grouped(keras.optimizers.MultiOptimizer):
    """Keras's MultiOptimizer by patterns, with a learning rate that can be read.

    A variable belongs to the first group whose pattern is found in its path
    (``"batch_normalization/beta"``), else to the default.

    Args:
        default: Optimizer of the variables that no pattern matches.
        groups: Regular expression → optimizer of the variables it matches.
        loss_scale_factor: Factor of the loss, which every group divides its
            gradients by; None by default.
        name: Name of the optimizer.

    Raises:
        ValueError: if a pattern isn't a regular expression, a value isn't an
            optimizer, or (when the model is known) a pattern matches nothing.

    Example:
        >>> sgd = keras.optimizers.SGD
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3),
        ...                           keras.layers.BatchNormalization()])
        >>> optimizer = Grouped(default=sgd(0.1), groups={"beta$": sgd(6.4)})
        >>> model.compile(optimizer, "mse")
        >>> optimizer.learning_rate.numpy()
        np.float32(0.1)
    """

    def __init__(
        self,
        *,
        default: keras.optimizers.Optimizer,
        groups: Mapping[str, keras.optimizers.Optimizer],
        loss_scale_factor: float | None = None,
        name: str = "grouped",
    ) -> None:
        _check(default, groups)
        super().__init__(
            self._optimizer_of, loss_scale_factor=loss_scale_factor, name=name
        )
        self.default = default
        self.groups = dict(groups)
        for optimizer in (default, *self.groups.values()):
            optimizer.loss_scale_factor = self.loss_scale_factor
            self._inner_optimizers.append(optimizer)

    @property
    def given(self) -> list[keras.optimizers.Optimizer]:
        """The optimizers that it was made of."""
        return [self.default, *self.groups.values()]

    @property
    def learning_rate(self) -> Any:
        """The default optimizer's rate: MultiOptimizer has none to show."""
        return self.default.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.default.learning_rate = value

    def build(self, variables: Sequence[Any]) -> None:
        """Assign every variable to its group."""
        for pattern in self.groups:
            if not any(re.search(pattern, v.path) for v in variables):
                paths = ", ".join(v.path for v in variables)
                raise ValueError(
                    f"The optimizer group {pattern!r} matches no trainable variable. "
                    f"The model's variables: {paths}."
                )
        super().build(variables)

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Take one step; variables that were frozen after `build` may be missing."""
        if not self.built and trainable_variables is not None:
            self.build(trainable_variables)
        variables = trainable_variables or self._trainable_variables
        shares: dict[int, list[tuple[Any, Any]]] = {}
        for gradient, variable in zip(grads, variables, strict=True):
            index = self._var_to_optimizer_idx[self._var_key(variable)]
            shares.setdefault(index, []).append((gradient, variable))
        for index, share in shares.items():
            self._inner_optimizers[index].apply(*map(list, zip(*share, strict=True)))
        self._iterations.assign_add(1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        serialize = keras.optimizers.serialize
        return {
            "default": serialize(self.default),
            "groups": {p: serialize(inner) for p, inner in self.groups.items()},
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Any = None
    ) -> Grouped:
        """Build one from what `get_config` returns."""

        def build(inner: Any) -> keras.optimizers.Optimizer:
            return keras.optimizers.deserialize(inner, custom_objects)

        groups = {p: build(inner) for p, inner in config["groups"].items()}
        return cls(**{**config, "default": build(config["default"]), "groups": groups})

    def _optimizer_of(self, variable: Any) -> keras.optimizers.Optimizer:
        for pattern, optimizer in self.groups.items():
            if re.search(pattern, variable.path):
                return optimizer
        return self.default


def _check(default: Any, groups: Mapping[str, Any]) -> None:
    what = "a dict from patterns of variable paths to optimizers"
    checks.instance("groups", groups, Mapping, what)
    for optimizer in (default, *groups.values()):
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            raise ValueError(
                "default and the values of groups must be Keras optimizers; given: "
                f"{optimizer!r}."
            )
    for pattern in groups:
        try:
            re.compile(pattern)
        except (re.error, TypeError):
            raise ValueError(
                f"{pattern!r} is not a regular expression of variable paths."
            ) from None
