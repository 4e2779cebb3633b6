"""What terminals, notebooks and log files are given."""

import io
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import rich.console

from kerasopt import console as consoles
from kerasopt.console import Bar, Console, escape, say, show_table, track


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A console on a terminal of some width, and what it was given."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")

    def of(width):
        file = Terminal()
        return Console(file=file, width=width), file

    return of


@pytest.fixture
def notebook(monkeypatch):
    """A notebook's displays: a list of the bundles that each was given."""
    shown = []

    class Handle:
        def __init__(self, bundle):
            self.bundles = [bundle]
            shown.append(self.bundles)

        def update(self, bundle, *, raw):
            assert raw
            self.bundles.append(bundle)

    def display(bundle, *, raw, display_id):
        assert raw and display_id
        return Handle(bundle)

    fake = types.SimpleNamespace(display=display)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=fake))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    return shown


@pytest.mark.parametrize("text", ["x[/y].png", "img[final].png", "[red]", "a:smile:b"])
def test_texts_are_no_markup(capsys, text):
    say(Console(stderr=False), text)
    show_table([text], [[text]])
    with Bar(Console(), text, 1) as bar:
        bar.update(advance=1, description=text, note=text)
    assert capsys.readouterr().out.count(text) == 3


@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "\x9b2J", "\r", "\x7f"])
def test_control_characters_are_written_out(capsys, text):
    say(Console(stderr=False), f"a{text}b")
    show_table(["file"], [[f"a{text}b"]])
    out = capsys.readouterr().out
    assert text not in out
    assert out.count(escape(text)) == 2
    assert escape("two\nlines\tof it") == "two\nlines\tof it"


def test_a_line_is_never_broken_and_a_table_fits(terminal):
    console, file = terminal(30)
    say(console, "word " * 20)
    assert file.getvalue().count("\n") == 1
    file = io.StringIO()
    narrow = Console(file=file, width=30)
    show_table(["name", "what"], [["cifar10", "word " * 20]], console=narrow)
    assert max(map(len, file.getvalue().splitlines())) <= 30


@pytest.mark.parametrize("measure", ["time", "count", "bytes", "note"])
@pytest.mark.parametrize("width", [20, 40, 100])
def test_a_bar_takes_one_line_of_any_terminal(terminal, width, measure):
    console, file = terminal(width)
    bar = Bar(console, "epoch 17/200", 50, measure=measure)
    with bar:
        bar.update(completed=25, note="12 s of 2 min")
        text = console.render_lines(bar._progress.get_renderable())
    assert len(text) == 1
    assert "epoch" in file.getvalue()


def test_a_bar_in_a_log_file_is_nothing():
    file = io.StringIO()
    with Bar(Console(file=file), "training", 10) as bar:
        bar.update(advance=3)
        say(bar.console, "epoch 1/2")
    assert file.getvalue() == "epoch 1/2\n"


def test_a_dumb_terminal_gets_no_control_codes(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    console, file = terminal(80)
    with Bar(console, "training", 10) as bar:
        bar.update(advance=3)
        say(console, "epoch 1/2")
    assert file.getvalue() == "epoch 1/2\n"


def test_no_color_draws_without_colors(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    console, file = terminal(80)
    with Bar(console, "training", 10) as bar:
        bar.update(advance=3)
    assert "training" in file.getvalue()
    assert "\x1b[38" not in file.getvalue()
    assert "\x1b[3" not in file.getvalue().replace("\x1b[3D", "")


def test_a_notebook_gets_one_display_that_is_updated(notebook, capsys, monkeypatch):
    monkeypatch.setattr(consoles, "NOTEBOOK_SECONDS", 0.0)
    console = Console()
    with Bar(console, "epoch 1/2", 2) as bar:
        bar.update(advance=1)
        say(console, "epoch 1/2  loss 0.5")
        bar.update(advance=1, description="epoch 2/2")
    (bundles,) = notebook
    assert len(bundles) == 4  # The first, two updates, the last.
    assert "epoch 1/2" in bundles[0]["text/plain"]
    assert "epoch 2/2" in bundles[-1]["text/plain"]
    assert "100%" in bundles[-1]["text/plain"]
    assert bundles[-1]["text/html"].startswith("<pre")
    said = capsys.readouterr()
    assert said.out == "epoch 1/2  loss 0.5\n"
    assert said.err == ""  # Which notebooks show in red.


def test_a_notebook_is_updated_a_few_times_a_second(notebook):
    with Bar(Console(), "training", 10_000) as bar:
        for _ in range(10_000):
            bar.update(advance=1)
    assert len(notebook[0]) < 50
    assert "100%" in notebook[0][-1]["text/plain"]


def test_a_quiet_notebook_shows_nothing(notebook):
    with Bar(Console(quiet=True), "training", 10) as bar:
        bar.update(advance=1)
    assert notebook == []


def test_short_work_shows_no_bar(notebook):
    assert list(track("abc", description="Letters", total=3)) == ["a", "b", "c"]
    assert notebook == []
    shown = track("abc", description="Letters", total=3, patience=0.0)
    assert list(shown) == ["a", "b", "c"]
    assert "3/3" in notebook[0][-1]["text/plain"]


def test_a_closed_pipe_is_the_callers_error():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        say(Console(file=Closed()), "text")


def test_no_other_module_makes_consoles_or_bars_of_rich():
    """They would read names as markup, or need ipywidgets in notebooks."""
    package = Path(consoles.__file__).parent
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"rich[. ](?:import )?(console|progress|markup|print)", text)
        assert not found or path == package / "console.py", path


@pytest.mark.parametrize("verbose", [False, 0, np.bool_(False), np.int64(0)])
def test_what_shows_no_progress(verbose):
    assert consoles.progress_console(verbose).quiet


@pytest.mark.parametrize("verbose", [True, 1, 2, np.bool_(True)])
def test_what_shows_progress(verbose):
    assert not consoles.progress_console(verbose).quiet


@pytest.mark.parametrize("verbose", ["no", "", None, 3, -1, 1.0, [], [0]])
def test_what_is_no_way_to_show_progress(verbose):
    with pytest.raises(TypeError, match="verbose must be True or False; given: "):
        consoles.progress_console(verbose)
