"""Odd values for the arguments of every public function's documented example.

An example that works is run again with one argument replaced: it works still, or the
argument is refused in a sentence. Functions of many arguments have a longer call here.
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
from typing import Any, NamedTuple

import pytest
from fuzzing import TIMES, is_a_sentence

ROOMS = ("augment", "callbacks", "charts", "data", "diagnosis", "distribute",
         "estimators", "evaluation", "gradients", "initializers", "layers", "losses",
         "metrics", "models", "optimizers", "recipes", "regularizers", "schedules",
         "scratch", "tasks", "training")  # fmt: skip

ODD = ("None", "''", "'x'", "-1", "0", "-0.5", "10**30", "float('nan')", "float('inf')",
       "True", "[]", "{}", "(1, 2, 3, 4, 5)", "__import__('numpy').array(2.5)",
       "object()", "b'x'", "{1, 2}", "[None]", "{'name': 'x'}",
       "1j")  # fmt: skip


FIRST = """
import numpy as np, keras, kerasopt as ko
rng = np.random.default_rng(0)
x = rng.normal(size=(40, 3)).astype("float32")
y = (x[:, 0] > 0).astype(int)
data = ko.data.from_arrays(x, y, validation=8, test=(x + 1, y))
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
recipe = ko.recipes.Recipe({"name": "a", "data": {"name": "digits", "size": 90},
                          "model": {"name": "mlp"}, "training": {"epochs": 1}})
"""
CALLS = (
    """ko.fit(model, data, optimizer="adam", loss="auto", metrics=["auc"], task="auto",
    class_weight="balanced", sample_weight=None, callbacks=[], augment=None,
    validation_data=None, validation_steps=None, directory=None, verbose=False,
    resume=False, settings=None, recipe=None, epochs=1, batch_size=8)""",
    """ko.fit(model, (x, y), sample_weight=np.ones(40), validation_data=(x, y),
    epochs=1, verbose=False)""",
    """ko.data.from_arrays(x, y, test=(x, y), validation=5, sample_weight=np.ones(40),
    task="auto", num_classes=None, class_names=["a", "b"], seed=0, name="n",
    allow_test_as_validation=False)""",
    """data.replace(train=(x, y), validation=None, test=None, task="binary",
    num_classes=2, class_names=("a", "b"), weights={}, paths={}, name="a", source="b",
    skipped=(), feature_names=())""",
    """ko.diagnosis.lr_range_test(model, data, optimizer="sgd", loss="auto",
    augment=None, batch_size=8, low=1e-5, high=1.0, steps=20, seed=0, verbose=False)""",
    """ko.training.fit_lbfgs(model, x, y, loss="auto", max_iterations=3,
    tolerance=1e-3, memory=3, batch_size=None, verbose=False)""",
    """ko.tuning.sweep(recipe, "training.batch_size", [8], seeds=1,
    equal_updates=False, dataset=None, directory=None, verbose=False)""",
    """ko.tuning.ablate(recipe, ["optimizer"], seeds=2, objective="val_accuracy",
    epochs=1, budget=None, dataset=None, directory=None, verbose=False)""",
    """ko.tuning.search(recipe, {"training.batch_size": [8]}, dataset=None,
    directory=None, verbose=False, max_trials=1, method="random", seed=0)""",
    """ko.tuning.advise_settings(data, budget="10s", seed=0)""",
    """recipe.run(seed=0, dataset=None, directory=None, data_dir=None,
    verbose=False)""",
    """KerasOptClassifier(hidden_units=4, learning_rate=0.01, batch_size=8, epochs=1,
    optimizer="adam", activation="relu", dropout=0.1, l1=0.0, l2=0.0, batch_norm=False,
    patience=None, validation_fraction=0.2, model=None, random_state=0,
    verbose=False).fit(x, y)""",
    """KerasOptClassifier(epochs=1, verbose=False).fit(X=x, y=y)""",
)


class Changed(NamedTuple):
    """A call with an odd argument, what comes before it, and whose names it uses."""

    what: str
    home: str
    first: list[str]
    call: str


def changed_examples() -> Iterator[Changed]:
    finder = doctest.DocTestFinder(recurse=False)
    for room in ROOMS:
        module = importlib.import_module(f"kerasopt.{room}")
        for name in sorted(getattr(module, "__all__", ())):
            thing = getattr(module, name)
            for test in finder.find(thing, f"{room}.{name}", module=False, globs={}):
                lines = [example.source for example in test.examples]
                for at, line in enumerate(lines):
                    for what, call in _changed(line, name):
                        yield Changed(
                            f"{room}: {what}", thing.__module__, lines[:at], call
                        )


def changed_calls() -> Iterator[Changed]:
    for line in CALLS:
        for what, call in _changed(line):
            yield Changed(what, "kerasopt.estimators", [FIRST], call)


def _changed(line: str, name: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield a line with each argument of its calls replaced by each odd value."""
    tree = ast.parse(line)
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        called = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if called != name and (name or called in ("Input", "ones", "array")):
            continue
        slots: list[tuple[Any, Any, str]] = [
            (call.args, at, f"#{at}") for at in range(len(call.args))
        ]
        slots += [(vars(each), "value", each.arg) for each in call.keywords if each.arg]
        for owner, at, argument in slots:
            kept = owner[at]
            for value in ODD:
                owner[at] = ast.parse(value, mode="eval").body
                yield f"{called}({argument}={value})", ast.unparse(tree)
            owner[at] = kept


@pytest.mark.parametrize(
    ("found", "inputs"), [(changed_examples, 300), (changed_calls, 50)]
)
def test_an_odd_argument_works_or_is_refused(found, inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    warnings.simplefilter("ignore")
    changed = list(found())
    assert len(changed) > 1000
    chosen = random.Random(0 if TIMES == 1 else None)
    wrong = map(_fault, chosen.sample(changed, min(inputs * TIMES, len(changed))))
    faults = list(filter(None, wrong))
    assert not faults, "\n".join(faults)


def _fault(example: Changed) -> str | None:
    names = dict(vars(importlib.import_module(example.home)))
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
            told = is_a_sentence(error) or " says:" in str(error)
            told |= "/keras/" in place or "/sklearn/" in place
            # What the example does with the result is its own mistake.
            if place != "<example>" and not (refused and told):
                return f"{example.what}: {type(error).__name__}: {error}"
    return None
