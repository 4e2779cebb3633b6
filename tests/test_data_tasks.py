"""Dataset for every task: what labels, weights and several inputs may be."""

import numpy as np
import pytest

from kerasopt.data import Dataset, count, from_arrays

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype("float32")
Y = np.arange(12) % 3
ROWS = RNG.integers(0, 2, (12, 3))
ROWS[0] = 1


@pytest.mark.parametrize(
    ("y", "task", "num_classes", "dtype", "shape"),
    [
        (Y % 2, "binary", 2, "int64", (12,)),
        ((Y % 2).astype(bool), "binary", 2, "int64", (12,)),
        ((Y % 2).astype("float32"), "binary", 2, "int64", (12,)),
        ((Y % 2)[:, None], "binary", 2, "int64", (12,)),
        (Y, "multiclass", 3, "int64", (12,)),
        (np.eye(3)[Y], "multiclass", 3, "float32", (12, 3)),
        (np.eye(3)[Y] * 0.7 + 0.1, "multiclass", 3, "float32", (12, 3)),
        (ROWS, "multilabel", 3, "float32", (12, 3)),
        (X[:, 0].astype("float64"), "regression", 1, "float32", (12,)),
        (X[:, :1], "regression", 1, "float32", (12, 1)),
        (X[:, :2], "regression", 2, "float32", (12, 2)),
        (Y + 1.0, "regression", 1, "float32", (12,)),
    ],
)
def test_task_is_inferred_from_the_labels(y, task, num_classes, dtype, shape):
    data = Dataset(train=(X, y))
    assert data.task.name == task
    assert data.num_classes == num_classes == len(data.class_names)
    assert (data.train[1].dtype, data.train[1].shape) == (np.dtype(dtype), shape)
    np.testing.assert_allclose(data.train[1].ravel(), np.ravel(y), rtol=1e-6)


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (Y + 1, "multiclass", r"run from 1 to 3.*start at 1: subtract 1 \(y - 1\)"),
        (Y % 2 + 1, "auto", r"start at 1: subtract 1"),
        (Y % 2 * 2 - 1, "auto", r"-1 and 1: use \(y \+ 1\) // 2"),
        (Y, "binary", "4 labels outside 0..1; the first is 2"),
        (np.eye(3)[Y], "binary", "shape .12, 3., but there are 2 classes"),
        (Y + 0.5, "multiclass", "integer labels"),
        (ROWS * 2, "multilabel", "values from 0 to 2"),
        (ROWS - 1.0, "multilabel", "values from -1 to 0"),
        (list("abc") * 4, "regression", "Accepted: numbers"),
        (np.zeros((12, 2, 2)), "regression", "shape"),
        (np.where(Y == 1, np.nan, 1.5), "auto", "4 NaN or infinite values of 12"),
        (np.where(Y == 1, np.inf, 1.5), "regression", "4 NaN or infinite"),
        (np.where(Y == 1, np.nan, 1.0), "multiclass", "4 NaN or infinite"),
        (np.full(12, 1e300), "regression", "12 NaN or infinite"),
        (None, "binary", "train y is None"),
        ({"a": Y}, "binary", "dict of arrays"),
        (Y, "ranking", "Unknown task 'ranking'"),
    ],
)
def test_labels_that_do_not_fit_the_task_are_refused(y, task, message):
    with pytest.raises(ValueError, match=message):
        Dataset(train=(X, y), task=task)


def test_labels_from_one_with_their_number_are_pointed_out():
    with pytest.raises(ValueError, match=r"start at 1: subtract 1 \(y - 1\)"):
        Dataset(train=(X, Y + 1), num_classes=3)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
def test_gaps_in_labels_are_pointed_out(dtype):
    for labels, message in (
        (Y + 1, r"run from 1 to 3.*start at 1: subtract 1 \(y - 1\)"),
        (np.where(Y == 1, 5, Y), "run from 0 to 5, but no sample has the label 1"),
        (Y * 10 + 10, "run from 10 to 30, but no sample has the label 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Dataset(train=(X, labels.astype(dtype)), task="multiclass")


@pytest.mark.parametrize("value", [0, 1, 7])
@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8"])
def test_labels_of_one_class_are_refused_unless_the_number_is_given(value, dtype):
    y = np.full(12, value).astype(dtype)
    for task in ("auto", "binary" if value < 2 else "multiclass"):
        with pytest.raises(ValueError, match="y has one class: every label is"):
            Dataset(train=(X, y), task=task)
    number = max(2, int(y[0]) + 1)
    assert Dataset(train=(X, y), num_classes=number).num_classes == number
    names = [str(i) for i in range(number)]
    assert Dataset(train=(X, y), class_names=names).num_classes == number
    assert Dataset(train=(X, y), task="regression").num_classes == 1


def test_a_class_that_train_lacks_is_named():
    few = (X[Y < 2], Y[Y < 2])
    for split in ("validation", "test"):
        with pytest.raises(ValueError, match=rf"class 'c' has samples in {split}"):
            Dataset(train=few, **{split: (X + 1, Y)}, class_names=list("abc"))
    with pytest.raises(ValueError, match="classes 'b', 'c' have samples in test"):
        Dataset(
            train=(X[:1], Y[:1]),
            test=(X + 1, np.eye(3)[Y].argmax(1)),
            class_names=list("abc"),
        )
    # Meant to be empty everywhere.
    assert Dataset(train=few, num_classes=3).num_classes == 3


def test_without_a_task_the_loss_decides():
    masks = RNG.integers(0, 2, (12, 5, 5))
    data = Dataset(train=(X, masks))
    assert data.task is None and data.num_classes == 0 and data.class_names == ()
    assert data.train[1].dtype == masks.dtype
    assert "classes" not in data.summary() and "classes" not in repr(data)
    assert Dataset(train=(X, None)).train[1] is None
    assert Dataset(train=(X, Y), task=None).task is None
    with pytest.raises(ValueError, match="NaN"):
        Dataset(train=(X, np.full((12, 2, 2), np.nan)))


def test_several_inputs_and_outputs():
    x = {"table": X, "photo": np.zeros((12, 8, 8, 3), "uint8")}
    data = Dataset(
        train=(x, (Y, X)), test=({k: v[:2] + 1 for k, v in x.items()}, (Y[:2], X[:2]))
    )
    assert data.input_shape == {"table": (4,), "photo": (8, 8, 3)}
    assert data.sizes == {"train": 12, "validation": 0, "test": 2}
    assert data.task is None and data.pixel_scale == 1.0
    assert set(data.hashes) == {
        "x_train['table']",
        "x_train['photo']",
        "y_train[0]",
        "y_train[1]",
        "x_test['table']",
        "x_test['photo']",
        "y_test[0]",
        "y_test[1]",
    }
    assert "table: (4,) float32, photo: (8, 8, 3) uint8" in data.summary()
    with pytest.raises(ValueError, match="read-only"):
        data.train[0]["table"][0] = 1
    tuples = Dataset(train=((X, X[:, 0]), Y))
    assert tuples.input_shape == ((4,), (1,))
    assert count(tuples.train) == 12


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ({"a": X, "b": X[:5]}, Y, r"train x\['a'\] has 12 samples and train x\['b'\]"),
        ({"a": X, "b": X * np.nan}, Y, r"train x\['b'\] has 48 NaN"),
        ((X, X), Y[:3], "12 samples and train y has 3 labels"),
        (X, {"a": Y, "b": Y[:3]}, r"train y\['b'\] has 3 labels"),
        ({}, Y, "empty dict"),
    ],
)
def test_bad_inputs_are_named(x, y, message):
    with pytest.raises(ValueError, match=message):
        Dataset(train=(x, y))


def test_inputs_of_splits_must_agree():
    with pytest.raises(ValueError, match="test samples have the shape"):
        Dataset(train=({"a": X}, Y), test=({"b": X + 1}, Y))


WEIGHTS = np.arange(12.0)


def test_weights_are_kept_and_cut_with_their_samples():
    data = Dataset(train=(X, Y), weights={"train": WEIGHTS[:, None]})
    assert data.weights["train"].dtype == np.float32
    assert data.weights["train"].tolist() == WEIGHTS.tolist()
    assert data.weights["test"] is None
    assert "Sample weights: train" in data.summary()
    assert "weights_train" in data.hashes
    cut = from_arrays(X, Y, sample_weight=X[:, 0] ** 2, validation=3)
    for split in ("train", "validation"):
        x, _ = getattr(cut, split)
        np.testing.assert_allclose(cut.weights[split], x[:, 0] ** 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (WEIGHTS[:5], "5 weights for 12 samples"),
        (-WEIGHTS, r"11 negative weights; the first is -1 at index 1"),
        (WEIGHTS * 0, "0 for every sample"),
        (WEIGHTS * np.nan, "12 NaN or infinite"),
        (np.ones((12, 2)), "one number for each sample"),
        (["a"] * 12, "one number for each sample"),
    ],
)
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        Dataset(train=(X, Y), weights={"train": weights})
    with pytest.raises(ValueError, match=message):
        from_arrays(X, Y, sample_weight=weights)


def test_weights_need_their_split():
    with pytest.raises(ValueError, match="test has no arrays"):
        Dataset(train=(X, Y), weights={"test": WEIGHTS})
    with pytest.raises(ValueError, match="Unknown split in weights 'tests'"):
        Dataset(train=(X, Y), weights={"tests": WEIGHTS})


def test_replace_checks_and_keeps():
    data = Dataset(
        train=(X, Y),
        test=(X + 1, Y),
        weights={"train": WEIGHTS},
        class_names=list("abc"),
        name="toy",
    )
    other = data.replace(test=None)
    assert other.test is None and other.name == "toy" and other.class_names == (*"abc",)
    assert other.weights["train"] is not None
    assert data.replace(train=(X[:6], Y[:6])).weights["train"] is None
    regression = data.replace(task="regression")
    assert regression.class_names == ("target",) and regression.num_classes == 1
    assert regression.replace(task="multiclass").num_classes == 3
    with pytest.raises(ValueError, match=r"Unknown argument of Dataset.replace 'tset'"):
        data.replace(tset=None)
    with pytest.raises(ValueError, match="negative weights"):
        data.replace(weights={"train": -WEIGHTS})


def test_replace_keeps_validation_data_that_are_test_data():
    test = (X + 1, Y)
    data = Dataset(
        train=(X, Y), validation=test, test=test, allow_test_as_validation=True
    )
    assert data.replace(name="b").test_is_validation
    assert not data.replace(test=None).test_is_validation


def test_numbers_alone_get_a_feature_axis():
    assert Dataset(train=(np.arange(3.0), [0.5, 1, 2])).input_shape == (1,)


def test_masked_values_are_refused():
    with pytest.raises(ValueError, match="masked"):
        from_arrays(np.ma.masked_less(X, 0), Y)
    assert from_arrays(np.ma.masked_less(X, -99), Y).input_shape == (4,)
