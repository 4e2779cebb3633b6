import contextlib
import warnings

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.training import splitting


@pytest.fixture(scope="module")
def digits():
    return ko.data.load("digits", size=300)


def base_of(shape=(8, 8, 1)):
    entry = keras.Input(shape)
    x = keras.layers.Conv2D(64, 3, activation="relu")(entry)
    x = keras.layers.Conv2D(32, 3)(x)
    x = keras.layers.BatchNormalization()(x)
    base = keras.Model(entry, x, name="backbone")
    base.trainable = False
    return base


def build(dropout=0.0, base=None):
    base = base or base_of()
    entry = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(2.0, offset=-1.0)(entry)
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(entry, keras.layers.Dense(10, activation="softmax")(x))


def test_the_parts_compute_what_the_model_does_and_leave_it_as_it_was():
    model = build(dropout=0.5)
    parts = splitting.split(model)
    x = np.random.default_rng(0).random((5, 8, 8, 1), "float32")
    found = parts.head.predict(parts.base.predict(x, verbose=0), verbose=0)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), rtol=1e-6)
    assert parts.base.output_shape == (None, 32)
    assert parts.head.trainable_variables[0] is model.trainable_variables[0]
    # Each layer still has one output, of the whole model.
    assert model.layers[-1].output is model.output
    assert len(keras.models.clone_model(model).layers) == len(model.layers)


def test_an_image_that_is_repeated_for_three_channels_is_still_one():
    entry = keras.Input((8, 8, 1))
    x = keras.layers.Concatenate()([entry] * 3)
    x = keras.layers.Flatten()(base_of((8, 8, 3))(x))
    model = keras.Model(entry, keras.layers.Dense(2)(x))
    assert splitting.split(model).base.output_shape == (None, 4 * 4 * 32)


def trainable_normalisation():
    base = base_of()
    base.layers[-1].trainable = True
    return build(base=base)


def dropout_inside():
    entry = keras.Input((8, 8, 1))
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(entry))
    base = keras.Model(entry, keras.layers.Dense(200)(x))
    base.trainable = False
    return keras.Model(entry, keras.layers.Dense(10)(base(entry, training=False)))


def two_ways():
    entry = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()
    x = keras.layers.Concatenate()([flat(base_of()(entry)), flat(entry)])
    return keras.Model(entry, keras.layers.Dense(10)(x))


def of_someones_own():
    class Own(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(64, 400), trainable=False)

        def call(self, x):
            return keras.ops.reshape(x, (-1, 64)) @ self.w

    entry = keras.Input((8, 8, 1))
    return keras.Model(entry, keras.layers.Dense(10)(Own()(entry)))


def behind(first, shape=(8, 8, 1)):
    entry = keras.Input(shape)
    x = keras.layers.GlobalAveragePooling2D()(base_of(shape)(first(entry)))
    return keras.Model(entry, keras.layers.Dense(10)(x))


def of_any_size():
    entry = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(4, 1)(base_of((None, None, 1))(entry))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(entry, keras.layers.Dense(10)(x))


def with_a_step_of_its_own():
    class Stepping(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    whole = build()
    return Stepping(whole.input, whole.output)


def a_layer_unfrozen_in_a_frozen_base():
    base = base_of()
    base.layers[2].trainable = True
    assert not base.trainable_variables
    return build(base=base)


@pytest.mark.parametrize(
    "make",
    [
        a_layer_unfrozen_in_a_frozen_base,
        trainable_normalisation,
        dropout_inside,
        two_ways,
        of_someones_own,
        of_any_size,
        lambda: behind(keras.layers.RandomFlip()),
        lambda: behind(keras.layers.RandAugment()),
        lambda: behind(keras.Sequential([keras.layers.RandomRotation(0.1)])),
        lambda: behind(keras.layers.Lambda(lambda x: x)),
        with_a_step_of_its_own,
        lambda: ko.models.mlp(input_shape=(8, 8, 1), num_classes=10),
        base_of,
    ],
)
def test_what_may_change_from_step_to_step_is_not_computed_once(make):
    assert splitting.split(make()) is None


def trained(tmp_path, digits, capsys, name, **arguments):
    run = ko.fit(
        build,
        digits,
        epochs=3,
        optimizer={"name": "adam", "learning_rate": 0.01},
        directory=tmp_path / name,
        **arguments,
    )
    return run, capsys.readouterr().err


def test_a_training_on_features_is_that_of_the_whole_model(tmp_path, digits, capsys):
    whole, said = trained(tmp_path, digits, capsys, "a", cache_features=False)
    assert "computed once" not in said
    cached, said = trained(tmp_path, digits, capsys, "b", patience=3)
    assert "The features of 300 samples are computed once" in said
    for name in ("loss", "val_loss", "accuracy", "val_accuracy"):
        np.testing.assert_allclose(
            cached.history[name], whole.history[name], rtol=1e-4, atol=1e-5
        )
    # The saved model takes images, and nothing in it but the head has changed.
    again = keras.saving.load_model(cached.directory / "model.keras", safe_mode=True)
    assert again.input_shape == (None, 8, 8, 1)
    assert cached.metrics["test_accuracy"] == pytest.approx(
        whole.metrics["test_accuracy"], abs=0.03
    )


class Watching(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        assert self.model.input_shape == (None, 8, 8, 1)


class Stopping(keras.callbacks.EarlyStopping, Watching):
    pass


@pytest.mark.parametrize(
    "arguments",
    [
        {"augment": {"name": "crop", "padding": 1}},
        {"callbacks": [Watching()]},
        {"callbacks": [Stopping()]},
    ],
    ids=["augmentation", "callback that may look at the model", "subclass"],
)
def test_each_epoch_computes_anew_where_it_matters(tmp_path, digits, capsys, arguments):
    _, said = trained(tmp_path, digits, capsys, "a", **arguments)
    assert "computed once" not in said


def test_weights_of_samples_and_classes_reach_the_head(tmp_path, digits):
    x, y = digits.train
    weight = np.where(y == 3, 0.0, 1.0).astype("float32")
    found = [
        ko.fit(
            build,
            (x, y, weight),
            epochs=2,
            class_weight={0: 2.0},
            cache_features=cached,
            directory=tmp_path / str(cached),
            verbose=False,
        ).history["loss"]
        for cached in (True, False)
    ]
    np.testing.assert_allclose(*found, rtol=1e-4)


def test_the_frozen_weights_stay_bit_for_bit(tmp_path, digits):
    model = build()
    before = [w.copy() for w in model.get_layer("backbone").get_weights()]
    ko.fit(model, digits, epochs=1, directory=tmp_path / "a", verbose=False)
    after = model.get_layer("backbone").get_weights()
    assert all(map(np.array_equal, before, after))
    head = model.layers[-1].get_weights()
    assert model.optimizer.iterations == 9 and np.any(head[1] != 0)


def test_the_head_learns_first_and_then_the_layers_below_join(tmp_path, digits, capsys):
    def unfrozen():
        model = build()
        model.get_layer("backbone").layers[2].trainable = True
        return model

    run, said = trained(tmp_path, digits, capsys, "a", head_epochs=40)
    assert "The head alone trained for 40 epochs" in said
    plain, _ = trained(tmp_path, digits, capsys, "b")
    # Its first epoch begins where the head's training has ended.
    assert run.history["loss"][0] < plain.history["loss"].min() - 0.05
    tuned = ko.fit(
        unfrozen,
        digits,
        epochs=1,
        head_epochs=2,
        augment={"name": "crop", "padding": 1},
        directory=tmp_path / "c",
        verbose=False,
    )
    second = tuned.model.get_layer("backbone").layers[2]
    assert (
        second.trainable and not tuned.model.get_layer("backbone").layers[1].trainable
    )
    first_weights = {v.path for v in tuned.model.trainable_variables}
    assert second.kernel.path in first_weights


def test_head_epochs_need_a_backbone(tmp_path, digits):
    mlp = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10)
    with pytest.raises(ValueError, match="a layer named 'backbone'"):
        ko.fit(mlp, digits, epochs=1, head_epochs=3, directory=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_what_draws_before_the_backbone_is_refused_before_a_folder_is_made(
    tmp_path, digits
):
    with pytest.raises(ValueError, match=r"nothing before it .* draws random numbers"):
        ko.fit(
            behind(keras.layers.RandomFlip()),
            digits,
            head_epochs=3,
            directory=tmp_path / "a",
        )
    assert not (tmp_path / "a").exists()


def test_features_of_half_precision_train_as_the_whole_model_does(tmp_path, digits):
    found = [
        ko.fit(
            build,
            digits,
            epochs=2,
            precision="mixed_bfloat16",
            cache_features=cached,
            directory=tmp_path / str(cached),
            verbose=False,
        ).history["loss"]
        for cached in (True, False)
    ]
    np.testing.assert_allclose(*found, rtol=1e-3)


def test_features_that_overflow_are_named(tmp_path, digits):
    x, y = digits.train
    huge = x.astype("float32")
    huge[200] = 3e38
    model = build()
    model.get_layer("backbone").layers[1].kernel.assign(np.full((3, 3, 1, 64), 1e4))
    with pytest.raises(ValueError, match="1 train samples; the first is number 200"):
        ko.fit(model, (huge, y), epochs=1, directory=tmp_path / "a", verbose=False)


def unfrozen():
    model = build(dropout=0.3)
    model.get_layer("backbone").layers[2].trainable = True
    return model


class Broken(Exception):
    pass


@pytest.mark.parametrize(
    "make", [build, pytest.param(unfrozen, marks=pytest.mark.slow)]
)
def test_a_broken_run_resumes_bit_for_bit_with_a_model_of_other_weights(
    tmp_path, digits, monkeypatch, make
):
    """The features are those of the weights that the run began with."""

    def trained(name, seed, resume=False):
        keras.utils.set_random_seed(seed)
        return ko.fit(
            make(),
            digits,
            epochs=3,
            head_epochs=2,
            callbacks=[ko.callbacks.ReduceLROnPlateau()],
            checkpoint_seconds=0,
            deterministic=True,
            resume=resume,
            directory=tmp_path / name,
            verbose=False,
        )

    def fails(self, epoch, logs=None):
        if epoch == 1:
            raise Broken

    whole = trained("whole", 1)
    with monkeypatch.context() as patch, contextlib.suppress(Broken):
        patch.setattr(ko.callbacks.ReduceLROnPlateau, "on_epoch_end", fails)
        trained("broken", 1)
    frozen = tmp_path / "broken" / "checkpoints" / "frozen.npz"
    assert frozen.is_file() == (make is build)
    if make is build:
        frozen.rename(tmp_path / "away.npz")
        with pytest.raises(ValueError, match=r"frozen\.npz is missing"):
            trained("broken", 2, resume=True)
        (tmp_path / "away.npz").rename(frozen)
    again = trained("broken", 2, resume=True)
    for one, other in zip(
        whole.model.get_weights(), again.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def transferring(tmp_path):
    base = base_of()
    x = keras.layers.GlobalAveragePooling2D()(base.output)
    full = keras.Model(base.input, keras.layers.Dense(10)(x))
    full.save(tmp_path / "base.keras")
    return ko.recipes.Recipe(
        {
            "name": "small",
            "data": {"name": "digits", "size": 300},
            "model": {"name": "transfer", "backbone": str(tmp_path / "base.keras")},
            "optimizer": {"name": "sgd", "learning_rate": 1e-9},
            "training": {"epochs": 1, "head_epochs": 40},
        }
    )


def test_a_trial_trains_the_head_first_as_a_run_does(tmp_path):
    recipe = transferring(tmp_path)
    values = [0, recipe.training.head_epochs]
    found = ko.tuning.sweep(
        recipe, "training.head_epochs", values, directory=tmp_path / "a", verbose=False
    )
    run = recipe.run(seed=0, directory=tmp_path / "b", verbose=False)
    first, second = found["val_loss"]
    assert second < first - 0.03
    assert second == pytest.approx(run.history["val_loss"][0], rel=1e-4)


def test_a_range_test_begins_where_the_head_ends(tmp_path):
    recipe = transferring(tmp_path)
    plain = recipe.replace("training.head_epochs", 0)
    warnings.simplefilter("ignore")  # The loss hardly falls at such rates.
    start = [
        each.lr_range_test(steps=20, high=1e-5, verbose=False).table["loss"].mean()
        for each in (recipe, plain)
    ]
    assert start[0] < start[1] - 0.03


@pytest.mark.slow
def test_a_head_leaves_half_of_a_budget_to_the_epochs(tmp_path, digits):
    run = ko.fit(
        unfrozen,
        digits,
        budget="6s",
        head_epochs=10_000,
        directory=tmp_path / "a",
        verbose=False,
    )
    assert run.metrics["train_seconds"] < 9
    assert run.metrics["epochs"] > 0


@pytest.mark.parametrize("mixed", ["mixup", "cutmix"])
def test_a_head_trains_first_on_labels_that_are_mixed_later(tmp_path, digits, mixed):
    run = ko.fit(
        build(),
        digits,
        head_epochs=2,
        epochs=1,
        augment=mixed,
        directory=tmp_path / "run",
        verbose=False,
    )
    assert np.isfinite(run.history["loss"]).all()
