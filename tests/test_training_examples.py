"""The training images that a run's folder keeps, and the files of its mistakes."""

from __future__ import annotations

import types

import keras
import numpy as np
import pytest
from PIL import Image

import kerasopt as ko
from kerasopt import tasks
from kerasopt.training import examples, predictions, run_folder


def prepared(images, labels=None, *, task="multiclass", augmented=False, names="ab"):
    """What `examples.keep` reads of a prepared training, whose batch is known."""
    task = task and tasks.get(task)
    batch = (images,) if labels is None else (images, labels)
    return types.SimpleNamespace(
        augmented=batch if augmented else None,
        augmentation="any" if augmented else None,
        settings=types.SimpleNamespace(seed=0),
        task=task,
        feed=types.SimpleNamespace(
            dataset=types.SimpleNamespace(
                input_shape=images.shape[1:], class_names=tuple(names)
            ),
            drawn=lambda samples, seed: batch,
        ),
    )


def kept(tmp_path, *given, **options):
    examples.keep(tmp_path, prepared(*given, **options))
    return examples.load(tmp_path)


@pytest.mark.parametrize(
    ("low", "high", "bottom", "top"),
    [(0.1, 0.8, 0, 1), (3, 200, 0, 255), (-0.5, 1, -1, 1), (-2, 3, -2, 3)],
)
def test_values_are_drawn_on_their_usual_range(low, high, bottom, top, tmp_path):
    images = np.linspace(low, high, 2 * 4 * 4 * 3).reshape(2, 4, 4, 3)
    found = kept(tmp_path, images.astype("float32"), np.array([0, 1]))
    assert found.images.dtype == np.uint8 and found.images.shape == images.shape
    expected = (images - bottom) / (top - bottom) * 255
    np.testing.assert_allclose(found.images, expected, atol=0.51)
    assert found.value_range == pytest.approx((low, high))


def test_the_size_is_bounded(tmp_path):
    images = np.zeros((40, 500, 300, 1), "float32")
    found = kept(tmp_path, images, np.zeros(40, int))
    assert found.images.shape == (12, 167, 100, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["training_examples.npz"]


@pytest.mark.parametrize(
    ("task", "labels", "expected"),
    [
        ("multiclass", [[1], [0]], ["b", "a"]),
        ("multiclass", [[0.1, 0.9], [1, 0]], ["b", "a"]),
        ("multilabel", [[1, 1], [0, 0]], ["a, b", "no label"]),
        ("regression", [[1.5, 2], [0, -3]], ["1.5, 2", "0, -3"]),
        (None, [[1], [0]], ["", ""]),
        ("multiclass", None, ["", ""]),
    ],
)
def test_labels_are_said_as_the_task_has_them(task, labels, expected, tmp_path):
    images = np.zeros((2, 4, 4, 1), "float32")
    labels = None if labels is None else np.array(labels)
    assert list(kept(tmp_path, images, labels, task=task).labels) == expected


@pytest.mark.parametrize("shape", [(5,), (20, 3), (8, 8, 4)])
def test_samples_that_are_no_images_are_not_kept(shape, tmp_path):
    images = np.zeros((2, *shape), "float32")
    assert kept(tmp_path, images, np.array([0, 1])) is None
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "training_examples.npz").write_bytes(b"PK nothing")
    with pytest.raises(run_folder.DamagedRunError, match=r"training_examples\.npz"):
        examples.load(tmp_path)


def network():
    return keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """30 images: those of class 1 are bright, those of class 0 dark."""
    top = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for name, low in (("0 <b>", 0), ("$1$", 150)):
        (top / name).mkdir()
        for i in range(15):
            pixels = random.integers(low, low + 90, (8, 8, 3), dtype="uint8")
            Image.fromarray(pixels).save(top / name / f"{i}.png")
    return top


@pytest.mark.parametrize("kind", ["arrays", "folder", "stream"])
@pytest.mark.parametrize("augment", [None, lambda images: images / 2])
def test_a_run_keeps_what_its_model_is_handed(kind, augment, folder, quick):
    data = ko.data.from_directory(folder, image_size=(8, 8), validation=10, test=10)
    x, y = np.asarray(data.train[0]), data.train[1]
    if kind == "arrays":
        data = ko.data.from_arrays(x, y, class_names=data.class_names)
    if kind == "stream":
        import tensorflow as tf

        stream = tf.data.Dataset.from_tensor_slices((x, y)).batch(5)
        data = ko.data.from_stream(stream, class_names=data.class_names)
    run = ko.fit(network(), data, augment=augment, **{**quick, "epochs": 1})
    found = examples.load(run.directory)
    x = x if kind == "stream" else np.asarray(data.train[0])
    assert len(found.images) == (5 if kind == "stream" else len(x))
    highest = x.max() / 255 / (1 if augment is None else 2)
    assert 0 <= found.value_range[0] < found.value_range[1] <= highest + 1e-6
    # Bright images are of the class of bright ones, also after halving.
    bright = found.images.mean(axis=(1, 2, 3)) > (120 if augment is None else 60)
    order = list(data.class_names)
    assert [order.index(name) for name in found.labels] == [
        order.index("$1$") if each else order.index("0 <b>") for each in bright
    ]
    page = (run.directory / "report.html").read_text()
    assert page.count('alt="Training image') == len(found.images)
    if kind == "folder":
        with np.load(run.directory / "test_predictions.npz") as saved:
            names, rows = saved["mistake_names"], saved["mistakes"]
        relative = [f"{p.split('/')[-2]}/{p.split('/')[-1]}" for p in data.test_paths]
        assert names.tolist() == [relative[row] for row in rows]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("/a/b/1.png", "/a/c/1.png"), ["c/1.png"]),
        (("x.png", "y.png"), ["y.png"]),
        (("/a/1.png", "b/1.png"), ["b/1.png"]),  # no folder is common
        (("/a/1.png", "/a/\udcff.png"), ["\udcff.png"]),
    ],
)
def test_mistakes_are_named_from_the_folder_of_all(paths, expected):
    assert predictions.names_of(paths, np.array([1])) == expected


@pytest.mark.parametrize("normalises", [True, False])
def test_batch_normalisation_is_judged_in_inference_mode(normalises, quick):
    """Its statistics have hardly moved in three steps, so the network is lost."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 96)
    x = (100 + y[:, None] + random.normal(scale=0.1, size=(96, 4))).astype("float32")
    layers = [keras.layers.BatchNormalization()] if normalises else []
    model = keras.Sequential([*layers, keras.layers.Dense(2, activation="softmax")])
    data = ko.data.from_arrays(x, y, validation=0.2)
    run = ko.fit(model, data, **{**quick, "epochs": 2})
    assert ("train_accuracy_inference" in run.metrics) is normalises
    if normalises:
        xt, yt = data.train
        expected = (run.predict(xt).argmax(axis=1) == yt).mean()
        assert run.metrics["train_accuracy_inference"] == pytest.approx(expected)
