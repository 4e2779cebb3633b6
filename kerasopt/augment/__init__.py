"""Random changes of the training images, batch by batch.

`affine` is the fast one; `image_data_generator` is Keras's classic, with the
same arguments; `crop` only shifts and flips, as the fast CIFAR-10 recipes do.
Augmentation belongs in the input pipeline, on training images alone: `apply` is
what the pipeline calls, `preview` shows what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from kerasopt import checks
from kerasopt.augment._affine import Affine, affine
from kerasopt.augment._batches import apply, preview, unconverted
from kerasopt.augment._crop import Crop, crop
from kerasopt.augment._generator import (
    ImageDataGenerator,
    check_generator,
    image_data_generator,
)
from kerasopt.names import Names, unknown

__all__ = [
    "Affine",
    "Crop",
    "affine",
    "apply",
    "crop",
    "get",
    "image_data_generator",
    "names",
    "preview",
    "register",
    "unconverted",
]

Factory = TypeVar("Factory", bound=Callable[..., Any])

_AUGMENTATIONS = Names("augmentation")
factories = _AUGMENTATIONS
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


def names() -> list[str]:
    """Return the names of all augmentations, your own included.

    Example:
        >>> [name in names() for name in ("affine", "crop", "image_data_generator")]
        [True, True, True]
    """
    return list(_AUGMENTATIONS)


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
    if isinstance(spec, str | Mapping):
        return _AUGMENTATIONS.build(spec, kwargs)
    if kwargs:
        raise ValueError(
            f"Arguments ({', '.join(kwargs)}) go with a name or a dict, not with "
            f"{checks.shown(spec)}; set them where it is made."
        )
    if isinstance(spec, ImageDataGenerator):
        check_generator(spec)
    elif spec is not None and not callable(spec):
        raise unknown("augmentation", spec, _AUGMENTATIONS)
    return spec
