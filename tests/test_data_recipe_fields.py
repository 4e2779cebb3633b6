"""The fields of a recipe's data: each has an effect or is refused."""

import shutil

import numpy as np
import pytest
from PIL import Image

from kerasopt import recipes
from kerasopt.data import available
from kerasopt.data.recipe_fields import check_fields, load_fields


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of two classes with ten pictures each."""
    root = tmp_path_factory.mktemp("photos")
    for name in "ab":
        (root / name).mkdir()
        for n in range(10):
            pixels = np.random.default_rng(n + 100 * ord(name)).integers(0, 256, (6, 8))
            Image.fromarray(pixels.astype("uint8")).save(root / name / f"{n}.png")
    return str(root)


@pytest.mark.parametrize("name", available())
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "x"),
        ("image_size", (8, 8)),
        ("test", 0.5),
        ("color", "rgb"),
        ("corrupt", "skip"),
    ],
)
def test_fields_without_effect_are_refused(name, field, value):
    with pytest.raises(ValueError, match=rf"data.{field}=.* has no effect on '{name}'"):
        check_fields({"name": name, field: value})
    check_fields({"name": name, field: None})


def test_every_field_of_a_directory_has_an_effect(photos):
    given = {"name": "directory", "path": photos}
    plain = load_fields(given)
    assert plain.sizes == {"train": 18, "validation": 2, "test": 0}
    for field, value in (
        ("image_size", (3, 4)),
        ("validation", 6),
        ("validation", 0),
        ("test", 4),
        ("test", 0.2),
        ("seed", 1),
        ("size", 10),
        ("color", "grayscale"),
    ):
        assert load_fields({**given, field: value}).hashes != plain.hashes, field
    assert load_fields({**given, "size": 10}).sizes["train"] == 8
    assert load_fields({**given, "test": 0}).hashes == plain.hashes


def test_a_recipe_can_leave_out_files_that_cannot_be_read(photos, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    (folder / "a" / "0.png").write_bytes(b"\x89PNG")
    given = {"name": "directory", "path": str(folder)}
    with pytest.raises(
        ValueError, match=r"1 of 20 files [\s\S]*\(--set data.corrupt=skip\)"
    ):
        load_fields(given)
    with pytest.warns(UserWarning, match=r"can't be read .*\(1\): .*0.png\.$"):
        data = load_fields({**given, "corrupt": "skip"})
    assert data.sizes["train"] + data.sizes["validation"] == 19
    with pytest.raises(ValueError, match="Unknown corrupt 'ignore'"):
        load_fields({**given, "corrupt": "ignore"})


def test_every_field_of_published_data_has_an_effect():
    plain = load_fields({"name": "digits"})
    for field, value in (("validation", 99), ("validation", 0), ("seed", 1)):
        changed = load_fields({"name": "digits", field: value})
        assert changed.hashes["x_train"] != plain.hashes["x_train"]
    assert load_fields({"name": "digits", "size": 100}).sizes["test"] == 25


@pytest.mark.parametrize(
    ("fields", "arguments", "message"),
    [
        ({"name": "directory"}, {}, "data.path must name the folder"),
        (
            {"name": "directory", "path": "x"},
            {"data_dir": "y"},
            "data_dir='y' has no effect on data 'directory'",
        ),
        ({"name": "folder"}, {}, "Unknown data.name 'folder'.*directory"),
        ({"name": "digits", "validation": float("nan")}, {}, "validation=nan"),
        ({"name": "digits", "size": 5}, {}, "size=5 must be a whole number"),
    ],
)
def test_bad_fields_are_refused(fields, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_fields(fields, **arguments)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data.test", float("nan"), "data.test: must be a finite number; given: nan"),
        ("data.test", float("inf"), "data.test: must be a finite number; given: inf"),
        ("data.test", np.float32("nan"), "data.test: must be a finite number"),
        ("data.test", True, "data.test: must be a finite number; given: True"),
        ("data.validation", "0.5", "data.validation: must be a finite .* given: '0.5'"),
        ("data.seed", True, "data.seed: must be a finite number"),
        ("data.size", "10", "data.size: must be a finite number"),
        ("data.image_size", [8, True], "data.image_size: must be a finite number"),
        ("data.image_size", 64, r"data.image_size: must be .* \[64, 64\]; given: 64"),
        ("data.image_size", "88", "data.image_size: must be a finite number"),
        ("data.image_size", [], r"data.image_size: field required; given: \[\]"),
        ("data.test", -0.5, "test=-0.5 isn't a fraction"),
        ("data.validation", 1.5, "validation=1.5 isn't a fraction"),
        ("data.size", 0, "max_images=0 must be a whole number"),
        ("data.seed", -1, r"data.seed: .* to 0; given: -1"),
        ("data.image_size", (0, 8), "image_size=.0, 8. must be"),
        ("data.path", "nowhere", "There is no folder 'nowhere' in the current"),
    ],
)
def test_bad_fields_of_a_recipe_are_refused(photos, field, value, message):
    recipe = recipes.load("digits").replace("data.name", "directory")
    recipe = recipe.replace("data.path", photos).replace("data.validation", None)
    assert recipe.load_data().sizes["train"] == 18
    with pytest.raises(ValueError, match=message):
        recipe.replace(field, value).load_data()


def test_numpy_numbers_are_numbers(photos):
    recipe = recipes.load("digits").replace("data.name", "directory")
    for field, value in (
        ("path", photos),
        ("validation", np.float64(0.25)),
        ("test", np.int64(4)),
        ("seed", np.int32(3)),
        ("size", np.int64(12)),
        ("image_size", np.array([4, 5])),
    ):
        recipe = recipe.replace(f"data.{field}", value)
    data = recipe.load_data()
    assert data.sizes == {"train": 6, "validation": 2, "test": 4}
    assert data.input_shape == (4, 5, 3)


def test_a_recipe_refuses_fields_without_effect():
    recipe = recipes.load("digits").replace("data.test", 0.5)
    with pytest.raises(ValueError, match=r"data.test=0.5 has no effect on 'digits'"):
        recipe.load_data()
    with pytest.raises(ValueError, match=r"data.test=0.5 has no effect on 'digits'"):
        recipe.run()
