"""Layouts of image folders: recognised as classes or splits, or refused."""

import os
import warnings

import numpy as np
import pytest
from PIL import Image

from kerasopt.data import from_directory
from kerasopt.data.layouts import find_layout, list_images


def draw(path, seed):
    """Write a picture of its own at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def fill(root, *folders, count=3):
    """Write different pictures into each folder."""
    for number, folder in enumerate(folders):
        for n in range(count):
            draw(root / folder / f"{n}.png", 1000 * number + n)
    return root


def loaded(root, **arguments):
    """Load a folder; a warning fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return from_directory(root, **{"validation": 0, **arguments})


@pytest.mark.parametrize(
    ("train", "test", "validation"),
    [
        ("train", "test", "val"),
        ("Training", "Testing", "Validation"),
        ("training_set", "test_set", "dev_set"),
        ("seg_train", "seg_test", "seg_val"),
        ("TRAIN", "TEST", "VALID"),
        ("train-images", "test images", "valid.images"),
        ("TrainingSet", "testdata", "valset"),
        ("train_data", "test_data", "dev"),
    ],
)
def test_common_names_of_splits_are_recognised(tmp_path, train, test, validation):
    names = [f"{split}/{c}" for split in (train, test, validation) for c in "ab"]
    data = loaded(fill(tmp_path, *names))
    assert data.class_names == ("a", "b")
    assert data.sizes == {"train": 6, "validation": 6, "test": 6}
    assert all(f"/{test}/" in path for path in data.paths["test"])
    assert all(f"/{validation}/" in path for path in data.paths["validation"])


# Told before the error.
@pytest.mark.filterwarnings("ignore:.* belong to no class")
@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["train", "test"], "test, train, which look like splits, but train has no"),
        (["train", "val"], "train, val, which look like splits, but train has no"),
        (["train", "test", "pred"], "test, train, which look like splits"),
        (["train", "test/a"], "test, train, which look like splits"),
        (["Training", "Testing"], "Testing, Training, which look like splits"),
        (["train", "Train"], "Train, train, which look like splits"),
        (["train/a", "train/b", "Train/a"], "2 folders of train data: Train, train"),
        (["train/a", "train/b", "Train"], "2 folders of train data: Train, train"),
        (
            ["train/a", "train/b", "val/a", "valid/a"],
            "2 folders of validation data: val, valid",
        ),
        (["train/a", "train/b", "test"], "test has no subfolders: give it one for"),
        (["train/a", "train/b", "test/c"], "has classes that .*train lacks: c"),
        (["train/a", "train/b", "pred"], "train, which looks like a split, beside pre"),
        (["test", "val"], "test, val, but none of training images. Name it train"),
        (["first/a", "first/b", "second/a", "second/b"], "hold the folders a, b: they"),
        (["x/a", "x/b", "x/c", "y/a", "y/b"], "hold the folders a, b: they look like"),
        (["photos/a", "photos/b"], "only subfolder is 'photos'. Did you mean .*photos"),
        (["__MACOSX", "cat"], "its only subfolder is 'cat'"),
        ([".a", ".b"], "it has no subfolders"),
    ],
)
def test_layouts_that_may_be_either_are_refused(tmp_path, folders, message):
    fill(tmp_path, *folders)
    with pytest.raises(ValueError, match=message):
        from_directory(tmp_path)


@pytest.mark.parametrize("third", [["pred"], ["dev/a", "pred"], ["more/a", "more/b"]])
def test_folders_beside_splits_are_left_out_with_a_warning(tmp_path, third):
    fill(tmp_path, "train/a", "train/b", "test/a", "test/b", *third)
    other = third[-1].split("/")[0]
    with pytest.warns(UserWarning, match=rf"beside them isn't used: {other}\."):
        data = from_directory(tmp_path, validation=0)
    assert data.class_names == ("a", "b")
    size = 3 if "dev/a" in third else 0
    assert data.sizes == {"train": 6, "validation": size, "test": 6}


@pytest.mark.parametrize(
    "folders",
    [
        ["bus", "car", "train"],  # Vehicles.
        ["cat/images", "dog/images"],
        ["cat/2020", "cat/2021", "dog"],
    ],
)
def test_classes_may_be_named_like_splits(tmp_path, folders):
    data = loaded(fill(tmp_path, *folders))
    classes = {folder.split("/")[0] for folder in folders}
    assert data.class_names == tuple(sorted(classes))
    assert data.sizes["train"] == 3 * len(folders)


def test_hidden_and_foreign_folders_are_pruned_at_every_depth(tmp_path):
    fill(tmp_path, "a", "b", "a/deep")
    extra = ["__MACOSX/a", ".git", "a/.ipynb_checkpoints", "a/deep/__MACOSX"]
    fill(tmp_path, *extra, "b/deep/@eaDir", "b/.x/y")
    (tmp_path / "a" / "._0.png").write_bytes(b"?")
    data = loaded(tmp_path)
    assert data.class_names == ("a", "b") and data.sizes["train"] == 9
    kept = {os.path.relpath(path, tmp_path) for path in data.paths["train"]}
    numbers = "012"
    assert kept == {f"{d}/{n}.png" for d in ("a", "a/deep", "b") for n in numbers}


def test_images_beside_classes_are_told_of(tmp_path):
    fill(tmp_path, "a", "b")
    draw(tmp_path / "stray.png", 9)
    with pytest.warns(UserWarning, match=r"1 images directly in .*no class.*stray.png"):
        assert from_directory(tmp_path, validation=0).sizes["train"] == 6


def test_links_are_followed_and_cycles_end(tmp_path):
    fill(tmp_path, "root/a", "root/b", "elsewhere/more")
    root = tmp_path / "root"
    os.symlink(tmp_path / "elsewhere" / "more", root / "a" / "linked")
    os.symlink(tmp_path / "elsewhere" / "more" / "0.png", root / "b" / "one.png")
    for place, target in (
        (root / "a" / "self", root / "a"),
        (root / "a" / "up", root),
        (root / "b" / "twice", root / "b"),
        (tmp_path / "elsewhere" / "more" / "again", root / "a"),
        (tmp_path / "elsewhere" / "more" / "above", tmp_path / "elsewhere"),
    ):
        os.symlink(target, place)
    with pytest.warns(UserWarning, match=r"two classes: \S+0.png and \S+one.png"):
        data = from_directory(root, validation=0)
    assert np.bincount(data.train[1]).tolist() == [6, 4]
    # The class itself may be a link.
    os.symlink(tmp_path / "elsewhere" / "more", root / "c")
    assert len(list_images(root / "c")) == 6


def test_links_that_lead_nowhere_are_named(tmp_path):
    fill(tmp_path, "a", "b")
    os.symlink(tmp_path / "none.png", tmp_path / "a" / "gone.png")
    os.symlink(tmp_path / "b" / "loop", tmp_path / "b" / "loop")
    with pytest.raises(ValueError, match="2 of 8 files") as caught:
        from_directory(tmp_path)
    assert "gone.png" in str(caught.value) and "loop" in str(caught.value)


@pytest.mark.parametrize("bad", [b"caf\xe9", b"a/caf\xe9.png", b"a/caf\xe9/1.png"])
def test_names_that_are_not_utf8_are_refused(tmp_path, bad):
    fill(tmp_path, "a", "b")
    path = os.path.join(os.fsencode(tmp_path), bad)
    if bad.endswith(b".png"):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.link(os.fsencode(tmp_path / "b" / "0.png"), path)
    else:
        os.mkdir(path)
    with pytest.raises(ValueError, match=r"The name .*caf\\udce9.* isn't valid UTF-8"):
        from_directory(tmp_path)


def test_folders_that_cannot_be_read_are_named(tmp_path, monkeypatch):
    fill(tmp_path, "a", "b")
    scandir = os.scandir

    def closed(folder):
        if os.fspath(folder).endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(ValueError, match=r"/b can't be read: Permission denied"):
        from_directory(tmp_path)


def test_files_that_are_no_images_are_left_out_with_a_warning(tmp_path):
    fill(tmp_path, "a", "b", count=4)
    before = loaded(tmp_path, validation=2)
    strays = [tmp_path / "a" / "readme.txt", tmp_path / "b" / "LICENSE"]
    strays += [tmp_path / "b" / "labels.csv"]
    for stray in strays:
        stray.write_text("These are no pixels.")
    os.link(tmp_path / "b" / "0.png", tmp_path / "b" / "picture")  # An image, unnamed.
    with pytest.warns(UserWarning, match=r"aren't images were left out \(3\): "):
        data = from_directory(tmp_path, validation=0)
    assert data.skipped == tuple(map(str, strays))
    assert data.sizes["train"] == 9
    (tmp_path / "b" / "picture").unlink()
    with pytest.warns(UserWarning, match=r"readme.txt, .*/b/LICENSE"):
        data = from_directory(tmp_path, validation=2)
    assert data.hashes == before.hashes  # Not even the cut changes.


@pytest.mark.parametrize("name", ["text.png", "photo.HEIC", "drawing.svg", "x.jpg"])
def test_files_named_like_images_are_no_strays(tmp_path, name):
    fill(tmp_path, "a", "b")
    (tmp_path / "a" / name).write_text("These are no pixels.")
    with pytest.raises(ValueError, match=rf"1 of 7 files(.|\n)*{name}: not an image"):
        from_directory(tmp_path)


def test_classes_of_strays_alone_are_refused(tmp_path):
    fill(tmp_path, "a", "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "readme.txt").write_text("Nothing else.")
    with pytest.raises(ValueError, match="No training image of c can be read"):
        from_directory(tmp_path)


@pytest.mark.parametrize(
    ("directory", "error", "message"),
    [
        ("", ValueError, "directory is empty"),
        ("~nosuchuser/photos", ValueError, "home folder of this user isn't known"),
        (None, TypeError, "directory must be a path; given: None"),
        (b"photos", TypeError, "directory must be a path"),
        (__file__, ValueError, "is a file: give the folder"),
    ],
)
def test_bad_folders_are_refused(directory, error, message):
    with pytest.raises(error, match=message):
        from_directory(directory)


def test_a_layout_has_one_folder_for_each_split(tmp_path):
    fill(tmp_path, "Training/a", "Training/b", "dev/b", count=1)
    layout = find_layout(tmp_path)
    assert layout.folders == {
        "train": tmp_path / "Training",
        "validation": tmp_path / "dev",
    }


def test_a_folder_whose_name_says_nothing_is_no_class(tmp_path):
    fill(tmp_path, "a", " ", count=2)
    with pytest.raises(ValueError, match=r"The folder ' ' in .* rename it"):
        from_directory(tmp_path)


@pytest.mark.parametrize("folders", [["a", "b", "test"], ["testing", "training_shoes"]])
def test_a_class_that_is_named_like_a_split_is_told(tmp_path, folders):
    fill(tmp_path, *folders, count=2)
    with pytest.warns(UserWarning, match=r"test\w* beside .* counts as a class"):
        dataset = from_directory(tmp_path, validation=0)
    assert dataset.class_names == tuple(folders)
