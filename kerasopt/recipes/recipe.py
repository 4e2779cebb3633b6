"""A recipe: names for each stage of a training, ready to run."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from kerasopt import checks, data, files, meanings, names, yaml_text
from kerasopt.data import recipe_fields
from kerasopt.recipes import budgets
from kerasopt.recipes.renamed import current_content, current_field
from kerasopt.recipes.schema import AUTO, RecipeSchema
from kerasopt.recipes.text import accuracy_text, mean_and_spread, parse
from kerasopt.training.spec import validate

if TYPE_CHECKING:
    import keras

    from kerasopt import diagnosis, training

__all__ = ["Recipe"]


class Recipe:
    """One choice for each stage: data, augmentation, model, optimizer, training.

    Args:
        content: The fields, as in a recipe file.

    Raises:
        ValueError: if a field is unknown or its value doesn't fit.

    Example:
        >>> recipe = Recipe({"name": "mine", "data": {"name": "digits"},
        ...                  "model": {"name": "mlp", "units": [32]}})
        >>> recipe = recipe.replace("training.epochs", 2)
        >>> recipe.training.epochs
        2
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        try:
            content = current_content(content)
        except RecursionError:
            raise ValueError(
                "A recipe holds a value that holds itself, or is nested too deeply."
            ) from None
        self._schema = validate(RecipeSchema, content, "")

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Recipe:
        """Read a recipe from a YAML file.

        Raises:
            ValueError: if the file can't be read, isn't YAML or isn't a recipe.
        """
        try:
            file = files.user_path(path, what="recipe")
            content = parse(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            # Only an OSError has it; its text would name the file once more.
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"Can't read the recipe '{path}': {reason}") from None
        if not isinstance(content, dict):
            raise ValueError(
                f"The recipe '{path}' must be a YAML mapping with the fields "
                f"{', '.join(RecipeSchema.model_fields)}."
            )
        return cls(content)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._schema, name)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return self._schema.model_dump(mode="json")

    def _chosen(self) -> dict[str, Any]:
        """Return the fields, without epochs that are left to `kerasopt.fit`."""
        content = self.to_dict()
        if "epochs" not in self.training.model_fields_set:
            del content["training"]["epochs"]
        return content

    def to_yaml(self) -> str:
        """Return the recipe as the text of a recipe file."""
        return yaml_text.dump(self.to_dict())

    def replace(self, field: str, value: Any) -> Recipe:
        """Return a recipe with one field changed; this one stays as it is.

        Args:
            field: Dotted, such as ``"optimizer.learning_rate"``. Setting
                ``"training.epochs"`` takes a time budget away.
            value: The new value.

        Raises:
            ValueError: if a recipe has no such field, or the value doesn't fit.
        """
        content = copy.deepcopy(self._chosen())
        # A changed recipe no longer has the result that was measured.
        content.pop("measured", None)
        field = current_field(checks.text("field", field))
        *path, last = field.split(".")
        target = content
        for depth, part in enumerate(path):
            inner = target.get(part)
            if inner is None and part in target:
                inner = target[part] = {}
            if isinstance(inner, str) and part in ("augment", "optimizer"):
                inner = target[part] = {"name": inner}
            if not isinstance(inner, dict):
                owner = ".".join(path[:depth]) or "a recipe"
                if part in target:
                    whole = ".".join(path[: depth + 1])
                    raise ValueError(
                        f"{field!r}: {whole!r} is {inner!r} here, without fields of "
                        f"its own; set {whole!r} itself."
                    )
                raise names.unknown(
                    f"field of {owner}",
                    part,
                    target,
                    meant=meanings.field_of(names.normalize(part)),
                )
            target = inner
        # Before the value is set, which may be a wrong one for from_budget itself.
        for fields in content["from_budget"].values():
            for changed in [*fields]:  # Else a long budget would undo it.
                if f"{changed}.".startswith(f"{field}."):
                    del fields[changed]
        target[last] = value
        if field == "training.epochs":
            target["budget"] = None  # Else the budget would still decide.
        return type(self)(content)

    def for_budget(self, dataset: Any = None) -> Recipe:
        """Return the recipe as its time budget changes it (``from_budget``).

        A few steps of the recipe's own network are timed on this machine, to see how
        many epochs the budget affords (`kerasopt.recipes.affordable_epochs`). Without a
        budget, or where nothing depends on it, the recipe stays as it is.

        Args:
            dataset: What it will be trained on; the recipe's own by default.

        Returns:
            A recipe without ``from_budget``: a resumed run doesn't decide again.

        Example:
            >>> recipe = Recipe({"name": "mine", "data": {"name": "digits"},
            ...                  "model": {"name": "mlp", "units": [32]},
            ...                  "training": {"budget": "10m"},
            ...                  "from_budget": {
            ...                      "from 5 epochs": {"model.units": [64]}}})
            >>> recipe.for_budget().model["units"]
            [64]
        """
        if not self.from_budget or self.training.budget is None:
            return self
        return budgets.decide(self, self.chosen_data(dataset))

    def alternatives(self) -> list[Recipe]:
        """Return every recipe that `for_budget` may return; the machine decides."""
        if not self.from_budget or self.training.budget is None:
            return [self]
        return budgets.alternatives(self)

    def check(self) -> None:
        """Raise `ValueError` for any mistake that shows without the data.

        Optimizer, schedule and augmentation are built, the model's name is
        looked up; its arguments show when it is built for the data.
        """
        for fields in self.from_budget.values():
            for field, value in fields.items():
                self.replace(field, value)
        # Here and in `run`, so that reading a recipe doesn't start TensorFlow.
        from kerasopt import augment, callbacks, losses, models, optimizers

        optimizer = optimizers.get(self._complete_optimizer())
        augment.split_standardization(augment.get(self.augment))
        if self.loss != AUTO:
            losses.get(self.loss)
        for callback in self.callbacks:
            callbacks.check_no_schedule(optimizer, callbacks.get(callback))
        if self.model["name"] not in models.names():
            raise names.unknown("model", self.model["name"], models.names())

    def load_data(self, *, data_dir: str | None = None) -> data.Dataset:
        """Load the recipe's dataset."""
        return recipe_fields.load_fields(self.data.model_dump(), data_dir=data_dir)

    def chosen_data(self, dataset: Any = None, *, data_dir: str | None = None) -> Any:
        """Return the data to train on: the given ones, or else the recipe's own.

        Args:
            dataset: What `kerasopt.fit` takes as data, or None.
            data_dir: Folder with the own dataset's files, where they can't be fetched.

        Returns:
            A `kerasopt.data.Dataset`.

        Raises:
            TypeError: if the given data are of another kind.
            ValueError: if the data don't fit, or can't be loaded.
        """
        if dataset is None:
            return self.load_data(data_dir=data_dir)
        if data_dir is not None:
            raise ValueError(
                f"data_dir={str(data_dir)!r} has no effect on data that are given. "
                "Leave one of the two out."
            )
        if isinstance(dataset, data.Dataset):
            return dataset
        return data.as_dataset(dataset, task=self.task or AUTO)

    def run(
        self,
        *,
        seed: int | None = None,
        dataset: Any = None,
        directory: str | os.PathLike[str] | None = None,
        data_dir: str | None = None,
        resume: bool = False,
        verbose: bool = True,
    ) -> training.Run:
        """Train the recipe's model and return the run.

        Args:
            seed: Instead of ``training.seed``.
            dataset: Instead of the recipe's own: a Dataset, or what `kerasopt.fit`
                takes as data.
            directory: Folder of the run; new below ``runs/`` by default.
            data_dir: Folder with the dataset's files, where they can't be fetched.
            resume: Go on with the interrupted run in ``directory``.
            verbose: Show progress on standard error.

        Returns:
            The finished `kerasopt.Run`.

        Raises:
            ValueError: if a field doesn't fit, or the data can't be had.
        """
        from kerasopt import training

        recipe = self
        if seed is not None:
            recipe = recipe._with_seed(seed)
        recipe.check()
        dataset = recipe.chosen_data(dataset, data_dir=data_dir)
        recipe = recipe.for_budget(dataset)
        return training.fit(
            lambda: recipe.build_model(dataset),
            dataset,
            optimizer=recipe.optimizer,
            loss=recipe.loss,
            augment=recipe.augment,
            callbacks=recipe.callbacks,
            settings=recipe.training,
            directory=directory,
            recipe=recipe.to_dict(),
            resume=resume,
            verbose=verbose,
            **recipe._task_settings("task", "metrics", "class_weight"),
        )

    def lr_range_test(
        self,
        *,
        low: float = 1e-6,
        high: float = 10.0,
        steps: int = 100,
        seed: int | None = None,
        dataset: Any = None,
        data_dir: str | None = None,
        verbose: bool = True,
    ) -> diagnosis.RateRange:
        """Find the learning rates that the recipe's model can be trained with.

        Args:
            low: First rate.
            high: Last rate.
            steps: Batches, one a rate.
            seed: Instead of ``training.seed``.
            dataset: Instead of the recipe's own: a Dataset, or what `kerasopt.fit`
                takes as data.
            data_dir: Folder with the dataset's files, where they can't be fetched.
            verbose: Show progress on standard error.

        Returns:
            What `kerasopt.diagnosis.lr_range_test` returns.

        Raises:
            ValueError: as there, or if the data can't be had.
        """
        import keras

        from kerasopt import diagnosis
        from kerasopt.training import random_state

        self.check()
        dataset = self.chosen_data(dataset, data_dir=data_dir)
        recipe = self.for_budget(dataset)
        seed = recipe.training.seed if seed is None else seed
        with random_state.kept():
            keras.utils.set_random_seed(seed)
            return diagnosis.lr_range_test(
                recipe.build_model(dataset),
                dataset,
                optimizer=recipe._complete_optimizer(),
                loss=recipe.loss,
                augment=recipe.augment,
                batch_size=recipe.training.batch_size,
                head_epochs=recipe.training.head_epochs,
                low=low,
                high=high,
                steps=steps,
                seed=seed,
                verbose=verbose,
                **recipe._task_settings("task", "class_weight"),
            )

    def measured_text(self) -> tuple[str, str, str]:
        """Return test accuracy, the same with views, and seconds: mean ± std (n).

        What wasn't measured is a dash.

        Example:
            >>> Recipe({"name": "a", "data": {"name": "digits"},
            ...         "model": {"name": "mlp"}}).measured_text()
            ('–', '–', '–')
        """
        if self.measured is None:
            return "–", "–", "–"
        views = self.measured.test_accuracy_tta
        return (
            accuracy_text(self.measured.test_accuracy),
            accuracy_text(views) if views else "–",
            mean_and_spread(self.measured.train_seconds, digits=0),
        )

    def _complete_optimizer(self) -> Any:
        """Return the optimizer with some length in its schedules: to be looked at."""
        from kerasopt import optimizers

        return optimizers.complete(
            self.optimizer, epochs=self.training.epochs, steps_per_epoch=1_000_000
        )

    def build_model(self, dataset: data.Dataset) -> keras.Model:
        """Build the recipe's model, new and uncompiled, for a dataset.

        Its output is that of the recipe's task or, for "auto", of the dataset's.
        """
        from kerasopt import models

        shape = {
            "input_shape": dataset.input_shape,
            "num_classes": dataset.num_classes,
        }
        task = None if self.task == AUTO else self.task
        task = task or getattr(dataset, "task", None) or "multiclass"
        return models.get({**shape, **self.model}, task=task)

    def _task_settings(self, *names: str) -> dict[str, Any]:
        """Return those of the task's fields that the recipe sets."""
        found = {name: getattr(self, name) for name in names}
        return {k: v for k, v in found.items() if v is not None and v != AUTO}

    def _with_seed(self, seed: int) -> Recipe:
        # Unlike `replace` this keeps the measured result, which speaks of seeds.
        content = self._chosen()
        content["training"]["seed"] = seed
        return type(self)(content)

    def __repr__(self) -> str:
        return f"Recipe({self.name!r})"
