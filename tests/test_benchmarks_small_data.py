"""kerasopt.benchmarks.small_data, with one seed; accuracies are the examples' tests."""

import numpy as np
import pytest

from kerasopt.benchmarks import small_data
from kerasopt.benchmarks.small_data import draw_shapes


def test_drawings_are_fixed_by_their_seed():
    (x, y), (again, _), (other, _) = (draw_shapes(12, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(x, again)
    assert (x != other).any()
    assert np.bincount(y).tolist() == [4, 4, 4]


def test_the_areas_are_those_of_the_shapes():
    """Of radius r, side / 8 to side / 4: circle π r², square 4 r², triangle 2 r²."""
    side = 96
    x, y = draw_shapes(300, side=side)
    # Shapes are brighter than any background, in their brightest channel.
    bright = x.max(axis=-1) > 255 * 0.45
    mean_square = np.mean(np.linspace(side / 8, side / 4, 1_000) ** 2)
    for label, factor in enumerate((np.pi, 4, 2)):
        area = bright[y == label].sum(axis=(1, 2)).mean()
        assert area == pytest.approx(factor * mean_square, rel=0.15)


@pytest.mark.slow
def test_it_measures_and_shows(tmp_path, monkeypatch, capsys):
    words = ["small_data", "--sizes", "40", "--seeds", "1", "--contenders"]
    words += ["logistic regression", "defaults", "--json", str(tmp_path / "found.json")]
    monkeypatch.setattr("sys.argv", words)
    small_data.main()
    shown = capsys.readouterr().out
    assert "40 images" in shown
    assert "(n=1 seeds)" in shown
    assert (tmp_path / "found.json").exists()


def test_without_batch_norm_the_rest_stays():
    with_it = small_data.CONTENDERS["defaults"](None).to_dict()
    without = small_data.CONTENDERS["defaults, no batch norm"](None).to_dict()
    assert with_it["model"].pop("batch_norm") is True
    assert without["model"].pop("batch_norm") is False
    assert with_it == without


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match="Did you mean 'advice'"):
        small_data.measure(contenders=("advise",))
