"""kerasopt.recipes: the files, their schema, and training each of them."""

import itertools

import keras
import numpy as np
import pytest
import yaml
from tensorflow.keras.preprocessing.image import ImageDataGenerator
from thinning import slow_unless

import kerasopt as ko
from kerasopt.data import pipeline
from kerasopt.recipes import Recipe, budgets
from kerasopt.training import Trainer, calibration, preflight, sources
from kerasopt.training.sources import StreamSource

pytestmark = pytest.mark.usefixtures("no_report")

MINE = {"name": "mine", "data": {"name": "digits"}, "model": {"name": "mlp"}}


def small_stand_in(recipe):
    """Random arrays of the recipe's own shapes: no download, one quick epoch."""
    shapes = {
        "digits": (8, 8, 1),
        "mnist": (28, 28, 1),
        "fashion_mnist": (28, 28, 1),
        "cifar10": (32, 32, 3),
        "directory": (32, 32, 3),
    }
    rng = np.random.default_rng(0)
    y = np.arange(70) % 10
    x = rng.integers(0, 256, (70, *shapes[recipe.data.name]), "uint8")
    xt = rng.integers(0, 256, (20, *shapes[recipe.data.name]), "uint8")
    return ko.data.from_arrays(x, y, validation=20, test=(xt, np.arange(20) % 10))


# The network, optimizer and callbacks of another one, in another size or length.
ALIKE = {
    "cifar10-94": "cifar10",
    "cifar10-96": "cifar10-95",
    "fashion-mnist": "mnist-cnn",
    "transfer-cifar": "photos",
}
ON_TWO = [name for name in ko.recipes.names() if name not in ALIKE]
QUICK = ({"cifar10-chapter", "mnist-mlp"}, set())
"""What `make test` trains on one device, and on two."""


@pytest.mark.parametrize(
    ("name", "devices"),
    slow_unless(
        lambda name, devices: name in QUICK[devices != "cpu"],
        [(name, "cpu") for name in ko.recipes.names()]
        + [(name, ["CPU:0", "CPU:1"]) for name in ON_TWO],
    ),
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


RESIZING = [n for n in ko.recipes.names() if ko.recipes.load(n).training.image_sizes]


@pytest.mark.parametrize("name", RESIZING)
def test_recipes_of_small_images_have_models_that_take_them(name):
    recipe = ko.recipes.load(name)
    dataset = small_stand_in(recipe)
    model = ko.models.get(recipe.model, input_shape=dataset.input_shape, num_classes=10)
    preflight.check_inputs(model, dataset, recipe.training)


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


def batches_of(source):
    """Return an epoch's batches of a source; it is where it was afterwards."""
    source.begin(0)
    if isinstance(source, StreamSource):
        found = list(itertools.islice(source.iterator, source.steps))
        source.close()
    else:
        rows = [source.take(1) for _ in range(source.steps)]
        found = [sources.gather(source.arrays, r, source.pixel_scale) for r in rows]
    return [(x.numpy(), y.numpy()) for x, y in found]


@pytest.fixture(scope="module", params=["cifar10-chapter", "mnist-mlp"])
def chapter_training(request, tmp_path_factory):
    """A training of the chapter on a stand-in, with what the trainer was given."""
    given = {}
    original = Trainer.run

    def spy(self, *position, **arguments):
        given.update(optimizer=self.model.optimizer, loss=self.model.loss)
        given.update(epochs=self.epochs, callbacks=self.callbacks.callbacks)
        given["batches"] = batches_of(self.train)
        given["validation"] = [x for x, _ in batches_of(self.validation)]
        return original(self, *position, **arguments)

    recipe = ko.recipes.load(request.param)
    if request.param == "mnist-mlp":  # It has another rate, which falls.
        recipe = recipe.replace("optimizer", "adam").replace("training.epochs", 100)
    given["dataset"] = small_stand_in(recipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "run", spy)
        run = recipe.run(
            dataset=given["dataset"],
            directory=tmp_path_factory.mktemp("chapter") / "run",
            verbose=False,
        )
    return run, given


def test_chapter_trains_as_printed(chapter_training):
    """Adam's numbers, loss, batches of 32 and patience reach the training."""
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
    assert run.metrics["val_loss"] == pytest.approx(losses.min(), rel=1e-4)
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


# Tasks.


class OfTask:
    """What a recipe's model needs to know of a dataset."""

    input_shape = (8, 8, 1)

    def __init__(self, task, num_classes):
        self.task, self.num_classes = task, num_classes


@pytest.mark.parametrize(
    ("given", "of_data", "outputs", "activation"),
    [
        ("auto", None, 10, "softmax"),
        ("auto", "binary", 2, "softmax"),
        ("auto", "multilabel", 4, "sigmoid"),
        ("auto", "regression", 1, "linear"),
        ("multilabel", "multiclass", 10, "sigmoid"),
        ("regression", None, 3, "linear"),
    ],
)
@pytest.mark.parametrize("model", ["mlp", "cnn", "stages"])
def test_the_output_is_that_of_the_task(given, of_data, outputs, activation, model):
    recipe = Recipe({**MINE, "task": given, "model": {"name": model}})
    task = of_data and ko.tasks.get(of_data)
    built = recipe.build_model(OfTask(task, outputs))
    assert built.output_shape == (None, outputs)
    assert built.layers[-1].activation is keras.activations.get(activation)


@pytest.mark.parametrize(
    ("fields", "handed"),
    [
        ({}, {}),
        ({"task": "auto", "metrics": None, "class_weight": None}, {}),
        ({"task": "multilabel", "metrics": ["auc"]},) * 2,
        ({"class_weight": "balanced"},) * 2,
        ({"class_weight": {0: 1, "1": 2, "cat": 3}},
         {"class_weight": {0: 1.0, 1: 2.0, "cat": 3.0}}),
    ],
)  # fmt: skip
def test_fit_is_told_what_the_recipe_says_of_its_task(
    fields, handed, monkeypatch, tiny_digits
):
    found = {}
    monkeypatch.setattr(ko.training, "fit", lambda *_, **given: found.update(given))
    recipe = Recipe({**MINE, **fields})
    recipe = Recipe(recipe.to_dict())  # As from the recipe.yaml of a run.
    recipe.run(dataset=tiny_digits)
    names = ("task", "metrics", "class_weight")
    assert {k: v for k, v in found.items() if k in names} == handed


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "multilable"}, "Did you mean 'multilabel'"),
        ({"metrics": "auc"}, "metrics: .*list; given: 'auc'"),
        ({"class_weight": "even"}, "class_weight"),
        ({"class_weight": {0: -1}}, "number >= 0; given for 0: -1"),
        ({"class_weight": {"cat": float("nan")}}, r"class_weight\.cat: .*given: nan"),
        ({"class_weight": {0: "much"}}, "class_weight"),
    ],
)
def test_bad_fields_of_a_task(fields, message):
    with pytest.raises(ValueError, match=message):
        Recipe({**MINE, **fields})


GROWS = {
    **MINE,
    "model": {"name": "mlp", "units": [8]},
    "training": {"budget": "10m"},
    "from_budget": {
        "from 20 epochs": {"model.units": [32], "training.batch_size": 64},
        "below 2.5 epochs": {"model.units": [2]},
        "from 8 epochs": {"model.units": [16]},
        "below 4 epochs": {"model.units": [4]},
    },
}


def affords(epochs, monkeypatch):
    """Let any budget afford so many epochs."""
    monkeypatch.setattr(budgets, "affordable_epochs", lambda *_, **__: epochs)


@pytest.mark.parametrize(
    ("epochs", "units", "batch_size"),
    [(1, 2, 32), (2.5, 4, 32), (4, 8, 32), (8, 16, 32), (19.9, 16, 32), (99, 32, 64)],
)
def test_what_a_budget_affords_changes_what_the_recipe_says(
    epochs, units, batch_size, monkeypatch, tiny_digits
):
    affords(epochs, monkeypatch)
    recipe = Recipe(GROWS).for_budget(tiny_digits)
    assert recipe.model["units"] == [units]
    assert recipe.training.batch_size == batch_size
    assert recipe.for_budget(tiny_digits).to_dict() == recipe.to_dict()
    assert recipe.to_dict() in [r.to_dict() for r in Recipe(GROWS).alternatives()]


def test_without_a_budget_nothing_is_timed(monkeypatch, tiny_digits):
    monkeypatch.setattr(budgets, "affordable_epochs", None)
    recipe = Recipe(GROWS).replace("training.budget", None)
    assert recipe.for_budget(tiny_digits) is recipe
    assert recipe.alternatives() == [recipe]
    bare = Recipe(MINE).replace("training.budget", "5m")
    assert bare.for_budget(tiny_digits) is bare


def test_more_time_affords_more_epochs_and_smaller_images_too(tiny_digits, monkeypatch):
    # One real timing serves all: two would compare two moments of the machine.
    timed, time_steps = [], calibration.seconds_per_step

    def once(*given, **named):
        timed[:] = timed or [time_steps(*given, **named)]
        return timed[0]

    monkeypatch.setattr(calibration, "seconds_per_step", once)

    def build():
        return ko.models.cnn(input_shape=(8, 8, 1), num_classes=10, filters=(64, 64))

    def epochs(seconds, **settings):
        return budgets.affordable_epochs(build, tiny_digits, seconds, 32, **settings)

    assert epochs(1) == 0
    short, long = epochs(18), epochs(1008)
    assert long / short == pytest.approx(100)
    assert epochs(108, image_sizes={4: 0.9}) > epochs(108)
    # An epoch of this network takes between a millisecond and ten seconds anywhere.
    assert 1 < long < 1_000_000


def test_a_stream_has_no_epochs_to_afford():
    stream = ko.data.from_stream(lambda: iter([(np.ones((2, 3)), np.array([0, 1]))]))
    with pytest.raises(ValueError, match=r"in one array.*Set from_budget to \{\}"):
        budgets.affordable_epochs(lambda: None, stream, 60, 32)


def test_a_budget_too_short_for_one_epoch_is_said_before_training(
    monkeypatch, tiny_digits
):
    affords(0.4, monkeypatch)
    with pytest.warns(UserWarning, match="of 10m affords about 0.4 epochs"):
        Recipe(GROWS).for_budget(tiny_digits)


def test_the_cifar10_recipe_fits_its_network_to_the_machine(monkeypatch):
    recipe = ko.recipes.load("cifar10")
    dataset = small_stand_in(recipe)
    widths = []
    for epochs in (1, 22, 40):
        affords(epochs, monkeypatch)
        widths.append(recipe.for_budget(dataset).model["widths"])
    assert widths == [[16, 64, 64], [32, 128, 128], [32, 256, 256]]


@pytest.mark.parametrize(
    ("field", "value"),
    [("model.units", [4]), ("model", {"name": "mlp", "units": [4]})],
)
def test_a_field_set_by_hand_stays_at_any_budget(
    field, value, monkeypatch, tiny_digits
):
    affords(99, monkeypatch)
    recipe = Recipe(GROWS).replace(field, value).for_budget(tiny_digits)
    assert recipe.model["units"] == [4]
    assert recipe.training.batch_size == 64


@pytest.mark.slow
def test_a_run_records_what_its_budget_changed(tmp_path):
    recipe = Recipe({**GROWS, "from_budget": {"from 1 epochs": {"model.units": [16]}}})
    recipe = recipe.replace("training.budget", "15s")
    run = recipe.run(directory=tmp_path / "run", verbose=False)
    assert run.recipe["model"]["units"] == [16]
    assert run.model.count_params() == 64 * 16 + 16 + 16 * 10 + 10


@pytest.mark.parametrize(
    ("from_budget", "message"),
    [
        ({"soon": {}}, "from_budget: a condition must be 'from N epochs'.*'soon'"),
        ({"8m": {}}, "from_budget: '8m' is a time.*'from 36 epochs'"),
        ({"from -1 epochs": {}}, "given: 'from -1 epochs'"),
        ({"from 8 epochs": {"model.units.first": 1}}, "Unknown field of model"),
        ({"from 8 epochs": {"training.epoch": 1}}, "Did you mean 'epochs'"),
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
            {
                "name": "sgd",
                "learning_rate": {"name": "one_cycle", "max_learning_rat": 1},
            },
            "Did you mean 'max_learning_rate'",
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


@pytest.mark.slow
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


def test_a_recipe_of_version_0_1_still_works_and_says_what_is_new():
    old = {
        "name": "old",
        "data": {"name": "digits"},
        "model": {"name": "mlp"},
        "optimizer": {
            "name": "sgd",
            "learning_rate": {"name": "one_cycle", "peak": 0.1},
        },
    }
    with pytest.warns(DeprecationWarning, match="'peak' of 'one_cycle' is now 'max_l"):
        recipe = Recipe(old)
    assert recipe.optimizer["learning_rate"]["max_learning_rate"] == 0.1
    with pytest.warns(DeprecationWarning, match="'optimizer.learning_rate.peak' is"):
        changed = recipe.replace("optimizer.learning_rate.peak", 0.2)
    assert changed.optimizer["learning_rate"] == {
        "name": "one_cycle",
        "max_learning_rate": 0.2,
    }


def test_data_of_every_kind_are_taken_in_place_of_the_own():
    recipe = Recipe(MINE)
    x, y = np.zeros((20, 4), "float32"), np.arange(20) % 2
    dataset = recipe.chosen_data((x, y))
    assert (dataset.num_classes, dataset.sizes["train"]) == (2, 20)
    assert recipe.chosen_data(dataset) is dataset
    numbers = recipe.replace("task", "regression").chosen_data((x, y))
    assert numbers.task.name == "regression"
    model = recipe.build_model(dataset)
    assert model.input_shape == (None, 4)


@pytest.mark.parametrize("given", [3, "digits", np.zeros((3, 2)), [], 0])
def test_what_is_no_data_is_refused_by_all_that_take_data(given, tmp_path):
    recipe, space = Recipe(MINE), {"optimizer.learning_rate": [0.1, 0.2]}
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    given_as = {"dataset": given, "directory": tmp_path / "new"}
    for call in (
        lambda: recipe.run(**given_as),
        lambda: recipe.lr_range_test(dataset=given),
        lambda: ko.tuning.search(recipe, space, max_trials=1, **given_as),
        lambda: ko.tuning.search_architecture(recipe, max_trials=1, **given_as),
        lambda: ko.tuning.sweep(recipe, *space.popitem(), **given_as),
        lambda: ko.tuning.ablate(recipe, ["dropout"], **given_as),
        lambda: ko.tuning.RecipeHyperModel(recipe, dataset=given),
        lambda: ko.diagnosis.lr_range_test(model, given),
    ):
        with pytest.raises(TypeError, match="The data are a "):
            call()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", {"name": "mlp", "units": [float("nan")]}),
        ("from_budget", {"from 3 epochs": {"model.l2": float("inf")}}),
        ("callbacks", [{"name": "lookahead", "every": float("-inf")}]),
    ],
)
def test_numbers_are_finite_wherever_they_stand(field, value):
    with pytest.raises(ValueError, match=f"{field}: numbers must be finite"):
        ko.recipes.load("digits").replace(field, value)


def test_a_folder_of_files_has_no_effect_on_data_that_are_given(tiny_digits):
    with pytest.raises(ValueError, match="data_dir='files' has no effect on data"):
        ko.recipes.load("digits").chosen_data(tiny_digits, data_dir="files")
