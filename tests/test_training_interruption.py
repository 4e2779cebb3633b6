"""Ctrl-C: where a training stops, and that the handler comes back."""

import math
import signal
import threading

import keras
import pytest

import kerasopt as ko


@pytest.fixture(autouse=True)
def pythons_own_handler():
    """Ctrl-C as in a terminal: a test runner's workers may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class PressCtrlC(keras.callbacks.Callback):
    """Press it at the beginning of a step, and count the steps that end."""

    def __init__(self, at, times=1):
        super().__init__()
        self.at = at
        self.times = times
        self.went_on = False
        self.ended = []

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.at and not self.ended[self.at :]:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)
            self.went_on = True

    def on_train_batch_end(self, batch, logs=None):
        self.ended.append(batch)


def train(tiny_digits, quick, pressed, **more):
    return ko.training.fit(
        ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(32,)),
        tiny_digits,
        epochs=2,
        batch_size=32,
        callbacks=[pressed],
        **quick,
        **more,
    )


def test_the_step_is_ended_first(tiny_digits, quick):
    pressed = PressCtrlC(at=2)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_digits, quick, pressed)
    assert pressed.went_on
    assert pressed.ended == [0, 1, 2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait(tiny_digits, quick):
    pressed = PressCtrlC(at=2, times=2)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_digits, quick, pressed)
    assert not pressed.went_on
    assert pressed.ended == [0, 1]


def test_a_validation_stops_too(tiny_digits, quick):
    class PressInValidation(PressCtrlC):
        def on_test_batch_begin(self, batch, logs=None):
            signal.raise_signal(signal.SIGINT)

    pressed = PressInValidation(at=-1)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_digits, quick, pressed)
    assert len(pressed.ended) == math.ceil(180 / 32)  # one epoch
    assert not (quick["directory"] / "metrics.json").exists()


def test_one_after_the_last_epoch_is_not_lost(tiny_digits, quick):
    class PressAtTheEnd(PressCtrlC):
        def on_train_end(self, logs=None):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tiny_digits, quick, PressAtTheEnd(at=-1))
    assert not (quick["directory"] / "metrics.json").exists()
    run = train(tiny_digits, quick, PressCtrlC(at=-1), resume=True)
    assert run.metrics["epochs"] == 2


def test_a_handler_of_the_users_stays(tiny_digits, quick):
    heard = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    pressed = PressCtrlC(at=2)
    train(tiny_digits, quick, pressed)
    assert heard == [signal.SIGINT]


def test_another_thread_trains_without_a_handler(tiny_digits, quick):
    runs = []
    pressed = PressCtrlC(at=-1)
    thread = threading.Thread(
        target=lambda: runs.append(train(tiny_digits, quick, pressed))
    )
    thread.start()
    thread.join()
    assert runs[0].metrics["epochs"] == 2
