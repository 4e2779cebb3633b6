"""`kerasopt bench`: parts by name, and the curve of accuracy over budgets."""

import json

import pytest
import yaml

from kerasopt import cli, recipes
from kerasopt.benchmarks import budgets, suite


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One real run of digits in nine seconds."""
    out = tmp_path_factory.mktemp("budgets")
    return budgets.measure(["12s"], recipe="digits", seeds=[0], out=out), out


@pytest.mark.slow
def test_a_budget_is_measured_in_a_process_of_its_own(measured, capsys):
    result, out = measured
    (row,) = result["results"]
    folder = out / "digits-12s-0"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert row["test_accuracy"] == [metrics["test_accuracy"]]
    assert row["total_seconds"] == [metrics["total_seconds"]]
    assert row["budget_seconds"] == 12
    budgets.show(result)
    assert "(n=1)" in capsys.readouterr().out


@pytest.mark.slow
def test_finished_budget_runs_are_reused(measured):
    result, out = measured
    again = budgets.measure(["12s"], recipe="digits", seeds=[0], out=out)
    assert again["results"] == result["results"]


def test_a_run_that_its_budget_changed_is_reused(tmp_path):
    recipe = recipes.load("digits").to_dict()
    recipe["from_budget"] = {"from 0.001 epochs": {"training.batch_size": 32}}
    path, out = tmp_path / "wide.yaml", tmp_path / "runs"
    path.write_text(yaml.safe_dump(recipe))
    run = (
        recipes.load(str(path)).replace("training.budget", "12s").for_budget().to_dict()
    )
    assert run["training"]["batch_size"] == 32
    (out / "wide-12s-0").mkdir(parents=True)
    (out / "wide-12s-0" / "recipe.yaml").write_text(yaml.safe_dump(run))
    metrics = {"test_accuracy": 0.5, "total_seconds": 9.0, "epochs": 2.0}
    (out / "wide-12s-0" / "metrics.json").write_text(json.dumps(metrics))
    result = budgets.measure(["12s"], recipe=str(path), seeds=[0], out=out)
    assert result["results"][0]["test_accuracy"] == [0.5]


@pytest.mark.slow
def test_the_plot_shows_every_seed_and_both_means(measured):
    result, _ = measured
    row = {**result["results"][0], "test_accuracy": [0.8, 0.9], "total_seconds": [9, 8]}
    row["test_accuracy_tta"] = [0.9, 0.9]
    chart = budgets.plot({**result, "results": [row]})
    (axes,) = chart.axes
    means = sorted(
        line.get_ydata()[0] for line in axes.lines if line.get_marker() != "o"
    )
    assert means == pytest.approx([85, 90])
    assert [len(x.get_xdata()) for x in axes.lines if x.get_marker() == "o"] == [2, 2]


@pytest.mark.slow
def test_bench_runs_parts_and_saves_them(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "kerasopt.benchmarks.startup.measure.__kwdefaults__", {"repeats": 1}
    )
    monkeypatch.setattr("sys.argv", ["kerasopt", "bench", "startup", "--out", "b.json"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0
    saved = json.loads((tmp_path / "b.json").read_text())
    assert set(saved) == {"startup"}
    assert "import kerasopt" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2  # The file exists already.


def test_an_unknown_part_lists_the_others():
    with pytest.raises(ValueError, match=r"Unknown benchmark 'thruput'.*throughput"):
        suite.run(["thruput"])


def test_every_part_can_be_measured_and_shown():
    for name in suite.PARTS:
        module = __import__(f"kerasopt.benchmarks.{name}", fromlist=[name])
        assert callable(module.measure) and callable(module.show)
