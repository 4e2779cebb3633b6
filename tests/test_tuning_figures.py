"""Figures of a search: what they show, for one trial and for hundreds."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from thinning import slow_unless

from kerasopt.charts import VALIDATION
from kerasopt.tuning import figures
from kerasopt.tuning.figures import parallel

ODD = "odd.$x_{1}$_<b>_and_a_very_long_name_to_read"
ACCURACY = {"objective": "val_accuracy", "maximize": True}
LOSS = {"objective": "val_loss", "maximize": False}


def trials(count: int = 40, seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Return a search with every kind of field and status, and its fields."""
    rng = np.random.default_rng(seed)
    augment = [None, {"name": "crop", "padding": 2}, {"name": "affine"}]
    names = rng.choice(["adam", "sgd"], count)
    table = pd.DataFrame(
        {
            "trial": np.arange(count),
            "optimizer.name": names,
            "optimizer.learning_rate": 10 ** rng.uniform(-5, -1, count),
            "optimizer.momentum": np.where(names == "sgd", rng.random(count), np.nan),
            "training.batch_size": rng.choice([32, 64, 256], count),
            "model.units": [[[16], [32, 32]][i] for i in rng.integers(0, 2, count)],
            "model.batch_norm": rng.random(count) < 0.5,
            "augment": [augment[i] for i in rng.integers(0, 3, count)],
            ODD: [("$a$", "<b>", "x" * 60, r"\frac{")[i % 4] for i in range(count)],
            "mean": rng.uniform(0.7, 0.95, count),
            "std": 0.01,
            "n": 3,
            "epochs": 10,
            "seconds": rng.uniform(5, 50, count),
            "parameters": rng.integers(1_000, 1_000_000, count),
            "status": "completed",
            "reason": None,
        }
    )
    if count > 10:
        table.loc[5, ["status", "mean"]] = ["failed", np.nan]
        table.loc[6, "status"] = "stopped"
        table.loc[7, ["status", "mean"]] = ["unfinished", np.nan]
    return table, list(table.columns[1:9])


def failed_only(count: int = 3) -> tuple[pd.DataFrame, list[str]]:
    table, fields = trials(count)
    return table.assign(status="failed", mean=np.nan), fields


def drawn(figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def legend_texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def all_figures(table: pd.DataFrame, fields: list[str], how: dict) -> list:
    return [
        figures.parallel_coordinates(table, fields, **how),
        figures.best_so_far(table, **how),
        figures.best_so_far(table, **how, against="seconds"),
        figures.pareto(table, cost="parameters", **how),
    ]


@pytest.mark.parametrize("count", slow_unless({1, 200}.__contains__, [1, 2, 40, 200]))
@pytest.mark.parametrize("how", [ACCURACY, LOSS], ids=["accuracy", "loss"])
def test_any_number_of_trials_can_be_drawn(count, how, recwarn):
    table, fields = trials(count)
    for figure in all_figures(table, fields, how):
        drawn(figure)
        figure.savefig(io.StringIO(), format="svg")
    assert not recwarn.list


@pytest.mark.parametrize("count", [0, 3])
def test_without_a_measured_trial_there_is_a_sentence(count):
    for figure in all_figures(*failed_only(count), ACCURACY):
        assert not figure.axes
        assert figure.texts[0].get_text().startswith("No ")


def test_the_callers_style_is_neither_used_nor_changed():
    table, fields = trials(12)
    before = dict(matplotlib.rcParams)
    pixels = [drawn(figure) for figure in all_figures(table, fields, ACCURACY)]
    assert dict(matplotlib.rcParams) == before
    with matplotlib.rc_context({"axes.facecolor": "red", "text.color": "red"}):
        again = [drawn(figure) for figure in all_figures(table, fields, ACCURACY)]
    for one, other in zip(pixels, again, strict=True):
        np.testing.assert_array_equal(one, other)


def lines_of(figure) -> LineCollection:
    collections = figure.axes[0].collections
    return next(found for found in collections if isinstance(found, LineCollection))


@pytest.mark.parametrize("maximize", [True, False])
def test_parallel_coordinates_place_and_colour_every_trial(maximize):
    rates = np.array([1e-4, 1e-3, 1e-2, 1e-1])
    table = pd.DataFrame(
        {
            "trial": range(4),
            "learning_rate": rates,
            "units": [10.0, 20.0, 30.0, 40.0],
            "mean": [0.5, 0.6, 0.7, 0.4],
            "status": "completed",
        }
    )
    figure = figures.parallel_coordinates(
        table, ["learning_rate", "units"], objective="score", maximize=maximize
    )
    lines = lines_of(figure)
    order = table["mean"].to_numpy().argsort()[:: 1 if maximize else -1]
    expected = np.stack(
        [np.linspace(0, 1, 4), np.linspace(0, 1, 4), (table["mean"] - 0.4) / 0.3],
        axis=1,
    )[order]
    places = [segment[:, 1] for segment in lines.get_segments()]
    np.testing.assert_allclose(places, expected, atol=1e-12)
    colors = [matplotlib.colors.to_hex(color) for color in lines.get_colors()]
    assert colors[0] == parallel.RAMP[0] and colors[-1] == parallel.RAMP[-1]
    best = next(x for x in figure.axes[0].lines if x.get_color() == VALIDATION)
    np.testing.assert_allclose(best.get_ydata(), expected[-1], atol=1e-12)
    assert best.get_zorder() > lines.get_zorder() and best.get_linewidth() > 2
    winner, value = (2, "0.7") if maximize else (3, "0.4")
    assert legend_texts(figure)[0] == f"trial {winner}, the best: {value}"


def test_parallel_coordinates_tell_small_values_from_zero_and_keep_the_good_apart():
    table = pd.DataFrame(
        {
            "trial": range(6),
            "l2": [0.0, 1e-5, 1e-4, 1e-3, 0.0, 1e-5],
            "mean": [0.99, 0.98, 0.97, 0.96, 0.95, 0.1],
            "status": "completed",
        }
    )
    figure = figures.parallel_coordinates(
        table, ["l2"], objective="score", maximize=True
    )
    lines = lines_of(figure)
    assert "≤ 0.865" in [text.get_text() for text in figure.axes[0].texts]
    places = np.array([segment[:, 1] for segment in lines.get_segments()])[::-1]
    np.testing.assert_allclose(places[:, 0], np.array([0, 1, 2, 3, 0, 1]) / 3)
    # The worst stands at the end, the others fill the rest of the axis.
    low = 0.99 - 5 * (0.99 - 0.965)
    expected = (np.array([0.99, 0.98, 0.97, 0.96, 0.95, low]) - low) / (0.99 - low)
    np.testing.assert_allclose(places[:, 1], expected, atol=1e-9)


def test_parallel_coordinates_leave_failed_trials_out_and_stopped_ones_unchosen():
    table, fields = trials(12)
    table.loc[6, "mean"] = 0.999  # Stopped.
    figure = figures.parallel_coordinates(table, fields, **ACCURACY)
    assert len(lines_of(figure).get_segments()) == 10
    winner = table[table["status"] == "completed"]["mean"].idxmax()
    assert legend_texts(figure)[0].startswith(f"trial {winner}, the best")


def test_parallel_coordinates_name_categories_and_what_is_unset():
    table, fields = trials(40)
    figure = figures.parallel_coordinates(table, fields, **ACCURACY)
    texts = [text.get_text() for text in figure.axes[0].texts]
    for expected in ("adam", "sgd", "256", "[32, 32]", "true", "affine", "crop"):
        assert expected in texts, expected
    assert texts.count("none") == 2  # Momentum and augment.
    assert "Validation\naccuracy\n(%)" in texts
    assert "odd.\n$x_{1}$_<b>_and_\na_very_long_\nname_to_read" in texts
    assert not any(text.get_parse_math() for text in figure.axes[0].texts)


def test_parallel_coordinates_tell_dicts_of_the_same_name_apart():
    table = pd.DataFrame(
        {
            "trial": [0, 1],
            "optimizer": [
                {"name": "sgd", "momentum": 0.9, "nesterov": True},
                {"name": "sgd", "momentum": 0.9, "nesterov": False},
            ],
            "mean": [0.1, 0.2],
            "status": "completed",
        }
    )
    figure = figures.parallel_coordinates(table, ["optimizer"], **ACCURACY)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"#1 {name: sgd, …", "#2 {name: sgd, …"} < set(texts)


def test_best_so_far_is_numpys_running_best():
    table, _ = trials(40)
    for how, best in ((ACCURACY, np.maximum), (LOSS, np.minimum)):
        figure = figures.best_so_far(table, **how)
        counted = table[table["status"] == "completed"]
        scale = 100 if how is ACCURACY else 1
        expected = scale * best.accumulate(counted["mean"].to_numpy())
        line = figure.axes[0].lines[0]
        np.testing.assert_allclose(line.get_ydata()[: len(expected)], expected)
        np.testing.assert_array_equal(
            line.get_xdata()[: len(expected)], counted["trial"]
        )
        assert legend_texts(figure)[1:] == [
            "completed (37)", "stopped (1)", "failed (1)",
        ]  # fmt: skip


def test_best_so_far_adds_up_the_seconds():
    table, _ = trials(40)
    table.loc[5, "seconds"] = np.nan
    shuffled = table.sample(frac=1, random_state=0)
    figure = figures.best_so_far(shuffled, **ACCURACY, against="seconds")
    spent = table["seconds"].fillna(0).cumsum() / 60
    done = (table["status"] == "completed").to_numpy()
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), spent[done])
    assert figure.axes[0].get_xlabel() == "Training time of all trials (minutes)"


def test_one_bad_trial_does_not_hide_the_others():
    table, _ = trials(40)
    table.loc[0, "mean"] = 1e6
    figure = figures.best_so_far(table, **LOSS)
    low, high = figure.axes[0].get_ylim()
    assert high < 2 and low > 0
    assert legend_texts(figure)[-1] == "far off (1)"
    assert figure.axes[0].get_yscale() == "linear"


def effects(**changes) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "factor": ["dropout", "dropout", "augmentation", "augmentation"],
            "design": ["leave one out", "add one in"] * 2,
            "difference": [0.01, 0.004, 0.03, -0.002],
            "low": [0.005, np.nan, 0.02, -0.01],
            "high": [0.015, np.nan, 0.04, 0.006],
            "n": [5, 1, 5, 5],
        }
    )
    return table.assign(**changes)


def test_the_forest_plot_shows_differences_and_intervals():
    figure = figures.forest(effects(), objective="val_accuracy")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "dropout", "augmentation",
    ]  # fmt: skip
    points = [
        (float(x), line.get_marker())
        for line in axes.lines
        if line.get_marker() in "os" and len(line.get_xdata()) == 1
        for x in line.get_xdata()
    ]
    assert [marker for _, marker in sorted(points)] == ["s", "s", "o", "o"]
    np.testing.assert_allclose(sorted(x for x, _ in points), [-0.2, 0.4, 1, 3])
    lines = [line for line in axes.lines if line.get_marker() == "|"]
    whiskers = [tuple(line.get_xdata()) for line in lines]
    np.testing.assert_allclose(sorted(whiskers), [(-1, 0.6), (0.5, 1.5), (2, 4)])
    assert {text.get_text() for text in axes.texts} == {
        "+1.00 [+0.50, +1.50], n=5", "+0.40, n=1", "+3.00 [+2.00, +4.00], n=5",
        "−0.20 [−1.00, +0.60], n=5",
    }  # fmt: skip
    assert "percentage points" in axes.get_xlabel()
    assert legend_texts(figure) == ["leave one out", "add one in"]
    assert len({line.get_ydata()[0] for line in lines}) == 3


def test_the_forest_plot_of_a_loss_of_one_design_has_no_unit():
    one = effects()[lambda t: t["design"] == "leave one out"]
    figure = figures.forest(one, objective="val_loss")
    label = figure.axes[0].get_xlabel()
    assert label == ("Validation loss: gain through the factor, mean and 95 % interval")
    assert legend_texts(figure) == ["leave one out"]
    assert "+0.0100 [+0.0050, +0.0150], n=5" in [
        text.get_text() for text in figure.axes[0].texts
    ]


def test_the_forest_plot_says_what_failed():
    table = effects(factor=["$a$", "$a$", "b" * 80, "b" * 80])
    table.loc[1, "difference"] = np.nan
    figure = figures.forest(table, objective="val_accuracy")
    assert "failed" in [text.get_text() for text in figure.axes[0].texts]
    drawn(figure)
    empty = figures.forest(effects(difference=np.nan), objective="val_accuracy")
    assert empty.texts[0].get_text() == "Nothing was compared."
    assert figures.forest(effects()[:0], objective="x").texts


def brute_force(table: pd.DataFrame, cost: str, maximize: bool) -> set[int]:
    """Return the trials that none dominates, by the definition."""
    sign = -1 if maximize else 1
    points = np.column_stack([table[cost], sign * table["mean"]])
    return {
        int(trial)
        for trial, point in zip(table["trial"], points, strict=True)
        if not ((points <= point).all(axis=1) & (points < point).any(axis=1)).any()
    }


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_the_pareto_front_is_that_of_the_definition(maximize, seed):
    rng = np.random.default_rng(seed)
    # Few different values, so that there are ties of every kind.
    table = pd.DataFrame(
        {
            "trial": np.arange(60),
            "seconds": rng.integers(1, 9, 60),
            "mean": rng.integers(0, 9, 60) / 8,
            "status": "completed",
        }
    )
    front = figures.pareto_front(table, cost="seconds", maximize=maximize)
    assert set(front["trial"]) == brute_force(table, "seconds", maximize)
    assert front["seconds"].is_monotonic_increasing
    assert list(front.columns) == list(table.columns)


def test_the_pareto_front_counts_only_completed_trials_with_both_numbers():
    table = pd.DataFrame(
        {
            "trial": range(5),
            "parameters": [10, 20, np.nan, 5, 1],
            "mean": [0.5, 0.6, 0.9, np.nan, 0.99],
            "status": ["completed"] * 4 + ["stopped"],
        }
    )
    front = figures.pareto_front(table, cost="parameters", maximize=True)
    assert front["trial"].tolist() == [0, 1]
    own = table.rename(columns={"mean": "val_accuracy"}).drop(columns="status")
    front = figures.pareto_front(
        own, cost="parameters", objective="val_accuracy", maximize=True
    )
    assert front["trial"].tolist() == [4]


def test_the_pareto_figure_draws_the_front_and_numbers_it():
    table = pd.DataFrame(
        {
            "trial": [7, 8, 9],
            "parameters": [1_000, 10_000, 100_000],
            "mean": [0.8, 0.7, 0.9],
            "status": "completed",
        }
    )
    figure = figures.pareto(table, cost="parameters", **ACCURACY)
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.texts] == ["9", "7"]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [80, 90, 90])
    assert axes.get_xlabel() == "Parameters"
    free = figures.pareto(table.assign(parameters=[0, 1, 2]), cost="parameters", **LOSS)
    assert free.axes[0].get_xscale() == "linear"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t, f: figures.best_so_far([1], **ACCURACY), "must be a pandas DataF"),
        (
            lambda t, f: figures.best_so_far(t.drop(columns="mean"), **ACCURACY),
            "Unknown column of trials 'mean'",
        ),
        (
            lambda t, f: figures.best_so_far(t.assign(status="done"), **ACCURACY),
            "Unknown status of a trial 'done'.*completed, failed",
        ),
        (
            lambda t, f: figures.best_so_far(t, **ACCURACY, against="epochs"),
            "Unknown horizontal axis 'epochs'.*seconds, trials",
        ),
        (
            lambda t, f: figures.best_so_far(t.assign(mean="x"), **ACCURACY),
            "'mean' must hold numbers",
        ),
        (
            lambda t, f: figures.parallel_coordinates(t, ["unit"], **ACCURACY),
            "Unknown field of the table 'unit'",
        ),
        (
            lambda t, f: figures.pareto(t, cost="parameter", **ACCURACY),
            "Did you mean 'parameters'",
        ),
        (
            lambda t, f: figures.pareto_front(t, cost="optimizer.name", maximize=True),
            "'optimizer.name' must hold numbers",
        ),
        (
            lambda t, f: figures.forest(effects(design="both"), objective="val_loss"),
            "Unknown design 'both'.*add one in, leave one out",
        ),
        (
            lambda t, f: figures.forest(
                effects().drop(columns="n"), objective="val_loss"
            ),
            "Unknown column of trials 'n'",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(*trials(5))


def test_without_a_field_there_are_no_parallel_coordinates():
    table, _ = trials(5)
    figure = figures.parallel_coordinates(table, [], **ACCURACY)
    assert figure.texts[0].get_text() == "No field was tuned."


def test_an_index_of_the_users_does_not_confuse_the_best():
    table, fields = trials(5)
    figure = figures.parallel_coordinates(
        table.set_index(pd.Index([0] * 5)), fields, **ACCURACY
    )
    best = next(x for x in figure.axes[0].lines if x.get_color() == VALIDATION)
    np.testing.assert_allclose(
        best.get_ydata(), lines_of(figure).get_segments()[-1][:, 1]
    )
