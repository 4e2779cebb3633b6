"""kerasopt.scratch.neuron: the chain rule against difference quotients."""

import numpy as np
import pytest
from scipy import special

from kerasopt.scratch import gradients, neuron

NEURON = np.random.default_rng(0)
W_COLUMN, X_COLUMN = NEURON.normal(size=(5, 1)), NEURON.normal(size=(5, 1))


def test_linear_combination_is_a_number():
    with pytest.raises(ValueError, match="not aligned"):
        np.dot(W_COLUMN, X_COLUMN)
    z = neuron.linear_combination(W_COLUMN, X_COLUMN, 0.1)
    assert isinstance(z, float)
    assert z == pytest.approx(np.vdot(W_COLUMN, X_COLUMN) + 0.1)


@pytest.mark.parametrize("y", [0, 1, 0.3])
def test_backward_pass_is_the_slope_of_the_halved_square(y):
    def loss(vector):
        z = vector[:5] @ X_COLUMN[:, 0] + vector[5]
        return (special.expit(z) - y) ** 2 / 2

    numeric = gradients.numeric_gradient(loss, np.append(W_COLUMN, 0.1))
    dL_dw, dL_db = neuron.backward_pass(W_COLUMN, X_COLUMN, 0.1, y)
    assert dL_dw.shape == (5, 1)
    assert isinstance(dL_db, float)
    np.testing.assert_allclose(np.append(dL_dw, dL_db), numeric, rtol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (W_COLUMN[:, 0], X_COLUMN[:, 0], 0.1),
            r"columns of one shape.*\(5,\).*reshape",
        ),
        ((W_COLUMN, X_COLUMN[:4], 0.1), r"w with \(5, 1\), x with \(4, 1\)"),
        ((W_COLUMN.T, X_COLUMN.T, 0.1), r"w with \(1, 5\)"),
        ((W_COLUMN, X_COLUMN, np.ones((1, 1))), r"b must have shape \(\)"),
        ((W_COLUMN, X_COLUMN, np.nan), "b must be finite"),
    ],
)
def test_bad_neuron(arguments, message):
    with pytest.raises(ValueError, match=message):
        neuron.linear_combination(*arguments)
    with pytest.raises(ValueError, match=message):
        neuron.backward_pass(*arguments, 1.0)
