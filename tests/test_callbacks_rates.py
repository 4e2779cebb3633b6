"""The learning rate in the history, and lowered by the loss."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt import callbacks

X, Y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")


def compiled(learning_rate=0.1):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    return model


def test_keras_leaves_a_schedules_rate_out_and_the_monitor_puts_it_in():
    schedule = ko.schedules.get("exponential", initial_learning_rate=0.1,
                                decay_rate=0.5, decay_steps=2)  # fmt: skip
    plain = compiled(schedule).fit(X, Y, batch_size=4, epochs=2, verbose=0)
    assert "learning_rate" not in plain.history
    monitor = callbacks.get("learning_rate_monitor")
    seen = compiled(schedule).fit(
        X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[monitor]
    )
    assert seen.history["learning_rate"] == pytest.approx([0.05, 0.025])


@pytest.mark.parametrize(
    "learning_rate",
    [0.05, {"name": "cosine", "initial_learning_rate": 0.05}],
    ids=["constant", "schedule"],
)
def test_a_run_always_has_it(learning_rate, tiny_digits, quick):
    model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(8,))
    optimizer = {"name": "sgd", "learning_rate": learning_rate}
    run = ko.fit(model, tiny_digits, optimizer=optimizer, epochs=2, **quick)
    expected = [0.05, 0.05] if learning_rate == 0.05 else [0.025, 0]
    np.testing.assert_allclose(run.history["learning_rate"], expected, atol=1e-7)


def test_the_rate_falls_on_a_flat_loss_as_keras_has_it():
    settings = {"monitor": "loss", "factor": 0.5, "patience": 2, "min_lr": 0.01}
    flat = np.zeros_like(Y)
    rates = []
    for callback in (
        callbacks.get("plateau", **settings),
        keras.callbacks.ReduceLROnPlateau(**settings),
    ):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.set_weights([np.zeros((2, 1)), np.zeros(1)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        seen = model.fit(X, flat, epochs=12, verbose=0, callbacks=[callback])
        rates.append(seen.history["learning_rate"])
    assert rates[0] == rates[1]
    assert rates[0][0] == pytest.approx(0.1)
    assert rates[0][-1] == pytest.approx(0.01)


SCHEDULE = {"name": "one_cycle", "max_learning_rate": 0.1}


@pytest.mark.parametrize(
    "callback",
    [
        {"name": "reduce_lr_on_plateau", "patience": 1},
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate),
    ],
)
def test_a_plateau_on_a_schedule_is_refused_before_training(
    callback, tiny_digits, quick
):
    model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(8,))
    with pytest.raises(ValueError, match=r"has the schedule OneCycle.*Give the optim"):
        ko.fit(
            model,
            tiny_digits,
            optimizer={"name": "sgd", "learning_rate": SCHEDULE},
            callbacks=[callback],
            epochs=2,
            **quick,
        )
    assert not quick["directory"].exists()


def test_a_plateau_on_a_schedule_is_refused_in_plain_keras_too():
    model = compiled(ko.schedules.OneCycle(0.1, 20))
    with pytest.raises(ValueError, match="whose rate can't be set"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.ReduceLROnPlateau()])


def test_a_schedule_of_a_group_is_found():
    optimizer = ko.optimizers.get(
        "grouped",
        default={"name": "sgd", "learning_rate": 0.1},
        groups={"bias": {"name": "sgd", "learning_rate": ko.schedules.OneCycle(1, 9)}},
    )
    with pytest.raises(ValueError, match="OneCycle"):
        callbacks.check_no_schedule(optimizer, callbacks.ReduceLROnPlateau())


def test_a_resumed_plateau_goes_on_counting(tiny_digits, tmp_path):
    """Stopped after four epochs, it lowers the rate when an unbroken one does."""

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 4:
                raise KeyboardInterrupt

    def train(folder, *extra, resume=False):
        plateau = {"name": "plateau", "monitor": "loss", "patience": 3,
                   "min_delta": 10.0, "factor": 0.5}  # fmt: skip
        model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(8,))
        return ko.fit(
            model,
            tiny_digits,
            optimizer={"name": "sgd", "learning_rate": 0.1},
            callbacks=[plateau, *extra],
            epochs=9,
            directory=tmp_path / folder,
            resume=resume,
            verbose=False,
            devices="cpu",
            checkpoint_seconds=0,
        )

    whole = train("whole").history["learning_rate"]
    with pytest.raises(KeyboardInterrupt):
        train("broken", Stop())
    resumed = train("broken", resume=True).history["learning_rate"]
    np.testing.assert_allclose(resumed, whole)
    np.testing.assert_allclose(whole, [0.1] * 4 + [0.05] * 3 + [0.025] * 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *[
            ({"factor": f}, r"factor must lie in \(0, 1\)")
            for f in (0, 1, -0.5, "half")
        ],
        ({"patience": -1}, "patience must be an integer >= 0"),
        ({"cooldown": -1}, "cooldown must be an integer >= 0"),
        ({"min_lr": "a"}, "min_lr must be a number >= 0"),
        ({"min_delta": -5}, "min_delta must be a number >= 0"),
        ({"mode": "low"}, "Unknown mode 'low'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        callbacks.get("plateau", **arguments)


def test_grouped_rates_under_loss_scaling_are_refused():
    groups = {"bias": {"name": "sgd", "learning_rate": 0.2}}
    inner = ko.optimizers.get("grouped", default="sgd", groups=groups)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.LossScaleOptimizer(inner), "mse")
    with pytest.raises(ValueError, match="one group's rate only"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.ReduceLROnPlateau()])
