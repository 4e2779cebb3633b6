"""kerasopt.benchmarks.allocator, on one network; nothing here judges a speed."""

import json

import pytest

from kerasopt.benchmarks import allocator


@pytest.mark.slow
def test_it_measures_and_shows(monkeypatch, capsys, tmp_path):
    name = "cnn, three convolutions"
    monkeypatch.setattr(allocator, "NETWORKS", {name: allocator.NETWORKS[name]})
    path = tmp_path / "found.json"
    monkeypatch.setattr(
        "sys.argv", ["allocator", "--repeats", "1", "--json", str(path)]
    )
    allocator.main()
    assert name in capsys.readouterr().out
    (row,) = json.loads(path.read_text())["results"].values()
    assert row["seconds"]["kept"]["median"] > 0
    assert row["peak_mib"]["given back"]["median"] > 100
