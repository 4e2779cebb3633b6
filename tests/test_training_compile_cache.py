"""kerasopt.training.compile_cache: steps used again train like new ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasopt as ko
from kerasopt import optimizers, schedules
from kerasopt.training import Trainer, TrainingSettings
from kerasopt.training.batches import Feed
from kerasopt.training.compile_cache import CompileCache, Tabulated, tabulate
from kerasopt.training.sources import ArraySource
from kerasopt.training.spec import TrainingSpec
from kerasopt.training.trial import train_trial

EPOCHS, STEPS = 2, 4
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(64, 6)).astype("float32"), rng.integers(0, 3, 64)
COSINE = {"name": "cosine", "initial_learning_rate": 0.05, "decay_steps": 8}
ONE_CYCLE = {
    "name": "one_cycle",
    "max_learning_rate": 0.02,
    "epochs": 2,
    "steps_per_epoch": 4,
}


def network(seed, units=5, **arguments):
    keras.utils.set_random_seed(seed)
    return ko.models.mlp(input_shape=(6,), num_classes=3, units=(units,), **arguments)


def optimizer_of(spec):
    made = ko.optimizers.get(spec)
    tabulate(made, steps=EPOCHS * STEPS)
    return made


def train(cache, key, seed, spec, batch_size=16, **arguments):
    """Return the history, all variables and the model."""
    steps = cache.steps(
        key,
        network(seed, **arguments),
        optimizer_of(spec),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model = steps.model
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    samples = ArraySource((tf.constant(X), tf.constant(Y)), batch_size)
    history = Trainer(model, samples, epochs=EPOCHS, steps=steps).run().history
    state = [*model.variables, *model.optimizer.variables]
    return history, [keras.ops.convert_to_numpy(each) for each in state], model


@pytest.mark.parametrize(
    ("specs", "arguments"),
    [
        ([{"name": "adam", "learning_rate": r} for r in (0.01, 0.003)], {}),
        (
            [{"name": "sgd", "momentum": 0.9, "learning_rate": r} for r in (0.1, 0.02)],
            {"batch_norm": True, "dropout": 0.3},
        ),
        (
            [{"name": "adam", "learning_rate": s} for s in (COSINE, ONE_CYCLE)],
            {"dropout": 0.5, "l2": 1e-3},
        ),
        (
            [
                {
                    "name": "grouped",
                    "default": {"name": "adam", "learning_rate": rate},
                    "groups": {"bias": {"name": "sgd", "learning_rate": COSINE}},
                }
                for rate in (0.01, 0.02)
            ],
            {},
        ),
        (
            [
                {
                    "name": "discriminative",
                    "optimizer": {"name": "adam", "learning_rate": rate},
                }
                for rate in (COSINE, ONE_CYCLE)
            ],
            {},
        ),
        ([{"name": "adamw", "use_ema": True, "weight_decay": 0.01}] * 2, {}),
    ],
    ids=["rate", "batch norm and dropout", "schedules", "groups", "layers", "ema"],
)
def test_used_again_is_a_fresh_compile_bit_for_bit(specs, arguments):
    cache = CompileCache()
    _, _, before = train(cache, "key", 7, specs[0], **arguments)
    again = train(cache, "key", 1, specs[1], batch_size=8, **arguments)
    fresh = train(CompileCache(), "key", 1, specs[1], batch_size=8, **arguments)
    assert again[2] is before
    assert fresh[2] is not before
    assert again[0] == fresh[0]
    for one, other in zip(again[1], fresh[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_units_of_another_number_are_another_key():
    cache = CompileCache()
    first = train(cache, 5, 0, "adam", units=5)[2]
    second = train(cache, 6, 0, "adam", units=6)[2]
    assert first is not second
    with pytest.raises(ValueError, match="stands for one structure"):
        train(cache, 5, 0, "adam", units=6)


def test_the_model_used_longest_ago_goes_first():
    cache = CompileCache(max_models=2)

    def use(key):
        return cache.steps(key, network(0), optimizer_of("sgd"), loss="mse")

    first, second = use("a"), use("b")
    assert use("a") is first
    use("c")  # "b" was used longest ago.
    assert "b" not in cache
    assert use("a") is first
    assert use("b") is not second


def test_a_model_that_was_never_trained_is_used_again():
    cache = CompileCache()
    cache.steps(
        "key", network(3), optimizer_of("adam"), loss="sparse_categorical_crossentropy"
    )
    again = train(cache, "key", 1, "adam")
    fresh = train(CompileCache(), "key", 1, "adam")
    np.testing.assert_array_equal(again[1][0], fresh[1][0])


@pytest.mark.parametrize(
    "precision",
    ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)],
)
def test_mixed_precision_too(precision, tiny_digits, tmp_path):
    """Keras wraps the optimizer of a mixed_float16 model."""
    spec = TrainingSpec(
        lambda: ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(4,)),
        settings=TrainingSettings(epochs=1, batch_size=60, precision=precision, seed=1),
        compile_key="key",
    )

    def measures(folder, cache):
        trial = train_trial(spec, Feed(tiny_digits), tmp_path / folder, cache=cache)
        assert trial.precision == precision
        return trial.measures

    cache = CompileCache()
    found = [measures(name, cache) for name in ("first", "again")]
    assert found[0] == found[1] == measures("fresh", None)


LENGTH = {"epochs": 5, "steps_per_epoch": 9}
ARGUMENTS = {
    "constant": {"learning_rate": 0.1},
    "cosine": {"initial_learning_rate": 0.1},
    "cosine_cycle": {"initial_learning_rate": 0.1, "half_cycle_steps": 5},
    "cosine_restarts": {"initial_learning_rate": 0.1, "first_decay_steps": 7},
    "cyclical": {
        "base_learning_rate": 0.01,
        "max_learning_rate": 0.1,
        "half_cycle_steps": 5,
        "mode": "triangular2",
    },
    "exponential": {"initial_learning_rate": 0.1, "decay_steps": 8, "decay_rate": 0.5},
    "inverse_time": {"initial_learning_rate": 0.1, "decay_steps": 8, "decay_rate": 0.5},
    "one_cycle": {"max_learning_rate": 0.1},
    "piecewise": {"boundaries": [7, 30], "values": [0.1, 0.05, 0.01]},
    "polynomial": {"initial_learning_rate": 0.1, "power": 2.0},
    "warmup": {
        "warmup_steps": 11,
        "schedule": {"name": "cosine", "initial_learning_rate": 0.1},
    },
}


def made(name):
    spec = {"name": name, **ARGUMENTS[name]}
    return schedules.get(schedules.complete(spec, **LENGTH))


def test_every_schedule_is_tried():
    assert set(ARGUMENTS) == set(schedules.names())


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_each_steps_rate_is_the_schedules_own(name):
    schedule = made(name)
    optimizer = keras.optimizers.SGD(schedule)
    tabulate(optimizer, steps=45)
    if not callable(schedule):  # A constant rate is none.
        assert float(optimizer.learning_rate) == pytest.approx(schedule)
        return
    ((owner, table),) = schedules.scheduled(optimizer)
    assert owner is optimizer
    assert isinstance(table, Tabulated)
    at = range(46)  # The log shows the rate after the last step.
    wanted = [float(keras.ops.convert_to_numpy(schedule(step))) for step in at]
    np.testing.assert_allclose([float(table(s)) for s in at], wanted, rtol=2e-6)
    # As Keras calls it: with the optimizer's own counter.
    assert float(optimizer.learning_rate) == pytest.approx(wanted[0])


def test_past_its_end_the_last_rate_stays():
    table = Tabulated([0.3, 0.2, 0.1])
    assert float(table(2)) == float(table(3)) == float(table(10**6))
    assert float(table(2)) == pytest.approx(0.1)


def test_a_schedule_that_branches_on_one_number_is_tabulated_all_the_same():
    @keras.saving.register_keras_serializable(package="test")
    class Branches(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return tf.cond(step < 3, lambda: 0.1, lambda: 0.2)

        def get_config(self):
            return {}

    optimizer = keras.optimizers.Adam(Branches())
    tabulate(optimizer, steps=6)
    table = schedules.scheduled(optimizer)[0][1]
    np.testing.assert_allclose(table.rates.numpy(), [0.1] * 3 + [0.2] * 4)


def test_groups_count_and_numbers_stay():
    cosine = {"name": "cosine", "initial_learning_rate": 0.1, "decay_steps": 4}
    optimizer = optimizers.get(
        {
            "name": "grouped",
            "default": {"name": "sgd", "learning_rate": cosine},
            "groups": {"bias": {"name": "sgd", "learning_rate": 0.5}},
        }
    )
    tabulate(optimizer, steps=4)
    found = schedules.scheduled(optimizer)
    assert [type(schedule) for _, schedule in found] == [Tabulated]
    plain = keras.optimizers.SGD(0.5)
    tabulate(plain, steps=4)
    assert float(plain.learning_rate) == 0.5


def test_one_step_is_a_training_too():
    optimizer = keras.optimizers.SGD(made("cosine"))
    tabulate(optimizer, steps=1)
    assert schedules.scheduled(optimizer)[0][1].rates.numpy().shape == (2,)


def test_it_can_be_saved_with_a_model():
    table = Tabulated([0.3, 0.2])
    saved = keras.saving.serialize_keras_object(table)
    again = keras.saving.deserialize_keras_object(saved)
    np.testing.assert_array_equal(again.rates.numpy(), table.rates.numpy())
