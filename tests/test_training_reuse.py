"""kerasopt.training.reuse: a compiled model used again trains like a new one."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.training.reuse import CompiledModels
from kerasopt.training.tabulated import tabulate
from kerasopt.training.trial import Streams, train_trial

EPOCHS, STEPS = 2, 4
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(64, 6)).astype("float32"), rng.integers(0, 3, 64)
COSINE = {"name": "cosine", "initial_learning_rate": 0.05, "decay_steps": 8}
ONE_CYCLE = {"name": "one_cycle", "peak": 0.02, "epochs": 2, "steps_per_epoch": 4}


def network(seed, units=5, **arguments):
    keras.utils.set_random_seed(seed)
    return ko.models.mlp(input_shape=(6,), num_classes=3, units=(units,), **arguments)


def optimizer_of(spec):
    made = ko.optimizers.get(spec)
    tabulate(made, steps=EPOCHS * STEPS)
    return made


def train(models, key, seed, spec, batch_size=16, **arguments):
    model = models.compiled(
        key,
        network(seed, **arguments),
        optimizer_of(spec),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    keras.utils.set_random_seed(seed)  # The order of the samples.
    history = model.fit(X, Y, batch_size=batch_size, epochs=EPOCHS, verbose=0)
    state = [*model.variables, *model.optimizer.variables]
    return history.history, [keras.ops.convert_to_numpy(each) for each in state], model


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
        ([{"name": "adamw", "use_ema": True, "weight_decay": 0.01}] * 2, {}),
    ],
    ids=["rate", "batch norm and dropout", "schedules", "groups", "ema"],
)
def test_used_again_is_a_fresh_compile_bit_for_bit(specs, arguments):
    models = CompiledModels()
    _, _, before = train(models, "key", 7, specs[0], **arguments)
    again = train(models, "key", 1, specs[1], batch_size=8, **arguments)
    fresh = train(models, None, 1, specs[1], batch_size=8, **arguments)
    assert again[2] is before
    assert fresh[2] is not before
    assert again[0] == fresh[0]
    for one, other in zip(again[1], fresh[1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_units_of_another_number_are_another_key():
    models = CompiledModels()
    first = train(models, 5, 0, "adam", units=5)[2]
    second = train(models, 6, 0, "adam", units=6)[2]
    assert first is not second
    with pytest.raises(ValueError, match="stands for one structure"):
        train(models, 5, 0, "adam", units=6)


def test_the_model_used_longest_ago_goes_first():
    models = CompiledModels(most=2)

    def use(key):
        return models.compiled(key, network(0), optimizer_of("sgd"), loss="mse")

    first, second = use("a"), use("b")
    assert use("a") is first
    use("c")  # "b" was used longest ago.
    assert use("a") is first
    assert use("b") is not second


def test_no_key_keeps_nothing():
    models = CompiledModels()
    for _ in range(2):
        made = network(0)
        assert models.compiled(None, made, optimizer_of("sgd"), loss="mse") is made


def test_a_model_that_was_never_trained_is_used_again():
    models = CompiledModels()
    models.compiled(
        "key", network(3), optimizer_of("adam"), loss="sparse_categorical_crossentropy"
    )
    again = train(models, "key", 1, "adam")
    fresh = train(CompiledModels(), None, 1, "adam")
    np.testing.assert_array_equal(again[1][0], fresh[1][0])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_too(precision, tiny_digits, tmp_path):
    """Keras wraps the optimizer of a mixed_float16 model."""
    settings = ko.training.TrainingSettings(
        epochs=1, batch_size=60, precision=precision, seed=1
    )

    def train(folder, **more):
        trial = train_trial(
            lambda: ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(4,)),
            Streams(tiny_digits),
            tmp_path / folder,
            settings=settings,
            **more,
        )
        return trial.measures

    models = CompiledModels()
    found = [train(name, compiled=models, key="k") for name in ("first", "again")]
    assert found[0] == found[1] == train("fresh")
