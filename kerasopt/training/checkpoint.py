"""All state of a training after any call, in one file replaced atomically."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasopt import files
from kerasopt.callbacks import training_continues
from kerasopt.training import run_folder, run_schema

__all__ = ["Checkpoint", "copy_unended", "optimizers_of", "restore_weights"]

VERSION = 2
"""Of the file's content. Files of version 0.1 have none."""

FROZEN = "frozen.npz"
"""File beside a checkpoint, with weights that don't change: written once."""

_NEW_EACH_TIME = ("params", "_model", "validation_data", "min_delta")
"""Attributes that a callback gets anew when a training begins. The sign of
``min_delta`` is turned by Keras in the first epoch."""


class Checkpoint:
    """Saves and restores a training: model, optimizer, metrics, callbacks, position.

    The file holds every variable (running statistics, random states, averages and
    metrics included), what the callbacks remember, and the position (epoch, step). As
    order and augmentation are functions of the position, a resumed training repeats
    an unbroken one bit for bit, mid-epoch too.

    A callback's memory is its ``variables``, if it has some, and its attributes: those
    that its ``memory`` names, or else all that are numbers, texts, arrays, or lists and
    dicts of these.

    Args:
        path: An ``.npz`` file.
        model: The compiled model.
        callbacks: Their memory is saved along.
        least_seconds: Least time between two checkpoints.
        whole: The model whose weights are saved, where ``model`` is its head alone.
            The others are frozen and kept in a file of their own.

    Attributes:
        ended: Whether a callback had ended the training that was restored.
        seconds: Time of the training before it was interrupted.
    """

    def __init__(
        self,
        path: Path,
        model: keras.Model,
        callbacks: Sequence[keras.callbacks.Callback],
        *,
        least_seconds: float,
        whole: keras.Model | None = None,
    ) -> None:
        self.path = path
        self.model = model
        self.whole = whole or model
        self.callbacks = list(callbacks)
        self.least_seconds = least_seconds
        self.ended = False
        self.seconds = 0.0
        self._began = self._saved_at = time.perf_counter()
        # Only what changes is saved: arguments of a callback may have been mended.
        self._at_first = [
            {} if hasattr(each, "memory") else copy.deepcopy(_memory(each))
            for each in self.callbacks
        ]
        self._memories: dict[str, Any] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._has_frozen = False

    def save_if_due(self, trainer: Any) -> None:
        """Save, if the last time is long enough ago."""
        if time.perf_counter() - self._saved_at >= self.least_seconds:
            self.save(trainer)

    def save(self, trainer: Any) -> None:
        """Save the training of a `kerasopt.training.Trainer` at its position."""
        arrays: dict[str, np.ndarray] = {}
        frozen = self._frozen()
        for group, variables in self._variables().items():
            named = {f"{group}/{i}": v for i, v in enumerate(variables)}
            arrays |= {k: _array(v) for k, v in named.items() if k not in frozen}
        self._keep(frozen)
        memories = {}
        for i, callback in enumerate(self.callbacks):
            changed = _changed(_memory(callback), self._at_first[i])
            memories[_key(i, callback)] = _packed(changed, f"memory/{i}", arrays)
        state = {
            "version": VERSION,
            "epoch": trainer.epoch,
            "step": trainer.step,
            "logs": trainer.logs,
            "jit": trainer.jit.now if trainer.jit.settled else None,
            "ended": bool(self.model.stop_training and not trainer.step),
            "seconds": self.seconds + time.perf_counter() - self._began,
            "callbacks": memories,
        }
        arrays["state"] = np.array(json.dumps(state))
        with training_continues(), files.atomic(self.path) as temporary:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]
        self._saved_at = time.perf_counter()
        self._arrays = {}

    def restore(self) -> dict[str, Any]:
        """Load the variables; return the position: epoch, step, logs, and jit.

        Raises:
            ValueError: if the file can't be read, or belongs to another training.
        """
        state, self._arrays = read(self.path)
        self._assign()
        with run_folder.intact(self.path.parents[1], run_folder.CHECKPOINT):
            self._memories = {
                key: _unpacked(value, self._arrays)
                for key, value in state["callbacks"].items()
            }
        self.ended, self.seconds = state["ended"], float(state["seconds"])
        return {name: state[name] for name in ("epoch", "step", "logs", "jit")}

    def remind(self) -> None:
        """Give callbacks and variables their state back, after the callbacks began.

        When they begin a training or an epoch for the second time they may forget what
        they knew, or change a variable again: a scheduler the learning rate.
        """
        self._assign()
        for i, callback in enumerate(self.callbacks):
            for name, value in self._memories.get(_key(i, callback), {}).items():
                setattr(callback, name, value)

    def _assign(self) -> None:
        if not self._arrays:
            return
        for group, variables in self._variables().items():
            _assign(variables, self._arrays, group, self.path)

    def _keep(self, frozen: dict[str, Any]) -> None:
        if frozen and not self._has_frozen:
            kept = {name: _array(v) for name, v in frozen.items()}
            with training_continues(), files.atomic(self.path.with_name(FROZEN)) as to:
                np.savez(to, **kept)  # type: ignore[arg-type]
            self._has_frozen = True

    def _frozen(self) -> dict[str, Any]:
        """Return what the head doesn't have, by its name in the file."""
        changing = {id(each) for each in self.model.variables}
        everything = enumerate(self.whole.variables)
        return {f"model/{i}": v for i, v in everything if id(v) not in changing}

    def _variables(self) -> dict[str, list[Any]]:
        return {
            "model": self.whole.variables,
            "optimizer": [
                v for each in optimizers_of(self.model) for v in each.variables
            ],
            "metrics": self.model.metrics_variables,
            "callbacks": [
                variable
                for callback in self.callbacks
                for variable in getattr(callback, "variables", ())
            ],
        }


def optimizers_of(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """Return a model's optimizer, and those that its class keeps besides (GANs do)."""
    found = [model.optimizer, *vars(model).values()]
    kept = [each for each in found if isinstance(each, keras.optimizers.Optimizer)]
    return list({id(each): each for each in kept}.values())


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a checkpoint's state and arrays.

    Raises:
        ValueError: if it is damaged (`DamagedRunError`), or of another version.
    """
    folder = path.parents[1]
    with run_folder.intact(folder, run_folder.CHECKPOINT):
        arrays: dict[str, np.ndarray] = {}
        for each in (path.with_name(FROZEN), path):
            if each == path or each.is_file():
                with np.load(each, allow_pickle=False) as saved:  # By checksums.
                    arrays |= dict(saved)
        state = json.loads(str(arrays.pop("state")))
        if state.get("version") == VERSION:
            run_schema.check_position(state)
    if state.get("version") != VERSION:
        raise ValueError(
            f"The checkpoint '{path}' was written by another version of kerasopt. "
            "Resume with that version, or delete the file to start over."
        )
    return state, arrays


def restore_weights(path: Path, model: keras.Model) -> None:
    """Give a model the weights and random states of a checkpoint, and nothing else.

    Args:
        path: What a `Checkpoint` wrote.
        model: A model of the same layers.

    Raises:
        ValueError: as `read`, or if the model isn't one of the same layers.
    """
    _, arrays = read(path)
    _assign(model.variables, arrays, "model", path)


def copy_unended(source: Path, target: Path) -> None:
    """Copy a checkpoint as that of a training which continues where that one ended.

    Args:
        source: What a `Checkpoint` wrote.
        target: Where the copy shall be.
    """
    state, arrays = read(source)
    arrays["state"] = np.array(json.dumps({**state, "ended": False}))
    with files.atomic(target) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


def _key(number: int, callback: keras.callbacks.Callback) -> str:
    return f"{number} {type(callback).__name__}"


def _memory(callback: keras.callbacks.Callback) -> dict[str, Any]:
    names = getattr(callback, "memory", None)
    if names is None:
        names = [name for name in vars(callback) if name not in _NEW_EACH_TIME]
    found = {name: getattr(callback, name) for name in names}
    return {name: value for name, value in found.items() if _is_plain(value)}


def _changed(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in now.items()
        if name not in before or not _equal(value, before[name])
    }


def _equal(one: Any, other: Any) -> bool:
    texts, arrays = [], []
    for value in (one, other):
        found: dict[str, np.ndarray] = {}
        texts.append(json.dumps(_packed(value, "", found)))
        arrays.append(list(found.values()))
    return texts[0] == texts[1] and all(map(np.array_equal, *arrays))


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    known = (bool, int, float, str, np.generic, np.ndarray)
    return value is None or isinstance(value, known)


def _packed(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return what JSON can write; arrays are put aside under a name."""
    if isinstance(value, dict):
        return {
            "dict": {k: _packed(v, f"{name}/{k}", arrays) for k, v in value.items()}
        }
    if isinstance(value, (list, tuple)):
        packed = [_packed(v, f"{name}/{i}", arrays) for i, v in enumerate(value)]
        return {type(value).__name__: packed}
    if isinstance(value, (np.ndarray, np.generic)):
        arrays[name] = np.asarray(value)
        return {"array": name}
    return value


def _unpacked(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        found = arrays[content]
        return found[()] if found.ndim == 0 else found
    if kind == "dict":
        return {k: _unpacked(v, arrays) for k, v in content.items()}
    listed = [_unpacked(v, arrays) for v in content]
    return tuple(listed) if kind == "tuple" else listed


def _array(value: Any) -> np.ndarray:
    # Unlike float() and np.asarray() this also reads a mirrored variable.
    return keras.ops.convert_to_numpy(value)


def _assign(variables: list[Any], arrays: Any, group: str, path: Path) -> None:
    names = [f"{group}/{i}" for i in range(_count(arrays, group))]
    if any(name not in arrays for name in names):
        raise run_folder.DamagedRunError(
            f"{FROZEN} is missing beside the checkpoint '{path}': it has the weights "
            "that don't change. Delete the checkpoint to start the training over."
        )
    saved = [arrays[name] for name in names]
    shapes = [tuple(v.shape) for v in variables], [v.shape for v in saved]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"The checkpoint '{path}' holds {len(saved)} {group} variables of other "
            f"shapes or number than this training's {len(variables)}: it belongs to "
            "another model, optimizer or version."
        )
    for variable, value in zip(variables, saved, strict=True):
        variable.assign(value)


def _count(arrays: Any, group: str) -> int:
    return sum(key.startswith(f"{group}/") for key in arrays)
