"""kerasopt.regularizers: penalties against their formula in NumPy."""

import keras
import numpy as np
import pytest

from kerasopt import regularizers

WEIGHTS = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


@pytest.mark.parametrize(
    ("name", "arguments", "l1", "l2"),
    [
        ("l1", {"l1": 0.02}, 0.02, 0),
        ("l2", {"l2": 0.03}, 0, 0.03),
        ("ridge", {}, 0, 0.01),
        ("l1_l2", {"l1": 0.1, "l2": 0.2}, 0.1, 0.2),
        ({"name": "l1_l2", "l1": 0.1}, {"l2": 0.2}, 0.1, 0.2),
    ],
)
def test_penalty(name, arguments, l1, l2):
    penalty = float(regularizers.get(name, **arguments)(WEIGHTS))
    expected = l1 * np.abs(WEIGHTS).sum() + l2 * (WEIGHTS**2).sum()
    assert penalty == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), "0.1", True])
def test_bad_factor(bad):
    with pytest.raises(ValueError, match="must be a number >= 0"):
        regularizers.get("l2", l2=bad)


def test_objects_none_and_unknown_words():
    penalty = keras.regularizers.L2(0.1)
    assert regularizers.get(penalty) is penalty
    assert regularizers.get(None) is None
    with pytest.raises(ValueError, match="already has its arguments"):
        regularizers.get(penalty, l2=0.1)
    with pytest.raises(ValueError, match="Did you mean 'l1_l2'"):
        regularizers.get("l1_l3")
