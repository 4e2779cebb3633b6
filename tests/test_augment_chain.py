"""Several augmentations in their order; Keras's layers that follow the batch's seed."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasopt as ko
from kerasopt import augment
from kerasopt.augment import Chain, Crop, MixUp

L = keras.layers
X = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3), dtype="uint8")


def test_applied_in_order():
    found = augment.get([lambda images: images + 1, lambda images: images * 2])
    assert augment.apply(found, np.ones((1, 2, 2, 1)), [0, 1]).numpy().max() == 4
    found = augment.get([lambda images: images * 2, lambda images: images + 1])
    assert augment.apply(found, np.ones((1, 2, 2, 1)), [0, 1]).numpy().max() == 3


def test_each_step_draws_by_itself():
    one, two = augment.get("noise"), augment.get(["noise", "noise"])
    grey = np.full((1, 50, 50, 1), 0.5, "float32")
    first = augment.apply(one, grey, [0, 1]) - 0.5
    both = augment.apply(two, grey, [0, 1]) - 0.5
    # Independent draws: the variances add.
    ratio = np.var(both) / np.var(first)
    assert 1.8 < ratio < 2.2


def test_a_list_of_one_is_that_one():
    assert augment.get([{"name": "crop", "padding": 1}]) == Crop(1)
    assert augment.get([]) is None
    assert augment.get(("crop",)) == Crop()


def test_lists_within_lists_and_keras_containers():
    found = augment.get(
        ["crop", [L.RandomFlip(), keras.Sequential([L.RandomFlip(), L.MixUp()])]]
    )
    kinds = [type(step).__name__ for step in augment.steps(found)]
    assert kinds == ["Crop", "RandomFlip", "RandomFlip", "MixUp"]
    assert augment.is_mixing(found)
    assert not augment.is_mixing(augment.get(["crop", L.RandomFlip()]))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (["crop", None], "has None in it.*Leave it out"),
        (["crop", "mixupp"], "Did you mean 'mixup'"),
        (["crop", {"name": "mixup", "beta": 1}], "Unknown argument .*'beta'"),
        (["crop", 3], "Unknown augmentation 3"),
    ],
)
def test_refusals(spec, message):
    with pytest.raises(ValueError, match=message):
        augment.get(spec)


@pytest.mark.parametrize(
    "layer",
    [
        L.RandomRotation(0.2),
        L.RandAugment(),
        keras.Sequential([L.RandomFlip(), L.RandomContrast(0.5)]),
        L.Pipeline([L.RandomZoom(0.3), L.GaussianNoise(0.5)]),
    ],
)
def test_keras_layers_follow_the_seed(layer):
    """However often they were called: a resumed training sees the same images."""
    x = X.astype("float32")
    first = augment.apply(layer, x, [1, 2]).numpy()
    layer(x, training=True)
    assert (augment.apply(layer, x, [1, 2]).numpy() == first).all()
    assert (augment.apply(layer, x, [1, 3]).numpy() != first).any()
    seeds = tf.data.Dataset.from_tensor_slices([[1, 2], [1, 3], [1, 2]])
    batches = seeds.map(lambda seed: augment.apply(layer, x, seed))
    images = [each.numpy() for each in batches]
    assert (images[0] == images[2]).all()
    assert (images[0] != images[1]).any()


def test_a_layer_has_its_own_draws_back():
    """Called outside, it goes on by its own generator, also after an error."""
    layer, twin = L.RandomRotation(0.2, seed=3), L.RandomRotation(0.2, seed=3)
    x = X.astype("float32")
    augment.apply(layer, x, [1, 2])
    with pytest.raises(ValueError, match="rank"):
        augment.apply(layer, x[0, 0], [1, 2])
    assert np.array_equal(layer(x, training=True), twin(x, training=True))


def test_preview_takes_lists_and_names():
    figure = ko.augment.preview(
        ["crop", {"name": "mixup", "alpha": 0.2}, "standardize"], X, rows=2, columns=3
    )
    assert len(figure.axes) == 9
    shown = figure.axes[3].images[0].get_array()
    assert 0 <= shown.min() < shown.max() <= 1
    # What a notebook shows is the picture itself.
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["mixup", "randaugment", "noise", "random_erasing"])
def test_preview_of_images_from_0_to_1(name):
    figure = ko.augment.preview(name, (X / 255).astype("float32"), rows=1)
    shown = np.stack([axes.images[0].get_array() for axes in figure.axes[8:]])
    assert shown.std() > 0.1


def test_a_recipe_holds_a_list():
    recipe = ko.recipes.load("digits").replace(
        "augment", [{"name": "crop", "padding": 1}, {"name": "mixup", "alpha": 0.2}]
    )
    recipe.check()
    assert isinstance(augment.get(recipe.augment), Chain)
    assert augment.get(recipe.augment)[1] == MixUp(0.2)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([{"padding": 1}], "name"),
        (["standardize", "crop"], "put it last in the list"),
        (["crop", {"name": "mixup", "alpha": -1}], "alpha=-1 is not accepted"),
    ],
)
def test_a_recipe_with_a_mistake_in_its_list(spec, message):
    with pytest.raises(ValueError, match=message):
        ko.recipes.load("digits").replace("augment", spec).check()


@pytest.mark.parametrize("given", ["crop", None, 3])
def test_a_chain_is_made_of_a_list(given):
    with pytest.raises(TypeError, match="Chain takes a list of augmentations"):
        Chain(given)


@pytest.mark.parametrize("batch", [(), X, None])
def test_a_batch_is_a_tuple_of_its_parts(batch):
    with pytest.raises(TypeError, match=r"batch must be \(x,\), \(x, y\) or"):
        augment.apply_to_batch(Crop(2), batch, (0, 1))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"seed": "a"}, TypeError, "seed must be an integer"),
        ({"seed": 2**70}, ValueError, "seed must be an integer"),
        ({"rows": 1.5}, TypeError, "rows must be an integer"),
        ({"columns": 0}, ValueError, "columns must be an integer >= 1"),
        ({"images": X.astype(object)}, ValueError, "dtype object"),
    ],
)
def test_what_cannot_be_previewed_is_named(given, error, message):
    with pytest.raises(error, match=message):
        augment.preview(Crop(2), **{"images": X, **given})
