"""Keras's losses by name, with arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import keras

from kerasopt import checks
from kerasopt import names as lookups

__all__ = ["RULES", "by_name", "is_spec", "names"]

_SHORT_NAMES = ("bce", "kld", "mae", "mape", "mse", "msle")


def names() -> list[str]:
    """Return the accepted names: ``"auto"`` and the names of Keras's losses.

    Example:
        >>> [name in names() for name in ("auto", "huber", "mse", "dice")]
        [True, True, True, True]
    """
    return ["auto", *_keras_names()]


def is_spec(spec: Any) -> bool:
    """Say whether a dict names one loss and its arguments, not those of outputs.

    Args:
        spec: What `get` takes.

    Example:
        >>> is_spec({"name": "huber"}), is_spec({"price": "mse", "name": "auto"})
        (True, False)
    """
    name = spec.get("name") if isinstance(spec, Mapping) else None
    return isinstance(name, str) and _is_known(name)


def by_name(name: str, arguments: Mapping[str, Any], *, from_logits: bool) -> Any:
    """Return Keras's loss of a name.

    Args:
        name: The name.
        arguments: Arguments of its class; without any, the function of that name is
            returned where Keras has one.
        from_logits: Whether the model ends in logits, for the losses that ask.

    Raises:
        ValueError: if the name or an argument is unknown, or a value out of range.

    Example:
        >>> by_name("huber", {"delta": 2}, from_logits=False).name
        'huber_loss'
    """
    try:
        found = keras.losses.get(name)
    except ValueError:
        raise lookups.unknown("loss", name, names()) from None
    own_name = found.name if isinstance(found, keras.losses.Loss) else found.__name__
    of_class = _classes().get(own_name.removesuffix("_loss"))
    takes = inspect.signature(of_class).parameters if of_class else {}
    if from_logits and "from_logits" in takes:
        arguments = {"from_logits": True, **arguments}
    if not arguments:
        return found
    if of_class is None:
        raise ValueError(
            f"The loss {name!r} takes no arguments; given: {sorted(arguments)}."
        )
    owner = f"loss {name!r}"
    return lookups.call(owner, _checked(own_name, of_class), arguments)


def _alpha(name: str, value: Any) -> Any:
    """Return one weight, or one for each class."""
    if isinstance(checks.plain(value), list | tuple):
        return checks.each(name, value, checks.non_negative, least=1)
    return checks.non_negative(name, value)


def _axis(name: str, value: Any) -> Any:
    if isinstance(checks.plain(value), list | tuple):
        return tuple(checks.each(name, value, _axis))
    return checks.integer(name, value, least=-8, most=8)


def _class_index(name: str, value: Any) -> int:
    return checks.integer(name, value, least=-(2**31))


def _reduction(name: str, value: Any) -> Any:
    known = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight")
    return checks.choice(name, value, (*known, "none", None))


def _dtype(name: str, value: Any) -> Any:
    if value is None or isinstance(value, keras.DTypePolicy):
        return value
    known = ("bfloat16", "float16", "float32", "float64")
    return checks.choice(name, getattr(value, "name", value), known)


RULES: dict[str, checks.Rule] = {
    "from_logits": checks.boolean,
    "label_smoothing": checks.fraction,
    "apply_class_balancing": checks.boolean,
    "alpha": checks.non_negative,
    "beta": checks.non_negative,
    "gamma": checks.non_negative,
    "delta": checks.positive,
    "margin": checks.number,
    "q": checks.proper_fraction,
    "remove_diagonal": checks.boolean,
    "ignore_class": checks.optional(_class_index),
    "axis": _axis,
    "reduction": _reduction,
    "name": checks.text,
    "dtype": _dtype,
    "binary_focal_crossentropy.alpha": checks.share,
    "categorical_focal_crossentropy.alpha": _alpha,
    "circle.gamma": checks.positive,
    "dice.axis": checks.optional(_axis),
    "tversky.axis": checks.optional(_axis),
}
"""The check of each argument; ``"loss.argument"`` wins for one loss."""


def _checked(name: str, loss: type[keras.losses.Loss]) -> Any:
    """Let a class take its arguments through their checks."""

    def build(**arguments: Any) -> keras.losses.Loss:
        rules = {key: RULES.get(f"{name}.{key}") or RULES[key] for key in arguments}
        arguments = checks.apply(rules, arguments)
        if arguments.get("alpha") is not None and not _uses_alpha(name, arguments):
            raise ValueError("alpha has no effect without apply_class_balancing=True.")
        return loss(**arguments)

    build.__signature__ = inspect.signature(loss)  # type: ignore[attr-defined]
    return build


def _uses_alpha(name: str, arguments: Mapping[str, Any]) -> bool:
    is_binary = name == "binary_focal_crossentropy"
    return not is_binary or bool(arguments.get("apply_class_balancing"))


@functools.cache
def _classes() -> dict[str, type[keras.losses.Loss]]:
    """Return Keras's classes of losses by the names of their functions."""
    classes = [
        found
        for found in vars(keras.losses).values()
        if isinstance(found, type) and found is not keras.losses.Loss
    ]
    return {
        str(inspect.signature(each).parameters["name"].default).removesuffix(
            "_loss"
        ): each
        for each in classes
    }


@functools.cache
def _keras_names() -> tuple[str, ...]:
    functions = [
        name
        for name, found in vars(keras.losses).items()
        if inspect.isfunction(found) and "y_true" in inspect.signature(found).parameters
    ]
    return tuple(filter(_is_known, sorted([*functions, *_SHORT_NAMES])))


def _is_known(name: str) -> bool:
    # Keras exports a few losses that its own lookup doesn't have.
    try:
        keras.losses.get(name)
    except ValueError:
        return False
    return True
