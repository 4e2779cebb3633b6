"""What words of other libraries mean here, for the suggestions of error messages."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["FIELDS", "field_of", "in_python", "nearest"]

FIELDS = {
    "augment": ("augmentation", "augmentations", "data_augmentation", "transform"),
    "callbacks": ("callback",),
    "class_weight": ("class_weights", "weights", "balanced"),
    "loss": ("criterion", "loss_function", "loss_fn", "objective_function"),
    "metrics": ("metric",),
    "optimizer": ("optim", "optimiser"),
    "task": ("problem", "problem_type"),
    "data.name": ("dataset",),
    "data.size": ("samples", "max_samples", "num_samples"),
    "data.test": ("test_size", "test_split"),
    "data.validation": ("validation_split", "val_split", "validation_size", "val"),
    "model.activation": ("activations", "nonlinearity"),
    "model.batch_norm": ("batch_normalization", "batchnorm", "bn"),
    "model.dropout": ("dropout", "drop_rate", "dropout_rate"),
    "model.filters": ("filters", "channels", "conv_filters"),
    "model.kernel_initializer": ("initializer", "init", "initialization"),
    "model.l2": ("l2", "l2_regularization", "regularization", "kernel_regularizer"),
    "model.units": ("units", "hidden_units", "hidden_layer_sizes", "neurons"),
    "optimizer.learning_rate": (
        "learning_rate",
        "lr",
        "learning_rate_init",
        "max_lr",
        "schedule",
        "scheduler",
        "lr_schedule",
        "learning_rate_schedule",
    ),
    "optimizer.momentum": ("momentum",),
    "optimizer.weight_decay": ("weight_decay", "decay", "wd"),
    "optimizer.global_clipnorm": ("clipnorm", "grad_clip", "gradient_clipping"),
    "training.batch_size": ("batch", "batches", "batchsize", "bs", "minibatch"),
    "training.budget": ("time", "timeout", "max_time", "time_limit", "minutes"),
    "training.deterministic": ("reproducible", "determinism"),
    "training.devices": ("device", "gpu", "gpus", "strategy", "accelerator"),
    "training.epochs": ("epoch", "num_epochs", "n_epochs", "max_epochs", "max_iter"),
    "training.jit": ("jit_compile", "xla"),
    "training.patience": (
        "early_stopping",
        "early_stop",
        "earlystopping",
        "n_iter_no_change",
    ),
    "training.precision": ("mixed_precision", "dtype", "amp"),
    "training.seed": ("random_state", "random_seed", "rng"),
}
"""A recipe's field → words that people look for it by."""

_MEANINGS = {word: field for field, words in FIELDS.items() for word in words}


def field_of(word: str) -> str | None:
    """Return the field of a recipe that a word means, or None.

    Args:
        word: In lower case, with underscores.

    Example:
        >>> field_of("lr"), field_of("early_stopping"), field_of("colour")
        ('optimizer.learning_rate', 'training.patience', None)
    """
    return _MEANINGS.get(word)


def in_python(word: str) -> str | None:
    """Return how `kerasopt.fit` is given what a word means, or None.

    Args:
        word: In lower case, with underscores.

    Example:
        >>> in_python("batch"), in_python("lr")
        ('batch_size', 'optimizer={"name": "adam", "learning_rate": …}')
    """
    section, _, last = (field_of(word) or "").rpartition(".")
    if section == "optimizer":
        return f'optimizer={{"name": "adam", "{last}": …}}'
    if section == "model":
        return f"kerasopt.models.mlp(…, {last}=…)"
    if section == "data":
        return f"kerasopt.data.from_arrays(x, y, {last}=…)"
    return last or None


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return which of the choices a word means, or None.

    Args:
        word: In lower case, with underscores.
        choices: Names of fields, without their sections.

    Example:
        >>> nearest("lr", ["momentum", "learning_rate"])
        'learning_rate'
    """
    last = (field_of(word) or "").rpartition(".")[2]
    return last if last in choices else None
