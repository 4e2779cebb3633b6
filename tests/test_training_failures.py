"""What fails in a training, or before it, and what is kept then."""

import errno
import re
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score, roc_auc_score, root_mean_squared_error

import kerasopt as ko
from kerasopt.training import DivergedError

pytestmark = pytest.mark.usefixtures("no_report")

L = keras.layers
X = np.random.default_rng(0).normal(size=(200, 6)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
THREE = np.arange(200) % 3


def net(units=1, last="sigmoid"):
    return keras.Sequential(
        [keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(units, last)]
    )


class Fails(keras.callbacks.Callback):
    """Fails at the end of the training, or of its last epoch, until it is mended."""

    def __init__(self, where):
        super().__init__()
        self.where, self.mended = where, False

    def on_epoch_end(self, epoch, logs=None):
        if self.where == "epoch" and epoch == 2 and not self.mended:
            raise OSError("no connection")

    def on_train_end(self, logs=None):
        if self.where == "training" and not self.mended:
            raise OSError("no connection")


@pytest.mark.parametrize("where", ["epoch", "training"])
def test_a_callback_that_fails_costs_no_step(where, quick, tmp_path):
    given = {"epochs": 3, "seed": 1, "deterministic": True}
    callback = Fails(where)
    with pytest.raises(OSError, match="no connection") as caught:
        ko.fit(net, (X, Y), callbacks=[callback], **given, **quick)
    assert "kerasopt.resume" in caught.value.__notes__[0]
    callback.mended = True
    run = ko.fit(net, (X, Y), callbacks=[callback], resume=True, **given, **quick)
    quick["directory"] = tmp_path / "unbroken"
    unbroken = ko.fit(net, (X, Y), **given, **quick)
    assert run.history["epoch"].tolist() == [1, 2, 3]
    for one, other in zip(
        run.model.get_weights(), unbroken.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


class Unsaveable(L.Dense):
    """Can't write its weights, until it is mended."""

    mended = False

    def save_own_variables(self, store):
        if not self.mended:
            raise RuntimeError("no room")
        super().save_own_variables(store)


def test_a_model_that_fails_to_be_written_can_be_resumed(quick, monkeypatch):
    def build():
        return keras.Sequential([keras.Input((6,)), Unsaveable(1, "sigmoid")])

    with pytest.raises(RuntimeError, match="no room") as caught:
        ko.fit(build, (X, Y), epochs=2, **quick)
    assert "kept" in caught.value.__notes__[-1]
    monkeypatch.setattr(Unsaveable, "mended", True)
    run = ko.fit(build, (X, Y), epochs=2, resume=True, **quick)
    assert len(run.history) == 2 and run.metrics["epochs"] == 2


def test_the_best_weights_outlive_a_divergence(quick):
    class Diverges(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                self.model.layers[-1].bias.assign([np.nan])

    data = ((X[:150], Y[:150]), (X[150:], Y[150:]))
    with pytest.raises(DivergedError) as caught:
        ko.fit(
            *(net(), data[0]),
            validation_data=data[1],
            epochs=5,
            patience=5,
            callbacks=[Diverges()],
            **quick,
        )
    assert "best epoch" in caught.value.__notes__[0]
    saved = keras.saving.load_model(quick["directory"] / "model.keras")
    assert all(np.isfinite(weight).all() for weight in saved.get_weights())


class HidesNaN(L.Layer):
    """As TensorFlow's relu does on some processors; gradients are NaN all the same."""

    def call(self, x):
        return keras.ops.nan_to_num(x)


def test_a_batch_of_nan_that_the_loss_hides_is_said(quick):
    def batches():
        for i in range(20):
            yield (X[:10] * np.nan if i == 15 else X[:10]), Y[:10]

    model = keras.Sequential([keras.Input((6,)), L.Dense(8), HidesNaN(), L.Dense(1)])
    with pytest.warns(UserWarning, match="weights of the trained model are NaN"):
        ko.fit(model, batches, epochs=1, loss="mse", task="regression", **quick)


def test_whole_numbers_with_one_linear_output_are_a_regression(quick):
    run = ko.fit(net(1, None), (X, np.arange(200) % 5), epochs=1, **quick)
    assert run.task.name == "regression"


def test_classes_as_floats_with_a_softmax_are_classes(quick):
    run = ko.fit(net(3, "softmax"), (X, THREE.astype("float32")), epochs=1, **quick)
    assert run.task.name == "multiclass"
    predicted = run.predict(X).argmax(axis=1)
    assert run.evaluate((X, THREE))["accuracy"] == pytest.approx(
        accuracy_score(THREE, predicted)
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"class_weight": {0: 0, 1: 0, 2: 0}}, "nothing would be learned"),
        ({"class_weight": np.array([1, 2, 3])}, "'balanced' or {class: weight}"),
        ({"batch_size": 2**31}, "less than or equal to"),
        ({"evaluation_batch_size": 2**40}, "less than or equal to"),
        ({"metrics": [keras.metrics.AUC()]}, "Choose a loss and metrics"),
        (
            {"metrics": [keras.metrics.SparseCategoricalAccuracy(name="epoch")]},
            "which the log needs itself",
        ),
        ({"tta": "mirror"}, "views of images"),
    ],
)
def test_it_is_refused_before_the_first_step(given, message, quick):
    with pytest.raises(ValueError, match=message):
        ko.fit(net(3, "softmax"), (X, THREE), epochs=1, **given, **quick)
    assert not quick["directory"].exists()


def test_one_metric_and_one_callback_need_no_list(quick):
    stop = keras.callbacks.EarlyStopping("auc", mode="min", patience=1)
    run = ko.fit(net(), (X, Y), metrics="auc", callbacks=stop, epochs=9, **quick)
    assert "auc" in run.history and len(run.history) < 9


@pytest.mark.parametrize(
    ("word", "hint"), [("validation_split", "validation=0.2"), ("shuffle", "seed")]
)
def test_words_of_keras_get_a_hint(word, hint, quick):
    with pytest.raises(TypeError, match=hint):
        ko.fit(net(), (X, Y), **{word: 0.2}, **quick)


def test_labels_beside_the_features_get_a_hint(quick):
    with pytest.raises(TypeError, match=r"fit\(model, \(x, y\)"):
        ko.fit(net(), X, Y, **quick)


# Keras says it of a model that is frozen whole.
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_one_callback_as_a_dict_needs_no_list(quick):
    freeze = {"name": "freeze", "layers": "*", "after": 0}
    model = net()
    before = [weight.copy() for weight in model.get_weights()]
    ko.fit(model, (X, Y), callbacks=freeze, epochs=1, **quick)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_size_of_batches_for_a_stream_is_refused(quick):
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(20)
    with pytest.raises(ValueError, match=r"no effect on a stream.* 20 samples"):
        ko.fit(net(), batches, batch_size=32, **quick)
    ko.fit(net(), batches, batch_size=20, epochs=1, **quick)


def test_a_stream_of_unknown_length_says_how_an_epoch_ends(quick, capsys):
    def batches():
        yield from ((X[i : i + 20], Y[i : i + 20]) for i in range(0, 200, 20))

    quick["verbose"] = True
    ko.fit(net(), batches, epochs=1, **quick)
    assert "without one, give steps_per_epoch" in capsys.readouterr().err


def test_ages_as_labels_are_pointed_to_the_task(quick):
    with pytest.raises(ValueError, match="task='regression'"):
        ko.fit(net(1, None), (X, 18 + np.arange(200) % 72), **quick)


def test_a_word_beyond_the_vocabulary_is_named(quick):
    words = np.random.default_rng(0).integers(0, 10, (200, 6))
    words[150, 2] = 10
    model = keras.Sequential(
        [L.Embedding(10, 4), L.GlobalAveragePooling1D(), L.Dense(1, "sigmoid")]
    )
    with pytest.raises(ValueError, match=r"train data failed: .*= 10 is not in"):
        ko.fit(model, (words, Y), epochs=1, **quick)


@pytest.mark.parametrize(
    ("samples", "message"), [(X[:0], "empty"), (X * np.nan, "NaN or infinite")]
)
def test_no_samples_and_broken_ones_are_not_measured(samples, message, quick):
    run = ko.fit(net(), (X, Y), epochs=1, **quick)
    with pytest.raises(ValueError, match=message):
        run.evaluate((samples, Y[: len(samples)]))
    with pytest.raises(ValueError, match=message):
        run.predict(samples)


def test_another_loss_is_refused_on_resume(quick):
    given = {"epochs": 3, "task": "regression", **quick}
    y = X[:, 0]
    with pytest.raises(OSError, match="no connection"):
        ko.fit(net(1, None), (X, y), loss="mae", callbacks=[Fails("epoch")], **given)
    with pytest.raises(ValueError, match="loss was"):
        ko.fit(net(1, None), (X, y), loss="mape", resume=True, **given)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, number):
        rows = slice(40 * number, 40 * number + 40)
        return X[rows], Y[rows]


STREAMS = {
    "tf.data": lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(64),
    "PyDataset": Batches,
    "function": lambda: lambda: iter([(X[:50], Y[:50]), (X[50:], Y[50:])]),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_streams_are_measured_and_predicted(kind, quick):
    run = ko.fit(net(), (X, Y), epochs=1, **quick)
    expected = run.model.predict(X, verbose=0)[:, 0]
    np.testing.assert_allclose(run.predict(STREAMS[kind]())[:, 1], expected, rtol=1e-5)
    found = run.evaluate(STREAMS[kind]())
    assert found["auc"] == pytest.approx(roc_auc_score(Y, expected), rel=1e-6)


def test_a_stream_without_task_is_measured_by_loss_and_metrics(quick):
    entry = keras.Input((6,))
    model = keras.Model(entry, [L.Dense(1)(entry), L.Dense(1)(entry)])
    model.compile("sgd", ["mse", "mse"])
    targets = (X[:, :1], X[:, 1:2])
    run = ko.fit(model, (X, targets), epochs=1, **quick)
    stream = tf.data.Dataset.from_tensor_slices((X, targets)).batch(50)
    expected = run.evaluate((X, targets))["loss"]
    assert run.evaluate(stream)["loss"] == pytest.approx(expected, rel=1e-5)


def test_endless_streams_and_samples_alone_are_not_measured(quick):
    run = ko.fit(net(), (X, Y), epochs=1, **quick)
    endless = STREAMS["tf.data"]().repeat()
    with pytest.raises(ValueError, match="take"):
        run.evaluate(endless)
    for data in (X, STREAMS["tf.data"]().map(lambda x, y: (x,))):
        with pytest.raises(ValueError, match="needs labels too"):
            run.evaluate(data)


@pytest.mark.parametrize("loss", ["mse", keras.losses.Huber()])
def test_a_loss_of_numbers_makes_zeros_and_ones_a_regression(loss, quick):
    model = net(1, None)
    model.compile("adam", loss)
    run = ko.fit(model, (X, Y), epochs=1, **quick)
    assert run.task.name == "regression"
    expected = root_mean_squared_error(Y, model.predict(X, verbose=0)[:, 0])
    assert run.evaluate((X, Y))["rmse"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.with_report
def test_a_step_that_logs_no_loss_gets_its_report(quick):
    class Own(keras.Model):
        def __init__(self, **given):
            super().__init__(**given)
            self.layer = L.Dense(6)

        def call(self, x):
            return self.layer(x)

        def train_step(self, data):
            return {"distance": tf.reduce_mean((self(data[0]) - data[0]) ** 2)}

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run = ko.fit(Own(), (X, X), epochs=2, **quick)
    assert (run.directory / "report.html").is_file()


def test_the_epoch_that_is_kept_is_printed(quick, capsys):
    quick["verbose"] = True
    keras.utils.set_random_seed(0)  # Some weights are better after a few epochs.
    model = keras.Sequential([keras.Input((6,)), L.Dense(1, "sigmoid")])
    data = {"validation_data": (X[150:], 1 - Y[150:])}  # It gets worse and worse.
    ko.fit(model, (X[:150], Y[:150]), epochs=9, patience=2, **data, **quick)
    assert "Done: 3 epochs (the best, 1, kept)" in capsys.readouterr().err


def test_images_as_targets_ask_for_a_loss_and_are_measured_as_scaled(quick):
    images = np.random.default_rng(0).integers(0, 256, (90, 8, 8, 1)).astype("uint8")
    targets = images / np.float32(255)
    model = keras.Sequential([L.Conv2D(1, 3, padding="same")])
    with pytest.raises(ValueError, match="loss='mse'"):
        ko.fit(model, (images, targets), **quick)
    run = ko.fit(model, (images, targets), loss="mse", epochs=2, **quick)
    expected = np.mean((model.predict(targets, verbose=0) - targets) ** 2)
    stream = tf.data.Dataset.from_tensor_slices((images, targets)).batch(30)
    for data in ((images, targets), (targets, targets), stream):
        assert run.evaluate(data)["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_resumed_training_asks_for_what_it_lacks(quick):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    held = {"validation_data": (X[:50], Y[:50]), "metrics": ["auc"]}
    with pytest.raises(KeyboardInterrupt):
        ko.fit(net, (X, Y), epochs=2, callbacks=[Stop()], **held, **quick)
    given = {"model": net, "data": (X, Y), "verbose": False}
    with pytest.raises(ValueError, match="x_validation, y_validation missing"):
        ko.resume(quick["directory"], **given)
    given["validation_data"] = held["validation_data"]
    with pytest.raises(ValueError, match=r"metrics was .'auc'. and is None"):
        ko.resume(quick["directory"], **given)
    run = ko.resume(quick["directory"], metrics=["auc"], **given)
    assert len(run.history) == 2 and run.history["val_auc"].notna().all()


class StopsAfter(keras.callbacks.Callback):
    """Breaks off after a batch of the second epoch."""

    def __init__(self, batch):
        super().__init__()
        self.batch, self.epoch = batch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, self.batch):
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        pytest.param(
            lambda: ((X[i : i + 32], Y[i : i + 32]) for i in range(0, 200, 32)),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["arrays", "stream of unknown length"],
)
def test_interrupted_after_the_last_step_of_an_epoch(data, quick, tmp_path):
    given = {"epochs": 3, "deterministic": True, "checkpoint_seconds": 0}
    given |= {"validation_data": (X, Y)}
    with pytest.raises(KeyboardInterrupt):
        ko.fit(net, data, callbacks=[StopsAfter(6)], **given, **quick)
    run = ko.fit(net, data, resume=True, **given, **quick)
    quick["directory"] = tmp_path / "unbroken"
    unbroken = ko.fit(net, data, **given, **quick)
    for name in ("loss", "accuracy", "val_loss"):
        assert run.history[name].tolist() == unbroken.history[name].tolist()


def test_several_outputs_ask_for_a_loss(quick):
    inputs = keras.Input((6,))
    outputs = [L.Dense(1, name="size")(inputs), L.Dense(1, name="kind")(inputs)]
    with pytest.raises(
        ValueError, match=r"several outputs \(size, kind\): give a loss"
    ):
        ko.fit(keras.Model(inputs, outputs), (X, (X[:, 0], Y)), epochs=1, **quick)


def test_no_callbacks_are_none(quick):
    assert len(ko.fit(net, (X, Y), callbacks=None, epochs=1, **quick).history) == 1


def test_validation_that_fails_costs_no_epoch(quick):
    tokens = np.random.default_rng(0).integers(0, 50, (64, 4))
    held_out = tokens.copy()
    held_out[20] = 69  # Beyond the embedding, and beyond the samples of the preflight.
    model = keras.Sequential([L.Embedding(50, 4), L.Flatten(), L.Dense(1, "sigmoid")])
    with pytest.raises(ValueError, match="up to epoch 1, step 2, is kept"):
        ko.fit(
            model,
            (tokens, Y[:64]),
            validation_data=(held_out, Y[:64]),
            epochs=2,
            **quick,
        )


def test_lists_are_predicted_as_arrays(quick):
    run = ko.fit(net, (X, Y), epochs=1, **quick)
    np.testing.assert_array_equal(run.predict(X[:3].tolist()), run.predict(X[:3]))


def test_a_run_without_task_is_compiled_to_be_measured(quick):
    model = keras.Sequential([L.Reshape((3, 2)), L.Dense(2)])
    run = ko.fit(model, (X, X.reshape(-1, 3, 2)), loss="mse", epochs=1, **quick)
    found = run.evaluate((X, X.reshape(-1, 3, 2)))["loss"]
    again = ko.Run(run.directory)
    if not again.model.compiled:
        with pytest.raises(ValueError, match="Compile it first"):
            again.evaluate((X, X.reshape(-1, 3, 2)))
        again.model.compile(loss="mse")
    measured = again.evaluate((X, X.reshape(-1, 3, 2)))["loss"]
    assert measured == pytest.approx(found, rel=1e-5)


def test_an_optimizer_that_goes_on_in_its_schedule_is_said(quick, tmp_path, capsys):
    rate = {"name": "cosine", "initial_learning_rate": 0.05}
    optimizer = {"name": "adam", "learning_rate": rate}
    model = net()
    ko.fit(model, (X, Y), optimizer=optimizer, epochs=1, **quick)
    quick |= {"directory": tmp_path / "again", "verbose": True}
    ko.fit(model, (X, Y), epochs=1, **quick)
    assert "has taken 7 steps of its learning rate" in capsys.readouterr().err


def test_counts_with_a_loss_of_numbers_are_a_regression(quick):
    counts = np.random.default_rng(0).poisson(30, 200)
    for loss in ("mse", "poisson"):
        activation = "exponential" if loss == "poisson" else None
        model = net(1, activation)
        model.compile("adam", loss)
        quick["directory"] = quick["directory"].with_name(loss)
        assert ko.fit(model, (X, counts), epochs=1, **quick).task.name == "regression"


@pytest.mark.parametrize("word", ["learning_rate", "num_classes", "name", "out"])
def test_words_that_stand_elsewhere_are_explained(word, quick):
    with pytest.raises(TypeError, match=f"fit takes no {word}: give "):
        ko.fit(net, (X, Y), **{word: 1}, **quick)


def test_the_epoch_that_keras_brought_back_is_the_kept_one(quick):
    stopping = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    given = {"optimizer": {"name": "sgd", "learning_rate": 2.0}, "epochs": 30}
    noise = np.random.default_rng(1).integers(0, 2, 200)
    run = ko.fit(
        net,
        (X, noise),
        validation_data=(X, 1 - noise),
        callbacks=stopping,
        **given,
        **quick,
    )
    losses = run.history["val_loss"]
    assert run.metrics["kept_epoch"] == losses.idxmin() + 1 < len(losses)
    assert run.metrics["val_loss"] == pytest.approx(losses.min(), rel=1e-4)


def test_samples_by_keras_names_get_a_hint(quick):
    with pytest.raises(TypeError, match=r"takes no x: give fit\(model, \(x, y\)\)"):
        ko.fit(net(), x=X, y=Y, **quick)
    with pytest.raises(TypeError, match=r"fit needs data: fit\(model, \(x, y\)\)"):
        ko.fit(net(), **quick)


def test_numbers_of_numpy_are_settings(quick):
    given = {"batch_size": np.int64(50), "epochs": np.uint8(1), "seed": np.int32(3)}
    run = ko.fit(net(), (X, Y), label_smoothing=np.float32(0.5), **given, **quick)
    found = run.recipe["training"]
    assert [found[name] for name in (*given, "label_smoothing")] == [50, 1, 3, 0.5]
    with pytest.raises(ValueError, match=r"batch_size: .*integer; given: 2\.5"):
        ko.fit(net(), (X, Y), batch_size=np.float64(2.5))


def test_a_size_of_batches_in_the_settings_is_said_to_have_no_effect(quick, capsys):
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(20)
    quick = {**quick, "verbose": True}
    settings = ko.training.TrainingSettings(batch_size=64, epochs=1)
    run = ko.fit(net(), batches, settings=settings, **quick)
    said = "batch_size=64 has no effect on a stream, whose first batch has 20 samples"
    assert said in " ".join(capsys.readouterr().err.split())
    assert said in run.environment["notes"][0]


@pytest.mark.parametrize(
    ("callbacks", "error", "message"),
    [
        ({"every": 3}, ValueError, "needs a 'name'"),
        ([{"every": 3}], ValueError, "needs a 'name'"),
        (3, TypeError, "given: 3 of type int"),
        ([keras.callbacks.TerminateOnNaN], TypeError, r"Call it: TerminateOnNaN\("),
    ],
)
def test_what_is_no_callback(callbacks, error, message, quick):
    with pytest.raises(error, match=message):
        ko.fit(net(), (X, Y), callbacks=callbacks, **quick)
    assert not quick["directory"].exists()


def test_nested_lists_of_callbacks_are_one_list(quick):
    seen = []
    count = keras.callbacks.LambdaCallback(on_train_end=lambda logs: seen.append(1))
    ko.fit(
        net(), (X, Y), callbacks=[[count], ["lookahead", [count]]], epochs=1, **quick
    )
    assert seen == [1, 1]


class Silent(keras.callbacks.Callback):
    """Is of the user's, but gets no logs."""


class Adds(keras.callbacks.Callback):
    """Logs the score, and a note."""

    def on_epoch_end(self, epoch, logs=None):
        logs["score"], logs["note"] = -epoch, "hello"


@pytest.mark.parametrize("other", [Silent, Adds, keras.callbacks.LambdaCallback])
def test_a_plateau_of_what_is_not_logged_is_refused_early(other, quick):
    """Keras finds out after the first epoch, whoever may log it."""
    plateau = {"name": "plateau", "monitor": "scor"}
    message = r"watches 'scor', which isn't logged.*'loss', 'accuracy'"
    with pytest.raises(ValueError, match=message):
        ko.fit(net(), (X, Y), callbacks=[other(), plateau], **quick)
    assert not quick["directory"].exists()


def test_what_a_callback_logs_can_be_watched(quick):
    plateau = {"name": "plateau", "monitor": "score", "mode": "max", "patience": 1}
    run = ko.fit(net(), (X, Y), callbacks=[Adds(), plateau], epochs=4, **quick)
    assert run.history["score"].tolist() == [0, -1, -2, -3]
    assert run.history["learning_rate"].iloc[-1] < 1e-3


def test_texts_in_the_logs_break_no_bar_and_no_curves(quick, capsys):
    given = {**quick, "verbose": True, "epochs": 2}
    run = ko.fit(net(), (X, Y), validation_data=(X, Y), callbacks=[Adds()], **given)
    assert "epoch 2/2" in capsys.readouterr().err
    assert run.history["score"].tolist() == [0, -1]
    assert "note" not in run.history and len(run.history) == 2


def test_tensorflow_failing_in_a_callback_is_not_said_of_a_step(quick):
    """As Keras's own TensorBoard does for a text in the logs."""

    class Breaks(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            tf.strings.to_number("hello")

    with pytest.raises(tf.errors.InvalidArgumentError) as failed:
        ko.fit(net(), (X, Y), callbacks=[Breaks()], epochs=1, **quick)
    assert "hello" in str(failed.value)
    assert "Resume with" in failed.value.__notes__[0]


def test_a_model_beyond_the_memory_is_told_in_a_sentence(quick):
    def huge():
        return net(99_999_999_999)

    with pytest.raises(ValueError, match=r"There isn't enough memory.*OOM"):
        ko.fit(huge, (X, Y), **quick)
    assert not quick["directory"].exists()


class Closed(keras.Model):
    """Can be saved, but not loaded: Keras hands its __init__ a dtype."""

    def __init__(self):
        super().__init__()
        self.dense = L.Dense(1, "sigmoid")

    def call(self, inputs):
        return self.dense(inputs)


class Open(Closed):
    def __init__(self, **kwargs):
        super(Closed, self).__init__(**kwargs)
        self.dense = L.Dense(1, "sigmoid")


class Scales(L.Layer):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def call(self, inputs):
        return inputs * self.by

    def get_config(self):
        return {**super().get_config(), "by": self.by}


@pytest.mark.parametrize(
    ("build", "note"),
    [
        (Closed, r"Closed.__init__ takes no trainable, dtype. Add \*\*kwargs"),
        (Open, None),
        (
            lambda: keras.Sequential([keras.Input((6,)), Scales(2), L.Dense(1)]),
            r"Scales.__init__ takes no name, trainable, dtype. Add \*\*kwargs",
        ),
        (net, None),
    ],
)
def test_what_saves_but_does_not_load_is_said_before_the_training(build, note, quick):
    run = ko.fit(build, (X, Y), epochs=1, **quick)
    classes = {each.__name__: each for each in (Closed, Open, Scales)}
    again = ko.Run.load(run.directory, custom_objects=classes)
    if note is None:
        np.testing.assert_allclose(again.predict(X), run.predict(X), rtol=1e-5)
        assert not any("won't load" in each for each in again.environment["notes"])
        return
    assert any(re.search(note, each) for each in again.environment["notes"])
    with pytest.raises(ValueError, match="can't be loaded"):
        again.predict(X)


def test_a_full_disk_is_not_taken_for_a_model_that_cannot_be_saved(quick, monkeypatch):
    """h5py, which writes such a model's weights, ends the process on a full disk."""

    def full(self, path, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", full)
    monkeypatch.setattr(keras.Model, "save_weights", None)
    with pytest.raises(OSError, match="No space left"):
        ko.fit(net(), (X, Y), epochs=1, **quick)
    assert not list(quick["directory"].glob("model.*"))


def test_a_full_disk_keeps_the_last_checkpoint_and_says_so(quick, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    def then_full(self, path, **kwargs):
        monkeypatch.setattr(np, "savez", full)
        full()

    given = {"epochs": 2, "checkpoint_seconds": 0, **quick}
    with monkeypatch.context() as patched:
        patched.setattr(keras.Model, "save", then_full)
        patched.setattr(np, "savez", np.savez)
        with pytest.raises(OSError, match="No space left") as caught:
            ko.fit(net(), (X, Y), **given)
    assert "is kept. Resume with: kerasopt.resume" in caught.value.__notes__[0]
    monkeypatch.undo()
    assert len(ko.fit(net(), (X, Y), resume=True, **given).history) == 2


def test_weights_alone_are_not_written_without_room(quick, monkeypatch):
    def nothing_free(folder):
        return SimpleNamespace(free=40)

    def unsaveable(self, path, **kwargs):
        raise NotImplementedError("no config")

    monkeypatch.setattr(keras.Model, "save", unsaveable)
    monkeypatch.setattr(keras.Model, "save_weights", None)
    monkeypatch.setattr("kerasopt.files.shutil.disk_usage", nothing_free)
    with pytest.raises(OSError, match="No space left"):
        ko.fit(net(), (X, Y), epochs=1, **quick)


def test_what_is_predicted_and_measured_is_checked(quick):
    run = ko.fit(net(), (X, Y), epochs=1, **quick)
    for given, error, message in (
        (None, TypeError, "x is None"),
        ("a", TypeError, "array of numbers, one row for each sample"),
        (iter([X]), TypeError, "x is a list_iterator"),
        (X.astype(str), TypeError, "dtype <U32"),
        ({"a": X}, TypeError, r"one array of samples .*given: a dict of \['a'\]"),
        ((X, Y), TypeError, "given: a tuple of 2. Give the samples alone"),
    ):
        with pytest.raises(error, match=message):
            run.predict(given)
    for settings, message in (
        ({"batch_size": 0}, "batch_size must be an integer >= 1"),
        ({"batch_size": "a"}, "batch_size must be an integer >= 1"),
        ({"tta_share": 0.5}, "no effect without tta"),
    ):
        with pytest.raises(ValueError, match=message):
            run.predict(X, **settings)
    for given, kind in (
        (None, "a NoneType"),
        ("test", "a str"),
        ({"x": X}, "a dict"),
        ((X, Y, Y, Y), "a tuple of 4"),
    ):
        with pytest.raises(TypeError, match=f"The data to measure .*given: {kind}"):
            run.evaluate(given)
    with pytest.raises(TypeError, match="custom_objects must be a dict"):
        ko.Run.load(run.directory, custom_objects=3)


def test_samples_of_several_inputs_have_the_inputs_names(quick):
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    model = keras.Model({"a": a, "b": b}, L.Dense(1, "sigmoid")(L.Add()([a, b])))
    run = ko.fit(model, ({"a": X, "b": X}, Y), epochs=1, **quick)
    assert run.predict({"b": X, "a": X.tolist()}).shape == (200, 2)
    with pytest.raises(ValueError, match=r"inputs are \['a', 'b'\]; given: .*'c'"):
        run.predict({"a": X, "c": X})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"verbose": "no"}, "verbose must be True or False; given: 'no'"),
        ({"verbose": None}, "verbose must be True or False"),
        ({"verbose": 3}, "verbose must be True or False"),
        ({"resume": "runs/mine"}, "resume must be True or False; given: 'runs/mine'"),
        ({"recipe": 3}, "recipe must be the fields of a recipe, .*given: 3"),
        ({"recipe": {}}, "recipe must be the fields of a recipe"),
        ({"model": 3}, "model must be a keras.Model or a function"),
        ({"model": L.Dense(3)}, "model must be .*; given: Dense"),
        ({"model": lambda: net}, "must return a keras.Model; it returned: function"),
        ({"model": lambda units: net(units, "relu")}, "'units'. Give lambda: build"),
    ],
)
def test_arguments_of_a_wrong_type_are_refused(given, message, quick):
    with pytest.raises(TypeError, match=message):
        ko.fit(**{"model": net(), "data": (X, Y), "epochs": 1, **quick, **given})
    assert not quick["directory"].exists()


def two_inputs():
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    return keras.Model({"a": a, "b": b}, L.Dense(1, "sigmoid")(L.Add()([a, b])))


@pytest.mark.parametrize(
    ("build", "samples", "given"),
    [
        (net, (X, X), "2 arrays"),
        (net, {"x": X}, r"a dict of \['x'\]"),
        (two_inputs, X, "1 arrays"),
        (two_inputs, {"a": X, "c": X}, r"a dict of \['a', 'c'\]"),
    ],
)
def test_samples_for_other_inputs_are_refused(build, samples, given, quick):
    """Keras drops what there is no input for, with a warning."""
    with pytest.raises(ValueError, match=f"The model's inputs are .* are {given}"):
        ko.fit(build(), (samples, Y), epochs=1, **quick)


# Keras warns of columns that no input takes, and leaves them out.
@pytest.mark.filterwarnings("ignore:(?s).*structure of `inputs` doesn't match")
def test_columns_that_no_input_takes_are_accepted(quick):
    run = ko.fit(two_inputs(), ({"a": X, "b": X, "c": X}, Y), epochs=1, **quick)
    assert run.metrics["epochs"] == 1
    assert run.predict({"a": X, "b": X}).shape == (200, 2)


@pytest.mark.parametrize("name", ["loss", "val_loss", "val_mine"])
def test_a_metric_does_not_take_the_name_of_another_value(name, quick):
    mine = keras.metrics.BinaryAccuracy(name=name)
    with pytest.raises(ValueError, match=f"A metric has the name '{name}'"):
        ko.fit(net(), (X, Y), metrics=["accuracy", mine], epochs=1, **quick)


@pytest.mark.parametrize("last", ["relu", "tanh"])
def test_a_classifier_that_ends_as_a_hidden_layer_is_refused(last, quick):
    with pytest.raises(ValueError, match=f"ends in {last}, .* aren't probabilities"):
        ko.fit(net(2, last), (X, Y), epochs=1, **quick)
    ko.fit(net(1, last), (X, X[:, :1]), epochs=1, **quick)


def test_a_batch_of_too_many_parts_is_refused_by_name(quick):
    batches = tf.data.Dataset.from_tensor_slices((X, Y, Y, Y)).batch(20)
    with pytest.raises(ValueError, match="train stream gives a batch of 4 parts"):
        ko.fit(net(), batches, epochs=1, **quick)


def test_labels_as_bytes_are_the_names_of_the_training(quick):
    names = np.array(["no", "yes"])[Y]
    run = ko.fit(net(), (X, names.astype("S")), epochs=1, **quick)
    found = [run.evaluate((X, y))["accuracy"] for y in (names, names.astype("S"))]
    assert found[0] == found[1]
