"""kerasopt.scratch.normalization: against Keras's BatchNormalization."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt.scratch import normalization

RNG = np.random.default_rng(0)
SHAPES = [(8, 3), (4, 5, 6, 3), (2, 7, 3)]
GAMMA, BETA = RNG.uniform(0.5, 2, 3), RNG.normal(size=3)


def batch(shape, rng=RNG):
    return rng.normal(4, 5, shape)


def keras_layer(shape=SHAPES[0], **arguments):
    layer = keras.layers.BatchNormalization(dtype="float64", **arguments)
    layer.build(shape)
    layer.gamma.assign(GAMMA)
    layer.beta.assign(BETA)
    return layer


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("epsilon", [1e-3, 0.5])
def test_training_is_keras_s(shape, epsilon):
    x = batch(shape)
    y, _ = normalization.batch_norm_training(x, GAMMA, BETA, epsilon=epsilon)
    theirs = keras_layer(shape, epsilon=epsilon)(x, training=True)
    np.testing.assert_allclose(y, theirs, rtol=1e-10, atol=1e-12)


def test_default_epsilon_is_keras_s():
    # Hardly any variance, so that epsilon decides.
    x = 0.01 * RNG.normal(size=(8, 3))
    y, _ = normalization.batch_norm_training(x, GAMMA, BETA)
    np.testing.assert_allclose(y, keras_layer()(x, training=True), rtol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("momentum", [0.99, 0.6])
def test_running_statistics_and_inference_after_several_batches(shape, momentum):
    layer = keras_layer(shape, momentum=momentum)
    running = normalization.initial_running(3)
    for seed in range(5):
        x = batch(shape, np.random.default_rng(seed))
        layer(x, training=True)
        _, cache = normalization.batch_norm_training(x, GAMMA, BETA)
        running = normalization.update_running(running, cache, momentum)
    # Keras keeps the momentum as float32.
    np.testing.assert_allclose(running.mean, layer.moving_mean, rtol=1e-6)
    np.testing.assert_allclose(running.variance, layer.moving_variance, rtol=1e-6)
    x = batch(shape)
    y = normalization.batch_norm_inference(x, GAMMA, BETA, running)
    np.testing.assert_allclose(y, layer(x, training=False), rtol=1e-5, atol=1e-6)


def test_default_momentum_is_keras_s():
    layer, x = keras_layer(), batch((8, 3))
    layer(x, training=True)
    _, cache = normalization.batch_norm_training(x, GAMMA, BETA)
    running = normalization.update_running(normalization.initial_running(3), cache)
    np.testing.assert_allclose(running.variance, layer.moving_variance, rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_keras_s(shape):
    layer, x, dy = keras_layer(shape), tf.constant(batch(shape)), RNG.normal(size=shape)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(layer(x, training=True) * dy)
    slopes = tape.gradient(total, [x, layer.gamma.value, layer.beta.value])
    _, cache = normalization.batch_norm_training(x.numpy(), GAMMA, BETA)
    gradients = normalization.batch_norm_backward(dy, cache)
    for gradient, slope in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12)


def test_deviation_becomes_1_and_not_1_over_sigma():
    x = batch((4000, 3))
    y, _ = normalization.batch_norm_training(x, np.ones(3), np.zeros(3))
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-4)
    by_variance = (x - x.mean(axis=0)) / (x.var(axis=0) + 1e-3)
    np.testing.assert_allclose(by_variance.std(axis=0), 0.2, rtol=0.05)


def test_without_training_the_first_statistics_change_hardly_anything():
    x = batch((4000, 3))
    running = normalization.initial_running(3)
    y = normalization.batch_norm_inference(x, np.ones(3), np.zeros(3), running)
    np.testing.assert_allclose(y, keras.layers.BatchNormalization(dtype="float64")(x))
    np.testing.assert_allclose(y.std(axis=0), 5, rtol=0.05)


def test_one_sample_gives_the_shift_in_training():
    y, _ = normalization.batch_norm_training(np.array([[1.0, 2.0, 3.0]]), GAMMA, BETA)
    np.testing.assert_allclose(y, [BETA])


def test_arguments_stay_as_they_are():
    x, gamma, beta = batch((8, 3)), GAMMA.copy(), BETA.copy()
    before, running = x.copy(), normalization.initial_running(3)
    y, cache = normalization.batch_norm_training(x, gamma, beta)
    y += 1
    normalization.update_running(running, cache)
    normalization.batch_norm_backward(y, cache)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal((gamma, beta), (GAMMA, BETA))
    np.testing.assert_array_equal(running.mean, 0)
    np.testing.assert_array_equal(running.variance, 1)


X = batch((8, 3))
RUNNING = normalization.initial_running(3)


@pytest.mark.parametrize(
    ("x", "gamma", "epsilon", "message"),
    [
        (X, np.ones(8), 1e-3, r"gamma must have shape \(3,\); given: \(8,\)"),
        (X, np.ones((1, 3)), 1e-3, r"gamma must have shape \(3,\)"),
        (X[0], GAMMA, 1e-3, r"x must have shape \(samples, ..., features\)"),
        (X[:0], GAMMA, 1e-3, "at least one sample"),
        (X * np.nan, GAMMA, 1e-3, "x must be finite"),
        (np.ones((2, 3), int), GAMMA, 1e-3, "x must hold floats"),
        (X, GAMMA, 0, "epsilon must be a number > 0"),
    ],
)
def test_bad_input(x, gamma, epsilon, message):
    with pytest.raises(ValueError, match=message):
        normalization.batch_norm_training(x, gamma, BETA, epsilon=epsilon)
    with pytest.raises(ValueError, match=message):
        normalization.batch_norm_inference(x, gamma, BETA, RUNNING, epsilon=epsilon)


def test_bad_statistics():
    _, cache = normalization.batch_norm_training(X, GAMMA, BETA)
    negative = normalization.Running(np.zeros(3), -np.ones(3))
    with pytest.raises(ValueError, match="variance must be >= 0"):
        normalization.batch_norm_inference(X, GAMMA, BETA, negative)
    with pytest.raises(ValueError, match=r"running.mean must have shape \(3,\)"):
        normalization.update_running(normalization.initial_running(4), cache)
    with pytest.raises(ValueError, match=r"momentum must lie in \[0, 1\)"):
        normalization.update_running(RUNNING, cache, momentum=1.0)
    with pytest.raises(ValueError, match=r"dy must have shape \(8, 3\)"):
        normalization.batch_norm_backward(X[:4], cache)
    with pytest.raises(ValueError, match="features must be an integer >= 1"):
        normalization.initial_running(0)


@pytest.mark.parametrize("given", [None, 3, (1, 2)])
def test_statistics_and_caches_of_another_kind(given):
    x, one = np.ones((2, 1)), np.ones(1)
    _, cache = normalization.batch_norm_training(x, one, one)
    for call, name in (
        (lambda: normalization.batch_norm_inference(x, one, one, given), "running"),
        (lambda: normalization.update_running(given, cache), "running"),
        (
            lambda: normalization.update_running(
                normalization.initial_running(1), given
            ),
            "cache",
        ),
        (lambda: normalization.batch_norm_backward(x, given), "cache"),
    ):
        with pytest.raises(TypeError, match=f"{name} must be the"):
            call()
