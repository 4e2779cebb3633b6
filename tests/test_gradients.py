"""kerasopt.gradients: steps by hand against Keras's fit and closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt import gradients, models, optimizers
from kerasopt.scratch.optimizers import SAM, GradientDescent

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)).astype("float32")
LABELS = RNG.integers(0, 3, 40)
LOSS = keras.losses.SparseCategoricalCrossentropy()


def regularized(seed=0, **arguments):
    keras.utils.set_random_seed(seed)
    settings = {"units": (8,), "l2": 0.05, "activity_l1": 0.01, **arguments}
    return models.mlp(input_shape=(5,), num_classes=3, **settings)


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adam"])
def test_steps_by_hand_end_with_the_weights_of_fit(name):
    fitted, by_hand = regularized(), regularized()
    fitted.compile(optimizers.get(name, learning_rate=0.05), LOSS)
    history = fitted.fit(X, LABELS, batch_size=40, epochs=8, shuffle=False, verbose=0)
    optimizer = optimizers.get(name, learning_rate=0.05)
    optimizer.build(by_hand.trainable_variables)
    step = tf.function(gradients.train_step)
    values = [float(step(by_hand, optimizer, LOSS, X, LABELS)) for _ in range(8)]
    for ours, theirs in zip(by_hand.weights, fitted.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(values, history.history["loss"], rtol=1e-5)


def test_the_penalties_are_part_of_the_gradient():
    """A loss of labels and predictions alone leaves 2 * l2 * w out."""
    model = regularized(activity_l1=0.0)
    _, with_penalties = gradients.loss_and_gradients(model, LOSS, X, LABELS)
    with tf.GradientTape() as tape:
        data_loss = LOSS(LABELS, model(X, training=True))
    without = tape.gradient(data_loss, model.trainable_variables)
    kernel = model.trainable_variables[0]
    difference = with_penalties[0] - without[0]
    np.testing.assert_allclose(difference, 2 * 0.05 * kernel, rtol=1e-4, atol=1e-6)
    assert float(tf.norm(difference)) > 0.01
    np.testing.assert_allclose(with_penalties[1], without[1], atol=1e-7)  # a bias


def linear_regression():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, use_bias=False)])
    y = (X @ np.arange(5.0) + 1).astype("float32")[:, None]
    return model, y


def test_sharpness_aware_step_is_the_closed_form():
    """On least squares the gradient is 2/n X'(Xw - y), wherever it is taken."""
    model, y = linear_regression()
    model.compile(keras.optimizers.SGD(0.05), "mse")

    def gradient(w):
        return 2 * X.T @ (X @ w - y) / len(X)

    optimizer = SAM(GradientDescent(0.05), gradient, rho=0.1)
    theirs = scratch = model.get_weights()[0]
    for _ in range(10):
        at = theirs + 0.1 * gradient(theirs) / np.linalg.norm(gradient(theirs))
        expected_loss = np.mean((X @ theirs - y) ** 2)
        theirs = theirs - 0.05 * gradient(at)
        scratch = optimizer.step(scratch, gradient(scratch))
        logs = gradients.sharpness_aware_step(model, 0.1, (X, y))
        np.testing.assert_allclose(model.get_weights()[0], theirs, rtol=2e-4)
        model.reset_metrics()
        assert float(logs["loss"]) == pytest.approx(expected_loss, rel=1e-4)
    np.testing.assert_allclose(scratch, theirs, rtol=2e-4)


def deep(activation, kernel_initializer, width=256, layers=10):
    keras.utils.set_random_seed(0)
    return models.mlp(
        input_shape=(width,),
        num_classes=10,
        units=(width,) * layers,
        activation=activation,
        kernel_initializer=kernel_initializer,
    )


@pytest.mark.parametrize(
    ("activation", "kernel_initializer", "low", "high"),
    [
        ("sigmoid", "glorot_uniform", 1e-8, 1e-5),
        ("tanh", "glorot_uniform", 0.1, 0.6),
        ("relu", "glorot_uniform", 0.01, 0.1),
        ("relu", "he_normal", 0.5, 1.5),
    ],
)
def test_gradient_ratio_through_ten_layers(activation, kernel_initializer, low, high):
    """He keeps ReLU's gradients, Glorot tanh's; sigmoid's vanish under Glorot."""
    x = np.random.default_rng(0).normal(size=(64, 256)).astype("float32")
    y = np.arange(64) % 10
    model = deep(activation, kernel_initializer)
    assert low < gradients.backward_ratio(model, LOSS, x, y) < high


def test_layer_norms_leave_statistics_and_random_states():
    model = regularized(batch_norm=True, dropout=0.5)
    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    norms = gradients.layer_norms(model, LOSS, X, LABELS)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert all(norm > 0 for norm in norms.values())


def test_a_ratio_is_that_of_the_outer_jacobian():
    """Of linear layers the gradient is multiplied by the transposed kernels."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(6) for _ in range(4)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    y = RNG.normal(size=(40, 6)).astype("float32")
    loss = keras.losses.MeanSquaredError()
    kernels = [layer.get_weights()[0] for layer in layers]
    last = 2 * (model.predict(X, verbose=0) - y) / y.size @ kernels[3].T
    first = last @ kernels[2].T @ kernels[1].T
    expected = np.linalg.norm(first) / np.linalg.norm(last)
    found = gradients.backward_ratio(model, loss, X, y)
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_ratio_needs_two_hidden_layers():
    with pytest.raises(ValueError, match="given: 2 layers with a kernel"):
        gradients.backward_ratio(regularized(), LOSS, X, LABELS)


def test_a_loss_may_be_named():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    x, y = np.ones((4, 2), "float32"), np.zeros((4, 1), "float32")
    for name in ("mse", "mean_absolute_error"):
        value, _ = gradients.loss_and_gradients(model, name, x, y)
        expected = np.mean(keras.losses.get(name)(y, model(x)))
        assert float(value) == pytest.approx(expected)
    with pytest.raises(ValueError, match="no_loss"):
        gradients.loss_and_gradients(model, "no_loss", x, y)
