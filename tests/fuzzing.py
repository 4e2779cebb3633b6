"""What the fuzz tests share: odd values, their numbers of inputs, and the verdict.

`make test` runs some 2,000 inputs, the same ones each time; `make fuzz` ten times as
many, new ones each time (``--hypothesis-seed=N`` repeats them).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

__all__ = ["ODD", "WORDS", "accepted", "inputs"]

TIMES = int(os.environ.get("KERASOPT_FUZZ", "1"))
"""How many times as many inputs as in `make test`."""

_NUMBERS = (-1, 0, 1, 2, 3, 7, 10**6, 10**12, -(10**12), 2**31, 2**63, 1.0, 0.5, -0.5,
            1e-9, 1e30, 1e308, math.nan, math.inf, -math.inf, True, False)  # fmt: skip
WORDS = ("", " ", "no", "none", "null", "true", "auto", "adam", "1", "1e5", "0.1", "-",
         "[", "{", "[/b]", "[red]x", "$x$", "<b>", "é", "数字", "\u200f", "a b", "a.b",
         "x" * 300, "../..", "~", "~nosuchuser", "\n", "\t", "%s", "{0}", "*a", "&a",
         "!!python/object:os.system")  # fmt: skip
_KEYS = st.sampled_from(
    ("name", "units", "learning_rate", "", "a", "default", "groups")
)
_PLAIN = st.one_of(
    st.sampled_from(_NUMBERS),
    st.sampled_from(WORDS),
    st.none(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
)
ODD = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)
    ),
    max_leaves=4,
)
"""Values as they come out of YAML and JSON, mostly wrong ones."""


def inputs(count: int) -> Callable[[Any], Any]:
    """Return the decorator of a test that takes so many inputs in `make test`."""
    return hypothesis.settings(
        max_examples=count * TIMES,
        derandomize=TIMES == 1,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


def accepted(action: Callable[[], Any]) -> Any:
    """Return what an action gives, None where it refuses its input in a sentence.

    Any other exception than those that the package promises passes, and so does one
    without a message that a person can read.
    """
    try:
        return action()
    except (ValueError, TypeError, OSError, ImportError) as error:
        assert is_a_sentence(error), f"{type(error).__name__}: {error}"
        return None


def is_a_sentence(error: BaseException) -> bool:
    """Tell a message of ours from one out of the depths of Python or a library."""
    text = str(error)
    from_below = (
        "unexpected keyword argument",
        "positional argument",
        "object is not subscriptable",
        "object is not iterable",
        "object is not callable",
        "not supported between instances of",
        "unsupported operand",
        "unhashable type",
        "has no attribute",
        "must be real number, not",
        "cannot be interpreted as an integer",
        "invalid literal for",
        "could not convert",
        "Traceback",
        "{{function_node",
    )
    return len(text) > 12 and not any(words in text for words in from_below)


def same(one: Any, other: Any) -> bool:
    """Return whether two plain values are equal, NaN being equal to itself."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            same(one[key], other[key]) for key in one
        )
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return bool(np.all(one == other))
