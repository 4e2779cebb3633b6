"""What users met when they trained models of their own, and what must hold now."""

import os
import signal
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasopt as ko
from kerasopt import evaluation
from kerasopt.training import directories
from kerasopt.training.reporting import report_data
from kerasopt.training.run import Run

pytestmark = pytest.mark.usefixtures("no_report")

L = keras.layers
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
DATA = ko.data.from_arrays(X, Y, validation=0.2)
PIXELS = RNG.integers(0, 256, (48, 8, 8, 1), "uint8")
BRIGHT = (PIXELS.mean((1, 2, 3)) > 127).astype(int)


def net(last="softmax"):
    hidden = L.Dense(8, activation="relu")
    return keras.Sequential([keras.Input((4,)), hidden, L.Dense(2, activation=last)])


# A finished training is never lost


@pytest.mark.parametrize(
    ("model", "labels", "arguments"),
    [
        (
            lambda: net(None),
            Y,
            {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)},
        ),
        (net, Y, {"precision": "mixed_bfloat16"}),
        (net, np.eye(2)[Y] * 0.8 + 0.1, {}),
        (lambda: net("sigmoid"), Y, {}),
    ],
    ids=["logits", "bfloat16", "soft labels", "sigmoids"],
)
def test_what_can_be_measured_is(model, labels, arguments, quick):
    data = ko.data.from_arrays(X, labels, validation=(X[:100], labels[:100]))
    run = ko.fit(model, data, epochs=2, **arguments, **quick)
    expected = (run.predict(X[:100]).argmax(axis=1) == Y[:100]).mean()
    assert run.metrics["val_accuracy"] == pytest.approx(expected)
    assert (run.directory / "model.keras").is_file()


class Penalty(L.Layer):
    def call(self, inputs):
        self.add_loss(0.1 * keras.ops.mean(inputs**2))
        return inputs


@pytest.mark.parametrize(
    "adds",
    [lambda: L.Dense(8, activity_regularizer="l2"), Penalty],
    ids=["activity regularizer", "add_loss"],
)
def test_a_loss_of_the_layers_outputs_is_measured(adds, quick):
    model = keras.Sequential(
        [keras.Input((4,)), adds(), L.Dense(2, activation="softmax")]
    )
    split = (X[:64], Y[:64])
    run = ko.fit(model, (X, Y), validation_data=split, epochs=2, **quick)
    loss, accuracy = model.evaluate(*split, verbose=0)
    assert run.metrics["val_loss"] == pytest.approx(loss, rel=1e-4)
    assert run.metrics["val_accuracy"] == pytest.approx(accuracy)


def test_a_failure_after_the_last_step_costs_nothing(quick, monkeypatch):
    class Break(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            monkeypatch.setattr(evaluation, "measure", fail)
            monkeypatch.setattr(Run, "report", fail)

    def fail(*arguments, **keywords):
        raise RuntimeError("no space left")

    with pytest.warns(UserWarning, match="trained and saved, but") as said:
        run = ko.fit(net, DATA, epochs=2, callbacks=[Break()], **quick)
    text = " ".join(str(each.message) for each in said)
    assert "measure the validation data: RuntimeError: no space left" in text
    assert "run.evaluate(data)" in text and "run.report()" in text
    monkeypatch.undo()
    loaded = Run.load(run.directory)
    np.testing.assert_array_equal(loaded.predict(X), run.predict(X))
    assert loaded.evaluate((X, Y))["accuracy"] > 0.4


def test_logits_are_recognised_and_the_run_says_so(quick):
    run = ko.fit(lambda: net(None), DATA, optimizer="adam", epochs=12, **quick)
    assert run.metrics["val_accuracy"] > 0.85
    assert any("from_logits=True" in note for note in run.environment["notes"])
    probabilities = run.predict(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    logits = run.model.predict(X, verbose=0)
    np.testing.assert_allclose(probabilities, keras.ops.softmax(logits), rtol=1e-5)


class Doubled(L.Layer):
    def call(self, x):
        return 2 * x


class WithoutConfig(L.Layer):
    def __init__(self, dense):
        super().__init__()
        self.dense = dense

    def call(self, x):
        return self.dense(x)


def with_layer(layer):
    head = L.Dense(2, activation="softmax")
    return keras.Sequential([keras.Input((4,)), layer, head])


def test_layers_of_the_users_own(quick):
    run = ko.fit(with_layer(Doubled()), DATA, epochs=1, **quick)
    predicted = run.predict(X)
    with pytest.raises(ValueError, match="custom_objects"):
        Run.load(run.directory).predict(X)
    loaded = Run.load(run.directory, custom_objects={"Doubled": Doubled})
    np.testing.assert_allclose(loaded.predict(X), predicted, rtol=1e-6)


def test_a_lambda_predicts_in_the_run_that_trained_it(quick):
    run = ko.fit(with_layer(L.Lambda(lambda x: 2 * x)), DATA, epochs=1, **quick)
    assert run.predict(X).shape == (300, 2)


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_lambda_as_loss_is_not_saved_and_not_warned_of(quick):
    loss = keras.losses.sparse_categorical_crossentropy
    run = ko.fit(net(), DATA, loss=lambda y, out: 2 * loss(y, out), epochs=1, **quick)
    keras.models.load_model(run.directory / "model.keras")


def test_a_layer_without_get_config_leaves_weights_and_says_so(quick):
    run = ko.fit(with_layer(WithoutConfig(L.Dense(3))), DATA, epochs=1, **quick)
    assert (run.directory / "model.weights.h5").is_file()
    assert any("model.weights.h5" in note for note in run.environment["notes"])
    assert run.predict(X).shape == (300, 2)


def test_a_model_stays_compiled_as_the_training_compiled_it(quick):
    model = net()
    ko.fit(model, DATA, optimizer="adamw", epochs=1, **quick)
    assert isinstance(model.optimizer, keras.optimizers.AdamW)
    before = int(model.optimizer.iterations.numpy())
    model.fit(X, Y, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == before + 10


def test_averages_and_early_stopping(quick, tmp_path):
    """The averages are what is judged and kept."""

    def trained(folder, **averages):
        optimizer = keras.optimizers.Adam(0.05, **averages)
        arguments = {"patience": 20, "epochs": 4, "devices": "cpu", "verbose": False}
        return ko.fit(net, DATA, optimizer=optimizer, directory=folder, **arguments)

    run = trained(tmp_path / "averages", use_ema=True, ema_momentum=0.9)
    plain = trained(tmp_path / "plain")
    assert run.history["loss"].tolist() == pytest.approx(plain.history["loss"].tolist())
    assert run.history["val_loss"].tolist() != plain.history["val_loss"].tolist()
    assert run.metrics["val_loss"] == pytest.approx(
        run.history["val_loss"].min(), rel=1e-4
    )


# Data are read as they are meant


def test_features_in_uint8_are_no_pixels(quick, tmp_path):
    bits = RNG.integers(0, 2, (60, 8))
    labels = bits[:, 0] ^ bits[:, 1]

    def trained(kind):
        keras.utils.set_random_seed(0)
        dense = L.Dense(1, activation="sigmoid")
        model = keras.Sequential([keras.Input((8,)), dense])
        quick["directory"] = tmp_path / kind
        return ko.fit(model, (bits.astype(kind), labels), epochs=1, **quick)

    one, other = trained("uint8"), trained("int64")
    assert one.environment["data"]["pixel_scale"] == 1
    for kind in ("uint8", "int64", "float32"):
        np.testing.assert_allclose(
            one.predict(bits.astype(kind)), other.predict(bits), rtol=1e-5
        )


@pytest.mark.parametrize("kind", ["uint8", "int64"])
def test_pixels_are_scaled_by_value(kind, quick):
    run = ko.fit(of_pixels(), (PIXELS.astype(kind), BRIGHT), epochs=1, **quick)
    assert run.environment["data"]["pixel_scale"] == 255
    expected = run.predict(PIXELS / np.float32(255))
    for given in (PIXELS, PIXELS.astype("int64"), PIXELS.astype("float32")):
        np.testing.assert_allclose(run.predict(given), expected, rtol=1e-5)
    np.testing.assert_allclose(
        run.model.predict(PIXELS / np.float32(255), verbose=0)[:, 0],
        expected[:, 1],
        rtol=1e-5,
    )


def of_pixels(*first):
    keras.utils.set_random_seed(0)
    layers = [*first, L.Flatten(), L.Dense(1, activation="sigmoid")]
    return keras.Sequential([keras.Input((8, 8, 1)), *layers])


def test_a_model_that_scales_itself_gets_pixels(quick, tmp_path):
    arguments = {**quick, "epochs": 2, "validation_data": (PIXELS, BRIGHT)}
    own = ko.fit(of_pixels(L.Rescaling(1 / 255)), (PIXELS, BRIGHT), **arguments)
    arguments["directory"] = tmp_path / "ours"
    ours = ko.fit(of_pixels(), (PIXELS, BRIGHT), **arguments)
    assert own.history["val_loss"].tolist() == pytest.approx(
        ours.history["val_loss"].tolist(), rel=1e-5
    )
    np.testing.assert_allclose(own.predict(PIXELS), ours.predict(PIXELS), rtol=1e-5)


def adapted(image):
    layer = L.Normalization()
    layer.adapt(PIXELS)
    return layer(image)


@pytest.mark.parametrize(
    ("scale", "divided"),
    [
        (lambda image: image / 255.0, False),
        (lambda image: L.Rescaling(1 / 255)(L.RandomFlip()(image)), False),
        (adapted, False),
        (L.Normalization(), True),  # Adapted here, to pixels in [0, 1].
        (L.Conv2D(2, 3), True),
    ],
)
def test_pixels_are_divided_unless_the_model_scales(scale, divided, quick, capsys):
    image = keras.Input((8, 8, 1))
    out = L.Dense(1, activation="sigmoid")(L.Flatten()(scale(image)))
    quick["verbose"] = True
    run = ko.fit(keras.Model(image, out), (PIXELS, BRIGHT), epochs=1, **quick)
    assert run.environment["data"]["pixel_scale"] == (255 if divided else 1)
    assert ("pixels are divided by 255" in capsys.readouterr().err) == divided


class Scaling(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.scale = keras.Sequential([L.Rescaling(1 / 127.5, offset=-1), L.Flatten()])
        self.dense = L.Dense(1, activation="sigmoid")

    def call(self, image):
        return self.dense(self.scale(image))


def test_a_model_with_a_call_of_its_own_that_scales_gets_pixels(quick):
    run = ko.fit(Scaling(), (PIXELS, BRIGHT), epochs=1, **quick)
    assert run.environment["data"]["pixel_scale"] == 1
    expected = run.model.predict(PIXELS.astype("float32"), verbose=0)[:, 0]
    np.testing.assert_allclose(run.predict(PIXELS)[:, 1], expected, rtol=1e-5)


def test_preprocessing_of_keras_applications_scales():
    from kerasopt.training.head import takes_pixels

    image = keras.Input((32, 32, 3))
    for module in (keras.applications.mobilenet_v2, keras.applications.vgg16):
        out = L.Flatten()(module.preprocess_input(image))
        assert takes_pixels(keras.Model(image, out))


def test_a_validation_stream_that_is_scaled_is_not_scaled_again(quick, tmp_path):
    scaled = PIXELS / np.float32(255)
    stream = tf.data.Dataset.from_tensor_slices((scaled, BRIGHT)).batch(16)
    given = {"epochs": 2, "seed": 0, **quick}
    run = ko.fit(of_pixels(), (PIXELS, BRIGHT), validation_data=stream, **given)
    given["directory"] = tmp_path / "arrays"
    other = ko.fit(
        of_pixels(), (PIXELS, BRIGHT), validation_data=(PIXELS, BRIGHT), **given
    )
    assert run.history["val_loss"].tolist() == pytest.approx(
        other.history["val_loss"].tolist(), rel=1e-4
    )


# What a repeated or resumed run rests on


class StopAt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def half(y, predicted):
    return keras.losses.sparse_categorical_crossentropy(y, predicted) / 2


@pytest.fixture
def interrupted(quick):
    """Arguments that resume a training which broke off in its second epoch."""
    arguments = {"checkpoint_seconds": 0, "epochs": 3, "optimizer": "sgd", **quick}
    with pytest.raises(KeyboardInterrupt):
        ko.fit(net, DATA, callbacks=[StopAt(1)], **arguments)
    return {**arguments, "resume": True}


def test_other_data_are_refused_on_resume(interrupted):
    other = ko.data.from_arrays(X + 1, Y, validation=0.2)
    with pytest.raises(ValueError, match=r"(?s)data aren't those.*x_train.*changed"):
        ko.fit(net, other, **interrupted)
    assert len(ko.fit(net, DATA, **interrupted).history) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 2}, "laid out for 3 epochs.*given: 2"),
        ({"batch_size": 16}, "training.batch_size was 32 and is 16"),
        ({"optimizer": "adam"}, "optimizer.*was.*SGD.*is.*Adam"),
        ({"loss": half}, "loss was .*crossentropy.* and is"),
        ({"seed": 1}, "training.seed was 0 and is 1"),
    ],
)
def test_other_settings_are_refused_on_resume(changes, message, interrupted):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ko.fit(net, DATA, **{**interrupted, **changes})


def test_another_model_is_refused_on_resume(interrupted):
    def other():
        return keras.Sequential([keras.Input((4,)), L.Dense(2, activation="softmax")])

    with pytest.raises(ValueError, match="another model"):
        ko.fit(other, DATA, **interrupted)


def test_epochs_may_grow_on_resume_and_are_recorded(interrupted):
    run = ko.fit(net, DATA, **{**interrupted, "epochs": 4})
    assert len(run.history) == 4
    assert run.recipe["training"]["epochs"] == 4
    assert not run.metrics["stopped_early"]


def test_weights_of_the_callers_own_are_recorded(quick, tmp_path):
    run = ko.fit(net(), DATA, deterministic=True, epochs=1, **quick)
    assert run.environment["weights_seeded"] is False
    assert any("Give a function" in note for note in run.environment["notes"])
    quick["directory"] = tmp_path / "function"
    run = ko.fit(net, DATA, deterministic=True, epochs=1, **quick)
    assert run.environment["weights_seeded"] is True
    assert run.environment["notes"] == []


@pytest.mark.parametrize("give", [lambda: net, net], ids=["function", "built"])
def test_the_policy_of_the_moment_is_recorded(give, quick):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        run = ko.fit(give(), DATA, epochs=1, **quick)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    assert run.metrics["precision"] == "mixed_bfloat16"
    assert run.model.layers[0].compute_dtype == "bfloat16"


# As a new user


def test_running_statistics_keep_up_with_few_steps(quick):
    """Two batches an epoch: with Keras's momentum of 0.99 they would lag behind."""
    data = ko.data.from_arrays(X[:60], Y[:60], validation=(X[100:], Y[100:]))
    model = ko.models.mlp(
        input_shape=(4,), num_classes=2, units=(16, 16), batch_norm=True
    )
    adam = keras.optimizers.Adam(0.01)
    run = ko.fit(model, data, epochs=20, optimizer=adam, **quick)
    assert run.metrics["val_accuracy"] > 0.85
    assert run.history["val_loss"].iloc[-1] < 2 * run.history["loss"].iloc[-1] + 0.2


def test_what_a_model_was_compiled_with_is_kept(quick):
    keras.utils.set_random_seed(0)
    model = net()
    optimizer = keras.optimizers.RMSprop(0.01)
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    model.compile(optimizer, loss, metrics=["sparse_top_k_categorical_accuracy"])
    run = ko.fit(model, DATA, epochs=1, **quick)
    assert run.model.optimizer is optimizer
    assert run.model.loss is loss
    assert "sparse_top_k_categorical_accuracy" in run.history
    assert run.history["loss"][0] > 5  # A sum over the batch.


def test_a_loaded_model_is_trained_further_by_the_default_and_that_is_said(
    quick, tmp_path
):
    first = ko.fit(net(), DATA, optimizer=keras.optimizers.SGD(0.3), epochs=1, **quick)
    loaded = keras.saving.load_model(first.directory / "model.keras")
    quick = {**quick, "directory": tmp_path / "further"}
    run = ko.fit(loaded, DATA, epochs=1, **quick)
    assert type(run.model.optimizer) is keras.optimizers.Adam
    assert "trained further by Adam" in " ".join(run.environment["notes"])
    again = keras.saving.load_model(run.directory / "model.keras")
    quick = {**quick, "directory": tmp_path / "chosen"}
    run = ko.fit(again, DATA, epochs=1, optimizer="rmsprop", **quick)
    assert "trained further" not in " ".join(run.environment["notes"])


def test_an_argument_wins_over_what_a_model_was_compiled_with(quick):
    model = net()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    run = ko.fit(model, DATA, optimizer="adam", metrics=["auc"], epochs=1, **quick)
    assert isinstance(run.model.optimizer, keras.optimizers.Adam)
    assert "auc" in run.history and "accuracy" not in run.history


def one_output():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((4,)), L.Dense(1, activation="sigmoid")])


def agreement(y, predicted):
    """A metric that would broadcast labels (n,) against outputs (n, 1)."""
    same = keras.ops.cast(y, "float32") == keras.ops.round(predicted)
    return keras.ops.mean(keras.ops.cast(same, "float32"), axis=-1)


@pytest.mark.parametrize("labels", [Y, Y[:, None]], ids=["flat", "a column"])
def test_a_metric_of_the_users_own_sees_labels_shaped_as_outputs(labels, quick):
    held_out = (X[:50], labels[:50])
    arguments = {"epochs": 2, "metrics": [agreement, "accuracy"]}
    run = ko.fit(
        one_output(), (X, labels), validation_data=held_out, **arguments, **quick
    )
    for name in ("agreement", "val_agreement"):
        accuracy = run.history[name.replace("agreement", "accuracy")]
        np.testing.assert_allclose(run.history[name], accuracy, rtol=1e-6)


class AddsToLogs(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs):
        logs["val_own"] = [3.0, 5.0, 4.0, 6.0][epoch]


def test_what_a_callback_adds_to_the_logs_is_kept_and_can_be_watched(quick):
    stop = keras.callbacks.EarlyStopping("val_own", mode="max", patience=1)
    run = ko.fit(net(), (X, Y), epochs=4, callbacks=[AddsToLogs(), stop], **quick)
    assert run.history["val_own"].tolist() == [3.0, 5.0, 4.0]


class Autoencoder(keras.Model):
    """A model whose own step ignores the labels."""

    def __init__(self):
        super().__init__()
        self.dense = L.Dense(4)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x, *_ = data
        with tf.GradientTape() as tape:
            loss = keras.ops.mean((self(x) - x) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


def test_a_step_of_the_models_own_may_ignore_the_labels(quick, capsys):
    run = ko.fit(Autoencoder(), (X, Y), epochs=3, **quick | {"verbose": True})
    assert run.task is None
    assert np.isfinite(run.history["loss"]).all()
    assert "no task: loss and metrics alone" in " ".join(
        capsys.readouterr().err.split()
    )


class CtrlC(keras.callbacks.Callback):
    """Ctrl-C as a terminal sends it, in the midst of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 3):
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_loses_no_step_and_says_how_to_resume(quick, capsys):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            ko.fit(
                net, DATA, callbacks=[CtrlC()], epochs=2, **{**quick, "verbose": True}
            )
    finally:
        signal.signal(signal.SIGINT, before)
    said = " ".join(capsys.readouterr().err.split())
    assert f"kerasopt.resume('{quick['directory']}', model=…, data=…)" in said
    again = ko.fit(net, DATA, epochs=2, resume=True, **{**quick, "verbose": True})
    said = " ".join(capsys.readouterr().err.split())
    assert "Resuming after epoch 1 and step 4 of the next." in said
    assert len(again.history) == 2


def test_a_folder_belongs_to_one_training(quick):
    folder = quick["directory"]
    folder.mkdir()
    with (
        directories.locked(folder),
        pytest.raises(ValueError, match="Another process is training"),
    ):
        ko.fit(net, DATA, epochs=1, **quick)
    assert ko.fit(net, DATA, epochs=1, **quick).metrics["epochs"] == 1


def test_test_rows_that_were_trained_on_are_said(quick):
    with pytest.warns(UserWarning, match="20 of 40 test samples"):
        data = ko.data.from_arrays(X[:200], Y[:200], test=(X[180:220], Y[180:220]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = ko.fit(net, data, epochs=1, **quick)
    assert "20 test samples are training samples" in " ".join(report_data(run).notes)


def test_a_class_without_any_sample_is_said(quick):
    data = ko.data.from_arrays(X, Y, validation=0.2, class_names=["no", "yes", "maybe"])
    model = keras.Sequential([L.Dense(3, activation="softmax")])
    run = ko.fit(model, data, epochs=1, **quick)
    (note,) = run.environment["notes"]
    assert "1 of 3 classes have no training sample" in note and "maybe" in note
