"""A Keras network as a scikit-learn classifier."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from kerasopt.data import splits
from kerasopt.estimators import base

__all__ = ["KerasOptClassifier"]


class KerasOptClassifier(ClassifierMixin, base.KerasOptEstimator):
    """A Keras network as a scikit-learn classifier.

    A multilayer perceptron (Dense → activation (→ BatchNormalization) (→ Dropout)) or,
    by ``model``, any network of `kerasopt.models`, trained on the cross-entropy
    ``mean(-w ln p[class])``, where sample weights w are divided by their mean. Samples
    of weight 0 are left out.

    Nothing is scaled behind your back: put a `sklearn.preprocessing.StandardScaler`
    before it in a pipeline. The one exception is kerasopt's everywhere: uint8, pixels,
    is divided by 255.

    Every fit starts with a new network. Fits that differ only in learning rate, batch
    size, epochs, seed or samples share one compilation, so a grid of hundreds of small
    fits takes a minute or two; leave ``n_jobs`` at None, since TensorFlow uses all
    cores.

    Args:
        hidden_units: Width of the hidden layer, or of each: ``64``, ``(64, 32)``;
            ``()`` is logistic regression.
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
        patience: Stop when the loss on a cut of the samples hasn't improved for so many
            epochs, and bring back the weights of the best one. None trains all epochs
            on all samples.
        validation_fraction: Share of the samples in that cut, with every class in
            proportion.
        model: Instead of the perceptron: a name of `kerasopt.models.names`, or a dict
            with ``name`` and arguments, such as ``{"name": "cnn", "filters": [16,
            32]}`` for images of shape (n, height, width, channels).
        random_state: Integer for equal results on equal machines, None or a
            `numpy.random.RandomState`.
        verbose: 0 (silent), 1 (a bar an epoch) or 2 (a line an epoch).

    Attributes:
        classes_: The labels, sorted; the columns of `predict_proba`.
        model_: The trained `keras.Model`.
        history_: Table with one row an epoch: loss, accuracy and, with ``patience``,
            val_loss and val_accuracy.
        n_iter_: Epochs it trained.
        n_features_in_: Features of a sample (of images, the height).
        feature_names_in_: Names of the columns, if X was a table with names.
        input_shape_: Shape of a sample.

    Raises:
        ValueError: from `fit`, if a parameter is unknown or out of its range, there is
            one class only, or the loss becomes NaN (`kerasopt.training.DivergedError`).

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> x, y = load_iris(return_X_y=True)
        >>> network = KerasOptClassifier(epochs=50, random_state=0)
        >>> pipeline = make_pipeline(StandardScaler(), network).fit(x, y)
        >>> bool(pipeline.score(x, y) > 0.9)
        True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train a new network.

        Args:
            X: Samples, shape (n, features) or, for images, (n, height, width,
                channels); arrays or tables of numbers.
            y: Labels of any kind, shape (n,).
            sample_weight: Weights >= 0, shape (n,); all 1 by default. Their scale
                doesn't matter.

        Returns:
            The estimator.
        """
        X, y = validate_data(self, X, y, allow_nd=True)
        kinds = {type(each).__name__ for each in y.flat} if y.dtype == object else {""}
        if len(kinds) > 1:
            raise ValueError(
                f"y mixes labels of several types: {', '.join(sorted(kinds))}. Give "
                "texts alone or numbers alone, and drop samples without a label."
            )
        check_classification_targets(y)
        rows, weights = base.weights_of(sample_weight, X)
        x, y = base.as_input(X[rows]), y[rows]
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "A classifier needs samples of two classes or more; given: one class, "
                f"{self.classes_[0]!r}."
            )
        self._fit(
            x,
            labels.astype("int32"),
            weights,
            len(self.classes_),
            task="multiclass" if len(self.classes_) > 2 else "binary",
            loss="sparse_categorical_crossentropy",
            metrics=("accuracy",),
        )
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each sample, shape (n,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities, shape (n, classes), columns as in ``classes_``."""
        outputs = self._outputs(X)
        return outputs / outputs.sum(axis=1, keepdims=True)

    def _cut(self, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        size = splits.resolve_size(
            self.validation_fraction,
            total=len(y),
            what="validation_fraction",
            minimum=len(self.classes_),
        )
        return splits.stratified_split(self.classes_[y], size, seed)
