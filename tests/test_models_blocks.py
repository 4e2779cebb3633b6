"""kerasopt.models.blocks on Keras tensors of one's own, and Style."""

import keras
import numpy as np
import pytest

from kerasopt import models
from kerasopt.models import blocks

SHAPES = {
    "convolution": (lambda x: blocks.convolution(x, 6, 5, strides=2), (4, 4, 6)),
    "valid": (lambda x: blocks.convolution(x, 6, 5, padding="valid"), (3, 3, 6)),
    "pool": (lambda x: blocks.convolution(x, 6, pool=2), (3, 3, 6)),
    "residual": (lambda x: blocks.residual(x, 6, strides=2), (4, 4, 6)),
    "even": (lambda x: blocks.residual(x, 6, 4, strides=2), (4, 4, 6)),
    "pad": (lambda x: blocks.residual(x, 6, strides=2, shortcut="pad"), (4, 4, 6)),
    "pre": (lambda x: blocks.residual(x, 6, preactivation=True), (7, 7, 6)),
    "bottleneck": (lambda x: blocks.bottleneck(x, 2, strides=2), (4, 4, 8)),
    "separable": (lambda x: blocks.separable(x, 6, strides=2), (4, 4, 6)),
    "inverted": (lambda x: blocks.inverted_bottleneck(x, 6, strides=2), (4, 4, 6)),
    "convmixer": (blocks.convmixer, (7, 7, 4)),
    "squeeze_excite": (blocks.squeeze_excite, (7, 7, 4)),
    "self_attention": (blocks.self_attention, (7, 7, 4)),
}


@pytest.mark.parametrize("case", SHAPES)
def test_blocks_need_nothing_but_a_tensor(case):
    block, shape = SHAPES[case]
    entry = keras.Input((7, 7, 4))
    # Twice: the names that Keras gives don't clash.
    outputs = [block(entry), block(entry)]
    assert [x.shape[1:] for x in outputs] == [shape, shape]
    model = keras.Model(entry, outputs)
    found = model(np.ones((2, 7, 7, 4), "float32"))
    assert all(np.isfinite(x).all() for x in found)


def test_a_style_is_that_of_all_layers():
    style = models.Style(l2=1e-4, batch_norm=False, activation="tanh")
    entry = keras.Input((8, 8, 4))
    x = blocks.residual(entry, 6, strides=2, style=style, name="block")
    model = keras.Model(entry, blocks.classifier(x, 3, dropout=0.2))
    kernels = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert len(kernels) == 3
    assert all(x.kernel_regularizer.l2 == pytest.approx(1e-4) for x in kernels)
    assert all(x.use_bias for x in kernels)
    names = [x.name for x in model.layers]
    assert "block_shortcut" in names
    assert not any(name.endswith("norm") for name in names)
    assert model.get_layer("block_activation").activation.__name__ == "tanh"
    assert model.get_layer("dropout").rate == 0.2


def test_heads_average_maps_and_sequences():
    for shape in [(5,), (4, 5), (3, 4, 5)]:
        entry = keras.Input(shape)
        model = keras.Model(entry, blocks.classifier(entry, 3))
        weights = model.get_layer("logits").get_weights()
        x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
        logits = x.reshape(2, -1, 5).mean(axis=1) @ weights[0] + weights[1]
        shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(model(x), shares, rtol=1e-4)


@pytest.mark.parametrize(
    "block",
    [
        lambda x: blocks.convolution(x, 4),
        lambda x: blocks.residual(x, 4),
        lambda x: blocks.bottleneck(x, 4),
        lambda x: blocks.separable(x, 4),
        lambda x: blocks.inverted_bottleneck(x, 4),
        blocks.convmixer,
    ],
)
@pytest.mark.parametrize("given", ["images", None, "vector"])
def test_what_is_no_feature_map_is_refused(block, given):
    x = keras.Input((5,)) if given == "vector" else given
    with pytest.raises(ValueError, match="takes a feature map, a Keras tensor"):
        block(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, "filters must be an integer >= 1"),
        ({"filters": 4, "kernel_size": 1.5}, "kernel_size must be an integer"),
        ({"filters": 4, "strides": 0}, "strides must be an integer >= 1"),
        ({"filters": 4, "shortcut": "none"}, "shortcut must be one of"),
        ({"filters": 4, "dropout": 2}, "dropout must lie in"),
        ({"filters": 4, "attention": "slef"}, "Did you mean 'self'"),
    ],
)
def test_bad_arguments_of_a_block(arguments, message):
    with pytest.raises(ValueError, match=message):
        blocks.residual(keras.Input((8, 8, 4)), **arguments)


@pytest.mark.parametrize(
    ("x", "heads", "message"),
    [
        (keras.Input((8,)), 2, "takes a sequence, a Keras tensor of shape"),
        (None, 2, "takes a sequence"),
        (keras.Input((4, 9)), 2, "9 features can't be shared among 2 heads"),
        (keras.Input((4, 8)), 0, "num_heads must be an integer >= 1"),
    ],
)
def test_bad_arguments_of_a_transformer_block(x, heads, message):
    with pytest.raises(ValueError, match=message):
        blocks.transformer_block(x, heads)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_norm": "first"}, "batch_norm must be False, True or one of"),
        ({"batch_norm_epsilon": 0}, "batch_norm_epsilon must be"),
        ({"l2": -1}, "l2 must be a number >= 0"),
        ({"activation": "reul"}, "Did you mean 'relu'"),
        (
            {"kernel_initializer": "xaver"},
            "kernel_initializer: .*mean 'xavier'",
        ),
    ],
)
def test_bad_values_of_a_style(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.Style(**arguments)


def test_a_style_is_a_style():
    x = keras.Input((8, 8, 4))
    tokens = keras.Input((4, 8))
    for block in (
        lambda style: blocks.convolution(x, 4, style=style),
        lambda style: blocks.separable(x, 4, style=style),
        lambda style: blocks.residual(x, 4, style=style),
        lambda style: blocks.bottleneck(x, 4, style=style),
        lambda style: blocks.convmixer(x, 3, style=style),
        lambda style: blocks.transformer_block(tokens, num_heads=2, style=style),
    ):
        with pytest.raises(TypeError, match=r"style must be a kerasopt.models.Style"):
            block({"l2": 1})
