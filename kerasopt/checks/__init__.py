"""Checks of arguments: one wording for numbers, flags, texts and sequences.

Every check takes the argument's name and its value, and returns the value in plain
Python types. NumPy scalars and arrays count as the numbers and lists they hold. Like
`kerasopt.names` this module imports nothing but the standard library.
"""

from kerasopt.checks.numeric import (
    fraction,
    integer,
    non_negative,
    number,
    positive,
    proper_fraction,
    seed,
    share,
)
from kerasopt.checks.rules import (
    Rule,
    apply,
    each,
    naming,
    optional,
)
from kerasopt.checks.values import (
    ArgumentTypeError,
    boolean,
    choice,
    class_names,
    instance,
    plain,
    sequence,
    shown,
    text,
)

__all__ = [
    "ArgumentTypeError",
    "Rule",
    "apply",
    "boolean",
    "choice",
    "class_names",
    "each",
    "fraction",
    "instance",
    "integer",
    "naming",
    "non_negative",
    "number",
    "optional",
    "plain",
    "positive",
    "proper_fraction",
    "seed",
    "sequence",
    "share",
    "shown",
    "text",
]
