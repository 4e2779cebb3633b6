"""kerasopt.losses: chosen by the labels, smoothed as Keras and scikit-learn do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
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


@pytest.mark.parametrize("one_hot", [False, True])
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
    loss = losses.SmoothedSparseCategoricalCrossentropy(0.3)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.label_smoothing == 0.3


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
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        losses.get(**{"labels": LABELS, **arguments})


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
