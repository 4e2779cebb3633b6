"""kerasopt.files: a file is whole or not there."""

import pytest

from kerasopt import files


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
