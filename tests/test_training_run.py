"""kerasopt.Run: reading a run's folder."""

import shutil

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, log_loss

import kerasopt as ko
from kerasopt.evaluation import plots
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


def test_a_run_whose_model_is_gone(run, tmp_path):
    copy = shutil.copytree(run.directory, tmp_path / "copy")
    (copy / "model.keras").unlink()
    with pytest.raises(
        ValueError, match=r"damaged: model.keras can't be .*No such file"
    ):
        ko.Run(copy).model  # noqa: B018
    (copy / "metrics.json").unlink()
    (copy / "checkpoints").mkdir()
    (copy / "checkpoints/last.npz").touch()
    with pytest.raises(ValueError, match="The run hasn't finished: resume it"):
        ko.Run(copy).model  # noqa: B018


def test_a_finished_run_is_never_resumed_over(run, tiny_digits):
    model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,))
    before = (run.directory / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match=r"finished: open it with kerasopt.Run"):
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


def half_right(y, p):
    """A metric of one's own: always a half."""
    return keras.ops.mean(p) * 0 + 0.5


@pytest.mark.parametrize("units", [1, 2])
def test_evaluate_measures_the_metrics_that_were_asked_for(units, quick):
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 3)).astype("float32")
    y = (x[:, 0] + random.normal(size=120) > 0).astype(int)
    last = keras.layers.Dense(units, activation="sigmoid" if units == 1 else "softmax")
    data = ko.data.from_arrays(x[:80], y[:80], test=(x[80:], y[80:]))
    asked = ["f1", keras.metrics.AUC(name="area"), half_right]
    if units == 2:  # Keras's AUC takes rows of labels.
        asked = ["f1", half_right]
    model = keras.Sequential([keras.Input((3,)), last])
    run = ko.fit(model, data, metrics=asked, **{**quick, "epochs": 2})
    found = run.evaluate(data)
    assert found["half_right"] == 0.5
    positive = run.predict(x[80:])[:, 1]
    expected = f1_score(y[80:], positive >= 0.5)
    assert found["f1"] == pytest.approx(run.metrics["test_f1"]) == expected
    if units == 1:
        assert found["area"] == pytest.approx(run.metrics["test_area"], abs=1e-6)
    again = ko.Run.load(run.directory).evaluate(data)
    assert again["f1"] == pytest.approx(expected) and "half_right" not in again


def test_metrics_may_name_the_only_output_as_in_keras(quick):
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(1, activation="sigmoid", name="a")(inputs)
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    data = (x, (x[:, 0] > 0).astype(int))
    model = keras.Model(inputs, outputs)
    run = ko.fit(model, data, metrics={"a": ["f1"]}, epochs=1, **quick)
    assert "f1" in run.history
    assert "f1" in ko.Run.load(run.directory).evaluate(data)


def test_the_loss_is_the_trained_one_beside_the_log_loss(quick):
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 3)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    data = ko.data.from_arrays(x[:80], y[:80], test=(x[80:], y[80:]))
    dense = keras.layers.Dense(2, activation="softmax", kernel_regularizer="l2")
    run = ko.fit(
        keras.Sequential([keras.Input((3,)), dense]),
        data,
        loss=keras.losses.SparseCategoricalCrossentropy(),
        optimizer={"name": "sgd", "learning_rate": 0.1},
        **{**quick, "epochs": 3},
    )
    probabilities = run.predict(x[80:])
    expected = log_loss(y[80:], probabilities)
    assert run.metrics["test_log_loss"] == pytest.approx(expected, rel=1e-5)
    penalty = 0.01 * (dense.kernel.numpy() ** 2).sum()
    assert run.metrics["test_loss"] == pytest.approx(expected + penalty, rel=1e-5)
    last = run.history["val_loss"].iloc[-1]
    assert run.metrics["val_loss"] == pytest.approx(last, rel=1e-5)
    found = run.evaluate(data)
    assert found["log_loss"] == pytest.approx(expected) and "loss" not in dict(found)
    with pytest.warns(DeprecationWarning, match="'loss' is now 'log_loss'"):
        assert found["loss"] == found["log_loss"]


@pytest.mark.parametrize("has_column", [True, False])
def test_another_loss_is_the_one_that_was_trained(has_column, quick):
    """Labels (n,) of one sigmoid are handed over as a column, lest they broadcast."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 3)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    units = 1 if has_column else 2
    labels = y if has_column else np.eye(2)[y]
    data = ko.data.from_arrays(x[:40], labels[:40], test=(x[40:], labels[40:]))
    last = keras.layers.Dense(units, activation="sigmoid" if has_column else "softmax")
    model = keras.Sequential([keras.Input((3,)), last])
    run = ko.fit(model, data, loss="mse", **{**quick, "epochs": 1})
    outputs = model.predict(x[40:], verbose=0)
    expected = ((outputs - labels[40:].reshape(outputs.shape)) ** 2).mean()
    assert run.metrics["test_loss"] == pytest.approx(expected, rel=1e-5)


def test_measures_of_several_labels_say_what_is_right(quick):
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 4)).astype("float32")
    y = (x[:, :3] > 0).astype(int)
    data = ko.data.from_arrays(x[:50], y[:50], test=(x[50:], y[50:]))
    last = keras.layers.Dense(3, activation="sigmoid")
    run = ko.fit(keras.Sequential([last]), data, **{**quick, "epochs": 1})
    right = (run.predict(x[50:]) >= 0.5) == y[50:]
    assert run.metrics["test_binary_accuracy"] == pytest.approx(right.mean())
    subset = right.all(axis=1).mean()
    assert run.metrics["test_subset_accuracy"] == pytest.approx(subset)
    page = (run.directory / "report.html").read_text()
    assert "The accuracy in the curves is the binary accuracy" in page


def test_the_working_directory_may_change(run, tmp_path, monkeypatch, tiny_digits):
    monkeypatch.chdir(run.directory.parent)
    again = ko.Run(run.directory.name)
    monkeypatch.chdir(tmp_path)
    assert again.metrics == run.metrics
    assert again.predict(tiny_digits.test[0]).shape == (60, 10)


def test_plot_and_report_mark_the_epoch_that_was_kept(tiny_digits, quick, monkeypatch):
    """By the watched measure, whose best epoch isn't that of the least loss."""

    class Pretends(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_accuracy"] = 1 - epoch / 10
            logs["val_loss"] = 1 - epoch / 10

    run = ko.fit(
        lambda: ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,)),
        tiny_digits,
        callbacks=[Pretends()],
        monitor="val_accuracy",
        patience=5,
        epochs=3,
        **quick,
    )
    assert run.metrics["kept_epoch"] == 1
    assert run.history["val_loss"].idxmin() == 2
    legends = [axes.get_legend() for axes in run.plot().axes]
    shown = [text.get_text() for each in legends if each for text in each.get_texts()]
    marked = [text for text in shown if "epoch" in text]
    assert marked and all(text.startswith("kept epoch 1:") for text in marked)
    drawn = []
    original = plots.curve

    def curve(*given, kept_epoch):
        drawn.append(kept_epoch)
        return original(*given, kept_epoch=kept_epoch)

    monkeypatch.setattr(plots, "curve", curve)
    run.report()
    assert set(drawn) == {1}
