"""kerasopt.tuning.ablate: configurations, paired differences, and going on."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import kerasopt as ko
from kerasopt.callbacks import EpochLog
from kerasopt.tuning.ablations import factors
from kerasopt.tuning.ablations.ablation import compared

pytestmark = pytest.mark.usefixtures("no_report")

FACTORS = ["dropout", "schedule"]


def recipe_of(**changes):
    recipe = ko.recipes.Recipe(
        {
            "name": "small",
            "data": {"name": "digits"},
            "model": {"name": "mlp", "units": [8], "dropout": 0.3},
            "optimizer": {"name": "adam", "learning_rate": 0.02},
            "training": {"epochs": 2, "batch_size": 64, "patience": 3},
        }
    )
    for field, value in changes.items():
        recipe = recipe.replace(field.replace("__", "."), value)
    return recipe


def ablate(dataset, directory, recipe=None, which=FACTORS, **more):
    return ko.tuning.ablate(
        recipe or recipe_of(),
        which,
        dataset=dataset,
        directory=directory,
        verbose=False,
        **more,
    )


@pytest.fixture(scope="module")
def three(tiny_digits, tmp_path_factory):
    """Two factors and three seeds."""
    return ablate(tiny_digits, tmp_path_factory.mktemp("three"))


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("history.csv")}


def test_differences_are_those_of_a_paired_t_test(three):
    by = three.trainings.set_index(["configuration", "seed"])["val_accuracy"]
    assert three.table["factor"].tolist() == ["dropout"] * 2 + ["schedule"] * 2
    assert three.table["design"].tolist() == ["leave one out", "add one in"] * 2
    for row in three.table.itertuples():
        pair = ("all", f"all but {row.factor}")
        if row.design == "add one in":
            pair = (f"only {row.factor}", "none")
        a, b = (by[name].sort_index().to_numpy() for name in pair)
        interval = stats.ttest_rel(a, b).confidence_interval(0.95)
        assert row.n == 3
        assert row.difference == pytest.approx(np.mean(a - b))
        if np.std(a - b) > 0:
            assert (row.low, row.high) == pytest.approx((interval.low, interval.high))


def test_every_configuration_has_every_seed_and_equal_epochs(three):
    names = ["all", "none", "all but dropout", "only dropout", "all but schedule",
             "only schedule"]  # fmt: skip
    trainings = three.trainings
    assert trainings["configuration"].tolist() == names * 3
    assert trainings["seed"].tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert set(trainings["epochs"]) == {2}
    assert set(trainings["status"]) == {"completed"}
    summary = three.configurations()
    assert summary.index.tolist() == names
    assert summary["n"].tolist() == [3] * 6
    wanted = trainings.groupby("configuration")["val_accuracy"].mean()
    np.testing.assert_allclose(summary["mean"], wanted[names])


def test_the_seed_is_the_trainings_own(three, tiny_digits, tmp_path):
    """The row of "all" is what `fit` gives with that recipe and seed."""
    cosine = {"name": "cosine", "initial_learning_rate": 0.02}
    recipe = recipe_of(optimizer__learning_rate=cosine, training__patience=None)
    run = recipe.run(
        seed=1, dataset=tiny_digits, directory=tmp_path / "r", verbose=False
    )
    rows = three.trainings
    row = rows[(rows["configuration"] == "all") & (rows["seed"] == 1)].iloc[0]
    assert row["val_loss"] == pytest.approx(run.metrics["val_loss"], rel=1e-4)


def test_what_it_shows_and_writes(three):
    saved = pd.read_csv(three.directory / "ablation.csv")
    np.testing.assert_allclose(saved["difference"], three.table["difference"])
    assert len(pd.read_csv(three.directory / "trainings.csv")) == 18
    assert "percentage points of val_accuracy" in repr(three)
    assert "<table" in three._repr_html_()
    sure = three.table["low"] * three.table["high"] > 0
    assert repr(three).split("\n\n")[0].count(" *") == sure.sum()
    assert three.plot().axes
    plain = three.to_dict()
    assert plain["objective"] == "val_accuracy"
    assert len(plain["factors"]) == 4


@pytest.mark.slow
def test_more_seeds_and_another_metric_later(three, tiny_digits):
    before = times(three.directory)
    more = ablate(tiny_digits, three.directory, seeds=[0, 2, 5], objective="val_loss")
    after = times(three.directory)
    assert {path: after[path] for path in before} == before
    # "only" of one is "all but" the other: four trainings for six configurations.
    assert len(after) == len(before) + 4
    by = more.trainings.set_index(["configuration", "seed"])["val_loss"]
    gains = (by["all but dropout"] - by["all"]).to_numpy()  # Less is better.
    assert more.table["difference"].iloc[0] == pytest.approx(gains.mean())


@pytest.mark.slow
def test_a_budget_leaves_the_rest_for_the_next_call(tiny_digits, tmp_path):
    with pytest.raises(ValueError, match="no two configurations could be compared"):
        ablate(tiny_digits, tmp_path, which=["dropout"], seeds=1, budget=0.01)
    with pytest.raises(ValueError, match="counts from the beginning"):
        ablate(tiny_digits, tmp_path, which=["dropout"], seeds=1, budget=0.01)
    found = ablate(tiny_digits, tmp_path, which=["dropout"], seeds=1)
    assert found.table["n"].tolist() == [1, 1]
    assert found.table["low"].isna().all()
    assert not list(tmp_path.rglob("checkpoints"))


@pytest.mark.slow
def test_an_interrupted_training_goes_on(tiny_digits, tmp_path):
    end = EpochLog.on_epoch_end

    def over(self, epoch, logs=None):
        seen.append(epoch)
        if len(seen) == 6:  # The second training's second epoch.
            raise KeyboardInterrupt
        end(self, epoch, logs)

    seen = []
    recipe = recipe_of(training__epochs=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpochLog, "on_epoch_end", over)
        with pytest.raises(KeyboardInterrupt):
            ablate(tiny_digits, tmp_path / "a", recipe, seeds=1, budget="1h")
    kept = times(tmp_path / "a")
    assert len(kept) == 2
    found = ablate(tiny_digits, tmp_path / "a", recipe, seeds=1)
    first = tmp_path / "a" / "trainings" / "all-seed-0" / "history.csv"
    assert times(tmp_path / "a")[first] == kept[first]
    whole = ablate(tiny_digits, tmp_path / "b", recipe, seeds=1)
    columns = ["configuration", "val_loss", "val_accuracy", "epochs"]
    pd.testing.assert_frame_equal(found.trainings[columns], whole.trainings[columns])


def configurations(recipe, which):
    from kerasopt.tuning.ablations.ablation import _Plan

    return _Plan.made(recipe, which, 1, "val_accuracy", None).configurations


def test_configurations_are_exact():
    recipe = recipe_of()
    cosine = {"name": "cosine", "initial_learning_rate": 0.02}
    found = {
        name: (each.model["dropout"], each.optimizer["learning_rate"])
        for name, each in configurations(recipe, FACTORS).items()
    }
    assert found == {
        "all": (0.3, cosine),
        "none": (0.0, 0.02),
        "all but dropout": (0.0, cosine),
        "only dropout": (0.3, 0.02),
        "all but schedule": (0.3, 0.02),
        "only schedule": (0.0, cosine),
    }
    recipe = recipe.replace("training.patience", None)
    sparse = recipe.replace("training.validation_freq", 2)
    for given in (recipe_of(), sparse):
        for each in configurations(given, FACTORS).values():
            assert each.training.patience is None
            assert each.training.validation_freq == 1


def test_each_named_factor_can_be_on_and_off(tiny_digits):
    recipe = recipe_of()
    for name in factors.names():
        (factor,) = factors.find([name], recipe)
        assert factor.name == name
        assert factor.on != factor.off
        for present in (True, False):
            changed = recipe
            for field, value in factor.fields(present).items():
                changed = changed.replace(field, value)
            changed.check()
            changed.build_model(tiny_digits)


def test_a_strategy_that_a_recipe_has_is_taken_as_it_is_there():
    recipe = ko.recipes.load("cifar10-chapter")
    (dropout,) = factors.find("dropout", recipe)
    assert dropout.on == {"model.dropout": [0.25, 0.25, 0.5]}
    digits = ko.recipes.load("digits")
    (schedule,) = factors.find(["schedule"], digits)
    assert schedule.on["optimizer.learning_rate"]["name"] == "one_cycle"
    assert schedule.off == {"optimizer.learning_rate": 0.004}
    (augment,) = factors.find(["augment"], digits)
    assert augment.on == {"augment": digits.augment}
    assert augment.off == {"augment": None}


def test_the_schedules_of_groups_end_at_their_peaks():
    recipe = ko.recipes.load("cifar10-same-net")
    (schedule,) = factors.find(["schedule"], recipe)
    assert schedule.on == {"optimizer": recipe.optimizer}
    (changed,) = schedule.off.values()
    assert changed["default"] == {**recipe.optimizer["default"], "learning_rate": 0.1}
    (group,) = changed["groups"].values()
    assert (group["name"], group["learning_rate"]) == ("conv_muon", 0.1)
    assert changed["groups"].keys() == recipe.optimizer["groups"].keys()
    without = recipe.replace("optimizer", changed)
    without.check()
    with pytest.raises(ValueError, match="no usual value for an optimizer with groups"):
        factors.find(["schedule"], without)


def test_own_factors(tiny_digits, tmp_path):
    own = {
        "wide": {
            "on": {"model.units": [16], "training.batch_size": 32},
            "off": {"model.units": [4], "training.batch_size": 64},
        }
    }
    found = ablate(tiny_digits, tmp_path, which=own, seeds=[4], epochs=1)
    table = found.trainings.set_index("configuration")
    assert table.loc["all", "parameters"] > table.loc["none", "parameters"]
    # With one factor alone both questions are the same.
    assert found.table["difference"].nunique() == 1
    assert "Of one factor both designs are the same" in repr(found)
    assert set(found.trainings["seed"]) == {4}


@pytest.mark.slow
def test_a_failed_training_is_kept_with_its_reason(tiny_digits, tmp_path):
    rates = {"rate": {"on": {"optimizer.learning_rate": 0.1},
                      "off": {"optimizer.learning_rate": 1e30}},
             "l2": {"on": {"model.l2": 1e-4}, "off": {"model.l2": 0.0}}}  # fmt: skip
    plain = recipe_of(optimizer={"name": "sgd", "learning_rate": 0.1})
    found = ablate(tiny_digits, tmp_path / "a", plain, rates, seeds=1, epochs=1)
    failed = found.trainings[found.trainings["status"] == "failed"]
    assert set(failed["configuration"]) == {"none", "all but rate", "only l2"}
    assert failed["reason"].str.contains("Lower the learning rate").all()
    assert "Failed, so left out with their pairs: " in repr(found)
    assert "none (seed 0)" in found._repr_html_()
    counts = found.table.set_index(["factor", "design"])["n"]
    assert counts["l2", "leave one out"] == 1
    assert counts["rate", "leave one out"] == 0
    worse = recipe_of(optimizer={"name": "sgd", "learning_rate": 1e30})
    with pytest.raises(ValueError, match=r"All 4 trainings .* Lower the learning rate"):
        ablate(tiny_digits, tmp_path / "b", worse, ["dropout"], seeds=1, epochs=1)


def test_compared_takes_pairs_alone():
    rows = [("all", 0, 0.9), ("all", 1, 0.8), ("all but x", 1, 0.7), ("none", 0, 0.1)]
    frame = pd.DataFrame(rows, columns=["configuration", "seed", "val_accuracy"])
    found = compared(frame, ["x"], "val_accuracy")
    assert found["n"].tolist() == [1, 0]
    assert found["difference"].iloc[0] == pytest.approx(0.1)
    assert compared(pd.DataFrame([]), ["x"], "val_loss")["n"].tolist() == [0, 0]


ON_OFF = {"on": {"model.l2": 0.1}, "off": {"model.l2": 0.0}}


@pytest.mark.parametrize(
    ("which", "more", "message"),
    [
        ([], {}, "factors is empty"),
        (["dropuot"], {}, "Did you mean 'dropout'"),
        (["l2", "l2"], {}, "given twice: l2"),
        ({"x": {"on": {"model.l2": 1}}}, {}, "must be"),
        ({"x": {"on": {"model.l2": 1}, "off": {"model.l1": 1}}}, {}, "the same fields"),
        ({"../x": ON_OFF}, {}, "A factor's name"),
        ({"x": ON_OFF, "y": ON_OFF}, {}, "both set 'model.l2'"),
        (["optimizer", "schedule"], {}, "both set 'optimizer.learning_rate'"),
        (["weight_decay", "optimizer"], {}, "both set 'optimizer.weight_decay'"),
        ({"x": {"on": {"data.size": 9}, "off": {"data.size": 8}}}, {}, "same data"),
        ({"x": {"on": {"model.w": 1}, "off": {"model.w": 0}}}, {}, "argument of"),
        ({"x": {"on": {"model.l2": -1}, "off": {"model.l2": 0}}}, {}, "l2"),
        (["l2"], {"objective": "accuracy"}, "Unknown objective 'accuracy'"),
        (["l2"], {"seeds": 0}, "seeds must be an integer >= 1"),
        (["l2"], {"seeds": []}, "seeds must be different integers"),
        (["l2"], {"seeds": [1, 1]}, "seeds must be different integers"),
        (["l2"], {"seeds": [-1]}, "seeds must be an integer >= 0"),
        (["l2"], {"epochs": 0}, "training.epochs"),
        (["l2"], {"budget": "soon"}, "budget must be a time"),
    ],
)
def test_mistakes_show_before_the_first_training(
    which, more, message, tiny_digits, tmp_path
):
    with pytest.raises(ValueError, match=message):
        ablate(tiny_digits, tmp_path / "new", which=which, **more)
    assert not (tmp_path / "new").exists()


def test_data_recipes_and_folders_that_do_not_fit(three, tiny_digits, tmp_path):
    bare = ko.data.Dataset(train=tiny_digits.train, num_classes=10)
    with pytest.raises(ValueError, match="this dataset has none"):
        ablate(bare, tmp_path / "new")
    timed = recipe_of(training__budget="5m")
    with pytest.raises(ValueError, match="give epochs="):
        ablate(tiny_digits, tmp_path / "new", timed)
    custom = {"name": "piecewise", "values": [0.1, 0.01], "boundaries": [3]}
    with pytest.raises(ValueError, match="doesn't know which constant rate"):
        ablate(
            tiny_digits, tmp_path / "new", recipe_of(optimizer__learning_rate=custom)
        )
    with pytest.raises(ValueError, match=r"holds another ablation.*factors"):
        ablate(tiny_digits, three.directory, which=["dropout"])
    with pytest.raises(ValueError, match=r"differs in recipe\.training\.epochs"):
        ablate(tiny_digits, three.directory, epochs=3)
    assert not (tmp_path / "new").exists()
