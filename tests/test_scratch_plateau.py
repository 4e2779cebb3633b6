"""kerasopt.scratch.plateau against Keras's callback on the same losses."""

import keras
import numpy as np
import pytest

from kerasopt.scratch.plateau import reduce_on_plateau


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 2},
        {"patience": 3, "cooldown": 2, "factor": 0.5},
        {"patience": 3, "minimum": 0.01, "min_delta": 0.02},
    ],
)
def test_plateau_is_keras_reduce_lr_on_plateau(settings):
    losses = np.random.default_rng(0).uniform(0.9, 1, 40) * 0.97 ** np.arange(40)
    losses[15:] = losses[15]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.train_on_batch(np.zeros((1, 1)), np.zeros((1, 1)))
    renamed = {("min_lr" if k == "minimum" else k): v for k, v in settings.items()}
    callback = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", **renamed)
    callback.set_model(model)
    callback.on_train_begin()
    theirs = [0.1]
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": float(loss)})
        theirs.append(float(model.optimizer.learning_rate))
    settings = {"factor": 0.1, **settings}
    ours = reduce_on_plateau(losses, initial=0.1, **settings)
    assert 1 < len(set(ours)) < 20
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_plateau_falls_by_the_loss_and_cyclical_does_not():
    flat, falling = np.ones(30), 0.9 ** np.arange(30)
    assert reduce_on_plateau(flat, initial=0.1, patience=5)[-1] < 0.1
    assert reduce_on_plateau(falling, initial=0.1, patience=5)[-1] == 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"patience": -1},
        {"patience": np.nan},
        {"cooldown": 0.5},
        {"factor": 2.0},
        {"min_delta": -1.0},
        {"minimum": np.inf},
    ],
)
def test_arguments_out_of_range(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must (be|lie)"):
        reduce_on_plateau([1.0, 0.5], initial=0.1, **wrong)
