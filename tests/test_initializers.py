"""kerasopt.initializers: the names people type, always a fresh object."""

import inspect

import keras
import numpy as np
import pytest
from scipy import stats

from kerasopt import initializers


@pytest.mark.parametrize(
    ("name", "keras_class"),
    [
        ("xavier", keras.initializers.GlorotUniform),
        ("glorot", keras.initializers.GlorotUniform),
        ("glorot_normal", keras.initializers.GlorotNormal),
        ("xavier_normal", keras.initializers.GlorotNormal),
        ("gaussian", keras.initializers.RandomNormal),
        ("small random", keras.initializers.RandomNormal),
        ("uniform", keras.initializers.RandomUniform),
        ("he", keras.initializers.HeNormal),
        ("he_uniform", keras.initializers.HeUniform),
        ("kaiming_normal", keras.initializers.HeNormal),
        ("zeros", keras.initializers.Zeros),
        ("orthogonal", keras.initializers.Orthogonal),
    ],
)
def test_name_gives_the_keras_class(name, keras_class):
    assert type(initializers.get(name)) is keras_class


@pytest.mark.parametrize(
    ("name", "arguments", "std"),
    [
        ("gaussian", {"stddev": 0.2}, 0.2),
        ("gaussian", {}, 0.05),
        ("small_random", {}, 0.01),
        ("he_normal", {}, np.sqrt(2 / 400)),
        ("xavier", {}, np.sqrt(2 / (400 + 300))),
    ],
)
def test_sample_standard_deviation(name, arguments, std):
    keras.utils.set_random_seed(0)
    sample = np.asarray(initializers.get(name, **arguments)((400, 300)))
    assert sample.std() == pytest.approx(std, rel=0.02)


def test_equal_layers_get_different_weights():
    shared = keras.initializers.HeNormal()
    copies = [initializers.get(shared) for _ in range(2)]
    first, second = (np.asarray(copy((4, 4))) for copy in copies)
    assert not np.array_equal(first, second)


def test_dict_and_unknown_words():
    assert initializers.get({"name": "gaussian", "stddev": 0.3}).stddev == 0.3
    with pytest.raises(ValueError, match="Did you mean 'xavier'"):
        initializers.get("xaver")
    with pytest.raises(ValueError, match="Accepted: mean, seed, stddev"):
        initializers.get("gaussian", sigma=1)
    with pytest.raises(ValueError, match="already has its arguments"):
        initializers.get(keras.initializers.Zeros(), stddev=1)


CONVOLUTIONS = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("inputs", "outputs"), [(3, 3), (3, 5), (5, 3)])
def test_dirac_convolution_reproduces_its_input(rank, size, inputs, outputs):
    layer = CONVOLUTIONS[rank](
        outputs, size, padding="same", kernel_initializer=initializers.Dirac()
    )
    x = np.random.default_rng(0).normal(size=(2, *[6] * rank, inputs))
    y = np.asarray(layer(x.astype("float32")))
    kept = min(inputs, outputs)
    np.testing.assert_allclose(y[..., :kept], x[..., :kept], rtol=1e-6)


def test_other_filters_of_dirac_are_uniform_within_torchs_bound():
    bound = 1 / np.sqrt(3 * 3 * 16)
    kernel = np.asarray(initializers.Dirac(seed=0)((3, 3, 16, 400)))[..., 16:]
    test = stats.kstest(kernel.ravel(), stats.uniform(-bound, 2 * bound).cdf)
    assert np.abs(kernel).max() <= bound
    assert test.pvalue > 0.01


def test_dirac_follows_its_seed_and_type():
    shape = (3, 3, 2, 8)
    first, again, other = (
        np.asarray(initializers.get("dirac", seed=s)(shape)) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert str(initializers.Dirac()(shape, dtype="bfloat16").dtype).count("bfloat16")
    generator = keras.random.SeedGenerator(0)
    drawing = initializers.Dirac(seed=generator)
    assert not np.array_equal(drawing(shape), drawing(shape))


def test_dirac_round_trip_and_alias():
    dirac = initializers.get("identity_conv", seed=3)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(dirac)
    )
    assert type(again) is initializers.Dirac
    np.testing.assert_array_equal(dirac((3, 3, 2, 5)), again((3, 3, 2, 5)))
    assert type(initializers.get(dirac)) is initializers.Dirac


@pytest.mark.parametrize("shape", [(4, 4), (4,), (1, 1, 1, 1, 2, 2)])
def test_dirac_refuses_what_is_no_convolution(shape):
    message = rf"convolutions.*given: shape \({shape[0]}.*Use 'glorot'"
    with pytest.raises(ValueError, match=message):
        initializers.Dirac()(shape)


def test_dirac_refuses_an_unknown_argument():
    with pytest.raises(ValueError, match="Accepted: seed"):
        initializers.get("dirac", gain=2)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", keras.initializers.HeNormal),
        ("silu", keras.initializers.HeNormal),
        ("tanh", keras.initializers.GlorotUniform),
        ("sigmoid", keras.initializers.GlorotUniform),
        ("selu", keras.initializers.LecunNormal),
    ],
)
def test_the_initializer_that_goes_with_an_activation(activation, expected):
    assert type(initializers.for_activation(activation)) is expected


def test_an_unknown_activation_lists_the_choices():
    with pytest.raises(ValueError, match="Did you mean 'relu'"):
        initializers.for_activation("rellu")


@pytest.mark.parametrize(
    ("name", "shape", "variance"),
    [
        ("xavier", (10, 20), 2 / 30),  # U(±√(6/30))
        ("he_uniform", (20, 5), 2 / 20),  # U(±√(6/20)): fan-in, not fan-out
        ("he_normal", (20, 5), 2 / 20),
    ],
)
def test_variance_by_the_fans(name, shape, variance):
    keras.utils.set_random_seed(0)
    drawn = [np.asarray(initializers.get(name)(shape)) for _ in range(400)]
    assert np.var(drawn) == pytest.approx(variance, rel=0.03)
    if name != "he_normal":
        limit = np.sqrt(3 * variance)
        assert 0.99 * limit < np.abs(drawn).max() <= limit


@pytest.mark.parametrize("name", initializers.names())
def test_every_argument_of_every_initializer_has_a_rule(name):
    factory = initializers._TABLE.factory(name)
    assert inspect.signature(factory).parameters.keys() <= initializers.RULES.keys()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("gaussian", {"stddev": -1}, "stddev must be a number >= 0"),
        ("gaussian", {"mean": np.nan}, "mean must be a finite number"),
        ("uniform", {"minval": 1, "maxval": 0}, "minval must be below maxval"),
        ("he", {"seed": 1.5}, "seed must be an integer"),
        ("dirac", {"seed": "1"}, "seed must be an integer .*leave the quotes out"),
        ("variance_scaling", {"mode": "in"}, "mode must be one of"),
        ("orthogonal", {"gain": 0}, "gain must be a number > 0"),
        ("constant", {"value": [1, "x"]}, "value must be a finite number or an array"),
        ("small_random", {"stddev": "x"}, "stddev must be a number"),
    ],
)
def test_bad_arguments_of_an_initializer(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        initializers.get(name, **arguments)


def test_numpy_seeds_are_seeds():
    ours = initializers.get("he", seed=np.int64(3))((2, 2))
    np.testing.assert_array_equal(ours, initializers.get("he", seed=3)((2, 2)))
