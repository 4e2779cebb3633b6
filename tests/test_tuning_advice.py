"""kerasopt.tuning.advising: recipes that fit, reasons that name them, honest words."""

import keras
import numpy as np
import pytest
from sklearn import datasets
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import kerasopt as ko
from kerasopt.recipes import budgets
from kerasopt.tuning.advising import advice as advising
from kerasopt.tuning.advising.advice import Advice


def advise_settings(given, **settings):
    """Advice from scratch; test_tuning_advice_tuned.py has pretrained networks."""
    return advising.advise_settings(given, **{"pretrained": False, **settings})


def images(count, shape, *, classes=4, seed=0):
    """Random uint8 images with balanced labels."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (count, *shape), "uint8")
    return ko.data.from_arrays(x, np.arange(count) % classes, name="made")


def vectors(count=600, features=20, *, share_of_zeros=0.0, scale=1.0):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, features)) * scale
    x *= rng.random((count, features)) >= share_of_zeros
    return ko.data.from_arrays(x.astype("float32"), np.arange(count) % 2)


def wine(*, standardised=True):
    x, y = datasets.load_wine(return_X_y=True)
    if standardised:
        x = StandardScaler().fit_transform(x)
    return ko.data.from_arrays(x, y, validation=0.3, name="wine")


def unbalanced():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (200, 12, 12, 1), "uint8")
    return ko.data.from_arrays(x, np.repeat([0, 1], [180, 20]), validation=40)


KINDS = {
    "digits": lambda: ko.data.load("digits"),
    "unbalanced": unbalanced,
    "few photos": lambda: images(300, (32, 32, 3)),
    "many photos": lambda: images(12_000, (32, 32, 3)),
    "many photos that aren't square": lambda: images(12_000, (24, 40, 3)),
    "many grey images": lambda: images(12_000, (28, 28, 1)),
    "large photos": lambda: images(40, (96, 80, 3)),
    "tiny images": lambda: images(60, (3, 5, 2)),
    "a narrow strip": lambda: images(60, (7, 20, 1)),
    "a high strip": lambda: images(60, (40, 5, 3)),
    "some dozens of photos": lambda: images(60, (32, 32, 3)),
    "sparse": lambda: vectors(share_of_zeros=0.97, features=300),
    "one-hot labels": lambda: ko.data.from_arrays(
        np.random.default_rng(0).normal(size=(60, 5)), np.eye(3)[np.arange(60) % 3]
    ),
    "breast cancer": lambda: ko.data.from_arrays(
        *datasets.load_breast_cancer(return_X_y=True)
    ),
    "wine": wine,
}


@pytest.mark.parametrize("budget", [None, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_gets_a_recipe_that_builds(kind, budget):
    dataset = KINDS[kind]()
    advice = advise_settings(dataset, budget=budget)
    assert isinstance(advice, Advice)
    advice.recipe.check()
    model = advice.recipe.build_model(dataset)
    assert model.output_shape == (None, dataset.num_classes)
    assert model.count_params() == advice.facts["parameters"]
    assert ko.recipes.Recipe(advice.recipe.to_dict()).to_yaml()
    for field, reason in advice.reasons.items():
        found = advice.recipe.to_dict()
        for part in field.split("."):
            assert part in found, f"{field} isn't a field of the recipe"
            found = found[part]
        assert reason[0].isupper() or reason[0].isdigit(), reason
        assert reason[-1] in ".)", reason


def test_the_operations_are_those_of_the_counter():
    dataset = ko.data.load("digits")
    advice = advise_settings(dataset)
    model = advice.recipe.build_model(dataset)
    counted = ko.models.training_flops(model)
    assert advice.facts["training_flops_per_sample"] == counted > 0


def test_the_advice_for_vectors_beats_chance_and_keeps_up_with_logistic_regression(
    tmp_path,
):
    dataset = wine()
    (x, y), (x_validation, y_validation) = dataset.train, dataset.validation
    recipe = advise_settings(dataset).recipe.replace("training.epochs", 20)
    run = recipe.run(dataset=dataset, directory=tmp_path / "run", verbose=False)
    found = run.metrics["val_accuracy"]
    chance = DummyClassifier().fit(x, y).score(x_validation, y_validation)
    linear = LogisticRegression().fit(x, y).score(x_validation, y_validation)
    assert found > chance + 0.3
    assert found > linear - 0.05


def test_the_advice_for_digits_beats_logistic_regression(tmp_path):
    dataset = ko.data.load("digits", size=600, validation=150)
    (x, y), (x_validation, y_validation) = (
        (x.reshape(len(x), -1) / 255, y) for x, y in (dataset.train, dataset.validation)
    )
    # With fewer epochs the last bits of the kernels decide over several images.
    recipe = advise_settings(dataset).recipe.replace("training.epochs", 20)
    run = recipe.run(dataset=dataset, directory=tmp_path / "run", verbose=False)
    linear = LogisticRegression(max_iter=1000).fit(x, y)
    found = run.metrics["val_accuracy"]
    assert found > linear.score(x_validation, y_validation) - 0.01


def test_the_clock_ends_a_training_that_may_not_fit():
    advice = advise_settings(images(600, (16, 16, 3)), budget="30s")
    assert advice.recipe.training.budget == "30s"
    assert advice.recipe.training.patience is None
    assert advice.facts["estimated_seconds"] > 15
    assert "the clock" in advice.reasons["training.budget"]


def test_more_time_than_it_takes_is_not_used():
    training = advise_settings(wine(), budget="1h").recipe.training
    assert training.budget is None


def test_a_budget_that_may_not_hold_the_epochs_ends_them():
    """As the estimate may be wrong by several times, it is taken up to an eighth."""
    for budget in ("3m", 180):
        advice = advise_settings(images(12_000, (28, 28, 1)), budget=budget)
        assert advice.recipe.training.budget == budget
        assert advice.facts["estimated_seconds"] > 180 / 8
    sure = advise_settings(images(12_000, (28, 28, 1)), budget="10h").recipe
    assert sure.training.budget is None


def test_few_validation_samples_stop_no_training():
    few = advise_settings(images(300, (12, 12, 3)), budget=None)
    assert few.recipe.training.patience is None
    assert "too little about when to stop" in few.reasons["training.patience"]
    many = advise_settings(images(3_000, (12, 12, 3)), budget=None).recipe.training
    assert 5 <= many.patience < many.epochs


def test_little_time_wants_a_smaller_model(monkeypatch):
    series = images(12_000, (20, 70, 1))
    sizes = [
        advise_settings(series, budget=budget).facts["parameters"]
        for budget in (5, 60, None)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 4
    photos = images(12_000, (32, 32, 3))
    recipe = advise_settings(photos, budget="5m").recipe
    widths = []
    for seen in (1, 20, 40):  # Epochs of CIFAR-10, by images seen.
        epochs = seen * 45_000 / len(photos.train[0])
        monkeypatch.setattr(budgets, "affordable_epochs", lambda *_, e=epochs, **__: e)
        widths.append(recipe.for_budget(photos).model["widths"])
    assert widths == [[16, 64, 64], [32, 128, 128], [32, 256, 256]]


def test_sparse_vectors_get_adam_and_say_why():
    advice = advise_settings(vectors(share_of_zeros=0.95))
    assert advice.recipe.optimizer["name"] == "adam"
    assert "rare features" in advice.reasons["optimizer.name"]
    assert advice.facts["share_of_zeros"] == pytest.approx(0.95, abs=0.01)
    dense = advise_settings(vectors())
    assert dense.recipe.optimizer["name"] == "adamw"


def test_many_photos_get_the_measured_recipe_with_their_own_colours():
    dataset = images(24_000, (32, 32, 3))
    advice = advise_settings(dataset)
    measured = ko.recipes.load("cifar10")
    assert advice.recipe.optimizer == measured.optimizer
    assert advice.recipe.training.batch_size == measured.training.batch_size
    assert advice.recipe.training.image_sizes == measured.training.image_sizes
    assert "omentum averages" in advice.reasons["optimizer"]
    model = ko.layers.adapt(
        advice.recipe.build_model(dataset), dataset.train[0][:500] / np.float32(255)
    )
    # Uniform pixels: mean 1/2, standard deviation 1/√12.
    normalization = model.get_layer("normalization")
    np.testing.assert_allclose(normalization.adapt_mean, 0.5, atol=0.01)
    np.testing.assert_allclose(normalization.adapt_variance, 1 / 12, atol=0.01)


def test_smaller_batches_get_lower_rates():
    few = advise_settings(images(300, (32, 32, 3))).recipe
    measured = ko.recipes.load("cifar10")
    assert few.training.batch_size == 32
    ratios = {
        name: few.optimizer["groups"][name]["learning_rate"]["max_learning_rate"]
        / group["learning_rate"]["max_learning_rate"]
        for name, group in measured.optimizer["groups"].items()
    }
    plain, muon = ratios["beta$|whitening/bias"], ratios[r"conv_\d_\d/kernel"]
    assert plain == pytest.approx(32 / 500, rel=0.01)
    assert muon == pytest.approx((32 / 500) ** 0.5, rel=0.01)


def test_grey_images_get_the_fast_network_without_a_mirror():
    recipe = advise_settings(images(12_000, (28, 28, 1)), budget="3m").recipe
    assert recipe.model["name"] == "airbench"
    assert "flip" not in str(recipe.augment)
    assert recipe.training.tta == "none"


@pytest.mark.parametrize("given", ["digits", ko.recipes.load("digits")])
def test_names_and_recipes_stand_for_their_data(given):
    advice = advise_settings(given)
    assert advice.facts["input_shape"] == (8, 8, 1)
    assert advice.recipe.data.name == "digits"


class OfTask(ko.data.Dataset):
    """Arrays with a task and labels that are no classes."""

    def __init__(self, task, y, *, shape=(6,)):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(len(y), *shape)).astype("float32")
        super().__init__(
            train=(x, np.arange(len(y)) % 2), validation=(x[:4] + 1, [0, 1] * 2)
        )
        object.__setattr__(self, "train", (x, y))
        object.__setattr__(self, "task", ko.tasks.get(task))
        object.__setattr__(self, "num_classes", y.shape[1] if y.ndim == 2 else 1)


LABELS = np.random.default_rng(0).random((60, 3))


@pytest.mark.parametrize(
    ("task", "y", "activation"),
    [
        ("regression", LABELS[:, 0], "linear"),
        ("regression", LABELS, "linear"),
        ("multilabel", (LABELS > 0.8).astype("float32"), "sigmoid"),
    ],
)
@pytest.mark.parametrize("shape", [(6,), (32, 32, 3), (7, 20, 1)])
def test_tasks_without_classes(task, y, activation, shape):
    dataset = OfTask(task, y, shape=shape)
    advice = advise_settings(dataset)
    model = advice.recipe.build_model(dataset)
    assert model.output_shape == (None, dataset.num_classes)
    assert model.layers[-1].activation is keras.activations.get(activation)
    assert model.count_params() == advice.facts["parameters"]
    assert advice.recipe.training.label_smoothing == 0
    assert advice.recipe.training.monitor == "val_loss"
    assert advice.recipe.training.tta == "none"
    assert advice.recipe.loss == "auto"  # The task's.


def test_targets_of_another_scale_are_told():
    house_prices = OfTask("regression", 1e5 + 1e4 * LABELS[:, 0])
    reason = advise_settings(house_prices).reasons["training.monitor"]
    assert "TransformedTargetRegressor" in reason
    near = advise_settings(OfTask("regression", LABELS[:, 0])).reasons
    assert "Transformed" not in near["training.monitor"]


def test_streams_are_refused():
    dataset = OfTask("regression", LABELS)
    object.__setattr__(dataset, "train", iter(()))
    with pytest.raises(ValueError, match=r"in one array.*from_arrays\(x, y\)"):
        advise_settings(dataset)


def test_only_colour_photos_are_mirrored():
    assert "flip" not in str(advise_settings(images(300, (16, 16, 1))).recipe.augment)
    grey = images(300, (16, 16, 1))
    stored = ko.data.from_arrays(grey.train[0].repeat(3, axis=-1), grey.train[1])
    assert advise_settings(stored).facts["colours"] == "grey"
    photo = advise_settings(images(300, (16, 16, 3))).recipe.augment
    assert photo["flip"] == "alternating"
    other = advise_settings(images(300, (16, 16, 2))).recipe.augment
    assert other["flip"] is None
    assert advise_settings(vectors()).recipe.augment is None


def test_unbalanced_classes_and_features_of_other_scales_are_told():
    advice = advise_settings(unbalanced())
    assert advice.recipe.training.monitor == "val_loss"
    assert "unbalanced" in advice.reasons["training.monitor"]
    raw = advise_settings(wine(standardised=False))
    assert "StandardScaler" in raw.reasons["model.batch_norm"]
    assert "StandardScaler" not in advise_settings(wine()).reasons["model.batch_norm"]
    pixels = np.random.default_rng(0).uniform(0, 255, (60, 8, 8, 1)).astype("float32")
    floats = advise_settings(ko.data.from_arrays(pixels, np.arange(60) % 2))
    assert "Divide the pixels by 255" in floats.reasons["model.batch_norm"]
    assert "class_weight: balanced" in advice.reasons["training.monitor"]
    large = images(12_000, (28, 28, 1))
    assert advise_settings(large).recipe.training.monitor == "val_accuracy"


def test_hidden_relu_starts_with_hes_weights():
    model = advise_settings(wine()).recipe.model
    by_activation = ko.initializers.for_activation(model["activation"])
    given = ko.initializers.get(model["kernel_initializer"])
    assert type(given) is type(by_activation)


@pytest.mark.parametrize("kind", ["digits", "many photos", "sparse", "breast cancer"])
def test_no_reason_claims_what_does_not_hold(kind):
    """See the table 'What the texts claim too much' in docs/theory.md."""
    text = " ".join(advise_settings(KINDS[kind]()).reasons.values()).lower()
    for claim in ("local optim", "local minim", "global optim", "adapts to the loss"):
        assert claim not in text


def test_large_batches_are_said_to_take_more_memory():
    assert "take more memory" in advise_settings(wine()).reasons["training.batch_size"]


def test_equal_seeds_give_equal_advice_and_the_seed_is_the_recipes():
    dataset = KINDS["many grey images"]()
    first, again = (advise_settings(dataset, seed=3) for _ in range(2))
    assert first.recipe.to_dict() == again.recipe.to_dict()
    assert first.facts == again.facts
    assert first.recipe.training.seed == 3


def test_the_test_data_are_not_looked_at():
    dataset = wine()
    strange = np.full((4, 13), 1e6, "float32"), np.array([0, 1, 2, 2])
    with_test = ko.data.Dataset(
        train=dataset.train, validation=dataset.validation, test=strange, name="wine"
    )
    assert advise_settings(with_test).facts == advise_settings(dataset).facts


def test_a_recipe_of_published_data_loads_as_many_again():
    dataset = ko.data.load("digits", size=300, validation=50)
    loaded = advise_settings(dataset).recipe.load_data()
    assert loaded.sizes == dataset.sizes


def test_it_is_shown_as_a_table():
    rng = np.random.default_rng(0)
    dataset = ko.data.from_arrays(
        rng.normal(size=(40, 3)), np.arange(40) % 2, name="a <b> & c"
    )
    advice = advise_settings(dataset)
    assert advice.recipe.name == "advised-a-b-c"
    page = advice._repr_html_()
    assert page.count("<tr>") == 1 + len(advice.reasons) + len(advice.facts)
    assert "<b>" not in page
    for field in advice.reasons:
        assert field in repr(advice)
        assert field in page


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (lambda: ko.data.load("digits", validation=0), {}, "no validation data"),
        (wine, {"budget": "soon"}, "budget must be a time"),
        (wine, {"budget": 0}, "budget must be a time"),
        (wine, {"seed": -1}, "seed must be an integer >= 0"),
    ],
)
def test_bad_arguments_are_refused(given, settings, message):
    with pytest.raises(ValueError, match=message):
        advise_settings(given(), **settings)


@pytest.mark.parametrize("given", [None, np.zeros((4, 2)), 3])
def test_what_is_no_data_is_refused(given):
    with pytest.raises(TypeError, match="The data are a "):
        advise_settings(given)


def test_test_data_in_place_of_validation_are_refused():
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    dataset = ko.data.from_arrays(
        x[:20], y[:20], validation=(x[20:], y[20:]), test=(x[20:], y[20:]),
        allow_test_as_validation=True,
    )  # fmt: skip
    with pytest.raises(ValueError, match="are test data"):
        advise_settings(dataset)
    with pytest.raises(ValueError, match="train must be a pair"):
        ko.data.Dataset(train=None, test=(x, y))


def test_names_of_recipes_and_their_files_are_taken(tmp_path):
    """As `search_architecture` takes them; the data are the recipe's."""
    small = ko.recipes.load("digits").replace("data.size", 400)
    path = tmp_path / "mine.yaml"
    path.write_text(small.to_yaml(), encoding="utf-8")
    for given in (str(path), small):
        facts = advise_settings(given).facts
        assert facts["samples"] < 400
    with pytest.raises(
        ValueError, match=r"Unknown dataset or recipe 'digit'.*'digits'"
    ):
        advise_settings("digit")


def test_a_recipes_name_stands_for_its_data(monkeypatch):
    loaded = []

    def load_data(recipe):
        loaded.append(recipe.data.name)
        return vectors()

    monkeypatch.setattr(ko.recipes.Recipe, "load_data", load_data)
    advise_settings("mnist-mlp")
    assert loaded == ["mnist"]
