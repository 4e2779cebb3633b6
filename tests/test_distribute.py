"""kerasopt.distribute: choosing devices, and exact means over replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from thinning import slow_unless

from kerasopt import distribute


def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="tanh", kernel_regularizer="l2"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def train(model, loss, samples):
    rng = np.random.default_rng(samples)
    x = rng.normal(size=(samples, 4)).astype("float32")
    batches = tf.data.Dataset.from_tensor_slices((x, rng.integers(0, 3, samples)))
    optimizer = keras.optimizers.SGD(0.5, momentum=0.9)
    model.compile(optimizer, loss, metrics=["accuracy"])
    data = batches.batch(8)
    return model.fit(data, validation_data=data, epochs=3, verbose=0).history


@pytest.mark.parametrize("samples", slow_unless((21).__eq__, [16, 17, 19, 21]))
def test_two_replicas_equal_one_device(samples, two_cpus):
    """The last batches: full; 1 and 0; 3 and 0; 4 and 1 samples on the replicas."""
    loss = keras.losses.SparseCategoricalCrossentropy()
    one = network()
    history_one = train(one, loss, samples)
    with two_cpus.scope():
        two = network()
        wrapped = distribute.GlobalBatchLoss(loss)
        history_two = train(two, wrapped, samples)
    for ours, single in zip(two.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_allclose(ours, single, atol=2e-6)
    for name, values in history_one.items():
        np.testing.assert_allclose(history_two[name], values, atol=2e-6, err_msg=name)


@pytest.mark.slow
def test_without_the_wrapper_keras_weighs_the_last_batch_wrongly(two_cpus):
    """Shows that the test above can fail."""
    loss = keras.losses.SparseCategoricalCrossentropy()
    one = network()
    train(one, loss, 21)
    with two_cpus.scope():
        two = network()
        train(two, loss, 21)
    gap = max(
        np.abs(a - b).max() for a, b in zip(one.weights, two.weights, strict=True)
    )
    assert gap > 1e-3


def test_wrapper_round_trip():
    loss = distribute.GlobalBatchLoss(keras.losses.CategoricalCrossentropy())
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(again.loss, keras.losses.CategoricalCrossentropy)


def test_auto_falls_back_to_what_there_is():
    chosen = distribute.strategy("auto")
    gpus = len(tf.config.list_physical_devices("GPU"))
    assert chosen.num_replicas_in_sync == max(gpus, 1)
    assert ("GPU" if gpus else "CPU") in distribute.describe(chosen)


def test_a_list_mirrors_on_exactly_these(two_cpus):
    assert two_cpus.num_replicas_in_sync == 2
    assert distribute.describe(two_cpus) == "2 CPUs (MirroredStrategy)"
    assert distribute.strategy(two_cpus) is two_cpus
    assert distribute.strategy(["CPU:1"]).num_replicas_in_sync == 1


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ("tup", "Did you mean 'tpu'"),
        ("tpu", "no TPU was found"),
        (["CPU:0", "CPU:7"], r"Unknown device 'CPU:7'; TensorFlow has CPU:0, CPU:1"),
        ([], "empty list"),
        (["CPU:0", "cpu:0"], "names a device twice"),
    ],
)
def test_missing_devices(devices, message):
    with pytest.raises(ValueError, match=message):
        distribute.strategy(devices)


@pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="this machine has a GPU"
)
@pytest.mark.parametrize("devices", ["gpu", "mirrored"])
def test_no_gpu(devices):
    with pytest.raises(ValueError, match="finds no GPU"):
        distribute.strategy(devices)
