"""kerasopt.benchmarks.kills: a training that is really killed and resumed."""

import numpy as np
import pytest

from kerasopt.benchmarks import kills


@pytest.mark.slow
def test_a_killed_training_ends_as_an_unbroken_one(monkeypatch, capsys):
    monkeypatch.setattr(kills, "LONGEST_SECONDS", 0.5)
    result = kills.measure(kills=1, settings=["batch_norm"], samples=6000, epochs=2)
    found = result["results"]["batch_norm"]
    assert found["kills"] == 1
    assert found["same"]
    assert 0 <= found["most_steps_lost"] <= 2 * 750
    kills.show(result)
    assert "1 of 1 trainings end bit for bit" in capsys.readouterr().out


def test_another_result_is_seen(tmp_path):
    trainings = kills._Trainings(tmp_path, "adam", 100, 1)
    for name, value in (("killed", 1.0), ("unbroken", 2.0)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / kills.STATE, history=np.zeros(1), weights=value)
    assert not trainings._is_same(tmp_path / "killed")
    assert trainings._is_same(tmp_path / "unbroken")
