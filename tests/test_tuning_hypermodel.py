"""kerasopt.tuning.hypermodel, driven as the guide of keras-tuner has it."""

import functools
import itertools

import keras
import keras_tuner
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.data import pipeline
from kerasopt.training.spec import seed_everything
from kerasopt.tuning import RecipeHyperModel, build_model

SPACE = {
    "training.batch_size": [18, 60],
    "optimizer.learning_rate": {
        "min_value": 1e-3,
        "max_value": 0.1,
        "sampling": "log",
    },
}


@pytest.fixture(scope="module")
def recipe():
    return ko.recipes.Recipe(
        {
            "name": "small",
            "data": {"name": "digits"},
            "augment": {"name": "affine", "rotation_range": 5},
            "model": {"name": "mlp", "units": [8]},
            "optimizer": {"name": "adam", "learning_rate": 0.01},
            "training": {"epochs": 2, "batch_size": 60},
        }
    )


def tuner_of(hypermodel, folder, trials=2):
    return keras_tuner.RandomSearch(
        hypermodel=hypermodel,
        objective="val_accuracy",
        max_trials=trials,
        seed=2,
        directory=folder,
        project_name="guide",
    )


# keras-tuner loads the weights alone.
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_build_model_as_in_the_guide(tiny_digits, tmp_path):
    build = functools.partial(build_model, input_shape=(8, 8, 1), num_classes=10)
    assert build(keras_tuner.HyperParameters())
    tuner = tuner_of(build, tmp_path, trials=1)
    x, y = (np.float32(tiny_digits.train[0]) / 255, tiny_digits.train[1])
    xv, yv = (np.float32(tiny_digits.validation[0]) / 255, tiny_digits.validation[1])
    tuner.search(x, y, epochs=1, validation_data=(xv, yv), verbose=0)
    best = tuner.get_best_hyperparameters()[0]
    assert set(best.values) == {
        "activation", "hidden_layers", "units", "dropout", "learning_rate",
    }  # fmt: skip
    model = tuner.get_best_models()[0]
    assert model.predict(xv[:2], verbose=0).shape == (2, 10)


def test_build_models_choices():
    hp = keras_tuner.HyperParameters()
    hp.values = {"hidden_layers": 3, "units": 32, "activation": "tanh", "dropout": 0.5}
    hp.values["learning_rate"] = 0.005
    model = build_model(hp, input_shape=(4,), num_classes=3)
    dense = [each for each in model.layers if hasattr(each, "units")]
    assert [each.units for each in dense] == [32, 32, 32, 3]
    assert isinstance(dense[0].kernel_initializer, keras.initializers.GlorotUniform)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.005)


@pytest.mark.slow
def test_the_recipes_batches_are_tuned(recipe, tiny_digits, tmp_path, monkeypatch):
    sizes = []
    made = pipeline.training_batches

    def seen(*arrays, batch_size, **more):
        sizes.append(batch_size)
        return made(*arrays, batch_size=batch_size, **more)

    monkeypatch.setattr(pipeline, "training_batches", seen)
    hypermodel = RecipeHyperModel(recipe, SPACE, dataset=tiny_digits)
    tuner = tuner_of(hypermodel, tmp_path / "tuner", trials=3)
    tuner.search(verbose=0)
    trials = sorted(tuner.oracle.trials.values(), key=lambda each: each.trial_id)
    tried = [each.hyperparameters.values["training.batch_size"] for each in trials]
    # A training draws batches to look at, too.
    in_turn = [[size for size, _ in itertools.groupby(each)] for each in (sizes, tried)]
    assert in_turn[0] == in_turn[1]
    assert set(sizes) == {18, 60}
    best = tuner.get_best_hyperparameters()[0]
    found = hypermodel.recipe_for(best)
    assert found.training.batch_size == best.values["training.batch_size"]
    rate = best.values["optimizer.learning_rate"]
    assert found.optimizer["learning_rate"] == rate
    run = found.run(dataset=tiny_digits, directory=tmp_path / "run", verbose=False)
    assert run.metrics["val_accuracy"] > 0


def test_data_given_to_search_are_trained_on_in_the_batch_size(
    recipe, tiny_digits, tmp_path
):
    hypermodel = RecipeHyperModel(recipe, SPACE, dataset=tiny_digits)
    hp = keras_tuner.HyperParameters()
    hp.values = {"training.batch_size": 18, "optimizer.learning_rate": 0.01}
    model = hypermodel.build(hp)
    x, y = np.float32(tiny_digits.train[0]) / 255, tiny_digits.train[1]
    hypermodel.fit(hp, model, x, y)
    assert int(model.optimizer.iterations) == 2 * 10
    hypermodel.fit(hp, model, x=x, y=y, epochs=1, batch_size=90)
    assert int(model.optimizer.iterations) == 2 * 10 + 2


@pytest.mark.slow
def test_fit_gives_what_fit_of_the_recipe_gives(recipe, tiny_digits, tmp_path):
    hypermodel = RecipeHyperModel(recipe, SPACE, dataset=tiny_digits)
    hp = keras_tuner.HyperParameters()
    hp.values = {"training.batch_size": 60, "optimizer.learning_rate": 0.01}
    run = recipe.run(dataset=tiny_digits, directory=tmp_path / "run", verbose=False)
    seed_everything(recipe.training)
    history = hypermodel.fit(hp, hypermodel.build(hp)).history
    np.testing.assert_allclose(history["val_loss"], run.history["val_loss"], rtol=1e-4)


def test_callbacks_patience_and_precision_are_the_recipes(recipe, tiny_digits):
    recipe = recipe.replace("training.patience", 1).replace("training.epochs", 20)
    recipe = recipe.replace("training.precision", "mixed_bfloat16")
    recipe = recipe.replace("optimizer", {"name": "sgd", "learning_rate": 1e-12})
    recipe = recipe.replace("callbacks", ["learning_rate_monitor"])
    space = {"training.batch_size": [60]}
    hypermodel = RecipeHyperModel(recipe, space, dataset=tiny_digits)
    hp = keras_tuner.HyperParameters()
    model = hypermodel.build(hp)
    assert model.layers[-2].compute_dtype == "bfloat16"
    history = hypermodel.fit(hp, model)
    assert "learning_rate" in history.history
    assert len(history.epoch) < 20


def test_mistakes_show_at_once(recipe, tiny_digits):
    for space, message in (
        ({}, "The space is empty"),
        ({"training.batchsize": [1]}, "Did you mean 'batch_size'"),
        ({"training.batch_size": [0]}, "greater than 0"),
    ):
        with pytest.raises(ValueError, match=message):
            RecipeHyperModel(recipe, space, dataset=tiny_digits)
    with pytest.raises(ValueError, match="digits"):
        RecipeHyperModel("digitz")
    with pytest.raises(ValueError, match="keras-tuner counts epochs"):
        RecipeHyperModel(recipe.replace("training.budget", "1m"), dataset=tiny_digits)


def test_what_proposes_no_values_is_refused():
    with pytest.raises(TypeError, match=r"hp must be a keras_tuner\.Hyper"):
        ko.tuning.build_model(3)
    with pytest.raises(TypeError, match=r"recipe must be a kerasopt\.rec"):
        ko.tuning.default_space("digits")
