"""The one reader of run folders: whatever is damaged is one error that names it."""

import io
import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml

import kerasopt as ko
from kerasopt.training import directories, run_folder
from kerasopt.training.run_folder import DamagedRunError

RECIPE = {
    "name": "tiny",
    "model": {"name": "mlp"},
    "training": {"epochs": 2, "batch_size": 8, "seed": 3},
}
ENVIRONMENT = {
    "task": "binary",
    "notes": [],
    "threads": 2,
    "data": {
        "sha256": {"x_train": "0" * 64},
        "class_names": ["no", "yes"],
        "input_shape": [2],
        "pixel_scale": 1.0,
    },
}
METRICS = {
    "seed": 3,
    "epochs": 2,
    "kept_epoch": 2,
    "task": "binary",
    "train_seconds": 1.5,
    "total_seconds": 2.0,
    "parameters": 9,
    "threshold": 0.5,
    "test_accuracy": 0.75,
    "test_interval": [0.3, 0.95],
    "test_loss": 0.4,
    "test_samples": 4,
}
HISTORY = pd.DataFrame({"epoch": [1, 2], "loss": [0.6, 0.5], "seconds": [0.1, 0.1]})
PREDICTIONS = {
    "labels": np.array([0, 1, 1, 0]),
    "probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]),
    "mistakes": np.array([2]),
}


@pytest.fixture
def folder(tmp_path):
    """A finished run's folder, without its model."""
    made = tmp_path / "run"
    made.mkdir()
    run_folder.write(made, run_folder.RECIPE, RECIPE)
    run_folder.write(made, run_folder.ENVIRONMENT, ENVIRONMENT)
    HISTORY.to_csv(made / "history.csv", index=False)
    np.savez(made / run_folder.PREDICTIONS, **PREDICTIONS)
    run_folder.add_checksum(made, run_folder.HISTORY)
    run_folder.write(made, run_folder.METRICS, METRICS)
    return made


def read_all(folder):
    run = ko.Run.load(folder)
    return run.recipe, run.environment, run.metrics, run.history, run.test_result


def flat(found):
    return repr([part if part is None else str(part) for part in found])


def test_a_whole_run_is_read(folder):
    recipe, environment, metrics, history, result = read_all(folder)
    assert (recipe, environment, metrics) == (RECIPE, ENVIRONMENT, METRICS)
    pd.testing.assert_frame_equal(history, HISTORY)
    assert result.accuracy == 0.75


def test_every_flipped_bit_of_a_text_is_found(folder):
    """One bit of each byte, another one each time."""
    for name in (*run_folder.CHECKED, run_folder.CHECKSUMS):
        path = folder / name
        whole = path.read_bytes()
        for place in range(0, len(whole), 3):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << place % 8
            path.write_bytes(flipped)
            with pytest.raises(DamagedRunError, match=r"in '.*' is damaged: \w+\."):
                ko.Run.load(folder)
        path.write_bytes(whole)
    read_all(folder)


def test_a_flipped_bit_of_predictions_is_found_or_has_no_effect(folder):
    path = folder / run_folder.PREDICTIONS
    whole, right = path.read_bytes(), flat(read_all(folder))
    found = 0
    for place in range(0, len(whole), 2):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place // 2 % 8
        path.write_bytes(flipped)
        try:
            assert flat(read_all(folder)) == right
        except DamagedRunError as error:
            assert "test_predictions.npz can't be read" in str(error)
            found += 1
    assert found > len(whole) // 4


@pytest.mark.parametrize("name", run_folder.CHECKED)
@pytest.mark.parametrize("length", [0, 1, 0.5])
def test_a_truncated_text_is_found(folder, name, length):
    path = folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * length) if length < 1 else 1])
    with pytest.raises(DamagedRunError, match=f"damaged: {name} can't be read"):
        ko.Run.load(folder)


def changed(content, field, value):
    content = json.loads(json.dumps(content))
    *place, last = field.split(".")
    part = content
    for key in place:
        part = part[key]
    part[last] = value
    return content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *[
            (name, content)
            for name in ("recipe.yaml", "environment.json", "metrics.json")
            for content in ("", "{}", "[]", "3", "null", "{", "\x00")
        ],
        ("recipe.yaml", changed(RECIPE, "training.epochs", 1_000_000_000)),
        ("recipe.yaml", changed(RECIPE, "training.batch_size", "8")),
        ("recipe.yaml", changed(RECIPE, "training", [])),
        ("recipe.yaml", changed(RECIPE, "name", 3)),
        ("environment.json", changed(ENVIRONMENT, "task", "guessing")),
        ("environment.json", changed(ENVIRONMENT, "data.class_names", "no")),
        ("environment.json", changed(ENVIRONMENT, "data.sha256", {"x_train": 3})),
        ("environment.json", changed(ENVIRONMENT, "data.input_shape", 2)),
        ("environment.json", changed(ENVIRONMENT, "data.pixel_scale", 0)),
        ("metrics.json", changed(METRICS, "test_accuracy", 7.5)),
        ("metrics.json", changed(METRICS, "test_accuracy", "0.5")),
        ("metrics.json", changed(METRICS, "test_accuracy", [0.5])),
        ("metrics.json", changed(METRICS, "test_interval", [0.5, 1.5])),
        ("metrics.json", changed(METRICS, "epochs", 1e9)),
        ("metrics.json", changed(METRICS, "train_seconds", -1)),
        ("metrics.json", changed(METRICS, "seed", "3")),
        ("metrics.json", changed(METRICS, "parameters", 0.5)),
        ("history.csv", ""),
        ("history.csv", "loss\n0.5\n"),
        ("history.csv", "epoch,loss\n1,low\n"),
        ("history.csv", "epoch,loss\n1,0.5\n1,0.4\n"),
        ("history.csv", "epoch,loss\n2000000000,0.5\n"),
    ],
)
def test_values_that_no_training_writes(folder, name, content):
    """Of a run without checksums, as version 0.1 left them."""
    (folder / run_folder.CHECKSUMS).unlink()
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    if name.endswith("json") and not isinstance(content, str):
        text = json.dumps(content)
    (folder / name).write_text(text)
    with pytest.raises(DamagedRunError, match=f"damaged: {name} can't be read"):
        read_all(folder)


@pytest.mark.parametrize(
    "arrays",
    [
        {"labels": PREDICTIONS["labels"]},
        {**PREDICTIONS, "labels": np.array([0, 1])},
        {**PREDICTIONS, "labels": np.array([0, 1, 7, 0])},
        {**PREDICTIONS, "mistakes": np.array([4])},
        {**PREDICTIONS, "probabilities": PREDICTIONS["probabilities"] * 7.5},
        {**PREDICTIONS, "labels": np.array([None, 1, 1, 0])},
    ],
)
def test_predictions_that_do_not_go_together(folder, arrays):
    np.savez(folder / run_folder.PREDICTIONS, **arrays)
    with pytest.raises(DamagedRunError, match=r"test_predictions\.npz can't be read"):
        read_all(folder)


def test_a_file_that_is_missing(folder):
    (folder / "environment.json").unlink()
    with pytest.raises(DamagedRunError, match=r"environment.json can't be read \(No"):
        ko.Run.load(folder)


def test_a_run_of_version_0_1_has_no_checksums(folder):
    (folder / run_folder.CHECKSUMS).unlink()
    (folder / "metrics.json").write_text(json.dumps({**METRICS, "test_accuracy": 1}))
    assert ko.Run.load(folder).metrics["test_accuracy"] == 1


def test_a_kill_between_checksum_and_file_leaves_a_whole_run(folder, monkeypatch):
    def kill(path, text):
        raise KeyboardInterrupt

    original = run_folder.files.write_text
    monkeypatch.setattr(
        run_folder.files,
        "write_text",
        lambda path, text: (original if path.name == run_folder.CHECKSUMS else kill)(
            path, text
        ),
    )
    with pytest.raises(KeyboardInterrupt):
        run_folder.write(folder, run_folder.RECIPE, {**RECIPE, "name": "other"})
    assert ko.Run.load(folder).recipe == RECIPE


def test_what_makes_a_damaged_file_again_is_said(folder):
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.npz").touch()
    (folder / "metrics.json").write_text("{}")
    with pytest.raises(
        DamagedRunError, match=r"delete metrics\.json and resume the run"
    ):
        ko.Run.load(folder)


def test_the_table_of_runs_names_a_damaged_one(folder):
    shutil.copytree(folder, folder.parent / "other")
    (folder / "metrics.json").write_text("{}")
    table = directories.runs(folder.parent).set_index("run")
    assert table["status"].to_dict() == {"run": "damaged", "other": "finished"}
    assert table.loc["other", "test"] == 0.75


def test_an_archive_is_compared_with_its_own_checksums(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", "{}" * 50)
    damaged = bytearray(buffer.getvalue())
    damaged[60] ^= 4
    (tmp_path / run_folder.MODEL).write_bytes(damaged)
    with pytest.raises(DamagedRunError, match=r"model\.keras can't be read"):
        run_folder.check_archive(tmp_path, run_folder.MODEL)
    (tmp_path / run_folder.MODEL).write_bytes(buffer.getvalue())
    run_folder.check_archive(tmp_path, run_folder.MODEL)


def test_resuming_removes_what_a_kill_left_half_written(folder):
    (folder / "checkpoints").mkdir()
    ours = [
        folder / ".writing-abcd1234.json",
        folder / "checkpoints" / ".writing-abcd_234.npz",
    ]
    theirs = [folder / ".writing-mine.txt", folder / "notes.txt"]
    for path in (*ours, *theirs):
        path.write_text("half")
    run_folder.begin_again(folder)
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in theirs)
