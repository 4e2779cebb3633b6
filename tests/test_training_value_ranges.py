"""Training and validation samples are of one scale, and the model's is theirs."""

import keras
import numpy as np
import pytest

import kerasopt as ko

pytestmark = [
    pytest.mark.usefixtures("no_report"),
    # Keras calls SciPy by a deprecated name, once an image channel.
    pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning"),
]

L = keras.layers
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype="uint8")
SHARES = (PIXELS / 255).astype("float32")
BRIGHT = (SHARES.mean((1, 2, 3)) > 0.5).astype(int)


def net(*first):
    head = [L.Flatten(), L.Dense(1, activation="sigmoid")]
    return lambda: keras.Sequential([keras.Input((8, 8, 3)), *first, *head])


def preprocessed():
    inputs = keras.Input((8, 8, 3))
    scaled = keras.applications.mobilenet_v2.preprocess_input(inputs)
    return keras.Model(inputs, L.Dense(1, activation="sigmoid")(L.Flatten()(scaled)))


def augmented_by(generator):
    return lambda: ko.augment.get("image_data_generator", **generator)


# Images, a function that makes the augmentation, the network's first layers, message
BAD = {
    "rescaling of shares": (
        SHARES,
        None,
        net(L.Rescaling(1 / 255)),
        r"begins by multiplying its input by 0\.00392.*within 0\.\.1.*scaled twice",
    ),
    "preprocess_input of shares": (SHARES, None, preprocessed, "scaled twice"),
    "rescaling in the augmentation": (
        PIXELS,
        lambda: keras.Sequential([L.Rescaling(1 / 255), L.RandomFlip()]),
        net(),
        "Rescaling, which would scale training samples alone.*first in the model",
    ),
    "a rescaling that keeps the largest value": (
        SHARES,
        lambda: L.Rescaling(2, offset=-1),
        net(),
        "Rescaling, which would scale training samples alone",
    ),
    "a function that scales to -1..1": (
        SHARES,
        lambda: lambda images: 2 * images - 1,
        net(),
        r"reach from -1 to 1, without it \(as in validation\) from .*it scales",
    ),
    "a function that standardises": (
        SHARES,
        lambda: lambda images: (images - 0.45) / 0.05,
        net(),
        "it scales the samples",
    ),
    "a function that divides": (
        PIXELS,
        lambda: lambda images: images / 255,
        net(),
        "it scales the samples",
    ),
    "invert, which seldom acts": (
        SHARES,
        lambda: L.RandomInvert(0.001),
        net(),
        r"RandomInvert is set for values in \(0, 255\), but the images reach 1\. "
        r"Give it value_range=\(0, 1\)",
    ),
    "brightness of shares": (
        SHARES,
        lambda: [L.RandomFlip(), L.RandomBrightness(0.1)],
        net(),
        "RandomBrightness is set for values in",
    ),
    "brightness of pixels": (
        PIXELS,
        lambda: L.RandomBrightness(0.1, value_range=(0, 1)),
        net(),
        r"the images reach 255\. Give it value_range=\(0, 255\)",
    ),
    "within a pipeline of Keras": (
        SHARES,
        lambda: L.Pipeline([L.RandomFlip(), L.RandAugment()]),
        net(),
        "RandAugment is set for",
    ),
    "ImageDataGenerator's brightness": (
        SHARES,
        augmented_by({"brightness_range": (0.8, 1.2)}),
        net(),
        r"brightness_range=.* 0\.\.255 and makes those within 0\.\.1 black",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refused_before_the_first_step(case, quick):
    images, augment, build, message = BAD[case]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        ko.fit(build, (images, BRIGHT), augment=augment and augment(), **quick)
    assert not quick["directory"].exists()


GOOD = {
    "rescaling of pixels": (PIXELS, None, net(L.Rescaling(1 / 255))),
    "preprocess_input of pixels": (PIXELS, None, preprocessed),
    "invert of pixels": (PIXELS, lambda: L.RandomInvert(0.5), net()),
    "invert of shares": (
        SHARES,
        lambda: L.RandomInvert(0.5, value_range=(0, 1)),
        net(),
    ),
    "strong noise": (SHARES, lambda: ko.augment.noise(0.3), net()),
    "generator of pixels": (
        PIXELS,
        augmented_by({"brightness_range": (0.8, 1.2)}),
        net(),
    ),
    "strong colours": (
        SHARES,
        lambda: ko.augment.crop(1, brightness=0.3, contrast=0.9),
        net(),
    ),
    "erased": (PIXELS, lambda: ko.augment.random_erasing(1.0, fill_value=0.0), net()),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_keeps_the_range_trains(case, quick):
    images, augment, build = GOOD[case]
    run = ko.fit(
        build, (images, BRIGHT), augment=augment and augment(), epochs=1, **quick
    )
    assert len(run.history) == 1


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_brightness_goes_by_the_values_and_not_by_their_type(dtype):
    """Pixels as float32 change as much as pixels as uint8."""
    from kerasopt.training.batches import Feed
    from kerasopt.training.spec import TrainingSettings

    grey = np.full((8, 6, 6, 3), 100)
    grey[:, 0] = 255
    data = ko.data.from_arrays(grey.astype(dtype), np.arange(8) % 2, validation=None)
    feed = Feed(data)
    crop = ko.augment.crop(0, flip=None, brightness=0.3)
    source = feed.training(TrainingSettings(batch_size=8), augmentation=crop)
    source.begin(0)
    images = next(source.iterator)[0].numpy()[:, 1:]
    change = np.abs(images - 100 / 255)
    assert 0.1 < change.max() <= 0.301


def test_an_augmentation_that_would_learn_is_refused(quick):
    images = np.random.default_rng(0).uniform(size=(20, 4, 4, 1)).astype("float32")
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    with pytest.raises(ValueError, match="weights that no training changes there"):
        ko.fit(
            model,
            (images, np.arange(20) % 2),
            augment=keras.layers.Dense(1),
            epochs=1,
            **quick,
        )
