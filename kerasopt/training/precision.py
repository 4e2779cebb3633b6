"""float32 or mixed bfloat16: a few timed steps decide.

bfloat16 pays only where the processor has units for it, and not for every
network, so it is measured on the model at hand rather than looked up by name.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import rich.console

from kerasopt.data import Dataset, pipeline
from kerasopt.training.seeding import seed_everything
from kerasopt.training.settings import TrainingSettings

__all__ = ["CANDIDATES", "policy", "resolve", "seconds_per_step"]

CANDIDATES = ("float32", "mixed_bfloat16")
SAMPLES = 128


@contextlib.contextmanager
def policy(name: str) -> Iterator[None]:
    """Build layers under a dtype policy, and give the previous one back.

    Example:
        >>> with policy("mixed_bfloat16"):
        ...     layer = keras.layers.Dense(3)
        >>> layer.compute_dtype
        'bfloat16'
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def seconds_per_step(
    build: Callable[[], keras.Model],
    batch: tuple[Any, Any],
    loss: keras.losses.Loss,
    *,
    candidates: tuple[str, ...] = CANDIDATES,
    rounds: int = 3,
) -> dict[str, float]:
    """Time training steps of one model under each policy.

    Args:
        build: Returns a new, uncompiled model.
        batch: (images, labels) of the size that will be trained on.
        loss: Any loss for these labels.
        candidates: The policies.
        rounds: Timed steps of each, taken in turn so that a slow moment of the
            machine hits all alike.

    Returns:
        The median seconds of a step, by policy.
    """
    models = {}
    for name in candidates:
        with policy(name):
            models[name] = build()
        models[name].compile(optimizer="sgd", loss=loss)
        models[name].train_on_batch(*batch)  # Traces and warms up.
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, model in models.items():
            started = time.perf_counter()
            model.train_on_batch(*batch)
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def resolve(
    settings: TrainingSettings,
    build: Callable[[], keras.Model] | None,
    dataset: Dataset,
    loss: keras.losses.Loss,
    console: rich.console.Console,
) -> TrainingSettings:
    """Replace ``"auto"`` by the policy that trains faster here."""
    if settings.precision == "auto":
        if build is None:
            raise ValueError(
                "training.precision='auto' has to build the model twice: give fit a "
                "function that builds it, or name a precision."
            )
        if settings.deterministic:
            # A timing may come out differently the next time.
            return settings.model_copy(update={"precision": "float32"})
        # A share of a large batch gives the same ratio in a share of the time.
        size = min(settings.batch_size, len(dataset.train[0]), SAMPLES)
        batch = tuple(array[:size] for array in dataset.train)
        with console.status("Timing float32 against bfloat16 …"):
            seconds = seconds_per_step(
                build, (pipeline.scale(batch[0]), batch[1]), loss
            )
        fastest = min(seconds, key=lambda name: seconds[name])
        slowest = max(seconds, key=lambda name: seconds[name])
        gain = seconds[slowest] / seconds[fastest]
        console.print(
            f"{fastest} trains {gain:.2f}× as fast as {slowest} here.", highlight=False
        )
        seed_everything(settings)  # The timed steps drew random numbers.
        return settings.model_copy(update={"precision": fastest})
    if build is None and settings.precision != TrainingSettings().precision:
        raise ValueError(
            f"training.precision={settings.precision!r} is decided when layers are "
            "built: give fit a function that builds the model, or build it under "
            "keras.config.set_dtype_policy."
        )
    return settings
