"""What can't be trained is refused before the first step, in one clear message."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasopt as ko
from kerasopt.data import StreamError

pytestmark = pytest.mark.usefixtures("no_report")

L = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
TWO = (X[:, 0] > 0).astype(int)
THREE = np.digitize(X[:, 0], [-0.5, 0.5])
NUMBERS = 2 * X[:, 0]
SEVERAL = (X[:, :3] > 0).astype(int)
IMAGES = RNG.uniform(size=(40, 8, 8, 1)).astype("float32")
BRIGHT = (IMAGES.mean((1, 2, 3)) > 0.5).astype(int)


def net(units=1, activation="sigmoid"):
    hidden = L.Dense(4, activation="relu")
    return keras.Sequential(
        [keras.Input((4,)), hidden, L.Dense(units, activation=activation)]
    )


def of_images(*first):
    layers = [*first, L.Flatten(), L.Dense(1, activation="sigmoid")]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers])


def stateful():
    layers = [L.Reshape((4, 1)), L.SimpleRNN(2, stateful=True), L.Dense(1)]
    return keras.Sequential([keras.Input((4,), batch_size=10), *layers])


class LogsAll(keras.Model):
    """Logs an array, not a number."""

    def __init__(self):
        super().__init__()
        self.dense = L.Dense(1)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        return {"outputs": self(data[0])[:, 0]}


def batches(x=X, y=TWO, size=16):
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


def stream(content):
    return lambda: iter(content)


def with_nan(values):
    copy = values.copy()
    copy.flat[7] = np.nan
    return copy


BAD = {
    # Labels that don't fit the output
    "shape": (lambda: (net(3, "softmax"), (X, TWO)), {}, "3 outputs.* 2 classes"),
    "fewer outputs": (
        lambda: (net(2, "softmax"), (X, THREE)),
        {},
        r"2 outputs.* 3 classes.*num_classes=3",
    ),
    "from 1": (lambda: (net(3, "softmax"), (X, THREE + 1)), {}, "subtract 1"),
    "negative": (lambda: (net(3, "softmax"), (X, THREE - 1)), {}, "first is -1 at"),
    "targets": (lambda: (net(3), (X, NUMBERS)), {}, r"3 outputs.*task 'regression'"),
    "a stream of samples": (
        lambda: (net(4, None), tf.data.Dataset.from_tensor_slices(X).batch(16)),
        {},
        r"no labels.*\(x, x\) where a model reconstructs",
    ),
    "samples alone": (lambda: (net(4, None), (X,)), {}, r"no labels.*give \(x, y\)"),
    "no labels": (
        lambda: (net(), (X, np.array([None] * 60, object))),
        {},
        "first other one is None at index 0",
    ),
    "lengths": (lambda: (net(), (X, TWO[:50])), {}, "60 samples and.*50 labels"),
    "inputs": (
        lambda: (net(), (X[:, :3], TWO)),
        {},
        r"samples of shape \(4,\).*has \(3,\)",
    ),
    "one softmax": (
        lambda: (net(1, "softmax"), (X, TWO)),
        {},
        "softmax over one output.*sigmoid",
    ),
    "multilabel softmax": (
        lambda: (net(3, "softmax"), (X, SEVERAL)),
        {},
        "multilabel.*sigmoid",
    ),
    # Names
    "metric": (
        lambda: (net(), (X, TWO)),
        {"metrics": ["acurracy"]},
        "Did you mean 'accuracy'",
    ),
    "metric of another task": (
        lambda: (net(), (X, TWO)),
        {"metrics": ["r2"]},
        "'r2' doesn't fit the task 'binary'",
    ),
    "loss": (lambda: (net(), (X, TWO)), {"loss": "mze"}, "Did you mean 'mse'"),
    "field": (lambda: (net(), (X, TWO)), {"epoch": 3}, "Did you mean 'epochs'"),
    "monitor": (
        lambda: (net(), (X, TWO)),
        {"validation_data": (X, TWO), "patience": 2, "monitor": "val_acc"},
        r"'val_acc' isn't logged.*'val_accuracy'",
    ),
    "monitor of a callback": (
        lambda: (net(), (X, TWO)),
        {"callbacks": [{"name": "plateau", "monitor": "val_loss"}]},
        r"ReduceLROnPlateau watches 'val_loss'.*Logged are: 'loss', 'accuracy'",
    ),
    "monitor without validation": (
        lambda: (net(), (X, TWO)),
        {"patience": 2},
        "no validation part",
    ),
    # Values
    "NaN": (
        lambda: (net(), (with_nan(X), TWO)),
        {},
        "1 NaN or infinite.*train x|x has",
    ),
    "NaN in targets": (
        lambda: (net(1, None), (X, with_nan(NUMBERS))),
        {},
        "train y has 1 NaN",
    ),
    "NaN in validation": (
        lambda: (net(), (X, TWO)),
        {"validation_data": (with_nan(X), TWO)},
        "validation x has 1 NaN",
    ),
    # Weights
    "number of weights": (
        lambda: (net(), (X, TWO)),
        {"sample_weight": np.ones(59)},
        "59 weights for 60 samples",
    ),
    "negative weights": (
        lambda: (net(), (X, TWO)),
        {"sample_weight": -np.ones(60)},
        "60 negative weights",
    ),
    "negative weights of a stream": (
        lambda: (net(), stream([(*b, -np.ones(16)) for b in batches()[:3]])),
        {},
        "train stream has 16 negative weights, such as -1",
    ),
    "weight of an unknown class": (
        lambda: (net(), (X, TWO)),
        {"class_weight": {2: 1.0}},
        "Unknown class of class_weight '2'",
    ),
    "negative class weight": (
        lambda: (net(), (X, TWO)),
        {"class_weight": {1: -1.0}},
        "must be a number >= 0; given: -1",
    ),
    "class weights of a regression": (
        lambda: (net(1, None), (X, NUMBERS)),
        {"class_weight": "balanced"},
        "not for regression: give sample_weight",
    ),
    # Splits
    "test as validation": (
        lambda: (
            net(),
            ko.data.from_arrays(
                X,
                TWO,
                validation=(np.repeat(X[:20], 2, 0), np.repeat(TWO[:20], 2)),
                test=(X[:20].astype("float64"), TWO[:20]),
            ),
        ),
        {},
        "validation data are test data",
    ),
    "class missing from train": (
        lambda: (net(3, "softmax"), (X[THREE != 1], THREE[THREE != 1])),
        {"validation_data": (X, THREE)},
        "class '1' has samples in validation but none in train",
    ),
    "equal class names": (
        lambda: (net(), ko.data.from_arrays(X, TWO, class_names=["a", "a"])),
        {},
        "class_names must differ.*a",
    ),
    # Streams
    "empty stream": (lambda: (net(), stream([])), {}, "train stream is empty"),
    "empty tf.data": (
        lambda: (net(), tf.data.Dataset.from_tensor_slices((X, TWO)).batch(16).take(0)),
        {},
        "train stream is empty",
    ),
    "empty validation stream": (
        lambda: (net(), (X, TWO)),
        {"validation_data": stream([])},
        "validation stream is empty",
    ),
    "unbatched stream": (
        lambda: (net(), tf.data.Dataset.from_tensor_slices((X, TWO))),
        {},
        "isn't batched.*batch",
    ),
    "varying shapes": (
        lambda: (net(), stream([*batches()[:2], (X[:5, :3], TWO[:5])])),
        {},
        r"shape \(4,\).*has \(4,\) and \(3,\)",
    ),
    "NaN in a stream": (
        lambda: (net(), stream(batches(with_nan(X)))),
        {},
        "x in batch 1 of the train stream has 1 NaN",
    ),
    "endless stream": (
        lambda: (
            net(),
            tf.data.Dataset.from_tensor_slices((X, TWO)).batch(16).repeat(),
        ),
        {},
        "never ends: give steps_per_epoch",
    ),
    "steps of arrays": (
        lambda: (net(), (X, TWO)),
        {"steps_per_epoch": 3},
        "steps_per_epoch has no effect on arrays",
    ),
    # Augmentation
    "augmentation of images": (
        lambda: (net(), (X, TWO)),
        {"augment": "affine"},
        r"Affine\(\).*samples of shape \(4,\).*Choose one for this kind of input",
    ),
    "augmentation that crops": (
        lambda: (of_images(), (IMAGES, BRIGHT)),
        {"augment": lambda images: images[:, :4]},
        r"turns samples of shape \(8, 8, 1\) into samples of shape \(4, 8, 1\)",
    ),
    # A loss for other labels: the shapes of both sides, and the fix
    "one-hot loss": (
        lambda: (net(2, "softmax"), (X, TWO)),
        {"loss": "categorical_focal_crossentropy"},
        r"outputs of shape \(8, 2\).*labels of shape \(8,\).*loss='auto'",
    ),
    "squared error of classes": (
        lambda: (net(3, "softmax"), (X, THREE)),
        {"loss": "mse"},
        r"outputs of shape \(8, 3\).*labels of shape \(8,\).*loss='auto'",
    ),
    "loss that fails": (
        lambda: (net(), (X, TWO)),
        {"loss": lambda y, predicted: 1 / 0},
        "fails before the training.*division by zero",
    ),
    "classes a step of a sequence": (
        lambda: (
            keras.Sequential([keras.Input((4,)), L.Reshape((4, 1)), L.Dense(3)]),
            (X, SEVERAL[:, [0, 1, 2, 0]]),
        ),
        {},
        r"outputs of shape \(8, 4, 3\) and labels of shape \(8, 4\).*name one",
    ),
    "no task and no loss": (
        lambda: (net(), (X, TWO)),
        {"task": None},
        r"outputs of shape \(8, 1\) and labels of shape \(8,\).*name one",
    ),
    # Logs
    "metric of several values": (
        lambda: (net(3, "softmax"), (X, np.eye(3)[THREE])),
        {"metrics": [keras.metrics.F1Score()]},
        "'f1_score' has 3 values.*average='macro'",
    ),
    "train_step of several values": (
        lambda: (LogsAll(), (X, TWO)),
        {"loss": "mse"},
        "'outputs' has 8 values",
    ),
    # What fits together
    "batches of one size": (
        lambda: (stateful(), (X, TWO)),
        {"batch_size": 10},
        "batches of 10 samples only: its Input has batch_size=10",
    ),
    "budget of an unknown length": (
        lambda: (net(), stream(batches())),
        {"budget": "20s"},
        "doesn't tell its length",
    ),
    "epochs and a budget": (
        lambda: (net(), (X, TWO)),
        {"epochs": 3, "budget": "20s"},
        "epochs=3 and budget='20s'.*Leave one of the two out",
    ),
    "model": (lambda: ("mlp", (X, TWO)), {}, "keras.Model or a function"),
}


# Keras says it of a softmax of one output.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1")
@pytest.mark.parametrize("case", BAD)
def test_refused_before_the_first_step(case, quick):
    make, arguments, message = BAD[case]
    with pytest.raises(ValueError, match=f"(?s){message}") as refused:
        ko.fit(*make(), **arguments, **quick)
    assert not isinstance(refused.value, StreamError)
    assert not quick["directory"].exists()


@pytest.mark.parametrize("data", [[X, TWO], X, {"x": X}, 3])
def test_data_of_another_kind(data, quick):
    with pytest.raises(TypeError, match=r"Accepted: a kerasopt Dataset, a tuple"):
        ko.fit(net(), data, **quick)
    assert not quick["directory"].exists()


def test_the_preflight_leaves_no_trace(quick):
    """A step is tried; weights, optimizer and random state are then as before."""

    def model():
        keras.utils.set_random_seed(3)
        layers = [L.Dense(4), L.BatchNormalization(), L.Dropout(0.5)]
        head = L.Dense(1, activation="sigmoid")
        return keras.Sequential([keras.Input((4,)), *layers, head])

    first = model()
    before = first.get_weights()

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            for one, other in zip(first.get_weights(), before, strict=True):
                np.testing.assert_array_equal(one, other)
            assert int(first.optimizer.iterations.numpy()) == 0
            assert all(not v.numpy().any() for v in first.metrics_variables)

    ko.fit(first, (X, TWO), callbacks=[Look()], epochs=1, **quick)


# A stream that fails in the midst of a training


class Fragile:
    """Batches of 4; one of them fails, until it is mended.

    It comes after those that are looked at before the training.
    """

    def __init__(self, fail):
        self.fail = fail
        self.mended = False

    def __call__(self):
        for number, batch in enumerate(batches(size=4), start=1):
            if number == 12 and not self.mended:
                yield self.fail(*batch)
            yield batch


def raising(x, y):
    raise OSError("disk on fire")


FAILURES = {
    "raises": (raising, r"failed at batch 12: OSError: disk on fire"),
    "varying shape": (
        lambda x, y: (x[:, :3], y),
        r"x in batch 12 of the train stream has the shape \(4, 3\)",
    ),
    "other parts": (
        lambda x, y: (x,),
        r"Batch 12 of the train stream has the parts x;",
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_stream_that_fails_is_resumed(failure, tmp_path):
    fail, message = FAILURES[failure]
    arguments = {"verbose": False, "devices": "cpu", "epochs": 2, "optimizer": "sgd"}
    arguments["deterministic"] = True
    source, folder = Fragile(fail), tmp_path / "run"
    with pytest.raises(StreamError, match=f"(?s){message}.*resume=True"):
        ko.fit(net, source, directory=folder, **arguments)
    source.mended = True
    run = ko.fit(net, source, directory=folder, resume=True, **arguments)
    whole = ko.fit(net, source, directory=tmp_path / "whole", **arguments)
    assert run.history["loss"].tolist() == whole.history["loss"].tolist()
    for one, other in zip(run.model.weights, whole.model.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_tf_data_stream_that_fails_names_the_reason(quick):
    def checked(x, y):
        return tf.debugging.check_numerics(tf.math.log(50.0 - x), "gone bad"), y

    ramp = np.repeat(np.arange(60, dtype="float32")[:, None], 4, axis=1)
    data = tf.data.Dataset.from_tensor_slices((ramp, TWO)).map(checked).batch(4)
    with pytest.raises(
        StreamError, match=r"(?s)at batch 13: .*gone bad.*epoch 1, step"
    ):
        ko.fit(net(), data, epochs=2, **quick)


def test_a_validation_stream_that_fails_keeps_the_epoch(quick):
    source = Fragile(raising)
    arguments = {"epochs": 2, "validation_data": source, **quick}
    with pytest.raises(StreamError, match="validation stream failed at batch 12"):
        ko.fit(net(), (X, TWO), **arguments)
    source.mended = True
    run = ko.fit(net(), (X, TWO), resume=True, **arguments)
    assert len(run.history) == 2
    assert run.history["val_loss"].notna().all()


def test_a_step_that_fails_keeps_the_last_checkpoint(quick):
    """Batches whose shape TensorFlow doesn't know; the model takes one shape."""

    def wider(x, y, number):
        return tf.cond(number < 10, lambda: x, lambda: tf.concat([x, x], 1)), y

    data = tf.data.Dataset.from_tensor_slices((X, TWO)).batch(4).enumerate()
    data = data.map(lambda number, batch: wider(*batch, number))
    quick["checkpoint_seconds"] = 0
    with pytest.raises(StreamError, match=r"step on batch 11 of the train stream fail"):
        ko.fit(net(), data, epochs=2, **quick)


def test_an_iterator_that_ends_early(quick):
    """A function that returns one iterator again and again."""
    once = iter(batches())
    with pytest.raises((StreamError, ValueError), match="new iterator at each call"):
        ko.fit(net(), lambda: once, epochs=2, **quick)
