"""Mixed labels in training: every task, weights, streams, and what can't be mixed."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from thinning import slow_unless

import kerasopt as ko
from kerasopt.training.batches import Feed
from kerasopt.training.label_mixing import LabelMixing
from kerasopt.training.spec import TrainingSettings

L = keras.layers
RNG = np.random.default_rng(0)
# The test samples are the training's: what is measured is no matter here.
pytestmark = [
    pytest.mark.usefixtures("no_report"),
    pytest.mark.filterwarnings("ignore:.* test samples are also training"),
]

X = RNG.uniform(size=(48, 6, 6, 1)).astype("float32")
CLASSES = np.arange(48) % 3
TWO = np.arange(48) % 2
SEVERAL = RNG.integers(0, 2, (48, 3))
NUMBERS = X.mean((1, 2, 3)) * 10


def net(units, activation, shape=(6, 6, 1)):
    layers = [L.Flatten(), L.Dense(units, activation=activation)]
    return lambda: keras.Sequential([keras.Input(shape), *layers])


# Labels, network, loss, whether training accuracy is shown
TASKS = {
    "multiclass": (CLASSES, net(3, "softmax"), "categorical_crossentropy", True),
    "one-hot": (
        np.eye(3)[CLASSES],
        net(3, "softmax"),
        "categorical_crossentropy",
        True,
    ),
    "logits": (CLASSES, net(3, None), "categorical_crossentropy", True),
    "binary": (TWO, net(1, "sigmoid"), "binary_crossentropy", True),
    "two classes": (TWO, net(2, "softmax"), "categorical_crossentropy", True),
    "names": (
        np.array(["a", "b", "c"])[CLASSES],
        net(3, "softmax"),
        "categorical_crossentropy",
        True,
    ),
    "multilabel": (SEVERAL, net(3, "sigmoid"), "binary_crossentropy", True),
    "regression": (NUMBERS, net(1, None), "mean_squared_error", False),
}


@pytest.mark.parametrize(
    ("name", "augment"),
    slow_unless(
        lambda name, augment: (augment == "mixup") != (name in ("binary", "logits")),
        itertools.product(TASKS, ["mixup", "cutmix"]),
    ),
)
def test_every_task(name, augment, quick):
    labels, build, loss, has_accuracy = TASKS[name]
    data = ko.data.from_arrays(X, labels, validation=0.25, test=(X, labels))
    run = ko.fit(build, data, augment=augment, epochs=2, **quick)
    assert run.model.loss.name == loss
    assert np.isfinite(run.history[["loss", "val_loss"]]).all(axis=None)
    assert ("accuracy" in run.history) == has_accuracy
    # Measured on labels as they came.
    measure = "test_accuracy" if has_accuracy and name != "multilabel" else None
    assert measure is None or 0 <= run.metrics[measure] <= 1
    loaded = ko.Run.load(run.directory)
    np.testing.assert_allclose(
        loaded.predict(X[:3]), run.predict(X[:3]), rtol=1e-5, atol=1e-6
    )


def batch_of(labels, *, augment, mixing, weights=None, stream=False, class_weight=None):
    """Return the first training batch of 48 samples, numbered in hundredths."""
    x = np.zeros((48, 4, 4, 1), "float32") + np.arange(48).reshape(-1, 1, 1, 1) / 100
    if stream:
        parts = (x, labels) if weights is None else (x, labels, weights)
        content = tf.data.Dataset.from_tensor_slices(parts).batch(48)
        data = ko.data.from_stream(content)
    else:
        data = ko.data.from_arrays(x, labels, sample_weight=weights, validation=None)
    feed = Feed(data, class_weight=class_weight)
    feed.mixing = mixing
    source = feed.training(
        TrainingSettings(batch_size=48), augmentation=ko.augment.get(augment)
    )
    source.begin(0)
    return [part.numpy() for part in next(source.iterator)]


@pytest.mark.parametrize("stream", [False, True])
def test_labels_follow_the_images_through_the_pipeline(stream):
    """A sample is its number and so is its label: both stay equal when mixed."""
    images, labels = batch_of(
        np.arange(48.0), augment="mixup", mixing=LabelMixing(None, False), stream=stream
    )
    np.testing.assert_allclose(100 * images[:, 0, 0, 0], labels, atol=1e-3)
    assert (np.abs(labels - np.round(labels)) > 1e-3).any()


@pytest.mark.parametrize("stream", [False, True])
def test_classes_become_rows_of_shares(stream):
    images, labels = batch_of(
        np.arange(48), augment="cutmix", mixing=LabelMixing(48, True), stream=stream
    )
    np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(
        labels @ np.arange(48), 100 * images.mean((1, 2, 3)), atol=1e-2
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("by_class", [False, True])
def test_weights_are_mixed(stream, by_class):
    weights = np.where(CLASSES == 0, 5.0, 1.0).astype("float32")
    given = {"class_weight": {0: 5.0, 1: 1.0, 2: 1.0}} if by_class else {}
    _, labels, found = batch_of(
        CLASSES,
        augment="mixup",
        mixing=LabelMixing(3, True),
        weights=None if by_class else weights,
        stream=stream,
        **given,
    )
    # The share of the heavy class, from the mixed weight: 5 s + (1 - s) = w.
    share = (found - 1) / 4
    np.testing.assert_allclose(labels[:, 0], 5 * share / found, atol=1e-5)


def test_a_chain_mixes_in_its_order(quick):
    data = ko.data.from_arrays(X, CLASSES, validation=0.25)
    chain = [{"name": "crop", "padding": 1}, {"name": "mixup", "alpha": 0.2}, "noise"]
    run = ko.fit(net(3, "softmax"), data, augment=chain, epochs=1, **quick)
    assert run.recipe["augment"] == chain
    # Measured after the training by labels in the form that was trained.
    last = run.history.iloc[-1]
    assert run.metrics["val_loss"] == pytest.approx(last["val_loss"], rel=1e-4)
    assert run.metrics["val_accuracy"] == pytest.approx(last["val_accuracy"])


def test_tables_are_mixed_too(quick):
    x = RNG.normal(size=(48, 5)).astype("float32")
    run = ko.fit(
        net(3, "softmax", (5,)), (x, CLASSES), augment="mixup", epochs=1, **quick
    )
    assert "accuracy" in run.history


def test_a_run_without_mixing_after_one_with_it(quick):
    """The same data and cached batches, labels as integers again."""
    data = ko.data.from_arrays(X, CLASSES, validation=0.25)
    feeds = []
    for augment in ("mixup", None):
        run = ko.fit(
            net(3, "softmax"),
            data,
            augment=augment,
            epochs=1,
            **{**quick, "directory": quick["directory"] / str(augment)},
        )
        feeds.append(run.model.loss.name)
    assert feeds == ["categorical_crossentropy", "sparse_categorical_crossentropy"]


def compiled(loss):
    model = net(3, "softmax")()
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def test_a_compiled_model_keeps_its_loss(quick):
    model = compiled("categorical_crossentropy")
    run = ko.fit(model, (X, CLASSES), augment="mixup", epochs=1, **quick)
    assert 0 <= run.history["accuracy"][0] <= 1


def two_inputs():
    a, b = keras.Input((6, 6, 1)), keras.Input((6, 6, 1))
    both = L.Concatenate()([L.Flatten()(a), L.Flatten()(b)])
    return keras.Model([a, b], L.Dense(3, activation="softmax")(both))


def two_outputs():
    a = keras.Input((6, 6, 1))
    flat = L.Flatten()(a)
    return keras.Model(a, [L.Dense(3, activation="softmax")(flat), L.Dense(1)(flat)])


BAD = {
    "sparse loss": (
        lambda: (net(3, "softmax"), (X, CLASSES)),
        {"loss": "sparse_categorical_crossentropy"},
        r"MixUp mixes labels to shares.*loss='auto'.*'categorical_crossentropy'",
    ),
    "sparse loss of the model": (
        lambda: (compiled("sparse_categorical_crossentropy"), (X, CLASSES)),
        {},
        "MixUp mixes labels to shares.*'sparse_categorical_crossentropy'",
    ),
    "several inputs": (
        lambda: (two_inputs, ((X, X), CLASSES)),
        {},
        "one input and one output; the data have several",
    ),
    "several outputs": (
        lambda: (two_outputs, (X, (CLASSES, NUMBERS))),
        {"loss": ["sparse_categorical_crossentropy", "mse"]},
        "one input and one output; the data have several",
    ),
    "no labels": (
        lambda: (
            lambda: keras.Sequential([keras.Input((6, 6, 1)), L.Conv2D(1, 1)]),
            tf.data.Dataset.from_tensor_slices(X).batch(8),
        ),
        {"loss": None},
        "labels",
    ),
    "images as targets": (
        lambda: (
            lambda: keras.Sequential([keras.Input((6, 6, 1)), L.Conv2D(1, 1)]),
            (X, X),
        ),
        {"loss": "mse"},
        r"labels of shape \(n,\) or \(n, k\); these have the shape \(n, 6, 6, 1\)",
    ),
    "indices": (
        lambda: (
            lambda: keras.Sequential(
                [
                    keras.Input((4,), dtype="int32"),
                    L.Embedding(9, 3),
                    L.Flatten(),
                    L.Dense(3, activation="softmax"),
                ]
            ),
            (RNG.integers(0, 9, (48, 4)), CLASSES),
        ),
        {},
        "indices have no mean",
    ),
    "no task": (
        lambda: (net(3, "softmax"), (X, CLASSES)),
        {"task": None, "loss": "mse"},
        "without a task whole numbers may be anything",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refused_before_the_first_step(case, quick):
    make, arguments, message = BAD[case]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ko.fit(*make(), augment="mixup", **arguments, **quick)
    assert not quick["directory"].exists()


def test_cutmix_of_tables_is_refused(quick):
    x = RNG.normal(size=(48, 5)).astype("float32")
    with pytest.raises(ValueError, match="cutmix needs a batch of images"):
        ko.fit(net(3, "softmax", (5,)), (x, CLASSES), augment="cutmix", **quick)


def test_accuracy_of_mixed_labels_counts_the_nearer_class():
    metric = ko.metrics.get("accuracy", task="binary", num_outputs=1)
    metric.update_state([[0.7], [0.2]], [[0.9], [0.6]])
    assert float(metric.result()) == 0.5
