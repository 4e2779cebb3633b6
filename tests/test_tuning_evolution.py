"""tuning.architectures.evolution: genes, mutations, and who becomes a parent."""

import numpy as np
import pytest

from kerasopt import models
from kerasopt.tuning.architectures import evolution
from kerasopt.tuning.architectures.evolution import (
    GENES,
    GeneSpace,
    Individual,
    propose,
)

STAGE_GENES = [gene for gene in GENES if gene != "num_stages"]
DIGITS, CIFAR = (8, 8, 1), (32, 32, 3)


def always(architecture):
    return True


def changed_genes(one, other):
    """Count by the stages as the model takes them, not as the module does."""
    one, other = evolution.to_list(one), evolution.to_list(other)
    inside = [
        gene
        for a, b in zip(one, other, strict=False)
        for gene in STAGE_GENES
        if a[gene] != b[gene]
    ]
    return inside + ["num_stages"] * (len(one) != len(other))


def check_valid(space, architecture):
    assert len(architecture) in space.values["num_stages"]
    for number, stage in enumerate(evolution.to_list(architecture)):
        places = np.prod([size // 2**number for size in space.input_shape[:2]])
        assert stage["attention"] != "self" or places <= 256
        for gene in STAGE_GENES:
            assert stage[gene] in space.values[gene]


@pytest.mark.parametrize("shape", [DIGITS, CIFAR, (4, 9, 1)])
def test_a_mutation_changes_one_gene_and_stays_valid(shape):
    space, rng = GeneSpace.read(shape), np.random.default_rng(0)
    seen = set()
    parent = space.sample(rng)
    for _ in range(1500):
        child = space.mutated(parent, rng)
        check_valid(space, child)
        changed = changed_genes(parent, child)
        assert len(changed) == 1 == evolution.differences(parent, child)
        seen |= set(changed)
        parent = child
    assert seen == set(GENES)


def test_numbers_mutate_to_their_neighbours():
    space, rng = GeneSpace.read(DIGITS), np.random.default_rng(0)
    widths = space.values["width"]
    for _ in range(1000):
        parent = space.sample(rng)
        child = space.mutated(parent, rng)
        for old, new in zip(parent, child, strict=False):
            assert abs(widths.index(old.width) - widths.index(new.width)) <= 1
        assert abs(len(parent) - len(child)) <= 1


@pytest.mark.parametrize(("shape", "number"), [(DIGITS, 8), (CIFAR, 4)])
def test_every_sampled_architecture_builds(shape, number):
    space, rng = GeneSpace.read(shape, {"width": [4, 8]}), np.random.default_rng(1)
    for _ in range(number):
        drawn = space.sample(rng)
        check_valid(space, drawn)
        model = models.stages(
            input_shape=shape, num_classes=3, stages=evolution.to_list(drawn)
        )
        assert model.output_shape == (None, 3)


def test_all_values_are_drawn_alike():
    space, rng = GeneSpace.read(DIGITS), np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(3000)]
    for gene in STAGE_GENES:
        values = [getattr(each[0], gene) for each in drawn]
        expected = 3000 / len(GENES[gene])
        counts = np.array([values.count(value) for value in GENES[gene]])
        np.testing.assert_allclose(counts, expected, atol=5 * np.sqrt(expected))


def test_a_small_share_is_the_smallest_architecture():
    space = GeneSpace.read(DIGITS, {"block": ["plain"]})
    (smallest,) = space.smallest()
    assert space.sample(np.random.default_rng(0), share=0.01) == smallest
    assert evolution.text(smallest) == "1×plain 3×3 of 16"


def test_genes_are_written_and_read():
    space, rng = GeneSpace.read(CIFAR), np.random.default_rng(3)
    drawn = {space.sample(rng) for _ in range(300)}
    for each in drawn:
        assert evolution.from_list(evolution.to_list(each)) == each
    assert len({evolution.text(each) for each in drawn}) == len(drawn)


def test_the_users_values_are_sorted_and_unique():
    values = {"width": [8, 4, 8], "attention": ["self", False], "num_stages": [3, 1]}
    space = GeneSpace.read(DIGITS, values)
    assert space.values["width"] == (4, 8)
    assert space.values["attention"] == (None, "self")
    assert space.values["num_stages"] == (1, 3)
    rng = np.random.default_rng(0)
    for _ in range(200):
        child = space.mutated(space.sample(rng), rng)
        check_valid(space, child)


# Parents.


def individuals(space, number):
    rng = np.random.default_rng(5)
    return [Individual(i, space.sample(rng), float(i % 7)) for i in range(number)]


def test_the_first_ones_are_random_then_the_young_have_children():
    space = GeneSpace.read(DIGITS)
    everyone = individuals(space, 9)
    rng = np.random.default_rng(0)
    for number in range(4):
        _, parent = propose(
            space, everyone[:number], rng, size=4, sample=2, fits=always
        )
        assert parent is None
    for _ in range(100):
        child, parent = propose(space, everyone, rng, size=4, sample=2, fits=always)
        assert parent.trial in (5, 6, 7, 8)
        assert len(changed_genes(parent.architecture, child)) == 1


def test_the_best_of_a_sample_is_the_parent():
    # Of P with S drawn with replacement the best one is among them with probability
    # 1 - (1 - 1/P)^S.
    space = GeneSpace.read(DIGITS)
    everyone = individuals(space, 5)  # The last one is the best.
    rng = np.random.default_rng(0)
    tries = 1500
    best = sum(
        propose(space, everyone, rng, size=5, sample=3, fits=always)[1].trial == 4
        for _ in range(tries)
    )
    chance = 1 - (1 - 1 / 5) ** 3
    assert abs(best - tries * chance) < 4 * np.sqrt(tries * chance * (1 - chance))


def test_only_what_fits_is_proposed():
    space = GeneSpace.read(DIGITS)
    everyone = [each for each in individuals(space, 40) if len(each.architecture) < 3]
    rng = np.random.default_rng(0)

    def fits(architecture):
        return len(architecture) < 3

    for population in ([], everyone):
        for _ in range(50):
            child, _ = propose(space, population, rng, size=4, sample=2, fits=fits)
            assert fits(child)
    nothing = {"size": 4, "sample": 2, "fits": lambda architecture: False}
    assert propose(space, [], rng, **nothing) == (None, None)
    # A population that can't change trains on.
    child, parent = propose(space, everyone, rng, **nothing)
    assert child == parent.architecture


def test_a_rare_small_architecture_is_found():
    space = GeneSpace.read(CIFAR)

    def fits(architecture):
        return sum(each.width * each.depth for each in architecture) <= 16

    for seed in range(10):
        rng = np.random.default_rng(seed)
        child, _ = propose(space, [], rng, size=2, sample=1, fits=fits)
        assert fits(child)


def test_evolution_climbs_faster_than_chance():
    space = GeneSpace.read(CIFAR)
    deepest = GeneSpace.read(CIFAR, {"num_stages": [5]})
    target = deepest.sample(np.random.default_rng(123))

    def score(architecture):
        missing = len(target) - len(architecture)
        return -len(changed_genes(target, architecture)) - 3 * missing

    def best(seed, size):
        everyone = []
        for trial in range(150):
            rng = np.random.default_rng([seed, trial])
            child, _ = propose(space, everyone, rng, size=size, sample=5, fits=always)
            everyone.append(Individual(trial, child, score(child)))
        return max(each.score for each in everyone)

    evolved = [best(seed, 15) for seed in range(10)]
    random = [best(seed, 1000) for seed in range(10)]
    assert np.mean(evolved) > np.mean(random) + 2


# Bad input.


@pytest.mark.parametrize(
    ("shape", "values", "message"),
    [
        ((64,), {}, r"for images.*given: samples of the shape \(64,\)"),
        ((8, 3, 1), {}, r"4×4 pixels or more; given: 8×3"),
        (DIGITS, {"widht": [8]}, "Unknown gene 'widht'. Did you mean 'width'"),
        (DIGITS, {"width": []}, "'width' needs a list of values"),
        (DIGITS, {"width": 8}, "'width' needs a list of values"),
        (DIGITS, {"width": [0]}, "width must be an integer >= 1"),
        (DIGITS, {"block": ["plian"]}, "Did you mean 'plain'"),
        (DIGITS, {"attention": ["none"]}, "Unknown attention"),
        (DIGITS, {"num_stages": [4]}, "room for 3 stages at most"),
        (DIGITS, {"num_stages": [True]}, "num_stages must be an integer"),
        (
            DIGITS,
            {gene: [values[0]] for gene, values in GENES.items()},
            "one architecture alone",
        ),
    ],
)
def test_bad_spaces_are_refused(shape, values, message):
    with pytest.raises(ValueError, match=message):
        GeneSpace.read(shape, values)
