"""Run folders with a damaged file: a sentence, or the result of the undamaged one."""

import random
import shutil
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from fuzzing import accepted, inputs, same
from hypothesis import given
from hypothesis import strategies as st

import kerasopt as ko
from kerasopt.evaluation import compare


class Stop(Exception):
    """Ends a training as a crash would."""


class StopInTheSecondEpoch(keras.callbacks.Callback):
    """Breaks off after a checkpoint was written."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise Stop


def _fit(folder, *, callbacks=(), resume=False):
    data = ko.data.load("digits", size=60, validation=20)
    return ko.fit(
        lambda: ko.models.mlp(input_shape=(8, 8, 1), num_classes=10, units=(4,)),
        data,
        epochs=2,
        batch_size=20,
        directory=folder,
        callbacks=callbacks,
        resume=resume,
        verbose=False,
        deterministic=True,
        devices="cpu",
        checkpoint_seconds=0,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A finished run, another one, and an interrupted one."""
    root = tmp_path_factory.mktemp("runs")
    _fit(root / "finished")
    _fit(root / "other")
    with pytest.raises(Stop):
        _fit(root / "broken", callbacks=[StopInTheSecondEpoch()])
    return root


@pytest.fixture(scope="module")
def undamaged(folders):
    """What each use of the finished run gives."""
    return {name: use(ko.Run.load(folders / "finished")) for name, use in USES.items()}


def _other(run):
    return ko.Run.load(run.directory.parent / "other")


X = np.zeros((2, 8, 8, 1), "uint8")
USES = {
    "metrics": lambda run: dict(run.metrics),
    "history": lambda run: run.history.drop(columns="seconds").to_dict("list"),
    "recipe": lambda run: run.recipe,
    "predict": lambda run: run.predict(X).tolist(),
    "compare": lambda run: compare(run, _other(run)).to_dict(),
}


def _damaged(content, how, seed):
    """Return the content of a file, damaged in one place."""
    draw = random.Random(seed)
    if how == "empty":
        return b""
    if how == "cut":
        return content[: draw.randrange(len(content))]
    if how == "braces":
        return b"{}"
    if how == "noise":
        return draw.randbytes(50)
    place, bit = draw.randrange(len(content)), draw.randrange(8)
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


HOW = ("bit", "bit", "bit", "bit", "cut", "cut", "empty", "braces", "noise", "gone")


@inputs(150)
@given(
    number=st.integers(0, 50), how=st.sampled_from(HOW), seed=st.integers(0, 10**6),
    use=st.sampled_from(sorted(USES)),
)  # fmt: skip
def test_a_finished_run_with_a_damaged_file(folders, undamaged, number, how, seed, use):
    folder = folders / "finished"
    with _one_damaged_file(folder, number, how, seed):
        found = accepted(lambda: USES[use](ko.Run.load(folder)))
        assert found is None or same(found, undamaged[use])


@inputs(5)
@given(
    number=st.integers(0, 50), how=st.sampled_from(HOW), seed=st.integers(0, 10**6)
)  # fmt: skip
def test_an_interrupted_run_with_a_damaged_file(
    folders, tmp_path_factory, number, how, seed
):
    folder = tmp_path_factory.mktemp("again") / "run"
    shutil.copytree(folders / "broken", folder)
    expected = ko.Run.load(folders / "finished").history["loss"]
    with (
        _one_damaged_file(folder, number, how, seed),
        warnings.catch_warnings(action="ignore"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(ko.Run, "report", lambda self: None)  # Which takes a second.
        run = accepted(lambda: _fit(folder, resume=True))
        if run is not None:
            np.testing.assert_array_equal(run.history["loss"], expected)
    shutil.rmtree(folder)


class _one_damaged_file:
    """Damages a file of a folder inside the block."""

    def __init__(self, folder, number, how, seed):
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        self.path = files[number % len(files)]
        self.how, self.seed = how, seed

    def __enter__(self):
        self.content = self.path.read_bytes()
        if self.how == "gone":
            self.path.unlink()
        elif self.content:
            self.path.write_bytes(_damaged(self.content, self.how, self.seed))

    def __exit__(self, *error):
        if self.path.parent.is_dir():
            self.path.write_bytes(self.content)
