"""Which cases of a table run in `make test`; `make test-all` runs all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

__all__ = ["slow_unless"]


def slow_unless(kept: Callable[..., bool], cases: Iterable[Any]) -> list[Any]:
    """Return the cases as parameters, those that aren't kept marked as slow.

    Args:
        kept: Tells of a case, its values as arguments, whether it runs in `make test`.
        cases: Values, or tuples of them.
    """
    values = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [
        pytest.param(*case, marks=[] if kept(*case) else pytest.mark.slow)
        for case in values
    ]
