"""kerasopt.recipes.load of a folder of pictures: a recipe that nobody wrote."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import kerasopt as ko
from kerasopt.recipes.of_folder import SETTINGS

ROOT = Path(__file__).parents[1]


def pictures(root, *folders):
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for name in ("1.png", "2.png"):
            Image.fromarray(np.zeros((8, 8, 3), "uint8")).save(root / folder / name)
    return root


def test_the_recipe_is_the_one_of_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(text.split("```yaml\n# photos.yaml")[1].split("```")[0])
    assert {key: shown[key] for key in SETTINGS} == SETTINGS


# The pictures of all folders are the same ones.
@pytest.mark.filterwarnings("ignore:.* test samples are also training samples")
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
