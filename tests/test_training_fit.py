"""kerasopt.fit: from model and dataset to an honest, reproducible run."""

import json

import keras
import numpy as np
import pytest
import yaml
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    log_loss,
    root_mean_squared_error,
)

import kerasopt as ko
from kerasopt.training import calibration, sources
from kerasopt.training import run as run_folder
from kerasopt.training.compiled import CompiledSteps

pytestmark = pytest.mark.usefixtures("no_report")


def network(**changes):
    shape = {"input_shape": (8, 8, 1), "num_classes": 10, "units": (32,)}
    return ko.models.mlp(**{**shape, **changes})


@pytest.mark.with_report
def test_the_folder_holds_everything(tiny_digits, quick):
    run = ko.fit(network(), tiny_digits, epochs=2, augment="affine", **quick)
    names = {path.name for path in run.directory.iterdir()}
    # A slow machine writes a checkpoint, too.
    assert names - {"checkpoints"} == {
        "recipe.yaml",
        "checksums.json",
        "environment.json",
        "history.csv",
        "metrics.json",
        "model.keras",
        "report.html",
        "test_predictions.npz",
        "training_examples.npz",
        "tensorboard",
        ".kerasopt-lock",
    }
    environment = run.environment
    assert environment["data"]["sha256"] == dict(tiny_digits.hashes)
    assert environment["packages"]["keras"] == keras.__version__
    assert environment["packages"]["kerasopt"] == ko.__version__
    columns = {"epoch", "loss", "val_loss", "val_accuracy", "learning_rate", "seconds"}
    assert columns <= set(run.history.columns)
    assert len(run.history) == 2
    assert "Test accuracy" in (run.directory / "report.html").read_text()


def test_measures_are_those_of_scikit_learn(tiny_digits, quick):
    run = ko.fit(network(), tiny_digits, epochs=3, **quick)
    for split, prefix in (("validation", "val"), ("test", "test")):
        x, y = getattr(tiny_digits, split)
        probabilities = run.predict(x)
        assert run.metrics[f"{prefix}_accuracy"] == pytest.approx(
            accuracy_score(y, probabilities.argmax(axis=1)), abs=1e-5
        )
        expected = log_loss(y, probabilities, labels=range(10))
        assert run.metrics[f"{prefix}_log_loss"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_views_are_those_of_the_task(task, quick):
    rng = np.random.default_rng(0)
    images = rng.random((60, 8, 8, 1), dtype="float32")
    marks = images.reshape(60, -1)[:, :3]
    labels = (marks > 0.5).astype("int64") if task == "multilabel" else marks
    data = ko.data.from_arrays(
        images[:50], labels[:50], test=(images[50:], labels[50:]), task=task
    )
    output = "sigmoid" if task == "multilabel" else "linear"
    model = keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(3, activation=output)]
    )
    run = ko.fit(model, data, epochs=1, tta="mirror", **quick)
    x, y = data.test
    seen = (run.model.predict(x, verbose=0) + run.model.predict(x[:, :, ::-1])) / 2
    if task == "regression":
        expected = root_mean_squared_error(y, seen)
        assert run.metrics["test_rmse_tta"] == pytest.approx(expected, rel=1e-5)
    else:
        expected = average_precision_score(y, seen)
        measured = run.metrics["test_mean_average_precision_tta"]
        assert measured == pytest.approx(expected, rel=1e-5)


def test_the_saved_model_needs_only_keras(tiny_digits, quick):
    optimizer = {
        "name": "sgd",
        "learning_rate": {"name": "one_cycle", "max_learning_rate": 0.1},
    }
    run = ko.fit(
        network(),
        tiny_digits,
        optimizer=optimizer,
        label_smoothing=0.1,
        epochs=1,
        **quick,
    )
    saved = keras.saving.load_model(run.directory / "model.keras")
    config = json.dumps(saved.get_config()) + json.dumps(saved.get_compile_config())
    assert "kerasopt" not in config
    x, y = tiny_digits.test
    loss, accuracy = saved.evaluate(x / np.float32(255), y, verbose=0)
    assert loss == pytest.approx(run.metrics["test_log_loss"], rel=1e-4)
    assert accuracy == pytest.approx(run.metrics["test_accuracy"], abs=1e-5)


@pytest.mark.slow
def test_equal_seeds_give_equal_weights_bit_for_bit(tiny_digits, quick, tmp_path):
    def weights(name, seed):
        run = ko.recipes.load("digits").replace("training.epochs", 2)
        run = run.replace("training.deterministic", True).run(
            seed=seed, dataset=tiny_digits, directory=tmp_path / name, verbose=False
        )
        return run.model.get_weights()

    first, again, other = weights("a", 3), weights("b", 3), weights("c", 4)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, c) for a, c in zip(first, other, strict=True))


def test_early_stopping_keeps_the_weights_of_least_validation_loss(tiny_digits, quick):
    run = ko.fit(
        network(),
        tiny_digits,
        optimizer={"name": "adam", "learning_rate": 0.05},
        epochs=40,
        patience=2,
        **quick,
    )
    losses = run.history["val_loss"]
    assert run.metrics["stopped_early"]
    assert run.metrics["kept_epoch"] == losses.idxmin() + 1
    assert len(losses) == losses.idxmin() + 1 + 2
    assert run.metrics["val_loss"] == pytest.approx(losses.min(), rel=1e-4)


def test_best_weights_come_back_at_a_natural_end_too(tiny_digits, quick):
    run = ko.fit(
        network(),
        tiny_digits,
        optimizer={"name": "adam", "learning_rate": 0.1},
        epochs=6,
        patience=50,
        **quick,
    )
    expected = run.history["val_loss"].min()
    assert run.metrics["val_loss"] == pytest.approx(expected, rel=1e-4)


def test_no_patience_keeps_the_last_weights(tiny_digits, quick):
    run = ko.fit(network(), tiny_digits, epochs=3, **quick)
    last = run.history["val_loss"].iloc[-1]
    assert run.metrics["val_loss"] == pytest.approx(last, rel=1e-4)


class _RaiseAt(keras.callbacks.Callback):
    def __init__(self, epoch, error):
        super().__init__()
        self.epoch, self.error = epoch, error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise self.error


LOOKAHEAD = {"name": "lookahead", "every": 3, "decay": 0.5, "ramp": 0}
FREEZE = {"name": "freeze", "layers": "dense*", "after": 0.3}


# Replicas keep batch-norm statistics of their own; a checkpoint has their mean.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "tolerance"),
    [("cpu", 0), pytest.param(["CPU:0", "CPU:1"], 1e-3, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(
    "of_recipe", [pytest.param((), marks=pytest.mark.slow), (LOOKAHEAD, FREEZE)]
)
def test_an_interrupted_run_resumes_to_the_same_weights(
    of_recipe, devices, tolerance, tiny_digits, tmp_path
):
    def train(name, callbacks=(), **more):
        keras.utils.set_random_seed(1)
        return ko.fit(
            lambda: network(dropout=0.3, batch_norm=True),
            tiny_digits,
            augment={"name": "affine", "rotation_range": 10},
            epochs=5,
            patience=2,
            deterministic=True,
            checkpoint_seconds=0,
            directory=tmp_path / name,
            verbose=False,
            devices=devices,
            callbacks=[*of_recipe, *callbacks],
            **more,
        )

    whole = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("cut", callbacks=[_RaiseAt(3, KeyboardInterrupt())])
    with pytest.raises(ValueError, match=r"hasn't finished.*resume\("):
        ko.Run.load(tmp_path / "cut")
    resumed = train("cut", resume=True)
    for a, b in zip(
        whole.model.get_weights(), resumed.model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)
    for column in ("epoch", "loss", "val_loss", "learning_rate"):
        np.testing.assert_allclose(
            whole.history[column], resumed.history[column], rtol=0, atol=tolerance
        )
    assert whole.metrics["kept_epoch"] == resumed.metrics["kept_epoch"]


def test_the_best_weights_stay_whatever_lookahead_does(tiny_digits, quick):
    quick |= {"epochs": 60, "patience": 2, "callbacks": [LOOKAHEAD]}
    quick |= {"optimizer": {"name": "adam", "learning_rate": 0.03}}
    run = ko.fit(network(), tiny_digits, **quick)
    assert run.metrics["stopped_early"]
    best = run.history["val_loss"].min()
    assert run.metrics["val_loss"] == pytest.approx(best, rel=1e-4)


def test_a_resume_before_the_first_checkpoint_starts_anew_and_says_so(
    tiny_digits, quick, capsys
):
    quick |= {"verbose": True, "epochs": 1}
    with pytest.raises(KeyboardInterrupt):
        ko.fit(
            network(),
            tiny_digits,
            callbacks=[_RaiseAt(0, KeyboardInterrupt())],
            **quick,
        )
    assert "Interrupted before the first checkpoint" in capsys.readouterr().err
    run = ko.fit(network(), tiny_digits, resume=True, **quick)
    assert "has no checkpoint yet" in capsys.readouterr().err
    assert run.metrics["epochs"] == 1


@pytest.mark.with_report
def test_the_report_says_that_curves_show_the_smoothed_loss(tiny_digits, quick):
    run = ko.fit(network(), tiny_digits, epochs=1, label_smoothing=0.1, **quick)
    html = (run.directory / "report.html").read_text()
    assert "label smoothing 0.1" in " ".join(html.split())


def test_nan_ends_in_one_clear_message(tiny_digits, quick):
    optimizer = {"name": "sgd", "learning_rate": 1e30}
    with pytest.raises(ko.training.DivergedError, match="Lower the learning rate"):
        ko.fit(network(), tiny_digits, optimizer=optimizer, patience=2, **quick)
    assert not (quick["directory"] / "metrics.json").exists()


def test_mirrored_training_equals_that_of_one_device(tiny_digits, tmp_path):
    def weights(name, devices):
        keras.utils.set_random_seed(0)
        model = network()
        run = ko.fit(
            model,
            tiny_digits,
            optimizer={"name": "sgd", "learning_rate": 0.1},
            epochs=2,
            batch_size=34,  # 180 samples leave 10 for the last batch.
            devices=devices,
            directory=tmp_path / name,
            checkpoint_seconds=0,
            verbose=False,
        )
        return model, run

    (one, run_one), (two, run_two) = (
        weights("one", "cpu"),
        weights("two", ["CPU:0", "CPU:1"]),
    )
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(
            run_one.history[name], run_two.history[name], atol=1e-5
        )
    for name in ("val_loss", "test_loss", "test_accuracy"):
        assert run_two.metrics[name] == pytest.approx(run_one.metrics[name], abs=1e-5)
    assert run_two.metrics["devices"] == "2 CPUs (MirroredStrategy)"


def test_one_hot_labels_train_too(tiny_digits, quick):
    x, y = tiny_digits.train
    dataset = ko.data.from_arrays(x, np.eye(10, dtype="float32")[y], validation=40)
    run = ko.fit(network(), dataset, epochs=1, label_smoothing=0.1, **quick)
    assert "test_accuracy" not in run.metrics
    assert run.test_result is None
    assert "val_accuracy" in run.metrics


def test_test_data_never_reaches_the_training(tiny_digits, quick, monkeypatch):
    """A spy on the compiled steps collects everything that trained or validated."""
    seen = []
    original = CompiledSteps.run

    def spy(self, kind, source, steps, *arguments):
        rows = source.rows[: steps * source.batch_size]
        seen.append(sources.gather(source.arrays, rows, source.pixel_scale)[0].numpy())
        return original(self, kind, source, steps, *arguments)

    monkeypatch.setattr(CompiledSteps, "run", spy)
    ko.fit(network(), tiny_digits, epochs=1, **quick)
    rows = {row.tobytes() for batch in seen for row in batch}
    assert len(rows) >= 235  # 240 samples; a few digits are drawn twice alike.
    test = tiny_digits.test[0] / np.float32(255)
    assert not any(row.tobytes() in rows for row in test)


@pytest.mark.with_report
def test_allowed_test_data_as_validation_is_said_in_the_report(tiny_digits, quick):
    dataset = ko.data.from_arrays(
        *tiny_digits.train,
        validation=tiny_digits.test,
        test=tiny_digits.test,
        allow_test_as_validation=True,
    )
    run = ko.fit(network(), dataset, epochs=1, **quick)
    assert run.metrics["test_is_validation"]
    html = (run.directory / "report.html").read_text()
    assert run_folder.TEST_AS_VALIDATION_NOTE in html


def test_auto_precision_is_measured_and_recorded(tiny_digits, quick):
    run = ko.fit(network, tiny_digits, epochs=1, precision="auto", **quick)
    assert run.metrics["precision"] in ("float32", "mixed_bfloat16")
    recorded = yaml.safe_load((run.directory / "recipe.yaml").read_text())
    assert recorded["training"]["precision"] == run.metrics["precision"]


@pytest.mark.parametrize(("count", "is_said"), [(8, True), (40, False)])
def test_a_threshold_from_few_samples_is_said(count, is_said, quick, capsys):
    y = np.arange(100) % 2
    x = y[:, None] + np.random.default_rng(0).normal(size=(100, 3)).astype("float32")
    data = ko.data.from_arrays(x, y, validation=count)
    model = ko.models.mlp(input_shape=(3,), num_classes=2)
    ko.fit(model, data, epochs=1, **{**quick, "verbose": True})
    said = " ".join(capsys.readouterr().err.split())
    assert (f"is chosen on: {count}. Of so few" in said) == is_said


def test_sizes_are_refused_before_the_precision_is_timed(
    tiny_digits, quick, monkeypatch
):
    monkeypatch.setattr(
        calibration, "seconds_per_step", lambda *_: pytest.fail("timed")
    )
    with pytest.raises(ValueError, match="any_size=True"):
        ko.fit(network, tiny_digits, precision="auto", image_sizes={6: 0.5}, **quick)


def test_auto_precision_never_guesses_when_bits_must_match(tiny_digits, quick):
    run = ko.fit(
        network, tiny_digits, epochs=1, precision="auto", deterministic=True, **quick
    )
    assert run.metrics["precision"] == "float32"


def test_a_used_folder_is_never_touched(tiny_digits, tmp_path):
    note = tmp_path / "thesis.txt"
    note.write_text("mine")
    with pytest.raises(ValueError, match="nothing was changed"):
        ko.fit(network(), tiny_digits, directory=tmp_path, verbose=False)
    assert note.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [note]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epoch": 3}, "Unknown argument of fit 'epoch'. Did you mean 'epochs'"),
        ({"epochs": 0}, r"training.epochs: .*greater than 0; given: 0"),
        ({"epochs": "many"}, r"training.epochs: .*integer; given: 'many'"),
        ({"batch_size": 2.5}, r"training.batch_size: .*integer; given: 2.5"),
        ({"label_smoothing": -0.1}, r"training.label_smoothing: .*-0.1"),
        ({"monitor": "val_los", "patience": 1}, "'val_los' isn't logged.*'val_loss'"),
        ({"monitor": "no_loss", "patience": 1}, "'no_loss' isn't logged.*'val_loss'"),
        ({"monitor": "val_accuracy"}, "no effect without training.patience"),
        (
            {"tta_share": 0.5},
            "training.tta_share=0.5 has no effect without training.tta",
        ),
        ({"precision": "float8"}, r"training.precision: .*'mixed_bfloat16'"),
        ({"precision": "auto"}, "give fit a function that builds it"),
        ({"precision": "mixed_bfloat16"}, "give fit a function"),
        ({"devices": "tup"}, "Did you mean 'tpu'"),
        ({"optimizer": "adaam"}, "Did you mean 'adam'"),
        ({"augment": "afine"}, "Did you mean 'affine'"),
        ({"loss": "crossentropy"}, "Unknown loss"),
        ({"steps_per_epoch": 5}, "no effect on arrays"),
        ({"dataset": (np.zeros((4, 2)), np.arange(4) % 2)}, r"input_shape=\(2,\)"),
        ({"model": "mlp"}, "model must be a keras.Model or a function"),
        ({"model": lambda: network(num_classes=3)}, "num_classes=10"),
        ({"model": lambda: network(input_shape=(4,))}, r"input_shape=\(8, 8, 1\)"),
    ],
)
def test_bad_arguments(arguments, message, tiny_digits, quick):
    arguments = {
        "model": network(),
        "dataset": tiny_digits,
        **quick,
        **arguments,
    }
    with pytest.raises(ValueError, match=message):
        ko.fit(arguments.pop("model"), arguments.pop("dataset"), **arguments)
    assert not quick["directory"].exists()


def test_patience_without_validation_is_refused(tiny_digits, quick):
    dataset = ko.data.from_arrays(*tiny_digits.train, validation=0)
    with pytest.raises(ValueError, match="no validation part"):
        ko.fit(network(), dataset, patience=3, **quick)
    run = ko.fit(network(), dataset, patience=3, monitor="loss", epochs=1, **quick)
    assert "val_accuracy" not in run.metrics


def test_a_batch_that_devices_cannot_share_is_refused(tiny_digits, quick):
    quick["devices"] = ["CPU:0", "CPU:1"]
    with pytest.raises(ValueError, match="multiple of 2"):
        ko.fit(network(), tiny_digits, batch_size=33, **quick)


def test_only_layers_that_adapt_take_samples_before_the_training(
    tiny_digits, quick, monkeypatch
):
    """They would be decoded, and in memory as floats, a gigabyte of larger photos."""

    def some_samples(*given, **arguments):
        raise AssertionError

    monkeypatch.setattr("kerasopt.data.pipeline.some_samples", some_samples)
    assert len(ko.fit(network(), tiny_digits, epochs=1, **quick).history) == 1


def test_few_samples_train_for_two_hundred_steps(quick, capsys):
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    y = (x[:, 0] > 0).astype(int)

    def model():
        return keras.Sequential([keras.layers.Dense(1, "sigmoid")])

    quick["verbose"] = True
    steps = ko.training.TrainingSettings(batch_size=30)
    run = ko.fit(model(), (x, y), settings=steps, **quick)
    assert run.metrics["epochs"] == run.recipe["training"]["epochs"] == 100
    (note,) = [each for each in run.environment["notes"] if "default" in each]
    assert "100 epochs, 200 steps" in note and note in capsys.readouterr().err
    quick["directory"] = quick["directory"].with_name("given")
    run = ko.fit(model(), (x, y), epochs=2, **quick)
    assert len(run.history) == 2
    assert not any("default" in each for each in run.environment["notes"])


def test_epochs_beside_settings_with_a_budget_are_taken(tiny_digits, quick):
    timed = ko.training.TrainingSettings(budget="10m")
    run = ko.fit(network(), tiny_digits, settings=timed, epochs=2, **quick)
    assert len(run.history) == 2 and run.recipe["training"]["budget"] is None


def test_a_recipe_that_leaves_the_epochs_open_trains_long_enough(tiny_digits, quick):
    content = {"name": "open", "data": {"name": "arrays"}, "model": {"name": "mlp"}}
    recipe = ko.recipes.Recipe(content).replace("training.batch_size", 60)
    folder = quick["directory"]
    run = recipe.run(seed=1, dataset=tiny_digits, directory=folder, verbose=False)
    # 180 samples are three steps.
    assert run.metrics["epochs"] == run.recipe["training"]["epochs"] == 67


def test_a_resumed_run_keeps_the_epochs_that_were_chosen_for_it(tiny_digits, quick):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    given = {"batch_size": 60, **quick}
    with pytest.raises(KeyboardInterrupt):
        ko.fit(network, tiny_digits, callbacks=[Stop()], **given)
    run = ko.fit(network, tiny_digits, resume=True, **given)
    assert len(run.history) == run.metrics["epochs"] == 67
