"""kerasopt.models.stages: its blocks as Keras's own layers, names, bad stages."""

import keras
import numpy as np
import pytest
import scipy.special
from keras.layers import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    SeparableConv2D,
)
from sklearn.datasets import load_digits

from kerasopt import gradients, layers, losses, models
from kerasopt.models import cells

DIGITS = {"input_shape": (8, 8, 1), "num_classes": 10}
CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}
BLOCKS = ("plain", "residual", "separable", "bottleneck")
EVERYTHING = [
    {"width": 8, "block": "residual", "attention": "squeeze_excite", "depth": 2},
    {"width": 12, "block": "bottleneck", "attention": "self", "kernel_size": 5},
    {"width": 12, "block": "separable", "attention": "squeeze_excite"},
]
CELL = "stage1_cell1"


def one_cell(block, *, width=6, size=3, attention=False, **arguments):
    """A network of one cell behind a stem of 6 filters; no weight is 0."""
    stage = {"width": width, "block": block, "kernel_size": size}
    stage["attention"] = attention
    model = models.stages(**DIGITS, stages=[stage], stem_width=6, **arguments)
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    return model


def batch():
    return np.random.default_rng(1).random((5, 8, 8, 1), "float32")


# Each block in Keras's own layers, as its paper has it.


def convolved(x, kind, *arguments, name, activation="relu"):
    x = kind(*arguments, padding="same", use_bias=False, name=name)(x)
    x = BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return Activation(activation or "linear")(x)


def plain(x, width, size):
    return convolved(x, Conv2D, width, size, name=f"{CELL}_conv")


def residual(x, width, size):
    branch = convolved(x, Conv2D, width, size, name=f"{CELL}_conv")
    name = f"{CELL}_conv2"
    branch = convolved(branch, Conv2D, width, size, name=name, activation=None)
    if x.shape[-1] != width:
        name = f"{CELL}_shortcut"
        x = convolved(x, Conv2D, width, 1, name=name, activation=None)
    return Activation("relu")(Add()([branch, x]))


def separable(x, width, size):
    return convolved(x, SeparableConv2D, width, size, name=f"{CELL}_pointwise")


def bottleneck(x, width, size):
    branch = convolved(x, Conv2D, 24, 1, name=f"{CELL}_expand")
    branch = convolved(branch, DepthwiseConv2D, size, name=f"{CELL}_depthwise")
    name = f"{CELL}_project"
    branch = convolved(branch, Conv2D, width, 1, name=name, activation=None)
    return Add()([branch, x]) if x.shape[-1] == width else branch


def by_keras(ours, block, width, size):
    """The network in Keras's layers, with our weights."""
    entry = keras.Input((8, 8, 1))
    x = convolved(entry, Conv2D, 6, 3, name="stem")
    x = {"plain": plain, "residual": residual, "separable": separable}.get(
        block, bottleneck
    )(x, width, size)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(10, "softmax", name="logits")(x)
    model = keras.Model(entry, x)
    for layer in model.layers:
        if layer.weights:
            weights = ours.get_layer(layer.name).get_weights()
            if isinstance(layer, SeparableConv2D):
                weights = ours.get_layer(f"{CELL}_depthwise").get_weights() + weights
            layer.set_weights(weights)
    return model


@pytest.mark.parametrize("width", [6, 9])
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_compute_what_keras_layers_do(block, size, width):
    ours = one_cell(block, width=width, size=size)
    theirs = by_keras(ours, block, width, size)
    assert ours.count_params() == theirs.count_params()
    for training in (False, True):
        found, expected = (m(batch(), training=training) for m in (ours, theirs))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def ends(model, first, last):
    """What reaches a layer and what leaves another, for some images."""
    spy = keras.Model(
        model.input, [model.get_layer(first).output, model.get_layer(last).output]
    )
    return [np.asarray(each, "float64") for each in spy(batch(), training=False)]


def test_squeeze_and_excite_scales_the_channels():
    model = one_cell("plain", width=10, attention="squeeze_excite")
    name = f"{CELL}_squeeze_excite"
    before, after = ends(model, f"{CELL}_conv_activation", f"{name}_scale")
    w1, b1 = model.get_layer(f"{name}_reduce").get_weights()
    w2, b2 = model.get_layer(f"{name}_expand").get_weights()
    hidden = np.maximum(before.mean(axis=(1, 2)) @ w1 + b1, 0)
    gates = scipy.special.expit(hidden @ w2 + b2)
    np.testing.assert_allclose(after, before * gates[:, None, None], rtol=1e-5)


@pytest.mark.parametrize("width", [8, 3])
def test_self_attention_is_the_papers_formula_with_a_shortcut(width):
    model = one_cell("plain", width=width, attention="self")
    name = f"{CELL}_attention"
    # Small kernels, so that no score outweighs all others.
    layer = model.get_layer(name)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    before, after = ends(model, f"{CELL}_conv_activation", f"{name}_map")
    rows = before.reshape(5, 64, width)
    gamma, beta = model.get_layer(f"{name}_norm").get_weights()
    spread = np.sqrt(rows.var(-1, keepdims=True) + 1e-6)
    norm = (rows - rows.mean(-1, keepdims=True)) / spread * gamma + beta
    query, key, value = (
        np.einsum("npc,chk->nhpk", norm, w) + b[None, :, None]
        for w, b in zip(*[iter(layer.get_weights()[:6])] * 2, strict=True)
    )
    assert query.shape[1] == 4
    scores = query @ key.swapaxes(2, 3) / np.sqrt(query.shape[-1])
    mixed = scipy.special.softmax(scores, axis=-1) @ value
    w, b = layer.get_weights()[6:]
    expected = rows + np.einsum("nhpk,hkc->npc", mixed, w) + b
    np.testing.assert_allclose(after.reshape(rows.shape), expected, rtol=1e-4)


@pytest.mark.parametrize("attention", [False, "squeeze_excite", "self"])
def test_every_weight_of_every_block_learns(attention):
    # With other first weights all four units of a squeeze may be dead.
    keras.utils.set_random_seed(1)
    stages = [{"width": 8, "block": b, "attention": attention} for b in BLOCKS]
    model = models.stages(input_shape=(16, 16, 1), num_classes=10, stages=stages)
    x = np.random.default_rng(1).random((5, 16, 16, 1), "float32")
    y = np.arange(5)
    loss = losses.for_labels(y)
    _, found = gradients.loss_and_gradients(model, loss, x, y, training=True)
    for variable, gradient in zip(model.trainable_variables, found, strict=True):
        # A softmax doesn't change when all its scores grow alike.
        if not variable.path.endswith("key/bias"):
            assert np.abs(gradient).max() > 0, variable.path


@pytest.mark.slow
def test_a_network_of_several_blocks_learns_the_digits():
    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8, 1) / 16
    stages = [
        {"width": 16, "block": "residual", "attention": "squeeze_excite"},
        {"width": 32, "block": "bottleneck", "attention": "self"},
    ]
    model = models.stages(**DIGITS, stages=stages, stem_width=16)
    rate = keras.optimizers.Adam(0.01)
    model.compile(rate, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:1400], y[:1400], epochs=4, batch_size=64, verbose=0)
    assert model.evaluate(x[1400:], y[1400:], verbose=0)[1] > 0.8


# Places, names, files.


def test_layers_are_named_by_their_place():
    first, second = (models.stages(**CIFAR, stages=EVERYTHING) for _ in range(2))
    found = [layer.name for layer in first.layers]
    assert found == [layer.name for layer in second.layers]
    assert len(set(found)) == len(found)
    places = ("stem", "stage", "images", "pool", "logits", "probabilities")
    assert all(name.startswith(places) for name in found)
    assert {"stem", "stage1_cell2_conv", "stage2_cell1_expand"} <= set(found)
    paths = [variable.path for variable in first.weights]
    assert len(set(paths)) == len(paths)


def test_a_shortcut_is_projected_only_where_the_width_changes():
    stages = [{"depth": 2, "width": 8, "block": "residual"}]
    found = [x.name for x in models.stages(**CIFAR, stages=stages).layers]
    assert "stage1_cell1_shortcut" in found
    assert "stage1_cell2_shortcut" not in found
    stages = [{"depth": 2, "width": 8, "block": "bottleneck"}]
    found = [x.name for x in models.stages(**CIFAR, stages=stages).layers]
    assert "stage1_cell1_add" not in found
    assert "stage1_cell2_add" in found


def test_maps_halve_between_the_stages():
    model = models.stages(**CIFAR, stages=[{}, {}, {"depth": 2}])
    sides = [
        model.get_layer(f"stage{stage}_cell{cell}_conv").output.shape[1:3]
        for stage, cell in [(1, 1), (2, 1), (3, 1), (3, 2)]
    ]
    assert sides == [(32, 32), (16, 16), (8, 8), (8, 8)]


def test_what_a_stage_leaves_out_has_defaults():
    (stage,) = cells.read_stages([{}])
    assert stage == cells.Stage(
        depth=1, width=32, kernel_size=3, block="plain", attention=None
    )
    aliases = {"block": "MBConv", "attention": "Squeeze-Excite"}
    (stage,) = cells.read_stages([aliases])
    assert (stage.block, stage.attention) == ("bottleneck", "squeeze_excite")


def test_drawn_settings_may_be_numpys_and_survive_a_file(tmp_path):
    drawn = {"width": np.int64(8), "depth": np.int64(1), "kernel_size": np.int64(5)}
    model = models.stages(**DIGITS, stages=[drawn, *EVERYTHING], dropout=0.1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(again(batch()), model(batch()), atol=1e-6)


def test_becomes_a_model_of_keras_layers():
    model = models.stages(**DIGITS, stages=EVERYTHING)
    plain = layers.to_keras(model)
    assert all(type(x).__module__.startswith("keras.") for x in plain.layers)
    np.testing.assert_allclose(plain(batch()), model(batch()), atol=1e-5)


# The style.


@pytest.mark.parametrize(
    ("batch_norm", "after_the_kernel", "has_bias"),
    [
        (False, "stem_activation", True),
        (True, "stem_activation", True),
        ("after_activation", "stem_activation", True),
        ("before_activation", "stem_norm", False),
    ],
)
def test_batch_norm_has_its_place(batch_norm, after_the_kernel, has_bias):
    stages = [{"block": "residual", "width": 8}]
    model = models.stages(**DIGITS, stages=stages, batch_norm=batch_norm)
    found = [layer.name for layer in model.layers]
    assert found[found.index("stem") + 1] == after_the_kernel
    assert model.get_layer("stem").use_bias == has_bias
    # Nothing lies between the last convolution and its norm, which has a bias.
    assert model.get_layer(f"{CELL}_conv2").use_bias == (not batch_norm)
    assert (f"{CELL}_conv2_norm" in found) == bool(batch_norm)
    assert f"{CELL}_conv2_activation" not in found


def test_depthwise_kernels_are_drawn_for_the_inputs_that_they_have():
    stages = [{"block": "separable", "width": 8}]
    model = models.stages(**DIGITS, stages=stages, stem_width=2000)
    kernel = model.get_layer(f"{CELL}_depthwise").get_weights()[0]
    assert kernel.std() == pytest.approx(np.sqrt(2 / 9), rel=0.03)
    kernel = model.get_layer(f"{CELL}_pointwise").get_weights()[0]
    assert kernel.std() == pytest.approx(np.sqrt(2 / 2000), rel=0.05)


@pytest.mark.parametrize("initializer", ["dirac", "gaussian", "orthogonal"])
def test_other_initializers_start_every_block(initializer):
    for block in BLOCKS:
        model = models.stages(
            **DIGITS,
            stages=[{"block": block, "width": 8}],
            kernel_initializer=initializer,
        )
        assert all(np.abs(k).max() > 0 for k in kernels(model))


def kernels(model):
    return [np.asarray(v) for v in model.trainable_variables if v.name == "kernel"]


def test_l2_and_expansion():
    stages = [{"block": "bottleneck", "width": 8, "attention": "squeeze_excite"}]
    model = models.stages(**DIGITS, stages=stages, l2=0.01, expansion=3)
    convolutions = [k for k in kernels(model) if k.ndim == 4]
    expected = 0.01 * sum((k**2).sum() for k in convolutions)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    assert model.get_layer(f"{CELL}_expand").filters == 96
    rate = models.stages(**DIGITS, dropout=0.3).get_layer("dropout").rate
    assert rate == 0.3


# What is refused.


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "at least one mapping"),
        ({"depth": 1}, "at least one mapping"),
        ("plain", "at least one mapping"),
        ([8, 16], "at least one mapping"),
        (None, "at least one mapping"),
        ([{}, {"widht": 8}], r"Stage 2: Unknown argument .*Did you mean 'width'\?"),
        ([{"depth": 0}], "Stage 1: depth must be an integer >= 1; given: 0"),
        ([{"width": 8.5}], "Stage 1: width must be an integer >= 1"),
        ([{"kernel_size": True}], "kernel_size must be an integer >= 1"),
        ([{"block": "residul"}], "Unknown block 'residul'. Did you mean 'residual'"),
        ([{"block": 3}], "Unknown block 3"),
        ([{"attention": "sef"}], "Did you mean 'self'.*Accepted: False, self"),
        ([{"attention": True}], "Unknown attention True"),
        ([{"attention": 0.5}], "Unknown attention 0.5"),
        ([{"attention": ["self"]}], "Unknown attention"),
        ([{"attention": "self"}], "at most 256 places.*stage1_cell1.*32×32"),
        ([{}] * 7, "7 stages need images of 64×64 pixels or more; given: 32"),
    ],
)
def test_bad_stages_are_refused(stages, message):
    with pytest.raises(ValueError, match=message):
        models.stages(**CIFAR, stages=stages)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stage": [{}]}, "Did you mean 'stages'"),
        ({"stem_width": 0}, "stem_width must be an integer >= 1"),
        ({"expansion": 0}, "expansion must be an integer >= 1"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"l2": -1}, "l2 must be a number >= 0"),
        ({"activation": "reul"}, "Did you mean 'relu'"),
        ({"kernel_initializer": "xaver"}, "Did you mean 'xavier'"),
        ({"batch_norm": "before"}, "batch_norm must be False, True or one of"),
        ({"batch_norm_momentum": 1.0}, "batch_norm_momentum must lie"),
        ({"num_classes": 1}, "num_classes must be an integer >= 2"),
        ({"input_shape": (32, 32)}, r"\(height, width, channels\)"),
        ({"input_shape": (None, None, 3)}, "height in input_shape must be an integer"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.get("stages", **{**CIFAR, **arguments})
