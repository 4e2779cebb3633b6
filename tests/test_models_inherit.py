"""kerasopt.models.inherit_weights: what is copied, number by number."""

import keras
import numpy as np
import pytest

from kerasopt import models

DIGITS = {"input_shape": (8, 8, 1), "num_classes": 10}


def filled(model, start):
    """Weights start, start + 1, …: each number once."""
    weights = []
    for weight in model.get_weights():
        weights.append(np.arange(start, start + weight.size).reshape(weight.shape))
        start += weight.size
    model.set_weights(weights)
    return model


def stages(*given, **arguments):
    arguments = {"stem_width": 4, **arguments}
    return models.stages(**DIGITS, stages=list(given), **arguments)


def weights(model, name):
    return model.get_layer(name).get_weights()


def with_weights(model):
    return [layer.name for layer in model.layers if layer.weights]


def both(own, donor):
    """Two networks with known weights, and the own one's names and old weights."""
    own, donor = filled(own, 0), filled(donor, 100_000)
    before = models.weights_by_path(own)
    return own, donor, before, models.inherit_weights(own, donor)


def test_an_equal_network_inherits_everything_and_predicts_the_same():
    plan = {"width": 8, "block": "residual", "attention": "self", "depth": 2}
    donor, model = stages(plan), stages(plan)
    x = np.random.default_rng(0).random((3, 8, 8, 1), "float32")
    assert not np.allclose(model(x), donor(x))
    assert models.inherit_weights(model, donor) == with_weights(model)
    np.testing.assert_array_equal(model(x), donor(x))
    for mine, theirs in zip(model.get_weights(), donor.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_wider_kernel_keeps_its_own_numbers_where_the_donor_has_none():
    model, donor, before, names = both(stages({"width": 6}), stages({"width": 3}))
    assert names == with_weights(model)
    (kernel,) = weights(model, "stage1_cell1_conv")
    (theirs,) = weights(donor, "stage1_cell1_conv")
    expected = before["stage1_cell1_conv/kernel"].copy()
    assert kernel.shape == (3, 3, 4, 6)
    expected[:, :, :, :3] = theirs
    np.testing.assert_array_equal(kernel, expected)
    for mine, given, old in zip(
        weights(model, "stage1_cell1_conv_norm"),
        weights(donor, "stage1_cell1_conv_norm"),
        [v for k, v in before.items() if k.startswith("stage1_cell1_conv_norm/")],
        strict=True,
    ):
        np.testing.assert_array_equal(mine, [*given, *old[3:]])
    kernel, bias = weights(model, "logits")
    np.testing.assert_array_equal(kernel[:3], weights(donor, "logits")[0])
    np.testing.assert_array_equal(kernel[3:], before["logits/kernel"][3:])
    np.testing.assert_array_equal(bias, weights(donor, "logits")[1])


def test_a_narrower_kernel_takes_the_first_part():
    model, donor, _, names = both(stages({"width": 3}), stages({"width": 6}))
    assert names == with_weights(model)
    (theirs,) = weights(donor, "stage1_cell1_conv")
    np.testing.assert_array_equal(
        weights(model, "stage1_cell1_conv")[0], theirs[..., :3]
    )
    theirs, _ = weights(donor, "logits")
    np.testing.assert_array_equal(weights(model, "logits")[0], theirs[:3])


def test_one_axis_may_grow_while_another_shrinks():
    model, donor, before, _ = both(
        stages({"width": 6}, stem_width=2), stages({"width": 3}, stem_width=5)
    )
    expected = before["stage1_cell1_conv/kernel"].copy()
    expected[:, :, :2, :3] = weights(donor, "stage1_cell1_conv")[0][:, :, :2]
    np.testing.assert_array_equal(weights(model, "stage1_cell1_conv")[0], expected)


def test_the_heads_of_self_attention_are_cut_alike():
    model, donor, before, names = both(
        stages({"width": 8, "attention": "self"}),
        stages({"width": 4, "attention": "self"}),
    )
    name = "stage1_cell1_attention"
    assert name in names
    query, bias = weights(model, name)[:2]
    theirs, their_bias = weights(donor, name)[:2]
    assert query.shape == (8, 4, 2) and theirs.shape == (4, 4, 1)
    expected = before[f"{name}/query/kernel"].copy()
    expected[:4, :, :1] = theirs
    np.testing.assert_array_equal(query, expected)
    np.testing.assert_array_equal(bias[:, :1], their_bias)
    np.testing.assert_array_equal(bias[:, 1:], before[f"{name}/query/bias"][:, 1:])


def test_kernels_of_another_height_and_width_stay_as_they_are():
    model, _, before, names = both(
        stages({"width": 6, "kernel_size": 5}), stages({"width": 6})
    )
    assert "stage1_cell1_conv" not in names
    assert {"stem", "stage1_cell1_conv_norm", "logits"} <= set(names)
    np.testing.assert_array_equal(
        weights(model, "stage1_cell1_conv")[0], before["stage1_cell1_conv/kernel"]
    )


def test_a_bias_too_many_keeps_the_layer_out():
    model, _, before, names = both(
        stages({"width": 6}, batch_norm=False), stages({"width": 6})
    )
    assert names == ["logits"]
    after = models.weights_by_path(model)
    for path in ("stem/kernel", "stem/bias", "stage1_cell1_conv/kernel"):
        np.testing.assert_array_equal(after[path], before[path])


def test_a_deeper_network_keeps_its_new_cells_fresh():
    model, donor, before, names = both(
        stages({"width": 4, "depth": 2}, {"width": 8}),
        stages({"width": 4}, {"width": 8}),
    )
    assert set(with_weights(model)) - set(names) == {
        "stage1_cell2_conv",
        "stage1_cell2_conv_norm",
    }
    np.testing.assert_array_equal(
        weights(model, "stage1_cell2_conv")[0], before["stage1_cell2_conv/kernel"]
    )
    np.testing.assert_array_equal(
        weights(model, "stage2_cell1_conv")[0], weights(donor, "stage2_cell1_conv")[0]
    )


def test_the_donor_stays_as_it_is_and_may_be_gone():
    donor = filled(stages({"width": 6}), 7)
    kept = models.weights_by_path(donor)
    model = filled(stages({"width": 4}), 1000)
    models.inherit_weights(model, donor)
    for path, values in models.weights_by_path(donor).items():
        np.testing.assert_array_equal(values, kept[path])
    # Copies: what is kept doesn't follow the donor.
    filled(donor, 500)
    assert kept["stem/kernel"].ravel()[0] == 7
    again = filled(stages({"width": 4}), 2000)
    assert models.inherit_weights(again, kept) == with_weights(again)
    np.testing.assert_array_equal(
        weights(again, "stage1_cell1_conv")[0], weights(model, "stage1_cell1_conv")[0]
    )


def nested(name, units):
    inside = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(units, name="hidden")], name=name
    )
    entry = keras.Input((3,))
    x = keras.layers.Dense(3, name="hidden")(entry)
    return keras.Model(entry, keras.layers.Dense(2, name="out")(inside(x)))


def test_models_inside_a_model_have_names_of_their_own():
    model, donor = filled(nested("body", 4), 0), filled(nested("body", 4), 100)
    assert models.inherit_weights(model, donor) == ["hidden", "body/hidden", "out"]
    for mine, theirs in zip(model.get_weights(), donor.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    other = filled(nested("trunk", 4), 200)
    assert models.inherit_weights(model, other) == ["hidden", "out"]


def test_sequential_models_of_any_name_and_saved_ones(tmp_path):
    def network(name):
        layers = [keras.Input((4, 2)), keras.layers.LSTM(3, name="recurrent")]
        return keras.Sequential([*layers, keras.layers.Dense(2, name="out")], name=name)

    model, donor = filled(network("a"), 0), filled(network("b"), 100)
    donor.save(tmp_path / "donor.keras")
    donor = keras.saving.load_model(tmp_path / "donor.keras", safe_mode=True)
    assert models.inherit_weights(model, donor) == ["recurrent", "out"]
    for mine, theirs in zip(model.get_weights(), donor.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_lower_precision_takes_what_it_can_hold():
    keras.config.set_dtype_policy("bfloat16")
    try:
        model = stages({"width": 4})
    finally:
        keras.config.set_dtype_policy("float32")
    donor = stages({"width": 4})
    models.inherit_weights(model, donor)
    np.testing.assert_allclose(
        np.asarray(weights(model, "stem")[0], "float32"),
        weights(donor, "stem")[0],
        rtol=2**-8,
    )


def test_strangers_inherit_nothing():
    model = filled(stages({"width": 4}), 0)
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="other")])
    before = model.get_weights()
    assert models.inherit_weights(model, other) == []
    assert models.inherit_weights(model, {}) == []
    for mine, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_cannot_give_or_take_is_refused():
    model = stages({"width": 4})
    unbuilt = keras.Sequential([keras.layers.Dense(2)], name="open")
    with pytest.raises(ValueError, match="'open' has no weights yet"):
        models.inherit_weights(unbuilt, model)
    with pytest.raises(ValueError, match="'open' has no weights yet"):
        models.inherit_weights(model, unbuilt)
    with pytest.raises(ValueError, match=r"donor must be a Keras model.*given: list"):
        models.inherit_weights(model, model.get_weights())


def test_only_models_inherit():
    with pytest.raises(TypeError, match=r"model must be a keras\.Model; given: 3"):
        models.inherit_weights(3, {})
