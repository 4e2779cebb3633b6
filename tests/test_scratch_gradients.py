"""kerasopt.scratch.gradients: against SciPy's difference quotients."""

import numpy as np
import pytest
from scipy import optimize

from kerasopt.scratch import gradients

POINTS = np.random.default_rng(0).normal(0, 2, (5, 4))


@pytest.mark.parametrize("theta", POINTS)
def test_numeric_gradient(theta):
    numeric = gradients.numeric_gradient(optimize.rosen, theta)
    # SciPy's is one-sided, with an error of about 1e-8 times the second derivative.
    one_sided = optimize.approx_fprime(theta, optimize.rosen)
    np.testing.assert_allclose(numeric, one_sided, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(numeric, optimize.rosen_der(theta), rtol=1e-7, atol=1e-6)


def test_central_differences_err_with_the_square_of_the_step():
    theta = np.array([0.3])
    errors = [
        abs(gradients.numeric_gradient(lambda t: np.exp(t[0]), theta, step)[0])
        - np.exp(0.3)
        for step in (1e-2, 1e-3)
    ]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 2)])
def test_any_shape_and_the_argument_stays(shape):
    theta = np.random.default_rng(1).normal(size=shape)
    before = theta.copy()
    numeric = gradients.numeric_gradient(lambda t: np.sum(t**3), theta)
    assert numeric.shape == shape
    np.testing.assert_allclose(numeric, 3 * theta**2, rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(theta, before)


def test_large_entries_and_float32():
    numeric = gradients.numeric_gradient(lambda t: t @ t, np.array([1e6]))
    np.testing.assert_allclose(numeric, 2e6, rtol=1e-9)
    theta = np.array([0.5, -1.5], "float32")
    numeric = gradients.numeric_gradient(lambda t: np.sum(np.sin(t)), theta)
    np.testing.assert_allclose(numeric, np.cos(theta.astype(float)), rtol=1e-9)


@pytest.mark.parametrize("theta", POINTS)
def test_check_gradient_agrees_with_scipys_check_grad(theta):
    right, wrong = optimize.rosen_der, lambda t: 2 * optimize.rosen_der(t)
    assert gradients.check_gradient(optimize.rosen, right, theta) < 1e-7
    assert gradients.check_gradient(optimize.rosen, wrong, theta) == pytest.approx(
        0.5, abs=1e-6
    )
    size = np.linalg.norm(optimize.rosen_der(theta))
    assert optimize.check_grad(optimize.rosen, right, theta) < 1e-4 * size
    assert optimize.check_grad(optimize.rosen, wrong, theta) > 0.9 * size


def test_one_wrong_entry_among_many_is_seen():
    def wrong(t):
        gradient = 2 * t
        gradient[7] *= 1.01
        return gradient

    theta = np.random.default_rng(0).uniform(1, 100, 50)
    theta[7] = 1.0
    error = gradients.check_gradient(lambda t: t @ t, wrong, theta)
    assert error == pytest.approx(0.01, rel=0.02)


def test_error_of_known_gradients():
    one = np.array([1.0, 2.0])
    assert gradients.gradient_error(one, one) == 0
    assert gradients.gradient_error(one, -one) == 2
    assert gradients.gradient_error(one, np.zeros(2)) == 1
    assert gradients.gradient_error(np.array([1e-9]), np.zeros(1)) < 1e-5
    assert gradients.gradient_error(np.array([1e-9]), np.zeros(1), floor=1e-9) == 1


@pytest.mark.parametrize(
    ("function", "theta", "step", "message"),
    [
        (np.sum, np.ones(2), 0, "step must be a number > 0"),
        (np.sum, np.ones(2, int), 1e-5, "theta must hold floats"),
        (np.sum, np.array([np.nan]), 1e-5, "theta must be finite"),
        (lambda t: t, np.ones(2), 1e-5, "must return a finite number"),
        (lambda t: np.nan, np.ones(2), 1e-5, "must return a finite number"),
    ],
)
def test_bad_input(function, theta, step, message):
    with pytest.raises(ValueError, match=message):
        gradients.numeric_gradient(function, theta, step)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(2,\); given: \(2, 1\)"):
        gradients.gradient_error(np.ones(2), np.ones((2, 1)))
    with pytest.raises(ValueError, match="numeric must be finite"):
        gradients.gradient_error(np.ones(2), np.full(2, np.nan))
