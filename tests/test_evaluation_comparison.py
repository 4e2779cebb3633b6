"""Comparing runs, with SciPy and pandas as the judges of the statistics."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kerasopt.evaluation import Comparison, compare


def run(name="a", seed=0, accuracy=0.9, *, directory=None, settings=None, **metrics):
    """Return an object that has what a run has."""
    return SimpleNamespace(
        directory=directory or f"runs/{name}-{seed}-{accuracy}",
        recipe={
            "name": name,
            "training": {"seed": seed, "epochs": 2},
            **(settings or {}),
        },
        metrics={
            "test_accuracy": accuracy,
            "val_accuracy": 0.88,
            "test_loss": 0.3,
            "train_seconds": 61.0,
            "parameters": 1000,
            "epochs": 2,
            **metrics,
        },
        history=pd.DataFrame({"epoch": [1, 2], "val_accuracy": [0.5, 0.88]}),
        seed=seed,
    )


def seeds_of(name, accuracies, **options):
    return [run(name, seed, a, **options) for seed, a in enumerate(accuracies)]


A = [0.901, 0.912, 0.896, 0.905]
B = [0.915, 0.913, 0.909, 0.921]


def test_views_are_a_column_where_a_run_has_them():
    plain, views = run("a", 0), run("b", 0, test_accuracy_tta=0.9321)
    assert "93.21 %" in repr(compare(plain, views))
    assert "tta" not in repr(compare(plain, run("c", 0)))


def test_a_setting_that_is_none_is_one_that_is_left_out():
    """Recipes list what they don't set, runs of objects don't."""
    listed = run("a", 0, settings={"class_weight": None, "loss": {"name": None}})
    found = compare(listed, run("b", 0))
    assert set(found.differences) == {"name"}
    weighted = run("b", 0, settings={"class_weight": "balanced"})
    found = compare(listed, weighted)
    assert list(found.differences["class_weight"].values()) == ["balanced"]
    assert "None" not in repr(found)


def test_a_long_setting_does_not_widen_the_table():
    runs = [run("a", 0, settings={"description": c * 300}) for c in "xy"]
    runs[1].directory = "runs/other"
    wide = repr(compare(*runs)).split("\n\n")[-1]
    assert max(map(len, wide.splitlines())) < 120


def test_the_table_has_one_row_a_run():
    found = compare(run("a", 0, 0.9), run("b", 1, 0.8, test_samples=1000))
    assert isinstance(found, Comparison)
    assert list(found.table.columns) == [
        "run",
        "recipe",
        "seed",
        "val_accuracy",
        "test_accuracy",
        "test_accuracy_tta",
        "test_log_loss",
        "test_loss",
        "test_interval",
        "train_seconds",
        "parameters",
        "epochs",
    ]
    assert found.table["run"].tolist() == ["a-0-0.9", "b-1-0.8"]
    assert found.table["recipe"].tolist() == ["a", "b"]
    assert found.table["test_accuracy"].tolist() == [0.9, 0.8]
    expected = stats.binomtest(800, 1000).proportion_ci(method="wilson")
    none, interval = found.table["test_interval"]
    assert none is None
    assert interval == pytest.approx((expected.low, expected.high))


def test_a_recorded_interval_is_kept():
    found = compare(run(test_interval=[0.88, 0.92]), run("b"))
    assert found.table["test_interval"][0] == (0.88, 0.92)


def test_the_summary_agrees_with_numpy_and_scipy():
    found = compare(*seeds_of("a", A), *seeds_of("b", B))
    assert found.baseline == "a"
    assert found.summary["n"].tolist() == [4, 4]
    assert found.summary["mean"].tolist() == pytest.approx([np.mean(A), np.mean(B)])
    assert found.summary["std"].tolist() == pytest.approx(
        [np.std(A, ddof=1), np.std(B, ddof=1)]
    )
    row = found.summary.loc["b"]
    expected = stats.ttest_rel(B, A).confidence_interval(0.95)
    assert row["difference_interval"] == pytest.approx((expected.low, expected.high))
    assert row["difference"] == pytest.approx(np.mean(B) - np.mean(A))
    assert row["shared_seeds"] == 4
    own = found.summary.loc["a"]
    assert own["shared_seeds"] == 0 and np.isnan(own["difference"])


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8
    ).filter(lambda pairs: np.std([b - a for a, b in pairs]) > 1e-6)
)
@settings(max_examples=30, deadline=None)
def test_the_paired_interval_is_that_of_scipy(pairs):
    a, b = (list(values) for values in zip(*pairs, strict=True))
    runs_a = [run("a", s, v, directory=f"a{s}") for s, v in enumerate(a)]
    runs_b = [run("b", s, v, directory=f"b{s}") for s, v in enumerate(b)]
    expected = stats.ttest_rel(b, a).confidence_interval(0.95)
    found = compare(*runs_a, *runs_b).summary.loc["b", "difference_interval"]
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_only_shared_seeds_are_paired():
    runs = [run("a", 0, 0.9), run("a", 1, 0.8), run("b", 1, 0.85), run("b", 2, 0.5)]
    row = compare(*runs).summary.loc["b"]
    assert row["shared_seeds"] == 1 and row["difference"] == pytest.approx(0.05)
    assert row["difference_interval"] is None
    row = compare(run("a", 0), run("b", 1)).summary.loc["b"]
    assert row["shared_seeds"] == 0 and np.isnan(row["difference"])


def test_runs_without_seed_count_but_are_not_paired():
    runs = [run("a", None, 0.8, directory="x"), run("a", None, 0.9, directory="y")]
    found = compare(*runs, run("b", None, 0.7, directory="z"))
    assert found.summary["n"].tolist() == [2, 1]
    assert found.summary.loc["b", "shared_seeds"] == 0


def test_a_seed_run_twice_counts_once_in_the_pairing():
    runs = [run("a", 0, 0.8), run("a", 0, 0.9), run("b", 0, 0.95)]
    row = compare(*runs).summary.loc["b"]
    assert row["shared_seeds"] == 1 and row["difference"] == pytest.approx(0.1)


@pytest.mark.parametrize("baseline", ["b", "b-1-0.913"])
def test_the_baseline_may_be_named(baseline):
    found = compare(*seeds_of("a", A), *seeds_of("b", B), baseline=baseline)
    assert found.baseline == "b"
    assert found.summary.loc["a", "difference"] == pytest.approx(
        np.mean(A) - np.mean(B)
    )


def test_the_baseline_may_be_a_run():
    first, second = run("a"), run("b")
    assert compare(first, second, baseline=second).baseline == "b"


def test_differences_of_shares_are_shown_in_points():
    runs = [run("a", 0, 0.9), run("a", 1, 0.91), run("b", 0, 0.94), run("b", 1, 0.95)]
    shown = repr(compare(*runs))
    assert "+4.00 points" in shown and "+4.00 to +4.00 points" in shown
    other = [
        run(name, 0, task="regression", test_rmse=value, test_accuracy=None)
        for name, value in (("a", 2.0), ("b", 1.5))
    ]
    assert "points" not in repr(compare(*other))


def test_differences_list_each_setting_that_varies():
    first = run("a", 0, 0.9, settings={"optimizer": {"rate": 0.1, "name": "sgd"}})
    second = run("a", 1, 0.8, settings={"optimizer": {"rate": 0.2, "name": "sgd"}})
    second.recipe["augment"] = {"flip": True}
    names = ["a-0-0.9", "a-1-0.8"]
    assert compare(first, second).differences == {
        "training.seed": dict(zip(names, [0, 1], strict=True)),
        "optimizer.rate": dict(zip(names, [0.1, 0.2], strict=True)),
        "augment.flip": {names[1]: True},
    }


def test_data_that_differ_are_told():
    runs = seeds_of("a", A[:2])
    for each, test in zip(runs, ("1" * 64, "2" * 64), strict=True):
        each.environment = {"data": {"sha256": {"x_train": "0" * 64, "x_test": test}}}
    found = compare(*runs)
    assert list(found.differences) == ["training.seed", "data.x_test"]
    assert list(found.differences["data.x_test"].values()) == ["1" * 8, "2" * 8]
    assert "data.x_test" in repr(found)
    assert found.summary["n"].tolist() == [2]  # Folds, for example.


def test_true_and_one_are_different_settings():
    first, second = (
        run("a", 0, 0.9, directory=str(value), settings={"x": value})
        for value in (True, 1)
    )
    assert list(compare(first, second).differences) == ["x"]


def test_namesakes_with_other_settings_are_told_apart():
    slow = seeds_of("a", A, settings={"rate": 0.1})
    fast = seeds_of("a", B, settings={"rate": 0.2})
    found = compare(*slow, *fast)
    assert found.summary.index.tolist() == ["a, rate=0.1", "a, rate=0.2"]
    assert found.summary["n"].tolist() == [4, 4]
    assert found.summary["shared_seeds"].tolist() == [0, 4]


def measured(name, seed=0, **metrics):
    """Return a run with nothing but the given measures."""
    found = run(name, seed)
    found.metrics = {"train_seconds": 61.0, "parameters": 1000, "epochs": 2, **metrics}
    found.history = pd.DataFrame({"epoch": [1, 2], "val_loss": [0.5, 0.4]})
    return found


@pytest.mark.parametrize("task", [None, "regression"])
def test_regressions_are_compared_by_rmse(task):
    named = {} if task is None else {"task": task}
    runs = [
        measured("a", 0, test_rmse=12000.0, test_interval=[11500.0, 12500.0], **named),
        measured("a", 1, test_rmse=12.5, val_rmse=12.25, **named),
        measured("b", 1, test_rmse=13.0, test_loss=3.0, **named),
    ]
    found = compare(*runs)
    assert found.headline == "rmse"
    assert {"val_rmse", "test_rmse", "test_rmse_tta"} < set(found.table.columns)
    assert found.summary.loc["b", "difference"] == pytest.approx(0.5)
    text = repr(found)
    for part in ("12,000", "11,500 to 12,500", "12.25", "test RMSE"):
        assert part in text, part
    assert "%" not in text and "TTA" not in text
    assert found.to_dict()["headline"] == "rmse"
    # The loss where RMSE wasn't logged.
    assert found.plot().axes[0].get_ylabel() == "Validation loss"


def test_multilabel_runs_and_runs_without_a_task():
    name = "mean_average_precision"
    found = compare(
        measured("a", **{f"test_{name}": 0.75}), measured("b", **{f"test_{name}": 0.7})
    )
    assert found.headline == name and "0.75" in repr(found)
    found = compare(measured("a", test_loss=0.5), measured("b", test_loss=0.25))
    assert found.headline == "loss"
    assert found.summary["mean"].tolist() == [0.5, 0.25]
    assert compare(measured("a"), measured("b")).summary["n"].tolist() == [0, 0]


def test_a_run_that_names_its_task_is_compared_with_an_older_one():
    found = compare(run("a", task="multiclass", val_accuracy=0.9), run("b"))
    assert found.table["val_accuracy"].tolist() == [0.9, 0.88]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (run("a"), measured("b", test_rmse=1.0)),
        (run("a", task="binary"), run("b", task="multiclass")),
        (measured("a", test_loss=1.0), run("b", task="multilabel")),
    ],
)
def test_different_tasks_are_refused(first, second):
    with pytest.raises(ValueError, match=r"different tasks.*given: a-0.*b-0.*one task"):
        compare(first, second)


def test_missing_measures_are_missing_values():
    without = run("b", 1, None, directory="runs/empty")
    without.metrics = {}
    found = compare(run("a"), without)
    assert found.summary["n"].tolist() == [1, 0]
    assert np.isnan(found.table["test_accuracy"][1])
    text = repr(found)
    assert "nan" not in text.lower() and "None" not in text
    assert (
        json.loads(json.dumps(found.to_dict(), allow_nan=False))["runs"][1][
            "test_accuracy"
        ]
        is None
    )


def test_the_dict_is_json_and_complete():
    found = compare(*seeds_of("a", A, test_samples=500), *seeds_of("b", B))
    restored = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [row["test_accuracy"] for row in restored["runs"]] == A + B
    assert [row["seed"] for row in restored["runs"]] == [0, 1, 2, 3] * 2
    assert restored["recipes"][1]["recipe"] == "b"
    assert restored["recipes"][1]["difference"] == pytest.approx(
        np.mean(B) - np.mean(A)
    )
    assert len(restored["recipes"][1]["difference_interval"]) == 2
    assert restored["baseline"] == "a"
    assert set(restored["differences"]) == {"name", "training.seed"}


def test_the_texts_show_numbers_as_people_read_them():
    found = compare(*seeds_of("a", A, test_samples=500), *seeds_of("b", B))
    for text in (repr(found), found._repr_html_()):
        for part in ("90.10 %", "1 min 1 s", "1,000", "test accuracy", "training.seed"):
            assert part in text, part
        assert "_accuracy" not in text


def test_html_escapes_names():
    bad = "<script>alert(1)</script>"
    html = compare(
        run(bad, 0, settings={bad: bad}), run("b", directory=f"x{bad}")
    )._repr_html_()
    assert "<script" not in html and "&lt;script&gt;" in html


def test_runs_of_the_same_folder_name_are_told_by_their_paths():
    found = compare(run(directory="one/run"), run(seed=1, directory="two/run"))
    assert found.table["run"].tolist() == ["one/run", "two/run"]


def test_runs_without_a_folder_are_numbered():
    first, second = run(), run("b")
    first.directory = second.directory = None
    assert compare(first, second).table["run"].tolist() == ["run-1", "run-2"]


def test_the_plot_has_a_curve_for_each_run():
    found = compare(run("a"), run("b"))
    line = found.plot().axes[0].lines[1]
    assert line.get_ydata().tolist() == [50, 88]
    with pytest.raises(ValueError, match="none_such"):
        found.plot(metric="none_such")


@pytest.mark.parametrize(
    ("runs", "options", "message"),
    [
        ([], {}, "at least two runs; given: 0"),
        ([run()], {}, "at least two runs; given: 1"),
        ([run(), "runs/a"], {}, "Argument 1 of compare is no run: str"),
        ([run(), run()], {}, "given twice, or a copy of it: runs/a-0-0.9"),
        ([run("a"), run("bcd")], {"baseline": "bce"}, "Did you mean 'bcd'"),
        ([run("a"), run("b")], {"baseline": run("c")}, "Unknown baseline"),
    ],
)
def test_bad_input_is_refused(runs, options, message):
    with pytest.raises(ValueError, match=message):
        compare(*runs, **options)


def test_a_copy_of_a_run_is_no_repeat():
    made, copy = run("a"), run("a", directory="copy")
    again = run("a", directory="again", train_seconds=61.5)
    with pytest.raises(ValueError, match=r"twice, or a copy of it: copy, runs/a"):
        compare(made, copy)
    assert compare(made, again).summary["n"].tolist() == [2]


def test_a_link_to_a_run_is_the_same_run(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    runs = [run("a", directory=tmp_path / name) for name in "ab"]
    with pytest.raises(ValueError, match=r"given twice.*/a, .*/b"):
        compare(*runs)
