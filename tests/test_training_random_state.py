"""A training leaves the generators of the process where they were."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasopt as ko

pytestmark = pytest.mark.usefixtures("no_report")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
RECIPE = ko.recipes.Recipe(
    {
        "name": "small",
        "data": {"name": "digits"},
        "model": {"name": "mlp", "units": [4]},
        "training": {"epochs": 1, "batch_size": 50},
    }
)


def net():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])


def draws():
    """What a program may draw between two trainings, the next first weights too."""
    weights = net().get_weights()[0]
    drawn = [random.random(), np.random.uniform(), *weights.ravel()]
    return np.float32([*drawn, *keras.random.uniform((2,)), *tf.random.uniform((2,))])


def fit(folder, data):
    ko.fit(net(), (X, Y), epochs=1, directory=folder, verbose=False)


def diverged(folder, data):
    with pytest.raises(ko.training.DivergedError):
        ko.fit(
            net(),
            (X, X[:, 0]),
            optimizer=keras.optimizers.SGD(1e30),
            epochs=3,
            directory=folder,
            verbose=False,
        )


def lr_range_test(folder, data):
    RECIPE.lr_range_test(dataset=data, steps=20, verbose=False)


def search(folder, data):
    space = {"training.batch_size": [50, 60]}
    ko.tuning.search(
        RECIPE, space, max_trials=1, dataset=data, directory=folder, verbose=False
    )


@pytest.mark.parametrize("train", [fit, diverged, lr_range_test, search])
def test_a_training_does_not_seed_what_is_drawn_after_it(train, tiny_digits, tmp_path):
    found = []
    for seed in (5, 6):
        keras.utils.set_random_seed(seed)
        train(tmp_path / str(seed), tiny_digits)
        found.append(draws())
    assert (found[0] != found[1]).all()


def test_draws_go_on_as_if_there_had_been_no_training(tmp_path):
    keras.utils.set_random_seed(5)
    expected = [draws(), draws()]
    keras.utils.set_random_seed(5)
    found = [draws()]
    ko.fit(net, (X, Y), epochs=1, directory=tmp_path / "run", verbose=False)
    np.testing.assert_array_equal([*found, draws()], expected)


def test_unseeded_draws_of_tensorflow_do_not_repeat(tmp_path):
    tf.random.set_seed(None)
    found = []
    for name in ("a", "b"):
        fit(tmp_path / name, None)
        found.append(float(tf.random.uniform(())))
    assert found[0] != found[1]
