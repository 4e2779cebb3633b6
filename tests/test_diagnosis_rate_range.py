"""The learning-rate range test: what it finds, and that it leaves no trace."""

import keras
import numpy as np
import pandas as pd
import pytest
from thinning import slow_unless

import kerasopt as ko


@pytest.fixture(scope="module")
def digits():
    return ko.data.load("digits", size=600, validation=100)


def network(**arguments):
    keras.utils.set_random_seed(0)
    settings = {"units": (32,), **arguments}
    return ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, **settings)


def test_finds_a_rate_that_trains_and_a_bound_beyond_which_it_does_not(digits):
    """SGD's loss after an epoch at the suggestion, far below and far above it."""
    found = ko.diagnosis.lr_range_test(
        network(), digits, optimizer="sgd", verbose=False
    )
    x, y = digits.train[0] / np.float32(255), digits.train[1]

    def loss_after(rate):
        model = network()
        model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=32, epochs=2, verbose=0)
        return float(model.evaluate(x, y, verbose=0))

    good, slow, wild = map(
        loss_after, (found.suggestion, found.suggestion / 300, 30 * found.lowest)
    )
    assert good < slow
    assert good < wild or not np.isfinite(wild)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_weights_statistics_random_states_and_optimizer_come_back(batch_norm, digits):
    model = network(batch_norm=batch_norm, dropout=0.3)
    schedule = ko.schedules.OneCycle(0.01, 100)
    model.compile(
        keras.optimizers.Adam(schedule, beta_1=0.8), "sparse_categorical_crossentropy"
    )
    x, y = digits.train[0] / np.float32(255), digits.train[1]
    model.fit(x, y, batch_size=100, verbose=0)
    kept = [*model.variables, *model.optimizer.variables]
    before = [keras.ops.convert_to_numpy(v) for v in kept]
    learning_rate = model.optimizer._learning_rate
    found = ko.diagnosis.lr_range_test(model, digits, steps=30, verbose=False)
    for variable, value in zip(kept, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)
    assert model.optimizer._learning_rate is learning_rate
    assert found.table["loss"].nunique() > 20


def test_rates_rise_evenly_on_a_log_scale(digits):
    found = ko.diagnosis.lr_range_test(
        network(), digits, optimizer="sgd", low=1e-4, high=1e-1, steps=31, verbose=False
    )
    np.testing.assert_allclose(
        found.table["learning_rate"], np.geomspace(1e-4, 1e-1, 31), rtol=1e-6
    )


def test_each_step_has_its_rate(digits):
    """By hand with Keras: SGD whose rate is set before every batch."""
    found = ko.diagnosis.lr_range_test(
        network(), digits, optimizer="sgd", low=0.01, high=1.0, steps=20, verbose=False
    )
    model = network()
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    batches = ko.data.pipeline.training_batches(*digits.train, batch_size=32, seed=0)
    losses = []
    for rate, (x, y) in zip(found.table["learning_rate"], batches, strict=False):
        model.optimizer.learning_rate = rate
        losses.append(model.train_on_batch(x, y))
        model.reset_metrics()
    np.testing.assert_allclose(found.table["loss"], losses, rtol=1e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("seed", slow_unless(lambda seed: seed == 0, range(4)))
def test_the_suggestion_lies_on_the_fall(optimizer, seed, digits):
    """Well below the bound, where the loss has fallen a good part of its way."""
    keras.utils.set_random_seed(seed)
    model = ko.models.mlp(input_shape=(8, 8, 1), num_classes=10)
    found = ko.diagnosis.lr_range_test(
        model, digits, optimizer=optimizer, seed=seed, verbose=False
    )
    assert found.suggestion < 0.7 * found.lowest
    rates, smoothed = found.table["learning_rate"], found.table["smoothed"]
    there = np.interp(found.suggestion, rates, smoothed)
    fallen = (smoothed.max() - there) / (smoothed.max() - smoothed.min())
    assert 0.2 < fallen < 0.95


def test_ends_where_the_loss_diverges(digits):
    found = ko.diagnosis.lr_range_test(
        network(), digits, optimizer="sgd", low=0.1, high=1e6, verbose=False
    )
    assert len(found.table) < 100
    assert np.isfinite(found.table["loss"]).all()


def test_the_figure_marks_the_suggestion(digits):
    found = ko.diagnosis.lr_range_test(network(), digits, verbose=False)
    axes = found.plot().axes[0]
    assert axes.get_xscale() == "log"
    assert found.suggestion in [line.get_xdata()[0] for line in axes.lines]
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert f"suggestion: {found.suggestion:.2g}" in shown


def test_a_loss_that_is_nan_from_the_start_is_named(digits):
    model = network()
    kernel = model.trainable_variables[-2]
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(ValueError, match="outputs before its first step"):
        ko.diagnosis.lr_range_test(model, digits, verbose=False)


@pytest.mark.slow
def test_a_trained_model_and_a_narrow_range_are_told_of(digits):
    model = network()
    x, y = digits.train[0] / np.float32(255), digits.train[1]
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=60, verbose=0)
    with pytest.warns(UserWarning, match="Test a fresh model"):
        found = ko.diagnosis.lr_range_test(model, digits, verbose=False)
    assert "the suggestion says little" in found.note
    with pytest.warns(UserWarning, match="a wider range"):
        ko.diagnosis.lr_range_test(
            network(), digits, optimizer="sgd", low=1e-9, high=1e-8, verbose=False
        )
    good = ko.diagnosis.lr_range_test(network(), digits, optimizer="sgd", verbose=False)
    assert good.note == ""


def test_what_is_no_built_model_or_dataset_is_refused(digits):
    with pytest.raises(ValueError, match="a built Keras model; given: function"):
        ko.diagnosis.lr_range_test(network, digits, verbose=False)
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="Give it an Input"):
        ko.diagnosis.lr_range_test(unbuilt, digits, verbose=False)
    with pytest.raises(TypeError, match="The data are a int"):
        ko.diagnosis.lr_range_test(network(), 3, verbose=False)


def test_a_pair_of_arrays_is_a_dataset(digits):
    found = ko.diagnosis.lr_range_test(network(), digits.train, verbose=False)
    assert len(found.table) > 20


GROUPED = {"name": "grouped", "default": "sgd", "groups": {"bias": "adam"}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 0}, "low must be a number > 0"),
        ({"high": float("inf")}, "high must be a number > 0"),
        ({"low": 1, "high": 0.5}, "high must be above low"),
        ({"steps": 5}, "steps must be an integer >= 20"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1"),
        ({"seed": 1.5}, "seed must be an integer >= 0"),
        ({"optimizer": "sdg"}, "Unknown optimizer 'sdg'"),
        ({"optimizer": GROUPED}, "a learning rate for each group"),
    ],
)
def test_bad_arguments(arguments, message, digits):
    with pytest.raises(ValueError, match=message):
        ko.diagnosis.lr_range_test(network(), digits, verbose=False, **arguments)


def test_a_compiled_model_brings_its_loss(digits):
    model = network()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy())
    plain = ko.diagnosis.lr_range_test(
        network(), digits, optimizer="sgd", verbose=False
    )
    found = ko.diagnosis.lr_range_test(model, digits, verbose=False)
    np.testing.assert_allclose(found.table["loss"], plain.table["loss"], rtol=1e-5)
    model.compile(
        "sgd", lambda y, p: 2 * keras.losses.sparse_categorical_crossentropy(y, p)
    )
    double = ko.diagnosis.lr_range_test(model, digits, verbose=False)
    assert double.table["loss"][0] == pytest.approx(
        2 * plain.table["loss"][0], rel=1e-4
    )


@pytest.mark.slow
def test_a_recipes_long_budget_counts(digits):
    recipe = ko.recipes.Recipe(
        {
            "name": "mine",
            "data": {"name": "digits"},
            "model": {"name": "mlp", "units": [8]},
            "training": {"budget": "10m", "batch_size": 32},
            "from_budget": {"from 2 epochs": {"training.batch_size": 7}},
        }
    )
    long = recipe.lr_range_test(dataset=digits, verbose=False)
    plain = recipe.replace("from_budget", {}).replace("training.batch_size", 7)
    short = plain.lr_range_test(dataset=digits, verbose=False)
    np.testing.assert_allclose(long.table["loss"], short.table["loss"], rtol=1e-5)


def test_its_text_is_one_line():
    table = pd.DataFrame({"learning_rate": [0.1], "loss": [1.0], "smoothed": [1.0]})
    found = ko.diagnosis.RateRange(table, 0.012345, 0.1)
    assert repr(found) == (
        "<RateRange of 1 steps: suggestion 0.012, lowest loss at 0.1>"
    )
