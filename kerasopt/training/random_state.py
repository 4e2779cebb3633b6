"""The random generators of the process, which a training seeds for its own time."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np

from kerasopt.training.spec import is_deterministic

__all__ = ["kept"]


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Put the generators of Python, NumPy, Keras and TensorFlow back at the end.

    Otherwise the numbers drawn between two trainings would be the same each time: the
    settings of a random search, the first weights of the next model.

    Example:
        >>> random.seed(1)
        >>> before = random.getstate()
        >>> with kept():
        ...     random.seed(0)
        >>> random.getstate() == before
        True
    """
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
    from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED
    from tensorflow.python.eager import context

    of_keras = {
        name: global_state.get_global_attribute(name)
        for name in (GLOBAL_RANDOM_SEED, GLOBAL_SEED_GENERATOR)
    }
    of_python, of_numpy = random.getstate(), np.random.get_state()
    tensorflow = context.context()
    of_tensorflow = tensorflow._seed, getattr(tensorflow, "_rng", None)
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        for name, value in of_keras.items():
            global_state.set_global_attribute(name, value)
        # Determinism, which stays, refuses draws without a seed.
        if not is_deterministic():
            tensorflow._seed, tensorflow._rng = of_tensorflow
