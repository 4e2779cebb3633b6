"""Multilabel measures against definitions and Keras's metrics."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from scipy import special

from kerasopt.evaluation import Multilabel, measure


def sample(samples=200, labels=4, seed=0):
    random = np.random.default_rng(seed)
    y = (random.random((samples, labels)) < [0.1, 0.3, 0.5, 0.8][:labels]).astype(int)
    return y, special.expit(random.normal(0, 1.5, y.shape) + 2 * y - 1)


def average_precision(y, p):
    hits = y[np.argsort(-p)]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return precision[hits == 1].sum() / hits.sum()


def value(metric, y, p, **options):
    metric.update_state(y, p, **options)
    return np.asarray(metric.result())


@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_agree_with_keras(weighted):
    y, p = sample()
    weights = np.random.default_rng(1).integers(1, 4, len(y)) if weighted else None
    found = measure("multilabel", y, p, sample_weight=weights)
    options = {"sample_weight": weights}
    f1 = keras.metrics.F1Score(average=None, threshold=0.5)
    np.testing.assert_allclose(
        found.per_label["f1"], value(f1, y, p, **options), rtol=1e-5
    )
    micro = keras.metrics.F1Score(average="micro", threshold=0.5)
    # Keras leaves the weights out of the micro average.
    if not weighted:
        assert found.micro_f1 == pytest.approx(float(value(micro, y, p)), rel=1e-5)
    accuracy = value(keras.metrics.BinaryAccuracy(), y, p, **options)
    assert 1 - found.hamming_loss == pytest.approx(float(accuracy), rel=1e-5)
    loss = value(keras.metrics.BinaryCrossentropy(), y, p, **options)
    assert found.log_loss == pytest.approx(float(loss), rel=1e-4)
    for label in range(4):
        column = {"y_true": y[:, label], "y_pred": p[:, label], **options}
        for name, metric in (
            ("precision", keras.metrics.Precision()),
            ("recall", keras.metrics.Recall()),
        ):
            metric.update_state(**column)
            expected = float(metric.result())
            assert found.per_label[name].iloc[label] == pytest.approx(expected)
    assert found.macro_f1 == pytest.approx(found.per_label["f1"].mean())


def test_average_precisions_are_their_definition():
    y, p = sample()
    found = measure("multilabel", y, p)
    expected = [average_precision(*columns) for columns in zip(y.T, p.T, strict=True)]
    np.testing.assert_allclose(found.per_label["average_precision"], expected)
    assert found.mean_average_precision == pytest.approx(np.mean(expected))
    assert found.headline == (
        "mean_average_precision",
        found.mean_average_precision,
        None,
    )


def test_whole_weights_are_repeats():
    y, p = sample(60)
    weights = np.random.default_rng(1).integers(0, 4, 60)
    found = measure("multilabel", y, p, sample_weight=weights)
    again = measure(
        "multilabel", np.repeat(y, weights, axis=0), np.repeat(p, weights, axis=0)
    )
    for name in (
        "mean_average_precision",
        "micro_f1",
        "macro_f1",
        "subset_accuracy",
        "hamming_loss",
        "log_loss",
    ):
        assert getattr(found, name) == pytest.approx(getattr(again, name)), name


def test_subset_accuracy_and_mistakes_by_hand():
    y = [[1, 0], [1, 1], [0, 0], [0, 1]]
    p = [[0.9, 0.1], [0.8, 0.4], [0.99, 0.2], [0.2, 0.9]]
    found = measure("multilabel", y, p, class_names=["beach", "dog"])
    assert isinstance(found, Multilabel) and len(found) == 4
    assert found.subset_accuracy == 0.5
    assert found.hamming_loss == 0.25
    assert found.worst_mistakes().tolist() == [2, 1]
    assert found.worst_mistakes(1).tolist() == [2]
    assert found.per_label.index.tolist() == ["beach", "dog"]
    assert found.per_label["support"].tolist() == [2, 2]
    assert measure("multilabel", y, p, threshold=0.3).subset_accuracy == 0.75


def test_a_label_that_never_occurs_has_no_average_precision(recwarn):
    found = measure("multilabel", [[1, 0], [0, 0]], [[0.9, 0.2], [0.1, 0.6]])
    assert np.isnan(found.per_label["average_precision"].iloc[1])
    assert found.mean_average_precision == 1
    assert found.to_dict()["per_label"][1]["average_precision"] is None
    nothing = measure("multilabel", [[0, 0]], [[0.1, 0.2]])
    assert nothing.mean_average_precision is None
    assert nothing.headline.value is None
    assert "–" in repr(nothing)
    json.dumps(nothing.to_dict(), allow_nan=False)
    assert not recwarn.list


def test_one_label_and_extreme_probabilities_are_finite():
    found = measure("multilabel", [1, 0], np.array([[0.0], [1.0]], "float32"))
    assert np.isfinite(found.log_loss) and found.micro_f1 == 0


@pytest.mark.parametrize(
    ("y", "p", "options", "message"),
    [
        ([[1, 0]], [[0.5, 0.5, 0.5]], {}, r"shape \(n, 3\).*given: \(1, 2\)"),
        ([[1, 0], [0, 1]], [[0.5, 0.5]], {}, "2 samples but probabilities has 1"),
        ([[1, 2]], [[0.5, 0.5]], {}, "0 or 1 for each label; given: 2"),
        ([[1, 0.5]], [[0.5, 0.5]], {}, "given: 0.5.*y_true >= 0.5"),
        ([[1, 0]], [[0.5, 1.5]], {}, r"from 0.5 to 1.5.*expit"),
        ([[1, 0]], [[0.5, np.nan]], {}, "NaN"),
        ([[1, 0]], [[0.5, 0.5]], {"threshold": -1}, "threshold must lie in"),
        ([[1, 0]], [[0.5, 0.5]], {"class_names": ["a"]}, "1 names"),
        ([[1, 0]], [0.5], {}, "one probability for each label"),
        (np.empty((0, 2)), np.empty((0, 2)), {}, "no rows"),
    ],
)
def test_bad_input_is_refused(y, p, options, message):
    with pytest.raises(ValueError, match=message):
        measure("multilabel", y, p, **options)


def test_averages_are_those_of_scikit_learns_report():
    from sklearn.metrics import classification_report

    y, p = sample()
    expected = classification_report(
        y, (p >= 0.5).astype(int), output_dict=True, zero_division=0
    )
    found = measure("multilabel", y, p)
    for name in ("macro", "weighted", "micro"):
        own, row = getattr(found, name), expected[f"{name} avg"]
        given = [row["precision"], row["recall"], row["f1-score"]]
        assert [own["precision"], own["recall"], own["f1"]] == pytest.approx(given)
        assert found.to_dict()[name] == own
