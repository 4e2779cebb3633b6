"""The strategies that an ablation switches on and off, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerasopt import checks
from kerasopt.names import unknown
from kerasopt.recipes import Recipe
from kerasopt.tuning.fields import is_of_the_data, own_rate, scale_of, value_of

__all__ = ["Factor", "find", "names"]

# What a strategy is where the recipe doesn't have it yet, and what its absence is.
_DEFAULTS: dict[str, tuple[str, Any, Any]] = {
    "augment": (
        "augment",
        {
            "name": "affine",
            "rotation_range": 10,
            "width_shift_range": 0.1,
            "height_shift_range": 0.1,
        },
        None,
    ),
    "batch_norm": ("model.batch_norm", True, False),
    "dropout": ("model.dropout", 0.25, 0.0),
    "initializer": ("model.kernel_initializer", "he_normal", "gaussian"),
    "l1": ("model.l1", 1e-5, 0.0),
    "l2": ("model.l2", 1e-4, 0.0),
    "label_smoothing": ("training.label_smoothing", 0.1, 0.0),
    "weight_decay": ("optimizer.weight_decay", 0.01, None),
}
_SPECIAL = ("optimizer", "schedule")


@dataclass(frozen=True)
class Factor:
    """A strategy that a recipe can have or not.

    Attributes:
        name: What it is called.
        on: Dotted fields and their values with the strategy.
        off: The same fields without it.
    """

    name: str
    on: Mapping[str, Any]
    off: Mapping[str, Any]

    def fields(self, present: bool) -> Mapping[str, Any]:
        """Return the fields to set."""
        return self.on if present else self.off


def names() -> list[str]:
    """Return the factors that have a name.

    Example:
        >>> "dropout" in names()
        True
    """
    return sorted([*_DEFAULTS, *_SPECIAL])


def find(
    given: Sequence[str] | Mapping[str, Mapping[str, Any]], recipe: Recipe
) -> list[Factor]:
    """Return the factors that are named, as they are in a recipe.

    A strategy that the recipe has is taken as it is there; one that it lacks gets a
    usual value: ``augment`` rotations by 10° and shifts by 0.1, ``batch_norm``
    after the activation, ``dropout`` 0.25, ``l2`` 1e-4, ``l1`` 1e-5,
    ``label_smoothing`` 0.1, ``weight_decay`` 0.01, ``schedule`` a cosine from the
    recipe's rate to 0, ``initializer`` He's normal. Without it: none; without
    ``schedule`` the rate is constant, without ``initializer`` the weights are Gaussian
    with a deviation of 0.05, without ``optimizer`` it is plain SGD at 0.01.

    Args:
        given: Names, or your own as ``{name: {"on": {…}, "off": {…}}}``.
        recipe: The recipe.

    Returns:
        The factors, in the order given.

    Raises:
        ValueError: if a name is unknown or given twice, or an own one isn't as above.

    Example:
        >>> import kerasopt as ko
        >>> (dropout,) = find(["dropout"], ko.recipes.load("cifar10-chapter"))
        >>> dropout.on, dropout.off
        ({'model.dropout': [0.25, 0.25, 0.5]}, {'model.dropout': 0.0})
    """
    if isinstance(given, Mapping):
        factors = [_own(name, fields) for name, fields in given.items()]
    else:
        what = f"a list of strategies, of {', '.join(names())}"
        named = [given] if isinstance(given, str) else given
        given = checks.sequence("factors", named, what)
        if doubled := {name for name in given if given.count(name) > 1}:
            raise ValueError(f"Factors were given twice: {', '.join(sorted(doubled))}.")
        factors = [_named(name, recipe) for name in given]
    if not factors:
        raise ValueError(f"factors is empty. Accepted: {', '.join(names())}.")
    _check_apart(factors)
    return factors


def _check_apart(factors: Sequence[Factor]) -> None:
    """Refuse two factors that set one field, or a part of it: one undoes the other."""
    owners: dict[str, str] = {}
    for factor in factors:
        for field in factor.on:
            for other, owner in owners.items():
                if owner == factor.name:
                    continue  # `with_values` sets the outer one first.
                outer, inner = sorted((field, other), key=len)
                if f"{inner}.".startswith(f"{outer}."):
                    raise ValueError(
                        f"The factors {owner!r} and {factor.name!r} both set "
                        f"{inner!r}: leave one of them out."
                    )
            owners[field] = factor.name


def _own(name: Any, fields: Any) -> Factor:
    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
        raise ValueError(
            "A factor's name consists of letters, digits, dots, dashes and "
            f"underscores: folders are named after it; given: {name!r}."
        )
    if (
        not isinstance(fields, Mapping)
        or set(fields) != {"on", "off"}
        or not all(isinstance(side, Mapping) and side for side in fields.values())
    ):
        raise ValueError(
            f"The factor {name!r} must be {{'on': {{field: value}}, 'off': {{field: "
            f"value}}}}; given: {fields!r}."
        )
    if set(fields["on"]) != set(fields["off"]):
        raise ValueError(
            f"The factor {name!r} must set the same fields on and off; given: "
            f"{sorted(fields['on'])} and {sorted(fields['off'])}."
        )
    if data := [field for field in fields["on"] if is_of_the_data(field)]:
        raise ValueError(
            f"The factor {name!r} changes the data ({data[0]}), but all "
            "configurations are compared on the same data."
        )
    return Factor(name, dict(fields["on"]), dict(fields["off"]))


def _named(name: Any, recipe: Recipe) -> Factor:
    if name == "schedule":
        return _schedule(recipe)
    if name == "optimizer":
        plain = {"name": "sgd", "learning_rate": 0.01}
        return Factor(name, {name: recipe.optimizer}, {name: plain})
    if name not in _DEFAULTS:
        raise unknown("factor", name, names())
    field, usual, absent = _DEFAULTS[name]
    own = value_of(recipe, field)
    # An absent strategy is written in many ways: 0, 0.0, None, False, "none".
    present = own if own and own not in (absent, "none") else usual
    return Factor(name, {field: present}, {field: absent})


def _schedule(recipe: Recipe) -> Factor:
    if value_of(recipe, "optimizer.groups") is not None:
        constant = _without_schedules(recipe.optimizer)
        if constant == recipe.optimizer:
            raise ValueError(
                "The factor 'schedule' has no usual value for an optimizer with "
                f"groups: {_as_an_own_one('optimizer')}"
            )
        return Factor("schedule", {"optimizer": recipe.optimizer},
                      {"optimizer": constant})  # fmt: skip
    field = "optimizer.learning_rate"
    own = value_of(recipe, field)
    if isinstance(own, dict):
        return Factor("schedule", {field: own}, {field: _highest(own)})
    rate = own_rate(recipe) if own is None else own
    cosine = {"name": "cosine", "initial_learning_rate": rate}
    return Factor("schedule", {field: cosine}, {field: rate})


def _highest(schedule: Mapping[str, Any]) -> float:
    name = scale_of(schedule)
    if name is None:
        raise ValueError(
            f"The factor 'schedule' doesn't know which constant rate stands for "
            f"{schedule!r}: {_as_an_own_one('optimizer.learning_rate')}"
        )
    return schedule[name]


def _as_an_own_one(field: str) -> str:
    sides = ", ".join(f"'{side}': {{'{field}': …}}" for side in ("on", "off"))
    return f"give it as {{'schedule': {{{sides}}}}}."


def _without_schedules(optimizer: Any) -> Any:
    """Return an optimizer's fields with each schedule's highest rate in its place."""
    if not isinstance(optimizer, Mapping):
        return optimizer
    return {
        name: _highest(value)
        if name == "learning_rate" and isinstance(value, Mapping)
        else _without_schedules(value)
        for name, value in optimizer.items()
    }
