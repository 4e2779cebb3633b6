"""Cuts: exact, stratified, seeded, and refused with reasons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from kerasopt.data.splits import resolve_size, stratified_split


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(2, 60), min_size=2, max_size=8),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**31),
)
def test_cut_is_exact_disjoint_and_leaves_no_class_empty(counts, share, seed):
    labels = np.random.default_rng(0).permutation(np.repeat(range(len(counts)), counts))
    total = len(labels)
    size = int(np.clip(round(share * total), len(counts), total - len(counts)))
    rest, cut = stratified_split(labels, size, seed)
    assert len(cut) == size
    np.testing.assert_array_equal(np.sort(np.r_[rest, cut]), np.arange(total))
    assert (np.diff(cut) > 0).all() and (np.diff(rest) > 0).all()
    taken = np.bincount(labels[cut], minlength=len(counts))
    assert (taken >= 1).all() and (taken < counts).all()
    quotas = size * np.array(counts) / total
    if (quotas >= 1).all() and (quotas <= np.array(counts) - 1).all():
        assert (np.abs(taken - quotas) < 1).all()


def test_class_counts_are_those_of_scikit_learn():
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    splitter = StratifiedShuffleSplit(n_splits=1, test_size=100, random_state=0)
    _, expected = next(splitter.split(labels, labels))
    _, cut = stratified_split(labels, 100, 0)
    np.testing.assert_array_equal(np.bincount(labels[cut]), [50, 30, 20])
    np.testing.assert_array_equal(
        np.bincount(labels[cut]), np.bincount(labels[expected])
    )


def test_seed_decides_the_samples():
    labels = np.tile(np.arange(4), 50)
    first, again, other = (stratified_split(labels, 40, s)[1] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_one_hot_labels_are_split_like_integers():
    labels = np.tile(np.arange(3), 20)
    np.testing.assert_array_equal(
        stratified_split(np.eye(3)[labels], 9, 5)[1], stratified_split(labels, 9, 5)[1]
    )


def test_cutting_nothing_keeps_all():
    rest, cut = stratified_split([0, 1], 0)
    assert rest.tolist() == [0, 1] and cut.tolist() == []


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (-1, "negative"),
        (20, "too large"),
        (1, "leave a class empty"),
        (19, "leave a class empty"),
        (True, "must be a number"),
        ("5", "must be a number"),
    ],
)
def test_impossible_cuts_are_refused(size, message):
    with pytest.raises(ValueError, match=message):
        stratified_split(np.tile([0, 1], 10), size)


def test_class_of_one_sample_is_named():
    with pytest.raises(ValueError, match="Class 7 has only one sample"):
        stratified_split([0, 0, 0, 7], 2)


def test_no_labels_are_refused():
    with pytest.raises(ValueError, match="y is empty"):
        stratified_split(np.array([], int), 0.2)


@pytest.mark.parametrize("seed", [-1, 0.5, "one", True, np.nan])
def test_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed"):
        stratified_split([0, 0, 1, 1], 2, seed)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (0.0, 0), (0.1, 10), (7, 7), (1e-9, 1), (0.999, 99)],
)
def test_counts_and_fractions(value, expected):
    assert resolve_size(value, total=100) == expected


def test_fraction_has_a_minimum_and_a_count_has_none():
    assert resolve_size(0.1, total=30, minimum=10) == 10
    assert resolve_size(3, total=30, minimum=10) == 3


@pytest.mark.parametrize("value", [1.0, -0.1, float("nan"), float("inf"), 100, None])
def test_sizes_that_do_not_fit_are_refused(value):
    with pytest.raises(ValueError, match="Accepted"):
        resolve_size(value, total=100)


@pytest.mark.parametrize("number", [np.array(0.25), np.float32(0.25), np.array(25)])
def test_sizes_of_numpy_are_numbers(number):
    assert resolve_size(number, total=100) == 25


@pytest.mark.parametrize("value", ["20%", True, None, [3]])
def test_what_is_no_size_is_a_wrong_type(value):
    with pytest.raises(TypeError, match="must be a number"):
        resolve_size(value, total=100)


@pytest.mark.parametrize("seed", [1.5, True, "a"])
def test_what_is_no_seed_is_a_wrong_type(seed):
    with pytest.raises(TypeError, match="must be a whole number"):
        stratified_split([0, 0, 1, 1], 2, seed=seed)


@pytest.mark.parametrize(
    "labels", ["ab", 3, None, np.array(["a", None] * 4, object), np.zeros((4, 2, 2))]
)
def test_what_are_no_labels_is_a_wrong_type(labels):
    with pytest.raises(TypeError, match="Labels must be numbers or names"):
        stratified_split(labels, 2)


def test_names_as_objects_are_labels():
    rest, cut = stratified_split(np.array(["a", "b"] * 5, object), 2)
    assert (len(rest), {int(each) % 2 for each in cut}) == (8, {0, 1})
