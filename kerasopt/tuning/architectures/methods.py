"""The two ways of an architecture search: regularized evolution and Hyperband."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasopt import files
from kerasopt.models import inherit_weights, weights_by_path
from kerasopt.training import run_folder
from kerasopt.tuning import folder as folders
from kerasopt.tuning.architectures import evolution
from kerasopt.tuning.architectures.evolution import Architecture, GeneSpace, Individual
from kerasopt.tuning.architectures.networks import Networks
from kerasopt.tuning.searches.settings import SearchSettings
from kerasopt.tuning.searches.worker import Work
from kerasopt.tuning.trials import (
    RESULT,
    TRIALS,
    VALUES,
    OutOfTime,
    Trials,
    failure,
    forget_checkpoints,
    recorded,
)

__all__ = ["Evolution", "Hyperband"]

WEIGHTS = "weights.npz"
FAILURES_AT_FIRST = 5
"""So many failed trials, none other before them, are enough to see that all will."""
FAILURES_IN_A_ROW = 20
"""And so many later on, such as where the disk is full."""


@dataclass
class Evolution:
    """Regularized evolution, in the folder of the search."""

    networks: Networks
    space: GeneSpace
    folder: Path
    clock: folders.FolderDeadline
    tell: Callable[[Mapping[str, Any]], None]
    records: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings = self.networks.settings
        self.trials = Trials(self.networks.dataset, self.folder, self.clock)

    def run(self) -> None:
        """Train one network after the other; what is recorded isn't trained again."""
        most = self.settings.trial_limit
        while (most is None or len(self.records) < most) and not self._is_hopeless():
            trial = len(self.records)
            record = recorded(self._place(trial))
            if record is None:
                record = self._train(trial)
                self.records.append(record)
                self._forget_the_dead()
                self.tell(record)
            else:
                self.records.append(record)

    def _is_hopeless(self) -> bool:
        failed = [record["status"] == "failed" for record in self.records]
        return len(failed) >= FAILURES_AT_FIRST and all(failed[-FAILURES_IN_A_ROW:])

    def _place(self, trial: int) -> Path:
        return self.folder / TRIALS / f"{trial:04d}"

    def _train(self, trial: int) -> dict[str, Any]:
        if self.clock.is_over:
            raise OutOfTime
        # A generator for each trial: a resumed search draws what it would have drawn.
        rng = np.random.default_rng([self.settings.seed, trial])
        architecture, parent = evolution.propose(
            self.space,
            self._population(),
            rng,
            size=self.settings.population,
            sample=self.settings.sample,
            fits=self.networks.fits,
        )
        if architecture is None:
            raise self.networks.none_fits()
        place = self._place(trial)
        values = {"model": self.networks.spec(architecture)}
        # Known before the trial ends, so that an unfinished one can be told, too.
        run_folder.write_json(place / VALUES, values)
        record = {"trial": trial, "values": values, "parent": parent and parent.trial}
        try:
            record |= self._trained(trial, architecture, parent)
        except Exception as error:  # Whatever it is: the other trials continue.
            record |= failure(error)
        run_folder.write_json(place / RESULT, record)
        forget_checkpoints(place)
        return record

    def _trained(
        self, trial: int, architecture: Architecture, parent: Individual | None
    ) -> dict[str, Any]:
        place = self._place(trial)
        donor = self._weights(parent)
        # Not the parent's order of batches and augmentation all over again.
        seeds = np.random.SeedSequence([self.settings.seed, trial, 1])

        def prepare(model: keras.Model) -> None:
            inherit_weights(model, donor)

        trained = self.trials.train(
            self.networks.recipe(architecture),
            place,
            seed=int(seeds.generate_state(1)[0] % 2**31),
            prepare_weights=prepare if donor else None,
        )
        mean = trained.measures[self.settings.objective]
        if not math.isfinite(mean):
            raise ValueError(f"{self.settings.objective} became {mean}.")
        if self.settings.inherit:
            with files.atomic(place / WEIGHTS) as temporary:
                np.savez(
                    temporary, allow_pickle=False, **weights_by_path(trained.network)
                )
        earlier = (
            self.records[parent.trial]["lineage_epochs"] if parent and donor else 0
        )
        return {
            "status": "completed",
            "reason": None,
            "mean": mean,
            "epochs": trained.epochs,
            "lineage_epochs": earlier + trained.epochs,
            "seconds": round(trained.seconds, 3),
            "parameters": trained.parameters,
        }

    def _population(self) -> list[Individual]:
        sign = 1 if self.settings.maximize else -1
        return [
            Individual(
                record["trial"],
                evolution.from_list(record["values"]["model"]["stages"]),
                sign * record["mean"],
            )
            for record in self.records
            if record["status"] == "completed"
        ]

    def _weights(self, parent: Individual | None) -> dict[str, np.ndarray]:
        if parent is None or not self.settings.inherit:
            return {}
        with np.load(self._place(parent.trial) / WEIGHTS, allow_pickle=False) as saved:
            return dict(saved)

    def _forget_the_dead(self) -> None:
        """Delete the weights that no child will inherit."""
        alive = self._population()[-self.settings.population :]
        kept = {self._place(each.trial) for each in alive}
        for path in (self.folder / TRIALS).glob(f"*/{WEIGHTS}"):
            if path.parent not in kept:
                path.unlink()


@dataclass
class Hyperband:
    """keras-tuner's Hyperband over the same genes, run as `search` runs it."""

    networks: Networks
    space: GeneSpace
    folder: Path
    clock: folders.FolderDeadline
    tell: Callable[[dict[str, Any]], None]

    def run(self) -> None:
        """Train; keras-tuner chooses."""
        from kerasopt.tuning.searches import tuner
        from kerasopt.tuning.space import Space

        chosen = self.networks.settings
        settings = SearchSettings(
            method="hyperband",
            max_trials=chosen.max_trials,
            budget=chosen.budget,
            objective=chosen.objective,
            stop=None,
            seed=chosen.seed,
        )
        work = Work(
            self.networks.short,
            Space({}, self._declare),
            settings,
            self.folder,
            self.networks.dataset,
            self.clock,
        )
        with contextlib.suppress(tuner.AllFailed):  # What there is tells it.
            tuner.make(work, self.tell).search()
            work.forget_checkpoints()

    def _declare(self, hp: Any) -> dict[str, Any]:
        """Return the model for keras-tuner's genes, another one if it is too large."""
        asked = self.space.declare(hp)
        architecture: Architecture | None = asked
        if not self.networks.fits(asked):
            # A function of the genes: a resumed trial must find its own again.
            text = evolution.text(asked).encode()
            rng = np.random.default_rng([self.networks.settings.seed, *text])
            architecture = evolution.sample_fitting(self.space, rng, self.networks.fits)
        if architecture is None:
            raise self.networks.none_fits()
        return {"model": self.networks.spec(architecture)}
