"""The package as a whole: lazy imports, documented names, true documents."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kerasopt

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(kerasopt.__path__, "kerasopt.")
    if not module.name.endswith("__main__")
)


def public_objects(depth=9):
    for name in MODULES:
        if name.count(".") >= depth:
            continue
        module = importlib.import_module(name)
        for each in getattr(module, "__all__", ()):
            found = getattr(module, each)
            if inspect.isfunction(found) or inspect.isclass(found):
                yield pytest.param(found, id=f"{name}.{each}")


ALL_HEAVY = ("tensorflow", "keras", "numpy", "pandas", "matplotlib", "pydantic")


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import kerasopt", ALL_HEAVY),
        ("import kerasopt.cli", ALL_HEAVY),
        ("import kerasopt.recipes as r; r.load('digits')", ("tensorflow", "keras")),
        ("import kerasopt.data as d; d.load('digits')", ("tensorflow", "keras")),
        ("import kerasopt.evaluation", ("tensorflow", "keras")),
    ],
)
def test_what_needs_no_tensorflow_does_not_load_it(code, heavy):
    check = f"{code}\nimport sys\nprint([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_without_tensorflow_the_extra_is_named(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "raise ModuleNotFoundError('No module named tensorflow', name='tensorflow')"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import kerasopt; kerasopt.fit"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "", "HOME": str(tmp_path)},
    )
    assert 'pip install ".[cpu]"' in done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_and_stays_short(name):
    module = importlib.import_module(name)
    assert module.__doc__, name
    lines = Path(module.__file__).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400, f"{name} has {len(lines)} lines"


@pytest.mark.parametrize("found", list(public_objects()))
def test_every_public_name_is_documented(found):
    assert (inspect.getdoc(found) or "").strip()


@pytest.mark.parametrize("found", list(public_objects(depth=2)))
def test_every_door_explains_its_arguments(found):
    """The functions of kerasopt.data, kerasopt.models and so on, as users call them."""
    if not found.__module__.startswith("kerasopt"):
        return  # Keras's own.
    text = inspect.getdoc(found)
    call = found if inspect.isfunction(found) else vars(found).get("__init__")
    if call is None:
        return  # Its base explains them.
    arguments = [
        p.name
        for p in inspect.signature(call).parameters.values()
        if p.name not in ("self", "name", "reduction")
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if inspect.isfunction(found) and arguments:
        assert "Args:" in text, found.__qualname__
    missing = [a for a in arguments if not re.search(rf"\b{a}\b", text)]
    assert not missing, f"{found.__qualname__} doesn't explain {missing}"


def test_no_pickle_eval_or_unsafe_yaml():
    calls = []
    for path in (ROOT / "kerasopt").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                calls.append((path.name, ast.unparse(node.func)))
    banned = {"eval", "exec", "pickle.load", "pickle.loads", "yaml.load"}
    assert [call for call in calls if call[1] in banned] == []


def test_readme_table_is_what_the_recipes_say():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in kerasopt.recipes.names():
        recipe = kerasopt.recipes.load(name)
        row = next(x for x in readme.splitlines() if x.startswith(f"| `{name}`"))
        if recipe.measured is None:
            assert "not measured" in row, f"README claims a result for {name}"
            continue
        accuracy, views, seconds = recipe.measured_text()
        for part in (accuracy, views, seconds, recipe.measured.command):
            assert part in row, f"README's row of {name} lacks {part!r}"


@pytest.mark.slow
def test_the_search_of_the_readme_runs(monkeypatch, tmp_path):
    """On digits, two trials of one epoch."""
    monkeypatch.chdir(tmp_path)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(recipe = .*?)```", readme, re.S)
    block = block.replace('budget="5m"', "max_trials=2")
    recipe = kerasopt.recipes.load("mnist-mlp").replace("training.epochs", 1)
    recipe = recipe.replace("data", {"name": "digits", "size": 300})
    monkeypatch.setattr(kerasopt.recipes, "load", lambda name: recipe)
    names = {"ko": kerasopt}
    exec(compile(block, "README.md", "exec"), names)
    assert len(names["found"].table) == 2
    assert 0 <= names["run"].metrics["test_accuracy"] <= 1


def test_ci_calls_the_readme_test_command():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make test" in readme
    assert (ROOT / ".ci/run").read_text().strip().splitlines()[-1] == "make test"
