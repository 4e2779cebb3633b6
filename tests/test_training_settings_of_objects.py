"""What a run of objects records, so that seeds of one model are repeats."""

import keras
import numpy as np

import kerasopt as ko
from kerasopt.training.settings_of_objects import (
    callback_settings,
    model_settings,
    optimizer_settings,
)


def net(units=2, activation=None, **arguments):
    layer = keras.layers.Dense(units, activation=activation)
    return keras.Sequential([keras.Input((3,)), layer], **arguments)


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.layer = keras.layers.Dense(1)

    def call(self, x):
        return self.layer(x)


def test_a_model_is_known_by_its_layers_and_not_by_the_number_of_its_name():
    first, second = net(), net()
    assert first.name != second.name
    assert model_settings(first) == model_settings(second)
    assert model_settings(net(3)) != model_settings(first)
    assert model_settings(net(activation="relu")) != model_settings(first)
    assert model_settings(net(name="net_1")) != model_settings(net(name="net_2"))


def test_subclassed_models_have_settings_too():
    found = []
    for _ in range(2):
        model = Own()
        model(np.zeros((1, 3)))
        found.append(model_settings(model))
    assert found[0] == found[1]
    assert (found[0]["name"], found[0]["parameters"]) == ("own", 4)


def test_schedules_lose_their_numbers_and_rates_their_float32():
    found = []
    for _ in range(2):
        rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
        found.append(optimizer_settings(keras.optimizers.SGD(rate, momentum=0.9)))
    assert found[0] == found[1]
    constant = optimizer_settings(keras.optimizers.SGD(0.001, name="mine_2"))["config"]
    assert (constant["name"], constant["learning_rate"]) == ("mine_2", 0.001)


def test_callbacks_are_told_by_their_arguments_and_not_by_what_they_know():
    plateau = keras.callbacks.ReduceLROnPlateau
    fresh, used, other = plateau(patience=2), plateau(patience=2), plateau(patience=3)
    used.wait, used.best = 7, 0.5
    assert callback_settings(fresh) == callback_settings(used)
    assert callback_settings(fresh) != callback_settings(other)


def test_runs_that_differ_in_callbacks_are_no_repeats(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    data = ko.data.from_arrays(x[:30], x[:30, 0] > 0, test=(x[30:], x[30:, 0] > 0))
    runs = [
        ko.fit(
            net,
            data,
            epochs=1,
            verbose=0,
            directory=tmp_path / str(number),
            callbacks=callbacks,
        )
        for number, callbacks in enumerate(
            [[], [keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)]]
        )
    ]
    compared = ko.compare(*runs)
    assert compared.summary["n"].tolist() == [1, 1]
    assert "LearningRateScheduler" in str(ko.Run(tmp_path / "1").recipe["callbacks"])


def test_seeds_of_a_model_are_compared_as_repeats(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    data = ko.data.from_arrays(x[:30], x[:30, 0] > 0, test=(x[30:], x[30:, 0] > 0))
    runs = [
        ko.fit(net, data, seed=seed, optimizer=optimizer, epochs=1, verbose=0,
               directory=tmp_path / f"{name}-{seed}")
        for name, optimizer in (("adam", "adam"), ("sgd", "sgd"))
        for seed in (0, 1)
    ]  # fmt: skip
    found = ko.compare(*runs)
    assert found.summary["n"].tolist() == [2, 2]
    assert found.summary["shared_seeds"].tolist() == [0, 2]
    # Short enough for a column.
    assert found.summary.index.tolist() == ["sequential #1", "sequential #2"]
    assert "optimizer.class_name" in found.differences
