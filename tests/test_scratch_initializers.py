"""kerasopt.scratch.initializers: against Keras's limits and variances."""

import keras
import numpy as np
import pytest
from scipy import stats

from kerasopt.scratch import initializers, parameters

SHAPES = [(10, 20), (20, 5), (3, 3, 16, 32), (5, 4, 6), (3, 3, 3, 2, 8), (7,)]


def keras_limit(initializer, shape):
    """Limit of Keras's uniform initializer: its draw over the same one of U(-1, 1)."""
    unit = np.asarray(keras.initializers.RandomUniform(-1, 1, seed=0)(shape))
    return float(np.median(np.asarray(initializer(seed=0)(shape)) / unit))


def draws(initializer, shape, count=400):
    rng = np.random.default_rng(0)
    return np.stack([initializer(shape, seed=rng) for _ in range(count)])


@pytest.mark.parametrize("shape", SHAPES)
def test_fans_are_keras_s(shape):
    fans = []
    for mode in ("fan_in", "fan_out"):
        limit = keras_limit(
            lambda seed, mode=mode: keras.initializers.VarianceScaling(
                3, mode, "uniform", seed=seed
            ),
            shape,
        )
        fans.append(round(3 * 3 / limit**2))
    assert initializers.fans(shape) == tuple(fans)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "keras_class"),
    [
        ("xavier_uniform", keras.initializers.GlorotUniform),
        ("he_uniform", keras.initializers.HeUniform),
        ("uniform", keras.initializers.RandomUniform),
    ],
)
def test_uniform_within_keras_s_limit(name, keras_class, shape):
    limit = keras_limit(keras_class, shape)
    sample = draws(getattr(initializers, name), shape)
    assert sample.shape[1:] == shape
    assert np.abs(sample).max() <= limit * (1 + 1e-6)
    test = stats.kstest(sample.ravel(), stats.uniform(-limit, 2 * limit).cdf)
    assert test.pvalue > 0.01


def test_limits_of_xavier_and_he():
    xavier = draws(initializers.xavier_uniform, (10, 20))
    assert np.abs(xavier).max() == pytest.approx(np.sqrt(6 / 30), rel=1e-3)
    he = draws(initializers.he_uniform, (20, 5))
    assert np.abs(he).max() == pytest.approx(np.sqrt(6 / 20), rel=1e-3)


def test_he_counts_inputs_and_not_outputs():
    theirs = np.stack(
        [keras.initializers.HeUniform(seed=s)((20, 5)) for s in range(200)]
    )
    for name in ("he_uniform", "he_normal"):
        ours = draws(getattr(initializers, name), (20, 5))
        assert ours.var() == pytest.approx(theirs.var(), rel=0.04)
        by_outputs = 2 / 5
        assert by_outputs / ours.var() == pytest.approx(4, rel=0.04)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "keras_class"),
    [
        ("xavier_normal", keras.initializers.GlorotNormal),
        ("he_normal", keras.initializers.HeNormal),
    ],
)
def test_normal_of_keras_s_variance_but_not_cut_off(name, keras_class, shape):
    unit = np.asarray(keras.initializers.TruncatedNormal(0, 1, seed=0)(shape))
    scale = float(np.median(np.asarray(keras_class(seed=0)(shape)) / unit))
    deviation = scale * stats.truncnorm(-2, 2).std()
    sample = draws(getattr(initializers, name), shape)
    test = stats.kstest(sample.ravel(), stats.norm(0, deviation).cdf)
    assert test.pvalue > 0.01
    assert np.abs(sample).max() > 2 * scale


@pytest.mark.parametrize(
    ("name", "arguments", "deviation"),
    [
        ("small_random", {}, 0.01),
        ("small_random", {"stddev": 0.2}, 0.2),
        ("gaussian", {}, keras.initializers.RandomNormal().stddev),
        ("gaussian", {"stddev": 3.0}, 3.0),
    ],
)
def test_normal_of_a_given_deviation(name, arguments, deviation):
    sample = getattr(initializers, name)((200, 200), seed=0, **arguments)
    test = stats.kstest(sample.ravel(), stats.norm(0, deviation).cdf)
    assert test.pvalue > 0.01


def test_uniform_of_a_given_limit():
    sample = initializers.uniform((200, 200), limit=2.0, seed=0)
    assert stats.kstest(sample.ravel(), stats.uniform(-2, 4).cdf).pvalue > 0.01


def test_zeros():
    np.testing.assert_array_equal(initializers.zeros((2, 3), seed=1), np.zeros((2, 3)))


ALL = [n for n in initializers.__all__ if n not in ("Seed", "fans")]
RANDOM = [name for name in ALL if name != "zeros"]


@pytest.mark.parametrize("name", RANDOM)
def test_seed(name):
    draw = getattr(initializers, name)
    np.testing.assert_array_equal(draw((3, 4), seed=1), draw((3, 4), seed=1))
    assert not np.array_equal(draw((3, 4), seed=1), draw((3, 4), seed=2))
    assert not np.array_equal(draw((3, 4)), draw((3, 4)))
    rng = np.random.default_rng(1)
    first, second = draw((3, 4), seed=rng), draw((3, 4), seed=rng)
    np.testing.assert_array_equal(first, draw((3, 4), seed=1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("name", [*ALL, "fans"])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((), r"such as \(inputs, outputs\); given: \(\)"),
        (5, "must be a tuple"),
        ((3, 0), "each size of shape must be an integer >= 1; given: 0"),
        ((3, 2.0), "each size of shape must be an integer >= 1"),
    ],
)
def test_bad_shape(name, shape, message):
    with pytest.raises(ValueError, match=message):
        getattr(initializers, name)(shape)


def test_bad_scale():
    with pytest.raises(ValueError, match="limit must be a number >= 0"):
        initializers.uniform((2, 2), limit=-1)
    for name in ("gaussian", "small_random"):
        with pytest.raises(ValueError, match="stddev must be a number >= 0"):
            getattr(initializers, name)((2, 2), stddev=-1)


@pytest.mark.parametrize("seed", [-1, 0.5, "x", True, np.nan])
def test_a_seed_is_an_integer_or_a_generator(seed):
    for draw in (
        lambda: initializers.uniform((2, 2), seed=seed),
        lambda: initializers.gaussian((2, 2), seed=seed),
        lambda: parameters.initialize([2, 1], seed=seed),
    ):
        with pytest.raises(ValueError, match="seed must be an integer >= 0"):
            draw()
