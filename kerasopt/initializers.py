"""Weight initializers by the names that people type.

Keras knows ``glorot_uniform`` and ``he_normal``; texts and other frameworks say
Xavier, Gaussian, Kaiming or "small random". `get` takes them all and returns a
fresh Keras initializer, because one instance shared by two layers of the same
shape gives both the same weights (keras-team/tf-keras#432).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerasopt import checks
from kerasopt.names import Names, normalize, unknown

__all__ = ["Dirac", "for_activation", "get", "names", "register"]

_TABLE = Names("initializer")
register = _TABLE.register


def get(
    spec: str | Mapping[str, Any] | keras.initializers.Initializer, **arguments: Any
) -> keras.initializers.Initializer:
    """Return a fresh Keras initializer.

    Args:
        spec: A name or an alias (``"xavier"``, ``"gaussian"``, ``"he"``, any
            Keras name), a dict with ``name`` and arguments, or an initializer,
            of which a new copy is returned.
        **arguments: Arguments of the Keras class, for a name.

    Returns:
        A new `keras.initializers.Initializer`.

    Raises:
        ValueError: if the name or an argument is unknown, or arguments come
            with an object.

    Example:
        >>> get("xavier").__class__.__name__
        'GlorotUniform'
        >>> get("gaussian", stddev=0.01).stddev
        0.01
    """
    if isinstance(spec, keras.initializers.Initializer):
        _TABLE.refuse_arguments(spec, arguments)
        return type(spec).from_config(spec.get_config())
    return _TABLE.build(spec, arguments)


def names() -> list[str]:
    """Return the names of all initializers, your own included.

    Example:
        >>> "he_normal" in names()
        True
    """
    return list(_TABLE)


_FOR_ACTIVATIONS = {
    "he_normal": (
        "elu",
        "gelu",
        "leaky_relu",
        "mish",
        "relu",
        "relu6",
        "silu",
        "swish",
    ),
    "glorot_uniform": ("linear", "sigmoid", "softmax", "softsign", "tanh"),
    "lecun_normal": ("selu",),
}


def for_activation(activation: str) -> keras.initializers.Initializer:
    """Return the initializer that goes with an activation.

    He's for ReLU and its kin, which silence half of their inputs; Glorot's for what is
    nearly linear around 0 (tanh, softmax, linear); LeCun's for SELU. Through ten
    hidden layers of 256 ReLU units He keeps the size of the gradients, Glorot leaves
    5 % of it; sigmoid's vanish under either, so prefer another hidden activation
    (`kerasopt.gradients.backward_ratio` measures that).

    Args:
        activation: Keras name of the activation that follows the layer.

    Raises:
        ValueError: if the activation isn't one of those.

    Example:
        >>> for_activation("relu").__class__.__name__
        'HeNormal'

    References:
        He et al. (2015), https://arxiv.org/abs/1502.01852; Glorot and Bengio (2010),
        https://proceedings.mlr.press/v9/glorot10a.html; Klambauer et al. (2017),
        https://arxiv.org/abs/1706.02515.
    """
    for name, activations in _FOR_ACTIVATIONS.items():
        if normalize(str(activation)) in activations:
            return get(name)
    raise unknown("activation", activation, sum(_FOR_ACTIVATIONS.values(), ()))


@keras.saving.register_keras_serializable(package="kerasopt")
class Dirac(keras.initializers.VarianceScaling):
    """Start a convolution as the identity, as far as its filters reach.

    All weights are drawn from U(-1/√fan_in, 1/√fan_in) with fan_in = kernel size ·
    input channels; then each of the first min(inputs, outputs) filters becomes 1 at
    the kernel's centre in its own channel and 0 elsewhere. With ``padding="same"``
    and stride 1 these filters reproduce their input channels, and the remaining
    ones are an ordinary random convolution. `torch.nn.init.dirac_` is the same with
    zeros for the remaining filters.

    Args:
        seed: An integer or a `keras.random.SeedGenerator`, as in Keras.

    Raises:
        ValueError: when called with a shape that isn't that of the kernel of a
            1-D, 2-D or 3-D convolution, (*kernel_size, inputs, outputs).

    Example:
        >>> kernel = Dirac(seed=0)((3, 3, 2, 4))
        >>> np.asarray(kernel)[:, :, 0, 0].tolist()
        [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]

    References:
        Zagoruyko & Komodakis (2017), DiracNets, https://arxiv.org/abs/1706.00388.
    """

    def __init__(self, seed: Any = None) -> None:
        # Its uniform limit is √(3 · scale / fan_in).
        super().__init__(scale=1 / 3, mode="fan_in", distribution="uniform", seed=seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Return a kernel of shape (*kernel_size, inputs, outputs)."""
        if len(shape) not in (3, 4, 5):
            raise ValueError(
                "The initializer 'dirac' is for the kernels of convolutions, of shape "
                f"(*kernel_size, inputs, outputs); given: shape {tuple(shape)}. Use "
                "'glorot' or 'he' for other weights."
            )
        *kernel_size, inputs, outputs = shape
        identities = np.arange(min(inputs, outputs))
        # An even kernel has two centres; padding="same" keeps the first in place.
        centre = tuple((size - 1) // 2 for size in kernel_size)
        identity = np.zeros(shape)
        identity[(*centre, identities, identities)] = 1.0
        random = super().__call__(shape, dtype=dtype)
        is_identity = np.arange(outputs) < len(identities)
        identity = keras.ops.cast(identity, random.dtype)
        return keras.ops.where(is_identity, identity, random)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for serialisation."""
        return {"seed": super().get_config()["seed"]}


def _seed(name: str, value: Any) -> Any:
    if isinstance(value, keras.random.SeedGenerator):
        return value
    return checks.seed(name, value)


def _axes(name: str, value: Any) -> Any:
    if isinstance(checks.plain(value), list | tuple):
        return checks.each(name, value, _axis)
    return None if value is None else _axis(name, value)


def _axis(name: str, value: Any) -> int:
    return checks.integer(name, value, least=-8, most=8)


def _constant(name: str, value: Any) -> Any:
    """Return a finite number, or an array of them, which shape the weights."""
    if not isinstance(checks.plain(value), list | tuple):
        return checks.number(name, value)
    try:
        found = np.asarray(value, "float32")
    except (TypeError, ValueError):
        found = np.array(np.nan)
    if not np.isfinite(found).all() or not found.size:
        raise ValueError(
            f"{name} must be a finite number or an array of such; given: "
            f"{checks.shown(value)}."
        )
    return found


def _mode(name: str, value: Any) -> Any:
    return checks.choice(name, value, ("fan_in", "fan_out", "fan_avg"))


def _distribution(name: str, value: Any) -> Any:
    known = ("normal", "truncated_normal", "untruncated_normal", "uniform")
    return checks.choice(name, value, known)


RULES: dict[str, checks.Rule] = {
    "seed": _seed,
    "mean": checks.number,
    "stddev": checks.non_negative,
    "minval": checks.number,
    "maxval": checks.number,
    "scale": checks.positive,
    "gain": checks.positive,
    "mode": _mode,
    "distribution": _distribution,
    "input_axes": _axes,
    "output_axes": _axes,
    "value": _constant,
}
"""The check of each argument."""


def _checked(initializer: type[keras.initializers.Initializer]) -> Any:
    """Let a class take its arguments through their checks."""

    def build(**arguments: Any) -> keras.initializers.Initializer:
        arguments = checks.apply(RULES, arguments)
        low, high = arguments.get("minval", -0.05), arguments.get("maxval", 0.05)
        if low >= high:
            raise ValueError(
                f"minval must be below maxval; given: minval={low}, maxval={high}."
            )
        return initializer(**arguments)

    build.__signature__ = inspect.signature(initializer)  # type: ignore[attr-defined]
    return build


def _register_keras_initializers() -> None:
    classes = {
        "glorot_uniform": (
            keras.initializers.GlorotUniform,
            ("glorot", "xavier", "xavier_uniform"),
        ),
        "glorot_normal": (keras.initializers.GlorotNormal, ("xavier_normal",)),
        "he_uniform": (keras.initializers.HeUniform, ("kaiming_uniform",)),
        "he_normal": (
            keras.initializers.HeNormal,
            ("he", "kaiming", "kaiming_normal"),
        ),
        "lecun_uniform": (keras.initializers.LecunUniform, ()),
        "lecun_normal": (keras.initializers.LecunNormal, ("lecun",)),
        "random_normal": (keras.initializers.RandomNormal, ("gaussian", "normal")),
        "random_uniform": (keras.initializers.RandomUniform, ("uniform",)),
        "truncated_normal": (keras.initializers.TruncatedNormal, ()),
        "variance_scaling": (keras.initializers.VarianceScaling, ()),
        "orthogonal": (keras.initializers.Orthogonal, ()),
        "zeros": (keras.initializers.Zeros, ("zero",)),
        "ones": (keras.initializers.Ones, ("one",)),
        "constant": (keras.initializers.Constant, ()),
        "dirac": (Dirac, ("identity_conv",)),
    }
    for name, (initializer, aliases) in classes.items():
        register(name, aliases=aliases)(_checked(initializer))


@register("small_random")
def _small_random(
    stddev: float = 0.01, seed: int | None = None
) -> keras.initializers.Initializer:
    arguments = checks.apply(RULES, {"stddev": stddev, "seed": seed})
    return keras.initializers.RandomNormal(**arguments)


_register_keras_initializers()
