"""The Keras contenders of the race, each in a process of its own.

``recipe`` trains a recipe of kerasopt. ``listing`` is a textbook chapter's CIFAR-10
project the way it is printed, flaws included: it stops early on the test data, and
``steps_per_epoch`` leaves one batch over, which Keras takes for an epoch of its own.
`kerasopt.benchmarks.race` runs them and says what is compared; this command prints a
line an epoch to stderr and the result as JSON to stdout::

    python -m kerasopt.benchmarks.race_keras listing --arrays cifar10.npz
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasopt import augment, data, models, recipes, training
from kerasopt.data import pipeline

__all__ = ["Clock", "chapter_model", "listing", "main", "recipe"]

Arrays = Mapping[str, np.ndarray]


class Clock(keras.callbacks.Callback):
    """Notes accuracy and training seconds after every epoch.

    Args:
        label: What the progress lines start with.
        accuracy: Function of the model that measures its test accuracy; the clock
            stands still meanwhile. None takes the epoch's ``val_accuracy``, whose
            time then counts as training.
        budget: Stop after the epoch that passes this many seconds, or None.

    Example:
        >>> clock = Clock("fit", accuracy=lambda model: 0.5)
        >>> clock.on_epoch_end(0)
        >>> clock.rows[0]["accuracy"]
        0.5
    """

    def __init__(
        self,
        label: str,
        *,
        accuracy: Callable[[keras.Model], float] | None = None,
        budget: float | None = None,
    ) -> None:
        super().__init__()
        self.label = label
        self.accuracy = accuracy
        self.budget = budget
        self.rows: list[dict[str, Any]] = []
        self._steps = 0
        self._stood = 0.0
        self._started = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds since the clock was made, less those it stood still."""
        return time.perf_counter() - self._started - self._stood

    def on_epoch_begin(
        self, epoch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Count the steps anew."""
        self._steps = 0

    def on_train_batch_end(
        self, batch: int, logs: Mapping[str, float] | None = None
    ) -> None:
        """Count."""
        self._steps = batch + 1  # Several at a time under steps_per_execution.

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note a row, and stop if the time is over."""
        trained, measured = self.seconds(), 0.0
        if self.accuracy is None:
            reached = float((logs or {})["val_accuracy"])
        else:
            reached = self.accuracy(self.model)
            measured = self.seconds() - trained
            self._stood += measured
        self.rows.append(
            {
                "epoch": epoch + 1,
                "steps": self._steps,
                "train_seconds": trained,
                "measure_seconds": measured,
                "accuracy": reached,
            }
        )
        text = f"{self.label}: epoch {epoch + 1}, {reached:.2%}, {trained:.0f} s"
        print(text, file=sys.stderr, flush=True)
        if self.budget is not None and trained >= self.budget:
            self.model.stop_training = True


def recipe(
    arrays: Arrays,
    *,
    name: str,
    seed: int = 0,
    epochs: int | None = None,
    budget: float | None = None,
) -> dict[str, Any]:
    """Train a recipe of kerasopt; measure the test set after every epoch.

    The measurements are for the clock alone: nothing is chosen by them. They take
    the images as they are; the one at the end has the recipe's views besides.

    Args:
        arrays: ``x_train``, ``y_train``, ``x_test`` and ``y_test``; uint8 images.
        name: The recipe's name or file.
        seed: Instead of its seed.
        epochs: Instead of its epochs.
        budget: Stop after the epoch that passes this many seconds.
    """
    chosen = recipes.load(name)
    dataset = data.from_arrays(
        arrays["x_train"],
        arrays["y_train"],
        test=(arrays["x_test"], arrays["y_test"]),
        validation=0,
    )
    if epochs is not None:
        chosen = chosen.replace("training.epochs", epochs)
    if chosen.training.budget is not None:
        raise ValueError(
            f"The recipe {name!r} trains by the clock, which measurements between the "
            "epochs would use up: name a number of epochs."
        )
    settings = {**chosen.training.model_dump(), "seed": seed}
    shape = {"input_shape": dataset.input_shape, "num_classes": dataset.num_classes}

    def accuracy(model: keras.Model) -> float:
        found = pipeline.predict(model, arrays["x_test"])
        return float(np.mean(found.argmax(axis=1) == arrays["y_test"]))

    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(f"kerasopt seed {seed}", accuracy=accuracy, budget=budget)
        run = training.fit(
            lambda: models.get({**shape, **chosen.model}),
            dataset,
            optimizer=chosen.optimizer,
            loss=chosen.loss,
            augment=chosen.augment,
            callbacks=[*chosen.callbacks, clock],
            directory=os.path.join(folder, "run"),
            verbose=False,
            **settings,
        )
        plain = run.metrics["test_accuracy"]
        # Views, report and saved model included.
        finishing = run.metrics["total_seconds"] - run.metrics["train_seconds"]
        return {
            "rows": clock.rows,
            "accuracy": run.metrics.get("test_accuracy_tta", plain),
            "seconds": clock.rows[-1]["train_seconds"] + finishing,
            "precision": run.metrics["precision"],
            "versions": run.environment["packages"],
        }


def chapter_model() -> keras.Model:
    """Return the chapter's network of 358,218 parameters.

    Example:
        >>> chapter_model().count_params()
        358218
    """
    layers = keras.layers
    relu = {"activation": "relu", "kernel_initializer": "he_normal"}
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(32, 3, **relu),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, **relu),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Conv2D(128, 3, **relu),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(128, **relu),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def listing(
    arrays: Arrays,
    *,
    seed: int = 0,
    epochs: int | None = None,
    budget: float | None = None,
    batch_size: int = 32,
) -> dict[str, Any]:
    """Train the chapter's project as printed.

    Args:
        arrays: ``x_train``, ``y_train``, ``x_test`` and ``y_test``; uint8 images.
        seed: Of Keras, NumPy and Python.
        epochs: At most so many; 100 as printed.
        budget: Stop after the epoch that passes this many seconds.
        batch_size: Images in a step.
    """
    keras.utils.set_random_seed(seed)
    x_train = arrays["x_train"].astype("float32") / 255
    x_test = arrays["x_test"].astype("float32") / 255
    clock = Clock(f"listing seed {seed}", budget=budget)
    generator = augment.image_data_generator(
        rotation_range=20,
        width_shift_range=0.2,
        height_shift_range=0.2,
        horizontal_flip=True,
        vertical_flip=True,
        zoom_range=0.2,
    )
    model = chapter_model()
    model.compile(
        keras.optimizers.Adam(learning_rate=0.001),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    stopping = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    model.fit(
        generator.flow(x_train, arrays["y_train"], batch_size=batch_size),
        # One batch less than the iterator has, so every other epoch is that batch.
        steps_per_epoch=len(x_train) // batch_size,
        epochs=100 if epochs is None else epochs,
        validation_data=(x_test, arrays["y_test"]),
        callbacks=[stopping, clock],
        verbose=0,
    )
    _, accuracy = model.evaluate(x_test, arrays["y_test"], verbose=0)
    return {
        "rows": clock.rows,
        "accuracy": float(accuracy),
        "seconds": clock.seconds(),
        "precision": "float32",
        "versions": {"keras": keras.__version__},
    }


def main() -> None:
    """Read the command line, run one contender, print its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contender", choices=["recipe", "listing"])
    parser.add_argument("--arrays", required=True, help="the .npz file of the images")
    parser.add_argument("--recipe", default="cifar10-94")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--budget", type=float, help="seconds")
    options = parser.parse_args()
    with np.load(options.arrays, allow_pickle=False) as saved:
        arrays = dict(saved)
    caps = {"epochs": options.epochs, "budget": options.budget, "seed": options.seed}
    if options.contender == "recipe":
        result = recipe(arrays, name=options.recipe, **caps)
    else:
        result = listing(arrays, **caps)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
