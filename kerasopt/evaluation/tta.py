"""Test-time augmentation: one prediction from several views of each image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kerasopt import tasks
from kerasopt.names import Names, renamed_arguments

__all__ = ["count", "describe", "names", "predict", "views"]

Views = Iterator[tuple[float, np.ndarray]]

_VIEWS = Names("test-time augmentation")

# Rows of probabilities may miss 1 by this much, as in `metrics`.
_SUM_TOLERANCE = 1e-3


def views(images: Any, tta: str) -> Views:
    """Return the views of a batch of images one after the other.

    Args:
        images: Batch (batch, height, width, channels). ``"none"`` takes inputs of
            any shape.
        tta: ``"none"``: the images alone. ``"mirror"``: the images and their
            mirror images. ``"mirror_translate"``: besides, both sides of the
            images shifted by one pixel towards the bottom right and towards the
            top left, the border reflected.

    Returns:
        An iterator of (weight, view). The weights sum to 1: (1), (1/2, 1/2) and
        (1/4, 1/4, 1/8, 1/8, 1/8, 1/8). Views have the shape and type of the
        images. They share memory with them or with one padded copy, so don't
        write into them.

    Raises:
        ValueError: if the name is unknown, or the inputs aren't images or too
            small for a shift.

    Example:
        >>> images = np.arange(4).reshape(1, 2, 2, 1)
        >>> [(w, view[0, :, :, 0].tolist()) for w, view in views(images, "mirror")]
        [(0.5, [[0, 1], [2, 3]]), (0.5, [[1, 0], [3, 2]])]

    References:
        - [Krizhevsky, Sutskever and Hinton, 2012](
          https://papers.nips.cc/paper/4824): crops and mirror images averaged.
        - [Jordan, 2024](https://arxiv.org/abs/2404.00498): ``mirror_translate``.
    """
    images = np.asarray(images)
    name = _VIEWS.canonical(tta)
    _check_images(images, name)
    return _VIEWS.factory(name)(images)


@renamed_arguments(kind="tta", share="tta_share")
def predict(
    function: Callable[[np.ndarray], Any],
    images: Any,
    tta: str,
    *,
    tta_share: float = 1.0,
    plain: np.ndarray | None = None,
    task: str | tasks.Task = "multiclass",
) -> np.ndarray:
    r"""Return predictions from the weighted views of each image.

    For one class a sample (binary and multiclass), the weighted geometric mean of the
    views' probabilities, normalised:

    .. math::
        p_c \propto \exp \sum_v w_v \ln p_{vc}

    A view's :math:`\ln p` is its logits less one number for each image, which the
    normalisation takes out again. So this is the softmax of the weighted mean of
    the logits, without having to ask the model for them. For multilabel the
    probabilities are averaged, for regression the numbers.

    Args:
        function: Takes a batch of images, returns predictions of shape (batch,
            classes, labels or targets), as `kerasopt.evaluation.predictions` makes
            them. It is called once for each view and does its own batching.
        images: Batch (batch, height, width, channels).
        tta: ``"none"``, ``"mirror"`` or ``"mirror_translate"``; see `views`.
        tta_share: Share of the images, those of the least confident plain prediction,
            that are seen in all views; the others keep the plain prediction, which
            further views seldom change. With a quarter, ``"mirror_translate"`` takes
            2.25 predictions an image instead of 6. A regression has no confidence, so
            ``tta_share`` must be 1.
        plain: What `function` returns for the images, if it is known already.
        task: A name or a `kerasopt.tasks.Task`; ``"multiclass"`` by default.

    Returns:
        Predictions of the shape and type that `function` returns; rows of class
        probabilities sum to 1. ``"none"`` returns what `function` does, untouched.

    Raises:
        ValueError: as `views`, or if `function` returns anything but predictions of
            the task, or ``tta_share`` isn't in (0, 1] or doesn't apply.

    Example:
        >>> def left_brighter(images):
        ...     share = images[:, 0, 0, 0] / images.sum((1, 2, 3))
        ...     return np.stack([share, 1 - share], axis=1)
        >>> predict(left_brighter, np.array([[[[3.0], [1.0]]]]), "mirror").tolist()
        [[0.5, 0.5]]

    References:
        - [Krizhevsky, Sutskever and Hinton, 2012](
          https://papers.nips.cc/paper/4824)
        - [Hiverge, 2025](https://github.com/hiverge/cifar10-speedrun), for views of
          the uncertain images alone.
    """
    images = np.asarray(images)
    name = tasks.get(task).name
    _check_share(tta_share, name)
    tta = _VIEWS.canonical(tta)
    _check_images(images, tta)
    plain = np.asarray(function(images) if plain is None else plain)
    if tta == "none":
        return plain
    _check_predictions(plain, len(images), name)
    uncertain: Any = slice(None)
    if tta_share < 1:
        order = np.argsort(_CONFIDENCE[name](plain), kind="stable")
        uncertain = order[: round(tta_share * len(images))]
    result = plain.copy()
    if len(images[uncertain]):
        result[uncertain] = _of_all(
            function, images[uncertain], tta, plain[uncertain], name
        )
    return result


def _of_all(
    function: Callable[[np.ndarray], Any],
    images: np.ndarray,
    tta: str,
    plain: np.ndarray,
    task: str,
) -> np.ndarray:
    """Return the mean of the views, the first of which is the image itself."""
    one_class = tasks.get(task).has_classes
    total: Any = 0.0
    for i, (weight, view) in enumerate(views(images, tta)):
        predicted = np.asarray(function(view)) if i else plain
        _check_predictions(predicted, len(images), task)
        total = total + weight * (_log(predicted) if one_class else predicted)
    if not one_class:
        return total.astype(predicted.dtype)
    # The best class gets exp(0), so that no row can sum to 0.
    unnormalised = np.exp(total - total.max(axis=1, keepdims=True))
    result = unnormalised / unnormalised.sum(axis=1, keepdims=True)
    return result.astype(predicted.dtype)


def _most_probable(probabilities: np.ndarray) -> np.ndarray:
    return probabilities.max(axis=1)


def _least_decided(probabilities: np.ndarray) -> np.ndarray:
    """Return how far the least certain label of each sample is from 0.5."""
    return np.abs(probabilities - 0.5).min(axis=1)


_CONFIDENCE = {
    "binary": _most_probable,
    "multiclass": _most_probable,
    "multilabel": _least_decided,
}


def names() -> list[str]:
    """Return the names of all test-time augmentations.

    Example:
        >>> names()
        ['mirror', 'mirror_translate', 'none']
    """
    return list(_VIEWS)


def count(tta: str) -> int:
    """Return the number of views of each image.

    Example:
        >>> [count(tta) for tta in ("none", "mirror", "mirror_translate")]
        [1, 2, 6]
    """
    return sum(1 for _ in views(np.zeros((1, 2, 2, 1)), tta))


def describe(tta: str, tta_share: float = 1.0) -> str:
    """Return in words which views are averaged, and of which images.

    Example:
        >>> describe("mirror")
        'mean of 2 views of each image (mirror)'
        >>> describe("mirror_translate", 0.25)
        'mean of 6 views of the least certain 25 % of the images (mirror_translate)'
    """
    images = "each image"
    if tta_share < 1:
        images = f"the least certain {100 * tta_share:g} % of the images"
    return f"mean of {count(tta)} views of {images} ({tta})"


@_VIEWS.register("none")
def _plain(images: np.ndarray) -> Views:
    yield 1.0, images


@_VIEWS.register("mirror")
def _both_sides(images: np.ndarray, weight: float = 1.0) -> Views:
    yield weight / 2, images
    yield weight / 2, images[:, :, ::-1]


@_VIEWS.register("mirror_translate")
def _shifted(images: np.ndarray) -> Views:
    yield from _both_sides(images, 0.5)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    yield from _both_sides(padded[:, :-2, :-2], 0.25)
    yield from _both_sides(padded[:, 2:, 2:], 0.25)


def _check_images(images: np.ndarray, tta: str) -> None:
    if tta == "none":
        return
    if images.ndim != 4:
        raise ValueError(
            f"Test-time augmentation {tta!r} needs images of shape (batch, height, "
            f"width, channels); given: {images.shape}. For other inputs give 'none'."
        )
    if tta == "mirror_translate" and min(images.shape[1:3]) < 2:
        raise ValueError(
            "Test-time augmentation 'mirror_translate' shifts by a pixel, so it needs "
            f"images of at least 2×2 pixels; given: {images.shape}. Give 'mirror' or "
            "'none'."
        )


def _check_share(tta_share: Any, task: str) -> None:
    if isinstance(tta_share, bool) or not isinstance(
        tta_share, (int, float, np.number)
    ):
        raise TypeError(f"tta_share must be a number; given: {tta_share!r}.")
    if not 0 < tta_share <= 1:
        raise ValueError(f"tta_share must lie in (0, 1]; given: {tta_share!r}.")
    if tta_share < 1 and task not in _CONFIDENCE:
        raise ValueError(
            f"A {task} has no confidence by which to choose the images that get all "
            f"views; leave tta_share at 1. Given: tta_share={tta_share!r}."
        )


def _check_predictions(predicted: np.ndarray, num_samples: int, task: str) -> None:
    shape = predicted.shape
    is_floating = predicted.dtype.kind == "f"
    if not is_floating or len(shape) != 2 or shape[0] != num_samples:
        what = "numbers" if task == "regression" else "probabilities"
        columns = {"multilabel": "labels", "regression": "targets"}.get(task, "classes")
        raise ValueError(
            f"Test-time augmentation needs a function that returns {what} of "
            f"shape ({num_samples}, {columns}); it returned {predicted.dtype} of "
            f"shape {shape}."
        )
    if tasks.get(task).has_classes:
        _check_rows(predicted)
    elif task == "multilabel" and not ((predicted >= 0) & (predicted <= 1)).all():
        raise ValueError(
            "Test-time augmentation needs probabilities in 0..1. The function returned "
            "others; end the model in a sigmoid, or wrap it in "
            "kerasopt.evaluation.predictions."
        )


def _check_rows(probabilities: np.ndarray) -> None:
    # Negated, so that NaN is refused too.
    sums_off = np.abs(probabilities.sum(axis=1, dtype=float) - 1)
    if not ((sums_off < _SUM_TOLERANCE).all() and (probabilities >= 0).all()):
        raise ValueError(
            "Test-time augmentation needs probabilities: rows of at least 0 that sum "
            "to 1. The function returned others; end the model in a softmax, or wrap "
            "it in kerasopt.evaluation.predictions."
        )


def _log(probabilities: np.ndarray) -> np.ndarray:
    # A certain model gives 0; its logarithm must be low, yet finite. Half
    # precision's own least number, 6e-5, would be too high.
    floor = np.finfo(np.promote_types(probabilities.dtype, np.float32)).tiny
    return np.log(np.maximum(probabilities.astype(float), floor))
