"""kerasopt.diagnosis.overfits on curves whose reading is plain."""

import numpy as np
import pandas as pd
import pytest

from kerasopt import diagnosis

FALLS = 0.9 ** np.arange(12)
TURNS = np.r_[FALLS[:6], FALLS[5] + 0.05 * np.arange(1, 7)]


@pytest.mark.parametrize(
    ("loss", "val_loss", "expected"),
    [
        (FALLS, TURNS, True),
        (FALLS, FALLS, False),
        (np.ones(12), np.ones(12), False),  # it learns nothing: no overfitting
        (TURNS, TURNS, False),  # it diverges
        (FALLS, np.r_[FALLS[:10], 1, 1], False),  # two bad epochs of three
        (FALLS, np.full(12, np.nan), False),
    ],
)
def test_overfitting_is_a_rising_validation_and_a_falling_training_loss(
    loss, val_loss, expected
):
    history = pd.DataFrame({"loss": loss, "val_loss": val_loss})
    assert diagnosis.overfits(history, patience=3) is expected


def test_bad_arguments():
    history = pd.DataFrame({"loss": [1.0]})
    with pytest.raises(ValueError, match=r"missing: \['val_loss'\]"):
        diagnosis.overfits(history)
    with pytest.raises(ValueError, match="patience must be an integer >= 1"):
        diagnosis.overfits(history.assign(val_loss=1.0), patience=0)
