"""kerasopt.checks: numbers."""

import pytest

from kerasopt import checks


def test_a_number_beyond_float32_is_named_so():
    with pytest.raises(ValueError, match=r"a number > 0 and of float32, at most 3.4e"):
        checks.positive("learning_rate", 1e300)
    for value in (float("inf"), -1e300):
        with pytest.raises(ValueError, match="must be a number > 0; given"):
            checks.positive("learning_rate", value)
