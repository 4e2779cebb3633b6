"""Whatever Keras trains `ko.fit` trains, as Keras does: tasks × models × inputs."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from thinning import slow_unless

import kerasopt as ko
from kerasopt.data import pipeline
from kerasopt.training.run import Run

pytestmark = pytest.mark.usefixtures("no_report")

L = keras.layers
RNG = np.random.default_rng(0)
SAMPLES, BATCH, EPOCHS = 72, 16, 3
X = RNG.normal(size=(SAMPLES, 5)).astype("float32")
HELD_OUT = slice(48, None)
"""These samples validate, too: what is compared is arithmetic, not skill."""

LABELS = {
    "binary": (X[:, 0] > 0).astype("int64"),
    "multiclass": np.digitize(X[:, 0], [-0.5, 0.5]),
    "multilabel": (X[:, :3] > 0).astype("int64"),
    "regression": 2 * X[:, 0] + X[:, 1],
}
TASKS = tuple(LABELS)
OUTPUTS = {
    "binary": (1, "sigmoid"),
    "multiclass": (3, "softmax"),
    "multilabel": (3, "sigmoid"),
    "regression": (1, None),
}
CUSTOM = {}


def custom(kind):
    CUSTOM[kind.__name__] = kind
    return kind


@custom
class Subclassed(keras.Model):
    def __init__(self, units, activation, **arguments):
        super().__init__(**arguments)
        self.hidden = L.Dense(6, activation="relu")
        self.head = L.Dense(units, activation=activation)

    def call(self, x, training=False):
        return self.head(self.hidden(x))

    def get_config(self):
        own = {"units": self.head.units, "activation": self.head.activation}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@custom
class OwnStep(keras.Model):
    def train_step(self, data):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            predicted = self(x, training=True)
            loss = self.compute_loss(x, y, predicted, weights)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_weights, strict=True)
        )
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, predicted)
        return {metric.name: metric.result() for metric in self.metrics}


def functional(units, activation, kind=keras.Model):
    inputs = keras.Input((5,))
    hidden = L.Dense(6, activation="relu")(inputs)
    return kind(inputs, L.Dense(units, activation=activation)(hidden))


def sequential(units, activation):
    return keras.Sequential(
        [L.Dense(6, activation="relu"), L.Dense(units, activation=activation)]
    )


def batch_norm(units, activation):
    layers = [L.Dense(6), L.BatchNormalization(momentum=0.9), L.ReLU(), L.Dropout(0.2)]
    head = L.Dense(units, activation=activation)
    return keras.Sequential([keras.Input((5,)), *layers, head])


MODELS = {
    "functional": functional,
    "sequential": sequential,
    "subclassed": Subclassed,
    "logits": lambda units, activation: functional(units, None),
    "own_step": functools.partial(functional, kind=OwnStep),
    "batch_norm": batch_norm,
}


def build(task, kind):
    keras.utils.set_random_seed(1)
    return MODELS[kind](*OUTPUTS[task])


class PyDataset(keras.utils.PyDataset):
    """Batches that note the order in which they were asked for."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches
        self.orders = []

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        if self.orders:
            self.orders[-1].append(index)
        return self.batches[index]

    def on_epoch_begin(self):
        self.orders.append([])

    @property
    def order(self):
        """The orders of whole epochs."""
        return [each for each in self.orders if len(each) == len(self.batches)]


def batches_of(*arrays, rows=None):
    rows = np.arange(len(keras.tree.flatten(arrays)[0])) if rows is None else rows
    parts = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
    return [keras.tree.map_structure(lambda a: a[part], arrays) for part in parts]  # noqa: B023


def data_of(kind, *arrays):
    """The same samples as each kind of input."""
    if kind == "arrays":
        return arrays
    if kind == "tf_data":
        return tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH)
    if kind == "py_dataset":
        return PyDataset(batches_of(*arrays))
    return lambda: iter(batches_of(*arrays))


INPUTS = ("arrays", "tf_data", "py_dataset", "generator")


def order_of(kind, data, *arrays, epochs=EPOCHS):
    """The batches that were trained on, of all epochs in a row."""
    if kind == "arrays":
        rows = [pipeline.order(SAMPLES, 0, epoch).numpy() for epoch in range(epochs)]
        return [batch for each in rows for batch in batches_of(*arrays, rows=each)]
    if kind == "py_dataset":
        return [data.batches[i] for order in data.order[:epochs] for i in order]
    return batches_of(*arrays) * epochs


def keras_fit(model, batches, held_out, epochs=EPOCHS):
    """Keras's history for these batches."""

    def spec(array):
        return tf.TensorSpec((None, *array.shape[1:]), array.dtype)

    signature = keras.tree.map_structure(spec, batches[0])
    stream = tf.data.Dataset.from_generator(
        lambda: iter(batches), output_signature=signature
    )
    steps = len(batches) // epochs
    return model.fit(
        stream,
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=held_out,
        validation_batch_size=BATCH,
        verbose=0,
    ).history


class Reference:
    """A model in Keras, compiled once and trained anew for each order of batches."""

    def __init__(self, task, kind):
        logits = kind == "logits"
        loss = {
            "multiclass": keras.losses.SparseCategoricalCrossentropy(logits),
            "regression": keras.losses.MeanSquaredError(),
        }.get(task, keras.losses.BinaryCrossentropy(logits))
        measured = {
            "multiclass": keras.metrics.SparseCategoricalAccuracy("accuracy"),
            "regression": keras.metrics.MeanAbsoluteError("mae"),
        }.get(
            task, keras.metrics.BinaryAccuracy("accuracy", threshold=0.5 - logits / 2)
        )
        self.y = LABELS[task]
        self.model = build(task, kind)
        self.model(X[:1])
        self.model.compile(keras.optimizers.SGD(0.05), loss, metrics=[measured])
        self.model.optimizer.build(self.model.trainable_variables)
        self.variables = [*self.model.variables, *self.model.optimizer.variables]
        self.first = [keras.ops.convert_to_numpy(v) for v in self.variables]

    def fit(self, batches):
        for variable, value in zip(self.variables, self.first, strict=True):
            variable.assign(value)
        return keras_fit(self.model, batches, (X[HELD_OUT], self.y[HELD_OUT]))


reference = functools.lru_cache(maxsize=1)(Reference)


class StopOnce(keras.callbacks.Callback):
    """Ctrl-C in the midst of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 2):
            raise KeyboardInterrupt


def assert_same_history(history, expected):
    assert set(expected) <= set(history.columns)
    for name, values in expected.items():
        np.testing.assert_allclose(
            history[name], values, rtol=1e-5, atol=1e-7, err_msg=name
        )


def is_quick(task, model, data):
    """Pick six with every task, model and input."""
    place = list(MODELS).index(model)
    return (task, data) == (TASKS[place % 4], INPUTS[(place + place // 4) % 4])


@pytest.mark.parametrize(
    ("task", "model", "data"),
    slow_unless(is_quick, itertools.product(TASKS, MODELS, INPUTS)),
)
def test_losses_are_those_of_keras(task, model, data, quick):
    y = LABELS[task]
    given = data_of(data, X, y)
    arguments = {
        "optimizer": keras.optimizers.SGD(0.05),
        "validation_data": (X[HELD_OUT], y[HELD_OUT]),
        "batch_size": BATCH,
        **quick,
    }
    arguments["checkpoint_seconds"] = 0
    with pytest.raises(KeyboardInterrupt):
        ko.fit(build(task, model), given, epochs=2, callbacks=[StopOnce()], **arguments)
    arguments |= {"resume": True, "optimizer": keras.optimizers.SGD(0.05)}
    run = ko.fit(build(task, model), given, epochs=EPOCHS, **arguments)
    batches = order_of(data, given, X, y)
    assert_same_history(run.history, reference(task, model).fit(batches))

    assert run.task.name == task
    assert f"val_{run.task.headline}" in run.metrics
    predicted = run.predict(X)
    assert predicted.shape == (SAMPLES, 2 if task == "binary" else OUTPUTS[task][0])
    loaded = Run.load(run.directory, custom_objects=CUSTOM)
    np.testing.assert_allclose(loaded.predict(X), predicted, rtol=1e-5, atol=1e-6)
    headline = run.task.headline
    measured = loaded.evaluate((X, y))[headline]
    assert measured == pytest.approx(run.evaluate((X, y))[headline], rel=1e-5)


# Several inputs and outputs

SIDE = RNG.normal(size=(SAMPLES, 2)).astype("float32")
TWO_LABELS = {"kind": LABELS["multiclass"], "size": LABELS["regression"]}


def two_of_each():
    keras.utils.set_random_seed(1)
    a, b = keras.Input((5,), name="a"), keras.Input((2,), name="b")
    hidden = L.Dense(6, activation="relu")(L.Concatenate()([a, b]))
    kind = L.Dense(3, activation="softmax", name="kind")(hidden)
    size = L.Dense(1, name="size")(hidden)
    return keras.Model({"a": a, "b": b}, {"kind": kind, "size": size})


@pytest.mark.parametrize("data", slow_unless("generator".__eq__, INPUTS))
def test_several_inputs_and_outputs_train_as_in_keras(data, quick):
    x = {"a": X, "b": SIDE}
    held_out = keras.tree.map_structure(lambda a: a[HELD_OUT], (x, TWO_LABELS))
    loss = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    metrics = {"kind": ["accuracy"], "size": ["mae"]}
    given = data_of(data, x, TWO_LABELS)
    arguments = {"validation_data": held_out, "batch_size": BATCH, **quick}
    # Keras takes the plain mean of an output's loss over batches, the last one's too.
    arguments |= {"evaluation_batch_size": BATCH}
    arguments |= {"optimizer": "sgd", "loss": loss, "metrics": metrics}
    if data == "generator":
        arguments["checkpoint_seconds"] = 0
        with pytest.raises(KeyboardInterrupt):
            ko.fit(two_of_each(), given, epochs=2, callbacks=[StopOnce()], **arguments)
        arguments["resume"] = True
    run = ko.fit(two_of_each(), given, epochs=EPOCHS, **arguments)

    expected = two_of_each()
    expected.compile("sgd", loss, metrics=metrics)
    batches = order_of(data, given, x, TWO_LABELS)
    assert_same_history(run.history, keras_fit(expected, batches, held_out))
    assert run.task is None
    assert run.metrics["val_loss"] == pytest.approx(
        run.history["val_loss"].iloc[-1], rel=1e-5
    )
    loaded = Run.load(run.directory)
    for name, predicted in run.predict(x).items():
        np.testing.assert_allclose(loaded.predict(x)[name], predicted, rtol=1e-5)
    assert set(run.evaluate((x, TWO_LABELS))) >= {"loss"}


@pytest.mark.parametrize("several", [tuple, list])
def test_inputs_as_a_tuple_or_list_train_as_in_keras(several, quick):
    def pair_model():
        keras.utils.set_random_seed(1)
        a, b = keras.Input((5,)), keras.Input((2,))
        hidden = L.Dense(6, activation="relu")(L.Concatenate()([a, b]))
        return keras.Model([a, b], L.Dense(1, activation="sigmoid")(hidden))

    y = LABELS["binary"]
    run = ko.fit(
        pair_model(),
        (several([X, SIDE]), y),
        optimizer="sgd",
        validation_data=(several([X[HELD_OUT], SIDE[HELD_OUT]]), y[HELD_OUT]),
        epochs=EPOCHS,
        batch_size=BATCH,
        **quick,
    )
    expected = pair_model()
    expected.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    batches = order_of("arrays", None, (X, SIDE), y)
    held_out = ((X[HELD_OUT], SIDE[HELD_OUT]), y[HELD_OUT])
    assert_same_history(run.history, keras_fit(expected, batches, held_out))
    assert run.task.name == "binary"
    assert run.predict(several([X, SIDE])).shape == (SAMPLES, 2)
    assert run.evaluate((several([X, SIDE]), y))["samples"] == SAMPLES


def test_outputs_as_a_list_train_as_in_keras(quick):
    def model():
        keras.utils.set_random_seed(1)
        x = keras.Input((5,))
        return keras.Model(x, [L.Dense(1, name="a")(x), L.Dense(2, name="b")(x)])

    targets = [X[:, 0], X[:, 1:3]]
    run = ko.fit(
        model(),
        (X, targets),
        optimizer="sgd",
        loss=["mse", "mae"],
        epochs=EPOCHS,
        batch_size=BATCH,
        **quick,
    )
    expected = model()
    expected.compile("sgd", ["mse", "mae"])
    batches = order_of("arrays", None, X, tuple(targets))
    assert_same_history(run.history, keras_fit(expected, batches, None))
    measured = run.evaluate((X, targets))
    # In one batch: Keras takes the plain mean of an output's loss over batches.
    again = expected.evaluate(
        X, targets, batch_size=SAMPLES, verbose=0, return_dict=True
    )
    assert measured == pytest.approx(again, rel=1e-5)


def test_grey_images_fit_a_model_without_channels(quick):
    """Keras takes away, or adds, a last axis of one."""
    images = RNG.integers(0, 256, (SAMPLES, 8, 8)).astype("uint8")
    y = LABELS["multiclass"]

    def model():
        keras.utils.set_random_seed(1)
        units = L.Dense(3, activation="softmax")
        return keras.Sequential([keras.Input((8, 8)), L.Flatten(), units])

    run = ko.fit(
        model(), (images, y), optimizer="sgd", epochs=2, batch_size=BATCH, **quick
    )
    expected = model()
    expected.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    batches = order_of("arrays", None, images / np.float32(255), y, epochs=2)
    assert_same_history(run.history, keras_fit(expected, batches, None, epochs=2))
    for new in (images, images[..., None], images / 255):
        np.testing.assert_allclose(
            run.predict(new), expected.predict(images / 255, verbose=0), rtol=1e-5
        )


# Beside the table


class Unsaveable(keras.Model):
    """A model without get_config."""

    def __init__(self, make_head):
        super().__init__()
        self.hidden = L.Dense(6, activation="relu")
        self.head = make_head()

    def call(self, x):
        return self.head(self.hidden(x))


def test_a_model_that_keras_cannot_save_leaves_its_weights(quick):
    def unsaveable():
        return Unsaveable(lambda: L.Dense(1, activation="sigmoid"))

    run = ko.fit(unsaveable(), (X, LABELS["binary"]), epochs=1, **quick)
    assert not (run.directory / "model.keras").exists()
    fresh = unsaveable()
    fresh(X)
    fresh.load_weights(run.directory / "model.weights.h5")
    np.testing.assert_allclose(
        Run(run.directory, model=fresh).predict(X), run.predict(X), rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"load_weights\('.*model\.weights\.h5'\)"):
        _ = Run.load(run.directory).model


def test_sample_and_class_weights_are_those_of_keras(quick):
    y, weights = LABELS["multiclass"], RNG.uniform(0.5, 2, SAMPLES).astype("float32")
    of_class = {0: 1.0, 1: 3.0, 2: 0.5}
    run = ko.fit(
        build("multiclass", "functional"),
        (X, y),
        optimizer="sgd",
        sample_weight=weights,
        class_weight=of_class,
        epochs=EPOCHS,
        batch_size=BATCH,
        **quick,
    )
    expected = build("multiclass", "functional")
    expected.compile("sgd", "sparse_categorical_crossentropy")
    both = weights * np.array([of_class[int(label)] for label in y], "float32")
    history = keras_fit(expected, order_of("arrays", None, X, y, both), None)
    np.testing.assert_allclose(run.history["loss"], history["loss"], rtol=1e-5)


def test_an_endless_stream_is_cut_into_epochs_as_in_keras(quick):
    y = LABELS["regression"]
    endless = tf.data.Dataset.from_tensor_slices((X, y)).batch(BATCH).repeat()
    arguments = {"epochs": EPOCHS, "steps_per_epoch": 7}
    run = ko.fit(
        build("regression", "functional"),
        endless,
        optimizer="sgd",
        **arguments,
        **quick,
    )
    expected = build("regression", "functional")
    expected.compile("sgd", "mse", metrics=["mae"])
    history = expected.fit(endless, verbose=0, **arguments).history
    assert_same_history(run.history, history)


def test_a_stream_of_unknown_length_shows_its_progress(quick, capsys):
    data = data_of("generator", X, LABELS["binary"])
    quick["verbose"] = True
    ko.fit(build("binary", "functional"), data, epochs=2, **quick)
    assert "epoch 2/2" in capsys.readouterr().err
