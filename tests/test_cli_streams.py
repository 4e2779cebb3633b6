"""Standard streams that are closed, full, or of a small character set."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasopt.cli import errors, streams

ROOT = Path(__file__).parents[1]


def shell(command, folder, **environment):
    """Run a line of sh in which ``k`` is kerasopt; variables as PYTHONIOENCODING."""
    line = f'k() {{ "{sys.executable}" -m kerasopt "$@"; }}; {command}'
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("91 ± 2 % …", "ascii", "91 +/- 2 % ..."),
        ("R² – 3×3", "ascii", "R2 - 3x3"),
        ("R² ± 1", "cp1251", "R2 ± 1"),
        ("кот", "ascii", r"\u043a\u043e\u0442"),
        ("a\udcffb", "utf-8", r"a\xffb"),
        ("┏━┓ 猫", "utf-8", "┏━┓ 猫"),
    ],
)
def test_what_an_encoding_lacks_is_replaced(monkeypatch, text, encoding, shown):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", file)
    streams.prepare()
    print(text, end="", flush=True)
    assert file.buffer.getvalue().decode(encoding) == shown


@pytest.mark.parametrize("encoding", ["ascii", "cp1251"])
@pytest.mark.parametrize("words", ["recipes", "data", "--help"])
def test_every_encoding_shows_every_listing(tmp_path, words, encoding):
    done = shell(f"k {words}", tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout) > 200


def test_a_terminal_of_unknown_width_shows_every_listing(tmp_path):
    assert len(shell("k data", tmp_path, COLUMNS="0").stdout) > 200


@pytest.mark.slow
def test_without_standard_streams_a_command_works_all_the_same(tmp_path):
    done = shell("k recipes digits <&- 2>&-; echo $?", tmp_path)
    assert done.stdout.startswith("name: digits")
    assert done.stdout.endswith("\n0\n")
    assert shell("k recipes >&-", tmp_path).returncode == 0
    done = shell("k evaluate nowhere 2>&-", tmp_path)
    assert (done.returncode, done.stdout) == (errors.MISTAKE, "")


def test_a_closed_pipe_ends_quietly(tmp_path):
    # The reader has gone before the first line is written.
    line = "{ k recipes; echo $? >code; } | true; cat code"
    done = shell(line, tmp_path)
    assert done.stderr == ""
    assert done.stdout == f"{errors.CLOSED}\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_output_is_an_error(tmp_path):
    done = shell("k recipes >/dev/full", tmp_path)
    assert done.returncode == errors.MISTAKE
    assert done.stderr.startswith("Error: The disk is full")
    assert done.stderr.count("\n") == 1
