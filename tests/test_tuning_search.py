"""kerasopt.tuning.search: every method from end to end, and after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from sklearn.model_selection import StratifiedKFold
from thinning import slow_unless

import kerasopt as ko
from kerasopt import files
from kerasopt.tuning.searches.result import SearchResult
from kerasopt.tuning.searches.worker import folds_of

RATE, SIZE = "optimizer.learning_rate", "training.batch_size"
RATES = {RATE: {"min_value": 1e-3, "max_value": 0.1, "sampling": "log"}}


def recipe_of(**changes):
    recipe = ko.recipes.Recipe(
        {
            "name": "small",
            "data": {"name": "digits", "size": 240, "validation": 60},
            "model": {"name": "mlp", "units": [8]},
            "optimizer": {"name": "adam", "learning_rate": 0.01},
            "training": {"epochs": 2, "batch_size": 64},
        }
    )
    for field, value in changes.items():
        recipe = recipe.replace(field.replace("__", "."), value)
    return recipe


def search(recipe, space, directory, **settings):
    return ko.tuning.search(
        recipe, space, directory=directory, verbose=False, **settings
    )


def files_of(folder):
    """Return the trials' files: content and time of the last change."""
    trials = Path(folder) / "trials"
    return {
        path.relative_to(trials): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in trials.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """A grid of rates and batch sizes, one of the rates too large."""
    recipe = recipe_of(optimizer={"name": "sgd", "learning_rate": 0.01})
    space = {RATE: [0.1, 1e30], SIZE: [32, 64]}
    return search(recipe, space, tmp_path_factory.mktemp("grid"), method="grid")


def test_a_grid_has_every_combination_and_goes_on_after_failures(grid):
    table = grid.table
    combinations = sorted(zip(table[RATE], table[SIZE], strict=True))
    assert combinations == [(0.1, 32), (0.1, 64), (1e30, 32), (1e30, 64)]
    failed = table[table["status"] == "failed"]
    assert failed[RATE].tolist() == [1e30, 1e30]
    assert failed["mean"].isna().all()
    assert failed["reason"].str.contains("Lower the learning rate").all()
    ended = table[table["status"] == "completed"]
    assert ended["mean"].between(0, 1).all()
    assert ended["std"].isna().all()
    assert ended["n"].tolist() == [1, 1]
    assert ended["epochs"].tolist() == [2, 2]
    assert (ended["seconds"] > 0).all()
    assert ended["parameters"].tolist() == [64 * 8 + 8 + 8 * 10 + 10] * 2
    assert grid.counts() == "2 completed, 2 failed"


def test_a_result_is_in_its_folder(grid):
    names = {path.name for path in grid.directory.iterdir()}
    assert names == {
        ".lock", "best.yaml", "definition.yaml", "limits.yaml", "oracle.json",
        "report.html", "seconds.json", "trials", "trials.csv",
    }  # fmt: skip
    assert not list(grid.directory.rglob("checkpoints"))
    saved = pd.read_csv(grid.directory / "trials.csv")
    assert saved.columns.tolist() == [
        "trial", RATE, SIZE, "mean", "std", "n", "epochs", "seconds", "parameters",
        "status", "reason",
    ]  # fmt: skip
    np.testing.assert_allclose(saved["mean"], grid.table["mean"])
    again = SearchResult(grid.directory)
    pd.testing.assert_frame_equal(again.table, grid.table)
    plain = json.loads(json.dumps(again.to_dict()))
    assert plain["best"] == grid.table["mean"].max()
    assert len(plain["trials"]) == 4
    assert "4 trials, best val_accuracy" in repr(again)
    assert RATE in (grid.directory / "report.html").read_text()


@pytest.mark.slow
def test_the_first_of_equals_wins_and_is_shown(tmp_path, capsys):
    from kerasopt import terminal

    recipe = recipe_of(optimizer={"name": "sgd", "learning_rate": 1e-30})
    space = {"training.label_smoothing": [0.0, 0.1], SIZE: [32, 64, 128, 16]}
    found = search(recipe, space, tmp_path, method="grid")
    assert found.table["mean"].nunique() == 1  # It learns nothing.
    assert (found.best_trial["trial"], found.equals) == (0, 7)
    terminal.show_search(found, as_json=False)
    said = capsys.readouterr().out
    rows = [line.split("│")[-2].strip() for line in said.splitlines() if "%" in line]
    assert rows == ["0", "1", "2", "3", "4"]
    assert "7 more trials; the first of them is taken" in said


def test_plots_are_drawn(grid):
    for chart in (grid.plot(), grid.plot("seconds"), grid.plot_parallel()):
        assert chart.axes
    with pytest.raises(ValueError, match="at least 10 completed trials"):
        grid.importance()


def test_the_winner_is_a_recipe_that_trains(grid, tmp_path):
    best = ko.recipes.load(str(grid.directory / "best.yaml"))
    assert best.to_dict() == grid.recipe.to_dict()
    assert best.name == "small-tuned"
    row = grid.best_trial
    assert best.training.batch_size == row[SIZE]
    assert best.optimizer["learning_rate"] == row[RATE]
    run = best.run(directory=tmp_path / "run", verbose=False)
    assert run.metrics["val_accuracy"] == pytest.approx(row["mean"])


def test_a_choice_by_test_data_is_said(tiny_digits, tmp_path):
    data = tiny_digits.replace(
        validation=tiny_digits.test, allow_test_as_validation=True
    )
    recipe = recipe_of(training__epochs=1)
    with pytest.warns(UserWarning, match="chosen on the test set"):
        found = search(recipe, {RATE: [0.01]}, tmp_path, method="grid", dataset=data)
    assert "chosen on the test set" in (tmp_path / "report.html").read_text()
    assert len(found.table) == 1
    assert data.without_test().test_is_validation


def test_a_finished_search_trains_nothing_again(grid):
    before = files_of(grid.directory)
    again = ko.tuning.resume(grid.directory, verbose=False)
    assert files_of(grid.directory) == before
    pd.testing.assert_frame_equal(again.table, grid.table)


@pytest.mark.slow
def test_random_begins_with_the_recipes_own_and_goes_on_with_more(tmp_path):
    given = {"method": "random", "stop": None}
    found = search(recipe_of(), RATES, tmp_path, max_trials=2, **given)
    assert found.table[RATE].iloc[0] == 0.01
    assert found.table[RATE].is_unique
    before = files_of(tmp_path)
    more = ko.tuning.resume(tmp_path, max_trials=12, verbose=False)
    assert more.table["trial"].tolist() == [*range(12)]
    assert more.table[RATE].tolist()[:2] == found.table[RATE].tolist()
    after = files_of(tmp_path)
    assert {path: after[path] for path in before} == before
    assert more.importance().iloc[:, 0].tolist() == [RATE]
    assert more.plot_importance().axes


@pytest.mark.slow
def test_bayesian_goes_by_the_loss_and_stops_the_hopeless(tmp_path):
    recipe = recipe_of(training__epochs=4)
    space = {RATE: {"min_value": 1e-6, "max_value": 0.1, "sampling": "log"}}
    found = search(recipe, space, tmp_path, objective="val_loss", max_trials=12)
    table = found.table
    assert len(table) == 12
    assert found.best_trial["mean"] == table["mean"].min()
    stopped = table[table["status"] == "stopped"]
    assert len(stopped)
    assert (stopped["epochs"] < 4).all()
    assert set(table["status"]) == {"completed", "stopped"}


@pytest.mark.slow
def test_hyperband_trains_few_to_the_end(tmp_path):
    recipe = recipe_of(training__epochs=3, training__precision="float32")
    found = search(recipe, RATES, tmp_path, method="hyperband")
    table = found.table
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("trial.json")]
    for record in records:
        assert (record["status"] == "completed") == (record["lineage_epochs"] == 3)
        earlier = [each for each in records if each["trial"] == record.get("parent")]
        own = record["lineage_epochs"] - sum(e["lineage_epochs"] for e in earlier)
        assert record["epochs"] == own
    assert set(table["status"]) == {"completed", "partial"}
    assert set(table["epochs"]) == {1, 2, 3}
    assert found.best_trial["status"] == "completed"
    promoted = table.dropna(subset=["parent"])
    assert (
        table["trial"][promoted["parent"].astype(int)] < promoted["trial"].to_numpy()
    ).all()
    assert found.best_trial["lineage_epochs"] == 3
    assert not list(tmp_path.rglob("checkpoints"))
    # Those that go on have the values of one that ended after its first epoch.
    assert table[RATE].duplicated().any()
    for name in sorted(p.name for p in (tmp_path / "trials").iterdir()):
        history = pd.read_csv(tmp_path / "trials" / name / "history.csv")
        assert history["epoch"].tolist() == [*range(1, len(history) + 1)]


@pytest.mark.slow
def test_hyperband_goes_on_where_there_are_few_combinations(tmp_path):
    """Its first round wants nine different trials of nine epochs' ninth."""
    space = {SIZE: [16, 32, 48, 64]}
    recipe = recipe_of(training__epochs=9)
    table = search(recipe, space, tmp_path, method="hyperband").table
    assert sorted(table[SIZE][table["epochs"] == 1]) == [16, 32, 48, 64]
    assert (table["status"] == "completed").sum() == 1


@pytest.mark.slow
def test_hyperband_has_a_winner_though_trials_fail(tmp_path):
    recipe = recipe_of(
        optimizer={"name": "sgd", "learning_rate": 0.01}, training__epochs=9
    )
    space = {RATE: [0.003, 0.01, 0.03, 1e30]}
    table = search(recipe, space, tmp_path, method="hyperband").table
    assert (table["status"] == "failed").sum() == 1
    assert (table["status"] == "completed").sum() == 1
    with pytest.raises(ValueError, match=r"its end \(3 partial\): give more trials"):
        search(
            recipe, {SIZE: [16, 32, 48, 64]}, tmp_path / "few",
            method="hyperband", max_trials=3,
        )  # fmt: skip


def test_folds_of_numbers_keep_task_and_weights():
    x, y = np.arange(12.0).reshape(12, 1), np.linspace(0, 1, 12)
    data = ko.data.from_arrays(x, y, sample_weight=np.arange(12) + 1.0, validation=3)
    parts = folds_of(data, 4, seed=0)
    held = [value for part in parts for value in part.validation[0][:, 0].tolist()]
    assert sorted(held) == x[:, 0].tolist()
    for part in parts:
        assert part.task.name == "regression"
        for split in ("train", "validation"):
            samples = getattr(part, split)[0][:, 0]
            np.testing.assert_allclose(part.weights[split], samples + 1)


def test_folds_are_those_of_scikit_learn(tiny_digits, tmp_path):
    x = np.concatenate([tiny_digits.train[0], tiny_digits.validation[0]])
    y = np.concatenate([tiny_digits.train[1], tiny_digits.validation[1]])
    splits = StratifiedKFold(3, shuffle=True, random_state=5).split(x, y)
    parts = folds_of(tiny_digits, 3, seed=5)
    for part, (train, held) in zip(parts, splits, strict=True):
        np.testing.assert_array_equal(part.train[0], x[train])
        np.testing.assert_array_equal(part.validation[1], y[held])
        assert part.test is None
    space = {SIZE: [32]}
    found = ko.tuning.search(
        recipe_of(), space, dataset=tiny_digits, directory=tmp_path, method="grid",
        folds=3, seed=5, verbose=False,
    )  # fmt: skip
    row = found.table.iloc[0]
    place = next((tmp_path / "trials").iterdir())
    values = [
        pd.read_csv(place / f"fold-{i}" / "history.csv")["val_accuracy"].iloc[-1]
        for i in range(3)
    ]
    assert (row["n"], row["epochs"]) == (3, 6)
    assert row["mean"] == pytest.approx(np.mean(values))
    assert row["std"] == pytest.approx(np.std(values, ddof=1))


@pytest.mark.slow
def test_folds_that_have_ended_are_not_trained_again(tiny_digits, tmp_path):
    """Killed in the last fold: early stopping must not go on in the first ones."""
    recipe = recipe_of(
        optimizer={"name": "sgd", "learning_rate": 1e-12},
        training__epochs=6,
        training__patience=1,
    )
    given = {"dataset": tiny_digits, "method": "grid", "folds": 2, "verbose": False}
    space = {SIZE: [64]}
    whole = ko.tuning.search(recipe, space, directory=tmp_path / "w", **given)
    from kerasopt.tuning.trials import Trials

    train, trained = Trials.train, []

    def killed_in_the_second(self, recipe, folder, **more):
        trained.append(folder.name)
        if trained == ["fold-0", "fold-1"]:
            raise KeyboardInterrupt
        return train(self, recipe, folder, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trials, "train", killed_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            ko.tuning.search(recipe, space, directory=tmp_path / "k", **given)
        found = ko.tuning.search(recipe, space, directory=tmp_path / "k", **given)
    assert trained == ["fold-0", "fold-1", "fold-1"]
    columns = ["mean", "std", "n", "epochs", "parameters", "status"]
    pd.testing.assert_frame_equal(found.table[columns], whole.table[columns])


SCRIPT = """
import sys, kerasopt as ko
recipe = ko.recipes.load(sys.argv[1])
ko.tuning.search(recipe, {"training.batch_size": [64, 32]}, method="grid",
                 directory=sys.argv[2], stop=None, verbose=False)
"""


@pytest.mark.slow
def test_after_sigkill_it_goes_on_in_its_trial_and_epoch(tmp_path):
    epochs = 40
    recipe = recipe_of(training__epochs=epochs, model__dropout=0.2)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    folder = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "recipe.yaml"), str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    second = folder / "trials" / "0001"
    checkpoint = second / "checkpoints" / "last.npz"
    until = time.monotonic() + 120
    while not checkpoint.is_file() and time.monotonic() < until:
        assert child.poll() is None
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (second / "trial.json").exists()
    reached = len(pd.read_csv(second / "history.csv"))
    assert 1 <= reached < epochs
    finished = {p: v for p, v in files_of(folder).items() if p.parts[0] == "0000"}
    resumed = ko.tuning.resume(folder, verbose=False)
    after = files_of(folder)
    assert {path: after[path] for path in finished} == finished
    unbroken = search(
        recipe, {SIZE: [64, 32]}, tmp_path / "unbroken", method="grid", stop=None
    )
    pd.testing.assert_frame_equal(
        resumed.table.drop(columns="seconds"), unbroken.table.drop(columns="seconds")
    )
    rows = [
        pd.read_csv(each / "trials" / "0001" / "history.csv").drop(columns="seconds")
        for each in (folder, tmp_path / "unbroken")
    ]
    pd.testing.assert_frame_equal(*rows, rtol=1e-5)
    # The epochs before the kill weren't trained again: their times are the same.
    assert len(rows[0]) == epochs


@pytest.mark.slow
def test_a_budget_ends_it_and_it_can_be_gone_on_with(tmp_path):
    recipe = recipe_of(training__epochs=30)
    began = time.monotonic()
    found = search(recipe, RATES, tmp_path, method="random", budget="6s")
    assert time.monotonic() - began < 60
    ended = found.table["mean"].notna().sum()
    assert ended >= 1
    # The time is used up, so the same call only reads what there is.
    again = search(recipe, RATES, tmp_path, method="random", budget="6s")
    pd.testing.assert_frame_equal(again.table, found.table)
    more = {"max_trials": len(found.table) + 1, "budget": None}
    more = ko.tuning.resume(tmp_path, verbose=False, **more)
    assert more.table["mean"].notna().sum() > ended
    assert not (more.table["status"] == "unfinished").any()


@pytest.mark.slow
def test_an_epoch_that_the_budget_cut_is_trained_again(tmp_path, monkeypatch):
    """Half an epoch is none: what goes on is what an unbroken search gives."""
    recipe = recipe_of(training__epochs=3)
    space = {SIZE: [16]}

    from kerasopt.training import trainer
    from kerasopt.tuning.trials import StopAtDeadline

    # Each step is a call of its own.
    monkeypatch.setattr(trainer, "FIRST_STEPS", 1)
    monkeypatch.setattr(trainer, "MOST_STEPS", 1)

    batches = []

    def over(self, batch, logs=None):
        batches.append(batch)
        if len(batches) == 18:  # In the midst of the second epoch of 12 steps.
            self.deadline.deadline = 0.0
        look(self, batch, logs)

    look = StopAtDeadline.on_train_batch_end
    with monkeypatch.context() as patch:
        patch.setattr(StopAtDeadline, "on_train_batch_end", over)
        with pytest.raises(ValueError, match="ended before the first trial was"):
            search(recipe, space, tmp_path / "a", method="grid", budget="1h")
    cut = pd.read_csv(tmp_path / "a" / "trials" / "0000" / "history.csv")
    assert len(cut) == 1
    found = search(recipe, space, tmp_path / "a", method="grid")
    whole = search(recipe, space, tmp_path / "b", method="grid")
    assert found.table["mean"].tolist() == whole.table["mean"].tolist()
    rows = [
        pd.read_csv(tmp_path / name / "trials" / "0000" / "history.csv")
        for name in "ab"
    ]
    pd.testing.assert_frame_equal(*[each.drop(columns="seconds") for each in rows])


@pytest.mark.parametrize(
    "ending", slow_unless("patience".__eq__, ["hyperband", "patience"])
)
def test_a_trial_that_had_ended_trains_no_further(ending, tmp_path, monkeypatch):
    """Killed between its last checkpoint and its result."""
    from kerasopt.training import trial

    recipe = recipe_of(training__epochs=9)
    method = {"method": "hyperband"}
    if ending == "patience":
        recipe = recipe.replace("training.patience", 1)
        recipe = recipe.replace(RATE, 1e-12)
        method = {"method": "grid"}
    space = {SIZE: [32, 64]}
    whole = search(recipe, space, tmp_path / "whole", **method)

    def killed(session):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trial, "_kept_measures", killed)
        with pytest.raises(KeyboardInterrupt):
            search(recipe, space, tmp_path / "killed", **method)
    assert list((tmp_path / "killed").rglob("last.npz"))
    found = search(recipe, space, tmp_path / "killed", **method)
    pd.testing.assert_frame_equal(
        found.table.drop(columns="seconds"), whole.table.drop(columns="seconds")
    )


@pytest.mark.slow
def test_two_workers_share_the_trials(tmp_path):
    space = {RATE: [0.003, 0.01, 0.03], SIZE: [32, 64]}
    found = search(recipe_of(), space, tmp_path, method="grid", workers=2)
    table = found.table
    assert set(table["status"]) == {"completed"}
    assert sorted(zip(table[RATE], table[SIZE], strict=True)) == [
        (rate, size) for rate in space[RATE] for size in space[SIZE]
    ]
    logs = {path.name for path in (tmp_path / "workers").iterdir()}
    assert logs == {"chief.log", "worker-0.log", "worker-1.log"}


@pytest.mark.parametrize("broken", ["chief", "worker-1"])
def test_a_process_that_breaks_down_is_named(broken, grid, monkeypatch):
    """The chief's own words, not those of the workers that it leaves waiting."""
    from types import SimpleNamespace

    import rich.console

    from kerasopt.tuning.folder import FolderDeadline
    from kerasopt.tuning.searches import processes
    from kerasopt.tuning.searches.progress import Progress

    def start(work, name, port, log):
        if name == broken:
            words = "import sys; sys.exit('My state is torn')"
        elif broken != "chief" and name != "chief":
            words = ""
        else:
            words = "import time; time.sleep(60)"
        with log.open("ab") as output:
            return subprocess.Popen([sys.executable, "-c", words], stderr=output)

    monkeypatch.setattr(processes, "_start", start)
    folder = grid.directory.parent / f"broken-{broken}"
    folder.mkdir()
    work = SimpleNamespace(
        folder=folder, settings=SimpleNamespace(workers=2), recipe=recipe_of()
    )
    clock = FolderDeadline(folder, None)
    with pytest.raises(ValueError, match=f"{broken} of .*exit code 1.*state is torn"):
        processes.run(
            work, Progress(ko.tuning.SearchSettings(), clock, rich.console.Console())
        )


def test_a_worker_that_comes_too_late_is_not_waited_for(grid, monkeypatch):
    """keras-tuner's chief is gone by then, and the worker would ask for an hour."""
    from types import SimpleNamespace

    import rich.console

    from kerasopt.tuning.folder import FolderDeadline
    from kerasopt.tuning.searches import processes
    from kerasopt.tuning.searches.progress import Progress

    def start(work, name, port, log):
        words = "import time; time.sleep(60)" if name == "worker-1" else ""
        return subprocess.Popen([sys.executable, "-c", words])

    monkeypatch.setattr(processes, "_start", start)
    folder = grid.directory.parent / "late"
    folder.mkdir()
    work = SimpleNamespace(
        folder=folder, settings=SimpleNamespace(workers=2), recipe=recipe_of()
    )
    settings, console = ko.tuning.SearchSettings(), rich.console.Console(quiet=True)
    began = time.monotonic()
    processes.run(work, Progress(settings, FolderDeadline(folder, None), console))
    assert time.monotonic() - began < 30


def test_a_worker_ends_with_the_process_that_started_it():
    words = "from kerasopt.tuning.searches.processes import _end_with_the_parent as end"
    child = subprocess.Popen(
        [sys.executable, "-c", f"{words}; end()"], stdin=subprocess.PIPE
    )
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)
    child.stdin.close()  # As the end of the process does, SIGKILL included.
    assert child.wait(60) == 1


def test_a_folder_in_which_another_process_is_at_work_is_refused(grid):
    with open(grid.directory / ".lock", "ab") as lock:
        assert files.try_lock(lock)
        with pytest.raises(ValueError, match="Another process is at work"):
            ko.tuning.resume(grid.directory, verbose=False)
    ko.tuning.resume(grid.directory, verbose=False)


@pytest.mark.slow
def test_a_function_of_hp_is_a_space(tiny_digits, tmp_path):
    def space(hp):
        values = {"optimizer.name": hp.Choice("kind", ["adam", "sgd"])}
        with hp.conditional_scope("kind", ["sgd"]):
            if values["optimizer.name"] == "sgd":
                values["optimizer.momentum"] = hp.Choice("momentum", [0.0, 0.9])
        return values

    given = {"dataset": tiny_digits, "directory": tmp_path, "verbose": False}
    found = ko.tuning.search(recipe_of(), space, method="grid", **given)
    assert found.fields == ["optimizer.name", "optimizer.momentum"]
    assert sorted(found.table["optimizer.name"]) == ["adam", "sgd", "sgd"]
    with pytest.raises(ValueError, match="is a function: call"):
        ko.tuning.resume(tmp_path)


def test_any_field_can_be_searched_data_too(tmp_path):
    space = {
        "optimizer": [
            {"name": "sgd", "learning_rate": {"name": "cosine",
                                              "initial_learning_rate": 0.1}},
        ],
        "model.units": [[4, 4]],
        "model.l2": [1e-3],
        "augment": [{"name": "affine", "rotation_range": 10}],
        "data.size": [120, 180],
    }  # fmt: skip
    found = search(recipe_of(), space, tmp_path, method="grid")
    assert found.table["status"].tolist() == ["completed"] * 2
    assert found.recipe.model["units"] == [4, 4]
    assert found.recipe.optimizer["name"] == "sgd"
    assert found.recipe.data.size in (120, 180)


@pytest.mark.slow
def test_a_function_may_change_the_data(tiny_digits, tmp_path):
    def space(hp):
        return {"data.size": hp.Choice("size", [120, 200])}

    found = search(recipe_of(), space, tmp_path / "a", method="grid")
    assert found.table["mean"].nunique() == 2
    with pytest.raises(ValueError, match="dataset=… is given"):
        ko.tuning.search(recipe_of(), space, dataset=tiny_digits)

    def hidden(hp):
        kind = hp.Choice("kind", ["small", "large"])
        return {SIZE: 32} | ({"data.size": 200} if kind == "large" else {})

    table = search(recipe_of(), hidden, tmp_path / "b", method="grid").table
    failed = table[table["status"] == "failed"]
    assert len(failed) == 1
    assert "return its data.* fields always" in failed["reason"].iloc[0]


def test_a_changed_function_is_another_search(tmp_path):
    def space(hp):
        return {SIZE: hp.Choice("size", [32, 64])}

    search(recipe_of(), space, tmp_path, method="grid", max_trials=1)

    def changed(hp):
        return {SIZE: hp.Choice("size", [16, 64])}

    changed.__qualname__ = space.__qualname__
    with pytest.raises(ValueError, match=r"differs in space\.declares\.size"):
        search(recipe_of(), changed, tmp_path, method="grid", max_trials=1)


BAD = recipe_of(optimizer={"name": "sgd", "learning_rate": 0.1})


def test_where_all_fail_the_reasons_are_told(tmp_path):
    space = {RATE: [1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36]}
    with pytest.raises(ValueError, match=r"All 5 trials .* Lower the learning rate"):
        search(BAD, space, tmp_path, method="grid")


@pytest.mark.slow
def test_what_went_well_before_counts_after_a_resume(tmp_path):
    space = {RATE: [0.1, *(10.0**power for power in range(30, 36))]}
    first = search(BAD, space, tmp_path, method="grid", max_trials=1)
    assert first.table["status"].tolist() == ["completed"]
    more = ko.tuning.resume(tmp_path, max_trials=7, verbose=False)
    assert more.counts() == "6 failed, 1 completed"


@pytest.mark.parametrize(
    ("space", "settings", "message"),
    [
        ({}, {}, "The space is empty"),
        (lambda hp: {}, {}, "The space is empty"),
        ({"training.batchsize": [1]}, {}, "Did you mean 'batch_size'"),
        ({"learning_rate": [1]}, {}, "Did you mean 'optimizer.learning_rate'"),
        ({"batch_size": [1]}, {}, "Did you mean 'training.batch_size'"),
        (["batch_size"], {}, "must be a mapping"),
        ({"modle.units": [[4]]}, {}, "Did you mean 'model'"),
        ({"model.unit": [[4]]}, {}, "unit"),
        ({"optimizer.learning_rat": [0.1]}, {}, "Did you mean 'learning_rate'"),
        ({SIZE: [0, 32]}, {}, "greater than 0"),
        ({RATE: {"min_value": -1.0, "max_value": 1.0}}, {}, "> 0"),
        ({"model.dropout": {"min_value": 0.0, "max_value": 2.0}}, {}, "dropout"),
        ({RATE: [0.1]}, {"objective": "f1"}, "never logged"),
        ({RATE: [0.1]}, {"objective": "accuracy"}, "never logged"),
        ({RATE: [0.1]}, {"method": "genetic"}, "search.method"),
        ({RATE: [0.1]}, {"max_trials": 0}, "search.max_trials"),
        ({RATE: [0.1]}, {"folds": 1}, "search.folds"),
        ({RATE: [0.1]}, {"folds": 10**6}, "search.folds=1000000 is more than"),
        ({RATE: [0.1]}, {"budget": "soon"}, "budget must be a time"),
        ({RATE: [0.1]}, {"max_trial": 3}, "Did you mean 'max_trials'"),
        ({RATE: [0.1]}, {"stop": "never"}, "search.stop"),
        ({RATE: [0.1]}, {"workers": 0}, "search.workers"),
        ({RATE: [0.1]}, {"workers": 1000}, "two a core.* given: 1000"),
        (lambda hp: {RATE: 0.1}, {"workers": 2}, "Workers are processes"),
        (lambda hp: {"model.unit": [4]}, {}, "Did you mean 'units'"),
        ({"training.seed": [0, 1]}, {}, "can't be searched: the search's own seed"),
        ({"training.tta": ["none", "mirror"]}, {}, "it changes the test alone"),
        ({"data.validation": [0.1, 0.2]}, {}, "the same validation data"),
        ({"task": ["binary", "multiclass"]}, {}, "can't be searched: it says what the"),
        ({"metrics": [["auc"], ["f1"]]}, {}, "it changes what is logged"),
        ({"training.evaluation_batch_size": [8, 9]}, {}, "it changes no result"),
        (
            {f"{RATE}.max_learning_rate": [0.1]},
            {},
            "is 0.01 here, without fields of its own",
        ),
        ({"model.dropout": [0.1, 1.5]}, {}, "With model.dropout=1.5 from the space"),
        ({"training.epochs": [1, 2]}, {"method": "hyperband"}, "leave 'training.ep"),
        ("missing.yaml", {}, "Can't read the space 'missing.yaml'"),
    ],
)
def test_mistakes_show_before_the_first_trial(space, settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        search(recipe_of(), space, tmp_path / "new", **settings)
    assert not (tmp_path / "new").exists()


def test_settings_that_do_not_go_together(tiny_digits, tmp_path):
    new = tmp_path / "new"
    with pytest.raises(ValueError, match="dataset=… is given"):
        ko.tuning.search(
            recipe_of(), {"data.size": [100]}, dataset=tiny_digits, directory=new
        )
    with pytest.raises(ValueError, match="load the recipe's data"):
        ko.tuning.search(
            recipe_of(), RATES, dataset=tiny_digits, workers=2, directory=new
        )
    timed = recipe_of(training__budget="1m")
    with pytest.raises(ValueError, match="Hyperband counts epochs"):
        search(timed, RATES, new, method="hyperband")
    with pytest.raises(ValueError, match="validation_freq to 1"):
        search(recipe_of(training__validation_freq=2), RATES, new)
    with pytest.raises(ValueError, match="this dataset has none"):
        search(recipe_of(data__validation=0), RATES, new)
    alone = tiny_digits.replace(validation=None)
    with pytest.raises(ValueError, match=r"from_arrays\(x, y, validation=0.1\)"):
        search(recipe_of(data__validation=0.1), RATES, new, dataset=alone)
    assert not new.exists()


def test_a_budget_too_small_for_one_trial(tmp_path):
    with pytest.raises(ValueError, match="ended before the first trial was"):
        search(recipe_of(), RATES, tmp_path, budget=0.01)


def test_a_folder_of_another_search_is_refused(grid, tmp_path):
    before = files_of(grid.directory)
    definition = yaml.safe_load((grid.directory / "definition.yaml").read_text())
    recipe = ko.recipes.Recipe(definition["recipe"])
    other = recipe.replace("model.units", [9])
    space = {RATE: [0.1, 1e30], SIZE: [32, 64]}
    with pytest.raises(ValueError, match=r"differs in recipe\.model\.units"):
        search(other, space, grid.directory, method="grid")
    with pytest.raises(ValueError, match=r"differs in settings\.method"):
        search(recipe, space, grid.directory, method="random")
    with pytest.raises(ValueError, match=r"differs in space\.training\.batch_size"):
        search(recipe, {**space, SIZE: [32]}, grid.directory, method="grid")
    assert files_of(grid.directory) == before
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="isn't an empty folder"):
        search(recipe, space, tmp_path, method="grid")
    with pytest.raises(ValueError, match="isn't the folder of a search"):
        ko.tuning.resume(tmp_path)
    (tmp_path / "definition.yaml").write_text("kind: ablation\n")
    with pytest.raises(
        ValueError, match=r"isn't the folder of a search.*tuning\.ablate"
    ):
        ko.tuning.resume(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["definition.yaml", "thesis.txt"]


@pytest.mark.parametrize("order", [1, -1])
def test_an_outer_field_does_not_undo_an_inner_one(tmp_path, order):
    space = {RATE: [1e-6, 0.05], "optimizer": [{"name": "adam"}]}
    space = dict(list(space.items())[::order])
    found = search(recipe_of(), space, tmp_path / "x", method="grid", stop=None)
    by_rate = found.table.set_index(RATE)["mean"]
    assert by_rate[1e-6] < by_rate[0.05]
    assert found.recipe.optimizer == {"name": "adam", "learning_rate": 0.05}


@pytest.mark.slow
def test_a_constant_can_be_compared_with_a_schedule(tmp_path):
    constant = {"name": "constant", "learning_rate": 0.01}
    cosine = {"name": "cosine", "initial_learning_rate": 0.01}
    space = {RATE: [constant, cosine, 0.01]}
    table = search(recipe_of(), space, tmp_path / "x", method="grid").table
    assert table["status"].tolist() == ["completed"] * 3
    means = dict(zip(map(str, table[RATE]), table["mean"], strict=True))
    assert means[str(constant)] == means["0.01"]


@pytest.mark.slow
@pytest.mark.usefixtures("two_cpus")
def test_trials_on_several_devices(tmp_path):
    recipe = recipe_of(training__devices=["CPU:0", "CPU:1"])
    table = search(recipe, {RATE: [0.01]}, tmp_path / "x", method="grid").table
    assert table["status"].tolist() == ["completed"], table["reason"][0]


def test_numbers_in_a_file_may_have_exponents(tmp_path):
    (tmp_path / "space.yaml").write_text(f"{RATE}: [1e-4, 1e-2]\n")
    found = search(recipe_of(), tmp_path / "space.yaml", tmp_path / "x", method="grid")
    assert sorted(found.table[RATE]) == [1e-4, 1e-2]


# Told, and then a failure.
@pytest.mark.filterwarnings("ignore:val_loss became NaN")
def test_a_loss_that_overflows_is_a_failure(tmp_path):
    """The training's is finite, that on validation data isn't."""
    x = np.random.default_rng(0).normal(size=(60, 2)).astype("float32")
    huge = np.where(np.arange(20)[:, None] == 0, np.float32(3e38), x[:20])
    dataset = ko.data.Dataset(
        train=(x, np.arange(60) % 2), validation=(huge, np.arange(20) % 2)
    )
    space = {RATE: [0.01, 0.02]}
    with pytest.raises(ValueError, match=r"All 2 trials .* failed: .*val_loss became"):
        search(
            recipe_of(), space, tmp_path / "x",
            method="grid", objective="val_loss", dataset=dataset,
        )  # fmt: skip


@pytest.mark.slow
def test_all_trials_have_one_precision(tmp_path, monkeypatch):
    """The first one times it; folds and a later call take what it came to."""
    from kerasopt.training import calibration

    timed = []

    def first(settings, *more):
        timed.append(settings.precision)
        return settings.model_copy(update={"precision": "mixed_bfloat16"})

    monkeypatch.setattr(calibration, "resolve_precision", first)
    recipe = recipe_of(training__precision="auto", training__epochs=1)
    settings = {"method": "grid", "folds": 2}
    search(recipe, {SIZE: [32, 64]}, tmp_path, max_trials=1, **settings)
    timed_first = timed.count("auto")
    found = search(recipe, {SIZE: [32, 64]}, tmp_path, max_trials=2, **settings)
    assert (timed_first, timed.count("auto")) == (1, 1)
    assert set(timed) == {"auto", "mixed_bfloat16"}
    assert found.recipe.training.precision == "auto"


def test_only_trials_of_as_many_epochs_are_compared(tmp_path):
    from kerasopt.tuning.searches.settings import SearchSettings
    from kerasopt.tuning.searches.worker import Work
    from kerasopt.tuning.space import Space

    space = Space.read({"training.epochs": [5, 30]})
    work = Work(recipe_of(), space, SearchSettings(), tmp_path)
    work._records |= {
        "0": {"status": "completed", "values": {"training.epochs": 5}, "curve": [1]},
        "1": {"status": "stopped", "values": {"training.epochs": 30}, "curve": [2]},
        "2": {"status": "failed", "values": {"training.epochs": 30}},
        "3": {"status": "completed", "values": {}, "curve": [3]},
    }
    assert work._other_curves(30) == [[2]]
    assert work._other_curves(2) == [[3]]
    assert work._hopeless(recipe_of(training__budget="1m"), tmp_path) is None
    assert work.has_results()


def test_what_was_drawn_at_random_is_said(tiny_digits, tmp_path, capsys):
    given = {"dataset": tiny_digits, "directory": tmp_path}
    ko.tuning.search(recipe_of(), lambda hp: {RATE: hp.Float("rate", 0.01, 0.1)},
                     max_trials=2, **given)  # fmt: skip
    said = " ".join(capsys.readouterr().err.split())
    assert "the recipe itself isn't tried first" in said
    assert "draws the first 3 at random" in said


@pytest.mark.slow
def test_what_is_said(tmp_path, capsys):
    recipe = recipe_of(optimizer={"name": "sgd", "learning_rate": 0.05})
    space = {RATE: [0.1, 1e30], SIZE: [32]}
    given = {"method": "grid", "directory": tmp_path}
    ko.tuning.search(recipe, space, max_trials=1, **given)
    said = capsys.readouterr().err
    assert "The space lacks the recipe's own optimizer.learning_rate=0.05" in said
    assert "Trial 0: val_accuracy" in said
    fields = f"{RATE}, {SIZE}"
    assert f"Searching {fields}; a trial trains for at most 2 epochs." in said
    ko.tuning.search(recipe, space, max_trials=3, **given)
    said = capsys.readouterr().err
    assert "2 of 3 trials, best" in said
    assert "no other values are left to try" in said
    assert "Going on with 1 of 3 trials, best val_accuracy" in said
    assert "Trial 1 failed: DivergedError" in said
    assert "Traceback" not in said
    ko.tuning.search(recipe, space, max_trials=1, **given)
    assert "\n2 trials, best val_accuracy" in (said := capsys.readouterr().err)
    assert "give more trials to train more" in said
    ko.tuning.search(recipe, space, budget=0.01, **given)
    said = capsys.readouterr().err
    assert "have used up the budget of 0.01" in said
    assert "give a longer one" in said


def test_a_search_says_how_long_a_timed_trial_is(tiny_digits, tmp_path, capsys):
    # Said before the trials, and one second is too short for them on any machine.
    timed = recipe_of(training__budget="1s")
    with pytest.raises(ValueError, match="leaves no time to train"):
        ko.tuning.search(timed, {SIZE: [32]}, max_trials=1, dataset=tiny_digits,
                         directory=tmp_path)  # fmt: skip
    assert "a trial trains for 1.0 s" in capsys.readouterr().err


@pytest.mark.slow
def test_a_search_says_no_length_that_is_searched_itself(tiny_digits, tmp_path, capsys):
    given = {"dataset": tiny_digits, "max_trials": 1}
    ko.tuning.search(recipe_of(), {"training.epochs": [1, 2]},
                     directory=tmp_path / "a", **given)  # fmt: skip
    assert "Searching training.epochs.\n" in capsys.readouterr().err
    ko.tuning.search(recipe_of(), {SIZE: [32]}, folds=2,
                     directory=tmp_path / "b", **given)  # fmt: skip
    said = capsys.readouterr().err
    assert "trains for at most 2 epochs in each of 2 folds." in said


def test_an_alias_of_the_data_is_their_name(grid, tmp_path):
    definition = yaml.safe_load((grid.directory / "definition.yaml").read_text())
    definition["recipe"]["data"]["name"] = "Fashion"
    definition["data"]["name"] = "fashion_mnist"
    (tmp_path / "definition.yaml").write_text(yaml.safe_dump(definition))
    assert SearchResult(tmp_path).has_its_data


def test_data_of_ones_own_are_wanted_again(tiny_digits, tmp_path):
    (x, y), (held_x, held_y) = tiny_digits.train, tiny_digits.validation
    dataset = ko.data.from_arrays(x, y, validation=(held_x, held_y))
    recipe = recipe_of(data={"name": "arrays"})
    found = search(recipe, {SIZE: [32, 64]}, tmp_path, dataset=dataset, max_trials=1)
    assert not found.has_its_data
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "run(dataset=…)" in page
    assert "kerasopt train" not in page
    for call in (found.recipe.run, lambda: ko.tuning.resume(tmp_path, verbose=False)):
        with pytest.raises(ValueError, match=r"from_arrays .* given as dataset="):
            call()
    more = ko.tuning.resume(tmp_path, dataset=dataset, max_trials=2, verbose=False)
    assert len(more.table) == 2


def test_the_winner_on_a_folder_of_images_trains_from_anywhere(tmp_path, monkeypatch):
    for name, shade in (("cat", 40), ("dog", 200)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(10):
            image = Image.new("RGB", (8, 8), (shade + index,) * 3)
            image.save(tmp_path / "photos" / name / f"{index}.png")
    section = {"name": "directory", "path": "photos", "image_size": [8, 8],
               "validation": 4, "test": 0.2}  # fmt: skip
    monkeypatch.chdir(tmp_path)
    found = search(recipe_of(data=section), {SIZE: [2, 4]}, "found", max_trials=1)
    assert found.has_its_data
    monkeypatch.chdir(tmp_path / "found")
    best = ko.recipes.load("best.yaml")
    assert best.load_data().class_names == ("cat", "dog")
    assert "kerasopt train best.yaml" in Path("report.html").read_text()


def test_the_time_is_kept_while_a_trial_trains(tmp_path, monkeypatch):
    """So a kill gives none of it back."""
    from kerasopt.tuning.folder import FolderDeadline

    clock = FolderDeadline(tmp_path, "1h")
    clock._started = clock._kept = time.monotonic() - 5  # As if it began then.
    clock.keep()
    assert 5 <= FolderDeadline(tmp_path, "1h").seconds < 60
    kept = []
    monkeypatch.setattr(FolderDeadline, "keep", lambda self: kept.append(self.seconds))
    search(recipe_of(), {SIZE: [32]}, tmp_path / "x", method="grid", budget="1h")
    assert len(kept) >= 2 + 1  # After each epoch and after the trial.


def test_a_trial_is_told_once(tmp_path):
    """Killed after its result was kept, before keras-tuner noted it."""
    import rich.console

    from kerasopt.tuning.folder import FolderDeadline
    from kerasopt.tuning.searches.progress import Progress
    from kerasopt.tuning.space import Space

    record = {"trial": 0, "values": {}, "status": "completed", "mean": 0.5}
    console = rich.console.Console(quiet=True)
    settings = ko.tuning.SearchSettings(max_trials=3)
    progress = Progress(settings, FolderDeadline(tmp_path, None), console)
    progress.begin([record], Space({SIZE: [32]}), recipe_of())
    with progress:
        progress.tell(record)
        progress.tell({**record, "trial": 1})
    assert len(progress.ended) == 2


def test_results_as_json_are_not_mixed_with_what_keras_prints(tmp_path, capsys):
    recipe = recipe_of(optimizer={"name": "sgd", "learning_rate": 0.05})
    search(recipe, {RATE: [0.1, 1e30]}, tmp_path, method="grid")
    assert capsys.readouterr().out == ""
