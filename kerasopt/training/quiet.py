"""Warnings that a package which trains many models would give for no reason."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

__all__ = ["tracing"]


@contextlib.contextmanager
def tracing() -> Iterator[None]:
    """Keep TensorFlow from warning that a new model's steps are traced: they are new.

    It counts the traces of a function of Keras, whatever model it belongs to.
    """
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_is_of_use)
    try:
        yield
    finally:
        logger.removeFilter(_is_of_use)


def _is_of_use(record: logging.LogRecord) -> bool:
    return "tf.function retracing" not in record.getMessage()
