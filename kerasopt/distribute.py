"""Which devices train: a tf.distribute strategy, and the right mean over them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kerasopt import checks, names
from kerasopt.requirements import install

__all__ = ["GlobalBatchLoss", "describe", "strategy"]

CHOICES = ("auto", "cpu", "gpu", "tpu", "mirrored")


def strategy(
    devices: str | Sequence[str] | tf.distribute.Strategy = "auto",
) -> tf.distribute.Strategy:
    """Return the tf.distribute strategy for some devices.

    Args:
        devices: ``"auto"`` takes a TPU if there is one, else all GPUs, else the
            CPU. ``"cpu"``, ``"gpu"`` (the first), ``"tpu"`` and ``"mirrored"``
            (all GPUs) insist. A list such as ``["GPU:0", "GPU:1"]`` or
            ``["CPU:0", "CPU:1"]`` mirrors the model on exactly these; missing
            CPUs are made as virtual ones. A strategy is returned as it is.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: if the word is unknown, or the machine has no such device.

    Example:
        >>> strategy("cpu").num_replicas_in_sync
        1
    """
    if isinstance(devices, tf.distribute.Strategy):
        return devices
    if not isinstance(devices, str):
        what = f"one of {', '.join(CHOICES)}, a list of devices or a strategy"
        checks.instance("devices", devices, Sequence, what)
        return _mirrored([str(device) for device in devices])
    word = names.normalize(devices)
    gpus = [f"GPU:{i}" for i, _ in enumerate(tf.config.list_physical_devices("GPU"))]
    if word == "auto":
        return _tpu() or (_mirrored(gpus) if gpus else _one_device("CPU:0"))
    if word == "cpu":
        return _one_device("CPU:0")
    if word == "tpu":
        found = _tpu()
        if found is None:
            raise ValueError(
                "devices='tpu': no TPU was found. Use devices='auto', or on a "
                f"machine with one: {install('tpu')}."
            )
        return found
    if word in ("gpu", "mirrored"):
        if not gpus:
            raise ValueError(
                f"devices={devices!r}: TensorFlow finds no GPU here. Use "
                f"devices='auto', or on a machine with one: {install('gpu')}."
            )
        return _mirrored(gpus if word == "mirrored" else gpus[:1])
    raise names.unknown("devices", devices, CHOICES)


def describe(chosen: tf.distribute.Strategy) -> str:
    """Say in one line what a strategy trains on.

    Args:
        chosen: Any strategy.

    Example:
        >>> describe(strategy("cpu"))
        'one CPU (OneDeviceStrategy)'
    """
    checks.instance("chosen", chosen, tf.distribute.Strategy, "a strategy")
    devices = chosen.extended.worker_devices
    kinds = sorted({str(device).rsplit(":", 2)[-2].upper() for device in devices})
    count = "one" if len(devices) == 1 else str(len(devices))
    plural = "" if len(devices) == 1 else "s"
    return f"{count} {'/'.join(kinds)}{plural} ({type(chosen).__name__})"


@keras.saving.register_keras_serializable(package="kerasopt")
class GlobalBatchLoss(keras.losses.Loss):
    """A mean over the global batch, however unevenly the replicas share it.

    Keras averages each replica's mean loss with equal weight. In an uneven last
    batch (5 samples on 2 replicas: 4 and 1) a lone sample then weighs as much as
    four. This wrapper leaves each replica's value alone, so that the metrics stay
    as Keras counts them, and scales its gradient by ``R * n_r / n`` (R replicas,
    n_r of the n samples here), which makes the summed gradient that of the mean
    over all n samples.

    Args:
        loss: The loss to average.
    """

    def __init__(self, loss: keras.losses.Loss) -> None:
        super().__init__(name=loss.name, reduction=loss.reduction)
        self.loss = loss

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return this replica's mean loss, with its gradient weighed."""
        value = self.loss(y_true, y_pred, sample_weight)
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return value
        here = tf.cast(tf.shape(y_pred)[0], value.dtype)
        everywhere = replica.all_reduce(tf.distribute.ReduceOp.SUM, here)
        weight = tf.stop_gradient(replica.num_replicas_in_sync * here / everywhere)
        return weight * value + tf.stop_gradient((1.0 - weight) * value)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {"loss": keras.losses.serialize(self.loss)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GlobalBatchLoss:
        """Rebuild the loss from `get_config`."""
        return cls(keras.losses.deserialize(config["loss"]))


def _tpu() -> tf.distribute.Strategy | None:
    if not tf.config.list_physical_devices("TPU"):
        return None
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def _mirrored(devices: list[str]) -> tf.distribute.Strategy:
    if not devices:
        raise ValueError("devices is an empty list; name at least one device.")
    if len({device.upper().lstrip("/") for device in devices}) < len(devices):
        raise ValueError(
            f"devices names a device twice; given: {devices}. Name each once."
        )
    _ensure_devices(devices)
    if len(devices) == 1:
        return _one_device(devices[0])
    return _mirrored_once(tuple(devices))


# Two strategies on the same devices number their collective operations alike and
# then take each other's messages, so a process has one for each set of devices.
@functools.cache
def _mirrored_once(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(list(devices))


def _one_device(device: str) -> tf.distribute.Strategy:
    return tf.distribute.OneDeviceStrategy(f"/{device}")


def _ensure_devices(devices: list[str]) -> None:
    """Make virtual CPUs where the list asks for more than one CPU."""
    cpus = sum(device.upper().lstrip("/").startswith("CPU:") for device in devices)
    physical = tf.config.list_physical_devices("CPU")
    if cpus > 1 and tf.config.get_logical_device_configuration(physical[0]) is None:
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(cpus)]
        # If TensorFlow has started already, the check below says so.
        with contextlib.suppress(RuntimeError):
            tf.config.set_logical_device_configuration(physical[0], parts)
    present = [
        d.name.removeprefix("/device:") for d in tf.config.list_logical_devices()
    ]
    missing = [d for d in devices if d.upper().lstrip("/") not in present]
    if missing:
        raise ValueError(
            f"Unknown device {missing[0]!r}; TensorFlow has {', '.join(present)}. "
            "Virtual CPUs can only be made before TensorFlow runs its first "
            "operation: choose the devices first thing, in a new process."
        )
