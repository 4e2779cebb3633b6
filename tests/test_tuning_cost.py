"""kerasopt.tuning.architectures.cost: weights, operations and times of models."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kerasopt import models
from kerasopt.benchmarks.flops import training_flops
from kerasopt.tuning.architectures import cost

CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}


@pytest.fixture
def unbuilt():
    return keras.Sequential([keras.layers.Dense(2)], name="open")


# Parameters.


def test_parameters_are_all_weights():
    model = models.cnn(**CIFAR, padding="valid", batch_norm=True)
    # The statistics of batch normalisation: two for each of 32 + 64 + 128 + 128.
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert cost.parameters(model) == 358_218 == trainable + 2 * 352
    model.trainable = False
    assert cost.parameters(model) == 358_218


# Operations.


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mlp", {"units": (64, 32)}),
        ("cnn", {"padding": "valid", "batch_norm": True}),
        ("airbench", {}),
        ("stages", {"stages": [{"depth": 2, "block": "residual"}, {"width": 48}]}),
    ],
)
def test_operations_are_those_of_the_kernels(name, arguments):
    """Frozen, a step is nothing but the forward pass."""
    model = models.get(name, **CIFAR, **arguments)
    model.trainable = False
    assert cost.flops(model) == training_flops(model) > 0


def test_operations_of_a_depthwise_convolution():
    layer = keras.layers.SeparableConv2D(5, 3, strides=2, padding="same")
    model = keras.Sequential([keras.Input((8, 8, 4)), layer])
    assert cost.flops(model) == 2 * 16 * (9 * 4 + 4 * 5)


def test_operations_of_other_convolutions():
    grouped = keras.layers.Conv2D(6, 3, groups=2, padding="same")
    model = keras.Sequential([keras.Input((8, 8, 4)), grouped])
    assert cost.flops(model) == 2 * 64 * 9 * 2 * 6
    transposed = keras.layers.Conv2DTranspose(5, 2, strides=2)
    model = keras.Sequential([keras.Input((4, 4, 3)), transposed])
    # Each of 16 places gives 4 × 5 numbers from 3.
    assert cost.flops(model) == 2 * 16 * 4 * 3 * 5
    solid = keras.Sequential([keras.Input((4, 4, 4, 3)), keras.layers.Conv3D(2, 2)])
    assert cost.flops(solid) == 2 * 27 * 8 * 3 * 2


def test_operations_of_self_attention():
    entry = keras.Input((9, 6))
    layer = keras.layers.MultiHeadAttention(2, 5)
    model = keras.Model(entry, layer(entry, entry))
    projections = 4 * 9 * 6 * (2 * 5)
    products = 2 * 2 * 9 * 9 * 5
    assert cost.flops(model) == 2 * (projections + products)


@pytest.mark.parametrize(
    ("equation", "shape", "results"),
    [("...x,xy->...y", 4, 2 * 4), ("abc,cde->abde", (2, 2, 5), 2 * 2 * 5)],
)
def test_operations_of_einsums(equation, shape, results):
    layer = keras.layers.EinsumDense(equation, shape)
    model = keras.Sequential([keras.Input((2, 3)), layer])
    assert cost.flops(model) == 2 * results * 3


def test_operations_of_several_inputs():
    entries = {name: keras.Input((3,), name=name) for name in ("a", "b")}
    x = keras.layers.Concatenate()(list(entries.values()))
    model = keras.Model(entries, {"y": keras.layers.Dense(4)(x)})
    assert cost.flops(model) == 2 * 6 * 4
    assert cost.latency_milliseconds(model, repeats=1) > 0


def test_what_cannot_be_counted_is_refused(unbuilt):
    recurrent = keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(3)])
    with pytest.raises(ValueError, match="inside While, as those of recurrent"):
        cost.flops(recurrent)
    with pytest.raises(ValueError, match="'open' has no weights yet"):
        cost.flops(unbuilt)
    with pytest.raises(ValueError, match="'open' has no weights yet"):
        cost.parameters(unbuilt)


# Latency.


class Counting(keras.layers.Layer):
    """Counts how often Python runs it, and in which mode."""

    def __init__(self):
        super().__init__()
        self.calls, self.shapes, self.modes = 0, set(), set()

    def call(self, inputs, training=None):
        self.calls += 1
        self.shapes.add(tuple(inputs.shape))
        self.modes.add(training)
        return inputs * 2


@pytest.fixture
def counted():
    layer = Counting()
    entry = keras.Input((3,))
    model = keras.Model(entry, layer(entry))
    layer.calls, layer.shapes, layer.modes = 0, set(), set()
    return model, layer


def test_latency_is_of_a_graph_traced_once_in_inference_mode(counted):
    model, layer = counted
    assert cost.latency_milliseconds(model, batch_size=4, repeats=10) > 0
    assert (layer.calls, layer.shapes, layer.modes) == (1, {(4, 3)}, {False})


def test_latency_is_the_median_without_the_first_calls(counted, monkeypatch):
    # Three calls to warm up, then 1, 2 and 60 ms.
    seconds = [9.0, 9.0, 9.0, 0.001, 0.002, 0.06]
    ticks = iter(t for second in seconds for t in (100.0, 100.0 + second))
    clock = SimpleNamespace(perf_counter=lambda: next(ticks))
    monkeypatch.setattr(cost, "time", clock)
    found = cost.latency_milliseconds(counted[0], repeats=3)
    assert found == pytest.approx(2.0)
    assert next(ticks, None) is None


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_latency_of_a_network(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = models.stages(**CIFAR, stages=[{"width": 8}, {"attention": "self"}])
    finally:
        keras.config.set_dtype_policy("float32")
    assert 0 < cost.latency_milliseconds(model, repeats=3) < 10_000
    assert not model.compiled


def test_latency_of_words_and_of_what_has_integers():
    entry = keras.Input((5,), dtype="int32")
    model = keras.Model(entry, keras.layers.Embedding(7, 2)(entry))
    assert cost.latency_milliseconds(model, repeats=1) > 0


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def test_what_cannot_be_timed_is_refused(unbuilt):
    model = models.mlp(input_shape=(4,), num_classes=2)
    with pytest.raises(ValueError, match="repeats must be an integer >= 1"):
        cost.latency_milliseconds(model, repeats=0)
    with pytest.raises(ValueError, match="batch_size must be an integer >= 1"):
        cost.latency_milliseconds(model, batch_size=0)
    with pytest.raises(ValueError, match="'open' has no weights yet"):
        cost.latency_milliseconds(unbuilt)
    open_sized = models.airbench(**CIFAR, any_size=True)
    with pytest.raises(ValueError, match="have an open size"):
        cost.latency_milliseconds(open_sized)
    subclassed = Subclassed()
    subclassed(np.ones((1, 2)))
    with pytest.raises(ValueError, match="functional or a built Sequential"):
        cost.latency_milliseconds(subclassed)
