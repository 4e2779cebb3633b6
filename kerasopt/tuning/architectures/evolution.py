"""Architectures as genes: drawing them, changing one gene, choosing a parent.

What is here knows nothing of training; `kerasopt.tuning.search_architecture` does.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasopt import checks, names
from kerasopt.models.cells import ATTENTIONS, BLOCKS, MOST_PLACES, Stage, read_stages

__all__ = ["GENES", "Architecture", "GeneSpace", "Individual", "propose"]

Architecture = tuple[Stage, ...]

GENES: dict[str, tuple[Any, ...]] = {
    "num_stages": (1, 2, 3, 4, 5),
    "depth": (1, 2, 3),
    "width": (16, 32, 64, 128),
    "kernel_size": (3, 5),
    "block": tuple(BLOCKS),
    "attention": (None, "squeeze_excite", "self"),
}
"""Each gene's values. All but the first are genes of every stage."""

SIZES = ("depth", "width", "kernel_size")
LEAST_SIDE = 4
TRIES = 50


@dataclass(frozen=True)
class GeneSpace:
    """The architectures that images of one shape can have; `read` checks them.

    Attributes:
        input_shape: (height, width, channels) of an image.
        values: {gene: its values}, for every gene of `GENES`; numbers rise.
    """

    input_shape: tuple[int, ...]
    values: Mapping[str, tuple[Any, ...]]

    @classmethod
    def read(
        cls, input_shape: Sequence[int], values: Mapping[str, Any] | None = None
    ) -> GeneSpace:
        """Return the space for images of a shape.

        Args:
            input_shape: (height, width, channels).
            values: {gene: its values}; those of `GENES` where a gene is left out.

        Raises:
            ValueError: if the samples aren't images, they are too small, a gene or a
                value is unknown, or only one architecture is left.

        Example:
            >>> GeneSpace.read((8, 8, 1), {"width": [32, 16]}).values["width"]
            (16, 32)
        """
        _check_images(input_shape)
        given = dict(values or {})
        for gene in given:
            if gene not in GENES:
                raise names.unknown("gene", gene, GENES)
        # The last stage's map still has two places a side.
        most = int(math.log2(min(input_shape[:2])))
        own = {"num_stages": tuple(n for n in GENES["num_stages"] if n <= most)}
        read = {gene: _read_values(gene, given[gene], most) for gene in given}
        space = cls(tuple(input_shape), {**GENES, **own, **read})
        last = space.values["num_stages"][-1] - 1
        if all(len(space.choices(gene, last)) == 1 for gene in GENES):
            raise ValueError(
                "The space holds one architecture alone: give some gene more than one "
                f"value; given: {given!r}."
            )
        return space

    def choices(self, gene: str, stage: int = 0) -> tuple[Any, ...]:
        """Return what a gene may be in a stage, which is counted from 0.

        Self-attention is only for small maps; where nothing else is given, a stage
        with a larger one has none.
        """
        values = self.values[gene]
        height, width = (size >> stage for size in self.input_shape[:2])
        if gene != "attention" or height * width <= MOST_PLACES:
            return values
        return tuple(value for value in values if value != "self") or (None,)

    def sample(self, rng: np.random.Generator, *, share: float = 1.0) -> Architecture:
        """Draw an architecture: every gene by itself, all its values alike.

        Args:
            rng: Draws.
            share: Of each gene's values only this share, the smaller ones, in (0, 1];
                at least one. No block is smaller than another.
        """

        def draw(gene: str, name: str, choices: tuple[Any, ...]) -> Any:
            if gene != "block":
                choices = choices[: max(1, round(share * len(choices)))]
            return choices[rng.integers(len(choices))]

        return self._drawn(draw)

    def declare(self, hp: Any) -> Architecture:
        """Ask keras-tuner for an architecture.

        Args:
            hp: A `keras_tuner.HyperParameters`; it is asked for the genes of all
                stages, also of those that the network doesn't get.
        """

        def ask(gene: str, name: str, choices: tuple[Any, ...]) -> Any:
            value = hp.Choice(name, [_NONE if v is None else v for v in choices])
            return None if value == _NONE else value

        return self._drawn(ask)

    def _drawn(self, draw: Callable[[str, str, tuple[Any, ...]], Any]) -> Architecture:
        counts = self.choices("num_stages")
        number = draw("num_stages", "num_stages", counts)
        stages = [
            Stage(
                **{
                    gene: draw(gene, f"stage{at + 1}_{gene}", self.choices(gene, at))
                    for gene in _STAGE_GENES
                }
            )
            for at in range(counts[-1])
        ]
        return tuple(stages[:number])

    def smallest(self) -> Iterator[Architecture]:
        """Yield the smallest architecture of each block."""
        for block in self.values["block"]:
            genes = {g: self.choices(g)[0] for g in _STAGE_GENES} | {"block": block}
            yield (Stage(**genes),) * self.values["num_stages"][0]

    def mutated(self, parent: Architecture, rng: np.random.Generator) -> Architecture:
        """Return an architecture that differs from its parent in one gene.

        All genes are alike. Numbers go one value up or down, the others to any other
        value. A stage that is added is a copy of the last one.

        Args:
            parent: An architecture of this space.
            rng: Draws the gene and its value.

        Example:
            >>> space = GeneSpace.read((8, 8, 1))
            >>> rng = np.random.default_rng(0)
            >>> parent = space.sample(rng)
            >>> differences(parent, space.mutated(parent, rng))
            1
        """
        places = [
            (gene, stage, others)
            for stage in range(len(parent))
            for gene in _STAGE_GENES
            if (others := self._others(gene, stage, getattr(parent[stage], gene)))
        ]
        if counts := self._others("num_stages", 0, len(parent)):
            places.append(("num_stages", 0, counts))
        gene, stage, others = places[rng.integers(len(places))]
        value = others[rng.integers(len(others))]
        if gene == "num_stages":
            return (parent + parent[-1:] * value)[:value]
        stages = list(parent)
        stages[stage] = dataclasses.replace(stages[stage], **{gene: value})
        return tuple(stages)

    def _others(self, gene: str, stage: int, value: Any) -> list[Any]:
        choices = self.choices(gene, stage)
        if gene not in (*SIZES, "num_stages"):
            return [each for each in choices if each != value]
        at = choices.index(value)
        return [choices[i] for i in (at - 1, at + 1) if 0 <= i < len(choices)]


_STAGE_GENES = tuple(gene for gene in GENES if gene != "num_stages")
_NONE = "none"


def _check_images(shape: Sequence[int]) -> None:
    if len(shape) != 3:
        raise ValueError(
            "An architecture search builds convolutional networks, for images of "
            f"(height, width, channels); given: samples of the shape {tuple(shape)}. "
            "For vectors search the model 'mlp' by kerasopt.tuning.search."
        )
    if min(shape[:2]) < LEAST_SIDE:
        raise ValueError(
            "An architecture search chooses the number of stages, each on maps of half "
            f"the side, and needs images of {LEAST_SIDE}×{LEAST_SIDE} pixels or more; "
            f"given: {shape[0]}×{shape[1]}."
        )


def _read_values(gene: str, given: Any, most_stages: int) -> tuple[Any, ...]:
    """Return a gene's values, checked; numbers in rising order."""
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise ValueError(
            f"The gene {gene!r} needs a list of values, such as "
            f"{list(GENES[gene])!r}; given: {given!r}."
        )
    if gene == "num_stages":
        values = [checks.integer(gene, value) for value in given]
        if max(values) > most_stages:
            raise ValueError(
                f"Images of this size have room for {most_stages} stages at most; "
                f"given: num_stages={list(given)!r}."
            )
    else:
        values = [getattr(read_stages([{gene: value}])[0], gene) for value in given]
    unique = list(dict.fromkeys(values))
    if gene == "attention":  # Without one first, as the smallest.
        return tuple(
            v for v in (None, *sorted(ATTENTIONS, reverse=True)) if v in unique
        )
    return tuple(unique if gene == "block" else sorted(unique))


def differences(one: Architecture, other: Architecture) -> int:
    """Return in how many genes two architectures differ; their number is one."""
    pairs = list(zip(one, other, strict=False))
    inside = sum(getattr(a, g) != getattr(b, g) for a, b in pairs for g in _STAGE_GENES)
    return inside + (len(one) != len(other))


def text(architecture: Architecture) -> str:
    """Return an architecture as one line.

    Example:
        >>> text(tuple(read_stages([{"depth": 2}, {"block": "residual",
        ...     "attention": "self", "width": 64}])))
        '2×plain 3×3 of 32 → 1×residual 3×3 of 64 + self'
    """
    return " → ".join(
        f"{s.depth}×{s.block} {s.kernel_size}×{s.kernel_size} of {s.width}"
        + (f" + {s.attention}" if s.attention else "")
        for s in architecture
    )


def to_list(architecture: Architecture) -> list[dict[str, Any]]:
    """Return the stages as `kerasopt.models.stages` takes them."""
    return [dataclasses.asdict(stage) for stage in architecture]


def from_list(stages: Sequence[Mapping[str, Any]]) -> Architecture:
    """Return the architecture that `to_list` wrote."""
    return tuple(read_stages(stages))


@dataclass(frozen=True)
class Individual:
    """One that was trained.

    Attributes:
        trial: Its number.
        architecture: Its genes.
        score: Its objective; more is better.
    """

    trial: int
    architecture: Architecture
    score: float


def propose(
    space: GeneSpace,
    population: Sequence[Individual],
    rng: np.random.Generator,
    *,
    size: int,
    sample: int,
    fits: Callable[[Architecture], bool],
) -> tuple[Architecture | None, Individual | None]:
    """Choose what to train next, by regularized evolution.

    While there are fewer than `size` individuals it is drawn at random. Then `sample`
    of the `size` youngest are drawn, with replacement, and the best of them is the
    parent; the child has one of its genes changed. So the oldest dies with each
    child, however good it was.

    What doesn't fit is drawn again. Random architectures are drawn from ever smaller
    ones; a child of which no mutation fits has its parent's genes.

    Args:
        space: The architectures.
        population: All individuals so far, the oldest first.
        rng: Draws.
        size: Individuals that are alive.
        sample: Individuals of a tournament.
        fits: Says whether an architecture may be trained.

    Returns:
        The architecture, None if none fits, and its parent, if it has one.

    Example:
        >>> space = GeneSpace.read((8, 8, 1))
        >>> rng = np.random.default_rng(0)
        >>> child, parent = propose(space, [], rng, size=2, sample=2,
        ...                         fits=lambda architecture: True)
        >>> parent is None
        True

    References:
        Real et al. (2019), https://arxiv.org/abs/1802.01548.
    """
    if len(population) < size:
        return sample_fitting(space, rng, fits), None
    alive = population[-size:]
    drawn = [alive[int(rng.integers(size))] for _ in range(sample)]
    parent = max(drawn, key=lambda each: each.score)
    for _ in range(TRIES):
        child = space.mutated(parent.architecture, rng)
        if fits(child):
            return child, parent
    return parent.architecture, parent


def sample_fitting(
    space: GeneSpace, rng: np.random.Generator, fits: Callable[[Architecture], bool]
) -> Architecture | None:
    """Draw an architecture that fits, from ever smaller ones; None if none does."""
    for attempt in range(TRIES):
        drawn = space.sample(rng, share=1 - attempt / TRIES)
        if fits(drawn):
            return drawn
    return None
