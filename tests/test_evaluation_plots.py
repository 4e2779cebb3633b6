"""Figures: what they show, and that nothing in them overlaps or leaks."""

from __future__ import annotations

import subprocess
import sys
import threading
import types
from itertools import combinations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import special
from sklearn.metrics import confusion_matrix

from kerasopt import charts
from kerasopt.charts import Chart, label
from kerasopt.evaluation import measure, plots

HOSTILE = r"$\frac{a$ <b> _x \n 100% ~^{"


def history(epochs: int = 12) -> pd.DataFrame:
    """Return a history whose lowest validation loss is in epoch 7."""
    epoch = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "loss": 2 / epoch,
            "accuracy": 1 - 0.6 / epoch,
            "val_loss": 0.5 + (epoch - 7.0) ** 2 / 50,
            "val_accuracy": 0.9 - 0.5 / epoch,
            "learning_rate": 0.1 / epoch,
            "seconds": 3.0,
        }
    )


def drawn(figure: plots.Chart) -> np.ndarray:
    """Return the figure's pixels, shape (height, width, 4)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def overlapping(figure: plots.Chart) -> list[tuple[str, str]]:
    """Return the pairs of visible texts whose boxes share more than a pixel."""
    drawn(figure)
    renderer = figure.canvas.get_renderer()
    texts = [
        text
        for text in figure.findobj(matplotlib.text.Text)
        if text.get_visible() and text.get_text() and text.get_rotation() in (0, 90)
    ]
    ticks = {
        id(text)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for text in (tick.label1, tick.label2)
        if not axis.get_view_interval()[0]
        <= tick.get_loc()
        <= max(axis.get_view_interval())
    }
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in texts
        if id(text) not in ticks
    ]
    return [
        (first, second)
        for (first, a), (second, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1
        and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


def test_the_search_for_overlaps_finds_one():
    figure = Chart()
    figure.text(0.5, 0.5, "first")
    figure.text(0.51, 0.5, "second")
    assert overlapping(figure) == [("first", "second")]


def legend_texts(figure: plots.Chart, panel: int = 0) -> list[str]:
    """Return what the legend of a panel says."""
    return [text.get_text() for text in figure.axes[panel].get_legend().get_texts()]


def test_curves_draw_the_history_and_mark_the_best_epoch():
    data = history()
    figure = plots.curves(data)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["Loss", "Accuracy (%)", "Learning rate"]
    assert {axes.get_xlabel() for axes in figure.axes} == {"Epoch"}
    training, validation = figure.axes[0].lines[:2]
    np.testing.assert_array_equal(training.get_ydata(), data["loss"])
    np.testing.assert_array_equal(validation.get_ydata(), data["val_loss"])
    np.testing.assert_allclose(
        figure.axes[1].lines[1].get_ydata(), 100 * data["val_accuracy"]
    )
    assert legend_texts(figure) == ["training", "validation", "best epoch 7: 0.5"]
    assert legend_texts(figure, 1)[2] == "best epoch 7: 82.86 %"
    assert not overlapping(figure)


@pytest.mark.parametrize(
    ("columns", "panels", "names"),
    [
        (["loss"], 1, ["training"]),
        (["loss", "val_loss"], 1, ["training", "validation", "best epoch 7: 0.5"]),
        (["loss", "accuracy"], 2, ["training"]),
        (["loss", "accuracy", "learning_rate"], 3, ["training"]),
        (["loss", "val_accuracy"], 2, ["training"]),
    ],
)
def test_curves_do_without_the_columns_that_are_absent(columns, panels, names):
    figure = plots.curves(history()[["epoch", *columns]])
    assert len(figure.axes) == panels
    assert legend_texts(figure) == names
    assert not overlapping(figure)


def test_curves_skip_epochs_without_validation():
    data = history()
    data.loc[data["epoch"] % 2 == 1, ["val_loss", "val_accuracy"]] = np.nan
    assert legend_texts(plots.curves(data))[2].startswith("best epoch 6")
    data["val_loss"] = np.nan
    assert legend_texts(plots.curves(data)) == ["training"]


def test_curves_show_a_single_epoch():
    figure = plots.curves(history(1))
    assert figure.axes[0].lines[0].get_marker() == "o"
    assert not overlapping(figure)
    ticks = [t for t in figure.axes[0].get_xticks() if 0.9 < t < 1.1]
    assert ticks == [1]


@pytest.mark.parametrize(
    "data", [pd.DataFrame(), history()[:0], history().drop(columns="epoch")]
)
def test_curves_refuse_what_is_no_history(data):
    with pytest.raises(ValueError, match="at least one row and the columns epoch"):
        plots.curves(data)


@pytest.mark.parametrize("classes", [2, 12, 13, 25, 26, 100])
def test_confusion_is_legible_from_few_classes_to_many(classes):
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, 60 * classes)
    wrong = random.random(len(labels)) < 0.1
    predicted = np.where(wrong, random.integers(0, classes, len(labels)), labels)
    counts = confusion_matrix(labels, predicted)
    names = [f"name {index}" for index in range(classes)]
    figure = plots.confusion(counts, class_names=names)
    axes = figure.axes[0]
    shares = counts / counts.sum(axis=1, keepdims=True)
    painted = (axes.collections or axes.images)[0].get_array()
    np.testing.assert_allclose(np.reshape(painted, counts.shape), shares)
    written = [text.get_text() for text in axes.texts]
    nonzero = int((counts > 0).sum())
    assert len(written) == nonzero * (2 if classes <= 12 else classes <= 25)
    assert not overlapping(figure)
    shown = [text.get_text() for text in axes.get_yticklabels()]
    assert shown[0] == "name 0" and len(shown) == min(classes, 50)


def many_metrics() -> pd.DataFrame:
    """Return a history with metrics of every kind and columns that are none."""
    data = history()
    data["mae"] = 1 / data["epoch"]
    data["val_auc"] = 1 - 0.3 / data["epoch"]
    data["validation_seconds"] = 0.5
    data["note"] = "text"
    data["empty"] = np.nan
    return data


def test_metrics_with_a_twin_come_first():
    assert plots.metrics_of(many_metrics()) == ["accuracy", "auc", "mae"]
    figure = plots.curves(many_metrics())
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["Loss", "Accuracy (%)", "AUC", "Learning rate"]
    assert legend_texts(figure, 2) == ["validation", "best epoch 7: 0.9571"]
    assert not overlapping(figure)


def test_chosen_metrics_are_drawn():
    figure = plots.curves(many_metrics(), metrics=["mae", "loss"])
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["Loss", "MAE", "Learning rate"]


@pytest.mark.parametrize("epoch", [5, 5.0, 1.33])
def test_the_kept_epoch_is_marked_rather_than_the_best(epoch):
    data = history()
    data["epoch"] = data["epoch"].astype(float).replace(5, float(epoch))
    figure = plots.curves(data, kept_epoch=epoch)
    assert legend_texts(figure)[2] == f"kept epoch {epoch:g}: 0.58"
    assert legend_texts(figure, 1)[2] == f"kept epoch {epoch:g}: 80.00 %"
    single = plots.curve(data, "accuracy", kept_epoch=epoch)
    assert legend_texts(single) == legend_texts(figure, 1)
    assert not overlapping(single)


def test_a_kept_epoch_is_marked_without_validation_too():
    data = history()[["epoch", "loss"]]
    assert legend_texts(plots.curves(data, kept_epoch=4)) == [
        "training",
        "kept epoch 4: 0.5",
    ]
    # An epoch that isn't in the history, such as that of an earlier part of a run.
    assert legend_texts(plots.curves(data, kept_epoch=40)) == ["training"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.curves(history(), metrics=["acuracy"]), "mean 'accuracy'"),
        (lambda: plots.curves(history(), metrics=["a", "b", "c"]), "up to 2 metrics"),
        (lambda: plots.curve(history(), "auc"), "Unknown metric 'auc'"),
        (lambda: plots.curve(history()[["epoch"]], "learning_rate"), "learning_rate"),
    ],
)
def test_metrics_that_were_not_logged_are_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_the_learning_rate_alone():
    figure = plots.curve(history(), "learning_rate")
    assert figure.axes[0].get_ylabel() == "Learning rate"
    assert not overlapping(figure)


def binary(samples=300, **options):
    random = np.random.default_rng(0)
    labels = (random.random(samples) < 0.3).astype(int)
    p = special.expit(random.normal(size=samples) + 1.5 * labels - 1)
    return measure("binary", labels, np.stack([1 - p, p], axis=1), **options)


def test_the_roc_curve_and_its_threshold():
    found = binary(threshold=0.35)
    figure = plots.roc(found)
    curve, chance, point = figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_ydata(), found.roc["true_positive_rate"])
    assert list(chance.get_xdata()) == list(chance.get_ydata()) == [0, 1]
    at = found.at_threshold
    false = at["false_positives"] / (at["false_positives"] + at["true_negatives"])
    np.testing.assert_allclose(point.get_xydata(), [[false, at["recall"]]])
    first, second = legend_texts(figure)
    assert first == f"AUC {found.auc:.3f} (dashed: chance)"
    assert second.startswith("threshold 0.35: TPR")
    assert not overlapping(figure)


def test_precision_over_recall_and_its_threshold():
    found = binary(threshold=0.35)
    figure = plots.precision_recall(found)
    curve, chance, point = figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_xdata(), found.precision_recall["recall"])
    assert chance.get_ydata()[0] == pytest.approx(found.labels.mean())
    at = found.at_threshold
    np.testing.assert_allclose(point.get_xydata(), [[at["recall"], at["precision"]]])
    assert not overlapping(figure)


def test_curves_of_many_samples_are_thinned():
    found = binary(20_000)
    for figure in (plots.roc(found), plots.precision_recall(found)):
        assert len(figure.axes[0].lines[0].get_xdata()) <= 1000


@pytest.mark.parametrize("draw", [plots.roc, plots.precision_recall])
def test_one_class_has_no_curve(draw):
    figure = draw(measure("binary", [0, 0], [[0.6, 0.4], [0.9, 0.1]]))
    assert "Only one class" in figure.texts[0].get_text()


@pytest.mark.parametrize("labels", [1, 9, 60])
def test_bars_by_label(labels):
    random = np.random.default_rng(0)
    y = random.integers(0, 2, (50, labels))
    names = [HOSTILE, "a label of a very long name", "c"][:labels]
    names += [f"label {index}" for index in range(labels - 3)]
    found = measure("multilabel", y, random.random(y.shape), class_names=names)
    figure = plots.per_label(found)
    bars = figure.axes[0].patches
    assert len(bars) == min(labels, 40)
    values = found.per_label["average_precision"]
    expected = values if labels <= 40 else values.sort_values()[:40]
    assert sorted(bar.get_width() for bar in bars) == pytest.approx(sorted(expected))
    assert legend_texts(figure) == [f"mean {values.mean():.3f}"]
    assert not overlapping(figure)


def test_bars_of_classes_and_of_labels_without_samples(recwarn):
    assert plots.per_label(binary()).axes[0].get_xlabel() == "F1"
    nothing = measure("multilabel", [[0, 0]], [[0.5, 0.5]])
    drawn(plots.per_label(nothing))
    assert not recwarn.list
    with pytest.raises(ValueError, match="Unknown measure 'support'"):
        plots.per_label(nothing, measure="support")


@pytest.mark.parametrize("samples", [1, 40, 3000])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e6])
def test_predictions_and_residuals(samples, scale, recwarn):
    random = np.random.default_rng(0)
    y = random.gamma(2, scale, (samples, 2))
    found = measure(
        "regression", y, 1.1 * y + scale / 10, class_names=["width", "height"]
    )
    for figure in (
        plots.predicted_against_actual(found, target="height"),
        plots.residuals(found, target=1),
    ):
        assert not overlapping(figure)
    axes = plots.predicted_against_actual(found).axes[0]
    if samples < 3000:
        points = axes.lines[1].get_xydata()
        np.testing.assert_array_equal(points[:, 0], y[:, 0])
        np.testing.assert_array_equal(points[:, 1], found.predictions[:, 0])
    else:
        assert np.exp(axes.collections[0].get_array()).sum() > 0
    assert axes.get_xlim() == axes.get_ylim()
    assert not recwarn.list


@pytest.mark.parametrize("y", [[0.0, 0.0], [5.0, 5.0], [-1e9, -1e9]])
def test_constant_targets_are_drawn(y, recwarn):
    found = measure("regression", y, y)
    drawn(plots.predicted_against_actual(found))
    drawn(plots.residuals(found))
    assert not recwarn.list


@pytest.mark.parametrize(
    ("target", "message"), [("hight", "Did you mean 'height'"), (2, r"0\.\.1")]
)
def test_unknown_targets_are_refused(target, message):
    found = measure("regression", np.eye(2), np.eye(2), class_names=["width", "height"])
    for draw in (plots.residuals, plots.predicted_against_actual):
        with pytest.raises(ValueError, match=message):
            draw(found, target=target)


def test_confusion_writes_counts_and_shares_of_the_row():
    figure = plots.confusion(np.array([[9, 1], [0, 1200]]), class_names=["a", "b"])
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written == ["9", "90.0 %", "1", "10.0 %", "1,200", "100.0 %"]
    assert figure.axes[0].get_ylabel() == "True class"
    # The first class is at the top.
    assert figure.axes[0].get_ylim() == (2, 0)


def test_confusion_takes_its_names_from_a_table():
    table = pd.DataFrame([[1, 0], [0, 1]], columns=["cat", "dog"])
    shown = plots.confusion(table).axes[0].get_xticklabels()
    assert [text.get_text() for text in shown] == ["cat", "dog"]


def test_confusion_of_a_class_without_samples_is_drawn(recwarn):
    drawn(plots.confusion(np.array([[3, 0], [0, 0]])))
    assert not recwarn.list


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        (np.ones((2, 3)), None, r"given: \(2, 3\)"),
        (np.ones(4), None, "shape"),
        (np.ones((0, 0)), None, "shape"),
        (np.eye(2), ["a"], "2 classes but class_names has 1"),
    ],
)
def test_confusion_refuses_what_is_no_confusion_matrix(matrix, names, message):
    with pytest.raises(ValueError, match=message):
        plots.confusion(matrix, class_names=names)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 6, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_mistakes_show_every_image_with_its_caption(shape, dtype):
    images = np.ones((8, *shape), dtype)
    figure = plots.mistakes(
        images,
        true_names=["automobile"] * 8,
        predicted_names=["a class of a very long name"] * 8,
        probabilities=np.linspace(0.5, 1, 8),
    )
    captioned = [axes for axes in figure.axes if axes.images]
    assert len(captioned) == 8
    first = captioned[0].get_title(loc="left")
    assert first == "automobile\n→ a class of a…  50 %"
    assert not overlapping(figure)


def test_mistakes_keep_brightness_between_images():
    images = np.stack([np.zeros((4, 4)), np.full((4, 4), 128)]).astype("uint8")
    figure = plots.mistakes(
        images, true_names="ab", predicted_names="ba", probabilities=[1, 1]
    )
    for axes in figure.axes[:2]:
        assert axes.images[0].get_clim() == (0, 255)


def test_without_mistakes_the_figure_says_so():
    figure = plots.mistakes(
        np.empty((0, 4, 4)), true_names=[], predicted_names=[], probabilities=[]
    )
    assert figure.texts[0].get_text() == "No mistakes."


@pytest.mark.parametrize(
    ("images", "names", "message"),
    [
        (np.zeros((2, 4, 4), "uint8"), ["a"], "2 images need as many"),
        (np.zeros((1, 4), "uint8"), ["a"], "must have the shape"),
        (np.zeros((1, 4, 4, 2), "uint8"), ["a"], "must have the shape"),
        (np.zeros((1, 4, 4), "int64"), ["a"], "uint8 0..255 or floats"),
    ],
)
def test_mistakes_refuse_what_is_no_image(images, names, message):
    with pytest.raises(ValueError, match=message):
        plots.mistakes(
            images, true_names=names, predicted_names=names, probabilities=[1]
        )


@pytest.mark.parametrize("runs", [1, 9, 60])
def test_comparison_tells_its_runs_apart(runs):
    histories = {f"run number {index}": history() for index in range(runs)}
    figure = plots.comparison(histories)
    lines = figure.axes[0].lines
    looks = {(line.get_color(), line.get_linestyle()) for line in lines}
    assert len(lines) == runs and len(looks) == min(runs, 28)
    assert legend_texts(figure) == list(histories)
    assert figure.axes[0].get_ylabel() == "Validation accuracy (%)"
    assert not overlapping(figure)


def test_comparison_leaves_out_runs_without_the_metric():
    without = history().drop(columns="val_accuracy")
    figure = plots.comparison({"a": history(), "b": without})
    assert legend_texts(figure) == ["a"]
    assert plots.comparison({"b": without}, metric="loss").axes[0].get_ylabel() == (
        "Loss"
    )
    with pytest.raises(ValueError, match="'val_accuracy'; they have: accuracy, epoch"):
        plots.comparison({"b": without})


def test_names_are_never_read_as_formulas_or_hidden():
    odd = [HOSTILE, "_hidden", "half \udcff", ""]
    drawn(plots.confusion(np.eye(4, dtype=int), class_names=odd))
    drawn(plots.comparison(dict.fromkeys(odd, history())))
    figure = plots.comparison({"_hidden": history(), "$a$": history()})
    assert legend_texts(figure) == ["_hidden", "$a$"]
    drawn(
        plots.mistakes(
            np.zeros((4, 4, 4), "uint8"),
            true_names=odd,
            predicted_names=odd,
            probabilities=[1] * 4,
        )
    )


def test_a_label_is_one_short_line():
    assert label("a\nb\tc  d") == "a b c d"
    assert label("x" * 40, 10) == "x" * 9 + "…"
    assert label("half \udcff") == "half ?"


def test_a_notebook_shows_a_figure_as_png():
    assert plots.curves(history())._repr_png_().startswith(b"\x89PNG")


def test_the_callers_style_is_neither_used_nor_changed():
    before = dict(matplotlib.rcParams)
    pixels = drawn(plots.curves(history()))
    assert dict(matplotlib.rcParams) == before
    with matplotlib.rc_context({"axes.facecolor": "red", "lines.linewidth": 9}):
        assert (drawn(plots.curves(history())) == pixels).all()


def test_threads_draw_the_same_as_one():
    expected = drawn(plots.curves(history()))
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.append(drawn(plots.curves(history()))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    for pixels in results:
        np.testing.assert_array_equal(pixels, expected)


def test_evaluation_loads_neither_pyplot_nor_tensorflow():
    code = (
        "import sys, kerasopt.evaluation\n"
        "heavy = {'matplotlib.pyplot', 'tensorflow', 'keras', 'sklearn', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


NOWHERE = "\U0010ffff"


def test_names_are_drawn_with_another_font_where_theirs_lacks_them(recwarn):
    """Matplotlib's DejaVu Sans lacks a letter that its STIX fonts have."""
    letter = "\u210a"
    figure = plots.confusion(np.eye(2, dtype=int), class_names=[letter, "b"])
    drawn(figure)
    text = figure.axes[0].get_yticklabels()[0]
    assert text.get_text() == letter
    fonts = [
        font_manager.findfont(font_manager.FontProperties(family=[family]))
        for family in text.get_fontfamily()
    ]
    assert any(
        font_manager.get_font(font).get_char_index(ord(letter)) for font in fonts
    )
    assert not list(recwarn)


def test_a_font_is_chosen_by_its_characters(monkeypatch):
    """Fonts: one without the character, one with half of them, one with all."""
    glyphs = {
        "plain": "",
        "half": "\u7ea2",
        "all": "\u7ea2\u8272",
        "Last Resort": NOWHERE,
    }
    entries = [
        types.SimpleNamespace(name=name, fname=name)
        for name in ("Last Resort", "plain", "half", "all")
    ]
    monkeypatch.setattr(charts, "_entries", lambda: iter(entries))
    monkeypatch.setattr(
        charts, "_lacking", lambda font, some: some - frozenset(glyphs[font])
    )
    choose = charts._fonts_for.__wrapped__
    both = frozenset("\u7ea2\u8272")
    assert choose(both) == (("half", "all"), frozenset())
    assert choose(frozenset("\u7ea2" + NOWHERE)) == (("half",), frozenset(NOWHERE))


def test_names_that_no_font_has_become_numbers(recwarn):
    matrix = np.eye(2, dtype=int)
    figure = plots.confusion(matrix, class_names=["cat", f"a{NOWHERE}"])
    drawn(figure)
    texts = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert texts == ["cat", "class 1"]
    assert charts.undrawable(f"a{NOWHERE}b") == NOWHERE
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


def test_other_texts_say_once_that_no_font_has_them(recwarn):
    charts._say_once.cache_clear()
    for _ in range(2):
        figure = plots.comparison({f"run {NOWHERE}": history()})
        drawn(figure)
        assert legend_texts(figure) == ["run \N{REPLACEMENT CHARACTER}"]
    messages = [str(w.message) for w in recwarn]
    assert len(messages) == 1 and "Install a font" in messages[0]


def test_a_label_holds_no_signs_that_turn_or_control_the_line():
    assert label("a\u202eb\x1b[31m\x00c\u2066") == "ab[31mc"
