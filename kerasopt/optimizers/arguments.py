"""What every optimizer's arguments must be, in one table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kerasopt import checks, schedules

__all__ = ["NO_DECAY", "RULES", "checked", "pattern"]

NO_DECAY = ("bias", "gamma", "beta", "scale")
"""Names of the variables that weight decay leaves alone, those of biases and
normalisation: smaller kernels are simpler, offsets and scales are not."""


def pattern(name: str, variables: Any) -> list[str]:
    r"""Return what Keras searches for in a variable's name to find some variables.

    Args:
        name: Name of the argument, for the message.
        variables: Names of variables, such as ``("bias", "gamma")``.

    Raises:
        ValueError: if it isn't a list of names.

    Example:
        >>> pattern("exclude_from_weight_decay", ["bias"])
        ['(^|/)(bias)(/replica_\\d+)?(:\\d+)?$']
    """
    if isinstance(variables, set | frozenset):
        variables = sorted(variables, key=str)
    found = checks.each(f"{name} (names of variables)", variables, checks.text)
    if not found:
        return []
    names = "|".join(map(re.escape, found))
    # TensorFlow's own name of the variable is "dense/bias:0", "dense/bias/replica_1:0".
    return [rf"(^|/)({names})(/replica_\d+)?(:\d+)?$"]


def _rate(name: str, value: Any) -> Any:
    """Return a constant rate or a schedule."""
    if not (isinstance(value, str | Mapping) or callable(value)):
        return checks.positive(name, value)
    with checks.naming(name):
        return schedules.get(value)


def _negative(name: str, value: Any) -> float:
    found = checks.number(name, value)
    if found >= 0:
        raise ValueError(f"{name} must be a number < 0; given: {checks.shown(value)}.")
    return found


def _not_positive(name: str, value: Any) -> float:
    found = checks.number(name, value)
    if found > 0:
        raise ValueError(f"{name} must be a number <= 0; given: {checks.shown(value)}.")
    return found


def _expressions(name: str, value: Any) -> list[str]:
    found: list[str] = checks.each(name, value, checks.text)
    for each in found:
        try:
            re.compile(each)
        except re.error as error:
            raise ValueError(
                f"{name} must be regular expressions of variable paths; given: "
                f"{each!r} ({error})."
            ) from None
    return found


def _several_steps(name: str, value: Any) -> int:
    return checks.integer(name, value, least=2)


def _steps(name: str, value: Any) -> int:
    return checks.integer(name, value, least=0)


RULES: dict[str, checks.Rule] = {
    # Of every optimizer.
    "learning_rate": _rate,
    "weight_decay": checks.optional(checks.non_negative),
    "exclude_from_weight_decay": pattern,
    "clipnorm": checks.optional(checks.positive),
    "clipvalue": checks.optional(checks.positive),
    "global_clipnorm": checks.optional(checks.positive),
    "use_ema": checks.boolean,
    "ema_momentum": checks.fraction,
    "ema_overwrite_frequency": checks.optional(checks.integer),
    "loss_scale_factor": checks.optional(checks.positive),
    "gradient_accumulation_steps": checks.optional(_several_steps),
    "name": checks.optional(checks.text),
    # SGD, RMSprop, Muon.
    "momentum": checks.fraction,
    "nesterov": checks.boolean,
    "l2": checks.non_negative,
    "rho": checks.fraction,
    "centered": checks.boolean,
    # Adam and its kin.
    "beta_1": checks.fraction,
    "beta_2": checks.fraction,
    "epsilon": checks.positive,
    "amsgrad": checks.boolean,
    "warmup_steps": _steps,
    "schedule_free_adamw.beta_1": checks.proper_fraction,
    # Adafactor.
    "beta_2_decay": _negative,
    "epsilon_1": checks.positive,
    "epsilon_2": checks.positive,
    "clip_threshold": checks.positive,
    "relative_step": checks.boolean,
    # Adagrad and FTRL.
    "initial_accumulator_value": checks.non_negative,
    "learning_rate_power": _not_positive,
    "l1_regularization_strength": checks.non_negative,
    "l2_regularization_strength": checks.non_negative,
    "l2_shrinkage_regularization_strength": checks.non_negative,
    "beta": checks.non_negative,
    # Muon.
    "ns_steps": checks.integer,
    "normalize": checks.boolean,
    "rms_rate": checks.optional(checks.positive),
    "adam_lr_ratio": checks.positive,
    "adam_beta_1": checks.fraction,
    "adam_beta_2": checks.fraction,
    "adam_weight_decay": checks.optional(checks.non_negative),
    "exclude_layers": checks.optional(_expressions),
    "exclude_embeddings": checks.boolean,
    "muon_a": checks.number,
    "muon_b": checks.number,
    "muon_c": checks.number,
}
"""The check of each argument; ``"optimizer.argument"`` wins for one optimizer."""

CLIPPINGS = ("clipnorm", "clipvalue", "global_clipnorm")


def checked(
    optimizer: str, defaults: Mapping[str, Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an optimizer's arguments in plain types, each checked by its rule.

    Args:
        optimizer: Name of the optimizer.
        defaults: Its arguments that have a default, with it.
        arguments: The given arguments by name.

    Raises:
        ValueError: if an argument is out of its range, or has no effect beside
            the others.
        kerasopt.checks.ArgumentTypeError: if an argument has a wrong type.

    Example:
        >>> checked("adam", {"use_ema": False}, {"beta_1": 0.5, "clipnorm": 1})
        {'beta_1': 0.5, 'clipnorm': 1.0}
    """
    rules = {
        name: RULES.get(f"{optimizer}.{name}") or RULES[name] for name in arguments
    }
    found = checks.apply(rules, arguments)
    _refuse_several([name for name in CLIPPINGS if found.get(name) is not None])
    _refuse_idle(found, defaults)
    return found


def _refuse_several(given: Sequence[str]) -> None:
    if len(given) > 1:
        raise ValueError(f"Give one of {', '.join(CLIPPINGS)}; given: {list(given)}.")


def _refuse_idle(found: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse arguments that change nothing beside the others."""
    everything = {**defaults, **found}
    for name in ("ema_momentum", "ema_overwrite_frequency"):
        changed = name in found and found[name] != defaults.get(name)
        if changed and not everything.get("use_ema"):
            raise ValueError(
                f"{name} has no effect without use_ema=True; given: "
                f"{name}={found[name]!r}."
            )
    if everything.get("nesterov") and everything.get("momentum") == 0:
        raise ValueError(
            "nesterov has no effect without momentum: give momentum > 0, such as "
            "momentum=0.9."
        )
