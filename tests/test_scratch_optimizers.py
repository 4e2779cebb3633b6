"""The optimizers in NumPy against Keras and closed forms."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.optimizers.schedules import InverseTimeDecay, LearningRateSchedule

import kerasopt.optimizers
from kerasopt.scratch import optimizers
from kerasopt.scratch.optimizers import (
    SAM,
    AdaDelta,
    Adafactor,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    Ftrl,
    GradientDescent,
    Lamb,
    Lion,
    Lookahead,
    Momentum,
    Muon,
    Nadam,
    Nesterov,
    RMSProp,
    ScheduleFreeAdamW,
    minimize,
    newton_schulz,
)

K = keras.optimizers
STEPS = 60
MATRIX, WIDE, VECTOR, STACK = (6, 4), (3, 5), (12,), (2, 4, 3)


class Uncorrected(LearningRateSchedule):
    """The rate that takes the bias correction out of Keras's Adam."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        t = int(step) + 1
        rate = self.rate(step) if callable(self.rate) else self.rate
        return rate * (1 - 0.9**t) / (1 - 0.999**t) ** 0.5


class ScheduleFree(K.ScheduleFreeAdamW):
    """Keras's, but what it reads of z before z's update is z before its update.

    On TensorFlow, `Variable.value` follows the variable, so that Keras recovers x by
    the new z. Here the variable changes to a new place; the old one stays as read.
    """

    def assign_sub(self, variable, value):
        variable._value = tf.Variable(variable._value)
        super().assign_sub(variable, value)


# What, the rate, ours and Keras's from the rate, and the shape of theta. Differences
# that the docstrings name are set equal. CONSTANT equals Keras at a constant rate.
TABLE = [
    ("gd", 1.5e-3, GradientDescent, K.SGD, MATRIX),
    ("velocity", 1e-3, Momentum, lambda a: K.SGD(a, momentum=0.9), MATRIX),
    (
        "nesterov",
        5e-4,
        lambda a: Nesterov(a, momentum=0.8),
        lambda a: K.SGD(a, momentum=0.8, nesterov=True),
        MATRIX,
    ),
    (
        "adagrad",
        0.1,
        lambda a: AdaGrad(a, 0.1, epsilon=0.01, epsilon_inside=True),
        lambda a: K.Adagrad(a, 0.1, epsilon=0.01),
        MATRIX,
    ),
    (
        "adagrad-textbook",
        0.1,
        lambda a: AdaGrad(a, epsilon=1e-12),
        lambda a: K.Adagrad(a, 0.0, epsilon=1e-24),
        MATRIX,
    ),
    (
        "rmsprop",
        0.01,
        lambda a: RMSProp(a, epsilon=0.01, epsilon_inside=True),
        lambda a: K.RMSprop(a, epsilon=0.01),
        MATRIX,
    ),
    (
        "rmsprop-centered-momentum",
        0.01,
        lambda a: RMSProp(a, 0.8, 0.5, 0.1, epsilon_inside=True, centered=True),
        lambda a: K.RMSprop(a, 0.8, 0.5, 0.1, centered=True),
        MATRIX,
    ),
    (
        "adadelta",
        1.0,
        lambda a: AdaDelta(a, epsilon=1e-5),
        lambda a: K.Adadelta(a, epsilon=1e-5),
        MATRIX,
    ),
    ("adam", 0.02, Adam, K.Adam, MATRIX),
    (
        "adam-epsilon-hat",
        0.02,
        lambda a: Adam(a, epsilon=0.1, variant="epsilon_hat"),
        lambda a: K.Adam(a, epsilon=0.1),
        MATRIX,
    ),
    (
        "adam-uncorrected",
        0.02,
        lambda a: Adam(a, epsilon=0.1, variant="uncorrected"),
        lambda a: K.Adam(Uncorrected(a), epsilon=0.1),
        MATRIX,
    ),
    (
        "amsgrad",
        0.02,
        lambda a: Adam(a, beta_2=0.9, variant="epsilon_hat", amsgrad=True),
        lambda a: K.Adam(a, beta_2=0.9, amsgrad=True),
        MATRIX,
    ),
    (
        "adamw",
        0.02,
        lambda a: AdamW(a, weight_decay=0.3, variant="epsilon_hat"),
        lambda a: K.AdamW(a, weight_decay=0.3),
        MATRIX,
    ),
    (
        "adamax",
        0.02,
        lambda a: Adamax(a, epsilon=1.0),
        lambda a: K.Adamax(a, epsilon=1.0),
        MATRIX,
    ),
    (
        "nadam",
        0.02,
        lambda a: Nadam(a, epsilon=1.0),
        lambda a: K.Nadam(a, epsilon=1.0),
        MATRIX,
    ),
    (
        "lamb",
        0.02,
        lambda a: Lamb(a, epsilon=1.0),
        lambda a: K.Lamb(a, epsilon=1.0),
        MATRIX,
    ),
    (
        "lion",
        0.01,
        lambda a: Lion(a, weight_decay=0.1),
        lambda a: K.Lion(a, weight_decay=0.1),
        MATRIX,
    ),
    ("adafactor", 0.05, Adafactor, K.Adafactor, MATRIX),
    ("adafactor-vector", 0.05, Adafactor, K.Adafactor, VECTOR),
    ("adafactor-stack", 0.05, Adafactor, K.Adafactor, STACK),
    ("ftrl", 0.1, Ftrl, K.Ftrl, MATRIX),
    (
        "ftrl-penalised",
        0.1,
        lambda a: Ftrl(a, 0.5, l1=5.0, l2=0.3, beta=1.0),
        lambda a: K.Ftrl(a, -0.5, 0.5, 5.0, 0.3, beta=1.0),
        MATRIX,
    ),
    ("muon", 0.02, Muon, K.Muon, MATRIX),
    (
        "muon-wide",
        0.02,
        lambda a: Muon(a, 0.5, False, 3, None, 0.1),
        lambda a: K.Muon(
            a, weight_decay=0.1, momentum=0.5, nesterov=False, ns_steps=3, rms_rate=None
        ),
        WIDE,
    ),
]
CONSTANT = [
    ("sum", 1e-3, lambda a: Momentum(a, form="sum"), TABLE[1][3], MATRIX),
    (
        "average",
        1e-2,
        lambda a: Momentum(a, form="average"),
        lambda a: K.SGD(0.1 * a, momentum=0.9),
        MATRIX,
    ),
    (
        "schedule-free",
        0.02,
        lambda a: ScheduleFreeAdamW(a, epsilon=0.01),
        lambda a: ScheduleFree(a, epsilon=0.01),
        MATRIX,
    ),
]
ids = [row[0] for row in TABLE + CONSTANT]
each_row = pytest.mark.parametrize("row", TABLE + CONSTANT, ids=ids)
quick_rows = [
    pytest.param(row, id=row[0], marks=[] if i % 2 else pytest.mark.slow)
    for i, row in enumerate(TABLE + CONSTANT)
]
"""Every second one runs in `make test`."""


class Quadratic:
    """A quadratic of curvatures 1 to 1000 along directions across the entries."""

    def __init__(self, shape, dtype="float32"):
        rng = np.random.default_rng(3)
        size = int(np.prod(shape))
        basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
        self.matrix = (basis * np.geomspace(1, 1000, size) @ basis.T).astype(dtype)
        self.start = rng.normal(size=shape).astype(dtype)
        self.best = rng.normal(size=size).astype(dtype)

    def gradient(self, theta):
        return (self.matrix @ (theta.ravel() - self.best)).reshape(theta.shape)


def keras_path(optimizer, problem):
    variable = keras.Variable(problem.start, name="kernel")
    path = [problem.start]
    for _ in range(STEPS):
        gradient = problem.gradient(path[-1])
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        path.append(variable.numpy())
    return np.stack(path)


def worst(ours, theirs):
    """The largest difference of any step, relative to that step's largest value."""
    axes = tuple(range(1, ours.ndim))
    return (np.abs(ours - theirs).max(axes) / np.abs(theirs).max(axes)).max()


@pytest.mark.parametrize("row", quick_rows)
def test_equals_keras_at_every_step(row):
    _, rate, ours, theirs, shape = row
    problem = Quadratic(shape)
    path = minimize(problem.gradient, problem.start, ours(rate), iterations=STEPS)
    reference = keras_path(theirs(rate), problem)
    print(f"{worst(path, reference):.0e}")  # pytest -rP shows it
    assert worst(path, reference) <= 1e-5
    # It went somewhere, or agreement would mean nothing.
    assert np.abs(reference[-1] - reference[0]).max() > 0.02
    assert np.isfinite(reference).all()


@pytest.mark.slow
@pytest.mark.parametrize("row", TABLE, ids=ids[: len(TABLE)])
def test_equals_keras_under_a_schedule(row):
    _, rate, ours, theirs, shape = row
    problem = Quadratic(shape)
    optimizer = ours(lambda step: rate / (1 + 0.05 * step))
    path = minimize(problem.gradient, problem.start, optimizer, iterations=STEPS)
    reference = keras_path(theirs(InverseTimeDecay(rate, 1, 0.05)), problem)
    assert worst(path, reference) <= 1e-5


def test_the_table_has_every_optimizer():
    exported = {getattr(optimizers, name) for name in optimizers.__all__}
    classes = {x for x in exported if inspect.isclass(x)}
    tested = {type(row[2](0.1)) for row in TABLE + CONSTANT}
    assert classes - {optimizers.Optimizer, SAM, Lookahead} == tested


def test_what_keras_trains_with_can_be_read_here():
    """Every optimizer by name has its formula, but those that hold others."""
    formulas = {each.lower() for each in optimizers.__all__}
    elsewhere = {"sgd": "gradientdescent", "conv_muon": "muon"}
    for name in set(kerasopt.optimizers.names()) - {"grouped", "discriminative"}:
        assert elsewhere.get(name, name.replace("_", "")) in formulas, name


def run_on(gradients, optimizer):
    """The path from 0 along given gradients."""
    path = [np.zeros_like(gradients[0])]
    for gradient in gradients:
        path.append(optimizer.step(path[-1], gradient))
    return np.stack(path)


GRADIENTS = np.random.default_rng(0).normal(size=(30, 5))


def test_average_momentum_is_the_sum_at_a_smaller_rate():
    average = run_on(GRADIENTS, Momentum(0.1, 0.7, form="average"))
    total = run_on(GRADIENTS, Momentum(0.1 * (1 - 0.7), 0.7, form="sum"))
    np.testing.assert_allclose(average, total, rtol=1e-12, atol=1e-15)


def test_velocity_is_the_sum_until_the_rate_changes():
    same = [run_on(GRADIENTS, Momentum(0.1, 0.7, f)) for f in ("velocity", "sum")]
    np.testing.assert_allclose(*same, rtol=1e-12, atol=1e-15)

    def rate(step):
        return 0.1 if step < 10 else 0.01

    def closed_form(rate_of):
        # Every earlier gradient s acts on step t with 0.7 ** (t - s).
        steps = [
            sum(rate_of(t, s) * 0.7 ** (t - s) * GRADIENTS[s] for s in range(t + 1))
            for t in range(len(GRADIENTS))
        ]
        return -np.cumsum([np.zeros(5), *steps], axis=0)

    velocity = run_on(GRADIENTS, Momentum(rate, 0.7))
    total = run_on(GRADIENTS, Momentum(rate, 0.7, "sum"))
    np.testing.assert_allclose(velocity, closed_form(lambda t, s: rate(s)), rtol=1e-10)
    np.testing.assert_allclose(total, closed_form(lambda t, s: rate(t)), rtol=1e-10)
    assert np.abs(velocity[11] - total[11]).max() > 0.05


@pytest.mark.parametrize(
    ("variant", "first"),
    [("corrected", 1.0), ("epsilon_hat", 1.0), ("uncorrected", 10**0.5)],
)
def test_first_step_of_adam(variant, first):
    step = -Adam(0.01, variant=variant).step(np.zeros(2), np.array([3.0, -0.2]))
    np.testing.assert_allclose(step, [0.01 * first, -0.01 * first], rtol=1e-4)


def test_adam_along_a_constant_gradient():
    # Then m = (1 - 0.9**t) * g and v = (1 - 0.999**t) * g**2.
    g, t, epsilon = np.array([3.0, -0.2]), np.arange(1, 41)[:, None], 0.5
    c1, c2 = 1 - 0.9**t, 1 - 0.999**t
    steps = {
        "corrected": g / (abs(g) + epsilon) + 0 * t,
        "uncorrected": c1 * g / (c2**0.5 * abs(g) + epsilon),
        "epsilon_hat": g / (abs(g) + epsilon / c2**0.5),
    }
    for variant, expected in steps.items():
        optimizer = Adam(0.01, epsilon=epsilon, variant=variant)
        path = run_on(np.tile(g, (40, 1)), optimizer)
        np.testing.assert_allclose(-np.diff(path, axis=0), 0.01 * expected, rtol=1e-9)


def test_corrected_adam_is_keras_with_its_epsilon_corrected():
    problem, epsilon = Quadratic(MATRIX), 5.0
    path = [problem.start]
    variable, theirs = keras.Variable(problem.start), K.Adam(0.02)
    ours = Adam(0.02, epsilon=epsilon)
    for t in range(1, STEPS + 1):
        theirs.epsilon = epsilon * (1 - 0.999**t) ** 0.5
        gradient = problem.gradient(path[-1])
        path.append(ours.step(path[-1], gradient))
        gradient = problem.gradient(variable.numpy())
        theirs.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        assert worst(path[-1][None], variable.numpy()[None]) < 1e-5


def test_amsgrad_remembers_the_largest_gradient():
    # v shrinks tenfold in the second step, its largest doesn't.
    gradients = np.array([[4.0], [0.0]])
    steps = [
        np.diff(run_on(gradients, Adam(0.1, 0.5, 0.1, amsgrad=a)), axis=0)[1, 0]
        for a in (False, True)
    ]
    assert steps[0] / steps[1] == pytest.approx(10**0.5, rel=1e-6)


def test_first_step_of_adagrad():
    one = np.ones(1)
    textbook = AdaGrad(0.01).step(one, one)
    as_keras = AdaGrad(0.01, initial_accumulator=0.1).step(one, one)
    variable = keras.Variable(one.astype("float32"))
    K.Adagrad(0.01).apply([keras.ops.ones(1)], [variable])
    assert 1 - textbook[0] == pytest.approx(0.01, rel=1e-6)
    assert 1 - as_keras[0] == pytest.approx(0.00953, abs=5e-6)
    np.testing.assert_allclose(as_keras, variable.numpy(), rtol=1e-6)


@pytest.mark.parametrize("inside", [False, True])
def test_epsilon_inside_and_outside_the_root(inside):
    g, t, epsilon = 3.0, np.arange(1, 41), 0.5
    for optimizer, v in (
        (AdaGrad(0.1, epsilon=epsilon, epsilon_inside=inside), t * g**2),
        (
            RMSProp(0.1, 0.8, epsilon=epsilon, epsilon_inside=inside),
            (1 - 0.8**t) * g**2,
        ),
    ):
        path = run_on(np.full((40, 1), g), optimizer)
        root = np.sqrt(v + epsilon) if inside else np.sqrt(v) + epsilon
        np.testing.assert_allclose(-np.diff(path[:, 0]), 0.1 * g / root, rtol=1e-12)


def test_centered_rmsprop_survives_a_constant_gradient():
    # v - average**2 is 0 then, but for rounding.
    path = run_on(
        np.full((300, 1), 0.3, "float32"), RMSProp(0.1, epsilon=0.1, centered=True)
    )
    assert np.isfinite(path).all()


def test_adafactor_steps_by_a_share_of_the_parameters():
    # A constant gradient makes u = 1, and the share min(rate, 1 / sqrt(t)).
    optimizer = Adafactor(0.5, epsilon_2=1e-9)
    start, ones = np.full((2, 3), 4.0), np.ones((2, 3))
    path = minimize(lambda theta: 7 * ones, start, optimizer, iterations=20)
    shares = np.minimum(0.5, np.arange(1, 21) ** -0.5)
    expected = 4 * np.cumprod([1, *(1 - shares)])[:, None, None] * ones
    np.testing.assert_allclose(path, expected, rtol=1e-10)


def test_ftrl_gives_exact_zeros():
    theta = np.zeros(3)
    optimizer = Ftrl(0.1, l1=1.0)
    for gradient in np.array([[0.3, 2.0, -2.0], [-0.4, 1.0, -1.0]]):
        theta = optimizer.step(theta, gradient)
    assert theta[0] == 0 and theta[1] < 0 < theta[2]


def test_newton_schulz_keeps_singular_vectors_and_evens_out_the_values():
    matrix = np.random.default_rng(1).normal(size=(20, 8))
    result = newton_schulz(matrix, steps=5)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = values / np.linalg.norm(values)
    for _ in range(5):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    np.testing.assert_allclose(result, left * values @ right, atol=1e-6)
    assert 0.6 < values.min() < values.max() < 1.3
    np.testing.assert_allclose(newton_schulz(matrix.T), result.T, atol=1e-12)


def test_schedule_free_decays_and_averages_as_the_paper():
    rates, decay = [0.1, 0.2, 0.4], 0.5
    optimizer = ScheduleFreeAdamW(
        lambda t: rates[t], 0.8, 0.0, epsilon=1e-12, weight_decay=decay
    )
    # With beta_2 = 0 a gradient counts by its sign.
    path = [np.array([2.0])]
    for gradient in (5.0, 3.0, -7.0):
        path.append(optimizer.step(path[-1], np.array([gradient])))
    z1 = 2.0 - 0.1 * (1 + decay * 2.0)
    y1 = z1
    z2 = z1 - 0.2 * (1 + decay * y1)
    x2 = (0.01 * z1 + 0.04 * z2) / 0.05
    y2 = 0.2 * z2 + 0.8 * x2
    z3 = z2 - 0.4 * (-1 + decay * y2)
    x3 = (0.01 * z1 + 0.04 * z2 + 0.16 * z3) / 0.21
    np.testing.assert_allclose(np.ravel(path), [2.0, y1, y2, 0.2 * z3 + 0.8 * x3])
    np.testing.assert_allclose(optimizer.averaged, [x3])


def test_minimize_goes_down_a_parabola():
    start = np.array(10.0)
    path = minimize(lambda w: 2 * w, start, GradientDescent(0.1), iterations=50)
    np.testing.assert_allclose(path, 10 * 0.8 ** np.arange(51), rtol=1e-12)
    assert path[-1] == pytest.approx(1.427e-4, rel=1e-3)
    assert path.shape == (51,) and start == 10


def test_minimize_stops_at_the_tolerance():
    # |2 * 10 * 0.8**t| <= 0.1 first at t = 24.
    path = minimize(
        lambda w: 2 * w,
        np.array([10.0]),
        GradientDescent(0.1),
        iterations=999,
        tolerance=0.1,
    )
    assert path.shape == (25, 1)
    there = minimize(
        lambda w: 2 * w, path[-1], GradientDescent(0.1), iterations=9, tolerance=0.1
    )
    np.testing.assert_array_equal(there, path[-1:])


def test_sam_in_closed_form():
    problem = Quadratic(VECTOR, "float64")
    gradient = problem.gradient
    path = minimize(
        gradient,
        problem.start,
        SAM(GradientDescent(1e-3), gradient, rho=0.3),
        iterations=20,
    )
    matrix, theta = problem.matrix, problem.start - problem.best
    for step in path[1:]:
        g = matrix @ theta
        # The gradient at theta + c * g is g + c * (matrix @ g).
        theta = theta - 1e-3 * (g + 0.3 / np.sqrt(g @ g) * (matrix @ g))
        np.testing.assert_allclose(step - problem.best, theta, rtol=1e-9, atol=1e-12)


def test_sam_uses_its_base_and_rests_at_a_stationary_point():
    problem = Quadratic(MATRIX)
    sam = SAM(Momentum(5e-4), problem.gradient, rho=0.1)
    path = minimize(problem.gradient, problem.start, sam, iterations=STEPS)
    variable, theirs = keras.Variable(problem.start), K.SGD(5e-4, momentum=0.9)
    for theta in path[1:]:
        g = problem.gradient(variable.numpy())
        worse = variable.numpy() + np.float32(0.1) * g / np.linalg.norm(g)
        worse = keras.ops.convert_to_tensor(problem.gradient(worse))
        theirs.apply([worse], [variable])
        assert worst(theta[None], variable.numpy()[None]) < 1e-5
    still = SAM(GradientDescent(0.1), lambda theta: 2 * theta)
    assert still.step(np.zeros(2), np.zeros(2)).tolist() == [0, 0]


def test_lookahead_in_closed_form():
    curvature, start = np.array([1.0, 7.0]), np.array([3.0, -2.0])
    optimizer = Lookahead(GradientDescent(0.1), every=4, alpha=0.3)
    path = minimize(lambda theta: curvature * theta, start, optimizer, iterations=22)
    shrink = 1 - 0.1 * curvature
    outer = 1 - 0.3 + 0.3 * shrink**4
    expected = [start * outer ** (t // 4) * shrink ** (t % 4) for t in range(23)]
    np.testing.assert_allclose(path, expected, rtol=1e-12)


def test_lookahead_keeps_the_state_of_its_base():
    # Along a constant gradient, momentum's t-th step is the sum of 0.5**i, i < t.
    path = run_on(np.ones((4, 1)), Lookahead(Momentum(1.0, 0.5), every=2, alpha=0.5))
    np.testing.assert_allclose(path[:, 0], [0, -1, -1.25, -3.0, -3.0625])


WRAPPED = [
    ("lookahead", 1e-3, lambda a: Lookahead(Momentum(a), every=3), None, MATRIX),
    ("sam", 1e-3, lambda a: SAM(Momentum(a), lambda x: 2 * x), None, MATRIX),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "row", TABLE + CONSTANT + WRAPPED, ids=[*ids, "lookahead", "sam"]
)
def test_input_stays_as_it_is(row, dtype):
    _, rate, ours, _, shape = row
    problem = Quadratic(shape, dtype)
    clean, reused = ours(rate), ours(rate)
    theta = problem.start
    for _ in range(7):
        gradient = problem.gradient(theta)
        kept = theta.copy(), gradient.copy()
        new = clean.step(theta, gradient)
        assert new.dtype == dtype and new.shape == shape
        np.testing.assert_array_equal((theta, gradient), kept)
        # Whatever happens to the arrays after the step, the state is its own.
        again = reused.step(*kept)
        np.testing.assert_array_equal(again, new)
        for array in (*kept, again):
            array[...] = 99
        theta = new
    arrays = [x for x in vars(clean).values() if isinstance(x, np.ndarray)]
    assert all(x.dtype == dtype for x in arrays)


def test_parameters_keep_their_type():
    theta = np.ones(2, "float32")
    assert GradientDescent().step(theta, np.ones(2)).dtype == "float32"


@pytest.mark.parametrize(
    ("theta", "gradient", "message"),
    [
        (np.array([1, 2]), np.ones(2), "theta must hold floats; given: dtype int64"),
        (np.ones(2), np.array([1.0, np.nan]), "gradient must be finite"),
        (np.array([np.inf, 1]), np.ones(2), "theta must be finite"),
        (np.ones(2), np.ones(3), r"gradient must have shape \(2,\); given: \(3,\)"),
        (np.ones(2), np.ones((2, 1)), r"gradient must have shape \(2,\)"),
    ],
)
def test_bad_arrays_are_refused(theta, gradient, message):
    for optimizer in (GradientDescent(), Adam(), Lookahead(Adam())):
        with pytest.raises(ValueError, match=message):
            optimizer.step(theta, gradient)


def test_one_optimizer_is_for_one_array():
    optimizer = Momentum()
    optimizer.step(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match=r"shape \(3,\); given: \(2, 3\)"):
        optimizer.step(np.ones((2, 3)), np.ones((2, 3)))


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf"), True, "0.1"])
@each_row
def test_bad_rates_are_refused(row, rate):
    with pytest.raises(ValueError, match="learning_rate must be a number > 0"):
        row[2](rate)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Momentum(momentum=1), r"momentum must lie in \[0, 1\); given: 1"),
        (lambda: Momentum(momentum=-0.1), "momentum must lie"),
        (lambda: Nesterov(momentum=float("nan")), "momentum must lie"),
        (lambda: Momentum(form="sums"), "'sum'.*Accepted: average, sum, velocity"),
        (lambda: Momentum(form=None), "Accepted: average, sum, velocity"),
        (
            lambda: Adam(variant="biased"),
            "Accepted: corrected, epsilon_hat, uncorrected",
        ),
        (lambda: AdaGrad(initial_accumulator=-1), "initial_accumulator must be"),
        (lambda: AdaGrad(epsilon=0), "epsilon must be a number > 0; given: 0"),
        (lambda: RMSProp(rho=1.0), "rho must lie"),
        (lambda: RMSProp(momentum=2), "momentum must lie"),
        (lambda: AdaDelta(rho="high"), "rho must lie"),
        (lambda: Adam(beta_1=1.0), "beta_1 must lie"),
        (lambda: Nadam(beta_2=1.0), "beta_2 must lie"),
        (lambda: Adamax(epsilon=True), "epsilon must be a number > 0"),
        (lambda: AdamW(weight_decay=-1), "weight_decay must be a number >= 0"),
        (lambda: Lion(weight_decay=float("inf")), "weight_decay must be"),
        (lambda: Adafactor(beta_2_decay=0.8), "beta_2_decay must be a number < 0"),
        (lambda: Adafactor(clip_threshold=0), "clip_threshold must be"),
        (lambda: Ftrl(l1=-1), "l1 must be a number >= 0"),
        (lambda: Ftrl(initial_accumulator=0), "One of initial_accumulator, l2"),
        (lambda: Muon(steps=0), "steps must be an integer >= 1"),
        (lambda: Muon(rms_rate=0), "rms_rate must be a number > 0"),
        (
            lambda: Muon().step(np.ones(3), np.ones(3)),
            r"theta must have shape \(any, any\); given: \(3,\)",
        ),
        (lambda: newton_schulz(np.ones(3)), "matrix must have shape"),
        (lambda: SAM("sgd", np.square), "base must be an optimizer"),
        (lambda: SAM(Adam(), np.ones(3)), "gradient must be a function"),
        (lambda: SAM(Adam(), np.square, rho=0), "rho must be a number > 0"),
        (lambda: Lookahead(keras.optimizers.Adam()), "base must be an optimizer"),
        (lambda: Lookahead(Adam(), every=2.5), "every must be an integer >= 1"),
        (lambda: Lookahead(Adam(), alpha=1.5), r"alpha must lie in \(0, 1\]"),
        (
            lambda: minimize(np.square, np.ones(2), Adam(), iterations=0),
            "iterations must be an integer >= 1",
        ),
        (
            lambda: minimize(np.square, np.ones(2), Adam(), iterations=1, tolerance=-1),
            "tolerance must be a number >= 0",
        ),
        (
            lambda: minimize(np.square, [1, 2], Adam(), iterations=1),
            "theta must hold floats",
        ),
        (
            lambda: minimize(np.sum, np.ones(2), Adam(), iterations=1),
            r"gradient must have shape \(2,\); given: \(\)",
        ),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_a_schedule_that_gives_no_rate_is_refused(bad):
    with pytest.raises(ValueError, match=r"learning_rate\(1\) must be a number >= 0"):
        minimize(
            lambda w: 2 * w,
            np.ones(2),
            GradientDescent(lambda step: 0.1 if step == 0 else bad),
            iterations=5,
        )
