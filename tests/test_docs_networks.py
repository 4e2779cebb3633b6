"""docs/networks.md is true: sizes and operations of each network, and its examples."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from thinning import slow_unless

from kerasopt import models

TEXT = (Path(__file__).parents[1] / "docs" / "networks.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| `(?P<name>\w+)\((?P<arguments>.*)\)` \| (?P<shape>[\d×]+) "
    r"\| (?P<classes>\d+) \| (?P<parameters>[\d,]+) "
    r"\| (?P<paper>\S+) \| (?P<flops>[\d,]+) \|$",
    re.M,
)
ROWS = [match.groupdict() for match in ROW.finditer(TEXT)]


def number(text):
    return int(text.replace(",", ""))


def is_small(row):
    return number(row["parameters"]) < 1_000_000


def test_every_line_of_the_table_is_read():
    lines = [line for line in TEXT.splitlines() if re.match(r"\| `\w+\(", line)]
    assert len(lines) == len(ROWS) > 10


@pytest.mark.parametrize("row", slow_unless(is_small, ROWS))
def test_a_row_is_true(row):
    call = ast.parse(f"f({row['arguments']})", mode="eval").body
    given = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
    given["input_shape"] = tuple(map(int, row["shape"].split("×")))
    given["num_classes"] = int(row["classes"])
    model = models.get(row["name"], **given)
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trained == number(row["parameters"])
    assert models.flops(model) == number(row["flops"])
    if row["paper"] != "–":
        digits = len(row["paper"].partition(".")[2])
        # Some papers round their millions, some cut them.
        assert float(row["paper"]) == pytest.approx(trained / 1e6, abs=10**-digits)


def test_its_examples_run():
    space = {}
    for source in re.findall(r"```python\n(.*?)```", TEXT, re.S):
        exec(source, space)
        assert space["model"].output_shape == (None, 10)
