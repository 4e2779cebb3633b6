"""kerasopt.regularizers: penalties against their formula in NumPy."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import mean_squared_error

from kerasopt import models, regularizers

WEIGHTS = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


@pytest.mark.parametrize(
    ("name", "arguments", "l1", "l2"),
    [
        ("l1", {"l1": 0.02}, 0.02, 0),
        ("l2", {"l2": 0.03}, 0, 0.03),
        ("ridge", {}, 0, 0.01),
        ("l1_l2", {"l1": 0.1, "l2": 0.2}, 0.1, 0.2),
        ({"name": "l1_l2", "l1": 0.1}, {"l2": 0.2}, 0.1, 0.2),
    ],
)
def test_penalty(name, arguments, l1, l2):
    penalty = float(regularizers.get(name, **arguments)(WEIGHTS))
    expected = l1 * np.abs(WEIGHTS).sum() + l2 * (WEIGHTS**2).sum()
    assert penalty == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), "0.1", True])
def test_bad_factor(bad):
    with pytest.raises(ValueError, match="must be a number >= 0"):
        regularizers.get("l2", l2=bad)


@pytest.mark.parametrize(
    ("name", "arguments", "slope"),
    [
        ("l1", {"l1": 0.01}, 0.01 * np.sign(WEIGHTS)),
        ("l2", {"l2": 0.01}, 2 * 0.01 * WEIGHTS),
        ("l1_l2", {"l1": 0.01, "l2": 0.01}, 0.01 * np.sign(WEIGHTS) + 0.02 * WEIGHTS),
    ],
)
def test_the_penalty_joins_the_loss_of_the_data_and_its_gradient(
    name, arguments, slope
):
    """Least squares with a bias that isn't 0, which costs nothing."""
    rng = np.random.default_rng(1)
    x, y = (rng.normal(size=(20, n)).astype("float32") for n in (5, 3))
    dense = keras.layers.Dense(
        3, kernel_regularizer=regularizers.get(name, **arguments)
    )
    model = keras.Sequential([keras.Input((5,)), dense])
    bias = np.array([1.0, -2.0, 3.0])
    model.set_weights([WEIGHTS, bias])
    model.compile(keras.optimizers.SGD(1.0), "mean_squared_error")
    errors = x @ WEIGHTS + bias - y
    penalty = sum(
        factor * np.linalg.norm(WEIGHTS.ravel(), order) ** order
        for order, factor in ((1, arguments.get("l1", 0)), (2, arguments.get("l2", 0)))
    )
    loss = model.train_on_batch(x, y)
    assert float(loss) == pytest.approx(
        mean_squared_error(y, y + errors) + penalty, rel=1e-5
    )
    kernel, moved = model.get_weights()
    of_data = 2 * x.T @ errors / errors.size
    np.testing.assert_allclose(kernel, WEIGHTS - of_data - slope, rtol=1e-5, atol=1e-6)
    expected = bias - 2 * errors.sum(axis=0) / errors.size
    np.testing.assert_allclose(moved, expected, rtol=1e-5)


def test_objects_none_and_unknown_words():
    penalty = keras.regularizers.L2(0.1)
    assert regularizers.get(penalty) is penalty
    assert regularizers.get(None) is None
    with pytest.raises(ValueError, match="already has its arguments"):
        regularizers.get(penalty, l2=0.1)
    with pytest.raises(ValueError, match="Did you mean 'l1_l2'"):
        regularizers.get("l1_l3")


@pytest.fixture(scope="module")
def enlarged_digits():
    """Digits of 24×24 pixels in a frame, 784 as in MNIST."""
    x, y = load_digits(return_X_y=True)
    x = np.kron(x.reshape(-1, 8, 8) / 16, np.ones((3, 3)))
    return np.pad(x, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784).astype("float32"), y


def hidden_weights(model):
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
    return np.concatenate([np.ravel(kernel) for kernel in kernels[:-1]])


def test_an_l1_of_a_hundredth_outweighs_the_cross_entropy(enlarged_digits):
    """|w| has the mean limit / 2 under Glorot's uniform, limit² = 6 / (ins + outs)."""
    keras.utils.set_random_seed(0)
    model = models.mlp(
        input_shape=(784,),
        num_classes=10,
        units=(64, 64),
        l1=0.01,
        kernel_initializer="glorot_uniform",
    )
    fans = [(784, 64), (64, 64)]
    expected = sum(0.01 * a * b * np.sqrt(6 / (a + b)) / 2 for a, b in fans)
    penalty = float(sum(model.losses))
    assert penalty == pytest.approx(expected, rel=0.02)
    assert 25 < penalty < 26
    x, y = enlarged_digits
    probabilities = np.asarray(model(x), "float64")
    cross_entropy = -np.log(probabilities[np.arange(len(y)), y]).mean()
    assert cross_entropy == pytest.approx(np.log(10), rel=0.15)


def test_l1_makes_weights_small_but_none_exactly_zero(enlarged_digits):
    """Gradient steps jump over 0; fewer weights are small under L2."""
    shares = {}
    for name in ("l1", "l2"):
        keras.utils.set_random_seed(0)
        model = models.mlp(
            input_shape=(784,), num_classes=10, units=(64, 64), **{name: 0.01}
        )
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(*enlarged_digits, batch_size=32, epochs=8, verbose=0)
        weights = hidden_weights(model)
        assert not (weights == 0).any()
        shares[name] = np.mean(np.abs(weights) < 1e-3)
    assert shares["l1"] > 0.9
    assert shares["l1"] > shares["l2"] + 0.3
