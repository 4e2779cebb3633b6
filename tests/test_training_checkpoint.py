"""kerasopt.training.checkpoint: all state of a training, saved and brought back."""

import errno
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt import callbacks, files
from kerasopt.training import Trainer
from kerasopt.training.checkpoint import Checkpoint, copy_unended
from kerasopt.training.sources import ArraySource
from kerasopt.training.trainer import make_variables

RNG = np.random.default_rng(0)
X = tf.constant(RNG.normal(size=(16, 3)), tf.float32)
Y = tf.constant(RNG.normal(size=(16, 1)), tf.float32)


def compiled():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    make_variables(model, (X, Y))
    return model


def checkpoint(path, model, *kept):
    return Checkpoint(path, model, kept, least_seconds=0)


def train(model, saver, *active, epochs=2):
    trainer = Trainer(
        model,
        ArraySource((X, Y), 8),
        epochs=epochs,
        callbacks=active,
        after_call=lambda: saver.save_if_due(trainer),
    )
    return trainer.run().history


def variables(model):
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def test_every_variable_comes_back(tmp_path):
    model = compiled()
    train(model, checkpoint(tmp_path / "last.npz", model))
    other = compiled()
    position = checkpoint(tmp_path / "last.npz", other).restore()
    assert position == {"epoch": 2, "step": 0, "logs": None, "jit": "none"}
    for a, b in zip(variables(model), variables(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_that_of_another_model_is_refused(tmp_path):
    model = compiled()
    train(model, checkpoint(tmp_path / "last.npz", model))
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    other.compile("sgd", "mse")
    with pytest.raises(ValueError, match="belongs to another model"):
        checkpoint(tmp_path / "last.npz", other).restore()


def test_one_of_version_0_1_is_refused(tmp_path):
    model = compiled()
    train(model, checkpoint(tmp_path / "last.npz", model))
    with np.load(tmp_path / "last.npz") as saved:
        arrays = dict(saved)
    state = json.loads(str(arrays.pop("state")))
    del state["version"]
    np.savez(tmp_path / "old.npz", state=np.array(json.dumps(state)), **arrays)
    with pytest.raises(ValueError, match="another version of kerasopt"):
        checkpoint(tmp_path / "old.npz", model).restore()


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_damaged_one_is_refused(content, tmp_path):
    (tmp_path / "last.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged.*Delete it to start"):
        checkpoint(tmp_path / "last.npz", compiled()).restore()


def test_early_stopping_resumes_its_count(tmp_path):
    """Keras alone would start counting patience anew."""
    model, losses = compiled(), [5.0, 3.0, 4.0, 4.0, 4.0, 4.0]

    def run(stopping, epochs, saver=None):
        model.stop_training = False
        stopping.set_model(model)
        stopping.on_train_begin()
        if saver:
            saver.restore()
            saver.remind()
        for epoch in epochs:
            stopping.on_epoch_end(epoch, {"loss": losses[epoch]})
            if model.stop_training:
                return epoch
        return None

    def new():
        return callbacks.EarlyStopping(monitor="loss", patience=3)

    assert run(new(), range(6)) == 4
    first, second = new(), new()
    assert run(first, range(3)) is None
    jit = SimpleNamespace(settled=True, now="none")
    position = SimpleNamespace(epoch=3, step=0, logs=None, jit=jit)
    checkpoint(tmp_path / "last.npz", model, first).save(position)
    saver = checkpoint(tmp_path / "last.npz", model, second)
    assert run(second, range(3, 6), saver) == 4
    assert (second.best, second.best_epoch) == (3.0, 1)
    for kept, best in zip(second.best_weights, first.best_weights, strict=True):
        np.testing.assert_array_equal(kept, best)


class Remembers(keras.callbacks.Callback):
    """Has all kinds of attributes that a callback may keep."""

    def __init__(self, **attributes):
        super().__init__()
        vars(self).update(attributes)


def test_what_a_callback_remembers_comes_back(tmp_path):
    kept = {
        "count": 3,
        "name": "a",
        "none": None,
        "array": np.arange(3.0),
        "scalar": np.float32(0.5),
        "rows": [{"loss": 1.0}, {"loss": np.float64(0.5)}],
        "pair": (1, [2, np.arange(2)]),
    }
    model = compiled()
    callback = Remembers(**dict.fromkeys(kept), patience=1)
    saver = checkpoint(tmp_path / "last.npz", model, callback)
    for name, value in kept.items():
        setattr(callback, name, value)
    train(model, saver)
    new = Remembers(**dict.fromkeys(kept), patience=2, own=print)
    saver = checkpoint(tmp_path / "last.npz", compiled(), new)
    saver.restore()
    saver.remind()
    for name, value in kept.items():
        np.testing.assert_equal(getattr(new, name), value)
        assert type(getattr(new, name)) is type(value)
    assert new.own is print
    assert new.patience == 2  # No part of the training changed it.


def test_a_copy_is_that_of_a_training_which_continues(tmp_path):
    model = compiled()
    stop = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", True)
    )
    train(model, checkpoint(tmp_path / "last.npz", model), stop)
    ended = checkpoint(tmp_path / "last.npz", compiled())
    ended.restore()
    assert ended.ended
    copy_unended(tmp_path / "last.npz", tmp_path / "copy.npz")
    copied = checkpoint(tmp_path / "copy.npz", compiled())
    assert copied.restore()["epoch"] == 1
    assert not copied.ended


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch, capsys):
    def no_space(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_flush_to_disk", no_space)
    model, log = compiled(), callbacks.EpochLog(tmp_path / "history.csv")
    history = train(model, checkpoint(tmp_path / "last.npz", model, log), log)
    assert len(history["loss"]) == 2
    assert "No space left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
