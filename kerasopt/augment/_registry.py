"""Augmentations by name, and lists of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import keras

from kerasopt import checks
from kerasopt.augment._affine import affine
from kerasopt.augment._chain import Chain, layers_of, steps
from kerasopt.augment._color_jitter import color_jitter
from kerasopt.augment._crop import crop
from kerasopt.augment._dihedral import dihedral
from kerasopt.augment._effects import noise, random_erasing
from kerasopt.augment._generator import (
    ImageDataGenerator,
    check_generator,
    image_data_generator,
)
from kerasopt.augment._mixing import cutmix, mixup
from kerasopt.augment._presets import preset
from kerasopt.augment._randaugment import randaugment
from kerasopt.augment._resized_crop import random_resized_crop
from kerasopt.augment._standardize import STANDARDIZING, standardize
from kerasopt.names import Names, unknown, way_to_call

__all__ = ["get", "names", "register", "split_standardization"]

Factory = TypeVar("Factory", bound=Callable[..., Any])

_AUGMENTATIONS = Names("augmentation")
factories = _AUGMENTATIONS
_AUGMENTATIONS.register("image_data_generator", aliases=("idg",))(image_data_generator)
_AUGMENTATIONS.register("affine")(affine)
_AUGMENTATIONS.register("crop")(crop)
_AUGMENTATIONS.register("random_resized_crop")(random_resized_crop)
_AUGMENTATIONS.register("dihedral")(dihedral)
_AUGMENTATIONS.register("color_jitter", aliases=("colour_jitter",))(color_jitter)
_AUGMENTATIONS.register("randaugment", aliases=("rand_augment",))(randaugment)
_AUGMENTATIONS.register("noise", aliases=("gaussian_noise",))(noise)
_AUGMENTATIONS.register("random_erasing")(random_erasing)
_AUGMENTATIONS.register("mixup", aliases=("mix_up",))(mixup)
_AUGMENTATIONS.register("cutmix", aliases=("cut_mix",))(cutmix)
_AUGMENTATIONS.register("standardize")(standardize)


@_AUGMENTATIONS.register("preset")
def _preset(domain: str = "photos", *, preprocess: bool = True) -> Any:
    """Return what the list of a domain's preset stands for."""
    return get(preset(domain, preprocess=preprocess))


def names() -> list[str]:
    """Return the names of all augmentations, your own included.

    Example:
        >>> [name in names() for name in ("affine", "crop", "mixup")]
        [True, True, True]
    """
    return list(_AUGMENTATIONS)


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
        spec: None (no augmentation), a name (``"affine"``, ``"crop"``, ``"mixup"``,
            ... : see `kerasopt.augment`), a dict such as ``{"name":
            "affine", "rotation_range": 20}``, an object (an
            ``ImageDataGenerator``, an `Affine`, a `Crop`, a Keras layer, any
            callable on batches), returned as it is, or a list of these, applied in
            its order.
        **kwargs: Arguments of the named augmentation; they win over the dict's.

    Returns:
        None, a fresh augmentation, a `Chain` of several, or the object given.

    Raises:
        ValueError: for an unknown name or argument, listing the accepted
            ones, or for arguments with nothing to take them.

    Example:
        >>> get("affine", rotation_range=20)
        Affine(rotation_range=20.0)
        >>> get({"name": "affine", "horizontal_flip": True})
        Affine(horizontal_flip=True)
        >>> get(["affine", {"name": "mixup", "alpha": 0.4}])
        Chain([Affine(), MixUp(alpha=0.4)])
    """
    if isinstance(spec, str | Mapping):
        return _AUGMENTATIONS.build(spec, kwargs)
    if kwargs:
        raise ValueError(
            f"Arguments ({', '.join(kwargs)}) go with a name or a dict, not with "
            f"{checks.shown(spec)}; set them where it is made."
        )
    if isinstance(spec, (list, tuple)):
        return _chain(spec)
    if isinstance(spec, ImageDataGenerator):
        check_generator(spec)
    elif isinstance(spec, type):
        error = unknown("augmentation", spec, _AUGMENTATIONS)
        raise checks.ArgumentTypeError(f"{error}{way_to_call(spec)}")
    elif spec is not None and not callable(spec):
        raise unknown("augmentation", spec, _AUGMENTATIONS)
    return spec


def _chain(specs: Any) -> Any:
    """Return the augmentation of a list: none, its only one, or a chain."""
    if any(each is None for each in specs):
        raise ValueError(
            f"A list of augmentations has None in it: {list(specs)!r}. Leave it out; "
            "None alone, or an empty list, is no augmentation."
        )
    found = [get(each) for each in specs]
    if len(found) > 1:
        return Chain(found)
    return found[0] if found else None


def split_standardization(
    augmentation: Any,
) -> tuple[Any, keras.layers.Layer | None]:
    """Return what augments, and the layer that standardises all splits.

    Args:
        augmentation: What `get` returned.

    Returns:
        The augmentation without its last step, if that is a `standardize` (or any
        `keras.layers.Normalization` or `GroupNormalization`), and this layer, or None.

    Raises:
        ValueError: if a standardisation isn't the last step, or a layer scales.

    Example:
        >>> rest, layer = split_standardization(get(["crop", "standardize"]))
        >>> type(rest).__name__, type(layer).__name__
        ('Crop', 'Normalization')
    """
    found = steps(augmentation)
    last = found[-1] if found else None
    layer = last if isinstance(last, STANDARDIZING) else None
    rest = augmentation
    if layer is not None:
        rest = _chain(found[:-1])
    for each in layers_of(rest):
        if isinstance(each, STANDARDIZING):
            raise ValueError(
                "A standardisation becomes the first layer of the model, behind all "
                "augmentation: put it last in the list."
            )
        if isinstance(each, keras.layers.Rescaling):
            raise ValueError(
                "The augmentation has a layer Rescaling, which would scale training "
                "samples alone: validation, test and prediction aren't augmented. "
                "Leave it out (pixels are divided by 255 anyway), or put it first in "
                "the model."
            )
    return rest, layer
