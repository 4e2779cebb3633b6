"""kerasopt.schedules: Keras's own by name, one-cycle against numpy.interp."""

import keras
import numpy as np
import pytest

from kerasopt import schedules


@pytest.mark.parametrize(
    ("spec", "keras_schedule"),
    [
        (
            {
                "name": "exponential",
                "initial_learning_rate": 0.1,
                "decay_steps": 10000,
                "decay_rate": 0.9,
            },
            keras.optimizers.schedules.ExponentialDecay(0.1, 10000, 0.9),
        ),
        (
            {
                "name": "piecewise",
                "boundaries": [10000, 20000],
                "values": [0.1, 0.01, 0.001],
            },
            keras.optimizers.schedules.PiecewiseConstantDecay(
                [10000, 20000], [0.1, 0.01, 0.001]
            ),
        ),
        (
            {"name": "cosine", "initial_learning_rate": 1e-3, "decay_steps": 10},
            keras.optimizers.schedules.CosineDecay(1e-3, 10),
        ),
    ],
)
def test_names_give_keras_schedules(spec, keras_schedule):
    ours = schedules.get(spec)
    assert type(ours) is type(keras_schedule)
    for step in (0, 5, 9999, 10001, 25000):
        assert float(ours(step)) == float(keras_schedule(step))


@pytest.mark.parametrize("warmup_fraction", [0.0, 0.25, 0.9])
def test_one_cycle_is_piecewise_linear(warmup_fraction):
    schedule = schedules.OneCycle(
        0.4, 200, warmup_fraction, initial_factor=0.1, final_factor=0.05
    )
    steps = np.arange(0, 251)
    corners = [0, 200 * warmup_fraction, 200]
    heights = [0.04 if warmup_fraction else 0.4, 0.4, 0.02]
    expected = np.interp(steps, corners, heights)
    if warmup_fraction == 0:
        expected[0] = 0.4
    rates = [float(schedule(step)) for step in steps]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


def test_one_cycle_round_trip_inside_an_optimizer():
    optimizer = keras.optimizers.SGD(schedules.OneCycle(0.4, 20))
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    optimizer.build([])
    again.build([])
    assert float(again.learning_rate) == float(optimizer.learning_rate)


def test_length_is_filled_in_only_where_it_is_missing():
    given = {"name": "one_cycle", "peak": 1.0, "epochs": 2}
    full = schedules.complete(given, epochs=9, steps_per_epoch=10)
    assert (full["epochs"], full["steps_per_epoch"]) == (2, 10)
    assert float(schedules.get(full)(20)) == 0
    assert schedules.complete(0.1, epochs=9, steps_per_epoch=10) == 0.1
    constant = {"name": "constant", "learning_rate": 0.1}
    assert schedules.complete(constant, epochs=9, steps_per_epoch=10) == constant


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf"), True])
def test_a_rate_that_is_not_positive_is_refused(rate):
    with pytest.raises(ValueError, match=r"must be a number > 0|Unknown schedule"):
        schedules.get(rate)
    with pytest.raises(ValueError, match="must be a number > 0"):
        schedules.get("one_cycle", peak=rate, epochs=1, steps_per_epoch=1)
    with pytest.raises(ValueError, match="must be a number > 0"):
        schedules.get(
            "exponential", initial_learning_rate=rate, decay_steps=1, decay_rate=0.9
        )


@pytest.mark.parametrize(
    "arguments",
    [
        {"total_steps": 0},
        {"total_steps": 2.5},
        {"total_steps": 10, "warmup_fraction": 1},
        {"total_steps": 10, "final_factor": -0.1},
    ],
)
def test_one_cycle_bad_arguments(arguments):
    with pytest.raises(ValueError, match=next(reversed(arguments)).split("_")[0]):
        schedules.OneCycle(0.1, **arguments)


def test_arguments_of_a_finished_schedule_are_not_swallowed():
    for finished in (0.1, keras.optimizers.schedules.CosineDecay(0.1, 10)):
        with pytest.raises(ValueError, match=r"given besides: \['peak'\]"):
            schedules.get(finished, peak=1.0)


def test_unknown_words():
    with pytest.raises(ValueError, match="Did you mean 'cosine'"):
        schedules.get("cosin")
    with pytest.raises(ValueError, match="decay_stops"):
        schedules.get("cosine", initial_learning_rate=1, decay_stops=1)
