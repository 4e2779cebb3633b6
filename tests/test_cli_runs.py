"""Commands on finished runs of every task: what they show, what they refuse."""

import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score, r2_score

import kerasopt as ko
from kerasopt import terminal

TASKS = {"binary": 1, "multiclass": 3, "multilabel": 3, "regression": 2}
NAMES = {
    "binary": ["dark", "bright"],
    "multiclass": ["low", "middle", "high"],
    "multilabel": ["left", "right", "top"],
    "regression": ["mean", "spread"],
}
ACTIVATIONS = {"multiclass": "softmax", "regression": None}


def pictures(task):
    """Grey images of 8×8 pixels, and what is to be said of them."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (160, 8, 8, 1)).astype("uint8")
    halves = [x[:, :, :4], x[:, :, 4:], x[:, :4]]
    means = np.stack([half.mean((1, 2, 3)) for half in halves], 1)
    mean = x.mean((1, 2, 3))
    y = {
        "binary": mean > np.median(mean),
        "multiclass": np.digitize(mean, np.quantile(mean, [0.33, 0.67])),
        "multilabel": means > means.mean(0),
        "regression": np.stack([mean, x.std((1, 2, 3))], 1),
    }[task]
    return x, y if task == "regression" else y.astype(int)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One run of images for each task, and the data that they were trained on."""
    folder = tmp_path_factory.mktemp("runs")

    def run(task):
        x, y = pictures(task)
        data = ko.data.from_arrays(
            x[:120],
            y[:120],
            validation=40,
            test=(x[120:], y[120:]),
            task=task,
            class_names=NAMES[task],
        )
        model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
        activation = ACTIVATIONS.get(task, "sigmoid")
        model.add(keras.layers.Dense(TASKS[task], activation=activation))
        given = {"directory": folder / task, "verbose": False, "epochs": 2}
        return ko.fit(model, data, task=task, **given), (x[120:], y[120:])

    return {task: run(task) for task in TASKS}


@pytest.fixture(scope="module")
def table_run(tmp_path_factory):
    """A run of numbers in a table, which no picture can be."""
    x = np.random.default_rng(0).normal(size=(80, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    data = ko.data.from_arrays(x, 3 * x[:, 0], validation=20)
    folder = tmp_path_factory.mktemp("runs") / "table"
    return ko.fit(model, data, epochs=1, directory=folder, verbose=False)


@pytest.mark.parametrize(
    ("task", "headline", "besides"),
    [
        ("binary", "accuracy", "AUC"),
        ("multiclass", "accuracy", "accuracy"),
        ("multilabel", "mean average precision", "micro F1"),
        ("regression", "RMSE", "R²"),
    ],
)
def test_a_run_is_shown_by_what_its_task_asks(trained, capsys, task, headline, besides):
    terminal.show_run(trained[task][0], False)
    out = capsys.readouterr().out
    assert out.startswith(f"test {headline} ")
    assert f"test {besides} " in out
    assert f"validation {headline} " in out
    assert ("95 % interval" in out) == (task != "multilabel")
    assert ("at the threshold" in out) == (task == "binary")
    assert "picture.png" in out


def test_a_run_shows_the_numbers_that_scikit_learn_gives(trained, capsys):
    run, (x, y) = trained["regression"]
    terminal.show_run(run, False)
    assert f"{r2_score(y, run.predict(x)):.4g}" in capsys.readouterr().out
    run, (x, y) = trained["multilabel"]
    terminal.show_run(run, False)
    expected = average_precision_score(y, run.predict(x), average="macro")
    assert f"{expected:.4g}" in capsys.readouterr().out
    run, (x, y) = trained["binary"]
    terminal.show_run(run, False)
    chosen = run.predict(x)[:, 1] >= run.metrics["threshold"]
    assert f"F1 {f1_score(y, chosen):.4g}" in capsys.readouterr().out


@pytest.mark.parametrize("task", TASKS)
def test_json_has_all_measures_of_the_run(trained, capsys, task):
    run = trained[task][0]
    terminal.show_run(run, True)
    assert json.loads(capsys.readouterr().out).items() >= run.metrics.items()


@pytest.mark.parametrize("task", TASKS)
def test_a_result_is_shown_as_the_run_is(trained, capsys, task):
    run, data = trained[task]
    terminal.show_result(run.measure(data), {"tta": "none", "tta_share": 1.0}, True)
    found = json.loads(capsys.readouterr().out)
    name = f"test_{run.task.headline}"
    assert found[name] == pytest.approx(run.metrics[name], rel=1e-4)
    assert all(key in {*run.metrics, "tta", "tta_share"} for key in found)
    terminal.show_result(run.measure(data), {"tta": "none", "tta_share": 1.0}, False)
    out = capsys.readouterr().out
    assert all(each in out for each in run.class_names)
    assert ("at the threshold" in out) == (task == "binary")


def test_names_are_shown_and_not_obeyed(capsys):
    names = ["\x1b[31mcat", "dog"]
    result = ko.evaluation.classification([0, 1], np.eye(2), class_names=names)
    terminal.show_result(result, {"tta": "none", "tta_share": 1.0}, False)
    out = capsys.readouterr().out
    assert r"\x1b[31mcat" in out and "\x1b" not in out


def test_a_result_says_by_which_views(trained, capsys):
    run, data = trained["multilabel"]
    how = {"tta": "mirror", "tta_share": 1.0}
    terminal.show_result(run.measure(data, **how), how, False)
    assert "mean of 2 views" in capsys.readouterr().out


@pytest.mark.parametrize("task", TASKS)
def test_predict_answers_as_the_task_asks(trained, command, tmp_path, task):
    run, (x, _) = trained[task]
    Image.fromarray(x[0, ..., 0]).save(tmp_path / "first.png")
    words = ["predict", run.directory, "first.png"]
    code, out, err = command(*words, "--json")
    assert (code, err) == (0, "")
    (row,) = json.loads(out)
    (values,) = run.predict(x[:1])
    names = NAMES[task]
    if task == "regression":
        expected = dict(zip(names, values, strict=True))
        found = {name: row[name] for name in names}
    elif task == "multilabel":
        expected = dict(zip(names, values, strict=True))
        found = row["probabilities"]
        assert row["labels"] == [n for n in names if expected[n] >= 0.5]
    else:
        expected = {names[values.argmax()]: values.max()}
        found = {row["class"]: row["probability"]}
    assert found == pytest.approx({k: float(v) for k, v in expected.items()}, abs=1e-3)
    code, out, _ = command(*words)
    assert code == 0 and "first.png" in out


def test_names_of_files_are_no_markup(trained, command, tmp_path):
    run, (x, _) = trained["binary"]
    (tmp_path / "x[").mkdir()
    for name in ("img[final].png", "x[/y].png"):
        Image.fromarray(x[0, ..., 0]).save(tmp_path / name)
        code, out, _ = command("predict", run.directory, name)
        assert code == 0 and name in out


def test_a_run_of_tables_says_how_to_predict(table_run, command, capfd):
    terminal.show_run(table_run, False)
    assert "in Python" in capfd.readouterr().out
    code, _, err = command("predict", table_run.directory, "a.png")
    assert code == 2
    assert "samples of shape [4]" in err and ".predict(x)" in err


def test_evaluate_of_a_run_without_a_recipe_says_what_to_call(table_run, command):
    code, _, err = command("evaluate", table_run.directory)
    assert code == 2
    assert ".evaluate((x, y))" in err


def test_compare_by_the_headline_of_the_task(trained, command, tmp_path):
    folder = trained["regression"][0].directory
    again = shutil.copytree(folder, tmp_path / "again")
    code, _, err = command("compare", folder, "again")
    assert code == 2 and "a copy of it" in err
    metrics = json.loads((again / "metrics.json").read_text())
    longer = {**metrics, "train_seconds": metrics["train_seconds"] + 1}
    (again / "metrics.json").write_text(json.dumps(longer))
    (again / "checksums.json").unlink()
    code, out, err = command("compare", folder, "again", "--json")
    assert code == 0, err
    assert json.loads(out)["headline"] == "rmse"
    assert "test RMSE" in command("compare", folder, "again")[1]
    other = trained["binary"][0].directory
    code, _, err = command("compare", folder, other)
    assert code == 2 and "different tasks" in err


def test_two_classes_of_pictures_from_recipe_to_evaluate(command, tmp_path):
    """A recipe's folder of two classes: trained, measured again, and grown."""
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("bright", 128)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(low, low + 128, (8, 8, 3)).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i:02}.png")
    recipe = {
        "name": "photos",
        "data": {"name": "directory", "path": "photos", "test": 0.25},
        "model": {"name": "mlp", "units": [8]},
        "training": {"epochs": 3, "batch_size": 8},
    }
    (tmp_path / "mine.yaml").write_text(json.dumps(recipe))
    code, out, err = command("train", "mine.yaml", "--out", "run", "--json")
    assert code == 0, err
    trained = json.loads(out)
    assert trained["task"] == "binary"
    again = json.loads(command("evaluate", "run", "--json")[1])
    for name in ("test_accuracy", "test_auc", "test_f1_at_threshold"):
        assert again[name] == pytest.approx(trained[name], abs=1e-5)
    # One more picture makes another cut: test pictures would come from train.
    pixels = rng.integers(0, 9, (8, 8, 3)).astype("uint8")
    Image.fromarray(pixels).save("photos/dark/99.png")
    code, out, err = command("evaluate", "run", "--json")
    assert (code, out) == (2, "")
    assert "aren't those of the run" in err and "x_train" in err


def test_folders_of_pictures_are_predicted(command, trained, tmp_path):
    """Those in them, too, but no hidden ones, and no other files."""
    run = trained["multiclass"][0]
    (tmp_path / "all" / "more").mkdir(parents=True)
    for name in ("b.png", "more/a.PNG", ".hidden.png"):
        Image.new("L", (9, 9)).save(tmp_path / "all" / name)
    Image.new("L", (9, 9)).save(tmp_path / "one.png")
    (tmp_path / "all" / "notes.txt").write_text("no picture")
    rows = json.loads(command("predict", run.directory, "one.png", "all", "--json")[1])
    assert [row["image"] for row in rows] == ["one.png", "all/b.png", "all/more/a.PNG"]
    (tmp_path / "empty").mkdir()
    code, _, err = command("predict", run.directory, "empty")
    assert (code, "The folder 'empty' has no pictures" in err) == (2, True)


@pytest.mark.parametrize("name", ["img[final].png", "x[/y].png", "[red].png"])
def test_brackets_in_names_are_shown_as_they_are(command, trained, tmp_path, name):
    run = trained["multiclass"][0]
    picture = tmp_path / name
    picture.parent.mkdir(exist_ok=True)
    code, _, err = command("predict", run.directory, name)
    assert (code, name in err) == (2, True)
    Image.new("L", (9, 9)).save(picture)
    code, out, _ = command("predict", run.directory, name)
    assert (code, name in out) == (0, True)


def test_brackets_in_folders_and_classes_are_shown_as_they_are(command, tmp_path):
    x, y = pictures("multiclass")
    data = ko.data.from_arrays(
        x, y, validation=40, class_names=["[red]", "[/]", "[bold]a"]
    )
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3, activation="softmax"))
    run = ko.fit(model, data, epochs=1, directory=tmp_path / "z[/x]")
    for picture, label in (("low.png", 0), ("high.png", 255)):
        Image.new("L", (8, 8), label).save(tmp_path / picture)
    code, out, _ = command("predict", "z[/x]", "low.png", "high.png")
    assert code == 0
    assert any(name in out for name in run.class_names)
    code, _, err = command("evaluate", "z[/y]")
    assert (code, "'z[/y]'" in err) == (2, True)


def test_a_folder_to_type_is_quoted(trained, monkeypatch, tmp_path):
    run = trained["multiclass"][0]
    monkeypatch.setattr(run, "directory", tmp_path / "my run")
    monkeypatch.chdir(tmp_path)
    assert terminal._how_to_predict(run).endswith(" predict 'my run' picture.png")
