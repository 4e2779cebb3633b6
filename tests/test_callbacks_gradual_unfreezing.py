"""Gradual unfreezing: which layers move when, in Keras's fit and in ours."""

import keras
import numpy as np
import pytest
from thinning import slow_unless

import kerasopt as ko
from kerasopt import callbacks, models, optimizers

pytestmark = pytest.mark.usefixtures("no_report")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 6, 6, 3)).astype("float32")
Y = np.arange(24) % 3
LAYERS = ("first", "second", "third", "logits")
SGD = {"name": "discriminative", "optimizer": {"name": "sgd", "learning_rate": 0.05}}
ADAM = {"name": "discriminative", "optimizer": "adam", "lowest": 0.5}


def network(unfreeze=None):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="first")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Conv2D(4, 3, name="second")(x)
    x = keras.layers.Conv2D(4, 1, name="third")(x)
    base = keras.Model(inputs, x)
    return models.transfer(
        base, input_shape=(6, 6, 3), num_classes=3, dropout=0, unfreeze=unfreeze
    )


class Movements(keras.callbacks.Callback):
    """Notes which layers an epoch moved."""

    def __init__(self):
        super().__init__()
        self.moved = []

    def kernels(self):
        base = self.model.get_layer("backbone")
        head = self.model.get_layer("logits")
        layers = [*(base.get_layer(name) for name in LAYERS[:-1]), head]
        return [np.array(layer.kernel) for layer in layers]

    def on_epoch_begin(self, epoch, logs=None):
        self.before = self.kernels()

    def on_epoch_end(self, epoch, logs=None):
        pairs = zip(LAYERS, self.before, self.kernels(), strict=True)
        self.moved.append([n for n, a, b in pairs if not np.array_equal(a, b)])


CASES = [
    ("keras", {"last": 2, "every": 2}, None, (1, 1, 3, 3, 4)),
    ("keras", {"last": 1, "every": 1}, 2, (1, 2, 3, 3, 3)),
    ("kerasopt", {"last": 1, "every": 1}, None, (1, 2, 3, 4, 4)),
    ("kerasopt", {"last": 2, "every": 2}, 2, (1, 1, 3, 3, 3)),
]


@pytest.mark.parametrize(("fit", "arguments", "unfreeze", "expected"), CASES)
def test_layers_begin_one_after_the_other(fit, arguments, unfreeze, expected, quick):
    model, notes = network(unfreeze), Movements()
    statistics = model.get_layer("backbone").get_layer("norm").get_weights()
    flags = [layer.trainable for layer in model._flatten_layers()]
    given = [callbacks.get("gradual_unfreezing", **arguments), notes]
    if fit == "keras":
        model.compile(optimizers.get(SGD), "sparse_categorical_crossentropy")
        model.fit(X, Y, batch_size=8, epochs=5, verbose=0, callbacks=given)
    else:
        quick["batch_size"] = 8
        ko.fit(model, (X, Y), optimizer=SGD, epochs=5, callbacks=given, **quick)
    assert notes.moved == [list(LAYERS[-n:]) for n in expected]
    assert [layer.trainable for layer in model._flatten_layers()] == flags
    after = model.get_layer("backbone").get_layer("norm").get_weights()
    assert all(map(np.array_equal, statistics, after))


class Break(keras.callbacks.Callback):
    """Breaks off in the midst of an epoch, once."""

    def __init__(self, epoch):
        super().__init__()
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (self.at, 1):
            raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", slow_unless((2).__eq__, [1, 2]))
def test_a_resumed_training_equals_an_unbroken_one(epoch, tmp_path):
    arguments = {
        "optimizer": ADAM,
        "epochs": 4,
        "batch_size": 8,
        "deterministic": True,
        "devices": "cpu",
        "verbose": False,
        "checkpoint_seconds": 0,
    }

    def train(folder, *more, **further):
        gradual = callbacks.GradualUnfreezing(last=1)
        given = {"callbacks": [gradual, *more], "directory": tmp_path / folder}
        return ko.fit(network, (X, Y), **arguments, **given, **further)

    whole = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("broken", Break(epoch))
    resumed = train("broken", resume=True)
    pairs = (
        zip(a.variables, b.variables, strict=True)
        for a, b in (
            (whole.model, resumed.model),
            (whole.model.optimizer, resumed.model.optimizer),
        )
    )
    for one, other in (pair for some in pairs for pair in some):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize(
    ("optimizer", "fits"),
    [
        ("adam", False),
        ({"name": "adamw", "weight_decay": 0.01}, False),
        (ADAM, True),
        ("momentum", True),
        ("lion", True),
        ({"name": "grouped", "default": "sgd", "groups": {"logits": "adam"}}, True),
        ({"name": "grouped", "default": "adam", "groups": {"logits": "sgd"}}, False),
    ],
)
def test_one_count_of_steps_for_several_beginnings_is_refused(optimizer, fits):
    model = network()
    model.compile(optimizers.get(optimizer), "sparse_categorical_crossentropy")
    gradual = callbacks.GradualUnfreezing(last=1)
    gradual.set_model(model)
    if fits:
        gradual.on_train_begin()
    else:
        with pytest.raises(ValueError, match="'discriminative'"):
            gradual.on_train_begin()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: network(0), "The backbone is frozen"),
        (lambda: keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)]), "named"),
    ],
)
def test_models_without_layers_to_unfreeze_are_refused(make, message):
    model = make()
    model.compile("sgd", "sparse_categorical_crossentropy")
    gradual = callbacks.GradualUnfreezing()
    gradual.set_model(model)
    with pytest.raises(ValueError, match=message):
        gradual.on_train_begin()


def test_averages_are_refused():
    model = network()
    averaging = keras.optimizers.SGD(0.1, use_ema=True)
    model.compile(averaging, "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"doesn't go with sgd.*use_ema"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.GradualUnfreezing()])


@pytest.mark.parametrize(
    "arguments", [{"last": 0}, {"every": 0}, {"last": "two"}, {"every": 1.5}]
)
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="must be an integer >= 1"):
        callbacks.get("gradual_unfreezing", **arguments)
