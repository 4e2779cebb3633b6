"""Decoding image files into uint8 arrays, within limits."""

from __future__ import annotations

import contextlib
import functools
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasopt import checks
from kerasopt.files import user_path

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "COLORS",
    "ImageError",
    "decode",
    "decode_and_look",
    "displayed_size",
    "has_image_ending",
    "is_no_image",
    "read_image",
]

COLORS = {"rgb": 3, "grayscale": 1}
_MODES = {"rgb": "RGB", "grayscale": "L"}

# Formats that Pillow reads by itself; EPS, for one, would start Ghostscript.
_FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP")
_OTHER_ENDINGS = (".heic", ".heif", ".jp2", ".psd", ".svg", ".cr2", ".nef", ".dng")
"""Of images in formats that aren't read: they are reported, not passed over."""

_MAX_BYTES = 64 * 2**20
_MAX_PIXELS = 64 * 10**6
_MAX_SIDE = 4096
_ORIENTATION = 0x0112


class ImageError(ValueError):
    """A file that can't be used as an image."""


class _UnknownFormat(ImageError):
    """A file whose first bytes are those of no image."""


def read_image(path: str | os.PathLike[str], input_shape: Sequence[int]) -> np.ndarray:
    """Read one image file in the shape that a model takes.

    The image is turned upright (EXIF), converted to the colors and resized
    (bilinear with antialiasing), which may change its proportions.
    Transparent areas become white, animations give their first frame.

    Args:
        path: A PNG, JPEG, GIF, BMP, TIFF, WebP or PPM file.
        input_shape: (height, width, channels) in pixels; 1 or 3 channels.

    Returns:
        uint8 array of that shape, 0..255.

    Raises:
        ImageError: (a ValueError) if the file isn't there, isn't an image or
            is too large (64 MiB, 64 megapixels).
        ValueError: if the shape isn't that of an image.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (10, 5), "red").save(f"{folder}/a.png")
        ...     read_image(f"{folder}/a.png", (2, 2, 3))[0, 0]
        array([255,   0,   0], dtype=uint8)
    """
    what = "(height, width, channels)"
    checks.instance("input_shape", input_shape, Sequence, what)
    shape = tuple(input_shape)
    channels = {count: color for color, count in COLORS.items()}
    if len(shape) != 3 or shape[2] not in channels:
        raise ValueError(
            f"input_shape={shape} isn't that of an image. Accepted: (height, width, "
            "1) for grayscale or (height, width, 3) for RGB."
        )
    size = check_size(shape[:2])
    with quiet():
        return decode(user_path(path, what="path"), size=size, color=channels[shape[2]])


def check_size(image_size: Any) -> tuple[int, int]:
    """Check (height, width) in pixels.

    Args:
        image_size: A pair of whole numbers, 1 to 4096.

    Returns:
        The pair.

    Raises:
        ValueError: if it isn't that.

    Example:
        >>> check_size([32, 48])
        (32, 48)
    """
    try:
        if not isinstance(image_size, (Sequence, np.ndarray)):
            raise TypeError
        height, width = (int(side) for side in image_size)
        whole = all(side == int(side) for side in image_size)
        whole &= not isinstance(image_size, (str, bytes))
        whole &= not any(isinstance(side, (bool, np.bool_)) for side in image_size)
    except (TypeError, ValueError, OverflowError):
        height = width = 0
        whole = False
    if not (whole and 1 <= height <= _MAX_SIDE and 1 <= width <= _MAX_SIDE):
        raise ValueError(
            f"image_size={image_size!r} must be (height, width) in pixels, whole "
            f"numbers from 1 to {_MAX_SIDE}."
        )
    return height, width


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warning on large images: the limit here is lower.

    Yields:
        Nothing.

    Example:
        >>> with quiet():
        ...     pass
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@functools.cache
def _formats() -> tuple[str, ...]:
    """Return those of the formats that this build of Pillow has."""
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image]:
    """Open an image whose pixels aren't unpacked yet."""
    from PIL import Image, UnidentifiedImageError

    try:
        if not path.is_file():
            if path.exists():
                raise ImageError(
                    f"{path}: a folder, pipe or device. Save the picture as a file"
                )
            raise ImageError(f"{path}: there is no such file")
        if path.stat().st_size > _MAX_BYTES:
            raise ImageError(f"{path}: larger than {_MAX_BYTES // 2**20} MiB")
        with Image.open(path, formats=_formats()) as image:
            width, height = image.size
            if width * height > _MAX_PIXELS:
                raise ImageError(
                    f"{path}: {width} x {height} pixels are more than "
                    f"{_MAX_PIXELS // 10**6} megapixels"
                )
            yield image
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{path}: more than {_MAX_PIXELS // 10**6} megapixels"
        ) from error
    except UnidentifiedImageError as error:
        raise _UnknownFormat(f"{path}: not an image (of a known format)") from error
    # Pillow's readers raise many types on damaged files.
    except Exception as error:
        raise ImageError(f"{path}: damaged image ({error})") from error


def has_image_ending(name: str) -> bool:
    """Return whether a file is named like an image, of whatever format.

    Args:
        name: The file's name.

    Example:
        >>> has_image_ending("a.JPG"), has_image_ending("readme.txt")
        (True, False)
    """
    return name.lower().endswith(_endings())


@functools.cache
def _endings() -> tuple[str, ...]:
    from PIL import Image

    formats = _formats()
    known = Image.registered_extensions().items()
    return (*(end for end, name in known if name in formats), *_OTHER_ENDINGS)


def is_no_image(path: Path) -> bool:
    """Return whether a file isn't an image and isn't named like one.

    Damaged images and images in formats that aren't read don't count.

    Args:
        path: The file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     note = Path(folder, "readme.txt")
        ...     _ = note.write_text("The photos are from 2020.")
        ...     is_no_image(note)
        True
    """
    if has_image_ending(path.name):
        return False
    try:
        displayed_size(path)
    except _UnknownFormat:
        return True
    except ImageError:
        return False
    return False


def displayed_size(path: Path) -> tuple[int, int]:
    """Return (height, width) in pixels of an image as it is displayed.

    Only the header is read.

    Args:
        path: The file.

    Returns:
        Height and width after the EXIF orientation.

    Raises:
        ImageError: if it can't be used.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.png")
        ...     Image.new("RGB", (10, 5), "red").save(path)
        ...     displayed_size(path)
        (5, 10)
    """
    with _opened(path) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        return (width, height) if turned else (height, width)


def decode(path: Path, *, size: tuple[int, int], color: str) -> np.ndarray:
    """Decode one file.

    Args:
        path: The file.
        size: (height, width) in pixels of the result.
        color: "rgb" or "grayscale".

    Returns:
        uint8 array (height, width, channels).

    Raises:
        ImageError: if it can't be used.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.png")
        ...     Image.new("RGB", (10, 5), "red").save(path)
        ...     decode(path, size=(2, 3), color="grayscale").shape
        (2, 3, 1)
    """
    return decode_and_look(path, size=size, color=color)[0]


def decode_and_look(
    path: Path, *, size: tuple[int, int], color: str
) -> tuple[np.ndarray, bool]:
    """Decode one file, and say whether any JPEG decoder gives the same pixels.

    Args:
        path: The file.
        size: (height, width) in pixels of the result.
        color: "rgb" or "grayscale".

    Returns:
        uint8 array (height, width, channels), and whether it is a plain JPEG: of
        this size and color already, and upright.

    Raises:
        ImageError: if it can't be used.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.jpg")
        ...     Image.new("RGB", (10, 5), "red").save(path)
        ...     for size in ((5, 10), (2, 4)):
        ...         decode_and_look(path, size=size, color="rgb")[1]
        True
        False
    """
    from PIL import Image, ImageOps

    height, width = size
    with _opened(path) as image:
        plain = (
            image.format == "JPEG"
            and image.size == (width, height)
            and image.mode == _MODES[color]
            and image.getexif().get(_ORIENTATION, 1) == 1
        )
        # JPEG can be unpacked at a fraction of its size; twice the wanted one
        # leaves the result to the resizing below.
        side = 2 * max(height, width)
        image.draft(None, (side, side))
        eight_bit = _to_eight_bit(image, path)
        upright = ImageOps.exif_transpose(eight_bit)
        colored = _without_alpha(upright)
        if colored.mode != _MODES[color]:
            colored = colored.convert(_MODES[color])
        if colored.size != (width, height):
            colored = colored.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.array(colored, dtype=np.uint8)
        return pixels.reshape(height, width, COLORS[color]), plain


def _to_eight_bit(image: Image, path: Path) -> Image:
    """Scale 16-bit grays to 8 bits; Pillow's own conversion clips them."""
    import PIL.Image

    if image.mode == "F":
        raise ImageError(f"{path}: floating-point pixels; save it with 8 or 16 bits")
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65_535:
        raise ImageError(f"{path}: pixels beyond 16 bits; save it with 8 or 16 bits")
    scaled = PIL.Image.fromarray(np.round(values / 257).astype(np.uint8))
    exif = image.getexif()
    if exif:
        # Keeps the orientation for what follows.
        scaled.info["exif"] = exif.tobytes()
    return scaled


def _without_alpha(image: Image) -> Image:
    import PIL.Image

    if not image.has_transparency_data:
        return image
    layer = image.convert("RGBA")
    white = PIL.Image.new("RGBA", layer.size, "white")
    return PIL.Image.alpha_composite(white, layer)
