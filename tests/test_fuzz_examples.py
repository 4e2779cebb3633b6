"""Odd values for the arguments of every public function's documented example.

An example that works is run again with one argument replaced: it works still, or the
argument is refused in a sentence.
"""

import ast
import contextlib
import doctest
import importlib
import io
import random
import traceback
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from fuzzing import TIMES, is_a_sentence

INPUTS = 400 * TIMES

ROOMS = ("augment", "callbacks", "charts", "data", "diagnosis", "distribute",
         "estimators", "evaluation", "gradients", "initializers", "layers", "losses",
         "metrics", "models", "optimizers", "recipes", "regularizers", "schedules",
         "scratch", "tasks", "training")  # fmt: skip

ODD = ("None", "''", "'x'", "-1", "0", "-0.5", "10**30", "float('nan')", "float('inf')",
       "True", "[]", "{}", "(1, 2, 3, 4, 5)", "__import__('numpy').array(2.5)",
       "object()")  # fmt: skip


class Changed(NamedTuple):
    """An example: what comes first, the call, which argument has which odd value."""

    name: str
    first: list[str]
    call: str
    argument: str
    value: str


def changed_examples() -> Iterator[Changed]:
    for room in ROOMS:
        module = importlib.import_module(f"kerasopt.{room}")
        for name in sorted(getattr(module, "__all__", ())):
            thing = getattr(module, name)
            documented = doctest.DocTestFinder(recurse=False).find(
                thing, f"{room}.{name}", module=False, globs={}
            )
            for test in documented:
                yield from _changed(test, name)


def _changed(test: doctest.DocTest, name: str) -> Iterator[Changed]:
    lines = [example.source for example in test.examples]
    for number, line in enumerate(lines):
        tree = ast.parse(line)
        for call in (node for node in ast.walk(tree) if _calls(node, name)):
            slots = [(call.args, at, f"#{at}") for at in range(len(call.args))]
            slots += [(k, "value", k.arg) for k in call.keywords if k.arg]
            for owner, at, argument in slots:
                for value, text in _replaced(tree, owner, at):
                    yield Changed(test.name, lines[:number], text, argument, value)


def _calls(node: ast.AST, name: str) -> bool:
    if not isinstance(node, ast.Call):
        return False
    return getattr(node.func, "id", getattr(node.func, "attr", None)) == name


def _replaced(tree, owner, at) -> Iterator[tuple[str, str]]:
    is_list = isinstance(owner, list)
    kept = owner[at] if is_list else getattr(owner, at)
    for value in ODD:
        new = ast.parse(value, mode="eval").body
        owner.__setitem__(at, new) if is_list else setattr(owner, at, new)
        yield value, ast.unparse(tree)
    owner.__setitem__(at, kept) if is_list else setattr(owner, at, kept)


def test_an_odd_argument_works_or_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    warnings.simplefilter("ignore")
    examples = list(changed_examples())
    assert len(examples) > 4000
    chosen = random.Random(0 if TIMES == 1 else None).sample(
        examples, min(INPUTS, len(examples))
    )
    wrong = [found for example in chosen if (found := _fault(example))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.filterwarnings("ignore")
def _fault(example: Changed) -> str | None:
    module = importlib.import_module("kerasopt." + example.name.split(".")[0])
    names = dict(vars(importlib.import_module(_home(module, example))))
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        for line in example.first:
            exec(line, names)
        try:
            exec(compile(example.call, "<example>", "exec"), names)
        except Exception as error:
            refused = isinstance(error, (ValueError, TypeError, OSError))
            place = traceback.extract_tb(error.__traceback__)[-1].filename
            # What the example does with the result is its own mistake.
            told = is_a_sentence(error) or "/keras/" in place
            if place != "<example>" and not (refused and told):
                what = f"{example.name}({example.argument}={example.value})"
                return f"{what}: {type(error).__name__}: {error}"
    return None


def _home(module, example: Changed) -> str:
    """Return the module whose names an example uses: where it was defined."""
    return getattr(module, example.name.split(".")[1]).__module__
