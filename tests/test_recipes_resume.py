"""Resuming: what a run needs for it, what it refuses, and who may do it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from thinning import slow_unless

import kerasopt as ko
from kerasopt import files
from kerasopt.training import directories

ROOT = Path(__file__).parents[1]

# A shell's background jobs ignore Ctrl-C; these children must not.
START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from kerasopt.cli import main; main()"
)
TRAIN = [sys.executable, "-c", START, "train"]
DIGITS = ["digits", "--set", "training.checkpoint_seconds=0"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of a recipe, with a checkpoint of its end."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    recipe = ko.recipes.load("digits").replace("data.size", 300)
    recipe = recipe.replace("training.epochs", 2)
    recipe = recipe.replace("training.checkpoint_seconds", 0)
    return recipe.run(directory=folder, verbose=False)


@pytest.fixture
def cut(finished, tmp_path):
    """The same run, killed before its results were written."""
    return killed(finished.directory, tmp_path / "cut")


def killed(finished, folder):
    shutil.copytree(finished, folder)
    for name in ("metrics.json", "report.html", "model.keras"):
        (folder / name).unlink()
    return folder


def network():
    return ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,))


class _Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.fixture
def of_objects(tiny_digits, tmp_path):
    """An interrupted run that no recipe made, and what fit was given."""
    given = {"optimizer": {"name": "sgd", "learning_rate": 0.1}, "metrics": ["f1"]}
    settings = {"epochs": 3, "batch_size": 20, "checkpoint_seconds": 0, "seed": 5}
    with pytest.raises(KeyboardInterrupt):
        ko.fit(
            network,
            tiny_digits,
            callbacks=[_Stop()],
            directory=tmp_path / "cut",
            verbose=False,
            deterministic=True,
            **given,
            **settings,
        )
    return tmp_path / "cut", given


def test_a_run_killed_before_its_results_is_completed(finished, cut, capsys):
    run = ko.resume(cut)
    assert "Resuming after epoch 2" in capsys.readouterr().err
    assert run.metrics.keys() == finished.metrics.keys()
    for name in ("test_accuracy", "test_loss", "val_loss", "kept_epoch"):
        assert run.metrics[name] == pytest.approx(finished.metrics[name], rel=1e-4)
    pairs = zip(finished.model.get_weights(), run.model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert {"metrics.json", "report.html", "model.keras"} <= set(os.listdir(cut))
    assert len(run.history) == 2


@pytest.mark.parametrize("missing", ["report.html", "model.keras"])
def test_metrics_are_written_last(finished, missing, tmp_path, monkeypatch):
    """A kill at any moment of the end leaves a run that isn't finished."""
    folder = tmp_path / "run"
    written = []
    original = os.replace

    def replace(source, target):
        written.append(os.path.basename(target))
        original(source, target)

    monkeypatch.setattr(files.os, "replace", replace)
    killed(finished.directory, folder)
    ko.resume(folder, verbose=False)
    assert written.index(missing) < written.index("metrics.json")
    assert written[-1] == "metrics.json"


@pytest.mark.slow
def test_a_run_of_objects_resumes_with_the_objects(of_objects, tiny_digits, tmp_path):
    folder, given = of_objects
    run = ko.resume(folder, model=network, data=tiny_digits, verbose=False, **given)
    assert len(run.history) == 3
    assert (run.seed, run.recipe["training"]["batch_size"]) == (5, 20)
    settings = {"epochs": 3, "batch_size": 20, "seed": 5, "deterministic": True}
    whole = tmp_path / "whole"
    unbroken = ko.fit(
        network, tiny_digits, directory=whole, verbose=False, **given, **settings
    )
    pairs = zip(unbroken.model.get_weights(), run.model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_a_built_model_resumes_too_and_may_train_longer(of_objects, tiny_digits):
    folder, given = of_objects
    model = network()
    run = ko.resume(folder, model=model, data=tiny_digits, epochs=4, **given)
    assert len(run.history) == run.recipe["training"]["epochs"] == 4


def test_what_a_run_of_objects_lacks_is_named(of_objects, tiny_digits):
    folder, given = of_objects
    with pytest.raises(ValueError, match=r"ko\.resume\('.*', model=…, data=…\)"):
        ko.resume(folder)
    with pytest.raises(ValueError, match=r"model=…, data=…"):
        ko.resume(folder, model=network)
    with pytest.raises(ValueError, match="data_dir has no effect"):
        ko.resume(folder, model=network, data=tiny_digits, data_dir=".")
    with pytest.raises(ValueError, match=r"optimizer\.class_name was 'SGD'"):
        ko.resume(folder, model=network, data=tiny_digits, metrics=["f1"])
    other = tiny_digits.replace(test=None)
    with pytest.raises(ValueError, match="x_test, y_test missing"):
        ko.resume(folder, model=network, data=other, **given)
    assert not (folder / "metrics.json").exists()


def test_a_recipe_has_its_own_model_and_settings(cut):
    with pytest.raises(ValueError, match="has its own model: leave it out"):
        ko.resume(cut, model=network)
    with pytest.raises(ValueError, match="has its own epochs: leave it out"):
        ko.resume(cut, epochs=5)


@pytest.mark.slow
def test_a_recipe_on_own_data_resumes_with_them(tiny_digits, finished, tmp_path):
    recipe = ko.recipes.load("digits").replace("training.epochs", 1)
    run = recipe.run(dataset=tiny_digits, directory=tmp_path / "whole", verbose=False)
    folder = killed(run.directory, tmp_path / "cut")
    with pytest.raises(ValueError, match=r"x_train.*kerasopt\.resume"):
        ko.resume(folder, verbose=False)
    again = ko.resume(folder, data=tiny_digits, verbose=False)
    assert again.metrics["test_samples"] == run.metrics["test_samples"]


def test_other_data_are_refused_before_training(command, cut):
    """The hashes that the run recorded are compared with those of the data."""
    path = cut / "environment.json"
    about = json.loads(path.read_text())
    about["data"]["sha256"]["y_validation"] = "0" * 64
    path.write_text(json.dumps(about))
    (cut / "checksums.json").unlink()
    before = path.read_bytes()
    code, _, err = command("train", "--resume", cut)
    assert code == 2
    assert "y_validation changed" in err and "epoch 1" not in err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    slow_unless({"{", None}.__contains__, ["", "{", "[]", "{}", '{"data": {}}', None]),
)
def test_a_damaged_environment_is_found_before_training(command, cut, content):
    path = cut / "environment.json"
    path.unlink() if content is None else path.write_text(content)
    code, _, err = command("train", "--resume", cut)
    assert code == 2
    assert "is damaged: environment.json" in " ".join(err.split())
    assert "Resuming" not in err and "Traceback" not in err
    assert not (cut / "metrics.json").exists()


def test_another_number_of_threads_is_said(
    of_objects, tiny_digits, capsys, monkeypatch
):
    folder, given = of_objects
    before = json.loads((folder / "environment.json").read_text())["threads"]
    assert before >= 1
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(before + 1))
    run = ko.resume(folder, model=network, data=tiny_digits, **given)
    said = " ".join(capsys.readouterr().err.split())
    assert f"used {before} threads and resumes with {before + 1}" in said
    assert run.environment["threads"] == before + 1


@pytest.mark.parametrize(("activation", "said"), [("relu", False), ("tanh", True)])
def test_other_arguments_of_layers_are_said(
    activation, said, of_objects, tiny_digits, capsys
):
    folder, given = of_objects

    def other():
        return ko.models.mlp(
            input_shape=(8, 8, 1), num_classes=10, units=(16,), activation=activation
        )

    ko.resume(folder, model=other, data=tiny_digits, **given)
    err = " ".join(capsys.readouterr().err.split())
    assert ("layers have other arguments than those of the run" in err) is said


def test_a_run_that_another_process_resumes_is_refused(command, cut):
    with directories.locked(cut):
        code, _, err = command("train", "--resume", cut)
    assert code == 2
    assert "Another process is training into" in err
    assert command("train", "--resume", cut)[0] == 0


def test_a_run_that_was_completed_meanwhile_is_left_alone(cut, monkeypatch):
    """The other process ended between the first look and the lock."""
    original = directories.locked

    def locked(folder):
        (folder / "metrics.json").write_text("{}")
        return original(folder)

    monkeypatch.setattr(directories, "locked", locked)
    with pytest.raises(ValueError, match="already finished"):
        ko.resume(cut, verbose=False)
    assert (cut / "metrics.json").read_text() == "{}"


def start(words, folder):
    return subprocess.Popen(
        [*TRAIN, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path, child):
    deadline = time.monotonic() + 200
    while not path.exists() and time.monotonic() < deadline:
        assert child.poll() is None, child.communicate()[1]
        time.sleep(0.02)
    assert path.exists()


@pytest.mark.slow
def test_two_processes_with_one_folder(tmp_path):
    """One trains; the other is told so. None of them mixes its files in."""
    words = ["digits", "--set", "data.size=300", "--epochs", "2", "--out", "run"]
    children = [start([*words, "--seed", seed], tmp_path) for seed in "01"]
    said = [child.communicate(timeout=300)[1] for child in children]
    codes = [child.returncode for child in children]
    assert sorted(codes) == [0, 2], said
    loser = said[codes.index(2)]
    assert "Another process is training" in loser or "exists already" in loser
    assert ko.Run.load(tmp_path / "run").seed == codes.index(0)


@pytest.mark.slow
def test_a_kill_at_the_end_and_a_kill_in_the_midst(tmp_path):
    """Really killed: between epochs, then while the results are written."""
    folder = tmp_path / "run"
    words = [*DIGITS, "--epochs", "8", "--set", "data.size=400", "--out", "run"]
    child = start(words, tmp_path)
    wait_for(folder / "checkpoints" / "last.npz", child)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    child = start(["--resume", "run"], tmp_path)
    wait_for(folder / "model.keras", child)
    child.kill()
    child.communicate()
    if not (folder / "metrics.json").exists():  # It may have been quicker.
        with pytest.raises(ValueError, match=r"train --resume"):
            ko.Run.load(folder)
        child = start(["--resume", "run"], tmp_path)
        _, err = child.communicate(timeout=300)
        assert child.returncode == 0, err
        assert "Resuming after epoch 8" in err
    run = ko.Run.load(folder)
    assert len(run.history) == 8
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("of_recipe", [True, False])
def test_ctrl_c_says_what_resumes_this_run(of_recipe, finished, tiny_digits, capsys):
    folder = finished.directory.parent / f"ctrl-c-{of_recipe}"
    given = {"directory": folder, "epochs": 2, "checkpoint_seconds": 0}
    if of_recipe:
        given["recipe"] = finished.recipe
    with pytest.raises(KeyboardInterrupt):
        ko.fit(network, tiny_digits, callbacks=[_Stop()], **given)
    said = " ".join(capsys.readouterr().err.split())
    assert "Interrupted; the training up to epoch" in said
    assert (f"kerasopt train --resume {folder}" in said) == of_recipe
    assert (f"kerasopt.resume('{folder}', model=…, data=…)" in said) != of_recipe


@pytest.mark.parametrize("given", [3, "runs/a", None])
def test_the_data_of_what_is_no_run(given):
    with pytest.raises(TypeError, match=r"run must be a kerasopt\.Run; given"):
        ko.recipes.data_of(given)
