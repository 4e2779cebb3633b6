"""``kerasopt evaluate``, ``predict`` and ``compare``, for finished runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasopt import terminal
from kerasopt.cli import complete
from kerasopt.cli.options import DataDir, Json, text
from kerasopt.console import escape, show_table

if TYPE_CHECKING:
    import numpy as np

    from kerasopt.training import Run

__all__ = ["compare", "evaluate", "predict"]

LABEL_THRESHOLD = 0.5
"""A label of a multilabel run is named from this probability on."""


def evaluate(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")
    ],
    tta: Annotated[
        str,
        typer.Option(
            help="Mean over views: none, mirror or mirror_translate.",
            autocompletion=complete.words("none", "mirror", "mirror_translate"),
        ),
    ] = "none",
    tta_share: Annotated[
        float,
        typer.Option(
            help="Share of the images, the least certain, that get all views; a "
            "recipe's own is its training.tta_share."
        ),
    ] = 1.0,
    data_dir: DataDir = None,
    json_: Json = False,
) -> None:
    """Measure a finished run's model on its test set again.

    The data must be those of the training: their hashes are compared first.
    """
    terminal.start_tensorflow()
    from kerasopt import recipes
    from kerasopt.training import Run

    loaded = Run.load(run)
    dataset = recipes.data_of(loaded, data_dir=text(data_dir))
    if dataset.test is None:
        raise ValueError(f"The data of '{run}' have no test set.")
    result = loaded.measure(dataset, tta=tta, tta_share=tta_share)
    terminal.show_result(result, {"tta": tta, "tta_share": tta_share}, json_)


def predict(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a finished run of images.")
    ],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE", help="Pictures of any size, or folders of pictures."
        ),
    ],
    json_: Json = False,
) -> None:
    """Predict your own pictures: their class, labels or numbers, as the run learnt."""
    terminal.start_tensorflow()
    import numpy as np

    from kerasopt.data import read_image
    from kerasopt.training import Run

    loaded = Run.load(run)
    if not terminal.takes_pictures(loaded):
        raise ValueError(
            f"The run in '{run}' was trained on samples of shape "
            f"{loaded.environment['data']['input_shape']}, which aren't pictures. "
            f"Predict them in Python: kerasopt.Run('{run}').predict(x)."
        )
    # All pictures are read first: a bad one shows before the model loads.
    paths = [picture for path in images for picture in _pictures(path)]
    pixels = np.stack([read_image(path, loaded.input_shape) for path in paths])
    found = [_described(loaded, values) for values in loaded.predict(pixels)]
    rows = [
        {"image": str(path), **each} for path, each in zip(paths, found, strict=True)
    ]
    if json_:
        print(json.dumps(rows, indent=2))
    else:
        show_table(list(rows[0]), [_cells(row) for row in rows])


def _pictures(path: Path) -> list[Path]:
    """Return the pictures of a folder and of the folders in it; a file is itself."""
    from kerasopt.data.images import has_image_ending

    if not path.is_dir():
        return [path]
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    found = [
        file
        for file in files
        if has_image_ending(file.name)
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    if not found:
        raise ValueError(f"The folder '{path}' has no pictures; name one that does.")
    return found


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Folders of finished runs.")
    ],
    json_: Json = False,
) -> None:
    """Put finished runs of one task side by side; equal seeds are paired."""
    terminal.start_tensorflow()
    from kerasopt.evaluation import compare as compare_runs
    from kerasopt.training import Run

    comparison = compare_runs(*[Run.load(run) for run in runs])
    print(json.dumps(comparison.to_dict(), indent=2) if json_ else escape(comparison))


def _described(run: Run, values: np.ndarray) -> dict[str, Any]:
    """Return what a run predicts for one sample, by its task."""
    names, numbers = run.class_names, [round(float(v), 4) for v in values.ravel()]
    if run.task is None:
        return {"output": numbers}
    if run.task.has_classes:
        best = int(values.argmax())
        return {"class": names[best], "probability": numbers[best]}
    if run.task.name == "regression":
        return dict(zip(names, map(float, values), strict=True))
    by_label = dict(zip(names, numbers, strict=True))
    labels = [name for name, value in by_label.items() if value >= LABEL_THRESHOLD]
    return {"labels": labels, "probabilities": by_label}


def _cells(row: dict[str, Any]) -> list[str]:
    """Return what `_described` found as the cells of a table."""
    return [_cell(name, value) for name, value in row.items()]


def _cell(name: str, value: Any) -> str:
    from kerasopt.evaluation import formatting

    if name == "probability":
        return formatting.percent(value, digits=1)
    if name == "probabilities":
        shares = [f"{k} {formatting.percent(v, digits=1)}" for k, v in value.items()]
        return ", ".join(shares)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or formatting.MISSING
    return formatting.number(value) if isinstance(value, float) else str(value)
