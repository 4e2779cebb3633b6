"""kerasopt.models.mobilenet: against keras.applications, and its sizes."""

import re

import keras
import numpy as np
import pytest

from kerasopt import models, recipes

CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}
IMAGENET = {"input_shape": (224, 224, 3), "num_classes": 1000}


def random_weights(model):
    """Return weights through which the images' differences reach the output."""
    rng = np.random.default_rng(0)
    found = []
    for weight in model.get_weights():
        # Depthwise kernels (3, 3, channels, 1) have one input each.
        inputs = np.prod(weight.shape[: 2 if weight.shape[-1] == 1 else -1])
        drawn = rng.normal(0, 2 / np.sqrt(inputs), weight.shape)
        found.append(rng.uniform(0.5, 1, weight.shape) if weight.ndim == 1 else drawn)
    return found


@pytest.mark.parametrize("alpha", [0.25, 0.5])
def test_outputs_are_those_of_keras(alpha):
    theirs = keras.applications.MobileNet(
        input_shape=(64, 64, 3), alpha=alpha, weights=None, classes=5
    )
    ours = models.mobilenet(
        input_shape=(64, 64, 3),
        num_classes=5,
        layout="imagenet",
        width_multiplier=alpha,
        batch_norm_momentum=0.99,
    )
    weights = random_weights(theirs)
    theirs.set_weights(weights)
    # Their head is a 1×1 convolution of the pooled map.
    ours.set_weights(
        [w.reshape(v.shape) for w, v in zip(weights, ours.get_weights(), strict=True)]
    )
    x = np.random.default_rng(1).uniform(-1, 1, (3, 64, 64, 3)).astype("float32")
    expected = theirs(x).numpy()
    assert np.ptp(expected, axis=0).min() > 1e-4
    np.testing.assert_allclose(ours(x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_imagenet_size_is_that_of_keras_and_the_paper():
    ours = models.mobilenet(**IMAGENET)
    theirs = keras.applications.MobileNet(weights=None)
    assert ours.count_params() == theirs.count_params() == 4_253_864
    # Howard et al. (2017), table 4: 569 million multiply-adds, 4.2 million parameters.
    assert models.flops(ours) / 2e6 == pytest.approx(569, rel=0.01)
    assert models.flops(ours) == models.flops(theirs)


def test_it_is_smaller_than_the_chapters_network():
    model = models.mobilenet(**CIFAR)
    # By hand: 1×1 kernels, depthwise ones, 2 + 2 numbers of each normalisation.
    pairs = [(32, 64), (64, 128), (128, 128), (128, 256), *[(256, 256)] * 3]
    expected = 27 * 32 + 4 * 32
    expected += sum(a * b + 9 * a + 4 * a + 4 * b for a, b in pairs) + 257 * 10
    assert model.count_params() == expected < 358_218


def test_the_recipes_network_is_smaller_and_muon_trains_its_1x1_kernels():
    recipe = recipes.load("cifar10-mobilenet")
    model = models.get(dict(recipe.model), **CIFAR)
    assert model.count_params() < 358_218
    (pattern,) = recipe.optimizer["groups"]
    kernels = [w for w in model.trainable_weights if len(w.shape) > 1]
    orthogonal = [w.path for w in kernels if re.search(pattern, w.path)]
    assert len(orthogonal) == 1 + sum("pointwise" in w.path for w in kernels)
    assert not any("depthwise" in path or "logits" in path for path in orthogonal)


def test_the_layout_goes_by_the_size_of_the_images():
    small = models.mobilenet(input_shape=(95, 200, 3), num_classes=2)
    large = models.mobilenet(input_shape=(96, 96, 3), num_classes=2)
    assert small.get_layer("stem").strides == (1, 1)
    assert large.get_layer("stem").strides == (2, 2)
    assert large.get_layer("pool").input.shape[1:] == (3, 3, 1024)
    assert small.get_layer("pool").input.shape[1:] == (24, 50, 256)


def test_width_and_depth():
    model = models.mobilenet(**CIFAR, width_multiplier=0.5, depth=1)
    assert model.get_layer("stem").filters == 16
    blocks = [layer.name for layer in model.layers if "pointwise" in layer.name]
    assert len([name for name in blocks if name.endswith("pointwise")]) == 3
    model = models.mobilenet(**CIFAR, widths=(8, 12), depth=(1, 3))
    assert model.get_layer("stage2_block3_pointwise").filters == 12
    assert model.get_layer("pool").input.shape[1:] == (16, 16, 12)


def test_penalties_and_dropout_are_applied():
    model = models.mobilenet(**CIFAR, widths=(4,), depth=1, l1=1e-3, dropout=0.4)
    kernels = [
        layer.kernel.numpy()
        for layer in model.layers
        if hasattr(layer, "kernel") and layer.name != "logits"
    ]
    assert len(kernels) == 3
    expected = 1e-3 * sum(np.abs(kernel).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    assert model.get_layer("dropout").rate == 0.4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (3, 3, 3)}, "images of 4×4 pixels or more; given: 3×3"),
        (
            {"input_shape": (31, 40, 3), "layout": "imagenet"},
            "images of 32×32 pixels .* Use layout='cifar', fewer widths",
        ),
        ({"layout": "small"}, "layout must be one of 'auto', 'cifar', 'imagenet'"),
        ({"widths": (8, 8)}, "has 3 stages; given: 2 widths. Give depth"),
        ({"widths": (), "depth": 1}, "widths must name at least one stage"),
        ({"widths": (0, 8, 8)}, "widths must be integers >= 1"),
        ({"depth": 0}, "depth must be integers >= 1"),
        ({"depth": (1, 2)}, "depth takes one value, or one for each of these 3"),
        ({"width_multiplier": 0}, "width_multiplier must be"),
        ({"width_multiplier": 0.01}, "leaves no filter of 32; use a larger one"),
        ({"width_multiplier": 100}, "A layer of 25600 filters has 6.6e"),
        ({"width_multiplier": 1e6}, "has .* weights here|must be an integer"),
        ({"dropout": 1.0}, "dropout"),
        ({"activation": "rely"}, "Did you mean 'relu'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.mobilenet(**{**CIFAR, **arguments})
