"""kerasopt.scratch.network: every gradient against Keras and difference quotients."""

import itertools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special

from kerasopt.scratch import gradients, initializers, network

HIDDEN = ["sigmoid", "tanh", "relu"]
OUTPUTS = [
    ("linear", "mean_squared_error"),
    ("sigmoid", "binary_crossentropy"),
    ("sigmoid", "mean_squared_error"),
    ("softmax", "categorical_crossentropy"),
]
KERAS_LOSSES = {
    "mean_squared_error": keras.losses.MeanSquaredError,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
}
# Keras keeps it as float32, which holds this number exactly.
L2 = 1 / 64
PAIRS = [(hidden, *pair) for hidden, pair in itertools.product(HIDDEN, OUTPUTS)]


def problem(sizes, samples, output, seed=0):
    """Random parameters, biases too, and data for a network of these sizes."""
    if output == "softmax":
        sizes = [*sizes[:-1], max(2, sizes[-1])]
    rng = np.random.default_rng(seed)
    parameters = [
        network.Layer(W, rng.normal(0, 0.5, b.shape))
        for W, b in network.initialize(sizes, seed=rng)
    ]
    X = rng.normal(size=(sizes[0], samples))
    shape = (sizes[-1], samples)
    if output == "linear":
        return parameters, X, rng.normal(size=shape)
    if output == "sigmoid":
        return parameters, X, rng.integers(0, 2, shape).astype(float)
    return parameters, X, np.eye(sizes[-1])[rng.integers(0, sizes[-1], samples)].T


def keras_twin(parameters, activation, output, l2=0.0):
    """The same network in Keras, which has samples in rows."""
    layers = []
    for k, (W, _) in enumerate(parameters):
        is_output = k == len(parameters) - 1
        layers.append(
            keras.layers.Dense(
                len(W),
                activation=output if is_output else activation,
                kernel_regularizer=keras.regularizers.L2(l2),
                dtype="float64",
            )
        )
    shape = (parameters[0].W.shape[1],)
    model = keras.Sequential([keras.Input(shape, dtype="float64"), *layers])
    model.set_weights([v for W, b in parameters for v in (W.T, b.ravel())])
    return model


def keras_gradients(model, X, Y, criterion):
    with tf.GradientTape() as tape:
        prediction = model(X.T, training=True)
        function = KERAS_LOSSES[criterion](dtype="float64")
        loss = function(Y.T, prediction) + sum(model.losses)
    variables = [v.value for v in model.trainable_variables]
    return float(loss), prediction.numpy().T, tape.gradient(loss, variables)


def flat(layers):
    return np.concatenate([array.ravel() for layer in layers for array in layer])


def unflat(vector, like):
    layers, start = [], 0
    for layer in like:
        arrays = []
        for array in layer:
            arrays.append(vector[start : start + array.size].reshape(array.shape))
            start += array.size
        layers.append(network.Layer(*arrays))
    return layers


def networks():
    """Sizes, samples, seed and the factor of the penalty."""
    sizes = st.lists(st.integers(1, 5), min_size=2, max_size=5)
    return st.tuples(
        sizes, st.integers(1, 4), st.integers(0, 10**6), st.sampled_from([0.0, 0.125])
    )


def away_from_the_kink(cache):
    return cache.activation != "relu" or all(
        np.abs(z).min() > 1e-3 for z in cache.z[:-1]
    )


@pytest.mark.parametrize(("activation", "output", "criterion"), PAIRS)
@settings(max_examples=25, deadline=None)
@given(case=networks())
def test_gradient_is_the_slope_for_every_parameter(activation, output, criterion, case):
    sizes, samples, seed, l2 = case
    parameters, X, Y = problem(sizes, samples, output, seed)
    names = {"activation": activation, "output": output}
    arguments = {"criterion": criterion, "l2": l2}
    cache = network.forward(parameters, X, **names)
    assume(away_from_the_kink(cache))

    def loss(vector):
        layers = unflat(vector, parameters)
        return network.loss(layers, network.forward(layers, X, **names), Y, **arguments)

    numeric = gradients.numeric_gradient(loss, flat(parameters))
    analytic = flat(network.backward(parameters, cache, Y, **arguments))
    assert gradients.gradient_error(analytic, numeric) < 1e-6


@pytest.mark.parametrize(("activation", "output", "criterion"), PAIRS)
@settings(max_examples=6, deadline=None)
@given(case=networks())
def test_everything_is_keras_s(activation, output, criterion, case):
    sizes, samples, seed, l2 = case
    parameters, X, Y = problem(sizes, samples, output, seed)
    cache = network.forward(parameters, X, activation=activation, output=output)
    arguments = {"criterion": criterion, "l2": l2}
    model = keras_twin(parameters, activation, output, l2)
    loss, prediction, slopes = keras_gradients(model, X, Y, criterion)

    np.testing.assert_allclose(cache.a[-1], prediction, rtol=1e-10, atol=1e-12)
    assert network.loss(parameters, cache, Y, **arguments) == pytest.approx(loss)
    ours = network.backward(parameters, cache, Y, **arguments)
    arrays = [array for layer in ours for array in (layer.W.T, layer.b.ravel())]
    for gradient, slope in zip(arrays, slopes, strict=True):
        np.testing.assert_allclose(gradient, slope, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(("activation", "output", "criterion"), PAIRS)
def test_a_training_is_keras_s(activation, output, criterion):
    parameters, X, Y = problem([3, 5, 4, 3], 8, output)
    model = keras_twin(parameters, activation, output, l2=L2)
    optimizer = keras.optimizers.SGD(0.125)
    for _ in range(25):
        parameters, before = network.train_step(
            parameters,
            X,
            Y,
            0.125,
            activation=activation,
            output=output,
            criterion=criterion,
            l2=L2,
        )
        loss, _, slopes = keras_gradients(model, X, Y, criterion)
        optimizer.apply(slopes, model.trainable_variables)
        assert before == pytest.approx(loss, rel=1e-9)
    theirs = model.get_weights()
    ours = [array for W, b in parameters for array in (W.T, b.ravel())]
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("output", ["linear", "sigmoid", "softmax"])
def test_the_usual_criterion(output):
    parameters, X, Y = problem([2, 3, 2], 4, output)
    cache = network.forward(parameters, X, output=output)
    criterion = dict(OUTPUTS[::-1])[output]
    assert network.loss(parameters, cache, Y) == network.loss(
        parameters, cache, Y, criterion=criterion
    )
    np.testing.assert_array_equal(
        flat(network.backward(parameters, cache, Y)),
        flat(network.backward(parameters, cache, Y, criterion=criterion)),
    )


def test_shapes_of_columns():
    parameters = network.initialize([3, 5, 1])
    assert [W.shape for W, _ in parameters] == [(5, 3), (1, 5)]
    assert [b.shape for _, b in parameters] == [(5, 1), (1, 1)]
    X = np.array([[1.0], [2.0], [3.0]])
    cache = network.forward(parameters, X, activation="sigmoid", output="sigmoid")
    assert [a.shape for a in cache.a] == [(3, 1), (5, 1), (1, 1)]
    (W1, b1), (W2, b2) = parameters
    expected = special.expit(W2 @ special.expit(W1 @ X + b1) + b2)
    np.testing.assert_allclose(cache.a[-1], expected)


def test_samples_in_rows_are_refused_with_the_shapes_and_the_fix():
    parameters = network.initialize([3, 5, 1])
    message = (
        "W of layer 0 has shape (5, 3) and reads 3 values, but X with shape (1, 3)"
    )
    with pytest.raises(ValueError, match=re.escape(message) + ".*transpose"):
        network.forward(parameters, np.array([[1.0, 2.0, 3.0]]))
    parameters[1] = network.Layer(np.ones((3, 1)), np.ones((3, 1)))
    message = r"layer 1 has shape \(3, 1\) and reads 1 values, but W of layer 0 with"
    with pytest.raises(ValueError, match=message):
        network.forward(parameters, np.array([[1.0], [2.0], [3.0]]))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_units_that_start_equal_stay_equal(activation):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(3, 20)), rng.normal(size=(1, 20))
    start = network.initialize([3, 5, 1], initializer=initializers.zeros)
    # With tanh nothing moves from exact zeros; equal weights show the same.
    start = [network.Layer(W + 0.1, b) for W, b in start]
    parameters = start
    for _ in range(100):
        parameters, _ = network.train_step(parameters, X, Y, 0.1, activation=activation)
    hidden, output = parameters
    assert np.ptp(hidden.W, axis=0).max() < 1e-12
    assert np.ptp(output.W) < 1e-12
    assert np.abs(hidden.W - start[0].W).max() > 0.05
    assert np.abs(output.W - start[1].W).max() > 0.05


def test_zeros_with_sigmoid_learn_one_unit_only():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(3, 20)), rng.normal(size=(1, 20))
    zeros = network.initialize([3, 5, 1], initializer=initializers.zeros)
    parameters = zeros
    for _ in range(100):
        parameters, _ = network.train_step(parameters, X, Y, 0.5, activation="sigmoid")
    assert np.abs(parameters[0].W).max() > 1e-3
    assert np.ptp(parameters[0].W, axis=0).max() < 1e-12


def test_zeros_with_relu_learn_nothing_but_the_output_bias():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(3, 20)), rng.normal(size=(1, 20))
    parameters = network.initialize([3, 5, 1], initializer=initializers.zeros)
    for _ in range(200):
        parameters, _ = network.train_step(parameters, X, Y, 0.1, activation="relu")
    hidden, output = parameters
    for stuck in (hidden.W, hidden.b, output.W):
        np.testing.assert_array_equal(stuck, 0)
    assert output.b.item() == pytest.approx(Y.mean())


def test_a_sigmoid_under_the_squared_error_hardly_learns_where_it_is_wrong():
    layer = network.Layer(np.ones((1, 1)), np.zeros((1, 1)))
    X, Y = np.array([[-10.0]]), np.array([[1.0]])
    cache = network.forward([layer], X, output="sigmoid")
    slopes = {}
    for criterion in ("mean_squared_error", "binary_crossentropy"):
        (gradient,) = network.backward([layer], cache, Y, criterion=criterion)
        slopes[criterion] = gradient.b.item()
        model = keras_twin([layer], "relu", "sigmoid")
        _, _, (_, slope) = keras_gradients(model, X, Y, criterion)
        assert gradient.b.item() == pytest.approx(slope.numpy().item(), rel=1e-6)
    assert slopes["mean_squared_error"] == pytest.approx(-9.08e-5, rel=1e-3)
    assert slopes["binary_crossentropy"] == pytest.approx(-1, rel=1e-4)


def test_penalty_leaves_biases_alone():
    parameters, X, Y = problem([3, 4, 2], 5, "linear")
    cache = network.forward(parameters, X)
    plain, penalised = (
        (
            network.loss(parameters, cache, Y, l2=l2),
            network.backward(parameters, cache, Y, l2=l2),
        )
        for l2 in (0.0, 0.3)
    )
    squares = sum((W**2).sum() for W, _ in parameters)
    assert penalised[0] - plain[0] == pytest.approx(0.3 * squares)
    for layer, before, after in zip(parameters, plain[1], penalised[1], strict=True):
        np.testing.assert_allclose(after.W - before.W, 0.6 * layer.W)
        np.testing.assert_array_equal(after.b, before.b)


def test_update_moves_all_and_changes_nothing_given():
    parameters, X, Y = problem([3, 4, 2], 5, "linear")
    slopes = network.backward(parameters, network.forward(parameters, X), Y)
    before = flat(parameters)
    new = network.update(parameters, slopes, 0.5)
    np.testing.assert_array_equal(flat(parameters), before)
    np.testing.assert_allclose(flat(new), before - 0.5 * flat(slopes))
    assert (flat(new) != before).mean() > 0.5


def test_initialize_draws_by_the_inputs_and_differently_for_each_layer():
    wide = network.initialize([400, 50, 50], initializer=initializers.he_normal)
    assert wide[0].W.std() == pytest.approx(np.sqrt(2 / 400), rel=0.03)
    equal = network.initialize([4, 4, 4], seed=1)
    assert not np.array_equal(equal[0].W, equal[1].W)
    np.testing.assert_array_equal(
        flat(equal), flat(network.initialize([4] * 3, seed=1))
    )
    np.testing.assert_array_equal(equal[0].b, 0)


def test_bad_input():
    parameters, X, Y = problem([3, 4, 2], 5, "linear")
    cache = network.forward(parameters, X)
    slopes = network.backward(parameters, cache, Y)
    bad_bias = [network.Layer(parameters[0].W, np.zeros(4)), parameters[1]]
    for call, message in (
        (lambda: network.initialize([3]), "sizes must be inputs"),
        (lambda: network.initialize([3, 0]), "integer >= 1; given: 0"),
        (
            lambda: network.forward(parameters, X, activation="rellu"),
            "sigmoid, tanh, r",
        ),
        (lambda: network.forward(parameters, X, output="relu"), "linear, sigmoid, so"),
        (lambda: network.forward(parameters, X * np.nan), "X must be finite"),
        (
            lambda: network.forward(parameters, np.ones((3, 5), int)),
            "X must hold floats",
        ),
        (
            lambda: network.forward(parameters, X[:, 0]),
            r"X must have shape \(any, any\)",
        ),
        (lambda: network.forward([], X), "at least one layer"),
        (
            lambda: network.forward(bad_bias, X),
            r"b of layer 0 must have shape \(4, 1\)",
        ),
        (lambda: network.loss(parameters, cache, Y.T), r"y with \(5, 2\)"),
        (lambda: network.backward(parameters, cache, Y.T), r"y with \(5, 2\)"),
        (lambda: network.backward(parameters, cache, Y[:1]), r"y with \(1, 5\)"),
        (
            lambda: network.backward(parameters, cache, Y, criterion="log"),
            "criterion of a linear output must be one of mean_squared_error; given",
        ),
        (
            lambda: network.loss(parameters, cache, Y, criterion="binary_crossentropy"),
            "criterion of a linear output",
        ),
        (lambda: network.loss(parameters, cache, Y, l2=-1), "factor must be a number"),
        (lambda: network.update(parameters, slopes, 0), "learning_rate must be"),
        (lambda: network.update(parameters, slopes[:1], 0.1), "shorter"),
        (lambda: network.update(parameters, slopes[::-1], 0.1), "gradient of W must"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_targets_that_are_no_probabilities(output):
    parameters, X, Y = problem([3, 4, 2], 5, output)
    cache = network.forward(parameters, X, output=output)
    with pytest.raises(ValueError, match=r"y must lie in \[0, 1\]"):
        network.backward(parameters, cache, 2 * Y + 1)


def test_a_cache_of_other_parameters_and_an_initializer_by_name_are_refused():
    cache = network.forward(network.initialize([3, 4, 1]), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"layers of \[4, 1\] units.*\[5, 1\]"):
        network.backward(network.initialize([3, 5, 1]), cache, np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"such as initializers.he_normal"):
        network.initialize([3, 1], initializer="he_normal")


@pytest.mark.parametrize("other", [None, 3, "x", (1, 2)])
def test_caches_and_layers_of_another_kind(other):
    layers = [network.Layer(np.ones((1, 1)), np.ones((1, 1)))]
    cache, y = network.forward(layers, np.ones((1, 1))), np.ones((1, 1))
    for call in (network.loss, network.backward):
        with pytest.raises(TypeError, match="cache must be the cache of forward"):
            call(layers, other, y)
        with pytest.raises(TypeError, match="layer 0 of parameters must be a Layer"):
            call([other], cache, y)
