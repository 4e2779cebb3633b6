"""kerasopt.tuning.trial_log: runs made by hand, in one table."""

import os

import pytest

import kerasopt as ko


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    small = ko.data.load("digits", size=200)
    recipe = ko.recipes.load("digits").replace("training.epochs", 1)
    recipe = recipe.replace("model", {"name": "mlp", "units": [8]})
    tried = [
        ("b", recipe),
        ("a", recipe.replace("model", {"name": "mlp", "units": [16], "l2": 0.01})),
    ]
    for age, (name, each) in enumerate(tried):
        run = each.run(dataset=small, directory=folder / name, verbose=False)
        metrics = run.directory / "metrics.json"
        os.utime(metrics, (1e9 + age, 1e9 + age))
    (folder / "unfinished").mkdir()
    (folder / "notes.txt").write_text("mine")
    return folder


def test_a_row_a_run_with_what_differs(runs):
    table = ko.tuning.trial_log(runs)
    assert table["run"].tolist() == [str(runs / "b"), str(runs / "a")]  # By age.
    assert table["model.units"].tolist() == [[8], [16]]
    assert table["model.l2"].isna().tolist() == [True, False]
    assert "training.epochs" not in table  # The same in both.
    # 64 pixels, 10 classes: (64 + 1) · units + (units + 1) · 10.
    assert table["parameters"].tolist() == [65 * 8 + 90, 65 * 16 + 170]
    found = [ko.Run.load(run).metrics["val_accuracy"] for run in table["run"]]
    assert table["val_accuracy"].tolist() == found
    assert not any("test" in column for column in table)


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(ValueError, match=r"holds a finished run"):
        ko.tuning.trial_log(tmp_path)
