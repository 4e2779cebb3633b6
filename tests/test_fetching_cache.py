"""The cache: verified, atomic, locked, and no trouble when the disk is."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kerasopt import files
from kerasopt.fetching import cache
from kerasopt.fetching.hashing import sha256

ARRAYS = {
    "x": np.arange(60_000, dtype=np.uint8).reshape(100, 600),
    "y": np.arange(100, dtype=np.uint8),
}
HASHES = {key: sha256(array) for key, array in ARRAYS.items()}


@pytest.fixture
def path(tmp_path):
    return cache.cache_file("toy", data_dir=tmp_path / "datasets")


def visible(path):
    """Files beside the cache file, other than its lock."""
    return sorted(p.name for p in path.parent.iterdir() if p.suffix != ".lock")


def test_what_is_written_is_read(path):
    assert cache.write(path, ARRAYS, origin="here")
    arrays, origin = cache.read(path, hashes=HASHES)
    assert origin == "here"
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[key], array)
    assert visible(path) == [path.name]


def test_file_is_readable_as_any_new_file_is(path):
    cache.write(path, ARRAYS, origin="here")
    plain = path.parent / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASOPT_HOME", str(tmp_path / "home"))
    assert cache.folder() == tmp_path / "home" / "datasets"
    assert cache.folder(tmp_path / "own") == tmp_path / "own"
    monkeypatch.delenv("KERASOPT_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".kerasopt" / "datasets"


def test_file_instead_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="must be a folder"):
        cache.folder(tmp_path / "file")


@pytest.mark.parametrize("hashes", [HASHES, dict.fromkeys(HASHES, "")])
@pytest.mark.parametrize("position", [0.001, 0.3, 0.5, 0.99])
def test_flipped_bit_is_noticed(path, hashes, position):
    cache.write(path, ARRAYS, origin="here")
    contents = bytearray(path.read_bytes())
    contents[int(position * ARRAYS["x"].nbytes)] ^= 1
    path.write_bytes(contents)
    with pytest.raises(cache.CacheDamaged):
        cache.read(path, hashes=hashes)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_truncated_file_is_noticed(path, share):
    cache.write(path, ARRAYS, origin="here")
    contents = path.read_bytes()
    path.write_bytes(contents[: int(share * len(contents))])
    with pytest.raises(cache.CacheDamaged, match="can't be read"):
        cache.read(path, hashes=HASHES)


def test_other_arrays_are_noticed(path):
    cache.write(path, {"x": ARRAYS["x"]}, origin="here")
    with pytest.raises(cache.CacheDamaged, match="it holds"):
        cache.read(path, hashes=HASHES)
    cache.write(path, {**ARRAYS, "x": ARRAYS["x"] + 1}, origin="here")
    with pytest.raises(cache.CacheDamaged, match="x doesn't have its SHA-256"):
        cache.read(path, hashes=HASHES)


def test_pickles_are_not_loaded(path, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path.parent.mkdir(parents=True)
    bait = np.array([Trap()], dtype=object)
    np.savez(path, allow_pickle=True, **{**ARRAYS, "x": bait})
    with pytest.raises(cache.CacheDamaged):
        cache.read(path, hashes=HASHES)
    assert not (tmp_path / "sprung").exists()


def test_full_disk_keeps_what_was_there(path, capsys):
    cache.write(path, ARRAYS, origin="first")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # A real write error in the middle of the file, as a full disk gives.
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
        written = cache.write(path, ARRAYS, origin="second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not written
    message = capsys.readouterr().err
    assert "could not be kept" in message and "File too large" in message
    assert message.count("\n") == 1
    assert visible(path) == [path.name]
    assert cache.read(path, hashes=HASHES)[1] == "first"


def test_interrupt_during_the_write_leaves_nothing(path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cache.write(path, ARRAYS, origin="here")
    assert visible(path) == []


def test_leftovers_of_a_killed_process_are_removed(path):
    path.parent.mkdir(parents=True)
    names = (".writing-abcd1234.npz", ".writing-abcd5678.npz")
    old, young = (path.parent / name for name in names)
    users = [".my-backup.npz", ".writing-my-thesis.npz", "writing-abcd1234.npz"]
    users += [".writing-abcd1234.txt"]
    for name in (old.name, young.name, *users):
        (path.parent / name).write_bytes(b"half")
        if name != young.name:
            os.utime(path.parent / name, (time.time() - 1e5, time.time() - 1e5))
    cache.write(path, ARRAYS, origin="here")
    assert sorted(visible(path)) == sorted([young.name, path.name, *users])


def test_names_of_temporary_files_are_those_that_are_removed(path):
    with files.atomic(path) as temporary:
        files.remove_leftovers(path.parent, suffix=temporary.suffix)
        assert not temporary.exists()
        temporary.touch()


def test_without_a_home_folder_the_way_out_is_named(monkeypatch):
    monkeypatch.delenv("KERASOPT_HOME", raising=False)

    def no_home(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ValueError, match=r"no home folder.*KERASOPT_HOME"):
        cache.folder()
    monkeypatch.setenv("KERASOPT_HOME", "~nosuchuser/data")
    with pytest.raises(ValueError, match=r"KERASOPT_HOME='~nosuchuser/data'.*whole"):
        cache.folder()
    with pytest.raises(ValueError, match=r"data_dir='~nosuchuser'.*whole path"):
        cache.folder("~nosuchuser")
    with pytest.raises(TypeError, match="data_dir must be a path; given: 3 of type"):
        cache.folder(3)


KILLED = """
import os, sys
from pathlib import Path
import numpy as np
from kerasopt.fetching import cache
os.fsync = lambda _: os.kill(os.getpid(), 9)
cache.write(Path(sys.argv[1]), {"x": np.zeros(9), "y": np.zeros(9)}, origin="killed")
"""


def test_killed_while_writing_leaves_the_old_file(path):
    cache.write(path, ARRAYS, origin="first")
    result = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert result.returncode == -signal.SIGKILL
    assert len(visible(path)) == 2
    assert cache.read(path, hashes=HASHES)[1] == "first"


def test_folder_that_cannot_be_made_is_no_obstacle(tmp_path, capsys):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "below" / "kerasopt-toy.npz"
    with cache.lock(path):
        assert not cache.write(path, ARRAYS, origin="here")
    assert "Not a directory" in capsys.readouterr().err


def test_errors_inside_the_lock_come_out_unchanged(path):
    with pytest.raises(OSError, match="inside") as caught, cache.lock(path):
        raise OSError("inside")
    assert caught.value.__context__ is None


HOLDER = """
import sys, time
from pathlib import Path
from kerasopt.fetching import cache
with cache.lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_waits_and_is_freed_by_a_killed_process(path, capsys, monkeypatch):
    monkeypatch.setattr(cache, "_PATIENCE_SECONDS", 0.2)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with open(path.parent / f".{path.stem}.lock", "rb") as file:
            assert not files.try_lock(file)
        # Killed while another process waits: the wait must end.
        killer = subprocess.Popen(["sh", "-c", f"sleep 0.7; kill -9 {holder.pid}"])
        start = time.monotonic()
        with cache.lock(path):
            waited = time.monotonic() - start
        killer.wait()
    finally:
        holder.kill()
        holder.communicate()
    assert 0.3 < waited < 30
    assert capsys.readouterr().err.count("Another process is fetching") == 1
