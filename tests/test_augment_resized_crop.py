"""Random rectangles of images, held against torchvision's formula and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from kerasopt import augment
from kerasopt.augment import RandomResizedCrop


def drawn_by_formula(rng, height, width, scale, ratio):
    """One rectangle by the published procedure (GoogLeNet, torchvision)."""
    for _ in range(10):
        area = height * width * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return rng.integers(height - h + 1), rng.integers(width - w + 1), h, w
    if width / height < ratio[0]:
        w, h = width, round(width / ratio[0])
    elif width / height > ratio[1]:
        h, w = height, round(height * ratio[1])
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize("size", [(32, 32), (20, 60), (60, 20)])
def test_rectangles_have_the_published_distribution(size):
    scale, ratio = (0.08, 1.0), (3 / 4, 4 / 3)
    rng = np.random.default_rng(0)
    published = np.array(
        [drawn_by_formula(rng, *size, scale, ratio) for _ in range(2000)]
    )
    own = np.stack(RandomResizedCrop().boxes(2000, *size, seed=[1, 2]), 1)
    assert (own == np.round(own)).all()
    for column in range(4):
        found = scipy.stats.ks_2samp(own[:, column], published[:, column])
        assert found.pvalue > 1e-3
    other = np.stack(RandomResizedCrop((0.2, 1.0)).boxes(2000, *size, seed=[1, 2]), 1)
    assert scipy.stats.ks_2samp(other[:, 2], published[:, 2]).pvalue < 1e-3


def test_what_never_fits_is_the_largest_rectangle_in_the_centre():
    wide = RandomResizedCrop((1.0, 1.0)).boxes(3, 10, 40, seed=[1, 2])
    assert np.stack(wide, 1).tolist() == [[0, 13, 10, 13]] * 3
    tall = RandomResizedCrop((1.0, 1.0)).boxes(1, 40, 10, seed=[1, 2])
    assert np.stack(tall, 1).tolist() == [[13, 0, 13, 10]]


def test_pixels_are_those_of_scipys_bilinear_resize():
    x = np.random.default_rng(0).uniform(0, 255, (6, 12, 16, 3)).astype("float32")
    each = RandomResizedCrop((0.2, 0.9))
    boxes = np.stack(each.boxes(6, 12, 16, seed=[1, 2]), 1)
    for image, crop, (top, left, rows, columns) in zip(
        x, each(x, [1, 2]).numpy(), boxes, strict=True
    ):
        r = top + (np.arange(12) + 0.5) * rows / 12 - 0.5
        c = left + (np.arange(16) + 0.5) * columns / 16 - 0.5
        grid = np.meshgrid(r, c, indexing="ij")
        for channel in range(3):
            expected = scipy.ndimage.map_coordinates(
                image[..., channel], grid, order=1, mode="nearest"
            )
            np.testing.assert_allclose(crop[..., channel], expected, atol=1e-2)


def test_the_whole_square_is_the_image_itself():
    x = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype="uint8")
    whole = RandomResizedCrop((1.0, 1.0), ratio=(1.0, 1.0))
    assert (whole(x, [1, 2]).numpy() == x).all()


def test_type_shape_and_seed():
    x = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype="uint8")
    made = augment.get("random_resized_crop")
    first = made(x, [1, 2])
    assert (first.dtype, first.shape) == ("uint8", x.shape)
    assert (made(x, [1, 2]).numpy() == first.numpy()).all()
    assert (made(x, [1, 3]).numpy() != first.numpy()).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": (0.0, 1.0)}, "its lowest must be above 0"),
        ({"scale": (0.5, 1.5)}, "at most 1"),
        ({"scale": 0.5}, r"scale=0.5 is not accepted; give two numbers"),
        ({"ratio": (2, 1)}, "ratio=.* is not accepted"),
        ({"size": 224}, "Unknown argument .*'size'"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        augment.get("random_resized_crop", **arguments)


def test_ends_from_numpy_and_round_trip():
    made = augment.random_resized_crop(np.array([0.5, 1.0]))
    assert made == RandomResizedCrop((0.5, 1.0))
    assert type(made).from_config(made.get_config()) == made
