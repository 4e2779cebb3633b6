"""tuning.searches.oracles: keras-tuner's choices, and a memory that survives a kill."""

import itertools
import json
import zlib

import keras_tuner
import numpy as np
import pytest

import kerasopt as ko
from kerasopt import files
from kerasopt.tuning.searches import oracles
from kerasopt.tuning.space import Space

SPACE = {
    "training.batch_size": [16, 64, 32],
    "model.activation": ["relu", "tanh"],
    "model.batch_norm": [True, False],
    "model.dropout": {"min_value": 0.0, "max_value": 0.4, "step": 0.2},
    "model.kernel_initializer": [None, "he_normal"],
}
GRID = {field: SPACE[field] for field in [*SPACE][:3]}
SMALL = {
    "optimizer.learning_rate": {
        "min_value": 1e-4,
        "max_value": 0.1,
        "sampling": "log",
    },
    "training.batch_size": [16, 32, 64],
}


@pytest.fixture(scope="module")
def recipe():
    """Its batch size stands in the middle of the choices."""
    return ko.recipes.load("mnist-mlp").replace("training.batch_size", 64)


def oracle_of(method, recipe, folder, *, space=SMALL, trials=None, seed=3, first=None):
    made = oracles.make(
        method,
        objective="val_accuracy",
        maximize=True,
        trials=trials,
        epochs=4,
        seed=seed,
    )
    made._set_project_dir(str(folder), ".")
    made.first = first
    if made.state_file().is_file():
        made.reload()
    else:
        declare(made, space, recipe)
    return made


def declare(oracle, space, recipe):
    hp = oracle.get_space()
    Space.read(space).declare(hp, recipe)
    oracle.update_space(hp)


def score(values):
    """Return a number that looks random, the same in each process."""
    return zlib.crc32(json.dumps(values, sort_keys=True).encode()) % 997 / 997


def end(oracle, trial):
    values = trial.hyperparameters.values
    if score(values) < 0.1:
        trial.status = "FAILED"
    else:
        oracle.update_trial(trial.trial_id, {"val_accuracy": score(values)})
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def choices(oracle, most=100):
    """Run all trials and return their numbers and values."""
    made = []
    while len(made) < most:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        made.append((trial.trial_id, dict(trial.hyperparameters.values)))
        end(oracle, trial)
    return made


def test_grid_is_every_combination_once(recipe, tmp_path):
    oracle = oracle_of("grid", recipe, tmp_path, space=SPACE)
    tried = [values for _, values in choices(oracle, most=200)]
    found = []
    for values in tried:
        hp = keras_tuner.HyperParameters()
        hp.values = dict(values)
        found.append(tuple(Space.read(SPACE).declare(hp, recipe).values()))
    lists = [spec for spec in SPACE.values() if isinstance(spec, list)]
    wanted = itertools.product(*lists[:3], [0.0, 0.2, 0.4], lists[3])
    rounded = [(*each[:3], round(each[3], 9), each[4]) for each in found]
    assert sorted(rounded, key=repr) == sorted(wanted, key=repr)


def test_random_is_keras_tuners(recipe, tmp_path):
    """Apart from the first trial, which has the recipe's own values."""
    own = {"optimizer.learning_rate": 0.001, "training.batch_size": 64}
    ours = oracle_of("random", recipe, tmp_path / "o", trials=8, seed=3, first=own)
    theirs = keras_tuner.oracles.RandomSearchOracle(
        keras_tuner.Objective("val_accuracy", "max"), max_trials=7, seed=4
    )
    theirs._set_project_dir(str(tmp_path / "t"), ".")
    declare(theirs, SMALL, recipe)
    theirs.verbose = 0
    theirs.max_consecutive_failed_trials = 100
    found = [values for _, values in choices(ours)]
    assert found[0] == own
    assert found[1:] == [values for _, values in choices(theirs)]


def test_random_ends_where_nothing_is_left(recipe, tmp_path):
    space = {"training.batch_size": [16, 32, 64]}
    oracle = oracle_of("random", recipe, tmp_path, space=space, trials=30)
    found = [values["training.batch_size"] for _, values in choices(oracle)]
    assert sorted(found) == [16, 32, 64]


@pytest.mark.parametrize(
    ("method", "trials"),
    [("random", 7), ("bayesian", 9), ("hyperband", None), ("grid", None)],
)
def test_after_a_kill_at_every_point_it_goes_on_as_if_unbroken(
    method, trials, recipe, tmp_path
):
    space = GRID if method == "grid" else SMALL
    first = {"optimizer.learning_rate": 0.001, "training.batch_size": 64}
    given = {"space": space, "trials": trials}
    given["first"] = first if method in ("random", "bayesian") else None
    unbroken = choices(oracle_of(method, recipe, tmp_path / "unbroken", **given))
    assert len(unbroken) > 6
    made = []
    while True:
        broken = oracle_of(method, recipe, tmp_path / "broken", **given)
        if broken.create_trial("tuner0").status == "STOPPED":
            break
        # Killed: another process reads the state, and begins with the same trial.
        broken = oracle_of(method, recipe, tmp_path / "broken", **given)
        trial = broken.create_trial("tuner0")
        made.append((trial.trial_id, dict(trial.hyperparameters.values)))
        end(broken, trial)
    assert made == unbroken


def test_all_trials_that_ran_at_the_time_come_again(recipe, tmp_path):
    oracle = oracle_of("random", recipe, tmp_path, trials=4)
    running = [oracle.create_trial(f"worker-{i}").trial_id for i in range(3)]
    again = oracle_of("random", recipe, tmp_path, trials=4)
    found = [again.create_trial(f"worker-{i}").trial_id for i in range(4)]
    assert sorted(found[:3]) == running
    assert found[3] == "3"


def test_more_trials_later(recipe, tmp_path):
    choices(oracle_of("grid", recipe, tmp_path / "cut", space=GRID, trials=5))
    more = choices(oracle_of("grid", recipe, tmp_path / "cut", space=GRID))
    whole = choices(oracle_of("grid", recipe, tmp_path / "whole", space=GRID))
    assert [v for _, v in more] == [v for _, v in whole[5:]]


def test_the_state_is_replaced_whole_or_not_at_all(recipe, tmp_path, monkeypatch):
    oracle = oracle_of("random", recipe, tmp_path, trials=4)
    trial = oracle.create_trial("tuner0")
    before = oracle.state_file().read_text()

    def killed(*_):
        raise InterruptedError

    monkeypatch.setattr(files, "_flush_to_disk", killed)
    with pytest.raises(InterruptedError):
        end(oracle, trial)
    assert oracle.state_file().read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["oracle.json"]


def test_after_the_deadline_no_trial_begins(recipe, tmp_path):
    oracle = oracle_of("random", recipe, tmp_path, trials=4)
    oracle.deadline = 0.0
    assert oracle.create_trial("tuner0").status == "STOPPED"


def test_trials_that_fail_one_after_the_other_end_nothing(recipe, tmp_path):
    oracle = oracle_of("random", recipe, tmp_path, trials=6)
    for _ in range(6):
        trial = oracle.create_trial("tuner0")
        trial.status = "FAILED"
        oracle.end_trial(trial)
    assert oracle.create_trial("tuner0").status == "STOPPED"


def test_seeds_differ_and_zero_is_one(recipe, tmp_path):
    def rates(seed, name):
        oracle = oracle_of("random", recipe, tmp_path / name, trials=3, seed=seed)
        return choices(oracle)

    assert rates(0, "a") == rates(0, "b")
    assert rates(0, "c") != rates(1, "d")


def test_an_unknown_method():
    with pytest.raises(ValueError, match="Did you mean 'bayesian'"):
        oracles.make(
            "bayes", objective="val_loss", maximize=False, trials=1, epochs=1, seed=0
        )


def test_bayesian_leaves_where_trainings_fail(tmp_path):
    """Rates above 0.3 diverge: a third of the range, and what the bound knows least."""
    oracle = oracles.make(
        "bayesian", objective="val_accuracy", maximize=True, trials=40, epochs=1, seed=0
    )
    oracle._set_project_dir(str(tmp_path), ".")
    space = keras_tuner.HyperParameters()
    space.Float("rate", 1e-4, 10.0, sampling="log")
    oracle.update_space(space)
    failed = []
    for _ in range(40):
        trial = oracle.create_trial("tuner0")
        rate = trial.hyperparameters.values["rate"]
        failed.append(rate > 0.3)
        trial.status = "FAILED" if failed[-1] else "COMPLETED"
        if not failed[-1]:
            score = 1 - 0.1 * (np.log10(rate) + 2) ** 2
            oracle.update_trial(trial.trial_id, {"val_accuracy": score})
        oracle.end_trial(trial)
    assert sum(failed[10:]) <= 8
    best = max(oracle.trials.values(), key=lambda t: t.score or 0)
    assert best.hyperparameters.values["rate"] == pytest.approx(0.01, rel=0.5)
