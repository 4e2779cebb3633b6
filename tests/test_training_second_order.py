"""fit_lbfgs against SciPy's and scikit-learn's minima."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

import kerasopt as ko
from kerasopt.scratch import second_order

X, Y = load_breast_cancer(return_X_y=True)
X = scale(X)
L2 = 1e-3


def logistic_regression(dtype="float64"):
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(
        1, activation="sigmoid", kernel_regularizer=keras.regularizers.L2(L2),
        dtype=dtype,
    )  # fmt: skip
    return keras.Sequential([keras.Input((30,), dtype=dtype), dense])


def objective(theta):
    """The regularised mean log loss, its gradient: in NumPy, for SciPy."""
    margin = (2 * Y - 1) * (X @ theta[:-1] + theta[-1])
    value = np.logaddexp(0, -margin).mean() + L2 * theta[:-1] @ theta[:-1]
    slope = -(2 * Y - 1) / (1 + np.exp(margin)) / len(Y)
    return value, np.append(X.T @ slope + 2 * L2 * theta[:-1], slope.sum())


def minimum():
    found = optimize.minimize(objective, np.zeros(31), jac=True, tol=1e-12)
    return optimize.root(lambda t: objective(t)[1], found.x, tol=1e-14).x


def test_reaches_scipys_minimum_of_logistic_regression():
    model, best = logistic_regression(), minimum()
    result = ko.training.fit_lbfgs(
        model, X, Y[:, None], loss="binary_crossentropy", tolerance=1e-9, verbose=False
    )
    theta = np.concatenate([w.ravel() for w in model.get_weights()])
    assert result.converged
    assert result.history["loss"].iloc[-1] == pytest.approx(objective(best)[0], 1e-6)
    # Keras keeps the penalty's factor in float32.
    np.testing.assert_allclose(theta, best, rtol=1e-5, atol=1e-6)
    by_hand = second_order.lbfgs(
        lambda t: objective(t)[0],
        lambda t: objective(t)[1],
        np.zeros(31),
        tolerance=1e-11,
    )
    np.testing.assert_allclose(by_hand.theta, best, rtol=1e-6, atol=1e-8)


def test_and_scikit_learns():
    """C is the weight of the sum of losses against half the squared weights."""
    theirs = LogisticRegression(C=1 / (2 * L2 * len(Y)), tol=1e-10, max_iter=10_000)
    theirs.fit(X, Y)
    model = logistic_regression("float32")
    ko.training.fit_lbfgs(
        model, X.astype("float32"), Y[:, None], loss="binary_crossentropy",
        verbose=False,
    )  # fmt: skip
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel.ravel(), theirs.coef_.ravel(), atol=5e-3)
    assert bias[0] == pytest.approx(theirs.intercept_[0], abs=5e-3)


def test_the_size_of_the_portions_does_not_change_the_result():
    weights = []
    for batch_size in (1000, 64):
        model = logistic_regression()
        ko.training.fit_lbfgs(
            model, X, Y[:, None], loss="binary_crossentropy", max_iterations=10,
            batch_size=batch_size, verbose=False,
        )  # fmt: skip
        weights.append(model.get_weights()[0])
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5, atol=1e-7)


def test_uint8_images_and_the_history():
    digits = ko.data.load("digits")
    keras.utils.set_random_seed(0)
    model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,), l2=1e-4)
    result = ko.training.fit_lbfgs(
        model, *digits.train, max_iterations=60, verbose=False
    )
    history = result.history
    assert (np.diff(history["loss"]) <= 1e-9).all()
    assert history.index[0] == 1
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = digits.train[0] / np.float32(255), digits.train[1]
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert loss == pytest.approx(history["loss"].iloc[-1], rel=1e-3)
    assert accuracy > 0.98
    assert np.isfinite(history["gradient_norm"]).all()


def test_out_of_iterations_is_not_converged():
    model = logistic_regression()
    result = ko.training.fit_lbfgs(
        model, X, Y[:, None], loss="binary_crossentropy", max_iterations=2,
        verbose=False,
    )  # fmt: skip
    assert not result.converged
    assert len(result.history) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y[:5, None]}, "as many samples"),
        ({"x": X * np.nan}, "x holds NaN"),
        ({"y": Y[:, None] * np.nan}, "isn't finite before the first step"),
        ({"max_iterations": 0}, "max_iterations must be an integer >= 1"),
        ({"tolerance": 0}, "tolerance must be a number > 0"),
        ({"batch_size": -1}, "batch_size must be an integer >= 1"),
        ({"memory": 0}, "memory must be an integer >= 1"),
    ],
)
def test_bad_arguments(arguments, message):
    given = {"x": X, "y": Y[:, None], "loss": "binary_crossentropy", **arguments}
    with pytest.raises(ValueError, match=message):
        ko.training.fit_lbfgs(logistic_regression(), verbose=False, **given)


ENDS = {
    "sigmoid": (1, "sigmoid", Y, "auto"),
    "one logit": (1, None, Y, "auto"),
    "two logits": (2, None, Y, "auto"),
    "softmax": (2, "softmax", Y, "auto"),
    "names": (2, "softmax", np.array(["bad", "good"])[Y], "auto"),
    "one-hot": (2, None, np.eye(2)[Y], "auto"),
    "named": (1, "sigmoid", Y, "binary_crossentropy"),
    "named, logit": (1, None, Y, "binary_crossentropy"),
    "named, logits": (2, None, Y, "sparse_categorical_crossentropy"),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_loss_fits_labels_and_output(end):
    units, activation, y, loss = ENDS[end]
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((30,)), keras.layers.Dense(units, activation=activation)]
    )
    ko.training.fit_lbfgs(model, X, y, loss=loss, max_iterations=30, verbose=False)
    outputs = model.predict(X, verbose=0)
    found = outputs.argmax(1) if units == 2 else outputs[:, 0] > 0.5 * bool(activation)
    assert (found == Y).mean() > 0.98


def test_numbers_are_trained_by_their_squared_error():
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(1)])
    y = X @ np.linspace(-1, 1, 30) + 3
    ko.training.fit_lbfgs(model, X, y, verbose=False)
    np.testing.assert_allclose(model.predict(X, verbose=0)[:, 0], y, atol=0.05)


def test_labels_that_do_not_fit_the_output_are_refused():
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="The model has 2 outputs, the dataset"):
        ko.training.fit_lbfgs(model, X, np.arange(len(X)) % 3, verbose=False)


def test_a_model_that_scales_pixels_itself_is_handed_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 4), "uint8")
    y = (pixels[:, 0] > 127).astype(int)
    ends = []
    for first in ([], [keras.layers.Rescaling(1 / 255)]):
        keras.utils.set_random_seed(0)
        dense = keras.layers.Dense(2, activation="softmax")
        model = keras.Sequential([keras.Input((4,)), *first, dense])
        found = ko.training.fit_lbfgs(model, pixels, y, max_iterations=5, verbose=False)
        ends.append(found.history["loss"].iloc[-1])
    assert ends[0] == pytest.approx(ends[1], rel=1e-4)


def test_batch_normalisation_is_refused():
    model = ko.models.mlp(input_shape=(30,), num_classes=2, batch_norm=True)
    with pytest.raises(ValueError, match="learns its statistics from batches"):
        ko.training.fit_lbfgs(model, X, Y, verbose=False)


def test_a_frozen_model_and_one_of_several_inputs_are_refused():
    model = logistic_regression()
    model.trainable = False
    with pytest.raises(ValueError, match="no trainable weights"):
        ko.training.fit_lbfgs(model, X, Y, loss="binary_crossentropy", verbose=False)
    inputs = [keras.Input((2,)), keras.Input((2,))]
    two = keras.Model(inputs, keras.layers.Add()(inputs))
    with pytest.raises(ValueError, match="with one input; given: Functional"):
        ko.training.fit_lbfgs(two, X, Y, verbose=False)


@pytest.mark.parametrize("seed", range(3))
def test_a_loss_that_overflows_on_the_way_ends_no_worse_and_is_not_convergence(seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1, activation="exponential")]
    )
    x = np.random.default_rng(seed).normal(0, 30, (40, 3)).astype("float32") * 0.1
    y = np.ones((40, 1), "float32")
    model.compile(loss="mse")
    before = model.evaluate(x, y, verbose=0)
    result = ko.training.fit_lbfgs(model, x, y, loss="mse", verbose=False)
    after = model.evaluate(x, y, verbose=0)
    assert after <= before
    if result.converged:
        assert after == pytest.approx(result.history["loss"].iloc[-1], rel=1e-3)
        assert result.history["gradient_norm"].iloc[-1] < 1e-2


def test_interrupted_it_keeps_the_best_weights():
    model, calls = logistic_regression("float32"), []

    def loss(y, predictions):
        calls.append(1)
        if len(calls) > 6:
            raise KeyboardInterrupt
        return keras.losses.binary_crossentropy(y, predictions)

    model.compile(loss="binary_crossentropy")
    before = model.evaluate(X, Y[:, None], verbose=0)
    tf.config.run_functions_eagerly(True)
    try:
        with pytest.raises(KeyboardInterrupt):
            ko.training.fit_lbfgs(model, X, Y[:, None], loss=loss, verbose=False)
    finally:
        tf.config.run_functions_eagerly(False)
    assert model.evaluate(X, Y[:, None], verbose=0) < before
