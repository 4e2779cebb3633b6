"""Folders of images in odd layouts: every image is read or named, or a sentence."""

import shutil
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
from fuzzing import accepted, inputs
from hypothesis import given
from hypothesis import strategies as st

from kerasopt.data import from_directory

NAMES = ("a", "b", "c", "train", "test", "val", "Train", "training_set", "test-set",
         "dev", "pred", "images", "__MACOSX", ".hidden", ".ipynb_checkpoints", "数字",
         "[red]", "x y", "1", "$x$")  # fmt: skip
FILES = ("0.png", "1.png", "2.jpg", "3.PNG", "4.jpeg", "empty.png", "text.png",
         "readme.txt", "Thumbs.db", ".DS_Store", "cut.png", "link.png", "grey.png",
         "wide.png", "5.gif", "6.bmp", "labels.csv")  # fmt: skip
RNG = np.random.default_rng(0)


def _picture(shape, suffix=".png"):
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        keras.utils.save_img(file.name, RNG.integers(0, 256, shape), scale=False)
        return Path(file.name).read_bytes()


CONTENT = {
    "empty.png": b"",
    "text.png": b"no picture",
    "readme.txt": b"hello",
    "labels.csv": b"file,label\n",
    "Thumbs.db": b"\0\1",
    ".DS_Store": b"\0\1",
    "cut.png": _picture((9, 9, 3))[:60],
    "grey.png": _picture((5, 4, 1)),
    "wide.png": _picture((2, 40, 3)),
}
# Not one picture twice, or test pictures would be training pictures.
POOL = {
    suffix: [_picture((6, 6, 3), suffix) for _ in range(60)]
    for suffix in (".png", ".jpg", ".jpeg", ".gif", ".bmp")
}


SOUND = {
    "nothing": [],
    "classes": ["a", "b"],
    "splits": ["train/a", "train/b", "test/a", "test/b"],
    "three": ["Training/a", "Training/b", "val/a", "val/b", "testing/a", "testing/b"],
    "wrapped": ["images/a", "images/b", "images/c"],
}
PICTURES = ("0.png", "1.png", "2.jpg", "4.jpeg", "grey.png")


@st.composite
def layouts(draw):
    """Return the files of a folder as paths: a sound layout, and odd things in it."""
    sound = SOUND[draw(st.sampled_from(sorted(SOUND)))]
    found = [(*folder.split("/"), name) for folder in sound for name in PICTURES]
    parts = st.lists(st.sampled_from(NAMES), min_size=0, max_size=3).map(tuple)
    folders = draw(st.lists(parts, min_size=0, max_size=4, unique=True))
    names = st.lists(st.sampled_from(FILES), min_size=1, max_size=4, unique=True)
    return found + [(*folder, name) for folder in folders for name in draw(names)]


@inputs(200)
@given(
    layout=layouts(),
    validation=st.sampled_from((0, 0.2, 1, 0.5, -1, 7, None, "x", np.nan)),
    test=st.sampled_from((0.0, 0.0, 0.3, 1.0, -0.1, True)),
    size=st.sampled_from(((4, 4), (4, 4), None, 4, (0, 4), "4x4")),
    cache=st.sampled_from(("memory", "none", "none", "no")),
    corrupt=st.sampled_from(("error", "skip")),
)
def test_a_folder_in_an_odd_layout(layout, validation, test, size, cache, corrupt):
    root = Path(tempfile.mkdtemp())
    try:
        for number, parts in enumerate(layout):
            path = root.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() or path.is_symlink():
                continue
            if path.name == "link.png":
                path.symlink_to("0.png")
            else:
                pictures = POOL.get(path.suffix.lower(), [b""])
                other = pictures[number % len(pictures)]
                path.write_bytes(CONTENT.get(path.name, other))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            dataset = accepted(
                lambda: from_directory(
                    root,
                    image_size=size,
                    validation=validation,
                    test=test,
                    cache=cache,
                    corrupt=corrupt,
                )
            )
        if dataset is not None:
            _check(dataset, layout, caught)
    finally:
        shutil.rmtree(root)


def _check(dataset, layout, caught):
    """All pictures are in one split or named; what is hidden is in none."""
    splits = list(filter(None, (dataset.train, dataset.validation, dataset.test)))
    for x, y in splits:
        assert len(x) == len(y) > 0
        assert set(np.unique(y)) <= set(range(dataset.num_classes))
    names = dataset.class_names
    assert len(set(names)) == len(names) >= 2
    assert not [name for name in names if name.startswith((".", "__MACOSX"))]
    visible = {
        parts
        for parts in layout
        if parts[-1] in PICTURES
        and not any(part.startswith((".", "__")) for part in parts)
    }
    read = sum(len(x) for x, _ in splits)
    said = " ".join(str(each.message) for each in caught)
    assert read >= len(visible) or said, (read, len(visible))
