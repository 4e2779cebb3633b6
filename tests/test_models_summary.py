"""kerasopt.models.summary: layers, operations, memory and time of a model."""

import keras
import numpy as np
import pytest

from kerasopt import models, optimizers
from kerasopt.layers import timing
from kerasopt.models.summary import ROWS, SHARE_OF_PRODUCTS

CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}


@pytest.fixture
def chapter():
    return models.cnn(**CIFAR, padding="valid", batch_norm=True, dropout=0.25)


def test_parameters_are_those_of_keras(chapter):
    found = models.summary(chapter)
    assert found.parameters == 358_218
    assert found.trainable_parameters == 357_514
    assert found.table["parameters"].sum() == 358_218
    assert found.table["trainable"].sum() == 357_514
    chapter.layers[1].trainable = False
    assert models.summary(chapter).table["trainable"].sum() == 357_514 - 896


def test_operations_are_those_of_the_counter(chapter):
    found = models.summary(chapter)
    assert found.flops == models.flops(chapter) == found.table["flops"].sum()
    assert found.training_flops == models.training_flops(chapter)


def test_memory_of_weights_and_optimizers():
    model = models.mlp(input_shape=(784,), num_classes=10)
    size = 4 * 55_050
    for optimizer, states in [
        ("sgd", 0),
        (optimizers.get("momentum", learning_rate=0.1), 1),
        ("adam", 2),
    ]:
        found = models.summary(model, optimizer=optimizer, batch_size=100)
        assert found.weight_bytes == found.gradient_bytes == size
        # The number of steps and the rate take a few bytes.
        assert 0 <= found.optimizer_bytes - states * size < 50
    # 64 numbers twice for each layer and its activation, 10 for the last.
    assert found.activation_bytes == 4 * (4 * 64 + 2 * 10)
    fixed = 2 * size + found.optimizer_bytes
    assert found.training_bytes == fixed + 100 * found.activation_bytes


@pytest.mark.slow
def test_activations_of_vgg16_are_those_of_the_lecture():
    """CS231n, "ConvNets", sums its layers' outputs to 15.2 million numbers."""
    found = models.summary(keras.applications.VGG16(weights=None), optimizer="sgd")
    # Without the input, 150,528, and the flattened map, counted a second time here.
    numbers = found.activation_bytes / 4 + 150_528 - 25_088
    assert numbers == pytest.approx(15.2e6, rel=0.01)


def test_half_of_the_memory_in_half_precision():
    found = {}
    for policy in ("float32", "bfloat16"):
        entry = keras.Input((8,), dtype=policy)
        layer = keras.layers.Dense(4, dtype=policy)
        found[policy] = models.summary(keras.Model(entry, layer(entry)))
    full, half = found["float32"], found["bfloat16"]
    assert full.weight_bytes == 2 * half.weight_bytes == 144
    assert full.activation_bytes == 2 * half.activation_bytes == 16


def test_the_estimate_is_a_rate_times_operations(chapter, monkeypatch):
    monkeypatch.setattr(timing, "product_rate", lambda dtype: 1e11)
    found = models.summary(chapter, samples=50_000)
    expected = 50_000 * models.training_flops(chapter) / (SHARE_OF_PRODUCTS * 1e11)
    assert found.seconds_per_epoch == pytest.approx(expected)
    assert "100.0 GFLOP/s that float32 products reach here" in repr(found)


def test_measuring_leaves_the_model_as_it_is():
    model = models.cnn(**CIFAR, filters=(2,), dense=(), batch_norm=True, l2=0.1)
    before = model.get_weights()
    optimizer = keras.optimizers.Adam()
    found = models.summary(
        model, time="measured", optimizer=optimizer, samples=64, batch_size=8
    )
    assert 0 < found.seconds_per_epoch < 60
    assert "measured here" in found.assumptions
    assert not model.compiled
    assert not optimizer.built
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_step_that_is_measured_is_the_step_of_a_training(monkeypatch, fake_time):
    """The clock is asked around each step; the median counts."""
    clock = fake_time(timing)
    ticks = iter([0, 0.5, 0.5, 0.7, 0.7, 1.3])
    clock.perf_counter = lambda: next(ticks)
    model = models.mlp(input_shape=(4,), num_classes=2)
    sgd = keras.optimizers.SGD()
    found = timing.seconds_per_step(model, sgd, batch_size=2, limit=1.0)
    assert found == pytest.approx(0.5)
    assert int(sgd.iterations) == 4  # One traces the graph.


def test_recurrent_layers_have_no_count_but_a_summary():
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(3)])
    found = models.summary(model)
    assert found.flops is found.training_flops is found.seconds_per_epoch is None
    assert "use time='measured'" in repr(found)
    assert models.summary(model, time="measured").seconds_per_epoch > 0


def test_layers_used_twice_have_their_weights_once():
    shared = keras.layers.Dense(4)
    entry = keras.Input((4,))
    found = models.summary(keras.Model(entry, shared(shared(entry))))
    assert found.table["parameters"].tolist() == [20, 0]
    assert found.table["flops"].tolist() == [32, 32]


def test_long_models_show_the_layers_that_do_something(chapter):
    stages = [{"depth": 9, "width": 8, "block": "residual"}]
    long = models.summary(models.stages(**CIFAR, stages=stages))
    assert len(long.table) > ROWS
    lines = repr(long).splitlines()
    assert len(lines) < ROWS + 12
    assert "stage1_cell9_" in repr(long)
    assert "more rows are in summary.table" in repr(long)
    page = long._repr_html_()
    assert page.count("<table") == 2
    assert "more rows are in summary.table" in page
    assert "more rows" not in repr(models.summary(chapter))


def test_names_are_escaped():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="a<b>")
    assert "a&lt;b&gt;" in models.summary(model)._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be an integer >= 1"),
        ({"samples": 0}, "samples must be an integer >= 1"),
        ({"time": "fast"}, "time must be one of 'estimated', 'measured'"),
        ({"optimizer": "adan"}, "optimizer must be the name of one of Keras's"),
        ({"optimizer": 3}, "optimizer must be a text"),
    ],
)
def test_bad_arguments(arguments, message):
    model = models.mlp(input_shape=(4,), num_classes=2, units=(2,))
    with pytest.raises(ValueError, match=message):
        models.summary(model, **arguments)


def test_models_that_have_no_summary():
    with pytest.raises(TypeError, match=r"model must be a keras\.Model"):
        models.summary("cnn")
    with pytest.raises(ValueError, match="'open' has no weights yet"):
        models.summary(keras.Sequential([keras.layers.Dense(2)], name="open"))
    with pytest.raises(ValueError, match="have an open size"):
        models.summary(models.airbench(**CIFAR, any_size=True))
