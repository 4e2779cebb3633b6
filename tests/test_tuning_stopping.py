"""kerasopt.tuning.searches.stopping: the rules, against cases computed by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from kerasopt.tuning.searches.stopping import (
    Pruner,
    StopAtEpoch,
    is_behind_the_half,
    is_behind_the_median,
)

CURVES = ([0.1, 0.2], [0.3, 0.4], [0.5, 0.5], [0.7, 0.7], [0.9, 0.9])
OTHERS = [np.array(curve) for curve in CURVES]


# Running means at epoch 2: 0.15, 0.35, 0.5, 0.7, 0.9; their median is 0.5.
@pytest.mark.parametrize(
    ("curve", "behind"),
    [
        ([0.2, 0.49], True),
        ([0.2, 0.5], False),  # Equal is not below.
        ([0.6, 0.1], False),  # The best so far counts, not the last.
        ([0.49], True),  # At epoch 1 the median of the first values is 0.5.
        ([0.5], False),
        ([0.0, 0.0, 0.0], False),  # Nobody came as far.
        ([math.nan, 0.4], True),
        ([math.nan, 0.6], False),
    ],
)
def test_the_median_rule(curve, behind):
    assert is_behind_the_median(np.array(curve), OTHERS) is behind


# Best values up to epoch 2: 0.2, 0.4, 0.5, 0.7, 0.9; their median is 0.5.
@pytest.mark.parametrize(
    ("curve", "behind"),
    [
        ([0.49], True),
        ([0.5], False),
        ([0.49, 0.2], True),
        ([0.2, 0.5], False),
        ([0.6, 0.1], False),
        ([0.0, 0.0, 0.0], False),  # 3 is no rung.
        ([0.0] * 4, False),  # Nobody came as far.
    ],
)
def test_the_halving_rule(curve, behind):
    assert is_behind_the_half(np.array(curve), OTHERS) is behind


RULES = [is_behind_the_median, is_behind_the_half]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_wants_five_curves_that_came_as_far(rule):
    worst = np.array([0.0])
    assert not rule(worst, [])
    assert not rule(worst, OTHERS[:4])
    assert rule(worst, OTHERS)
    assert not rule(np.zeros(2), [*OTHERS[:4], np.array([0.9])])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.filterwarnings("error")
def test_a_curve_of_nans_among_the_others_blinds_no_rule(rule):
    others = [np.array([0.4, 0.5])] * 5 + [np.array([math.nan, math.nan])]
    assert rule(np.array([0.3]), others)
    assert not rule(np.array([0.45, 0.6]), others)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.filterwarnings("error")
def test_a_curve_of_nans_is_behind(rule):
    assert rule(np.array([math.nan]), OTHERS)


def watched(rule, values, *, others=OTHERS, maximize=True, epochs=10, before=()):
    """Return the callback, and the epoch (from 0) after which it stopped."""
    callback = Pruner(
        rule, objective="it", maximize=maximize, others=others, epochs=epochs
    )
    callback.remember(before)
    callback.set_model(SimpleNamespace(stop_training=False))
    for epoch, value in enumerate(values, len(before)):
        callback.on_epoch_end(epoch, {"it": value})
        if callback.model.stop_training:
            return callback, epoch
    return callback, None


def test_it_stops_the_training_and_says_so():
    callback, at = watched("median", [0.6, 0.1])
    assert at is None
    assert not callback.stopped
    callback, at = watched("median", [0.4, 0.9])
    assert at == 0
    assert callback.stopped


def test_of_a_loss_less_is_better():
    others = [[1.0, 0.8]] * 5
    assert watched("median", [0.9, 0.7], others=others, maximize=False)[1] is None
    assert watched("median", [1.1], others=others, maximize=False)[1] == 0
    assert watched("halving", [1.1], others=others, maximize=False)[1] == 0


def test_after_the_last_epoch_nothing_is_left_to_save():
    assert watched("median", [0.0], epochs=1)[1] is None


def test_the_epochs_before_an_interruption_count():
    assert watched("median", [0.1], before=[0.9])[1] is None
    assert watched("median", [0.1], before=[0.2])[1] == 1


def test_a_log_that_is_ahead_of_the_checkpoint_is_cut():
    callback = Pruner("median", objective="it", maximize=True, others=OTHERS, epochs=10)
    callback.remember([0.6, 0.9, 0.9])
    callback.set_model(SimpleNamespace(stop_training=False))
    callback.on_epoch_end(1, {"it": 0.3})
    assert callback.curve == [0.6, 0.3]


def test_until_stops_after_its_epoch():
    callback = StopAtEpoch(3)
    callback.set_model(SimpleNamespace(stop_training=False))
    stopped = []
    for epoch in range(3):
        callback.on_epoch_end(epoch)
        stopped.append(callback.model.stop_training)
    assert stopped == [False, False, True]
