"""The command line: results, exit codes, and messages instead of tracebacks."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kerasopt as ko
from kerasopt import files

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two finished runs on a cut of digits."""
    folders = [tmp_path_factory.mktemp("runs") / f"seed-{seed}" for seed in (0, 1)]
    recipe = ko.recipes.load("digits").replace("data.size", 300)
    recipe = recipe.replace("training.epochs", 4)
    for seed, folder in enumerate(folders):
        recipe.run(seed=seed, directory=folder, verbose=False)
    return folders


def test_help_and_listings(command):
    code, out, _ = command("--help")
    assert code == 0
    for word in ("demo", "recipes", "data", "train", "lr-range", "evaluate", "compare"):
        assert word in out
    assert "cifar10-chapter" in command("recipes")[1]
    assert "358,218" in command("recipes", "cifar10-chapter")[1]
    listed = json.loads(command("recipes", "--json")[1])
    assert {recipe["name"] for recipe in listed} == set(ko.recipes.names())
    assert "fashion_mnist" in command("data")[1]
    assert json.loads(command("data", "digits", "--json")[1])["classes"] == 10


def test_train_writes_a_run_and_prints_json(command, tmp_path):
    words = ["train", "digits", "--set", "data.size=300", "--epochs", 2, "--seed", 7]
    code, out, err = command(*words, "--out", "mine", "--json")
    assert code == 0
    result = json.loads(out)
    assert result["epochs"] == 2
    assert result["seed"] == 7
    assert "epoch 2/2" in err
    assert ko.Run.load(tmp_path / "mine").metrics["test_accuracy"] > 0.1


@pytest.mark.slow
def test_a_budget_takes_the_place_of_epochs(command):
    words = ["train", "digits", "--set", "data.size=300", "--budget", "12s", "--json"]
    code, out, err = command(*words)
    assert code == 0
    assert "a budget of 12.0 s" in err
    found = json.loads(out)
    assert not found["stopped_early"] or found["epochs"] > 1
    words = [*words[:4], "--epochs", 1, "--set", "training.budget=1h", "--json"]
    assert json.loads(command(*words)[1])["epochs"] == 1


@pytest.mark.slow
def test_evaluate_takes_views(command, runs):
    plain = json.loads(command("evaluate", runs[0], "--json")[1])
    views = json.loads(command("evaluate", runs[0], "--tta", "mirror", "--json")[1])
    assert views["test_log_loss"] != plain["test_log_loss"]
    code, _, err = command("evaluate", runs[0], "--tta", "miror")
    assert code == 2 and "mirror_translate" in err


@pytest.mark.slow
def test_evaluate_repeats_the_views_of_a_run(command, tmp_path):
    words = ["train", "digits", "--set", "data.size=300", "--epochs", 1, "--json"]
    views = {"tta": "mirror_translate", "tta_share": 0.3}
    for name, value in views.items():
        words += ["--set", f"training.{name}={value}"]
    trained = json.loads(command(*words, "--out", "views")[1])
    words = ["evaluate", "views", "--tta", "mirror_translate", "--tta-share", 0.3]
    again = json.loads(command(*words, "--json")[1])
    assert again["test_accuracy"] == pytest.approx(trained["test_accuracy_tta"])
    assert again["test_interval"] == pytest.approx(trained["test_interval_tta"])
    assert again["test_samples"] == trained["test_samples"]
    assert {name: again[name] for name in views} == views
    said = command(*words)[1]
    assert "mean of 6 views of the least certain 30 % of the images" in said


@pytest.mark.slow
def test_the_recipe_of_a_changed_run_makes_it_again(command):
    """As the report says; seed and changed fields are in it."""
    words = ["train", "digits", "--set", "data.size=300", "--epochs", 1, "--seed", 3]
    first = json.loads(command(*words, "--out", "first", "--json")[1])
    again = json.loads(command("train", "first/recipe.yaml", "--json")[1])
    assert again["seed"] == 3
    assert again["test_loss"] == pytest.approx(first["test_loss"], rel=1e-4)


def test_evaluate_agrees_with_the_run(command, runs):
    code, out, _ = command("evaluate", runs[0], "--json")
    metrics = ko.Run.load(runs[0]).metrics
    assert code == 0
    assert json.loads(out)["test_accuracy"] == pytest.approx(
        metrics["test_accuracy"], abs=1e-5
    )
    assert "precision" in command("evaluate", runs[0])[1]


@pytest.mark.slow
def test_lr_range_suggests_a_rate_and_draws_it(command, tmp_path):
    words = ["lr-range", "digits", "--set", "data.size=300", "--steps", 40]
    code, out, _ = command(*words, "--plot", "rates.png")
    assert code == 0
    assert "suggestion" in out
    with Image.open(tmp_path / "rates.png") as figure:
        assert figure.size[0] > 400
    code, _, err = command(*words, "--plot", "rates.png")
    assert (code, "exists already" in err) == (2, True)
    code, _, err = command(*words, "--plot", "rates.foo")
    assert (code, "must end in one of .png" in err) == (2, True)
    code, _, err = command(*words, "--plot", "nowhere/rates.png")
    assert (code, "There is no folder 'nowhere'" in err) == (2, True)
    found = json.loads(command(*words, "--json")[1])
    assert 1e-6 < found["suggestion"] <= found["lowest"] < 10
    assert len(found["table"]) <= 40
    grouped = "optimizer={name: grouped, default: sgd, groups: {bias: adam}}"
    code, _, err = command(*words, "--set", grouped)
    assert (code, "--set 'optimizer={name: sgd" in err) == (2, True)


def test_compare_pairs_the_seeds(command, runs):
    code, out, _ = command("compare", *runs, "--json")
    assert code == 0
    assert len(json.loads(out)["runs"]) == 2
    assert "measured" not in out
    assert "digits" in command("compare", *runs)[1]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_predict_takes_pictures_of_any_size_and_kind(command, runs, tmp_path, mode):
    digits = ko.data.load("digits")
    pixels = np.kron(digits.test[0][0, :, :, 0], np.ones((13, 17), "uint8"))
    Image.fromarray(pixels).convert(mode).save(tmp_path / "picture.png")
    code, out, _ = command("predict", runs[0], "picture.png", "--json")
    assert code == 0
    (row,) = json.loads(out)
    assert row["class"] in digits.class_names
    assert 0.1 <= row["probability"] <= 1
    assert "picture.png" in command("predict", runs[0], "picture.png")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "cifar"], "Did you mean 'cifar10'"),
        (["train"], "Name a recipe"),
        (["train", "missing.yaml"], "Can't read the recipe 'missing.yaml': No such"),
        (["train", "digits", "--epochs", "3", "--budget", "9s"], "not both"),
        (["train", "digits", "--set", "from_budget=3"], "from_budget"),
        (["train", "digits", "--set", "training.tta_share=0.5"], "no effect without"),
        (["train", "digits", "--set", "from_budget={8m: 3}"], "from_budget"),
        (["train", "digits", "--set", "training.epoch=3"], "Did you mean 'epochs'"),
        (["train", "digits", "--set", "training.epochs=x"], "given: 'x'"),
        (["train", "digits", "--set", "model.dropout=-1"], "dropout must be rates"),
        (["train", "digits", "--set", "model.batch_norm_momentum=x"], "must lie in"),
        (["train", "digits", "--set", "model.dropout={a: 1}"], "dropout"),
        (["train", "digits", "--set", "model.name=cmn"], "Did you mean 'cnn'"),
        (["train", "digits", "--set", "data.name=digit"], "Did you mean 'digits'"),
        (["train", "digits", "--set", "nonsense"], "--set takes FIELD=VALUE"),
        (["train", "digits", "--set", "model.units=["], "isn't valid YAML"),
        (["train", "digits", "--epochs", "0"], "training.epochs"),
        (["train", "digits", "--seed", "-1"], "training.seed"),
        (["train", "digits", "--epochs", "two"], "--epochs"),
        (
            ["train", "digits", "--seed", "1", "--set", "training.seed=2"],
            "training.seed is given twice",
        ),
        (
            ["train", "digits", "--set", "model.l2=0", "--set", "model.l2=1"],
            "model.l2 is given twice",
        ),
        (
            ["train", "digits", "--set", "model.l2=0", "--set", "model={name: mlp}"],
            "model.l2 would have no effect, since model after it",
        ),
        (["train", "digits", "--out", ""], "An argument is empty"),
        (["evaluate", ""], "An argument is empty"),
        (["train", "digits", "--out="], "--out= has no value"),
        (["train", "digits", "--resume", "x"], "leave out RECIPE"),
        (["train", "--resume", "x"], "isn't a run"),
        (["train", "digits", "--out", "used"], "nothing was changed"),
        (["recipes", "digit"], "Did you mean 'digits'"),
        (["data", "cifar100"], "Did you mean 'cifar10'"),
        (["evaluate", "nowhere"], "isn't a run"),
        (["train", "digits", "--budget", "soon"], "budget must be a time"),
        (["train", "digits", "--budget", "1s"], "leaves no time to train"),
        (["predict", "nowhere", "x.png"], "isn't a run"),
        (["compare", "nowhere", "there"], "isn't a run"),
        (["tran"], "tran"),
        (["train", "digits", "--epoch", "3"], "--epoch"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(command, tmp_path, words, message):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").write_text("mine")
    code, out, err = command(*words)
    assert code == 2
    assert message in err
    assert "Traceback" not in out + err
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


def test_predict_on_what_is_no_picture(command, runs, tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    code, _, err = command("predict", runs[0], "notes.png")
    assert code == 2
    assert "notes.png" in err
    assert command("predict", runs[0], "missing.png")[0] == 2


def test_diverging_training_is_exit_code_2(command):
    code, _, err = command(
        "train", "digits", "--set", "data.size=300", "--set", "optimizer.name=sgd",
        "--set", "optimizer.learning_rate=1e30",
    )  # fmt: skip
    assert code == 2
    assert "Lower the learning rate" in err


def test_a_full_disk_is_exit_code_2(command, monkeypatch, tmp_path):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_flush_to_disk", no_space)
    code, _, err = command("train", "digits", "--set", "data.size=300", "--epochs", "1")
    assert code == 2
    assert "The disk is full" in err
    left = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert left <= {".kerasopt-lock"}


@pytest.mark.slow
def test_demo_without_cifar10_says_so_and_trains_digits(command, monkeypatch, tmp_path):
    monkeypatch.setenv("KERASOPT_OFFLINE", "1")
    monkeypatch.setenv("KERASOPT_HOME", str(tmp_path / "home"))
    code, out, err = command("demo", "--json")
    assert code == 0
    assert "digits" in err
    assert "--data-dir" in err
    assert json.loads(out)["test_accuracy"] > 0.9


@pytest.mark.slow
def test_ctrl_c_exits_130_and_the_run_resumes(tmp_path):
    # A shell's background jobs ignore Ctrl-C; this child must not.
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from kerasopt.cli import main; main()"
    )
    words = [sys.executable, "-c", start, "train"]
    settings = ["digits", "--epochs", "15", "--out", "run"]
    settings += ["--set", "training.checkpoint_seconds=0"]
    there = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    child = subprocess.Popen(
        words + settings,
        **there,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    checkpoint = tmp_path / "run" / "checkpoints" / "last.npz"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        assert child.poll() is None, child.communicate()[1]
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert "kerasopt train --resume run" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert not list(tmp_path.rglob(".writing-*"))
    done = subprocess.run(
        [*words, "--resume", "run", "--json"],
        **there,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Resuming after epoch" in done.stderr
    assert json.loads(done.stdout)["epochs"] == 15
