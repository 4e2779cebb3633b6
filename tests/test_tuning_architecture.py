"""kerasopt.tuning.architectures: searching networks, with inherited weights."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import yaml

import kerasopt as ko
from kerasopt.models import inherit_weights, weights_by_path
from kerasopt.tuning import folder as folders
from kerasopt.tuning.architectures import evolution
from kerasopt.tuning.architectures.result import ArchitectureResult
from kerasopt.tuning.architectures.search import search_architecture
from kerasopt.tuning.trials import Trials

STAGES = {"name": "stages", "stem_width": 8}
SPACE = {
    "num_stages": [1, 2],
    "depth": [1, 2],
    "width": [4, 8],
    "block": ["plain", "separable"],
    "attention": [None, "squeeze_excite"],
}
# Two networks alone: what was compiled for the one trial serves the next.
TINY = {
    "num_stages": [1],
    "depth": [1, 2],
    "width": [4],
    "kernel_size": [3],
    "block": ["plain"],
    "attention": [None],
}
SETTINGS = {"max_trials": 4, "epochs": 1, "population": 2, "sample": 2, "space": SPACE}


def small_digits():
    return ko.data.load("digits", size=250, validation=100)


def small_recipe():
    recipe = ko.recipes.load("digits").replace("model", STAGES)
    return recipe.replace("augment", None)


def searched(directory, dataset, **changes):
    return search_architecture(
        changes.pop("recipe", small_recipe()),
        dataset=dataset,
        directory=directory,
        verbose=False,
        **{**SETTINGS, **changes},
    )


@pytest.fixture(scope="module")
def digits():
    return small_digits()


@pytest.fixture(scope="module")
def found(digits, tmp_path_factory):
    return searched(tmp_path_factory.mktemp("search") / "s", digits)


# The result.


@pytest.mark.slow
def test_the_table_has_each_trial(found):
    table = found.table
    assert table["trial"].tolist() == [0, 1, 2, 3]
    assert set(table["status"]) == {"completed"}
    assert table["mean"].between(0, 1).all()
    assert table["parent"].isna().tolist() == [True, True, False, False]
    for _, row in table.iterrows():
        own = row["epochs"]
        if row["parent"] is pd.NA:
            assert row["lineage_epochs"] == own == 1
            continue
        assert row["trial"] - 2 <= row["parent"] < row["trial"]  # The youngest two.
        parent = table.loc[row["parent"]]
        assert row["lineage_epochs"] == parent["lineage_epochs"] + own
        genes = [
            evolution.from_list(found.recipe_of(trial).model["stages"])
            for trial in (row["trial"], row["parent"])
        ]
        assert evolution.differences(*genes) == 1


@pytest.mark.slow
def test_costs_are_those_of_the_models(found, digits):
    for trial, row in found.table.iterrows():
        model = found.recipe_of(trial).build_model(digits)
        assert row["parameters"] == model.count_params()
        assert row["flops"] == ko.models.flops(model)
        assert row["latency_milliseconds"] > 0


@pytest.mark.slow
def test_the_best_recipe_is_written_and_trains_as_long_as_the_given_one(found):
    best = found.table["mean"].idxmax()
    recipe = found.recipe
    assert recipe.to_dict() == found.recipe_of(best).to_dict()
    assert recipe.training.epochs == ko.recipes.load("digits").training.epochs
    assert recipe.model["stem_width"] == 8
    assert "not what a training from scratch reaches" in recipe.description
    written = yaml.safe_load((found.directory / "best.yaml").read_text())
    assert ko.recipes.Recipe(written).to_dict() == recipe.to_dict()
    table = pd.read_csv(found.directory / "trials.csv")
    assert table["stages"].tolist() == found.table["stages"].tolist()
    assert "4 trials, best val_accuracy" in repr(found)


@pytest.mark.slow
def test_only_the_living_keep_their_weights(found):
    kept = sorted(found.directory.glob("trials/*/weights.npz"))
    assert [path.parent.name for path in kept] == ["0002", "0003"]
    assert not list(found.directory.rglob("checkpoints"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["parameters", "flops"])
def test_the_front_is_what_nothing_dominates(found, name):
    table = found.table
    costs, values = table[name].to_numpy(), table["mean"].to_numpy()
    expected = {
        i
        for i in range(len(table))
        if not any(
            costs[j] <= costs[i]
            and values[j] >= values[i]
            and (costs[j], values[j]) != (costs[i], values[i])
            for j in range(len(table))
        )
    }
    assert set(found.front_by(name)["trial"]) == expected
    assert found.plot(name).axes[0].get_xlabel().lower() == name
    if name == "parameters":
        assert set(found.front["trial"]) == expected


# Inheritance.


@pytest.mark.slow
def test_a_child_starts_above_a_fresh_network(tmp_path):
    dataset = ko.data.load("digits", size=800, validation=200)
    recipe = small_recipe().replace("optimizer", {"name": "adam"})
    spec = {**STAGES, "stages": [{"width": 16}, {"width": 32}]}
    parent = recipe.replace("model", spec).replace("training.epochs", 5)
    space = evolution.GeneSpace.read(dataset.input_shape, {"width": [16, 32]})
    trials = Trials(dataset, tmp_path)
    donor = weights_by_path(trials.train(parent, tmp_path / "p", seed=0).network)
    gains = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        genes = space.mutated(evolution.from_list(spec["stages"]), rng)
        child = recipe.replace(
            "model", {**STAGES, "stages": evolution.to_list(genes)}
        ).replace("training.epochs", 1)
        fresh, heir = (
            trials.train(
                child, tmp_path / f"{name}{seed}", seed=seed, prepare_weights=prepare
            ).measures["val_accuracy"]
            for name, prepare in (
                ("fresh", None),
                ("heir", lambda model: inherit_weights(model, donor)),
            )
        )
        gains.append(heir - fresh)
    assert min(gains) > 0.1, gains


@pytest.mark.slow
def test_inheritance_can_be_left_out(digits, tmp_path):
    alone = searched(tmp_path / "s", digits, inherit=False, max_trials=3, space=TINY)
    assert alone.table["parent"].notna().tolist() == [False, False, True]
    assert alone.table["lineage_epochs"].tolist() == [1, 1, 1]
    assert not list(alone.directory.rglob("weights.npz"))


# Going on.


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import test_tuning_architecture as t
t.searched({folder!r}, t.small_digits())
"""


@pytest.mark.slow
@pytest.mark.slow
def test_a_killed_search_ends_as_an_unbroken_one(found, digits, tmp_path, request):
    folder = tmp_path / "killed"
    script = SCRIPT.format(tests=str(request.path.parent), folder=str(folder))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.DEVNULL
    )
    begun = folder / "trials" / "0002" / "values.json"
    while not begun.is_file():
        assert process.poll() is None, "It ended before it could be killed."
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = ArchitectureResult(folder).table
    assert before["status"].iloc[2] == "unfinished"
    assert before["stages"].iloc[2]
    resumed = searched(folder, digits).table
    same = ["trial", "parent", "stages", "parameters", "flops", "lineage_epochs"]
    pd.testing.assert_frame_equal(resumed[same], found.table[same])
    np.testing.assert_allclose(resumed["mean"], found.table["mean"], atol=0.02)
    # What had ended wasn't trained again.
    assert resumed["seconds"][:2].tolist() == before["seconds"][:2].tolist()


@pytest.mark.slow
def test_more_trials_go_on_and_a_failing_one_is_recorded(digits, tmp_path):
    first = searched(tmp_path / "s", digits, max_trials=2, space=TINY)
    for path in first.directory.rglob("weights.npz"):
        path.unlink()
    more = searched(tmp_path / "s", digits, max_trials=3, space=TINY)
    assert more.table["status"].tolist() == ["completed", "completed", "failed"]
    assert "FileNotFoundError" in more.table["reason"].iloc[2]
    assert more.recipe.to_dict() == first.recipe.to_dict()
    assert set(more.front["trial"]) <= {0, 1}
    with pytest.raises(ValueError, match=r"holds another.*settings\.population"):
        searched(tmp_path / "s", digits, population=4, space=TINY)


@pytest.mark.slow
def test_all_failing_says_why(digits, tmp_path):
    recipe = small_recipe().replace("loss", "mean_squared_error")
    with pytest.raises(ValueError, match=r"All 5 trials of the search .* failed: "):
        searched(tmp_path / "s", digits, recipe=recipe, max_trials=None)
    assert len(list((tmp_path / "s" / "trials").iterdir())) == 5


@pytest.mark.slow
def test_a_budget_ends_the_search(digits, tmp_path):
    with pytest.raises(ValueError, match=r"budget of 0\.01 ended before the first"):
        searched(tmp_path / "s", digits, max_trials=None, budget=0.01, space=TINY)
    with pytest.raises(ValueError, match="counts from the beginning"):
        searched(tmp_path / "s", digits, max_trials=1, budget=0.01, space=TINY)
    on = searched(tmp_path / "s", digits, max_trials=1, space=TINY)
    assert on.table["status"].tolist() == ["completed"]


# Limits and the other method.


@pytest.mark.slow
def test_limits_hold(digits, tmp_path):
    space = {**SPACE, "width": [4, 8, 64]}
    limits = {"max_parameters": 1000, "max_latency_milliseconds": 1e6}
    small = searched(tmp_path / "s", digits, space=space, max_trials=2, **limits)
    assert small.table["parameters"].max() <= 1000
    for trial in small.table["trial"]:
        model = small.recipe_of(trial).build_model(digits)
        assert model.count_params() <= 1000


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"max_parameters": 100}, r"max_parameters=100 \(the smallest seen: \d+\)"),
        ({"max_latency_milliseconds": 1e-6}, "max_latency_milliseconds=1e-06"),
    ],
)
def test_limits_that_nothing_meets_are_told_at_once(limit, message, digits, tmp_path):
    with pytest.raises(ValueError, match=f"No architecture .* {message}"):
        searched(tmp_path / "s", digits, **limit)
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
def test_hyperband_goes_on_with_the_best(digits, tmp_path):
    pytest.importorskip("keras_tuner")
    changes = {
        "method": "hyperband",
        "epochs": 3,
        "max_trials": None,
        "max_parameters": 1500,
        "objective": "val_loss",
        "space": {**TINY, "width": [4, 8, 32]},
    }
    result = search_architecture(
        small_recipe(),
        dataset=digits,
        directory=tmp_path / "s",
        verbose=False,
        **changes,
    )
    table = result.table
    whole = table["lineage_epochs"] == 3
    assert whole.any()
    assert set(table["status"][whole]) == {"completed"}
    assert set(table["status"][~whole]) == {"partial"}
    assert table["parameters"].max() <= 1500
    promoted = table[table["parent"].notna()]
    assert len(promoted)
    for _, row in promoted.iterrows():
        parent = table.loc[row["parent"]]
        assert row["stages"] == parent["stages"]
        assert row["lineage_epochs"] == parent["lineage_epochs"] + row["epochs"]
    assert result.best_trial["mean"] == table["mean"][whole].min()
    assert result.recipe.model["stages"]


# Bad input.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "evolve"}, "search_architecture.method: .*'evolve'"),
        ({"popluation": 3}, "Did you mean 'population'"),
        ({"population": 1}, "population: .* greater than 1"),
        ({"max_trials": 0}, "max_trials: .* greater than 0"),
        ({"objective": "accuracy"}, "'accuracy' is never logged"),
        ({"budget": "soon"}, "budget: .*soon"),
        ({"space": {"wdith": [8]}}, "Unknown gene 'wdith'"),
        ({"method": "hyperband"}, "population is for method='evolution'"),
        (
            {"recipe": small_recipe().replace("training.validation_freq", 2)},
            "validation_freq to 1",
        ),
        (
            {"recipe": small_recipe().replace("training.image_sizes", {4: 0.5})},
            "training.image_sizes",
        ),
        (
            {"recipe": small_recipe().replace("model.stem_width", 0)},
            "stem_width must be an integer",
        ),
    ],
)
def test_bad_settings_are_refused(changes, message, digits, tmp_path):
    with pytest.raises(ValueError, match=message):
        searched(tmp_path / "s", digits, **changes)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("shape", "message"),
    [((64,), "for images"), ((3, 3, 1), "4×4 pixels or more; given: 3×3")],
)
def test_bad_data_are_refused(shape, message, tmp_path):
    rng = np.random.default_rng(0)
    parts = [(rng.random((20, *shape), "float32"), np.arange(20) % 2) for _ in range(2)]
    dataset = ko.data.from_arrays(*parts[0], validation=parts[1])
    with pytest.raises(ValueError, match=message):
        searched(tmp_path / "s", dataset)


def test_data_without_validation_are_refused(tmp_path):
    dataset = ko.data.load("digits", size=100, validation=0)
    with pytest.raises(ValueError, match="architecture search compares on validation"):
        searched(tmp_path / "s", dataset)


def test_a_best_recipe_has_the_whole_path_of_its_images(tmp_path):
    recipe = ko.recipes.load("digits").replace("data.path", "photos")
    folders.write_recipe(tmp_path / "best.yaml", recipe)
    best = ko.recipes.load(str(tmp_path / "best.yaml"))
    assert best.data.path == str(Path("photos").absolute())


@pytest.mark.slow
def test_what_a_result_lacks_is_told(found, tmp_path):
    with pytest.raises(ValueError, match="isn't the folder of an architecture search"):
        ArchitectureResult(tmp_path)
    with pytest.raises(ValueError, match=r"no trial 99: .* from 0 to"):
        found.recipe_of(99)
    with pytest.raises(ValueError, match="Did you mean 'parameters'"):
        found.front_by("parameter")
    with pytest.raises(ValueError, match="Unknown cost"):
        found.plot("price")


def test_a_name_of_a_recipe_will_do_and_test_data_are_left_alone(
    digits, tmp_path, capsys
):
    result = search_architecture(
        "digits",
        dataset=digits,
        directory=tmp_path / "s",
        **{**SETTINGS, "max_trials": 1, "space": TINY},
    )
    assert "Trial 0: val_accuracy 0." in capsys.readouterr().err
    # The recipe's own model isn't one of stages: nothing of it is kept.
    assert set(result.recipe.model) == {"name", "stages"}
    assert not [column for column in result.table if "test" in column]
    assert isinstance(result.recipe.build_model(digits), keras.Model)


def test_a_sample_beyond_the_population_has_no_effect(tmp_path):
    with pytest.raises(ValueError, match="sample=11 has no effect"):
        ko.tuning.search_architecture(
            "digits", max_trials=1, sample=11, directory=tmp_path / "new"
        )
