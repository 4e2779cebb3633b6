"""The folder of a run: where it can be made, and that it stays the same one."""

import os
import shlex

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.training import directories, run_folder
from kerasopt.training.run import how_to_resume

pytestmark = pytest.mark.usefixtures("no_report")

X = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
Y = (X[:, 0] > 0).astype(int)


def net(name=None):
    layers = [keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")]
    return keras.Sequential(layers, name=name)


class ChangesFolder(keras.callbacks.Callback):
    """Leaves the working directory for another one in each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        os.makedirs("below", exist_ok=True)
        os.chdir("below")


@pytest.mark.parametrize("directory", ["mine", None])
def test_a_callback_may_change_the_working_directory(directory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = ko.fit(
        net(), (X, Y), epochs=2, callbacks=[ChangesFolder()], directory=directory,
        verbose=False,
    )  # fmt: skip
    assert run.directory.parent == (tmp_path if directory else tmp_path / "runs")
    assert run.history["epoch"].tolist() == [1, 2]
    assert not [path for path in (tmp_path / "below").rglob("*") if path.is_file()]


class MovesRun(keras.callbacks.Callback):
    """Moves the run's folder away after the first epoch."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.folder.rename(self.folder.with_name("moved"))


def test_a_run_whose_folder_is_moved_is_complete_all_the_same(quick):
    folder = quick["directory"]
    with pytest.warns(UserWarning, match="was moved or deleted during the training"):
        run = ko.fit(net(), (X, Y), epochs=3, callbacks=[MovesRun(folder)], **quick)
    found = ko.Run.load(folder)
    assert found.history["epoch"].tolist() == [1, 2, 3]
    assert found.metrics == run.metrics
    np.testing.assert_array_equal(found.predict(X), run.predict(X))


def test_names_of_any_length_give_a_folder(tmp_path, monkeypatch):
    """File systems take 255 bytes; the recipe keeps the whole name."""
    monkeypatch.chdir(tmp_path)
    assert directories.new_directory("😀" * 300, None).is_dir()
    name = "n" * 300
    run = ko.fit(net(name), (X, Y), epochs=1, verbose=False)
    assert run.recipe["name"] == name
    assert run.directory.name.startswith(name[:50])


@pytest.mark.parametrize("target", ["nowhere", "link"])
def test_a_link_that_leads_nowhere_is_refused(target, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / target)
    with pytest.raises(ValueError, match="isn't an empty folder; nothing was changed"):
        directories.check_new(link)


@pytest.mark.parametrize("place", ["file/below", "n" * 300])
def test_a_folder_that_cannot_be_made_says_what_to_do(place, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=place[:20]) as caught:
        directories.new_directory("name", tmp_path / place)
    assert "Name another one: directory=" in caught.value.__notes__[0]


@pytest.mark.parametrize("content", [{"data": {"name": "digits"}}, {}])
def test_how_to_resume_can_be_typed_as_it_stands(content, tmp_path):
    folder = tmp_path / "it's mine"
    folder.mkdir()
    run_folder.write(
        folder, run_folder.RECIPE, {"name": "x", "training": {}, **content}
    )
    said = how_to_resume(folder)
    assert (shlex.quote(str(folder)) if content else repr(str(folder))) in said
