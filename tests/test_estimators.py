"""kerasopt.estimators: scikit-learn's own checks, and what they don't check."""

import copy
import pickle
import random
import threading

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kerasopt.estimators import base
from kerasopt.training import DivergedError
from kerasopt.training.compile_cache import CompileCache
from kerasopt.tuning import KerasOptClassifier, KerasOptRegressor

IRIS = load_iris()
X = StandardScaler().fit_transform(IRIS.data)
Y = IRIS.target
NAMES = IRIS.target_names[Y]


def quick(**parameters):
    return KerasOptClassifier(**{"epochs": 3, "random_state": 0, **parameters})


# scikit-learn's suite.

EXEMPT = {
    "check_sample_weight_equivalence_on_dense_data": "It wants predictions equal to "
    "1e-7, less than float32 resolves; to 1e-5 they are, as another test shows."
}


@parametrize_with_checks(
    [KerasOptClassifier(epochs=20)], expected_failed_checks=lambda estimator: EXEMPT
)
def test_scikit_learns_checks_of_classifiers(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [KerasOptRegressor(epochs=20)], expected_failed_checks=lambda estimator: EXEMPT
)
def test_scikit_learns_checks_of_regressors(estimator, check):
    check(estimator)


# A grid.


@pytest.mark.slow
def test_a_grid_over_rate_batch_size_and_width():
    x, y = load_digits(return_X_y=True)
    grid = {
        "learning_rate": [0.01, 0.001, 0.0001],
        "batch_size": [32, 64, 128],
        "hidden_units": [16, 32, 64],
    }
    search = GridSearchCV(
        KerasOptClassifier(epochs=2, random_state=0), grid, cv=2, error_score="raise"
    )
    search.fit(x[:300] / 16, y[:300])
    assert len(search.cv_results_["params"]) == 27
    assert set(search.best_params_) == set(grid)
    assert search.best_params_["learning_rate"] == 0.01
    assert search.best_estimator_.model_.count_params() > 0
    # A lone fit, its compilation shared or not, gives the row's score.
    alone = KerasOptClassifier(epochs=2, random_state=0, **search.best_params_)
    scores = cross_val_score(alone, x[:300] / 16, y[:300], cv=2)
    assert scores.mean() == search.best_score_


@pytest.mark.slow
def test_tuples_of_widths_models_and_optimizers_can_be_searched():
    grid = [
        {"hidden_units": [(8, 4), 8], "optimizer": ["adam", {"name": "nesterov"}]},
        {"model": [{"name": "mlp", "units": [4, 4, 4]}]},
    ]
    search = GridSearchCV(quick(epochs=1), grid, cv=2, error_score="raise").fit(X, Y)
    assert len(search.cv_results_["params"]) == 5


# What it learns.


def test_it_learns_iris_as_logistic_regression_does():
    network = KerasOptClassifier(random_state=0)
    expected = LogisticRegression().fit(X, Y).score(X, Y)
    assert network.fit(X, NAMES).score(X, NAMES) > expected - 0.03
    assert network.classes_.tolist() == IRIS.target_names.tolist()
    assert set(network.predict(X)) == set(IRIS.target_names)


def test_no_hidden_layer_is_a_linear_model():
    x = np.random.default_rng(0).normal(size=(200, 4))
    target = x @ [1.0, -2.0, 0.5, 3.0] + 1
    network = KerasOptRegressor(
        hidden_units=(), learning_rate=0.05, epochs=60, random_state=0
    ).fit(x, target)
    linear = LinearRegression().fit(x, target)
    kernel, bias = network.model_.get_weights()
    np.testing.assert_allclose(kernel[:, 0], linear.coef_, atol=1e-3)
    np.testing.assert_allclose(bias, linear.intercept_, atol=1e-3)


def test_several_targets_are_predicted_in_their_shape():
    x, y = load_diabetes(return_X_y=True)
    x, y = StandardScaler().fit_transform(x), (y - y.mean()) / y.std()
    network = KerasOptRegressor(epochs=40, random_state=0).fit(x, np.c_[y, -y])
    predicted = network.predict(x)
    assert predicted.shape == (len(x), 2)
    assert network.score(x, np.c_[y, -y]) > 0.4
    assert KerasOptRegressor(epochs=1).fit(x, y).predict(x).shape == (len(x),)


def test_probabilities_add_up_and_are_those_of_the_history():
    network = quick().fit(X, Y)
    probabilities = network.predict_proba(X)
    assert probabilities.shape == (150, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    outputs = network.model_.predict(X.astype("float32"), verbose=0)
    np.testing.assert_allclose(probabilities, outputs, rtol=1e-5)
    assert log_loss(Y, probabilities) < network.history_["loss"].iloc[0]


def test_images_of_bytes_by_a_convolutional_network():
    images = (load_digits().images * 15.9375).astype("uint8")[..., None]
    y = load_digits().target
    spec = {"name": "cnn", "filters": [8, 16], "dense": [32]}
    network = KerasOptClassifier(
        model=spec, epochs=6, learning_rate=0.005, random_state=0
    ).fit(images[:900], y[:900])
    assert network.score(images[900:], y[900:]) > 0.85
    floats = network.predict_proba(images[900:] / 255)
    np.testing.assert_allclose(
        floats, network.predict_proba(images[900:]), rtol=1e-3, atol=1e-6
    )
    with pytest.raises(ValueError, match=r"shape \(8, 4, 1\).*fitted on.*\(8, 8, 1\)"):
        network.predict(images[:, :, :4])


def test_images_can_be_regressed():
    images = np.random.default_rng(0).uniform(size=(60, 8, 8, 1))
    spec = {"name": "cnn", "filters": [4], "dense": []}
    network = KerasOptRegressor(model=spec, epochs=1).fit(
        images, images.mean((1, 2, 3))
    )
    assert network.predict(images).shape == (60,)
    assert network.model_.layers[-1].name == "targets"


# Weights of samples.


@pytest.mark.parametrize("kind", [KerasOptClassifier, KerasOptRegressor])
def test_a_weight_of_two_is_the_row_twice(kind):
    rows = np.arange(0, 150, 5)
    x, y = X[rows], Y[rows]
    weights = 1 + np.arange(len(x)) % 2
    network = kind(batch_size=200, epochs=20, random_state=0)
    # Their scale doesn't matter.
    weighted = clone(network).fit(x, y, sample_weight=7.5 * weights)
    repeated = clone(network).fit(x.repeat(weights, axis=0), y.repeat(weights))
    np.testing.assert_allclose(
        weighted.history_["loss"], repeated.history_["loss"], rtol=1e-5
    )
    for one, other in zip(
        weighted.model_.get_weights(), repeated.model_.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert not np.allclose(
        clone(network).fit(x, y).model_.get_weights()[0],
        weighted.model_.get_weights()[0],
        atol=1e-4,
    )


def test_rows_of_weight_zero_are_as_if_absent():
    weights = (np.arange(150) % 3 > 0).astype(float)
    spoilt = np.where(weights[:, None] > 0, X, 1e6)
    kept = quick(patience=2).fit(X[weights > 0], Y[weights > 0])
    weighted = quick(patience=2).fit(spoilt, Y, sample_weight=weights)
    pd.testing.assert_frame_equal(kept.history_, weighted.history_, rtol=1e-6)
    np.testing.assert_allclose(
        kept.predict_proba(X), weighted.predict_proba(X), rtol=1e-5
    )


# As scikit-learn's users use it.


def test_tables_and_pipelines():
    table = pd.DataFrame(IRIS.data, columns=IRIS.feature_names)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), quick())
    pipeline.fit(table, pd.Series(NAMES))
    network = pipeline[-1]
    assert network.feature_names_in_.tolist() == IRIS.feature_names
    assert network.n_features_in_ == 4
    assert pipeline.predict(table).shape == (150,)
    with pytest.raises(ValueError, match="feature names"):
        network.predict(table.rename(columns={IRIS.feature_names[0]: "other"}))


def test_cloning_and_pickling(tmp_path):
    network = quick(hidden_units=[8, 4], batch_norm=True).fit(X, NAMES)
    fresh = clone(network)
    assert fresh.get_params() == network.get_params()
    assert not hasattr(fresh, "model_")
    expected = network.predict_proba(X)
    joblib.dump(network, tmp_path / "network.joblib")
    for restored in (
        pickle.loads(pickle.dumps(network)),  # noqa: S301
        joblib.load(tmp_path / "network.joblib"),
        copy.deepcopy(network),
    ):
        np.testing.assert_array_equal(restored.predict_proba(X), expected)
        assert restored.history_.equals(network.history_)
        assert restored.classes_.tolist() == network.classes_.tolist()
    assert isinstance(network.model_, keras.Model)
    assert copy.deepcopy(fresh).get_params() == fresh.get_params()


def test_what_is_pickled_of_the_network_is_no_code():
    # Keras's own pickling would turn safe mode off.
    state = quick().fit(X, Y).__getstate__()
    assert isinstance(state["model_"], bytes)
    assert state["model_"][:2] == b"PK"  # A .keras file is a zip archive.


def test_equal_random_states_give_equal_results():
    settings = {"dropout": 0.2, "patience": 2}
    first, second = quick(**settings).fit(X, Y), quick(**settings).fit(X, Y)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert first.history_.equals(second.history_)
    other = quick(random_state=1, **settings).fit(X, Y)
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))
    # Each fit of a RandomState, or of None, is another.
    network = quick(random_state=np.random.RandomState(0))
    assert (
        network.fit(X, Y).history_["loss"].iloc[0]
        != (network.fit(X, Y).history_["loss"].iloc[0])
    )


def test_early_stopping_ends_the_training():
    noise = np.random.default_rng(0).integers(0, 2, 150)
    network = KerasOptClassifier(
        learning_rate=0.02, patience=3, validation_fraction=0.3, random_state=0
    ).fit(X, noise)
    history = network.history_
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert network.n_iter_ == len(history) == history["val_loss"].idxmin() + 3 < 100
    regressor = KerasOptRegressor(patience=1, epochs=4).fit(X, noise)
    assert "val_loss" in regressor.history_


def test_schedules_take_the_length_of_the_training():
    rate = {"name": "cosine", "initial_learning_rate": 0.01}
    network = quick(learning_rate=rate, epochs=4).fit(X, Y)
    twice = quick(learning_rate=rate, epochs=8).fit(X, Y)
    first, second = network.history_["loss"], twice.history_["loss"]
    assert first.iloc[0] == pytest.approx(second.iloc[0], rel=0.01)
    assert first.iloc[3] != pytest.approx(second.iloc[3], rel=0.01)
    own = {"name": "sgd", "learning_rate": 0.1}
    assert quick(optimizer=own, learning_rate=None).fit(X, Y).n_iter_ == 3


# Compiled steps that fits of one structure share.


def alone(network, x=X, y=Y):
    """Fit with nothing that was compiled before."""
    shared, base._shared = base._shared, CompileCache()
    try:
        return network.fit(x, y)
    finally:
        base._shared = shared


def assert_same(first, second):
    """Weights and history are equal bit for bit."""
    for own, other in zip(first.model_.variables, second.model_.variables, strict=True):
        np.testing.assert_array_equal(own, other)
    assert first.history_.equals(second.history_)


DEEP = {"hidden_units": (8, 8), "dropout": 0.2, "batch_norm": True, "l2": 0.01}


@pytest.mark.slow
def test_a_shared_compilation_changes_no_bit():
    fits = [
        ({"learning_rate": 0.01}, 150),
        ({"learning_rate": 0.1, "random_state": 6, "batch_size": 64}, 150),
        ({"learning_rate": 0.01}, 101),
        ({"learning_rate": 0.01, "patience": 1}, 150),
        ({"learning_rate": 0.01}, 150),
    ]
    base._shared = CompileCache()
    shared = [quick(**DEEP, **given).fit(X[:n], Y[:n]) for given, n in fits]
    assert len(base._shared._known) == 1
    for network, (given, n) in zip(shared, fits, strict=True):
        assert_same(network, alone(quick(**DEEP, **given), X[:n], Y[:n]))
    assert_same(shared[0], shared[-1])


@pytest.mark.parametrize("optimizer", ["nesterov", "schedule_free_adamw", "muon"])
def test_other_optimizers_share_too(optimizer):
    quick(optimizer=optimizer, learning_rate=0.1).fit(X, Y)
    shared = quick(optimizer=optimizer, learning_rate=0.01).fit(X, Y)
    assert_same(shared, alone(quick(optimizer=optimizer, learning_rate=0.01)))


def test_a_result_stays_when_others_follow():
    network = quick().fit(X, Y)
    before = network.model_.get_weights()
    quick(learning_rate=0.5, random_state=9).fit(X, Y)
    for kept, now in zip(before, network.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)


def test_another_precision_is_another_compilation():
    quick().fit(X, Y)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert quick().fit(X, Y).model_.layers[1].compute_dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_training_that_diverges_leaves_the_next_alone():
    def descent(rate):
        return quick(optimizer="sgd", learning_rate=rate, epochs=20)

    with pytest.raises(DivergedError, match="Lower the learning rate"):
        descent(1e38).fit(X, Y)
    assert_same(descent(0.1).fit(X, Y), alone(descent(0.1)))


def test_threads_take_turns():
    expected = [quick(random_state=seed).fit(X, Y) for seed in range(3)]
    found = {}

    def work(seed):
        found[seed] = quick(random_state=seed).fit(X, Y)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(3):
        assert_same(expected[seed], found[seed])


# What it leaves alone, shows and predicts.


def test_the_callers_generators_are_left_alone():
    def states():
        return random.getstate(), np.random.get_state()[1].tolist()

    random.seed(1)
    np.random.seed(1)
    tf.random.set_seed(1)
    before = states()
    first = quick(dropout=0.5).fit(X, Y)
    assert states() == before
    random.seed(2)
    tf.random.set_seed(2)
    assert_same(first, quick(dropout=0.5).fit(X, Y))


def test_predictions_are_keras_predictions_whatever_their_company(monkeypatch):
    network = quick(hidden_units=32).fit(X, Y)
    together = network.predict_proba(X)
    expected = network.model_.predict(X.astype("float32"), verbose=0)
    np.testing.assert_allclose(together, expected, rtol=1e-5)
    for size in (1, 7, 149):
        parts = [X[begin : begin + size] for begin in range(0, len(X), size)]
        apart = np.concatenate([network.predict_proba(part) for part in parts])
        np.testing.assert_array_equal(together, apart)
    monkeypatch.setattr(base, "affordable_batch", lambda x: 7)
    np.testing.assert_allclose(network.predict_proba(X), expected, rtol=1e-5)


def test_verbose_prints_an_epoch_a_line(capsys):
    quick(verbose=2).fit(X, Y)
    assert capsys.readouterr().out.count("Epoch ") == 3


# What it refuses.


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_units": 0}, "hidden_units must be an integer >= 1; given: 0"),
        ({"hidden_units": (8, 2.5)}, "hidden_units must be an integer >= 1"),
        ({"hidden_units": "64"}, "hidden_units must be an integer >= 1"),
        ({"learning_rate": -1}, "learning_rate.*-1"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1"),
        ({"epochs": -1}, "epochs must be an integer >= 1; given: -1"),
        ({"optimizer": "adan"}, "Unknown optimizer 'adan'. Did you mean 'adam'"),
        ({"optimizer": 3}, "optimizer must be a name or a dict"),
        (
            {"optimizer": {"name": "sgd", "learning_rate": 0.1}},
            "give it once, as learning_rate=",
        ),
        ({"optimizer": {"name": "sgd", "momentun": 0.1}}, "Did you mean 'momentum'"),
        ({"activation": "rely"}, "Unknown activation 'rely'. Did you mean 'relu'"),
        ({"dropout": 1}, r"dropout must be rates in \[0, 1\)"),
        ({"l1": -0.1}, "l1 must be a number >= 0"),
        ({"l2": -0.1}, "l2 must be a number >= 0"),
        ({"batch_norm": "before"}, "batch_norm must be False, True or one of"),
        ({"patience": 0}, "patience must be an integer >= 1"),
        ({"validation_fraction": 1.0}, r"validation_fraction must lie in \(0, 1\)"),
        ({"model": "mpl"}, "Unknown model 'mpl'. Did you mean 'mlp'"),
        ({"model": 3}, "model must be None, the name of a model or a dict"),
        ({"model": "mlp", "dropout": 0.5}, "dropout would shape the perceptron"),
        ({"model": {"name": "mlp", "num_classes": 3}}, "X and y decide: leave it out"),
        ({"model": {"name": "cnn"}}, r"\(height, width, channels\)"),
        ({"verbose": 3}, "verbose must be 0, 1 or 2"),
    ],
)
@pytest.mark.parametrize("kind", [KerasOptClassifier, KerasOptRegressor])
def test_bad_parameters_are_named_at_fit(kind, parameters, message):
    network = kind(**parameters)  # Silent here, as scikit-learn wants it.
    with pytest.raises(ValueError, match=message):
        network.fit(X, Y)


def test_bad_data_are_refused():
    with pytest.raises(ValueError, match="samples of two classes or more; given: one"):
        quick().fit(X, np.zeros(150))
    with pytest.raises(ValueError, match="two classes or more"):
        quick().fit(X, Y, sample_weight=(Y == 0).astype(float))
    with pytest.raises(ValueError, match=r"[Ww]eight"):
        quick().fit(X, Y, sample_weight=np.zeros(150))
    with pytest.raises(ValueError, match=r"[Nn]egative values in data"):
        quick().fit(X, Y, sample_weight=-np.ones(150))
    with pytest.raises(ValueError, match="X has numbers too large for float32"):
        quick().fit(X * 1e300, Y)
    with pytest.raises(ValueError, match="y has numbers too large for float32"):
        KerasOptRegressor().fit(X, Y * 1e300)
    with pytest.raises(ValueError, match="Class rare has only one sample"):
        quick(patience=1).fit(X, np.where(np.arange(150) > 148, "rare", "usual"))


def test_a_training_that_diverges_says_so():
    network = KerasOptRegressor(optimizer="sgd", learning_rate=1e6, random_state=0)
    with pytest.raises(DivergedError, match="scale the data"):
        network.fit(X, Y)


def test_a_regressor_takes_targets_in_any_unit():
    x, y = load_diabetes(return_X_y=True)
    x = StandardScaler().fit_transform(x)
    network = KerasOptRegressor(learning_rate=0.01, epochs=20, random_state=0)
    assert network.fit(x, y).score(x, y) > 0.4  # y is 152 ± 77
    thousands = clone(network).fit(x, 1000 * y + 5000)
    expected = 1000 * network.predict(x) + 5000
    np.testing.assert_allclose(thousands.predict(x), expected, rtol=1e-3)
    direct = thousands.model_.predict(x.astype("float32"), verbose=0)[:, 0]
    np.testing.assert_allclose(direct, thousands.predict(x), rtol=1e-5)


def test_a_constant_target_is_predicted():
    x = np.random.default_rng(0).normal(size=(30, 2))
    network = KerasOptRegressor(learning_rate=0.01, epochs=200, random_state=0)
    found = network.fit(x, np.full(30, 0.1))
    np.testing.assert_allclose(found.predict(x), 0.1, atol=0.05)


@pytest.mark.parametrize("given", [["a", None], [1, "a"]])
def test_labels_of_several_types_are_named(given):
    with pytest.raises(ValueError, match=r"labels of several types: .*str"):
        quick().fit(X, np.array(given * 75, dtype=object))


@pytest.mark.parametrize("dtype", ["U8", "datetime64[s]"])
def test_targets_that_are_no_numbers_are_refused(dtype):
    with pytest.raises(ValueError, match="y must hold numbers; given: dtype"):
        KerasOptRegressor().fit(X, (np.arange(150) % 3).astype(dtype))
