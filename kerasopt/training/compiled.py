"""A model's training and test steps, many of them in one compiled call.

The steps are Keras's own ``model.train_step`` and ``model.test_step``. Keras's `fit`
spends about a millisecond on each of them; here a loop inside TensorFlow takes them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasopt import schedules
from kerasopt.training import sources
from kerasopt.training.checkpoint import optimizers_of
from kerasopt.training.sources import ArraySource, Source, StreamSource
from kerasopt.training.spec import is_deterministic

__all__ = ["JITS", "CompiledSteps", "free_kernels"]

JITS = ("none", "loop", "step")
"""What XLA compiles: nothing, the whole loop of a call, or the step inside it."""

LOOP_STEPS = 1024
"""Most steps of a call that XLA compiles as a whole: it wants fixed shapes."""


class CompiledSteps:
    """The compiled calls of one compiled Keras model.

    Args:
        model: A compiled Keras model, built, its optimizer and metrics too.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._calls: dict[Any, Callable[..., Any]] = {}
        # 2k while a batch is awaited after k steps of a call, 2k + 1 in its step.
        self._place: tf.Variable | None = None
        self._made_for: Any = None

    def run(
        self, kind: str, source: Source, steps: int, jit: str = "none"
    ) -> tuple[int, dict[str, Any] | None]:
        """Take steps on a source's next batches.

        Args:
            kind: ``"train"`` or ``"test"``.
            source: At its position (`ArraySource.begin`).
            steps: How many at most; fewer if the source ends.
            jit: One of `JITS`.

        Returns:
            The steps that were taken, and the logs of the last one where they aren't
            the model's metrics (a ``train_step`` of the user's own); else None.
        """
        self._forget_former_steps()
        self._set_place(1)
        if self.model.run_eagerly:
            return self._run_eagerly(kind, source, steps)
        if isinstance(source, ArraySource):
            return self._run_rows(kind, source, steps, jit)
        return self._run_stream(kind, source, steps, jit)

    def failed_after(self) -> tuple[int, bool]:
        """Say where the last call failed.

        Returns:
            The steps that it had taken, and whether the stream failed to give a batch:
            else a step did, which may have changed some variables already.
        """
        if self._place is None:
            return 0, False
        place = int(self._place.numpy())
        return place // 2, place % 2 == 0

    def _set_place(self, value: int) -> None:
        if self.model.distribute_strategy.num_replicas_in_sync > 1:
            return  # The strategy would mirror the variable.
        if self._place is None:
            with tf.device("CPU:0"):
                self._place = tf.Variable(value, trainable=False)
        self._place.assign(value)

    def _forget_former_steps(self) -> None:
        """Trace anew after a callback changed what a step does.

        Callbacks that freeze layers or replace ``train_step`` tell Keras so by
        ``make_train_function(force=True)``.
        """
        if self._made_for is None or self.model.train_function is not self._made_for:
            self._calls = {k: c for k, c in self._calls.items() if k[0] != "train"}
            if self.model.train_function is None:
                # Not else: it means that a training begins (callbacks.changed_step).
                self.model.make_train_function()
            self._made_for = self.model.train_function

    def _run_rows(
        self, kind: str, source: ArraySource, steps: int, jit: str
    ) -> tuple[int, dict[str, Any] | None]:
        size = source.batch_size
        full = source.full_batches
        if jit == "loop" and full:
            steps = min(steps, full, LOOP_STEPS)
            rows = source.take(steps).reshape(steps, size)
            padded = np.zeros((LOOP_STEPS, size), "int32")
            padded[:steps] = rows
            call = self._call((kind, "loop", size, *_signature(source)), source)
            return steps, call(source.arrays, tf.constant(padded), tf.constant(steps))
        # What is left of an epoch would be one more shape for XLA to compile.
        jit = "step" if jit == "step" and full else "none"
        if jit == "step":
            steps = min(steps, full)
        rows = source.take(steps)
        call = self._call((kind, jit, *_signature(source)), source)
        logs = call(source.arrays, tf.constant(rows), tf.constant(size))
        return -(-len(rows) // size), logs

    def _run_stream(
        self, kind: str, source: StreamSource, steps: int, jit: str
    ) -> tuple[int, dict[str, Any] | None]:
        jit = "step" if jit == "loop" else jit
        call = self._call((kind, jit, "stream"), source)
        replicas = self.model.distribute_strategy.num_replicas_in_sync
        if replicas > 1 and source.steps is None:
            steps = 1  # The end of the stream then comes between two calls.
        try:
            taken, logs = call(source.iterator, tf.constant(steps))
        except tf.errors.OutOfRangeError:
            if replicas == 1 or source.steps is not None:
                raise
            return 0, None
        source.passed(int(taken))
        return int(taken), logs

    def _run_eagerly(
        self, kind: str, source: Source, steps: int
    ) -> tuple[int, dict[str, Any] | None]:
        step, taken = self._step(kind, "none"), 0
        logs: Any = None
        batch: Any
        for _ in range(steps):
            self._set_place(2 * taken)
            if isinstance(source, ArraySource):
                rows = source.take(1)
                batch = None
                if len(rows):
                    batch = sources.gather(source.arrays, rows, source.pixel_scale)
            else:
                batch = next(source.iterator, None)
                source.passed(1)
            if batch is None:
                break
            self._set_place(2 * taken + 1)
            logs, taken = step(batch), taken + 1
        return taken, logs if self._has_own_logs(kind) else None

    def _call(self, key: Any, source: Source) -> Callable[..., Any]:
        if key not in self._calls:
            kind, jit = key[:2]
            if isinstance(source, StreamSource):
                self._calls[key] = tf.function(
                    self._stream_loop(kind, jit), autograph=False, reduce_retracing=True
                )
            else:
                self._calls[key] = self._rows_call(kind, jit, source)
        return self._calls[key]

    def _rows_call(self, kind: str, jit: str, source: ArraySource) -> Any:
        specs = _specs(source.arrays)
        number = tf.TensorSpec((), tf.int32)
        # Not a method of the source, whose arrays would live as long as the call.
        gather = functools.partial(sources.gather, pixel_scale=source.pixel_scale)
        if jit == "loop":
            loop = self._padded_loop(kind, gather)
            rows = tf.TensorSpec((LOOP_STEPS, None), tf.int32)
        else:
            loop = self._rows_loop(kind, jit, gather)
            rows = tf.TensorSpec((None,), tf.int32)
        # One trace for all lengths and batch sizes. Not by get_concrete_function, whose
        # graph TensorFlow never lets go.
        return tf.function(
            loop,
            autograph=False,
            input_signature=(specs, rows, number),
            jit_compile=jit == "loop" or None,
        )

    def _rows_loop(self, kind: str, jit: str, gather: Any) -> Callable[..., Any]:
        """Return the loop over rows in portions of a batch, the last one smaller."""
        step = self._step(kind, jit)

        def call(arrays: Any, rows: tf.Tensor, size: tf.Tensor) -> Any:
            def take(begin: tf.Tensor, *logs: Any) -> Any:
                found = step(gather(arrays, rows[begin : begin + size]))
                return [begin + size, *_flat(found, logs)]

            start = self._first_logs(
                kind,
                lambda some: step(gather(arrays, some)),
                tf.TensorSpec((None,), tf.int32),
            )
            _, *logs = tf.while_loop(
                lambda begin, *_: begin < tf.size(rows),
                take,
                [tf.constant(0), *keras.tree.flatten(start)],
            )
            return start and keras.tree.pack_sequence_as(start, logs)

        return call

    def _padded_loop(self, kind: str, gather: Any) -> Callable[..., Any]:
        """Return the loop over the first of so many rows of batches, for XLA."""
        step = self._step(kind, "none")

        def call(arrays: Any, rows: tf.Tensor, steps: tf.Tensor) -> Any:
            def take(i: tf.Tensor, *logs: Any) -> Any:
                return [i + 1, *_flat(step(gather(arrays, rows[i])), logs)]

            start = self._first_logs(
                kind,
                lambda some: step(gather(arrays, some)),
                tf.TensorSpec((None,), tf.int32),
            )
            _, *logs = tf.while_loop(
                lambda i, *_: i < steps,
                take,
                [tf.constant(0), *keras.tree.flatten(start)],
            )
            return start and keras.tree.pack_sequence_as(start, logs)

        return call

    def _stream_loop(self, kind: str, jit: str) -> Callable[..., Any]:
        """Return the loop over an iterator's batches, which ends with the stream.

        On several devices it takes as many as it is asked for: TensorFlow loses what
        replicas compute inside a condition (2.21).
        """
        step = self._step(kind, jit)
        counted = self.model.distribute_strategy.num_replicas_in_sync > 1

        def note(value: Any) -> contextlib.AbstractContextManager[Any]:
            """Note the place before what follows is done."""
            if self._place is None:
                return contextlib.nullcontext()
            return tf.control_dependencies([self._place.assign(value)])

        def call(iterator: Any, steps: tf.Tensor) -> Any:
            def take(i: tf.Tensor, more: tf.Tensor, *logs: Any) -> Any:
                if counted:
                    found = step(iterator.get_next())
                    return [i + 1, more, *_flat(found, logs)]
                with note(2 * i):
                    batch = iterator.get_next_as_optional()

                def train() -> Any:
                    with note(2 * i + 1):
                        value = batch.get_value()
                    return [i + 1, *_flat(step(value), logs)]

                there = batch.has_value()
                taken, *logs = tf.cond(there, train, lambda: [i, *logs])
                return [taken, there, *logs]

            start = self._first_logs(kind, step, iterator.element_spec)
            taken, _, *logs = tf.while_loop(
                lambda i, more, *_: tf.logical_and(i < steps, more),
                take,
                [tf.constant(0), tf.constant(True), *keras.tree.flatten(start)],
                parallel_iterations=1,
            )
            return taken, start and keras.tree.pack_sequence_as(start, logs)

        return call

    def _step(self, kind: str, jit: str) -> Callable[[Any], Any]:
        """Return Keras's step, on all replicas; its logs only if they are its own."""
        model = self.model
        strategy = model.distribute_strategy
        own = self._has_own_logs(kind)

        def on_replica(batch: Any) -> Any:
            step = model.train_step if kind == "train" else model.test_step
            with _without_all_reduce(model):
                found = step(batch)
            return found if own else {}

        if jit == "step":
            on_replica = tf.function(on_replica, autograph=False, jit_compile=True)
        elif is_deterministic():
            # TensorFlow rewrites a step's sums by the graph around it: on arrays and on
            # streams they would differ in their last bit.
            on_replica = tf.function(
                on_replica,
                autograph=False,
                experimental_attributes={"_noinline": True},
            )

        def step(batch: Any) -> Any:
            found = strategy.run(on_replica, args=(batch,))
            if strategy.num_replicas_in_sync == 1:
                return found
            return keras.tree.map_structure(
                lambda value: strategy.reduce("MEAN", value, axis=None), found
            )

        return step

    def _has_own_logs(self, kind: str) -> bool:
        """Say whether a step may return other values than the model's metrics."""
        name = f"{kind}_step"
        own = getattr(type(self.model), name) is not getattr(keras.Model, name)
        other_metrics = type(self.model).compute_metrics is not (
            keras.Model.compute_metrics
        )
        return own or other_metrics

    def _first_logs(self, kind: str, on_spec: Callable[[Any], Any], spec: Any) -> Any:
        """Return zeros in the form of a step's logs: what the loop begins with."""
        if not self._has_own_logs(kind):
            return {}
        traced = tf.function(on_spec, autograph=False).get_concrete_function(spec)
        return keras.tree.map_structure(
            lambda value: tf.zeros(value.shape, value.dtype), traced.structured_outputs
        )


@contextlib.contextmanager
def _without_all_reduce(model: keras.Model) -> Iterator[None]:
    """Let optimizers take the gradients of one replica as they are, while tracing.

    Keras sums them over the replicas even if there is one. TensorFlow keeps the
    gradient of that sum, and with it the traced graph, for the life of the process
    (``tf.custom_gradient``): 2 MB for each training of a small network.
    """
    found = []
    if model.distribute_strategy.num_replicas_in_sync == 1:
        found = [
            each
            for optimizer in optimizers_of(model)
            for each in (optimizer, *schedules.optimizers_in(optimizer))
        ]
    for optimizer in found:
        optimizer._all_reduce_sum_gradients = lambda pairs: pairs
    try:
        yield
    finally:
        for optimizer in found:
            vars(optimizer).pop("_all_reduce_sum_gradients", None)


def free_kernels() -> None:
    """Let TensorFlow forget the kernels of operations that ran eagerly.

    It keeps one for each name of a variable, and Keras's names count on: half a
    megabyte for each training. `keras.utils.clear_session` does the same.
    """
    from tensorflow.python.eager import context

    context.context().clear_kernel_cache()


def _flat(found: Any, logs: Any) -> list[Any]:
    return keras.tree.flatten(found) if logs else []


def _signature(source: ArraySource) -> tuple[Any, ...]:
    """Return what a call on arrays is traced for."""
    specs = keras.tree.flatten(_specs(source.arrays))
    structure = keras.tree.map_structure(lambda _: 0, source.arrays)
    return (*specs, repr(structure), source.pixel_scale)


def _specs(arrays: Any) -> Any:
    """Return the arrays' specifications, for any number of samples."""
    return keras.tree.map_structure(
        lambda each: tf.TensorSpec((None, *each.shape[1:]), each.dtype), arrays
    )
