"""Decoding image files inside a tf.data pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kerasopt.data.checks import is_lazy

__all__ = ["batch_reader", "image_decoder"]

_TO_COMPARE = 8


def batch_reader(files: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function that reads a batch of images, for ``tf.data.Dataset.map``.

    Args:
        files: `kerasopt.data.image_files.ImageFiles`.

    Returns:
        Function from row numbers (batch,) to uint8 images (batch, height, width,
        channels).

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from kerasopt.data.image_files import ImageFiles
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (8, 6), "red").save(f"{folder}/a.png")
        ...     files = ImageFiles([f"{folder}/a.png"], size=(6, 8), color="rgb")
        ...     batch_reader(files)(tf.constant([0, 0])).shape
        TensorShape([2, 6, 8, 3])
    """

    def read(rows: tf.Tensor) -> tf.Tensor:
        images = tf.numpy_function(files.read, [rows], tf.uint8)
        images.set_shape([rows.shape[0], *files.shape[1:]])
        return images

    return read


def image_decoder(files: Any) -> Callable[[tf.Tensor], tf.Tensor] | None:
    """Return a function that decodes one image with TensorFlow, where that is exact.

    TensorFlow decodes JPEG files that need no resizing to the same pixels as Pillow,
    and without Python's lock: several times as fast on a few cores. The first such
    files are compared with Pillow's pixels.

    Args:
        files: Samples of any kind.

    Returns:
        Function from a row number to an image (height, width, channels); None if no
        image can be decoded so.

    Example:
        >>> image_decoder(np.zeros((2, 3)))
    """
    if not is_lazy(files):
        return None
    plain = _decoded_alike(files)
    if not plain.any():
        return None
    with tf.device("CPU:0"):
        names, is_plain = tf.constant(files.paths), tf.constant(plain)
    read = batch_reader(files)

    def decode(row: tf.Tensor) -> tf.Tensor:
        return _decode_jpeg(tf.gather(names, row), files.shape[1:])

    def decode_or_read(row: tf.Tensor) -> tf.Tensor:
        return tf.cond(
            tf.gather(is_plain, row), lambda: decode(row), lambda: read(row[None])[0]
        )

    return decode if plain.all() else decode_or_read


def _decode_jpeg(path: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    # The accurate transform is Pillow's; TensorFlow's default is another one.
    image = tf.io.decode_jpeg(
        tf.io.read_file(path), channels=shape[-1], dct_method="INTEGER_ACCURATE"
    )
    return tf.ensure_shape(image, shape)


def _decoded_alike(files: Any) -> np.ndarray:
    """Return which files TensorFlow decodes as Pillow does; none if one differs."""
    plain = files.plain_jpeg
    for row in np.flatnonzero(plain)[:_TO_COMPARE]:
        image = _decode_jpeg(tf.constant(files.paths[row]), files.shape[1:])
        if not np.array_equal(image, files.read([row])[0]):
            return np.zeros_like(plain)
    return plain
