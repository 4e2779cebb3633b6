"""Networks whose features others use: Keras's own, saved ones, EfficientNet-Lite0."""

from __future__ import annotations

import contextlib
import inspect
import os
import socket
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from kerasopt import checks, files, names
from kerasopt.fetching.download import offline
from kerasopt.models.efficientnet_lite0 import (
    OFFSET,
    SCALE,
    WeightsUnavailableError,
    efficientnet_lite0,
)
from kerasopt.models.headless import clone, headless, without_chance
from kerasopt.models.inherit import inherit_weights, weights_by_path

__all__ = ["Backbone", "get", "known"]

LITE0 = "efficientnet_lite0"
CONNECT_SECONDS = 10.0
"""So long Keras may wait for each answer while it downloads weights."""


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network without its head, and what it takes.

    Attributes:
        model: From images to features; nothing else holds its weights.
        scale: Factors of the pixels 0..255, for red, green and blue; empty if the
            network scales its input itself.
        offset: Is added after that.
        bgr: Whether it takes blue before green before red.
    """

    model: keras.Model
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    bgr: bool = False


def known() -> list[str]:
    """Return the names of networks that `get` takes.

    Example:
        >>> {"efficientnet_lite0", "vgg16", "mobilenetv2"} <= set(known())
        True
    """
    return sorted([LITE0, *_applications()])


def get(spec: str | keras.Model, size: Sequence[int], weights: str | None) -> Backbone:
    """Return a new network without its head.

    Args:
        spec: A name from `known`, the path of a ``.keras`` file or of a run's folder,
            or a functional model, which stays as it is.
        size: (height, width) of the images that it will get.
        weights: "imagenet" (of a saved model: its own), None for random ones, or the
            path of a file.

    Raises:
        ValueError: if it is none of them, takes other images, or the weights don't
            fit.
        WeightsUnavailableError: if the weights can't be fetched.

    Example:
        >>> get("vgg16", (64, 64), None).model.output_shape
        (None, 2, 2, 512)
    """
    if isinstance(spec, keras.Model):
        found = Backbone(model=headless(spec))
        return _with_weights(found, f"the model {spec.name!r}", weights)
    name = checks.text("backbone", spec)
    key = _squashed(name)
    if key == _squashed(LITE0):
        return _lite0(size, weights)
    if key in _applications():
        return _application(key, size, weights)
    model = load_model(name)
    return _with_weights(Backbone(model=headless(model)), name, weights)


def load_model(place: str) -> keras.Model:
    """Return the model of a ``.keras`` file or of a run's folder.

    Args:
        place: Its path.

    Raises:
        ValueError: if there is no such file, or it can't be loaded.
    """
    path = Path(place).expanduser()
    if path.is_dir():
        path = path / "model.keras"
    if not path.is_file():
        accepted = [*known(), "the path of a .keras file or a run's folder"]
        raise names.unknown("backbone", place, accepted)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    # Damaged or foreign files raise nearly anything.
    except Exception as error:
        why = error if zipfile.is_zipfile(path) else "it is no .keras file, or damaged."
        raise ValueError(f"{files.shown(path)} can't be loaded: {why}") from error


def _squashed(name: str) -> str:
    return names.normalize(name).replace("_", "")


def _applications() -> dict[str, Callable[..., keras.Model]]:
    """Return the functions of `keras.applications` by their names in lower case."""
    return {
        name.lower(): function
        for name, function in inspect.getmembers(keras.applications, inspect.isfunction)
    }


def _lite0(size: Sequence[int], weights: str | None) -> Backbone:
    model = efficientnet_lite0(
        input_shape=(*size, 3),
        include_top=False,
        include_preprocessing=False,
        weights=weights,
    )
    scale, offset = (SCALE,) * 3, (OFFSET,) * 3
    return Backbone(model=model, scale=scale, offset=offset)


def _application(name: str, size: Sequence[int], weights: str | None) -> Backbone:
    function = _applications()[name]
    published = weights == "imagenet"
    settings: dict[str, Any] = {"include_top": False, "input_shape": (*size, 3)}
    with warnings.catch_warnings(), _impatient():
        # Some warn of sizes other than their own, which are fine without a head.
        warnings.simplefilter("ignore", UserWarning)
        if published:
            _refuse_offline(name)
        try:
            model = function(**settings, weights="imagenet" if published else None)
        # Keras raises a bare Exception where it can't download.
        except Exception as error:
            raise _explained(error, name, size) from error
    found = Backbone(model=without_chance(model), **_preprocessing(function))
    if published or weights is None:
        return found
    load_weights(found.model, weights, what=name)
    return found


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Let connections that get no answer fail soon: Keras sets no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _refuse_offline(name: str) -> None:
    """Raise where the network is forbidden and Keras has no file of such a name."""
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    found = (_squashed(path.name) for path in (home / "models").glob("*no*top*"))
    if offline() and not any(name in each for each in found):
        raise _unavailable(name, "KERASOPT_OFFLINE is set")


def _explained(error: Exception, name: str, size: Sequence[int]) -> Exception:
    if isinstance(error, ValueError) and "corrupted" not in str(error):
        height, width = size
        return ValueError(
            f"The backbone {name!r} can't be built for images of {height}×{width} "
            f"pixels: {error} Give a larger image_size."
        )
    return _unavailable(name, str(error))


def _unavailable(name: str, why: str) -> WeightsUnavailableError:
    return WeightsUnavailableError(
        f"The weights of {name!r} aren't in the folder of Keras and can't be "
        f"downloaded: {why}. Download them where there is a network (the file whose "
        "name has 'notop') and give weights=path, choose "
        f"backbone='{LITE0}', whose weights come from the package index, or "
        "weights=None for random weights."
    )


def _preprocessing(function: Callable[..., Any]) -> dict[str, Any]:
    """Find out by three colours what a network's ``preprocess_input`` does.

    It is a factor and an offset for each channel, perhaps in reverse order; 1 and 0
    for networks that scale their input themselves.
    """
    module = getattr(keras.applications, function.__module__.rpartition(".")[2])
    colours = np.vstack([np.zeros((1, 3)), np.eye(3)])

    # Float64 stays float64; the function works in place.
    given = module.preprocess_input(colours.reshape(1, 4, 1, 3).astype("float64"))
    black, *primaries = np.asarray(given)[0, :, 0, :]
    factors = np.array(primaries) - black
    bgr = bool(factors[0].argmax() == 2)
    order = slice(None, None, -1 if bgr else 1)
    return {
        "scale": tuple(map(float, factors.sum(axis=1))),
        "offset": tuple(map(float, black[order])),
        "bgr": bgr,
    }


def _with_weights(found: Backbone, what: str, weights: str | None) -> Backbone:
    """Give a saved network its own weights, those of a file, or none."""
    if weights == "imagenet":
        return found
    if weights is None:
        return Backbone(model=clone(found.model))
    load_weights(found.model, weights, what=what)
    return found


def load_weights(model: keras.Model, weights: str, *, what: str) -> None:
    """Load the weights of a file into a network of the same layers.

    Args:
        model: The network.
        weights: Path of a ``.keras``, ``.weights.h5`` or ``.h5`` file.
        what: What it is, for messages.

    Raises:
        ValueError: if there is no such file, it is damaged, or the first layer that
            doesn't fit.
    """
    path = Path(checks.text("weights", weights)).expanduser()
    if not path.is_file():
        raise ValueError(
            f"weights={weights!r}: there is no such file. Accepted: 'imagenet', None, "
            "or the path of a .keras, .weights.h5 or .h5 file."
        )
    try:
        if path.suffix == ".keras":
            _from_model(model, load_model(str(path)))
        else:
            _check_left_over(model, path)
            model.load_weights(path)
    # Damaged or foreign files raise nearly anything.
    except Exception as error:
        first = " ".join(str(error).split())[:500]
        raise ValueError(
            f"The weights in {files.shown(path)} don't fit {what}: {first}"
        ) from error


def _from_model(model: keras.Model, donor: keras.Model) -> None:
    own, theirs = weights_by_path(model), weights_by_path(donor)
    left: set[str] = set()
    with contextlib.suppress(ValueError):  # Has no head that can be cut off.
        left = weights_by_path(headless(donor)).keys() - own.keys()
    if left:
        raise ValueError(f"the file has {sorted(left)[0]}, too, which isn't here.")
    for path, ours in own.items():
        given = theirs.get(path)
        if given is None or given.shape != ours.shape:
            found = "has none" if given is None else f"has the shape {given.shape}"
            raise ValueError(
                f"{path} has the shape {ours.shape} here; the file {found}."
            )
    inherit_weights(model, donor)


def _check_left_over(model: keras.Model, path: Path) -> None:
    """Refuse a ``.weights.h5`` file of more layers, Dense ones of its head aside.

    Keras reads layers by their order among those of a kind, and ignores others.
    """
    if not path.name.endswith(".weights.h5"):
        return
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "own.weights.h5"
        model.save_weights(own)
        left = _datasets(path) - _datasets(own)
    foreign = sorted(name for name in left if "dense" not in name)
    if foreign:
        raise ValueError(f"the file has {foreign[0]}, too, which isn't here.")


def _datasets(path: Path) -> set[str]:
    """Return the names of the arrays in an HDF5 file, the optimizer's aside."""
    found: set[str] = set()

    def note(name: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset) and not name.startswith("optimizer"):
            found.add(name)

    with h5py.File(path, "r") as content:
        content.visititems(note)
    return found
