"""A Keras network as a scikit-learn regressor."""

from __future__ import annotations

from typing import Any, Self

import keras
import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import validate_data

from kerasopt.estimators import base

__all__ = ["KerasOptRegressor"]


class KerasOptRegressor(MultiOutputMixin, RegressorMixin, base.KerasOptEstimator):
    """A Keras network as a scikit-learn regressor.

    A multilayer perceptron (Dense → activation (→ BatchNormalization) (→ Dropout)) or,
    by ``model``, any network of `kerasopt.models`, with a linear output, trained on the
    mean squared error ``mean(w (y - p)²)``, where sample weights w are divided by their
    mean. Samples of weight 0 are left out.

    Targets are standardised for the training (mean 0, standard deviation 1 over the
    weighted samples of `fit`); `model_` and `predict` answer in y's own unit. X is left
    alone, except pixels (`kerasopt.data.pixels`): put a
    `sklearn.preprocessing.StandardScaler` before the estimator in a pipeline.

    Every fit starts with a new network; fits share compilations as those of
    `KerasOptClassifier` do.

    Args:
        hidden_units: Width of the hidden layer, or of each: ``64``, ``(64, 32)``;
            ``()`` is linear regression.
        learning_rate: A number > 0, a dict for `kerasopt.schedules.get`, or None: the
            one of the optimizer. 0.001 by default.
        batch_size: Samples in a step.
        epochs: Passes over the samples, the most if there is ``patience``.
        optimizer: A name of `kerasopt.optimizers.names`, or a dict with ``name`` and
            arguments.
        activation: Keras name of the hidden activation.
        dropout: Drop rate in [0, 1) after every hidden layer, or one a layer.
        l1: Factor of ``sum(|w|)`` over the hidden kernels.
        l2: Factor of ``sum(w ** 2)`` over the hidden kernels.
        batch_norm: False, True (after the activation) or ``"before_activation"``.
        patience: Stop when the loss on a random cut of the samples hasn't improved for
            so many epochs, and bring back the weights of the best one. None trains all
            epochs on all samples.
        validation_fraction: Share of the samples in that cut.
        model: Instead of the perceptron: a name of `kerasopt.models.names`, or a dict
            with ``name`` and arguments; its softmax gives way to a linear layer.
        random_state: Integer for equal results on equal machines, None or a
            `numpy.random.RandomState`.
        verbose: 0 (silent), 1 (a bar an epoch) or 2 (a line an epoch).

    Attributes:
        model_: The trained `keras.Model`.
        history_: Table with one row an epoch: loss and, with ``patience``, val_loss.
            Losses are those of the standardised targets.
        n_iter_: Epochs it trained.
        n_features_in_: Features of a sample (of images, the height).
        feature_names_in_: Names of the columns, if X was a table with names.
        input_shape_: Shape of a sample.

    Raises:
        ValueError: from `fit`, if a parameter is unknown or out of its range, or the
            loss becomes NaN (`kerasopt.training.DivergedError`).

    Example:
        >>> x = np.linspace(-1, 1, 200)[:, None]
        >>> network = KerasOptRegressor(learning_rate=0.01, random_state=0)
        >>> bool(network.fit(x, x[:, 0] ** 2).score(x, x[:, 0] ** 2) > 0.9)
        True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network.

        Args:
            X: Samples, shape (n, features) or, for images, (n, height, width,
                channels); arrays or tables of numbers.
            y: Targets, shape (n,) or (n, targets).
            sample_weight: Weights >= 0, shape (n,); all 1 by default. Their scale
                doesn't matter.

        Returns:
            The estimator.
        """
        X, y = validate_data(
            self, X, y, allow_nd=True, multi_output=True, y_numeric=True
        )
        if y.dtype.kind not in "buif":
            raise ValueError(f"y must hold numbers; given: dtype {y.dtype}.")
        rows, weights = base.weights_of(sample_weight, X)
        self._is_flat = y.ndim == 1
        targets = base.as_float32("y", y.reshape(len(y), -1)[rows])
        scaler = StandardScaler().fit(targets, sample_weight=weights)
        self._fit(
            base.as_input(X[rows]),
            scaler.transform(targets),
            weights,
            targets.shape[1],
            task="regression",
            loss="mean_squared_error",
        )
        _answer_in_units(self.model_, scaler)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions, shape (n,) or (n, targets), as y was."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._is_flat else outputs

    def _network(
        self, spec: dict[str, Any], shape: tuple[int, ...], num_outputs: int
    ) -> keras.Model:
        classifier = super()._network(spec, shape, 2)
        # What comes after the last kernel makes scores probabilities.
        last = [each for each in classifier.layers if hasattr(each, "kernel")][-1]
        outputs = keras.layers.Dense(num_outputs, dtype="float32", name="targets")
        return keras.Model(classifier.input, outputs(last.input), name=classifier.name)


def _answer_in_units(model: keras.Model, scaler: StandardScaler) -> None:
    """Let a model of standardised targets predict the targets themselves.

    Its last layer is linear, so its weights take the scale: the model needs no other.
    """
    layer = model.layers[-1]
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * scaler.scale_, bias * scaler.scale_ + scaler.mean_])
