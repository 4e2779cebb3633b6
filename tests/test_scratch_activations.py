"""kerasopt.scratch.activations: against SciPy and difference quotients."""

import keras
import numpy as np
import pytest
from scipy import differentiate, special

from kerasopt.scratch import activations

Z = np.linspace(-6, 6, 61) + 0.03


@pytest.mark.parametrize(
    ("name", "oracle"),
    [("sigmoid", special.expit), ("tanh", np.tanh), ("relu", keras.ops.relu)],
)
def test_value(name, oracle):
    g = getattr(activations, name)
    z = np.concatenate([Z, [-1000, -40, 0, 40, 1000]])
    np.testing.assert_allclose(g(z), np.asarray(oracle(z)), rtol=1e-14)
    np.testing.assert_allclose(g(Z.reshape(1, -1))[0], g(Z))


def test_softmax_runs_over_axis_0():
    z = np.random.default_rng(0).normal(0, 4, (5, 7))
    np.testing.assert_allclose(
        activations.softmax(z), special.softmax(z, axis=0), rtol=1e-14
    )
    np.testing.assert_allclose(activations.softmax(z).sum(axis=0), 1)
    large = np.array([[1000.0, -1000.0], [999.0, 1000.0]])
    np.testing.assert_allclose(
        activations.softmax(large), special.softmax(large, axis=0), rtol=1e-14
    )


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_both_derivatives_are_the_slope(name):
    g = getattr(activations, name)
    slope = differentiate.derivative(g, Z, initial_step=0.01).df
    on_z = getattr(activations, f"{name}_derivative")
    on_a = getattr(activations, f"{name}_derivative_from_activation")
    np.testing.assert_allclose(on_z(Z), slope, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(on_a(g(Z)), slope, rtol=1e-7, atol=1e-12)


def test_softmax_jacobian_is_the_slope():
    z = np.random.default_rng(0).normal(size=4)
    slope = differentiate.jacobian(activations.softmax, z).df
    np.testing.assert_allclose(activations.softmax_derivative(z), slope, rtol=1e-8)
    columns = np.stack([z, z[::-1]], axis=1)
    jacobians = activations.softmax_derivative(columns)
    assert jacobians.shape == (4, 4, 2)
    np.testing.assert_allclose(jacobians[:, :, 0], slope, rtol=1e-8)
    np.testing.assert_allclose(
        jacobians[:, :, 1], differentiate.jacobian(activations.softmax, z[::-1]).df
    )


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("z", [-1000.0, 1000.0])
def test_extremes_are_finite_and_silent(name, z):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for function in (name, f"{name}_derivative"):
            assert np.isfinite(getattr(activations, function)(np.array(z)))


def test_derivatives_keep_their_digits_in_the_tails():
    # e⁻⁴⁰ and 4e⁻⁴⁰, whereas 1 - a and 1 - a² round to 0.
    z = np.array([-40.0, 40.0])
    np.testing.assert_allclose(activations.sigmoid_derivative(z), np.exp(-40))
    np.testing.assert_allclose(activations.tanh_derivative(z / 2), 4 * np.exp(-40))


def test_the_sigmoid_rule_for_activations_is_wrong_on_z():
    slope = differentiate.derivative(special.expit, 0.5).df
    rule = activations.sigmoid_derivative_from_activation
    assert rule(special.expit(0.5)) == pytest.approx(slope)
    assert rule(0.5) != pytest.approx(slope, rel=0.05)
    assert activations.sigmoid_derivative(0.5) == pytest.approx(slope)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "softmax"])
def test_activation_rules_refuse_what_is_no_activation(name):
    rule = getattr(activations, f"{name}_derivative_from_activation")
    with pytest.raises(ValueError, match=rf"activations of {name}.*Pass {name}\(z\)"):
        rule(np.array([-2.0, 1.5]))


def test_softmax_refuses_rows_and_scalars():
    rows = activations.softmax(np.random.default_rng(0).normal(size=(3, 4))).T
    with pytest.raises(ValueError, match="sum to 1 over axis 0"):
        activations.softmax_derivative_from_activation(rows)
    with pytest.raises(ValueError, match="axis of classes"):
        activations.softmax(1.0)


@pytest.mark.parametrize("name", activations.__all__)
@pytest.mark.parametrize(
    ("z", "message"), [([1, 2], "hold floats"), ([0.5, np.nan], "must be finite")]
)
def test_bad_input(name, z, message):
    with pytest.raises(ValueError, match=message):
        getattr(activations, name)(np.array(z))


@pytest.mark.parametrize("name", activations.__all__)
def test_float32_stays_float32_and_inputs_unchanged(name):
    z = np.array([0.25, 0.75], "float32")
    assert getattr(activations, name)(z).dtype == "float32"
    np.testing.assert_array_equal(z, np.array([0.25, 0.75], "float32"))
