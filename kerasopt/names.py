"""Tables from names to factories, and the errors that list the choices.

Every ``get("name")`` of kerasopt looks its name up in a :class:`Names` table,
so that spelling, aliases, duplicates and error messages are treated alike
everywhere. Beside `kerasopt.checks` and `kerasopt.meanings` this module imports
nothing but the standard library.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from kerasopt import meanings
from kerasopt.checks.values import SHOWN, ArgumentTypeError, shown, text

__all__ = [
    "Names",
    "RenamedKeys",
    "call",
    "normalize",
    "renamed_arguments",
    "split_spec",
    "under_new_names",
    "unknown",
    "warn_renamed",
    "way_to_call",
]

Factory = TypeVar("Factory", bound=Callable[..., Any])


def normalize(name: str) -> str:
    """Return the one spelling under which a name is stored.

    Case, hyphens and spaces don't matter.

    Example:
        >>> normalize("Small-Random")
        'small_random'
    """
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def unknown(
    kind: str, given: object, choices: Iterable[str], *, meant: str | None = None
) -> ValueError:
    """Build the error for a name that isn't in a table.

    Args:
        kind: What the name names, in the singular (``"optimizer"``).
        given: What the user typed.
        choices: Every accepted name.
        meant: What it means elsewhere, if no choice has its meaning
            (`kerasopt.meanings`) or nearly its spelling.

    Returns:
        A `ValueError` (not raised) with the choices and the nearest match.

    Example:
        >>> print(unknown("fruit", "aple", ["apple", "pear"]))
        Unknown fruit 'aple'. Did you mean 'apple'? Accepted: apple, pear.
    """
    listed = sorted(set(choices))
    word = normalize(str(given))[:SHOWN]
    nearest = (
        meanings.nearest(word, listed)
        or _similar(word, listed, 0.8)
        or meant
        or _similar(word, listed, 0.5)
    )
    hint = f" Did you mean '{nearest}'?" if nearest else ""
    return ValueError(
        f"Unknown {kind} {shown(given)}.{hint} Accepted: {', '.join(listed)}."
    )


def _similar(word: str, choices: list[str], likeness: float) -> str:
    return "".join(difflib.get_close_matches(word, choices, n=1, cutoff=likeness))


class Names:
    """A table from names and aliases to factories.

    Args:
        kind: What the table holds, in the singular; it opens the error messages.

    Raises:
        ValueError: from `register` if a name is taken, from `factory` if it
            is unknown.

    Example:
        >>> fruits = Names("fruit")
        >>> @fruits.register("apple", aliases=("pomme",))
        ... def apple(size=1):
        ...     return f"apple of size {size}"
        >>> fruits.factory("pomme")(size=2)
        'apple of size 2'
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._factories: dict[str, Callable[..., Any]] = {}
        self._aliases: dict[str, str] = {}
        self._renamed: set[str] = set()

    def register(
        self, name: str, *, aliases: Iterable[str] = (), renamed: Iterable[str] = ()
    ) -> Callable[[Factory], Factory]:
        """Return a decorator that stores a factory under a name and its aliases.

        ``renamed`` are aliases of an earlier version: they work with a
        `DeprecationWarning` that names the new one.
        """
        for each in (name, *aliases, *renamed):
            if not text(f"The name of a new {self.kind}", each).strip():
                raise ValueError(f"The name of a new {self.kind} is empty: {each!r}.")
        old = [normalize(each) for each in renamed]
        keys = [normalize(name), *map(normalize, aliases), *old]
        for key in keys:
            if key in self._factories or key in self._aliases:
                raise ValueError(
                    f"The {self.kind} name {key!r} is already taken; "
                    "choose another one for yours."
                )

        def store(factory: Factory) -> Factory:
            self._factories[keys[0]] = factory
            self._aliases.update(dict.fromkeys(keys[1:], keys[0]))
            self._renamed.update(old)
            return factory

        return store

    def canonical(self, name: Any) -> str:
        """Return the stored spelling of a name or alias."""
        given = normalize(name) if isinstance(name, str) else ""
        key = self._aliases.get(given, given)
        if key not in self._factories:
            accepted = [each for each in self._aliases if each not in self._renamed]
            error = unknown(self.kind, name, [*self._factories, *accepted])
            if isinstance(name, str):
                raise error
            raise ArgumentTypeError(f"{error}{way_to_call(name)}")
        if given in self._renamed:
            warn_renamed(f"The {self.kind} {name!r}", repr(key))
        return key

    def factory(self, name: Any) -> Callable[..., Any]:
        """Return the factory stored under a name or alias."""
        return self._factories[self.canonical(name)]

    def build(self, spec: Any, arguments: Mapping[str, Any]) -> Any:
        """Call the factory of a name, or of a dict with ``name`` and arguments.

        ``arguments`` win over the dict's. Unknown keywords are a `ValueError`.
        """
        if isinstance(spec, Mapping):
            spec, given = split_spec(self.kind, spec)
            arguments = {**given, **arguments}
        return call(f"{self.kind} {spec!r}", self.factory(spec), arguments)

    def refuse_arguments(self, given: object, arguments: Mapping[str, Any]) -> None:
        """Raise a `ValueError` if arguments come with a finished object."""
        if arguments:
            raise ValueError(
                f"The {self.kind} {shown(given)} already has its arguments; given "
                f"besides: {sorted(arguments)}. Give the name of one instead."
            )

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        key = normalize(name)
        return key in self._factories or key in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._factories))

    def __len__(self) -> int:
        return len(self._factories)


def way_to_call(given: Any) -> str:
    """Return how to fix a class that was given in place of an object, else nothing.

    Args:
        given: What was given.

    Example:
        >>> way_to_call(dict), way_to_call({})
        (' Call it: dict(…).', '')
    """
    return f" Call it: {given.__name__}(…)." if isinstance(given, type) else ""


def call(
    owner: str,
    factory: Callable[..., Any],
    arguments: Mapping[str, Any],
    *,
    hidden: Iterable[str] = (),
) -> Any:
    """Call a factory by keywords, refusing those that it doesn't have.

    A factory with ``**kwargs`` decides for itself. A missing or unknown keyword
    raises a `ValueError` (not the `TypeError` of Python) that names the accepted
    ones. Errors of the factory's own body pass as they are.

    Args:
        owner: What is called, for the message (``"optimizer 'sgd'"``).
        factory: The function or class.
        arguments: The keywords.
        hidden: Keywords that the factory has but the caller fills in itself;
            they aren't listed.

    Example:
        >>> call("sorting", sorted, {"speed": 1})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: Unknown argument of sorting 'speed'. Accepted: iterable, key, ...
    """
    parameters = inspect.signature(factory).parameters
    renamed = getattr(factory, "__renamed__", {})
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    accepted = [
        name
        for name, p in parameters.items()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and name not in hidden
    ]
    for name in arguments:
        is_open = open_ended and isinstance(name, str)
        if not is_open and name not in parameters and name not in renamed:
            raise unknown(f"argument of {owner}", name, accepted)
    missing = [
        name
        for name in accepted
        if name not in {renamed.get(each, each) for each in arguments}
        and parameters[name].default is inspect.Parameter.empty
    ]
    if missing:
        raise ValueError(
            f"{owner[0].upper()}{owner[1:]} needs {', '.join(missing)}. "
            f"Accepted: {', '.join(accepted)}."
        )
    return factory(**arguments)


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn that a name of an earlier version goes with the next release.

    Args:
        old: What was given, with its article (``"The argument 'peak'"``).
        new: What to write instead.
        stacklevel: As in `warnings.warn`, from the caller.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     warn_renamed("'peak'", "'max_learning_rate'")
        >>> print(caught[0].message)
        'peak' is now 'max_learning_rate'; the old name is removed in 0.3.
    """
    warnings.warn(
        f"{old} is now {new}; the old name is removed in 0.3.",
        DeprecationWarning,
        stacklevel=stacklevel + 1,
    )


def renamed_arguments(**new_names: str) -> Callable[[Factory], Factory]:
    """Return a decorator that lets a function take renamed keywords for one release.

    Args:
        **new_names: The new name of each old keyword.

    Example:
        >>> @renamed_arguments(peak="max_learning_rate")
        ... def rate(max_learning_rate):
        ...     return max_learning_rate
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     rate(peak=0.1)
        0.1
    """

    def decorate(function: Factory) -> Factory:
        @functools.wraps(function)
        def renamed(*arguments: Any, **keywords: Any) -> Any:
            return function(*arguments, **under_new_names(keywords, new_names))

        renamed.__renamed__ = new_names  # type: ignore[attr-defined]
        return renamed  # type: ignore[return-value]

    return decorate


def under_new_names(
    content: Mapping[str, Any], new_names: Mapping[str, str]
) -> dict[str, Any]:
    """Return arguments or fields under their new names, with a warning for an old one.

    Args:
        content: Values by name.
        new_names: The new name of each old one.

    Raises:
        ValueError: if a value is given by the old and by the new name.

    Example:
        >>> under_new_names({"units": 8}, {"unit": "units"})
        {'units': 8}
    """
    for old in new_names.keys() & content.keys():
        new = new_names[old]
        if new in content:
            raise ValueError(f"{old!r} is the old name of {new!r}: give one of them.")
        warn_renamed(f"The argument {old!r}", repr(new), stacklevel=4)
    return {new_names.get(name, name): value for name, value in content.items()}


class RenamedKeys(dict[str, Any]):
    """A dict in which keys with an old prefix are found, with a warning.

    Keys that are given with the old prefix are stored with the new one.

    Args:
        values: The content.
        old: Prefix of an earlier version.
        new: Prefix of this one.

    Example:
        >>> measured = RenamedKeys({"val_loss": 0.5}, "validation_", "val_")
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     measured["validation_loss"], "validation_loss" in measured
        (0.5, True)
    """

    def __init__(self, values: Mapping[str, Any], old: str, new: str) -> None:
        self._old, self._new = old, new
        super().__init__({self._current(key): value for key, value in values.items()})

    def _current(self, key: Any) -> Any:
        if isinstance(key, str) and key.startswith(self._old):
            return self._new + key.removeprefix(self._old)
        return key

    def _found(self, key: Any) -> Any:
        current = self._current(key)
        if current != key and dict.__contains__(self, current):
            warn_renamed(f"The measure {key!r}", repr(current), stacklevel=4)
        return current

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(self._found(key))

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._found(key))

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        return super().get(self._found(key), default)


def split_spec(kind: str, spec: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split ``{"name": "sgd", "momentum": 0.9}`` into its name and arguments.

    Args:
        kind: What is named, for the message.
        spec: The dict.

    Raises:
        ValueError: if there is no ``name``.

    Example:
        >>> split_spec("optimizer", {"name": "sgd", "momentum": 0.9})
        ('sgd', {'momentum': 0.9})
    """
    if not isinstance(spec.get("name"), str):
        raise ValueError(
            f"The {kind} given as a dict needs a 'name', as in "
            f"{{'name': ..., 'argument': ...}}; given: {shown(dict(spec))}."
        )
    arguments = {key: value for key, value in spec.items() if key != "name"}
    return spec["name"], arguments
