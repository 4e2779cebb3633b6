"""Right-angle turns, colours and the presets of domains."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

import kerasopt as ko
from kerasopt import augment
from kerasopt.tuning.trials import compile_key

pytestmark = pytest.mark.usefixtures("no_report")

L = keras.layers
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 6, 6, 3), dtype="uint8")
BRIGHT = (PIXELS.mean((1, 2, 3)) > 127).astype(int)


def symmetries(image):
    turned = [np.rot90(image, k) for k in range(4)]
    return [*turned, *map(np.fliplr, turned)]


def test_each_image_gets_one_of_numpys_eight_symmetries_with_equal_chances():
    image = RNG.integers(0, 256, (5, 5, 3), dtype="uint8")
    turned = augment.dihedral()(np.repeat(image[None], 4000, axis=0), [1, 2]).numpy()
    counts = [(turned == each).all(axis=(1, 2, 3)).sum() for each in symmetries(image)]
    assert sum(counts) == 4000
    assert max(abs(np.array(counts) - 500)) < 100  # Five standard deviations.


@pytest.mark.parametrize("known", [True, False])
def test_images_that_are_not_square_keep_their_shape(known):
    image = RNG.integers(0, 256, (4, 6, 1), dtype="uint8")
    batch = np.repeat(image[None], 200, axis=0)
    signature = tf.TensorSpec(batch.shape if known else (None, None, None, 1), "uint8")
    turn = tf.function(lambda x: augment.dihedral()(x, [1, 2]), [signature])
    turned = turn(batch).numpy()
    assert turned.shape == batch.shape
    kept = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
    counts = [(turned == each).all(axis=(1, 2, 3)).sum() for each in kept]
    assert sum(counts) == 200
    assert min(counts) > 25


def test_unknown_sides_that_are_equal_are_turned_too():
    image = RNG.integers(0, 256, (5, 5, 1), dtype="uint8")
    batch = np.repeat(image[None], 200, axis=0)
    signature = [tf.TensorSpec((None, None, None, 1), "uint8")]
    turned = tf.function(lambda x: augment.dihedral()(x, [1, 2]), signature)(batch)
    np.testing.assert_array_equal(turned, augment.dihedral()(batch, [1, 2]))


ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}
NONE = {"brightness": 0, "contrast": 0, "saturation": 0}


def factor_of(name, image, changed):
    """The factor from 0.5 to 1.5 for which Pillow's result is nearest."""
    picture = Image.fromarray(image)
    distances = {
        factor: np.abs(
            np.asarray(ENHANCERS[name](picture).enhance(factor)).astype(int) - changed
        )
        for factor in np.linspace(0.5, 1.5, 501)
    }
    factor = min(distances, key=lambda each: distances[each].mean())
    return factor, distances[factor]


@pytest.mark.parametrize("name", ENHANCERS)
def test_colours_are_pillows(name):
    images = RNG.integers(0, 256, (3, 16, 16, 3), dtype="uint8")
    changed = augment.color_jitter(**{**NONE, name: 0.5})(images, [1, 2]).numpy()
    factors = []
    for image, other in zip(images, changed, strict=True):
        factor, distance = factor_of(name, image, other)
        factors.append(factor)
        # Pillow rounds the mean and the grey values, and cuts the result.
        assert distance.max() <= 2
        assert distance.mean() < 0.7
    assert len(set(factors)) == 3


@pytest.mark.parametrize(("dtype", "high"), [("uint8", 255), ("float32", 1)])
def test_factors_are_uniform_and_exponents_between_their_ends(dtype, high):
    grey = np.full((2000, 1, 1, 1), high * 0.4).astype(dtype)
    darker = augment.color_jitter(**{**NONE, "brightness": 0.5})(grey, [1, 2]).numpy()
    factors = darker.ravel() / grey.ravel()
    np.testing.assert_allclose(
        np.quantile(factors, [0, 0.25, 0.5, 0.75, 1]),
        [0.5, 0.75, 1, 1.25, 1.5],
        atol=0.05,
    )
    powers = augment.color_jitter(**NONE, gamma=1.0)(grey, [1, 2]).numpy()
    exponents = np.log(powers.ravel() / high) / np.log(grey.ravel() / high)
    np.testing.assert_allclose(
        np.quantile(np.log2(exponents), [0, 0.5, 1]), [-1, 0, 1], atol=0.1
    )


def test_images_without_colour_have_no_saturation():
    grey = RNG.integers(0, 256, (4, 5, 5, 1), dtype="uint8")
    saturated = augment.color_jitter(**{**NONE, "saturation": 1})(grey, [1, 2])
    np.testing.assert_array_equal(saturated, grey)
    bands = RNG.uniform(0, 1, (4, 5, 5, 7)).astype("float32")
    changed = augment.color_jitter(0.0, contrast=0.5)(bands, [1, 2]).numpy()
    mean = bands.mean(axis=(1, 2, 3), keepdims=True)
    ratio = (changed - mean) / (bands - mean)
    inside = (changed > 0.001) & (changed < 0.999) & (abs(bands - mean) > 0.1)
    for one, which in zip(ratio, inside, strict=True):
        assert np.ptp(one[which]) < 1e-3


@pytest.mark.parametrize("name", ["dihedral", "color_jitter"])
def test_draws_follow_the_seed_alone(name):
    made = augment.get(name)
    first = augment.apply(made, PIXELS, [1, 2]).numpy()
    keras.utils.set_random_seed(1)
    assert (augment.apply(augment.get(name), PIXELS, [1, 2]).numpy() == first).all()
    assert (augment.apply(made, PIXELS, [1, 3]).numpy() != first).any()
    assert type(made).from_config(made.get_config()) == made


def test_an_image_is_standardised_by_its_own_values():
    """tf.image.per_image_standardization, which bounds the deviation by 1/sqrt(n)."""
    images = PIXELS / np.float32(255)
    found = augment.standardize("image")(images)
    expected = tf.image.per_image_standardization(images)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    dark = augment.standardize("image")(0.3 * images + 0.1)
    np.testing.assert_allclose(dark, expected, atol=5e-3)
    assert not np.any(augment.standardize("image")(np.ones((1, 4, 4, 1))))


def net(channels=3):
    def build():
        head = [L.Flatten(), L.Dense(1, activation="sigmoid", name="head")]
        return keras.Sequential([keras.Input((6, 6, channels)), *head])

    return build


def by_hand(run, standardized):
    kernel, bias = run.model.get_layer("head").get_weights()
    flat = np.asarray(standardized, "float64").reshape(len(standardized), -1)
    return 1 / (1 + np.exp(-(flat @ kernel + bias)))


def test_statistics_of_the_data_are_those_of_the_training_part(quick):
    x, y = PIXELS.copy(), BRIGHT
    data = ko.data.from_arrays(x, y, validation=0.25)
    run = ko.fit(net(), data, augment="preset", epochs=1, **quick)
    train = data.train[0] / 255
    mean, std = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
    expected = by_hand(run, (x / 255 - mean) / std)
    np.testing.assert_allclose(run.predict(x)[:, 1:], expected, atol=1e-4)
    loaded = ko.Run.load(run.directory)
    np.testing.assert_allclose(loaded.predict(x)[:, 1:], expected, atol=1e-4)
    p = by_hand(run, (data.validation[0] / 255 - mean) / std)[:, 0]
    y = data.validation[1]
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    np.testing.assert_allclose(run.history["val_loss"].iloc[-1], loss, rtol=1e-3)


def test_medical_images_are_standardised_one_by_one_wherever_they_go(quick):
    """An exposure that is halved changes no prediction."""
    grey = PIXELS[..., :1]
    medical = augment.preset("medical")
    run = ko.fit(net(1), (grey, BRIGHT), augment=medical, epochs=1, **quick)
    values = grey / 255
    mean, std = (getattr(values, each)((1, 2, 3), keepdims=True) for each in STATS)
    expected = by_hand(run, (values - mean) / std)
    np.testing.assert_allclose(run.predict(grey)[:, 1:], expected, atol=1e-3)
    darker = run.predict((values / 2).astype("float32"))[:, 1:]
    np.testing.assert_allclose(darker, expected, atol=1e-2)


STATS = ("mean", "std")


@pytest.mark.parametrize("domain", augment.domains())
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_preset_takes_any_number_of_channels_and_changes_training_images(
    domain, channels
):
    images = RNG.integers(0, 256, (6, 12, 12, channels), dtype="uint8")
    made = augment.get({"name": "preset", "domain": domain})
    rest, layer = augment.split_standardization(made)
    changed = augment.apply(rest, images, [1, 2]).numpy()
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert (changed != images).any(axis=(1, 2, 3)).all()
    assert isinstance(layer, (L.Normalization, L.GroupNormalization))
    without = augment.get(augment.preset(domain, preprocess=False))
    assert repr(without) == repr(rest)


def test_digits_and_medical_images_are_never_flipped():
    """A wedge that is bright on the left stays bright on the left."""
    wedge = np.tile(np.linspace(255, 0, 16)[None, None, :, None], (200, 16, 1, 1))
    for domain in augment.domains():
        chain = augment.get(augment.preset(domain, preprocess=False))
        changed = augment.apply(chain, wedge.astype("uint8"), [1, 2]).numpy()
        left, right = (
            changed[:, :, half].mean((1, 2, 3)) for half in (slice(8), slice(8, 16))
        )
        flipped = (left < right).mean()
        assert flipped == 0 if domain in ("digits", "medical") else flipped > 0.2


def test_a_preset_is_a_fresh_list_that_recipes_take():
    first = augment.preset("satellite")
    first[1]["width_shift_range"] = 0.5
    assert augment.preset("aerial")[1]["width_shift_range"] == 0.1
    recipe = ko.recipes.load("digits")
    for spec in (first, {"name": "preset", "domain": "digits", "preprocess": False}):
        recipe.replace("augment", spec).check()


def test_trials_share_a_compiled_model_only_with_the_same_standardisation():
    recipe = ko.recipes.load("digits")
    data = ko.data.load("digits", size=100)
    keys = [
        compile_key(recipe.replace("augment", augment.preset(domain)), data)
        for domain in ("photos", "satellite", "digits", "medical")
    ]
    assert keys[0] == keys[1] != keys[2] == keys[3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"domain": "satelite"}, "Unknown domain 'satelite'. Did you mean 'satellite'"),
        ({"domain": 3}, "Unknown domain 3"),
        ({"domain": None}, "Unknown domain None"),
        ({"preprocess": "no"}, "preprocess must be True or False"),
    ],
)
def test_presets_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        augment.preset(**arguments)
    with pytest.raises(ValueError, match=message):
        augment.get("preset", **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"brightness": 1.5}, "brightness=1.5 is not accepted"),
        ({"contrast": -0.1}, "contrast=-0.1 is not accepted"),
        ({"saturation": float("nan")}, "saturation=nan is not accepted"),
        ({"gamma": 5}, "gamma=5 is not accepted.*at most 4"),
    ],
)
def test_colours_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        augment.get("color_jitter", **arguments)


@pytest.mark.parametrize("name", ["dihedral", "color_jitter"])
def test_what_is_no_batch_of_images_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} needs a batch of images"):
        augment.get(name)(np.zeros((5, 5)), [1, 2])


def test_a_built_model_takes_a_preset_without_preprocessing(quick):
    with pytest.raises(ValueError, match="the model was given built"):
        ko.fit(net()(), (PIXELS, BRIGHT), augment="preset", **quick)
    plain = augment.preset("photos", preprocess=False)
    ko.fit(net()(), (PIXELS, BRIGHT), augment=plain, epochs=1, **quick)
