"""kerasopt.optimizers: Keras optimizers by name, with strict arguments."""

import keras
import numpy as np
import pytest

from kerasopt import optimizers


@pytest.mark.parametrize(
    ("name", "arguments", "keras_optimizer"),
    [
        ("sgd", {"learning_rate": 0.01}, keras.optimizers.SGD(0.01)),
        (
            "sgd",
            {"learning_rate": 0.01, "momentum": 0.9},
            keras.optimizers.SGD(0.01, momentum=0.9),
        ),
        (
            "momentum",
            {"learning_rate": 0.1},
            keras.optimizers.SGD(0.1, momentum=0.9),
        ),
        (
            "nesterov",
            {"learning_rate": 0.1},
            keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        ),
        ("adagrad", {"learning_rate": 0.01}, keras.optimizers.Adagrad(0.01)),
        (
            "rmsprop",
            {"learning_rate": 0.001, "rho": 0.9},
            keras.optimizers.RMSprop(0.001, rho=0.9),
        ),
        (
            "adam",
            {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999},
            keras.optimizers.Adam(0.001, 0.9, 0.999),
        ),
        ("lamb", {}, keras.optimizers.Lamb()),
        ("adamw", {"weight_decay": 0.01}, keras.optimizers.AdamW(weight_decay=0.01)),
    ],
)
def test_same_settings_as_keras(name, arguments, keras_optimizer):
    ours = optimizers.get(name, **arguments)
    expected = {**keras_optimizer.get_config(), "name": None}
    assert {**ours.get_config(), "name": None} == expected
    assert type(ours) is type(keras_optimizer)


def test_schedule_given_as_a_dict():
    optimizer = optimizers.get(
        {
            "name": "sgd",
            "learning_rate": {
                "name": "exponential",
                "initial_learning_rate": 0.1,
                "decay_steps": 10000,
                "decay_rate": 0.9,
            },
        }
    )
    optimizer.build([])
    optimizer.iterations.assign(10000)
    assert float(optimizer.learning_rate) == pytest.approx(0.09)


def test_an_optimizer_serves_two_models_through_copies():
    original = keras.optimizers.Adam(0.005)
    for _ in range(2):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizers.get(original), "mse")
        model.train_on_batch(np.ones((1, 2)), np.ones((1, 1)))
    assert not original.built


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decay": 0.1}, "Unknown argument .* 'decay'"),
        ({"learning_rat": 0.1}, "Did you mean 'learning_rate'"),
        ({"learning_rate": -0.1}, "learning_rate must be a number > 0"),
        ({"learning_rate": 0}, "learning_rate must be a number > 0"),
        ({"learning_rate": "fast"}, "Unknown schedule 'fast'"),
        ({"weight_decay": -1}, "weight_decay must be a number >= 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        optimizers.get("sgd", **arguments)


def test_unknown_optimizer_lists_the_choices():
    with pytest.raises(ValueError, match=r"Did you mean 'adam'.*rmsprop"):
        optimizers.get("adaam")
    with pytest.raises(ValueError, match="already has its arguments"):
        optimizers.get(keras.optimizers.SGD(), momentum=0.9)
