"""kerasopt.training.tabulated: a table gives the rates of its schedule."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt import optimizers, schedules
from kerasopt.training.tabulated import Tabulated, tabulate

EPOCHS, STEPS_PER_EPOCH = 5, 9
STEPS = EPOCHS * STEPS_PER_EPOCH
ARGUMENTS = {
    "constant": {"learning_rate": 0.1},
    "cosine": {"initial_learning_rate": 0.1},
    "cosine_cycle": {"initial_learning_rate": 0.1, "half_cycle_steps": 5},
    "cosine_restarts": {"initial_learning_rate": 0.1, "first_decay_steps": 7},
    "cyclical": {
        "base_learning_rate": 0.01,
        "max_learning_rate": 0.1,
        "half_cycle_steps": 5,
        "mode": "triangular2",
    },
    "exponential": {"initial_learning_rate": 0.1, "decay_steps": 8, "decay_rate": 0.5},
    "inverse_time": {"initial_learning_rate": 0.1, "decay_steps": 8, "decay_rate": 0.5},
    "one_cycle": {"peak": 0.1},
    "piecewise": {"boundaries": [7, 30], "values": [0.1, 0.05, 0.01]},
    "polynomial": {"initial_learning_rate": 0.1, "power": 2.0},
    "warmup": {
        "warmup_steps": 11,
        "schedule": {"name": "cosine", "initial_learning_rate": 0.1},
    },
}


def made(name):
    spec = {"name": name, **ARGUMENTS[name]}
    filled = schedules.complete(spec, epochs=EPOCHS, steps_per_epoch=STEPS_PER_EPOCH)
    return schedules.get(filled)


def test_every_schedule_is_tried():
    assert set(ARGUMENTS) == set(schedules.names())


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_each_steps_rate_is_the_schedules_own(name):
    schedule = made(name)
    optimizer = keras.optimizers.SGD(schedule)
    tabulate(optimizer, steps=STEPS)
    if not callable(schedule):  # A constant rate is none.
        assert float(optimizer.learning_rate) == pytest.approx(schedule)
        return
    ((owner, table),) = schedules.scheduled(optimizer)
    assert owner is optimizer
    assert isinstance(table, Tabulated)
    at = range(STEPS + 1)  # The log shows the rate after the last step.
    wanted = [float(keras.ops.convert_to_numpy(schedule(step))) for step in at]
    np.testing.assert_allclose([float(table(s)) for s in at], wanted, rtol=2e-6)
    # As Keras calls it: with the optimizer's own counter.
    assert float(optimizer.learning_rate) == pytest.approx(wanted[0])


def test_past_its_end_the_last_rate_stays():
    table = Tabulated([0.3, 0.2, 0.1])
    assert float(table(2)) == float(table(3)) == float(table(10**6))
    assert float(table(2)) == pytest.approx(0.1)


def test_a_schedule_that_branches_on_one_number_is_tabulated_all_the_same():
    @keras.saving.register_keras_serializable(package="test")
    class Branches(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return tf.cond(step < 3, lambda: 0.1, lambda: 0.2)

        def get_config(self):
            return {}

    optimizer = keras.optimizers.Adam(Branches())
    tabulate(optimizer, steps=6)
    table = schedules.scheduled(optimizer)[0][1]
    np.testing.assert_allclose(table.rates.numpy(), [0.1] * 3 + [0.2] * 4)


def test_groups_count_and_numbers_stay():
    cosine = {"name": "cosine", "initial_learning_rate": 0.1, "decay_steps": 4}
    optimizer = optimizers.get(
        {
            "name": "grouped",
            "default": {"name": "sgd", "learning_rate": cosine},
            "groups": {"bias": {"name": "sgd", "learning_rate": 0.5}},
        }
    )
    tabulate(optimizer, steps=4)
    found = schedules.scheduled(optimizer)
    assert [type(schedule) for _, schedule in found] == [Tabulated]
    plain = keras.optimizers.SGD(0.5)
    tabulate(plain, steps=4)
    assert float(plain.learning_rate) == 0.5


def test_one_step_is_a_training_too():
    optimizer = keras.optimizers.SGD(made("cosine"))
    tabulate(optimizer, steps=1)
    assert schedules.scheduled(optimizer)[0][1].rates.numpy().shape == (2,)


def test_it_can_be_saved_with_a_model():
    table = Tabulated([0.3, 0.2])
    saved = keras.saving.serialize_keras_object(table)
    again = keras.saving.deserialize_keras_object(saved)
    np.testing.assert_array_equal(again.rates.numpy(), table.rates.numpy())
