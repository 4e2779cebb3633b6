"""kerasopt.benchmarks.photos: what the folders hold, and a run on a few pictures."""

import numpy as np
import pytest
from PIL import Image

import kerasopt as ko
from kerasopt.benchmarks import photos


def test_a_folder_of_shapes_is_read_as_train_and_test(tmp_path):
    photos.write_folder("shapes-60", tmp_path, seed=1)
    data = ko.data.from_directory(tmp_path)
    assert data.sizes == {"train": 54, "validation": 6, "test": 500}
    assert data.class_names == photos.SHAPES
    assert data.input_shape == (64, 64, 3)


@pytest.mark.realdata
def test_pictures_of_cifar10_are_jpegs_of_mixed_size(tmp_path):
    photos.write_folder("cifar10-300", tmp_path)
    paths = sorted((tmp_path / "train").glob("*/*.jpg"))
    assert len(paths) == 300
    assert len(sorted((tmp_path / "train" / "ship").iterdir())) == 30
    sizes = np.array([Image.open(path).size for path in paths])
    assert sizes.min() >= photos.SHORTEST and sizes.max() <= photos.LONGEST
    assert len(np.unique(sizes, axis=0)) > 200
    # Brought back to 32×32, a test picture is the published one, but for JPEG.
    published = ko.data.load("cifar10")
    x, y = published.test
    name = published.class_names[y[0]]
    small = Image.open(tmp_path / "test" / name / "0.jpg").resize((32, 32))
    assert abs(np.asarray(small).astype(int) - x[0].astype(int)).mean() < 8


@pytest.mark.slow
def test_it_measures_and_shows(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(photos, "TEST_PICTURES", 30)
    words = ["photos", "--seeds", "1", "--folders", "shapes-60", "--ways", "scratch"]
    monkeypatch.setattr("sys.argv", [*words, "--json", str(tmp_path / "found.json")])
    photos.main()
    shown = capsys.readouterr().out
    assert "shapes-60       scratch" in shown
    assert "On 30 test pictures" in shown
    assert (tmp_path / "found.json").exists()


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match="Did you mean 'shapes-60'"):
        photos.measure(folders=("shapes60",))
    with pytest.raises(ValueError, match="Did you mean 'tuned'"):
        photos.measure(ways=("tune",))
