"""Newton, BFGS and L-BFGS in NumPy against SciPy and linear algebra."""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

from kerasopt.scratch.second_order import bfgs, lbfgs, line_search, newton


class Logistic:
    """L2-penalised logistic regression on 569 tumours with 30 standardised features."""

    def __init__(self):
        x, labels = load_breast_cancer(return_X_y=True)
        self.x = (x - x.mean(0)) / x.std(0)
        self.sign = 2 * labels - 1
        self.start = np.zeros(30)

    def function(self, w):
        losses = np.logaddexp(0, -self.sign * (self.x @ w))
        return losses.mean() + 0.005 * w @ w

    def gradient(self, w):
        wrong = 1 / (1 + np.exp(self.sign * (self.x @ w)))
        return -self.x.T @ (self.sign * wrong) / len(self.x) + 0.01 * w

    def hessian(self, w):
        p = 1 / (1 + np.exp(self.x @ w))
        return (self.x.T * (p * (1 - p))) @ self.x / len(self.x) + 0.01 * np.eye(30)


class Rosenbrock:
    function = staticmethod(scipy.optimize.rosen)
    gradient = staticmethod(scipy.optimize.rosen_der)
    hessian = staticmethod(scipy.optimize.rosen_hess)

    def __init__(self, *start):
        self.start = np.array(start)


PROBLEMS = {
    "logistic": Logistic(),
    "2-D": Rosenbrock(-1.2, 1.0),
    # From -1.2, 1, -1.2, ... some methods end in the other minimum, near -1, 1, 1, ....
    "10-D": Rosenbrock(*[1.3, 0.7] * 5),
}


def run(method, problem, **arguments):
    if method is newton:
        arguments["hessian"] = problem.hessian
    return method(problem.function, problem.gradient, theta=problem.start, **arguments)


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("theirs", ["BFGS", "L-BFGS-B", "Newton-CG", "trust-exact"])
@pytest.mark.parametrize(
    ("name", "method"),
    [
        (name, method)
        for name in PROBLEMS
        for method in (bfgs, lbfgs, newton)
        # On Newton's way there, the Hessian isn't positive definite.
        if not (name == "10-D" and method is newton)
    ],
)
def test_reaches_the_minimum_of_scipy(name, method, theirs):
    problem = PROBLEMS[name]
    ours = run(method, problem, tolerance=1e-13)
    second = {} if "BFGS" in theirs else {"hess": problem.hessian}
    reference = scipy.optimize.minimize(
        problem.function, problem.start, method=theirs, jac=problem.gradient, **second
    ).x
    # SciPy stops at a gradient of about 1e-5; from there it finds the gradient's root.
    polished = scipy.optimize.root(
        problem.gradient, reference, jac=problem.hessian, tol=1e-15
    ).x
    assert relative(reference, polished) < 1e-2
    print(f"{relative(ours.theta, polished):.0e}, {ours.iterations} steps")
    assert relative(ours.theta, polished) <= 1e-10
    assert ours.converged and ours.gradient_norm <= 1e-13


@pytest.mark.parametrize("method", [bfgs, lbfgs, newton])
def test_result_tells_what_happened(method):
    problem = PROBLEMS["2-D"]
    result = run(method, problem)
    assert result.theta.dtype == "float64" and len(result.values) > 5
    assert result.iterations == len(result.values) - 1 == len(result.path) - 1
    np.testing.assert_array_equal(result.path[[0, -1]], [problem.start, result.theta])
    on_the_way = [problem.function(theta) for theta in result.path]
    np.testing.assert_array_equal(on_the_way, result.values)
    assert result.values[0] == problem.function(problem.start)
    assert result.value == result.values[-1] == problem.function(result.theta)
    norm = np.linalg.norm(problem.gradient(result.theta))
    assert result.gradient_norm == norm <= 1e-8
    assert (np.diff(result.values) < 0).all()
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.value = 0.0
    short = run(method, problem, iterations=3)
    assert short.iterations == 3 and not short.converged
    np.testing.assert_array_equal(short.values, result.values[:4])
    assert problem.start.tolist() == [-1.2, 1.0]


@pytest.mark.parametrize("method", [bfgs, lbfgs, newton])
def test_stays_at_a_minimum(method):
    result = run(method, Rosenbrock(1.0, 1.0, 1.0, 1.0))
    assert result.iterations == 0 and result.converged


def test_few_iterations():
    # SciPy's BFGS and L-BFGS-B need 33 to 85 steps; gradient descent, thousands.
    for name, limit in (("logistic", 130), ("2-D", 60), ("10-D", 130)):
        for method in (bfgs, lbfgs):
            assert run(method, PROBLEMS[name]).iterations <= limit


def test_newton_doubles_the_digits():
    problem = PROBLEMS["logistic"]
    best = run(newton, problem, tolerance=1e-14).theta
    errors = [
        relative(run(newton, problem, iterations=n, tolerance=0).theta, best)
        for n in (5, 6, 7)
    ]
    assert 1e-8 < errors[0] < 0.1
    for before, after in itertools.pairwise(errors):
        assert after < 10 * before**2


def test_memory_of_one_pair_is_enough_and_more_is_faster():
    problem = PROBLEMS["logistic"]
    counts = [run(lbfgs, problem, memory=m).iterations for m in (1, 30)]
    assert counts[0] > counts[1]


def test_lbfgs_with_a_long_memory_is_bfgs_from_the_same_start():
    # Two steps in, both know the same pairs; they differ in the scale of the start.
    problem = PROBLEMS["logistic"]
    one = [run(m, problem, iterations=2).theta for m in (bfgs, lbfgs)]
    np.testing.assert_allclose(*one, rtol=1e-12)


@st.composite
def quadratics(draw):
    size = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
    curvatures = 10 ** rng.uniform(-draw(st.floats(0, 2)), 1, size)
    matrix = basis * curvatures @ basis.T
    return (matrix + matrix.T) / 2, rng.normal(size=size), rng.normal(size=size)


@settings(max_examples=60, deadline=None)
@given(quadratics())
def test_reaches_the_solution_of_linear_equations(problem):
    matrix, b, start = problem
    functions = (lambda x: x @ matrix @ x / 2 - b @ x, lambda x: matrix @ x - b)
    solution = np.linalg.solve(matrix, b)
    for result in (
        bfgs(*functions, start, tolerance=1e-11),
        lbfgs(*functions, start, tolerance=1e-11),
        newton(*functions, lambda x: matrix, start, tolerance=1e-11),
    ):
        assert result.converged
        np.testing.assert_allclose(result.theta, solution, rtol=1e-8, atol=1e-8)
    assert result.iterations <= 2  # Newton's second removes the rounding of the first.


def test_newton_solves_a_quadratic_in_one_step():
    matrix = np.array([[4.0, 1.0], [1.0, 900.0]])
    b = np.array([1.0, 2.0])
    result = newton(
        lambda x: x @ matrix @ x / 2 - b @ x,
        lambda x: matrix @ x - b,
        lambda x: matrix,
        np.array([50.0, -70.0]),
    )
    assert result.iterations == 1
    np.testing.assert_allclose(result.theta, np.linalg.solve(matrix, b), rtol=1e-10)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-6, 6), st.floats(0.1, 0.9))
def test_step_satisfies_the_wolfe_conditions(seed, magnitude, curvature):
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=4)
    function, gradient = Rosenbrock.function, Rosenbrock.gradient
    direction = -gradient(theta) * 10**magnitude
    a = line_search(function, gradient, theta, direction, curvature=curvature)
    first = gradient(theta) @ direction
    new = theta + a * direction
    slope = gradient(new) @ direction
    assert slope >= curvature * first
    assert function(new) <= function(theta) + 1e-4 * a * first or (
        slope <= (2e-4 - 1) * first and function(new) <= function(theta) * (1 + 1e-6)
    )


def test_progress_where_differences_of_the_function_are_rounding():
    # 1e8 + x**2 / 2 is 1e8 in float64 for |x| < 1e-4: the slopes alone can tell.
    for method in (bfgs, lbfgs):
        result = method(
            lambda x: 1e8 + x @ x / 2, lambda x: x.copy(), np.array([1e-5, 2e-5])
        )
        assert result.converged and set(result.values) == {1e8}
        assert abs(result.theta).max() < 1e-8


def test_steps_stay_in_the_domain():
    # x - log(x) has its minimum at 1 and isn't defined for x <= 0.
    def function(x):
        return x[0] - np.log(x[0]) if x[0] > 0 else np.nan

    def gradient(x):
        return 1 - 1 / x

    for start in (0.01, 1.9, 30.0):
        for result in (
            bfgs(function, gradient, np.array([start])),
            lbfgs(function, gradient, np.array([start])),
        ):
            assert result.theta[0] == pytest.approx(1, abs=1e-7)
    step = line_search(function, gradient, np.array([1.5]), np.array([-9.0]))
    assert 0 < step < 1.5 / 9
    # Nor does a value of -inf there tempt it.
    step = line_search(
        lambda x: x @ x if x[0] > -2 else -np.inf,
        lambda x: 2 * x if x[0] > -2 else x * np.nan,
        np.array([1.0]),
        np.array([-3.5]),
    )
    assert 0 < step < 2 / 3.5


def test_a_function_without_a_minimum_ends_unconverged():
    result = bfgs(lambda x: x.sum(), lambda x: np.ones(2), np.zeros(2))
    assert not result.converged and result.iterations == 0
    assert line_search(np.sum, np.ones_like, np.zeros(2), -np.ones(2)) is None
    # A gradient of the wrong sign can't be followed either.
    wrong = lbfgs(lambda x: x @ x, lambda x: -2 * x, np.ones(2))
    assert not wrong.converged


def test_float32_is_computed_in_float64():
    result = bfgs(lambda x: x @ x, lambda x: 2 * x, np.ones(2, "float32"))
    assert result.theta.dtype == "float64"
    at_once = bfgs(lambda x: x @ x, lambda x: 2 * x, np.zeros(2, "float32"))
    assert at_once.theta.dtype == "float64"


def test_a_gradient_may_reuse_its_array():
    buffer = np.empty(2)

    def gradient(x):
        return np.multiply([2, 20], x, out=buffer)

    for method in (bfgs, lbfgs):
        result = method(lambda x: x @ ([1, 10] * x), gradient, np.ones(2))
        assert result.converged and abs(result.theta).max() < 1e-8


def parabola(**changes):
    arguments = {
        "function": lambda x: x @ x,
        "gradient": lambda x: 2 * x,
        "theta": np.ones(2),
    }
    return {**arguments, **changes}


@pytest.mark.parametrize("method", [bfgs, lbfgs, newton])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"theta": np.array([1, 2])}, "theta must hold floats"),
        ({"theta": np.array([1, np.nan])}, "theta must be finite"),
        ({"theta": np.ones((2, 2))}, r"theta must have shape \(any,\)"),
        ({"gradient": lambda x: x[:1]}, r"gradient must have shape \(2,\)"),
        ({"gradient": lambda x: x * np.nan}, "gradient must be finite"),
        ({"function": lambda x: np.nan}, "function must be finite"),
        ({"function": lambda x: x}, r"function must have shape \(\)"),
        ({"iterations": 0}, "iterations must be an integer >= 1"),
        ({"iterations": 2.5}, "iterations must be an integer >= 1"),
        ({"tolerance": -1e-8}, "tolerance must be a number >= 0"),
        ({"tolerance": float("nan")}, "tolerance must be a number >= 0"),
    ],
)
def test_bad_arguments_are_refused(method, changes, message):
    arguments = parabola(**changes)
    if method is newton:
        arguments["hessian"] = lambda x: 2 * np.eye(2)
    with pytest.raises(ValueError, match=message):
        method(**arguments)


@pytest.mark.parametrize(
    ("hessian", "message"),
    [
        (np.diag([2.0, -1.0]), "positive definite; its smallest eigenvalue is -1, its"),
        (np.ones((2, 2)), "positive definite.*Start nearer.*L2 penalty, or use bfgs"),
        (np.zeros((2, 2)), "positive definite"),
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "must be symmetric"),
        (np.eye(3), r"hessian must have shape \(2, 2\); given: \(3, 3\)"),
        (np.eye(2) * np.nan, "hessian must be finite"),
    ],
)
def test_bad_hessians_are_refused(hessian, message):
    with pytest.raises(ValueError, match=message):
        newton(**parabola(), hessian=lambda x: hessian)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"direction": np.ones(2)}, "must fall along the direction.*slope 4"),
        ({"direction": np.zeros(2)}, "must fall along the direction"),
        ({"direction": -np.ones(3)}, r"direction must have shape \(2,\)"),
        ({"decrease": 0.5}, r"decrease must lie in \(0, 0.5\)"),
        ({"decrease": 0.4, "curvature": 0.3}, r"curvature in \(decrease, 1\)"),
        ({"trials": 0}, "trials must be an integer >= 1"),
    ],
)
def test_bad_line_searches_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        line_search(**{**parabola(direction=-np.ones(2)), **changes})


def test_bad_memory_is_refused():
    with pytest.raises(ValueError, match="memory must be an integer >= 1; given: 0"):
        lbfgs(**parabola(), memory=0)
