"""The loop of every training: compiled steps, with Keras's callbacks around them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt import checks, schedules
from kerasopt.training.calibration import JitChoice
from kerasopt.training.compiled import CompiledSteps
from kerasopt.training.head import outputs_of
from kerasopt.training.sources import ArraySource, Source, StreamSource

__all__ = [
    "Trainer",
    "averaged_weights",
    "keeps_averages",
    "make_variables",
    "wants_every_batch",
]

SECONDS_A_CALL = 1.0
"""So long Ctrl-C, the clock and the progress bar wait."""

FIRST_STEPS, MOST_STEPS = 16, 1024
"""Steps of the first call, which tells how long a step takes, and of any call."""

BATCH_METHODS = {
    "train": ("on_train_batch_begin", "on_train_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
}


class Trainer:
    """Does what Keras's `fit` does, many steps a call.

    Callbacks get the calls that `fit` would give them. One that overrides a method for
    batches gets it for each batch, which makes calls of one step; one whose
    ``every_batch`` is False gets it once a call, as with ``steps_per_execution``.

    Args:
        model: A compiled Keras model, built.
        train: Training batches.
        validation: Validation batches, or None.
        epochs: The last epoch's number, counted from 1.
        callbacks: Keras's callbacks.
        validation_freq: Epochs from one validation to the next.
        steps: The model's compiled steps, where trainings share them.
        jit: Decides what XLA compiles (`kerasopt.training.calibration`).
        seconds_a_call: Returns the time that a call may take, about.
        after_call: Called after each call with the position (epoch, step).
        judge_averages: Validate with the averages that the optimizer keeps
            (``use_ema``), and leave the choice of the final weights to the callbacks.
        verbose: As in Keras.

    Attributes:
        epoch: The epoch that is trained, counted from 0.
        step: Steps of it that are done.
        logs: What the epoch's training gave, once all its steps are done.
        seconds_a_step: Of the last call.
        in_callback: Whether the callbacks are at work, or have failed.

    Example:
        >>> import tensorflow as tf
        >>> from kerasopt.training.sources import ArraySource
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = tf.constant([[1.0], [2.0]])
        >>> trainer = Trainer(model, ArraySource((x, 2 * x), 2), epochs=3)
        >>> trainer.run().epoch
        [0, 1, 2]
    """

    def __init__(
        self,
        model: keras.Model,
        train: Source,
        validation: Source | None = None,
        *,
        epochs: int,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        validation_freq: int = 1,
        steps: CompiledSteps | None = None,
        jit: JitChoice | None = None,
        seconds_a_call: Callable[[], float] = lambda: SECONDS_A_CALL,
        after_call: Callable[[], None] = lambda: None,
        judge_averages: bool = False,
        verbose: int = 0,
    ) -> None:
        checks.instance("model", model, keras.Model, "a keras.Model")
        checks.instance("train", train, (ArraySource, StreamSource), "an ArraySource")
        self.model = model
        self.train = train
        self.validation = validation
        self.epochs = checks.integer("epochs", epochs)
        self.validation_freq = validation_freq
        self.compiled = steps or CompiledSteps(model)
        self.jit = jit or JitChoice("none")
        self.seconds_a_call = seconds_a_call
        self.after_call = after_call
        self.judge_averages = judge_averages and keeps_averages(model.optimizer)
        self.epoch = self.step = 0
        self.in_callback = False
        self.logs: dict[str, Any] | None = None
        self.seconds_a_step: float | None = None
        self._steps_an_epoch = train.steps
        self._measured: int | None = None
        self._one_step = {
            kind: any(wants_every_batch(each, kind) for each in callbacks)
            for kind in BATCH_METHODS
        }
        self.callbacks = keras.callbacks.CallbackList(
            list(callbacks),
            add_history=True,
            add_progbar=verbose != 0,
            model=model,
            verbose=verbose,
            epochs=epochs,
            steps=train.steps,
        )

    def run(
        self,
        first_epoch: int = 0,
        first_step: int = 0,
        *,
        logs: dict[str, Any] | None = None,
        resumed: Callable[[], None] = lambda: None,
    ) -> keras.callbacks.History:
        """Train to the end, or until a callback stops it.

        Args:
            first_epoch: Epoch to start in, counted from 0.
            first_step: Step of it to start with; the metrics go on as they are then.
            logs: What all steps of that epoch gave, if they are done.
            resumed: Called when the callbacks have begun, and again when they have
                begun an epoch in whose midst it starts, to give everything its state.

        Returns:
            Keras's history.
        """
        model = self.model
        model.stop_training = False
        self._tell("on_train_begin")
        resumed()
        self.step, self.logs = first_step, logs
        last: dict[str, Any] | None = None
        for epoch in range(first_epoch, self.epochs):
            self.epoch = epoch
            if not self.step:
                model.reset_metrics()
            self._tell("on_epoch_begin", epoch)
            if self.step:
                resumed()
            if self.logs is None:
                self.logs = self._train_epoch()
            last = {**self.logs, **self._validate()}
            self._tell("on_epoch_end", epoch, last)
            self._end_of_epoch()
            if model.stop_training:
                break
        self._finalize()
        self._tell("on_train_end", last)
        return model.history

    def _tell(self, event: str, *arguments: Any) -> None:
        self.in_callback = True
        getattr(self.callbacks, event)(*arguments)
        self.in_callback = False

    def _end_of_epoch(self) -> None:
        self.epoch, self.step, self.logs = self.epoch + 1, 0, None
        self.after_call()

    def _train_epoch(self) -> dict[str, Any]:
        """Take the epoch's steps, from `step` on; return the logs of its end."""
        source, logs = self.train, None
        self._measured = None
        source.begin(self.epoch, self.step)
        while source.steps is None or self.step < source.steps:
            wanted = self._steps_of_a_call(source.steps)
            # The last, smaller batch of an epoch is never compiled by XLA.
            tells = isinstance(source, StreamSource) or source.full_batches > 0
            self._tell("on_train_batch_begin", self.step)
            began = time.perf_counter()
            taken, own = self._call(source, wanted)
            if not taken:
                break  # The stream has ended, which an unknown length shows so.
            seconds = time.perf_counter() - began
            self.seconds_a_step = seconds / taken
            self.step += taken
            if tells:
                self.jit.took(
                    taken,
                    seconds,
                    remaining_steps=self._remaining_steps(),
                    at_least=self._steps_an_epoch is None,
                )
            logs = own or self.model.get_metrics_result()
            if self.step == source.steps:
                # A callback may break off here: then only validation is to come.
                self.logs = _plain(logs)
            self._tell("on_train_batch_end", self.step - 1, logs)
            if self.model.stop_training:
                break
            if self.step != source.steps:  # The end of the epoch has its own.
                self.after_call()
        if isinstance(source, StreamSource) and source.steps is None:
            source.close()
            self._steps_an_epoch = self.step
        if logs is None and self.step:  # It was interrupted after its last step.
            logs = self.model.get_metrics_result()
        return _plain(logs or {})

    def _call(self, source: Source, wanted: int) -> tuple[int, Any]:
        """Take steps; where XLA can't compile them, without it."""
        try:
            return self.compiled.run("train", source, wanted, self.jit.now)
        except tf.errors.OpError:
            done, of_stream = self.compiled.failed_after()
            self.step += done
            if of_stream or self.jit.settled or self.jit.now == "none":
                raise
            self.jit.failed()
            source.close()  # It is a batch ahead of the model.
            source.begin(self.epoch, self.step)
            return self._call(source, wanted - done)

    def _remaining_steps(self) -> int:
        """Return the steps to come, by what is known of an epoch's length so far."""
        length = self._steps_an_epoch or self.step
        return (self.epochs - self.epoch) * length - self.step

    def _steps_of_a_call(self, steps: int | None) -> int:
        if self._one_step["train"]:
            return 1
        if self.seconds_a_step is None:
            wanted = FIRST_STEPS
        else:
            wanted = int(self.seconds_a_call() / max(self.seconds_a_step, 1e-6))
        left = MOST_STEPS if steps is None else steps - self.step
        return max(1, min(wanted, self.jit.most_steps(MOST_STEPS), left))

    def _validate(self) -> dict[str, Any]:
        if self.validation is None or (self.epoch + 1) % self.validation_freq:
            return {}
        if not self.judge_averages:
            measured = self.measure(self.validation)
        else:
            with averages_in_place(self.model):
                measured = self.measure(self.validation)
        return {f"val_{name}": value for name, value in measured.items()}

    def measure(self, source: Source) -> dict[str, Any]:
        """Return loss and metrics of all batches of a source, with its callbacks."""
        model, logs = self.model, None
        self._measured = done = 0
        model.stop_evaluating = False
        self._tell("on_test_begin")
        model.reset_metrics()
        source.begin(0)
        while source.steps is None or done < source.steps:
            wanted = 1 if self._one_step["test"] else MOST_STEPS
            if source.steps is not None:
                wanted = min(wanted, source.steps - done)
            self._tell("on_test_batch_begin", done)
            taken, own = self.compiled.run("test", source, wanted)
            if not taken:
                break
            self._measured = done = done + taken
            logs = own or model.get_metrics_result()
            self._tell("on_test_batch_end", done - 1, logs)
            if model.stop_evaluating:
                break
        measured = _plain(logs or {})
        self._tell("on_test_end", measured)
        return measured

    def failed_batch(self) -> tuple[str, int, bool]:
        """Say where a call failed.

        Returns:
            ``"train"`` or ``"validation"``, the number of the batch, from 1, and
            whether the source failed to give it: else its step failed.
        """
        done, of_source = self.compiled.failed_after()
        if self._measured is None:
            return "train", self.step + 1, of_source
        return "validation", self._measured + done + 1, of_source

    def _finalize(self) -> None:
        """Put the optimizer's averages in the place of the weights, as `fit` does."""
        optimizer = self.model.optimizer
        if optimizer is not None and not self.judge_averages and self.epochs:
            optimizer.finalize_variable_values(self.model.trainable_weights)


def wants_every_batch(callback: keras.callbacks.Callback, kind: str = "train") -> bool:
    """Say whether a callback has to be called for each single batch.

    Args:
        callback: A Keras callback. What it overrides decides; where its ``every_batch``
            is False, calls of many steps are enough.
        kind: ``"train"`` or ``"test"``.

    Example:
        >>> wants_every_batch(keras.callbacks.TerminateOnNaN())
        True
        >>> wants_every_batch(keras.callbacks.EarlyStopping())
        False
    """
    if not getattr(callback, "every_batch", True) or _needs_no_batches(callback):
        return False
    names = [*BATCH_METHODS[kind]]
    if kind == "train":
        names += ["on_batch_begin", "on_batch_end"]
    return any(
        not keras.src.utils.is_default(getattr(callback, name)) for name in names
    )


def _needs_no_batches(callback: keras.callbacks.Callback) -> bool:
    """Know Keras's own callbacks that look at batches only with some settings."""
    if isinstance(
        callback, (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)
    ):
        return callback.save_freq == "epoch"
    if isinstance(callback, keras.callbacks.TensorBoard):
        return callback.update_freq == "epoch" and not callback._should_trace
    return isinstance(callback, keras.callbacks.ProgbarLogger)


def keeps_averages(optimizer: Any) -> bool:
    """Say whether an optimizer, or one of its groups, keeps averages (``use_ema``)."""
    return bool(_averaging(optimizer))


def _averaging(optimizer: Any) -> list[Any]:
    return [
        each
        for each in schedules.optimizers_in(optimizer)
        if getattr(each, "use_ema", False)
    ]


@contextlib.contextmanager
def averages_in_place(model: keras.Model) -> Iterator[None]:
    """Put the optimizer's averages in the place of the weights inside the block."""
    pairs = [
        pair
        for each in _averaging(model.optimizer)
        for pair in zip(
            each._trainable_variables, each._model_variables_moving_average, strict=True
        )
    ]
    before = [keras.ops.convert_to_numpy(weight) for weight, _ in pairs]
    for weight, average in pairs:
        weight.assign(average)
    try:
        yield
    finally:
        for (weight, _), value in zip(pairs, before, strict=True):
            weight.assign(value)


def averaged_weights(model: keras.Model) -> list[np.ndarray]:
    """Return the model's weights with the optimizer's averages in their place."""
    with averages_in_place(model):
        return model.get_weights()


def make_variables(model: keras.Model, batch: Any) -> None:
    """Make the optimizer's and the metrics' variables, on a few samples.

    A step that makes them while it is traced is traced twice.
    """
    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    outputs = outputs_of(model, x)
    if outputs is not None:
        model.compute_metrics(x, y, outputs, sample_weight)
    model.reset_metrics()


def _plain(logs: dict[str, Any]) -> dict[str, Any]:
    """Return logs as Python's numbers, flat, as Keras hands them to callbacks."""
    flat: dict[str, Any] = {}
    for name, value in logs.items():
        if isinstance(value, dict):  # A train_step returned all compiled metrics.
            flat |= _plain(value)
        else:
            flat[name] = float(keras.ops.convert_to_numpy(value))
    return flat
