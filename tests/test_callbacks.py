"""kerasopt.callbacks: the log of a run and its progress bar."""

import keras
import numpy as np
import pandas as pd
import pytest

from kerasopt import callbacks


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


def test_log_has_every_epoch_with_learning_rate_and_seconds(tmp_path):
    model = compiled()
    log = callbacks.EpochLog(tmp_path / "history.csv")
    history = model.fit(*data(), epochs=3, verbose=0, callbacks=[log])
    frame = pd.read_csv(tmp_path / "history.csv")
    assert frame["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(frame["loss"], history.history["loss"], rtol=1e-6)
    assert frame["learning_rate"].tolist() == pytest.approx([0.01] * 3)
    assert (frame["seconds"] > 0).all()


def test_the_log_counts_the_epochs_itself(tmp_path):
    """Resuming goes by them; a callback may log something of that name."""
    log = callbacks.EpochLog(tmp_path / "history.csv")
    log.set_model(compiled())
    for epoch in range(2):
        log.on_epoch_begin(epoch)
        log.on_epoch_end(epoch, {"epoch": 77.0, "loss": 0.5})
    assert [*pd.read_csv(tmp_path / "history.csv")["epoch"]] == [1, 2]


def test_a_callback_may_log_under_a_key_that_is_no_text(tmp_path):
    """TensorBoard asks the names of the logs how they begin."""
    log = callbacks.EpochLog(tmp_path / "history.csv")
    curves = callbacks.Curves(str(tmp_path), write_graph=False)
    adds = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda _, logs: logs.update({3: 1})
    )
    model = compiled()
    model.fit(*data(), verbose=0, callbacks=[adds, log, curves])
    assert pd.read_csv(tmp_path / "history.csv")["3"].tolist() == [1]


def test_progress_draws_and_gives_the_terminal_back(capsys):
    progress = callbacks.Progress(epochs=2, steps_per_epoch=1)
    compiled().fit(*data(), epochs=2, verbose=0, callbacks=[progress])
    shown = capsys.readouterr()
    assert "epoch 2/2" in shown.err
    assert shown.out == ""


def test_progress_counts_epochs_where_their_length_is_unknown(capsys):
    """As of a stream that tells its end only when it comes."""
    progress = callbacks.Progress(epochs=2, steps_per_epoch=None)
    compiled().fit(*data(), epochs=2, verbose=0, callbacks=[progress])
    shown = capsys.readouterr().err
    assert "epoch 1/2" in shown and "epoch 2/2" in shown


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"monitor": 3}, "monitor must be a text"),
        ({"patience": -1}, "patience must be an integer >= 0"),
        ({"patience": "a"}, "patience must be an integer >= 0"),
        ({"mode": "largest"}, "mode must be one of 'auto', 'min', 'max'"),
    ],
)
def test_early_stopping_checks_its_arguments(given, message):
    with pytest.raises(ValueError, match=message):
        callbacks.EarlyStopping(**{"monitor": "loss", "patience": 1, **given})
