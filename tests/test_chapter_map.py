"""docs/chapter-map.md is whole and true: rows in order, names and tests that exist."""

import ast
import dataclasses
import functools
import importlib
import inspect
import json
import re
import types
import warnings
from pathlib import Path

import pytest

import kerasopt

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "chapter-map.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
NUMBERS = [
    *(f"R{number}" for number in range(1, 121)),
    *(f"B{number}" for number in range(1, 39)),
]
IN_DOCUMENTS = ("R46", "R54", "R95", "R120", "B29")
"""Rows about history, claims and outlook: a link to where it stands is enough."""

CODE = re.compile(r"`([^`]*)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)#]*)(?:#([^)]*))?\)")


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table: number, what it is, its names, its tests."""

    number: str
    what: str
    name: str
    test: str


def rows_of(text):
    """Return the rows of all tables; a line that hasn't four cells is an error."""
    found = []
    for line in text.splitlines():
        if re.match(r"\|\s*[RB]\d", line):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if len(cells) != 4:
                raise ValueError(f"{cells[0]} has {len(cells)} cells instead of 4.")
            found.append(Row(*cells))
    return found


def resolve(node):
    """Return what an expression such as ``kerasopt.optimizers.get("sgd")`` gives.

    Nothing is evaluated but names, attributes and calls with literal arguments. Where
    ``...`` stands among the arguments, the call isn't made: its keywords are checked.
    """
    if isinstance(node, ast.Name) and node.id == "kerasopt":
        return kerasopt
    if isinstance(node, ast.Attribute) and not node.attr.startswith("_"):
        owner = resolve(node.value)
        if isinstance(owner, types.ModuleType) and not hasattr(owner, node.attr):
            return importlib.import_module(f"{owner.__name__}.{node.attr}")
        return getattr(owner, node.attr)
    if isinstance(node, ast.Call):
        function = resolve(node.func)
        positional = [ast.literal_eval(argument) for argument in node.args]
        keywords = {k.arg: ast.literal_eval(k.value) for k in node.keywords}
        if ... in positional:
            return check_keywords(function, keywords)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*positional, **keywords)
    raise ValueError(f"{ast.unparse(node)!r} is no public name of kerasopt")


def check_keywords(function, keywords):
    accepted = set(inspect.signature(function).parameters)
    if function is kerasopt.fit:
        accepted |= set(kerasopt.training.TrainingSettings.model_fields)
    unknown = set(keywords) - accepted
    if unknown:
        raise ValueError(f"{function.__name__} has no argument {sorted(unknown)}")


@functools.cache
def name_problem(code):
    """Return what is wrong with ``kerasopt...`` or ``kerasopt train ...``, or None."""
    words = code.split()
    if words[:2] == ["kerasopt", "train"]:
        if len(words) > 2 and words[2] in kerasopt.recipes.names():
            return None
        return f"`{code}` names no shipped recipe"
    try:
        resolve(ast.parse(code, mode="eval").body)
    except Exception as error:
        return f"`{code}` doesn't resolve: {type(error).__name__}: {error}"
    return None


@functools.cache
def functions_in(file):
    """Return the names of a test file's functions, those of classes as Class::name."""
    found = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [x for x in node.body if isinstance(x, ast.FunctionDef)]
            found |= {f"{node.name}::{method.name}" for method in methods}
    return {name for name in found if name.split("::")[-1].startswith("test_")}


def proof_problem(code):
    """Return what is wrong with ``tests/file.py::test`` or a file, or None."""
    file, _, name = code.partition("::")
    if not (ROOT / file).is_file():
        return f"`{code}`: there is no file {file}"
    if name and name not in functions_in(file):
        return f"`{code}`: {file} has no such test"
    return None


def anchors_of(path):
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def link_problem(file, anchor):
    if "://" in file:
        return None
    path = DOCUMENT.parent / file if file else DOCUMENT
    if not path.is_file():
        return f"the link to {file} leads nowhere"
    if anchor and anchor not in anchors_of(path):
        return f"{path.name} has no heading #{anchor}"
    return None


def is_name(code):
    return code.startswith("kerasopt")


def is_file(code):
    return code.startswith(("tests/", "notebooks/"))


def is_proof(code):
    return re.match(
        r"tests/\S+\.py::test_|tests/\S+\.py::Test\w+::test_|notebooks/", code
    )


def problems_of_text(text):
    """Return what is wrong with the names, tests and links of any text."""
    codes = CODE.findall(text)
    found = [name_problem(code) for code in codes if is_name(code)]
    found += [proof_problem(code) for code in codes if is_file(code)]
    found += [link_problem(file, anchor) for file, anchor in LINK.findall(text)]
    return [problem for problem in found if problem]


def problems_of_row(row):
    """Return what is wrong with a row, as sentences; none if all is well."""
    found = problems_of_text(f"{row.what} {row.name} {row.test}")
    if not row.what:
        found.append("it doesn't say what it is")
    if "not yet" in (row.name, row.test):
        if row.name != row.test:
            found.append("'not yet' stands in one cell alone")
        return found
    names, tests = CODE.findall(row.name), CODE.findall(row.test)
    links = [file for file, _ in LINK.findall(row.test) if "://" not in file]
    linked = row.number in IN_DOCUMENTS and links
    if not linked and not any(map(is_name, names)):
        found.append("it has no name and doesn't say 'not yet'")
    if not linked and not any(map(is_proof, tests)):
        found.append("it has no test and doesn't say 'not yet'")
    if row.number.startswith("R"):
        found += [f"`{x}` is no name of kerasopt" for x in names if not is_name(x)]
    found += [f"`{x}` is no test" for x in tests if not is_proof(x)]
    return found


def test_every_row_and_every_trap_stands_once_and_in_order():
    assert [row.number for row in rows_of(TEXT)] == NUMBERS


@pytest.mark.parametrize("row", rows_of(TEXT), ids=lambda row: row.number)
def test_row_is_true(row):
    assert problems_of_row(row) == []


def test_what_stands_outside_the_tables_is_true():
    lines = [line for line in TEXT.splitlines() if not line.startswith("|")]
    assert problems_of_text("\n".join(lines)) == []


ADAGRAD = "`kerasopt.optimizers.get('adagrad', learning_rate=0.01)`"
ITS_TEST = "`tests/test_optimizers.py::test_same_settings_as_keras`"


@pytest.mark.parametrize(
    ("name", "test"),
    [
        (ADAGRAD, ITS_TEST),
        (f"in part: {ADAGRAD}; no more", f"{ITS_TEST}, {ITS_TEST}"),
        ("not yet", "not yet"),
        ("`kerasopt train digits --seed 1`", "`notebooks/01_chapter_project.ipynb`"),
        ("`kerasopt.fit(..., patience=3, augment=None)`", ITS_TEST),
        (
            "`kerasopt.training.spec.TrainingSettings(epochs=3).batch_size`",
            "`tests/test_augment.py::TestSeeds::test_global_seeds_play_no_part`",
        ),
    ],
)
def test_a_true_row_has_no_problems(name, test):
    assert problems_of_row(Row("R12", "Adagrad", name, test)) == []


@pytest.mark.parametrize(
    ("name", "test", "problem"),
    [
        ("", ITS_TEST, "no name and doesn't say 'not yet'"),
        ("Adagrad", ITS_TEST, "no name and doesn't say 'not yet'"),
        ("in part: Adagrad", ITS_TEST, "no name and doesn't say 'not yet'"),
        (ADAGRAD, "", "no test and doesn't say 'not yet'"),
        (ADAGRAD, "[here](architecture.md)", "no test and doesn't say 'not yet'"),
        (ADAGRAD, "not yet", "in one cell alone"),
        ("not yet", ITS_TEST, "in one cell alone"),
        ("`kerasopt.optimizers.got`", ITS_TEST, "ModuleNotFoundError"),
        ("`kerasopt.optimizer.get`", ITS_TEST, "ModuleNotFoundError"),
        ("`kerasopt.Dataset.tests`", ITS_TEST, "AttributeError"),
        ("`kerasopt.optimizers.registry._TABLE`", ITS_TEST, "no public name"),
        ("`kerasopt.optimizers.get('adagrat')`", ITS_TEST, "Did you mean 'adagrad'"),
        ("`kerasopt.optimizers.get('sgd', rho=1)`", ITS_TEST, "Unknown argument"),
        ("`kerasopt.optimizers.get(print())`", ITS_TEST, "malformed node"),
        ("`kerasopt.fit(..., patients=3)`", ITS_TEST, "no argument ['patients']"),
        ("`kerasopt.optimizers.get('adagrad'`", ITS_TEST, "SyntaxError"),
        ("`kerasopt or print()`", ITS_TEST, "no public name"),
        ("`kerasopt train chapter`", ITS_TEST, "no shipped recipe"),
        ("`kerasopt train`", ITS_TEST, "no shipped recipe"),
        (f"{ADAGRAD}, `keras.fit`", ITS_TEST, "`keras.fit` is no name of kerasopt"),
        (ADAGRAD, "`tests/test_none.py::test_x`", "no file tests/test_none.py"),
        (ADAGRAD, "`tests/test_names.py::test_x`", "no such test"),
        (ADAGRAD, "`tests/test_names.py::table`", "no such test"),
        (ADAGRAD, "`tests/test_names.py`", "`tests/test_names.py` is no test"),
        (ADAGRAD, "`notebooks/02_none.ipynb`", "no file notebooks/02_none.ipynb"),
        (ADAGRAD, f"{ITS_TEST}, `test_names`", "`test_names` is no test"),
    ],
)
def test_a_false_row_is_found(name, test, problem):
    found = problems_of_row(Row("R12", "Adagrad", name, test))
    assert any(problem in each for each in found), found


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("[here](architecture.md#decisions)", None),
        ("[here](#errors-and-traps)", None),
        ("[here](architecture.md#indecision)", "no heading #indecision"),
        ("[here](history.md)", "leads nowhere"),
    ],
)
def test_a_row_about_history_may_link(link, problem):
    found = problems_of_row(Row("R54", "history", link, link))
    assert bool(found) == bool(problem)
    assert all(problem in each for each in found)


@pytest.mark.parametrize(
    "broken",
    [
        re.sub(r"^\| R7 .*\n", "", TEXT, flags=re.M),
        re.sub(r"^(\| B38 .*\n)", r"\1\1", TEXT, flags=re.M),
        re.sub(r"^(\| R7 .*\n)(\| R8 .*\n)", r"\2\1", TEXT, flags=re.M),
    ],
    ids=["missing", "twice", "order"],
)
def test_a_missing_a_double_and_a_misplaced_row_are_found(broken):
    assert broken != TEXT
    assert [row.number for row in rows_of(broken)] != NUMBERS


def test_a_row_with_a_cell_too_many_is_found():
    with pytest.raises(ValueError, match="R7 has 5 cells"):
        rows_of("| R7 | what | name | test | more |")


def test_notebooks_that_are_named_can_be_read():
    for file in set(re.findall(r"`(notebooks/[^`]*)`", TEXT)):
        assert json.loads((ROOT / file).read_text(encoding="utf-8"))["cells"]
