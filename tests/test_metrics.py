"""Metrics by name against scikit-learn, in every form of labels and outputs."""

from __future__ import annotations

from itertools import product

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from scipy import special
from sklearn import metrics as oracle
from thinning import slow_unless

from kerasopt import metrics, tasks

SAMPLES, CLASSES = 400, 5
RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.exponential(size=SAMPLES).astype("float32")

BINARY = (RANDOM.random(SAMPLES) < 0.3).astype("int32")
BINARY_LOGITS = (RANDOM.normal(size=SAMPLES) + 1.5 * BINARY - 1).astype("float32")
CLASS = RANDOM.integers(0, CLASSES, SAMPLES)
CLASS_LOGITS = RANDOM.normal(0, 1.5, (SAMPLES, CLASSES)).astype("float32")
CLASS_LOGITS[np.arange(SAMPLES), CLASS] += 1.5
LABELS = (RANDOM.random((SAMPLES, 3)) < [0.1, 0.4, 0.8]).astype("float32")
LABEL_LOGITS = (RANDOM.normal(size=LABELS.shape) + 2 * LABELS - 1).astype("float32")
TARGETS = RANDOM.normal(100, [1, 5], (SAMPLES, 2)).astype("float32")
PREDICTIONS = (TARGETS + RANDOM.normal(0, [0.5, 3], TARGETS.shape)).astype("float32")


def run(metric, y, outputs, weights=None, batches=1, jit=False):
    """Return the result after some batches, inside a compiled function."""

    @tf.function(jit_compile=jit)
    def step(y, outputs, weights):
        metric.update_state(y, outputs, sample_weight=weights)

    parts = [
        [None] * batches if part is None else np.array_split(part, batches)
        for part in (y, outputs, weights)
    ]
    metric.reset_state()
    for batch in zip(*parts, strict=True):
        step(*(None if part is None else tf.constant(part) for part in batch))
    return float(metric.result())


def softmax(x):
    return special.softmax(x, axis=1)


# Areas count pairs within a bin as ties.
AREA = {"abs": 2e-3}
EXACT = {"rel": 1e-5}

BINARY_ORACLES = {
    "accuracy": (lambda y, p, w: oracle.accuracy_score(y, p > 0.5, sample_weight=w)),
    "auc": lambda y, p, w: oracle.roc_auc_score(y, p, sample_weight=w),
    "pr_auc": lambda y, p, w: oracle.average_precision_score(y, p, sample_weight=w),
    "precision": lambda y, p, w: oracle.precision_score(y, p > 0.5, sample_weight=w),
    "recall": lambda y, p, w: oracle.recall_score(y, p > 0.5, sample_weight=w),
    "f1": lambda y, p, w: oracle.f1_score(y, p > 0.5, sample_weight=w),
    "log_loss": lambda y, p, w: oracle.log_loss(y, p, sample_weight=w),
    "mse": lambda y, p, w: oracle.brier_score_loss(y, p, sample_weight=w),
}


def binary_outputs(width, from_logits):
    logits = BINARY_LOGITS
    if width == 2:
        pair = np.stack([0.3 - logits / 2, 0.3 + logits / 2], axis=1)
        return pair if from_logits else softmax(pair)
    return (logits if from_logits else special.expit(logits))[:, None]


@pytest.mark.parametrize("name", BINARY_ORACLES)
@pytest.mark.parametrize(
    ("width", "sparse", "from_logits"),
    slow_unless(
        lambda width, sparse, from_logits: (width == 2) != (sparse == from_logits),
        [*product((1,), (True,), (True, False)), *product((2,), *[(True, False)] * 2)],
    ),
)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_binary(name, width, sparse, from_logits, weights):
    metric = metrics.get(
        name, task="binary", num_outputs=width, sparse=sparse, from_logits=from_logits
    )
    y = BINARY if sparse else np.eye(2, dtype="float32")[BINARY]
    outputs = binary_outputs(width, from_logits)
    expected = BINARY_ORACLES[name](
        BINARY, special.expit(BINARY_LOGITS.astype(float)), weights
    )
    close = AREA if name in ("auc", "pr_auc") else EXACT
    found = run(metric, y, outputs, weights)
    assert found == pytest.approx(expected, **close)
    assert run(metric, y, outputs, weights, batches=7) == pytest.approx(found, rel=1e-5)
    assert metric.name == name


def over_classes(function):
    """Return the mean over classes, each against the rest."""

    def of(y, p, w):
        pairs = ((y == c, p[:, c]) for c in range(p.shape[1]))
        return np.mean([function(*pair, sample_weight=w) for pair in pairs])

    return of


def decided(function):
    return lambda y, p, w: function(
        y, p.argmax(axis=1), sample_weight=w, average="macro", zero_division=0
    )


CLASS_ORACLES = {
    "accuracy": lambda y, p, w: oracle.accuracy_score(
        y, p.argmax(axis=1), sample_weight=w
    ),
    "auc": over_classes(oracle.roc_auc_score),
    "pr_auc": over_classes(oracle.average_precision_score),
    "precision": decided(oracle.precision_score),
    "recall": decided(oracle.recall_score),
    "f1": decided(oracle.f1_score),
    "log_loss": lambda y, p, w: oracle.log_loss(y, p, sample_weight=w),
    "top_2_accuracy": lambda y, p, w: oracle.top_k_accuracy_score(
        y, p, k=2, sample_weight=w
    ),
}


@pytest.mark.parametrize("name", CLASS_ORACLES)
@pytest.mark.parametrize(
    ("sparse", "from_logits"),
    slow_unless(lambda sparse, logits: sparse == logits, product(*[(True, False)] * 2)),
)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_multiclass(name, sparse, from_logits, weights):
    metric = metrics.get(
        name,
        task="multiclass",
        num_outputs=CLASSES,
        sparse=sparse,
        from_logits=from_logits,
    )
    y = CLASS if sparse else np.eye(CLASSES, dtype="float32")[CLASS]
    outputs = CLASS_LOGITS if from_logits else softmax(CLASS_LOGITS)
    expected = CLASS_ORACLES[name](CLASS, softmax(CLASS_LOGITS.astype(float)), weights)
    close = AREA if name in ("auc", "pr_auc") else EXACT
    found = run(metric, y, outputs, weights)
    assert found == pytest.approx(expected, **close)
    assert run(metric, y, outputs, weights, batches=7) == pytest.approx(found, rel=1e-5)
    assert metric.name == name


def test_the_multiclass_auc_is_scikit_learns_one_vs_rest():
    metric = metrics.get("auc", task="multiclass", num_outputs=CLASSES)
    p = softmax(CLASS_LOGITS.astype(float))
    expected = oracle.roc_auc_score(CLASS, p, multi_class="ovr")
    assert run(metric, CLASS, p.astype("float32")) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_classes_that_never_occur_are_left_out_of_the_mean(name):
    y, p = np.array([0, 0, 1]), np.eye(4, dtype="float32")[[0, 2, 2]]
    metric = metrics.get(name, task="multiclass", num_outputs=4)
    expected = CLASS_ORACLES[name](y, p, None)
    assert run(metric, y, p) == pytest.approx(expected)


LABEL_ORACLES = {
    "accuracy": lambda y, p, w: 1 - oracle.hamming_loss(y, p > 0.5, sample_weight=w),
    "auc": lambda y, p, w: oracle.roc_auc_score(y, p, sample_weight=w),
    "pr_auc": lambda y, p, w: oracle.average_precision_score(y, p, sample_weight=w),
    **{
        name: lambda y, p, w, f=f: f(y, p > 0.5, sample_weight=w, average="macro")
        for name, f in (
            ("precision", oracle.precision_score),
            ("recall", oracle.recall_score),
            ("f1", oracle.f1_score),
        )
    },
    "log_loss": lambda y, p, w: np.mean(
        [
            oracle.log_loss(*column, sample_weight=w)
            for column in zip(y.T, p.T, strict=True)
        ]
    ),
}


@pytest.mark.parametrize("name", LABEL_ORACLES)
@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_multilabel(name, from_logits, weights):
    metric = metrics.get(
        name, task="multilabel", num_outputs=3, sparse=False, from_logits=from_logits
    )
    outputs = LABEL_LOGITS if from_logits else special.expit(LABEL_LOGITS)
    expected = LABEL_ORACLES[name](
        LABELS, special.expit(LABEL_LOGITS.astype(float)), weights
    )
    close = AREA if name in ("auc", "pr_auc") else EXACT
    found = run(metric, LABELS, outputs, weights)
    assert found == pytest.approx(expected, **close)
    again = run(metric, LABELS, outputs, weights, batches=7)
    assert again == pytest.approx(found, rel=1e-5)


TARGET_ORACLES = {
    "mae": oracle.mean_absolute_error,
    "mse": oracle.mean_squared_error,
    "rmse": oracle.root_mean_squared_error,
    "r2": oracle.r2_score,
    "mape": lambda y, p, sample_weight=None: (
        100 * oracle.mean_absolute_percentage_error(y, p, sample_weight=sample_weight)
    ),
}


@pytest.mark.parametrize("name", TARGET_ORACLES)
@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_regression(name, targets, weights):
    metric = metrics.get(name, task="regression", num_outputs=targets)
    y, p = TARGETS[:, :targets], PREDICTIONS[:, :targets]
    expected = TARGET_ORACLES[name](
        y.astype(float), p.astype(float), sample_weight=weights
    )
    flat = y[:, 0] if targets == 1 else y
    found = run(metric, flat, p, weights)
    assert found == pytest.approx(expected, rel=1e-4)
    again = run(metric, flat, p, weights, batches=7)
    assert again == pytest.approx(found, rel=1e-5)
    assert metric.name == name


@pytest.mark.parametrize("shift", [0.0, 10_000.0])
def test_r2_keeps_its_digits_far_from_zero(shift):
    y = (RANDOM.integers(0, 64, (SAMPLES, 1)) + shift).astype("float32")
    p = y + RANDOM.integers(-3, 4, y.shape).astype("float32")
    metric = metrics.get("r2", task="regression", num_outputs=1)
    assert run(metric, y, p, batches=5) == pytest.approx(
        oracle.r2_score(y.astype(float), p.astype(float)), rel=1e-6
    )


@pytest.mark.parametrize(("error", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_r2_of_constant_targets_is_that_of_scikit_learn(error, expected):
    y = np.full((4, 1), 3.0, "float32")
    metric = metrics.get("r2", task="regression", num_outputs=1)
    assert run(metric, y, y + np.float32(error)) == expected
    assert oracle.r2_score(y, y + error) == expected


def every_case():
    yield from (
        ("binary", 1, BINARY, BINARY_LOGITS[:, None]),
        ("multiclass", CLASSES, CLASS, CLASS_LOGITS),
        ("multilabel", 3, LABELS, LABEL_LOGITS),
        ("regression", 2, TARGETS, PREDICTIONS),
    )


def listed(task):
    return [
        "top_2_accuracy" if n == "top_5_accuracy" else n for n in metrics.names(task)
    ]


@pytest.mark.parametrize("case", list(every_case()), ids=lambda case: case[0])
@pytest.mark.slow
def test_xla_gives_the_same(case):
    task, width, y, outputs = case
    for name in listed(task):
        metric = metrics.get(
            name, task=task, num_outputs=width, from_logits=task != "regression"
        )
        plain = run(metric, y, outputs, WEIGHTS, batches=4)
        compiled = run(metric, y, outputs, WEIGHTS, batches=4, jit=True)
        assert compiled == pytest.approx(plain, rel=1e-5), name
        result = tf.function(metric.result, jit_compile=True)()
        assert float(result) == pytest.approx(plain, rel=1e-5), name


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
@pytest.mark.parametrize("case", list(every_case()), ids=lambda case: case[0])
def test_half_precision_is_read(case, dtype):
    task, width, y, outputs = case
    if task == "regression":
        y, outputs = y - 100, outputs - 100
    for name in listed(task):
        metric = metrics.get(
            name, task=task, num_outputs=width, from_logits=task != "regression"
        )
        rough = run(metric, y, outputs.astype(dtype))
        assert rough == pytest.approx(run(metric, y, outputs), rel=0.02), name


@pytest.mark.parametrize("case", list(every_case()), ids=lambda case: case[0])
def test_a_model_trains_with_them_and_is_reloaded(case, tmp_path):
    task, width, y, outputs = case
    model = keras.Sequential(
        [keras.Input((outputs.shape[1],)), keras.layers.Dense(width)]
    )
    chosen = listed(task)
    model.compile(
        "sgd",
        "mse",
        metrics=metrics.get(
            chosen, task=task, num_outputs=width, from_logits=task != "regression"
        ),
    )
    if task == "multiclass":
        model.compile(
            "sgd",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=model._compile_metrics._user_metrics,
        )
    history = model.fit(
        outputs, y, validation_split=0.25, batch_size=64, epochs=2, verbose=0
    ).history
    assert set(history) == {
        prefix + name for prefix in ("", "val_") for name in ("loss", *chosen)
    }
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    before = model.evaluate(outputs, y, return_dict=True, verbose=0)
    assert again.evaluate(outputs, y, return_dict=True, verbose=0) == (
        pytest.approx(before, rel=1e-5)
    )


def test_replicas_add_up(two_cpus):
    with two_cpus.scope():
        chosen = metrics.get(["auc", "f1"], task="binary", num_outputs=1)
        chosen.append(metrics.get("r2", task="regression", num_outputs=1))
    p = special.expit(BINARY_LOGITS)[:, None]

    @tf.function
    def step(half):
        own = [tf.gather(tf.reshape(part, (2, -1, 1)), half) for part in (BINARY, p)]
        for metric in chosen:
            metric.update_state(*own)

    halves = two_cpus.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group)
    )
    two_cpus.run(step, args=(halves,))
    for metric in chosen:
        alone = type(metric).from_config(metric.get_config())
        expected = run(alone, BINARY, p)
        assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["auc", "pr_auc"])
def test_the_areas_of_rare_classes_stay_exact(name):
    """All probabilities are below 0.01, where Keras's 200 thresholds see two bins."""
    random = np.random.default_rng(3)
    y = (random.random(20_000) < 0.01).astype("int32")
    p = special.expit(random.normal(-9, 1, y.shape) + 1.5 * y).astype("float32")
    metric = metrics.get(name, task="binary", num_outputs=1)
    expected = BINARY_ORACLES[name](y, p, None)
    assert run(metric, y, p[:, None], batches=3) == pytest.approx(expected, abs=2e-3)
    if name == "auc":
        theirs = run(keras.metrics.AUC(), y, p[:, None])
        assert abs(theirs - expected) > 0.02


def test_areas_with_many_classes():
    classes = 300
    y = np.arange(3000) % classes
    logits = RANDOM.normal(size=(3000, classes)).astype("float32")
    logits[np.arange(3000), y] += 2
    p = softmax(logits)
    metric = metrics.get("auc", task="multiclass", num_outputs=classes)
    expected = oracle.roc_auc_score(y, softmax(logits.astype(float)), multi_class="ovr")
    assert run(metric, y, p, batches=3) == pytest.approx(expected, abs=3e-3)


@pytest.mark.parametrize("name", ["auc", "pr_auc", "precision", "recall", "f1"])
def test_what_is_undefined_is_zero(name):
    metric = metrics.get(name, task="binary", num_outputs=1)
    assert float(metric.result()) == 0
    assert run(metric, np.zeros(3, "int32"), np.full((3, 1), 0.2, "float32")) == 0


def test_nan_and_extremes_break_nothing():
    p = np.array([[np.nan], [0.0], [1.0], [1e-38]], "float32")
    for name in ("auc", "pr_auc", "f1"):
        metric = metrics.get(name, task="binary", num_outputs=1)
        assert np.isfinite(run(metric, np.array([0, 0, 1, 1]), p))
        assert np.isfinite(run(metric, np.array([0, 0, 1, 1]), p, jit=True))


def test_soft_rows_count_as_their_largest_share():
    soft = 0.8 * np.eye(CLASSES, dtype="float32")[CLASS] + 0.2 / CLASSES
    for name in ("accuracy", "auc", "f1"):
        rows, integers = (
            metrics.get(
                name,
                task="multiclass",
                num_outputs=CLASSES,
                sparse=sparse,
                from_logits=True,
            )
            for sparse in (False, True)
        )
        assert run(rows, soft, CLASS_LOGITS) == run(integers, CLASS, CLASS_LOGITS)


def test_several_sigmoids_for_classes_are_normalised():
    p = special.expit(CLASS_LOGITS)
    metric = metrics.get("auc", task="multiclass", num_outputs=CLASSES)
    expected = CLASS_ORACLES["auc"](CLASS, p / p.sum(axis=1, keepdims=True), None)
    assert run(metric, CLASS, p) == pytest.approx(expected, **AREA)


@pytest.mark.parametrize(
    ("given", "task", "logged"),
    [
        ("AUC", "binary", "auc"),
        ("F1Score", "binary", "f1_score"),
        ("f1-score", "binary", "f1_score"),
        ("R2Score", "regression", "r2_score"),
        ("RootMeanSquaredError", "regression", "root_mean_squared_error"),
        ("MSE", "regression", "mse"),
        ("acc", "multilabel", "acc"),
        ("cross_entropy", "multiclass", "cross_entropy"),
        ("cosine_similarity", "regression", "cosine_similarity"),
        ("true_positives", "binary", "true_positives"),
        ("BinaryAccuracy", "multilabel", "binary_accuracy"),
        ("categorical_hinge", "multiclass", "categorical_hinge"),
        ("auc", None, "auc"),
        ("rmse", None, "rmse"),
        ("mae", None, "mae"),
    ],
)
def test_a_metric_is_logged_under_the_name_that_was_given(given, task, logged):
    for _ in range(2):
        metric = metrics.get(
            given, task=task, num_outputs=3 if task == "multiclass" else 1
        )
        assert metric.name == logged


def test_metrics_of_keras_by_name_see_probabilities():
    metric = metrics.get(
        "true_positives", task="binary", num_outputs=1, from_logits=True
    )
    expected = ((BINARY == 1) & (BINARY_LOGITS > 0)).sum()
    assert run(metric, BINARY, BINARY_LOGITS[:, None]) == expected


def test_objects_classes_and_functions():
    own = keras.metrics.AUC(name="mine")
    assert metrics.get(own, task="binary", num_outputs=1) is own
    assert isinstance(
        metrics.get(keras.metrics.AUC, task="binary", num_outputs=1), keras.metrics.AUC
    )

    def largest_error(y_true, y_pred):
        return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=-1)

    metric = metrics.get(largest_error, task="regression", num_outputs=2)
    assert metric.name == "largest_error"
    expected = np.abs(TARGETS - PREDICTIONS).max(axis=1).mean()
    assert run(metric, TARGETS, PREDICTIONS) == pytest.approx(expected, rel=1e-5)


def test_without_a_task_keras_decides():
    assert metrics.get("accuracy", task=None, num_outputs=None) == "accuracy"
    mixed = metrics.get(["accuracy", "mae"], task=None, num_outputs=None)
    assert mixed[0] == "accuracy" and mixed[1].name == "mae"


def test_several_outputs_have_metrics_each():
    found = metrics.get({"a": ["mae"], "b": "auc"}, task=None, num_outputs=None)
    assert found["a"][0].name == "mae" and found["b"].name == "auc"
    found = metrics.get([["mae"], ["mae", "accuracy"]], task=None, num_outputs=None)
    assert [len(own) for own in found] == [1, 2]


@pytest.mark.parametrize("task", tasks.names())
def test_the_default_metrics_of_a_task_are_in_its_table(task):
    assert set(tasks.get(task).metrics) <= set(metrics.names(task))
    assert set(metrics.names(task)) <= set(metrics.names())


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("acuracy", {}, "Did you mean 'accuracy'.*pr_auc.*Keras's metrics"),
        ("r2", {}, "'r2' doesn't fit the task 'multiclass'. Accepted: accuracy"),
        ("auc", {"task": "regression"}, "doesn't fit the task 'regression'.*mae, mse"),
        ("top_3_accuracy", {"task": "binary", "num_outputs": 1}, "doesn't fit"),
        ("top_5_accuracy", {}, "always 1; choose a number from 1 to 4"),
        ("top_0_accuracy", {}, "always 0"),
        ("precision_at_recall", {}, r"PrecisionAtRecall\(0.9\)"),
        (["auc", "AUC"], {}, "more than once: auc"),
        ("auc", {"num_outputs": None}, "need num_outputs"),
        ("auc", {"num_outputs": 0.5}, "num_outputs must be an integer"),
        ("auc", {"task": "binary", "num_outputs": 3}, "1 or 2 outputs; given"),
        ("auc", {"task": "segmentation"}, "Unknown task"),
        ("mystery", {"task": None}, "Unknown metric 'mystery'"),
    ],
)
def test_bad_names_are_refused(spec, options, message):
    with pytest.raises(ValueError, match=message):
        metrics.get(spec, **{"task": "multiclass", "num_outputs": CLASSES, **options})


@pytest.mark.parametrize("spec", [3, None, {"auc": 1}])
def test_what_is_no_metric_is_a_type_error(spec):
    with pytest.raises(TypeError, match="a name, a keras"):
        metrics.get(spec, task="binary", num_outputs=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.CurveArea("aoc", columns=1),
        lambda: metrics.DecisionScore("f2", columns=1),
        lambda: metrics.TargetScore("r3", columns=1),
    ],
)
def test_unknown_scores_are_refused(call):
    with pytest.raises(ValueError, match="Unknown score"):
        call()
