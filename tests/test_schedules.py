"""kerasopt.schedules: one table of all of them, every check that all must pass."""

import functools

import keras
import numpy as np
import pytest
from thinning import slow_unless

from kerasopt import schedules
from kerasopt.scratch import schedules as theory

LENGTH = 2000
STEPS = np.unique(np.linspace(0, LENGTH, 1000).round().astype(int))
STEPS_PER_EPOCH = 100
AFTER_WARMUP = functools.partial(theory.cosine, initial=0.1, decay_steps=1500)

# Name → arguments; the formula in NumPy; rates at the start, the peak, the end; and
# which way the rate goes: down, up and down once, or in waves.
TABLE = {
    "constant": (
        {"learning_rate": 0.1},
        functools.partial(theory.constant, initial=0.1),
        (0.1, 0.1, 0.1),
        "down",
    ),
    "piecewise": (
        {"boundaries": [500, 1000], "values": [0.1, 0.01, 0.001]},
        functools.partial(
            theory.piecewise, boundaries=[500, 1000], values=[0.1, 0.01, 0.001]
        ),
        (0.1, 0.1, 0.001),
        "down",
    ),
    "exponential": (
        {"initial_learning_rate": 0.1, "decay_steps": 500, "decay_rate": 0.5},
        functools.partial(
            theory.exponential, initial=0.1, decay_steps=500, decay_rate=0.5
        ),
        (0.1, 0.1, 0.00625),
        "down",
    ),
    "exponential-staircase": (
        {
            "initial_learning_rate": 0.1,
            "decay_steps": 300,
            "decay_rate": 0.5,
            "staircase": True,
        },
        functools.partial(
            theory.exponential,
            initial=0.1,
            decay_steps=300,
            decay_rate=0.5,
            staircase=True,
        ),
        (0.1, 0.1, 0.1 / 2**6),
        "down",
    ),
    "inverse_time": (
        {"initial_learning_rate": 0.1, "decay_steps": 500, "decay_rate": 1.0},
        functools.partial(
            theory.inverse_time, initial=0.1, decay_steps=500, decay_rate=1.0
        ),
        (0.1, 0.1, 0.02),
        "down",
    ),
    "polynomial": (
        {"initial_learning_rate": 0.1, "decay_steps": 1500, "power": 2.0},
        functools.partial(theory.polynomial, initial=0.1, decay_steps=1500, power=2.0),
        (0.1, 0.1, 0.0001),
        "down",
    ),
    "cosine": (
        {"initial_learning_rate": 0.1, "decay_steps": 1500, "alpha": 0.01},
        functools.partial(theory.cosine, initial=0.1, decay_steps=1500, alpha=0.01),
        (0.1, 0.1, 0.001),
        "down",
    ),
    "cosine_restarts": (
        {"initial_learning_rate": 0.1, "first_decay_steps": 300, "m_mul": 0.5},
        functools.partial(
            theory.cosine_restarts, initial=0.1, first_decay_steps=300, m_mul=0.5
        ),
        (0.1, 0.1, 0.1 / 4 * (1 + np.cos(np.pi * 1100 / 1200)) / 2),
        "waves",
    ),
    "cosine_cycle": (
        {"initial_learning_rate": 0.1, "half_cycle_steps": 400},
        functools.partial(theory.cosine_cycle, initial=0.1, half_cycle_steps=400),
        (0.1, 0.1, 0.0),
        "waves",
    ),
    "cyclical": (
        {
            "base_learning_rate": 0.01,
            "max_learning_rate": 0.1,
            "half_cycle_steps": 250,
        },
        functools.partial(theory.cyclical, low=0.01, high=0.1, half_cycle_steps=250),
        (0.01, 0.1, 0.01),
        "waves",
    ),
    "cyclical-triangular2": (
        {
            "base_learning_rate": 0.01,
            "max_learning_rate": 0.1,
            "half_cycle_steps": 400,
            "mode": "triangular2",
        },
        functools.partial(
            theory.cyclical,
            low=0.01,
            high=0.1,
            half_cycle_steps=400,
            mode="triangular2",
        ),
        (0.01, 0.1, 0.01 + 0.09 / 4),
        "waves",
    ),
    "cyclical-exp_range": (
        {
            "base_learning_rate": 0.01,
            "max_learning_rate": 0.1,
            "half_cycle_steps": 250,
            "mode": "exp_range",
            "gamma": 0.9994,
        },
        functools.partial(
            theory.cyclical,
            low=0.01,
            high=0.1,
            half_cycle_steps=250,
            mode="exp_range",
            gamma=0.9994,
        ),
        (0.01, 0.01 + 0.09 * 0.9994**250, 0.01),
        "waves",
    ),
    "one_cycle": (
        {
            "max_learning_rate": 0.1,
            "epochs": 20,
            "steps_per_epoch": 100,
            "final_factor": 0.05,
        },
        functools.partial(
            theory.one_cycle, max_learning_rate=0.1, total_steps=2000, final_factor=0.05
        ),
        (0.02, 0.1, 0.005),
        "up and down",
    ),
    "warmup": (
        {
            "warmup_steps": 500,
            "schedule": {
                "name": "cosine",
                "initial_learning_rate": 0.1,
                "decay_steps": 1500,
            },
        },
        functools.partial(theory.warmup, schedule=AFTER_WARMUP, warmup_steps=500),
        (0.0, 0.1, 0.0),
        "up and down",
    ),
}


def build(case):
    return schedules.get(case.partition("-")[0], **TABLE[case][0])


def test_every_schedule_is_in_the_table():
    assert {case.partition("-")[0] for case in TABLE} == set(schedules.names())


QUICK = {"piecewise", "cyclical-exp_range", "one_cycle", "warmup"}


@pytest.mark.parametrize("case", slow_unless(QUICK.__contains__, TABLE))
def test_formula_at_a_thousand_points(case):
    formula = TABLE[case][1]
    ours = schedules.rates(build(case), STEPS)
    assert len(ours) == 1000
    print(f"{np.abs(ours - formula(STEPS)).max() / ours.max():.0e}")  # pytest -rP
    np.testing.assert_allclose(ours, formula(STEPS), rtol=0, atol=1e-6 * ours.max())


@pytest.mark.parametrize("case", TABLE)
def test_start_peak_end_and_direction(case):
    _, _, expected, direction = TABLE[case]
    rates = schedules.rates(build(case), np.arange(0, LENGTH + 1, 10))
    found = (rates[0], rates.max(), rates[-1])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert (rates >= 0).all()
    turns = np.diff(np.sign(np.diff(rates[: int(rates.argmax()) + 1]))).any()
    falls = (np.diff(rates[int(rates.argmax()) :]) <= 1e-9).all()
    if direction == "waves":
        assert not falls
    else:
        assert falls and not turns
        assert (direction == "up and down") == (rates.argmax() > 0)


@pytest.mark.parametrize("case", TABLE)
def test_survives_saving_inside_an_optimizer(case, tmp_path):
    schedule = build(case)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(schedule), "mse")
    model.train_on_batch(np.ones((2, 2)), np.ones((2, 1)))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    again.optimizer.iterations.assign(700)
    expected = schedules.rates(schedule, 700)
    assert float(again.optimizer.learning_rate) == pytest.approx(float(expected))


@pytest.mark.parametrize("case", TABLE)
def test_an_optimizer_uses_the_schedule_in_every_step(case):
    """SGD on a gradient of ones moves by the sum of the rates."""
    weight = keras.Variable(0.0)
    optimizer = keras.optimizers.SGD(build(case))
    for _ in range(50):
        optimizer.apply([keras.ops.ones(())], [weight])
    moved = schedules.rates(build(case), np.arange(50)).sum()
    assert -float(weight) == pytest.approx(moved, rel=1e-4)


IN_EPOCHS = {
    "piecewise": ({"values": [3, 2, 1]}, "boundaries", "boundary_epochs", [2, 7.5]),
    "exponential": ({"decay_rate": 0.9}, "decay_steps", "decay_epochs", 2.5),
    "inverse_time": ({"decay_rate": 0.9}, "decay_steps", "decay_epochs", 3),
    "polynomial": ({}, "decay_steps", "decay_epochs", 10),
    "cosine": ({}, "decay_steps", "decay_epochs", 10),
    "cosine_restarts": ({}, "first_decay_steps", "first_decay_epochs", 3),
    "cosine_cycle": ({}, "half_cycle_steps", "half_cycle_epochs", 4),
    "cyclical": (
        {"base_learning_rate": 0.1, "max_learning_rate": 0.5},
        "half_cycle_steps",
        "half_cycle_epochs",
        2,
    ),
    "warmup": ({"schedule": 0.1}, "warmup_steps", "warmup_epochs", 2),
}


def in_epochs(name):
    arguments, in_steps, in_epochs, epochs = IN_EPOCHS[name]
    if name not in ("piecewise", "cyclical", "warmup"):
        arguments = {"initial_learning_rate": 0.1, **arguments}
    return arguments, in_steps, in_epochs, epochs


@pytest.mark.parametrize(
    "name", slow_unless({"piecewise", "cosine", "one_cycle"}.__contains__, IN_EPOCHS)
)
def test_a_length_in_epochs_is_that_in_steps(name):
    arguments, in_steps, in_epochs_, epochs = in_epochs(name)
    steps = (np.asarray(epochs) * STEPS_PER_EPOCH).astype(int).tolist()
    by_steps = schedules.get(name, **arguments, **{in_steps: steps})
    by_epochs = schedules.get(
        name, **arguments, **{in_epochs_: epochs}, steps_per_epoch=STEPS_PER_EPOCH
    )
    at = np.arange(0, 1500, 7)
    np.testing.assert_array_equal(
        schedules.rates(by_steps, at), schedules.rates(by_epochs, at)
    )


@pytest.mark.parametrize("name", IN_EPOCHS)
def test_epochs_without_steps_per_epoch_are_refused(name):
    arguments, _, in_epochs_, epochs = in_epochs(name)
    with pytest.raises(ValueError, match=rf"{in_epochs_}=.*give steps_per_epoch"):
        schedules.get(name, **arguments, **{in_epochs_: epochs})


@pytest.mark.parametrize("name", IN_EPOCHS)
def test_a_length_given_twice_or_not_at_all_is_refused(name):
    arguments, in_steps, in_epochs_, epochs = in_epochs(name)
    both = {in_steps: epochs, in_epochs_: epochs, "steps_per_epoch": 9}
    with pytest.raises(ValueError, match=rf"{in_epochs_}"):
        schedules.get(name, **arguments, **both)
    with pytest.raises(ValueError, match=rf"[Gg]ive .*{in_epochs_}"):
        schedules.get(name, **arguments)


def test_decay_horizons_of_the_texts_in_epochs():
    """10,000 steps are 6.4 epochs of CIFAR-10: 20 epochs only bring 0.1 to 0.072."""
    per_epoch = 1563
    decay = {"initial_learning_rate": 0.1, "decay_steps": 10_000, "decay_rate": 0.9}
    after = schedules.rates({"name": "exponential", **decay}, 20 * per_epoch)
    assert float(after) == pytest.approx(0.1 * 0.9**3.126, rel=1e-5)
    assert float(after) == pytest.approx(0.072, abs=5e-4)
    stairs = {
        "name": "exponential",
        "initial_learning_rate": 0.01,
        "decay_steps": 100_000,
        "decay_rate": 0.96,
        "staircase": True,
    }
    first_drop = schedules.rates(stairs, [63 * per_epoch, 64 * per_epoch])
    np.testing.assert_allclose(first_drop, [0.01, 0.0096], rtol=1e-6)
    in_epochs = {**stairs, "decay_epochs": 1, "steps_per_epoch": per_epoch}
    del in_epochs["decay_steps"]
    at = schedules.rates(in_epochs, [0, per_epoch - 1, per_epoch, 2 * per_epoch])
    np.testing.assert_allclose(at, 0.01 * 0.96 ** np.array([0, 0, 1, 2]), rtol=1e-6)


def test_a_boundary_still_has_the_rate_before_it():
    at = schedules.rates(build("piecewise"), [500, 501, 1000, 1001])
    np.testing.assert_allclose(at, [0.1, 0.01, 0.01, 0.001], rtol=1e-6)


def test_annealing_stays_at_its_end_and_a_cosine_cycle_comes_back():
    """A cosine of 10 epochs over 100, and one of 100: at epochs 10 and 20."""
    spec = {"initial_learning_rate": 1e-3, "steps_per_epoch": 50}
    at = [0, 500, 1000]
    short = schedules.rates({"name": "cosine", "decay_epochs": 10, **spec}, at)
    np.testing.assert_allclose(short, [1e-3, 0, 0], atol=1e-9)
    back = {"name": "cosine_cycle", "half_cycle_epochs": 10, **spec}
    np.testing.assert_allclose(
        schedules.rates(back, at), [1e-3, 0, 1e-3], rtol=0, atol=1e-9
    )
    long = schedules.rates({"name": "cosine", "epochs": 100, **spec}, at)
    expected = 5e-4 * (1 + np.cos(np.pi * np.array([0, 0.1, 0.2])))
    np.testing.assert_allclose(long, expected, rtol=1e-5)


def test_a_warmup_leaves_the_rest_of_the_training_to_what_follows():
    spec = {
        "name": "warmup",
        "warmup_epochs": 5,
        "schedule": {"name": "cosine", "initial_learning_rate": 0.1},
    }
    full = schedules.complete(spec, epochs=50, steps_per_epoch=10)
    rates = schedules.rates(full, [0, 25, 50, 275, 499, 500])
    np.testing.assert_allclose(rates[[0, 1, 2, 3]], [0, 0.05, 0.1, 0.05], atol=1e-7)
    assert rates[4] > 0 == pytest.approx(rates[5])
    assert "epochs" not in spec["schedule"]


@pytest.mark.parametrize("rise", [{"warmup_epochs": 5}, {"warmup_steps": 30}])
def test_a_warmup_as_long_as_the_training_is_refused(rise):
    spec = {"name": "warmup", "schedule": 0.1, **rise}
    with pytest.raises(ValueError, match="leaves nothing of the training's 3"):
        schedules.complete(spec, epochs=3, steps_per_epoch=10)


@pytest.mark.parametrize(
    "rise",
    [
        {"warmup_steps": None, "warmup_epochs": 1},
        {"warmup_epochs": None, "warmup_steps": 10},
    ],
)
def test_a_length_that_is_null_counts_as_left_out(rise):
    spec = {"name": "warmup", "schedule": 0.1, **rise}
    full = schedules.complete(spec, epochs=3, steps_per_epoch=10)
    np.testing.assert_allclose(schedules.rates(full, [0, 5, 10]), [0, 0.05, 0.1])
    with pytest.raises(ValueError, match="warmup_epochs must be a number > 0"):
        schedules.complete({**spec, "warmup_steps": None, "warmup_epochs": "2"},
                           epochs=3, steps_per_epoch=10)  # fmt: skip


def test_numbers_of_numpy_are_numbers():
    assert schedules.get(np.float32(0.5)) == 0.5
    piecewise = schedules.get("piecewise", values=[2, 1], boundaries=np.array([3]))
    np.testing.assert_array_equal(schedules.rates(piecewise, [3, 4]), [2, 1])


@pytest.mark.parametrize("given", [[0.1, 0.2], {}])
def test_a_figure_of_what_is_no_schedule_is_refused(given):
    with pytest.raises(ValueError, match="schedules must be a schedule"):
        schedules.plot(given, epochs=3)


def test_warmup_is_keras_cosine_decay_with_warmup():
    theirs = keras.optimizers.schedules.CosineDecay(
        0.0, 900, warmup_target=0.1, warmup_steps=100
    )
    ours = schedules.Warmup(keras.optimizers.schedules.CosineDecay(0.1, 900), 100)
    at = np.arange(0, 1200, 11)
    np.testing.assert_allclose(
        schedules.rates(ours, at), schedules.rates(theirs, at), atol=1e-8
    )


def test_figure_shows_the_rates_over_epochs():
    chosen = {
        "cosine": {"name": "cosine", "initial_learning_rate": 0.1},
        "constant": 0.02,
    }
    figure = schedules.plot(chosen, epochs=10, steps_per_epoch=100)
    lines = figure.axes[0].lines
    assert lines[0].get_xdata()[-1] == 10
    middle = np.interp(5, lines[0].get_xdata(), lines[0].get_ydata())
    assert middle == pytest.approx(0.05, rel=1e-3)
    assert set(lines[1].get_ydata()) == {0.02}
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["cosine", "constant"]
    with pytest.raises(ValueError, match="Give epochs"):
        schedules.plot(0.1)


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
    given = {"name": "one_cycle", "max_learning_rate": 1.0, "epochs": 2}
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
        schedules.get("one_cycle", max_learning_rate=rate, epochs=1, steps_per_epoch=1)
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
        with pytest.raises(ValueError, match=r"given besides: \['max_learning_rate'\]"):
            schedules.get(finished, max_learning_rate=1.0)


def test_unknown_words():
    with pytest.raises(ValueError, match="Did you mean 'cosine'"):
        schedules.get("cosin")
    with pytest.raises(ValueError, match="decay_stops"):
        schedules.get("cosine", initial_learning_rate=1, decay_stops=1)


@pytest.mark.parametrize("build", [schedules.one_cycle, schedules.OneCycle])
def test_the_old_name_of_the_highest_rate_works_and_warns(build):
    length = (
        {"total_steps": 4}
        if build is schedules.OneCycle
        else {"epochs": 1, "steps_per_epoch": 4}
    )
    with pytest.warns(DeprecationWarning, match="'peak' is now 'max_learning_rate'"):
        schedule = build(peak=0.5, **length)
    assert schedule.max_learning_rate == 0.5
    with pytest.raises(ValueError, match="is the old name of 'max_learning_rate'"):
        build(peak=0.5, max_learning_rate=0.5, **length)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("cosine", {"decay_steps": 10, "epochs": 99}, "epochs=99 has no effect beside"),
        ("cosine", {"decay_epochs": 3, "epochs": 99, "steps_per_epoch": 5},
         "epochs=99 has no effect beside decay_epochs"),
        ("exponential", {"decay_rate": 0.5, "decay_steps": 10, "steps_per_epoch": 5},
         "steps_per_epoch=5 has no effect beside decay_steps"),
        ("exponential", {"decay_rate": 0.5, "decay_steps": 10, "staircase": "no"},
         "staircase must be True or False"),
        ("polynomial", {"decay_steps": 10, "cycle": 1}, "cycle must be True or False"),
        ("cosine", {"decay_steps": np.inf}, "decay_steps must be a number > 0"),
        ("cosine", {"decay_steps": 1e16}, "decay_steps must be a whole number"),
        ("cosine", {"decay_steps": 10, "alpha": "1"}, "leave the quotes out"),
        ("cosine_restarts", {"first_decay_steps": 10, "t_mul": 0.5}, "t_mul must be"),
        ("cyclical", {"max_learning_rate": 1, "half_cycle_steps": 5, "gamma": 0.5},
         "gamma has no effect with mode='triangular'"),
    ],
)  # fmt: skip
def test_arguments_without_effect_or_sense(name, arguments, message):
    first = "base_learning_rate" if name == "cyclical" else "initial_learning_rate"
    with pytest.raises(ValueError, match=message):
        schedules.get(name, **{first: 0.1}, **arguments)


def test_numpy_numbers_and_arrays_are_taken():
    schedule = schedules.get(
        "piecewise", values=np.array([0.5, 0.25]), boundaries=np.array([3])
    )
    assert [float(schedule(step)) for step in (3, 4)] == [0.5, 0.25]
    assert schedules.get(np.float32(0.5)) == schedules.get(np.array(0.5)) == 0.5
    schedule = schedules.get("cosine", initial_learning_rate=1, decay_steps=np.int64(4))
    assert float(schedule(2)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "values", [0.1, "0.1", None, {}, [], np.ma.masked_array([1], [1])]
)
def test_rates_that_are_no_list(values):
    with pytest.raises(ValueError, match="values must be"):
        schedules.get("piecewise", values=values, boundaries=[1])


def test_a_mistake_in_what_follows_a_warmup_is_named():
    with pytest.raises(ValueError, match="schedule: Unknown schedule 'cosin'"):
        schedules.get("warmup", schedule={"name": "cosin"}, warmup_steps=5)
    with pytest.raises(ValueError, match="steps_per_epoch=9 has no effect beside warm"):
        schedules.get("warmup", schedule=0.1, warmup_steps=5, steps_per_epoch=9)


def test_lengths_in_steps_are_not_filled_in():
    spec = {"name": "cosine", "initial_learning_rate": 0.1, "decay_steps": 10}
    assert schedules.complete(spec, epochs=5, steps_per_epoch=9) == spec
    then = {"name": "cosine", "initial_learning_rate": 1}
    spec = {"name": "warmup", "schedule": then, "warmup_steps": 9}
    completed = schedules.complete(spec, epochs=5, steps_per_epoch=9)
    assert completed["schedule"]["epochs"] == 4
    assert float(schedules.get(completed)(45)) == pytest.approx(0, abs=1e-6)
