"""Unfreezing: which layers train, and what batch normalisation does meanwhile."""

import keras
import numpy as np
import pytest

from kerasopt import models


def network(**arguments):
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(inputs)
    x = keras.layers.BatchNormalization(name="norm1")(x)
    part = keras.Sequential(
        [
            keras.Input((4, 4, 4)),
            keras.layers.Conv2D(4, 3, name="second"),
            keras.layers.BatchNormalization(name="norm2"),
        ],
        name="part",
    )
    x = keras.layers.Conv2D(4, 1, name="third")(keras.layers.ReLU()(part(x)))
    return models.transfer(
        keras.Model(inputs, x), input_shape=(6, 6, 3), num_classes=2, **arguments
    )


def trained(model):
    variables = model.get_layer("backbone").trainable_variables
    return {"/".join(v.path.split("/")[-2:]) for v in variables}


@pytest.mark.parametrize(
    ("last", "names"),
    [
        (0, []),
        (1, ["third"]),
        (2, ["second", "third"]),
        (None, ["first", "second", "third"]),
    ],
)
def test_the_last_layers_train(last, names, tmp_path):
    """Also those of a model inside, and after saving."""
    model = network()
    models.unfreeze(model)  # What was unfrozen before doesn't count.
    assert models.unfreeze(model, last=last) == names
    expected = {f"{name}/{w}" for name in names for w in ("kernel", "bias")}
    assert trained(model) == expected
    model.save(tmp_path / "model.keras")
    assert trained(keras.saving.load_model(tmp_path / "model.keras")) == expected
    assert trained(network(unfreeze=last)) == expected


def test_batch_normalisation_trains_where_it_is_asked_for():
    model = network()
    names = models.unfreeze(model, last=2, batch_norm=True)
    assert names == ["second", "norm2", "third"]
    x = np.random.default_rng(0).normal(size=(8, 6, 6, 3))
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = model.get_layer("backbone").get_layer("norm1").get_weights()
    model.fit(x, np.arange(8) % 2, verbose=0)
    after = model.get_layer("backbone").get_layer("norm1").get_weights()
    assert all(map(np.array_equal, before, after))


def test_unfrozen_layers_train_and_statistics_stay():
    """In inference mode though Keras calls the model with training=True."""
    model = network(unfreeze=None, dropout=0)
    base = model.get_layer("backbone")
    norms = [base.get_layer("norm1"), base.get_layer("part").get_layer("norm2")]
    before = [[w.copy() for w in norm.get_weights()] for norm in norms]
    kernel = np.array(base.get_layer("first").kernel)
    x = np.random.default_rng(0).normal(size=(8, 6, 6, 3)).astype("float32")
    np.testing.assert_array_equal(model(x, training=True), model(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, np.arange(8) % 2, verbose=0)
    for norm, weights in zip(norms, before, strict=True):
        assert all(map(np.array_equal, weights, norm.get_weights()))
    assert not np.array_equal(kernel, base.get_layer("first").kernel)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"last": 4}, "backbone has 3 layers that can train; to train the last 4"),
        ({"last": -1}, "last must be an integer >= 0"),
        ({"last": "all"}, "last must be an integer"),
        ({"batch_norm": 1}, "batch_norm must be True or False"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.unfreeze(network(), **arguments)


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="no nested model named 'backbone'"):
        models.unfreeze(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
    with pytest.raises(TypeError, match="keras"):
        models.unfreeze("backbone")
