"""A starting recipe from what the data are like and how much time there is.

`kerasopt.tuning.advising.statistics` measures the training samples,
`kerasopt.tuning.advising.rules` chooses each field by that.
"""

from __future__ import annotations

import dataclasses
import html
import re
import textwrap
from typing import Any

from kerasopt import checks, data, names, recipes
from kerasopt.data import Dataset
from kerasopt.recipes import Recipe
from kerasopt.training.spec import in_seconds
from kerasopt.tuning.advising.rules import Choices, choose
from kerasopt.tuning.advising.statistics import Facts, measure

__all__ = ["Advice", "advise_settings"]


@dataclasses.dataclass(frozen=True, repr=False)
class Advice:
    """Result of `advise_settings`; shown as a table.

    Attributes:
        recipe: The advised `kerasopt.recipes.Recipe`; ``recipe.run(dataset=dataset)``
            trains it.
        reasons: Dotted field of the recipe → one sentence on why it is what it is.
        facts: What was measured on the training samples, and the model's size.
    """

    recipe: Recipe
    reasons: dict[str, str]
    facts: Facts

    def _rows(self) -> list[tuple[str, str, str]]:
        content = self.recipe.to_dict()
        return [(f, _text(_at(content, f)), why) for f, why in self.reasons.items()]

    def __repr__(self) -> str:
        lines = [f"Advice: {self.recipe!r}"]
        for field, value, reason in self._rows():
            indent = " " * 4
            lines += textwrap.wrap(f"{field}: {value}", 84, subsequent_indent=indent)
            lines += textwrap.wrap(
                reason, 84, initial_indent=indent, subsequent_indent=indent
            )
        lines.append("Measured")
        lines += [f"    {name}: {_text(value)}" for name, value in self.facts.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = self._rows()
        rows += [(name, _text(value), "measured") for name, value in self.facts.items()]
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        head = "<tr><th>field</th><th>value</th><th>reason</th></tr>"
        title = html.escape(f"Advice: {self.recipe!r}")
        return f"<h4>{title}</h4><table>{head}{body}</table>"


def advise_settings(
    dataset: Any,
    *,
    budget: str | float | None = "10m",
    seed: int = 0,
    pretrained: bool = True,
) -> Advice:
    """Advise a recipe to start from: model, optimizer, schedule, batch and the rest.

    Vectors get an MLP. Up to 20,000 colour pictures, or grey ones of 96 pixels a side
    or more, to be classified get a pretrained network (`kerasopt.models.transfer`), if
    its weights can be fetched. Other images get a convolutional network; those of 24 to
    64 pixels a side that are to be classified the network and settings of the recipe
    ``cifar10``, with the rates for the size of the batch. Regularisation
    follows from samples per parameter, the batch from the number of samples, size and
    length of the training from both and the time. A training is estimated to take
    ``15 + epochs · (samples · flops / 2e11 + 0.003 · steps)`` seconds, on two CPU
    cores; where that is more than an eighth of the budget, the clock ends the training
    (``training.budget``), else its epochs do. The output, the loss and the metrics are
    those of the dataset's task.

    Args:
        dataset: A `kerasopt.data.Dataset`, the name of a published one, or a recipe or
            its name or YAML file, whose data are taken; with validation data. Only its
            training samples are measured, 5,000 at most.
        budget: Time for everything, ``"10m"`` or a number of seconds; None for as long
            as it takes.
        seed: Draws the samples that are measured, and is the recipe's.
        pretrained: Whether a network may begin with weights of other pictures.

    Returns:
        An `Advice`.

    Raises:
        ValueError: if it isn't a dataset, has no validation data or test data in their
            place, or the budget isn't a time.

    Example:
        >>> advice = advise_settings("digits")
        >>> advice.recipe.model["name"], advice.facts["samples"]
        ('cnn', 1293)
        >>> print(advice.reasons["training.monitor"])
        With 144 validation samples accuracy moves in steps of 1/144.

    References:
        Kingma and Ba (2015), https://arxiv.org/abs/1412.6980; Loshchilov and Hutter
        (2019), https://arxiv.org/abs/1711.05101; Smith and Topin (2017),
        https://arxiv.org/abs/1708.07120; He et al. (2015),
        https://arxiv.org/abs/1502.01852.
    """
    given = _loaded(dataset)
    _check(given)
    checks.integer("seed", seed, least=0)
    if budget is not None:
        in_seconds(budget)
    facts = measure(given, seed)
    pretrained = checks.boolean("pretrained", pretrained)
    choices = choose(given, facts, budget, pretrained=pretrained)
    recipe = Recipe(_content(given, choices, seed))
    recipe.check()
    order = list(recipe.to_dict())  # The sections' order in a recipe file.
    fields = sorted(choices, key=lambda field: order.index(field.split(".")[0]))
    reasons = {field: choices[field][1] for field in fields if choices[field][1]}
    return Advice(recipe, reasons, facts)


def _loaded(given: Any) -> Any:
    if isinstance(given, str):
        if given in data.available():
            return data.load(given)
        if not given.endswith((".yaml", ".yml")) and given not in recipes.names():
            choices = [*data.available(), *recipes.names(), "PATH.yaml"]
            raise names.unknown("dataset or recipe", given, choices)
        given = recipes.load(given)
    return given.load_data() if isinstance(given, Recipe) else data.as_dataset(given)


def _check(dataset: Any) -> None:
    if not (isinstance(dataset.train, tuple) and hasattr(dataset.train[0], "ndim")):
        raise ValueError(
            "advise_settings measures training samples in one array; the dataset "
            f"'{dataset.name}' has streams or several inputs. Give it a part of them "
            "as arrays: kerasopt.data.from_arrays(x, y)."
        )
    if dataset.validation is None:
        raise ValueError(
            f"The dataset '{dataset.name}' has no validation data, by which the advice "
            "would be judged: load it with validation=0.1."
        )
    if dataset.test_is_validation:
        raise ValueError(
            f"The validation data of '{dataset.name}' are test data: settings chosen "
            "by them make the test score too good. Cut them from train with "
            "validation=0.1."
        )


def _content(dataset: Dataset, choices: Choices, seed: int) -> dict[str, Any]:
    """Return the recipe's fields, nested."""
    section = {"name": dataset.name, "validation": dataset.sizes["validation"]}
    if dataset.name in data.available():
        section["size"] = dataset.sizes["train"] + dataset.sizes["validation"]
    content: dict[str, Any] = {
        "name": "advised-" + (re.sub(r"[^\w.-]+", "-", dataset.name) or "data"),
        "description": "Advised by kerasopt.tuning.advise_settings.",
        "data": section,
        "training": {"seed": seed},
    }
    for field, (value, _) in choices.items():
        *path, last = field.split(".")
        place = content
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return content


def _at(content: Any, field: str) -> Any:
    for part in field.split("."):
        content = content[part]
    return content


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
