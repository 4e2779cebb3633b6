"""Transfer: backbones, their preprocessing and weights, and the head."""

import inspect
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from thinning import slow_unless

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


def test_a_saved_model_and_a_run_are_backbones(pixels, tmp_path):
    saved = small_backbone()
    saved.save(tmp_path / "model.keras")
    expected = keras.Model(saved.input, saved.layers[-2].input)(pixels)
    for place in (tmp_path / "model.keras", tmp_path):
        model = models.transfer(str(place), **SHAPE, dropout=0)
        found = keras.Model(model.input, model.get_layer("logits").input)(pixels)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Random weights, and those of a file, for the same layers.
    fresh = models.transfer(saved, **SHAPE, weights=None)
    kernel = "first/kernel"

    def kernel_of(model):
        base = model.get_layer("backbone")
        return next(np.asarray(w) for w in base.weights if w.path == kernel)

    own = np.asarray(saved.get_layer("first").kernel)
    assert not np.array_equal(kernel_of(fresh), own)
    path = str(tmp_path / "model.keras")
    given = models.transfer(small_backbone(), **SHAPE, weights=path)
    np.testing.assert_array_equal(kernel_of(given), own)


def test_a_given_model_stays_as_it_is(pixels):
    saved = small_backbone()
    before = [w.copy() for w in saved.get_weights()]
    model = models.transfer(saved, **SHAPE, unfreeze=None)
    assert len(saved.trainable_weights) == 8
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(pixels, np.arange(6) % 3, verbose=0)
    assert all(map(np.array_equal, before, saved.get_weights()))
    # A model of transfer is a backbone in turn.
    again = models.transfer(model, **SHAPE)
    assert np.asarray(again(pixels)).shape == (6, 3)


def test_a_backbone_without_a_head_keeps_its_features(pixels):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="only")(inputs)
    headless = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    model = models.transfer(headless, **SHAPE, dropout=0)
    found = keras.Model(model.input, model.get_layer("logits").input)(pixels)
    np.testing.assert_allclose(found, headless(pixels), rtol=1e-5)


def test_weights_of_a_file_for_a_network_of_keras(tmp_path):
    vgg = {"include_top": False, "weights": None, "input_shape": (32, 32, 3)}
    source = keras.applications.VGG16(**vgg)
    arguments = {**SHAPE, "input_shape": (32, 32, 3), "image_size": 32}
    for name in ("model.keras", "model.weights.h5"):
        path = tmp_path / name
        save = source.save if name == "model.keras" else source.save_weights
        save(path)
        model = models.transfer("vgg16", **arguments, weights=str(path))
        for ours, theirs in zip(
            model.get_layer("backbone").get_weights(), source.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
        with pytest.raises(ValueError, match=r"don't fit vgg19: .*(layer|conv4)"):
            models.transfer("vgg19", **arguments, weights=str(path))
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(ValueError, match=f"{name}"):
            models.transfer("vgg16", **arguments, weights=str(path))


def test_every_channel_count_has_an_answer():
    with pytest.raises(ValueError, match=r"3 channels; .*\(8, 8, 4\).*alpha"):
        models.transfer(small_backbone(), input_shape=(8, 8, 4), num_classes=2)
    with pytest.raises(ValueError, match=r"takes images of 3 channels"):
        models.transfer("vgg16", input_shape=(64, 64, 13), num_classes=2, weights=None)
    model = models.transfer(small_backbone(), input_shape=(8, 8, 1), num_classes=2)
    assert model.get_layer("channels").output.shape == (None, 8, 8, 3)


NOT_IMAGES = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": "vgg-166"}, "Did you mean 'vgg16'"),
        ({"backbone": "none.keras"}, "path of a .keras file"),
        ({"backbone": 3}, "backbone must be a text"),
        ({"backbone": __file__}, "can't be loaded"),
        ({"backbone": NOT_IMAGES}, "must take images"),
        ({"backbone": keras.Sequential()}, "functional or Sequential"),
        ({"backbone": "xception", "image_size": 64}, "71x71.*larger image_size"),
        ({"backbone": small_backbone(), "image_size": 9}, "built for images of 8×8"),
        ({"weights": "none.h5", "backbone": "vgg16"}, "no such file"),
        ({"input_shape": (20_000, 10_000, 3)}, "too large; at most 16,777,216"),
        ({"image_size": 20_000}, "image_size must be at most"),
        ({"image_size": (32,)}, "image_size must be a list of 2"),
        ({"image_size": 0}, "image_size must be an integer >= 1"),
        ({"pooling": "mean"}, "pooling must be one of 'average', 'max', 'flatten'"),
        ({"dropout": (0.1, 0.2)}, "each of these 1 places: features"),
        ({"unfreeze": 99}, "backbone has 49 layers that can train"),
        ({"unfreeze": -1}, "last must be an integer >= 0"),
        ({"l2": -1}, "l2 must be"),
    ],
)
def test_bad_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.transfer(**{"weights": None, **SHAPE, **arguments})


def test_without_the_network_keras_weights_are_explained(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERASOPT_OFFLINE", "1")
    with pytest.raises(models.WeightsUnavailableError) as caught:
        models.transfer("resnet50", **SHAPE)
    for expected in ("weights=path", "weights=None", "efficientnet_lite0", "notop"):
        assert expected in str(caught.value)


@pytest.mark.parametrize(
    "failure",
    [
        Exception("URL fetch failure on https://a.example: None -- timed out"),
        TimeoutError("timed out"),
        ValueError("Incomplete or corrupted file detected."),
    ],
)
def test_a_failed_download_of_keras_is_explained(monkeypatch, failure):
    monkeypatch.delenv("KERASOPT_OFFLINE", raising=False)

    def fails(**_):
        raise failure

    table = {"vgg16": fails}
    monkeypatch.setattr(backbones, "_applications", lambda: table)
    with pytest.raises(models.WeightsUnavailableError, match=r"weights=path.*None"):
        models.transfer("vgg16", **SHAPE)


def test_penalties_reach_the_output_layer(pixels):
    plain = models.transfer(small_backbone(), **SHAPE)
    model = models.transfer(small_backbone(), **SHAPE, l2=0.1)
    assert not plain.losses
    kernel = np.asarray(model.get_layer("logits").kernel)
    np.testing.assert_allclose(model.losses[0], 0.1 * (kernel**2).sum(), rtol=1e-6)


def test_recipes_name_it(pixels):
    spec = {
        "name": "transfer",
        "backbone": "vgg16",
        "weights": None,
        "image_size": [32, 32],
        "dense": [4],
    }
    model = models.get(spec, task="multilabel", **SHAPE)
    assert model.layers[-1].activation is keras.activations.sigmoid
    assert model.get_layer("backbone").trainable is False


def networks_of_the_page():
    """Return (name, millions of parameters) of each row of docs/transfer.md."""
    page = Path(__file__).parents[1] / "docs" / "transfer.md"
    rows = re.findall(r"^\| `(\w+)`[^|]*\| ([\d.]+) M", page.read_text("utf-8"), re.M)
    assert len(rows) >= 10
    return rows


def test_the_networks_of_the_page_are_known():
    assert {name for name, _ in networks_of_the_page()} <= set(backbones.known())


@pytest.mark.parametrize(
    ("name", "millions"),
    slow_unless(lambda name, _: name == "mobilenet", networks_of_the_page()),
)
def test_the_networks_of_the_page_have_its_parameters(name, millions):
    if name == "efficientnet_lite0":
        model = models.efficientnet_lite0(input_shape=(224, 224, 3), weights=None)
    else:
        model = backbones._applications()[name](weights=None)
    np.testing.assert_allclose(model.count_params() / 1e6, float(millions), atol=0.06)


@pytest.mark.slow
@pytest.mark.realdata
def test_features_are_worth_more_than_pixels():
    """R49: with 25 labels a class, by a linear classifier on either."""
    data = ko.data.load("cifar10", validation=0)
    (x, y), (x_test, y_test) = data.train, data.test
    rows = np.concatenate([np.flatnonzero(y == c)[:25] for c in range(10)])
    model = models.transfer(input_shape=(32, 32, 3), num_classes=10, image_size=112)
    base = keras.Model(model.input, model.get_layer("pooling").output)

    def accuracy(describe):
        classifier = LogisticRegression(C=0.1, max_iter=3000)
        classifier.fit(describe(x[rows]), y[rows])
        return classifier.score(describe(x_test[:500]), y_test[:500])

    features = accuracy(lambda images: base.predict(images, verbose=0))
    pixels = accuracy(lambda images: images.reshape(len(images), -1) / 255)
    assert features > 0.6
    assert pixels < 0.4


def test_an_input_shape_is_needed():
    """B19: without one Keras can't flatten VGG16's features."""
    with pytest.raises(ValueError, match="Model 'transfer' needs input_shape"):
        models.get("transfer", backbone="vgg16", num_classes=10, weights=None)
    for shape in (None, (None, None, 3), (32, 32)):
        with pytest.raises(ValueError, match="input_shape"):
            models.get("transfer", input_shape=shape, num_classes=10, weights=None)


@pytest.mark.parametrize(
    "setting",
    [
        {"activation": "gelu"},
        {"batch_norm": True},
        {"kernel_initializer": "glorot_uniform"},
        {"activity_l1": 1e-5},
    ],
)
def test_settings_of_dense_layers_need_some(setting):
    (name,) = setting
    shape = {"input_shape": (32, 32, 3), "num_classes": 10}
    with pytest.raises(ValueError, match=f"{name}=.* is for dense layers"):
        models.transfer("vgg16", **shape, weights=None, **setting)


def test_grey_images_reach_a_backbone_that_scales_as_pixels(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(inputs))
    backbone = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    model = models.transfer(backbone, input_shape=(8, 8, 1), num_classes=2)
    assert takes_pixels(model)
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), "uint8")
    run = ko.fit(
        model,
        (images, np.arange(20) % 2),
        epochs=1,
        directory=tmp_path / "run",
        verbose=False,
    )
    expected = run.model.predict(images.astype("float32"), verbose=0)
    np.testing.assert_allclose(run.predict(images), expected, rtol=1e-5)
