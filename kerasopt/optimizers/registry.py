"""Optimizers by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import checks, schedules
from kerasopt.names import Names, normalize
from kerasopt.optimizers.arguments import NO_DECAY, checked, pattern
from kerasopt.optimizers.copying import copy
from kerasopt.optimizers.discriminative import Discriminative
from kerasopt.optimizers.grouped import Grouped
from kerasopt.optimizers.muon import ConvMuon
from kerasopt.optimizers.schedule_free import ScheduleFreeAdamW
from kerasopt.optimizers.sgd import CoupledSGD

__all__ = ["NO_DECAY", "complete", "copy", "get", "names", "register"]

_TABLE = Names("optimizer")
register, factories = _TABLE.register, _TABLE


def get(
    spec: str | Mapping[str, Any] | keras.optimizers.Optimizer, **arguments: Any
) -> keras.optimizers.Optimizer:
    """Return a fresh Keras optimizer.

    Args:
        spec: A name from `names`: Keras's own in lower case (``"sgd"``, ``"adam"``,
            …), ``"momentum"`` or ``"nesterov"`` for SGD with momentum 0.9,
            ``"conv_muon"`` (`ConvMuon`), ``"grouped"`` (`Grouped`: optimizers for
            groups of variables), ``"discriminative"`` (`Discriminative`: smaller rates
            for lower layers); a dict with ``name`` and arguments; or an optimizer,
            of which a new, unbuilt copy is returned: one instance serves one model.
            The formulas are in `kerasopt.scratch.optimizers`.
        **arguments: Arguments of the Keras class. ``learning_rate`` may be a
            number, a Keras schedule, or a dict that `kerasopt.schedules.get`
            takes. SGD also takes ``l2`` (`CoupledSGD`). Keras's ``weight_decay``, a
            decoupled one, skips biases and normalisation here, unlike in Keras:
            ``exclude_from_weight_decay``, names of variables, changes that (``()``
            decays all; decays by layer are for ``"grouped"``).

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
        return copy(spec)
    if (name := _name(spec)) in _NOT_OPTIMIZERS and name not in _TABLE:
        raise ValueError(
            f"{name!r} {_NOT_OPTIMIZERS[name]}. Accepted as optimizers: "
            f"{', '.join(names())}."
        )
    return _TABLE.build(spec, arguments)


def names() -> list[str]:
    """Return the names of all optimizers, your own included.

    Example:
        >>> "adamw" in names()
        True
    """
    return list(_TABLE)


def complete(spec: Any, *, epochs: int, steps_per_epoch: int) -> Any:
    """Fill the training's length into an optimizer spec's schedule, if it has one.

    Args:
        spec: What `get` takes; only a dict is completed.
        epochs: Length of the training.
        steps_per_epoch: Optimizer steps in one epoch.

    Example:
        >>> rate = {"name": "one_cycle", "max_learning_rate": 1}
        >>> spec = {"name": "sgd", "learning_rate": rate}
        >>> complete(spec, epochs=5, steps_per_epoch=9)["learning_rate"]["epochs"]
        5
    """
    if not isinstance(spec, Mapping):
        return spec
    length = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    completed = dict(spec)
    if "learning_rate" in spec:
        with checks.naming("learning_rate"):
            rate = schedules.complete(spec["learning_rate"], **length)
        completed["learning_rate"] = rate
    for key in ("default", "optimizer"):
        if key in spec:
            completed[key] = complete(spec[key], **length)
    if isinstance(spec.get("groups"), Mapping):
        completed["groups"] = {
            pattern: complete(inner, **length)
            for pattern, inner in spec["groups"].items()
        }
    return completed


_ONE_GRADIENT = "needs more than the one gradient a step that Keras gives an optimizer"
_NOT_OPTIMIZERS = {
    "sam": f"{_ONE_GRADIENT}: take any optimizer and add the callback "
    "kerasopt.callbacks.SharpnessAware(rho=0.05), in recipes 'sharpness_aware'",
    "lookahead": "is a callback here, around any optimizer: "
    "kerasopt.callbacks.Lookahead(every=5), in recipes 'lookahead'",
    "lbfgs": f"{_ONE_GRADIENT}, and all the data: call "
    "kerasopt.training.fit_lbfgs(model, x, y)",
}


def _name(spec: Any) -> str:
    name = spec.get("name") if isinstance(spec, Mapping) else spec
    return normalize(str(name)).replace("_", "")  # "L-BFGS", too.


@register("grouped")
def _grouped(*, default: Any, groups: Mapping[str, Any]) -> Grouped:
    if not isinstance(groups, Mapping):
        raise checks.ArgumentTypeError(
            "groups must map a pattern of variable paths to an optimizer; given: "
            f"{checks.shown(groups)}."
        )
    return Grouped(
        default=_group("default", default),
        groups={
            pattern: _group(f"groups[{pattern!r}]", inner)
            for pattern, inner in groups.items()
        },
    )


@register("discriminative")
def _discriminative(*, optimizer: Any = "adam", lowest: float = 0.1) -> Discriminative:
    return Discriminative(_group("optimizer", optimizer), lowest=lowest)


def _group(name: str, spec: Any) -> keras.optimizers.Optimizer:
    with checks.naming(name):
        return get(spec)


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
        name = optimizer.__name__
        register(name)(_checked(normalize(name), optimizer))
    register("schedule_free_adamw", aliases=("ScheduleFreeAdamW",))(
        _checked("schedule_free_adamw", ScheduleFreeAdamW)
    )
    register("conv_muon")(_checked("conv_muon", ConvMuon))
    register("sgd")(_checked("sgd", CoupledSGD))
    register("momentum")(_checked("momentum", CoupledSGD, momentum=0.9))
    register("nesterov")(_checked("nesterov", CoupledSGD, momentum=0.9, nesterov=True))


def _checked(
    name: str, optimizer: type[keras.optimizers.Optimizer], **defaults: Any
) -> Any:
    """Give an optimizer's class strict keywords, each checked by its rule."""
    signature = inspect.signature(optimizer)
    # Keras's **kwargs only serves to ignore words of older versions.
    strict = [
        p.replace(default=defaults.get(p.name, p.default))
        for p in signature.parameters.values()
        if p.kind is not p.VAR_KEYWORD
    ]
    own = inspect.Parameter(
        "exclude_from_weight_decay", inspect.Parameter.KEYWORD_ONLY, default=NO_DECAY
    )
    known = {p.name: p.default for p in [*strict, own]}

    def build(**given: Any) -> keras.optimizers.Optimizer:
        named = given.get("exclude_from_weight_decay")
        given = {"exclude_from_weight_decay": NO_DECAY, **defaults, **given}
        arguments = checked(name, known, given)
        undecayed = arguments.pop("exclude_from_weight_decay")
        # The default has no effect either, but changes nothing.
        excludes = undecayed not in ([], pattern("exclude_from_weight_decay", NO_DECAY))
        if excludes and arguments.get("weight_decay", known["weight_decay"]) is None:
            raise ValueError(
                f"exclude_from_weight_decay={named!r} has no effect without "
                "weight_decay: give it, too, or leave both out."
            )
        if optimizer is CoupledSGD and not arguments.get("l2"):
            arguments.pop("l2", None)
            built = keras.optimizers.SGD(**arguments)  # Needs no class of ours.
        else:
            built = optimizer(**arguments)
        built.exclude_from_weight_decay(var_names=undecayed)
        return built

    build.__signature__ = signature.replace(parameters=[*strict, own])  # type: ignore[attr-defined]
    build.__doc__ = (inspect.getdoc(optimizer) or "").replace("Args:\n", _OWN_HELP, 1)
    return build


_OWN_HELP = """Args:
    exclude_from_weight_decay: Names of the variables that ``weight_decay`` skips.
"""

_register_keras_optimizers()
