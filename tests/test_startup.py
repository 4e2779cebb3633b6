"""What keeps the start short: nothing loads too early, nothing is converted in vain."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.autograph.pyct import transpiler

import kerasopt as ko
from kerasopt import terminal
from kerasopt.data import pipeline


def loaded_after(code):
    """The modules of a new process that runs some code."""
    check = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["recipes"]])
def test_no_help_loads_tensorflow(words):
    code = f"sys.argv = ['kerasopt', *{words}]\nfrom kerasopt.cli import main\n"
    code += (
        "try:\n    main()\nexcept SystemExit as stopped:\n    assert not stopped.code"
    )
    assert not loaded_after(code) & {"tensorflow", "keras", "matplotlib"}


@pytest.mark.slow
def test_garbage_is_collected_again_after_the_start():
    code = (
        "import gc\nfrom kerasopt import terminal\nterminal.start_tensorflow()\n"
        "assert gc.isenabled() and gc.get_freeze_count() > 100_000\n"
    )
    assert {"tensorflow", "keras"} <= loaded_after(code)


def test_a_process_that_has_tensorflow_is_left_alone(monkeypatch):
    """The memory of a program that calls commands isn't frozen."""
    monkeypatch.setattr(terminal.gc, "freeze", lambda: 1 / 0)
    terminal.start_tensorflow()


def batches(augmentation):
    x = np.arange(384, dtype="float32").reshape(6, 8, 8, 1)
    made = pipeline.training_batches(
        x, np.arange(6), batch_size=6, seed=0, augment=augmentation
    )
    images, labels = next(iter(made))
    return x, images.numpy()[np.argsort(labels)]


@pytest.mark.parametrize("limit", [-1.0, 999.0])
def test_a_condition_on_tensors_in_a_users_augmentation(limit):
    def brighter(images):
        if tf.reduce_max(images) > limit:
            images = images + 1.0
        return images

    x, images = batches(brighter)
    np.testing.assert_array_equal(images, x + (limit < 0))


@pytest.mark.parametrize("spec", [None, "affine", "crop", "image_data_generator"])
def test_our_own_augmentations_need_no_conversion(spec, monkeypatch):
    converted = []
    original = transpiler.PyToPy.transform_function

    def convert(self, function, context):
        converted.append(function.__qualname__)
        return original(self, function, context)

    monkeypatch.setattr(transpiler.PyToPy, "transform_function", convert)
    x, images = batches(ko.augment.get(spec))
    assert (images.shape, converted) == (x.shape, [])
    batches(lambda images: images)
    assert any("load" in name for name in converted)
