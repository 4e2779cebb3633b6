"""kerasopt.callbacks: the log, early stopping across restarts, checkpoints."""

import errno

import keras
import numpy as np
import pandas as pd
import pytest

from kerasopt import callbacks, files


def compiled(units=4):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def data(samples=16):
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, 3)), rng.normal(size=(samples, 1))


def checkpoint(path, stopping=None):
    log = callbacks.EpochLog(path.parent / "history.csv")
    return callbacks.Checkpoint(path, log=log, early_stopping=stopping, least_seconds=0)


def test_log_has_every_epoch_with_learning_rate_and_seconds(tmp_path):
    model = compiled()
    log = callbacks.EpochLog(tmp_path / "history.csv")
    history = model.fit(*data(), epochs=3, verbose=0, callbacks=[log])
    frame = pd.read_csv(tmp_path / "history.csv")
    assert frame["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(frame["loss"], history.history["loss"], rtol=1e-6)
    assert frame["learning_rate"].tolist() == pytest.approx([0.01] * 3)
    assert (frame["seconds"] > 0).all()


def test_checkpoint_restores_every_variable(tmp_path):
    model = compiled()
    saver = checkpoint(tmp_path / "last.npz")
    model.fit(*data(), epochs=2, verbose=0, callbacks=[saver.log, saver])
    other = compiled()
    other.optimizer.build(other.trainable_variables)
    assert checkpoint(tmp_path / "last.npz").restore(other) == 2
    for group in ("variables", "optimizer.variables"):
        mine, theirs = model, other
        for part in group.split("."):
            mine, theirs = getattr(mine, part), getattr(theirs, part)
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_checkpoint_of_another_model_is_refused(tmp_path):
    saver = checkpoint(tmp_path / "last.npz")
    compiled().fit(*data(), verbose=0, callbacks=[saver.log, saver])
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    other.compile("sgd", "mse")
    with pytest.raises(ValueError, match="belongs to another recipe"):
        checkpoint(tmp_path / "last.npz").restore(other)


def test_early_stopping_goes_on_where_it_was(tmp_path):
    """Keras alone would start counting patience anew."""
    fixed = [5.0, 3.0, 4.0, 4.0, 4.0, 4.0]

    def run(stopping, losses):
        model = compiled()
        stopping.set_model(model)
        stopping.on_train_begin()
        for epoch, loss in losses:
            stopping.on_epoch_end(epoch, {"loss": loss})
            if model.stop_training:
                return epoch
        return None

    epochs = list(enumerate(fixed))
    whole = callbacks.ResumableEarlyStopping(monitor="loss", patience=3)
    assert run(whole, epochs) == 4
    first = callbacks.ResumableEarlyStopping(monitor="loss", patience=3)
    assert run(first, epochs[:3]) is None
    second = callbacks.ResumableEarlyStopping(monitor="loss", patience=3)
    second.remember(first.memory(), first.best_weights)
    assert run(second, epochs[3:]) == 4
    assert second.best == 3.0
    assert second.best_epoch == 1


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch, capsys):
    def no_space(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_flush_to_disk", no_space)
    saver = checkpoint(tmp_path / "last.npz")
    history = compiled().fit(*data(), epochs=2, verbose=0, callbacks=[saver.log, saver])
    assert len(history.history["loss"]) == 2
    assert "No space left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_progress_draws_and_gives_the_terminal_back(capsys):
    progress = callbacks.Progress(epochs=2, steps_per_epoch=1)
    compiled().fit(*data(), epochs=2, verbose=0, callbacks=[progress])
    shown = capsys.readouterr()
    assert "epoch 2/2" in shown.err
    assert shown.out == ""
