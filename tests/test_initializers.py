"""kerasopt.initializers: the names people type, always a fresh object."""

import keras
import numpy as np
import pytest

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
