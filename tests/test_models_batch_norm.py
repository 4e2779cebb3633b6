"""kerasopt.models.adapt_batch_norm: statistics of new images, against other ways."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.layers import FusedBatchNormalization
from kerasopt.models import adapt_batch_norm

L = keras.layers
RNG = np.random.default_rng(0)
IMAGES = RNG.gamma(2.0, 0.2, (50, 6, 6, 3)).astype("float32")
EPSILON = 1e-6
NORMS = [L.BatchNormalization, FusedBatchNormalization]


def network(norm=L.BatchNormalization):
    """Two branches, three normalisations, of images and of features."""
    keras.utils.set_random_seed(3)
    entry = keras.Input((6, 6, 3))
    x = norm(epsilon=EPSILON, name="first")(L.Conv2D(4, 3, name="conv")(entry))
    left = norm(epsilon=EPSILON, name="left")(
        L.Conv2D(4, 3, padding="same")(L.ReLU()(x))
    )
    x = L.Add()([L.ReLU()(left), x])
    x = norm(epsilon=EPSILON, name="last")(
        L.Dense(5, name="features")(L.GlobalAveragePooling2D()(x))
    )
    model = keras.Model(entry, L.Dense(2)(L.ReLU()(x)))
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.gamma.assign(RNG.uniform(0.5, 2, layer.gamma.shape))
            layer.beta.assign(RNG.normal(size=layer.beta.shape))
    return model


def statistics(model):
    return {
        layer.name: (np.array(layer.moving_mean), np.array(layer.moving_variance))
        for layer in model._flatten_layers()
        if isinstance(layer, L.BatchNormalization)
    }


def of_numpy(values):
    flat = np.asarray(values, "float64").reshape(-1, values.shape[-1])
    return flat.mean(axis=0), flat.var(axis=0)


def assert_same(found, expected, rtol=1e-4):
    assert found.keys() == expected.keys()
    for name, pair in expected.items():
        for mine, theirs in zip(found[name], pair, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=1e-5)


@pytest.mark.parametrize("batch_size", [7, 50, 1000])
@pytest.mark.parametrize("norm", NORMS)
def test_one_layer_has_mean_and_variance_of_all_it_gets(norm, batch_size):
    """Whatever the batches: what reaches it doesn't hang on them."""
    model = keras.Sequential(
        [keras.Input((6, 6, 3)), L.Conv2D(4, 3), norm(name="norm"), L.Flatten()]
    )
    reaching = keras.ops.convert_to_numpy(model.layers[0](IMAGES))
    adapt_batch_norm(model, IMAGES, batch_size=batch_size)
    assert_same(statistics(model), {"norm": of_numpy(reaching)})


@pytest.mark.parametrize("norm", NORMS)
def test_one_batch_gives_the_statistics_within_the_adapted_network(norm):
    """Read off by Keras's models that end before each layer, in inference mode."""
    model = network(norm)
    adapt_batch_norm(model, IMAGES)
    expected = {}
    for name in ("first", "left", "last"):
        before = keras.Model(model.input, model.get_layer(name).input)
        expected[name] = of_numpy(before.predict(IMAGES, verbose=0))
    assert_same(statistics(model), expected)


@pytest.mark.parametrize("norm", NORMS)
def test_batches_are_those_of_keras_training_mode(norm):
    """Without momentum Keras keeps each batch's statistics; NumPy combines them."""
    model, other = network(norm), network(norm)
    other.set_weights(model.get_weights())
    adapt_batch_norm(model, IMAGES, batch_size=20)
    parts, seen = np.array_split(IMAGES, 3), []
    for layer in other.layers:
        layer.momentum = 0.0
    for batch in parts:
        other(batch, training=True)
        seen.append(statistics(other))
    counts, expected = [len(batch) for batch in parts], {}
    for name in seen[0]:
        means, variances = (np.array([s[name][i] for s in seen]) for i in (0, 1))
        mean = np.average(means, axis=0, weights=counts)
        within = np.average(variances, axis=0, weights=counts)
        between = np.average((means - mean) ** 2, axis=0, weights=counts)
        expected[name] = mean, within + between
    assert_same(statistics(model), expected)


def test_an_affine_change_of_the_images_is_undone():
    """Convolutions without padding, then BN: other brightness and contrast, or none."""
    model, dark = network(), network()
    dark.set_weights(model.get_weights())
    adapt_batch_norm(model, IMAGES)
    changed = 0.4 * IMAGES + np.array([0.3, 0.1, 0.0], "float32")
    assert not np.allclose(model(IMAGES), model(changed), atol=0.1)
    adapt_batch_norm(dark, changed)
    np.testing.assert_allclose(dark(changed), model(IMAGES), atol=0.01)


class Block(L.Layer):
    """A layer of the user's with a normalisation inside."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = L.BatchNormalization(name="inside")

    def call(self, inputs):
        return self.norm(inputs)


class Subclassed(keras.Model):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, inputs):
        return self.inner(inputs)


def nested():
    inner = keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(4, 3), Block()])
    return keras.Sequential([keras.Input((6, 6, 3)), inner, L.Dropout(0.5)])


def frozen():
    model = nested()
    model.trainable = False
    return model


def subclassed():
    model = Subclassed(nested())
    model(IMAGES[:1])
    return model


def always_training():
    """A layer that the graph calls in training mode, as some models do."""
    entry = keras.Input((6, 6, 3))
    x = L.Conv2D(4, 3)(entry)
    return keras.Model(entry, L.BatchNormalization(name="inside")(x, training=True))


@pytest.mark.parametrize("build", [nested, frozen, subclassed, always_training])
def test_layers_are_found_wherever_they_are(build):
    model = build()
    convolution = next(
        each for each in model._flatten_layers() if isinstance(each, L.Conv2D)
    )
    reaching = keras.ops.convert_to_numpy(convolution(IMAGES))
    assert adapt_batch_norm(model, IMAGES, batch_size=16).index.tolist() == ["inside"]
    assert_same(statistics(model), {"inside": of_numpy(reaching)})


def test_afterwards_the_layers_are_kerass_own_again():
    model = network()
    adapt_batch_norm(model, IMAGES)
    adapted = statistics(model)
    eager, compiled = model(IMAGES[:9]), model.predict(IMAGES[:9], verbose=0)
    np.testing.assert_allclose(eager, compiled, atol=1e-5)
    assert_same(statistics(model), adapted, rtol=0)
    model(IMAGES[:9], training=True)
    mean, _ = statistics(model)["first"]
    of_batch, _ = of_numpy(
        keras.ops.convert_to_numpy(model.get_layer("conv")(IMAGES[:9]))
    )
    expected = 0.99 * adapted["first"][0] + 0.01 * of_batch
    np.testing.assert_allclose(mean, expected, rtol=1e-4)


def test_a_layer_that_is_called_twice_gets_both():
    entry, norm = keras.Input((6, 6, 3)), L.BatchNormalization(name="norm")
    scale = L.Rescaling(3.0, 1.0)
    model = keras.Model(entry, L.Add()([norm(entry), norm(scale(entry))]))
    adapt_batch_norm(model, IMAGES, batch_size=9)
    both = np.concatenate([IMAGES, 3 * IMAGES + 1])
    assert_same(statistics(model), {"norm": of_numpy(both)})


def test_nothing_else_changes_and_the_table_says_what_did():
    model = network()
    trained = [np.array(each) for each in model.trainable_weights]
    before, trainable = statistics(model), len(model.trainable_weights)
    table = adapt_batch_norm(model, IMAGES)
    for mine, kept in zip(model.trainable_weights, trained, strict=True):
        assert (np.array(mine) == kept).all()
    assert len(model.trainable_weights) == trainable
    assert model.get_layer("first").momentum == 0.99
    assert table.index.tolist() == ["first", "left", "last"]
    assert table["channels"].tolist() == [4, 4, 5]
    for name, (mean, variance) in statistics(model).items():
        old = before[name][1] + EPSILON
        shift = np.mean(np.abs(mean - before[name][0]) / np.sqrt(old))
        ratio = np.prod((variance + EPSILON) / old) ** (1 / len(mean))
        row = table.loc[name]
        np.testing.assert_allclose(row["mean_shift"], shift, rtol=1e-4)
        np.testing.assert_allclose(row["variance_ratio"], ratio, rtol=1e-4)


@pytest.mark.parametrize("factor", [1, 255])
def test_rows_stand_in_the_order_of_the_calls(factor):
    """In nested models, too; the first layer alone tells of the images' scale."""
    names = ["one", "two", "three"]
    inner = keras.Sequential(
        [keras.Input((6, 6, 3)), *(L.BatchNormalization(name=name) for name in names)]
    )
    model = keras.Sequential(
        [keras.Input((6, 6, 3)), inner, L.BatchNormalization(name="four")]
    )
    adapt_batch_norm(model, IMAGES)
    if factor == 1:
        assert adapt_batch_norm(model, IMAGES).index.tolist() == [*names, "four"]
        return
    with pytest.warns(UserWarning, match="reaches layer 'one' varies"):
        adapt_batch_norm(model, factor * IMAGES)


def test_half_precision_measures_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = network(FusedBatchNormalization)
    finally:
        keras.config.set_dtype_policy("float32")
    reaching = np.asarray(model.get_layer("conv")(IMAGES), "float32")
    adapt_batch_norm(model, IMAGES, batch_size=20)
    assert_same({"first": statistics(model)["first"]}, {"first": of_numpy(reaching)})


@pytest.mark.usefixtures("no_report")
def test_the_model_of_a_run_is_adapted_on_the_scale_of_its_training(quick):
    pixels = RNG.integers(0, 256, (40, 6, 6, 3), dtype="uint8")
    labels = (pixels.mean((1, 2, 3)) > 127).astype(int)

    def build():
        return keras.Sequential(
            [keras.Input((6, 6, 3)), L.BatchNormalization(), L.Flatten(), L.Dense(1)]
        )

    run = ko.fit(build, (pixels, labels), epochs=1, **quick)
    dark = (0.3 * pixels).round().astype("uint8")
    adapt_batch_norm(run.model, dark / 255)
    mean, variance = of_numpy(dark / 255)
    gamma, beta, *_, kernel, bias = run.model.get_weights()
    normal = gamma * (dark / 255 - mean) / np.sqrt(variance + 1e-3) + beta
    logits = normal.reshape(40, -1) @ kernel + bias
    found = run.predict(dark)[:, 1:]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), atol=1e-4)


def test_pixels_of_another_scale_are_noticed():
    model = keras.Sequential([keras.Input((6, 6, 3)), L.BatchNormalization()])
    adapt_batch_norm(model, IMAGES)
    with pytest.warns(UserWarning, match=r"another scale\..*pixels / 255"):
        adapt_batch_norm(model, 255 * IMAGES)


def plain():
    return keras.Sequential([keras.Input((6, 6, 3)), L.Conv2D(4, 3)])


def two_inputs():
    a, b = keras.Input((6, 6, 3)), keras.Input((6, 6, 3))
    return keras.Model([a, b], L.BatchNormalization()(L.Add()([a, b])))


def unbuilt():
    return keras.Sequential([L.BatchNormalization()])


NAN = np.where(np.arange(50)[:, None, None, None] == 7, np.nan, IMAGES)
BAD = {
    "no model": (lambda: "cnn", IMAGES, "model must be a keras.Model; given: 'cnn'"),
    "unbuilt": (unbuilt, IMAGES, "no statistics yet: give it its input shape"),
    "no batch normalisation": (plain, IMAGES, "no BatchNormalization"),
    "two inputs": (two_inputs, IMAGES, "has 2 inputs"),
    "other shape": (
        network,
        IMAGES[:, :5],
        r"images of shape \(6, 6, 3\); given: \(5, 6, 3\)",
    ),
    "grey": (network, IMAGES[..., :1], r"given: \(6, 6, 1\)"),
    "one image alone": (network, IMAGES[0], r"given: \(6, 3\)"),
    "empty": (network, IMAGES[:0], "given: none"),
    "not a number": (network, NAN, "NaN or infinity"),
    "words": (network, ["a", "b"], "one array of numbers"),
    "unequal": (network, [IMAGES[0], IMAGES[1, :5]], "one array of numbers"),
    "no array": (network, None, "one array of numbers"),
    "a single one": (network, IMAGES[:1], "'last' gets a single value a channel"),
    "other shape, subclassed": (
        subclassed,
        IMAGES[..., :2],
        r"fails on images of shape \(6, 6, 2\)",
    ),
    "overflow": (network, 1e38 * IMAGES, "isn't finite"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused_without_a_change(case):
    build, images, message = BAD[case]
    model = build()
    weights = model.get_weights() if case not in ("no model", "unbuilt") else []
    with pytest.raises(ValueError, match=message):
        adapt_batch_norm(model, images)
    for before, now in zip(
        weights, model.get_weights() if weights else (), strict=True
    ):
        assert (before == now).all()


@pytest.mark.parametrize("bad", [0, -1, 2.5, "all", True])
def test_a_batch_size_is_a_whole_number(bad):
    with pytest.raises(ValueError, match="batch_size must be"):
        adapt_batch_norm(network(), IMAGES, batch_size=bad)


def test_a_mask_is_refused():
    entry = keras.Input((4, 2))
    model = keras.Model(entry, L.BatchNormalization()(L.Masking()(entry)))
    with pytest.raises(ValueError, match="gets a mask"):
        adapt_batch_norm(model, np.ones((3, 4, 2)))
