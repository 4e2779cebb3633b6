"""kerasopt.layers: Keras's results by the fused kernel, whitening, plain models."""

import zipfile

import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from sklearn.preprocessing import StandardScaler

from kerasopt import initializers, layers, losses
from kerasopt.layers import fused, graph

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(3, 2, (8, 6, 5, 3)).astype("float32")
PAIR = (keras.layers.BatchNormalization, layers.FusedBatchNormalization)


def filled(layer, shape):
    """Build a layer and give it weights that aren't all 0 and 1."""
    layer.build(shape)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.uniform(0.5, 2, w.shape) for w in layer.get_weights()])
    return layer


def step(layer, images, **arguments):
    """Return output, gradients by input and weights, and the weights afterwards."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        y = layer(images, **arguments)
        loss = tf.reduce_sum(tf.cast(y, "float32") ** 3)
    sources = [images, *[w.value for w in layer.trainable_weights]]
    gradients = tape.gradient(loss, sources)
    return [y, *gradients, *[tf.convert_to_tensor(w) for w in layer.weights]]


def as_one_ulp(dtype):
    return {"float32": 2e-5, "bfloat16": 2**-7, "float16": 2**-9}[dtype]


def compare(ours, expected, rtol):
    assert len(ours) == len(expected)
    for a, b in zip(ours, expected, strict=True):
        assert a.dtype == b.dtype
        found, wanted = (np.asarray(tf.cast(v, "float64")) for v in (a, b))
        largest = np.abs(wanted).max(initial=0)
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * largest)


def kernels_called(layer, images, **arguments):
    function = tf.function(lambda x: layer(x, **arguments))
    graph = function.get_concrete_function(images).graph
    return [op.type for op in graph.get_operations()].count("FusedBatchNormV3")


# --- FusedBatchNormalization: where the kernel fits ---------------------------------


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("training", [True, False, None])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_kernel_gives_keras_results(policy, training, trainable):
    dtype = keras.dtype_policies.get(policy).compute_dtype
    images = tf.cast(IMAGES, dtype)
    results = []
    for kind in PAIR:
        layer = filled(kind(dtype=policy, trainable=trainable), images.shape)
        if kind is layers.FusedBatchNormalization:
            assert kernels_called(layer, images, training=training) == 1
        results.append(step(layer, images, training=training))
    compare(*results[::-1], as_one_ulp(dtype))


@pytest.mark.parametrize(
    "arguments",
    [
        {"scale": False},
        {"center": False},
        {"scale": False, "center": False},
        {"epsilon": 1e-12, "momentum": 0.6},
        {"axis": 3, "epsilon": 0.5},
        {"gamma_regularizer": "l2", "beta_constraint": "non_neg"},
    ],
)
def test_arguments_mean_what_they_mean_in_keras(arguments):
    images = tf.constant(IMAGES)
    results = []
    for kind in PAIR:
        layer = filled(kind(**arguments), images.shape)
        assert kernels_called(layer, images, training=True) == (kind is PAIR[1])
        results.append([*step(layer, images, training=True), *layer.losses])
    compare(*results[::-1], 2e-5)


def test_small_epsilon_is_not_raised():
    images = tf.constant(IMAGES * 1e-3)
    plain, ours = (filled(kind(epsilon=1e-12), images.shape) for kind in PAIR)
    expected = step(plain, images, training=True)
    compare(step(ours, images, training=True), expected, 2e-5)
    assert float(tf.math.reduce_std(expected[0])) > 0.5


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("training", [True, False])
def test_open_shapes_inside_a_function(training, jit):
    images = tf.constant(IMAGES)
    results = []
    for kind in PAIR:
        layer = filled(kind(), images.shape)
        function = tf.function(
            lambda x, layer=layer: step(layer, x, training=training),
            input_signature=[tf.TensorSpec([None, None, None, 3])],
            jit_compile=jit,
        )
        function(images[:5, :4])
        results.append(function(images))
    compare(*results[::-1], 2e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 1, 1, 3), (1, 1, 2, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_a_lone_pixel_or_two(shape, training):
    images = tf.constant(RNG.normal(size=shape).astype("float32"))
    results = [
        step(filled(kind(), images.shape), images, training=training) for kind in PAIR
    ]
    assert all(np.isfinite(value).all() for value in results[1])
    compare(*results[::-1], 2e-5)


def test_an_empty_batch_is_as_in_keras():
    images = tf.zeros((0, 4, 4, 3))
    for training in (True, False):
        plain, ours = (filled(kind(), images.shape) for kind in PAIR)
        assert ours(images, training=training).shape == images.shape
        plain(images, training=training)
        compare(ours.get_weights(), plain.get_weights(), 0)


def test_variance_without_degrees_of_freedom_is_zero():
    """As of cuDNN, which divides by n - 1 = 0."""
    variance = tf.constant([np.nan, np.inf, 0.0])
    found = fused._biased(variance, tf.zeros((1, 1, 1, 3)))
    np.testing.assert_array_equal(found, np.zeros(3))


def test_large_means_keep_their_variance():
    images = tf.constant(IMAGES + 1000)
    layer = filled(layers.FusedBatchNormalization(momentum=0.0), images.shape)
    layer(images, training=True)
    expected = np.var(np.float64(images), axis=(0, 1, 2))
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-4)
    np.testing.assert_allclose(
        layer.moving_mean, np.mean(np.float64(images), (0, 1, 2)), rtol=1e-6
    )


def test_deterministic_inference_uses_operations_that_are(monkeypatch):
    monkeypatch.setattr(fused, "is_op_determinism_enabled", lambda: True)
    images = tf.constant(IMAGES)
    plain, ours = (filled(kind(), images.shape) for kind in PAIR)
    assert kernels_called(ours, images, training=True) == 1
    assert kernels_called(ours, images, training=False) == 0
    compare(step(ours, images), step(plain, images), 0)


# --- FusedBatchNormalization: everywhere else -----------------------------------------


@pytest.mark.parametrize(
    ("shape", "dtype", "arguments"),
    [
        ((8, 3), "float32", {}),
        ((8, 5, 3), "float32", {}),
        ((4, 3, 4, 4, 2), "float32", {}),
        ((8, 3, 6, 5), "float32", {"axis": 1}),
        ((8, 6, 5, 3), "float32", {"renorm": True}),
        ((8, 6, 5, 3), "float32", {"synchronized": True}),
        ((8, 6, 5, 3), "float64", {"dtype": "float64"}),
        ((8, 6, 5, 3), "int32", {}),
        ((8, 6, 5, 3), "bfloat16", {"autocast": False}),
    ],
)
def test_what_does_not_fit_is_left_to_keras(shape, dtype, arguments):
    images = tf.cast(RNG.normal(3, 5, shape), dtype)
    results = []
    for kind in PAIR:
        layer = filled(kind(**arguments), shape)
        assert kernels_called(layer, images, training=True) == 0
        y = layer(images, training=True)
        results.append([y, *[tf.convert_to_tensor(w) for w in layer.weights]])
    compare(*results[::-1], 0)


def test_masked_pixels_do_not_count():
    mask = tf.constant(RNG.integers(0, 2, IMAGES.shape[:3]).astype(bool))
    plain, ours = (filled(kind(), IMAGES.shape) for kind in PAIR)
    found = ours(IMAGES, training=True, mask=mask)
    np.testing.assert_array_equal(found, plain(IMAGES, training=True, mask=mask))
    np.testing.assert_array_equal(ours.moving_mean, plain.moving_mean)


def test_symbolic_and_stateless_calls():
    images = tf.constant(IMAGES)
    assert layers.FusedBatchNormalization()(keras.Input((6, 5, 3))).shape[-1] == 3
    results = []
    for kind in PAIR:
        layer = filled(kind(), images.shape)
        trained = [v.value for v in layer.trainable_variables]
        kept = [v.value for v in layer.non_trainable_variables]
        y, updated = layer.stateless_call(trained, kept, images, training=True)
        results.append([y, *updated, *map(tf.convert_to_tensor, kept)])
    compare(*results[::-1], 2e-5)


def test_arguments_and_weights_are_keras_own():
    plain, ours = (kind(momentum=0.7, name="norm", scale=False) for kind in PAIR)
    assert ours.get_config() == plain.get_config()
    again = layers.FusedBatchNormalization.from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    plain.build((None, 4, 4, 3))
    ours.build((None, 4, 4, 3))
    assert [w.path for w in ours.weights] == [w.path for w in plain.weights]
    with pytest.raises(ValueError, match="gama"):
        layers.FusedBatchNormalization(gama=1)


def small_network(normalization):
    keras.utils.set_random_seed(0)
    entry = keras.Input((6, 5, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(entry)
    x = keras.layers.Activation("relu")(normalization(momentum=0.6)(x))
    return keras.Model(entry, keras.layers.Dense(2)(keras.layers.Flatten()(x)))


@pytest.mark.parametrize("devices", [1, 2])
def test_training_ends_with_keras_weights(devices, two_cpus):
    strategy = two_cpus if devices == 2 else tf.distribute.get_strategy()
    labels = np.arange(8) % 2
    ends = []
    for kind in PAIR:
        with strategy.scope():
            model = small_network(kind)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
        model.fit(IMAGES, labels, batch_size=4, epochs=2, shuffle=False, verbose=0)
        ends.append(model.get_weights())
    start = small_network(PAIR[0]).get_weights()
    for first, plain, ours in zip(start, *ends, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-5)
        assert not np.allclose(first, ours, rtol=1e-3)


# --- Conv2D ---------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"use_bias": False},
        {"activation": "relu", "padding": "same", "strides": 2},
        {"dilation_rate": 2, "bias_regularizer": "l2"},
    ],
)
def test_convolution_gives_keras_results(arguments, policy):
    dtype = keras.dtype_policies.get(policy).compute_dtype
    images = tf.cast(IMAGES, dtype)
    results = []
    for kind in (keras.layers.Conv2D, layers.Conv2D):
        layer = filled(kind(4, 2, dtype=policy, **arguments), images.shape)
        results.append([*step(layer, images), *layer.losses])
    compare(*results[::-1], 4 * as_one_ulp(dtype))


def test_gradient_of_a_bias_is_right_in_bfloat16():
    images = tf.zeros((256, 32, 32, 1), "bfloat16")
    layer = layers.Conv2D(8, 1, dtype="mixed_bfloat16")
    layer.build(images.shape)
    upstream = tf.cast(
        np.random.default_rng(0).normal(size=(256, 32, 32, 8)), "bfloat16"
    )
    with tf.GradientTape() as tape:
        outputs = layer(images)
    gradient = tape.gradient(outputs, layer.bias.value, upstream)
    expected = np.asarray(upstream, "float64").sum((0, 1, 2))
    np.testing.assert_allclose(gradient, expected, rtol=2**-7)


def test_convolution_with_channels_first_is_left_to_keras():
    layer = layers.Conv2D(4, 2, data_format="channels_first")
    assert layer.compute_output_shape((1, 3, 6, 5)) == (1, 4, 5, 4)
    assert layer(keras.Input((3, 6, 5))).shape == (None, 4, 5, 4)


# --- WhiteningConv2D ----------------------------------------------------------------


def correlated(n=40, size=9, channels=3):
    """Images whose neighbouring pixels and channels are alike."""
    rng = np.random.default_rng(2)
    rough = rng.normal(size=(n, size + 2, size + 2, channels))
    smooth = sum(np.roll(rough, (i, j), (1, 2)) for i in range(3) for j in range(3))
    mix = np.eye(channels) + 0.7
    return (smooth[:, 2:, 2:] @ mix + 1).astype("float32")


def patches(images, size):
    """Return patches as TensorFlow cuts them, one a row."""
    cut = tf.image.extract_patches(
        images, [1, *size, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID"
    )
    return np.float64(tf.reshape(cut, (-1, cut.shape[-1])))


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (1, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_responses_are_uncorrelated_with_known_power(size, channels):
    images = correlated(channels=channels)
    layer = layers.WhiteningConv2D(size, epsilon=0.01, use_bias=False)
    layer.adapt(images)
    y = np.float64(layer(images))
    half = np.prod(size) * channels
    assert layer.filters == y.shape[-1] == 2 * half
    np.testing.assert_allclose(y[..., half:], -y[..., :half], atol=1e-4)
    rows = patches(images, size)
    power = scipy.linalg.eigvalsh(rows.T @ rows / len(rows))
    responses = y[..., :half].reshape(-1, half)
    np.testing.assert_allclose(
        responses.T @ responses / len(responses),
        np.diag(power / (power + 0.01)),
        atol=1e-3,
    )


def test_without_epsilon_to_speak_of_the_second_moments_are_the_identity():
    images = RNG.normal(size=(50, 8, 8, 3)).astype("float32") @ np.diag([1, 2, 5])
    layer = layers.WhiteningConv2D(epsilon=1e-9)
    layer.adapt(images)
    y = np.float64(layer(images))[..., :12].reshape(-1, 12)
    np.testing.assert_allclose(y.T @ y / len(y), np.eye(12), atol=1e-4)


def test_dependent_channels_leave_finite_filters():
    layer = layers.WhiteningConv2D(epsilon=1e-30)
    layer.adapt(np.repeat(correlated(channels=1), 3, axis=-1))
    assert np.isfinite(layer.kernel).all()


def test_adapting_does_not_depend_on_the_batches():
    images = correlated()
    kernels = []
    for size in (1, 7, 40, 512):
        layer = layers.WhiteningConv2D()
        layer.adapt(tf.constant(images), batch_size=size)
        kernels.append(np.asarray(layer.kernel))
    for kernel in kernels[1:]:
        np.testing.assert_allclose(np.abs(kernel), np.abs(kernels[0]), atol=1e-4)


def test_only_the_bias_trains_whatever_is_switched():
    layer = layers.WhiteningConv2D()
    layer.adapt(correlated())
    before = layer.kernel.numpy()
    for value in (False, True):
        layer.trainable = value
        assert layer.trainable_weights == ([layer.bias] if value else [])
    model = keras.Sequential([keras.Input((9, 9, 3)), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(correlated(), np.ones((40, 8, 8, 24)), verbose=0)
    np.testing.assert_array_equal(layer.kernel, before)
    assert np.abs(layer.bias).min() > 0


def test_adapted_kernels_survive_saving(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((9, 9, 3)),
            layers.WhiteningConv2D(activation="relu", padding="same", name="w"),
        ]
    )
    layers.adapt(model, correlated())
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    layer = again.get_layer("w")
    assert layer.adapted
    assert [w.name for w in layer.trainable_weights] == ["bias"]
    assert layer.get_config() == model.get_layer("w").get_config()
    np.testing.assert_array_equal(again(correlated()), model(correlated()))


def test_an_unadapted_layer_is_a_random_frozen_convolution():
    layer = layers.WhiteningConv2D()
    assert not layer.adapted
    assert layer.compute_output_shape((None, 9, 9, 3)) == (None, 8, 8, 24)
    assert layer(correlated()).shape == (40, 8, 8, 24)
    assert not layer.adapted
    assert layer.trainable_weights == [layer.bias]
    limit = np.sqrt(6 / (4 * 3 + 4 * 24))  # Glorot's
    assert 0.9 * limit < np.abs(layer.kernel).max() <= limit


def test_half_precision_adapts_in_double():
    images = tf.cast(correlated(), "bfloat16")
    half = layers.WhiteningConv2D(dtype="mixed_bfloat16")
    full = layers.WhiteningConv2D()
    half.adapt(images)
    full.adapt(tf.cast(images, "float32"))
    assert half(images).dtype == "bfloat16"
    np.testing.assert_array_equal(half.kernel, full.kernel)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((9, 9, 3), "float32"), r"\(n, height, width, channels\).*\(9, 9, 3"),
        (np.zeros((4, 9, 9, 3), "uint8"), "must be floats.*uint8.*x / 255 if you do"),
        (np.zeros((4, 1, 9, 3), "float32"), "1×9 are smaller than the 2×2 patches"),
        (np.zeros((1, 3, 3, 3), "float32"), "4 patches of 2×2.*12 values.*more images"),
        (np.full((4, 9, 9, 3), np.nan), "NaN or infinity"),
        (np.full((4, 9, 9, 3), np.inf), "NaN or infinity"),
    ],
)
def test_images_that_nothing_can_adapt_to(images, message):
    with pytest.raises(ValueError, match=message):
        layers.WhiteningConv2D().adapt(images)


def test_images_of_another_number_of_channels():
    layer = layers.WhiteningConv2D()
    layer.build((None, 9, 9, 3))
    with pytest.raises(ValueError, match=r"width, 3\); given: \(40, 9, 9, 1\)"):
        layer.adapt(correlated(channels=1))


@pytest.mark.parametrize("batch_size", [0, -1, 2.5])
def test_bad_batch_size(batch_size):
    with pytest.raises(ValueError, match="batch_size must be a positive integer"):
        layers.WhiteningConv2D().adapt(correlated(), batch_size=batch_size)
    with pytest.raises(ValueError, match="batch_size must be a positive integer"):
        layers.adapt(whitening_network(), correlated(), batch_size=batch_size)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 8}, "Unknown argument of WhiteningConv2D 'filters'. .*Accepted"),
        ({"strides": 2}, "Unknown argument of WhiteningConv2D 'strides'"),
        ({"epsilon": 0}, "positive number; given: 0"),
        ({"epsilon": "small"}, "positive number; given: 'small'"),
        ({"epsilon": np.inf}, "positive number; given: inf"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"padding": "causal"}, "padding"),
    ],
)
def test_bad_arguments_of_whitening(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.WhiteningConv2D(**arguments)


@pytest.mark.parametrize("shape", [(None, 9, 3), (None, 9, 9, None)])
def test_whitening_needs_images_of_known_channels(shape):
    with pytest.raises(ValueError, match="known number of channels; given"):
        layers.WhiteningConv2D().build(shape)


# --- adapt --------------------------------------------------------------------------


def whitening_network(**entry):
    inputs = keras.Input((9, 9, 3), **entry)
    x = keras.layers.Rescaling(1 / 3, offset=-0.5)(inputs)
    x = layers.WhiteningConv2D(activation="relu", name="first")(x)
    x = keras.layers.MaxPooling2D(2)(x)
    x = layers.WhiteningConv2D((1, 2), name="second")(x)
    return keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(x), name="two")


def test_each_layer_adapts_to_what_reaches_it():
    images = correlated(n=200)
    model = whitening_network()
    assert layers.adapt(model, images, batch_size=64) is model
    reaching = images / 3 - 0.5
    for name in ("first", "second"):
        by_hand = layers.WhiteningConv2D(model.get_layer(name).kernel_size)
        by_hand.adapt(reaching)
        layer = model.get_layer(name)
        assert layer.adapted
        first, second = (
            np.tensordot(k.numpy(), k.numpy(), (-1, -1))
            for k in (layer.kernel, by_hand.kernel)
        )
        np.testing.assert_allclose(
            first, second, rtol=1e-3, atol=1e-3 * np.abs(second).max()
        )
        reaching = keras.layers.MaxPooling2D(2)(layer(reaching))


def test_adapted_layers_stay_as_they_are():
    model = layers.adapt(whitening_network(), correlated(n=200))
    before = model.get_weights()
    layers.adapt(model, correlated(n=200) + 5)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Subclassed(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, inputs):
        return self.layer(inputs)


def test_models_without_whitening_are_left_alone():
    a, b = keras.Input((2,)), keras.Input((2,))
    for model in (
        keras.Model([a, b], keras.layers.Add()([a, b])),
        Subclassed(keras.layers.Dense(2)),
        keras.Sequential([keras.layers.Dense(2)]),
    ):
        assert layers.adapt(model, np.zeros((4, 2), "uint8")) is model


def two_inputs():
    a, b = keras.Input((9, 9, 3)), keras.Input((9, 9, 3))
    return keras.Model([a, b], layers.WhiteningConv2D()(keras.layers.Add()([a, b])))


def nested():
    entry = keras.Input((9, 9, 3))
    return keras.Model(entry, whitening_network()(keras.layers.ReLU()(entry)))


def used_before_in_another_model():
    layer = layers.WhiteningConv2D()
    layer(keras.Input((9, 9, 3)))
    entry = keras.Input((9, 9, 3))
    return keras.Model(entry, layer(entry))


def test_a_layer_applied_twice_adapts_to_the_first_place():
    entry = keras.Input((9, 9, 3))
    layer = layers.WhiteningConv2D()
    model = keras.Model(entry, [layer(entry), layer(keras.layers.ReLU()(entry))])
    by_hand = layers.WhiteningConv2D()
    by_hand.adapt(correlated())
    layers.adapt(model, correlated())
    np.testing.assert_array_equal(layer.kernel.numpy(), by_hand.kernel.numpy())


@pytest.mark.parametrize(
    "build",
    [
        two_inputs,
        nested,
        used_before_in_another_model,
        lambda: Subclassed(layers.WhiteningConv2D()),
        lambda: keras.Sequential([layers.WhiteningConv2D()]),
    ],
)
def test_where_it_cannot_be_said_what_reaches_a_layer(build):
    with pytest.raises(ValueError, match=r"Can't say what reaches layer.*own adapt"):
        layers.adapt(build(), correlated())


def test_integer_images_are_refused_before_a_layer_makes_them_floats():
    with pytest.raises(ValueError, match=r"must be floats.*uint8"):
        layers.adapt(whitening_network(), correlated().astype("uint8"))


def test_adapting_a_mirrored_model(two_cpus):
    with two_cpus.scope():
        model = layers.adapt(whitening_network(), correlated(n=200))
    expected = layers.adapt(whitening_network(), correlated(n=200))
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    plain = layers.to_keras(model)
    np.testing.assert_allclose(
        plain(correlated()), model(correlated()), rtol=1e-4, atol=1e-4
    )


# --- to_keras -----------------------------------------------------------------------


def rich_network():
    """A model of all that to_keras changes, and of layers of many kinds."""
    inner_entry = keras.Input((None, None, 6))
    x = layers.FusedBatchNormalization(scale=False, name="inner_norm")(inner_entry)
    inner = keras.Model(inner_entry, keras.layers.ReLU()(x), name="inner")
    normalization = keras.layers.Normalization(name="scaling")
    normalization.adapt(correlated())
    conv = layers.Conv2D(
        6, 3, kernel_initializer=initializers.Dirac(seed=1), name="conv"
    )

    entry = keras.Input((9, 9, 3))
    x = layers.WhiteningConv2D(activation="relu", name="whiten")(normalization(entry))
    x = keras.layers.Dropout(0.5)(inner(conv(x)))
    x = keras.layers.SeparableConv2D(6, 2, use_bias=False, name="frozen")(x)
    x = inner(x)
    x = keras.layers.Reshape((-1, 6))(x)
    x = keras.layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = keras.layers.TimeDistributed(keras.layers.Dense(4), name="each")(x)
    x = keras.layers.LSTM(5, name="lstm")(x)
    out = keras.layers.Dense(2, dtype="float32", name="head")(x)
    model = keras.Model(entry, {"out": out}, name="rich")
    model.get_layer("frozen").trainable = False
    return layers.adapt(model, correlated())


def give_random_statistics(model):
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if "moving" in weight.path or "beta" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_plain_model_is_equal_and_loads_without_kerasopt(policy, tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = rich_network()
    finally:
        keras.config.set_dtype_policy(before)
    give_random_statistics(model)
    loss = losses.SmoothedSparseCategoricalCrossentropy(0.1)
    model.compile("adam", {"out": loss})
    expected = model(correlated())["out"]

    plain = layers.to_keras(model)

    rtol = 1e-5 if policy == "float32" else 0.05
    np.testing.assert_allclose(plain(correlated())["out"], expected, rtol, rtol)
    assert plain.name == "rich"
    assert [x.name for x in plain.layers] == [x.name for x in model.layers]
    policies = [
        [x.dtype_policy.name for x in graph.layers(m) if x.weights]
        for m in (plain, model)
    ]
    assert policies[0] == policies[1]
    assert not plain.get_layer("frozen").trainable
    assert not plain.compiled
    path = tmp_path / "model.keras"
    plain.save(path)
    with zipfile.ZipFile(path) as archive:
        assert b"kerasopt" not in archive.read("config.json")
    again = keras.models.load_model(path)
    np.testing.assert_array_equal(
        again(correlated())["out"], plain(correlated())["out"]
    )


def test_the_original_model_is_left_as_it_was():
    model = rich_network()
    before = model.get_weights()
    inside = model.get_layer("whiten").input
    plain = layers.to_keras(model)
    for weight in plain.weights:
        weight.assign(keras.ops.zeros_like(weight))
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.get_layer("whiten").input is inside


def test_sequential_model_becomes_plain():
    model = keras.Sequential(
        [
            keras.Input((9, 9, 3), name="pixels"),
            layers.WhiteningConv2D(use_bias=False, name="whiten"),
            layers.FusedBatchNormalization(name="norm"),
        ],
        name="row",
    )
    layers.adapt(model, correlated())
    give_random_statistics(model)
    plain = layers.to_keras(model)
    assert [type(x) for x in plain.layers[1:]] == [
        keras.layers.Conv2D,
        keras.layers.BatchNormalization,
    ]
    assert [x.name for x in plain.layers] == ["pixels", "whiten", "norm"]
    assert plain.name == "row"
    np.testing.assert_allclose(
        plain(correlated()), model(correlated()), rtol=1e-5, atol=1e-5
    )


def test_models_that_need_no_kerasopt_or_cannot_be_rebuilt_are_returned():
    for model in (
        small_network(keras.layers.BatchNormalization),
        Subclassed(layers.FusedBatchNormalization()),
        keras.Sequential([keras.layers.Dense(2)]),
    ):
        assert layers.to_keras(model) is model


def test_layers_that_keras_does_not_rebuild_are_named():
    entry = keras.Input((9, 9, 3))
    x = keras.layers.Lambda(lambda images: 2 * images)(entry)
    model = keras.Model(entry, layers.FusedBatchNormalization()(x))
    with pytest.raises(ValueError, match="Python lambda"):
        layers.to_keras(model)


def test_a_layer_of_kerasopt_inside_another_is_refused():
    inner = layers.FusedBatchNormalization()
    model = keras.Sequential(
        [keras.Input((2, 9, 9, 3)), keras.layers.TimeDistributed(inner, name="each")]
    )
    with pytest.raises(ValueError, match=r"FusedBatchNormalization inside 'each'"):
        layers.to_keras(model)


def test_an_initializer_of_kerasopt_is_reason_enough():
    model = keras.Sequential(
        [
            keras.Input((9, 9, 3)),
            keras.layers.Conv2D(3, 3, kernel_initializer=initializers.Dirac()),
        ]
    )
    plain = layers.to_keras(model)
    assert "kerasopt" not in plain.to_json()
    np.testing.assert_array_equal(plain(correlated()), model(correlated()))


# Normalisation by the data.


def test_normalization_is_that_of_keras_and_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.normal([3.0, -1.0, 0.5], [4.0, 0.1, 1.0], (700, 5, 4, 3)).astype("float32")
    ours, theirs = layers.Normalization(), keras.layers.Normalization()
    ours.adapt(x, batch_size=256)
    theirs.adapt(x)
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-4)  # Its sums are float32.
    scaled = StandardScaler().fit_transform(x.reshape(-1, 3)).reshape(x.shape)
    np.testing.assert_allclose(ours(x), scaled, atol=1e-5)


def test_a_constant_channel_is_only_centred():
    x = np.stack([np.arange(8.0), np.full(8, 7.0)], axis=1)
    layer = layers.Normalization()
    layer.adapt(x)
    np.testing.assert_allclose(layer(x + 1), StandardScaler().fit(x).transform(x + 1))


def test_compiled_steps_see_statistics_that_are_set_later():
    """Keras's own keeps those that it was compiled with."""
    model = keras.Sequential([keras.Input((2,)), layers.Normalization()])
    x = np.array([[1.0, 2.0], [3.0, 6.0]], "float32")
    assert not model.layers[0].adapted
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)
    layers.adapt(model, x)
    assert model.layers[0].adapted
    np.testing.assert_allclose(model.predict(x, verbose=0), [[-1, -1], [1, 1]])
    other = keras.models.clone_model(model)
    other.predict(x, verbose=0)
    other.set_weights(model.get_weights())
    np.testing.assert_allclose(other.predict(x, verbose=0), [[-1, -1], [1, 1]])


def test_whitening_adapts_to_what_is_normalised_in_the_same_pass(tmp_path):
    images = correlated(n=200) * 9 + 4
    entry = keras.Input(images.shape[1:])
    x = layers.Normalization(name="norm")(entry)
    x = layers.WhiteningConv2D(name="whitening")(x)
    model = layers.adapt(keras.Model(entry, x), images)
    assert model.get_layer("norm").adapted
    alone = layers.WhiteningConv2D()
    alone.adapt(np.asarray(model.get_layer("norm")(images)))
    np.testing.assert_allclose(model(images), alone(model.layers[1](images)), rtol=1e-4)
    weights = [np.array(w) for w in model.weights]
    layers.adapt(model, images + 1)  # Adapted layers stay.
    for before, after in zip(weights, model.weights, strict=True):
        np.testing.assert_array_equal(before, after)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert loaded.get_layer("norm").adapted
    np.testing.assert_array_equal(loaded(images), model(images))
    plain = layers.to_keras(model)
    assert type(plain.get_layer("norm")) is keras.layers.Normalization
    np.testing.assert_allclose(plain(images), model(images), atol=1e-4)
    plain.save(tmp_path / "plain.keras")
    again = keras.saving.load_model(tmp_path / "plain.keras")
    np.testing.assert_array_equal(again(images), plain(images))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((0, 3)), "needs samples to adapt to"),
        (np.zeros((4, 2)), "statistics of \\(3,\\) channels; given samples of shape"),
        (np.full((4, 3), np.nan), "hold NaN or infinity"),
    ],
)
def test_samples_that_normalization_cannot_adapt_to(samples, message):
    layer = layers.Normalization()
    layer.build((None, 3))
    with pytest.raises(ValueError, match=message):
        layer.adapt(samples)


def test_only_models_adapt():
    with pytest.raises(TypeError, match=r"model must be a keras\.Model; given: 3"):
        layers.adapt(3, np.ones((4, 8, 8, 3), "float32"))
