"""Random changes of the training images, batch by batch.

`affine` is the fast one; `image_data_generator` is Keras's classic, with the
same arguments; `crop` only shifts and flips, as the fast CIFAR-10 recipes do.
Augmentation belongs in the input pipeline, on training images alone: `apply` is
what the pipeline calls, `preview` shows what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from kerasopt import names
from kerasopt.augment._affine import Affine, affine
from kerasopt.augment._batches import apply, preview, unconverted
from kerasopt.augment._crop import Crop, crop
from kerasopt.augment._generator import (
    ImageDataGenerator,
    check_generator,
    image_data_generator,
)

__all__ = [
    "Affine",
    "Crop",
    "affine",
    "apply",
    "crop",
    "get",
    "image_data_generator",
    "preview",
    "register",
    "unconverted",
]

Factory = TypeVar("Factory", bound=Callable[..., Any])

_AUGMENTATIONS = names.Names("augmentation")
_AUGMENTATIONS.register("image_data_generator", aliases=("idg",))(image_data_generator)
_AUGMENTATIONS.register("affine")(affine)
_AUGMENTATIONS.register("crop")(crop)


def register(name: str, *, aliases: Iterable[str] = ()) -> Callable[[Factory], Factory]:
    """Return a decorator that gives an augmentation factory a name.

    Args:
        name: The name, usable in `get` and in a recipe from then on.
        aliases: Further names.

    Returns:
        A decorator; it returns the factory unchanged.

    Raises:
        ValueError: if the name is taken.

    Example:
        >>> @register("negative")
        ... def negative(white=255):
        ...     return lambda images: white - images
        >>> get("negative")(5)
        250
    """
    return _AUGMENTATIONS.register(name, aliases=aliases)


def get(spec: Any, **kwargs: Any) -> Any:
    """Return the augmentation that a name, dict or object stands for.

    Args:
        spec: None (no augmentation), a name (``"affine"``, ``"crop"``,
            ``"image_data_generator"`` or ``"idg"``), a dict such as ``{"name":
            "affine", "rotation_range": 20}``, or an object (an
            ``ImageDataGenerator``, an `Affine`, a `Crop`, a Keras layer, any
            callable on batches), returned as it is.
        **kwargs: Arguments of the named augmentation; they win over the dict's.

    Returns:
        None, a fresh augmentation, or the object given.

    Raises:
        ValueError: for an unknown name or argument, listing the accepted
            ones, or for arguments with nothing to take them.

    Example:
        >>> get("affine", rotation_range=20)
        Affine(rotation_range=20.0)
        >>> get({"name": "affine", "horizontal_flip": True})
        Affine(horizontal_flip=True)
    """
    if isinstance(spec, str):
        return _AUGMENTATIONS.build(spec, kwargs)
    if isinstance(spec, Mapping):
        name, arguments = names.split_spec("augmentation", spec)
        return _AUGMENTATIONS.build(name, {**arguments, **kwargs})
    if kwargs:
        raise ValueError(
            f"Arguments ({', '.join(kwargs)}) go with a name or a dict, not with "
            f"{spec!r}; set them where it is made."
        )
    if isinstance(spec, ImageDataGenerator):
        check_generator(spec)
    elif spec is not None and not callable(spec):
        raise names.unknown("augmentation", spec, _AUGMENTATIONS)
    return spec
