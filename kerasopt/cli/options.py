"""Options that several commands have, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasopt import terminal
from kerasopt.cli import complete

if TYPE_CHECKING:
    from kerasopt.recipes import Recipe

__all__ = [
    "DataDir",
    "Json",
    "Out",
    "RecipeName",
    "Seed",
    "Set",
    "changed",
    "refuse_beside",
    "refuse_empty",
    "renamed",
    "text",
]

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder with the dataset's files, where none can be fetched."),
]
Seed = Annotated[int | None, typer.Option(help="Instead of the recipe's seed.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change a field, as in optimizer.learning_rate=0.05; several times for "
        "several. 'kerasopt fields RECIPE' lists them.",
        autocompletion=complete.changes,
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Argument(
        metavar="RECIPE",
        help="A name that 'kerasopt recipes' lists, a YAML file, or a folder of "
        "pictures by class.",
        autocompletion=complete.recipes,
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="Folder of the run; it must be new or empty.")
]


def changed(
    recipe: Recipe,
    changes: list[str],
    epochs: int | None = None,
    budget: str | None = None,
    seed: int | None = None,
) -> Recipe:
    """Return the recipe as ``--set``, ``--epochs`` and others change it.

    Args:
        recipe: The recipe.
        changes: Texts such as ``"optimizer.learning_rate=0.05"``.
        epochs: Instead of its own, if given.
        budget: Instead of its own, if given.
        seed: Instead of its own, if given.

    Raises:
        ValueError: if a change isn't FIELD=VALUE, doesn't fit, or a field is set twice.
    """
    import yaml

    from kerasopt.recipes.text import parse
    from kerasopt.training.spec import refuse_without_effect

    for change in changes:
        field, separator, value = change.partition("=")
        if not separator or not field:
            raise ValueError(
                f"--set takes FIELD=VALUE, as in optimizer.learning_rate=0.05; given: "
                f"{change!r}."
            )
        try:
            recipe = recipe.replace(field, parse(value))
        except yaml.YAMLError as error:
            reason = getattr(error, "problem", None) or error
            raise ValueError(
                f"--set {change!r}: the value isn't valid YAML: {reason}."
            ) from None
    fields = [change.partition("=")[0] for change in changes]
    paths = [field.split(".") for field in fields]
    of_training = [rest[0] for first, *rest in paths if first == "training" and rest]
    refuse_without_effect(of_training, recipe.training)
    options = {"epochs": epochs, "budget": budget, "seed": seed}
    for name, number in options.items():
        if number is not None:
            fields.append(f"training.{name}")
            recipe = recipe.replace(f"training.{name}", number)
    _refuse_twice(fields)
    return recipe


def _refuse_twice(fields: list[str]) -> None:
    """Refuse a field that is set twice: one of the values would have no effect.

    The fields of a section that is given after them are set anew, too.
    """
    for place, field in enumerate(fields):
        for later in fields[place + 1 :]:
            if field == later:
                raise ValueError(
                    f"{field} is given twice, and one of the two would have no effect: "
                    "give it once. --epochs, --budget and --seed are fields of "
                    "training."
                )
            if field.startswith(f"{later}."):
                raise ValueError(
                    f"{field} would have no effect, since {later} after it sets all "
                    f"of its fields anew: give {later} first."
                )


def refuse_beside(resume: Path, given: dict[str, object]) -> None:
    """Refuse options that a resumed work has in its folder.

    Args:
        resume: The folder.
        given: Options and their values.

    Raises:
        ValueError: if one has a value.
    """
    if extra := [word for word, value in given.items() if value is not None]:
        raise ValueError(
            f"--resume takes all from the folder '{resume}'; leave out {extra[0]}."
        )


def refuse_empty(words: list[str]) -> None:
    """Refuse arguments without a value, as a shell variable that isn't set leaves them.

    An empty path would stand for the present folder.

    Args:
        words: The arguments of the command line.

    Raises:
        ValueError: if one is empty.
    """
    for word in words:
        if not word or (word.startswith("--") and word.find("=") == len(word) - 1):
            what = f"{word} has no value" if word else "An argument is empty"
            raise ValueError(
                f"{what}, as of a shell variable that isn't set. Give a value, or "
                "leave it out; the present folder is '.'."
            )


def renamed(old: str, value: Any, new: str, current: Any) -> Any:
    """Return the value of an option that may be given by its old name.

    Args:
        old: The name of an earlier version, which works for one release.
        value: What was given by it, or None.
        new: Today's name.
        current: What was given by that, or None.

    Raises:
        ValueError: if both are given.
    """
    if value is None:
        return current
    if current is not None:
        raise ValueError(f"{old} is the old name of {new}: give one of them.")
    terminal.note(f"{old} is now {new}; the old name is removed in 0.3.")
    return value


def text(path: Path | None) -> str | None:
    """Return a path as the text that the package's functions take."""
    return None if path is None else str(path)
