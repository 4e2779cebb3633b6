"""kerasopt.benchmarks.image_folders, on small folders; nothing here judges a speed."""

import json

import pytest

from kerasopt.benchmarks import image_folders


@pytest.mark.slow
def test_small_folders_are_measured_and_shown(capsys, tmp_path, monkeypatch):
    result = image_folders.measure(repeats=2, sizes=(12, 20), side=32, caches=("disk",))
    found = json.loads(json.dumps(result))
    assert found["results"]["keras"]["ratio"]["median"] == 1
    assert found["results"]["kerasopt"]["images_per_second"]["min"] > 0
    peaks = found["peak_memory_mib"]["disk"]
    assert set(peaks) == {"12", "20"} and min(peaks.values()) > 100
    image_folders.show(result)
    printed = capsys.readouterr().out
    assert "20 JPEG files of 32×32" in printed
    assert "peak memory, cache='disk'" in printed


def test_images_are_the_same_each_time(tmp_path):
    for name in ("a", "b"):
        image_folders.make_folder(tmp_path / name, 4, side=16)
    first, second = (sorted((tmp_path / name).rglob("*.jpg")) for name in ("a", "b"))
    assert len(first) == 4
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
