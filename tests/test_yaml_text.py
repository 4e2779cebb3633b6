"""kerasopt.yaml_text: what unquoted and quoted texts mean, and what is refused."""

import itertools
import math
import time

import pytest
import yaml

from kerasopt.yaml_text import dump, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e5", 1e5),
        ("1E-3", 1e-3),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("+1.5e+3", 1500.0),
        (".inf", math.inf),
        ("12", 12),
        ("'1e5'", "1e5"),
        ('"0.5"', "0.5"),
        ("1e5x", "1e5x"),
        ("e5", "e5"),
        ("2024-02-30", "2024-02-30"),
        ("null", None),
        ("", None),
        ("yes", True),
    ],
)
def test_numbers_are_those_of_yaml_1_2_and_quoted_texts_stay_texts(text, value):
    found = parse(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "value", [1e-5, 1e22, "1e5", "0.5", "12", "2024-02-29", "yes", None, [], {"a": ""}]
)
def test_what_is_written_is_read_as_it_was(value):
    found = parse(dump({"value": value}))["value"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a: 1, a: 2}", "the key 'a' stands twice"),
        ("a:\n  b: 1\n  c: 2\n  b: 3", "the key 'b' stands twice"),
        ("&a {name: mlp, b: *a}", "holds the alias itself"),
        ("&a [*a]", "holds the alias itself"),
        ("[" * 5000, "nested too deeply"),
        ("1" * 5000, "can't be read"),
        ("!!python/object:object {}", "could not determine a constructor"),
        ("{[]: 1}", "unhashable"),
    ],
)
def test_what_cannot_be_meant(text, message):
    with pytest.raises(yaml.YAMLError, match=message):
        parse(text)


def test_aliases_that_multiply_are_refused_at_once():
    levels = "abcdefghi"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for inner, outer in itertools.pairwise(levels):
        lines.append(f"{outer}: &{outer} [{', '.join([f'*{inner}'] * 9)}]")
    began = time.perf_counter()
    with pytest.raises(yaml.YAMLError, match=r"its aliases make .* values"):
        parse("\n".join(lines))
    assert time.perf_counter() - began < 1


def test_aliases_and_merged_mappings_work():
    text = "base: &b {a: 1, c: 2}\nmine: {<<: *b, a: 3}\nagain: [*b, *b]"
    found = parse(text)
    assert found["mine"] == {"a": 3, "c": 2}
    assert found["again"] == [{"a": 1, "c": 2}] * 2
