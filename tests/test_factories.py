"""One table of models, every check that all of them must pass."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
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
        "any_size": True,
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
    "mobilenet": {"widths": (8, 8), "depth": (1, 2), "dropout": 0.1, "l2": 1e-4},
    "mobilenet-imagenet": {
        "name": "mobilenet",
        "layout": "imagenet",
        "widths": (4, 4, 8),
        "depth": 1,
        "activity_l1": 1e-5,
        "any_size": True,
    },
    "convmixer": {"width": 8, "depth": 2, "kernel_size": 3, "l1": 1e-5},
    "chapter_cnn": {"l2": 1e-4, "batch_norm_momentum": 0.9},
    "transfer": {
        "backbone": "mobilenet",
        "weights": None,
        "image_size": 32,
        "dense": (8,),
        "unfreeze": 2,
        "l2": 1e-4,
    },
}
LARGER = {"chapter_cnn": (18, 18, 3)}
"""Images of networks that need more than 12×12 pixels."""


DEEP = ("resnet-bottleneck", "mobilenet-imagenet", "transfer")
"""Slow to build or train, and like others here."""


def build(case, **arguments):
    shape = {**SHAPE, "input_shape": LARGER.get(case, SHAPE["input_shape"])}
    return models.get({"name": case, **FACTORIES[case]}, **{**shape, **arguments})


def samples(case, images, count=12):
    """Return the first pictures, of the size of the case, and their labels."""
    x, y = images[0][:count] / np.float32(255), images[1][:count]
    side = LARGER.get(case, SHAPE["input_shape"])[0]
    border = (side - x.shape[1]) // 2
    return np.pad(x, [(0, 0), (border, border), (border, border), (0, 0)]), y


def test_every_factory_is_in_the_table():
    covered = {arguments.get("name", case) for case, arguments in FACTORIES.items()}
    ours = set(models.names()) - {"test_net"}
    assert covered == ours


OF_FEW_LAYERS = ("mlp", "cnn", "cnn-modern", "airbench", "stages")

POLICIES = ["float32", "mixed_bfloat16"]


@pytest.mark.parametrize(
    ("case", "policy"),
    slow_unless(
        # Their steps are traced for seconds each.
        lambda case, policy: (
            policy == POLICIES[case.startswith("airbench")]
            and (case in OF_FEW_LAYERS or case == "resnet")
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
    x, y = samples(case, images)
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
    x, y = samples(case, images, 10)
    with two_cpus.scope():
        model = build(case)
        loss = distribute.GlobalBatchLoss(losses.for_labels(y))
        model.compile(optimizers.get("sgd", learning_rate=0.01), loss)
    # Of 10 samples in batches of 4 the last 2 fall to the first replica.
    history = model.fit(x, y, batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("case", slow_unless("mobilenet".__eq__, FACTORIES))
def test_exports_to_a_saved_model(case, images, tmp_path):
    model = build(case)
    x, _ = samples(case, images)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(served.serve(x), model(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", slow_unless(lambda case: case not in DEEP, FACTORIES))
def test_two_classes_and_one_channel(case, images):
    side = LARGER.get(case, SHAPE["input_shape"])[0]
    model = build(case, num_classes=2, input_shape=(side, side, 1))
    rows = np.asarray(model(samples(case, images)[0][..., :1]))
    assert rows.shape == (12, 2)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-5)


OF_ANY_SIZE = [
    case
    for case, arguments in FACTORIES.items()
    if "any_size" in models.defaults(arguments.get("name", case))
    and arguments.get("attention") != "self"
]


@pytest.mark.parametrize(
    "case", slow_unless(lambda case: case not in DEEP, OF_ANY_SIZE)
)
def test_any_size_has_the_same_weights(case, images):
    fixed, free = build(case, any_size=False), build(case, any_size=True)
    free.set_weights(fixed.get_weights())
    x, _ = samples(case, images)
    np.testing.assert_allclose(free(x), fixed(x), atol=1e-6)
    assert free(x[:, :10, :8]).shape == (12, 3)


def test_self_attention_needs_one_size():
    with pytest.raises(ValueError, match="maps of known height and width"):
        build("resnet", any_size=True)


IMAGE_CASES = [case for case in FACTORIES if case != "mlp"]


@pytest.mark.parametrize("case", IMAGE_CASES)
def test_an_image_of_one_pixel_is_refused(case):
    with pytest.raises(ValueError, match=r"1×1|given: 1 on the shorter side"):
        build(case, input_shape=(1, 1, 3))


@pytest.mark.parametrize("case", slow_unless(lambda case: case not in DEEP, FACTORIES))
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (0, 12, 3)}, "input_shape.* must be .*integer.* >= 1"),
        ({"input_shape": (12, 12, 0)}, "input_shape.* must be .*integer.* >= 1"),
        ({"num_classes": 0}, "num_classes must be an integer >= 2"),
        ({"num_classes": 1}, "num_classes must be an integer >= 2"),
    ],
)
def test_sizes_of_nothing_are_refused(case, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(case, **arguments)


CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}
IMAGENET = {"input_shape": (224, 224, 3), "num_classes": 1000}
PUBLISHED = {
    # Millions of parameters as the papers print them, and how many train in ours.
    "MobileNet (Howard et al. 2017)": (4.2, 4_231_976, "mobilenet", IMAGENET, {}),
    "ConvMixer-256/8 (Trockman & Kolter 2022)": (
        0.7, 708_874, "convmixer", CIFAR, {"kernel_size": 9},
    ),
    "the chapter's network": (0.357514, 357_514, "chapter_cnn", CIFAR, {}),
}  # fmt: skip
QUICK = ("ConvMixer", "the chapter")


@pytest.mark.parametrize(
    "row", slow_unless(lambda row: row.startswith(QUICK), PUBLISHED)
)
def test_published_parameter_counts(row):
    millions, count, name, shape, arguments = PUBLISHED[row]
    model = models.get(name, **shape, **arguments)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == count
    assert round(count / 1e6, len(str(millions).partition(".")[2])) == millions
