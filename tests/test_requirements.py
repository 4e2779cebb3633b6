"""Which Python, which backend of Keras, and how extras are installed."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kerasopt as ko
from kerasopt import requirements

ROOT = Path(__file__).parents[1]


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Keras isn't imported yet, and its settings are in an empty folder."""
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "keras.json"


@pytest.mark.parametrize("name", ["jax", "torch", "numpy"])
def test_another_backend_is_refused_by_who_names_it(fresh, monkeypatch, name):
    requirements.check_backend()
    fresh.write_text(json.dumps({"backend": name}))
    with pytest.raises(ImportError, match=rf"keras.json' names '{name}'.*=tensorflow"):
        requirements.check_backend()
    with pytest.raises(ImportError, match="TensorFlow backend"):
        ko.fit  # noqa: B018
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    requirements.check_backend()
    monkeypatch.setenv("KERAS_BACKEND", name)
    with pytest.raises(ImportError, match=f"KERAS_BACKEND names '{name}'"):
        requirements.check_backend()


@pytest.mark.parametrize("text", ["{", "[]", "{}", "null", '{"floatx": "float32"}'])
def test_settings_without_a_backend_are_no_mistake(fresh, text):
    fresh.write_text(text)
    requirements.check_backend()


def test_a_backend_that_keras_already_has_counts(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # Too late to have an effect.
    assert "keras" in sys.modules
    requirements.check_backend()


def test_what_needs_no_keras_works_with_any_backend(monkeypatch, fresh):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert ko.scratch and ko.data


def test_a_command_says_it_in_one_message(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "kerasopt", "train", "digits"],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: kerasopt runs on Keras's TensorFlow backend")
    assert done.stderr.count("\n") == 1


def test_no_message_names_an_index():
    """A stranger could claim the name there."""
    for path in (ROOT / "kerasopt").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"install ['\"]?kerasopt", text), path


def test_the_extras_that_messages_name_exist():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = set(setup["options.extras_require"])
    named = set()
    for path in (ROOT / "kerasopt").rglob("*.py"):
        for call in re.findall(r"\binstall\(([^)]*)\)", path.read_text("utf-8")):
            named |= set(re.findall(r"['\"](\w+)['\"]", call))
    assert {"cpu", "tune", "bench"} <= named <= extras


def test_the_default_environment_has_what_searches_need():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\ninstall: $(VENV)/installed-$(EXTRA),tune\n" in makefile
    assert "\nrun: install\n" in makefile


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("version", "accepted"),
    [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)],
)
def test_the_makefile_names_the_python_versions_that_work(tmp_path, version, accepted):
    """As python_requires has them; without it pip's own error is a riddle."""
    for name in ("Makefile", "setup.cfg", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    code = f"import sys; sys.version_info = {version}; exec(sys.argv[1])"
    # Of another version in all but name; it makes no environment.
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -m ] && exit 3\nexec {sys.executable} -c "{code}" "$2"\n'
    )
    python.chmod(0o755)
    done = subprocess.run(
        ["make", ".venv", f"PYTHON={python}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("needs Python 3.11, 3.12 or 3.13" in done.stdout) is not accepted
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["options"]["python_requires"] == ">=3.11,<3.14"
