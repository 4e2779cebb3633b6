"""Dataset and from_arrays: what is accepted, what is refused, and how."""

import dataclasses
import hashlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from kerasopt import data
from kerasopt.data import Dataset, check_validation, from_arrays, overlap


def images(count, *, seed=0, shape=(6, 5, 3)):
    """Random uint8 images and labels of 4 classes."""
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
    return x, np.arange(count) % 4


def test_what_a_dataset_tells():
    dataset = Dataset(
        train=images(20), test=images(8, seed=1), class_names=list("abcd"), name="toy"
    )
    assert dataset.input_shape == (6, 5, 3)
    assert dataset.num_classes == 4
    assert dataset.class_names == ("a", "b", "c", "d")
    assert dataset.sizes == {"train": 20, "validation": 0, "test": 8}
    assert dataset.validation is None and not dataset.test_is_validation
    assert "train 20, validation 0, test 8" in repr(dataset)
    assert "a, b, c, d" in dataset.summary()


def test_arrays_are_read_only_and_the_users_own_stay_writeable():
    x, y = images(8)
    dataset = Dataset(train=(x, y))
    for array in dataset.train:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert np.shares_memory(dataset.train[0], x)
    x[0] = 0
    y[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.train = None


def test_hashes_are_sha256_of_c_order_bytes():
    x, y = images(8)
    dataset = Dataset(train=(np.asfortranarray(x), y))
    assert dataset.hashes == {
        "x_train": hashlib.sha256(x.tobytes()).hexdigest(),
        "y_train": hashlib.sha256(bytes(y.tolist())).hexdigest(),
    }
    assert dataset.hashes is dataset.hashes


def test_missing_channel_axis_and_label_column_are_mended():
    x, y = images(8, shape=(6, 5))
    dataset = Dataset(train=(x, y[:, np.newaxis]))
    assert dataset.train[0].shape == (8, 6, 5, 1)
    assert dataset.train[1].shape == (8,)


# What is in the samples is no matter here.
@pytest.mark.filterwarnings("ignore:.* test samples are also training samples")
def test_one_hot_labels_are_accepted():
    x, y = images(8)
    dataset = Dataset(train=(x, np.eye(4)[y]), test=(x[::-1], np.eye(4)[y]))
    assert dataset.num_classes == 4
    assert dataset.train[1].dtype == np.float32


X, Y = images(8)
FLOATS = X.astype("float32")
SPOILT = FLOATS.copy()
SPOILT[2, 1, 0, 2] = np.nan
SPOILT[5, 0, 0, 0] = np.inf


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((SPOILT, Y), r"2 NaN or infinite values of 720; the first is nan at .*2, 1"),
        ((X, Y[:-1]), "train x has 8 samples and train y has 7 labels"),
        ((X, [0, 1, 2, 3, 0, 1, 9, 8]), r"2 labels outside 0..3; the first is 9 at"),
        ((X, Y - 1), r"2 labels outside 0..3; the first is -1 at index 0"),
        ((X, Y + 0.5), "Accepted: integer labels"),
        ((X, list("abcdabcd")), "from_arrays maps them"),
        ((X, np.eye(5)[Y]), "5.*but there are 4 classes"),
        ((X, np.eye(4)[Y] * 2), "8 rows that don't sum to 1: row 0 sums to 2"),
        ((X, Y.reshape(2, 2, 2)), "has shape"),
        ((X[:0], Y[:0]), "train x is empty"),
        ((X[np.newaxis], Y), "train x has 1 samples and train y has 8 labels"),
        ((3.0, Y), "a single number"),
        ((np.zeros((8, 3, 32, 32)), Y), "looks like channels first"),
        ((np.full((8, 2), "a"), Y), "must hold numbers"),
        ((np.zeros((8, 2), complex), Y), "must hold numbers"),
        (([[1, 2], [3]], [0, 1]), "can't be made into one array"),
        (X, "must be a pair"),
        (None, "must be a pair"),
        ((X, Y, Y), "must be a pair.*of 3"),
    ],
)
def test_bad_training_data_are_refused(pair, message):
    with pytest.raises(ValueError, match=message):
        Dataset(train=pair, num_classes=4)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ((X[:, :4], Y), r"validation samples have the shape \(4, 5, 3\)"),
        ((FLOATS[::-1] / 255, Y), "divided by 255"),
        ((X[::-1], np.eye(4)[Y]), "either all are integers"),
        ((X[:0], Y[:0]), "validation x is empty"),
        ((X[:2], [0, 11]), "validation y has 1 labels outside 0..3; the first is 11"),
    ],
)
def test_splits_must_agree(split, message):
    with pytest.raises(ValueError, match=message):
        Dataset(train=(X, Y), validation=split, num_classes=4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "at least 2 classes"),
        ({"num_classes": -3}, "at least 2 classes"),
        ({"num_classes": 2.5}, "whole number"),
        ({"num_classes": 4, "class_names": ["a"]}, "1 names for 4 classes"),
    ],
)
def test_bad_class_descriptions_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Dataset(train=(X, Y), **arguments)


def test_labels_that_count_from_one_are_pointed_out():
    with pytest.raises(ValueError, match="from 1 to 4, but no sample has the label 0"):
        Dataset(train=(X, Y + 1))


def test_overlap_counts_rows():
    x, _ = images(10)
    assert overlap(x, x[::-1]) == 1.0
    assert overlap(x, x[:3]) == 0.3
    assert overlap(x, images(10, seed=9)[0]) == 0.0
    assert overlap(x, x.astype("float32")) == 1.0
    assert overlap(x / 3, (x / 3).astype("float32")) == 1.0
    assert overlap(x, x[:, 1:]) == 0.0
    assert overlap(x[:0], x) == 0.0


def test_test_data_are_refused_as_validation_data():
    test = images(10, seed=1)
    # Shuffled, and diluted with foreign rows: still the test set.
    disguised = (
        np.concatenate([test[0][::-1], images(6, seed=2)[0]]),
        np.concatenate([test[1][::-1], images(6)[1]]),
    )
    for validation in (test, disguised):
        arguments = {"train": images(20), "validation": validation, "test": test}
        with pytest.raises(ValueError, match="allow_test_as_validation=True"):
            Dataset(**arguments)
        allowed = Dataset(**arguments, allow_test_as_validation=True)
        assert allowed.test_is_validation
        assert "no honest test score" in allowed.summary()


def test_honest_validation_data_pass():
    dataset = Dataset(
        train=images(20),
        validation=images(10, seed=2),
        test=images(10, seed=1),
        allow_test_as_validation=True,
    )
    assert not dataset.test_is_validation
    assert not check_validation(None, images(4))
    assert not check_validation(images(4), None)


def test_rows_repeated_by_nature_are_no_evidence():
    # A truth table: every split has the same four rows.
    table = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    x, y = np.tile(table, (10, 1)), np.tile([0, 1, 1, 0], 10)
    assert not check_validation((x[:8], y[:8]), (x, y))
    with pytest.raises(ValueError, match="test data"):
        check_validation((x, y), (x, y))


def test_from_arrays_cuts_a_stratified_validation_set_from_train():
    x, y = images(40)
    dataset = from_arrays(x, y, test=images(12, seed=1), validation=8, seed=3)
    assert dataset.sizes == {"train": 32, "validation": 8, "test": 12}
    assert np.bincount(dataset.validation[1]).tolist() == [2, 2, 2, 2]
    assert overlap(dataset.validation[0], x) == 1.0
    assert overlap(dataset.validation[0], dataset.train[0]) == 0.0
    again = from_arrays(x, y, test=images(12, seed=1), validation=8, seed=4)
    assert again.hashes["x_test"] == dataset.hashes["x_test"]
    assert again.hashes["x_validation"] != dataset.hashes["x_validation"]


@pytest.mark.parametrize("nothing", [0, 0.0, None])
def test_from_arrays_without_validation(nothing):
    assert from_arrays(X, Y, validation=nothing).validation is None


def test_from_arrays_takes_a_validation_pair_and_refuses_the_test_set():
    validation, test = images(8, seed=5), images(8, seed=6)
    assert from_arrays(X, Y, validation=validation, test=test).sizes["validation"] == 8
    with pytest.raises(ValueError, match="validation data are test data"):
        from_arrays(X, Y, validation=test, test=test)
    allowed = from_arrays(
        X, Y, validation=test, test=test, allow_test_as_validation=True
    )
    assert allowed.test_is_validation


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (X, "uint8"),
        (X.astype("int64"), "uint8"),
        (X.astype("int64") + 1000, "int64"),
        (X.astype("float64") / 255, "float32"),
        (FLOATS, "float32"),
        (FLOATS.astype("float16"), "float32"),
        (X > 100, "float32"),
        (X.reshape(8, -1).astype("int32"), "int32"),
        (X.reshape(8, -1), "uint8"),
        (X.reshape(8, -1).tolist(), "int64"),
        ((X > 100).astype("int64"), "int64"),
        (pd.DataFrame(X.reshape(8, -1) / 255), "float32"),
    ],
)
def test_from_arrays_chooses_the_dtype(x, dtype):
    dataset = from_arrays(x, Y, validation=0)
    assert dataset.train[0].dtype == dtype
    np.testing.assert_allclose(
        dataset.train[0].ravel(), np.asarray(x).ravel().astype("float32"), rtol=1e-6
    )


# What is in the samples is no matter here.
@pytest.mark.filterwarnings("ignore:.* test samples are also training samples")
def test_dtype_is_chosen_for_all_splits_together():
    bright = X.astype("int64")
    bright[0] = 300
    dataset = from_arrays(X.astype("int64"), Y, test=(bright, Y), validation=0)
    assert dataset.train[0].dtype == dataset.test[0].dtype == np.int64
    with pytest.raises(ValueError, match="divided by 255"):
        from_arrays(X, Y, test=(FLOATS / 255, Y), validation=0)


def test_values_too_large_for_float32_are_reported():
    x = FLOATS.astype("float64")
    x[3, 0, 0, 0] = 1e300
    with pytest.raises(ValueError, match="1 NaN or infinite"):
        from_arrays(x, Y)


@pytest.mark.parametrize(
    "labels",
    [
        list("dbcadbca"),
        np.array(list("dbcadbca")),
        np.array(list("dbcadbca"), dtype="S1"),
        np.array(list("dbcadbca"), dtype=object),
        np.array(list("dbcadbca"))[:, np.newaxis],
        pd.Series(list("dbcadbca")),
        pd.Series(list("dbcadbca"), dtype="category"),
    ],
)
def test_names_as_labels_are_numbered_in_sorted_order(labels):
    dataset = from_arrays(X, labels, validation=0)
    assert dataset.class_names == ("a", "b", "c", "d")
    assert dataset.train[1].tolist() == [3, 1, 2, 0, 3, 1, 2, 0]


def test_class_names_give_the_order():
    dataset = from_arrays(X, list("dbcadbca"), class_names=list("dcba"), validation=0)
    assert dataset.train[1].tolist() == [0, 2, 1, 3, 0, 2, 1, 3]


def test_integers_in_an_object_array_are_labels():
    assert from_arrays(X, Y.astype(object), validation=0).train[1].tolist() == list(Y)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b", None, "a", "a", "b", "a", "b"], "None at index 2"),
        (pd.Series(["a", "b", None, "a"] * 2), "mixes names with other values"),
        (["a"] * 8, "at least 2 classes"),
        (np.full((8, 2), "a"), "names need the shape"),
    ],
)
def test_bad_names_as_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(X, labels)


def test_unknown_name_in_the_test_labels_is_named():
    with pytest.raises(ValueError, match=r"test y has 1 labels .* first is 'z'"):
        from_arrays(X, list("abcdabcd"), test=(X[::-1], list("abcdabcz")))


@pytest.mark.parametrize("validation", [8, -1, 1.5, "0.1", True, 3])
def test_bad_validation_sizes_are_refused(validation):
    with pytest.raises(ValueError, match="validation"):
        from_arrays(X, Y, validation=validation)


def test_class_of_one_sample_cannot_be_split():
    with pytest.raises(ValueError, match="only one sample"):
        from_arrays(X[:5], [0, 0, 1, 1, 2], validation=0.4)


def test_num_classes_zero_is_refused():
    with pytest.raises(ValueError, match="at least 2 classes"):
        from_arrays(X, Y, num_classes=0)


def test_tensorflow_and_keras_are_not_imported():
    code = (
        "import sys, numpy, kerasopt; d = kerasopt.data.load('digits', size=100);"
        "print(d.sizes['train'], {'tensorflow', 'keras'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "90 set()"


def test_public_names_exist():
    for name in data.__all__:
        if name != "pipeline":
            assert getattr(data, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        data.missing  # noqa: B018


@pytest.mark.parametrize("split", [3, "a", {"x": 1}])
def test_what_is_no_split_has_no_number_of_samples(split):
    with pytest.raises(TypeError, match="A split must be a pair"):
        data.count(split)


def test_a_share_as_validation_data_is_told_how_to_be_cut():
    with pytest.raises(ValueError, match=r"given: 0\.2\. from_arrays\(x, y, val"):
        data.as_dataset((X, Y), validation_data=0.2)


@pytest.mark.parametrize("names", [["a"], "ab", ["a", "a"], ["a", 1], 3 * ["a"]])
def test_feature_names_name_each_column(names):
    pair = (np.zeros((4, 2)), [0, 1, 0, 1])
    assert Dataset(train=pair, feature_names=["a", "b"]).feature_names == ("a", "b")
    with pytest.raises(ValueError, match=r"one name a column|a list of texts"):
        Dataset(train=pair, feature_names=names)
