"""Regression measures against scikit-learn, SciPy's bootstrap and closed forms."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as oracle

from kerasopt.evaluation import Regression, measure
from kerasopt.evaluation.intervals import bootstrap


def sample(samples=300, targets=1, seed=0):
    random = np.random.default_rng(seed)
    y = random.normal(10, [1.0, 50.0, 0.1][:targets], (samples, targets))
    return y, y + random.normal(0, [0.3, 20.0, 0.05][:targets], y.shape)


@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_numbers_agree_with_scikit_learn(targets, weighted):
    y, p = sample(targets=targets)
    weights = np.random.default_rng(1).exponential(size=len(y)) if weighted else None
    found = measure("regression", y, p, sample_weight=weights)
    for name, function in (
        ("mae", oracle.mean_absolute_error),
        ("rmse", oracle.root_mean_squared_error),
        ("r2", oracle.r2_score),
    ):
        expected = function(y, p, sample_weight=weights)
        assert getattr(found, name) == pytest.approx(expected)
        rows = function(y, p, sample_weight=weights, multioutput="raw_values")
        np.testing.assert_allclose(found.per_target[name], rows)
    low, high = found.intervals["rmse"]
    assert low < found.rmse < high
    assert found.headline == ("rmse", found.rmse, found.intervals["rmse"])


def test_intervals_agree_with_scipys_bootstrap():
    y, p = sample(200)
    found = measure("regression", y, p)
    functions = {
        "mae": lambda y, p, axis: np.abs(y - p).mean(axis),
        "rmse": lambda y, p, axis: np.sqrt(np.square(y - p).mean(axis)),
        "r2": lambda y, p, axis: 1 - np.square(y - p).mean(axis) / y.var(axis),
    }
    for name, function in functions.items():
        expected = stats.bootstrap(
            (y[:, 0], p[:, 0]),
            function,
            paired=True,
            vectorized=True,
            method="percentile",
            n_resamples=4000,
            rng=np.random.default_rng(5),
        ).confidence_interval
        width = expected.high - expected.low
        assert found.intervals[name] == pytest.approx(tuple(expected), abs=0.12 * width)


@pytest.mark.parametrize("samples", [5_000, 123_457])
def test_the_interval_of_a_mean_is_the_normal_one(samples):
    values = np.random.default_rng(0).exponential(size=samples)
    rows = np.stack([np.ones(samples), values], axis=1)
    (found,) = bootstrap(rows, lambda sums: sums[:, 1:] / sums[:, :1], confidence=0.9)
    half = stats.norm.ppf(0.95) * values.std() / np.sqrt(samples)
    expected = (values.mean() - half, values.mean() + half)
    assert found == pytest.approx(expected, abs=0.2 * half)


def test_the_intervals_are_repeatable_and_fast():
    y, p = sample(10_000)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        found = measure("regression", y, p).intervals
        times.append(time.perf_counter() - start)
    assert found == measure("regression", y, p).intervals
    # 0.1 s alone; machines that run other tests too are slower.
    assert min(times) < 1


def test_large_numbers_keep_their_digits():
    y, p = sample()
    far = measure("regression", y + 1e7, p + 1e7)
    assert far.r2 == pytest.approx(measure("regression", y, p).r2, rel=1e-6)
    assert far.intervals["r2"] == pytest.approx(
        measure("regression", y, p).intervals["r2"], rel=1e-6
    )


@pytest.mark.parametrize("y", [[3.0, 3.0, 3.0], [0.1, 0.1, 0.1], [5.0]])
def test_r2_of_constant_targets_is_none(y, recwarn):
    found = measure("regression", y, np.add(y, [0.5, 0.0, 1.0][: len(y)]))
    assert found.r2 is None and found.intervals["r2"] is None
    assert np.isfinite(found.rmse)
    assert (found.intervals["mae"] is None) == (len(y) == 1)
    assert "–" in repr(found)
    json.dumps(found.to_dict(), allow_nan=False)
    assert not recwarn.list


def test_a_constant_target_is_left_out_of_the_mean(recwarn):
    y, p = sample(50, 2)
    y[:, 1] = 7
    found = measure("regression", y, p)
    assert found.r2 == pytest.approx(oracle.r2_score(y[:, 0], p[:, 0]))
    assert np.isnan(found.per_target["r2"].iloc[1])
    assert found.to_dict()["per_target"][1]["r2"] is None
    assert not recwarn.list


def test_worst_mistakes_are_the_largest_errors():
    found = measure("regression", [1.0, 2.0, 3.0, 4.0], [1.0, 5.0, 2.0, 4.5])
    assert found.worst_mistakes(3).tolist() == [1, 2, 3]
    # 30 of a spread of 50 is less than 2 of a spread of 1.
    y = np.array([[0.0, 0.0], [2.0, 100.0], [1.0, 50.0]])
    found = measure("regression", y, y + np.array([[2.0, 0], [0, 30.0], [0, 0]]))
    assert found.worst_mistakes(2).tolist() == [0, 1]


def test_shapes_and_names():
    y, p = sample(20)
    found = measure("regression", y[:, 0], p)
    assert isinstance(found, Regression) and len(found) == 20
    assert found.targets.shape == found.predictions.shape == (20, 1)
    assert "\n" not in repr(found)
    two = measure("regression", *sample(20, 2), class_names=["width", "height"])
    assert two.per_target.index.tolist() == ["width", "height"]
    assert json.loads(json.dumps(two.to_dict()))["per_target"][0]["target"] == "width"


@pytest.mark.parametrize(
    ("y", "p", "options", "message"),
    [
        ([1.0, 2.0], [[1.0], [2.0], [3.0]], {}, "2 samples but predictions has 3"),
        ([[1.0, 2.0]], [[1.0]], {}, "2 targets but predictions has 1"),
        ([1.0, np.nan], [1.0, 2.0], {}, "y_true has NaN.*missing targets"),
        ([1.0, 2.0], [1.0, np.inf], {}, "predictions has NaN.*learning rate"),
        ([1.0, 2.0], np.zeros((2, 1, 1)), {}, r"shape \(n,\) or \(n, targets\)"),
        (["a"], [1.0], {}, "y_true must be an array of numbers"),
        ([1.0], [1.0], {"threshold": 0.5}, "threshold has no effect"),
        ([1.0], [1.0], {"class_names": ["a", "b"]}, "2 names but predictions has 1"),
        ([1.0], [1.0], {"confidence": 1}, "between 0 and 1"),
        ([], [], {}, "no rows"),
    ],
)
def test_bad_input_is_refused(y, p, options, message):
    with pytest.raises(ValueError, match=message):
        measure("regression", y, p, **options)
