"""RandAugment: each image its own operations, as strong as asked for."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt import augment
from kerasopt.augment import RandAugment, _randaugment

PHOTOS = np.random.default_rng(0).integers(0, 256, (16, 12, 12, 3), dtype="uint8")


def test_each_image_draws_its_own_operation():
    """A batch of copies of one image comes out in many ways."""
    copies = np.repeat(PHOTOS[:1], 64, axis=0)
    changed = RandAugment(1, magnitude=30)(copies, [1, 2]).numpy()
    assert len(np.unique(changed.reshape(64, -1), axis=0)) > 20
    untouched = (changed == copies).all((1, 2, 3)).mean()
    assert 0 < untouched < 0.4  # Identity is one of 14.


def test_magnitude_0_moves_no_pixel_of_the_geometry_and_tones():
    """Of its operations auto contrast and equalize alone have no strength."""
    operations = _randaugment._operations(0.0)
    pixels = tf.cast(PHOTOS, tf.float32)
    unchanged = [
        np.allclose(operation(pixels, [1, 2]), pixels, atol=0.01)
        for operation in operations
    ]
    assert unchanged.count(False) <= 2


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_solarize_inverts_the_brightest_first(strength):
    pixels = np.linspace(0, 255, 256, dtype="float32").reshape(1, 16, 16, 1)
    pixels = np.repeat(pixels, 200, axis=0)
    changed = _randaugment._solarize(strength)(pixels, [1, 2]).numpy()
    kept = changed == pixels
    share = kept.mean((1, 2, 3))
    assert abs((1 - share).max() - strength) < 0.05
    for image, same in zip(pixels, kept, strict=True):
        assert image[same].max() <= image[~same].min(initial=256)
    np.testing.assert_allclose(changed[~kept], 255 - pixels[~kept])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_number_of_channels(channels):
    x = np.random.default_rng(0).uniform(size=(30, 9, 7, channels)).astype("float32")
    changed = RandAugment()(x, [1, 2])
    assert changed.shape == x.shape
    assert changed.dtype == tf.float32
    assert changed.numpy().min() >= 0
    assert changed.numpy().max() <= 1


def test_one_range_is_as_good_as_another():
    made = RandAugment(magnitude=15)
    of_pixels = made(PHOTOS.astype("float32"), [1, 2], value_range=(0, 255)).numpy()
    shares = made((PHOTOS / 255).astype("float32"), [1, 2], value_range=(0, 1))
    # Posterize may fall on the other side of a step.
    assert np.isclose(of_pixels, shares.numpy() * 255, atol=1).mean() > 0.98


def test_draws_follow_the_seed_alone():
    made = augment.get("randaugment")
    first = made(PHOTOS, [1, 2]).numpy()
    keras.utils.set_random_seed(1)
    assert (augment.randaugment()(PHOTOS, [1, 2]).numpy() == first).all()
    assert (made(PHOTOS, [1, 3]).numpy() != first).any()
    batches = tf.data.Dataset.from_tensors(PHOTOS).repeat(3)
    batches = batches.map(
        augment.unconverted(lambda each: made(each, [1, 2])), num_parallel_calls=2
    )
    for each in batches:
        assert (each.numpy() == first).mean() > 0.999  # XLA rounds on its own.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_ops": 0}, "num_ops=0 is not accepted; give a whole number"),
        ({"num_ops": 1.5}, "num_ops=1.5"),
        ({"magnitude": 31}, "magnitude=31 is not accepted; .* from 0 to 30"),
        ({"magnitude": -1}, "magnitude=-1"),
        ({"factor": 0.5}, "Unknown argument .*'factor'"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        augment.get("randaugment", **arguments)


def test_round_trip_and_numpy_numbers():
    made = augment.randaugment(np.int64(3), magnitude=np.float32(5))
    assert made == RandAugment(3, magnitude=5.0)
    assert RandAugment.from_config(made.get_config()) == made
