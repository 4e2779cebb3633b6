"""kerasopt.models.cost: weights, operations and times of models."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from thinning import slow_unless

from kerasopt import models
from kerasopt.layers import operations
from kerasopt.models import cost
from kerasopt.tuning.architectures import cost as cost_of_tuning

CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}


@pytest.fixture
def unbuilt():
    return keras.Sequential([keras.layers.Dense(2)], name="open")


def test_tuning_has_the_same_functions():
    for name in cost_of_tuning.__all__:
        assert getattr(cost_of_tuning, name) is getattr(models, name)


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
    model = models.get(name, **CIFAR, **arguments)
    expected = sum(
        2 * layer.kernel.numpy().size * int(np.prod(layer.output.shape[1:-1]))
        for layer in model.layers
        if hasattr(layer, "kernel")
    )
    assert cost.flops(model) == expected > 0
    # Frozen, a step is nothing but the forward pass.
    model.trainable = False
    assert cost.training_flops(model) == expected


def test_operations_of_layers_used_twice_and_of_models_in_models():
    shared = keras.layers.Dense(4, name="shared")
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="inner")
    entry = keras.Input((4,))
    model = keras.Model(entry, inner(shared(shared(entry))))
    outer = keras.Sequential([keras.Input((4,)), model])
    assert cost.flops(model) == cost.flops(outer) == 2 * (16 + 16 + 12)
    names = [call.layer.name for call in operations.calls(outer)]
    assert names.count("shared") == 2


def test_the_calls_compute_what_the_model_does():
    """`operations.calls` runs the layers by itself, by a method private to Keras."""
    model = models.stages(**CIFAR, stages=[{"width": 8, "block": "residual"}])
    made = {call.layer.name for call in operations.calls(model)}
    entries = {layer.name for layer in model.layers[:1]}
    assert made == {layer.name for layer in model.layers} - entries
    shapes = {call.layer.name: call.outputs for call in operations.calls(model)}
    for layer in model.layers[1:]:
        assert shapes[layer.name] == (tuple(layer.output.shape[1:]),)


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
    recurrent = keras.Sequential(
        [keras.Input((4, 2)), keras.layers.LSTM(3, name="cells")]
    )
    with pytest.raises(ValueError, match="those of cells are inside a loop"):
        cost.flops(recurrent)
    with pytest.raises(ValueError, match="'open' has no weights yet"):
        cost.flops(unbuilt)
    with pytest.raises(ValueError, match="'open' has no weights yet"):
        cost.parameters(unbuilt)


def forward_flops_by_tensorflow(model):
    """Count with TensorFlow's profiler, on the graph of one image."""
    shape = (1, *model.input_shape[1:])
    function = tf.function(lambda x: model(x, training=False))
    graph = function.get_concrete_function(tf.TensorSpec(shape)).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    profile = tf.compat.v1.profiler.profile(graph, cmd="scope", options=options)
    products = [
        node
        for node in walk(profile)
        if node.name.endswith(("convolution", "MatMul", "Conv2D")) and not node.children
    ]
    return sum(node.total_float_ops for node in products)


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


MULTIPLY_ADDS = {
    # Millions at 224×224: Howard et al. (2017), table 4; Sandler et al. (2018),
    # table 4; He et al. (2015), table 1; for VGG, whose paper has none, the usual
    # 15.5 G; Tan & Le (2019), table 2.
    "MobileNet": (569, 0.01),
    "MobileNetV2": (300, 0.02),
    "ResNet50": (3800, 0.02),
    "VGG16": (15_500, 0.01),
    "EfficientNetB0": (390, 0.02),
}


@pytest.mark.parametrize("name", slow_unless("MobileNet".__eq__, MULTIPLY_ADDS))
def test_published_multiply_adds(name):
    published, tolerance = MULTIPLY_ADDS[name]
    model = getattr(keras.applications, name)(weights=None)
    assert cost.flops(model) / 2e6 == pytest.approx(published, rel=tolerance)


def test_forward_passes_are_what_tensorflow_counts():
    model = keras.Sequential(
        [
            keras.Input((12, 10, 4)),
            keras.layers.Conv2D(6, 3, strides=2, padding="same"),
            keras.layers.Conv2D(8, (2, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )
    model.trainable = False
    assert cost.training_flops(model) == forward_flops_by_tensorflow(model) > 0


def test_gradients_are_counted_where_they_are_needed():
    entry = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(entry)
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(entry, keras.layers.Conv2D(2, 1, name="second")(x))
    first, second = 2 * 3 * 3 * 3 * 4 * 16, 2 * 4 * 2 * 16
    # Nobody needs the gradient of the images.
    assert cost.training_flops(model) == 2 * first + 3 * second
    model.get_layer("first").kernel.trainable = False
    assert cost.training_flops(model) == first + 3 * second
    model.get_layer("first").trainable = False
    model.layers[2].trainable = False
    assert cost.training_flops(model) == first + 2 * second


def test_the_speed_network_takes_0_71_gflop_an_image():
    model = models.airbench(input_shape=(32, 32, 3), num_classes=10)
    assert cost.training_flops(model) == pytest.approx(0.71e9, rel=0.03)


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
