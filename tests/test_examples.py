"""The examples of README, docs and notebooks, on data as small as a user's.

Each test takes the code from the text itself, so what is tested is what is read. The
data are 300 drawn shapes in place of the published ones; only lengths are shortened,
where an example says minutes. An accuracy is asserted everywhere: an example that runs
and predicts at chance is a wrong example.
"""

import json
from pathlib import Path

import keras
import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

import kerasopt as ko
from kerasopt.benchmarks.small_data import SHAPES, draw_shapes

ROOT = Path(__file__).parents[1]
SAMPLES = 300
CHANCE = 1 / len(SHAPES)


def blocks(path, language):
    """The code blocks of a Markdown file, by the heading that they stand under."""
    found, heading, code = {}, "", None
    for line in (ROOT / path).read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith("```"):
            if code is None:
                code = found.setdefault(heading, []) if line[3:-1] == language else []
                code.append("")
            else:
                code = None
        elif code is not None:
            code[-1] += line
        elif line.startswith("#"):
            heading = line.strip("# \n")
    return found


def cells(path):
    """The code cells of a notebook."""
    content = json.loads((ROOT / path).read_text(encoding="utf-8"))
    kinds = ((cell["cell_type"], "".join(cell["source"])) for cell in content["cells"])
    return [source for kind, source in kinds if kind == "code"]


README = blocks("README.md", "python")


def shapes(**settings):
    """300 drawn shapes, and as many to test with."""
    return ko.data.from_arrays(
        *draw_shapes(SAMPLES), test=draw_shapes(SAMPLES, seed=1), **settings
    )


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Work in an empty folder, with the shapes under any published name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ko.data, "load", lambda name, **settings: shapes())
    mpl.use("agg")
    return tmp_path


def run_code(code, given=None):
    """Execute an example's code, from a fixed seed; return its names."""
    keras.utils.set_random_seed(0)
    scope = {"ko": ko, **(given or {})}
    exec(compile(code, "example", "exec"), scope)
    return scope


@pytest.mark.realdata
def test_your_own_pictures(elsewhere):
    pictures, labels = draw_shapes(SAMPLES)
    for number, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
        folder = elsewhere / "photos" / SHAPES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    assert "kerasopt train photos " in blocks("README.md", "")["Your own pictures"][0]
    recipe = ko.recipes.load("photos")
    # A quarter of the pixels and few epochs, which is enough for these.
    for field, few in (("data.image_size", [96, 96]), ("training.epochs", 2)):
        recipe = recipe.replace(field, few)
    run = recipe.run(verbose=False)
    assert run.metrics["test_samples"] == SAMPLES // 5
    assert run.metrics["test_accuracy"] > 0.9


def test_the_first_example(elsewhere):
    found = run_code(README["kerasopt"][0])
    x, y, run = (found[name] for name in ("x", "y", "run"))
    assert run.task.name == "binary"
    assert run.evaluate((x[800:], y[800:]))["accuracy"] > 0.9


def test_in_a_notebook(elsewhere):
    (code,) = README["In a notebook"]
    found = run_code(code)
    assert found["run"].metrics["test_accuracy"] > CHANCE + 0.1
    assert not lags(found["run"], found["data"])


def lags(run, data):
    """Whether a trained model is worse in inference mode than it trained."""
    x, y = data.train
    loss, accuracy = run.model.evaluate(x / 255, y, verbose=0)
    found = ko.diagnosis.diagnose(run, inference={"loss": loss, "accuracy": accuracy})
    return found.verdict == "lagging"


def test_optimizers_and_schedules(elsewhere):
    (code,) = README["Optimizers and schedules"]
    found = run_code(code, {"data": shapes()})
    assert 0 < found["found"].suggestion < 10
    assert found["run"].metrics["test_accuracy"] > 0.55


def test_augmentation(elsewhere):
    (code,) = README["Augmentation"]
    found = run_code(code, {"data": shapes()})
    assert found["run"].metrics["test_accuracy"] > CHANCE + 0.1


def shorter(code, epochs):
    """An example's code with fewer epochs."""
    assert f"epochs={epochs}" in code
    return code.replace(f"epochs={epochs}", "epochs=6")


def test_networks_for_pictures(elsewhere):
    (code,) = README["Networks for pictures"]
    found = run_code(shorter(code, 20), {"data": shapes(), "keras": keras})
    assert found["run"].metrics["test_accuracy"] > CHANCE + 0.1


@pytest.mark.slow
@pytest.mark.realdata
def test_a_pretrained_network_for_few_labels(elsewhere):
    frozen, tuned = README["A pretrained network for few labels"]
    found = run_code(shorter(frozen, 30), {"data": shapes()})
    assert found["run"].metrics["test_accuracy"] > 0.85
    quick = tuned.replace("head_epochs=30, epochs=5", "head_epochs=3, epochs=1")
    found = run_code(quick, found)
    assert found["run"].metrics["test_accuracy"] > 0.9


@pytest.mark.slow
def test_finding_settings_in_data_of_your_own(elsewhere, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(elsewhere)
    pytest.importorskip("keras_tuner")
    (code,) = README["Finding settings"]
    given = (("search(recipe, space, ", "search(recipe, space, dataset=data, "),
             ("run(seed=0)", "run(seed=0, dataset=data)"),
             ('budget="5m"', 'budget="15s"'))  # fmt: skip
    for old, new in given:
        assert old in code
        code = code.replace(old, new)
    digits = ko.data.load("digits", size=SAMPLES)
    found = run_code(code, {"data": digits})
    assert found["run"].metrics["test_accuracy"] > 0.75


def test_parts_in_a_plain_keras_model(elsewhere):
    """Batches of 500 make one step an epoch of 300 samples: the smaller ones learn."""
    (code,) = blocks("docs/parts.md", "python")["One part alone"]
    assert "batch_size=500" in code
    code = code.replace("500", "30")
    found = run_code(code, {"data": shapes()})
    x, y = found["data"].test
    predicted = found["model"].predict(x / 255, verbose=0).argmax(axis=1)
    assert np.mean(predicted == y) > CHANCE + 0.1
    assert (elsewhere / "mine.keras").is_file()


def test_the_theory(elsewhere):
    (code,) = README["The theory"]
    assert run_code(code)["path"][-1] == pytest.approx(10 * 0.8**50)


def test_every_example_of_the_readme_is_tested():
    tested = {"kerasopt", "In a notebook", "Optimizers and schedules", "The theory"}
    tested |= {"Networks for pictures", "A pretrained network for few labels"}
    tested |= {"Finding settings", "Augmentation", "A time budget instead of epochs"}
    assert {heading for heading, found in README.items() if found} == tested


@pytest.mark.slow
def test_a_time_budget(elsewhere):
    (code,) = README["A time budget instead of epochs"]
    *_, schedule, fit = code.strip().splitlines()
    data = shapes()
    model = ko.models.cnn(
        input_shape=data.input_shape, num_classes=data.num_classes, batch_norm=True
    )
    assert '"5m"' in fit
    fit = fit.replace('"5m"', '"40s"')
    found = run_code(f"{schedule}\nrun = {fit}", {"data": data, "model": model})
    # The clock decides how far it gets, on a busy machine less far than to 0.95.
    assert found["run"].metrics["test_accuracy"] > CHANCE + 0.1


def test_the_chapter_notebook_predicts_as_it_trained(elsewhere):
    """Its augmentation is too strong to learn much in three epochs, as it says."""
    code = cells("notebooks/01_chapter_project.ipynb")
    until = next(i for i, cell in enumerate(code) if "ko.fit(" in cell)
    found = run_code("\n".join(code[: until + 1]))
    assert not lags(found["run"], found["data"])


def test_grid_search_of_the_docs(elsewhere):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV

    heading = "With keras-tuner or scikit-learn themselves"
    _, code = blocks("docs/tuning.md", "python")[heading]
    x, y = (part[:SAMPLES] for part in load_digits(return_X_y=True))
    code = code.replace("[0.01, 0.001, 0.0001]", "[0.01]").replace("cv=5", "cv=2")
    code = code.replace("[32, 64, 128]", "[32]").replace("[16, 32, 64]", "[32]")
    given = {"GridSearchCV": GridSearchCV, "x": x / 16, "y": y}
    found = run_code(f"found = {code}", given)
    assert found["found"].best_score_ > 0.75
