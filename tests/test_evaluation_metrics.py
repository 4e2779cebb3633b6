"""Classification metrics against scikit-learn and SciPy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import special, stats
from sklearn import metrics as oracle

from kerasopt.evaluation import Classification, classification, formatting
from kerasopt.evaluation.metrics import wilson


def predictions(
    samples: int = 400, classes: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities of a fairly good imaginary model."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, samples)
    logits = random.normal(0, 1.5, (samples, classes))
    logits[np.arange(samples), labels] += 2
    return labels, special.softmax(logits, axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_numbers_agree_with_scikit_learn(seed):
    labels, probabilities = predictions(seed=seed)
    found = classification(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    assert found.accuracy == pytest.approx(oracle.accuracy_score(labels, predicted))
    assert found.log_loss == pytest.approx(oracle.log_loss(labels, probabilities))
    np.testing.assert_array_equal(
        found.confusion, oracle.confusion_matrix(labels, predicted)
    )
    expected = oracle.precision_recall_fscore_support(labels, predicted)
    np.testing.assert_allclose(found.per_class.to_numpy().T, np.array(expected))
    np.testing.assert_array_equal(found.predicted, predicted)
    np.testing.assert_array_equal(
        found.confidence_of_prediction, probabilities.max(axis=1)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_certain_mistake_has_the_finite_loss_of_scikit_learn(dtype):
    probabilities = np.array([[1, 0], [0, 1], [0.5, 0.5]], dtype)
    expected = oracle.log_loss([0, 0, 1], probabilities)
    found = classification([0, 0, 1], probabilities)
    assert np.isfinite(found.log_loss)
    assert found.log_loss == pytest.approx(expected, rel=1e-5)


@given(
    logits=arrays.arrays(
        "float64",
        st.tuples(st.integers(1, 30), st.integers(2, 6)),
        elements=st.floats(-30, 30),
    ),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_any_prediction_agrees_with_scikit_learn(logits, data):
    samples, classes = logits.shape
    labels = data.draw(
        arrays.arrays("int64", samples, elements=st.integers(0, classes - 1))
    )
    probabilities = special.softmax(logits, axis=1)
    found = classification(labels, probabilities)
    assert found.log_loss == pytest.approx(
        oracle.log_loss(labels, probabilities, labels=range(classes)), abs=1e-12
    )
    assert found.accuracy == pytest.approx(
        oracle.accuracy_score(labels, probabilities.argmax(axis=1))
    )
    low, high = found.interval
    assert 0 <= low <= found.accuracy + 1e-12 and found.accuracy - 1e-12 <= high <= 1
    assert found.confusion.to_numpy().sum() == samples
    assert found.per_class["support"].sum() == samples


@given(st.integers(1, 10**5), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_the_interval_is_the_wilson_formula(count, share, confidence):
    successes = round(share * count)
    z = stats.norm.ppf((1 + confidence) / 2)
    p = successes / count
    middle = (p + z**2 / (2 * count)) / (1 + z**2 / count)
    half = np.sqrt(p * (1 - p) / count + z**2 / (4 * count**2))
    half *= z / (1 + z**2 / count)
    low, high = wilson(successes, count, confidence=confidence)
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-9)


def test_the_interval_of_a_result_is_of_its_hits():
    labels, probabilities = predictions()
    found = classification(labels, probabilities, confidence=0.9)
    hits = int((labels == probabilities.argmax(axis=1)).sum())
    expected = stats.binomtest(hits, len(labels)).proportion_ci(
        confidence_level=0.9, method="wilson"
    )
    assert found.interval == (expected.low, expected.high)


@pytest.mark.parametrize("arguments", [(-1, 5), (6, 5), (0, 0)])
def test_an_interval_of_impossible_counts_is_refused(arguments):
    with pytest.raises(ValueError, match="0 <= successes <= count"):
        wilson(*arguments)


def test_labels_may_be_one_hot_a_column_or_floats():
    labels, probabilities = predictions()
    expected = classification(labels, probabilities)
    for given_labels in (
        np.eye(5)[labels],
        labels[:, None],
        labels.astype("float32"),
        labels.astype("uint8"),
        labels.tolist(),
    ):
        found = classification(given_labels, probabilities)
        np.testing.assert_array_equal(found.labels, expected.labels)
        assert found.log_loss == expected.log_loss


def test_worst_mistakes_are_wrong_and_sorted_by_loss():
    labels, probabilities = predictions()
    found = classification(labels, probabilities)
    wrong = np.flatnonzero(labels != probabilities.argmax(axis=1))
    worst = found.worst_mistakes(10)
    assert len(worst) == 10 and set(worst) <= set(wrong)
    own = probabilities[np.arange(len(labels)), labels]
    assert (np.diff(own[worst]) >= 0).all()
    assert own[worst].max() <= own[list(set(wrong) - set(worst))].min()
    assert set(found.worst_mistakes(10**6)) == set(wrong)


def test_equal_mistakes_stay_in_the_order_of_the_data():
    probabilities = np.tile([0.9, 0.1], (50, 1))
    found = classification(np.ones(50, int), probabilities)
    assert found.worst_mistakes(5).tolist() == [0, 1, 2, 3, 4]


def test_without_mistakes_there_are_none():
    found = classification([0, 1], [[0.9, 0.1], [0.2, 0.8]])
    assert found.worst_mistakes().tolist() == []
    assert found.accuracy == 1.0 and found.interval[1] == 1.0


def test_a_class_without_samples_or_predictions_scores_zero_without_warning(recwarn):
    found = classification([0, 0], [[0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    assert found.per_class.loc["2"].tolist() == [0, 0, 0, 0]
    assert not recwarn.list


def test_class_names_label_the_tables():
    names = ["red", "green", "blue", "black", "white"]
    found = classification(*predictions(), class_names=names)
    assert found.confusion.index.tolist() == found.per_class.index.tolist() == names
    assert found.confusion.columns.name == "predicted"


def test_the_summary_is_json_and_the_repr_is_one_line():
    found = classification(*predictions())
    restored = json.loads(json.dumps(found.to_dict()))
    assert restored["accuracy"] == found.accuracy
    assert restored["interval"] == list(found.interval)
    assert restored["per_class"][0]["class"] == "0"
    assert "\n" not in repr(found) and f"{found.accuracy:.4f}" in repr(found)


def test_a_result_is_frozen():
    found = classification(*predictions())
    assert isinstance(found, Classification)
    with pytest.raises(AttributeError):
        found.labels = found.labels


def test_weights_agree_with_scikit_learn():
    labels, probabilities = predictions()
    weights = np.random.default_rng(1).exponential(size=len(labels))
    found = classification(labels, probabilities, sample_weight=weights)
    predicted = probabilities.argmax(axis=1)
    assert found.accuracy == pytest.approx(
        oracle.accuracy_score(labels, predicted, sample_weight=weights)
    )
    assert found.log_loss == pytest.approx(
        oracle.log_loss(labels, probabilities, sample_weight=weights)
    )
    expected = oracle.precision_recall_fscore_support(
        labels, predicted, sample_weight=weights
    )
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        np.testing.assert_allclose(found.per_class[name], values)
    np.testing.assert_array_equal(found.per_class["support"], np.bincount(labels))
    low, high = found.interval
    assert low < found.accuracy < high


def test_whole_weights_count_as_repeated_samples():
    labels, probabilities = predictions(60)
    weights = np.random.default_rng(1).integers(0, 4, 60)
    found = classification(labels, probabilities, sample_weight=weights)
    again = classification(
        np.repeat(labels, weights), np.repeat(probabilities, weights, axis=0)
    )
    assert found.accuracy == pytest.approx(again.accuracy)
    assert found.log_loss == pytest.approx(again.log_loss)
    # Repeats bring nothing new, so the interval is wider.
    assert np.diff(found.interval) > np.diff(again.interval)


def test_equal_weights_change_nothing():
    labels, probabilities = predictions()
    plain = classification(labels, probabilities)
    equal = classification(labels, probabilities, sample_weight=np.full(400, 3))
    assert equal.interval == pytest.approx(plain.interval)
    assert equal.log_loss == pytest.approx(plain.log_loss)


@pytest.mark.parametrize("classes", [3, 9])
def test_macro_averages_are_those_of_scikit_learn(classes):
    labels, probabilities = predictions(20, classes, seed=1)
    found = classification(labels, probabilities)
    expected = oracle.precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), average="macro", zero_division=0
    )
    assert list(found.macro) == ["precision", "recall", "f1"]
    assert list(found.macro.values()) == pytest.approx(expected[:3])


def test_soft_labels_take_the_largest_share_and_keep_their_loss():
    labels, probabilities = predictions()
    soft = 0.7 * np.eye(5)[labels] + 0.3 / 5
    found = classification(soft, probabilities)
    hard = classification(labels, probabilities)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.accuracy == hard.accuracy
    expected = special.rel_entr(soft, probabilities) + special.entr(soft)
    assert found.log_loss == pytest.approx(expected.sum(axis=1).mean())


def test_the_headline_is_the_accuracy():
    found = classification(*predictions())
    assert found.headline == ("accuracy", found.accuracy, found.interval)
    assert found.headline.name == "accuracy"


def test_rows_of_bfloat16_are_read():
    import ml_dtypes

    labels, probabilities = predictions()
    rough = classification(labels, probabilities.astype(ml_dtypes.bfloat16))
    exact = classification(labels, probabilities)
    assert rough.log_loss == pytest.approx(exact.log_loss, rel=1e-2)


ROWS = [[0.9, 0.1], [0.2, 0.8]]


@pytest.mark.parametrize(
    ("labels", "probabilities", "options", "message"),
    [
        ([0, 1], [[np.nan, 1], [0, 1]], {}, "NaN or infinite values in 1 of 2 rows"),
        ([0, 1], [[np.inf, 1], [0, 1]], {}, "NaN or infinite"),
        ([0, 1, 1], ROWS, {}, "y_true has 3 samples but probabilities has 2"),
        ([0, 2], ROWS, {}, r"whole numbers 0\.\.1.*given: 2 in row 1"),
        ([0, -1], ROWS, {}, "given: -1 in row 1"),
        ([0, 0.5], ROWS, {}, "given: 0.5 in row 1"),
        ([0, np.nan], ROWS, {}, "given: nan in row 1"),
        (["cat", "dog"], ROWS, {}, "class_names.index"),
        ([0, 1], [[2.0, -1.0], [0.5, 0.5]], {}, "softmax"),
        ([0, 1], [[0.5, 0.502], [0.5, 0.5]], {}, "sums to 1.002"),
        ([0, 1], [0.3, 0.6], {}, "np.stack"),
        ([0, 1], [[0.3], [0.6]], {}, "np.stack"),
        ([0, 1], [["a", "b"], ["c", "d"]], {}, "array of numbers"),
        ([], np.empty((0, 2)), {}, "no rows"),
        ([[0.5, 0.6], [0, 1]], ROWS, {}, "one-hot"),
        ([[1.5, -0.5], [0, 1]], ROWS, {}, "one-hot"),
        ([[np.nan, 0.5], [0, 1]], ROWS, {}, "one-hot"),
        ([[1, 1], [0, 1]], ROWS, {}, "one-hot"),
        ([[1, 0, 0], [0, 1, 0]], ROWS, {}, r"given: \(2, 3\)"),
        ([0, 1], ROWS, {"class_names": ["a"]}, "1 names but probabilities has 2"),
        ([0, 1], ROWS, {"class_names": ["a", "a"]}, "more than once: a"),
        ([0, 1], ROWS, {"class_names": ["a", " "]}, "an empty name"),
        ([0, 1], ROWS, {"confidence": 95}, "between 0 and 1"),
        ([0, 1], ROWS, {"sample_weight": [1]}, r"shape \(2,\).*given: \(1,\)"),
        ([0, 1], ROWS, {"sample_weight": [1, -1]}, "at least 0.*from -1 to 1"),
        ([0, 1], ROWS, {"sample_weight": [0, 0]}, "not all of them 0"),
        ([0, 1], ROWS, {"sample_weight": [1, np.nan]}, "finite numbers"),
    ],
)
def test_bad_input_is_refused_with_its_fix(labels, probabilities, options, message):
    with pytest.raises(ValueError, match=message):
        classification(labels, probabilities, **options)


def test_rows_may_be_off_by_rounding():
    assert classification([0], [[0.5004, 0.5]]).accuracy == 1
    half = np.array([[0.7, 0.2, 0.1]], "float16")
    assert classification([0], half).accuracy == 1


def test_a_negative_count_of_mistakes_is_refused():
    with pytest.raises(ValueError, match="count must be an integer >= 0"):
        classification(*predictions()).worst_mistakes(-1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (119.7, "2 min 0 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_durations_never_show_sixty_of_a_unit(seconds, text):
    assert formatting.duration(seconds) == text


def test_averages_are_those_of_scikit_learns_report():
    from sklearn.metrics import classification_report

    random = np.random.default_rng(3)
    labels, predicted = random.integers(0, 4, (2, 80)) % np.array([[4], [3]])
    weights = random.uniform(0.5, 2, 80)
    for weight in (None, weights):
        found = classification(
            labels, np.eye(4)[predicted] * 0.6 + 0.1, sample_weight=weight
        )
        expected = classification_report(
            labels, predicted, output_dict=True, sample_weight=weight, zero_division=0
        )
        for own, name in ((found.macro, "macro avg"), (found.weighted, "weighted avg")):
            row = expected[name]
            given = [row["precision"], row["recall"], row["f1-score"]]
            assert [own["precision"], own["recall"], own["f1"]] == pytest.approx(given)
        assert found.to_dict()["weighted"] == found.weighted


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"class_names": "ab"}, "class_names is a str. Accepted: a list"),
        ({"class_names": {"a", "b"}}, "class_names is a set"),
        ({"class_names": 3}, "class_names is a int"),
        ({"class_names": [None, "b"]}, "class_names has None of type NoneType"),
        ({"confidence": "a"}, "confidence must be a finite number; given: 'a'"),
        ({"confidence": True}, "confidence must be a finite number; given: True"),
    ],
)
def test_arguments_of_a_wrong_type_are_refused(given, message):
    with pytest.raises(TypeError, match=message):
        classification([0, 1], ROWS, **given)
