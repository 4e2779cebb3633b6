"""One table of models, every check that all of them must pass."""

import itertools

import keras
import numpy as np
import pytest
from thinning import slow_unless

from kerasopt import distribute, losses, models, optimizers

SHAPE = {"input_shape": (12, 12, 3), "num_classes": 3}
FACTORIES = {
    "mlp": {"units": (8, 8), "dropout": 0.1, "l1": 1e-4},
    "cnn": {"filters": (4, 8), "dense": (8,), "batch_norm": True, "l2": 1e-4},
    "cnn-modern": {
        "name": "cnn",
        "filters": (4, 8),
        "convolutions_per_stage": 2,
        "dense": (),
        "global_pool": "max",
        "batch_norm": "before_activation",
    },
    "airbench": {"widths": (4, 8)},
    "airbench-residual": {
        "name": "airbench",
        "widths": (4, 8),
        "convolutions_per_group": 3,
        "residual": True,
        "any_size": True,
    },
    "stages": {
        "stages": (
            {"width": 4, "block": "residual", "attention": "squeeze_excite"},
            {"width": 8, "block": "bottleneck", "attention": "self"},
            {"width": 8, "block": "separable", "kernel_size": 5},
        ),
        "dropout": 0.1,
        "l2": 1e-4,
    },
    "resnet": {"depth": 8, "widths": (4, 4, 8), "attention": "self", "l2": 1e-4},
    "resnet-preactivation": {
        "name": "resnet",
        "depth": 8,
        "widths": (4, 4, 8),
        "preactivation": True,
        "attention": "squeeze_excite",
        "dropout": 0.1,
    },
    "wide_resnet": {"depth": 10, "width": 1, "dropout": 0.1, "l2": 1e-4},
    "vit": {"patch_size": 4, "width": 8, "depth": 2, "num_heads": 2, "dropout": 0.1},
    "vit-token": {
        "name": "vit",
        "patch_size": 6,
        "width": 8,
        "depth": 1,
        "num_heads": 2,
        "pool": "token",
        "l2": 1e-4,
    },
    "resnet-bottleneck": {"name": "resnet", "depth": 50, "widths": (1, 1, 1, 2)},
}


DEEP = ("resnet-bottleneck",)


def build(case):
    return models.get({"name": case, **FACTORIES[case]}, **SHAPE)


def test_every_factory_is_in_the_table():
    covered = {arguments.get("name", case) for case, arguments in FACTORIES.items()}
    ours = set(models.names()) - {"test_net"}
    assert covered == ours


POLICIES = ["float32", "mixed_bfloat16"]


@pytest.mark.parametrize(
    ("case", "policy"),
    slow_unless(
        lambda case, policy: (
            policy == POLICIES[case.startswith("airbench")] and case not in DEEP
        ),
        itertools.product(FACTORIES, POLICIES),
    ),
)
def test_trains_saves_and_reloads(case, policy, images, tmp_path):
    keras.config.set_dtype_policy(policy)
    try:
        model = build(case)
    finally:
        keras.config.set_dtype_policy("float32")
    x, y = images[0] / np.float32(255), images[1]
    smoothed = losses.get("auto", labels=y, label_smoothing=0.1)
    model.compile(optimizers.get("momentum", learning_rate=0.01), smoothed)
    before = [w.copy() for w in model.get_weights()]
    model.train_on_batch(x, y)
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(before, model.get_weights(), strict=True)
    )
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    # bfloat16 has 8 bits of mantissa.
    tolerance = 1e-6 if policy == "float32" else 1e-2
    np.testing.assert_allclose(again(x), model(x), atol=tolerance)


@pytest.mark.parametrize("case", slow_unless("cnn-modern".__eq__, FACTORIES))
def test_trains_under_a_mirrored_strategy(case, images, two_cpus):
    x, y = images[0][:10] / np.float32(255), images[1][:10]
    with two_cpus.scope():
        model = build(case)
        loss = distribute.GlobalBatchLoss(losses.for_labels(y))
        model.compile(optimizers.get("sgd", learning_rate=0.01), loss)
    # Of 10 samples in batches of 4 the last 2 fall to the first replica.
    history = model.fit(x, y, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
