"""SqueezeExcite and SelfAttention2D: formulas, saved models, plain Keras, limits."""

import zipfile

import keras
import numpy as np
import pytest
import scipy.special

from kerasopt import layers
from kerasopt.models import blocks

KINDS = [layers.SqueezeExcite, layers.SelfAttention2D]


def maps(side=4, channels=8):
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, side, side, channels)).astype("float32")


def trained(layer_or_model):
    """Give each weight a random value, the zero gain too; return what was given."""
    rng = np.random.default_rng(1)
    for weight in layer_or_model.weights:
        weight.assign(rng.normal(0, 0.4, weight.shape))
    return layer_or_model


def network(kind, name="attend", **arguments):
    entry = keras.Input((4, 4, 8), name="maps")
    x = keras.layers.Conv2D(8, 1, name="conv")(entry)
    x = kind(name=name, **arguments)(x)
    return trained(keras.Model(entry, x))


def test_squeeze_excite_is_the_papers_formula():
    layer = layers.SqueezeExcite(ratio=1)
    layer.build((None, 4, 4, 8))
    trained(layer)
    w1, b1, w2, b2 = layer.get_weights()
    x = maps()
    hidden = np.maximum(x.mean(axis=(1, 2)) @ w1 + b1, 0)
    gates = scipy.special.expit(hidden @ w2 + b2)
    np.testing.assert_allclose(layer(x), x * gates[:, None, None], rtol=1e-5)


def test_self_attention_is_kerass_over_the_rows():
    layer = layers.SelfAttention2D(num_heads=2)
    layer.build((None, 4, 4, 8))
    trained(layer)
    norm, attention = (
        keras.layers.LayerNormalization(epsilon=1e-6),
        keras.layers.MultiHeadAttention(2, 4),
    )
    x = maps()
    rows = x.reshape(3, 16, 8)
    norm.build(rows.shape)
    attention.build(rows.shape, rows.shape)
    weights = {w.path.split(layer.name, 1)[1]: np.array(w) for w in layer.weights}
    gain = weights.pop(f"/{layer.name}_gain/kernel")
    values = list(weights.values())
    norm.set_weights(values[:2])
    attention.set_weights(values[2:])
    seen = attention(norm(rows), norm(rows))
    expected = rows + gain * np.array(seen)
    np.testing.assert_allclose(layer(x), expected.reshape(x.shape), rtol=1e-4)


def test_self_attention_starts_as_the_identity_and_learns():
    model = keras.Sequential([keras.Input((4, 4, 8)), layers.SelfAttention2D()])
    x = maps()
    np.testing.assert_array_equal(model(x), x)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    y = np.flip(x, axis=1).copy()
    losses = [float(model.train_on_batch(x, y)) for _ in range(20)]
    assert losses[-1] < losses[0]
    moved = [np.abs(np.array(w)).max() > 0 for w in model.trainable_weights]
    assert all(moved)


def test_every_place_sees_all_others():
    model = network(layers.SelfAttention2D)
    x = maps()
    changed = x.copy()
    changed[:, 0, 0, 0] += 3
    difference = np.abs(np.array(model(changed)) - np.array(model(x))).max(axis=-1)
    assert (difference > 1e-6).all()


@pytest.mark.parametrize("kind", KINDS)
def test_shape_and_dtype_are_kept(kind):
    for policy in ("float32", "mixed_bfloat16"):
        layer = kind(dtype=policy)
        out = layer(maps())
        assert out.shape == (3, 4, 4, 8)
        assert out.dtype.name == layer.compute_dtype
        assert {w.dtype for w in layer.weights} == {"float32"}
    assert kind().compute_output_shape((None, 4, 4, 8)) == (None, 4, 4, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_loads_with_safe_mode(kind, tmp_path):
    model = network(kind)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(maps()), model(maps()))


def sequential(kind):
    return trained(
        keras.Sequential([keras.Input((4, 4, 8)), kind(name="attend")], name="row")
    )


def nested(kind):
    entry = keras.Input((4, 4, 8))
    inner = keras.Sequential([keras.Input((4, 4, 8)), kind(name="inside")])
    return trained(keras.Model(entry, network(kind)(inner(entry))))


def twice(kind):
    entry = keras.Input((4, 4, 8))
    layer = kind(name="attend")
    return trained(keras.Model(entry, layer(keras.layers.ReLU()(layer(entry)))))


@pytest.mark.parametrize("build", [network, sequential, nested, twice])
@pytest.mark.parametrize("kind", KINDS)
def test_becomes_plain_keras(kind, build, tmp_path):
    model = build(kind)
    plain = layers.to_keras(model)
    np.testing.assert_allclose(plain(maps()), model(maps()), rtol=1e-5, atol=1e-6)
    assert plain.count_params() == model.count_params()
    plain.save(tmp_path / "plain.keras")
    with zipfile.ZipFile(tmp_path / "plain.keras") as archive:
        assert b"kerasopt" not in archive.read("config.json")
    again = keras.saving.load_model(tmp_path / "plain.keras", safe_mode=True)
    np.testing.assert_array_equal(again(maps()), plain(maps()))


def test_what_is_frozen_stays_frozen_in_plain_keras():
    model = network(layers.SqueezeExcite)
    model.get_layer("attend").trainable = False
    plain = layers.to_keras(model)
    assert len(plain.trainable_weights) == len(model.trainable_weights) == 2


def test_precision_stays_in_plain_keras():
    model = network(layers.SelfAttention2D, dtype="mixed_bfloat16")
    plain = layers.to_keras(model)
    np.testing.assert_allclose(
        np.array(plain(maps()), "float32"),
        np.array(model(maps()), "float32"),
        atol=0.1,
    )
    inner = plain.get_layer("attend").get_layer("attend_norm")
    assert inner.dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("kind", "block"),
    [
        (layers.SqueezeExcite, blocks.squeeze_excite),
        (layers.SelfAttention2D, blocks.self_attention),
    ],
)
def test_the_block_is_the_layer(kind, block):
    entry = keras.Input((4, 4, 8))
    expanded = keras.Model(entry, block(entry, name="attend"))
    layer = kind(name="attend")
    layer.build((None, 4, 4, 8))
    trained(layer)
    expanded.set_weights(layer.get_weights())
    np.testing.assert_allclose(expanded(maps()), layer(maps()), rtol=1e-6)
    assert all(type(x).__module__.startswith("keras.") for x in expanded.layers)


def test_inside_another_layer_to_keras_says_what_it_cannot_do():
    inner = layers.SqueezeExcite()
    model = keras.Sequential(
        [keras.Input((2, 4, 4, 8)), keras.layers.TimeDistributed(inner, name="each")]
    )
    with pytest.raises(ValueError, match="SqueezeExcite inside 'each'"):
        layers.to_keras(model)


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "message"),
    [
        (
            layers.SqueezeExcite,
            {},
            (5, 8),
            r"feature maps .*given: \(None, 5, 8\)",
        ),
        (layers.SqueezeExcite, {}, (4, 4, None), "known number of channels"),
        (layers.SelfAttention2D, {}, (8,), "takes feature maps"),
        (layers.SelfAttention2D, {}, (None, None, 8), "known height and width"),
        (layers.SelfAttention2D, {}, (32, 32, 8), "at most 256 places.*32×32"),
        (layers.SqueezeExcite, {"ratio": 0}, None, "ratio must be an integer >= 1"),
        (layers.SelfAttention2D, {"num_heads": 0.5}, None, "num_heads must be"),
        (layers.SelfAttention2D, {"key_dim": 0}, None, "key_dim must be"),
        (layers.SelfAttention2D, {"zero_gain": 1}, None, "zero_gain must be True"),
    ],
)
def test_what_is_refused(kind, arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        kind(**arguments)(keras.Input(shape))
