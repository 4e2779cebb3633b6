"""kerasopt.scratch.losses: against Keras and scikit-learn."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss

from kerasopt.scratch import activations, losses
from kerasopt.scratch.gradients import numeric_gradient

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(3, 5))
A = RNG.normal(size=(3, 5))
LABELS = np.array([0, 2, 1, 1, 3, 0])
ONE_HOT = np.eye(4)[LABELS].T
PROBABILITIES = RNG.dirichlet(np.ones(4), 6).T
BINARY = RNG.integers(0, 2, (3, 5)).astype(float)
CHANCES = RNG.uniform(0.02, 0.98, (3, 5))


def keras_loss(name, y, a):
    """Loss and gradient by Keras, which has samples in rows."""
    function = getattr(keras.losses, name)(dtype="float64")
    rows = tf.constant(a.T)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        value = function(tf.constant(y.T), rows)
    return float(value), tape.gradient(value, rows).numpy().T


def test_mean_squared_error():
    value, slope = keras_loss("MeanSquaredError", Y, A)
    assert losses.mean_squared_error(Y, A) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(losses.mean_squared_error_gradient(Y, A), slope)


def test_binary_crossentropy_is_the_log_loss():
    value, slope = keras_loss("BinaryCrossentropy", BINARY, CHANCES)
    ours = losses.binary_crossentropy(BINARY, CHANCES)
    assert ours == pytest.approx(value, rel=1e-12)
    assert ours == pytest.approx(log_loss(BINARY.ravel(), CHANCES.ravel()), rel=1e-12)
    assert losses.log_loss(BINARY, CHANCES) == ours
    np.testing.assert_allclose(
        losses.binary_crossentropy_gradient(BINARY, CHANCES), slope
    )


def test_categorical_crossentropy():
    value, _ = keras_loss("CategoricalCrossentropy", ONE_HOT, PROBABILITIES)
    ours = losses.categorical_crossentropy(ONE_HOT, PROBABILITIES)
    assert ours == pytest.approx(value, rel=1e-12)
    assert ours == pytest.approx(log_loss(LABELS, PROBABILITIES.T), rel=1e-12)


def test_soft_targets():
    y = RNG.dirichlet(np.ones(4), 6).T
    value, _ = keras_loss("CategoricalCrossentropy", y, PROBABILITIES)
    assert losses.categorical_crossentropy(y, PROBABILITIES) == pytest.approx(value)


def test_only_the_true_class_counts():
    other = PROBABILITIES.copy()
    wrong = ONE_HOT == 0
    other[wrong] = RNG.uniform(0, 1, wrong.sum())
    for function in (
        losses.categorical_crossentropy,
        lambda y, a: losses.categorical_crossentropy_gradient(y, a)[y == 1],
    ):
        np.testing.assert_array_equal(
            function(ONE_HOT, other), function(ONE_HOT, PROBABILITIES)
        )


@pytest.mark.parametrize(
    ("name", "y", "a"),
    [
        ("squared_error", Y, A),
        ("half_squared_error", Y, A),
        ("mean_squared_error", Y, A),
        ("binary_crossentropy", BINARY, CHANCES),
        ("categorical_crossentropy", ONE_HOT, PROBABILITIES),
    ],
)
def test_gradient_is_the_slope(name, y, a):
    function = getattr(losses, name)
    slope = numeric_gradient(lambda a: np.sum(function(y, a)), a)
    gradient = getattr(losses, f"{name}_gradient")(y, a)
    np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=1e-8)


def test_squares_element_by_element():
    np.testing.assert_allclose(losses.squared_error(Y, A), (Y - A) ** 2)
    np.testing.assert_allclose(losses.half_squared_error(Y, A), (Y - A) ** 2 / 2)
    np.testing.assert_allclose(
        losses.squared_error_gradient(Y, A),
        2 * losses.half_squared_error_gradient(Y, A),
    )


def test_behind_its_activation_the_error_is_left():
    z = RNG.normal(size=(4, 6))
    a = activations.softmax(z)
    jacobian = activations.softmax_derivative(z)
    dL_da = losses.categorical_crossentropy_gradient(ONE_HOT, a)
    dL_dz = np.einsum("iks,is->ks", jacobian, dL_da)
    np.testing.assert_allclose(dL_dz, (a - ONE_HOT) / 6, atol=1e-14)


@pytest.mark.parametrize("a", [0.0, 1.0])
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_certain_predictions_cost_what_they_cost_in_keras(y, a):
    y, a = np.array([[y]]), np.array([[a]])
    value, _ = keras_loss("BinaryCrossentropy", y, a)
    assert losses.binary_crossentropy(y, a) == pytest.approx(value, rel=1e-9)
    assert np.isfinite(losses.binary_crossentropy_gradient(y, a)).all()


def test_certain_class_predictions_stay_finite():
    y, a = np.eye(2), np.array([[1.0, 1.0], [0.0, 0.0]])
    value, _ = keras_loss("CategoricalCrossentropy", y, a)
    assert losses.categorical_crossentropy(y, a) == pytest.approx(value, rel=1e-9)
    gradient = losses.categorical_crossentropy_gradient(y, a)
    assert np.isfinite(gradient).all()
    assert gradient[1, 1] == pytest.approx(-0.5e7)


@pytest.mark.parametrize("name", losses.__all__)
@pytest.mark.parametrize(
    ("y", "a", "message"),
    [
        (BINARY, CHANCES[0], r"y with \(3, 5\), a with \(5,\)"),
        (BINARY[:1], CHANCES, r"y with \(1, 5\), a with \(3, 5\)"),
        (LABELS, PROBABILITIES, "y must hold floats"),
        (BINARY, CHANCES * np.nan, "a must be finite"),
        (np.zeros((3, 0)), np.zeros((3, 0)), "at least one value"),
    ],
)
def test_bad_input(name, y, a, message):
    with pytest.raises(ValueError, match=message):
        getattr(losses, name)(y, a)


@pytest.mark.parametrize("name", [n for n in losses.__all__ if "cross" in n])
def test_probabilities_are_demanded(name):
    with pytest.raises(ValueError, match=r"a must lie in \[0, 1\].*sigmoid or softmax"):
        getattr(losses, name)(ONE_HOT, RNG.normal(0, 3, ONE_HOT.shape))
    with pytest.raises(ValueError, match=r"y must lie in \[0, 1\]"):
        getattr(losses, name)(2 * ONE_HOT, PROBABILITIES)


@pytest.mark.parametrize("y", [ONE_HOT.T, ONE_HOT * 0.5, ONE_HOT[:, 0]])
def test_classes_are_on_axis_0(y):
    with pytest.raises(ValueError, match=r"\(classes, samples\).*np\.eye"):
        losses.categorical_crossentropy(y, np.full(y.shape, 0.25))
