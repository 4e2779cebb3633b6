"""Folders of images: decoded in memory, on disk, or each time they are needed."""

import gc
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasopt.data import (
    Dataset,
    from_directory,
    image_pipeline,
    image_store,
    pipeline,
)
from kerasopt.data.image_files import ImageFiles
from kerasopt.data.image_reading import choose_cache
from kerasopt.data.memory import free_memory

CACHES = ("memory", "disk", "none")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("KERASOPT_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "datasets"


@pytest.fixture
def folder(tmp_path):
    """Two classes of ten random pictures each."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            picture = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / "pets" / name / f"{number}.png")
    return tmp_path / "pets"


@pytest.mark.parametrize("cache", CACHES)
def test_all_caches_give_the_same_data(folder, cache):
    expected = from_directory(folder, validation=4, test=4)
    data = from_directory(folder, validation=4, test=4, cache=cache)
    assert isinstance(expected.train[0], np.ndarray)
    assert isinstance(data.train[0], np.ndarray) == (cache == "memory")
    assert data.hashes == expected.hashes
    assert data.sizes == expected.sizes and data.input_shape == (12, 16, 3)
    assert data.paths == expected.paths and data.summary() == expected.summary()
    assert data.pixel_scale == 255.0 and data.test_rows_in_train == 0
    for split in ("train", "validation", "test"):
        (x, y), (x_expected, y_expected) = (
            getattr(data, split),
            getattr(expected, split),
        )
        np.testing.assert_array_equal(np.asarray(x), x_expected)
        np.testing.assert_array_equal(y, y_expected)
        for path, image in zip(data.paths[split], x_expected, strict=True):
            np.testing.assert_array_equal(np.asarray(Image.open(path)), image)
    assert data.test_paths == tuple(data.paths["test"])


@pytest.mark.parametrize("cache", ["disk", "none"])
def test_image_files_index_like_an_array(folder, cache):
    x = from_directory(folder, validation=0, cache=cache).train[0]
    array = np.asarray(x)
    assert (x.shape, x.dtype, x.ndim, len(x), x.nbytes) == (
        (array.shape, array.dtype, 4, 20, array.nbytes)
    )
    mask = np.arange(20) % 3 == 0
    for key in (
        3,
        -1,
        np.int64(2),
        slice(2, 9, 2),
        [5, 2, 2],
        mask,
        (slice(3), 0),
        ...,
    ):
        np.testing.assert_array_equal(x[key], array[key])
    np.testing.assert_array_equal(x.read([4, 1]), array[[4, 1]])
    np.testing.assert_array_equal(x.select(mask)[:], array[mask])
    assert x.select(mask).digests.tolist() == x.digests[mask].tolist()
    assert np.asarray(x, dtype="float32").dtype == np.float32
    copy = pickle.loads(pickle.dumps(x))  # noqa: S301
    np.testing.assert_array_equal(copy[:2], array[:2])
    for key in (20, "a", [99]):
        with pytest.raises(IndexError):
            x[key]
    with pytest.raises(ValueError, match="copy"):
        np.array(x, copy=False)


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("augmentation", [None, lambda images: images[:, ::-1]])
def test_batches_are_those_of_the_array(folder, cache, augmentation):
    arrays = from_directory(folder, validation=0).train
    pair = from_directory(folder, validation=0, cache=cache).train

    def batches(x, y):
        training = pipeline.training_batches(
            x, y, batch_size=8, seed=1, augment=augmentation, pixel_scale=255.0
        )
        evaluation = pipeline.evaluation_batches(x, y, batch_size=8, pixel_scale=255.0)
        return [*training.take(6), *evaluation]

    for given, expected in zip(batches(*pair), batches(*arrays), strict=True):
        assert given[0].shape == expected[0].shape
        np.testing.assert_array_equal(given[0], expected[0])
        np.testing.assert_array_equal(given[1], expected[1])
    spec = pipeline.training_batches(*pair, batch_size=8, seed=1).element_spec
    assert spec[0].shape.as_list() == [None, 12, 16, 3]


def test_a_store_is_written_once_and_again_for_changed_files(folder, home, monkeypatch):
    from_directory(folder, validation=0, cache="disk")
    (store,) = home.glob("kerasopt-images-*.bin")
    assert store.stat().st_size == 20 * 12 * 16 * 3
    assert not list(home.glob(".writing*"))

    def refuse(*_, **__):
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr("kerasopt.data.image_reading.decode_and_look", refuse)
        # Another cut of the same files finds the same store.
        other = from_directory(folder, validation=4, seed=3, cache="disk")
        assert other.sizes["validation"] == 4
    path = Path(other.paths["train"][0])
    Image.new("RGB", (16, 12), "red").save(path)
    changed = from_directory(folder, validation=0, cache="disk")
    row = changed.paths["train"].index(str(path))
    assert (changed.train[0][row] == [255, 0, 0]).all()
    assert len(list(home.glob("kerasopt-images-*.bin"))) == 2


@pytest.mark.parametrize("damage", ["store", "notes", "no notes"])
def test_damaged_stores_are_written_again(folder, home, damage):
    expected = np.asarray(from_directory(folder, validation=0, cache="disk").train[0])
    (store,) = home.glob("kerasopt-images-*.bin")
    notes = store.with_suffix(".npz")
    if damage == "store":
        store.write_bytes(b"short")
    elif damage == "notes":
        notes.write_bytes(b"none")
    else:
        notes.unlink()
    again = from_directory(folder, validation=0, cache="disk").train[0]
    np.testing.assert_array_equal(np.asarray(again), expected)


def test_only_unused_stores_of_ours_are_removed(folder, home):
    home.mkdir(parents=True)
    names = ("mine.bin", ".images.bin", "kerasopt-mnist.npz", "kerasopt-images-my.bin")
    kept = [home / name for name in names]
    fresh, old = (home / f"kerasopt-images-{digit * 40}.bin" for digit in "12")
    for path in (*kept, fresh, old):
        path.write_bytes(b"1")
    for path in (*kept, old):
        os.utime(path, (0, 0))
    from_directory(folder, cache="disk")
    assert not old.exists() and fresh.exists() and all(p.exists() for p in kept)


def test_without_a_home_folder_nothing_is_kept_on_disk(folder, monkeypatch):
    monkeypatch.setenv("KERASOPT_HOME", "~nosuchuser/data")
    monkeypatch.setattr("kerasopt.data.image_reading.free_memory", lambda: 1)
    x = from_directory(folder, validation=0).train[0]
    assert isinstance(x, ImageFiles) and x._store is None
    with pytest.raises(ValueError, match="KERASOPT_HOME='~nosuchuser/data'"):
        from_directory(folder, cache="disk")


def test_a_full_disk_is_not_the_end(folder, home, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_store.os, "pwrite", full)
    x = from_directory(folder, validation=0, cache="disk").train[0]
    assert "No space left on device" in capsys.readouterr().err
    assert x._store is None and x[0].shape == (12, 16, 3)
    assert not list(home.glob("kerasopt-images*"))


def test_the_cache_is_chosen_by_what_is_free(monkeypatch):
    def free(memory, disk):
        monkeypatch.setattr("kerasopt.data.image_reading.free_memory", lambda: memory)
        monkeypatch.setattr(
            "kerasopt.data.image_reading.room_on_disk", lambda needed: needed <= disk
        )

    free(1000, 500)
    needs = (250, 251, 500, 501)
    chosen = [choose_cache("auto", needed) for needed in needs]
    assert chosen == ["memory", "disk", "disk", "none"]
    assert choose_cache("memory", 900) == "memory"
    with pytest.raises(
        ValueError, match=r"cache='memory': .* are free. Use cache='disk'"
    ):
        choose_cache("memory", 1001)
    with pytest.raises(ValueError, match=r"cache='disk': .* KERASOPT_HOME"):
        choose_cache("disk", 501)
    with pytest.raises(
        ValueError, match=r"Unknown cache 'ram'.*auto, disk, memory, none"
    ):
        choose_cache("ram", 1)
    free(None, 0)
    assert choose_cache("auto", 10**15) == "memory"


def machine(root, *, available, groups):
    """Write the files from which free memory is read."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(
        f"MemTotal: 99999 kB\nMemAvailable: {available // 1024} kB\n"
    )
    for path, text in groups.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


GIB = 2**30


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({}, 8 * GIB),
        (
            {
                "proc/self/cgroup": "0::/user/job\n",
                "sys/fs/cgroup/user/memory.max": f"{2 * GIB}\n",
                "sys/fs/cgroup/user/memory.current": f"{GIB}\n",
                "sys/fs/cgroup/user/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
                "sys/fs/cgroup/user/job/memory.max": "max\n",
                "sys/fs/cgroup/user/job/memory.current": f"{GIB}\n",
            },
            3 * GIB // 2,
        ),
        (
            {
                "proc/self/cgroup": "0::/../host\n",
                "sys/fs/cgroup/memory.max": f"{GIB}\n",
                "sys/fs/cgroup/memory.current": f"{2 * GIB}\n",
            },
            0,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu:/x\n4:memory:/docker/1\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{3 * GIB}\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
            },
            2 * GIB,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n",
            },
            8 * GIB,
        ),
    ],
)
def test_free_memory_knows_containers(tmp_path, groups, expected):
    root = machine(tmp_path / "root", available=8 * GIB, groups=groups)
    assert free_memory(root) == expected


def test_free_memory_of_an_unknown_system(tmp_path):
    assert free_memory(tmp_path) is None


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("image_size", [None, (12, 16)])
def test_corrupt_files_are_listed_or_skipped(folder, cache, image_size):
    damaged = folder / "cat" / "3.png"
    damaged.write_bytes(damaged.read_bytes()[:100])
    (folder / "dog" / "text.png").write_text("no image")
    arguments = {"cache": cache, "image_size": image_size, "validation": 4}
    # The second time the answer comes from the notes of the store.
    for _ in range(2):
        with pytest.raises(ValueError, match=r"2 of 21 files") as caught:
            from_directory(folder, **arguments)
        assert "3.png" in str(caught.value) and "text.png" in str(caught.value)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"can't be read .*\(2\): .*3.png, "):
            data = from_directory(folder, **arguments, corrupt="skip")
        assert data.skipped == (str(damaged), str(folder / "dog" / "text.png"))
        assert "Files that can't be read, left out: 2." in data.summary()
        assert data.sizes["train"] + data.sizes["validation"] == 19
        for split in ("train", "validation"):
            x, y = getattr(data, split)
            assert len(x) == len(y) == len(data.paths[split])
            for image, label, path in zip(x[:], y, data.paths[split], strict=True):
                assert data.class_names[label] == Path(path).parent.name
                np.testing.assert_array_equal(np.asarray(Image.open(path)), image)


def test_folders_without_readable_images(folder):
    for path in (folder / "dog").iterdir():
        path.write_text("no image")
    with pytest.raises(ValueError, match="No training image of dog can be read"):
        from_directory(folder, corrupt="skip")
    for path in (folder / "cat").iterdir():
        path.write_text("no image")
    with pytest.raises(ValueError, match="20 of 20 files"):
        from_directory(folder, corrupt="skip")
    with pytest.raises(ValueError, match=r"Unknown corrupt 'ignore'.*error, skip"):
        from_directory(folder, corrupt="ignore")


@pytest.mark.parametrize("cache", ["disk", "none"])
def test_test_images_in_other_splits_are_noticed(tmp_path, folder, cache):
    for split in ("train", "test", "validation"):
        (tmp_path / "all").mkdir(exist_ok=True)
        os.symlink(folder, tmp_path / "all" / split)
    arguments = {"cache": cache}
    with pytest.raises(ValueError, match="validation data are test data"):
        from_directory(tmp_path / "all", **arguments)
    (tmp_path / "all" / "validation").unlink()
    with pytest.warns(UserWarning, match="20 of 20 test samples are also training"):
        from_directory(tmp_path / "all", **arguments, validation=0)


def test_datasets_of_image_files_are_cut_and_replaced_without_decoding(folder):
    data = from_directory(folder, validation=0, cache="none")

    def refuse(_):
        raise AssertionError("decoded")

    data.train[0].read = refuse
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = Dataset(train=data.train, num_classes=2)
    assert other.replace(name="b").paths["train"] == data.paths["train"]
    assert other.input_shape == (12, 16, 3) and "12, 16, 3) uint8" in repr(other)


def test_a_file_that_vanishes_is_named(folder):
    data = from_directory(folder, validation=0, cache="none")
    Path(data.paths["train"][7]).unlink()
    with pytest.raises(tf.errors.OpError, match=r"7.png: there is no such file"):
        list(pipeline.evaluation_batches(*data.train))


def test_stores_are_closed(folder):
    def open_files():
        return len(os.listdir("/proc/self/fd"))

    x = from_directory(folder, validation=0, cache="disk").train[0]
    before = open_files()
    for _ in range(5):
        x = from_directory(folder, validation=0, cache="disk").train[0]
        assert x[0].any()
    gc.collect()
    assert open_files() <= before


def test_sums_of_image_files_are_those_of_the_array(folder):
    paths = sorted((folder / "cat").iterdir())
    x = ImageFiles(paths, size=(12, 16), color="rgb")
    array = Dataset(train=(np.asarray(x), np.arange(10) % 2))
    assert array.hashes["x_train"] == x.sha256


@pytest.fixture
def photos(tmp_path):
    """JPEG files of all kinds; some need decoding alone."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(8):
            small = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            image = Image.fromarray(small).resize((16, 12), Image.Resampling.BICUBIC)
            options = {"quality": 60 + number, "progressive": number == 1}
            if number == 2:
                image = image.resize((64, 48))
            elif number == 3:
                image = image.convert("L")
            elif number == 4:
                options["exif"] = Image.Exif()
                options["exif"][0x0112] = 3
            elif number == 5:
                image = image.convert("CMYK")
            elif number == 6:
                options["subsampling"] = 0
            image.save(tmp_path / "photos" / name / f"{number}.jpg", **options)
    return tmp_path / "photos"


@pytest.mark.parametrize("size", [(12, 16), (6, 8)])
@pytest.mark.parametrize("color", ["rgb", "grayscale"])
def test_jpegs_decoded_by_tensorflow_have_pillows_pixels(photos, size, color):
    arguments = {"image_size": size, "color": color, "validation": 0}
    expected = from_directory(photos, **arguments, cache="memory").train
    x, y = from_directory(photos, **arguments, cache="none").train
    plain = {"rgb": [0, 1, 6, 7], "grayscale": [3]}[color] if size == (12, 16) else []
    assert np.flatnonzero(x.plain_jpeg[:8]).tolist() == plain
    assert (image_pipeline.image_decoder(x) is None) == (not plain)
    for batches in (
        pipeline.evaluation_batches(x, y, batch_size=5),
        pipeline.training_batches(x, y, batch_size=5, seed=0).take(8),
    ):
        assert batches.element_spec[0].shape.as_list() == [None, *x.shape[1:]]
    read = [*pipeline.evaluation_batches(x, y, batch_size=5)]
    np.testing.assert_array_equal(
        np.concatenate([images for images, _ in read]), expected[0] / np.float32(255)
    )
    first = pipeline.training_batches(x, y, batch_size=5, seed=3).take(8)
    second = pipeline.training_batches(*expected, batch_size=5, seed=3).take(8)
    for given, wanted in zip(first, second, strict=True):
        np.testing.assert_array_equal(given[0], wanted[0])
        np.testing.assert_array_equal(given[1], wanted[1])


def test_other_pixels_than_pillows_are_not_used(photos, monkeypatch):
    x = from_directory(photos, validation=0, cache="none", image_size=(12, 16)).train[0]
    assert image_pipeline.image_decoder(x) is not None
    decode = image_pipeline._decode_jpeg
    monkeypatch.setattr(
        image_pipeline, "_decode_jpeg", lambda *args: decode(*args) // 2
    )
    assert image_pipeline.image_decoder(x) is None


@pytest.mark.parametrize("cache", CACHES)
def test_dark_images_are_pixels_too(tmp_path, cache):
    for red, name in enumerate(("cat", "dog")):
        (tmp_path / "dark" / name).mkdir(parents=True)
        for n in range(3):
            image = Image.new("RGB", (8, 8), (red, n, 3))
            image.save(tmp_path / "dark" / name / f"{n}.png")
    data = from_directory(tmp_path / "dark", validation=2, cache=cache)
    assert data.pixel_scale == 255.0
