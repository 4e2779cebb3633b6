"""For those who drive keras-tuner themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner

from kerasopt import augment as augmentations
from kerasopt import callbacks, checks, losses, models, optimizers, recipes
from kerasopt.console import Console
from kerasopt.data import Dataset
from kerasopt.recipes import Recipe
from kerasopt.training import (
    Trainer,
    compiling,
    image_sizes,
    preparation,
    random_state,
)
from kerasopt.training.batches import Feed
from kerasopt.training.spec import TrainingSpec
from kerasopt.tuning.fields import default_space, with_values
from kerasopt.tuning.space import Space, SpaceLike

__all__ = ["RecipeHyperModel", "build_model"]


def build_model(
    hp: keras_tuner.HyperParameters,
    *,
    input_shape: Sequence[int] = (28, 28, 1),
    num_classes: int = 10,
) -> keras.Model:
    """Build a compiled classifier with keras-tuner's choices of width, depth and rate.

    Its fields: ``hidden_layers`` 1 to 3, ``units`` 16 to 256 (doubling), ``activation``
    relu or tanh, with the initializer that fits it, ``dropout`` 0 to 0.5 and
    ``learning_rate`` 1e-4 to 1e-2 of Adam.

    Args:
        hp: keras-tuner's choices.
        input_shape: Shape of one sample; MNIST's by default. For another one give
            ``functools.partial(build_model, input_shape=…, num_classes=…)``.
        num_classes: Number of classes; 10 by default.

    Returns:
        A compiled `keras.Model` for integer labels, with the metric "accuracy".

    Example:
        >>> model = build_model(keras_tuner.HyperParameters())
        >>> type(model.optimizer).__name__, model.count_params()
        ('Adam', 12730)
    """
    kind = keras_tuner.HyperParameters
    checks.instance("hp", hp, kind, "a keras_tuner.HyperParameters")
    activation = hp.Choice("activation", ["relu", "tanh"])
    layers = hp.Int("hidden_layers", 1, 3)
    units = hp.Int("units", 16, 256, step=2, sampling="log")
    network = models.mlp(
        input_shape=input_shape,
        num_classes=num_classes,
        units=[units] * layers,
        activation=activation,
        # He's variance suits ReLU, Glorot's tanh (docs/theory.md).
        kernel_initializer="he_normal" if activation == "relu" else "glorot_uniform",
        dropout=hp.Float("dropout", 0.0, 0.5, step=0.1),
    )
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    network.compile(
        optimizer=optimizers.get({"name": "adam", "learning_rate": rate}),
        loss=losses.get("auto", labels=[0]),
        metrics=["accuracy"],
    )
    return network


class RecipeHyperModel(keras_tuner.HyperModel):
    """A recipe as keras-tuner's HyperModel, which also tunes how it is trained.

    `build` gives the recipe's model, compiled with its optimizer and in its precision;
    `fit` trains it on the recipe's batches, augmented, in the batch size that is being
    tried, with the recipe's callbacks and early stopping.

    Args:
        recipe: What `kerasopt.recipes.load` gives or takes.
        space: As in `kerasopt.tuning.search`, with the same default.
        dataset: Instead of the recipe's own.

    Raises:
        ValueError: if a field or value of the space doesn't fit the recipe, or the
            recipe trains for a time.

    Example:
        >>> import kerasopt as ko
        >>> small = ko.data.load("digits", size=200)
        >>> hypermodel = RecipeHyperModel(
        ...     "digits", {"training.batch_size": [32, 64]}, dataset=small)
        >>> hp = keras_tuner.HyperParameters()
        >>> hypermodel.build(hp).count_params() > 0, hp.values
        (True, {'training.batch_size': 64})
    """

    def __init__(
        self,
        recipe: Recipe | str,
        space: SpaceLike | None = None,
        *,
        dataset: Dataset | None = None,
    ) -> None:
        super().__init__()
        recipe = recipe if isinstance(recipe, Recipe) else recipes.load(recipe)
        self.recipe = recipe
        if self.recipe.training.budget is not None:
            raise ValueError(
                f"The recipe {recipe.name!r} trains for a time "
                f"({recipe.training.budget!r}), and keras-tuner counts epochs: set "
                "training.epochs."
            )
        self.space = Space.read(default_space(self.recipe) if space is None else space)
        self.space.check(self.recipe)
        self.dataset = self.recipe.chosen_data(dataset)

    def recipe_for(self, hp: keras_tuner.HyperParameters) -> Recipe:
        """Return the recipe with keras-tuner's choices, such as the best ones."""
        return with_values(self.recipe, self.space.declare(hp, self.recipe))

    @random_state.kept()
    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Build and compile the recipe's model with keras-tuner's choices."""
        spec = self._spec(self.recipe_for(hp))
        console = Console(quiet=True)
        return preparation.prepare(spec, self.dataset, console=console).model

    def _spec(self, recipe: Recipe) -> TrainingSpec:
        return TrainingSpec(
            lambda: recipe.build_model(self.dataset),
            optimizer=recipe.optimizer,
            loss=recipe.loss,
            augment=recipe.augment,
            settings=recipe.training,
        )

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *args: Any,
        **kwargs: Any,
    ) -> Mapping[str, Any]:
        """Train on the data that `search` was given, or else on the recipe's own.

        Args:
            hp: keras-tuner's choices.
            model: What `build` returned.
            *args: What `search` was given; with none, the recipe's batches are used.
            **kwargs: Likewise; ``epochs`` are the recipe's by default.

        Returns:
            Keras's history.
        """
        recipe, settings = self.recipe_for(hp), self.recipe_for(hp).training
        kwargs = {"epochs": settings.epochs, "verbose": 0, **kwargs}
        if args or "x" in kwargs:
            kwargs.setdefault("batch_size", settings.batch_size)
            return model.fit(*args, **kwargs)
        watchers = [callbacks.get(each) for each in recipe.callbacks]
        watchers += kwargs.pop("callbacks", [])
        if settings.patience is not None:
            watchers.append(
                keras.callbacks.EarlyStopping(
                    settings.monitor,
                    patience=settings.patience,
                    restore_best_weights=True,
                )
            )
        # The labels have the form that this model takes and its augmentation mixes.
        feed = compiling.choose(self._spec(recipe), Feed(self.dataset), model).feed
        augmentation, _ = augmentations.split_standardization(
            augmentations.get(recipe.augment)
        )
        epochs = kwargs.pop("epochs")
        steps = feed.steps_per_epoch(settings) or 1
        with_epochs = settings.model_copy(update={"epochs": epochs})
        trainer = Trainer(
            model,
            feed.training(
                settings,
                augmentation=augmentation,
                image_size=image_sizes.by_step(with_epochs, steps),
            ),
            feed.evaluation("validation", settings),
            epochs=epochs,
            callbacks=watchers,
            verbose=kwargs.pop("verbose"),
        )
        first = kwargs.pop("initial_epoch", 0)
        for unknown in kwargs:
            raise ValueError(
                f"{unknown!r} has no effect on a recipe's own batches: leave it out, "
                "or give search(x, y, …) the data."
            )
        return trainer.run(first)
