"""from_arrays: shapes and dtypes stay unless samples are images; frames by column."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf

from kerasopt.data import from_arrays, pixel_scale

RNG = np.random.default_rng(0)
Y = np.arange(20) % 2


@pytest.mark.parametrize(
    ("x", "shape", "dtype", "scale"),
    [
        (RNG.normal(size=(20, 15, 3)), (15, 3), "float32", 1),
        (RNG.integers(0, 9000, (20, 30)), (30,), "int64", 1),
        (RNG.integers(0, 255, (20, 30)).astype("int32"), (30,), "int32", 1),
        (RNG.integers(0, 255, (20, 40, 3)), (40, 3), "int64", 1),
        (RNG.integers(0, 2, (20, 40, 20)), (40, 20), "int64", 1),
        (RNG.integers(0, 256, (20, 28, 28)), (28, 28, 1), "uint8", 255),
        (RNG.integers(0, 256, (20, 28, 28)).astype("uint8"), (28, 28, 1), "uint8", 255),
        (RNG.integers(0, 256, (20, 9, 9, 3)).astype("int16"), (9, 9, 3), "uint8", 255),
        (RNG.integers(0, 256, (20, 9, 9, 4)), (9, 9, 4), "uint8", 255),
        (RNG.random((20, 28, 28)), (28, 28), "float32", 1),
        (RNG.random((20, 28, 28, 1)), (28, 28, 1), "float32", 1),
        (RNG.integers(0, 256, (20, 9, 9, 3)) * 1.0, (9, 9, 3), "float32", 255),
        (RNG.integers(0, 17, (20, 8, 8, 1)), (8, 8, 1), "int64", 1),
        (RNG.integers(0, 2, (20, 8, 8, 1)).astype("uint8"), (8, 8, 1), "uint8", 1),
        (RNG.integers(-5, 200, (20, 8, 8, 1)), (8, 8, 1), "int64", 1),
        (RNG.integers(0, 999, (20, 8, 8, 1)), (8, 8, 1), "int64", 1),
        (RNG.integers(0, 256, (20, 6)).astype("uint8"), (6,), "uint8", 1),
        (RNG.integers(0, 2, (20, 6)).astype("uint8"), (6,), "uint8", 1),
        (RNG.integers(0, 256, (20, 4, 9, 9, 3)), (4, 9, 9, 3), "int64", 1),
        (RNG.random((20, 6)) > 0.5, (6,), "float32", 1),
        (tf.constant(RNG.random((20, 6))), (6,), "float32", 1),
        (tf.cast(RNG.random((20, 6)), tf.bfloat16), (6,), "float32", 1),
        (list(range(20)), (1,), "int64", 1),
        (tuple(range(20)), (1,), "int64", 1),
    ],
)
def test_only_images_change(x, shape, dtype, scale):
    data = from_arrays(x, Y, validation=0)
    assert data.input_shape == shape
    assert data.train[0].dtype == dtype
    assert data.pixel_scale == scale == pixel_scale(data.train[0])
    np.testing.assert_allclose(
        data.train[0].ravel().astype("float32"),
        np.asarray(x).ravel().astype("float32"),
        rtol=1e-6,
    )


def test_dark_splits_are_still_pixels():
    bright = RNG.integers(0, 256, (20, 8, 8))
    data = from_arrays(bright, Y, test=(bright % 9, Y), validation=0)
    assert data.test[0].dtype == np.uint8 and data.test[0].shape == (20, 8, 8, 1)


def test_splits_of_two_dtypes_become_floats():
    x = RNG.integers(0, 5, (20, 4))
    data = from_arrays(x, Y, test=(x + 0.5, Y), validation=0)
    assert data.train[0].dtype == data.test[0].dtype == np.float32


def test_frames_are_converted_column_by_column():
    frame = pd.DataFrame(
        {
            "size": [1.5, 2.5, 3.5, 4.5],
            "new": [True, False, True, True],
            "rooms": pd.array([1, 2, 3, 4], dtype="Int64"),
            "lift": pd.array([True, False, True, False], dtype="boolean"),
            "floor": pd.Series([1, 2.5, True, 4], dtype=object),
        }
    )
    data = from_arrays(frame, [0, 1, 0, 1], validation=0)
    assert data.train[0].dtype == np.float32
    assert data.train[0].tolist() == [
        [1.5, 1, 1, 1, 1],
        [2.5, 0, 2, 0, 2.5],
        [3.5, 1, 3, 1, 1],
        [4.5, 1, 4, 0, 4],
    ]
    dummies = pd.get_dummies(pd.Series(list("abca")), dtype="uint8")
    data = from_arrays(dummies, [0, 1, 0, 1], validation=0)
    assert data.train[0].dtype == np.uint8 and data.pixel_scale == 1.0


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["x", "y"], r"the columns 'c' \((object|str)\) don't hold numbers"),
        (pd.Categorical(["x", "y"]), r"'c' \(category\) don't hold numbers"),
        (pd.to_datetime(["2020-01-01", "2021-01-01"]), r"'c' \(datetime64"),
        ([1.0, np.nan], r"missing values in the columns 'c' \(1\)"),
        (
            pd.array([1, None], dtype="Int64"),
            r"missing values in the columns 'c' \(1\)",
        ),
        (
            pd.Series([1, None], dtype=object),
            r"missing values in the columns 'c' \(1\)",
        ),
    ],
)
def test_columns_that_hold_no_numbers_are_named(column, message):
    frame = pd.DataFrame({"a": [1, 2], "c": column})
    with pytest.raises(ValueError, match=message):
        from_arrays(frame, [0, 1])


def test_masked_values_are_refused():
    x = RNG.normal(size=(20, 3))
    masked = np.ma.masked_array(x, x > 0)
    rows = [np.ma.masked_array(row, row > 0) for row in x]
    for samples in (masked, rows, tuple(rows), {"a": masked}):
        with pytest.raises(ValueError, match=r"train x.* has masked values.*filled"):
            from_arrays(samples, Y)
    with pytest.raises(ValueError, match="train y has masked values"):
        from_arrays(x, np.ma.masked_array(Y, Y > 0))
    with pytest.raises(ValueError, match="train sample_weight has masked values"):
        from_arrays(x, Y, sample_weight=np.ma.masked_array(Y + 1, Y > 0))
    data = from_arrays(np.ma.masked_array(x), Y, validation=0)
    np.testing.assert_array_equal(data.train[0], x.astype("float32"))


def test_python_objects_that_are_numbers_are_numbers():
    x = RNG.normal(size=(20, 3))
    mixed = pd.DataFrame({"a": x[:, 0], "b": x[:, 1] > 0}).to_numpy()
    assert mixed.dtype == object
    data = from_arrays(mixed, Y.astype(object), validation=0)
    assert data.train[0].dtype == np.float32 and data.train[1].dtype == np.int64
    whole = from_arrays((x > 0).astype(int).astype(object), Y, validation=0)
    assert whole.train[0].dtype == np.int64
    huge = from_arrays([[10**30]] * 20, Y, validation=0)
    assert huge.train[0].dtype == np.float32
    targets = from_arrays(x, x[:, 0].astype(object), validation=0)
    assert targets.task.name == "regression"
    np.testing.assert_allclose(targets.train[1], x[:, 0], rtol=1e-6)
    assert from_arrays(x, tuple(Y), validation=0).train[1].tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (None, TypeError, "train x is None. Accepted: an array, a list"),
        ((i for i in range(20)), TypeError, "train x is a generator"),
        ({1, 2}, TypeError, "train x is a set"),
        ({"a": {"b": Y}}, TypeError, r"train x\['a'\] is a dict"),
        (scipy.sparse.csr_matrix(np.eye(20)), TypeError, "sparse matrix.*toarray"),
        (np.arange(20).astype("datetime64[D]"), ValueError, "parts of dates"),
        (np.arange(20).astype("timedelta64[s]"), ValueError, "durations as numbers"),
        (np.ones((20, 1)) * 1j, ValueError, "real and imaginary parts"),
        (np.zeros(20, [("a", "f4")]), ValueError, "fields as columns"),
        (pd.Series([np.zeros(3)] * 20), ValueError, r"stack them.*numpy.stack"),
        (pd.Series(["a"] * 20), ValueError, "Encode text and categories"),
        (np.array([[1.5], [None]] * 10, dtype=object), ValueError, "has 10 NaN"),
        (pd.Series([1, None] * 10, dtype="Int64"), ValueError, "has 10 NaN"),
        (["a", ["b"]] * 10, ValueError, "can't be made into one array"),
    ],
)
def test_samples_that_are_no_numbers_are_told_what_to_do(x, error, message):
    with pytest.raises(error, match=message):
        from_arrays(x, Y)


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (np.array([b"a", b"\xff"])[Y], None, r"label b'\\xff', which isn't UTF-8"),
        (Y.astype(str), "regression", "task='regression' predicts numbers"),
        (Y.astype(str), "multilabel", "task='multilabel' predicts numbers"),
    ],
)
def test_texts_that_are_no_labels_are_told_what_to_do(y, task, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(RNG.normal(size=(20, 3)), y, task=task)


def test_arrays_that_refuse_to_be_arrays_are_named():
    class Foreign:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("Call detach() first.")

    with pytest.raises(ValueError, match=r"train x can't be made.*Call detach"):
        from_arrays(Foreign(), Y)


@pytest.mark.parametrize(
    "names", [["a", "b"], ("a", "b"), np.array(["a", "b"]), pd.Index(["a", "b"])]
)
def test_class_names_are_any_sequence(names):
    x = RNG.normal(size=(20, 3))
    assert from_arrays(x, Y, class_names=names).class_names == ("a", "b")
    text = np.array(["b", "a"])[Y]
    data = from_arrays(x, text, class_names=pd.Series(names)[::-1], validation=0)
    assert data.class_names == ("b", "a") and data.train[1].tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"class_names": 3}, TypeError, "class_names is a int. Accepted: a list"),
        ({"class_names": "ab"}, TypeError, "class_names is a str. Accepted: a list"),
        ({"class_names": {"a", "b"}}, TypeError, "class_names is a set"),
        ({"class_names": {0: "a", 1: "b"}}, TypeError, "class_names is a dict"),
        ({"class_names": ["a", None]}, TypeError, "class_names has None of type"),
        ({"class_names": ["a", np.nan]}, TypeError, "class_names has nan of type"),
        ({"class_names": [["a"], ["b"]]}, TypeError, r"class_names has \['a'\]"),
        ({"class_names": ["a", " "]}, ValueError, "class_names has an empty name"),
        ({"class_names": ["a", "a"]}, ValueError, "more than once: a"),
        ({"num_classes": 10**9}, ValueError, "1,000,000,000 is too large"),
        ({"task": []}, ValueError, r"Unknown task '\[\]'"),
        ({"name": None}, TypeError, "name must be text"),
        ({"name": ""}, TypeError, "name must be text"),
        ({"allow_test_as_validation": "no"}, TypeError, "must be True or False"),
        ({"sample_weight": np.full(20, 1e300)}, ValueError, "20 NaN or infinite"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        from_arrays(RNG.normal(size=(20, 3)), Y, **arguments)


def test_labels_that_are_missing_are_named():
    x = RNG.normal(size=(20, 3))
    for y, message in (
        (["", "a"] * 10, "train y has 10 empty labels; the first, '', is at index 0"),
        (["a", np.nan] * 10, "10 empty labels; the first, 'nan', is at index 1"),
        (["a", " "] * 10, "10 empty labels; the first, ' ', is at index 1"),
        (np.array([0, None] * 10, dtype=object), "train y has 10 NaN"),
        (np.array([-1, 0, 1, 0] * 5), "5 labels outside 0..1.*negative label"),
        (range(20), "Class 0 has only one sample"),
    ):
        with pytest.raises(ValueError, match=message):
            from_arrays(x, y)


def test_frames_must_have_the_same_columns():
    frame = pd.DataFrame(RNG.normal(size=(20, 3)), columns=list("abc"))
    other = frame.rename(columns={"c": "d"}) + 1
    message = "test x must have the columns .* missing: c; not of the training: d"
    with pytest.raises(ValueError, match=message):
        from_arrays(frame, Y, test=(other, Y))


def test_columns_of_frames_may_come_in_another_order():
    x = pd.DataFrame(RNG.normal(size=(20, 3)).astype("float32"), columns=list("abc"))
    y = pd.DataFrame(RNG.normal(size=(20, 2)).astype("float32"), columns=["p", "q"])
    plain = from_arrays(x, y, test=(x + 1, y + 1))
    other = from_arrays(x, y, test=(x[list("cab")] + 1, y[["q", "p"]] + 1))
    assert plain.hashes == other.hashes


def test_columns_name_several_targets():
    frame = pd.DataFrame(RNG.normal(size=(20, 2)), columns=["price", "area"])
    data = from_arrays(RNG.normal(size=(20, 3)), frame, validation=0)
    assert data.task.name == "regression" and data.class_names == ("price", "area")
    one = from_arrays(RNG.normal(size=(20, 3)), frame[["price"]], validation=0)
    assert one.train[1].shape == (20,)
    nullable = pd.Series(Y, dtype="Int64")
    assert from_arrays(frame, nullable, validation=0).task.name == "binary"


def test_a_test_part_is_cut_as_a_validation_part_is():
    x, weights = np.arange(40.0).reshape(20, 2), np.arange(20.0)
    arguments = {"sample_weight": weights, "seed": 3}
    data = from_arrays(x, Y, test=0.2, validation=4, **arguments)
    assert data.sizes == {"train": 12, "validation": 4, "test": 4}
    assert np.bincount(data.test[1]).tolist() == [2, 2]
    for split in data.sizes:
        rows, _ = getattr(data, split)
        np.testing.assert_array_equal(data.weights[split], rows[:, 0] / 2)
    rows = np.concatenate([getattr(data, split)[0] for split in data.sizes])
    assert sorted(map(tuple, rows)) == sorted(map(tuple, x))
    assert from_arrays(x, Y, test=np.int64(4)).sizes["test"] == 4
    for size, message in ((20, "test=20 is too large"), (-1, "test=-1 is negative")):
        with pytest.raises(ValueError, match=message):
            from_arrays(x, Y, test=size)
    with pytest.raises(ValueError, match="test must be a pair"):
        from_arrays(x, Y, test=x)


@pytest.mark.parametrize("y", [RNG.normal(size=20), RNG.integers(0, 2, (20, 3)), None])
def test_validation_is_cut_at_random_where_samples_have_no_single_class(y):
    x = RNG.normal(size=(20, 3))
    first, again, other = (
        from_arrays(x, y, validation=0.25, seed=seed) for seed in (0, 0, 1)
    )
    assert first.sizes == {"train": 15, "validation": 5, "test": 0}
    rows = [*first.train[0], *first.validation[0]]
    assert sorted(map(tuple, rows)) == sorted(map(tuple, x.astype("float32")))
    assert first.hashes == again.hashes != other.hashes
    if y is not None:
        assert len(first.validation[1]) == 5


def test_several_inputs_are_converted_and_cut_together():
    x = {"ids": np.arange(20)[:, None], "photo": RNG.integers(0, 256, (20, 8, 8))}
    data = from_arrays(x, {"a": np.arange(20), "b": np.arange(20.0)}, validation=5)
    assert data.input_shape == {"ids": (1,), "photo": (8, 8, 1)}
    assert data.train[0]["photo"].dtype == np.uint8
    for split in (data.train, data.validation):
        ids = split[0]["ids"][:, 0]
        assert split[1]["a"].tolist() == split[1]["b"].tolist() == ids.tolist()
        np.testing.assert_array_equal(split[0]["photo"][..., 0], x["photo"][ids])
    pair = from_arrays((x["ids"], x["photo"]), Y, validation=0)
    assert isinstance(pair.train[0], tuple)
    with pytest.raises(ValueError, match="test x has the inputs one array"):
        from_arrays(x, Y, test=(x["ids"], Y))


def test_validation_and_test_may_bring_weights():
    x = RNG.normal(size=(20, 3))
    data = from_arrays(
        x, Y, validation=(x + 1, Y, np.ones(20)), test=(x + 2, Y, np.arange(20))
    )
    assert data.weights["validation"].sum() == 20 and data.weights["test"][19] == 19
    with pytest.raises(ValueError, match=r"\(x, y, sample_weight\).*of 4"):
        from_arrays(x, Y, test=(x, Y, Y, Y))
    with pytest.raises(ValueError, match="test has no y, but train has"):
        from_arrays(x, Y, test=(x, None))


def test_task_can_be_given():
    x = RNG.normal(size=(20, 3))
    counts = np.arange(20) % 4
    assert from_arrays(x, counts).task.name == "multiclass"
    regression = from_arrays(x, counts, task="regression")
    assert regression.task.name == "regression" and regression.num_classes == 1
    assert from_arrays(x, counts * 1.0, task="multiclass").num_classes == 4


def test_arrays_are_not_copied_without_a_cut():
    x = RNG.normal(size=(20, 3)).astype("float32")
    assert np.shares_memory(from_arrays(x, Y, validation=0).train[0], x)
    pixels = RNG.integers(0, 256, (20, 8, 8, 3)).astype("uint8")
    assert np.shares_memory(from_arrays(pixels, Y, validation=None).train[0], pixels)


def peak_share(array, work):
    """Return the most memory that `work` takes, as a share of an array's."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / array.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_copied_once_at_most(dtype, order):
    x = np.asarray(RNG.integers(0, 256, (1000, 64, 64, 9)), dtype=dtype, order=order)
    y = np.arange(1000) % 10
    kept = []
    assert peak_share(x, lambda: kept.append(from_arrays(x, y, validation=0))) < 0.3
    assert peak_share(x, lambda: kept[0].hashes) < 0.3
    assert peak_share(x, lambda: from_arrays(x, y, validation=0.2)) < 1.3
