"""Several augmentations, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras

__all__ = ["Chain", "is_mixing", "layers_of", "steps"]

_MIXING_LAYERS = (keras.layers.MixUp, keras.layers.CutMix)


class Chain(Sequence[Any]):
    """Augmentations that are applied in their order.

    Args:
        augmentations: What `kerasopt.augment.apply` takes, one or more.

    Raises:
        TypeError: if it is no list.

    Example:
        >>> from kerasopt.augment import Crop, MixUp
        >>> chain = Chain([Crop(2, flip=None), MixUp(0.2)])
        >>> len(chain), chain[1]
        (2, MixUp(alpha=0.2))
    """

    def __init__(self, augmentations: Sequence[Any]) -> None:
        if isinstance(augmentations, str) or not isinstance(augmentations, Iterable):
            raise TypeError(
                "Chain takes a list of augmentations, such as "
                f"Chain([crop(2), mixup(0.2)]); given: {augmentations!r}."
            )
        self._augmentations = tuple(augmentations)

    def __getitem__(self, index: Any) -> Any:
        """Return one of the augmentations."""
        return self._augmentations[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._augmentations)

    def __repr__(self) -> str:
        return f"Chain({list(self._augmentations)!r})"


def steps(augmentation: Any) -> tuple[Any, ...]:
    """Return the augmentations that one consists of: none, itself, or a chain's.

    Args:
        augmentation: What `kerasopt.augment.get` returns.

    Example:
        >>> steps(None), steps(len)
        ((), (<built-in function len>,))
    """
    if augmentation is None:
        return ()
    if isinstance(augmentation, Chain):
        return tuple(step for each in augmentation for step in steps(each))
    if _is_container(augmentation) and any(map(is_mixing, augmentation.layers)):
        # Keras's containers hand images on, not the labels that change with them.
        return tuple(step for each in augmentation.layers for step in steps(each))
    return (augmentation,)


def is_mixing(augmentation: Any) -> bool:
    """Say whether an augmentation mixes samples, and so changes labels.

    Args:
        augmentation: What `kerasopt.augment.get` returns.

    Example:
        >>> is_mixing(keras.layers.MixUp()), is_mixing(keras.layers.RandomFlip())
        (True, False)
    """
    if isinstance(augmentation, Chain):
        return any(map(is_mixing, augmentation))
    if _is_container(augmentation):
        return any(map(is_mixing, augmentation.layers))
    return isinstance(augmentation, _MIXING_LAYERS) or bool(
        getattr(augmentation, "mixes_labels", False)
    )


def layers_of(augmentation: Any) -> Iterator[keras.layers.Layer]:
    """Yield all Keras layers of an augmentation, those inside others too.

    Args:
        augmentation: What `kerasopt.augment.get` returns.

    Example:
        >>> [type(each).__name__ for each in layers_of(keras.layers.RandomFlip())]
        ['RandomFlip']
    """
    for step in steps(augmentation):
        if _is_container(step):
            for each in step.layers:
                yield from layers_of(each)
        elif isinstance(step, keras.layers.Layer):
            yield step


def _is_container(augmentation: Any) -> bool:
    kinds = (keras.Sequential, keras.layers.Pipeline, keras.Model)
    return isinstance(augmentation, kinds)
