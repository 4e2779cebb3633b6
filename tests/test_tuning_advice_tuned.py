"""advise_settings with a pretrained network, whose weights are fetched once."""

import numpy as np
import pytest

import kerasopt as ko
from kerasopt.benchmarks.small_data import draw_shapes
from kerasopt.recipes import transferring
from kerasopt.tuning.advising.advice import advise_settings

pytestmark = pytest.mark.realdata


def images(count, shape):
    x = np.random.default_rng(0).integers(0, 256, (count, *shape), "uint8")
    return ko.data.from_arrays(x, np.arange(count) % 2, name="made")


@pytest.mark.parametrize("shape", [(32, 32, 3), (96, 100, 1), (16, 200, 3)])
def test_few_photos_tune_a_pretrained_network(shape):
    advice = advise_settings(images(60, shape))
    assert advice.recipe.model["name"] == "transfer"
    assert "54 pictures are few" in advice.reasons["model.name"]
    advice.recipe.check()
    model = advice.recipe.build_model(images(60, shape))
    assert model.output_shape == (None, 2)
    assert advice.recipe.augment is None or shape[2] == 3


@pytest.mark.parametrize("shape", [(28, 28, 1), (12, 12, 3), (32, 32, 4), (32, 32, 2)])
def test_what_is_no_photo_learns_from_scratch(shape):
    assert advise_settings(images(60, shape)).recipe.model["name"] != "transfer"


def test_many_photos_learn_from_scratch_and_the_reason_says_so(monkeypatch):
    monkeypatch.setattr(transferring, "MOST_SAMPLES", 50)
    advice = advise_settings(images(60, (32, 32, 3)))
    assert advice.recipe.model["name"] == "airbench"
    assert "Nothing pretrained, since 54 pictures" in advice.reasons["model.name"]


def test_without_the_weights_the_reason_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASOPT_OFFLINE", "1")
    monkeypatch.setenv("KERASOPT_HOME", str(tmp_path))
    advice = advise_settings(images(60, (32, 32, 3)))
    assert advice.recipe.model["name"] == "airbench"
    assert "neither cached nor to be fetched" in advice.reasons["model.name"]


def test_a_short_budget_lets_the_clock_end_it():
    advice = advise_settings(images(200, (32, 32, 3)), budget="60s")
    assert advice.recipe.training.budget == "60s"
    assert advise_settings(images(200, (32, 32, 3))).recipe.training.budget is None


@pytest.mark.slow
def test_the_advice_learns_shapes_from_sixty_pictures(tmp_path):
    data = ko.data.from_arrays(*draw_shapes(60), test=draw_shapes(90, seed=1))
    recipe = advise_settings(data).recipe
    run = recipe.run(dataset=data, directory=tmp_path / "run", verbose=False)
    assert run.metrics["test_accuracy"] > 0.9
