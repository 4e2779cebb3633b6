"""kerasopt.recipes: the files, their schema, and training each of them."""

import keras
import numpy as np
import pytest
import yaml
from tensorflow.keras.preprocessing.image import ImageDataGenerator

import kerasopt as ko
from kerasopt.data import pipeline
from kerasopt.recipes import Recipe

MINE = {"name": "mine", "data": {"name": "digits"}, "model": {"name": "mlp"}}


def small_stand_in(recipe):
    """Random arrays of the recipe's own shapes: no download, one quick epoch."""
    shapes = {
        "digits": (8, 8, 1),
        "mnist": (28, 28, 1),
        "cifar10": (32, 32, 3),
    }
    rng = np.random.default_rng(0)
    y = np.arange(70) % 10
    x = rng.integers(0, 256, (70, *shapes[recipe.data.name]), "uint8")
    xt = rng.integers(0, 256, (20, *shapes[recipe.data.name]), "uint8")
    return ko.data.from_arrays(x, y, validation=20, test=(xt, np.arange(20) % 10))


# The network, optimizer and callbacks of another one, in another size or length.
ALIKE = {"cifar10-94": "cifar10", "cifar10-96": "cifar10-95"}
ON_TWO = [name for name in ko.recipes.names() if name not in ALIKE]


@pytest.mark.parametrize(
    ("name", "devices"),
    [(name, "cpu") for name in ko.recipes.names()]
    + [(name, ["CPU:0", "CPU:1"]) for name in ON_TWO],
)
def test_every_recipe_trains_on_one_and_on_two_devices(name, devices, tmp_path):
    recipe = ko.recipes.load(name).replace("training.epochs", 1)
    # 50 training samples: an uneven last batch of 2 on two devices.
    recipe = recipe.replace("training.batch_size", 16)
    recipe = recipe.replace("training.devices", devices)
    run = recipe.run(
        dataset=small_stand_in(recipe), directory=tmp_path / "run", verbose=False
    )
    assert np.isfinite(run.history["loss"]).all()
    assert 0 <= run.metrics["test_accuracy"] <= 1
    assert run.recipe["name"] == name


@pytest.mark.parametrize("name", ko.recipes.names())
def test_every_file_is_named_like_its_recipe_and_round_trips(name):
    recipe = ko.recipes.load(name)
    assert recipe.name == name
    assert recipe.description
    again = Recipe(yaml.safe_load(recipe.to_yaml()))
    assert again.to_dict() == recipe.to_dict()


def numbers_of(optimizer):
    return {**optimizer.get_config(), "name": None}


def test_chapter_recipe_is_the_printed_network():
    recipe = ko.recipes.load("cifar10-chapter")
    model = ko.models.get(
        {**recipe.model, "input_shape": (32, 32, 3), "num_classes": 10}
    )
    assert model.count_params() == 358_218
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trainable == 357_514
    layers = [(type(layer), layer.get_config()) for layer in model.layers]
    rates = [c["rate"] for kind, c in layers if kind is keras.layers.Dropout]
    assert rates == [0.25, 0.25, 0.5]
    starts = [c["kernel_initializer"] for _, c in layers if "kernel_initializer" in c]
    assert [each["class_name"] for each in starts[:-1]] == ["HeNormal"] * 4
    assert recipe.training.epochs == 100
    assert recipe.training.batch_size == 32
    assert recipe.training.patience == 3
    generator = ko.augment.get(recipe.augment)
    assert vars(generator) == vars(
        ImageDataGenerator(
            rotation_range=20,
            width_shift_range=0.2,
            height_shift_range=0.2,
            horizontal_flip=True,
            vertical_flip=True,
            zoom_range=0.2,
        )
    )
    optimizer = ko.optimizers.get(recipe.optimizer)
    printed = keras.optimizers.Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999)
    assert type(optimizer) is type(printed)
    assert numbers_of(optimizer) == numbers_of(printed)


@pytest.fixture(scope="module", params=["cifar10-chapter", "mnist-mlp"])
def chapter_training(request, tmp_path_factory):
    """A training of the chapter on a stand-in, with what Keras's fit was given."""
    given = {}
    original = keras.Model.fit

    def spy(self, batches, **arguments):
        given.update(arguments, optimizer=self.optimizer, loss=self.loss)
        steps = arguments["steps_per_epoch"]
        given["batches"] = [(x.numpy(), y.numpy()) for x, y in batches.take(steps)]
        given["validation"] = [x.numpy() for x, _ in arguments["validation_data"]]
        return original(self, batches, **arguments)

    recipe = ko.recipes.load(request.param)
    if request.param == "mnist-mlp":  # It has another rate, which falls.
        recipe = recipe.replace("optimizer", "adam").replace("training.epochs", 100)
    given["dataset"] = small_stand_in(recipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "fit", spy)
        run = recipe.run(
            dataset=given["dataset"],
            directory=tmp_path_factory.mktemp("chapter") / "run",
            verbose=False,
        )
    return run, given


def test_chapter_trains_as_printed(chapter_training):
    """Adam's numbers, loss, batches of 32 and patience reach Keras."""
    run, given = chapter_training
    printed = keras.optimizers.Adam(0.001, beta_1=0.9, beta_2=0.999)
    assert type(given["optimizer"]) is type(printed)
    assert numbers_of(given["optimizer"]) == numbers_of(printed)
    assert type(given["loss"]) is keras.losses.SparseCategoricalCrossentropy
    assert [len(y) for _, y in given["batches"]] == [32, 18]
    assert given["epochs"] == 100
    (stopping,) = [
        each
        for each in given["callbacks"]
        if isinstance(each, keras.callbacks.EarlyStopping)
    ]
    assert (stopping.monitor, stopping.patience) == ("val_loss", 3)
    losses = run.history["val_loss"]
    assert run.metrics["stopped_early"]
    assert len(losses) == losses.idxmin() + 1 + 3
    assert run.metrics["validation_loss"] == pytest.approx(losses.min(), rel=1e-4)
    probabilities = run.predict(given["dataset"].test[0])
    right = (probabilities.argmax(axis=1) == given["dataset"].test[1]).mean()
    assert run.metrics["test_accuracy"] == pytest.approx(right)
    assert "Test accuracy" in (run.directory / "report.html").read_text()


def test_chapter_augments_the_training_images_alone(chapter_training):
    run, given = chapter_training
    dataset = given["dataset"]
    validation = dataset.validation[0] / np.float32(255)
    np.testing.assert_allclose(np.concatenate(given["validation"]), validation)
    originals = {row.tobytes() for row in dataset.train[0] / np.float32(255)}
    seen = [row.tobytes() for x, _ in given["batches"] for row in x]
    assert len(seen) == 50
    unchanged = 0 if run.recipe["name"] == "cifar10-chapter" else 50
    assert sum(row in originals for row in seen) == unchanged


def test_same_net_recipe_is_the_chapters_network_but_for_the_drop_rates():
    chapter, same = (
        ko.models.get(
            {**ko.recipes.load(f"cifar10-{name}").model},
            input_shape=(32, 32, 3),
            num_classes=10,
        )
        for name in ("chapter", "same-net")
    )
    assert same.count_params() == 358_218
    settings = ("rate", "momentum", "name")
    for ours, printed in zip(same.layers, chapter.layers, strict=True):
        assert type(ours) is type(printed)
        a, b = ours.get_config(), printed.get_config()
        for config in (a, b):
            for setting in settings:
                config.pop(setting, None)
        assert a == b


def test_epochs_take_the_place_of_a_budget():
    recipe = ko.recipes.load("digits").replace("training.budget", "5m")
    assert recipe.training.budget_seconds == 300
    assert recipe.replace("training.epochs", 3).training.budget is None


GROWS = {
    **MINE,
    "model": {"name": "mlp", "units": [8]},
    "from_budget": {
        "20m": {"model.units": [32], "training.batch_size": 64},
        "8m": {"model.units": [16]},
    },
}


@pytest.mark.parametrize(
    ("budget", "units", "batch_size"),
    [(None, 8, 32), ("7m", 8, 32), ("480s", 16, 32), ("1h", 32, 64)],
)
def test_a_long_budget_changes_what_the_recipe_says(budget, units, batch_size):
    recipe = Recipe(GROWS).replace("training.budget", budget).for_budget()
    assert recipe.model["units"] == [units]
    assert recipe.training.batch_size == batch_size


@pytest.mark.parametrize(
    ("field", "value"),
    [("model.units", [4]), ("model", {"name": "mlp", "units": [4]})],
)
def test_a_field_set_by_hand_stays_at_any_budget(field, value):
    recipe = Recipe(GROWS).replace(field, value).replace("training.budget", "1h")
    assert recipe.for_budget().model["units"] == [4]
    assert recipe.for_budget().training.batch_size == 64


def test_a_run_records_what_its_budget_changed(tmp_path):
    recipe = Recipe({**GROWS, "from_budget": {"4s": {"model.units": [16]}}})
    recipe = recipe.replace("training.budget", "15s")
    run = recipe.run(directory=tmp_path / "run", verbose=False)
    assert run.recipe["model"]["units"] == [16]
    assert run.model.count_params() == 64 * 16 + 16 + 16 * 10 + 10


@pytest.mark.parametrize(
    ("from_budget", "message"),
    [
        ({"soon": {}}, "from_budget: budget must be a time"),
        ({"8m": {"model.units.first": 1}}, "Unknown field of model"),
        ({"8m": {"training.epoch": 1}}, "Did you mean 'epochs'"),
    ],
)
def test_a_bad_change_by_budget_is_named(from_budget, message):
    with pytest.raises(ValueError, match=message):
        Recipe({**MINE, "from_budget": from_budget}).check()


def test_replace_leaves_the_original_alone():
    recipe = ko.recipes.load("digits")
    changed = recipe.replace("optimizer.learning_rate", 0.05)
    assert changed.optimizer["learning_rate"] == 0.05
    assert recipe.optimizer["learning_rate"] != 0.05
    assert recipe.replace("augment", None).augment is None
    bare = Recipe({**MINE, "optimizer": "sgd"})
    faster = bare.replace("optimizer.momentum", 0.9)
    assert faster.optimizer == {"name": "sgd", "momentum": 0.9}


def test_a_single_run_has_no_spread():
    measured = {
        "command": "kerasopt train mine",
        "machine": "any",
        "seeds": [0],
        "test_accuracy": [0.9],
        "train_seconds": [3.0],
        "epochs": [2],
    }
    text = Recipe({**MINE, "measured": measured}).measured_text()
    assert text == ("90.00 % (n=1)", "–", "3")
    several = {
        **measured,
        "test_accuracy": [0.9, 0.92],
        "test_accuracy_tta": [0.91, 0.91],
        "train_seconds": [3.0, 5.0],
    }
    assert Recipe({**MINE, "measured": several}).measured_text() == (
        "91.00 ± 1.41 % (n=2)",
        "91.00 ± 0.00 % (n=2)",
        "4 ± 1",
    )


def test_a_changed_recipe_claims_no_result():
    recipe = ko.recipes.load("digits")
    assert recipe.measured is not None
    assert recipe.replace("training.epochs", 1).measured is None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("optimiser.name", "sgd", "'optimiser'. Did you mean 'optimizer'"),
        ("training.epoch", 3, "field of training 'epoch'. Did you mean 'epochs'"),
        ("data.nmae", "x", "field of data 'nmae'. Did you mean 'name'"),
        ("colour", "red", "Unknown field of a recipe 'colour'"),
        ("training.epochs", "ten", "training.epochs: .*integer; given: 'ten'"),
        ("training.batch_size", -1, "training.batch_size: .*given: -1"),
        ("training.label_smoothing", 2, "training.label_smoothing"),
        ("model", {"units": [3]}, "model: .*needs a 'name'"),
        ("model", "mlp", "model: .*dictionary; given: 'mlp'"),
        ("data", None, "data: "),
        ("name", "../x", r"name: .*pattern.*given: '../x'"),
    ],
)
def test_bad_fields_are_named(field, value, message):
    with pytest.raises(ValueError, match=message):
        Recipe(MINE).replace(field, value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model.name", "cmn", "Did you mean 'cnn'"),
        ("model.unit", [3], "Did you mean 'units'"),
        ("model.dropout", -0.5, "dropout must be rates"),
        ("optimizer", "adaam", "Did you mean 'adam'"),
        ("optimizer", {"name": "sgd", "learning_rate": -1}, "number > 0"),
        (
            "optimizer",
            {"name": "sgd", "learning_rate": {"name": "one_cycle", "peek": 1}},
            "Did you mean 'peak'",
        ),
        ("augment", {"name": "affine", "rotation": 3}, "rotation_range"),
        ("data.name", "digit", "Did you mean 'digits'"),
    ],
)
def test_bad_names_stop_a_run_before_it_starts(field, value, message, tmp_path):
    recipe = Recipe(MINE).replace(field, value)
    with pytest.raises(ValueError, match=message):
        recipe.run(directory=tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", ["1e-3", "1.e-3", "0.001", "+1E-3"])
def test_numbers_are_numbers_however_written(number, tmp_path):
    path = tmp_path / "mine.yaml"
    optimizer = f"{{name: sgd, learning_rate: {number}}}"
    path.write_text(f"{yaml.safe_dump(MINE)}\noptimizer: {optimizer}\n")
    recipe = ko.recipes.load(path)
    assert recipe.optimizer["learning_rate"] == pytest.approx(0.001)
    recipe.check()


def test_unknown_recipe_lists_them():
    with pytest.raises(ValueError, match=r"Did you mean 'cifar10'.*digits"):
        ko.recipes.load("cifar-10")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "Can't read the recipe"),
        ("name: [", "Can't read the recipe"),
        ("- a list", "must be a YAML mapping"),
        ("!!python/object/apply:os.system ['true']", "Can't read the recipe"),
        ("name: x\ndata: {name: digits}", "model: field required"),
    ],
)
def test_bad_recipe_files(text, message, tmp_path):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        ko.recipes.load(path)


def test_a_folder_of_pictures_as_data(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, channel in (("blue", 2), ("red", 0)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 60, (10, 12, 3), "uint8")
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    data = {"name": "directory", "path": str(tmp_path / "photos"), "test": 0.25}
    model = {"name": "mlp", "units": [64]}
    recipe = Recipe({"name": "photos", "data": data, "model": model})
    recipe = recipe.replace("training.epochs", 60)
    run = recipe.run(directory=tmp_path / "run", verbose=False)
    assert run.class_names == ["blue", "red"]
    assert run.metrics["test_samples"] == 10
    assert run.metrics["test_accuracy"] == 1.0


def test_resume_says_what_it_cannot_resume(tmp_path):
    with pytest.raises(ValueError, match=r"no recipe.yaml"):
        ko.recipes.resume(tmp_path)
    folder = tmp_path / "run"
    Recipe({**MINE, "training": {"epochs": 1}}).replace("data.size", 200).run(
        directory=folder, verbose=False
    )
    with pytest.raises(ValueError, match="already finished"):
        ko.recipes.resume(folder)


@pytest.mark.realdata
def test_real_cifar10_one_epoch_learns(tmp_path):
    """1,600 real training images: far from chance after two short epochs."""
    recipe = ko.recipes.load("cifar10").replace("data.size", 2000)
    dataset = recipe.load_data()
    assert dataset.input_shape == (32, 32, 3)
    recipe = recipe.replace("training.epochs", 6).replace("training.batch_size", 64)
    recipe = recipe.replace("training.precision", "float32")
    run = recipe.run(dataset=dataset, directory=tmp_path / "run", verbose=False)
    assert run.metrics["test_interval"][0] > 0.15
    steps = pipeline.steps_per_epoch(len(dataset.train[0]), 64)
    assert steps * 64 >= len(dataset.train[0])
