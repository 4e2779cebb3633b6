"""What a new user sees: help, examples, versions, the list of fields, completion."""

import json
import shlex

import pytest
import typer.main

import kerasopt as ko
from kerasopt import cli

GROUP = typer.main.get_command(cli.app)
COMMANDS = sorted(GROUP.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_argument_and_option_is_described(name):
    found = GROUP.commands[name]
    assert len(found.help) > 20
    for parameter in found.params:
        hidden = getattr(parameter, "hidden", False)
        assert hidden or len(parameter.help or "") > 10, parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_shown_and_can_be_typed(command, name):
    example = cli.EXAMPLES[name]
    shown = " ".join(command(name, "--help")[1].split())
    assert f"Example: {example}" in shown
    first, called, *words = shlex.split(example)
    assert (first, called) == ("kerasopt", name)
    # Parses all words, and calls nothing.
    GROUP.commands[name].make_context(name, words)


def test_examples_are_of_commands():
    assert set(cli.EXAMPLES) == set(COMMANDS)
    with pytest.raises(Exception, match="No such option: --epoch"):
        GROUP.commands["train"].make_context("train", ["digits", "--epoch", "1"])


def test_version(command):
    assert command("--version") == (0, f"kerasopt {ko.__version__}\n", "")


def test_help_says_where_the_fields_are(command):
    shown = " ".join(command("train", "--help")[1].replace("│", " ").split())
    assert "'kerasopt fields RECIPE' lists them" in shown


def test_fields_of_all_recipes(command):
    code, out, err = command("fields")
    assert code == 0
    assert "training.patience=null  (int | None)\n    Epochs without" in out
    assert "model.dropout" not in out
    assert "kerasopt fields RECIPE" in err


def test_fields_of_a_recipe(command):
    out = command("fields", "digits")[1]
    assert "training.batch_size=64  (int)" in out
    assert "model.dropout=[0.1, 0.3]  (float | Sequence[float])" in out
    assert "optimizer.learning_rate.max_learning_rate=0.004" in out
    assert "augment.rotation_range=10" in out
    rows = json.loads(command("fields", "digits", "--json")[1])
    assert {"name", "type", "value", "help"} == set(rows[0])
    code, _, err = command("fields", "digit")
    assert (code, "Did you mean 'digits'" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (["--lr", "0.1"], "--set optimizer.learning_rate=…"),
        (["--batch", "8"], "--set training.batch_size=…"),
        (["--set", "lr=0.1"], "Did you mean 'optimizer.learning_rate'"),
        (["--set", "callback=x"], "Did you mean 'callbacks'"),
        (["--set", "metric=x"], "Did you mean 'metrics'"),
    ],
)
def test_a_word_of_other_libraries_is_understood(command, words, suggested):
    code, _, err = command("train", "digits", *words)
    assert code == 2
    assert suggested in err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("t", {"train", "tune"}),
        ("train dig", {"digits"}),
        ("tune cifar10-c", {"cifar10-chapter"}),
        ("fields mnist", {"mnist-cnn", "mnist-mlp"}),
        ("train mi", {"mine.yaml"}),
        ("train ./", {"./mine.yaml"}),
        ("data fash", {"fashion_mnist"}),
        ("train digits --set training.ep", {"training.epochs="}),
        ("tune digits --method r", {"random"}),
        ("evaluate runs/mine --tta mirror_", {"mirror_translate"}),
        ("train zzz", set()),
    ],
)
def test_shells_complete(command, monkeypatch, tmp_path, typed, offered):
    (tmp_path / "mine.yaml").write_text("")
    monkeypatch.setenv("_KERASOPT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"kerasopt {typed}")
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split())))
    code, out, _ = command()
    assert code == 0
    assert set(out.split()) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed(command, monkeypatch, shell):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code, out, _ = command("--show-completion", shell)
    assert code == 0
    assert "_KERASOPT_COMPLETE=complete_" in out


def test_bench_refuses_a_file_that_can_not_be_written(command, monkeypatch, tmp_path):
    """Before anything is measured."""
    from kerasopt.benchmarks import suite

    monkeypatch.setattr(suite, "run", lambda *_, **__: pytest.fail("measured"))
    (tmp_path / "file").write_text("mine")
    code, _, err = command("bench", "--out", "file/results.json")
    assert (code, "'file/results.json' can't be written" in err) == (2, True)
    code, _, err = command("bench", "--out", "file")
    assert (code, "exists already" in err) == (2, True)
    assert (tmp_path / "file").read_text() == "mine"


def test_tune_takes_epochs(command, monkeypatch):
    taken = {}

    def search(recipe, *_, **__):
        taken["epochs"] = recipe.training.epochs
        raise ValueError("enough")

    monkeypatch.setattr(ko.tuning, "search", search)
    assert command("tune", "digits", "--epochs", 3)[0] == 2
    assert taken == {"epochs": 3}
    code, _, err = command("tune", "--resume", "x", "--epochs", 3)
    assert (code, "leave out --epochs" in err) == (2, True)
