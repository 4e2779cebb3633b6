"""Execute the notebooks and save their outputs in place: ``make notebooks``.

``python notebooks/execute.py notebooks/01_chapter_project.ipynb`` executes one. What
belongs to the machine (paths, times of the execution, TensorFlow's greeting) isn't
saved.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
GREETING = re.compile(
    r"^(WARNING: All log messages before absl|[IWE]0*\d{4}[^\n]*\.cc:|\[IPKernelApp\])"
    r"[^\n]*\n?",
    re.MULTILINE,
)
"""Lines of TensorFlow's libraries, which no setting turns off."""

METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def execute(path: Path) -> None:
    """Execute a notebook in an empty folder and save it with its outputs.

    Args:
        path: The notebook.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell fails; nothing is saved.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=None,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    clean(notebook)
    nbformat.write(notebook, path)


def clean(notebook: nbformat.NotebookNode) -> None:
    """Remove from a notebook what belongs to the machine that executed it.

    Args:
        notebook: The notebook, changed in place.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if _cleaned(out)]


def _cleaned(output: nbformat.NotebookNode) -> bool:
    """Clean an output, and say whether anything of it is left."""
    if output.output_type == "stream":
        output.text = _without_paths(GREETING.sub("", output.text))
        return bool(output.text.strip())
    for kind, text in output.get("data", {}).items():
        if kind.startswith("text/"):
            output.data[kind] = _without_paths(text)
    return True


def _without_paths(text: str) -> str:
    """Name temporary folders, which have another name each time, ``temporary``."""
    place = re.escape(tempfile.gettempdir())
    return re.sub(rf"{place}/tmp\w+", "temporary", text)


def main() -> None:
    """Execute the notebooks that the command line names, or all."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    paths = [Path(word) for word in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb"))
    for path in paths:
        start = time.monotonic()
        execute(path)
        print(f"{path.name}: {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
