"""kerasopt.models.heads: every model for every task."""

import itertools

import keras
import numpy as np
import pytest
from thinning import slow_unless

from kerasopt import models, tasks
from kerasopt.models import heads

SHAPE = {"input_shape": (20, 20, 3)}
OUTPUTS = [
    ("binary", 2, "softmax"),
    ("multiclass", 5, "softmax"),
    ("multilabel", 1, "sigmoid"),
    ("multilabel", 5, "sigmoid"),
    ("regression", 1, "linear"),
    ("regression", 3, "linear"),
]


def data_of(task, outputs, count=12):
    rng = np.random.default_rng(0)
    x = rng.random((count, *SHAPE["input_shape"])).astype("float32")
    if tasks.get(task).has_classes:
        return x, np.arange(count) % outputs
    y = rng.random((count, outputs))
    return x, (y > 0.5 if task == "multilabel" else y).astype("float32")


LOSSES = {"multilabel": "binary_crossentropy", "regression": "mse"}


POLICIES = ["float32", "mixed_bfloat16"]
GIVEN = {"transfer": {"weights": None, "image_size": 32, "unfreeze": 4}}
"""Arguments of factories that would download something, or train too little."""
CASES = [
    (name, *output, policy)
    for name, output, policy in itertools.product(models.names(), OUTPUTS, POLICIES)
]


def is_quick(name, task, outputs, activation, policy):
    """One model with every output in float32, others of few layers in bfloat16."""
    if name == "mlp":
        return policy == "float32"
    few = name in ("cnn", "airbench", "stages", "chapter_cnn")
    return few and (task, policy) == ("multiclass", "mixed_bfloat16")


@pytest.mark.parametrize(
    ("name", "task", "outputs", "activation", "policy"), slow_unless(is_quick, CASES)
)
def test_every_model_for_every_task(name, task, outputs, activation, policy, tmp_path):
    shape = {**SHAPE, "num_classes": outputs}
    keras.config.set_dtype_policy(policy)
    try:
        model = models.get({"name": name, **GIVEN.get(name, {})}, task=task, **shape)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output_shape == (None, outputs)
    assert model.layers[-1].activation is keras.activations.get(activation)
    x, y = data_of(task, outputs)
    predicted = model.predict(x, verbose=0)
    assert predicted.dtype == np.float32
    if activation == "softmax":
        np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-6)
    if activation == "sigmoid":
        assert predicted.min() > 0
        assert predicted.max() < 1
    model.compile("sgd", LOSSES.get(task, "sparse_categorical_crossentropy"))
    before = [np.array(w) for w in model.trainable_weights]
    loss = model.train_on_batch(x, y)
    assert np.isfinite(float(loss))
    after = [np.array(w) for w in model.trainable_weights]
    moved = [np.any(a != b) for a, b in zip(before, after, strict=True)]
    assert sum(moved) > len(moved) / 2
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )


def test_another_head_changes_no_other_layer():
    spec = {"name": "cnn", "filters": [4, 8], "dense": [6], **SHAPE}
    classifier = models.get(spec, num_classes=5)
    labels = models.get(spec, num_classes=5, task="multilabel")
    assert labels.name == "cnn"
    kinds = [[type(x) for x in m.layers] for m in (classifier, labels)]
    assert kinds[0] == kinds[1]
    assert classifier.count_params() == labels.count_params()
    labels.set_weights(classifier.get_weights())
    x, _ = data_of("multilabel", 5)
    logits = keras.Model(classifier.input, classifier.get_layer("logits").output)
    expected = 1 / (1 + np.exp(-logits.predict(x, verbose=0)))
    np.testing.assert_allclose(labels.predict(x, verbose=0), expected, rtol=1e-5)


def test_what_scales_the_logits_stays():
    arguments = {**SHAPE, "num_classes": 2, "task": "multilabel", "widths": [4]}
    small, large = (
        models.get("airbench", logit_scale=scale, **arguments) for scale in (0.1, 1.0)
    )
    large.set_weights(small.get_weights())
    x, _ = data_of("multilabel", 2)
    logits = [
        np.log(p / (1 - p)) for p in (m.predict(x, verbose=0) for m in (small, large))
    ]
    np.testing.assert_allclose(logits[0], 0.1 * logits[1], rtol=1e-3, atol=1e-6)


def test_a_head_of_convolutions():
    entry = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1)(entry)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(entry, keras.layers.Softmax()(x))
    found = heads.replace(model, "regression", 2)
    assert found.output_shape == (None, 2)
    assert not any(isinstance(each, keras.layers.Softmax) for each in found.layers)


def two_outputs():
    entry = keras.Input((4,))
    ends = [keras.layers.Dense(2)(entry) for _ in range(2)]
    return keras.Model(entry, ends)


def no_kernel():
    entry = keras.Input((4,))
    return keras.Model(entry, keras.layers.Softmax()(entry))


def two_branches():
    entry = keras.Input((4,))
    branches = [keras.layers.Dense(2)(entry) for _ in range(2)]
    return keras.Model(entry, keras.layers.Add()(branches))


class Subclassed(keras.Model):
    """A model without a graph."""


@pytest.mark.parametrize("build", [two_outputs, no_kernel, two_branches, Subclassed])
def test_a_model_without_a_head_is_refused(build):
    model = build()
    with pytest.raises(ValueError, match="its output can't be replaced"):
        heads.replace(model, "regression", 1)
    assert heads.replace(model, "multiclass", 2) is model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "regresion", "num_classes": 1}, "Did you mean 'regression'"),
        ({"task": "regression", "num_classes": 0}, "number of labels or targets"),
        ({"task": "multilabel", "num_classes": "3"}, "given: '3'"),
        ({"task": "multilabel"}, "given: None"),
        ({"task": "multiclass", "num_classes": 1}, "num_classes must be"),
        ({"task": "binary", "num_classes": 1}, "num_classes must be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.get("mlp", **SHAPE, **arguments)
