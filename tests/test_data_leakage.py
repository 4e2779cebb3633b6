"""Samples in two splits at once are noticed."""

import warnings

import numpy as np
import pytest

from kerasopt.data import Dataset, check_validation, from_arrays
from kerasopt.data.leakage import rows_in_both
from kerasopt.data.row_digests import row_digests
from kerasopt.fetching.hashing import sha256

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype("float32")
Y = np.arange(60) % 2


def test_test_data_as_validation_in_another_dtype():
    test = (X[:20].astype("float64") / 3, Y[:20])
    for dtype in ("float32", "float16"):
        copy = (test[0].astype(dtype), test[1])
        with pytest.raises(ValueError, match="validation data are test data"):
            check_validation(copy, test)
        with pytest.raises(ValueError, match="validation data are test data"):
            check_validation(test, copy)
    images = RNG.integers(0, 256, (30, 8, 8, 1))
    with pytest.raises(ValueError, match="test data"):
        check_validation((images.astype("uint8"), None), (images.astype("f4"), None))


def test_test_data_as_validation_when_every_sample_stands_twice():
    test = X[20:40]
    twice = np.concatenate([test, test])
    for validation, given in ((twice, twice), (test, twice), (twice, test)):
        with pytest.raises(ValueError, match="validation data are test data"):
            check_validation((validation, None), (given, None))
    with pytest.raises(ValueError, match="validation data are test data"):
        check_validation((twice[::-1], None), (np.repeat(test, 2, axis=0), None))


def test_few_rows_that_only_validation_and_test_have_are_test_data():
    test = X[:6]
    many = np.tile(test, (10, 1))
    pair, repeated = (test, Y[:6]), (many, np.tile(Y[:6], 10))
    with pytest.raises(ValueError, match="validation data are test data"):
        Dataset(train=(X[6:], Y[6:]), validation=pair, test=repeated)
    with pytest.raises(ValueError, match="validation data are test data"):
        Dataset(train=(X[6:], Y[6:]), validation=repeated, test=pair)
    inputs = {"a": X[6:], "b": X[6:]}
    with pytest.raises(ValueError, match="validation data are test data"):
        check_validation(
            ({"a": test, "b": test}, None),
            ({"a": many, "b": many}, None),
            train=(inputs, None),
        )
    # Rows that train has, too, are a truth table's.
    with pytest.warns(UserWarning, match="60 of 60 test samples"):
        Dataset(train=(X, Y), validation=pair, test=repeated)


def test_several_inputs_are_compared_together():
    a, b = X[:20], X[20:40]
    one, other = {"a": a, "b": b}, {"a": a, "b": b[::-1]}
    assert not check_validation((one, None), (other, None))
    with pytest.raises(ValueError, match="test data"):
        check_validation((one, None), (dict(one), None))
    assert len(rows_in_both(one, one)) == 20 and not len(rows_in_both(one, other))


def test_test_rows_in_train_are_counted_and_warned_of():
    test = np.concatenate([X[:7], X[:10] + 9])
    with pytest.warns(UserWarning, match="7 of 17 test samples are also training"):
        data = Dataset(train=(X, Y), test=(test, Y[:17]))
    assert data.test_rows_in_train == 7
    assert "7 of 17 test samples are also training samples" in data.summary()
    with pytest.warns(UserWarning, match="7 of 17"):
        assert from_arrays(X, Y, test=(test, Y[:17])).test_rows_in_train == 7


def test_files_of_test_rows_in_train_are_named():
    paths = {"train": [f"train/{i}.png" for i in range(len(X))]}
    paths["test"] = [f"test/{i}.png" for i in range(17)]
    test = np.concatenate([X[:10] + 9, X[:7]])
    named = "; ".join(f"test/{i}.png" for i in range(10, 15))
    with pytest.warns(UserWarning, match=rf"\({named}, and 2 more\)"):
        Dataset(train=(X, Y), test=(test, Y[:17]), paths=paths)


def test_honest_test_data_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_arrays(X, Y, test=(X + 9, Y)).test_rows_in_train == 0
        assert from_arrays(X, Y).test_rows_in_train is None


def test_large_data_are_not_compared(monkeypatch):
    monkeypatch.setattr("kerasopt.data.leakage._MOST_BYTES", 100)
    assert Dataset(train=(X, Y), test=(X, Y)).test_rows_in_train is None


@pytest.mark.parametrize("shape", [(500, 3), (500, 7, 1), (500, 2, 2, 3), (500,)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64", "bool"])
def test_row_digests_are_equal_for_equal_rows_only(shape, dtype):
    array = RNG.integers(0, 3, shape).astype(dtype)
    _, expected = np.unique(array.reshape(len(array), -1), axis=0, return_inverse=True)
    _, given = np.unique(row_digests(array), return_inverse=True)
    pairs = set(zip(expected.ravel().tolist(), given.tolist(), strict=True))
    assert len(pairs) == len(set(expected.ravel().tolist())) == len(set(given.tolist()))


def test_flipped_signs_change_a_digest():
    rows = np.ones((4, 8), "float32")
    rows[1, [1, 3]] *= -1
    rows[2, [0, 2]] *= -1
    rows[3] *= -1
    assert len(set(row_digests(rows).tolist())) == 4


def test_sums_of_arrays_in_other_orders():
    array = RNG.normal(size=(50, 20, 3))
    for view in (np.asfortranarray(array), array[::2], array.transpose(1, 0, 2)):
        assert sha256(view) == sha256(np.ascontiguousarray(view))
