"""kerasopt.benchmarks.growth: trainings leave no graphs, memory, threads or files."""

import gc

import pytest
from thinning import slow_unless

from kerasopt.benchmarks import growth


def graphs():
    gc.collect()
    return sum(type(each).__name__ == "FuncGraph" for each in gc.get_objects())


@pytest.mark.parametrize(
    "train",
    slow_unless(lambda train: train is growth._trial, [growth._fit, growth._trial]),
)
def test_no_traced_graph_stays(train, tmp_path):
    """TensorFlow kept one a training, for the life of the process: 2 MB."""
    train(tmp_path / "first")
    before = graphs()
    for number in range(3):
        train(tmp_path / str(number))
    assert graphs() <= before


@pytest.mark.slow
def test_it_measures_each_kind():
    found = growth.measure(fits=growth.WARM_UP + 1)["results"]
    assert set(found) == {"ko.fit", "trial that compiles"}
    for each in found.values():
        # One training adds less than the noise of a process's memory.
        assert abs(each["mb_a_fit"]) < 100
        assert each["threads"] <= 2 and each["files"] <= 1
