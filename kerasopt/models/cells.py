"""The cells of `kerasopt.models.stages`: blocks of convolutions, and attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from kerasopt import checks, names
from kerasopt.layers.attention import MOST_PLACES
from kerasopt.models import arguments, blocks
from kerasopt.models.style import Style

__all__ = ["ATTENTIONS", "BLOCKS", "MOST_PLACES", "Stage", "cell", "read_stages"]

BLOCKS = names.Names("block")
"""Each takes (x, stage, style, expansion, name) and returns the block's output."""

ATTENTIONS = ("self", "squeeze_excite")

HEADS = 4
SQUEEZE = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of the network, checked; `kerasopt.models.stages` explains it."""

    depth: int
    width: int
    kernel_size: int
    block: str
    attention: str | None


def read_stages(given: Any) -> list[Stage]:
    """Return the stages with what they leave out filled in.

    Args:
        given: A sequence of mappings, as `kerasopt.models.stages` takes them.

    Raises:
        ValueError: if there is none, or one has an unknown key or a bad value.

    Example:
        >>> read_stages([{"width": 8}])[0].kernel_size
        3
    """
    given = checks.plain(given)
    is_listed = isinstance(given, Sequence) and not isinstance(given, str)
    if not is_listed or not given or not all(isinstance(s, Mapping) for s in given):
        raise ValueError(
            "stages must be a list of at least one mapping, such as "
            f"[{{'depth': 1, 'width': 32}}]; given: {checks.shown(given)}."
        )
    if len(given) > arguments.MOST_LAYERS:
        raise ValueError(
            f"stages must be at most {arguments.MOST_LAYERS}; given: {len(given)}."
        )
    found = []
    for number, stage in enumerate(given, start=1):
        try:
            found.append(names.call("a stage", _read, stage))
        except ValueError as error:
            raise ValueError(f"Stage {number}: {error}") from None
    return found


def _read(
    *,
    depth: int = 1,
    width: int = 32,
    kernel_size: int = 3,
    block: str = "plain",
    attention: bool | str | None = False,
) -> Stage:
    attention = checks.plain(attention)
    if isinstance(attention, str):
        attention = names.normalize(attention)
    is_off = attention is None or attention is False
    if not is_off and attention not in list(ATTENTIONS):
        raise names.unknown("attention", attention, ["False", *ATTENTIONS])
    return Stage(
        depth=checks.integer("depth", depth, most=arguments.MOST_LAYERS),
        width=checks.integer("width", width),
        kernel_size=checks.integer("kernel_size", kernel_size),
        block=BLOCKS.canonical(block),
        attention=str(attention) if attention else None,
    )


def cell(x: Any, stage: Stage, *, style: Style, expansion: int, name: str) -> Any:
    """Apply one cell of a stage; its layers' names begin with ``name``."""
    x = BLOCKS.factory(stage.block)(x, stage, style, expansion, name)
    if stage.attention != "self":
        return x
    return blocks.self_attention(
        x, num_heads=HEADS, zero_gain=False, name=f"{name}_attention"
    )


@BLOCKS.register("plain")
def _plain(x: Any, stage: Stage, style: Style, expansion: int, name: str) -> Any:
    x = style.convolution(x, stage.width, stage.kernel_size, name=f"{name}_conv")
    return _scaled(x, stage, name)


@BLOCKS.register("residual")
def _residual(x: Any, stage: Stage, style: Style, expansion: int, name: str) -> Any:
    return blocks.residual(
        x,
        stage.width,
        stage.kernel_size,
        style=style,
        name=name,
        attention=_squeeze(stage),
    )


@BLOCKS.register("separable")
def _separable(x: Any, stage: Stage, style: Style, expansion: int, name: str) -> Any:
    x = blocks.separable(x, stage.width, stage.kernel_size, style=style, name=name)
    return _scaled(x, stage, name)


@BLOCKS.register("bottleneck", aliases=("inverted_bottleneck", "mbconv"))
def _bottleneck(x: Any, stage: Stage, style: Style, expansion: int, name: str) -> Any:
    return blocks.inverted_bottleneck(
        x,
        stage.width,
        stage.kernel_size,
        expansion=expansion,
        style=style,
        squeeze_excite=SQUEEZE if stage.attention == "squeeze_excite" else None,
        name=name,
    )


def _squeeze(stage: Stage) -> dict[str, Any] | None:
    if stage.attention != "squeeze_excite":
        return None
    return {"name": "squeeze_excite", "ratio": SQUEEZE}


def _scaled(x: Any, stage: Stage, name: str) -> Any:
    if stage.attention != "squeeze_excite":
        return x
    return blocks.squeeze_excite(x, ratio=SQUEEZE, name=f"{name}_squeeze_excite")
