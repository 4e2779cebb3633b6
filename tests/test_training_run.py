"""kerasopt.Run: reading a run's folder."""

import shutil

import numpy as np
import pandas as pd
import pytest

import kerasopt as ko
from kerasopt.training import directories


@pytest.fixture(scope="module")
def run(tiny_digits, tmp_path_factory):
    model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,))
    folder = tmp_path_factory.mktemp("runs") / "mlp"
    return ko.fit(model, tiny_digits, epochs=1, directory=folder, verbose=False)


def test_loading_gives_back_everything(run, tiny_digits):
    again = ko.Run.load(run.directory)
    assert again.metrics == run.metrics
    assert again.seed == 0
    assert again.class_names == list(tiny_digits.class_names)
    x = tiny_digits.test[0]
    np.testing.assert_allclose(again.predict(x), run.predict(x), atol=1e-6)
    accuracy = again.test_result.accuracy
    assert accuracy == pytest.approx(run.metrics["test_accuracy"], abs=1e-5)
    assert "test_accuracy" in repr(again)


def test_uint8_and_scaled_samples_are_the_same_to_predict(run, tiny_digits):
    x = tiny_digits.test[0][:5]
    np.testing.assert_allclose(
        run.predict(x), run.predict(x / np.float32(255)), atol=1e-6
    )


def test_report_and_plot_can_be_made_again(run):
    path = run.directory / "report.html"
    before = path.read_text()
    path.unlink()
    assert run.report() == path
    assert len(path.read_text()) == pytest.approx(len(before), rel=0.05)
    assert run.plot().axes


@pytest.mark.parametrize("opened", [ko.Run, ko.Run.load])
def test_a_folder_without_a_run(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"'\.' isn't a run: it has no recipe.yaml"):
        opened(".")
    with pytest.raises(ValueError, match="'no' isn't a run: there is no such folder"):
        opened("no")


def test_an_unfinished_run(run, tmp_path):
    copy = shutil.copytree(run.directory, tmp_path / "copy")
    (copy / "metrics.json").unlink()
    with pytest.raises(ValueError, match="hasn't finished"):
        ko.Run.load(copy)


def test_a_finished_run_is_never_resumed_over(run, tiny_digits):
    model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,))
    before = (run.directory / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match="already finished"):
        ko.fit(model, tiny_digits, directory=run.directory, resume=True)
    with pytest.raises(ValueError, match="needs directory="):
        ko.fit(model, tiny_digits, resume=True)
    assert (run.directory / "metrics.json").read_bytes() == before


def test_samples_of_another_shape(run):
    with pytest.raises(ValueError, match=r"shape \(8, 8, 1\)"):
        run.predict(np.zeros((2, 8, 9), "uint8"))


def test_grey_images_may_lack_the_channel_axis(run, tiny_digits):
    x, _ = tiny_digits.test
    np.testing.assert_array_equal(run.predict(x[..., 0]), run.predict(x))


def test_two_runs_of_one_second_get_two_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = {directories.new_directory("x", None) for _ in range(5)}
    assert len(folders) == 5


def test_the_kept_epoch_is_that_of_the_monitor_not_of_the_lowest_loss(tmp_path):
    """Training kept epoch 1, the best by val_accuracy; val_loss is lowest in 5."""
    epochs = np.arange(1, 6)
    (tmp_path / "recipe.yaml").touch()  # That alone is asked for on opening.
    run = ko.Run(tmp_path, metrics={"kept_epoch": 1, "epochs": 5})
    run.history = pd.DataFrame(
        {"epoch": epochs, "loss": 1 / epochs, "val_loss": 1 / epochs}
    ).assign(accuracy=0.5, val_accuracy=0.5 - 0.01 * epochs)
    for axes in run.plot().axes[:2]:
        shown = [text.get_text() for text in axes.get_legend().get_texts()]
        assert any(text.startswith("kept epoch 1:") for text in shown)
