"""Optimizers that Keras lacks, against Keras, linear algebra and hand formulas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasopt import optimizers
from kerasopt.optimizers import ConvMuon, CoupledSGD, Discriminative, Grouped
from kerasopt.scratch import optimizers as scratch


def small_model(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, use_bias=False, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="head"),
        ]
    )


def samples(count=32, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, 8, 8, 3)).astype("float32")
    return x, generator.normal(size=(count, 3)).astype("float32")


def weights_after(model, optimizer, *, steps=5):
    model.compile(optimizer, "mse")
    x, y = samples()
    for _ in range(steps):
        model.train_on_batch(x, y)
    return {v.path.split("/", 1)[-1]: v.numpy() for v in model.trainable_variables}


@pytest.mark.parametrize("nesterov", [False, True])
def test_coupled_sgd_equals_keras_with_the_penalty_in_the_loss(nesterov):
    start, gradient = np.array([1.0, -2.0, 3.0]), np.array([0.3, 0.0, -0.5])
    variables = [keras.Variable(start), keras.Variable(start)]
    settings = {"learning_rate": 0.1, "momentum": 0.9, "nesterov": nesterov}
    coupled = CoupledSGD(l2=0.02, **settings)
    plain = keras.optimizers.SGD(**settings)
    for _ in range(20):
        coupled.apply([keras.ops.array(gradient)], [variables[0]])
        # The gradient of the loss plus 0.01 * sum(w ** 2), as Keras's L2 has it.
        penalized = gradient + 2 * 0.01 * variables[1].numpy()
        plain.apply([keras.ops.array(penalized)], [variables[1]])
    np.testing.assert_allclose(variables[0], variables[1], rtol=1e-5)


def test_schedule_free_is_the_papers_recursion_and_keras_is_not():
    """Of a constant gradient every Adam step is the rate, so z falls by 0.1 each."""
    expected, z, x = [], 2.0, 2.0
    for t in range(1, 7):
        z -= 0.1
        x += (z - x) / t
        expected.append(0.1 * z + 0.9 * x)

    def path(optimizer):
        weight = keras.Variable([2.0])
        optimizer.build([weight])
        step = tf.function(lambda: optimizer.apply([keras.ops.array([5.0])], [weight]))
        values = []
        for _ in range(6):
            step()
            values.append(float(weight[0]))
        return values

    ours = optimizers.get("schedule_free_adamw", learning_rate=0.1, beta_1=0.9)
    np.testing.assert_allclose(path(ours), expected, rtol=1e-5)
    keras_own = keras.optimizers.ScheduleFreeAdamW(0.1, beta_1=0.9)
    assert np.abs(np.array(path(keras_own)) - expected).max() > 0.005


def test_schedule_free_trains_in_fit_as_in_single_steps():
    """Keras's own would start anew from weights of 0 there."""
    x, y = samples(8)
    start = small_model().get_weights()

    def trained(fit, model):
        model.compile(optimizers.get("schedule_free_adamw", learning_rate=0.01), "mse")
        if fit:
            model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
        else:
            model.optimizer.build(model.trainable_variables)
            for _ in range(3):
                model.train_on_batch(x, y)
        return model.get_weights()

    expected = trained(False, small_model())
    for ours, theirs in zip(trained(True, small_model()), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert np.abs(expected[0] - start[0]).max() < 0.04


@pytest.mark.parametrize("beta_1", [0.0, 1.0])
def test_schedule_free_needs_both_of_its_points(beta_1):
    with pytest.raises(ValueError, match=r"beta_1 must lie in \(0, 1\)"):
        optimizers.get("schedule_free_adamw", beta_1=beta_1)
    with pytest.raises(ValueError, match=r"beta_1 must lie in \(0, 1\)"):
        optimizers.ScheduleFreeAdamW(beta_1=beta_1).build([keras.Variable([1.0])])


def test_copies_of_what_holds_optimizers_keep_what_does_not_decay():
    spec = {
        "name": "grouped",
        "default": {"name": "adamw", "weight_decay": 0.5},
        "groups": {"head": {"name": "adamw", "exclude_from_weight_decay": ["kernel"]}},
    }
    for wrap in (lambda o: o, keras.optimizers.LossScaleOptimizer):
        again = optimizers.get(wrap(optimizers.get(spec)))
        again = getattr(again, "inner_optimizer", again)
        assert "bias" in again.default._exclude_from_weight_decay_pattern.pattern
        head = again.groups["head"]._exclude_from_weight_decay_pattern.pattern
        assert "kernel" in head and "bias" not in head


def test_schedule_free_against_numpy_with_decay_and_warmup():
    generator = np.random.default_rng(0)
    gradients = generator.normal(size=(40, 5)).astype("float32")
    start = generator.normal(size=5).astype("float32")
    theory = scratch.ScheduleFreeAdamW(0.05, weight_decay=0.1)
    weight, theirs = keras.Variable(start, name="kernel"), start
    ours = optimizers.get("schedule_free_adamw", learning_rate=0.05, weight_decay=0.1)
    for gradient in gradients:
        ours.apply([keras.ops.array(gradient)], [weight])
        theirs = theory.step(theirs, gradient)
        np.testing.assert_allclose(weight, theirs, rtol=1e-4, atol=1e-5)
    rising = optimizers.get("schedule_free_adamw", learning_rate=0.1, warmup_steps=4)
    weight.assign(start)
    rising.apply([keras.ops.ones(5)], [weight])
    np.testing.assert_allclose(weight, start - 0.1 / 4, rtol=1e-5)


def test_sgd_takes_l2_and_is_keras_own_without():
    assert type(optimizers.get("sgd")) is keras.optimizers.SGD
    assert optimizers.get("nesterov", l2=1e-3).l2 == 1e-3
    assert optimizers.get("nesterov", l2=1e-3).nesterov


@pytest.mark.parametrize("l2", [-1, float("nan"), "much"])
def test_bad_l2_is_refused(l2):
    with pytest.raises(ValueError, match="l2 must be a number >= 0"):
        optimizers.get("sgd", l2=l2)


def test_conv_muon_is_keras_muon_on_the_kernel_as_a_matrix():
    generator = np.random.default_rng(0)
    kernel = keras.Variable(generator.normal(size=(3, 3, 4, 16)), dtype="float32")
    matrix = keras.Variable(kernel.numpy().reshape(36, 16))
    settings = {"learning_rate": 0.1, "momentum": 0.6, "ns_steps": 3}
    ours = ConvMuon(normalize=False, **settings)
    theirs = keras.optimizers.Muon(weight_decay=None, rms_rate=None, **settings)
    for _ in range(5):
        gradient = generator.normal(size=(3, 3, 4, 16)).astype("float32")
        ours.apply([keras.ops.array(gradient)], [kernel])
        theirs.apply([keras.ops.array(gradient.reshape(36, 16))], [matrix])
    np.testing.assert_allclose(kernel.numpy().reshape(36, 16), matrix, atol=1e-5)


def test_conv_muon_steps_towards_the_nearest_orthogonal_matrix():
    generator = np.random.default_rng(1)
    gradient = generator.normal(size=(3, 3, 8, 32)).astype("float32")
    kernel = keras.Variable(np.zeros((3, 3, 8, 32)), dtype="float32")
    optimizer = ConvMuon(
        learning_rate=1.0, momentum=0.0, nesterov=False, ns_steps=8, normalize=False
    )
    optimizer.apply([keras.ops.array(gradient)], [kernel])
    step = -kernel.numpy().reshape(72, 32)
    left, _, right = np.linalg.svd(gradient.reshape(72, 32), full_matrices=False)
    alignment = np.sum(step * (left @ right)) / 32
    assert alignment == pytest.approx(1, abs=0.15)
    values = np.linalg.svd(step, compute_uv=False)
    assert values.min() > 0.6 and values.max() < 1.3  # The paper's band.


def test_conv_muon_keeps_the_norm_of_kernels():
    start = np.random.default_rng(2).normal(size=(3, 3, 8, 16))
    kernel = keras.Variable(start, dtype="float32")
    optimizer = ConvMuon(learning_rate=1e-6)
    optimizer.apply([keras.ops.ones((3, 3, 8, 16))], [kernel])
    assert np.linalg.norm(kernel.numpy()) == pytest.approx(4, rel=1e-4)


def test_conv_muon_moves_a_kernel_of_zeros():
    kernel = keras.Variable(np.zeros((3, 3, 2, 4)), dtype="float32")
    gradient = np.random.default_rng(0).normal(size=kernel.shape)
    ConvMuon(0.1).apply([keras.ops.convert_to_tensor(gradient, "float32")], [kernel])
    assert 0 < np.linalg.norm(kernel.numpy()) < 1


def test_conv_muon_leaves_what_a_pattern_excludes_to_adamw():
    rng = np.random.default_rng(1)
    start = rng.normal(size=(3, 3, 2, 4)).astype("float32")
    gradient = keras.ops.convert_to_tensor(rng.normal(size=start.shape), "float32")
    kernels = [keras.Variable(start, name=name) for name in ("stem_1", "stems")]
    adamw = keras.Variable(start)
    ConvMuon(0.1, exclude_layers=[r"stem_\d"]).apply([gradient, gradient], kernels)
    reference = keras.optimizers.AdamW(0.1, weight_decay=0, epsilon=1e-7)
    reference.apply([gradient], [adamw])
    np.testing.assert_allclose(kernels[0].numpy(), adamw.numpy(), rtol=1e-4, atol=1e-5)
    assert np.linalg.norm(kernels[1].numpy() - adamw.numpy()) > 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"momentum": 1}, "momentum must lie in"),
        ({"ns_steps": 0}, "ns_steps must be an integer >= 1"),
        ({"learning_rate": -1}, "learning_rate must be a number > 0"),
        ({"steps": 3}, "Unknown argument"),
    ],
)
def test_bad_muon_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        optimizers.get("conv_muon", **arguments)


def test_grouped_equals_keras_multi_optimizer():
    def rates():
        return keras.optimizers.SGD(0.01, momentum=0.9), keras.optimizers.SGD(0.3)

    default, fast = rates()
    ours = weights_after(
        small_model(), Grouped(default=default, groups={"norm/beta$": fast})
    )
    default, fast = rates()
    mapping = keras.optimizers.OptimizerMap(default, {".*norm/beta": fast})
    theirs = weights_after(small_model(), keras.optimizers.MultiOptimizer(mapping))
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        np.testing.assert_allclose(value, theirs[path], rtol=1e-5, err_msg=path)
    default, _ = rates()
    alone = weights_after(small_model(), default)
    different = [p for p in ours if not np.allclose(ours[p], alone[p])]
    assert any("beta" in path for path in different)


def test_the_first_matching_group_wins():
    """beta matches both: it moves by the first group's rate."""
    model = small_model()
    rates = {"norm": 0.1, "beta": 0.2, "head": 0.4}
    optimizer = Grouped(
        default=keras.optimizers.SGD(0.8),
        groups={pattern: keras.optimizers.SGD(rate) for pattern, rate in rates.items()},
    )
    variables = model.trainable_variables
    with pytest.raises(ValueError, match="'beta' matches no trainable variable"):
        Grouped(
            default=keras.optimizers.SGD(), groups={"beta": keras.optimizers.SGD()}
        ).build([v for v in variables if "beta" not in v.path])
    before = [v.numpy() for v in variables]
    optimizer.apply([keras.ops.ones_like(v) for v in variables], variables)
    for variable, start in zip(variables, before, strict=True):
        expected = next((r for p, r in rates.items() if p in variable.path), 0.8)
        np.testing.assert_allclose(start - variable.numpy(), expected, rtol=1e-4)


def test_grouped_from_a_recipe_with_schedules():
    spec = {
        "name": "grouped",
        "default": {
            "name": "sgd",
            "learning_rate": {"name": "one_cycle", "max_learning_rate": 1},
        },
        "groups": {
            "conv": {
                "name": "conv_muon",
                "learning_rate": {"name": "one_cycle", "max_learning_rate": 2},
            }
        },
    }
    optimizer = optimizers.get(optimizers.complete(spec, epochs=2, steps_per_epoch=5))
    assert optimizer.default._learning_rate.total_steps == 10
    assert optimizer.groups["conv"]._learning_rate.max_learning_rate == 2
    assert float(optimizer.learning_rate) == pytest.approx(0.2)


def test_grouped_survives_saving(tmp_path):
    model = small_model()
    groups = {
        "conv": ConvMuon(0.1, nesterov=False),
        "beta": CoupledSGD(0.2, momentum=0.9, l2=1e-3),
    }
    adam = keras.optimizers.Adam()
    model.compile(Grouped(default=adam, groups=groups, loss_scale_factor=8.0), "mse")
    x, y = samples()
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.optimizer.groups["beta"].l2 == 1e-3
    assert again.optimizer.groups["conv"].nesterov is False
    assert again.optimizer.loss_scale_factor == 8.0
    for _ in range(3):
        model.train_on_batch(x, y)
        again.train_on_batch(x, y)
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_grouped_goes_on_when_a_layer_is_frozen():
    model = small_model()
    optimizer = Grouped(
        default=keras.optimizers.SGD(0.1), groups={"conv": keras.optimizers.SGD(0.2)}
    )
    model.compile(optimizer, "mse")
    x, y = samples()
    model.train_on_batch(x, y)
    kernel, head = model.get_layer("conv").kernel.numpy(), model.get_layer("head")
    before = head.kernel.numpy()
    model.get_layer("conv").trainable = False
    model.make_train_function(force=True)
    model.train_on_batch(x, y)
    np.testing.assert_array_equal(model.get_layer("conv").kernel, kernel)
    assert not np.array_equal(head.kernel, before)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"gamma_of_nothing": "sgd"}, "matches no trainable variable"),
        ({"(": "sgd"}, "not a regular expression"),
        ({"conv": {"name": "sdg"}}, "Unknown optimizer 'sdg'"),
        (["conv"], "groups must map a pattern"),
    ],
)
def test_bad_groups_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        optimizer = optimizers.get("grouped", default="sgd", groups=groups)
        optimizer.build(small_model().trainable_variables)


def test_groups_must_hold_optimizers():
    with pytest.raises(ValueError, match="must be Keras optimizers"):
        Grouped(default="sgd", groups={})


def moves(optimizer, variables):
    """Return how far each variable goes by gradients of one, by its path."""
    before = [v.numpy() for v in variables]
    optimizer.apply([keras.ops.ones_like(v) for v in variables], variables)
    return {
        v.path: (start - v.numpy()).mean()
        for v, start in zip(variables, before, strict=True)
    }


def test_discriminative_moves_lower_layers_by_smaller_rates():
    """By 0.01, 0.1 and 1 times the rate: conv, norm, head."""
    optimizer = optimizers.get(
        "discriminative", optimizer={"name": "sgd", "learning_rate": 0.5}, lowest=0.01
    )
    model = small_model()
    for variable in model.trainable_variables:
        variable.assign(keras.ops.zeros_like(variable))
    factors = {"conv": 0.01, "norm": 0.1, "head": 1.0}
    for path, moved in moves(optimizer, model.trainable_variables).items():
        rate = next(f for name, f in factors.items() if name in path) * 0.5
        np.testing.assert_allclose(moved, rate, rtol=1e-6)
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate = 0.05  # As ReduceLROnPlateau does.
    for path, moved in moves(optimizer, model.trainable_variables).items():
        rate = next(f for name, f in factors.items() if name in path) * 0.05
        np.testing.assert_allclose(moved, rate, rtol=1e-4)


def test_discriminative_equals_one_optimizer_where_all_rates_are_equal():
    ours = weights_after(
        small_model(), Discriminative(keras.optimizers.AdamW(0.01), lowest=1)
    )
    theirs = weights_after(small_model(), keras.optimizers.AdamW(0.01))
    for path, value in ours.items():
        np.testing.assert_allclose(value, theirs[path], rtol=1e-5, atol=1e-7)


def test_discriminative_scales_schedules_and_keeps_what_isnt_decayed():
    rate = {"name": "one_cycle", "max_learning_rate": 1}
    inner = {"name": "adamw", "learning_rate": rate, "weight_decay": 0.1}
    spec = {"name": "discriminative", "optimizer": inner, "lowest": 0.25}
    spec = optimizers.complete(spec, epochs=2, steps_per_epoch=5)
    optimizer = optimizers.get(optimizers.get(spec))
    optimizer.build(small_model().trainable_variables)
    top, low, _ = (each._learning_rate for each in optimizer.optimizers)
    for step in (0, 3, 9):
        np.testing.assert_allclose(low(step), 0.25 * top(step), rtol=1e-6)
    _, beta = (v for v in small_model().trainable_variables if "norm" in v.path)
    for each in optimizer.optimizers:
        assert not each._use_weight_decay(beta)


def test_discriminative_survives_saving(tmp_path):
    model = small_model()
    optimizer = Discriminative(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 100)),
        lowest=0.3,
        loss_scale_factor=4.0,
    )
    model.compile(optimizer, "mse")
    x, y = samples()
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.optimizer.lowest == 0.3
    assert [each.loss_scale_factor for each in again.optimizer.optimizers] == [4.0] * 3
    for _ in range(3):
        model.train_on_batch(x, y)
        again.train_on_batch(x, y)
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_layer_that_begins_late_begins_as_in_a_new_adam():
    """Its steps are counted from there, as bias correction wants it."""
    model, late = small_model(), small_model()
    optimizer = Discriminative(keras.optimizers.Adam(0.01), lowest=1)
    optimizer.build(model.trainable_variables)
    *lower, kernel, bias = model.trainable_variables
    for _ in range(50):
        moves(optimizer, [kernel, bias])
    for ours, other in zip(lower, late.trainable_variables, strict=False):
        other.assign(ours)
    fresh = keras.optimizers.Adam(0.01)
    for _ in range(3):
        expected = list(moves(fresh, late.trainable_variables[:-2]).values())
        found = list(moves(optimizer, model.trainable_variables).values())
        np.testing.assert_allclose(found[:-2], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lowest": 0}, "lowest must be a number > 0"),
        ({"lowest": 2}, r"lowest must lie in \[0, 1\]"),
        ({"optimizer": "addam"}, "optimizer: Unknown optimizer 'addam'"),
        ({"optimizer": "discriminative"}, "plain optimizer; given: Discriminative"),
        ({"groups": 3}, "Unknown argument"),
    ],
)
def test_bad_arguments_of_discriminative_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        optimizers.get("discriminative", **arguments)
