"""kerasopt.losses: chosen by the labels, smoothed as Keras and scikit-learn do."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from sklearn.metrics import log_loss

import kerasopt as ko
from kerasopt import losses

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 20)
PROBABILITIES = RNG.dirichlet(np.ones(4), 20).astype("float32")
ONE_HOT = np.eye(4, dtype="float32")[LABELS]


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], ONE_HOT])
def test_both_label_forms_give_the_log_loss(labels):
    loss = losses.get("auto", labels=labels)
    expected = log_loss(LABELS, PROBABILITIES, labels=range(4))
    assert float(loss(labels, PROBABILITIES)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_smoothing_of_integers_equals_that_of_one_hot(smoothing):
    ours = losses.get("auto", labels=LABELS, label_smoothing=smoothing)
    keras_loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    assert float(ours(LABELS, PROBABILITIES)) == pytest.approx(
        float(keras_loss(ONE_HOT, PROBABILITIES)), rel=1e-6
    )


@pytest.mark.parametrize("one_hot", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_ten_epochs_with_adam_and_validation(one_hot, tiny_digits, quick):
    """The losses of each epoch are those that Keras's own fit has on validation."""
    (x, y), (vx, vy) = tiny_digits.train, tiny_digits.validation
    name = "sparse_categorical_crossentropy"
    if one_hot:
        name = "categorical_crossentropy"
        y, vy = (np.eye(10, dtype="float32")[labels] for labels in (y, vy))
    data = ko.data.from_arrays(x, y, validation=(vx, vy))
    model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(64, 64))
    start = model.get_weights()
    optimizer = {"name": "adam", "learning_rate": 0.001}
    # Whole batches, so that the order of the samples plays no part.
    settings = {"epochs": 10, "batch_size": len(x), **quick}
    run = ko.fit(model, data, optimizer=optimizer, **settings)
    theirs = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(64, 64))
    theirs.set_weights(start)
    theirs.compile(keras.optimizers.Adam(0.001), name, metrics=["accuracy"])
    batches = (
        tf.data.Dataset.from_tensor_slices((images / np.float32(255), labels))
        for images, labels in ((x, y), (vx, vy))
    )
    train, validation = (each.batch(len(x)) for each in batches)
    theirs.fit(train, validation_data=validation, epochs=10, verbose=0, shuffle=False)
    seen = theirs.history.history
    assert len(run.history) == 10
    for column in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(run.history[column], seen[column], rtol=1e-3)
    assert seen["val_loss"][-1] < seen["val_loss"][0]


def test_round_trip():
    loss = losses.SmoothedSparseCategoricalCrossentropy(0.3, from_logits=True)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.label_smoothing == 0.3 and again.from_logits


def test_named_and_own_losses():
    own = keras.losses.MeanSquaredError()
    assert losses.get(own, labels=LABELS) is own
    name = "sparse_categorical_crossentropy"
    assert losses.get(name, labels=LABELS) is keras.losses.get(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spec": "crossentropy"}, "Unknown loss 'crossentropy'"),
        ({"spec": "mean_squared_error", "label_smoothing": 0.1}, "loss='auto'"),
        ({"spec": "auto", "label_smoothing": 1.0}, r"in \[0, 1\)"),
        ({"spec": "auto", "label_smoothing": -0.1}, r"in \[0, 1\)"),
        ({"spec": "auto", "labels": np.zeros((2, 2, 2))}, r"shape \(2, 2, 2\)"),
        ({"spec": "auto", "labels": None}, "labels=, task=, or a loss by name"),
        ({"spec": "auto", "task": "binari"}, "Did you mean 'binary'"),
        (
            {"spec": "auto", "task": "regression", "label_smoothing": 0.1},
            "regression has none",
        ),
        (
            {"spec": "auto", "task": "binary", "labels": np.eye(2)},
            r"labels 0 or 1 of shape \(n,\).*num_outputs=2",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        losses.get(**{"labels": LABELS, **arguments})


@pytest.mark.parametrize("spec", [3, keras.losses.MeanSquaredError])
def test_what_is_no_loss_is_a_type_error(spec):
    with pytest.raises(TypeError, match="'auto', a name"):
        losses.get(spec)


LOGITS = RNG.normal(size=(20, 4)).astype("float32")
BINARY = RNG.integers(0, 2, 20)
MULTILABEL = RNG.integers(0, 2, (20, 4)).astype("float32")


def smoothed(targets, classes, share):
    return (1 - share) * targets + share / classes


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("labels", [BINARY, BINARY[:, None], BINARY.astype("float32")])
def test_binary_with_one_output(labels, from_logits, smoothing):
    loss = losses.get(
        "auto",
        labels=labels,
        task="binary",
        num_outputs=1,
        from_logits=from_logits,
        label_smoothing=smoothing,
    )
    assert isinstance(loss, keras.losses.BinaryCrossentropy)
    p = special.expit(LOGITS[:, 0].astype(float))
    targets = smoothed(BINARY, 2, smoothing)
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()
    given = LOGITS[:, :1] if from_logits else p[:, None].astype("float32")
    assert float(loss(labels, given)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
def test_classes(classes, one_hot, from_logits, smoothing):
    labels = LABELS % classes
    rows = np.eye(classes, dtype="float32")[labels]
    given = rows if one_hot else labels
    loss = losses.get(
        "auto",
        labels=given,
        task="binary" if classes == 2 else "multiclass",
        num_outputs=classes,
        from_logits=from_logits,
        label_smoothing=smoothing,
    )
    logits = LOGITS[:, :classes]
    logs = special.log_softmax(logits.astype(float), axis=1)
    expected = -(smoothed(rows, classes, smoothing) * logs).sum(axis=1).mean()
    outputs = logits if from_logits else np.exp(logs).astype("float32")
    assert float(loss(given, outputs)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("from_logits", [False, True])
def test_multilabel(from_logits, smoothing):
    loss = losses.get(
        "auto",
        labels=MULTILABEL,
        task="multilabel",
        from_logits=from_logits,
        label_smoothing=smoothing,
    )
    p = special.expit(LOGITS.astype(float))
    targets = smoothed(MULTILABEL, 2, smoothing)
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()
    outputs = LOGITS if from_logits else p.astype("float32")
    assert float(loss(MULTILABEL, outputs)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("targets", [1, 3])
def test_regression(targets):
    y = RNG.normal(size=(20, targets))
    loss = losses.get("auto", labels=y, task="regression", num_outputs=targets)
    p = RNG.normal(size=(20, targets)).astype("float32")
    assert float(loss(y, p)) == pytest.approx(((y - p) ** 2).mean(), rel=1e-5)


def test_regression_of_one_dimensional_targets_does_not_broadcast():
    y, p = RNG.normal(size=20), RNG.normal(size=(20, 1)).astype("float32")
    loss = losses.get("auto", labels=y, task="regression")
    assert float(loss(y, p)) == pytest.approx(((y - p[:, 0]) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
        "binary_crossentropy",
        "BinaryCrossentropy",
        "bce",
        "binary_focal_crossentropy",
        "categorical_focal_crossentropy",
    ],
)
def test_a_cross_entropy_by_name_takes_logits(name):
    loss = losses.get(name, from_logits=True)
    assert loss.get_config()["from_logits"] is True
    kinds = {"s": LABELS, "c": ONE_HOT}
    labels = kinds.get(name[0].lower(), MULTILABEL)
    shares = losses.get(name)(labels, squash(name)(LOGITS).astype("float32"))
    assert float(loss(labels, LOGITS)) == pytest.approx(np.mean(shares), rel=1e-4)


def squash(name):
    categorical = "categorical" in name
    return special.expit if not categorical else lambda x: special.softmax(x, axis=1)


def test_other_losses_by_name_are_those_of_keras_with_logits_too():
    assert losses.get("mse", from_logits=True) is keras.losses.get("mse")


def test_every_listed_name_is_accepted_and_keras_has_no_more():
    listed = losses.names()
    assert listed[0] == "auto" and len(set(listed)) == len(listed)
    for name in listed[1:]:
        assert callable(losses.get(name))
    from keras.src.losses import ALL_OBJECTS_DICT

    functions = {
        name: found
        for name, found in ALL_OBJECTS_DICT.items()
        if not isinstance(found, type) and name.islower()
    }
    assert set(functions) == set(listed[1:])


def test_a_function_of_ones_own_is_returned_as_it_is():
    def own(y_true, y_pred):
        return y_pred - y_true

    assert losses.get(own, labels=LABELS) is own


@pytest.mark.parametrize(
    ("task", "targets", "predictions", "expected"),
    [
        ("regression", [[1.0], [3.0]], [[2.0], [5.0]], 2.5),
        ("binary", [[1.0], [0.0]], [[0.8], [0.4]], log_loss([1, 0], [0.8, 0.4])),
        ("multiclass", LABELS, PROBABILITIES, log_loss(LABELS, PROBABILITIES)),
        (
            "multilabel",
            [[1.0, 0.0]],
            [[0.8, 0.4]],
            (log_loss([1], [0.8], labels=[0, 1]) + log_loss([0], [0.4], labels=[0, 1]))
            / 2,
        ),
    ],
)
def test_the_loss_of_a_task(task, targets, predictions, expected):
    loss = losses.for_task(task)
    found = float(loss(np.asarray(targets), np.asarray(predictions, "float32")))
    assert found == pytest.approx(expected, rel=1e-5)


def test_an_unknown_task_lists_the_tasks():
    with pytest.raises(ValueError, match=r"Did you mean 'multiclass'.*regression"):
        losses.for_task("multi class")


def test_log_loss_is_finite_where_a_prediction_is_sure_and_wrong():
    """The bare formula gives infinity, and NaN where it is right."""
    loss = losses.for_task("binary")
    predictions = np.array([[0.0], [1.0], [1.0]], "float32")
    assert np.isfinite(float(loss(np.array([[1.0], [1.0], [0.0]]), predictions)))


def test_several_outputs_have_a_loss_each():
    own = keras.losses.Huber()
    found = losses.get({"price": "mse", "kind": own, "unused": None})
    mse = keras.losses.get("mse")
    assert found == {"price": mse, "kind": own, "unused": None}
    assert losses.get(["mse", own]) == [mse, own]
    with pytest.raises(ValueError, match="give each its loss by name"):
        losses.get({"price": "auto"})
    with pytest.raises(ValueError, match="Unknown loss 'msee'"):
        losses.get(["msee"])


@pytest.mark.parametrize("name", losses.named._classes())
def test_every_argument_of_every_loss_has_a_rule(name):
    """A new argument of Keras has to be given one."""
    arguments = inspect.signature(losses.named._classes()[name]).parameters
    assert arguments.keys() <= losses.named.RULES.keys()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "huber", "delta": 0}, "delta must be a number > 0"),
        ({"name": "huber", "delta": "1"}, "delta must be .*leave the quotes out"),
        ({"name": "huber", "dleta": 1}, "Did you mean 'delta'"),
        ({"name": "binary_crossentropy", "label_smoothing": 1}, "label_smoothing must"),
        (
            {"name": "binary_crossentropy", "from_logits": "no"},
            "from_logits must be",
        ),
        ({"name": "categorical_focal_crossentropy", "alpha": -1}, "alpha must be"),
        ({"name": "categorical_focal_crossentropy", "gamma": -1}, "gamma must be"),
        ({"name": "binary_focal_crossentropy", "alpha": 0.5}, "alpha has no effect"),
        ({"name": "tversky", "beta": np.nan}, "beta must be"),
        ({"name": "hubber", "delta": 1}, "Unknown loss 'hubber'"),
        ({"name": {"a": 1}}, "loss must be 'auto', a name"),
        ({"a": {"b": {"c": 1}}}, "loss must be 'auto', a name"),
        ("auto_", "Unknown loss"),
        (keras.losses.Huber, r"Call it: Huber\("),
    ],
)
def test_bad_arguments_of_a_loss(spec, message):
    with pytest.raises(ValueError, match=message):
        losses.get(spec)


def test_arguments_of_a_loss_reach_it():
    huber = losses.get("huber", delta=np.float32(2))
    assert float(huber([0.0], [4.0])) == pytest.approx(2 * (4 - 1))
    focal = losses.get({"name": "categorical_focal_crossentropy", "alpha": [1, 0.0]})
    assert float(focal([[0.0, 1.0]], [[0.5, 0.5]])) == 0
    with pytest.raises(ValueError, match="Arguments go with the name"):
        losses.get("auto", labels=[0, 1], delta=1)
