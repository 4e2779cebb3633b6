"""kerasopt.data.pipeline: every sample once an epoch, reproducibly."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from kerasopt import augment
from kerasopt.data import pipeline

X = np.arange(10, dtype="uint8")[:, None] * 25
Y = np.arange(10)


def epochs(count, steps, **arguments):
    arguments = {"batch_size": 4, "seed": 0, **arguments}
    stream = iter(pipeline.training_batches(X, Y, **arguments))
    for _ in range(count):
        yield [next(stream) for _ in range(steps)]


def test_every_epoch_holds_each_sample_once_in_a_new_order():
    orders = []
    for batches in epochs(3, 3):
        labels = np.concatenate([y for _, y in batches])
        assert [len(y) for _, y in batches] == [4, 4, 2]
        assert sorted(labels) == list(range(10))
        for x, y in batches:
            np.testing.assert_allclose(x[:, 0], y.numpy() * 25 / 255, rtol=1e-6)
        orders.append(tuple(labels))
    assert len(set(orders)) == 3


def test_a_later_start_continues_the_same_stream():
    whole = [y.numpy().tolist() for b in epochs(3, 3, seed=5) for _, y in b]
    resumed = epochs(1, 3, seed=5, first_epoch=2)
    assert [y.numpy().tolist() for b in resumed for _, y in b] == whole[6:]


@pytest.mark.parametrize(
    "augmentation",
    [
        augment.get("affine", rotation_range=20, horizontal_flip=True),
        augment.get("image_data_generator", rotation_range=20, horizontal_flip=True),
    ],
)
def test_augmentation_is_reproducible_new_each_epoch_and_in_range(augmentation):
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), "uint8")

    def stream(seed):
        batches = pipeline.training_batches(
            images, np.arange(6), batch_size=6, seed=seed, augment=augmentation
        )
        rows = [(x.numpy()[np.argsort(y)]) for x, y in batches.take(2)]
        return rows

    first, second = stream(0)
    again = stream(0)
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])
    assert np.abs(first - second).max() > 0.1
    assert np.abs(first - stream(1)[0]).max() > 0.1
    assert first.dtype == np.float32
    assert 0.5 < first.max() <= 1.0


def test_streams_are_not_autotuned():
    """The end of an autotuned iterator may wait a minute for its tuning thread."""
    training = pipeline.training_batches(X, Y, batch_size=4, seed=0)
    evaluation = pipeline.evaluation_batches(X, Y, batch_size=4)
    for batches in (training, evaluation, evaluation.map(lambda x, y: x)):
        assert batches.options().autotune.enabled is False


def test_evaluation_keeps_order_and_the_last_batch():
    batches = list(pipeline.evaluation_batches(X, Y, batch_size=4))
    assert np.concatenate([y for _, y in batches]).tolist() == list(range(10))
    only_images = list(pipeline.evaluation_batches(X, batch_size=4))
    np.testing.assert_array_equal(
        np.concatenate(only_images), np.concatenate([x for x, _ in batches])
    )


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([0, 51, 255], "uint8"), [0, 0.2, 1]),
        (np.array([0.0, 0.2, 7], "float64"), [0, 0.2, 7]),
    ],
)
def test_only_uint8_is_scaled(array, expected):
    np.testing.assert_allclose(pipeline.scale(array), expected, rtol=1e-6)


def test_steps_count_the_smaller_last_batch():
    for samples, size in itertools.product([1, 31, 32, 33, 50_000], [1, 32]):
        whole, rest = divmod(samples, size)
        assert pipeline.steps_per_epoch(samples, size) == whole + (rest > 0)


@pytest.mark.parametrize(
    ("array", "pixel_scale", "expected", "dtype"),
    [
        (np.array([0, 255], "uint8"), 255.0, [0, 1], "float32"),
        (np.array([0, 255], "int64"), 255.0, [0, 1], "float32"),
        (np.array([0, 255], "float64"), 255.0, [0, 1], "float32"),
        (np.array([0, 1], "uint8"), 1.0, [0, 1], "float32"),
        (np.array([True, False]), 1.0, [1, 0], "float32"),
        (np.array([7, 90_000]), 1.0, [7, 90_000], "int64"),
        (np.full((1, 1, 1, 3), 7), 1.0, [7, 7, 7], "float32"),
        (np.array([0.5, 2], "float16"), 1.0, [0.5, 2], "float32"),
    ],
)
def test_the_pixel_scale_decides_whatever_the_dtype(
    array, pixel_scale, expected, dtype
):
    scaled = pipeline.scale(array, pixel_scale)
    assert scaled.dtype == dtype
    np.testing.assert_allclose(scaled.numpy().ravel(), expected)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
@pytest.mark.parametrize(
    "augmentation",
    [
        None,
        augment.get("affine", rotation_range=20),
        augment.get("image_data_generator", horizontal_flip=True),
        lambda images: np.float32(1) * tf.cast(images, tf.float32),
    ],
)
def test_augmented_pixels_are_scaled_once(dtype, augmentation):
    images = np.full((4, 8, 8, 3), 204, dtype)
    (batch, _), *_ = pipeline.training_batches(
        images,
        np.arange(4),
        batch_size=4,
        seed=0,
        augment=augmentation,
        pixel_scale=255.0,
    ).take(1)
    np.testing.assert_allclose(batch, 0.8, atol=0.01)
    for batch in pipeline.evaluation_batches(images, pixel_scale=255.0):
        np.testing.assert_allclose(batch, 0.8, rtol=1e-6)
    some = pipeline.some_samples(images, pixel_scale=255.0)
    np.testing.assert_allclose(some, 0.8, rtol=1e-6)


def test_layers_adapt_to_fewer_samples_of_large_ones():
    large = np.broadcast_to(np.uint8(255), (5_000, 512, 512, 3))
    assert pipeline.some_samples(large).shape == (100, 512, 512, 3)


def test_several_inputs_labels_and_weights_stay_together():
    x = {"a": X, "b": (X * 2.0, Y)[1]}
    y, weights = (Y, Y * 2), Y * 3.0
    training = pipeline.training_batches(
        x, y, batch_size=4, seed=0, sample_weight=weights, pixel_scale=1.0
    ).take(3)
    evaluation = pipeline.evaluation_batches(
        x, y, batch_size=4, sample_weight=weights, pixel_scale=1.0
    )
    for batches in (training, evaluation):
        rows = []
        for inputs, labels, weight in batches:
            assert inputs["b"].dtype == tf.int64
            np.testing.assert_array_equal(inputs["a"][:, 0], labels[0].numpy() * 25)
            np.testing.assert_array_equal(inputs["b"], labels[0])
            np.testing.assert_array_equal(labels[1], labels[0].numpy() * 2)
            np.testing.assert_array_equal(weight, labels[0].numpy() * 3.0)
            rows += inputs["b"].numpy().tolist()
        assert sorted(rows) == list(range(10))
    assert rows == list(range(10))


def test_samples_without_labels():
    batches = pipeline.training_batches(X, None, batch_size=4, seed=0).take(3)
    assert [len(batch) for batch in batches] == [1, 1, 1]
