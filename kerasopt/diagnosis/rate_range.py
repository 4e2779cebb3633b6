"""The learning-rate range test: which rates a model can be trained with."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from kerasopt import charts, checks, data, optimizers
from kerasopt.console import Bar, Console, progress_console
from kerasopt.layers import graph
from kerasopt.training import (
    Trainer,
    TrainingSettings,
    features,
    placement,
    preparation,
)
from kerasopt.training.spec import TrainingSpec

__all__ = ["RateRange", "lr_range_test"]

SMOOTHING = 0.03
"""Width of the smoothing as a share of the steps: the standard deviation of a bell that
is centred on each step, since an average of past steps would lag behind the rate."""

DIVERGED = 4.0
"""Times its lowest value: a mean of five losses above that ends the test; fastai takes
the same factor."""


@dataclasses.dataclass(frozen=True, repr=False)
class RateRange:
    """Result of `lr_range_test`.

    Attributes:
        table: One row a step: learning_rate, loss, smoothed (the loss averaged over
            the steps around, see `SMOOTHING`).
        suggestion: Rate at which the smoothed loss falls fastest per factor of the
            rate: a start for a constant rate or the peak of a schedule.
        lowest: Rate at which the smoothed loss is lowest: an upper bound, where
            training is about to become unstable.
        note: Why the suggestion says little, or an empty text if it says something.
    """

    table: pd.DataFrame
    suggestion: float
    lowest: float
    note: str = ""

    def __repr__(self) -> str:
        return (
            f"<RateRange of {len(self.table)} steps: suggestion "
            f"{self.suggestion:.2g}, lowest loss at {self.lowest:.2g}>"
        )

    def plot(self) -> charts.Chart:
        """Draw the loss over the rate, with the suggestion."""
        figure = charts.Chart(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        rates = self.table["learning_rate"]
        axes.plot(rates, self.table["loss"], color=charts.GRID, linewidth=1)
        axes.plot(rates, self.table["smoothed"], color=charts.TRAINING, linewidth=1.8)
        marks = [
            axes.axvline(rate, color=color, linewidth=1.2, linestyle=style)
            for rate, color, style in (
                (self.suggestion, charts.VALIDATION, "--"),
                (self.lowest, charts.MUTED, ":"),
            )
        ]
        axes.set_xscale("log")
        # Not up to where it diverges: the fall is what matters.
        low, high = self.table["loss"].min(), self.table["loss"].iloc[:10].max()
        axes.set_ylim(low - 0.05 * (high - low), high + 0.2 * (high - low))
        axes.set_xlabel("Learning rate")
        axes.set_ylabel("Loss")
        charts.apply_style(axes)
        charts.add_legend(
            axes,
            [
                "loss of a batch",
                "smoothed",
                f"suggestion: {self.suggestion:.2g}",
                f"lowest loss: {self.lowest:.2g}",
            ],
            handles=[*axes.lines[:2], *marks],
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=4,
            columnspacing=1.2,
            handlelength=1.4,
        )
        return figure


def lr_range_test(
    model: keras.Model,
    dataset: Any,
    *,
    optimizer: Any = None,
    loss: Any = "auto",
    augment: Any = None,
    batch_size: int = 32,
    head_epochs: int = 0,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    seed: int = 0,
    verbose: bool = True,
) -> RateRange:
    """Raise the learning rate from batch to batch and watch the loss.

    At step i the rate is ``low * (high / low) ** (i / (steps - 1))``. The test ends
    early where the loss is NaN, or its mean over five steps four times the lowest one.
    Test a fresh model: one that is trained already has little left to fall, of which a
    warning tells. The model ends with the weights, statistics and random states that
    it came with; a compiled model's optimizer isn't touched, since a fresh one with its
    settings takes the steps.

    Args:
        model: Built model, compiled or not.
        dataset: A `kerasopt.data.Dataset`, or what `kerasopt.fit` takes as data; only
            its training part is used.
        optimizer: What `kerasopt.optimizers.get` takes; its rate doesn't matter. None
            takes the compiled model's, else ``"adam"``.
        loss: ``"auto"`` (the compiled model's, else cross-entropy by the labels'
            shape), a Keras name or loss.
        augment: What `kerasopt.augment.get` takes.
        batch_size: Samples in a step; the right rate depends on it.
        head_epochs: Epochs in which the head of a transfer model trains before the
            test, as in `kerasopt.training.TrainingSettings`.
        low: First rate, > 0.
        high: Last rate, above ``low``.
        steps: Batches, at least 20.
        seed: Fixes the order of the samples and the augmentation.
        verbose: Show progress on standard error.

    Returns:
        A `RateRange`, with ``suggestion``, ``table`` and ``plot()``.

    Raises:
        ValueError: if an argument is out of its range or no model or dataset, the
            optimizer has several learning rates, or the loss is NaN from the start.

    Example:
        >>> import kerasopt as ko
        >>> digits = ko.data.load("digits")
        >>> model = ko.models.mlp(input_shape=digits.input_shape, num_classes=10)
        >>> found = lr_range_test(model, digits, optimizer="sgd", verbose=False)
        >>> 0.01 < found.suggestion < found.lowest < 10
        True

    References:
        Smith (2017), section 3.3, https://arxiv.org/abs/1506.01186.
    """
    _check(model)
    dataset = data.as_dataset(dataset)
    _check_range(low, high, steps)
    checks.integer("batch_size", batch_size)
    checks.integer("seed", seed, least=0)
    checks.integer("head_epochs", head_epochs, least=0)
    rates = low * (high / low) ** (np.arange(steps) / (steps - 1))
    scheduled = _rising(_optimizer(model, optimizer), rates)
    spec = TrainingSpec(
        _same_layers(model),
        optimizer=scheduled,
        loss=model.loss if loss == "auto" and model.compiled else loss,
        metrics=(),
        augment=augment,
        settings=TrainingSettings(
            batch_size=batch_size, seed=seed, head_epochs=head_epochs
        ),
        seeds_globally=False,
    )
    with _restored(model), _progress(steps, verbose) as advance:
        losses = _Losses(steps, advance)
        quiet = Console(quiet=True)
        ready = preparation.prepare(spec, dataset, console=quiet)
        ready = features.begin(ready, quiet)
        source = ready.feed.training(ready.settings, augmentation=ready.augmentation)
        # The callback ends it after so many steps.
        Trainer(ready.model, source, epochs=steps, callbacks=[losses]).run()
    result = _result(rates, losses.seen)
    if result.note:
        warnings.warn(result.note, stacklevel=2)
    return result


def _check(model: Any) -> None:
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(
            f"model must be a built Keras model; given: {type(model).__name__}. Give "
            "it an Input, or call it once on a batch."
        )


def _check_range(low: float, high: float, steps: int) -> None:
    if checks.positive("high", high) <= checks.positive("low", low):
        raise ValueError(f"high must be above low; given: {high!r} and {low!r}.")
    checks.integer("steps", steps, least=20)


class _Losses(keras.callbacks.Callback):
    """Keeps the loss of each batch, and ends the test."""

    def __init__(self, steps: int, advance: Callable[[], None]) -> None:
        super().__init__()
        self.steps = steps
        self.advance = advance
        self.seen: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Begin the mean anew, so that it is that of one batch."""
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keep the loss."""
        self.seen.append(float(logs["loss"]))
        self.advance()
        if len(self.seen) == self.steps or _diverged(self.seen):
            self.model.stop_training = True


def _same_layers(model: keras.Model) -> keras.Model:
    """Return a second model of the same layers, so that compiling leaves the first."""
    if not graph.is_graph(model):
        return model
    return keras.Model(model.inputs, model.outputs, name=model.name)


def _optimizer(model: keras.Model, given: Any) -> keras.optimizers.Optimizer:
    """Return a fresh optimizer of the kind to be tested."""
    compiled = getattr(model, "optimizer", None)
    fresh = optimizers.get(
        given if given is not None else ("adam" if compiled is None else compiled)
    )
    fresh = getattr(fresh, "inner_optimizer", fresh)
    if isinstance(fresh, keras.optimizers.MultiOptimizer):
        raise ValueError(
            f"The optimizer {fresh.name!r} has a learning rate for each group; the "
            "test raises one. Give a plain optimizer instead: optimizer='sgd', on the "
            "command line --set 'optimizer={name: sgd, momentum: 0.9}'."
        )
    return fresh


def _rising(
    optimizer: keras.optimizers.Optimizer, rates: np.ndarray
) -> keras.optimizers.Optimizer:
    """Return the optimizer with a rate that rises from step to step."""
    rising = keras.optimizers.schedules.ExponentialDecay(
        float(rates[0]), len(rates) - 1, float(rates[-1] / rates[0])
    )
    return optimizers.copy(optimizer, learning_rate=rising)


@contextlib.contextmanager
def _restored(model: keras.Model) -> Iterator[None]:
    """Give the model its values and what it was compiled with back."""
    before = [(v, keras.ops.convert_to_numpy(v)) for v in model.variables]
    compiled = placement.compile_arguments(model)
    try:
        yield
    finally:
        if compiled and compiled["optimizer"] is not model.optimizer:
            model.compile(**compiled)
        for variable, value in before:
            variable.assign(value)


@contextlib.contextmanager
def _progress(steps: int, verbose: bool) -> Iterator[Any]:
    with Bar(progress_console(verbose), "learning-rate range test", steps) as bar:
        yield lambda: bar.update(advance=1)


def _diverged(seen: list[float]) -> bool:
    if not math.isfinite(seen[-1]):
        return True
    means = np.convolve(seen, np.ones(5) / 5, mode="valid")
    return len(means) > 0 and bool(means[-1] > DIVERGED * means.min())


def _smoothed(seen: list[float], steps: int) -> np.ndarray:
    # A loss that blows up would reach far back through its neighbours' averages.
    bounded = np.minimum(seen, max(seen[:10]))
    return gaussian_filter1d(bounded, SMOOTHING * steps, mode="nearest")


def _result(rates: np.ndarray, seen: list[float]) -> RateRange:
    finite = [loss for loss in seen if math.isfinite(loss)]
    if len(finite) < 3:
        raise ValueError(
            f"The loss is {seen[-1]} at the rate {rates[len(seen) - 1]:.2g} already. "
            "Look for NaN in the data, or begin lower (low=…)."
        )
    steps = len(rates)
    smoothed = _smoothed(finite, steps)
    rates = rates[: len(finite)]
    bottom = max(int(smoothed.argmin()), 1)
    slope = np.gradient(smoothed, np.log(rates))
    # At the edge the bell holds a few losses only, whose slope is noise.
    first = min(round(2 * SMOOTHING * steps), bottom - 1)
    steepest = first + int(slope[first:bottom].argmin())
    table = pd.DataFrame({"learning_rate": rates, "loss": finite, "smoothed": smoothed})
    return RateRange(
        table, float(rates[steepest]), float(rates[bottom]), _note(finite, smoothed)
    )


def _note(losses: list[float], smoothed: np.ndarray) -> str:
    """Say so where the fall of the loss is lost in its noise."""
    bottom = int(smoothed.argmin()) + 1
    fall = smoothed[:bottom].max() - smoothed.min()
    noise = float(np.std(losses[:bottom] - smoothed[:bottom]))
    if fall > 2 * noise and bottom > 3:
        return ""
    return (
        f"The loss falls by {fall:.2g} only, and strays by {noise:.2g} from batch to "
        "batch: the suggestion says little. Test a fresh model, with larger batches or "
        "over a wider range (low=…, high=…)."
    )
