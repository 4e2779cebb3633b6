"""The notebooks as they are committed: executed, without errors, of no machine."""

import ast
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
PATH = re.compile(r"(?<![\w.:/])/(home|root|tmp|work|Users)/")
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def texts(cell):
    """All that a cell shows as text."""
    for output in cell.outputs:
        yield output.get("text", "")
        for kind, text in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield text


def shows(source):
    """Whether a cell prints, or ends with a value."""
    body = ast.parse(source).body
    if any(isinstance(node, ast.Name) and node.id == "print" for node in ast.walk(
        ast.Module(body, [])
    )):  # fmt: skip
        return True
    last = body[-1] if body else None
    if not isinstance(last, ast.Expr):
        return False
    # Checks return nothing.
    return "assert_" not in ast.unparse(last) and "set_option" not in ast.unparse(last)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("x = 1", False),
        ("x = 1\nx", True),
        ("for i in x:\n    print(i)", True),
        ("np.testing.assert_allclose(a, b)", False),
        ("assert x", False),
        ("", False),
    ],
)
def test_which_cells_show_something(source, shown):
    assert shows(source) is shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_executed_and_shows_its_results(path):
    cells = code_cells(path)
    numbers = [cell.execution_count for cell in cells]
    assert numbers == list(range(1, len(cells) + 1)), "execute it: make notebooks"
    for cell in cells:
        assert cell.outputs or not shows(cell.source), cell.source
        for output in cell.outputs:
            assert output.output_type != "error", cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_nothing_of_a_machine(path):
    for cell in code_cells(path):
        assert "execution" not in cell.metadata
        for text in texts(cell):
            assert not PATH.search(text), text
            assert "ipywidgets" not in text
            assert "oneDNN" not in text
        for output in cell.outputs:
            assert output.get("name") != "stderr", output.text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_figure_is_a_picture(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            data = output.get("data", {})
            if re.match(r"<(Chart|Figure) ", data.get("text/plain", "")):
                assert "image/png" in data


def test_what_belongs_to_a_machine_is_removed(monkeypatch):
    """Paths, times and greetings; warnings of Python stay, and are seen above."""
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    execute = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(execute)
    monkeypatch.setattr(execute.tempfile, "gettempdir", lambda: "/tmp")
    new = nbformat.v4
    greeting = "I0000 00:00:1.2 30465 port.cc:153] oneDNN operations are on.\n"
    outputs = [
        new.new_output("stream", name="stderr", text=greeting),
        new.new_output("stream", name="stderr", text=f"{greeting}UserWarning: x\n"),
        new.new_output("display_data", data={"text/plain": "<Run /tmp/tmp4z_x/a>"}),
    ]
    cell = new.new_code_cell("x", outputs=outputs, metadata={"execution": {"a": "1"}})
    notebook = new.new_notebook(cells=[cell], metadata={"widgets": {}})
    execute.clean(notebook)
    assert dict(notebook.metadata) == execute.METADATA
    assert cell.metadata == {}
    warning, run = cell.outputs
    assert warning.text == "UserWarning: x\n"
    assert run.data["text/plain"] == "<Run temporary/a>"
