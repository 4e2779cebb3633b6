"""Transfer: backbones, their preprocessing and weights, and the head."""

import inspect
import json

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt import models
from kerasopt.models import backbones
from kerasopt.models.transfer import _default_size, _preprocess
from kerasopt.training.head import takes_pixels

APPLICATIONS = dict(inspect.getmembers(keras.applications, inspect.isfunction))
SHAPE = {"input_shape": (8, 8, 3), "num_classes": 3}


def small_backbone(channels=3, size=8):
    """Return a model with batch normalisation, dropout and a head."""
    inputs = keras.Input((size, size, channels))
    x = keras.layers.Conv2D(4, 3, name="first")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.5, name="chance")(x)
    x = keras.layers.Conv2D(4, 3, name="second")(keras.layers.ReLU()(x))
    x = keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Softmax()(x), name="small")


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype("float32")


def preprocessed(base, x):
    """Return what a backbone is handed of images."""
    inputs = keras.Input(x.shape[1:])
    return np.asarray(keras.Model(inputs, _preprocess(inputs, base, (8, 8)))(x))


@pytest.mark.parametrize("name", APPLICATIONS)
def test_preprocessing_is_that_of_keras(name, pixels):
    function = APPLICATIONS[name]
    module = getattr(keras.applications, function.__module__.rpartition(".")[2])
    entry = keras.Input((8, 8, 3))
    base = backbones.Backbone(
        model=keras.Model(entry, entry), **backbones._preprocessing(function)
    )
    expected = module.preprocess_input(pixels.copy())
    found = preprocessed(base, pixels)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    # Grey images are repeated.
    grey = pixels[..., :1]
    expected = module.preprocess_input(np.repeat(grey, 3, axis=-1))
    found = preprocessed(base, grey)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_features_are_those_of_keras(pixels):
    """R51: the network as printed, on Keras's VGG16."""
    images = np.repeat(np.repeat(pixels, 4, axis=1), 4, axis=2)
    model = models.transfer(
        "vgg16",
        input_shape=(32, 32, 3),
        num_classes=10,
        weights=None,
        image_size=32,
        pooling="flatten",
        dense=(1024,),
        dropout=0,
    )
    kinds = [type(layer).__name__ for layer in model.layers[-6:]]
    head = ["Flatten", "Dense", "Activation", "Dense", "Activation"]
    assert kinds == ["Functional", *head]
    trained = [layer.name for layer in model.layers if layer.trainable_weights]
    assert trained == ["dense_1", "logits"]
    assert takes_pixels(model)
    theirs = keras.applications.VGG16(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    base = model.get_layer("backbone")
    theirs.set_weights(base.get_weights())
    expected = theirs(keras.applications.vgg16.preprocess_input(images.copy()))
    found = keras.Model(model.input, model.get_layer("pooling").input)(images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_model_reloads_in_plain_keras_and_exports(pixels, tmp_path):
    model = models.transfer(small_backbone(), **SHAPE, dense=(5,))
    models.unfreeze(model, last=1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(pixels), model(pixels))
    paths = [[v.path for v in m.trainable_variables] for m in (model, again)]
    assert paths[0] == paths[1]
    assert paths[0][:2] == ["second/kernel", "second/bias"]
    again.export(tmp_path / "saved", verbose=False)
    assert "kerasopt" not in json.dumps(model.get_config(), default=str)


@pytest.mark.parametrize("fit", ["kerasopt", "keras"])
def test_frozen_weights_stay_bit_for_bit(fit, pixels, quick):
    """R50, with the statistics of batch normalisation."""
    model = models.transfer(small_backbone(), **SHAPE)
    base = model.get_layer("backbone")
    before = [w.copy() for w in base.get_weights()]
    head = model.get_layer("logits").get_weights()[0].copy()
    labels = np.arange(6) % 3
    if fit == "keras":
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(pixels, labels, verbose=0, epochs=3)
    else:
        data = ko.data.from_arrays(
            pixels.astype("uint8"), labels, validation=(pixels[:3], labels[:3])
        )
        model = ko.fit(model, data, epochs=3, **quick).model
        base = model.get_layer("backbone")
    assert all(map(np.array_equal, before, base.get_weights()))
    assert not np.array_equal(head, model.get_layer("logits").get_weights()[0])


def test_nothing_is_drawn_inside_a_backbone(pixels):
    model = models.transfer(small_backbone(), **SHAPE, dropout=0)
    expected = np.asarray(model(pixels))
    np.testing.assert_array_equal(model(pixels, training=True), expected)
    models.unfreeze(model)
    np.testing.assert_array_equal(model(pixels, training=True), expected)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((32, 32), (160, 160)),
        ((64, 96), (160, 256)),
        ((65, 65), (96, 96)),
        ((200, 300), (224, 320)),
        ((480, 640), (224, 288)),
        ((40, 4000), (160, 320)),
    ],
)
def test_size_of_the_images(shape, size):
    assert _default_size(*shape) == size
