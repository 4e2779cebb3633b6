"""kerasopt.scratch.descent: linear regression, against algebra and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.metrics import mean_squared_error

from kerasopt.scratch import descent


def problem(rows=30, columns=3, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns))
    y = X @ rng.normal(size=columns) + noise * rng.normal(size=rows)
    return X, y, rng.normal(size=columns)


def best(X, y):
    return np.linalg.lstsq(X, y, rcond=None)[0]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 1000))
def test_cost_and_gradient(rows, columns, seed):
    X, y, theta = problem(rows, columns, seed)
    cost = descent.regression_cost(X, y, theta)
    assert cost == pytest.approx(mean_squared_error(y, X @ theta) / 2)
    slope = optimize.approx_fprime(theta, lambda t: descent.regression_cost(X, y, t))
    np.testing.assert_allclose(
        descent.regression_gradient(X, y, theta), slope, rtol=1e-5, atol=1e-5
    )


def test_whole_batch_follows_the_closed_form():
    X, y, theta = problem()
    curvature, target = X.T @ X / len(X), best(X, y)
    for steps in (1, 2, 17):
        found, _ = descent.gradient_descent(X, y, theta, 0.3, steps)
        shrink = np.linalg.matrix_power(np.eye(3) - 0.3 * curvature, steps)
        np.testing.assert_allclose(found, target + shrink @ (theta - target))


@pytest.mark.parametrize("batch_size", [None, 30, 1, 7])
def test_costs_are_those_of_all_rows_before_each_update_and_at_the_end(batch_size):
    X, y, theta = problem()
    _, costs = descent.gradient_descent(X, y, theta, 0.1, 12, batch_size=batch_size)
    assert len(costs) == 13
    assert costs[0] == pytest.approx(mean_squared_error(y, X @ theta) / 2)
    for steps in (1, 5, 12):
        found, shorter = descent.gradient_descent(
            X, y, theta, 0.1, steps, batch_size=batch_size
        )
        assert costs[steps] == pytest.approx(mean_squared_error(y, X @ found) / 2)
        np.testing.assert_array_equal(shorter, costs[: steps + 1])


def test_whole_batch_converges_to_least_squares_and_never_rises():
    X, y, theta = problem()
    found, costs = descent.gradient_descent(X, y, theta, 0.3, 500)
    np.testing.assert_allclose(found, best(X, y), rtol=1e-10)
    assert (np.diff(costs) <= 1e-15).all()


@pytest.mark.parametrize("batch_size", [1, 7])
def test_batches_converge_where_no_noise_is_left(batch_size):
    X, y, theta = problem(noise=0)
    found, _ = descent.gradient_descent(X, y, theta, 0.1, 3000, batch_size=batch_size)
    np.testing.assert_allclose(found, best(X, y), rtol=1e-8)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_a_falling_rate_gets_nearer_than_a_constant_one(batch_size):
    X, y, theta = problem()
    errors = []
    for rate in (0.1, lambda step: 0.1 / (1 + 0.01 * step)):
        found, _ = descent.gradient_descent(
            X, y, theta, rate, 8000, batch_size=batch_size
        )
        errors.append(np.linalg.norm(found - best(X, y)))
    assert errors[1] < 0.4 * errors[0]
    assert errors[1] < 0.02


@pytest.mark.parametrize(("batch_size", "steps"), [(1, 6), (2, 3), (3, 2)])
def test_a_pass_takes_each_row_once(batch_size, steps):
    # With the identity for X each row moves its own entry of theta, by rate / batch.
    theta, _ = descent.gradient_descent(
        np.eye(6), np.ones(6), np.zeros(6), 0.3, steps, batch_size=batch_size
    )
    np.testing.assert_allclose(theta, 0.3 / batch_size)


def test_the_last_batch_of_a_pass_may_be_smaller():
    theta, _ = descent.gradient_descent(
        np.eye(5), np.ones(5), np.zeros(5), 0.3, 3, batch_size=2
    )
    np.testing.assert_allclose(np.sort(theta), [0.15, 0.15, 0.15, 0.15, 0.3])


def test_each_pass_has_an_order_of_its_own_which_follows_the_seed():
    def order(seed, passes):
        """Rows in the order in which stochastic descent takes them."""
        rows, before = [], np.zeros(8)
        for steps in range(1, 8 * passes + 1):
            after, _ = descent.gradient_descent(
                np.eye(8), np.ones(8), np.zeros(8), 0.1, steps, batch_size=1, seed=seed
            )
            rows.append(int(np.argmax(np.abs(after - before))))
            before = after
        return rows

    rows = order(0, 2)
    assert sorted(rows[:8]) == sorted(rows[8:]) == list(range(8))
    assert rows[:8] != rows[8:] != list(range(8))
    assert rows == order(0, 2)
    assert rows[:8] != order(1, 1)


def test_tolerance_stops_where_the_gradient_is_small():
    X, y, theta = problem()
    found, costs = descent.gradient_descent(X, y, theta, 0.3, 5000, tolerance=1e-6)
    assert len(costs) < 200
    assert costs[-1] == pytest.approx(mean_squared_error(y, X @ found) / 2)
    shorter, _ = descent.gradient_descent(X, y, theta, 0.3, len(costs) - 2)
    slopes = [np.linalg.norm(X.T @ (X @ t - y)) / len(X) for t in (found, shorter)]
    assert slopes[0] <= 1e-6 < slopes[1]


def test_tolerance_lets_a_tiny_rate_go_on():
    X, y, theta = problem()
    _, costs = descent.gradient_descent(X, y, theta, 1e-9, 50, tolerance=1e-6)
    assert len(costs) == 51


def test_a_start_at_the_minimum_stays_there():
    X, y, _ = problem()
    found, costs = descent.gradient_descent(X, y, best(X, y), 0.3, 9, tolerance=1e-9)
    np.testing.assert_array_equal(found, best(X, y))
    assert len(costs) == 1


@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_inputs_stay_as_they_are(batch_size):
    arrays = problem()
    copies = [array.copy() for array in arrays]
    found, _ = descent.gradient_descent(*arrays, 0.1, 5, batch_size=batch_size)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert not np.array_equal(found, arrays[2])


def test_result_is_no_view_of_the_start():
    X, y, _ = problem()
    start = best(X, y)
    found, _ = descent.gradient_descent(X, y, start, 0.1, 1, tolerance=1.0)
    assert not np.shares_memory(found, start)


def test_noise_falls_with_the_root_of_the_batch():
    X, y, theta = problem(rows=400)
    sizes = [1, 4, 16, 64, 256, 400]
    table = descent.gradient_noise(X, y, theta, sizes, draws=2000)
    rows = X * (X @ theta - y)[:, None]
    sigma = np.sqrt(np.sum(rows.var(axis=0)))
    b = np.array(sizes)
    expected = sigma / np.sqrt(b) * np.sqrt((400 - b) / 399)
    noise = [row["noise"] for row in table]
    np.testing.assert_allclose(noise, expected, rtol=0.06, atol=1e-12)
    assert noise[1] / noise[0] == pytest.approx(1 / 2, rel=0.06)
    assert noise[2] / noise[0] == pytest.approx(1 / 4, rel=0.06)
    assert [row["batch_size"] for row in table] == sizes
    assert [row["updates_per_pass"] for row in table] == [400, 100, 25, 7, 2, 1]


X, Y, THETA = problem()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"theta": np.zeros(3, int)}, "theta must hold floats; given: dtype int64"),
        ({"y": Y[:, None]}, r"\(30,\).*X with shape \(30, 3\).*\(30, 1\).*y\.ravel"),
        ({"theta": np.zeros(4)}, r"theta.*\(3,\).*X with shape \(30, 3\).*\(4,\)"),
        ({"theta": np.zeros((3, 1))}, r"theta.ravel\(\)"),
        ({"y": Y[:-1]}, r"y must have shape \(30,\).*given: shape \(29,\)"),
        ({"X": X.T}, r"y must have shape \(3,\).*\(3, 30\)"),
        ({"X": X[:, 0]}, r"X must have shape \(any, any\); given: \(30,\)"),
        ({"X": np.zeros((0, 3)), "y": np.zeros(0)}, "at least one number"),
        ({"X": X * np.nan}, "X must be finite"),
        ({"y": Y * np.inf}, "y must be finite"),
        ({"theta": THETA * np.nan}, "theta must be finite"),
        ({"learning_rate": 0}, "learning_rate must be a number > 0"),
        ({"learning_rate": -0.1}, "learning_rate must be a number > 0"),
        ({"iterations": 0}, "iterations must be an integer >= 1"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1"),
        ({"batch_size": 31}, "at most the 30 rows; given: 31"),
        ({"tolerance": -1}, "tolerance must be a number >= 0"),
        ({"learning_rate": 50.0, "iterations": 5000}, "Lower the learning rate"),
    ],
)
def test_bad_input(changes, message):
    good = {"X": X, "y": Y, "theta": THETA, "learning_rate": 0.1, "iterations": 3}
    with pytest.raises(ValueError, match=message):
        descent.gradient_descent(**{**good, **changes})


def test_the_named_limit_of_the_rate_is_the_true_one():
    with pytest.raises(ValueError, match="converges below") as caught:
        descent.gradient_descent(X, Y, THETA, 50.0, 5000)
    limit = float(str(caught.value).split("below ")[1].split(",")[0])
    _, costs = descent.gradient_descent(X, Y, THETA, 0.98 * limit, 5000)
    assert costs[-1] < costs[0]
    with pytest.raises(ValueError, match="Lower the learning rate"):
        descent.gradient_descent(X, Y, THETA, 1.1 * limit, 20000)


def test_noise_refuses_a_batch_beyond_the_rows():
    with pytest.raises(ValueError, match="at most the 30 rows"):
        descent.gradient_noise(X, Y, THETA, [1, 31])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": lambda step: -0.1}, r"learning_rate\(0\) must be a number"),
        ({"seed": -1}, "seed must be an integer >= 0"),
        ({"X": np.ones(3)}, r"given: \(3,\). Make it a column with .reshape\(-1, 1\)"),
        ({"X": np.array([["a"]])}, "X must hold floats; given: dtype <U1.$"),
        ({"y": np.array([1.0, np.nan, 2.0])}, r"1 of 3 values .* the first at \[1\]"),
    ],
)
def test_messages_name_the_place_and_the_fix(arguments, message):
    given = {
        "X": np.ones((3, 1)),
        "y": np.ones(3),
        "theta": np.zeros(1),
        "learning_rate": 0.1,
        "iterations": 2,
        **arguments,
    }
    with pytest.raises(ValueError, match=message):
        descent.gradient_descent(**given)
