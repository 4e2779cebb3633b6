"""kerasopt.models: the texts' networks layer by layer, sizes, bad arguments."""

import functools
import warnings

import keras
import numpy as np
import pytest
from keras.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
)
from sklearn.metrics import log_loss
from thinning import slow_unless

import kerasopt
from kerasopt import losses, models, optimizers

CHAPTER = {
    "input_shape": (32, 32, 3),
    "num_classes": 10,
    "filters": (32, 64, 128),
    "dense": (128,),
    "dropout": (0.25, 0.25, 0.5),
    "batch_norm": True,
    "batch_norm_momentum": 0.99,
    "kernel_initializer": "he_normal",
    "padding": "valid",
}
CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}
MNIST = {"input_shape": (28, 28, 1), "num_classes": 10}
VECTOR = {"input_shape": (784,), "num_classes": 10}
relu = functools.partial(Dense, activation="relu")
L1, L2, L1L2 = keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2


def mlp(*units, **arguments):
    """Arguments of our factory; Keras's defaults, where a text names none."""
    shared = {**VECTOR, "kernel_initializer": "glorot_uniform"}
    shared["batch_norm_momentum"] = 0.99
    return {**shared, "units": units, **arguments}


def cnn(**arguments):
    return {"kernel_initializer": "glorot_uniform", "padding": "valid", **arguments}


def he(kind, *arguments, **keywords):
    return kind(*arguments, **keywords, kernel_initializer="he_normal")


# The texts' networks: our arguments, and the layers as printed but for the output.
PRINTED = {
    "64-64": (mlp(64, 64), lambda: [relu(64), relu(64)]),
    "64-64-sigmoid": (
        mlp(64, 64, activation="sigmoid"),
        lambda: [Dense(64, "sigmoid"), Dense(64, "sigmoid")],
    ),
    **{
        f"{'-'.join(map(str, units))}-{' '.join(penalties)}": (
            mlp(*units, **penalties),
            lambda units=units, penalty=penalty: [
                relu(n, kernel_regularizer=penalty) for n in units
            ],
        )
        for units in [(64, 64), (512,)]
        for penalties, penalty in [
            ({"l2": 0.01}, L2(0.01)),
            ({"l1": 0.01}, L1(0.01)),
            ({"l1": 0.01, "l2": 0.01}, L1L2(0.01, 0.01)),
        ]
    },
    "64-64-dropout": (
        mlp(64, 64, dropout=0.5),
        lambda: [relu(64), Dropout(0.5), relu(64), Dropout(0.5)],
    ),
    "512-dropout": (mlp(512, dropout=0.5), lambda: [relu(512), Dropout(0.5)]),
    "64-64-batch-norm": (
        mlp(64, 64, batch_norm=True),
        lambda: [relu(64), BatchNormalization(), relu(64), BatchNormalization()],
    ),
    "64-64-all": (
        mlp(64, 64, l1=0.01, l2=0.02, batch_norm=True, dropout=(0.5, 0.2)),
        lambda: [
            relu(64, kernel_regularizer=L1L2(0.01, 0.02)),
            BatchNormalization(),
            Dropout(0.5),
            relu(64, kernel_regularizer=L1L2(0.01, 0.02)),
            BatchNormalization(),
            Dropout(0.2),
        ],
    ),
    "64-activity": (
        mlp(64, input_shape=(64,), l2=0.01, activity_l1=0.01, dropout=0.2),
        lambda: [
            relu(64, kernel_regularizer=L2(0.01), activity_regularizer=L1(0.01)),
            Dropout(0.2),
        ],
    ),
    **{
        f"{'-'.join(map(str, units))}-{name}": (
            mlp(*units, kernel_initializer=name),
            lambda units=units, theirs=theirs: [
                relu(n, kernel_initializer=theirs) for n in units
            ],
        )
        for units in [(64,), (64, 64, 64)]
        for name, theirs in [
            ("zeros", "zeros"),
            ("uniform", "random_uniform"),
            ("gaussian", "random_normal"),
            ("xavier", "glorot_uniform"),
            ("glorot_normal", "glorot_normal"),
            ("he_normal", "he_normal"),
        ]
    },
    "cifar": (
        cnn(**CIFAR, filters=(32, 64, 64), dense=(64,)),
        lambda: [
            Conv2D(32, 3, activation="relu"),
            MaxPooling2D(2),
            Conv2D(64, 3, activation="relu"),
            MaxPooling2D(2),
            Conv2D(64, 3, activation="relu"),
            Flatten(),
            relu(64),
        ],
    ),
    "mnist": (
        cnn(**MNIST, filters=(32,), pool=(2,), dense=(128,)),
        lambda: [
            Conv2D(32, 3, activation="relu"),
            MaxPooling2D(2),
            Flatten(),
            relu(128),
        ],
    ),
    "chapter": (
        CHAPTER,
        lambda: [
            he(Conv2D, 32, 3, activation="relu"),
            BatchNormalization(),
            MaxPooling2D(2),
            Dropout(0.25),
            he(Conv2D, 64, 3, activation="relu"),
            BatchNormalization(),
            MaxPooling2D(2),
            Dropout(0.25),
            he(Conv2D, 128, 3, activation="relu"),
            BatchNormalization(),
            Flatten(),
            he(relu, 128),
            BatchNormalization(),
            Dropout(0.5),
        ],
    ),
}
each_printed = pytest.mark.parametrize("case", PRINTED)


def both(case):
    """Our model and Keras's own: equal weights, biases that aren't 0, equal draws."""
    arguments, hidden = PRINTED[case]
    ours = models.get("cnn" if "filters" in arguments else "mlp", **arguments)
    layers = [keras.Input(arguments["input_shape"]), *hidden(), Dense(10, "softmax")]
    theirs = keras.Sequential(layers)
    rng = np.random.default_rng(0)
    weights = [
        rng.uniform(0.5, 1.5, w.shape) if w.ndim == 1 else w + 0.01
        for w in theirs.get_weights()
    ]
    for model in (ours, theirs):
        model.set_weights(weights)
        dropouts = [layer for layer in model.layers if isinstance(layer, Dropout)]
        for i, layer in enumerate(dropouts):
            layer.seed_generator.state.assign([1, i])
    return ours, theirs


def batch_for(model, count=12):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (count, *model.input_shape[1:])).astype("float32")
    return x, np.arange(count) % 10


def factors(regularizer):
    """The factors of |w| and of w², 0 for what isn't penalised."""
    return tuple(round(float(getattr(regularizer, n, 0)), 6) for n in ("l1", "l2"))


def described(model):
    """What a model is made of; activations are entries of their own."""
    found = []
    for layer in model.layers:
        kind = type(layer).__name__.removeprefix("Fused")
        config = layer.get_config()
        if kind in ("Dense", "Conv2D"):
            initializer = config["kernel_initializer"]
            initializer["config"].pop("seed", None)
            size = [config.get(n) for n in ("units", "filters", "kernel_size")]
            size += [config.get(n) for n in ("strides", "padding", "use_bias")]
            found += [(kind, size, initializer["class_name"], initializer["config"])]
            found += [("kernel penalty", factors(layer.kernel_regularizer))]
            found += [("bias penalty", factors(layer.bias_regularizer))]
        if kind == "Activation" or config.get("activation", "linear") != "linear":
            activity = factors(layer.activity_regularizer)
            found += [(config["activation"], "activity penalty", activity)]
        if kind == "BatchNormalization":
            found += [(kind, config["momentum"], config["epsilon"], config["axis"])]
        if kind in ("Dropout", "MaxPooling2D"):
            found += [(kind, config.get("rate"), config.get("pool_size"))]
        if kind == "Flatten":
            found += [kind]
    return found


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


@each_printed
def test_printed_networks_layer_by_layer(case):
    """Places and rates of dropout, initializers and penalties, of each layer."""
    ours, theirs = both(case)
    assert described(ours) == described(theirs)


@pytest.mark.parametrize(
    "case",
    slow_unless({"64-64-all", "512-dropout", "cifar", "mnist"}.__contains__, PRINTED),
)
def test_printed_networks_compute_what_keras_does(case):
    """Predictions, the penalties, and the loss with them."""
    ours, theirs = both(case)
    x, y = batch_for(ours)
    for training in (False, True):
        found, expected = (m(x, training=training) for m in (ours, theirs))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    penalties = [sum(map(float, model.losses)) for model in (ours, theirs)]
    assert penalties[0] == pytest.approx(penalties[1], rel=1e-5)
    for model in (ours, theirs):
        model.compile(loss="sparse_categorical_crossentropy")
    found, expected = (m.evaluate(x, y, verbose=0) for m in (ours, theirs))
    assert float(found) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize(
    ("case", "one_hot"),
    slow_unless(
        lambda case, one_hot: case == "mnist",
        [
            ("64-64", False),
            ("64-64", True),
            ("64-64-l2", False),
            ("64-64-l1", False),
            ("64-64-l1 l2", False),
            ("64-64-dropout", False),
            ("64-64-batch-norm", False),
            ("64-64-all", False),
            ("64-activity", False),
            ("512-dropout", False),
            ("cifar", False),
            ("mnist", True),
        ],
    ),
)
def test_printed_networks_train_with_adam_as_in_keras(case, one_hot):
    """After five steps the weights are those of the printed network."""
    ours, theirs = both(case)
    x, y = batch_for(ours)
    name = "sparse_categorical_crossentropy"
    if one_hot:
        y, name = np.eye(10, dtype="float32")[y], "categorical_crossentropy"
    settings = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999}
    adam = optimizers.get("adam", **settings)
    ours.compile(adam, losses.for_labels(y), metrics=["accuracy"])
    theirs.compile(keras.optimizers.Adam(0.001, 0.9, 0.999), name, metrics=["accuracy"])
    for _ in range(5):
        found, expected = ours.train_on_batch(x, y), theirs.train_on_batch(x, y)
        np.testing.assert_allclose(found, expected, rtol=1e-3)
    for our, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize(
    ("name", "arguments", "rates"),
    [
        ("mlp", mlp(512, dropout=0.5), [0.5]),
        ("mlp", mlp(512, 512, dropout=0.5), [0.5, 0.5]),
        ("mlp", mlp(64, input_shape=(64,), dropout=0.2), [0.2]),
        ("mlp", mlp(512, 512, dropout=(0, 0.2)), [0.2]),
        ("cnn", CHAPTER, [0.25, 0.25, 0.5]),
    ],
)
def test_the_share_of_dropped_activations(name, arguments, rates):
    """Of what reaches each place; the rest is divided by 1 - rate, none at test."""
    model = models.get(name, **arguments)
    places = [layer for layer in model.layers if isinstance(layer, Dropout)]
    assert len(places) == len(rates)
    ends = [end for layer in places for end in (layer.input, layer.output)]
    spy = keras.Model(model.input, ends)
    x = np.random.default_rng(0).normal(size=(64, *model.input_shape[1:]))
    trained, tested = (list(map(np.asarray, spy(x, training=t))) for t in (True, False))
    for rate, before, after in zip(rates, trained[::2], trained[1::2], strict=True):
        dropped = (after == 0)[before != 0]
        assert dropped.mean() == pytest.approx(rate, abs=0.03)
        expected = np.where(after != 0, before / (1 - rate), 0)
        np.testing.assert_allclose(after, expected, rtol=1e-5)
    for before, after in zip(tested[::2], tested[1::2], strict=True):
        np.testing.assert_array_equal(before, after)


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


def with_random_weights(model, seed=0):
    """Kernels and biases, and everything else, drawn anew: none of them is 0."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.2, 1, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize(
    ("l1", "l2"), [(0.01, 0.0), (0.0, 0.01), (0.01, 0.01), (0.02, 0.03)]
)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mlp", {"input_shape": (8,), "num_classes": 3, "units": (5, 4)}),
        ("mlp", {"input_shape": (8,), "num_classes": 3, "batch_norm": True}),
        ("cnn", {**CIFAR, "filters": (4, 8), "dense": (6,), "batch_norm": True}),
    ],
)
def test_penalties_are_those_of_the_hidden_kernels(name, arguments, l1, l2):
    """Biases, batch normalisation and the output's kernel add nothing."""
    model = with_random_weights(models.get(name, **arguments, l1=l1, l2=l2))
    kernels = [v.numpy() for v in model.trainable_variables if v.name == "kernel"][:-1]
    expected = sum(l1 * np.abs(k).sum() + l2 * (k**2).sum() for k in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    biases = [w for w in model.get_weights() if w.ndim == 1]
    assert biases and all(np.abs(b).min() >= 0.2 for b in biases)


@pytest.mark.parametrize("penalties", [{"l1": 0.01}, {"l2": 0.01}])
def test_the_loss_is_that_of_the_data_plus_the_penalty(penalties):
    """The data's by scikit-learn, as Keras evaluates it with the penalty."""
    shape = {"input_shape": (8,), "num_classes": 3, "units": (5, 4)}
    model = with_random_weights(models.mlp(**shape, **penalties))
    x = np.random.default_rng(1).normal(size=(30, 8)).astype("float32")
    y = np.arange(30) % 3
    probabilities = np.asarray(model(x), "float64")
    data_loss = log_loss(y, probabilities / probabilities.sum(axis=1, keepdims=True))
    ((name, factor),) = penalties.items()
    order = {"l1": 1, "l2": 2}[name]
    hidden = [layer.kernel.numpy() for layer in model.layers if layer.weights][:-1]
    norms = [np.linalg.norm(k.ravel(), order) ** order for k in hidden]
    model.compile(loss=losses.for_task("multiclass"))
    found = float(model.evaluate(x, y, verbose=0))
    assert found == pytest.approx(data_loss + factor * sum(norms), rel=1e-4)
    assert found > data_loss + 0.1


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


def test_models_are_uncompiled_and_build_without_warnings():
    """Wherever a warning comes from: Keras's own name Keras's files."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in models.names():
            if name != "test_net":
                weights = {"weights": None} if name == "transfer" else {}
                assert not models.get(name, **CIFAR, **weights).compiled
        for arguments, _ in PRINTED.values():
            models.get("cnn" if "filters" in arguments else "mlp", **arguments)
        # What the texts do, and what this test is here to find.
        with pytest.raises(UserWarning, match="Do not pass an `input_shape`"):
            keras.Sequential([Dense(3, input_shape=(4,))])


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
    with pytest.raises(ValueError, match=r"Did you mean 'cnn'\? Accepted: airb"):
        models.get("cmn", **CIFAR)
    with pytest.raises(ValueError, match="needs input_shape"):
        models.get("cnn", num_classes=10)
    models.register("test_net")(lambda *, width, **shape: ("mine", width))
    assert models.get({"name": "test_net", "width": 3}, **CIFAR) == ("mine", 3)


def test_airbench_has_the_published_number_of_parameters():
    # airbench94 counts 1,971,640: the trainable ones and the whitening kernel.
    model = models.airbench(**CIFAR)
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trainable + int(np.prod((2, 2, 3, 24))) == 1_971_640


def test_airbench_starts_as_the_identity_on_its_first_channels():
    model = models.airbench(input_shape=(32, 32, 3), num_classes=10)
    for layer in model.layers:
        if layer.name.startswith("conv_"):
            kernel = layer.kernel.numpy()
            inputs = kernel.shape[2]
            np.testing.assert_array_equal(kernel[1, 1, :, :inputs], np.eye(inputs))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": ()}, "at least one group"),
        ({"widths": (8, 0)}, "widths must be integers >= 1"),
        ({"widths": (8,) * 5}, "5 groups need images of 33×33"),
        ({"residual": True}, "residual needs convolutions_per_group >= 3"),
        ({"activation": "reul"}, "Unknown activation"),
        ({"logit_scale": 0}, "logit_scale must be a number > 0"),
        ({"mean": (0.5, 0.5), "std": 0.2}, "mean takes one value, or one for each"),
        ({"mean": 0.5, "std": 0}, "std must be a number > 0"),
        ({"mean": 0.5}, "mean and std belong together"),
        ({"num_classes": 1}, "num_classes must be an integer >= 2"),
        ({"input_shape": (32, 32)}, "input_shape must be"),
    ],
)
def test_bad_airbench_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.airbench(**{**CIFAR, **arguments})


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_airbench_adapts_to_any_channels(channels):
    rng = np.random.default_rng(0)
    x = rng.uniform(0.2, 0.9, (40, 28, 28, channels)).astype("float32")
    shape = {"input_shape": x.shape[1:], "num_classes": 10, "widths": (4, 4)}
    adapted = kerasopt.layers.adapt(models.airbench(**shape), x)
    axes = (0, 1, 2)
    mean, std = (f(x, axis=axes, dtype="float64").tolist() for f in (np.mean, np.std))
    given = kerasopt.layers.adapt(models.airbench(**shape, mean=mean, std=std), x)
    given.set_weights([w for w in adapted.get_weights()][3:])
    np.testing.assert_allclose(adapted(x), given(x), rtol=1e-3)


@pytest.mark.parametrize("name", ["mlp", "cnn", "stages"])
def test_running_statistics_forget_their_start_within_a_small_training(name):
    """Ten epochs of 60 pictures are 20 steps."""
    assert models.defaults(name)["batch_norm_momentum"] ** 20 < 0.15
    arguments = {"input_shape": (8, 8, 1), "num_classes": 3, "batch_norm": True}
    model = models.get(name, **arguments)
    norms = [layer for layer in model.layers if isinstance(layer, BatchNormalization)]
    assert norms
    assert {layer.momentum for layer in norms} == {0.9}


IMAGES = {"input_shape": (16, 16, 3), "num_classes": 3}


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("mlp", {"units": [99999999999]}, "units must be integers >= 1 and < 2³¹"),
        ("mlp", {"units": [10**6, 10**6]}, "1000000 units has 7.7e\\+08 weights"),
        ("mlp", {"units": [1] * 1001}, "units must be at most 1000"),
        ("mlp", {"input_shape": (10**9,)}, "64 units has 6.4e\\+10 weights"),
        ("mlp", {"num_classes": 10**9}, "1000000000 classes has 6.4e\\+10 weights"),
        ("cnn", {"filters": [10**9]}, "1000000000 filters has"),
        ("cnn", {"kernel_size": 10**6}, "32 filters has"),
        ("cnn", {"convolutions_per_stage": 10**6}, "convolutions_per_stage .* <= 1000"),
        ("cnn", {"dense": [10**9]}, "1000000000 units has"),
        ("airbench", {"widths": [10**9]}, "1000000000 filters has"),
        ("airbench", {"batch_norm_epsilon": -np.inf}, "batch_norm_epsilon must be"),
        ("airbench", {"batch_norm_momentum": 1}, "batch_norm_momentum must lie in"),
        ("airbench", {"residual": "no"}, "residual must be True or False"),
        ("airbench", {"mean": np.nan, "std": 1}, "mean must be a finite number"),
        ("stages", {"stem_width": 10**9}, "1000000000 filters has"),
        ("stages", {"stages": [{"depth": 10**6}]}, "depth must be .* <= 1000"),
        ("stages", {"stages": [{"kernel_size": 10**6}]}, "32 filters has"),
        ("mlp", {"batch_norm_momentum": np.nan}, "batch_norm_momentum must lie in"),
        ("mlp", {"activation": {"a": 1}}, "activation must be a text"),
        ("mlp", {"kernel_initializer": {"name": "he", "seed": "x"}},
         "kernel_initializer: seed must be an integer"),
        ("mlp", {"input_shape": "3"}, "input_shape must be a list"),
        ("cnn", {"pool_first": 1}, "pool_first must be True or False"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_meant(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        models.get(name, **{**IMAGES, **arguments})


@pytest.mark.parametrize("name", models.names())
def test_numpy_integers_and_arrays_are_taken(name):
    labels = np.array([0, 1, 2])
    model = models.get(
        name,
        input_shape=np.array([18, 18, 3]),
        num_classes=labels.max() + 1,
        **NUMPY_ARGUMENTS[name],
    )
    assert model.output_shape == (None, 3)
    assert keras.models.model_from_json(model.to_json()).count_params() > 0


NUMPY_ARGUMENTS = {
    "mlp": {"units": np.array([8, 4]), "dropout": np.array([0.1, 0.2])},
    "cnn": {"filters": np.array([4]), "dense": np.array([8]), "l2": np.float32(1e-4)},
    "chapter_cnn": {"dropout": np.array([0.1, 0.2, 0.3])},
    "convmixer": {"width": np.int64(4), "depth": np.array(1), "patch_size": np.int8(3)},
    "mobilenet": {"widths": np.array([4, 8]), "depth": np.array([1, 2])},
    "airbench": {"widths": np.array([4]), "mean": np.full(3, 0.5), "std": np.ones(3)},
    "resnet": {"depth": np.int64(8), "widths": np.array([4, 4, 8])},
    "vit": {"width": np.int64(8), "depth": np.int32(1), "patch_size": np.int8(6)},
    "wide_resnet": {"depth": np.int64(10), "width": np.int32(1)},
    "stages": {"stages": ({"width": np.int64(4)},), "stem_width": np.int32(4)},
    "transfer": {
        "backbone": "vgg16",
        "weights": None,
        "image_size": np.array([32, 32]),
        "dense": np.array([4]),
    },
}


def test_penalties_on_activations_are_summed_in_float32():
    """Keras can't add one in half precision to the loss."""
    given = {"input_shape": (8,), "num_classes": 3, "units": (512,)}
    given |= {"activity_l1": 0.01, "l2": 0.01}
    full = models.mlp(**given)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = models.mlp(**given)
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(full.get_weights())
    x = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
    losses = []
    for model in (full, half):
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        losses.append(float(model.train_on_batch(x, np.arange(16) % 3)))
    # bfloat16 rounds activations by up to 0.4 %, without a preferred direction.
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.parametrize("activation", [len, int, lambda x: x])
def test_an_activation_that_keras_cannot_load_again_is_refused(activation):
    with pytest.raises(ValueError, match="activation must be"):
        models.get("mlp", **IMAGES, activation=activation)


def test_keras_functions_and_registered_ones_are_activations():
    for activation in (keras.activations.relu, keras.layers.LeakyReLU(0.25)):
        model = models.get("mlp", **IMAGES, activation=activation)
        assert keras.models.model_from_json(model.to_json())
