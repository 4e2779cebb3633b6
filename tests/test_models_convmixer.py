"""kerasopt.models.convmixer: against the paper's listing, and its sizes."""

import keras
import numpy as np
import pytest

from kerasopt import models

CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}


def trained(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def listing(size, width, depth, kernel_size, patch_size, num_classes):
    """Return the network of the paper's figure 3, in Keras's layers."""

    def block(x):
        x = keras.layers.Activation("gelu")(x)
        return keras.layers.BatchNormalization()(x)

    entry = keras.Input((size, size, 3))
    x = block(keras.layers.Conv2D(width, patch_size, strides=patch_size)(entry))
    for _ in range(depth):
        mixed = keras.layers.DepthwiseConv2D(kernel_size, padding="same")(x)
        x = keras.layers.Add()([block(mixed), x])
        x = block(keras.layers.Conv2D(width, 1)(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(num_classes, activation="softmax")(x)
    return keras.Model(entry, x)


def test_outputs_are_those_of_the_listing():
    theirs = listing(12, 8, 2, 5, 3, 4)
    ours = models.convmixer(
        input_shape=(12, 12, 3),
        num_classes=4,
        width=8,
        depth=2,
        kernel_size=5,
        patch_size=3,
    )
    rng = np.random.default_rng(0)
    weights = [
        w + rng.uniform(0.1, 0.3, w.shape) * (w.ndim == 1) for w in theirs.get_weights()
    ]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    x = rng.uniform(0, 1, (3, 12, 12, 3)).astype("float32")
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-6)


def test_published_parameter_counts():
    # Section 4: 256/8 for CIFAR-10 has "a mere 0.7M", with kernels of 9×9.
    assert trained(models.convmixer(**CIFAR, kernel_size=9)) == 708_874
    assert trained(models.convmixer(**CIFAR)) == 594_186
    # Counted by hand: patches, blocks, head.
    block = 25 * 256 + 256 * 256 + 2 * 256 + 4 * 256
    assert 8 * block + (12 + 1 + 2) * 256 + 257 * 10 == 594_186


@pytest.mark.slow
def test_the_papers_largest_has_51_6_million():
    large = models.convmixer(
        input_shape=(224, 224, 3),
        num_classes=1000,
        width=1536,
        depth=20,
        kernel_size=9,
        patch_size=7,
    )
    assert trained(large) == pytest.approx(51.6e6, rel=0.001)


def test_patches_that_the_images_do_not_fill_are_padded():
    model = models.convmixer(
        input_shape=(9, 8, 1), num_classes=2, width=4, depth=1, patch_size=4
    )
    assert model.get_layer("block1_add").output.shape[1:3] == (3, 2)


def test_penalties_and_dropout_are_applied():
    given = {"width": 4, "depth": 1, "l2": 1e-3, "activity_l1": 0.0, "dropout": 0.4}
    model = models.convmixer(**CIFAR, **given)
    kernels = [
        layer.kernel.numpy()
        for layer in model.layers
        if hasattr(layer, "kernel") and layer.name != "logits"
    ]
    assert len(kernels) == 3
    expected = 1e-3 * sum((kernel**2).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    assert model.get_layer("dropout").rate == 0.4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (1, 1, 3)}, "Patches of 2×2 pixels don't fit images of 1×1"),
        ({"patch_size": 0}, "patch_size must be an integer >= 1"),
        ({"kernel_size": 0}, "kernel_size must be an integer >= 1"),
        ({"width": 0}, "width must be an integer >= 1"),
        ({"depth": 0}, "depth must be an integer >= 1"),
        ({"depth": 2000}, "depth must be an integer"),
        ({"width": 2**20}, "has .* weights here"),
        ({"batch_norm": "never"}, "batch_norm must be False, True or one of"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.convmixer(**{**CIFAR, **arguments})
