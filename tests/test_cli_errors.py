"""Errors of commands: one message each, and an exit code by whose it is."""

import errno
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import kerasopt as ko
from kerasopt import checks
from kerasopt.cli import errors


@pytest.fixture
def failing(command, monkeypatch):
    """Run a command that ends with an error."""

    def run(error):
        def names():
            raise error

        monkeypatch.setattr(ko.recipes, "names", names)
        return command("recipes")

    return run


def invalid_argument():
    try:
        tf.linalg.matmul(np.ones((2, 3)), np.ones((2, 3)))
    except tf.errors.InvalidArgumentError as error:
        return error


def test_what_is_kept_after_an_error_is_said(failing):
    error = OSError(errno.ENOSPC, "No space left")
    error.add_note("The training is kept. Resume with: …")
    code, _, err = failing(error)
    assert code == errors.MISTAKE
    assert "try again.\nThe training is kept. Resume with: …" in err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ValueError("units must be > 0; given: [0]."),
            "units must be > 0; given: [0].",
        ),
        (FileNotFoundError(2, "No such file", "x[/y]"), "'x[/y]'"),
        (ImportError("No module named 'x'"), "No module named 'x'"),
        (OSError(errno.ENOSPC, "No space left"), "The disk is full"),
        (MemoryError(), "There isn't enough memory (MemoryError)"),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
            "There isn't enough memory (OOM when allocating)",
        ),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "Failed to flush 1 events to events.out"
            ),
            "The disk is full: Failed to flush 1 events to events.out. Free",
        ),
        (invalid_argument(), "TensorFlow can't compute this: "),
    ],
)
def test_what_a_user_can_change_is_exit_code_2(failing, error, message):
    code, out, err = failing(error)
    assert code == errors.MISTAKE
    assert err.startswith("Error: ")
    assert message in err
    assert err.count("\n") == 1
    assert "Traceback" not in out + err


def test_a_wrong_type_that_kerasopt_refuses_is_a_mistake(command, monkeypatch):
    def refuse():
        checks.integer("epochs", "three")

    with pytest.raises((TypeError, ValueError)) as raised:
        refuse()
    assert errors._known(raised.value) == str(raised.value)


@pytest.mark.parametrize("error", [ZeroDivisionError("division"), KeyError("x"),
                                   RecursionError("too deep")])  # fmt: skip
def test_a_bug_keeps_its_traceback_in_a_file(failing, error, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, out, err = failing(error)
    assert code == errors.BUG
    assert type(error).__name__ in err
    assert "This is a bug of kerasopt" in err
    assert "KERASOPT_DEBUG=1" in err
    assert "Traceback" not in out + err
    file = Path(re.search(r"traceback in '([^']*)'", err)[1])
    assert "in names" in file.read_text(encoding="utf-8")


def test_pythons_own_type_error_is_a_bug(failing):
    try:
        len(3)
    except TypeError as error:
        assert failing(error)[0] == errors.BUG


def test_debugging_shows_the_traceback(failing, monkeypatch):
    monkeypatch.setenv("KERASOPT_DEBUG", "1")
    with pytest.raises(ValueError, match="told"):
        failing(ValueError("told"))


def test_ctrl_c_is_quiet(failing):
    assert failing(KeyboardInterrupt()) == (errors.INTERRUPTED, "", "")


def test_a_closed_pipe_is_quiet(failing):
    assert failing(BrokenPipeError(errno.EPIPE, "Broken pipe"))[0] == errors.CLOSED


@pytest.mark.filterwarnings("default:The pixels are dark")
def test_a_warning_is_a_line_without_its_place_in_the_code(command, monkeypatch):
    def names():
        warnings.warn("The pixels are dark [a].", stacklevel=2)
        return []

    monkeypatch.setattr(ko.recipes, "names", names)
    _, _, err = command("recipes")
    assert err == "Warning: The pixels are dark [a].\n"


def test_a_command_leaves_warnings_as_they_were(command):
    before = warnings.showwarning
    command("recipes", "digits")
    assert warnings.showwarning is before


@pytest.mark.filterwarnings("default:.* is now:DeprecationWarning")
def test_an_old_name_is_told(command):
    change = "optimizer.learning_rate={name: one_cycle, peak: 0.1}"
    _, _, err = command("train", "digits", "--set", change, "--epochs", "0")
    assert "Warning: The argument 'peak' of 'one_cycle' is now 'max_learn" in err
