"""Batch normalisation's statistics for images of another domain, without labels."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasopt import checks
from kerasopt.layers import graph

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["adapt_batch_norm"]

MOST_RATIO = 1e4
"""Pixels in 0..255 vary 65,025 times as much as those in 0..1."""


def adapt_batch_norm(
    model: keras.Model, images: Any, *, batch_size: int = 512
) -> pd.DataFrame:
    r"""Re-estimate the statistics of batch normalisation on images without labels.

    A trained network normalises with the means and variances of its training images.
    Images of another domain (darker, another scanner, another camera) have others.
    AdaBN replaces the moving statistics of every `keras.layers.BatchNormalization`,
    `kerasopt.layers.FusedBatchNormalization` included, and changes nothing else: it
    takes no labels, no gradients and one pass over the images. Layers in nested and
    subclassed models and frozen layers are adapted, too.

    Each batch is normalised by its own statistics, all other layers (dropout, noise)
    run in inference mode. A layer that gets batches of :math:`n_b` values a channel
    with means :math:`\mu_b` and variances :math:`\sigma_b^2` is left with

    .. math::
        \mu = \sum_b \frac{n_b}{n} \mu_b, \qquad
        \sigma^2 = \sum_b \frac{n_b}{n} \left(\sigma_b^2 + (\mu_b - \mu)^2\right),

    mean and variance of all values that it got, not a moving average of them. With a
    single batch (``batch_size=len(images)``) these are exactly the statistics of its
    inputs in the adapted network; with several they are as close to them as batches
    resemble one another.

    The model changes in place. To undo it, keep its weights first:
    ``before = model.get_weights()``, later ``model.set_weights(before)``.

    Args:
        model: A built model with batch normalisation and one input.
        images: Images of the new domain, shape (n, \*input_shape), as
            ``model.predict`` takes them: for ``run.model`` on the scale of the
            training, which is ``pixels / 255`` unless the model scales them itself.
            The more, the better the statistics. Their classes should be as frequent
            as in what is predicted later on.
        batch_size: Most images at a time; they are shared out evenly.

    Returns:
        A table with one row a layer, in the order of their calls: its ``channels``; the
        ``mean_shift``, by how many old standard deviations the mean moved (average of
        the channels' absolute values); the ``variance_ratio``, new to old variance
        (geometric mean of the channels).

    Raises:
        TypeError: if `model` is no Keras model, or `images` no array of numbers.
        ValueError: if the model isn't built, has no batch normalisation or several
            inputs, or the images are none, of another shape, hold NaN or infinity,
            or give a layer a single value a channel. The model is then as before.

    Warns:
        UserWarning: if the first layer's inputs vary 10,000 times as much as before, or
            as little: the images seem to be on another scale.

    Example:
        >>> model = keras.Sequential(
        ...     [keras.Input((8, 8, 1)), keras.layers.BatchNormalization(name="norm")]
        ... )
        >>> images = np.linspace(2.0, 4.0, 6400).reshape(100, 8, 8, 1)
        >>> table = adapt_batch_norm(model, images)  # before: mean 0, variance 1
        >>> table.round(2).loc["norm"].to_dict()
        {'channels': 1.0, 'mean_shift': 3.0, 'variance_ratio': 0.33}

    References:
        - [Li et al., 2016](https://arxiv.org/abs/1603.04779): AdaBN.
        - [Chan, Golub and LeVeque, 1979](
          http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf): means
          and variances of parts combined.
    """
    checks.instance("model", model, keras.Model, "a keras.Model")
    most = checks.integer("batch_size", batch_size)
    layers = _batch_norms(model)
    images = _checked(model, images)
    with _measuring(layers) as measured:
        for batch in np.array_split(images, math.ceil(len(images) / most)):
            _call(model, batch)
        for statistics in measured:
            statistics.check()
    called = [each for each in measured if each.count]
    return _table(sorted(called, key=lambda each: each.place))


class _Statistics:
    """What a layer got: the number of values a channel, their mean and variance."""

    def __init__(
        self, layer: keras.layers.BatchNormalization, places: Iterator[int]
    ) -> None:
        self.layer = layer
        self.places, self.place = places, 0
        self.old_mean, self.old_variance = map(
            _float64, (layer.moving_mean, layer.moving_variance)
        )
        self.count = 0
        self.mean = np.zeros_like(self.old_mean)
        self.squares = np.zeros_like(self.old_mean)

    @property
    def variance(self) -> np.ndarray:
        return self.squares / self.count

    def add(self, count: int, mean: np.ndarray, variance: np.ndarray) -> None:
        """Add a batch (Chan et al., 1979)."""
        if not self.count:
            self.place = next(self.places)
        total = self.count + count
        off = mean - self.mean
        with np.errstate(invalid="ignore", over="ignore"):  # `check` tells.
            self.squares += variance * count + off**2 * (self.count * count / total)
            self.mean += off * (count / total)
        self.count = total

    def check(self) -> None:
        """Refuse statistics that the layer can't normalise by."""
        if self.count == 1:
            raise ValueError(
                f"Layer {self.layer.name!r} gets a single value a channel, whose "
                "variance is 0: give more images."
            )
        if not np.isfinite([self.mean, self.squares]).all():
            raise ValueError(
                f"What reaches layer {self.layer.name!r} isn't finite for these "
                "images. Check their scale, and the model's weights."
            )

    def set(self) -> None:
        """Give the layer what was measured; what it wasn't called for stays."""
        if self.count:
            self._assign(self.mean, self.variance)

    def restore(self) -> None:
        """Give the layer back what it had."""
        self._assign(self.old_mean, self.old_variance)

    def _assign(self, mean: Any, variance: Any) -> None:
        self.layer.moving_mean.assign(mean)
        self.layer.moving_variance.assign(variance)

    def normalize(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Take the layer's call: measure a batch, and normalise it by that."""
        if mask is not None:
            raise ValueError(
                f"Layer {self.layer.name!r} gets a mask; images have none. AdaBN takes "
                "models without masking."
            )
        inputs = keras.ops.convert_to_tensor(inputs)
        axes = list(range(len(inputs.shape)))
        del axes[self.layer.axis]
        mean, variance = keras.ops.moments(keras.ops.cast(inputs, "float32"), axes)
        count = math.prod(inputs.shape[axis] for axis in axes)
        self.add(count, _float64(mean), _float64(variance))
        # In inference mode by the batch's statistics: what training mode computes,
        # for frozen layers, too, and without a change of what training keeps.
        self._assign(mean, variance)
        return type(self.layer).call(self.layer, inputs, training=False)


@contextlib.contextmanager
def _measuring(
    layers: list[keras.layers.BatchNormalization],
) -> Iterator[list[_Statistics]]:
    """Let layers measure what they get, inside this block, and keep it after it."""
    places = itertools.count()
    measured = [_Statistics(layer, places) for layer in layers]
    for each in measured:
        each.layer.call = each.normalize
    try:
        yield measured
    except BaseException:
        for each in measured:
            each.restore()
        raise
    else:
        for each in measured:
            each.set()
    finally:
        for layer in layers:
            del layer.call


def _batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} has no statistics yet: give it its input shape "
            "and train it first."
        )
    kind = keras.layers.BatchNormalization
    found = [each for each in model._flatten_layers() if isinstance(each, kind)]
    if not found:
        raise ValueError(
            f"The model {model.name!r} has no BatchNormalization, so there are no "
            "statistics to adapt. Train one that has, such as "
            "ko.models.cnn(batch_norm=True), or train on images of the new domain."
        )
    return [each for each in found if each.built]


def _checked(model: keras.Model, images: Any) -> np.ndarray:
    """Return images as an array, or refuse them."""
    try:
        found = np.asarray(images)
    except (TypeError, ValueError):  # Of unequal shapes.
        found = np.array(None)
    if found.dtype.kind not in "buif" and found.dtype.name != "bfloat16":
        raise checks.ArgumentTypeError(
            "images must be one array of numbers of shape (n, height, width, "
            f"channels); given: {checks.shown(images)}."
        )
    if not found.ndim or not len(found):
        raise ValueError(
            "adapt_batch_norm needs images of the new domain; given: none."
        )
    if graph.is_graph(model):
        if len(model.inputs) > 1:
            raise ValueError(
                f"The model {model.name!r} has {len(model.inputs)} inputs; "
                "adapt_batch_norm takes models with one."
            )
        expected = tuple(model.inputs[0].shape)[1:]
        if not _fits(found.shape[1:], expected):
            raise ValueError(
                f"The model takes images of shape {expected}; given: "
                f"{found.shape[1:]}, in an array of shape {found.shape}."
            )
    if found.dtype.kind not in "bui" and not np.isfinite(found).all():
        raise ValueError(
            "images have NaN or infinity. Leave such images out, or repair them."
        )
    return found


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        side in (None, given) for given, side in zip(shape, expected, strict=True)
    )


def _call(model: keras.Model, batch: np.ndarray) -> None:
    try:
        model(batch, training=False)
    except Exception as error:  # Keras's or TensorFlow's own, or of the user's call.
        if graph.is_graph(model) or isinstance(error, checks.ArgumentTypeError):
            raise
        reason = str(error).strip() or type(error).__name__
        raise ValueError(
            f"The model {model.name!r} fails on images of shape {batch.shape[1:]}: "
            f"{reason.splitlines()[0]}"
        ) from error


def _table(measured: list[_Statistics]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for each in measured:
        epsilon = each.layer.epsilon
        old = each.old_variance + epsilon
        rows.append(
            {
                "layer": each.layer.name,
                "channels": len(each.mean),
                "mean_shift": np.mean(abs(each.mean - each.old_mean) / np.sqrt(old)),
                "variance_ratio": np.exp(
                    np.mean(np.log((each.variance + epsilon) / old))
                ),
            }
        )
    table = pd.DataFrame(rows).set_index("layer")
    ratio = table["variance_ratio"].iloc[0]
    if not 1 / MOST_RATIO < ratio < MOST_RATIO:
        warnings.warn(
            f"What reaches layer {table.index[0]!r} varies {ratio:.3g} times as much "
            "as in training: the images seem to be on another scale. Give them as the "
            "model was trained on them, such as pixels / 255.",
            UserWarning,
            stacklevel=3,
        )
    return table


_float64 = functools.partial(np.asarray, dtype="float64")
