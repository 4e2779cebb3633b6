"""Recipes and ``--set`` with odd content: a sentence, or a recipe that has it."""

import copy

import pytest
import yaml
from fuzzing import ODD, WORDS, accepted, inputs, same
from hypothesis import given
from hypothesis import strategies as st

from kerasopt import models, recipes
from kerasopt.cli.options import changed
from kerasopt.recipes import Recipe

# Warnings are sentences, too.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

BASES = {name: recipes.load(name).to_dict() for name in recipes.names()}
for each in BASES.values():
    each.pop("measured", None)


def _places(content, path=()):
    """Return the paths of all fields of a recipe."""
    found = [path] if path else []
    items = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    for key, value in items:
        found += _places(value, (*path, key))
    return found


@st.composite
def mutated(draw):
    """Return a recipe's content, one of its fields being replaced, added or gone."""
    content = copy.deepcopy(BASES[draw(st.sampled_from(sorted(BASES)))])
    path = draw(st.sampled_from(_places(content)))
    owner = content
    for key in path[:-1]:
        owner = owner[key]
    how = draw(st.sampled_from(("replace", "replace", "replace", "add", "delete")))
    if how == "delete":
        del owner[path[-1]]
    elif how == "add" and isinstance(owner, dict):
        owner[draw(st.sampled_from((*WORDS, 3, None, True, "nmae", "unit")))] = draw(
            ODD
        )
    else:
        owner[path[-1]] = draw(ODD)
    return content


def _built(recipe):
    """Build all that doesn't need the recipe's own data, which is large."""
    recipe.check()
    shape = (32, 32, 3) if recipe.model["name"] != "mlp" else (8, 8, 1)
    if "input_shape" not in recipe.model and "num_classes" not in recipe.model:
        models.get({"input_shape": shape, "num_classes": 10, **_narrow(recipe.model)})
    return recipe


def _narrow(model):
    """Return the model with less to compute where its widths are the recipe's own."""
    own = {str(base["model"].get("widths")) for base in BASES.values()}
    return {**model, "widths": [4, 8, 8]} if str(model.get("widths")) in own else model


@inputs(400)
@given(content=mutated())
def test_a_recipe_with_a_wrong_field(content):
    given = copy.deepcopy(content)
    recipe = accepted(lambda: _built(Recipe(content)))
    assert same(content, given), "the user's own dict was changed"
    if recipe is not None:
        again = Recipe(recipe.to_dict())
        assert same(again.to_dict(), recipe.to_dict())
        _has_all(recipe.to_dict(), content)


def _has_all(found, content, path=""):
    """Check that nothing that was given is lost."""
    if isinstance(content, dict) and isinstance(found, dict):
        for key, value in content.items():
            assert str(key) in {str(each) for each in found}, f"{path}.{key} is lost"
            inner = found[key] if key in found else found[str(key)]
            _has_all(inner, value, f"{path}.{key}")
    elif isinstance(content, (list, tuple)) and isinstance(found, (list, tuple)):
        assert len(found) == len(content), path
        for one, other in zip(found, content, strict=True):
            _has_all(one, other, path)
    else:
        assert same(found, content), f"{path}: {content!r} became {found!r}"


FIELDS = sorted(
    {
        ".".join(map(str, path))
        for content in BASES.values()
        for path in _places(content)
        if all(isinstance(part, str) for part in path)
    }
)
TEXTS = st.one_of(
    st.sampled_from(WORDS),
    ODD.map(lambda value: yaml.safe_dump(value, default_flow_style=True)),
    st.text(max_size=12),
)


@inputs(400)
@given(
    name=st.sampled_from(sorted(BASES)),
    field=st.one_of(
        st.sampled_from(FIELDS),
        st.sampled_from(("training", "lr", "model.", ".", "training.epochs.x", "")),
        st.text(max_size=8),
    ),
    text=TEXTS,
)
def test_a_field_that_is_set(name, field, text):
    recipe = recipes.load(name)
    changes = [f"{field}={text}"]
    found = accepted(lambda: _built(changed(recipe, changes)))
    if found is not None:
        # Nothing is accepted without effect.
        before, after = recipe.to_dict(), found.to_dict()
        value = after
        for part in field.partition("=")[0].split("."):
            value = value[part]
        unchanged = {**before, "measured": None}
        assert not same(after, unchanged) or _is_its_own(before, field, value)


def _is_its_own(content, field, value):
    for part in field.split("."):
        content = content[part]
    return same(content, value)
