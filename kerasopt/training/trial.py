"""A training that only serves to be compared: no test, no report, no model file.

A search trains dozens of models to look at their validation results. What a run does
besides (environment, test, report, TensorBoard) takes seconds; so does compiling.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from kerasopt.console import Console
from kerasopt.training import features, placement, preparation, run_folder, saving
from kerasopt.training.batches import Feed
from kerasopt.training.compile_cache import CompileCache
from kerasopt.training.compiled import free_kernels
from kerasopt.training.session import Session
from kerasopt.training.spec import TrainingSpec
from kerasopt.training.trainer import Trainer, keeps_averages

__all__ = ["TrainedTrial", "train_trial"]


@dataclass(frozen=True, eq=False)
class TrainedTrial:
    """What a trial's training gave.

    Attributes:
        measures: Loss and metrics, those of the validation data with ``val_``, of the
            weights that are kept: the best epoch's with patience, else the last one's;
            where averages replace them in the end, the validation measures are those
            of these.
        history: One row an epoch.
        seconds: Time of the training, parts before an interruption included.
        parameters: Number of parameters of the model.
        precision: Dtype policy that was trained in; what "auto" came to.
        network: The trained model; the next trial may take it over.
    """

    measures: dict[str, float]
    history: list[dict[str, float]]
    seconds: float
    parameters: int
    precision: str
    network: keras.Model

    @property
    def epochs(self) -> int:
        """Epochs that were trained."""
        return len(self.history)


def train_trial(
    spec: TrainingSpec,
    feed: Feed,
    folder: Path,
    *,
    watchers: Sequence[keras.callbacks.Callback] = (),
    cache: CompileCache | None = None,
) -> TrainedTrial:
    """Train, and measure on validation data alone.

    Resumes from the folder's checkpoint, if there is one.

    Args:
        spec: The training. With callbacks or several devices nothing compiled is
            shared.
        feed: The data.
        folder: Where history and checkpoint go.
        watchers: Callbacks that only watch, and may stop the training.
        cache: Compiled models that may be used again.

    Returns:
        A `TrainedTrial`.

    Raises:
        ValueError: as `kerasopt.fit`, `DivergedError` included.

    Example:
        >>> import tempfile
        >>> import kerasopt as ko
        >>> from kerasopt.training import TrainingSettings
        >>> digits = ko.data.load("digits", size=200)
        >>> trial = train_trial(
        ...     TrainingSpec(
        ...         lambda: ko.models.mlp(input_shape=(8, 8, 1), num_classes=10),
        ...         settings=TrainingSettings(epochs=2)),
        ...     Feed(digits), Path(tempfile.mkdtemp()))
        >>> trial.epochs, sorted(trial.measures)
        (2, ['accuracy', 'loss', 'val_accuracy', 'val_loss'])
    """
    started = time.perf_counter()
    quiet = Console(quiet=True)
    if spec.callbacks or spec.settings.budget is not None:
        spec = replace(spec, compile_key=None)
    ready = preparation.prepare(
        spec, feed.dataset, console=quiet, feed=feed, cache=cache
    )
    if spec.prepare_weights is not None:
        spec.prepare_weights(ready.model)
    budget = preparation.time_budget(ready, started, quiet)
    saved = folder / run_folder.CHECKPOINT
    with placement.on(ready.strategy):
        begun = features.begin(ready, quiet, resumed=saved, budget=budget)
        session = Session(begun, folder, quiet, budget=budget, watchers=watchers)
        session.run(resume=saved.is_file())
        measures = _kept_measures(session)
    if cache is None or spec.compile_key is None:
        free_kernels()  # Those of shared steps are used again.
    return TrainedTrial(
        measures=measures,
        history=session.log.rows,
        seconds=session.checkpoint.seconds + time.perf_counter() - started,
        parameters=saving.num_parameters(ready.model),
        precision=ready.settings.precision or "float32",
        network=ready.model,
    )


def _kept_measures(session: Session) -> dict[str, float]:
    """Return the measures of the epoch whose weights are kept."""
    row = session.log.rows[session.summary()["kept_epoch"] - 1]
    measures = {
        name: float(value)
        for name, value in row.items()
        if name not in ("epoch", "learning_rate", "seconds")
    }
    if not _weights_were_replaced(session):
        return measures
    ready = session.ready
    source = ready.feed.evaluation("validation", ready.settings)
    if source is None:
        return measures
    trainer = Trainer(ready.model, source, epochs=1, steps=ready.steps)
    measured = trainer.measure(source)
    return measures | {f"val_{name}": value for name, value in measured.items()}


def _weights_were_replaced(session: Session) -> bool:
    """Say whether the last epoch was measured with other weights than are left."""
    averaged = keeps_averages(session.ready.model.optimizer)
    return bool(session.ready.callbacks) or (averaged and not session.early_stopping)
