"""kerasopt.models: parameter counts of the texts, layers, bad arguments."""

import keras
import numpy as np
import pytest

from kerasopt import models

CHAPTER = {
    "input_shape": (32, 32, 3),
    "num_classes": 10,
    "filters": (32, 64, 128),
    "dense": (128,),
    "dropout": (0.25, 0.25, 0.5),
    "batch_norm": True,
    "kernel_initializer": "he_normal",
    "padding": "valid",
}
CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}
MNIST = {"input_shape": (28, 28, 1), "num_classes": 10}


def names_of(model):
    return [type(layer).__name__.removeprefix("Fused") for layer in model.layers]


@pytest.mark.parametrize(
    ("name", "arguments", "parameters", "trainable"),
    [
        ("cnn", CHAPTER, 358_218, 357_514),
        ("mlp", {**MNIST, "units": (64, 64)}, 55_050, 55_050),
        ("mlp", {"input_shape": (784,), "num_classes": 10}, 55_050, 55_050),
        (
            "cnn",
            {**CIFAR, "filters": (32, 64, 64), "dense": (64,), "padding": "valid"},
            122_570,
            122_570,
        ),
        (
            "cnn",
            {**MNIST, "filters": (32,), "pool": (2,), "padding": "valid"},
            693_962,
            693_962,
        ),
        (
            "mlp",
            {"input_shape": (784,), "num_classes": 10, "batch_norm": True},
            55_562,
            55_306,
        ),
    ],
)
def test_published_parameter_counts(name, arguments, parameters, trainable):
    model = models.get(name, **arguments)
    assert model.count_params() == parameters
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == trainable


def test_chapter_network_has_the_printed_order_of_layers():
    block = ["Conv2D", "Activation", "BatchNormalization"]
    pooled = [*block, "MaxPooling2D", "Dropout"]
    dense = ["Dense", "Activation", "BatchNormalization", "Dropout"]
    expected = ["InputLayer", *pooled, *pooled, *block, "Flatten", *dense]
    assert names_of(models.cnn(**CHAPTER)) == [*expected, "Dense", "Activation"]


def test_every_layer_gets_its_own_initial_weights():
    model = models.mlp(input_shape=(16,), num_classes=2, units=(16, 16))
    first, second = (layer.kernel for layer in model.layers[1:4:2])
    assert first.shape == second.shape
    assert not np.array_equal(first, second)
    assert not np.array_equal(*(models.mlp(**MNIST).get_weights()[0] for _ in range(2)))


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_penalties_are_those_of_the_hidden_kernels(name):
    model = models.mlp(input_shape=(8,), num_classes=3, units=(5, 4), **{name: 0.01})
    model(np.ones((1, 8), "float32"))
    kernels = [
        layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")
    ]
    power = {"l1": 1, "l2": 2}[name]
    expected = sum(0.01 * (np.abs(k) ** power).sum() for k in kernels[:2])
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_activity_penalty_is_the_mean_over_the_batch():
    model = models.mlp(
        input_shape=(8,), num_classes=3, units=(5,), activity_l1=0.01, l2=0.01
    )
    x = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    hidden = np.maximum(x @ model.layers[1].kernel.numpy(), 0)
    model(x)
    activity = min(float(loss) for loss in model.losses)
    expected = 0.01 * np.abs(hidden).sum() / 6
    assert expected in [pytest.approx(float(loss), rel=1e-4) for loss in model.losses]
    assert activity <= expected * (1 + 1e-4)


def test_batch_norm_before_activation_needs_no_bias():
    model = models.cnn(**CIFAR, batch_norm="before_activation")
    order = names_of(model)
    assert order.index("BatchNormalization") < order.index("Activation")
    convolutions = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert not any(layer.use_bias for layer in convolutions)


@pytest.mark.parametrize("global_pool", ["average", "max"])
def test_global_pooling_and_several_convolutions(global_pool):
    model = models.cnn(
        **CIFAR, convolutions_per_stage=2, dense=(), global_pool=global_pool
    )
    assert names_of(model).count("Conv2D") == 6
    assert f"Global{global_pool.title()}Pooling2D" in names_of(model)


def test_output_is_a_float32_probability_at_any_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.mlp(input_shape=(4,), num_classes=3)
    finally:
        keras.config.set_dtype_policy("float32")
    rows = np.asarray(model(np.ones((2, 4), "float32")))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)


def test_models_are_uncompiled_and_build_without_warnings(recwarn):
    for name in models.names():
        assert not models.get(name, **CIFAR).compiled
    assert [str(w.message) for w in recwarn if "kerasopt" in w.filename] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filter": (3,)}, "Did you mean 'filters'"),
        ({"dropout": -0.1}, r"dropout must be rates in \[0, 1\)"),
        ({"dropout": 1.0}, r"dropout must be rates in \[0, 1\)"),
        ({"dropout": "half"}, "dropout"),
        ({"dropout": (0.1, 0.2)}, "each of these 3 places: pooled stage 1"),
        ({"filters": (32, -1)}, "filters must be integers >= 1"),
        ({"filters": (32, "64")}, "filters must be integers >= 1"),
        ({"filters": ()}, "filters"),
        ({"dense": 1.5}, "dense"),
        ({"activation": "rleu"}, "Did you mean 'relu'"),
        ({"kernel_initializer": "xaver"}, "Did you mean 'xavier'"),
        ({"batch_norm": "after"}, "batch_norm must be False, True or one of"),
        ({"padding": "sam"}, "Did you mean 'same'"),
        ({"global_pool": "avg"}, "Unknown global_pool 'avg'"),
        ({"l2": -0.1}, "l2 must be a number >= 0"),
        ({"num_classes": 1}, "num_classes must be an integer >= 2"),
        ({"input_shape": (32, 32)}, r"\(height, width, channels\)"),
        ({"input_shape": (6, 6, 3), "padding": "valid"}, "doesn't fit a feature map"),
        ({"input_shape": (2, 2, 3), "padding": "same"}, "doesn't fit a feature map"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.get("cnn", **{**CIFAR, **arguments})


def test_unknown_model_and_own_model():
    with pytest.raises(ValueError, match=r"Did you mean 'cnn'\? Accepted: cnn, mlp"):
        models.get("cmn", **CIFAR)
    with pytest.raises(ValueError, match="needs input_shape"):
        models.get("cnn", num_classes=10)
    models.register("test_net")(lambda *, width, **shape: ("mine", width))
    assert models.get({"name": "test_net", "width": 3}, **CIFAR) == ("mine", 3)


def test_speed_network_has_the_published_number_of_parameters():
    # airbench94 counts 1,971,640: the trainable ones and the whitening kernel.
    model = models.speed(**CIFAR)
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trainable + int(np.prod((2, 2, 3, 24))) == 1_971_640


def test_speed_network_starts_as_the_identity_on_its_first_channels():
    model = models.speed(input_shape=(32, 32, 3), num_classes=10)
    for layer in model.layers:
        if layer.name.startswith("conv_"):
            kernel = layer.kernel.numpy()
            inputs = kernel.shape[2]
            np.testing.assert_array_equal(kernel[1, 1, :, :inputs], np.eye(inputs))


def test_speed_network_takes_any_size_with_the_same_weights():
    fixed, free = models.speed(**CIFAR), models.speed(**CIFAR, any_size=True)
    free.set_weights(fixed.get_weights())
    x = np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(fixed(x), free(x), atol=1e-6)
    assert free(x[:, :24, :24]).shape == (2, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": ()}, "at least one group"),
        ({"widths": (8, 0)}, "widths must be integers >= 1"),
        ({"widths": (8,) * 5}, "5 groups need images of 33×33"),
        ({"residual": True}, "residual needs convolutions_per_group >= 3"),
        ({"activation": "reul"}, "Unknown activation"),
        ({"logit_scale": 0}, "logit_scale must be a number > 0"),
        ({"mean": (0.5, 0.5)}, "mean takes one value, or one for each"),
        ({"std": 0}, "std must be > 0"),
        ({"num_classes": 1}, "num_classes must be an integer >= 2"),
        ({"input_shape": (32, 32)}, "input_shape must be"),
    ],
)
def test_bad_speed_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.speed(**{**CIFAR, **arguments})
