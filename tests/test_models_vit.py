"""kerasopt.models.vit and transformer_block: sizes, the formula, masks, limits."""

import keras
import numpy as np
import pytest
import scipy.special
from thinning import slow_unless

from kerasopt import layers, models
from kerasopt.models import blocks

TINY = {
    "input_shape": (8, 12, 3),
    "num_classes": 3,
    "patch_size": 4,
    "width": 8,
    "depth": 1,
    "num_heads": 2,
}
IMAGENET = {"input_shape": (224, 224, 3), "num_classes": 1000, "patch_size": 16}
SIZES = [
    # Touvron et al. (2020), table 1 (5, 22 and 86 million); timm's models have 5.72,
    # 22.05 and 86.57: 2 · width more, which are added up with others.
    (192, 3, 5_717_416),
    (384, 6, 22_050_664),
    (768, 12, 86_567_656),
]


@pytest.mark.parametrize(
    ("width", "heads", "parameters"), slow_unless(lambda w, *_: w == 192, SIZES)
)
def test_parameters_are_the_papers(width, heads, parameters):
    model = models.vit(**IMAGENET, width=width, depth=12, num_heads=heads, pool="token")
    assert model.count_params() == parameters - 2 * width


def images(count=2):
    return np.random.default_rng(0).random((count, 8, 12, 3)).astype("float32")


def test_patches_are_those_of_a_convolution():
    """Kernel and positions against Keras's Conv2D with strides."""
    model = models.vit(**TINY)
    kernel, positions = model.get_layer("patches").get_weights()
    convolution = keras.layers.Conv2D(8, 4, strides=4)
    convolution.build((None, 8, 12, 3))
    convolution.set_weights([kernel.reshape(4, 4, 3, 8), np.zeros(8)])
    expected = np.reshape(convolution(images()), (2, 6, 8)) + positions
    found = keras.Model(model.input, model.get_layer("patches").output)(images())
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_the_class_token_is_a_position_without_a_patch():
    model = models.vit(**TINY, pool="token")
    bias = model.get_layer("patches").bias
    assert bias.shape == (7, 8)
    found = keras.Model(model.input, model.get_layer("patches").output)(images())
    np.testing.assert_allclose(found[:, 0], np.tile(bias[0], (2, 1)), rtol=1e-6)
    ends = [model.get_layer(name).output for name in ("norm", "token_features")]
    norm, token = keras.Model(model.input, ends)(images())
    np.testing.assert_array_equal(token, norm[:, 0])


def normalised(x, layer):
    gamma, beta = layer.get_weights()
    spread = np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return (x - x.mean(-1, keepdims=True)) / spread * gamma + beta


def attended(x, layer, allowed):
    weights = layer.get_weights()
    query, key, value = (
        np.einsum("btc,chk->bhtk", x, w) + b[None, :, None]
        for w, b in zip(weights[:6:2], weights[1:6:2], strict=True)
    )
    scores = query @ key.swapaxes(2, 3) / np.sqrt(query.shape[-1])
    scores = np.where(allowed, scores, -1e9)
    mixed = scipy.special.softmax(scores, axis=-1) @ value
    return np.einsum("bhtk,hkc->btc", mixed, weights[6]) + weights[7]


@pytest.mark.parametrize("causal", [False, True])
def test_a_transformer_block_is_the_papers_formula(causal):
    entry = keras.Input((5, 8))
    x = blocks.transformer_block(entry, 2, mlp_ratio=3, causal=causal, name="block")
    model = keras.Model(entry, x)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    x = rng.normal(size=(3, 5, 8))
    allowed = np.tril(np.ones((5, 5), bool)) if causal else True
    layer = model.get_layer
    norm = normalised(x, layer("block_norm"))
    h = x + attended(norm, layer("block_attention"), allowed)
    inner = normalised(h, layer("block_mlp_norm"))
    (w1, b1), (w2, b2) = (layer(n).get_weights() for n in ("block_mlp", "block_mlp2"))
    assert w1.shape == (8, 24)
    z = inner @ w1 + b1
    gelu = z * scipy.special.ndtr(z)  # As TensorFlow's, without the approximation.
    np.testing.assert_allclose(model(x), h + gelu @ w2 + b2, rtol=1e-3, atol=1e-4)


def test_masked_steps_are_not_seen():
    entry = keras.Input((6,), dtype="int32")
    x = keras.layers.Embedding(9, 8, mask_zero=True)(entry)
    for _ in range(2):
        x = blocks.transformer_block(x, 2)
    model = keras.Model(entry, keras.layers.GlobalAveragePooling1D()(x))
    short = keras.Model(entry, x)
    words = np.array([[3, 5, 7, 0, 0, 0]])
    model.layers[1].embeddings.assign(np.random.default_rng(0).normal(size=(9, 8)))
    before, first = np.array(model(words)), np.array(short(words))[:, :3]
    table = np.array(model.layers[1].embeddings)
    table[0] += 5  # What stands at the masked steps.
    model.layers[1].embeddings.assign(table)
    np.testing.assert_allclose(short(words)[:, :3], first, atol=1e-5)
    np.testing.assert_allclose(model(words), before, atol=1e-5)


def test_a_mask_of_ones_own_is_taken():
    entry, mask = keras.Input((5, 8)), keras.Input((5, 5), dtype="bool")
    x = blocks.transformer_block(entry, 2, attention_mask=mask)
    model = keras.Model([entry, mask], x)
    x = np.random.default_rng(0).normal(size=(1, 5, 8)).astype("float32")
    alone = np.eye(5, dtype=bool)[None]
    before = np.array(model([x, alone]))
    x[:, 4] += 1
    np.testing.assert_allclose(model([x, alone])[:, :4], before[:, :4], atol=1e-6)


def test_arguments_have_their_effect():
    model = models.vit(
        **TINY, l2=0.1, activation="relu", kernel_initializer="ones", dropout=0.2
    )
    penalised = [w for w in model.trainable_weights if w.regularizer is not None]
    assert len(penalised) == 1 + 4 + 2
    assert all(np.all(np.array(w) == 1) for w in penalised)
    rates = [x.rate for x in model.layers if isinstance(x, keras.layers.Dropout)]
    assert rates == [0.2] * 4
    assert model.get_layer("block1_mlp_activation").activation.__name__ == "relu"
    penalised = models.vit(**TINY, activity_l1=0.1)
    penalised(images())
    assert len(penalised.losses) == 1


def test_a_saved_model_needs_only_keras():
    """The table of factories shows that it loads; here, that nothing is ours."""
    model = layers.to_keras(models.vit(**TINY, pool="token"))
    assert all(type(x).__module__.startswith("keras.") for x in model.layers)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": 5}, r"patch_size must divide .*given: 5 and 8×12.*do: 1, 2, 4"),
        ({"input_shape": (1024, 1024, 3), "patch_size": 8}, "into 16,384; at most"),
        ({"num_heads": 3}, "8 features can't be shared among 3 heads"),
        ({"pool": "max"}, "pool must be one of 'mean', 'token'"),
        ({"batch_norm": True}, "Unknown argument of model 'vit' 'batch_norm'"),
        ({"mlp_ratio": 0}, "mlp_ratio must be a number > 0"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"depth": 0}, "depth must be an integer >= 1"),
        ({"width": 10**9, "num_heads": 1}, "width 1000000000 has"),
        ({"input_shape": (28, 28)}, r"\(height, width, channels\)"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.get("vit", **{**TINY, **arguments})
