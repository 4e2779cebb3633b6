"""Commands with odd options and arguments: exit code 0 or 2, and never a traceback."""

import contextlib
import io
import sys

import pytest
import typer
from fuzzing import inputs
from hypothesis import given
from hypothesis import strategies as st

import kerasopt as ko
from kerasopt import cli

# Warnings are sentences, too.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

RECIPE = """
name: tiny
data: {name: digits, size: 40, validation: 10}
model: {name: mlp, units: [4]}
training: {epochs: 1, batch_size: 20, devices: cpu}
"""
# No large numbers: a billion epochs are what was asked for.
ODD = ("", " ", "-1", "0", "1.5", "nan", "inf", "-inf", "1e5", "true", "None", "[",
       "{}", "x", "é数", "[/b]", "a,b", "a=b", "a.b=1", "model.units=[2]", "=", "0s",
       "-5m",
       "tiny.yaml", "run", "nowhere", "file.txt", "folder", "new/x", "~nosuchuser/x",
       "99999999999999999999", "\udcff", "../..", "val_loss", "grid", "mirror",
       "dropout", "l2", "png", "x.png", "picture.png")  # fmt: skip
# What makes most of a command's words fit, so that the odd one is reached.
FITTING = {
    "recipe": "tiny.yaml", "run": "run", "runs": "run", "images": "picture.png",
    "factors": "dropout", "max_trials": "1", "seeds": "1", "method": "grid",
    "epochs": "1", "steps": "3", "plot": "new.png", "budget": "-5m", "name": "digits",
}  # fmt: skip
ALWAYS = {"tune": {"max_trials"}, "ablate": {"seeds", "factors"}}
"""Options without which a command would take long."""

APP = typer.main.get_command(cli.app)
COMMANDS = {
    name: [param for param in command.params if param.name != "help"]
    for name, command in APP.commands.items()
    if name not in ("demo", "bench")  # Which take minutes.
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a recipe, a finished run, a picture and some nonsense."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "tiny.yaml").write_text(RECIPE)
    (folder / "file.txt").write_text("no recipe")
    (folder / "folder").mkdir()
    ko.recipes.load(folder / "tiny.yaml").run(directory=folder / "run", verbose=False)
    import keras

    keras.utils.save_img(folder / "picture.png", [[[0], [200]], [[9], [0]]])
    return folder


@st.composite
def commands(draw):
    """Return the words of a command with some of its options."""
    name = draw(st.sampled_from(sorted(COMMANDS)))
    words, options = [name], []
    for param in COMMANDS[name]:
        is_given = draw(st.integers(0, 2)) == 0 or param.name in ALWAYS.get(name, ())
        if not is_given and param.param_type_name != "argument":
            continue
        value = FITTING.get(param.name, "1")
        if draw(st.integers(0, 2)) == 0 and param.name != "budget":
            value = draw(st.sampled_from(ODD))
        if param.param_type_name == "argument":
            words.append(value)
        elif getattr(param, "is_flag", False):
            options.append(param.opts[0])
        else:
            options += [param.opts[0], value]
    words += options
    if draw(st.integers(0, 3)) == 0:
        words.append(draw(st.sampled_from((*ODD, "--epoch", "--trials", "-x", "--"))))
    return words


@inputs(150)
@given(words=commands())
def test_a_command_with_odd_words(place, words):
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(sys, "argv", ["kerasopt", *words])
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            pytest.raises(SystemExit) as stopped,
        ):
            cli.main()
    assert stopped.value.code in (0, 2), said.getvalue()
    assert "Traceback" not in said.getvalue()
    if stopped.value.code == 2:
        assert len(said.getvalue().strip()) > 20
