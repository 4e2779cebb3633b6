"""The importance of fields: on objectives whose parts are known."""

import numpy as np
import pandas as pd
import pytest

from kerasopt.tuning.figures.importance import importance, plot_importance

FIELDS = ["optimizer.learning_rate", "model.units", "augment", "$odd$ <b>"]


def trials(count: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    augment = [None, {"name": "crop"}, {"name": "affine", "rotation_range": 10}]
    return pd.DataFrame(
        {
            "trial": np.arange(count),
            FIELDS[0]: 10 ** rng.uniform(-5, -1, count),
            FIELDS[1]: [[[16], [32, 32]][i] for i in rng.integers(0, 2, count)],
            FIELDS[2]: [augment[i] for i in rng.integers(0, 3, count)],
            FIELDS[3]: np.where(rng.random(count) < 0.3, np.nan, rng.random(count)),
            "mean": np.nan,
            "status": "completed",
        }
    )


def found(table: pd.DataFrame, **options) -> pd.Series:
    frame = importance(table, FIELDS, objective="val_accuracy", **options)
    return frame.set_index("field")["importance"]


@pytest.mark.parametrize("count", [25, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("field", range(4))
def test_the_one_field_that_matters_is_found(field, count):
    table = trials(count)
    objectives = [
        -((np.log10(table[FIELDS[0]]) + 3) ** 2),
        table[FIELDS[1]].map(len),
        table[FIELDS[2]].map(lambda value: 0 if value is None else len(value)),
        table[FIELDS[3]].fillna(0.0),
    ]
    table["mean"] = objectives[field].astype(float)
    shares = found(table)
    assert shares.idxmax() == FIELDS[field]
    assert shares.max() > 0.8
    assert shares.sum() == pytest.approx(1)


def test_two_fields_share_as_their_variances_do():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.random((300, 3)), columns=["a", "b", "c"])
    # Independent and additive: the variances are 4 to 1.
    table = table.assign(mean=2 * table["a"] + table["b"], status="completed")
    frame = importance(table, ["c", "b", "a"], objective="score")
    assert frame["field"].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(frame["importance"], [0.8, 0.2, 0], atol=0.1)
    assert frame.attrs["r2"] > 0.8
    assert "300 completed trials" in frame.attrs["note"]


def test_of_noise_nothing_is_important():
    table = trials(60)
    table["mean"] = np.random.default_rng(1).normal(size=60)
    frame = importance(table, FIELDS, objective="val_loss")
    assert frame.attrs["r2"] <= 0 and not frame["importance"].any()
    assert "don't tell which" in frame.attrs["note"]
    constant = importance(table.assign(mean=0.5), FIELDS, objective="val_loss")
    assert not constant["importance"].any()


def test_a_loss_over_decades_is_judged_by_its_logarithm():
    table = trials(60)
    rates = np.log10(table[FIELDS[0]])
    table["mean"] = 10.0 ** -(rates + 3)
    table.loc[table[FIELDS[0]].idxmin(), "mean"] = 1e9  # Would be all the variance.
    assert found(table)[FIELDS[0]] > 0.8


def test_only_completed_trials_count_and_few_are_too_few():
    table = trials(14)
    table["mean"] = np.log10(table[FIELDS[0]])
    table.loc[:2, "status"] = ["failed", "stopped", "unfinished"]
    frame = importance(table, FIELDS, objective="val_loss")
    assert "From 11 completed trials only" in frame.attrs["note"]
    table.loc[3, "mean"] = np.nan
    table.loc[4, "mean"] = np.inf
    with pytest.raises(ValueError, match=r"at least 10 completed trials.*given: 9 and"):
        importance(table, FIELDS, objective="val_loss")


def test_the_same_seed_gives_the_same_numbers():
    table = trials(20)
    table["mean"] = np.log10(table[FIELDS[0]])
    pd.testing.assert_series_equal(found(table, seed=3), found(table, seed=3))


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ([], {}, "one field; given: 12 and 0"),
        (["model.unit"], {}, "Unknown field of the table 'model.unit'.*model.units"),
        (FIELDS, {"seed": -1}, "seed must be an integer >= 0"),
    ],
)
def test_bad_arguments_are_refused(fields, options, message):
    table = trials(12).assign(mean=0.5)
    with pytest.raises(ValueError, match=message):
        importance(table, fields, objective="val_loss", **options)


def test_the_figure_has_a_bar_and_a_whisker_a_field():
    frame = pd.DataFrame(
        {
            "field": ["model.units", "$a$ " * 30, "augment"],
            "importance": [0.1, 0.85, 0.05],
            "std": [0.05, 0.4, 0.1],
        }
    )
    axes = plot_importance(frame).axes[0]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [5, 10, 85])
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names[:2] == ["augment", "model.units"] and names[2].endswith("…")
    (whiskers,) = axes.collections
    ends = [segment[:, 0] for segment in whiskers.get_segments()]
    np.testing.assert_allclose(ends, [[0, 15], [5, 15], [45, 100]])
    assert plot_importance(frame)._repr_png_().startswith(b"\x89PNG")


def test_without_a_field_the_figure_is_a_sentence():
    empty = pd.DataFrame({"field": [], "importance": [], "std": []})
    assert plot_importance(empty).texts[0].get_text() == "No field was tuned."
    with pytest.raises(ValueError, match="Unknown column of trials 'std'"):
        plot_importance(empty.drop(columns="std"))
