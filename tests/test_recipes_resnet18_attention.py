"""The recipe resnet18-attention: as printed, and trained on few drawn pictures."""

import importlib.util

import keras
import numpy as np
import pytest
from PIL import Image, ImageDraw

import kerasopt as ko
from kerasopt import optimizers

NAME = "resnet18-attention"
SHAPES = ("disc", "square", "cross")


def draw(shape, rng, side=40):
    image = Image.new("RGB", (side, side + 8), tuple(rng.integers(0, 90, 3)))
    pen = ImageDraw.Draw(image)
    left, top = rng.integers(2, 10, 2)
    box = (left, top, left + 26, top + 26)
    color = tuple(rng.integers(150, 256, 3))
    if shape == "disc":
        pen.ellipse(box, fill=color)
    elif shape == "square":
        pen.rectangle(box, fill=color)
    else:
        pen.line((left + 13, top, left + 13, top + 26), fill=color, width=6)
        pen.line((left, top + 13, left + 26, top + 13), fill=color, width=6)
    return image


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("val", 3), ("test", 3)):
        for shape in SHAPES:
            place = tmp_path / "pictures" / part / shape
            place.mkdir(parents=True)
            for number in range(count):
                draw(shape, rng).save(place / f"{number}.png")
    return tmp_path / "pictures"


def test_the_network_is_the_printed_one():
    """Ten outputs; attention keeps the shape of the 512 channels (R116, B25)."""
    recipe = ko.recipes.load(NAME)
    assert recipe.data.image_size == (224, 224)
    model = ko.models.get(recipe.model, input_shape=(224, 224, 3), num_classes=10)
    assert model.output_shape == (None, 10)
    attention = [x for x in model.layers if "MultiHeadAttention" in type(x).__name__]
    assert [x.name for x in attention] == ["stage4_block2_attention"]
    before = model.get_layer("stage4_block2_attention_rows").input
    after = model.get_layer("stage4_block2_attention_map").output
    assert before.shape == after.shape == (None, 7, 7, 512)
    assert model.get_layer("stage4_block2_conv2").input is after


@pytest.mark.parametrize("spec", ["printed", "annealing"])
def test_the_rate_is_the_papers_cosine(spec):
    """CosineAnnealingLR with T_max=10 over 100 epochs, and with T_max=100."""
    recipe = ko.recipes.load(NAME)
    period = 10
    if spec == "annealing":
        annealing = {"name": "cosine", "initial_learning_rate": 0.001}
        recipe = recipe.replace("optimizer.learning_rate", annealing)
        period = 100
    full = optimizers.complete(recipe.optimizer, epochs=100, steps_per_epoch=7)
    epochs = np.array([0, 5, 10, 20, 100])
    found = ko.schedules.rates(full["learning_rate"], 7 * epochs)
    expected = 0.0005 * (1 + np.cos(np.pi * epochs / period))
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_it_trains_on_a_folder(folder, tmp_path, no_report):
    recipe = ko.recipes.load(NAME).replace("data.path", str(folder))
    recipe = recipe.replace("data.image_size", [32, 32]).replace("training.epochs", 2)
    # Fewer layers, and none of the calibrations, which take longer than the training.
    recipe = recipe.replace("model", {**recipe.model, "depth": 8, "widths": [4, 8, 8]})
    recipe = recipe.replace("training.precision", "float32")
    run = recipe.run(directory=tmp_path / "run", verbose=False)
    assert np.isfinite(run.history["loss"]).all()
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(run.history)
    assert run.metrics["test_samples"] == 9
    if importlib.util.find_spec("tensorboard"):
        assert list((tmp_path / "run" / "tensorboard").rglob("events*"))
    # Standardised by ImageNet's statistics, wherever the model goes.
    loaded = keras.saving.load_model(tmp_path / "run" / "model.keras", safe_mode=True)
    (norm,) = (x for x in loaded.layers if isinstance(x, keras.layers.Normalization))
    np.testing.assert_allclose(np.ravel(norm.mean), [0.485, 0.456, 0.406], rtol=1e-5)
    np.testing.assert_allclose(
        np.sqrt(np.ravel(norm.variance)), [0.229, 0.224, 0.225], rtol=1e-5
    )
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    np.testing.assert_allclose(
        loaded.predict(x / np.float32(255), verbose=0), run.predict(x), atol=1e-5
    )


def test_a_missing_folder_is_named():
    with pytest.raises(ValueError, match=r"photos"):
        ko.recipes.load(NAME).run(verbose=False)
