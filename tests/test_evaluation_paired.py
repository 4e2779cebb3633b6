"""kerasopt.evaluation.paired against SciPy's paired t test."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasopt.evaluation.paired import mean_interval

rng = np.random.default_rng(0)


@pytest.mark.parametrize("pairs", [2, 3, 10, 100])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_is_that_of_a_paired_t_test(pairs, confidence):
    a, b = rng.normal(0.9, 0.01, pairs), rng.normal(0.88, 0.02, pairs)
    mean, interval = mean_interval(a - b, confidence=confidence)
    found = stats.ttest_rel(a, b).confidence_interval(confidence)
    assert mean == pytest.approx(np.mean(a - b))
    assert interval == pytest.approx((found.low, found.high))


def test_equal_differences_have_an_interval_of_no_width():
    mean, (low, high) = mean_interval(np.full(3, 0.25))
    assert mean == low == high == 0.25


def test_one_pair_has_a_mean_alone_and_none_has_nothing():
    assert mean_interval(np.array([0.5])) == (0.5, None)
    mean, interval = mean_interval(np.array([]))
    assert math.isnan(mean)
    assert interval is None
