"""kerasopt.tuning.sweep: the batch sizes of a text, paired and complete."""

import numpy as np
import pytest

import kerasopt as ko

pytestmark = pytest.mark.usefixtures("no_report")

SIZES = [32, 64, 128, 256]


@pytest.fixture(scope="module")
def digits():
    return ko.data.load("digits", size=500, validation=100)


@pytest.fixture
def recipe():
    recipe = ko.recipes.load("digits")
    changes = {
        "training.epochs": 2,
        "training.batch_size": 32,
        "optimizer": {"name": "adam"},
        "model": {"name": "mlp", "units": [16]},
    }
    for field, value in changes.items():
        recipe = recipe.replace(field, value)
    return recipe


@pytest.mark.slow
def test_equal_epochs_are_unequal_updates(recipe, digits, tmp_path):
    table = ko.tuning.sweep(
        recipe, "training.batch_size", SIZES, dataset=digits,
        directory=tmp_path / "sweep", verbose=False,
    )  # fmt: skip
    samples = len(digits.train[0])
    assert table["training.batch_size"].tolist() == SIZES
    assert table["updates"].tolist() == [2 * -(-samples // size) for size in SIZES]
    assert set(table["epochs"]) == {2}
    assert table["val_accuracy"].between(0, 1).all()
    assert "test_accuracy" not in table
    run = ko.Run.load(table["run"].iloc[1])
    assert run.metrics["val_loss"] == table["val_loss"].iloc[1]
    again = ko.tuning.sweep(
        recipe, "training.batch_size", SIZES, dataset=digits,
        directory=tmp_path / "again", verbose=False,
    )  # fmt: skip
    np.testing.assert_allclose(table["val_loss"], again["val_loss"], rtol=1e-4)


@pytest.mark.slow
def test_the_texts_batch_sizes_over_ten_epochs(recipe, digits, tmp_path):
    recipe = recipe.replace("training.epochs", 10)
    table = ko.tuning.sweep(
        recipe, "training.batch_size", SIZES, dataset=digits,
        directory=tmp_path / "sweep", verbose=False,
    )  # fmt: skip
    samples = len(digits.train[0])
    assert table["updates"].tolist() == [10 * -(-samples // size) for size in SIZES]
    for folder in table["run"]:
        run = ko.Run.load(folder)
        assert run.recipe["optimizer"] == {"name": "adam"}
        assert len(run.history) == 10
        assert {"val_loss", "val_accuracy"} <= set(run.history.columns)


COSINE = {"name": "cosine", "initial_learning_rate": 0.1}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("optimizer", [{"name": "adam"}, {"name": "sgd", "learning_rate": COSINE}]),
        pytest.param("model.l2", [0.0, 0.1], marks=pytest.mark.slow),
    ],
)
def test_optimizer_schedule_and_penalty_can_be_swept(
    field, values, recipe, digits, tmp_path
):
    table = ko.tuning.sweep(
        recipe, field, values, dataset=digits, directory=tmp_path / "s", verbose=False
    )
    for value, folder in zip(values, table["run"], strict=True):
        found = ko.Run.load(folder).recipe
        for part in field.split("."):
            found = found[part]
        assert found == value
    assert table["val_loss"].nunique() == 2


@pytest.mark.slow
def test_equal_updates_are_unequal_epochs(recipe, digits, tmp_path):
    table = ko.tuning.sweep(
        recipe, "training.batch_size", SIZES, equal_updates=True, dataset=digits,
        directory=tmp_path / "sweep", verbose=False,
    )  # fmt: skip
    updates = table["updates"].to_numpy()
    assert updates.max() / updates.min() < 1.2
    assert table["epochs"].iloc[-1] > 4 * table["epochs"].iloc[0]


@pytest.mark.slow
def test_seeds_are_paired_and_another_field_can_be_swept(recipe, digits, tmp_path):
    table = ko.tuning.sweep(
        recipe, "model.units", [[8], [32, 32]], seeds=(3, 4), dataset=digits,
        directory=tmp_path / "sweep", verbose=False,
    )  # fmt: skip
    assert table["seed"].tolist() == [3, 4, 3, 4]
    assert table["parameters"].tolist() == [610, 610, 3466, 3466]
    seeds = [ko.Run.load(run).recipe["training"]["seed"] for run in table["run"]]
    assert seeds == [3, 4, 3, 4]


def test_the_texts_batch_sizes_on_fifty_thousand_images():
    """15,630 updates against 1,960 in ten epochs: why equal epochs compare badly."""
    steps = [10 * ko.data.pipeline.steps_per_epoch(50_000, size) for size in SIZES]
    assert steps == [15_630, 7_820, 3_910, 1_960]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": []}, "at least one value"),
        ({"values": "32"}, "at least one value"),
        ({"values": 32}, "at least one value"),
        ({"seeds": ()}, "seeds must be different integers"),
        ({"values": [0]}, "training.batch_size: input should be greater than 0"),
        ({"field": "training.batchsize"}, "Did you mean 'batch_size'"),
        (
            {"field": "training.epochs", "equal_updates": True},
            "equal_updates counts epochs",
        ),
    ],
)
def test_bad_arguments_show_before_any_training(
    arguments, message, recipe, digits, tmp_path
):
    given = {"field": "training.batch_size", "values": [32], **arguments}
    with pytest.raises(ValueError, match=message):
        ko.tuning.sweep(recipe, dataset=digits, directory=tmp_path / "sweep", **given)
    assert not (tmp_path / "sweep").exists()


def test_a_recipe_by_its_name(digits, tmp_path):
    table = ko.tuning.sweep(
        "digits", "training.epochs", [1], dataset=digits, directory=tmp_path / "s",
        verbose=False,
    )  # fmt: skip
    assert table["epochs"].tolist() == [1]


def test_a_folder_with_something_in_it_and_data_without_validation_are_refused(
    recipe, digits, tmp_path
):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="isn't an empty folder"):
        ko.tuning.sweep(
            recipe, "training.batch_size", [32], dataset=digits, directory=tmp_path
        )
    bare = ko.data.load("digits", size=100, validation=0)
    with pytest.raises(ValueError, match="compares on validation data"):
        ko.tuning.sweep(recipe, "training.batch_size", [32], dataset=bare)


@pytest.mark.slow
def test_a_field_of_the_data_changes_the_data(recipe, tmp_path):
    table = ko.tuning.sweep(
        recipe.replace("data.validation", 50), "data.size", [100, 300],
        directory=tmp_path / "sweep", verbose=False,
    )  # fmt: skip
    assert table["updates"].nunique() == 2
    sizes = [ko.Run.load(run).recipe["data"]["size"] for run in table["run"]]
    assert sizes == [100, 300]


@pytest.mark.slow
def test_a_run_that_diverges_leaves_the_others(recipe, digits, tmp_path):
    rates = np.array([0.1, 1e30, 0.01])
    table = ko.tuning.sweep(
        recipe.replace("optimizer", {"name": "sgd"}), "optimizer.learning_rate", rates,
        dataset=digits, directory=tmp_path / "sweep", verbose=False,
    )  # fmt: skip
    assert table["val_loss"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("field", "values", "message"),
    [
        ("training.seed", [1, 2], "Give the seeds as seeds="),
        ("data.size", [100], "changes the data, but dataset="),
        ("model.dropout", [0.1, 7], r"rates in \[0, 1\)"),
        ("callbacks", [[], ["plateau"]], "has the schedule"),
    ],
)
def test_what_can_not_be_swept_shows_before_any_training(
    field, values, message, recipe, digits, tmp_path
):
    scheduled = {"name": "sgd", "learning_rate": COSINE}
    with pytest.raises(ValueError, match=message):
        ko.tuning.sweep(
            recipe.replace("optimizer", scheduled), field, values, dataset=digits,
            directory=tmp_path / "sweep", verbose=False,
        )  # fmt: skip
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
def test_activations_can_be_swept(recipe, digits, tmp_path):
    table = ko.tuning.sweep(
        recipe, "model.activation", ["relu", "sigmoid"], dataset=digits,
        directory=tmp_path / "sweep", verbose=False,
    )  # fmt: skip
    used = [ko.Run.load(run).recipe["model"]["activation"] for run in table["run"]]
    assert used == table["model.activation"].tolist() == ["relu", "sigmoid"]
    assert table["parameters"].nunique() == 1
    assert table["val_loss"].nunique() == 2


@pytest.mark.parametrize(
    ("field", "settings", "message"),
    [
        (3, {}, "field must be a text; given: 3"),
        ("", {}, "field must not be empty"),
        ("training.batch_size", {"equal_updates": "no"}, "equal_updates must be True"),
    ],
)
def test_arguments_of_a_wrong_type_are_refused(
    recipe, digits, field, settings, message
):
    with pytest.raises(ValueError, match=message):
        ko.tuning.sweep(recipe, field, [32], dataset=digits, **settings)


def test_a_value_twice_is_refused(recipe, digits):
    with pytest.raises(ValueError, match="values has a value twice"):
        ko.tuning.sweep(recipe, "training.batch_size", [32, 32], dataset=digits)


def test_seeds_of_numpy_are_numbers():
    from kerasopt.tuning.folder import seed_list

    assert seed_list(np.int64(2)) == seed_list(range(2)) == seed_list(np.arange(2))
    for given in ("ab", None, 1.5, [0, "a"]):
        with pytest.raises(TypeError, match="seeds must be an integer"):
            seed_list(given)
