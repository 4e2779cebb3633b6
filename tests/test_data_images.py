"""Image files: every color mode, every kind of damage, folders of classes."""

import io
import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from kerasopt.data import from_directory, read_image
from kerasopt.data import images as images_module


def picture(height=12, width=16, seed=0):
    """Return a smooth RGB array, so that JPEG and resizing lose little."""
    corners = np.random.default_rng(seed).integers(40, 216, (2, 2, 3), dtype=np.uint8)
    small = Image.fromarray(corners)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def save(path, array=None, mode="RGB", **options):
    """Save a picture in a color mode and return its path."""
    image = Image.fromarray(picture() if array is None else array)
    image.convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "bmp", "gif", "jpg", "tiff", "webp", "ppm"])
def test_formats(tmp_path, ending):
    path = save(tmp_path / f"a.{ending}")
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read_image(path, (12, 16, 3)), expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_color_modes_without_transparency(tmp_path, mode, channels):
    path = save(tmp_path / "a.png", mode=mode)
    expected = Image.open(path).convert("RGB" if channels == 3 else "L")
    array = read_image(path, (12, 16, channels))
    assert array.dtype == np.uint8
    np.testing.assert_allclose(
        array, np.asarray(expected).reshape(12, 16, channels), atol=1
    )


def test_cmyk_jpeg(tmp_path):
    path = save(tmp_path / "a.jpg", mode="CMYK")
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(read_image(path, (12, 16, 3)), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_areas_become_white(tmp_path, mode):
    image = Image.new("RGBA", (16, 12), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 8, 12))
    if mode == "P":
        image = image.quantize(4)
    image.convert(mode).save(tmp_path / "a.png")
    array = read_image(tmp_path / "a.png", (12, 16, 3))
    assert (array[:, :8] == 255).all() and (array[:, 8:] == 0).all()


def test_16_bit_grays_are_scaled_not_clipped(tmp_path):
    values = np.linspace(0, 65_535, 192).astype(np.uint16).reshape(12, 16)
    for name in ("a.png", "a.tiff"):
        Image.fromarray(values).save(tmp_path / name)
        array = read_image(tmp_path / name, (12, 16, 1))[..., 0]
        np.testing.assert_array_equal(array, np.round(values / 257))


def test_other_deep_pixels_are_refused(tmp_path):
    for name, dtype in (("float", np.float32), ("int", np.int32)):
        path = tmp_path / f"{name}.tiff"
        Image.fromarray(np.full((12, 16), 1e6, dtype)).save(path)
        with pytest.raises(ValueError, match=rf"{name}.tiff.*8 or 16 bits"):
            read_image(path, (12, 16, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    height, width = images_module.displayed_size(path)
    assert (height, width) == expected.shape[:2]
    np.testing.assert_array_equal(read_image(path, (height, width, 3)), expected)


def test_exif_orientation_of_a_16_bit_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    values = np.arange(192, dtype=np.uint16).reshape(12, 16) * 257
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    array = read_image(tmp_path / "a.png", (16, 12, 1))[..., 0]
    np.testing.assert_array_equal(array, np.rot90(np.round(values / 257), -1))


@pytest.mark.parametrize("size", [(6, 8), (24, 32), (5, 30)])
def test_resizing_is_pillows_bilinear(tmp_path, size):
    path = save(tmp_path / "a.png")
    expected = Image.open(path).resize(size[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(read_image(path, (*size, 3)), np.asarray(expected))


def test_large_jpegs_are_read_at_a_fraction_with_the_same_result(tmp_path):
    # Noise: reading it at less than twice the size would show (8 instead of 2).
    noise = np.random.default_rng(0).integers(0, 256, (160, 240), dtype=np.uint8)
    array = np.repeat(
        np.kron(noise[..., np.newaxis], np.ones((4, 4, 1), np.uint8)), 3, axis=2
    )
    path = save(tmp_path / "a.jpg", array, quality=95)
    with Image.open(path) as image:
        expected = np.asarray(image.resize((48, 32), Image.Resampling.BILINEAR))
    difference = read_image(path, (32, 48, 3)).astype(int) - expected
    assert np.abs(difference).max() <= 3


def png_header(width, height):
    """Return a PNG that claims a size and has no pixels to show for it."""

    def chunk(kind, contents):
        check = struct.pack(">I", zlib.crc32(kind + contents))
        return struct.pack(">I", len(contents)) + kind + contents + check

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0"))
    end = chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + end


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(8001, 8000), (12_000, 9000), (100_000, 100_000)])
def test_decompression_bombs_are_refused(tmp_path, size):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(*size))
    with pytest.raises(ValueError, match=r"bomb.png.*more than 64 megapixels"):
        read_image(path, (8, 8, 3))


def truncated():
    """Return the first half of a PNG."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "not an image"),
        (b"plain text", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (truncated(), "damaged image"),
    ],
)
def test_files_that_are_no_images_are_refused(tmp_path, contents, message):
    path = tmp_path / "odd.png"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=rf"odd.png: {message}"):
        read_image(path, (8, 8, 3))


def test_missing_file_and_large_file_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="there is no such file"):
        read_image(tmp_path / "none.png", (8, 8, 3))
    with pytest.raises(ValueError, match="a folder, pipe or device"):
        read_image(tmp_path, (8, 8, 3))
    path = save(tmp_path / "a.png")
    monkeypatch.setattr(images_module, "_MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(ValueError, match="larger than"):
        read_image(path, (8, 8, 3))


@pytest.mark.parametrize(
    "shape", [(8, 8), (8, 8, 2), (784,), (0, 8, 3), (8, 5000, 3), (8.5, 8, 3)]
)
def test_shapes_that_are_no_images_are_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=r"input_shape|image_size"):
        read_image(save(tmp_path / "a.png"), shape)


def fill(folder, classes=("cat", "dog"), count=6, size=(12, 16), start=0):
    """Write pictures into one folder a class."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for n in range(count):
            save(folder / name / f"{n}.png", picture(*size, start + 100 * label + n))
    return folder


def test_folders_are_classes(tmp_path):
    root = fill(tmp_path / "pets")
    (root / ".hidden").mkdir()
    (root / "cat" / ".DS_Store").write_bytes(b"?")
    (root / "cat" / "Thumbs.db").write_bytes(b"?")
    dataset = from_directory(root, validation=0)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.train[1].tolist() == [0] * 6 + [1] * 6
    assert dataset.input_shape == (12, 16, 3)
    assert dataset.name == "pets"
    assert "pets" in dataset.source and "12 image files" in dataset.source
    np.testing.assert_array_equal(dataset.train[0][7], picture(seed=101))


def test_nested_files_are_found(tmp_path):
    root = fill(tmp_path / "pets")
    (root / "cat" / "more").mkdir()
    save(root / "cat" / "more" / "7.png")
    assert from_directory(root, validation=0).sizes["train"] == 13


def test_validation_and_test_are_cut(tmp_path):
    root = fill(tmp_path / "pets", count=10)
    first, other = (
        from_directory(root, validation=0.25, test=4, seed=seed) for seed in (0, 1)
    )
    assert first.sizes == {"train": 12, "validation": 4, "test": 4}
    assert np.bincount(first.validation[1]).tolist() == [2, 2]
    assert first.hashes["x_test"] == other.hashes["x_test"]
    assert first.hashes["x_validation"] != other.hashes["x_validation"]
    everything = from_directory(root, validation=0).train[0]
    parts = (*first.train[0], *first.validation[0], *first.test[0])
    assert sorted(x.tobytes() for x in parts) == sorted(x.tobytes() for x in everything)


@pytest.mark.parametrize("name", [None, "validation", "val"])
def test_train_and_test_folders_are_used_as_such(tmp_path, name):
    fill(tmp_path / "train", count=10)
    fill(tmp_path / "test", count=3, start=1000)
    if name:
        fill(tmp_path / name, count=2, start=2000)
    dataset = from_directory(tmp_path)
    cut = 0 if name else 2
    sizes = {"train": 20 - cut, "validation": 4 if name else 2, "test": 6}
    assert dataset.sizes == sizes
    np.testing.assert_array_equal(dataset.test[0][3], picture(seed=1100))
    with pytest.raises(ValueError, match="there is a folder of test images"):
        from_directory(tmp_path, test=0.2)
    if name:
        with pytest.raises(ValueError, match="there is a folder of validation images"):
            from_directory(tmp_path, validation=0.1)
        assert from_directory(tmp_path, validation=0).sizes == sizes


def test_default_validation_of_a_small_folder_has_each_class(tmp_path):
    dataset = from_directory(fill(tmp_path / "pets", count=3))
    assert dataset.sizes == {"train": 4, "validation": 2, "test": 0}
    assert sorted(dataset.validation[1]) == [0, 1]


def test_train_folder_alone(tmp_path):
    fill(tmp_path / "train")
    assert from_directory(tmp_path, validation=0).class_names == ("cat", "dog")


def test_test_images_as_validation_images_are_refused(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", start=1000)
    fill(tmp_path / "validation", start=1000)
    with pytest.raises(ValueError, match="validation data are test data"):
        from_directory(tmp_path)


def test_class_that_only_the_test_folder_has_is_named(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", classes=("cat", "emu"))
    with pytest.raises(ValueError, match="lacks: emu"):
        from_directory(tmp_path)


def test_default_size_is_the_most_common_one_within_256(tmp_path):
    root = fill(tmp_path / "pets", count=2, size=(300, 600))
    save(root / "cat" / "x.png")
    assert from_directory(root, validation=0).input_shape == (128, 256, 3)
    sized = from_directory(root, validation=0, image_size=(10, 20), color="grayscale")
    assert sized.input_shape == (10, 20, 1)


def test_max_images_keeps_a_stratified_part(tmp_path):
    root = fill(tmp_path / "pets", count=6)
    dataset = from_directory(root, validation=0, max_images=4)
    assert np.bincount(dataset.train[1]).tolist() == [2, 2]
    assert from_directory(root, max_images=99, validation=0).sizes["train"] == 12


def test_bad_files_are_counted_and_listed(tmp_path):
    root = fill(tmp_path / "pets")
    (root / "cat" / "half.png").write_bytes(truncated())
    for n in range(59):
        (root / "dog" / f"bad{n}.png").write_bytes(b"text")
    with pytest.raises(ValueError) as caught:
        from_directory(root)
    message = str(caught.value)
    assert "60 of 72 files can't be used as images" in message
    assert message.count("not an image") == 49 and "and 10 more" in message
    assert "half.png: damaged" in message and "corrupt='skip'" in message
    assert str(root / "dog" / "bad0.png") in message


def test_damage_found_while_decoding_is_reported_too(tmp_path):
    root = fill(tmp_path / "pets")
    (root / "cat" / "half.png").write_bytes(truncated())
    with pytest.raises(ValueError, match=r"1 of 13 files(.|\n)*half.png: damaged"):
        from_directory(root)


# Told before the error.
@pytest.mark.filterwarnings("ignore:.* belong to no class")
def test_folders_without_classes_or_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no folder"):
        from_directory(tmp_path / "none")
    with pytest.raises(ValueError, match="it is empty"):
        from_directory(tmp_path)
    save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="it has no subfolders"):
        from_directory(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(ValueError, match="its only subfolder is 'cat'"):
        from_directory(tmp_path)
    (tmp_path / "dog").mkdir()
    with pytest.raises(ValueError, match="cat has no images"):
        from_directory(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"color": "cmyk"}, "Unknown color 'cmyk'.*grayscale, rgb"),
        ({"image_size": 32}, "must be .height, width."),
        ({"image_size": (0, 9)}, "from 1 to 4096"),
        ({"image_size": (32, 32, 3)}, "must be .height, width."),
        ({"image_size": (True, True)}, "must be .height, width."),
        ({"image_size": (8, float("inf"))}, "must be .height, width."),
        ({"image_size": b"88"}, "must be .height, width."),
        ({"image_size": {8, 9}}, "must be .height, width."),
        ({"color": []}, r"Unknown color \[\]"),
        ({"test": "auto"}, "test must be a number"),
        ({"validation": float("nan")}, "validation=nan isn't a fraction"),
        ({"validation": "some"}, "validation must be a number"),
        ({"max_images": 0}, "max_images=0"),
        ({"max_images": 1}, "max_images=1.*leave a class empty"),
        ({"validation": 12}, "too large"),
        ({"validation": 11}, "validation=11.*leave a class empty"),
        ({"test": -1}, "negative"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, arguments, message):
    fill(tmp_path / "pets")
    with pytest.raises(ValueError, match=message):
        from_directory(tmp_path / "pets", **arguments)


def test_interrupt_while_reading_comes_out(tmp_path, monkeypatch):
    fill(tmp_path / "pets")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("kerasopt.data.image_reading.decode_and_look", interrupt)
    with pytest.raises(KeyboardInterrupt):
        from_directory(tmp_path / "pets")


def test_a_picture_is_read_from_a_path():
    with pytest.raises(TypeError, match="path must be a path; given: 3"):
        read_image(3, (8, 8, 3))


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_the_same_picture_in_two_classes_is_said(tmp_path, cache):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(4):
            pixels = rng.integers(0, 256, (6, 6, 3), "uint8")
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    from_directory(tmp_path, cache=cache, validation=2)
    shutil.copy(tmp_path / "cat" / "1.png", tmp_path / "dog" / "copy.png")
    with pytest.warns(
        UserWarning, match=r"two classes: \S*1.png and \S*copy.png\. One"
    ):
        from_directory(tmp_path, cache=cache, validation=2)


def test_broken_pictures_are_left_out_before_parts_are_cut(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(10):
            path = tmp_path / name / f"{number}.png"
            save(path, rng.integers(0, 256, (8, 8, 3), "uint8"))
            if number < 5:
                path.write_bytes(path.read_bytes()[:40])
    skipping = {"corrupt": "skip", "image_size": (8, 8)}
    with pytest.warns(UserWarning, match=r"Files that can't be read .*\(10\)"):
        data = from_directory(tmp_path, validation=2, test=4, **skipping)
    assert data.sizes == {"train": 4, "validation": 2, "test": 4}
    assert len(data.skipped) == 10
    with pytest.warns(UserWarning, match="can't be read"):
        data = from_directory(tmp_path, validation=0, max_images=6, **skipping)
    assert data.sizes["train"] == 6


def test_a_test_folder_without_a_readable_picture_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(3):
                path = tmp_path / split / name / f"{number}.png"
                save(path, rng.integers(0, 256, (8, 8, 3), "uint8"))
                if split == "test":
                    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"No image in \S*test can be read"):
        from_directory(tmp_path, corrupt="skip", validation=0)
