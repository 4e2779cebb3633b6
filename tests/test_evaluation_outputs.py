"""From raw model outputs to predictions, with SciPy as the judge."""

from __future__ import annotations

import keras
import ml_dtypes
import numpy as np
import pytest
from scipy import special

from kerasopt import tasks
from kerasopt.evaluation import Classification, measure, predictions

LOGITS = np.random.default_rng(0).normal(0, 3, (50, 4)).astype("float32")
TYPES = ["float16", "float32", "float64", ml_dtypes.bfloat16]


def close(dtype):
    rough = np.dtype(dtype).name in ("float16", "bfloat16")
    return {"rtol": 0.02, "atol": 0.01} if rough else {"rtol": 1e-5, "atol": 1e-6}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize(
    ("task", "width"),
    [("binary", 1), ("binary", 2), ("multiclass", 4), ("multilabel", 4)],
)
def test_every_head_gives_its_probabilities(task, width, from_logits, dtype):
    logits = LOGITS[:, :width]
    softmax = width > 1 and task != "multilabel"
    p = special.softmax(logits, axis=1) if softmax else special.expit(logits)
    given = (logits if from_logits else p).astype(dtype)
    found = predictions(task, given, from_logits)
    expected = np.concatenate([1 - p, p], axis=1) if width == 1 else p
    np.testing.assert_allclose(found, expected, **close(dtype))
    assert found.dtype == ("float64" if dtype == "float64" else "float32")
    if task != "multilabel":
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_a_flat_output_and_a_task_object():
    p = special.expit(LOGITS[:, 0])
    found = predictions(tasks.get("binary"), p)
    np.testing.assert_allclose(found, np.stack([1 - p, p], axis=1), rtol=1e-6)
    assert predictions("regression", [1, 2, 3]).shape == (3, 1)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_regression_passes_as_it_is(dtype):
    found = predictions("regression", LOGITS.astype(dtype), from_logits=True)
    np.testing.assert_array_equal(found, LOGITS.astype(dtype).astype(found.dtype))


def test_sigmoids_for_classes_are_normalised_as_keras_does():
    p = special.expit(LOGITS)
    labels = np.random.default_rng(1).integers(0, 4, 50)
    found = measure("multiclass", labels, predictions("multiclass", p))
    loss = keras.losses.SparseCategoricalCrossentropy()(labels, p)
    assert isinstance(found, Classification)
    assert found.log_loss == pytest.approx(float(loss), rel=1e-5)


def test_extremes_are_finite_and_silent(recwarn):
    huge = np.array([[1e30, -1e30], [-1e30, 1e30]], "float32")
    np.testing.assert_array_equal(
        predictions("multiclass", huge, from_logits=True), np.eye(2)
    )
    np.testing.assert_array_equal(
        predictions("multilabel", huge, from_logits=True), np.eye(2)
    )
    nothing = predictions("multiclass", np.zeros((1, 4)))
    np.testing.assert_array_equal(nothing, np.full((1, 4), 0.25))
    assert not recwarn.list


@pytest.mark.parametrize("task", tasks.names())
@pytest.mark.parametrize("from_logits", [False, True])
def test_nan_passes_and_the_measures_name_its_cause(task, from_logits, recwarn):
    outputs = np.array([[np.nan, 0.5], [0.5, 0.5]])
    found = predictions(task, outputs, from_logits)
    assert np.isnan(found).any()
    y = [[0, 1], [1, 0]]
    with pytest.raises(ValueError, match="The model diverged"):
        measure(task, y, found)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("task", "outputs", "message"),
    [
        ("binary", np.zeros((3, 3)), r"\(n, 2\); given: \(3, 3\)"),
        ("multiclass", np.zeros((3, 1)), r"k >= 2 classes; given: \(3, 1\)"),
        ("multiclass", np.zeros(3), r"given: \(3,\)"),
        ("multilabel", np.zeros((3, 2, 2)), "another task"),
        ("regression", np.zeros((3, 2, 2)), "another task"),
        ("binary", [[1.7], [0.2]], "from_logits=True"),
        ("multilabel", [[1.7, 0.2]], "from_logits=True"),
        ("multiclass", [[1.7, -0.2]], "from -0.2 to 1.7.*from_logits=True"),
        ("multiclass", [["a", "b"]], "array of numbers"),
        ("segmentation", [[1.0]], "Unknown task"),
    ],
)
def test_bad_outputs_are_refused(task, outputs, message):
    with pytest.raises(ValueError, match=message):
        predictions(task, outputs)


def test_from_logits_is_a_flag():
    with pytest.raises(TypeError, match="from_logits must be True or False; given: 'n"):
        predictions("binary", [[0.5]], from_logits="no")
