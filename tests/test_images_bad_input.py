"""Odd folders of pictures, and a pretrained network: refused by name, or trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from typer.testing import CliRunner

import kerasopt as ko
from kerasopt.cli import app

RNG = np.random.default_rng(0)


def picture(path, channels=3, size=(20, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 255, (*size, channels), dtype="uint8")
    Image.fromarray(pixels if channels > 1 else pixels[..., 0]).save(path)
    return path


def bomb(path):
    Image.new("1", (20_000, 10_000)).save(path)
    return path


def folder(root, *, channels=3, counts=(8, 8)):
    for name, count in zip("ab", counts, strict=True):
        for i in range(count):
            picture(root / name / f"{i}.png", channels)
    return root


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    keras.utils.set_random_seed(0)
    entry = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(16, 3, strides=2, activation="relu")(entry)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(80, 3)(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    path = tmp_path_factory.mktemp("backbone") / "small.keras"
    keras.Model(entry, keras.layers.Dense(5)(x)).save(path)
    return path


def recipe(path, backbone, **training):
    return ko.recipes.Recipe(
        {
            "name": "odd",
            "data": {"name": "directory", "path": str(path), "image_size": [16, 16]},
            "model": {"name": "transfer", "backbone": str(backbone), "unfreeze": 1},
            "training": {"epochs": 1, "head_epochs": 2, "batch_size": 4, **training},
        }
    ).replace("data.test", 0.2)


@pytest.fixture(scope="module")
def run(tmp_path_factory, backbone):
    """A run on colours, greys, an alpha channel, and one pixel."""
    root = tmp_path_factory.mktemp("mixed")
    photos = folder(root / "photos")
    picture(photos / "a" / "grey.png", 1)
    picture(photos / "b" / "alpha.png", 4)
    picture(photos / "b" / "one.png", 3, (1, 1))
    return recipe(photos, backbone).run(seed=0, directory=root / "run", verbose=False)


def test_pictures_of_other_modes_and_one_pixel_become_colours(run):
    assert run.model.input_shape == (None, 16, 16, 3)
    assert run.metrics["epochs"] == 1


def test_a_run_predicts_odd_pictures_and_refuses_a_bomb(run, tmp_path):
    odd = [
        picture(tmp_path / "grey.png", 1),
        picture(tmp_path / "alpha.png", 4),
        picture(tmp_path / "one.png", 3, (1, 1)),
    ]
    done = CliRunner().invoke(app, ["predict", str(run.directory), *map(str, odd)])
    assert done.exit_code == 0 and done.output.count("%") == 3
    done = CliRunner().invoke(
        app, ["predict", str(run.directory), str(bomb(tmp_path / "bomb.png"))]
    )
    assert "more than 64 megapixels" in str(done.exception)


@pytest.mark.parametrize("channels", [1, 4])
def test_folders_of_greys_and_of_alpha_train(channels, tmp_path, backbone):
    photos = folder(tmp_path / "photos", channels=channels)
    chosen = recipe(photos, backbone)
    model = chosen.build_model(chosen.load_data())
    assert model.output_shape == (None, 2)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((3, 2), "only one sample"),
        ((8, 1), "only one sample"),
        ((1, 1), "only one sample"),
    ],
    ids=["five in all", "one of a class", "two in all"],
)
def test_too_few_pictures_are_refused_before_anything_is_trained(
    counts, message, tmp_path, backbone
):
    photos = folder(tmp_path / "photos", counts=counts)
    with pytest.raises(ValueError, match=message):
        recipe(photos, backbone).run(directory=tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()


def test_a_bomb_in_a_folder_is_named(tmp_path, backbone):
    photos = folder(tmp_path / "photos")
    bomb(photos / "a" / "bomb.png")
    with pytest.raises(ValueError, match=r"bomb\.png: more than 64 megapixels"):
        recipe(photos, backbone).run(directory=tmp_path / "run", verbose=False)


def test_head_epochs_refuse_a_stream_before_a_folder_is_made(tmp_path, backbone):
    model = ko.models.transfer(
        str(backbone), input_shape=(16, 16, 3), num_classes=2, unfreeze=1
    )
    x, y = np.zeros((8, 16, 16, 3), "float32"), np.arange(8) % 2
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    with pytest.raises(ValueError, match="neither a stream nor several devices"):
        ko.fit(model, batches, head_epochs=2, directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()
