"""kerasopt.names: lookups and the errors that list the choices."""

import importlib
import warnings

import pytest

import kerasopt
from kerasopt import names


@pytest.fixture
def table():
    table = names.Names("colour")
    table.register("red", aliases=("crimson",))(lambda shade=1: ("red", shade))
    return table


@pytest.mark.parametrize("spelling", ["red", "RED", " Red ", "crimson"])
def test_spelling_and_aliases_lead_to_the_factory(table, spelling):
    assert table.build(spelling, {"shade": 3}) == ("red", 3)
    assert spelling in table


def test_unknown_name_lists_choices_and_the_nearest(table):
    with pytest.raises(ValueError, match=r"'rde'. Did you mean 'red'\?.*crimson, red"):
        table.build("rde", {})


@pytest.mark.parametrize("name", ["red", "Crimson"])
def test_a_taken_name_is_refused(table, name):
    with pytest.raises(ValueError, match="already taken"):
        table.register(name)(lambda: None)


def test_unknown_and_missing_arguments_are_value_errors(table):
    with pytest.raises(ValueError, match=r"'shadow'\. Did you mean 'shade'"):
        table.build("red", {"shadow": 1})
    table.register("blue")(lambda shade, tone=1: (shade, tone))
    with pytest.raises(ValueError, match=r"needs shade. Accepted: shade, tone"):
        table.build("blue", {"tone": 1})


def test_iteration_gives_the_names_without_aliases(table):
    assert list(table) == ["red"]
    assert len(table) == 1


def test_spec_without_a_name_is_refused():
    with pytest.raises(ValueError, match="needs a 'name'"):
        names.split_spec("optimizer", {"momentum": 0.9})


def test_a_renamed_key_is_found_with_a_warning_and_a_new_one_without():
    measured = names.RenamedKeys(
        {"validation_loss": 0.5, "val_auc": 0.9}, "validation_", "val_"
    )
    assert dict(measured) == {"val_loss": 0.5, "val_auc": 0.9}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measured["val_loss"] == measured.get("val_loss") == 0.5
        assert "validation_acc" not in measured
        assert measured.get("validation_acc") is None
    with pytest.warns(DeprecationWarning, match="'validation_auc' is now 'val_auc'"):
        assert measured["validation_auc"] == 0.9
    with pytest.warns(DeprecationWarning, match="'validation_auc' is now 'val_auc'"):
        assert measured.get("validation_auc") == 0.9
    with pytest.raises(KeyError):
        measured["validation_acc"]


def test_a_renamed_name_works_and_isnt_listed():
    table = names.Names("fruit")
    table.register("apple", renamed=["malus"])(dict)
    with pytest.warns(DeprecationWarning, match="The fruit 'malus' is now 'apple'"):
        assert table.canonical("malus") == "apple"
    with pytest.raises(ValueError, match=r"Accepted: apple\."):
        table.canonical("pear")


def test_errors_of_a_factorys_own_body_pass_as_they_are(table):
    def broken(shade):
        return shade + None

    table.register("grey")(broken)
    with pytest.raises(TypeError, match="unsupported operand") as caught:
        table.build("grey", {"shade": 1})
    assert not isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", [None, 3, ["red"], {"a": 1}, object()])
def test_names_that_are_no_text_list_the_choices(table, name):
    with pytest.raises(ValueError, match=r"Unknown colour .* Accepted: crimson, red"):
        table.factory(name)
    assert name not in table


def test_a_keyword_that_is_no_text_is_refused(table):
    table.register("any")(lambda **shades: shades)
    with pytest.raises(ValueError, match="Unknown argument of colour 'any' 3"):
        table.build("any", {3: 1})


TABLES = [
    "augment",
    "callbacks",
    "data",
    "initializers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "recipes",
    "regularizers",
    "schedules",
    "tasks",
]


def test_the_list_of_tables_is_complete():
    """A package that has a public `names` or `register` is one of them."""
    found = [
        name
        for name in kerasopt._SUBMODULES
        if {"names", "register"} & set(getattr(vars_of(name), "__all__", ()))
    ]
    assert sorted(found) == TABLES


def vars_of(name):
    return importlib.import_module(f"kerasopt.{name}")


@pytest.mark.parametrize("table_name", TABLES)
def test_every_table_lists_its_names_and_gets_them(table_name):
    module = vars_of(table_name)
    found = module.names()
    assert found
    assert found == list(dict.fromkeys(found))
    assert all(isinstance(name, str) for name in found)
    assert {"names", "get"} <= set(module.__all__)
    more = {"task": "binary", "num_outputs": 1} if table_name == "metrics" else {}
    with pytest.raises(ValueError, match=r"Unknown \w+ 'no_such'.*Accepted: .*\w"):
        module.get("no_such", **more)


@pytest.mark.parametrize(
    ("name", "error"),
    [(3, TypeError), (None, TypeError), ("", ValueError), (" ", ValueError)],
)
def test_a_new_name_is_a_text(name, error):
    table = names.Names("fruit")
    with pytest.raises(error, match="The name of a new fruit"):
        table.register(name)
    with pytest.raises(error, match="The name of a new fruit"):
        table.register("apple", aliases=(name,))


def test_a_class_in_place_of_its_object_is_a_wrong_type():
    with pytest.raises(TypeError, match=r"Unknown fruit <class 'dict'>.* dict\(…\)"):
        names.Names("fruit").canonical(dict)
    with pytest.raises(TypeError, match="Unknown fruit 3"):
        names.Names("fruit").canonical(3)
