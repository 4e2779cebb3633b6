"""What a model is made of and costs: layers, operations, memory, time."""

from __future__ import annotations

import dataclasses
import html
import math
from typing import Any

import keras
import pandas as pd

from kerasopt import checks
from kerasopt.layers import operations, timing
from kerasopt.models import cost

__all__ = ["Summary", "summary"]

MISSING = "–"
ROWS = 60
"""Most rows that are shown; `Summary.table` has all."""

SHARE_OF_PRODUCTS = 0.5
"""Of a matrix product's speed, what trainings are assumed to reach.

On eight networks and two CPU cores they reached 0.4 to 1.8 of it; less where depthwise
convolutions and self-attention work on large maps.
"""

TIMES = ("estimated", "measured")


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Summary:
    """A model's layers and costs. `kerasopt.models.summary` makes it.

    Args:
        name: The model's name.
        table: One row a call of a layer, with its ``layer``, ``type``, ``output``
            (shape), ``parameters``, ``trainable`` parameters, ``flops`` and
            ``activation_bytes`` of one sample.
        parameters: All weights, in numbers.
        trainable_parameters: Those that train.
        flops: Operations of a prediction for one sample (`kerasopt.models.flops`); None
            where a loop hides some.
        training_flops: Operations of a training step for each sample.
        weight_bytes: Memory of the weights.
        activation_bytes: Memory of all layers' outputs for one sample.
        gradient_bytes: Memory of the gradients.
        optimizer_bytes: Memory of the optimizer's state.
        training_bytes: Weights, gradients, optimizer's state and the activations of a
            batch.
        batch_size: Samples in a step.
        samples: Samples in an epoch.
        seconds_per_epoch: Time of an epoch on this machine, None if it isn't known.
        assumptions: What the time assumes, in a sentence.
    """

    name: str
    table: pd.DataFrame
    parameters: int
    trainable_parameters: int
    flops: int | None
    training_flops: int | None
    weight_bytes: int
    activation_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    batch_size: int
    samples: int
    seconds_per_epoch: float | None
    assumptions: str

    @property
    def training_bytes(self) -> int:
        """Memory of a training step."""
        fixed = self.weight_bytes + self.gradient_bytes + self.optimizer_bytes
        return fixed + self.batch_size * self.activation_bytes

    def totals(self) -> dict[str, str]:
        """Return the totals as people read them."""
        frozen = self.parameters - self.trainable_parameters
        parts = (
            f"{_bytes(self.weight_bytes)} weights, {_bytes(self.gradient_bytes)} "
            f"gradients, {_bytes(self.optimizer_bytes)} optimizer, "
            f"{self.batch_size} × {_bytes(self.activation_bytes)} activations"
        )
        return {
            "parameters": f"{self.parameters:,} ({frozen:,} not trainable)",
            "prediction": f"{_flops(self.flops)} a sample",
            "training": f"{_flops(self.training_flops)} a sample",
            "memory of a prediction": (
                f"{_bytes(self.weight_bytes + self.activation_bytes)} a sample, at most"
            ),
            "memory of a training": f"{_bytes(self.training_bytes)}: {parts}",
            f"epoch of {self.samples:,} samples": (
                f"{_seconds(self.seconds_per_epoch)} {self.assumptions}".strip()
            ),
        }

    def _shown(self) -> pd.DataFrame:
        """Return the rows of layers that hold or multiply something, as texts."""
        shown = self.table
        if len(shown) > ROWS:
            # A loop's operations aren't known: such a layer isn't empty.
            busy = (shown["parameters"] > 0) | shown["flops"].isna()
            shown = shown[busy | (shown["flops"] > 0)]
        return pd.DataFrame(
            {
                "layer": [f"{row.layer} ({row.type})" for row in shown.itertuples()],
                "output": [" × ".join(map(str, shape)) for shape in shown["output"]],
                "parameters": [f"{count:,}" for count in shown["parameters"]],
                "FLOPs": [_flops(count) for count in shown["flops"]],
                "activations": [_bytes(count) for count in shown["activation_bytes"]],
            }
        )

    def _note(self, rows: int) -> str:
        left_out = len(self.table) - min(rows, ROWS)
        return f"{left_out} more rows are in summary.table." if left_out else ""

    def __repr__(self) -> str:
        shown = self._shown()
        table = shown.head(ROWS).to_string(index=False)
        width = max(map(len, self.totals()))
        lines = [f"{key:<{width}}  {text}" for key, text in self.totals().items()]
        note = self._note(len(shown))
        parts = [f"Model {self.name!r}", table, *([note] if note else []), *lines]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        shown = self._shown()
        table = shown.head(ROWS).to_html(index=False, border=0)
        rows = "".join(
            f"<tr><th>{html.escape(key)}</th><td>{html.escape(text)}</td></tr>"
            for key, text in self.totals().items()
        )
        note = html.escape(self._note(len(shown)))
        title = html.escape(f"Model {self.name!r}")
        return f"<h4>{title}</h4>{table}<p>{note}</p><table>{rows}</table>"


def summary(
    model: keras.Model,
    *,
    batch_size: int = 32,
    samples: int = 1000,
    optimizer: str | keras.optimizers.Optimizer = "adam",
    time: str = "estimated",
) -> Summary:
    """Summarise a model: its layers, parameters, FLOPs, memory and time of an epoch.

    FLOPs are those of `kerasopt.models.flops`. Memory counts the weights, for training
    also a gradient of each trainable one, the optimizer's state, and the outputs of all
    layers for each sample of a batch, which the gradients need. What operations use
    inside and TensorFlow keeps for itself comes on top; a prediction frees outputs that
    nothing needs any more.

    Args:
        model: Functional or Sequential model with a fixed input size; it isn't changed.
        batch_size: Samples in a step.
        samples: Samples in an epoch.
        optimizer: Keras name, or an optimizer, such as `kerasopt.optimizers.get`
            returns; its settings are used, not itself.
        time: How the time of an epoch is found:

            - ``"estimated"``: operations of the training steps, at half the speed of
              a matrix product that is timed here. Takes a tenth of a second. True to
              a factor of about two; on CPUs depthwise convolutions and self-attention
              take up to six times as long.
            - ``"measured"``: some steps on random samples with a copy of the model,
              for a second and the time of tracing.

            Both leave out the reading of data, augmentation and validation.

    Returns:
        A `Summary`; it prints as a table with totals.

    Raises:
        ValueError: if the model isn't built or its input size is open, or an argument
            is out of its range.

    Example:
        >>> entry = keras.Input((32, 32, 3))
        >>> x = keras.layers.Conv2D(8, 3, activation="relu", name="conv")(entry)
        >>> found = summary(keras.Model(entry, x, name="small"), batch_size=10)
        >>> found.parameters, found.flops, found.activation_bytes
        (224, 388800, 28800)
        >>> print(found)  # doctest: +ELLIPSIS
        Model 'small'
                layer      output parameters       FLOPs activations
        conv (Conv2D) 30 × 30 × 8        224 388.8 KFLOP     28.8 KB
        parameters              224 (0 not trainable)
        prediction              388.8 KFLOP a sample
        training                777.6 KFLOP a sample
        memory of a prediction  29.7 KB a sample, at most
        ...
    """
    checks.instance("model", model, keras.Model, "a keras.Model")
    batch_size = checks.integer("batch_size", batch_size)
    samples = checks.integer("samples", samples)
    checks.choice("time", time, TIMES)
    fresh = _fresh(optimizer)
    calls = operations.calls(model)
    is_counted = None not in [call.flops for call in calls]
    weights = model.trainable_variables
    found: dict[str, Any] = {
        "name": model.name,
        "table": _table(calls),
        "parameters": cost.parameters(model),
        "trainable_parameters": sum(math.prod(weight.shape) for weight in weights),
        "flops": cost.forward_of(calls) if is_counted else None,
        "training_flops": cost.training_of(calls) if is_counted else None,
        "weight_bytes": operations.memory(model.weights),
        "activation_bytes": sum(call.nbytes for call in calls),
        "gradient_bytes": operations.memory(weights),
        "batch_size": batch_size,
        "samples": samples,
    }
    if time == "measured":
        step = timing.seconds_per_step(model, fresh, batch_size=batch_size)
        seconds: float | None = step * samples / batch_size
        assumptions = "by steps measured here, without data and validation"
    else:
        fresh.build(weights)
        seconds, assumptions = _estimate(model, found["training_flops"], samples)
    return Summary(
        **found,
        optimizer_bytes=operations.memory(fresh.variables),
        seconds_per_epoch=seconds,
        assumptions=assumptions,
    )


def _fresh(optimizer: Any) -> keras.optimizers.Optimizer:
    """Return a new optimizer of a name, or of the settings of another one."""
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return type(optimizer).from_config(optimizer.get_config())
    checks.text("optimizer", optimizer)
    try:
        return keras.optimizers.get(optimizer)
    except ValueError:
        raise ValueError(
            "optimizer must be the name of one of Keras's, such as 'adam', or an "
            f"optimizer; given: {checks.shown(optimizer)}."
        ) from None


def _table(calls: list[operations.Call]) -> pd.DataFrame:
    rows = []
    seen: set[int] = set()
    for call in calls:
        layer = call.layer
        # The weights of a layer that is called twice are there once.
        own = [] if id(layer) in seen else layer.weights
        seen.add(id(layer))
        trainable = [weight for weight in own if weight.trainable and layer.trainable]
        rows.append(
            {
                "layer": layer.name,
                "type": type(layer).__name__,
                "output": call.outputs[0] if len(call.outputs) == 1 else call.outputs,
                "parameters": sum(math.prod(weight.shape) for weight in own),
                "trainable": sum(math.prod(weight.shape) for weight in trainable),
                "flops": call.flops,
                "activation_bytes": call.nbytes,
            }
        )
    return pd.DataFrame(rows)


def _estimate(
    model: keras.Model, flops: int | None, samples: int
) -> tuple[float | None, str]:
    if flops is None:
        return None, "(operations in a loop can't be counted; use time='measured')"
    # Of a model's layers the last may well be the only ones in float32.
    dtype = model.dtype_policy.compute_dtype
    rate = timing.product_rate(dtype)
    assumptions = (
        f"at {SHARE_OF_PRODUCTS:.0%} of the {_flops(rate)}/s that {dtype} products "
        "reach here, without data and validation"
    )
    return samples * flops / (SHARE_OF_PRODUCTS * rate), assumptions


def _flops(count: float | None) -> str:
    return _scaled(count, "FLOP")


def _bytes(count: float) -> str:
    return _scaled(count, "B")


def _scaled(count: float | None, unit: str) -> str:
    if count is None or pd.isna(count):
        return MISSING
    for power, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "K")):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {prefix}{unit}"
    return f"{count:.0f} {unit}"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return MISSING
    if seconds >= 90:
        return f"{seconds / 60:.3g} minutes"
    return f"{seconds:.2g} s"
