"""kerasopt.benchmarks.domain_shift: what the shifts are, and a run on a few images."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

import kerasopt as ko
from kerasopt.benchmarks import domain_shift

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4, 24, 24, 3), dtype="uint8")


def test_darker_is_pillows_brightness():
    for image, dark in zip(IMAGES, domain_shift.darker(IMAGES, RNG), strict=True):
        expected = ImageEnhance.Brightness(Image.fromarray(image)).enhance(0.3)
        assert abs(np.asarray(expected).astype(int) - dark).max() <= 1


def test_blurred_is_nearly_pillows_blur():
    """Pillow's is made of boxes."""
    for image, blurred in zip(IMAGES, domain_shift.blurred(IMAGES, RNG), strict=True):
        expected = Image.fromarray(image).filter(ImageFilter.GaussianBlur(1))
        off = np.asarray(expected).astype(int)[4:-4, 4:-4] - blurred[4:-4, 4:-4]
        assert abs(off).mean() < 2


def test_noise_has_its_deviation_and_follows_the_generator():
    grey = np.full((4, 50, 50, 3), 128, "uint8")
    noisy = domain_shift.noisy(grey, np.random.default_rng(1))
    assert noisy.std() == pytest.approx(25.5, rel=0.02)
    again = domain_shift.noisy(grey, np.random.default_rng(1))
    np.testing.assert_array_equal(noisy, again)


@pytest.mark.slow
def test_it_measures_and_shows(monkeypatch, capsys, tmp_path):
    x = RNG.integers(0, 256, (60, 32, 32, 3), dtype="uint8")
    y = np.arange(60) % 3
    data = ko.data.from_arrays(x[:40], y[:40], test=(x[40:], y[40:]), validation=10)
    monkeypatch.setattr(domain_shift, "_dataset", lambda: data)
    words = ["domain_shift", "--seeds", "1", "--epochs", "1", "--contenders"]
    words += ["and colours and noise", "--json", str(tmp_path / "found.json")]
    monkeypatch.setattr("sys.argv", words)
    domain_shift.main()
    shown = capsys.readouterr().out
    assert "and colours and noise, AdaBN" in shown
    assert "(n=1 seeds), 1 epochs, AdaBN by 10 other images" in shown
    assert (tmp_path / "found.json").exists()


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match="Did you mean 'and noise'"):
        domain_shift.measure(contenders=("noise",))
