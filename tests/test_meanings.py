"""Suggestions by meaning, in recipes and in Python."""

import pytest

import kerasopt as ko
from kerasopt import meanings
from kerasopt.recipes.fields import fields

WORDS = [
    ("lr", "optimizer.learning_rate"),
    ("learning_rate", "optimizer.learning_rate"),
    ("scheduler", "optimizer.learning_rate"),
    ("callback", "callbacks"),
    ("metric", "metrics"),
    ("batch", "training.batch_size"),
    ("batch_size", "training.batch_size"),
    ("epoch", "training.epochs"),
    ("patience", "training.patience"),
    ("early_stopping", "training.patience"),
    ("augmentation", "augment"),
    ("dropout", "model.dropout"),
    ("validation_split", "data.validation"),
    ("random_state", "training.seed"),
    ("Mixed-Precision", "training.precision"),
]


@pytest.mark.parametrize(("word", "field"), WORDS)
def test_a_recipe_suggests_the_field_that_is_meant(word, field):
    with pytest.raises(ValueError, match=rf"Did you mean '{field}'\?"):
        ko.recipes.load("digits").replace(word, 1)


@pytest.mark.parametrize(
    ("field", "suggested"),
    [
        ("optimizer.lr", "learning_rate"),
        ("training.batch", "batch_size"),
        ("training.early_stopping", "patience"),
        ("training.lr", "optimizer.learning_rate"),
        ("training.dropout", "model.dropout"),
        ("model.batchnorm", "batch_norm"),
        ("augmentation.rotation_range", "augment"),
    ],
)
def test_it_is_suggested_in_the_section_that_has_it(field, suggested):
    with pytest.raises(ValueError, match=rf"Did you mean '{suggested}'\?"):
        recipe = ko.recipes.load("digits").replace(field, 1)
        recipe.check()
        recipe.build_model(ko.data.load("digits", size=200))


@pytest.mark.parametrize(
    ("word", "suggested"),
    [
        ("callback", "callbacks"),
        ("metric", "metrics"),
        ("batch", "batch_size"),
        ("epoch", "epochs"),
        ("early_stopping", "patience"),
        ("augmentation", "augment"),
        ("lr", 'optimizer={"name": "adam", "learning_rate": …}'),
        ("dropout", "kerasopt.models.mlp(…, dropout=…)"),
        ("val_split", "kerasopt.data.from_arrays(x, y, validation=…)"),
        ("device", "devices"),
    ],
)
def test_fit_suggests_the_argument_that_is_meant(word, suggested):
    with pytest.raises(ValueError) as raised:
        ko.fit(None, None, **{word: 1})
    assert f"Did you mean '{suggested}'?" in str(raised.value)


def test_a_word_without_a_meaning_suggests_nothing():
    with pytest.raises(ValueError) as raised:
        ko.fit(None, None, zzz=1)
    assert "Did you mean" not in str(raised.value)
    assert "zzz" in str(raised.value)


def test_no_word_means_two_fields():
    words = [word for words in meanings.FIELDS.values() for word in words]
    assert len(words) == len(set(words))


def test_every_meaning_is_a_field():
    mlp = ko.recipes.load("mnist-mlp").replace("optimizer", {"name": "sgd"})
    recipes = [mlp, ko.recipes.load("digits")]
    there = {field.name for recipe in recipes for field in fields(recipe)}
    assert set(meanings.FIELDS) <= there
