"""kerasopt.benchmarks.grid_search, on a small grid; nothing here judges a speed."""

import json

from kerasopt.benchmarks import grid_search


def test_a_small_grid_is_measured_and_shown(capsys):
    grid = {"learning_rate": [0.01, 1e-6], "batch_size": [32]}
    result = grid_search.measure(epochs=3, grid=grid, folds=2, samples=300)
    found = json.loads(json.dumps(result))["results"]
    assert found["fits"] == 5
    assert found["best_params"] == {"batch_size": 32, "learning_rate": 0.01}
    assert 0.1 < found["best_score"] <= 1
    assert 0.1 < found["test_accuracy"] <= 1
    grid_search.show(result)
    printed = capsys.readouterr().out
    assert printed.startswith("5 fits of 3 epochs in ")
    assert "best: batch_size=32, learning_rate=0.01: 0." in printed
