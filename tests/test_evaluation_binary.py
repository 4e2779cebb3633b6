"""Binary measures against Mann and Whitney, closed forms and brute force."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from kerasopt.evaluation import Binary, choose_threshold, classification, measure


def sample(samples=300, seed=0, share=0.3):
    """Return labels and probabilities of class 1 of a fairly good model."""
    random = np.random.default_rng(seed)
    labels = (random.random(samples) < share).astype(int)
    logits = random.normal(0, 1, samples) + 1.5 * labels - 1
    return labels, special.expit(logits)


def both(p):
    return np.stack([1 - np.asarray(p), p], axis=1)


def binary(labels, p, **options):
    return measure("binary", labels, both(p), **options)


def scores_at(labels, decided, weights=None):
    """Return accuracy, precision, recall and F1 by counting."""
    w = np.ones(len(labels)) if weights is None else weights
    tp, fp, fn = (
        w[(decided == d) & (labels == c)].sum() for d, c in ((1, 1), (1, 0), (0, 1))
    )
    return (
        w[decided == labels].sum() / w.sum(),
        tp / (tp + fp),
        tp / (tp + fn),
        2 * tp / (2 * tp + fp + fn),
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_auc_is_mann_and_whitneys_u(seed):
    labels, p = sample(seed=seed)
    p = np.round(p, 2)  # Ties count half.
    u = stats.mannwhitneyu(p[labels == 1], p[labels == 0]).statistic
    pairs = (labels == 1).sum() * (labels == 0).sum()
    assert binary(labels, p).auc == pytest.approx(u / pairs)


def test_the_average_precision_is_its_definition():
    labels, p = sample()
    order = np.argsort(-p)
    hits = labels[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    expected = precision[hits == 1].sum() / hits.sum()
    assert binary(labels, p).average_precision == pytest.approx(expected)


def test_whole_weights_are_repeats_in_every_measure():
    labels, p = sample(80)
    weights = np.random.default_rng(1).integers(0, 4, 80)
    found = binary(labels, p, sample_weight=weights, threshold=0.4)
    again = binary(np.repeat(labels, weights), np.repeat(p, weights), threshold=0.4)
    assert found.auc == pytest.approx(again.auc)
    assert found.average_precision == pytest.approx(again.average_precision)
    for name in ("accuracy", "precision", "recall", "f1"):
        assert found.at_threshold[name] == pytest.approx(again.at_threshold[name])


def test_the_curves_enclose_the_areas():
    found = binary(*sample())
    x, y = found.roc["false_positive_rate"], found.roc["true_positive_rate"]
    assert np.trapezoid(y, x) == pytest.approx(found.auc)
    curve = found.precision_recall
    steps = -np.diff(curve["recall"]) * curve["precision"][:-1]
    assert steps.sum() == pytest.approx(found.average_precision)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.7])
def test_the_decision_at_the_threshold(threshold):
    labels, p = sample()
    found = binary(labels, p, threshold=threshold)
    expected = scores_at(labels, (p >= threshold).astype(int))
    names = ("accuracy", "precision", "recall", "f1")
    assert [found.at_threshold[name] for name in names] == pytest.approx(expected)
    counts = [v for k, v in found.at_threshold.items() if k.endswith("tives")]
    assert sum(counts) == len(labels) and len(counts) == 4


def test_it_is_a_classification_whose_accuracy_ignores_the_threshold():
    labels, p = sample()
    found = binary(labels, p, threshold=0.1)
    plain = classification(labels, both(p))
    assert isinstance(found, Binary)
    assert found.accuracy == plain.accuracy and found.interval == plain.interval
    assert found.confusion.equals(plain.confusion)
    assert found.worst_mistakes(5).tolist() == plain.worst_mistakes(5).tolist()
    assert found.headline == ("accuracy", plain.accuracy, plain.interval)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_with_one_class_the_areas_are_none(labels, recwarn):
    found = binary(labels, [0.2, 0.6, 0.4], threshold=0.9)
    assert found.auc is found.average_precision is found.roc is None
    assert found.precision_recall is None
    assert found.at_threshold["precision"] == 0
    json.dumps(found.to_dict(), allow_nan=False)
    assert choose_threshold(labels, [0.2, 0.6, 0.4]) == 0.5
    assert not recwarn.list


def test_the_dict_is_json():
    found = binary(*sample(), threshold=0.3)
    restored = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert restored["auc"] == found.auc
    assert restored["at_threshold"]["threshold"] == 0.3
    assert restored["accuracy"] == found.accuracy


SCORES = {
    "f1": lambda y, d: scores_at(y, d)[3],
    "accuracy": lambda y, d: (y == d).mean(),
    "balanced_accuracy": lambda y, d: (d[y == 1].mean() + 1 - d[y == 0].mean()) / 2,
}


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from(np.linspace(0, 1, 9).tolist())),
        min_size=2,
        max_size=25,
    ).filter(lambda pairs: len({c for c, _ in pairs}) == 2),
    st.sampled_from(sorted(SCORES)),
)
@settings(max_examples=150, deadline=None)
def test_no_threshold_is_better_than_the_chosen(pairs, maximize):
    labels, p = map(np.array, zip(*pairs, strict=True))
    chosen = choose_threshold(labels, p, maximize=maximize)
    assert 0 <= chosen <= 1

    def score(threshold):
        with np.errstate(invalid="ignore"):
            return SCORES[maximize](labels, (p >= threshold).astype(int))

    best = max(score(t) for t in np.linspace(0, 1, 201))
    assert score(chosen) == pytest.approx(best)


def test_the_choice_takes_weights_one_hot_rows_and_both_columns():
    labels, p = sample()
    weights = np.random.default_rng(1).integers(1, 5, len(labels))
    expected = choose_threshold(np.repeat(labels, weights), np.repeat(p, weights))
    assert choose_threshold(labels, p, sample_weight=weights) == expected
    assert choose_threshold(np.eye(2)[labels], both(p), sample_weight=weights) == (
        expected
    )


def test_neighbouring_floats_are_told_apart():
    low = 0.7
    high = np.nextafter(low, 1)
    chosen = choose_threshold([0, 1], [low, high])
    assert low < chosen <= high


def test_a_threshold_chosen_on_validation_helps_f1_on_rare_classes():
    validation, test = sample(2000, 1, 0.05), sample(2000, 2, 0.05)
    chosen = choose_threshold(*validation)
    tuned = binary(*test, threshold=chosen).at_threshold["f1"]
    assert tuned > binary(*test).at_threshold["f1"] + 0.02


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: choose_threshold([0, 1], [0.1, 0.9], maximize="f2"), "Did you mean"),
        (lambda: choose_threshold([0, 1], [0.1, 1.9]), "0 or more and sum to 1"),
        (lambda: choose_threshold([0, 1, 1], [0.1, 0.9]), "3 samples"),
        (lambda: choose_threshold([0, 2], [0.1, 0.9]), "given: 2 in row 1"),
        (lambda: binary([0, 1], [0.1, 0.9], threshold=1.5), r"threshold must lie in"),
        (
            lambda: measure("binary", [0, 1], np.full((2, 4), 0.25)),
            r"shape \(n, 2\).*given: 4 columns",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
