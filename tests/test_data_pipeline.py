"""kerasopt.data.pipeline: every sample once an epoch, reproducibly."""

import itertools

import numpy as np
import pytest

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
            images, np.arange(6), batch_size=6, seed=seed, augmentation=augmentation
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
