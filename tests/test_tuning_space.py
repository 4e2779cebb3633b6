"""kerasopt.tuning.space: from a mapping, a file or a function to keras-tuner."""

import math

import keras_tuner
import numpy as np
import pytest
import yaml

import kerasopt as ko
from kerasopt.tuning.fields import default_space, value_of
from kerasopt.tuning.space import Space

RATE, SIZE = "optimizer.learning_rate", "training.batch_size"


@pytest.fixture(scope="module")
def recipe():
    recipe = ko.recipes.load("mnist-mlp").replace("model.dropout", 0.25)
    return recipe.replace("optimizer", {"name": "adam", "learning_rate": 0.002})


def declared(space, recipe, **values):
    """Return what is asked for, and keras-tuner's entry of each field."""
    hp = keras_tuner.HyperParameters()
    hp.values.update(values)
    found = Space.read(space).declare(hp, recipe)
    return found, {each.name: each for each in hp.space}


@pytest.mark.parametrize(
    ("field", "spec", "kind", "first"),
    [
        (SIZE, [16, 32, 64], "Choice", 32),  # The recipe's own comes first.
        (SIZE, [16, 64], "Choice", 16),
        (RATE, [0.1, 0.002], "Choice", 0.002),
        ("model.activation", ["tanh", "relu"], "Choice", "relu"),
        ("model.batch_norm", [True, False], "Boolean", False),
        ("model.batch_norm", [True], "Choice", True),
        ("model.kernel_initializer", [None, "he_normal"], "Choice", None),
        ("model.units", [[8], [64, 64]], "Choice", [64, 64]),
        ("model.l2", [0, 1e-4], "Choice", 0),
        (SIZE, {"min_value": 16, "max_value": 64}, "Int", 32),
        (SIZE, {"min_value": 16, "max_value": 64, "step": 16}, "Int", 32),
        (RATE, {"min_value": 1e-4, "max_value": 0.1}, "Float", 0.002),
        (RATE, {"min_value": 0.01, "max_value": 0.1}, "Float", 0.01),
        ("model.dropout", {"min_value": 0, "max_value": 1}, "Float", 0.25),
        (
            "model.dropout",
            {"min_value": 0.0, "max_value": 0.5, "step": 0.1},
            "Float",
            0.0,
        ),
    ],
)
def test_each_kind_of_spec(field, spec, kind, first, recipe):
    found, entries = declared({field: spec}, recipe)
    assert type(entries[field]).__name__ == kind
    assert found[field] == first
    assert type(found[field]) is type(first)


def test_values_of_any_kind_are_offered_each(recipe):
    values = [[8], None, {"name": "x"}, True, 3, "relu"]
    _, entries = declared({"model.it": values}, recipe)
    offered = [
        declared({"model.it": values}, recipe, **{"model.it": each})[0]["model.it"]
        for each in entries["model.it"].values
    ]
    assert offered == values


def test_ranges_are_sampled_within_their_ends(recipe):
    space = {
        RATE: {"min_value": 1e-4, "max_value": 0.1, "sampling": "log"},
        SIZE: {"min_value": 16, "max_value": 128, "step": 2, "sampling": "log"},
    }
    _, entries = declared(space, recipe)
    rates = [entries[RATE].random_sample(seed) for seed in range(200)]
    assert 1e-4 <= min(rates) < 2e-4
    assert 0.05 < max(rates) <= 0.1
    assert np.median(rates) == pytest.approx(math.sqrt(1e-4 * 0.1), rel=0.6)
    sizes = {entries[SIZE].random_sample(seed) for seed in range(100)}
    assert sizes == {16, 32, 64, 128}


def test_a_file_and_a_mapping_are_the_same(tmp_path):
    space = {RATE: {"min_value": 0.001, "max_value": 0.1}, SIZE: [16, 32]}
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(space))
    assert Space.read(path).to_dict() == Space.read(str(path)).to_dict() == space
    read = Space.read(space)
    assert Space.read(read) is read


def test_numpys_numbers_are_pythons_in_a_file():
    space = {
        RATE: np.logspace(-3, -1, 3),
        SIZE: {"min_value": np.int64(16), "max_value": np.int64(64)},
        "model.dropout": {"min_value": np.float64(0.1), "max_value": np.float32(0.5)},
        "model.units": [np.array([4, 4]), (8,)],
    }
    found = Space.read(space).to_dict()
    assert yaml.safe_load(yaml.safe_dump(found)) == found
    assert found[RATE] == pytest.approx([0.001, 0.01, 0.1])
    assert found["model.units"] == [[4, 4], [8]]


def test_a_function_gives_its_fields(recipe):
    def choose(hp):
        return {RATE: hp.Float("rate", 0.1, 0.2), "model.units": (4, 4)}

    found, entries = declared(choose, recipe)
    assert found == {RATE: 0.1, "model.units": [4, 4]}
    assert list(entries) == ["rate"]
    assert "choose" in Space.read(choose).to_dict()["function"]
    with pytest.raises(ValueError, match="must return"):
        declared(lambda hp: [1], recipe)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "The space is empty"),
        (None, "The space is empty"),
        ([RATE], "must be a mapping"),
        ({RATE: []}, "must be a list of values"),
        ({RATE: 0.1}, "must be a list of values"),
        ({RATE: "abc"}, "must be a list of values"),
        ({RATE: {"max_value": 1.0}}, "must be a list of values"),
        ({RATE: {"min_value": 0.1}}, "needs numbers"),
        ({RATE: {"min_value": "a", "max_value": "b"}}, "needs numbers"),
        ({RATE: {"min_value": True, "max_value": 2}}, "needs numbers"),
        ({RATE: {"min_value": math.nan, "max_value": 2.0}}, "needs numbers"),
        ({RATE: {"min_value": 0.1, "max_value": math.inf}}, "needs numbers"),
        ({RATE: {"min_value": 0.2, "max_value": 0.1}}, "must rise"),
        ({RATE: {"min_value": 0.1, "max_value": 0.1}}, "must rise"),
        ({RATE: {"min_value": 0.1, "max_value": 1.0, "steps": 2}}, "'step'"),
        ({RATE: {"min_value": 0.1, "max_value": 1.0, "step": 0}}, "must be > 0"),
        ({RATE: {"min_value": 0.1, "max_value": 1.0, "step": -1}}, "must be > 0"),
        (
            {SIZE: {"min_value": 1, "max_value": 8, "step": 1, "sampling": "log"}},
            "must be > 1",
        ),
        (
            {RATE: {"min_value": 0.0, "max_value": 1.0, "sampling": "log"}},
            "min_value > 0",
        ),
        (
            {RATE: {"min_value": 0.1, "max_value": 1.0, "sampling": "lgo"}},
            "Did you mean 'log'",
        ),
        ({SIZE: [32, 64, 32]}, "a value twice"),
        ({1: [2]}, "The fields of a space are texts"),
    ],
)
def test_what_is_no_space(space, message):
    with pytest.raises(ValueError, match=message):
        Space.read(space)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The space is empty"),
        ("a: [", "Can't read the space"),
        ("- 1", "must be a mapping"),
    ],
)
def test_what_is_no_file_of_a_space(text, message, tmp_path):
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        Space.read(tmp_path / "space.yaml")


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"training.batchsize": [1]}, "Did you mean 'batch_size'"),
        ({"schedule": [1]}, "schedule"),
        ({"optimizer.momentums": [0.1]}, "momentums"),
        ({SIZE: [0]}, "greater than 0"),
        ({RATE: {"min_value": -0.5, "max_value": 0.5}}, "> 0"),
        ({"augment.rotation": [3]}, "augment"),
        (lambda hp: {}, "The space is empty"),
        (lambda hp: {SIZE: hp.Choice("size", [0, 1])}, "greater than 0"),
    ],
)
def test_values_that_do_not_fit_the_recipe(space, message, recipe):
    with pytest.raises(ValueError, match=message):
        Space.read(space).check(recipe)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"model.unit": [[8]]}, "Unknown argument of model 'mlp' 'unit'"),
        ({"model.dropout": {"min_value": 0.0, "max_value": 1.5}}, r"rates in \[0, 1\)"),
        ({"model.activation": ["relu", "rleu"]}, "rleu"),
    ],
)
def test_values_that_do_not_fit_the_model(space, message, recipe, tiny_digits):
    with pytest.raises(ValueError, match=message):
        Space.read(space).check_models(recipe, tiny_digits)


@pytest.mark.parametrize("name", ["digits", "mnist-mlp", "cifar10-chapter"])
def test_the_default_space_lies_around_the_recipe(name):
    recipe = ko.recipes.load(name)
    space = default_space(recipe)
    Space.read(space).check(recipe)
    rate = next(field for field in space if field.startswith(RATE))
    own = value_of(recipe, rate)
    if own is not None:
        assert space[rate]["min_value"] == pytest.approx(own / 10)
        assert space[rate]["max_value"] == pytest.approx(own * 10)
    size = recipe.training.batch_size
    assert space[SIZE] == [size // 2, size, size * 2]
    assert Space.read(space).holds(recipe)


@pytest.mark.parametrize(
    ("space", "optimizer"),
    [
        ({"optimizer.momentum": [0.9, 0.0]}, "sgd"),
        ({"optimizer.name": ["adam", "sgd"]}, "adam"),
        ({"optimizer.nesterov": [True, False]}, {"name": "momentum"}),
        ({"optimizer.weight_decay": [0.01, None]}, "adam"),
        (
            {SIZE: {"min_value": 8, "max_value": 128, "step": 2, "sampling": "log"}},
            "adam",
        ),
        ({"model.dropout": [0.1, 0, 0.25]}, "adam"),
        ({"model.l2": [0, 1e-4, 1]}, "adam"),
    ],
)
def test_values_that_a_recipe_has_by_default_are_its_own(space, optimizer, recipe):
    recipe = recipe.replace("optimizer", optimizer)
    assert Space.read(space).lacking(recipe) == {}


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.001), ("sgd", 0.01)])
def test_a_recipe_without_a_rate_has_that_of_its_optimizer(optimizer, rate, recipe):
    space = default_space(recipe.replace("optimizer", optimizer))
    assert space[RATE]["min_value"] == pytest.approx(rate / 10)


@pytest.mark.parametrize("field", ["name", "description"])
def test_a_field_that_changes_nothing_is_refused(field):
    with pytest.raises(ValueError, match=f"'{field}' can't be searched: it only says"):
        ko.tuning.search("digits", {field: ["a", "b"]}, max_trials=2)
