"""The HTML report of a search: whole, self-contained, safe and complete."""

from __future__ import annotations

import functools
import re

import numpy as np
import pages
import pandas as pd
import pytest
import yaml
from pages import HOSTILE
from scipy.stats import binomtest

from kerasopt.tuning.searches import report
from kerasopt.tuning.searches.report import SearchReportData


class Page(pages.Page):
    """A page with names that may be broken into lines."""

    void = pages.Page.void | {"wbr"}


def trials(count: int = 14) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    augment = [None, {"name": "crop", "padding": 2}]
    table = pd.DataFrame(
        {
            "trial": np.arange(count),
            "optimizer.learning_rate": 10 ** rng.uniform(-4, -1, count),
            "model.units": [[[16], [32, 32]][i % 2] for i in range(count)],
            "augment": [augment[i % 2] for i in range(count)],
            "mean": np.linspace(0.7, 0.9, count),
            "std": 0.0123,
            "n": 5,
            "epochs": 20.0,
            "seconds": 61.0,
            "parameters": 12345,
            "status": "completed",
            "reason": None,
        }
    )
    table["reason"] = table["reason"].astype(object)
    if count > 3:
        table.loc[0, ["status", "mean", "reason"]] = ["failed", np.nan, "loss is NaN"]
        table.loc[1, ["status", "reason"]] = ["stopped", "hopeless after 6 epochs"]
    return table


FIELDS = ["optimizer.learning_rate", "model.units", "augment"]


def complete(**changes) -> SearchReportData:
    given = {
        "title": "Search of digits",
        "description": "Learning rate and width.",
        "objective": "val_accuracy",
        "maximize": True,
        "table": trials(),
        "fields": FIELDS,
        "space": {"optimizer.learning_rate": {"low": 1e-4, "high": 0.1, "log": True}},
        "best": {"name": "digits", "model": {"name": "mlp", "units": (32, 32)}},
        "own": {"optimizer.learning_rate": 0.0123, "model.units": [77]},
        "samples": 200,
        "settings": {"method": "bayesian", "trials": 14, "budget": 1800, "seed": 3},
        "seconds": 900.0,
        "environment": {"python": "3.11.9", "packages": {"keras": "3.15.1"}},
        "notes": ["A note at the top."],
    }
    return SearchReportData(**{**given, **changes})


@functools.cache
def complete_html() -> str:
    """Return the page of `complete`, rendered once for all tests that read it."""
    return report.render(complete())


def test_the_page_says_everything():
    text = Page(complete_html()).text
    for part in (
        "Search of digits",
        "Learning rate and width.",
        "A note at the top.",
        "Best validation accuracy 90.00 % trial 13, ± 1.23 % over 5 runs",
        "Trials 14 12 completed, 1 stopped, 1 failed",
        "Time 15 min 0 s budget 30 min 0 s",
        "Parameters of the best 12,345",
        "kerasopt train best.yaml",
        "Field Best The recipe's own",
        "0.0123",
        "[77]",
        "From 12 completed trials only",
        "{name: crop, padding: 2}",
        "loss is NaN",
        "hopeless after 6 epochs",
        "method bayesian",
        "budget 30 min 0 s",
        "packages · keras 3.15.1",
    ):
        assert part in text, part


def test_the_winner_and_the_space_can_be_read_back():
    data = complete()
    texts = Page(complete_html()).texts
    best = next(text for text in texts if "name: mlp" in text)
    assert yaml.safe_load(best) == {
        "name": "digits",
        "model": {"name": "mlp", "units": [32, 32]},
    }
    space = next(text for text in texts if "log: true" in text)
    assert yaml.safe_load(space) == data.space


def rows(html: str) -> list[str]:
    """Return the text of each row of the tables of trials."""
    tables = re.findall(r'<table class="trials">.*?</table>', html, re.DOTALL)
    return [
        " ".join(re.sub(r"<[^>]*>", " ", row).split())
        for table in tables
        for row in re.findall(r"<tr.*?</tr>", table.split("<tbody>")[1], re.DOTALL)
    ]


def test_the_table_has_the_best_first_and_the_failed_last():
    found = rows(complete_html())
    assert [int(row.split()[0]) for row in found] == [*range(13, 1, -1), 1, 0]
    rate = f"{trials().loc[13, FIELDS[0]]:.4g}"
    assert found[0] == (
        f"13 90.00 % ± 1.23 % completed {rate} [32, 32] {{name: crop, padding: 2}} "
        "5 20 1 min 1 s 12,345"
    )
    assert found[-1].startswith("0 – failed") and found[-1].endswith("loss is NaN")
    lowest = rows(report.render(complete(objective="val_loss", maximize=False)))
    assert [int(row.split()[0]) for row in lowest] == [*range(2, 14), 1, 0]


def test_the_best_has_the_interval_of_its_samples():
    ends = binomtest(180, 200).proportion_ci(method="wilson")
    words = f"95 % interval {100 * ends.low:.2f} to {100 * ends.high:.2f} % by 200"
    assert words in Page(complete_html()).text
    assert "interval" not in Page(report.render(complete(samples=None))).text
    loss = complete(objective="val_loss", maximize=False)
    assert "interval" not in Page(report.render(loss)).text


def test_many_trials_are_folded_but_none_is_left_out():
    table = trials(200)
    html = report.render(complete(table=table))
    page = Page(html)
    assert len(rows(html)) == 200
    # Besides the whole recipe, which is folded, too.
    assert "170 more" in page.text and len(page.all("details")) == 2
    assert len(Page(complete_html()).all("details")) == 1


def test_each_figure_is_there_and_described():
    figures = Page(complete_html()).all("svg")
    assert [figure["role"] for figure in figures] == ["img"] * 4
    for figure, words in zip(
        figures,
        ("At the end it is 90.00 %, of trial 13", "over the training time",
         "Parallel coordinates of 13 trials over 3 fields", "Importance: "),
        strict=True,
    ):  # fmt: skip
        assert words in figure["aria-label"]


def test_the_page_loads_nothing():
    html = complete_html()
    page = Page(html)
    assert not re.search(r"https?:|//[a-z]", html)
    assert not {"script", "link", "iframe", "object", "form", "img"} & {
        tag for tag, _ in page.tags
    }
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith("#"), tag
    assert not re.search(r"@import|url\((?!#)", html)
    policy = page.all("meta")[3]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_references_inside_the_figures_are_whole_and_ids_unique():
    html = complete_html()
    ids = [a["id"] for _, a in Page(html).tags if a.get("id")]
    assert len(ids) == len(set(ids)) > 20
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', html))
    assert used and {first or second for first, second in used} <= set(ids)


def test_every_colour_of_the_figures_follows_the_theme():
    html = complete_html()
    style, figures = html.split("</style>", 1)
    variables = set(re.findall(r"var\((--[\w-]+)\)", figures))
    assert {"--ramp-0", "--ramp-7", "--paper", "--training"} <= variables
    for variable in variables - {"--share"}:
        assert f"{variable}:" in style
    assert set(re.findall(r"#[0-9a-f]{6}\b", figures)) <= {"#000000"}
    assert style.count("--ramp-0:") == 3  # Light, dark, print.


def test_the_same_data_gives_the_same_page():
    assert report.render(complete()) == complete_html()


def test_all_text_of_the_user_is_escaped():
    table = trials(4).rename(columns={"augment": HOSTILE})
    table[HOSTILE] = [{"name": HOSTILE}, HOSTILE, [HOSTILE], None]
    table["reason"] = HOSTILE
    html = report.render(
        complete(
            title=HOSTILE,
            description=HOSTILE,
            table=table,
            fields=[HOSTILE],
            space={HOSTILE: HOSTILE},
            best={HOSTILE: HOSTILE},
            settings={HOSTILE: HOSTILE, "budget": HOSTILE},
            environment={HOSTILE: HOSTILE},
            notes=[HOSTILE],
        )
    )
    page = Page(html)
    assert not page.all("script") and not page.all("b")
    assert "<script" not in html
    assert page.text.count("<script>alert(1)</script>") >= 10


def test_what_is_missing_becomes_a_sentence():
    table = trials(5).assign(status="failed", mean=np.nan, reason="out of memory")
    empty = SearchReportData(
        title="Empty", table=table, fields=FIELDS, objective="val_loss", maximize=False
    )
    html = report.render(empty)
    page = Page(html)
    for sentence in (
        "No trial was completed.",
        "No settings were found.",
        "No trial has a value to draw.",
        "0 completed trials say nothing about importance",
        "No search space was recorded.",
        "No settings of the search were recorded.",
        "The environment wasn't recorded.",
        "Time 5 min 5 s",
    ):
        assert sentence in page.text, sentence
    assert not page.all("svg")
    assert len(rows(html)) == 5 and all("out of memory" in row for row in rows(html))


def test_nothing_at_all_is_still_a_page():
    table = pd.DataFrame({"trial": [], "mean": [], "status": []})
    page = Page(
        report.render(
            SearchReportData(
                title="Nothing", table=table, fields=[], objective="x", maximize=True
            )
        )
    )
    assert "No trial was begun." in page.text and "No field was tuned." in page.text


def test_one_trial_without_folds_is_enough():
    table = trials(1)[["trial", *FIELDS, "mean", "status"]]
    html = report.render(complete(table=table, seconds=None, samples=None))
    page = Page(html)
    assert len(page.all("svg")) == 2
    assert "Best validation accuracy 70.00 % trial 0 " in page.text
    assert "±" not in page.text


def test_a_budget_in_words_stays_in_words():
    text = Page(
        report.render(complete(table=trials(3), settings={"budget": "10m"}))
    ).text
    assert "budget 10m" in text


def test_it_is_written_as_a_whole(tmp_path):
    path = tmp_path / "search" / "report.html"
    report.write(path, complete_html())
    assert path.read_text(encoding="utf-8") == complete_html()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": ["model.unit"]}, "Unknown field of the table 'model.unit'"),
        (
            {"table": trials().drop(columns="status")},
            "Unknown column of trials 'status'",
        ),
        ({"table": trials().assign(status="ok")}, "Unknown status of a trial 'ok'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        report.render(complete(**changes))
