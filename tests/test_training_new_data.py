"""What a finished run predicts and measures: data frames, by the names of columns."""

import keras
import numpy as np
import pandas as pd
import pytest

import kerasopt as ko

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(RNG.normal(size=(40, 3)).astype("float32"), columns=list("abc"))
TARGET = FRAME["a"] * 3 - FRAME["c"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    folder = tmp_path_factory.mktemp("runs") / "linear"
    arguments = {"directory": folder, "verbose": False, "epochs": 1}
    validation = (FRAME[["b", "a", "c"]], TARGET)
    ko.fit(model, (FRAME, TARGET), validation_data=validation, **arguments)
    return ko.Run(folder)


def test_columns_in_another_order_predict_the_same(run):
    expected = run.model.predict(FRAME.to_numpy(), verbose=0)
    for given in (FRAME, FRAME[["c", "a", "b"]]):
        np.testing.assert_allclose(run.predict(given), expected, rtol=1e-6)
        found = run.evaluate((given, TARGET))["mae"]
        assert found == pytest.approx(float(np.mean(abs(expected[:, 0] - TARGET))))


def test_a_dataset_of_columns_in_another_order_is_measured_the_same(run):
    other = FRAME[["b", "c", "a"]]
    data = ko.data.from_arrays(other, TARGET, validation=0, test=(other + 1, TARGET))
    expected = run.evaluate((FRAME + 1, TARGET))
    assert run.evaluate(data)["mae"] == pytest.approx(expected["mae"], rel=1e-6)


def test_targets_in_another_order_are_measured_the_same(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    y = pd.DataFrame({"p": FRAME["a"], "q": FRAME["b"] * 9})
    arguments = {"directory": tmp_path / "run", "verbose": False, "epochs": 1}
    data = ko.data.from_arrays(FRAME, y, validation=0)
    held_out = (FRAME[["b", "a", "c"]] + 1, y[["q", "p"]])
    run = ko.fit(model, data, validation_data=held_out, **arguments)
    np.testing.assert_array_equal(
        run.evaluate((FRAME, y[["q", "p"]]))["mae"], run.evaluate((FRAME, y))["mae"]
    )
    expected = np.mean((model.predict(FRAME + 1, verbose=0) - y.to_numpy()) ** 2)
    assert run.history["val_loss"].iloc[0] == pytest.approx(expected, rel=1e-5)


def test_arrays_have_no_names(run):
    x = FRAME.to_numpy()
    np.testing.assert_array_equal(run.predict(x), run.predict(FRAME))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (FRAME[["a", "b"]], "missing: c; not of the training: none"),
        (FRAME.assign(d=1), "missing: none; not of the training: d"),
        (FRAME.rename(columns={"b": "B"}), "missing: b; not of the training: B"),
        (FRAME.set_axis(["a", "a", "c"], axis=1), "missing: b"),
        (FRAME[["a", "b", "c", "c"]], "columns of the training, a, b, c"),
    ],
)
def test_other_columns_are_refused(run, frame, words):
    with pytest.raises(ValueError, match=words):
        run.predict(frame)


def test_validation_data_of_other_columns_are_refused(tmp_path):
    data = ko.data.from_arrays(FRAME, TARGET, validation=0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    held_out = (FRAME.rename(columns={"b": "B"}), TARGET)
    with pytest.raises(ValueError, match="validation x must have the columns"):
        ko.fit(model, data, validation_data=held_out, directory=tmp_path / "run")
