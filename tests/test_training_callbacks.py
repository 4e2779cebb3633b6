"""Callbacks get the calls that Keras's `fit` gives them, and do what they do there."""

import inspect
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from thinning import slow_unless

import kerasopt as ko
from kerasopt.data import pipeline
from kerasopt.training import DivergedError

pytestmark = pytest.mark.usefixtures("no_report")

L, C = keras.layers, keras.callbacks
RNG = np.random.default_rng(0)
SAMPLES, BATCH, STEPS, EPOCHS = 40, 16, 3, 4
X = RNG.normal(size=(SAMPLES, 5)).astype("float32")
Y = np.digitize(X[:, 0], [-0.5, 0.5])
HELD_OUT = (X[:14], Y[:14])
HELD_OUT_BATCH = 8

METHODS = [
    name
    for name, value in inspect.getmembers(C.Callback, inspect.isfunction)
    if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end")
]


class Recorder(C.Callback):
    """Notes each call of each method: its name, its number, the logs."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def note(self, name, number, logs):
        logs = {key: float(value) for key, value in (logs or {}).items()}
        self.calls.append((name, number, tuple(logs), logs.get("loss")))


def _noting(name):
    if "epoch" in name or "batch" in name:
        return lambda self, number, logs=None: self.note(name, number, logs)
    return lambda self, logs=None: self.note(name, None, logs)


for _name in METHODS:
    setattr(Recorder, _name, _noting(_name))


class FormerNames(C.Callback):
    """Overrides the methods for batches by their former names."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def on_batch_begin(self, batch, logs=None):
        self.calls.append(("begin", batch))

    def on_batch_end(self, batch, logs=None):
        self.calls.append(("end", batch, tuple(logs)))


def compiled(optimizer, group=""):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5,))
    hidden = L.ReLU()(L.Dense(8, name="first")(inputs))
    hidden = L.BatchNormalization(momentum=0.9, name="second")(hidden)
    if group == "gradual_unfreezing":
        hidden = keras.Model(inputs, hidden, name="backbone")(inputs)
    hidden = L.Dropout(0.1)(hidden)
    outputs = L.Dense(3, activation="softmax", name="third")(hidden)
    model = keras.Model(inputs, outputs, name="net")
    model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def batches():
    """The batches of all epochs in a row, in the order in which arrays are taken."""
    for epoch in range(EPOCHS):
        rows = pipeline.order(SAMPLES, 0, epoch).numpy()
        for start in range(0, SAMPLES, BATCH):
            part = rows[start : start + BATCH]
            yield X[part], Y[part]


def sgd():
    return keras.optimizers.SGD(0.05, momentum=0.9)


def averaging():
    return keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.8)


def far_too_fast():
    return keras.optimizers.SGD(1e30)


def lambda_callback(seen):
    return C.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((epoch, sorted(logs))),
        on_train_batch_end=lambda batch, logs: seen.append((batch, sorted(logs))),
    )


def listed(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def csv_of(folder):
    return np.genfromtxt(folder / "log.csv", delimiter=",", names=True).tolist()


def scalars(folder):
    """The names and steps of TensorBoard's curves."""
    found = []
    for path in sorted(folder.rglob("events.out.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            found += [(value.tag, event.step) for value in event.summary.value]
    return sorted(found)


def nothing(callback, folder):
    return None


def weights_file(folder, pattern, **arguments):
    return C.ModelCheckpoint(folder / pattern, save_weights_only=True, **arguments)


WATCHERS = {
    "Callback": (lambda folder: C.Callback(), nothing),
    "ModelCheckpoint": (
        lambda folder: weights_file(folder, "{epoch}-{val_loss:.3f}.weights.h5"),
        lambda c, folder: listed(folder),
    ),
    "ModelCheckpoint of the best": (
        lambda folder: weights_file(
            folder, "{epoch}.weights.h5", monitor="val_accuracy", save_best_only=True
        ),
        lambda c, folder: (listed(folder), c.best),
    ),
    "BackupAndRestore": (
        lambda folder: C.BackupAndRestore(folder, delete_checkpoint=False),
        lambda c, folder: listed(folder),
    ),
    "CSVLogger": (
        lambda folder: C.CSVLogger(folder / "log.csv"),
        lambda c, folder: csv_of(folder),
    ),
    "History": (lambda folder: C.History(), lambda c, folder: sorted(c.history)),
    "TensorBoard": (
        lambda folder: C.TensorBoard(str(folder), write_graph=False),
        lambda c, folder: scalars(folder),
    ),
    "ProgbarLogger": (lambda folder: C.ProgbarLogger(), nothing),
    "learning_rate_monitor": (
        lambda folder: ko.callbacks.get("learning_rate_monitor"),
        nothing,
    ),
    "gradient_norms": (
        lambda folder: ko.callbacks.get("gradient_norms", x=X, y=Y),
        lambda c, folder: c.table.round(4).to_numpy().tolist(),
    ),
}
"""Callbacks that change nothing and don't look at batches."""

BATCH_WATCHERS = {
    "former names": (lambda folder: FormerNames(), lambda c, folder: c.calls),
    "ModelCheckpoint of steps": (
        lambda folder: weights_file(folder, "{epoch}-{batch}.weights.h5", save_freq=2),
        lambda c, folder: listed(folder),
    ),
    "BackupAndRestore of steps": (
        lambda folder: C.BackupAndRestore(folder, save_freq=2, delete_checkpoint=False),
        lambda c, folder: listed(folder),
    ),
    "LambdaCallback": (
        lambda folder: lambda_callback([]),
        lambda c, folder: inspect.getclosurevars(c.on_epoch_end).nonlocals["seen"],
    ),
    "TerminateOnNaN": (lambda folder: C.TerminateOnNaN(), nothing),
    "TensorBoard of steps": (
        lambda folder: C.TensorBoard(
            str(folder), write_graph=False, update_freq=2, histogram_freq=1
        ),
        lambda c, folder: scalars(folder),
    ),
}
"""Callbacks that change nothing and look at batches."""

ACTORS = {
    "EarlyStopping": (
        lambda folder: C.EarlyStopping(
            "val_loss", patience=1, min_delta=0.5, restore_best_weights=True
        ),
        lambda c, folder: (c.stopped_epoch, c.best_epoch, c.wait),
    ),
    "ReduceLROnPlateau": (
        lambda folder: C.ReduceLROnPlateau("loss", patience=1, min_delta=1.0),
        lambda c, folder: float(c.model.optimizer.learning_rate.numpy()),
    ),
    "LearningRateScheduler": (
        lambda folder: C.LearningRateScheduler(lambda epoch, rate: rate * 0.7),
        lambda c, folder: float(c.model.optimizer.learning_rate.numpy()),
    ),
    "SwapEMAWeights": (lambda folder: C.SwapEMAWeights(), nothing),
    "SwapEMAWeights of epochs": (
        lambda folder: C.SwapEMAWeights(swap_on_epoch=True),
        nothing,
    ),
    "TerminateOnNaN of NaN": (lambda folder: C.TerminateOnNaN(), nothing),
    "lookahead": (
        lambda folder: ko.callbacks.get("lookahead", every=2, decay=0.5, ramp=0),
        nothing,
    ),
    "freeze": (
        lambda folder: ko.callbacks.get("freeze", layers="first", after=0.5),
        nothing,
    ),
    "gradual_unfreezing": (
        lambda folder: ko.callbacks.get("gradual_unfreezing", last=1, every=2),
        nothing,
    ),
    "reduce_lr_on_plateau": (
        lambda folder: ko.callbacks.get(
            "plateau", monitor="loss", patience=1, min_delta=1.0
        ),
        lambda c, folder: float(c.model.optimizer.learning_rate.numpy()),
    ),
    "sharpness_aware": (lambda folder: ko.callbacks.get("sam"), nothing),
}
"""Callbacks that change weights or learning rate, or stop the training."""

GROUPS = {
    "watchers": WATCHERS,
    "watchers of batches": BATCH_WATCHERS,
    **{name: {name: functions} for name, functions in ACTORS.items()},
}
OPTIMIZERS = {
    "SwapEMAWeights": averaging,
    "SwapEMAWeights of epochs": averaging,
    "TerminateOnNaN of NaN": far_too_fast,
}


LEFT_OUT = {"CallbackList", "RemoteMonitor", "OrbaxCheckpoint"}
"""What holds callbacks, what needs a server, and what needs another package."""


def test_the_table_is_complete():
    of_keras = {name for name in dir(C) if inspect.isclass(getattr(C, name))}
    names = {name for group in GROUPS.values() for name in group}
    assert of_keras - LEFT_OUT <= names
    assert set(ko.callbacks.names()) <= names


def made(group, folder):
    """Make a group's callbacks, each with a folder of its own."""
    found = []
    for name, (make, _) in GROUPS[group].items():
        (folder / name).mkdir(parents=True)
        found.append(make(folder / name))
    return found


def results(group, folder, callbacks):
    """Return what a group's callbacks did."""
    return {
        name: result(callback, folder / name)
        for (name, (_, result)), callback in zip(
            GROUPS[group].items(), callbacks, strict=True
        )
    }


def expected_of(group, folder):
    """Train in Keras: (calls, what the callbacks did, weights)."""
    model, recorder = compiled(OPTIMIZERS.get(group, sgd), group), Recorder()
    callbacks = made(group, folder)
    signature = (
        tf.TensorSpec((None, 5), "float32"),
        tf.TensorSpec((None,), Y.dtype),
    )
    stream = tf.data.Dataset.from_generator(batches, output_signature=signature)
    model.fit(
        stream,
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        validation_data=HELD_OUT,
        validation_batch_size=HELD_OUT_BATCH,
        callbacks=[*callbacks, recorder],
        verbose=0,
    )
    return recorder, results(group, folder, callbacks), model.get_weights()


def trained(group, data, folder, own, quick, **arguments):
    """Train here: (what the callbacks did, weights)."""
    model = compiled(OPTIMIZERS.get(group, sgd), group)
    callbacks = made(group, folder)
    arguments = {
        "validation_data": HELD_OUT,
        "evaluation_batch_size": HELD_OUT_BATCH,
        "epochs": EPOCHS,
        "batch_size": BATCH,
        **arguments,
        **quick,
    }
    arguments["callbacks"] = [*callbacks, *own]
    if "of NaN" in group:
        with pytest.raises(DivergedError):
            ko.fit(model, data, **arguments)
    else:
        ko.fit(model, data, **arguments)
    return results(group, folder, callbacks), model.get_weights()


def assert_same_calls(recorder, expected):
    assert recorder.params == expected.params
    assert [call[:3] for call in recorder.calls] == [
        call[:3] for call in expected.calls
    ]
    losses = [
        [math.nan if call[3] is None else call[3] for call in each.calls]
        for each in (recorder, expected)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def assert_same_weights(weights, expected):
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def assert_same_results(found, expected):
    for name, value in expected.items():
        if _is_numbers(value):
            np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)
        else:
            assert found[name] == value, name


def _is_numbers(value):
    try:
        return value is not None and np.asarray(value).dtype.kind in "fi"
    except ValueError:  # Rows of several kinds.
        return False


QUICK_GROUPS = {"watchers", "EarlyStopping"}


@pytest.mark.parametrize("group", slow_unless(QUICK_GROUPS.__contains__, GROUPS))
def test_calls_and_weights_are_those_of_keras(group, quick, tmp_path, monkeypatch):
    """With a callback that wants every batch, and without: in calls of many steps."""
    calls, did, weights = expected_of(group, tmp_path / "keras")

    recorder = Recorder()
    found = trained(group, (X, Y), tmp_path / "arrays", [recorder], quick)
    assert_same_calls(recorder, calls)
    assert_same_results(found[0], did)
    assert_same_weights(found[1], weights)

    quick["directory"] = tmp_path / "of stream"
    folder = tmp_path / "stream"
    found = trained(group, batches, folder, [], quick, steps_per_epoch=STEPS)
    assert_same_results(found[0], did)
    assert_same_weights(found[1], weights)


def test_every_batch_only_for_those_who_ask(quick, monkeypatch):
    """Callbacks that look at batches make calls of one step; others don't."""
    from kerasopt.training.compiled import CompiledSteps

    taken, run_steps = [], CompiledSteps.run

    def noted(self, kind, source, steps, jit="none"):
        found = run_steps(self, kind, source, steps, jit)
        taken.append((kind, found[0]))
        return found

    monkeypatch.setattr(CompiledSteps, "run", noted)

    class AtTestBatches(C.Callback):
        def on_test_batch_end(self, batch, logs=None):
            pass

    arguments = {"epochs": 1, "batch_size": BATCH, "evaluation_batch_size": 8, **quick}
    arguments["jit"] = "none"  # Trying XLA begins with a few steps.
    ko.fit(
        compiled(sgd),
        (X, Y),
        validation_data=HELD_OUT,
        callbacks=[AtTestBatches()],
        **arguments,
    )
    assert taken[:3] == [("train", STEPS), ("test", 1), ("test", 1)]
