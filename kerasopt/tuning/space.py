"""What a search may choose from: fields of a recipe, and their values."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kerasopt import files
from kerasopt.data import Dataset
from kerasopt.names import unknown
from kerasopt.recipes import Recipe
from kerasopt.recipes.text import parse
from kerasopt.tuning.fields import check_dotted, own_value, with_values

__all__ = ["Space", "SpaceLike"]

SpaceLike = (
    Mapping[str, Any] | str | os.PathLike[str] | Callable[[Any], Mapping[str, Any]]
)
RANGE = ("min_value", "max_value", "step", "sampling")
SAMPLING = ("linear", "log", "reverse_log")
_NOT_SEARCHED = {
    **dict.fromkeys(("name", "description"), "it only says what the recipe is"),
    "measured": "it is the result of the recipe as it stands",
    "task": "it says what the labels are, and all trials have the same",
    "metrics": "it changes what is logged and no result",
    "training.seed": "the search's own seed=… is used for all trials",
    "training.tta": "it changes the test alone",
    "training.tta_share": "it changes the test alone",
    **dict.fromkeys(
        ("training.checkpoint_seconds", "training.evaluation_batch_size"),
        "it changes no result",
    ),
    "training.validation_freq": "a search compares after every epoch",
    "data.validation": "trials are compared on the same validation data",
    "data.seed": "trials are compared on the same validation data",
}


@dataclass(frozen=True)
class Space:
    """The fields that are searched, checked, ready for keras-tuner.

    Args:
        fields: From the dotted field to its choices (a list) or its range (a dict).
            Empty where a function declares them.
        function: Takes keras-tuner's ``hp``, returns {field: value}.

    Example:
        >>> space = Space.read({"optimizer.learning_rate":
        ...     {"min_value": 1e-4, "max_value": 0.1, "sampling": "log"}})
        >>> space.to_dict()["optimizer.learning_rate"]["sampling"]
        'log'
    """

    fields: Mapping[str, Any]
    function: Callable[[Any], Mapping[str, Any]] | None = None

    @classmethod
    def read(cls, given: SpaceLike | Space) -> Space:
        """Read a space from a mapping, a YAML file or a function.

        Args:
            given: A mapping from dotted fields to a list of values or to
                ``{min_value, max_value, step, sampling}`` (keras-tuner's words;
                sampling is "linear", "log" or "reverse_log"); the path of a YAML file
                that holds one; or a function of keras-tuner's ``hp`` that returns
                ``{field: value}``.

        Raises:
            ValueError: if it is empty, or an entry is neither.
        """
        if isinstance(given, Space):
            return given
        if callable(given):
            return cls({}, given)
        if isinstance(given, (str, os.PathLike)):
            given = _from_file(files.user_path(given, what="space"))
        if not given:
            raise _empty(given)
        if not isinstance(given, Mapping):
            raise ValueError(
                "The space must be a mapping of dotted fields to their values, as in "
                "{'optimizer.learning_rate': [0.001, 0.01]}, or a function of hp; "
                f"given: {given!r}."
            )
        return cls({field: _checked(field, spec) for field, spec in given.items()})

    def declare(self, hp: Any, recipe: Recipe) -> dict[str, Any]:
        """Ask keras-tuner for a value of each field.

        Args:
            hp: A `keras_tuner.HyperParameters`.
            recipe: Its own values are the defaults, where the space has them.

        Returns:
            {field: value}.
        """
        if self.function is not None:
            values = self.function(hp)
            if not isinstance(values, Mapping):
                raise ValueError(
                    "The function of hp must return {field: value}, as in "
                    "{'optimizer.learning_rate': hp.Float('rate', 1e-4, 0.1)}; "
                    f"given: {type(values).__name__}."
                )
            return {str(field): _plain(value) for field, value in values.items()}
        return {
            field: _ask(hp, field, spec, own_value(recipe, field))
            for field, spec in self.fields.items()
        }

    def first(self, recipe: Recipe) -> dict[str, Any]:
        """Return the first values: the recipe's own, as far as the space holds them.

        Args:
            recipe: The recipe.
        """
        import keras_tuner

        return self.declare(keras_tuner.HyperParameters(), recipe)

    def lacking(self, recipe: Recipe) -> dict[str, Any]:
        """Return the recipe's own values that the space doesn't hold, by field.

        Args:
            recipe: The recipe.

        Example:
            >>> import kerasopt as ko
            >>> space = Space.read({"training.batch_size": [16, 64]})
            >>> space.lacking(ko.recipes.load("digits").replace(
            ...     "training.batch_size", 32))
            {'training.batch_size': 32}
        """
        own = {field: own_value(recipe, field) for field in self.fields}
        first = self.first(recipe) if own else {}
        return {f: own[f] for f in own if not _is_same(first[f], own[f])}

    def holds(self, recipe: Recipe) -> bool:
        """Say whether the recipe itself is one of the space's; of a function, no."""
        return self.function is None and not self.lacking(recipe)

    def check(self, recipe: Recipe) -> None:
        """Try the ends and choices of each field on a recipe, one at a time.

        Of a function the first values are tried.

        Args:
            recipe: The recipe.

        Raises:
            ValueError: if the recipe has no such field, a value is out of its range, it
                makes no difference to a trial, or a function declares nothing.
        """
        recipe.check()  # Or its own mistakes would look like the space's.
        first = self.first(recipe)
        if not first:
            raise _empty(first)
        for field in first:
            check_dotted(field, recipe)
        for field in first:
            section = field.partition(".")[0]
            if reason := _NOT_SEARCHED.get(field) or _NOT_SEARCHED.get(section):
                raise ValueError(f"{field!r} can't be searched: {reason}.")
        for words, changed in self._changed(recipe):
            with _told(words):
                changed.check()

    def check_models(self, recipe: Recipe, dataset: Dataset) -> None:
        """Build the models that single fields of the model make of a recipe.

        Args:
            recipe: The recipe.
            dataset: Its data.

        Raises:
            ValueError: if the model has no such field, or a value is out of its range.
        """
        recipe.build_model(dataset)
        for words, changed in self._changed(recipe, "model"):
            with _told(words):
                changed.build_model(dataset)

    def _changed(
        self, recipe: Recipe, section: str | None = None
    ) -> Iterator[tuple[str, Recipe]]:
        """Yield the recipe with each end or choice of each field of a section."""
        if self.function is not None:
            values = self.first(recipe)
            words = ", ".join(f"{field}={value!r}" for field, value in values.items())
            with _told(words):
                yield words, with_values(recipe, values)
        for field, spec in self.fields.items():
            if section in (None, field.split(".")[0]):
                for value in spec if isinstance(spec, list) else _ends(spec):
                    yield f"{field}={value!r}", recipe.replace(field, value)

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain values; a function's name stands for it.

        With what it declares, by which a changed function is found out.
        """
        if self.function is None:
            return dict(self.fields)
        import keras_tuner

        hp = keras_tuner.HyperParameters()
        self.function(hp)
        declared = {each.name: each.get_config() for each in hp.space}
        return {
            "function": getattr(self.function, "__qualname__", "?"),
            "declares": json.loads(json.dumps(declared)),
        }


@contextlib.contextmanager
def _told(words: str) -> Iterator[None]:
    """Say of an error for which of the space's values it came."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"With {words} from the space: {error}") from None


def _empty(given: Any) -> ValueError:
    return ValueError(
        "The space is empty: give at least one field, as in "
        "{'optimizer.learning_rate': [0.001, 0.01]}, or a function of hp; "
        f"given: {given!r}."
    )


def _from_file(path: Path) -> Any:
    try:
        # As in recipes, where 1e-4 is a number.
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"Can't read the space '{path}': {reason}") from None


def _checked(field: str, spec: Any) -> Any:
    if not isinstance(field, str):
        raise ValueError(
            "The fields of a space are texts such as 'training.batch_size'; given: "
            f"{field!r}."
        )
    spec = _plain(spec)
    if isinstance(spec, list) and spec:
        texts = [json.dumps(value) for value in spec]
        if len(set(texts)) < len(texts):
            raise ValueError(f"The space of {field!r} has a value twice: {spec!r}.")
        return spec
    if isinstance(spec, Mapping) and "min_value" in spec:
        return _checked_range(field, dict(spec))
    raise ValueError(
        f"The space of {field!r} must be a list of values, or a range such as "
        "{'min_value': 0.0, 'max_value': 0.5, 'step': 0.1} with 'sampling': 'log' if "
        f"you like; given: {spec!r}."
    )


def _checked_range(field: str, spec: dict[str, Any]) -> dict[str, Any]:
    for name in spec:
        if name not in RANGE:
            raise unknown(f"word in the range of {field!r}", name, RANGE)
    if spec.get("sampling", "linear") not in SAMPLING:
        raise unknown(f"sampling of {field!r}", spec["sampling"], SAMPLING)
    low, high = spec["min_value"], spec.get("max_value")
    for value in (low, high, spec.get("step", 1)):
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
        ):
            raise ValueError(f"The range of {field!r} needs numbers; given: {spec!r}.")
    if low >= high:
        raise ValueError(
            f"The range of {field!r} must rise; given: {low!r} to {high!r}."
        )
    least = 1 if spec.get("sampling") in SAMPLING[1:] else 0  # Factors, or sums.
    if "step" in spec and spec["step"] <= least:
        raise ValueError(
            f"The step in the range of {field!r} must be > {least}; given: "
            f"{spec['step']!r}."
        )
    if spec.get("sampling") in SAMPLING[1:] and low <= 0:
        raise ValueError(
            f"The range of {field!r} has {spec['sampling']!r} sampling, which needs "
            f"min_value > 0; given: {low!r}."
        )
    return spec


def _ends(spec: Mapping[str, Any]) -> list[Any]:
    return [spec["min_value"], spec["max_value"]]


def _ask(hp: Any, field: str, spec: Any, own: Any) -> Any:
    """Declare one field to keras-tuner and return the value that it gives."""
    if isinstance(spec, list):
        return _choose(hp, field, spec, own)
    arguments = dict(spec)
    whole = all(isinstance(arguments.get(n, 1), int) for n in RANGE[:3])
    low, high = _ends(spec)
    is_number = isinstance(own, (int, float)) and not isinstance(own, bool)
    if is_number and low <= own <= high and _is_a_step(own, spec):
        arguments["default"] = own
    if whole and isinstance(arguments.get("default", 1), int):
        return hp.Int(field, **arguments)
    return hp.Float(field, **arguments)


def _is_a_step(value: float, spec: Mapping[str, Any]) -> bool:
    """Say whether a range's steps come by a value."""
    if "step" not in spec:
        return True
    if spec.get("sampling") in SAMPLING[1:]:
        if spec["sampling"] == "reverse_log" or value <= 0:
            return False
        steps = math.log(value / spec["min_value"], spec["step"])
    else:
        steps = (value - spec["min_value"]) / spec["step"]
    return math.isclose(steps, round(steps), abs_tol=1e-9)


def _choose(hp: Any, field: str, values: list[Any], own: Any) -> Any:
    kinds = {type(value) for value in values}
    same = [value for value in values if _is_same(value, own)]
    default = {"default": same[0]} if same else {}
    if kinds == {bool} and len(values) == 2:
        return hp.Boolean(field, **default)
    if len(kinds) == 1 and kinds <= {int, float, str}:
        return hp.Choice(field, values, **default)
    # keras-tuner takes one simple type; anything else goes by its text.
    texts = {json.dumps(value): value for value in values}
    same = [text for text, value in texts.items() if _is_same(value, own)]
    default = {"default": same[0]} if same else {}
    return texts[hp.Choice(field, list(texts), **default)]


def _is_same(one: Any, other: Any) -> bool:
    """Say whether two values are equal; 0 and 0.0 are, 0 and False aren't."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _plain(value: Any) -> Any:
    """Return lists for tuples and Python's numbers for NumPy's, as YAML has them."""
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value
