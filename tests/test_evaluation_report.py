"""The HTML report: whole, self-contained, safe and complete."""

from __future__ import annotations

import base64
import functools
import io
import re
import stat
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from pages import HOSTILE, Page, laid_out
from PIL import Image

from kerasopt.evaluation import classification, measure, pictures, report, verdict
from kerasopt.evaluation.report import ReportData


def result(names=("cat", "dog", "frog"), samples=90, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(names), samples)
    probabilities = random.dirichlet(np.ones(len(names)), samples)
    return classification(labels, probabilities, class_names=names)


def history(epochs: int = 3) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "loss": 1 / epoch,
            "accuracy": 1 - 0.5 / epoch,
            "val_loss": 1.1 / epoch,
            "val_accuracy": 0.9 - 0.5 / epoch,
            "learning_rate": 0.1 / epoch,
        }
    )


def complete(**changes) -> ReportData:
    found = result()
    images = np.random.default_rng(1).integers(0, 256, (6, 8, 8, 3), dtype="uint8")
    fields = {
        "recipe": {
            "name": "pets",
            "description": "Cats, dogs and a frog.",
            "data": {"name": "pets"},
            "model": {"name": "cnn", "filters": [32, 64], "rate": np.float32(0.5)},
        },
        "environment": {"python": "3.11.9", "packages": {"keras": "3.15.1"}},
        "history": history(),
        "metrics": {
            "test_accuracy": found.accuracy,
            "val_accuracy": 0.875,
            "train_seconds": 272.4,
            "parameters": 1250858,
            "epochs": 3,
            "seed": 12345,
        },
        "classification": found,
        "mistake_images": images,
        "mistake_indices": found.worst_mistakes(6),
        "notes": ["A note at the top."],
    }
    return ReportData(**{**fields, **changes})


@functools.cache
def complete_html() -> str:
    """Return the page of `complete`, rendered once for all tests that read it."""
    return report.render(complete())


def test_the_page_says_everything():
    data = complete()
    page = Page(complete_html())
    low, high = data.classification.interval
    for part in (
        "pets",
        "Cats, dogs and a frog.",
        "A note at the top.",
        f"{100 * data.classification.accuracy:.2f} %",
        f"95 % interval {100 * low:.2f} to {100 * high:.2f} %",
        "Test images 90",
        f"{data.classification.log_loss:.4f}",
        "87.50 %",
        "4 min 32 s",
        "1,250,858",
        "3 epochs",
        "packages · keras",
        "kerasopt train recipe.yaml",
        "seed 12345",
    ):
        assert part in page.text, part


def test_the_recipe_can_be_read_back():
    data = complete()
    page = Page(complete_html())
    text = next(text for text in page.texts if "name: pets" in text)
    assert yaml.safe_load(text) == {
        **data.recipe,
        "model": {"name": "cnn", "filters": [32, 64], "rate": 0.5},
    }


def test_each_figure_is_there_once_and_described():
    page = Page(complete_html())
    figures = page.all("svg")
    starts = (
        "Curves of loss over 3 epochs. At the last epoch: loss 0.3333, validation",
        "Curves of accuracy",
        "Curves of learning rate",
        "Confusion matrix of 3 classes",
    )
    assert len(figures) == len(starts)
    for figure, start in zip(figures, starts, strict=True):
        assert figure["role"] == "img" and figure["aria-label"].startswith(start)
    assert all(figure.get("viewbox") for figure in figures)
    pictures = page.all("img")
    assert len(pictures) == 6 and all(picture["alt"] for picture in pictures)


def test_the_pictures_are_the_images_and_their_captions_fit():
    data = complete()
    page = Page(complete_html())
    found = data.classification
    for picture, image, index in zip(
        page.all("img"), data.mistake_images, data.mistake_indices, strict=True
    ):
        content = base64.b64decode(picture["src"].split(",")[1])
        np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(content))), image)
        true = found.class_names[found.labels[index]]
        predicted = found.class_names[found.predicted[index]]
        assert picture["alt"] == f"Test image {index}: {true}, predicted as {predicted}"
        of_true = f"{100 * found.probabilities[index, found.labels[index]]:.1f} %"
        probability = f"{100 * found.confidence_of_prediction[index]:.1f} %"
        assert f"{true} {of_true} → {predicted} {probability}" in page.text


def test_the_per_class_table_has_the_numbers():
    data = complete()
    text = Page(complete_html()).text
    for name, row in data.classification.per_class.iterrows():
        shares = " ".join(
            f"{100 * row[c]:.1f} %" for c in ("precision", "recall", "f1")
        )
        assert f"{name} {shares} {row['support']:.0f}" in text


@pytest.mark.parametrize("classes", [3, 30])
def test_the_page_loads_nothing(classes):
    names = [f"class {index}" for index in range(classes)]
    html = report.render(complete(classification=result(names, samples=400),
                                  mistake_indices=None))  # fmt: skip
    page = Page(html)
    assert not re.search(r"https?:|//[a-z]", html)
    assert not {"script", "link", "iframe", "object", "form"} & {
        t for t, _ in page.tags
    }
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/png", "#")), tag
    assert not re.search(r"@import|url\((?!#)", html)
    policy = page.all("meta")[3]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert "default-src 'none'" in policy["content"]


def test_references_inside_the_figures_are_whole_and_ids_unique():
    html = complete_html()
    page = Page(html)
    ids = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(ids) == len(set(ids)) > 20
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', html))
    assert used and {first or second for first, second in used} <= set(ids)


def test_the_same_data_gives_the_same_page():
    assert report.render(complete()) == complete_html()


def test_all_text_of_the_user_is_escaped():
    names = [HOSTILE, "dog", "</style></svg>"]
    html = report.render(
        complete(
            recipe={
                "name": HOSTILE,
                "description": HOSTILE,
                "data": {HOSTILE: HOSTILE},
            },
            environment={HOSTILE: HOSTILE},
            metrics={HOSTILE: HOSTILE, "seed": 1},
            classification=result(names),
            notes=[HOSTILE],
        )
    )
    page = Page(html)
    assert not page.all("script") and not page.all("b")
    assert "<script" not in html
    assert page.all("img") and page.text.count("<script>alert(1)</script>") >= 8


def test_notes_on_the_curves_stand_below_them():
    html = report.render(complete(curve_notes=["Smoothed by 0.2."]))
    assert html.index("<svg") < html.index("Smoothed by 0.2.")
    assert html.index("A note at the top.") < html.index("<svg")


def test_views_stand_beside_the_single_view():
    metrics = {
        "test_accuracy": 0.9,
        "test_accuracy_tta": 0.9123,
        "test_interval_tta": [0.905, 0.92],
        "tta": "mirror_translate",
        "tta_share": 0.25,
        "epochs": 1.33,
        "budget_seconds": 300.0,
    }
    page = Page(report.render(ReportData(metrics=metrics)))
    assert (
        "Test accuracy with TTA 91.23 % 95 % interval 90.50 to 92.00 % mean of 6 "
        "views of the least certain 25 % of the images (mirror_translate)"
    ) in page.text
    assert "1.33 epochs, budget 5 min 0 s" in page.text


def test_names_of_odd_files_can_be_written(tmp_path):
    html = report.render(complete(classification=result(["half \udcff", "b", "c"])))
    report.write(tmp_path / "report.html", html)
    Page((tmp_path / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"history": None}, "No training history was recorded."),
        ({"history": history()[:0]}, "No training history was recorded."),
        ({"classification": None}, "No predictions on a test set were kept"),
        ({"metrics": {}}, "No measures were recorded."),
        ({"recipe": {}}, "No recipe was recorded."),
        ({"recipe": {}}, "made from objects in a program"),
        ({"recipe": {"name": "mine"}}, "made from objects in a program"),
        ({"environment": {}}, "The environment wasn't recorded."),
        (
            {"classification": None, "metrics": {"epochs": 1}},
            "No test set was measured.",
        ),
        (
            {"classification": classification([0], [[0.9, 0.1]]),
             "mistake_images": None, "mistake_indices": None},
            "The model made no mistake on the test set.",
        ),
        (
            {"mistake_images": np.empty((0, 8, 8)), "mistake_indices": []},
            "none was kept to be shown",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_becomes_a_sentence(changes, sentence):
    # Without the curves, which take the longest to draw and don't matter here.
    data = complete(**{"history": None, **changes})
    assert sentence in Page(report.render(data)).text


def test_nothing_at_all_is_still_a_page():
    page = Page(report.render(ReportData()))
    assert page.all("h1") and not page.all("svg") and not page.all("img")


def test_without_a_classification_the_recorded_measures_count():
    metrics = {
        "test_accuracy": 0.9,
        "test_interval": [0.88, 0.92],
        "test_samples": 900,
        "test_loss": 0.25,
    }
    text = Page(report.render(ReportData(metrics=metrics))).text
    assert "90.00 % 95 % interval 88.00 to 92.00 %" in text
    assert "Test samples 900" in text and "0.2500" in text


def test_samples_that_are_no_images_are_listed():
    found = result()
    rows = np.zeros((2, 13), "float32")
    page = Page(report.render(ReportData(classification=found, mistake_images=rows)))
    assert not page.all("img")
    for index in found.worst_mistakes(2):
        true = found.class_names[found.labels[index]]
        predicted = found.class_names[found.predicted[index]]
        assert f"{index} {true} {predicted}" in page.text


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.array([[[0.0, 1.0]]]), [0, 255]),
        (np.array([[[[0.5], [1.0]]]]), [128, 255]),
        (np.array([[[-1.0, 1.0]]], "float32"), [0, 255]),
        (np.array([[[np.nan, 255.0]]]), [0, 255]),
        (np.array([[[3, 7]]], "uint8"), [3, 7]),
    ],
)
def test_images_of_every_scale_are_shown(images, expected):
    data = complete(
        history=None,
        mistake_images=images,
        mistake_indices=result().worst_mistakes(1),
    )
    source = Page(report.render(data)).all("img")[0]["src"]
    picture = Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))
    assert np.array(picture).ravel().tolist() == expected


def test_class_names_of_the_report_replace_numbers():
    found = classification([0, 1], [[0.2, 0.8], [0.3, 0.7]])
    text = Page(
        report.render(ReportData(classification=found, class_names=["cat", "dog"]))
    ).text
    assert "cat dog 80.0 %" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ["a", "b"]}, "2 names but the result has 3"),
        ({"mistake_indices": [0]}, "6 mistake_images were given for 1 mistakes"),
        ({"mistake_indices": [0, 1, 2, 3, 4, 90]}, r"positions 0\.\.89"),
        ({"mistake_indices": [-1, 1, 2, 3, 4, 5]}, r"positions 0\.\.89"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        report.render(complete(history=None, **changes))


def binary_result(threshold=0.4, **options):
    random = np.random.default_rng(0)
    labels = (random.random(200) < 0.3).astype(int)
    p = np.clip(random.normal(0.3 + 0.3 * labels, 0.2), 0, 1)
    rows = np.stack([1 - p, p], axis=1)
    return measure("binary", labels, rows, threshold=threshold, **options)


def multilabel_result(names=("beach", "dog", "snow")):
    random = np.random.default_rng(0)
    labels = (random.random((120, 3)) < [0.5, 0.2, 0]).astype(int)
    p = np.clip(random.normal(0.2 + 0.5 * labels, 0.2), 0, 1)
    return measure("multilabel", labels, p, class_names=names)


def regression_result(names=("price",), samples=150):
    random = np.random.default_rng(0)
    y = random.gamma(3, 50_000, (samples, len(names)))
    return measure(
        "regression", y, y * random.normal(1, 0.1, y.shape), class_names=names
    )


def html_of(found, **fields):
    """Render without curves, which take the longest to draw."""
    return report.render(ReportData(result=found, recipe={"name": "shop"}, **fields))


def test_the_page_of_a_binary_classifier():
    found = binary_result(class_names=["ham", "spam"])
    page = Page(html_of(found))
    at = found.at_threshold
    for part in (
        f"Test accuracy {100 * found.accuracy:.2f} %",
        f"AUC {found.auc:.4g}",
        f"Average precision {found.average_precision:.4g}",
        "Confusion matrix",
        "Decision threshold",
        "The threshold 0.4 was chosen before the test.",
        "the probability of “spam” is at least that",
        f"Precision {at['precision']:.4f} Recall {at['recall']:.4f}",
        f"False alarms {at['false_positives']} Missed {at['false_negatives']}",
        "Macro average",
    ):
        assert part in page.text, part
    assert [figure["aria-label"].split()[0] for figure in page.all("svg")] == [
        "Confusion",
        "ROC",
        "Precision",
    ]
    assert "The threshold is 0.5." in Page(html_of(binary_result(None))).text


def test_the_page_of_a_test_set_of_one_class():
    found = measure("binary", [0, 0], [[0.9, 0.1], [0.2, 0.8]])
    page = Page(html_of(found))
    assert "Only one class is in the test set" in page.text
    assert "AUC –" in page.text and len(page.all("svg")) == 1


def test_the_page_of_several_labels():
    found = multilabel_result()
    page = Page(html_of(found))
    table = found.per_label
    row = " ".join(
        f"{100 * table.loc['dog', column]:.1f} %"
        for column in ("average_precision", "precision", "recall", "f1")
    )
    for part in (
        f"Test mean average precision {found.mean_average_precision:.4g}",
        "mean over 3 labels",
        f"Subset accuracy {100 * found.subset_accuracy:.2f} %",
        f"dog {row} {table.loc['dog', 'support']}",
        "snow – ",
        f"{100 * found.hamming_loss:.2f} % of all labels are wrong",
        "True labels Predicted labels Loss",
        "no label",
    ):
        assert part in page.text, part
    assert "Confusion" not in page.text and len(page.all("svg")) == 1


@pytest.mark.parametrize("names", [("price",), ("price", "rent")])
def test_the_page_of_a_regression(names):
    found = regression_result(names)
    page = Page(html_of(found))
    low, high = found.intervals["rmse"]
    worst = found.worst_mistakes(1)[0]
    for part in (
        f"Test RMSE {found.rmse:,.0f} 95 % interval {low:,.0f} to {high:,.0f}",
        f"MAE {found.mae:,.0f}" if found.mae > 1e4 else "MAE",
        f"R² {found.r2:.4g}",
        "Predicted minus actual".lower(),
        "Largest errors The 24 of 150 test samples",
        f"Error {worst} {found.targets[worst, 0]:,.0f}",
    ):
        assert part in page.text, part
    several = len(names) > 1
    assert ("Target MAE RMSE R²" in page.text) == several
    assert len(page.all("svg")) == 2 * len(names)
    assert len(page.all("h3")) == (len(names) if several else 0)
    assert "nats" not in page.text and "accuracy" not in page.text


def test_many_targets_are_listed_but_not_all_drawn():
    found = regression_result([f"t{index}" for index in range(6)], samples=20)
    page = Page(html_of(found))
    assert len(page.all("svg")) == 8 and "2 more targets are not drawn" in page.text


@pytest.mark.parametrize("task", [None, "regression"])
def test_without_a_result_the_headline_of_the_task_is_looked_up(task):
    metrics = {
        "test_rmse": 12.5,
        "test_interval": [12.0, 13.0],
        "val_rmse": 11.5,
        "test_rmse_tta": 12.25,
        "tta": "mirror",
        "test_samples": 40,
    }
    text = Page(report.render(ReportData(metrics=metrics, task=task))).text
    assert "Test RMSE 12.5 95 % interval 12 to 13" in text
    assert "Test RMSE with TTA 12.25 mean of 2 views" in text
    assert "Validation RMSE 11.5" in text and "%" not in text.replace("95 %", "")


def test_a_run_without_a_task_has_its_losses_and_metrics():
    metrics = {"test_loss": 0.25, "val_loss": 0.5, "test_iou": 0.75, "val_auc": 0.875}
    data = ReportData(metrics=metrics, history=history().drop(columns="accuracy"))
    text = Page(report.render(data)).text
    assert "Test loss 0.25 no interval recorded" in text
    assert "Validation loss 0.5" in text
    assert "test iou 0.75" in text and "validation AUC 0.875" in text
    assert "No predictions on a test set were kept" in text


@pytest.mark.parametrize(
    "found",
    [
        lambda names: binary_result(class_names=names[:2]),
        multilabel_result,
        regression_result,
    ],
)
def test_names_of_labels_and_targets_are_escaped(found):
    names = [HOSTILE, "</style></svg>", "$x$"]
    html = html_of(found(names), mistake_names=[HOSTILE] * 3, mistake_indices=[0, 1, 2])
    page = Page(html)
    assert "<script" not in html and not page.all("b")
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize(
    "found", [binary_result(), multilabel_result(), regression_result()]
)
def test_pages_of_every_task_load_nothing_and_have_unique_ids(found):
    html = html_of(found)
    page = Page(html)
    ids = [a["id"] for _, a in page.tags if a.get("id")]
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', html))
    assert len(ids) == len(set(ids))
    assert {first or second for first, second in used} <= set(ids)
    assert not re.search(r"https?:|@import|url\((?!#)", html)
    assert html_of(found) == html


def test_names_of_the_report_replace_those_of_labels_and_targets():
    assert "cat " in Page(html_of(multilabel_result(), class_names=["cat", *"ab"])).text
    two = regression_result(("a", "b"))
    assert "width" in Page(html_of(two, class_names=["width", "height"])).text
    with pytest.raises(ValueError, match="1 names but the result has 2"):
        html_of(two, class_names=["width"])


def test_mistakes_carry_the_names_of_their_files():
    names = [f"photos/{index}.png" for index in range(6)]
    page = Page(report.render(complete(history=None, mistake_names=names)))
    assert all(f" % {name}" in page.text for name in names)
    assert page.all("img")[0]["alt"].startswith("Test image photos/0.png")
    assert "File names are relative to the folder that holds all" in page.text
    assert "File names" not in Page(complete_html()).text
    with pytest.raises(ValueError, match="1 mistake_names were given for 6"):
        report.render(complete(history=None, mistake_names=["a"]))


@pytest.mark.parametrize("fields", [{"kept_epoch": 2}, {"metrics": {"kept_epoch": 2}}])
def test_the_kept_epoch_is_marked(fields, monkeypatch):
    marked = []
    draw = report.plots.curve

    def note(*arguments, kept_epoch):
        marked.append(kept_epoch)
        return draw(*arguments, kept_epoch=kept_epoch)

    monkeypatch.setattr(report.plots, "curve", note)
    report.render(ReportData(history=history(), **fields))
    assert marked == [2, 2, 2]


def test_intervals_of_other_measures_are_no_percentages():
    metrics = {"test_rmse": 2.5, "val_interval": [2.25, 3.0], "best": float("nan")}
    text = Page(report.render(ReportData(metrics=metrics))).text
    assert "validation interval 2.25 to 3" in text and "best –" in text


def test_writing_is_atomic(tmp_path):
    path = tmp_path / "new" / "report.html"
    report.write(path, "first")
    with pytest.raises(AttributeError):
        report.write(path, None)
    assert path.read_text(encoding="utf-8") == "first"
    report.write(path, "sécond")
    assert path.read_text(encoding="utf-8") == "sécond"
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    # Others may read a report as any other file.
    beside = tmp_path / "beside"
    beside.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(beside.stat().st_mode)


PRELOADED = """
import sys
import numpy as np, pandas as pd
from kerasopt.evaluation import classification, measure, pictures, report, verdict
report.preload()
before = set(sys.modules)
rng = np.random.default_rng(0)
report.render(report.ReportData(
    recipe={"name": "shop"},
    history=pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.5], "val_loss": [1.0, 0.6]}),
    classification=classification(rng.integers(3, size=50), np.eye(3)[[0, 1] * 25]),
    mistake_images=rng.integers(256, size=(5, 8, 8, 3), dtype="uint8"),
))
y = rng.integers(2, size=(50, 3))
for task in ("multilabel", "regression"):
    report.render(report.ReportData(result=measure(task, y, rng.random(y.shape))))
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.slow
def test_nothing_is_left_to_load_after_preloading():
    # In a process of its own: this one has loaded everything for other tests.
    done = subprocess.run(
        [sys.executable, "-c", PRELOADED], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_the_averages_stand_below_the_classes_and_labels():
    page = Page(complete_html())
    found = complete().classification
    for name, row in (("Macro", found.macro), ("Weighted", found.weighted)):
        shown = " ".join(f"{100 * row[each]:.1f} %" for each in row)
        assert f"{name} average {shown} 90" in page.text
    found = multilabel_result()
    page = Page(html_of(found))
    mean = f"{100 * found.mean_average_precision:.1f} %"
    for name, row, first in (
        ("Macro", found.macro, mean),
        ("Weighted", found.weighted, "–"),
        ("Micro", found.micro, "–"),
    ):
        shown = " ".join(f"{100 * row[each]:.1f} %" for each in row)
        assert f"{name} average {first} {shown} {found.labels.sum()}" in page.text


def test_the_verdict_has_its_numbers_and_what_helps():
    falls = 0.9 ** np.arange(12)
    turns = np.r_[falls[:6], falls[5] + 0.05 * np.arange(1, 7)]
    found = verdict.diagnose(pd.DataFrame({"loss": falls, "val_loss": turns}))
    html = html_of(result(), diagnosis=found)
    assert f"Overfitting : {found.reason}" in Page(html).text
    assert "epoch 6 of 12" in found.reason
    assert "<code>training.patience</code>" in html
    assert html.count("<li>") == len(found.advice)
    assert "What usually helps" not in html_of(result())
    fine = verdict.Diagnosis("fitting", "a reason with <b>", ())
    html = html_of(result(), diagnosis=fine)
    assert "a reason with &lt;b&gt;" in html and "What usually helps" not in html


def test_training_images_are_shown_with_their_labels():
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype="uint8")
    examples = pictures.TrainingExamples(images, (HOSTILE, ""), (-1.0, 1.0))
    page = Page(html_of(result(), training_examples=examples))
    assert "2 images of a first batch" in page.text and "from -1 to 1" in page.text
    shown = [each for each in page.all("img") if "Training" in each["alt"]]
    assert [each["alt"] for each in shown] == [
        f"Training image: {HOSTILE}",
        "Training image",
    ]
    for each, image in zip(shown, images, strict=True):
        data = base64.b64decode(each["src"].removeprefix("data:image/png;base64,"))
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), image)


def test_names_without_a_font_are_numbered_and_the_caption_says_so():
    nowhere = "\U0010ffff"
    for found in (result((nowhere, "b", "c")), multilabel_result((nowhere, "b", "c"))):
        page = Page(html_of(found))
        assert "numbered as in the table, from 0" in page.text
        assert nowhere in page.text  # In the table, where the browser has a say.
    assert "numbered" not in Page(complete_html()).text


LONG = "a very long name of a class, " * 4
UNBROKEN = "Donaudampfschifffahrtsgesellschaftskapitän" * 2


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("kind", ["classes", "many", "binary", "labels", "targets"])
def test_nothing_is_cut_off_or_runs_into_its_neighbour(kind, width, tmp_path):
    names = (LONG, UNBROKEN, "شكل")
    found = {
        "classes": lambda: result(names),
        "many": lambda: result([*names, *map(str, range(9))], 300),
        "binary": lambda: binary_result(class_names=names[:2]),
        "labels": lambda: multilabel_result(names),
        "targets": lambda: regression_result(names),
    }[kind]()
    files = [f"{UNBROKEN}/{i}.png" for i in found.worst_mistakes(6)]
    html = report.render(
        complete(
            classification=found,
            mistake_indices=found.worst_mistakes(6),
            mistake_images=complete().mistake_images[: len(files)],
            mistake_names=files,
            metrics={UNBROKEN.lower(): 1, "note": UNBROKEN},
            notes=[UNBROKEN],
            diagnosis=verdict.Diagnosis("fitting", UNBROKEN, (f"`{UNBROKEN}`",)),
        )
    )
    laid = laid_out(html, tmp_path, width=width)
    assert laid["width"] == width  # Else nothing was measured.
    assert laid["outside"] == [] and laid["page"] <= width
    assert bool(laid["bars"]) == (kind != "targets")
    for bar in laid["bars"]:
        assert bar["clip"] == "content-box" and bar["padding"] > 4 and bar["text"] <= 0
