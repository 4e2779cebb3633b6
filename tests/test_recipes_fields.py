"""The list of a recipe's fields: complete, explained, and true."""

import inspect

import pytest

import kerasopt as ko
from kerasopt.recipes import fields as listing


def test_every_field_of_every_recipe_is_explained():
    for name in ko.recipes.names():
        for field in listing.fields(ko.recipes.load(name)):
            unexplained = field.name in ("optimizer.default", "optimizer.groups")
            assert unexplained or len(field.help) > 8, field
            assert field.type, field


def test_every_value_is_accepted_where_it_was_listed():
    """Setting a field to the value that is shown for it changes nothing."""
    recipe = ko.recipes.load("digits").replace("augment", "crop")
    recipe = recipe.replace("optimizer", "sgd")
    for field in listing.fields(recipe):
        if field.value is not None and field.name != "training.epochs":
            value = field.value
            changed = recipe.replace(
                field.name, list(value) if isinstance(value, tuple) else value
            )
            changed.check()
            after = {each.name: each.value for each in listing.fields(changed)}
            assert after[field.name] == value or isinstance(value, tuple)


def test_values_are_the_recipes_own_or_the_defaults():
    recipe = ko.recipes.load("digits").replace("training.patience", 7)
    found = {field.name: field for field in listing.fields(recipe)}
    assert found["training.patience"].value == 7
    assert found["training.monitor"].value == "val_loss"
    assert found["model.filters"].value == [32, 64]
    assert found["optimizer.beta_1"].value == 0.9
    assert found["optimizer.learning_rate.max_learning_rate"].value == 0.004
    assert found["training.jit"].type == "'auto' | 'none' | 'step' | 'loop'"
    assert found["training.patience"].type == "int | None"
    assert len(found) == len(listing.fields(recipe))  # No name stands twice.


def test_the_fields_of_all_recipes_need_no_recipe():
    assert set(listing.names()) < {
        field.name for field in listing.fields(ko.recipes.load("digits"))
    }
    assert {"training.epochs", "data.validation", "loss"} <= set(listing.names())


def test_a_sentence_is_read_from_both_styles_of_docstrings():
    def function():
        """Do it.

        Args:
            first, second: Numbers, e.g. 0.5 or 1.5. Others are refused.
            third: Float. If set, it is a longer
                sentence. Else not.

        Returns:
            nothing: At all.
        """

    assert listing.explained(function) == {
        "first": "Numbers, e.g. 0.5 or 1.5.",
        "second": "Numbers, e.g. 0.5 or 1.5.",
        "third": "Float. If set, it is a longer sentence.",
    }
    assert listing.explained(lambda: None) == {}


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
def test_optimizers_explain_all_that_they_take(name):
    from kerasopt.optimizers import registry

    factory = registry.factories.factory(name)
    taken = set(inspect.signature(factory).parameters) - {"name"}
    assert taken <= set(listing.explained(factory))


def test_types_are_written_without_the_constraints_of_pydantic():
    found = {field.name: field for field in listing.fields()}
    assert found["data.image_size"].type == "tuple[int, int] | None"
    assert found["class_weight"].type == "'balanced' | dict[int | str, float] | None"
    assert not [name for name, field in found.items() if "FieldInfo" in field.type]


@pytest.mark.parametrize("head", ["rate", "rate (float, 0.1)", "``rate``, size"])
def test_explanations_are_read_with_and_without_types(head):
    text = f"It.\n\nArgs:\n    {head}: A rate.\n"
    documented = type("Documented", (), {"__doc__": text})
    assert listing.explained(documented)["rate"] == "A rate."
