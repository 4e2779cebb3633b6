"""What the sections of a recipe share: strict values, plain ones, errors by field."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

import pydantic

from kerasopt import checks, meanings, names

__all__ = ["Flag", "Integer", "Number", "Section", "validate"]

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(pydantic.BaseModel)

Integer = Annotated[int, pydantic.Field(strict=True)]
Number = Annotated[float, pydantic.Field(strict=True, allow_inf_nan=False)]
Flag = Annotated[bool, pydantic.Field(strict=True)]

Model = TypeVar("Model", bound=pydantic.BaseModel)


class _Documented(ModelMetaclass):
    """A class whose `help` shows its own attributes, not those of pydantic."""

    def __dir__(cls) -> list[str]:
        return [name for name in vars(cls) if not name.startswith(("_", "model_"))]


class Section(pydantic.BaseModel, metaclass=_Documented):
    """A part of a recipe: unknown fields are refused, values are frozen.

    NumPy scalars and arrays are taken for the numbers and lists that they hold.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    renamed_fields: ClassVar[Mapping[str, str]] = {}
    """The new name of each field of an earlier version."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Show the fields and their defaults as the signature, without their limits."""
        cls.__signature__ = inspect.Signature(
            [
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty
                    if field.is_required()
                    else field.get_default(call_default_factory=True),
                )
                for name, field in cls.model_fields.items()
            ]
        )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _under_new_names(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        return names.under_new_names(_plain(content), cls.renamed_fields)


def _plain(value: Any) -> Any:
    """Return NumPy's values as Python's, paths as texts, mappings as dicts, inside too.

    Example:
        >>> import numpy as np
        >>> _plain({"units": np.array([8, 8]), "rate": np.float32(0.5)})
        {'units': [8, 8], 'rate': 0.5}
    """
    value = checks.plain(value)
    if isinstance(value, Mapping):
        return {checks.plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def validate(section: type[Model], given: Mapping[str, Any], where: str) -> Model:
    """Build a section; each error names its field, what was given, what fits.

    Args:
        section: The pydantic model.
        given: Its fields.
        where: Name of the section in messages (``"training"``).

    Raises:
        ValueError: one line a mistake.

    Example:
        >>> from kerasopt.training import TrainingSettings
        >>> validate(TrainingSettings, {"epochs": -1}, "training")
        Traceback (most recent call last):
        ...
        ValueError: training.epochs: input should be greater than 0; given: -1.
    """
    if not isinstance(given, Mapping):
        raise checks.ArgumentTypeError(
            f"{where or 'A recipe'} must be a mapping from fields to values; given: "
            f"{checks.shown(given)}."
        )
    try:
        return section.model_validate(dict(given))
    except pydantic.ValidationError as error:
        # Of a union pydantic tells what each of its types has against the value.
        found: dict[tuple[str, ...], list[Any]] = {}
        for problem in error.errors():
            found.setdefault(_place(section, problem, given), []).append(problem)
        deepest = [p for p in found if not any(p == o[: len(p)] != o for o in found)]
        lines = [_explain(section, p, found[p], where) for p in deepest]
        wrong_type = all(e["type"].endswith("_type") for p in deepest for e in found[p])
        kind = checks.ArgumentTypeError if wrong_type else ValueError
        raise kind("\n".join(lines)) from None


def _place(
    section: type[pydantic.BaseModel] | None, problem: Any, given: Any
) -> tuple[str, ...]:
    """Return where a problem lies in what was given, without the types of unions."""
    found = []
    for part in problem["loc"]:
        is_field = section is not None and part in section.model_fields
        is_key = isinstance(given, Mapping) and part in given
        is_list = isinstance(given, list | tuple)
        is_index = is_list and isinstance(part, int) and part < len(given)
        if is_field or is_key or is_index:
            found.append(str(part))
            given = given[part] if is_key or is_index else None
            section = _section_of(section, part) if section and is_field else None
    return tuple(found)


def _explain(
    section: type[pydantic.BaseModel],
    place: tuple[str, ...],
    problems: list[Any],
    where: str,
) -> str:
    field = ".".join([where, *place] if where else place)
    problem = problems[0]
    if problem["type"] == "extra_forbidden":
        owner = _section_at(section, place[:-1])
        parent = ".".join([where, *place[:-1]] if where else place[:-1]) or "a recipe"
        meant = _elsewhere(section, place) if not where else None
        what = f"field of {parent}"
        return str(names.unknown(what, place[-1], owner.model_fields, meant=meant))
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{field}: {message}" if field else message
    messages = [f"{each['msg'][0].lower()}{each['msg'][1:]}" for each in problems]
    given = checks.shown(problem["input"])
    return f"{field}: {' or '.join(dict.fromkeys(messages))}; given: {given}."


def _elsewhere(section: type[pydantic.BaseModel], place: Sequence[str]) -> str | None:
    """Return the dotted field of a recipe that a name at the wrong place means."""
    name = names.normalize(place[-1])
    for other in ("training", "data"):
        if name in _section_at(section, [other]).model_fields:
            return f"{other}.{name}"
    return meanings.field_of(name)


def _section_at(
    section: type[pydantic.BaseModel], place: Sequence[str]
) -> type[pydantic.BaseModel]:
    for name in place:
        section = _section_of(section, name) or section
    return section


def _section_of(
    section: type[pydantic.BaseModel], name: str
) -> type[pydantic.BaseModel] | None:
    """Return the section that a field is, if it is one."""
    annotation = section.model_fields[name].annotation
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    return None
