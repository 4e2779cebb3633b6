"""Which layers of a network that others use are its head, and are cut off."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasopt import models
from kerasopt.models import headless

ARGUMENTS = {"input_shape": (16, 16, 3), "num_classes": 2}
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 16, 16, 3)).astype("float32")


def network(end):
    """A classifier of five classes whose features are 64 numbers."""
    entry = keras.Input((16, 16, 3))
    x = layers.Conv2D(64, 3, activation="relu")(layers.Rescaling(1 / 255)(entry))
    x = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(entry, end(x))


def dense(x):
    return layers.Dense(5)(x)


def nested(x):
    head = [keras.Input((64,)), layers.Dropout(0.1), layers.Dense(5)]
    return keras.Sequential(head)(x)


def normalised(x):
    return layers.Activation("softmax")(layers.BatchNormalization()(dense(x)))


ENDS = {
    "one layer": dense,
    "dropout behind it": lambda x: layers.Softmax()(layers.Dropout(0.1)(dense(x))),
    "normalisation": normalised,
    "an activation of its own kind": lambda x: layers.LeakyReLU()(dense(x)),
    "an operation": lambda x: keras.ops.softmax(dense(x)),
    "arithmetic": lambda x: dense(x) * 0.1,
    "a nested model": nested,
    "EinsumDense": layers.EinsumDense("ab,bc->ac", 5),
}


@pytest.mark.parametrize("end", ENDS)
def test_everything_from_the_last_dense_layer_on_is_cut_off(end):
    model = network(ENDS[end])
    features = keras.Model(model.input, model.get_layer("features").output)
    found = headless.headless(model)
    np.testing.assert_allclose(found(PIXELS), features(PIXELS), rtol=1e-6)
    transfer = models.transfer(model, **ARGUMENTS)
    assert transfer.get_layer("backbone").output_shape == (None, 64)


def test_a_network_nested_behind_a_rescaling_loses_its_head():
    inner = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Flatten(),
            layers.Dense(7, activation="relu"),
            layers.Dense(5),
        ]
    )
    model = keras.Sequential([keras.Input((16, 16, 3)), layers.Rescaling(0.1), inner])
    found = headless.headless(model)
    expected = keras.Model(inner.inputs[0], inner.layers[-1].input)(PIXELS * 0.1)
    np.testing.assert_allclose(found(PIXELS), expected, rtol=1e-5)


def test_probabilities_without_a_dense_layer_are_refused():
    entry = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3)(entry))
    model = keras.Model(entry, layers.Softmax()(x))
    with pytest.raises(ValueError, match="gives probabilities, but ends in no Dense"):
        models.transfer(model, **ARGUMENTS)
    # The same without the softmax are features.
    features = keras.Model(entry, x)
    assert headless.headless(features).output_shape == (None, 5)


def test_a_lambda_is_refused():
    scaled = layers.Lambda(lambda x: x / 255, name="mine")
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), scaled, layers.Flatten(), layers.Dense(2)]
    )
    with pytest.raises(ValueError, match="'mine' of the backbone is a Lambda"):
        models.transfer(model, **ARGUMENTS)


@pytest.mark.parametrize("pooling", ["average", "max", "flatten"])
def test_tokens_are_pooled(pooling):
    entry = keras.Input((16, 16, 3))
    tokens = layers.Reshape((16, 48))(entry)
    model = keras.Model(entry, layers.LayerNormalization()(tokens))
    transfer = models.transfer(model, **ARGUMENTS, pooling=pooling, dropout=0)
    assert transfer.output_shape == (None, 2)
    pooled = transfer.get_layer("logits").input
    found = keras.Model(transfer.input, pooled)(PIXELS)
    rows = np.asarray(model(PIXELS))
    by_hand = {
        "average": rows.mean(axis=1),
        "max": rows.max(axis=1),
        "flatten": rows.reshape(4, -1),
    }
    np.testing.assert_allclose(found, by_hand[pooling], rtol=1e-4, atol=1e-5)


def small(more):
    entry = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, name="first")(entry)
    if more:
        x = layers.BatchNormalization(name="between")(x)
    x = layers.Conv2D(8, 3, name="second")(layers.ReLU()(x))
    if more:
        x = layers.Conv2D(8, 3, name="third")(layers.ReLU()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(entry, layers.Dense(2, name="out")(x))


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_weights_of_a_network_with_more_layers_are_refused(tmp_path, ending):
    other, own = small(more=True), small(more=False)
    for name, model in (("other", other), ("own", own)):
        path = tmp_path / f"{name}.{ending}"
        (model.save if ending == "keras" else model.save_weights)(path)
    message = r"other\.\S+ don't fit the model .*: the file has \S+, too, which isn't"
    with pytest.raises(ValueError, match=message):
        models.transfer(
            small(more=False), weights=str(tmp_path / f"other.{ending}"), **ARGUMENTS
        )
    # Those of the same network fit, with their head, which is left.
    found = models.transfer(
        small(more=False), weights=str(tmp_path / f"own.{ending}"), **ARGUMENTS
    )
    given = [np.asarray(w) for w in found.get_layer("backbone").weights]
    assert all(map(np.array_equal, given, [np.asarray(w) for w in own.weights]))


def test_a_truncated_file_is_called_damaged(tmp_path):
    path = tmp_path / "model.keras"
    small(more=False).save(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"model\.keras can't be loaded: .*damaged"):
        models.transfer(str(path), **ARGUMENTS)
