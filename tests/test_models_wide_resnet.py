"""kerasopt.models.wide_resnet: the paper's sizes, the block in Keras's layers."""

import keras
import numpy as np
import pytest
from keras.layers import Activation, Add, BatchNormalization, Conv2D
from thinning import slow_unless

from kerasopt import models

CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}
SIZES = [
    (16, 4, 2.75),
    # Zagoruyko & Komodakis (2016), table 4, in millions.
    (40, 4, 8.9),
    (16, 8, 11.0),
    (28, 10, 36.5),
]


@pytest.mark.parametrize(
    ("depth", "width", "millions"),
    slow_unless(lambda *case: case == (16, 4, 2.75), SIZES),
)
def test_parameters_are_the_papers(depth, width, millions):
    model = models.wide_resnet(**CIFAR, depth=depth, width=width)
    found = sum(int(np.prod(w.shape)) for w in model.trainable_weights) / 1e6
    assert round(found, 2 if millions < 3 else 1) == millions


def by_keras():
    """WRN-10-2 in Keras's layers; our names."""

    def convolve(x, filters, size, name, strides=1):
        if strides > 1 and size > 1:
            x = keras.layers.ZeroPadding2D(1)(x)
        padding = "valid" if strides > 1 else "same"
        return Conv2D(filters, size, strides, padding, use_bias=False, name=name)(x)

    def activate(x, name):
        x = BatchNormalization(epsilon=1.001e-5, name=f"{name}_norm")(x)
        return Activation("relu")(x)

    entry = keras.Input((8, 8, 3))
    x = convolve(entry, 16, 3, "stem")
    for stage, (filters, strides) in enumerate([(32, 1), (64, 2), (128, 2)], start=1):
        name = f"stage{stage}_block1"
        first = activate(x, name)
        x = convolve(first, filters, 3, f"{name}_conv", strides)
        x = convolve(activate(x, f"{name}_conv"), filters, 3, f"{name}_conv2")
        x = Add()([x, convolve(first, filters, 1, f"{name}_shortcut", strides)])
    x = keras.layers.GlobalAveragePooling2D()(activate(x, "last"))
    return keras.Model(entry, keras.layers.Dense(5, "softmax", name="logits")(x))


@pytest.mark.parametrize("training", [False, True])
def test_computes_what_keras_layers_do(training):
    ours = models.wide_resnet(input_shape=(8, 8, 3), num_classes=5, depth=10, width=2)
    theirs = by_keras()
    assert ours.count_params() == theirs.count_params()
    rng = np.random.default_rng(0)
    for layer in theirs.layers:
        if layer.weights:
            weights = [w + rng.uniform(0, 0.1, w.shape) for w in layer.get_weights()]
            for each in (layer, ours.get_layer(layer.name)):
                each.set_weights(weights)
    x = rng.normal(size=(4, 8, 8, 3)).astype("float32")
    found, expected = (m(x, training=training) for m in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_dropout_lies_between_the_convolutions():
    model = models.wide_resnet(**CIFAR, depth=16, width=1, dropout=0.3)
    found = [x for x in model.layers if isinstance(x, keras.layers.Dropout)]
    assert [x.rate for x in found] == [0.3] * 6
    layer = model.get_layer("stage2_block1_dropout")
    assert layer.input is model.get_layer("stage2_block1_conv_activation").output
    assert layer.output is model.get_layer("stage2_block1_conv2").input


def test_attention_has_its_place():
    model = models.wide_resnet(**CIFAR, depth=10, width=1, attention="self")
    found = [x for x in model.layers if isinstance(x, keras.layers.MultiHeadAttention)]
    assert [x.name for x in found] == ["stage3_block1_attention"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 18}, r"depth must be 6n \+ 4, such as 10, 16"),
        ({"depth": 4}, r"depth must be 6n \+ 4"),
        ({"width": 0}, "width must be an integer >= 1"),
        ({"width": 10**7}, "160000000 filters has"),
        ({"input_shape": (3, 32, 3)}, "4×4 pixels or more; given: 3×32"),
        ({"attention": "self", "input_shape": (96, 96, 3)}, "at most 256 places"),
        ({"dropout": -0.1}, "dropout must lie in"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.get("wide_resnet", **{**CIFAR, **arguments})
