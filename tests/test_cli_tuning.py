"""kerasopt tune and kerasopt ablate."""

import json

import pytest
from PIL import Image

import kerasopt as ko

SMALL = ["--set", "data.size=240", "--set", "data.validation=60"]
SMALL += ["--set", "model={name: mlp, units: [8]}", "--set", "training.epochs=2"]
SPACE = "training.batch_size: [32, 64]\noptimizer.learning_rate: [0.01, 0.001]\n"


def test_tune_and_resume(command, tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE)
    words = ["tune", "digits", *SMALL, "--space", "space.yaml", "--method", "grid"]
    code, out, err = command(
        *words, "--max-trials", 2, "--stop", "none", "--out", "mine"
    )
    assert code == 0, err
    assert "batch_size" in out
    assert "2 completed" in out
    assert "train mine/best.yaml" in out
    code, out, _ = command("tune", "--resume", "mine", "--max-trials", 4, "--json")
    assert code == 0
    found = json.loads(out)
    assert len(found["trials"]) == 4
    assert found["best"] == max(each["mean"] for each in found["trials"])
    assert {each["status"] for each in found["trials"]} == {"completed"}
    code, out, _ = command("train", "mine/best.yaml", "--json")
    assert code == 0
    code, _, err = command("tune", "--resume", "mine", "--method", "random")
    assert (code, "leave out --method" in err) == (2, True)


def test_tune_without_a_space(command):
    words = ["tune", "digits", *SMALL, "--trials", 1, "--objective", "val_loss"]
    code, out, err = command(*words, "--seed", 3, "--json")
    assert code == 0, err
    assert "--trials is now --max-trials" in err
    found = json.loads(out)
    assert found["objective"] == "val_loss"
    assert "training.batch_size" in found["trials"][0]


@pytest.mark.slow
def test_ablate(command, tmp_path):
    words = ["ablate", "digits", *SMALL, "--factors", "dropout, l2", "--seeds", 2]
    words += ["--epochs", 1, "--out", "mine"]
    code, out, err = command(*words, "--plot", "forest.png")
    assert code == 0, err
    assert "leave one out" in out
    assert "all but dropout" in out
    assert "mine" in out
    with Image.open(tmp_path / "forest.png") as figure:
        assert figure.size[0] > 300
    code, out, _ = command(*words, "--json")  # All of it is there already.
    found = json.loads(out)
    assert [each["n"] for each in found["factors"]] == [2] * 4
    assert len(found["trainings"]) == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tune"], "Name a recipe"),
        (["tune", "digitz"], "Did you mean 'digits'"),
        (["tune", "digits", "--space", "missing.yaml"], "Can't read the space"),
        (["tune", "digits", "--method", "genetic"], "search.method"),
        (["tune", "digits", "--max-trials", "0"], "search.max_trials"),
        (["tune", "digits", "--max-trials", "two"], "--max-trials"),
        (["tune", "digits", "--budget", "soon"], "budget must be a time"),
        (["tune", "digits", "--budget", "0.01"], "ended before the first trial"),
        (["tune", "digits", "--objective", "f1"], "never logged"),
        (["tune", "digits", "--folds", "1"], "search.folds"),
        (["tune", "digits", "--stop", "never"], "Unknown rule of --stop"),
        (["tune", "digits", "--workers", "0"], "search.workers"),
        (["tune", "digits", "--out", "used"], "nothing was changed"),
        (
            [
                "ablate",
                "digits",
                "--factors=l2",
                "--epochs=1",
                "--set",
                "training.epochs=2",
            ],
            "training.epochs is given twice",
        ),
        (["tune", "--resume", "used"], "isn't the folder of a search"),
        (["tune", "digits", "--resume", "used"], "leave out RECIPE"),
        (["ablate"], "Name a recipe"),
        (["ablate", "digits"], "Accepted: augment, batch_norm"),
        (["ablate", "digits", "--factors", "dropuot"], "Did you mean 'dropout'"),
        (["ablate", "digits", "--factors", "l2", "--seeds", "0"], "seeds must be"),
        (["ablate", "digits", "--factors", "l2", "--epochs", "0"], "training.epochs"),
        (
            ["ablate", "digits", "--factors", "l2", "--objective", "f1"],
            "Unknown objective",
        ),
        (["ablate", "digits", "--factors", "l2", "--out", "used"], "nothing was"),
        (["ablate", "digits", "--factors", "l2", "--plot", "x.foo"], "must end in"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(command, tmp_path, words, message):
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.txt").write_text("mine")
    code, out, err = command(*words)
    assert code == 2
    assert message in " ".join(err.split())
    assert "Traceback" not in out + err
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["thesis.txt"]


def test_help_names_both(command):
    out = command("--help")[1]
    assert "tune" in out
    assert "ablate" in out
    assert ko.__version__
