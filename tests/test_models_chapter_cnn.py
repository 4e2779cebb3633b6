"""kerasopt.models.chapter_cnn: the printed network, by name."""

import keras
import numpy as np
import pytest

import kerasopt
from kerasopt import models, recipes

CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}


def printed():
    """Return the network as the chapter prints it."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for filters, pools in ((32, True), (64, True), (128, False)):
        given = {"activation": "relu", "kernel_initializer": "he_normal"}
        model.add(layers.Conv2D(filters, 3, **given))
        model.add(layers.BatchNormalization())
        if pools:
            model.add(layers.MaxPooling2D(2))
            model.add(layers.Dropout(0.25))
    model.add(layers.Flatten())
    model.add(layers.Dense(128, activation="relu", kernel_initializer="he_normal"))
    model.add(layers.BatchNormalization())
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(10, activation="softmax"))
    return model


def test_it_is_the_printed_network():
    ours, theirs = models.chapter_cnn(**CIFAR), printed()
    assert ours.count_params() == theirs.count_params() == 358_218
    trained = sum(int(np.prod(w.shape)) for w in ours.trainable_weights)
    assert trained == 357_514
    ours.set_weights(theirs.get_weights())
    x = np.random.default_rng(0).uniform(size=(4, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-6)
    rates = [layer.rate for layer in ours.layers if hasattr(layer, "rate")]
    assert rates == [layer.rate for layer in theirs.layers if hasattr(layer, "rate")]
    norms = [layer for layer in ours.layers if hasattr(layer, "momentum")]
    assert {norm.momentum for norm in norms} == {0.99}
    assert len(norms) == 4


def test_it_is_the_network_of_the_recipe():
    spec = dict(recipes.load("cifar10-chapter").model)
    of_recipe = models.get(spec, **CIFAR)
    ours = models.chapter_cnn(**CIFAR)
    shapes = [w.shape for w in of_recipe.weights]
    assert [w.shape for w in ours.weights] == shapes


def test_its_regularisation_can_be_changed():
    model = models.chapter_cnn(**CIFAR, dropout=0.1, l2=1e-3, batch_norm=False)
    rates = [layer.rate for layer in model.layers if hasattr(layer, "rate")]
    assert rates == [0.1] * 3
    assert len(model.losses) == 4
    assert not any(hasattr(layer, "momentum") for layer in model.layers)


def test_images_that_are_too_small_are_refused():
    assert models.chapter_cnn(input_shape=(18, 18, 1), num_classes=2).built
    for side in (17, 1):
        with pytest.raises(ValueError, match=rf"18×18 pixels.*given: {side}×20"):
            models.chapter_cnn(input_shape=(side, 20, 3), num_classes=2)


def test_the_smaller_network_trains_for_twenty_epochs(tmp_path):
    """The chapter's first network for CIFAR-10, on colours that are easy to tell."""
    y = np.arange(64) % 10
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (10, 1, 1, 3))[y]
    x = np.clip(colours + rng.integers(-20, 21, (64, 32, 32, 3)), 0, 255)
    run = kerasopt.fit(
        models.cnn(**CIFAR, filters=(32, 64, 64), dense=(64,), padding="valid"),
        (x.astype("uint8"), y),
        optimizer="adam",
        augment={"name": "image_data_generator", "horizontal_flip": True},
        epochs=20,
        batch_size=32,
        directory=tmp_path / "run",
        devices="cpu",
        verbose=False,
    )
    assert run.model.count_params() == 122_570
    assert len(run.history) == 20
    assert run.history["accuracy"].iloc[-1] > 0.9 > run.history["accuracy"].iloc[0]
