"""kerasopt.recipes.load of a folder of pictures: a recipe that nobody wrote."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kerasopt as ko
from kerasopt.recipes import Recipe, transferring

ROOT = Path(__file__).parents[1]


def pictures(root, *folders):
    rng = np.random.default_rng(0)
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for name in ("1.png", "2.png"):
            pixels = rng.integers(0, 256, (8, 8, 3), "uint8")
            Image.fromarray(pixels).save(root / folder / name)
    return root


@pytest.fixture(autouse=True)
def without_weights(monkeypatch, tmp_path_factory):
    """No network and an empty cache, unless a test asks for the weights."""
    monkeypatch.setenv("KERASOPT_OFFLINE", "1")
    monkeypatch.setenv("KERASOPT_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.mark.parametrize(
    # Where there is no test folder a fifth is kept for it; a tenth is for validation.
    ("name", "train", "validation"),
    [("photos", 216, 24), ("transfer-cifar", 4_500, 500)],
)
def test_the_packaged_recipes_have_the_settings_of_so_many_pictures(
    name, train, validation
):
    recipe = ko.recipes.load(name).to_dict()
    settings = transferring.settings(train, validation)
    assert Recipe({**recipe, **settings}).to_dict() == recipe


def test_a_folder_named_photos_comes_before_the_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = ko.recipes.load("photos")
    assert recipe.data.path == "photos"
    pictures(tmp_path / "photos", "cat", "dog")
    assert ko.recipes.load("photos").description.startswith("For the 4 pictures")


def test_a_folder_behind_a_recipes_name_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits" / "run").mkdir(parents=True)
    assert ko.recipes.load("digits").data.name == "digits"  # No pictures: no warning.
    shutil.rmtree("digits")
    pictures(tmp_path / "digits", "circle", "square")
    with pytest.warns(UserWarning, match=r"is the recipe.*the folder: \./digits"):
        assert ko.recipes.load("digits").data.name == "digits"
    assert "4 pictures" in ko.recipes.load("./digits").description


def test_without_the_weights_a_network_learns_from_scratch_and_that_is_said(tmp_path):
    recipe = ko.recipes.load(pictures(tmp_path / "a", "cat", "dog"))
    assert "4 pictures" in recipe.description
    assert "from scratch, since the weights" in recipe.description
    assert recipe.model["name"] == "airbench"
    assert (recipe.training.epochs, recipe.training.image_sizes) == (80, {48: 0.4})
    assert recipe.data.image_size == (64, 64)


@pytest.mark.realdata
def test_few_pictures_tune_a_pretrained_network_and_many_do_not(tmp_path, monkeypatch):
    monkeypatch.delenv("KERASOPT_OFFLINE")
    monkeypatch.delenv("KERASOPT_HOME")
    folder = pictures(tmp_path / "a", "cat", "dog")
    recipe = ko.recipes.load(folder)
    assert "pretrained on ImageNet" in recipe.description
    assert recipe.model["name"] == "transfer"
    recipe.check()
    monkeypatch.setattr(transferring, "MOST_SAMPLES", 3)
    recipe = ko.recipes.load(folder)
    assert "4 pictures are enough to train a network" in recipe.description
    assert recipe.model["name"] == "airbench"


def test_the_best_epoch_is_kept_where_enough_validation_pictures_judge():
    assert "patience" not in transferring.settings(270, 30)["training"]
    assert transferring.settings(2_700, 300)["training"]["patience"] == 3
    assert transferring.settings(10)["training"]["epochs"] == 12


def test_a_fifth_is_kept_for_the_test_where_there_is_no_test_folder(tmp_path):
    folder = pictures(tmp_path / "My photos (2)", "cat", "dog")
    recipe = ko.recipes.load(folder)
    assert recipe.name == "My-photos-2"
    assert (recipe.data.path, recipe.data.test) == (str(folder), 0.2)
    parts = ("train/cat", "train/dog", "test/cat", "test/dog")
    recipe = ko.recipes.load(str(pictures(tmp_path / "split", *parts)))
    assert recipe.data.test is None
    assert recipe.load_data().sizes["test"] == 4


def test_what_loading_tells_of_a_folder_is_told_once(tmp_path):
    recipe = ko.recipes.load(pictures(tmp_path, "cat", "dev"))  # Without a warning.
    with pytest.warns(UserWarning, match="counts as a class"):
        recipe.replace("data.validation", 0).replace("data.test", 0).load_data()


def test_what_is_no_folder_of_pictures_is_said(tmp_path):
    with pytest.raises(ValueError, match="neither a recipe nor a folder of pictures"):
        ko.recipes.load(tmp_path)
    (tmp_path / "recipe.yaml").write_text("name: a")
    with pytest.raises(ValueError, match=r"the folder of a run. Give its recipe"):
        ko.recipes.load(tmp_path)
    with pytest.raises(ValueError, match=r"photoz.*FOLDER of pictures"):
        ko.recipes.load("photoz")
