"""Odd values for every argument of every factory.

Each gives either a working object on which the value shows, or an error that names the
argument.
"""

import functools
import inspect
import random
import re
import warnings

import keras
import numpy as np
import pytest
from fuzzing import TIMES

from kerasopt import (
    augment,
    callbacks,
    checks,
    initializers,
    losses,
    models,
    optimizers,
    regularizers,
    schedules,
)

INPUTS = 700 * TIMES

ODD = [
    None,
    "",
    "no",
    "1e5",
    "ä\n",
    b"1",
    -1,
    0,
    1,
    3,
    0.5,
    1.5,
    -0.0,
    np.nan,
    np.inf,
    -np.inf,
    1e308,
    1e-308,
    10**12,
    10**400,
    True,
    False,
    1j,
    np.int64(3),
    np.float32(0.5),
    np.True_,
    np.array(2),
    np.array([1, 2]),
    np.array([[0.5]]),
    np.array(["a"]),
    np.ma.masked_array([1], [True]),
    [],
    [1, None],
    (2, 2),
    {},
    {"name": 3},
    {"name": {"a": 1}},
    {"a": {"b": {"c": []}}},
    {1, 2},
    object(),
    len,
    int,
]

LENGTH = {"epochs": 5, "steps_per_epoch": 9}
FIRST = {"initial_learning_rate": 0.1}
IMAGES = {"input_shape": (8, 8, 3), "num_classes": 3}
NEEDED = {
    "grouped": {"default": "sgd", "groups": {}},
    "constant": {"learning_rate": 0.1},
    "cosine": {**FIRST, "decay_steps": 9},
    "cosine_cycle": {**FIRST, "half_cycle_steps": 9},
    "cosine_restarts": {**FIRST, "first_decay_steps": 9},
    "cyclical": {
        "base_learning_rate": 0.1,
        "max_learning_rate": 1,
        "half_cycle_steps": 9,
    },
    "exponential": {**FIRST, "decay_steps": 9, "decay_rate": 0.25},
    "inverse_time": {**FIRST, "decay_steps": 9, "decay_rate": 0.25},
    "one_cycle": {"max_learning_rate": 0.1, **LENGTH},
    "piecewise": {"values": [0.1, 0.2], "boundaries": [4]},
    "polynomial": {**FIRST, "decay_steps": 9},
    "warmup": {"schedule": 0.1, "warmup_steps": 9},
    "mlp": {**IMAGES, "units": (4,)},
    "cnn": {**IMAGES, "filters": (4, 4), "dense": (4,)},
    "airbench": {**IMAGES, "widths": (4,)},
    "stages": {**IMAGES, "stages": [{"width": 4}], "stem_width": 4},
    "freeze": {"layers": "a"},
    "gradient_norms": {"x": np.ones((2, 2)), "y": np.ones(2)},
}


def arguments_of(factory):
    return [
        p.name
        for p in inspect.signature(factory).parameters.values()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]


def cases():
    tables = {
        optimizers: optimizers.registry._TABLE,
        schedules: schedules.registry._TABLE,
        initializers: initializers._TABLE,
        regularizers: regularizers._TABLE,
        models: models.registry._TABLE,
        callbacks: callbacks.registry._TABLE,
        augment: augment._registry._AUGMENTATIONS,
    }
    for module, table in tables.items():
        for name in table:
            if table.factory(name).__module__.startswith("kerasopt"):
                for argument in arguments_of(table.factory(name)):
                    yield module, name, argument
    for name, kind in losses.named._classes().items():
        if name in losses.names():
            for argument in arguments_of(kind):
                yield losses, name, argument


CASES = sorted(cases(), key=lambda case: (case[0].__name__, *case[1:]))


def needed(module, name):
    return {} if module in (initializers, losses) else NEEDED.get(name, {})


def test_the_cases_cover_every_table():
    assert len({module for module, _, _ in CASES}) == 8
    assert {("momentum", "nesterov"), ("huber", "delta")} <= {c[1:] for c in CASES}


@pytest.mark.parametrize("part", range(10))
def test_odd_values_work_or_are_named(part):
    draw = random.Random(part)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problems = [
            problem
            for _ in range(-(-INPUTS // 10))
            if (problem := problem_of(*draw.choice(CASES), draw.choice(ODD)))
        ]
    assert not problems, "\n".join(problems)


def problem_of(module, name, argument, value):
    """Return what is wrong with how a factory takes a value, or None."""
    arguments = {**needed(module, name), argument: value}
    what = f"{module.__name__}.{name}({argument}={value!r})"
    try:
        built = module.get(name, **arguments)
    except ValueError as error:
        said = argument in str(error) or argument in SAID_AS.get(str(error)[:9], "")
        return None if said else f"{what}: not named in {error}"
    except Exception as error:
        return f"{what}: {type(error).__name__}: {error}"
    try:
        used(module, built)
    except Exception as error:
        return f"{what} was taken, then: {type(error).__name__}: {error}"
    if state(built) == plain_state(module, name) and not is_own(
        module, name, argument, value, built
    ):
        return f"{what} was taken without effect"
    return None


@functools.cache
def plain_state(module, name):
    """What an object is without the argument, where it can be made without."""
    try:
        return state(module.get(name, **needed(module, name)))
    except ValueError:
        return None


def state(built):
    """All that makes an object, but the numbers that Keras adds to names."""
    if isinstance(built, keras.Model):
        found = built.to_json()
    elif hasattr(built, "get_config"):
        found = repr(built.get_config())
        # Which Keras leaves out of the configuration.
        found += repr(getattr(built, "_exclude_from_weight_decay_pattern", None))
    else:
        found = repr(sorted(getattr(built, "__dict__", {"": built}).items()))
    return re.sub(r"_\d+\b|0x[0-9a-f]+|seed\w*': \d+", "", found)


SWITCHED = ("batch_norm_momentum", "expansion")
"""Settings of what another argument switches off, as ablations and searches do."""


def is_own(module, name, argument, value, built):
    """Whether a value is the one that the object has anyway, in any type."""
    if module is models:
        config = models.defaults(name)
    else:
        config = built.get_config() if hasattr(built, "get_config") else vars(built)
    own = needed(module, name).get(argument, config.get(argument))
    given = checks.plain(value)
    is_tiny = isinstance(given, float) and abs(given) < 1e-30
    return given in (own, [own], None, 0, [], ()) or is_tiny or argument in SWITCHED


SAID_AS = {"A layer o": "units filters widths dense input_shape num_classes"}
"""What makes a layer too large is told by its size, not by the argument."""


def used(module, built):
    """Do with an object what it is for, where that takes no time."""
    if module is optimizers:
        optimizers.copy(built)
        built.build([keras.Variable([1.0, 2.0], name="w")])
        built.apply([np.array([0.5, 0.5], "float32")])
    elif module is schedules:
        float(built(3)) if callable(built) else float(built)
    elif module is initializers:
        shape = (3, 3, 2, 4)
        value = getattr(built, "value", 0)  # Of "constant": an array has a shape.
        built(shape if np.ndim(value) == 0 else np.shape(value))
    elif module is regularizers:
        float(built(np.ones(3, "float32")))
    elif module is models:
        keras.models.model_from_json(built.to_json())
