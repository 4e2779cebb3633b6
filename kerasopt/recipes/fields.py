"""The fields that a recipe has: what `replace` and ``--set`` take."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pydantic

from kerasopt.names import Names
from kerasopt.recipes.recipe import Recipe
from kerasopt.recipes.schema import DataSection, RecipeSchema
from kerasopt.training.spec import TrainingSettings

__all__ = ["Field", "explained", "fields", "names"]

SECTIONS: dict[str, type[pydantic.BaseModel]] = {
    "data": DataSection,
    "training": TrainingSettings,
}
"""The sections whose fields are the same in all recipes."""

_NO_CHANGES = ("measured", "name", "description", *SECTIONS)
_GIVEN = ("name", "input_shape", "num_classes")
"""Arguments of factories that a recipe doesn't have: its data give them."""


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a recipe.

    Attributes:
        name: Dotted, such as ``"optimizer.learning_rate"``.
        type: Type of its values, as Python writes it.
        value: What the recipe has, or else the default.
        help: What it is, in a sentence.
    """

    name: str
    type: str
    value: Any
    help: str


def names() -> list[str]:
    """Return the dotted fields that all recipes have.

    Example:
        >>> "training.patience" in names()
        True
    """
    return [field.name for field in _of_all(None)]


def fields(recipe: Recipe | None = None) -> list[Field]:
    """Return the fields that can be changed.

    Args:
        recipe: With one, the arguments of its model, optimizer, schedule and
            augmentation are among them, and values are its own.

    Example:
        >>> import kerasopt as ko
        >>> found = {field.name: field for field in fields(ko.recipes.load("digits"))}
        >>> found["training.batch_size"].value, found["model.dense"].value
        (64, [64])
        >>> found["training.batch_size"].help
        'Samples in a step, over all devices together.'
    """
    found = list(_of_all(recipe))
    return found if recipe is None else [*found, *_of_choices(recipe)]


def explained(documented: Any) -> dict[str, str]:
    """Return what a docstring says of each argument or attribute, in a sentence.

    Args:
        documented: A function or class with a docstring in Google's or Keras's style.

    Example:
        >>> explained(fields)["recipe"].split()[:4]
        ['With', 'one,', 'the', 'arguments']
    """
    found: dict[str, str] = {}
    text = inspect.getdoc(documented) or ""
    for section in _SECTION.findall(text):
        indent = len(section) - len(section.lstrip())
        for part in re.split(rf"^ {{{indent}}}(?=\S)", section, flags=re.M):
            entry = _ENTRY.match(part)
            if entry:
                names = [word.strip(" `*") for word in entry["names"].split(",")]
                found |= dict.fromkeys(names, _first_sentence(entry["text"]))
    return found


_SECTION = re.compile(r"^(?:Args|Attributes):\n((?:[ \t]+.*\n?|\n)+)", re.M)
_ENTRY = re.compile(r"(?P<names>[\w`*, ]+?)(?: \([^()]*\))?:(?P<text>.*)", re.DOTALL)
"""``rate: …``, or with type and default, ``rate (float, 0.1): …``."""
_SENTENCE = re.compile(r".{15,}?(?<!e\.g)\.(?=\s+[^a-z\s]|$)")
"""Keras's "Float." alone isn't one."""


def _first_sentence(text: str) -> str:
    line = " ".join(text.split())
    found = _SENTENCE.match(line)
    return found[0] if found else line


def _of_all(recipe: Recipe | None) -> Iterator[Field]:
    yield from _of_section("", RecipeSchema, recipe)
    for name, section in SECTIONS.items():
        yield from _of_section(f"{name}.", section, recipe and getattr(recipe, name))


def _of_section(
    prefix: str, section: type[pydantic.BaseModel], values: Any
) -> Iterator[Field]:
    texts = explained(section)
    for name, field in section.model_fields.items():
        if not prefix and name in _NO_CHANGES:
            continue
        value = None
        if values is not None:
            value = getattr(values, name)
        elif not field.is_required():
            value = field.get_default(call_default_factory=True)
        kind = _written(field.annotation)
        yield Field(f"{prefix}{name}", kind, value, texts.get(name, ""))


def _of_choices(recipe: Recipe) -> Iterator[Field]:
    """Return the arguments of what the recipe names."""
    from kerasopt import augment
    from kerasopt.models import registry as models
    from kerasopt.optimizers import registry as optimizers
    from kerasopt.schedules import registry as schedules

    content = recipe.to_dict()
    for section, table in (
        ("model", models.factories),
        ("optimizer", optimizers.factories),
        ("optimizer.learning_rate", schedules.factories),
        ("augment", augment.factories),
    ):
        spec: Any = content
        for part in section.split("."):
            spec = spec.get(part) if isinstance(spec, Mapping) else None
        if isinstance(spec, str):
            spec = {"name": spec}
        if isinstance(spec, Mapping):
            yield from _of_factory(section, table, spec)


def _of_factory(section: str, table: Names, spec: Mapping[str, Any]) -> Iterator[Field]:
    factory = table.factory(spec["name"])
    texts = explained(factory)
    choices = f"One of {', '.join(table)}."
    yield Field(f"{section}.name", "str", spec["name"], choices)
    for parameter in inspect.signature(factory).parameters.values():
        name, default = parameter.name, parameter.default
        if parameter.kind is parameter.VAR_KEYWORD or name in _GIVEN:
            continue
        own = None if default is parameter.empty else default
        known = parameter.annotation is not parameter.empty
        kind = _written(parameter.annotation if known else type(own))
        yield Field(f"{section}.{name}", kind, spec.get(name, own), texts.get(name, ""))


def _written(annotation: Any) -> str:
    """Return an annotation as source code has it, without pydantic's constraints."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None:
        return _plainly(annotation)
    if origin is typing.Annotated:
        return _written(inner[0])
    if origin in (typing.Union, types.UnionType):
        return " | ".join(dict.fromkeys(map(_written, inner)))
    if origin is Literal:
        return " | ".join(map(repr, inner))
    return f"{_written(origin)}[{', '.join(map(_written, inner))}]"


def _plainly(annotation: Any) -> str:
    special = {types.NoneType: "None", Ellipsis: "..."}
    if isinstance(annotation, str):
        return annotation
    return special.get(annotation) or str(getattr(annotation, "__name__", annotation))
