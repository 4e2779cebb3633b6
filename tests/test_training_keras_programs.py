"""Programs of the kinds that Keras's guides and examples show, trained by `ko.fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasopt as ko

pytestmark = pytest.mark.usefixtures("no_report")

L, ops = keras.layers, keras.ops
RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 8)).astype("float32")
CLASSES = RNG.integers(0, 3, 96)


def stream(*parts):
    """Batches in their order, so that Keras's fit sees the same ones."""
    parts = parts if len(parts) > 1 else parts[0]
    return tf.data.Dataset.from_tensor_slices(parts).batch(32)


def mlp(units, activation=None):
    keras.utils.set_random_seed(1)
    hidden = L.Dense(16, activation="relu")
    return keras.Sequential([keras.Input((8,)), hidden, L.Dense(units, activation)])


def assert_as_keras(run, expected):
    for name, values in expected.history.items():
        np.testing.assert_allclose(run.history[name], values, rtol=1e-4)


class VAE(keras.Model):
    """A model without ``call``, whose step takes the samples alone."""

    def __init__(self):
        super().__init__()
        x, z = keras.Input((8,)), keras.Input((2,))
        self.encoder = keras.Model(x, [L.Dense(2)(x), L.Dense(2)(x)])
        self.decoder = keras.Model(z, L.Dense(8)(z))
        self.noise = keras.random.SeedGenerator(1)
        self.tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.tracker]

    def loss_of(self, x):
        mean, log_variance = self.encoder(x)
        noise = keras.random.normal(ops.shape(mean), seed=self.noise)
        decoded = self.decoder(mean + ops.exp(log_variance / 2) * noise)
        divergence = 1 + log_variance - mean**2 - ops.exp(log_variance)
        return ops.mean((x - decoded) ** 2) - ops.mean(divergence) / 2

    def train_step(self, x):
        with tf.GradientTape() as tape:
            loss = self.loss_of(x)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply(gradients, self.trainable_weights)
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}

    def test_step(self, x):
        self.tracker.update_state(ops.mean((x - self.decoder(self.encoder(x)[0])) ** 2))
        return {"loss": self.tracker.result()}


def vae():
    keras.utils.set_random_seed(1)
    model = VAE()
    model.compile("sgd")
    return model


def test_a_variational_autoencoder(quick):
    data = stream(X)
    run = ko.fit(vae(), data, validation_data=data, epochs=3, **quick)
    assert_as_keras(run, vae().fit(data, validation_data=data, epochs=3, verbose=0))
    assert run.task is None and run.metrics["parameters"] == 8 * 4 + 4 + 2 * 8 + 8
    assert run.metrics["val_loss"] == pytest.approx(run.history["val_loss"].iloc[-1])


@pytest.mark.parametrize("loss", [None, "mse"])
def test_a_step_of_ones_own_that_fails_is_told(loss, quick):
    model = vae()
    model.compile("sgd", loss)
    with pytest.raises(ValueError, match="train_step fails on 8 samples before the"):
        ko.fit(model, (X[:, :5],), **quick)
    assert not quick["directory"].exists()


def test_samples_without_labels_as_arrays(quick):
    run = ko.fit(vae(), (X,), validation_data=(X,), batch_size=32, epochs=3, **quick)
    assert run.history["val_loss"].is_monotonic_decreasing


class GAN(keras.Model):
    """Two networks, two optimizers, a ``compile`` of its own."""

    def __init__(self):
        super().__init__()
        self.critic = keras.Sequential([keras.Input((8,)), L.Dense(1)])
        self.generator = keras.Sequential([keras.Input((2,)), L.Dense(8)])

    def compile(self, optimizers, loss):
        super().compile()
        self.both, self.criterion = optimizers, loss

    def train_step(self, real):
        size = ops.shape(real)[0]
        noise = keras.random.normal((size, 2))
        zeros, ones = ops.zeros((size, 1)), ops.ones((size, 1))
        with tf.GradientTape(persistent=True) as tape:
            fake = self.generator(noise)
            judged = self.critic(ops.concatenate([fake, real]))
            critics = self.criterion(ops.concatenate([ones, zeros]), judged)
            generators = self.criterion(zeros, judged[:size])
        found = {"critic": critics, "generator": generators}
        parts = (self.critic, self.generator)
        for part, loss, optimizer in zip(parts, found.values(), self.both, strict=True):
            variables = part.trainable_weights
            optimizer.apply(tape.gradient(loss, variables), variables)
        return found


def test_a_generative_adversarial_network(quick):
    model = GAN()
    sgd = [keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)]
    model.compile(sgd, keras.losses.BinaryCrossentropy(from_logits=True))
    before = [weight.copy() for weight in model.get_weights()]
    run = ko.fit(model, (X,), epochs=2, **quick)
    assert np.isfinite(run.history[["critic", "generator"]]).all(axis=None)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert (old != new).any()


def quantiles(y, predicted):
    rest = y - predicted
    q = ops.convert_to_tensor([0.1, 0.5, 0.9])
    return ops.mean(ops.maximum(q * rest, (q - 1) * rest), axis=-1)


@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_loss_of_ones_own_may_take_other_outputs_than_labels(is_compiled, quick):
    expected = mlp(3)
    expected.compile("sgd", quantiles)
    data = stream(X, X[:, :1])
    history = expected.fit(data, epochs=2, verbose=0)
    model, arguments = mlp(3), {"optimizer": "sgd", "loss": quantiles}
    if is_compiled:
        model.compile(**arguments)
        arguments = {}
    run = ko.fit(model, data, epochs=2, **arguments, **quick)
    assert_as_keras(run, history)
    assert run.task is None and run.predict(X).shape == (96, 3)


def test_no_task_leaves_everything_to_the_loss(quick):
    given = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    data, none = stream(X, CLASSES), {"task": None, "optimizer": "sgd", "epochs": 2}
    run = ko.fit(mlp(4, "softmax"), data, **none, **given, **quick)
    expected = mlp(4, "softmax")
    expected.compile("sgd", **given)
    assert_as_keras(run, expected.fit(data, epochs=2, verbose=0))
    assert run.task is None


def test_outputs_without_samples_are_explained(quick):
    with pytest.raises(ValueError, match=r"from_arrays\(x, y, num_classes=4\)"):
        ko.fit(mlp(4, "softmax"), (X, CLASSES), **quick)
    data = ko.data.from_arrays(X, CLASSES, num_classes=4)
    run = ko.fit(mlp(4, "softmax"), data, epochs=1, **quick)
    assert any("no training sample" in note for note in run.environment["notes"])


def test_rows_of_zeros_and_ones_with_a_loss_of_numbers_are_targets(quick):
    y = (X[:, :2] > 0).astype("float32")
    given = {"loss": "mse", "metrics": ["mae"]}
    run = ko.fit(mlp(2), stream(X, y), optimizer="sgd", epochs=2, **given, **quick)
    expected = mlp(2)
    expected.compile("sgd", **given)
    assert_as_keras(run, expected.fit(stream(X, y), epochs=2, verbose=0))
    assert run.task.name == "regression"
    predicted = run.model.predict(X, verbose=0)
    np.testing.assert_allclose(run.predict(X), predicted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_layers_that_are_unfrozen_train_on(optimizer, quick, tmp_path):
    model = mlp(3, "softmax")
    model.layers[0].trainable = False
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    first = model.layers[0].get_weights()[0]
    ko.fit(model, (X, CLASSES), epochs=1, **quick)
    np.testing.assert_array_equal(first, model.layers[0].get_weights()[0])
    model.layers[0].trainable = True
    again = quick | {"directory": tmp_path / "again"}
    run = ko.fit(model, (X, CLASSES), epochs=1, **again)
    assert (first != model.layers[0].get_weights()[0]).any()
    assert any("starts anew" in note for note in run.environment["notes"])
    assert "accuracy" in run.history
    again = quick | {"directory": tmp_path / "third"}
    run = ko.fit(model, (X, CLASSES), epochs=1, **again)
    assert not any("starts anew" in note for note in run.environment["notes"])


def test_one_input_with_a_name_is_predicted_from_an_array(quick):
    x = keras.Input((8,), name="x")
    model = keras.Model({"x": x}, L.Dense(3, activation="softmax")(x))
    run = ko.fit(model, stream({"x": X}, CLASSES), epochs=1, **quick)
    assert run.input_shape == {"x": (8,)}
    np.testing.assert_array_equal(run.predict(X), run.predict({"x": X}))


def test_text_in_a_stream(quick):
    texts, labels = np.array(["good film", "bad film"] * 48), np.array([1, 0] * 48)
    vectors = L.TextVectorization(20, output_sequence_length=4)
    vectors.adapt(texts)
    layers = [L.Embedding(20, 4), L.GlobalAveragePooling1D(), L.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((), dtype="string"), vectors, *layers])
    adam = {"name": "adam", "learning_rate": 0.05}
    run = ko.fit(model, stream(texts, labels), optimizer=adam, epochs=5, **quick)
    assert run.evaluate(stream(texts, labels))["accuracy"] == 1
    assert run.predict(["a good film", "bad"]).argmax(axis=1).tolist() == [1, 0]


TAGS = RNG.integers(0, 5, (96, 20))
WEIGHTS = RNG.random((96, 20)).astype("float32")


def tagger():
    keras.utils.set_random_seed(1)
    units = L.Dense(5, activation="softmax")
    return keras.Sequential(
        [keras.Input((20,), dtype="int32"), L.Embedding(5, 4), units]
    )


def test_weights_of_each_step_of_a_sequence(quick):
    given = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    arguments = {"epochs": 3, "batch_size": 96}
    held_out = (TAGS[:32], TAGS[:32], WEIGHTS[:32])
    expected = tagger()
    expected.compile("sgd", **given)
    history = expected.fit(
        TAGS,
        TAGS,
        sample_weight=WEIGHTS,
        validation_data=held_out,
        verbose=0,
        **arguments,
    )
    data = (TAGS, TAGS, WEIGHTS)
    arguments |= {"optimizer": "sgd", "validation_data": held_out}
    run = ko.fit(tagger(), data, **given, **arguments, **quick)
    assert_as_keras(run, history)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (WEIGHTS[:, :5], r"shape \(96, 5\).*each step or pixel"),
        ({"a": WEIGHTS}, "is a dict.*loss_weights"),
        (-WEIGHTS, "negative weights"),
    ],
)
def test_weights_of_another_shape(weights, message, quick):
    given = {"loss": "sparse_categorical_crossentropy", "epochs": 1}
    with pytest.raises(ValueError, match=message):
        ko.fit(tagger(), (TAGS, TAGS, weights), **given, **quick)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"loss_weights": [1, 2]}, "compile the model with loss and weights"),
        ({"weighted_metrics": ["mae"]}, "compile the model with them"),
        ({"jit_compile": True}, "it is jit="),
        ({"run_eagerly": True}, "run_functions_eagerly"),
    ],
)
def test_words_of_compile_are_explained(argument, message, quick):
    with pytest.raises(TypeError, match=message):
        ko.fit(mlp(3, "softmax"), (X, CLASSES), **argument, **quick)
