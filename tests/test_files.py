"""kerasopt.files: a file is whole or not there."""

import pytest

import kerasopt as ko
from kerasopt import files
from kerasopt.training import directories


def test_success_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "note.txt"
    files.write_text(path, "one")
    files.write_text(path, "two")
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_failure_keeps_what_was_there(tmp_path, error):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(type(error)), files.atomic(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_suffix_is_kept_for_libraries_that_look_at_it(tmp_path):
    with files.atomic(tmp_path / "model.keras") as temporary:
        assert temporary.suffix == ".keras"


def test_file_is_as_readable_as_any_other(tmp_path):
    files.write_text(tmp_path / "ours", "x")
    (tmp_path / "plain").write_text("x")
    modes = [(tmp_path / name).stat().st_mode for name in ("ours", "plain")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (3, TypeError, "directory must be a path; given: 3 of type int"),
        (None, TypeError, "given: None"),
        (b"runs", TypeError, "given: b'runs' of type bytes"),
        ("", ValueError, "directory is empty"),
        ("a\0b", ValueError, "null character"),
        ("~nosuchuser/runs", ValueError, "home folder"),
    ],
)
def test_every_folder_that_a_user_gives_is_read_by_one_rule(given, error, message):
    for reads in (
        files.user_path,
        ko.Run,
        ko.runs,
        ko.tuning.SearchResult,
        ko.tuning.ArchitectureResult,
        ko.tuning.trial_log,
        directories.new_directory,
    ):
        if given is None and reads is directories.new_directory:
            continue  # Which makes a name of its own.
        arguments = ("name", given) if reads is directories.new_directory else (given,)
        with pytest.raises(error, match=message):
            reads(*arguments)


def test_a_name_that_tensorflow_cannot_write_is_refused(tmp_path):
    with pytest.raises(ValueError, match="isn't UTF-8"):
        directories.check_new(tmp_path / "n\udce9")


def test_a_tilde_stands_for_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = directories.new_directory("name", "~/mine")
    assert made == tmp_path / "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert ko.runs("~/mine").empty
