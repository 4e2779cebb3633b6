"""kerasopt.scratch.schedules: the formulas against Keras's own and SciPy's waves."""

import functools

import keras
import numpy as np
import pytest
from scipy import signal
from thinning import slow_unless

from kerasopt.scratch import schedules
from kerasopt.scratch.optimizers import Adam

KERAS = keras.optimizers.schedules
STEPS = np.unique(np.linspace(0, 2500, 1000).round())

# The formula with its arguments, and Keras's class with the same settings.
TABLE = {
    "piecewise": (
        {"boundaries": [700, 1400], "values": [0.1, 0.01, 0.001]},
        KERAS.PiecewiseConstantDecay([700, 1400], [0.1, 0.01, 0.001]),
    ),
    "exponential": (
        {"initial": 0.1, "decay_steps": 1000, "decay_rate": 0.9},
        KERAS.ExponentialDecay(0.1, 1000, 0.9),
    ),
    "exponential-staircase": (
        {"initial": 0.01, "decay_steps": 1000, "decay_rate": 0.96, "staircase": True},
        KERAS.ExponentialDecay(0.01, 1000, 0.96, staircase=True),
    ),
    "inverse_time": (
        {"initial": 0.1, "decay_steps": 500, "decay_rate": 2.0},
        KERAS.InverseTimeDecay(0.1, 500, 2.0),
    ),
    "inverse_time-staircase": (
        {"initial": 0.1, "decay_steps": 500, "decay_rate": 2.0, "staircase": True},
        KERAS.InverseTimeDecay(0.1, 500, 2.0, staircase=True),
    ),
    "polynomial": (
        {"initial": 0.1, "decay_steps": 2000, "end": 0.01, "power": 2.0},
        KERAS.PolynomialDecay(0.1, 2000, 0.01, power=2.0),
    ),
    "polynomial-cycle": (
        {"initial": 0.1, "decay_steps": 800, "end": 0.01, "cycle": True},
        KERAS.PolynomialDecay(0.1, 800, 0.01, cycle=True),
    ),
    "cosine": (
        {"initial": 0.1, "decay_steps": 2000, "alpha": 0.1},
        KERAS.CosineDecay(0.1, 2000, 0.1),
    ),
    "cosine_restarts": (
        {"initial": 0.1, "first_decay_steps": 300, "m_mul": 0.8, "alpha": 0.1},
        KERAS.CosineDecayRestarts(0.1, 300, m_mul=0.8, alpha=0.1),
    ),
    "cosine_restarts-equal": (
        {"initial": 0.1, "first_decay_steps": 400, "t_mul": 1.0},
        KERAS.CosineDecayRestarts(0.1, 400, t_mul=1.0),
    ),
}


QUICK = {"piecewise", "inverse_time-staircase", "polynomial-cycle"}


@pytest.mark.parametrize("case", slow_unless(QUICK.__contains__, TABLE))
def test_formula_equals_keras(case):
    arguments, keras_schedule = TABLE[case]
    ours = getattr(schedules, case.partition("-")[0])(STEPS, **arguments)
    theirs = np.array([float(keras_schedule(int(step))) for step in STEPS])
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * theirs.max())


def test_cyclical_is_scipys_triangle_wave():
    wave = (signal.sawtooth(2 * np.pi * STEPS / 600, width=0.5) + 1) / 2
    plain = schedules.cyclical(STEPS, low=0.1, high=0.5, half_cycle_steps=300)
    np.testing.assert_allclose(plain, 0.1 + 0.4 * wave, atol=1e-12)
    halved = schedules.cyclical(
        STEPS, low=0.1, high=0.5, half_cycle_steps=300, mode="triangular2"
    )
    np.testing.assert_allclose(
        halved, 0.1 + 0.4 * wave * 0.5 ** (STEPS // 600), atol=1e-12
    )
    shrinking = schedules.cyclical(
        STEPS, low=0.1, high=0.5, half_cycle_steps=300, mode="exp_range", gamma=0.999
    )
    expected = 0.1 + 0.4 * wave * 0.999**STEPS
    np.testing.assert_allclose(shrinking, expected, atol=1e-12)


def test_one_cycle_and_warmup_are_straight_lines():
    ours = schedules.one_cycle(
        STEPS, max_learning_rate=0.4, total_steps=2000, final_factor=0.1
    )
    expected = np.interp(STEPS, [0, 500, 2000], [0.08, 0.4, 0.04])
    np.testing.assert_allclose(ours, expected, atol=1e-12)
    after = functools.partial(schedules.cosine, initial=0.2, decay_steps=1500)
    ours = schedules.warmup(STEPS, schedule=after, warmup_steps=500)
    cosine = KERAS.CosineDecay(0.0, 1500, warmup_target=0.2, warmup_steps=500)
    theirs = [float(cosine(int(step))) for step in STEPS]
    np.testing.assert_allclose(ours, theirs, atol=2e-7)


def test_one_cycle_without_a_rise_starts_at_the_peak():
    rates = schedules.one_cycle(
        [0, 50, 100], max_learning_rate=1, total_steps=100, warmup_fraction=0
    )
    np.testing.assert_allclose(rates, [1, 0.5, 0])


def test_cosine_cycle_comes_back_where_cosine_stays_at_zero():
    """Ten epochs' half cycle over a hundred: at 10, 20 and 30 epochs."""
    epochs = np.array([0, 10, 20, 30, 100])
    back = schedules.cosine_cycle(epochs, initial=1e-3, half_cycle_steps=10)
    np.testing.assert_allclose(back, [1e-3, 0, 1e-3, 0, 1e-3], atol=1e-12)
    stays = schedules.cosine(epochs, initial=1e-3, decay_steps=10)
    np.testing.assert_allclose(stays, [1e-3, 0, 0, 0, 0], atol=1e-12)


def test_a_schedule_drives_an_optimizer():
    rate = functools.partial(schedules.cosine, initial=0.1, decay_steps=10)
    optimizer, theta = Adam(learning_rate=rate), np.ones(3)
    for _ in range(10):
        theta = optimizer.step(theta, np.ones(3))
    assert optimizer.rate() == pytest.approx(0, abs=1e-12)
    assert theta[0] == pytest.approx(1 - sum(rate(np.arange(10))), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("constant", {"initial": 0}, "initial must be a number > 0"),
        ("cosine", {"initial": -1, "decay_steps": 5}, "initial must be a number > 0"),
        ("cosine", {"initial": 1, "decay_steps": 0}, "must be .*> 0; given: 0"),
        ("piecewise", {"boundaries": [1], "values": [1]}, "one more than boundaries"),
        (
            "cyclical",
            {"low": 0.1, "high": 1, "half_cycle_steps": 5, "mode": "triangle"},
            "Did you mean 'triangular'",
        ),
    ],
)
def test_bad_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(schedules, name)(0, **arguments)
