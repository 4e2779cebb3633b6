"""Checks of the ranges that every affine augmentation shares.

The names and units are those of Keras's ``ImageDataGenerator``; it takes
nearly anything without a word, so that a slip (a negative angle, radians for
degrees) trains on the wrong images. These checks say so at once.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from kerasopt import checks

__all__ = ["FILL_MODES", "check", "number", "pair", "share"]

FILL_MODES = ("constant", "nearest", "reflect", "wrap")
"""How pixels beyond the border are filled, in SciPy's words."""


def check(**settings: Any) -> dict[str, Any]:
    """Check affine settings and return them in plain Python types.

    Args:
        **settings: Any of `rotation_range`, `shear_range` (degrees),
            `width_shift_range`, `height_shift_range`, `zoom_range`,
            `horizontal_flip`, `vertical_flip`, `fill_mode`, `cval`.

    Returns:
        The same settings: angles and `cval` as float, shifts as float, int or
        tuple (the three mean different things), `zoom_range` as float or pair.

    Raises:
        ValueError: naming the setting, what was given and what is accepted.

    Example:
        >>> check(rotation_range=20, zoom_range=[0.8, 1.2])
        {'rotation_range': 20.0, 'zoom_range': (0.8, 1.2)}
    """
    return {
        name: _CHECKS[name](name, checks.plain(value))
        for name, value in settings.items()
    }


def number(
    name: str, value: Any, *, least: float = 0.0, highest: float = math.inf
) -> float:
    """Return a finite number from `least` to `highest` as a float."""
    value = checks.plain(value)
    if not _is_number(value) or not least <= value <= highest:
        most = "" if highest == math.inf else f" and at most {highest:g}"
        raise _refusal(name, value, f"a number of at least {least:g}{most}")
    return float(value)


def share(name: str, value: Any) -> float:
    """Return a number in [0, 1] as a float."""
    value = checks.plain(value)
    if not _is_number(value) or not 0 <= value <= 1:
        raise _refusal(name, value, "a number in [0, 1]")
    return float(value)


def pair(
    name: str, value: Any, *, least: float = 0.0, highest: float = math.inf
) -> tuple[float, float]:
    """Return two finite numbers in rising order, from `least` to `highest`."""
    value = checks.plain(value)
    if not (
        _is_sequence(value)
        and len(value) == 2
        and all(map(_is_number, value))
        and least <= value[0] <= value[1] <= highest
    ):
        most = "" if highest == math.inf else f", at most {highest:g}"
        raise _refusal(
            name, value, f"two numbers (lowest, highest) of at least {least:g}{most}"
        )
    return float(value[0]), float(value[1])


def _refusal(name: str, value: Any, accepted: str) -> ValueError:
    return ValueError(f"{name}={value!r} is not accepted; give {accepted}.")


def _is_number(value: Any) -> bool:
    try:
        checks.number("value", value)
    except ValueError:
        return False
    return True


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _shear(name: str, value: Any) -> float:
    degrees = number(name, value)
    if 0 < degrees < 1:
        # A shear of 0.2 degrees moves the rim of a 32-pixel image by 0.06
        # pixels: written in radians, it silently does nothing.
        warnings.warn(
            f"{name}={value!r} is in degrees, so it hardly moves a pixel. "
            f"If radians were meant ({value!r} rad), "
            f"give {name}={math.degrees(degrees):.1f}.",
            UserWarning,
            stacklevel=2,
        )
    return degrees


def _shift(name: str, value: Any) -> float | int | tuple[float, ...]:
    accepted = (
        "a float below 1 (fraction of the side), a float of 1 or more (pixels), "
        "an int n (whole pixels, up to n - 1 either way) or a list of the shifts "
        "to choose from, all of them fractions or all of them pixels"
    )
    if not _is_sequence(value):
        if not _is_number(value) or value < 0:
            raise _refusal(name, value, accepted)
        return int(value) if isinstance(value, Integral) else float(value)
    if not value or not all(map(_is_number, value)):
        raise _refusal(name, value, accepted)
    if max(value) < 1 and min(value) <= -1:
        # The unit hangs on the largest entry alone: [-2, -1, 0] would be read
        # as fractions, that is, shifts by one and two whole images.
        raise _refusal(name, value, accepted)
    return tuple(int(v) if isinstance(v, Integral) else float(v) for v in value)


def _zoom(name: str, value: Any) -> float | tuple[float, float]:
    if _is_sequence(value):
        low, high = pair(name, value)
        if low > 0:
            return low, high
    elif _is_number(value) and 0 <= value < 1:
        return float(value)
    raise _refusal(
        name,
        value,
        "a float from 0 up to, not including, 1 (zooms by 1 - z to 1 + z) or "
        "a pair (lowest, highest) above 0",
    )


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refusal(name, value, "True or False")
    return value


def _fill_mode(name: str, value: Any) -> str:
    if value not in FILL_MODES:
        raise _refusal(name, value, f"one of {', '.join(FILL_MODES)}")
    return str(value)


def _cval(name: str, value: Any) -> float:
    if not _is_number(value):
        raise _refusal(name, value, "a number, on the images' own scale")
    return float(value)


_CHECKS = {
    "rotation_range": number,
    "width_shift_range": _shift,
    "height_shift_range": _shift,
    "shear_range": _shear,
    "zoom_range": _zoom,
    "horizontal_flip": _flag,
    "vertical_flip": _flag,
    "fill_mode": _fill_mode,
    "cval": _cval,
    "legacy_axes": _flag,
}
