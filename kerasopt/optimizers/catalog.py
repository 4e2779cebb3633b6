"""Optimizers by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import names, schedules
from kerasopt.optimizers.grouped import Grouped
from kerasopt.optimizers.muon import ConvMuon
from kerasopt.optimizers.sgd import CoupledSGD

__all__ = ["complete", "get", "register"]

_TABLE = names.Names("optimizer")
register = _TABLE.register


def get(
    spec: str | Mapping[str, Any] | keras.optimizers.Optimizer, **arguments: Any
) -> keras.optimizers.Optimizer:
    """Return a fresh Keras optimizer.

    Args:
        spec: A Keras name in lower case (``"sgd"``, ``"adam"``, ``"rmsprop"``,
            ``"adagrad"``, …), ``"momentum"`` or ``"nesterov"`` for SGD with
            momentum 0.9, ``"conv_muon"`` (`ConvMuon`), ``"grouped"`` (`Grouped`:
            optimizers for groups of variables), a dict with ``name`` and
            arguments, or an optimizer, of which a new, unbuilt copy is returned:
            one instance serves one model.
        **arguments: Arguments of the Keras class. ``learning_rate`` may be a
            number, a Keras schedule, or a dict that `kerasopt.schedules.get`
            takes. SGD also takes ``l2`` (`CoupledSGD`).

    Returns:
        A new `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if the name or an argument is unknown, a rate isn't > 0, or
            arguments come with an object.

    Example:
        >>> optimizer = get("sgd", learning_rate=0.1, momentum=0.9)
        >>> optimizer.momentum
        0.9
        >>> get({"name": "adam", "learning_rate": 0.001}).__class__.__name__
        'Adam'
    """
    if isinstance(spec, keras.optimizers.Optimizer):
        _TABLE.refuse_arguments(spec, arguments)
        return type(spec).from_config(spec.get_config())
    return _TABLE.build(spec, arguments)


def complete(spec: Any, *, epochs: int, steps_per_epoch: int) -> Any:
    """Fill the training's length into an optimizer spec's schedule, if it has one.

    Args:
        spec: What `get` takes; only a dict is completed.
        epochs: Length of the training.
        steps_per_epoch: Optimizer steps in one epoch.

    Example:
        >>> spec = {"name": "sgd", "learning_rate": {"name": "one_cycle", "peak": 1}}
        >>> complete(spec, epochs=5, steps_per_epoch=9)["learning_rate"]["epochs"]
        5
    """
    if not isinstance(spec, Mapping):
        return spec
    length = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    completed = dict(spec)
    if "learning_rate" in spec:
        completed["learning_rate"] = schedules.complete(spec["learning_rate"], **length)
    if "default" in spec:
        completed["default"] = complete(spec["default"], **length)
    if isinstance(spec.get("groups"), Mapping):
        completed["groups"] = {
            pattern: complete(inner, **length)
            for pattern, inner in spec["groups"].items()
        }
    return completed


@register("grouped")
def _grouped(*, default: Any, groups: Mapping[str, Any]) -> Grouped:
    if not isinstance(groups, Mapping):
        raise ValueError(
            "groups must map a pattern of variable paths to an optimizer; given: "
            f"{groups!r}."
        )
    return Grouped(
        default=get(default),
        groups={pattern: get(inner) for pattern, inner in groups.items()},
    )


def _register_keras_optimizers() -> None:
    optimizers = keras.optimizers
    classes = (
        optimizers.Adam,
        optimizers.AdamW,
        optimizers.Adagrad,
        optimizers.Adadelta,
        optimizers.Adafactor,
        optimizers.Adamax,
        optimizers.Ftrl,
        optimizers.Lamb,
        optimizers.Lion,
        optimizers.Muon,
        optimizers.Nadam,
        optimizers.RMSprop,
    )
    for optimizer in classes:
        register(optimizer.__name__)(_checked(optimizer))
    register("conv_muon")(_checked(ConvMuon))
    register("sgd")(_checked(CoupledSGD))
    register("momentum")(_checked(CoupledSGD, momentum=0.9))
    register("nesterov")(_checked(CoupledSGD, momentum=0.9, nesterov=True))


def _checked(optimizer: type[keras.optimizers.Optimizer], **defaults: Any) -> Any:
    """Give a Keras optimizer checks of its keywords and of its rates."""
    signature = inspect.signature(optimizer)
    # Keras's **kwargs only serves to ignore words of older versions.
    strict = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]

    def build(**arguments: Any) -> keras.optimizers.Optimizer:
        arguments = {**defaults, **arguments}
        if "learning_rate" in arguments:
            arguments["learning_rate"] = schedules.get(arguments["learning_rate"])
        decay = arguments.get("weight_decay")
        if decay is not None and (not isinstance(decay, (int, float)) or decay < 0):
            raise ValueError(f"weight_decay must be a number >= 0; given: {decay!r}.")
        if optimizer is CoupledSGD and not arguments.get("l2"):
            arguments.pop("l2", None)
            return keras.optimizers.SGD(**arguments)  # Needs no class of ours.
        return optimizer(**arguments)

    build.__signature__ = signature.replace(parameters=strict)  # type: ignore[attr-defined]
    return build


_register_keras_optimizers()
