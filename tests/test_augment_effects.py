"""Noise and erased rectangles, on images of any range."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt import augment

RANGES = [("uint8", None, 255), ("float32", (0, 255), 255), ("float32", (0, 1), 1)]


@pytest.mark.parametrize(("dtype", "value_range", "high"), RANGES)
def test_noise_has_its_deviation_as_a_share_of_the_range(dtype, value_range, high):
    x = np.full((4, 50, 50, 3), high * 0.5).astype(dtype)
    noisy = augment.Noise(0.05)(x, [1, 2], value_range=value_range)
    assert noisy.dtype == dtype
    change = (noisy.numpy().astype("float64") - x) / high
    assert abs(change.mean()) < 0.003
    assert abs(change.std() - 0.05) < 0.002


def test_noise_is_keras_layers():
    x = np.full((2, 5, 5, 1), 0.5, "float32")
    own = augment.Noise(0.1)(x, [1, 2])
    theirs = augment.apply(keras.layers.GaussianNoise(0.1), x, [1, 2])
    np.testing.assert_allclose(own, np.clip(theirs, 0, 1), atol=1e-6)


@pytest.mark.parametrize(("dtype", "value_range", "high"), RANGES)
def test_values_stay_in_their_range(dtype, value_range, high):
    x = np.random.default_rng(0).uniform(0, high, (8, 20, 20, 3)).astype(dtype)
    for each in (augment.Noise(1.0), augment.RandomErasing(1.0)):
        changed = each(x, [1, 2], value_range=value_range).numpy()
        assert changed.min() == 0
        assert changed.max() == high


def test_rectangles_have_the_share_of_the_area():
    x = np.ones((500, 32, 32, 1), "float32")
    erased = augment.RandomErasing(1.0, scale=(0.2, 0.2), fill_value=0.0)(x, [1, 2])
    share = 1 - erased.numpy().mean((1, 2, 3))
    assert abs(share.mean() - 0.2) < 0.01
    for image in erased.numpy()[:20, ..., 0]:
        rows, columns = np.nonzero(image == 0)
        assert (np.ptp(rows) + 1) * (np.ptp(columns) + 1) == len(rows)


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_as_many_images_as_the_probability_says(probability):
    """Keras's factor alone would give half as many: it draws the probability."""
    x = np.ones((1000, 8, 8, 1), "float32")
    each = augment.RandomErasing(probability, scale=(0.3, 0.3), fill_value=0.0)
    hit = (each(x, [1, 2]).numpy() == 0).any((1, 2, 3)).mean()
    assert abs(hit - probability) < 0.05


def test_a_fill_value_is_a_share_of_the_range():
    x = np.zeros((4, 8, 8, 1), "uint8")
    erased = augment.RandomErasing(1.0, fill_value=0.4)(x, [1, 2])
    assert set(np.unique(erased)) == {0, 102}


@pytest.mark.parametrize("name", ["noise", "random_erasing"])
def test_draws_follow_the_seed_alone(name):
    x = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype="uint8")
    made = augment.get(name)
    first = augment.apply(made, x, [1, 2]).numpy()
    keras.utils.set_random_seed(1)
    assert (augment.apply(made, x, [1, 2]).numpy() == first).all()
    assert (augment.apply(augment.get(name), x, [1, 2]).numpy() == first).all()
    assert (augment.apply(made, x, [1, 3]).numpy() != first).any()
    in_graph = tf.function(lambda: augment.apply(made, x, [1, 2]), autograph=False)
    assert (in_graph().numpy() == first).all()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("noise", {"stddev": -0.1}, r"stddev=-0.1 is not accepted; .*\[0, 1\]"),
        ("random_erasing", {"probability": 2}, "probability=2 is not accepted"),
        ("random_erasing", {"scale": (0.3, 0.1)}, r"two numbers .*at most 1"),
        ("random_erasing", {"scale": 0.3}, "scale=0.3 is not accepted"),
        ("random_erasing", {"fill_value": 255}, "fill_value=255 is not accepted"),
    ],
)
def test_refusals(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        augment.get(name, **arguments)


@pytest.mark.parametrize("name", ["noise", "random_erasing"])
def test_a_single_image_is_refused_with_the_remedy(name):
    with pytest.raises(ValueError, match=rf"{name} needs a batch .*images\[None\]"):
        augment.apply(augment.get(name), np.zeros((8, 8, 3)), [1, 2])


def test_arguments_from_numpy():
    made = augment.random_erasing(np.float64(0.5), scale=np.array([0.1, 0.2]))
    assert made == augment.random_erasing(0.5, scale=(0.1, 0.2))
    assert type(made).from_config(made.get_config()) == made
