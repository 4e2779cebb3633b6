"""Time budgets, progressive image sizes and the other settings of fast training."""

import io
import json
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import rich.console
import tensorflow as tf

import kerasopt as ko
from kerasopt.data import pipeline
from kerasopt.training import budget as budgets
from kerasopt.training import fitting, image_sizes
from kerasopt.training.batches import Feed
from kerasopt.training.spec import TrainingSettings, in_seconds, validate


@pytest.fixture(scope="module")
def digits():
    return ko.data.load("digits", size=300)


def small_model():
    return ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(16,))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90), ("5m", 300), ("1.5h", 5400), ("2 min", 120), (45, 45), ("45", 45)],
)
def test_durations(text, expected):
    assert in_seconds(text) == expected


@pytest.mark.parametrize("text", ["5 parsecs", "", "-3s", "0", 0, True, "m"])
def test_bad_durations_are_refused(text):
    with pytest.raises(ValueError, match="budget must be a time such as"):
        in_seconds(text)


def test_a_bad_budget_names_its_field():
    with pytest.raises(ValueError, match=r"training\.budget: budget must be a time"):
        validate(TrainingSettings, {"budget": "soon"}, "training")


def test_a_run_ends_when_its_time_is_over(digits, tmp_path, fake_time):
    """Its length follows the clock, whatever the number of epochs says."""
    fake = fake_time(budgets, fitting)

    class TenthOfASecondAStep(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            fake.now += 0.1

    budget = 4 + budgets.REPORT_SECONDS
    run = ko.fit(
        small_model(),
        digits,
        settings=TrainingSettings(budget=f"{budget:g}s", epochs=1),
        optimizer={
            "name": "sgd",
            "learning_rate": {"name": "one_cycle", "max_learning_rate": 0.1},
        },
        callbacks=[TenthOfASecondAStep()],
        directory=tmp_path / "run",
        verbose=False,
    )
    # Four seconds are left beside the report's, so forty steps, nine an epoch.
    assert run.metrics["epochs"] == pytest.approx(40 / 9, abs=0.12)
    assert len(run.history) >= run.metrics["epochs"]
    assert run.metrics["train_seconds"] == pytest.approx(4, abs=0.11)
    assert run.metrics["train_seconds"] <= run.metrics["total_seconds"] < budget
    # The schedule was laid out for one epoch, yet it follows the time: it comes down
    # to what is left at the begin of the last step.
    rates = run.history["learning_rate"]
    assert rates.max() > 0.05
    assert rates.iloc[-1] < 0.01
    assert run.recipe["training"]["budget"] == f"{budget:g}s"


def test_a_budget_without_time_to_train_is_refused(digits, tmp_path):
    with pytest.raises(ValueError, match="leaves no time to train"):
        ko.fit(small_model(), digits, budget=1, directory=tmp_path, verbose=False)


def clock(
    total, *, started=None, reserved=0.0, console=None, batch_size=20, **settings
):
    return budgets.TimeBudget(
        total_seconds=total,
        started=started or budgets.time.perf_counter(),
        reserved_seconds=reserved,
        batch_size=batch_size,
        samples_per_epoch=1000,
        console=console or rich.console.Console(quiet=True),
        **settings,
    )


@pytest.mark.parametrize(
    ("steps", "calls"),
    # 28 s is nearer to 30 than 32 is. A step of 2 s still fits into the rest.
    [(1, 7), (2, 8)],
)
def test_a_budget_stops_at_the_step_that_ends_nearest(steps, calls, fake_time):
    fake = fake_time(budgets)
    said = io.StringIO()
    console = rich.console.Console(file=said, width=200)
    budget = clock(30, console=console, batch_size=20 // steps)
    budget.set_model(SimpleNamespace(stop_training=False))
    ended = []
    for call in range(20):
        budget.on_train_batch_begin(steps * call)
        fake.now += 4
        budget.on_train_batch_end(steps * call + steps - 1)
        ended.append(budget.model.stop_training)
    assert ended.index(True) + 1 == calls
    # 20 samples in 4 s; 6 s of that are 0.03 of an epoch of 1,000.
    assert said.getvalue() == (
        "5 samples a second: about 0.0 epochs in the 6 s that are left.\n"
    )


def test_the_forecast_knows_that_larger_images_take_longer(fake_time):
    """Half of the time at a quarter of the pixels: 5 epochs, not 8 of them.

    Twenty samples take 2.5 s; 985 s of that are 7.9 epochs of 1,000.
    """
    fake = fake_time(budgets)
    said = io.StringIO()
    settings = TrainingSettings(image_sizes={4: 0.5})
    budget = clock(
        1000,
        console=rich.console.Console(file=said, width=200),
        speed_to_come=image_sizes.speed_to_come(settings, (8, 8, 1)),
    )
    budget.set_model(SimpleNamespace(stop_training=False))
    for call in range(budgets.CALIBRATION_CALLS):
        budget.on_train_batch_begin(call)
        fake.now += 2.5
        budget.on_train_batch_end(call)
    assert said.getvalue() == (
        "8 samples a second: about 4.9 epochs in the 985 s that are left.\n"
    )


def test_a_budget_stops_after_a_validation_that_took_the_rest(fake_time):
    fake = fake_time(budgets)
    budget = clock(30)
    budget.set_model(SimpleNamespace(stop_training=False))
    fake.now += 20
    budget.on_epoch_end(0)
    assert not budget.model.stop_training
    fake.now += 11
    budget.on_epoch_end(1)
    assert budget.model.stop_training


def test_the_share_counts_from_the_start_of_training():
    now = time.perf_counter()
    budget = clock(1000, started=now - 400, reserved=100)
    assert budget.share() == pytest.approx(0, abs=0.01)
    assert budget.ends - budget.begins == pytest.approx(500, abs=1)
    budget.resume_after(250)
    assert budget.share() == pytest.approx(0.5, abs=0.01)
    budget.resume_after(1000)
    assert budget.share() == 1


def test_schedules_follow_the_time_in_every_group():
    inner = keras.optimizers.schedules.PolynomialDecay
    optimizer = ko.optimizers.Grouped(
        default=keras.optimizers.SGD(inner(1.0, 100, 0.0)),
        groups={"x": keras.optimizers.SGD(inner(10.0, 100, 0.0))},
    )
    progress = keras.Variable(0.0)
    budgets.follow(optimizer, total_steps=100, progress=progress)
    progress.assign(0.75)
    assert float(optimizer.learning_rate) == pytest.approx(0.25)
    assert float(optimizer.groups["x"].learning_rate) == pytest.approx(2.5)


def test_schedules_follow_the_time_below_loss_scaling():
    inner = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(1.0, 100))
    progress = keras.Variable(1.0)
    scaled = keras.optimizers.LossScaleOptimizer(inner)
    budgets.follow(scaled, total_steps=100, progress=progress)
    assert float(inner.learning_rate) == pytest.approx(0)


def test_an_optimizer_of_a_budget_reloads_with_its_schedule():
    cosine = keras.optimizers.schedules.CosineDecay(1.0, 100)
    optimizer = keras.optimizers.SGD(cosine)
    budgets.follow(optimizer, total_steps=100, progress=keras.Variable(0.5))
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert float(again.learning_rate) == pytest.approx(1.0)
    assert again._learning_rate.get_config() == cosine.get_config()


def test_the_reserve_counts_views_and_both_validations(digits, fake_time, monkeypatch):
    fake = fake_time(budgets)

    def predict(model, x, pixel_scale):
        fake.now += len(x)  # A second a sample.

    monkeypatch.setattr(budgets.pipeline, "predict", predict)
    settings = TrainingSettings(tta="mirror_translate", tta_share=0.25)
    seconds = budgets.evaluation_seconds(None, Feed(digits), settings)
    of_test = len(digits.test[0]) * (1 + 5 * 0.25)
    expected = round(of_test) + 2 * len(digits.validation[0]) + budgets.REPORT_SECONDS
    assert seconds == pytest.approx(expected, abs=1)


def test_constant_rates_stay():
    optimizer = keras.optimizers.SGD(0.3)
    budgets.follow(optimizer, total_steps=10, progress=keras.Variable(0.5))
    assert float(optimizer.learning_rate) == pytest.approx(0.3)


def test_sizes_by_steps_reach_the_batches():
    settings = TrainingSettings(epochs=2, image_sizes={16: 0.25, 24: 0.5})
    x, y = np.zeros((40, 32, 32, 3), "uint8"), np.zeros(40, "int32")
    batches = pipeline.training_batches(
        x,
        y,
        batch_size=10,
        seed=0,
        image_size=image_sizes.by_step(settings, steps_per_epoch=4),
    )
    sides = [int(images.shape[1]) for images, _ in batches.take(8)]
    assert sides == [16, 16, 24, 24, 32, 32, 32, 32]


def test_sizes_by_the_clock_reach_the_batches():
    settings = TrainingSettings(epochs=2, image_sizes={16: 0.5})
    progress = keras.Variable(0.4)
    side = image_sizes.by_step(settings, steps_per_epoch=4, progress=progress)
    first, last = tf.constant(0), tf.constant(3)
    assert int(side(last, last)) == 16  # By steps these would be whole images.
    progress.assign(0.6)
    assert int(side(first, first)) == 0


# What is in the samples is no matter here.
@pytest.mark.filterwarnings("ignore:.* test samples are also training samples")
def test_sizes_that_vanish_in_the_model_are_refused(tmp_path):
    x, y = np.zeros((40, 32, 32, 3), "uint8"), np.arange(40) % 2
    dataset = ko.data.from_arrays(x, y, test=(x, y))
    shape = {"input_shape": (32, 32, 3), "num_classes": 2}
    model = ko.models.airbench(**shape, widths=(4, 4, 4), any_size=True)
    with pytest.raises(ValueError, match=r"of images of 8×8 pixels.*larger ones"):
        ko.fit(model, dataset, image_sizes={8: 0.5}, directory=tmp_path, verbose=False)


def test_smaller_images_are_those_of_keras_resizing():
    x = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)).astype("uint8")
    batches = pipeline.training_batches(
        x, np.arange(6), batch_size=6, seed=3, image_size=lambda e, s: 12
    )
    images, labels = next(iter(batches))
    expected = keras.ops.image.resize(
        x[labels.numpy()].astype("float32") / 255, (12, 12), antialias=True
    )
    np.testing.assert_allclose(images, expected, atol=1e-5)


@pytest.mark.parametrize(
    "sizes", [{24: 0.5, 16: 0.6}, {16: 0.6, 24: 0.5}, {0: 0.5}, {16: 0}, {16: 1.5}]
)
def test_bad_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match=r"training\.image_sizes: sides"):
        validate(TrainingSettings, {"image_sizes": sizes}, "training")


def test_sizes_need_a_model_that_takes_them(digits, tmp_path):
    model = ko.models.cnn(input_shape=(8, 8, 1), num_classes=10, filters=(4,))
    with pytest.raises(ValueError, match=r"any_size=True, an argument of .*airbench"):
        ko.fit(model, digits, image_sizes={6: 0.5}, directory=tmp_path, verbose=False)


def test_steps_per_execution_is_a_field_of_the_past():
    with pytest.warns(DeprecationWarning, match="has no effect any more"):
        old = TrainingSettings(epochs=3, steps_per_execution=7)
    assert old == TrainingSettings(epochs=3)
    # Runs of version 0.1 recorded it with its default.
    assert TrainingSettings(epochs=3, steps_per_execution=1) == old


def test_patience_needs_every_validation(digits, tmp_path):
    with pytest.raises(ValueError, match="validation_freq=2"):
        ko.fit(
            small_model(),
            digits,
            patience=2,
            validation_freq=2,
            directory=tmp_path,
            verbose=False,
        )


@pytest.mark.slow
def test_a_speed_run_on_small_images(tmp_path):
    """Whitening, sizes, groups, freezing, lookahead and TTA work together."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (120, 16, 16, 3)).astype("uint8")
    y = (x[:, :8].mean((1, 2, 3)) > x[:, 8:].mean((1, 2, 3))).astype("int32")
    dataset = ko.data.from_arrays(x, y, test=(x[:40] // 2, y[:40]))
    recipe = ko.recipes.load("cifar10-95").to_dict()
    run = ko.fit(
        lambda: ko.models.airbench(
            input_shape=(16, 16, 3), num_classes=2, widths=(8, 8), any_size=True
        ),
        dataset,
        augment=recipe["augment"],
        optimizer=recipe["optimizer"],
        callbacks=recipe["callbacks"],
        epochs=3,
        batch_size=20,
        image_sizes={12: 0.5},
        tta="mirror_translate",
        directory=tmp_path / "run",
        verbose=False,
    )
    saved = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert saved["tta"] == "mirror_translate"
    plain = run.predict(dataset.test[0])
    views = run.predict(dataset.test[0], tta="mirror_translate")
    labels = dataset.test[1]
    accuracy = [(p.argmax(1) == labels).mean() for p in (plain, views)]
    assert accuracy[0] == pytest.approx(saved["test_accuracy"])
    assert accuracy[1] == pytest.approx(saved["test_accuracy_tta"])
    loaded = ko.Run.load(run.directory).model
    layers = {type(layer).__name__ for layer in loaded.layers}
    assert "Conv2D" in layers and "WhiteningConv2D" not in layers


@keras.saving.register_keras_serializable(package="test")
class CountingLoss(keras.losses.SparseCategoricalCrossentropy):
    """Counts how often Python runs it: once a trace, not once a step."""

    calls = 0

    def call(self, y_true, y_pred):
        CountingLoss.calls += 1
        return super().call(y_true, y_pred)


@pytest.mark.slow
def test_one_compiled_function_serves_all_steps_and_sizes(tmp_path):
    """Neither a new size nor an uneven last batch traces the step again."""
    x = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3)).astype("uint8")
    dataset = ko.data.from_arrays(x, np.arange(50) % 2, validation=0)
    calls = []
    for sizes in ({}, {8: 0.25, 12: 0.5}):
        CountingLoss.calls = 0
        ko.fit(
            lambda: ko.models.airbench(
                input_shape=(16, 16, 3), num_classes=2, widths=(8,), any_size=True
            ),
            dataset,
            loss=CountingLoss(),
            augment={"name": "crop", "flip": "alternating"},
            epochs=1 if not sizes else 4,
            batch_size=25 if not sizes else 12,
            image_sizes=sizes,
            directory=tmp_path / str(len(sizes)),
            verbose=False,
        )
        calls.append(CountingLoss.calls)
    # One batch is tried, the step is traced, and so is the measure in inference mode.
    assert calls == [3, 3]


def test_pixels_stay_bytes_until_the_last_moment(tmp_path):
    seen = []

    def note(images, seed):
        seen.append(images.dtype.name)
        return images

    x = np.zeros((20, 8, 8, 3), "uint8")
    batches = pipeline.training_batches(
        x, np.zeros(20), batch_size=10, seed=0, augment=note
    )
    assert next(iter(batches))[0].dtype == "float32"
    assert set(seen) == {"uint8"}
