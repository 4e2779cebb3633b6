"""kerasopt.optimizers: Keras optimizers by name, with strict arguments."""

import inspect

import keras
import numpy as np
import pytest
from thinning import slow_unless

from kerasopt import optimizers
from kerasopt.optimizers.arguments import RULES


@pytest.mark.parametrize(
    ("name", "arguments", "keras_optimizer"),
    [
        ("sgd", {"learning_rate": 0.01}, keras.optimizers.SGD(0.01)),
        (
            "sgd",
            {"learning_rate": 0.01, "momentum": 0.9},
            keras.optimizers.SGD(0.01, momentum=0.9),
        ),
        (
            "momentum",
            {"learning_rate": 0.1},
            keras.optimizers.SGD(0.1, momentum=0.9),
        ),
        (
            "nesterov",
            {"learning_rate": 0.1},
            keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        ),
        ("adagrad", {"learning_rate": 0.01}, keras.optimizers.Adagrad(0.01)),
        (
            "rmsprop",
            {"learning_rate": 0.001, "rho": 0.9},
            keras.optimizers.RMSprop(0.001, rho=0.9),
        ),
        (
            "adam",
            {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999},
            keras.optimizers.Adam(0.001, 0.9, 0.999),
        ),
        ("lamb", {}, keras.optimizers.Lamb()),
        ("adamw", {"weight_decay": 0.01}, keras.optimizers.AdamW(weight_decay=0.01)),
    ],
)
def test_same_settings_as_keras(name, arguments, keras_optimizer):
    ours = optimizers.get(name, **arguments)
    expected = {**keras_optimizer.get_config(), "name": None}
    assert {**ours.get_config(), "name": None} == expected
    assert type(ours) is type(keras_optimizer)


HOLD_OTHERS = ("grouped", "discriminative")

# Names whose factory needs more than a rate.
ARGUMENTS = {"grouped": {"default": "sgd", "groups": {"kernel": "adam"}}}


def dense_model(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="tanh", bias_initializer="ones"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(3),
        ]
    )


def batch(seed=0):
    generator = np.random.default_rng(seed)
    shapes = (16, 6), (16, 3)
    return [generator.normal(size=shape).astype("float32") for shape in shapes]


def test_every_optimizer_of_keras_has_a_name():
    missing = {
        each.__name__
        for each in vars(keras.optimizers).values()
        if inspect.isclass(each)
        and issubclass(each, keras.optimizers.Optimizer)
        and optimizers.registry.normalize(each.__name__) not in optimizers.names()
        and each.__name__ != "ScheduleFreeAdamW"
    }
    # These hold others: the recipe's precision and "grouped" make them.
    assert missing == {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    assert type(optimizers.get("ScheduleFreeAdamW")).__name__ == "ScheduleFreeAdamW"


@pytest.mark.parametrize(
    "name",
    slow_unless(
        {"conv_muon", "schedule_free_adamw"}.__contains__,
        optimizers.names(),
    ),
)
def test_each_trains_saves_and_goes_on(name, tmp_path):
    model, (x, y) = dense_model(), batch()
    model.compile(optimizers.get(name, **ARGUMENTS.get(name, {})), "mse")
    before = model.get_weights()[0]
    model.fit(x, y, epochs=3, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(again.optimizer) is type(model.optimizer)
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "name",
    slow_unless({"conv_muon"}.__contains__, optimizers.names()),
)
def test_each_trains_on_two_devices(name, two_cpus):
    x, y = batch()
    with two_cpus.scope():
        model = dense_model()
        model.compile(optimizers.get(name, **ARGUMENTS.get(name, {})), "mse")
    history = model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize(
    "name",
    slow_unless(
        {"adam", "adamw", "conv_muon", "lamb", "momentum"}.__contains__,
        [n for n in optimizers.names() if n not in HOLD_OTHERS],
    ),
)
def test_weight_decay_leaves_biases_and_normalisation_alone(name):
    """Beside the same optimizer without decay, on the same gradients."""
    rate, decay = 0.1, 0.01
    model = dense_model()
    optimizer = optimizers.get(name, learning_rate=rate, weight_decay=decay)
    generator = np.random.default_rng(0)
    gradients = [
        keras.ops.convert_to_tensor(generator.normal(size=v.shape), "float32")
        for v in model.trainable_variables
    ]
    plain = optimizers.get(name, learning_rate=rate, **_without_decay(name))
    theirs = dense_model()
    for _ in range(3):
        plain.apply(gradients, theirs.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
    pairs = zip(model.trainable_variables, theirs.trainable_variables, strict=True)
    for variable, other in pairs:
        differs = not np.allclose(variable, other, rtol=1e-6, atol=1e-8)
        assert differs == (variable.name == "kernel"), variable.path
        assert variable.name in ("kernel", "bias", "gamma", "beta")


def _without_decay(name):
    arguments = {"weight_decay": 0.0}
    if name in ("muon", "conv_muon"):
        arguments["adam_weight_decay"] = 0.0
    return arguments


def test_weight_decay_is_the_decoupled_one_of_keras_on_kernels():
    model = dense_model()
    kernel, bias = model.layers[0].kernel, model.layers[0].bias
    start = kernel.numpy()
    optimizer = optimizers.get("adamw", learning_rate=0.1, weight_decay=0.01)
    optimizer.apply(
        [keras.ops.zeros_like(kernel), keras.ops.zeros_like(bias)], [kernel, bias]
    )
    np.testing.assert_allclose(kernel, start * (1 - 0.1 * 0.01), rtol=1e-6)
    np.testing.assert_array_equal(bias, np.ones(8))


@pytest.mark.parametrize("through_a_copy", [False, True])
@pytest.mark.parametrize(
    ("names", "moved"), [((), {"kernel", "bias"}), (["kernel"], {"bias"})]
)
def test_what_decays_can_be_chosen_and_copies_keep_it(names, moved, through_a_copy):
    optimizer = optimizers.get(
        "sgd",
        learning_rate=0.1,
        weight_decay=0.5,
        exclude_from_weight_decay=names,
    )
    if through_a_copy:
        optimizer = optimizers.get(optimizer)
    layer = dense_model().layers[0]
    variables = layer.trainable_variables
    before = [v.numpy() for v in variables]
    optimizer.apply([keras.ops.zeros_like(v) for v in variables], variables)
    found = {
        v.name
        for v, start in zip(variables, before, strict=True)
        if not np.array_equal(v, start)
    }
    assert found == moved


def test_biases_do_not_decay_on_two_devices_either(two_cpus):
    with two_cpus.scope():
        model = dense_model()
        optimizer = optimizers.get("sgd", learning_rate=0.1, weight_decay=0.5)
        model.compile(optimizer, "mse")
        kernel, bias = model.layers[0].kernel, model.layers[0].bias
        start = keras.ops.convert_to_numpy(kernel)
    for variable in model.trainable_variables[2:]:
        variable.assign(keras.ops.zeros_like(variable))  # so the gradients are 0
    model.fit(np.zeros((8, 6)), np.zeros((8, 3)), batch_size=8, verbose=0)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(kernel), start * (1 - 0.1 * 0.5), rtol=1e-6
    )
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(bias), np.ones(8))


def test_what_does_not_decay_needs_a_decay():
    with pytest.raises(ValueError, match=r"=\['bias'\] has no effect without weight_"):
        optimizers.get("adam", exclude_from_weight_decay=["bias"])
    default = ["bias", "gamma", "beta", "scale"]
    built = optimizers.get("adam", exclude_from_weight_decay=default)
    assert built.weight_decay is None


@pytest.mark.parametrize("names", ["bias", [3], 7])
def test_bad_names_of_what_does_not_decay(names):
    with pytest.raises(ValueError, match=r"names of variables|wrong type"):
        optimizers.get("adamw", exclude_from_weight_decay=names)


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("sam", r"callbacks\.SharpnessAware"),
        ("Lookahead", r"callbacks\.Lookahead"),
        ("L-BFGS", r"training\.fit_lbfgs"),
        ({"name": "sam", "rho": 0.1}, r"'sharpness_aware'"),
    ],
)
def test_what_is_no_optimizer_says_what_it_is(name, fix):
    with pytest.raises(ValueError, match=fix):
        optimizers.get(name)


def test_the_chapters_optimizers_with_their_schedules():
    """SGD with a decay and with steps, and Adam with a staircase, by their rates."""
    cases = [
        ("sgd", {"name": "exponential", "initial_learning_rate": 0.1,
                 "decay_steps": 10000, "decay_rate": 0.9}, 20000, 0.081),
        ("sgd", {"name": "piecewise", "boundaries": [10000, 20000],
                 "values": [0.1, 0.01, 0.001]}, 20001, 0.001),
        ("adam", {"name": "exponential", "initial_learning_rate": 0.01,
                  "decay_steps": 100000, "decay_rate": 0.96, "staircase": True},
         199_999, 0.0096),
        ("adam", {"name": "exponential", "initial_learning_rate": 1e-2,
                  "decay_steps": 10000, "decay_rate": 0.9}, 5000, 0.01 * 0.9**0.5),
    ]  # fmt: skip
    for name, schedule, step, expected in cases:
        optimizer = optimizers.get(name, learning_rate=schedule)
        optimizer.build([])
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(expected, rel=1e-5)


def test_schedule_given_as_a_dict():
    optimizer = optimizers.get(
        {
            "name": "sgd",
            "learning_rate": {
                "name": "exponential",
                "initial_learning_rate": 0.1,
                "decay_steps": 10000,
                "decay_rate": 0.9,
            },
        }
    )
    optimizer.build([])
    optimizer.iterations.assign(10000)
    assert float(optimizer.learning_rate) == pytest.approx(0.09)


def test_an_optimizer_serves_two_models_through_copies():
    original = keras.optimizers.Adam(0.005)
    for _ in range(2):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizers.get(original), "mse")
        model.train_on_batch(np.ones((1, 2)), np.ones((1, 1)))
    assert not original.built


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"decay": 0.1}, "Unknown argument .* 'decay'"),
        ({"learning_rat": 0.1}, "Did you mean 'learning_rate'"),
        ({"learning_rate": -0.1}, "learning_rate must be a number > 0"),
        ({"learning_rate": 0}, "learning_rate must be a number > 0"),
        ({"learning_rate": "fast"}, "Unknown schedule 'fast'"),
        ({"weight_decay": -1}, "weight_decay must be a number >= 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        optimizers.get("sgd", **arguments)


def test_unknown_optimizer_lists_the_choices():
    with pytest.raises(ValueError, match=r"Did you mean 'adam'.*rmsprop"):
        optimizers.get("adaam")
    with pytest.raises(ValueError, match="already has its arguments"):
        optimizers.get(keras.optimizers.SGD(), momentum=0.9)


def arguments_of(name):
    parameters = inspect.signature(optimizers.registry._TABLE.factory(name)).parameters
    return {p.name: p.default for p in parameters.values()}


BUILT_BY_RULE = [name for name in optimizers.names() if name not in HOLD_OTHERS]


@pytest.mark.parametrize("name", BUILT_BY_RULE)
def test_every_argument_of_every_optimizer_has_a_rule(name):
    """A new argument of Keras has to be given one."""
    assert arguments_of(name).keys() <= RULES.keys()
    own = {rule.partition(".")[2] for rule in RULES if rule.startswith(f"{name}.")}
    assert own <= arguments_of(name).keys()


@pytest.mark.parametrize("name", BUILT_BY_RULE)
def test_no_argument_takes_just_anything(name):
    """Neither an object of no meaning nor an empty text; the error names it."""
    for argument in arguments_of(name):
        for value in (object(), "", {}):
            with pytest.raises(ValueError, match=argument):
                optimizers.get(name, **{argument: value})


@pytest.mark.parametrize("name", BUILT_BY_RULE)
def test_the_defaults_pass_their_own_rules(name):
    defaults = arguments_of(name)
    assert optimizers.get(name, **defaults).get_config().keys() >= {"learning_rate"}
    for argument, default in defaults.items():
        if isinstance(default, float | int) and not isinstance(default, bool):
            for bad in (np.nan, np.inf, -np.inf, 1e39, "1", [default], True):
                with pytest.raises(ValueError, match=argument):
                    optimizers.get(name, **{argument: bad})
        if isinstance(default, bool):
            for bad in ("no", 0, 1, None):
                with pytest.raises(TypeError, match=f"{argument} must be True or"):
                    optimizers.get(name, **{argument: bad})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("sgd", {"clipnorm": -1}),
        ("adam", {"clipvalue": 0}),
        ("lamb", {"global_clipnorm": -0.5}),
        ("adam", {"beta_1": 1.5}),
        ("nadam", {"beta_2": 1.0}),
        ("lion", {"beta_1": -0.1}),
        ("adam", {"epsilon": -5}),
        ("adadelta", {"epsilon": 0}),
        ("rmsprop", {"rho": 7}),
        ("sgd", {"momentum": 1}),
        ("conv_muon", {"momentum": -0.1}),
        ("sgd", {"momentum": 0.9, "nesterov": "no"}),
        ("conv_muon", {"normalize": "no"}),
        ("sgd", {"l2": -1}),
        ("sgd", {"gradient_accumulation_steps": 2.5}),
        ("sgd", {"gradient_accumulation_steps": 1}),
        ("adam", {"use_ema": True, "ema_momentum": 1.0}),
        ("adam", {"use_ema": True, "ema_overwrite_frequency": 0}),
        ("adam", {"loss_scale_factor": 0}),
        ("adafactor", {"beta_2_decay": 0.8}),
        ("adagrad", {"initial_accumulator_value": -1}),
        ("ftrl", {"learning_rate_power": 1}),
        ("ftrl", {"l1_regularization_strength": -1}),
        ("muon", {"ns_steps": 0}),
        ("muon", {"exclude_layers": ["("]}),
        ("schedule_free_adamw", {"warmup_steps": -1}),
        ("schedule_free_adamw", {"beta_1": 0.0}),
        ("sgd", {"learning_rate": {"name": {"a": 1}}}),
        ("sgd", {"learning_rate": {"name": "cosine", "initial_learning_rate": "x"}}),
        ("sgd", {"learning_rate": None}),
    ],
)
def test_values_out_of_range(name, arguments):
    with pytest.raises(ValueError, match=f"^{[*arguments][-1]}\\b"):
        optimizers.get(name, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clipnorm": 1, "clipvalue": 1}, r"Give one of .*\['clipnorm', 'clipvalue'\]"),
        ({"ema_momentum": 0.9}, "ema_momentum has no effect without use_ema"),
        ({"nesterov": True}, "nesterov has no effect without momentum"),
    ],
)
def test_arguments_without_effect_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        optimizers.get("sgd", **arguments)


def test_numpy_numbers_are_numbers():
    optimizer = optimizers.get(
        "sgd",
        learning_rate=np.float32(0.5),
        momentum=np.array(0.25),
        nesterov=np.True_,
        gradient_accumulation_steps=np.int64(2),
        weight_decay=np.float64(0.1),
        exclude_from_weight_decay=np.array(["bias"]),
    )
    config = optimizer.get_config()
    assert config["learning_rate"] == 0.5
    assert config["momentum"] == 0.25
    assert config["nesterov"] is True
    assert type(config["gradient_accumulation_steps"]) is int


def test_a_group_with_a_mistake_is_named():
    with pytest.raises(ValueError, match=r"groups\['beta'\]: clipnorm must be"):
        optimizers.get(
            "grouped",
            default="sgd",
            groups={"beta": {"name": "adam", "clipnorm": -1}},
        )
    with pytest.raises(ValueError, match="default: Unknown optimizer 3"):
        optimizers.get("grouped", default=3, groups={})


def test_only_optimizers_are_copied():
    with pytest.raises(
        TypeError, match="optimizer must be a Keras optimizer; given: 3"
    ):
        optimizers.copy(3)
