"""kerasopt.models.resnet: the papers' sizes, keras.applications, attention, limits."""

import keras
import numpy as np
import pytest
from keras.src.applications import resnet as theirs
from thinning import slow_unless

from kerasopt import layers, models

CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}
IMAGENET = {"input_shape": (224, 224, 3), "num_classes": 1000}
TINY = {"input_shape": (8, 8, 3), "num_classes": 3, "depth": 8, "widths": (4, 6, 8)}


def trained(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


SIZES = [
    # He et al. (2015), table 6.
    ({**CIFAR, "depth": 20}, 0.27, 269_722),
    ({**CIFAR, "depth": 32}, 0.46, 464_154),
    ({**CIFAR, "depth": 44}, 0.66, 658_586),
    ({**CIFAR, "depth": 56}, 0.85, 853_018),
    ({**CIFAR, "depth": 110}, 1.7, 1_727_962),
    # torchvision's page of models.
    ({**IMAGENET, "depth": 18}, 11.69, 11_689_512),
    ({**IMAGENET, "depth": 34}, 21.80, 21_797_672),
    ({**IMAGENET, "depth": 50}, 25.56, 25_557_032),
    ({**IMAGENET, "depth": 101}, 44.55, 44_549_160),
    # Hu et al. (2017), table 2: SE-ResNet-50.
    ({**IMAGENET, "depth": 50, "attention": "squeeze_excite"}, 28.1, 28_088_024),
]


@pytest.mark.parametrize(
    ("arguments", "millions", "parameters"),
    slow_unless(lambda given, *_: given["depth"] in (18, 20, 32), SIZES),
)
def test_parameters_are_the_papers(arguments, millions, parameters):
    found = trained(models.resnet(**arguments))
    assert found == parameters
    digits = len(str(millions).partition(".")[2])
    assert round(found / 1e6, digits) == millions


def randomised(model, seed=0):
    """Give each weight random values that keep the signal's size; return the model."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        shape = tuple(weight.shape)
        if len(shape) > 1:
            value = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        elif weight.name in ("gamma", "moving_variance"):
            value = rng.uniform(0.5, 1.5, shape)
        else:
            value = rng.normal(0, 0.1, shape)
        weight.assign(value)
    return model


def without_biases(model):
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.use_bias:
            layer.bias.assign(0 * layer.bias)
    return model


SMALL = {"input_shape": (64, 64, 3), "num_classes": 5}


def keras_50(shape):
    return keras.applications.ResNet50(weights=None, input_shape=shape, classes=5)


NAMES = {"conv": "1", "conv2": "2", "conv3": "3", "shortcut": "0"}


def transferred(other, ours):
    """Copy by name: stage1_block2_conv_norm is conv2_block2_1_bn there."""
    for layer in ours.layers:
        if not layer.weights:
            continue
        weights = other.get_layer(name_in_keras(layer)).get_weights()
        layer.set_weights(weights[: len(layer.weights)])


def name_in_keras(layer):
    is_norm = isinstance(layer, keras.layers.BatchNormalization)
    kind = "bn" if is_norm else "conv"
    name = layer.name.removesuffix("_norm")
    if name in ("stem", "last", "logits"):
        return {"stem": f"conv1_{kind}", "last": "post_bn", "logits": "predictions"}[
            name
        ]
    stage, block, *rest = name.split("_")
    start = f"conv{int(stage[5:]) + 1}_{block}"
    if not rest:
        return f"{start}_preact_bn"
    return f"{start}_{NAMES[rest[0]]}_{kind}"


def images(side, count=2):
    return (
        np.random.default_rng(1).normal(size=(count, side, side, 3)).astype("float32")
    )


def test_resnet50_computes_what_that_of_keras_does():
    other = randomised(keras_50((64, 64, 3)))
    ours = models.resnet(**SMALL, depth=50, stem="imagenet", strided_kernel=1)
    without_biases(other)
    transferred(other, ours)
    x = images(64)
    np.testing.assert_allclose(ours(x), other(x), rtol=1e-3, atol=1e-5)


def blocks_of_keras(x):
    """ResNet-50 v2 with Keras's block; Keras itself has the strides at stages' ends."""
    for stage, (width, repeat) in enumerate(
        [(64, 3), (128, 4), (256, 6), (512, 3)], start=2
    ):
        for block in range(1, repeat + 1):
            x = theirs.residual_block_v2(
                x,
                width,
                stride=2 if block == 1 and stage > 2 else 1,
                conv_shortcut=block == 1,
                name=f"conv{stage}_block{block}",
            )
    return x


@pytest.mark.slow
def test_preactivation_computes_what_kerass_blocks_do():
    other = theirs.ResNet(
        blocks_of_keras,
        preact=True,
        use_bias=True,
        weights=None,
        input_shape=(64, 64, 3),
        classes=5,
        weights_name="",
    )
    assert other.count_params() == 25_613_800 - 2049 * 995  # ResNet50V2's, 5 classes.
    without_biases(randomised(other))
    ours = models.resnet(**SMALL, depth=50, stem="imagenet", preactivation=True)
    transferred(other, ours)
    x = images(64)
    np.testing.assert_allclose(ours(x), other(x), rtol=1e-3, atol=1e-5)


def test_the_parameter_free_shortcut_picks_and_pads():
    """Option A of the paper, in NumPy."""
    entry = keras.Input((5, 6, 4))
    x = models.blocks.residual(entry, 7, strides=2, shortcut="pad", name="block")
    model = keras.Model(entry, x)
    model.get_layer("block_conv2_norm").gamma.assign(np.zeros(7))
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 4)).astype("float32")
    expected = np.pad(x[:, ::2, ::2], [(0, 0)] * 3 + [(1, 2)])
    np.testing.assert_allclose(model(x), np.maximum(expected, 0))


def test_a_convolution_with_strides_is_centred_on_the_shortcuts_pixels():
    entry = keras.Input((6, 6, 1))
    style = models.Style(batch_norm=False, kernel_initializer="dirac")
    x = models.blocks.convolution(entry, 1, strides=2, padding="symmetric", style=style)
    x = keras.Model(entry, x)(image := np.arange(36.0).reshape(1, 6, 6, 1))
    np.testing.assert_array_equal(x, image[:, ::2, ::2])


@pytest.mark.parametrize(
    ("depth", "place"),
    slow_unless(
        lambda depth, place: depth != 50,
        [(18, "stage4_block2"), (50, "stage4_block3"), (20, "stage3_block3")],
    ),
)
def test_self_attention_stands_before_the_last_blocks_second_convolution(depth, place):
    model = models.resnet(
        input_shape=(64, 64, 3), num_classes=10, depth=depth, attention="self"
    )
    found = [x for x in model.layers if isinstance(x, keras.layers.MultiHeadAttention)]
    assert [x.name for x in found] == [f"{place}_attention"]
    before = model.get_layer(f"{place}_attention_rows").input
    after = model.get_layer(f"{place}_attention_map").output
    assert before.shape == after.shape
    assert model.get_layer(f"{place}_conv2").input is after
    assert model.output_shape == (None, 10)


def test_an_untrained_self_attention_changes_nothing():
    keras.utils.set_random_seed(0)
    model = models.resnet(**TINY, attention="self")
    plain = models.resnet(**TINY)
    models.inherit_weights(plain, model)
    np.testing.assert_array_equal(plain(images(8)), model(images(8)))


def test_squeeze_and_excite_stands_in_every_block():
    model = models.resnet(**TINY, attention={"name": "squeeze_excite", "ratio": 2})
    found = [x.name for x in model.layers if x.name.endswith("squeeze_excite_scale")]
    assert len(found) == 3
    assert model.get_layer("stage3_block1_squeeze_excite_reduce").units == 4


@pytest.mark.parametrize("arguments", [{}, {"preactivation": True}])
def test_arguments_have_their_effect(arguments):
    model = models.resnet(
        **TINY,
        **arguments,
        l2=0.1,
        dropout=0.3,
        batch_norm_momentum=0.7,
        activation="gelu",
        kernel_initializer="zeros",
        shortcut="projection",
    )
    kinds = keras.layers
    norms = [x for x in model.layers if isinstance(x, kinds.BatchNormalization)]
    assert {x.momentum for x in norms} == {0.7}
    kernels = [x for x in model.layers if isinstance(x, kinds.Conv2D)]
    assert len(kernels) == 9
    assert not any(np.any(x.kernel) for x in kernels)
    assert all(x.kernel_regularizer.l2 == pytest.approx(0.1) for x in kernels)
    assert model.get_layer("dropout").rate == 0.3
    hidden = [x for x in model.layers if isinstance(x, kinds.Activation)][:-1]
    assert {x.activation.__name__ for x in hidden} == {"gelu"}
    penalised = models.resnet(**TINY, **arguments, activity_l1=0.1)
    penalised(images(8))
    assert len(penalised.losses) == len(hidden)


def test_becomes_a_model_of_keras_layers():
    model = models.resnet(**TINY, attention="self")
    plain = layers.to_keras(model)
    assert all(type(x).__module__.startswith("keras.") for x in plain.layers)
    np.testing.assert_allclose(plain(images(8)), model(images(8)), atol=1e-5)


def test_small_and_large_images_have_their_stem():
    for side, strides in [(32, 1), (64, 1), (96, 2)]:
        model = models.resnet(input_shape=(side, side, 3), num_classes=10, depth=8)
        assert model.get_layer("stem").strides == (strides, strides)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 19}, r"depth must be 6n \+ 2, such as 20, .* or one of 18, 34"),
        ({"depth": 2}, r"depth must be 6n \+ 2"),
        ({"depth": 1202}, "depth must be .* <= 602"),
        ({"depth": "20"}, "depth must be an integer"),
        ({"depth": 18, "input_shape": (4, 40, 3)}, "8×8 pixels or more; given: 4×40"),
        (
            {"depth": 18, "stem": "imagenet", "input_shape": (28, 28, 1)},
            "32×32 pixels or more; given: 28×28. Use stem='cifar'",
        ),
        ({"stem": "small"}, "stem must be one of 'auto', 'cifar', 'imagenet'"),
        ({"widths": (16, 32)}, "widths takes one value, or one for each of these 3"),
        ({"widths": (16, 8, 4)}, "can't take channels away: 16 to 8"),
        ({"strided_kernel": 1}, "no effect on ResNet-20"),
        ({"depth": 50, "strided_kernel": 2}, "strided_kernel must be 1 or 3"),
        ({"shortcut": "none"}, "shortcut must be one of 'projection', 'pad'"),
        ({"attention": "sef"}, "Did you mean 'self'"),
        ({"attention": {"name": "self", "heads": 2}}, "Did you mean 'num_heads'"),
        ({"attention": "self", "input_shape": (96, 96, 3), "stem": "cifar"},
         "at most 256 places.*stage3_block3_attention.*24×24"),
        ({"preactivation": "yes"}, "preactivation must be True or False"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.get("resnet", **{**CIFAR, **arguments})
