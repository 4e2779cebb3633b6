"""Batches of a stream: brought into one form, checked, compared with the first ones."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from kerasopt.data.checks import as_array, hint_for
from kerasopt.data.structure import first_leaf, leaves, map_leaves

__all__ = [
    "StreamError",
    "as_arrays",
    "as_batch",
    "check_batch",
    "check_like",
    "num_rows",
    "reason_of",
    "spec_of",
]

_PARTS = ("x", "y", "sample_weight")


class StreamError(ValueError):
    """A stream that failed while it was read; the message names the batch."""


_NOT_THE_REASON = re.compile(
    r"Graph execution error|Detected at node|<stack traces|File \"|Traceback|\[\[|$"
)


def reason_of(error: BaseException) -> str:
    """Return what an error says, in one line, without TensorFlow's frame around it.

    Example:
        >>> reason_of(ValueError("{{node A}} bad: 1 [Op:A]"))
        'bad: 1'
    """
    lines = [line.strip() for line in str(error).splitlines()]
    if lines and lines[0].startswith("in user code"):
        lines.reverse()  # AutoGraph's traceback ends in the error.
    found = next((line for line in lines if not _NOT_THE_REASON.match(line)), "")
    text = re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:.*$", "", found)
    return text or type(error).__name__


def as_batch(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a batch as (x,), (x, y) or (x, y, weights), lists of arrays as tuples.

    Example:
        >>> as_batch(([1, 2], None))
        ([1, 2],)
    """
    if len(parts) == 1 and isinstance(parts[0], (tuple, list)):
        parts = tuple(parts[0])
    if len(parts) > len(_PARTS):
        raise ValueError(
            f"a batch of {len(parts)} parts; accepted: x, (x, y) or "
            "(x, y, sample_weight). Several inputs: ((a, b), y)"
        )
    while parts and parts[-1] is None:
        parts = parts[:-1]
    if not parts or any(part is None for part in parts):
        names = ", ".join(
            "None" if part is None else name
            for name, part in zip(_PARTS, parts, strict=False)
        )
        raise ValueError(
            f"a batch of ({names or 'None'}); accepted: x, (x, y) or "
            "(x, y, sample_weight)"
        )
    return tuple(map(_several, parts))


def _several(part: Any) -> Any:
    """Return a list of arrays as a tuple: several inputs. Plain lists are one array."""
    arrays = isinstance(part, list) and any(hasattr(item, "shape") for item in part)
    return tuple(part) if arrays else part


def as_arrays(batch: Any) -> tuple[Any, ...]:
    """Return a batch of NumPy arrays; floats are float32, as in Keras's `fit`.

    Example:
        >>> x, y = as_arrays(([[0.5]], [1]))
        >>> x.dtype, y.dtype
        (dtype('float32'), dtype('int64'))
    """
    parts = as_batch(batch if isinstance(batch, tuple) else (batch,))
    return tuple(
        map_leaves(lambda values, name=name: _as_array(values, name), part)
        for name, part in zip(_PARTS, parts, strict=False)
    )


def _as_array(values: Any, what: str) -> np.ndarray:
    array = as_array(values, what=what)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def num_rows(batch: tuple[Any, ...]) -> int:
    """Return the number of samples in a batch of arrays.

    Example:
        >>> num_rows((np.zeros((3, 2)),))
        3
    """
    return len(first_leaf(batch[0]))


def _named_leaves(batch: tuple[Any, ...]) -> list[tuple[str, Any]]:
    return [
        leaf
        for name, part in zip(_PARTS, batch, strict=False)
        for leaf in leaves(part, what=name)
    ]


def check_batch(batch: tuple[Any, ...], *, number: int, what: str) -> None:
    """Check one of the first batches.

    Args:
        batch: Its arrays.
        number: Its number, from 1.
        what: How messages call the stream.

    Raises:
        ValueError: if it has no batch axis, no samples, parts of different lengths,
            NaN, values that are neither numbers nor text, or negative weights.

    Example:
        >>> check_batch((np.zeros((3, 2)), np.zeros(3)), number=1, what="train")
    """
    named = _named_leaves(batch)
    advice = "Streams give batches: use dataset.batch(32), or stack the samples."
    for name, array in named:
        if not array.ndim:
            raise ValueError(
                f"The {what} stream isn't batched: {name} of its first element is a "
                f"single value. {advice}"
            )
    if len({len(array) for _, array in named}) > 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in named)
        raise ValueError(
            f"Batch {number} of the {what} stream has parts of different lengths "
            f"({sizes}). {advice}"
        )
    where = f"in batch {number} of the {what} stream"
    for name, array in named:
        if not array.size:
            raise ValueError(
                f"{name} {where} is empty: its shape is {array.shape}. Leave such "
                "batches out."
            )
        if not _holds_numbers_or_text(array, name):
            raise ValueError(
                f"{name} {where} must hold numbers; given: dtype {array.dtype}. "
                f"{hint_for(array)}"
            )
        if _is_weight(name) and (array < 0).any():
            raise ValueError(
                f"{name} {where} has {int((array < 0).sum()):,} negative weights, such "
                f"as {array.min():g}. Weights are 0 or larger."
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(
                f"{name} {where} has {int((~np.isfinite(array)).sum()):,} NaN or "
                "infinite values. Drop those samples or fill the gaps before training."
            )


def _is_weight(name: str) -> bool:
    return name.startswith(_PARTS[2])  # Of several outputs: sample_weight['a'].


def _holds_numbers_or_text(array: np.ndarray, name: str) -> bool:
    """Return whether a model can take an array; text may go into a vectorization."""
    if array.dtype.kind in "buif" or array.dtype.name == "bfloat16":
        return True
    if _is_weight(name):
        return False
    if array.dtype == object:
        return all(isinstance(value, (str, bytes)) for value in array.flat)
    return array.dtype.kind in "SUT"


def spec_of(batches: list[tuple[Any, ...]]) -> Any:
    """Return the spec of batches; axes that vary between them are None.

    Args:
        batches: The first batches, as arrays.

    Returns:
        Tuple of `tf.TensorSpec`, or dicts or tuples of them.

    Raises:
        ValueError: if they vary in rank or dtype.

    Example:
        >>> spec_of([(np.zeros((3, 2)),), (np.zeros((1, 2)),)])[0].shape
        TensorShape([None, 2])
    """
    import tensorflow as tf

    def spec(*arrays: np.ndarray) -> Any:
        ranks = {array.ndim for array in arrays}
        dtypes = {array.dtype for array in arrays}
        if len(ranks) > 1 or len(dtypes) > 1:
            shapes = ", ".join(f"{a.shape} {a.dtype}" for a in arrays[:3])
            raise ValueError(
                f"The batches of a stream vary in rank or dtype ({shapes}): all need "
                "the same."
            )
        sides = zip(*(array.shape[1:] for array in arrays), strict=True)
        shape = [side[0] if len(set(side)) == 1 else None for side in sides]
        return tf.TensorSpec([None, *shape], arrays[0].dtype)

    parts = zip(*batches, strict=True)
    return tuple(map_leaves(spec, *part) for part in parts)


def check_like(batch: tuple[Any, ...], spec: Any, *, number: int, what: str) -> None:
    """Compare a batch with the first ones.

    Args:
        batch: Its arrays.
        spec: What `spec_of` says of the first ones.
        number: Its number, from 1.
        what: How messages call the stream.

    Raises:
        StreamError: if it has other parts or another shape.

    Example:
        >>> first = (np.zeros((3, 2)),)
        >>> check_like(first, spec_of([first]), number=2, what="train")
    """
    named, expected = _named_leaves(batch), _named_leaves(spec)
    given = [name for name, _ in named]
    if given != [name for name, _ in expected]:
        raise StreamError(
            f"Batch {number} of the {what} stream has the parts {', '.join(given)}; "
            f"the first ones had {', '.join(name for name, _ in expected)}."
        )
    for (name, array), (_, like) in zip(named, expected, strict=True):
        if not like.shape.is_compatible_with(array.shape):
            raise StreamError(
                f"{name} in batch {number} of the {what} stream has the shape "
                f"{array.shape}; the first ones had {tuple(like.shape)}, where None is "
                "any size. Give all batches one shape."
            )
