"""Fixtures that several test files share."""

import gc
import os
import sys
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from serving import Server
from tensorflow.python.framework.config import disable_op_determinism

from kerasopt import distribute
from kerasopt.training import spec

# Virtual devices can only be made before TensorFlow runs its first operation,
# which may well be a test module's own table of objects.
TWO_CPUS = distribute.strategy(["CPU:0", "CPU:1"])

# TensorFlow's many objects made collections take a twenty-fifth of the tests' time.
gc.freeze()
gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def two_cpus():
    """A strategy that mirrors a model on two virtual CPUs."""
    return TWO_CPUS


@pytest.fixture(scope="session")
def tiny_digits():
    """A cut of the digits that trains in a second."""
    import kerasopt as ko

    return ko.data.load("digits", size=240, validation=60)


@pytest.fixture(autouse=True)
def no_determinism_of_before():
    """End what a deterministic training asks of its process: tests share theirs."""
    yield
    if spec.is_deterministic():
        disable_op_determinism()
        spec._PROCESS["deterministic"] = False


@pytest.fixture
def images():
    """Twelve colour images of 12×12 pixels with labels of 3 classes."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 12, 12, 3), "uint8"), np.arange(12) % 3


@pytest.fixture
def quick(tmp_path):
    """Keyword arguments of `fit` for tests: quiet, on the CPU, own folder."""
    return {"directory": tmp_path / "run", "verbose": False, "devices": "cpu"}


@pytest.fixture
def no_report(request, monkeypatch):
    """No report, whose figures take longer than a small training: they have own tests.

    A test of such a module that wants one is marked ``with_report``.
    """
    from kerasopt.training.run import Run

    if "with_report" not in request.keywords:
        monkeypatch.setattr(Run, "report", lambda self: None)


@pytest.fixture
def server(monkeypatch):
    """Serve files on the loopback; the network isn't forbidden."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("KERASOPT_OFFLINE", raising=False)
    started = Server()
    yield started
    started.close()


@pytest.fixture
def fake_time(monkeypatch):
    """Give modules one clock that the test sets: ``fake_time(module).now += 4``."""

    def of(*modules):
        clock = SimpleNamespace(now=100.0)
        clock.perf_counter = lambda: clock.now
        for module in modules:
            monkeypatch.setattr(module, "time", clock)
        return clock

    return of


@pytest.fixture
def command(monkeypatch, capfd, tmp_path):
    """Run a command in this process: (exit code, standard output, error)."""
    from kerasopt import cli

    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["kerasopt", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        shown = capfd.readouterr()
        return stopped.value.code, shown.out, shown.err

    return run
