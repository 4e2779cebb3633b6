"""A standardisation holds for training, validation, test and prediction alike."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt import augment
from kerasopt.augment._standardize import STATISTICS

pytestmark = pytest.mark.usefixtures("no_report")

L = keras.layers
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), dtype="uint8")
BRIGHT = (PIXELS.mean((1, 2, 3)) > 127).astype(int)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def net(channels=3, *first):
    head = [L.Flatten(), L.Dense(1, activation="sigmoid", name="head")]
    return lambda: keras.Sequential([keras.Input((6, 6, channels)), *first, *head])


def functional():
    inputs = keras.Input((6, 6, 3))
    head = L.Dense(1, activation="sigmoid", name="head")
    return keras.Model(inputs, head(L.Flatten()(inputs)))


def by_hand(run, pixels):
    """The prediction of standardised pixels by the head's weights."""
    kernel, bias = run.model.get_weights()[-2:]
    flat = ((pixels / 255 - MEAN) / STD).reshape(len(pixels), -1)
    return 1 / (1 + np.exp(-(flat @ kernel + bias)))


def test_imagenets_statistics():
    """Those that torchvision's pretrained models are documented with."""
    layer = augment.standardize()
    found = layer(PIXELS.astype("float32") / 255)
    np.testing.assert_allclose(found, (PIXELS / 255 - MEAN) / STD, atol=1e-5)


@pytest.mark.parametrize("build", [net(), functional])
def test_predictions_and_measures_are_standardised(build, quick):
    data = ko.data.from_arrays(PIXELS, BRIGHT, validation=0.25)
    run = ko.fit(build, data, augment=["noise", "standardize"], epochs=2, **quick)
    expected = by_hand(run, PIXELS)
    np.testing.assert_allclose(run.predict(PIXELS)[:, 1:], expected, atol=1e-4)
    loaded = ko.Run.load(run.directory)
    np.testing.assert_allclose(loaded.predict(PIXELS)[:, 1:], expected, atol=1e-4)
    x, y = data.validation
    p = by_hand(run, x)[:, 0]
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    np.testing.assert_allclose(run.history["val_loss"].iloc[-1], loss, rtol=1e-3)


def test_own_statistics_of_pixels(quick):
    """A mean of pixels says that the model is handed pixels."""
    own = {"name": "standardize", "mean": 120, "std": 60}
    run = ko.fit(net(), (PIXELS, BRIGHT), augment=own, epochs=1, **quick)
    kernel, bias = run.model.get_weights()[-2:]
    logits = ((PIXELS - 120.0) / 60).reshape(40, -1) @ kernel + bias
    np.testing.assert_allclose(
        run.predict(PIXELS)[:, 1:], 1 / (1 + np.exp(-logits)), atol=1e-4
    )


def test_one_number_serves_all_channels():
    layer = augment.standardize(mean=np.float32(0.5), std=[0.25])
    found = layer(np.full((1, 2, 2, 5), 0.75, "float32"))
    np.testing.assert_allclose(found, 1, atol=1e-6)


def test_a_model_of_its_own_may_begin_with_it(quick):
    """One call, in the model itself."""
    build = net(3, augment.standardize("imagenet"))
    run = ko.fit(build(), (PIXELS, BRIGHT), epochs=1, **quick)
    np.testing.assert_allclose(
        run.predict(PIXELS)[:, 1:], by_hand(run, PIXELS), atol=1e-4
    )


@pytest.mark.parametrize("name", STATISTICS)
def test_named_statistics_are_of_pixels_from_0_to_1(name):
    mean, std = STATISTICS[name]
    assert all(0 < m < 1 and 0 < s < 0.5 for m, s in zip(mean, std, strict=True))


BAD = {
    "built model": (
        net(),
        PIXELS,
        "standardize",
        "the model was given built",
    ),
    "not last": (net(), PIXELS, ["standardize", "noise"], "put it last in the list"),
    "model that scales": (
        net(3, L.Rescaling(1 / 255)),
        PIXELS,
        "standardize",
        "The model scales its pixels itself",
    ),
    "channels": (
        net(1),
        PIXELS[..., :1],
        "standardize",
        r"don't fit samples of shape \(6, 6, 1\)",
    ),
    "scale": (
        net(),
        (PIXELS / 255).astype("float32"),
        {"name": "standardize", "mean": 0.005, "std": 0.004},
        "statistics are of another scale.*from 0 to 1",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refused_before_the_first_step(case, quick):
    make, images, spec, message = BAD[case]
    model = make() if case == "built model" else make
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ko.fit(model, (images, BRIGHT), augment=spec, **quick)
    assert not quick["directory"].exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"statistics": "imagnet"}, "Did you mean 'imagenet'"),
        ({"mean": 0.5}, "mean and std together"),
        ({"statistics": "imagenet", "mean": 0.5, "std": 0.2}, "or mean and std"),
        ({"mean": 0.5, "std": 0}, "numbers above 0"),
        ({"mean": [0.5, 0.4], "std": [0.1, 0.2, 0.3]}, "2 channels, std 3"),
        ({"mean": "high", "std": 1}, "mean='high' is not accepted"),
    ],
)
def test_arguments_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        augment.get("standardize", **arguments)
