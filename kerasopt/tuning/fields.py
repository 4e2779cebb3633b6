"""The dotted fields of a recipe: values, changes, and which to search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerasopt import checks
from kerasopt.recipes import Recipe

__all__ = [
    "check_dotted",
    "default_space",
    "is_of_the_data",
    "own_rate",
    "own_value",
    "scale_of",
    "value_of",
    "with_values",
]


def default_space(recipe: Recipe) -> dict[str, Any]:
    """Return a space around a recipe: learning rate, batch size, and what it has.

    The rate goes from a tenth to ten times the recipe's, the batch from half to twice;
    dropout and L2 join where the model takes them. The recipe's own values are among
    them.

    Args:
        recipe: The recipe.

    Example:
        >>> import kerasopt as ko
        >>> space = default_space(ko.recipes.load("mnist-mlp"))
        >>> list(space)[:2]
        ['optimizer.learning_rate.max_learning_rate', 'training.batch_size']
        >>> list(space)[2:]
        ['model.dropout', 'model.l2']
    """
    checks.instance("recipe", recipe, Recipe, "a kerasopt.recipes.Recipe")
    space: dict[str, Any] = {}
    field, rate = _scaled_rate(recipe)
    if rate:
        space[field] = {
            "min_value": rate / 10,
            "max_value": rate * 10,
            "sampling": "log",
        }
    size = recipe.training.batch_size
    space["training.batch_size"] = sorted({max(1, size // 2), size, size * 2})
    if recipe.model["name"] in ("mlp", "cnn"):
        own = own_value(recipe, "model.dropout")
        rates = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
        space["model.dropout"] = {"min_value": 0.0, "max_value": 0.5, "step": 0.1}
        if own not in rates:  # Such as one rate for each layer.
            space["model.dropout"] = [own, *rates]
        space["model.l2"] = sorted(
            {0.0, 1e-5, 1e-4, 1e-3, own_value(recipe, "model.l2")}
        )
    return space


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """Return a recipe with several fields changed, the outer ones first.

    So "optimizer" doesn't undo "optimizer.learning_rate", in whatever order they come.

    Args:
        recipe: The recipe.
        values: {field: value}.

    Example:
        >>> import kerasopt as ko
        >>> values = {"optimizer.learning_rate": 0.1, "optimizer": {"name": "sgd"}}
        >>> with_values(ko.recipes.load("digits"), values).optimizer
        {'name': 'sgd', 'learning_rate': 0.1}
    """
    for field in sorted(values, key=lambda name: name.count(".")):
        recipe = recipe.replace(field, values[field])
    return recipe


def value_of(recipe: Recipe, field: str) -> Any:
    """Return the value of a dotted field, or None."""
    content: Any = recipe.to_dict()
    for part in field.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def own_value(recipe: Recipe, field: str) -> Any:
    """Return the value that a field has, be it written in the recipe or its default.

    Args:
        recipe: The recipe.
        field: Dotted.

    Example:
        >>> import kerasopt as ko
        >>> recipe = ko.recipes.load("mnist-mlp").replace("optimizer", "sgd")
        >>> own_value(recipe, "optimizer.learning_rate")
        0.01
        >>> own_value(recipe, "model.l2")
        0.0
    """
    value = value_of(recipe, field)
    section, _, rest = field.partition(".")
    if value is not None:
        return value
    if section == "optimizer":
        return _of_the_optimizer(recipe, rest)
    if section != "model":
        return None
    from kerasopt import models

    default = models.defaults(recipe.model["name"]).get(rest)
    return list(default) if isinstance(default, tuple) else default


def check_dotted(field: str, recipe: Recipe) -> None:
    """Raise `ValueError` for a field whose section was forgotten, with the section.

    Args:
        field: Such as ``"learning_rate"``.
        recipe: The recipe.

    Example:
        >>> import kerasopt as ko
        >>> check_dotted("batch_size", ko.recipes.load("digits"))
        Traceback (most recent call last):
        ...
        ValueError: Unknown field of a recipe 'batch_size'. Did you mean ...
    """
    content = recipe.to_dict()
    if field in content or "." in field:
        return
    from kerasopt import models

    sections = {
        "training": content["training"],
        "model": models.defaults(recipe.model["name"]),
        "optimizer": {"learning_rate": None},
        "data": content["data"],
    }
    for section, names in sections.items():
        if field in names:
            raise ValueError(
                f"Unknown field of a recipe {field!r}. Did you mean "
                f"'{section}.{field}'?"
            )


def _of_the_optimizer(recipe: Recipe, name: str) -> Any:
    """Return what an optimizer has by its defaults, None if that is no number."""
    spec = recipe.optimizer
    if name == "name":
        return spec if isinstance(spec, str) else None
    if name == "learning_rate":
        return _scaled_rate(recipe)[1]
    from kerasopt import optimizers

    made = optimizers.get(optimizers.complete(spec, epochs=1, steps_per_epoch=1))
    value = getattr(made, name, None)
    return value if isinstance(value, (bool, int, float)) else None


def own_rate(recipe: Recipe) -> float:
    """Return the learning rate that a recipe's optimizer has if none is given.

    Example:
        >>> import kerasopt as ko
        >>> recipe = ko.recipes.load("digits")
        >>> own_rate(recipe.replace("optimizer", "sgd"))
        0.01
    """
    from kerasopt import optimizers

    rate = float(optimizers.get(recipe.optimizer).learning_rate)
    return float(f"{rate:.6g}")  # Keras keeps 0.01 as 0.00999999977648.


def _scaled_rate(recipe: Recipe) -> tuple[str, float | None]:
    """Return the field that scales the learning rate, and its value."""
    field = "optimizer.learning_rate"
    rate = value_of(recipe, field)
    if isinstance(rate, dict):
        name = scale_of(rate)
        return (f"{field}.{name}", rate[name]) if name else (field, None)
    if rate is None and value_of(recipe, "optimizer.groups") is not None:
        return field, None
    return field, rate or own_rate(recipe)


def scale_of(schedule: Mapping[str, Any]) -> str | None:
    """Return the argument of a schedule that scales all its rates, None without one.

    Example:
        >>> scale_of({"name": "one_cycle", "max_learning_rate": 0.1})
        'max_learning_rate'
    """
    if "base_learning_rate" in schedule:  # A range, which one number doesn't scale.
        return None
    for name in ("max_learning_rate", "initial_learning_rate"):
        if isinstance(schedule.get(name), (int, float)):
            return name
    return None


def is_of_the_data(field: str) -> bool:
    """Say whether a dotted field of a recipe changes its data."""
    return field.split(".", maxsplit=1)[0] == "data"
