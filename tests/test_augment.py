"""Augmentation, held against Keras's ImageDataGenerator and SciPy."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import tensorflow as tf
from tensorflow.keras.preprocessing.image import ImageDataGenerator

from kerasopt import augment
from kerasopt.augment import Affine
from kerasopt.augment._resample import resample

# Keras calls SciPy by a deprecated name, once an image channel.
pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")

FILL_MODES = ["nearest", "reflect", "constant", "wrap"]
FLIPS = dict(
    rotation_range=20,
    width_shift_range=0.2,
    height_shift_range=0.2,
    zoom_range=0.2,
    horizontal_flip=True,
    vertical_flip=True,
)
SHEAR = dict(
    rotation_range=20,
    width_shift_range=0.2,
    height_shift_range=0.2,
    shear_range=11.5,
    zoom_range=0.2,
    horizontal_flip=True,
    fill_mode="nearest",
)
# As one of the texts prints it; its shear is in degrees, which hardly moves a pixel.
PRINTED = SHEAR | dict(shear_range=0.2)
WILD = dict(
    rotation_range=180,
    width_shift_range=0.9,
    height_shift_range=0.7,
    shear_range=40,
    zoom_range=(0.3, 2.5),
    horizontal_flip=True,
    vertical_flip=True,
)


def noise(count, height, width, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (count, height, width, channels)).astype("float32")


def smooth(count, height, width, channels=3, seed=0):
    blurred = scipy.ndimage.gaussian_filter(
        noise(count, height, width, channels, seed), (0, 3, 3, 0)
    )
    return (blurred - blurred.min()) * (255 / np.ptp(blurred))


def drawn_parameters(augmentation, count, height, width, seed):
    """The draws behind Affine.matrices, as the dicts that Keras's generator uses."""
    u = tf.random.stateless_uniform((10, count), seed).numpy().astype("float64")
    zoom = augmentation.zoom_range
    low, high = zoom if isinstance(zoom, tuple) else (1 - zoom, 1 + zoom)
    across = (2 * u[1] - 1) * augmentation.width_shift_range * width
    down = (2 * u[3] - 1) * augmentation.height_shift_range * height
    columns = dict(
        theta=(2 * u[0] - 1) * augmentation.rotation_range,
        # Keras's tx moves columns, whatever its comments say.
        tx=down if augmentation.legacy_axes else across,
        ty=across if augmentation.legacy_axes else down,
        shear=(2 * u[5] - 1) * augmentation.shear_range,
        zx=low + u[6] * (high - low),
        zy=low + u[7] * (high - low),
        flip_horizontal=(u[8] < 0.5) & augmentation.horizontal_flip,
        flip_vertical=(u[9] < 0.5) & augmentation.vertical_flip,
    )
    return [{name: v[i] for name, v in columns.items()} for i in range(count)]


def by_scipy(image, p, fill_mode, cval):
    """One transform about the true centre, composed step by step in float64."""
    height, width = image.shape[:2]
    theta, shear = np.deg2rad(p["theta"]), np.deg2rad(p["shear"])
    rotation = [[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]]
    shearing = [[1, -np.sin(shear)], [0, np.cos(shear)]]
    linear = rotation @ np.array(shearing) @ np.diag([p["zx"], p["zy"]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = centre - linear @ centre + rotation @ np.array([p["tx"], p["ty"]])
    moved = [
        scipy.ndimage.affine_transform(
            channel.astype("float64"),
            linear[::-1, ::-1],
            offset[::-1],
            order=1,
            mode=fill_mode,
            cval=cval,
        )
        for channel in np.moveaxis(image, -1, 0)
    ]
    result = np.stack(moved, -1)
    result = result[:, ::-1] if p["flip_horizontal"] else result
    return result[::-1] if p["flip_vertical"] else result


def ramps(side):
    """An image whose two channels are its own column and row numbers."""
    row, column = np.mgrid[:side, :side]
    return np.stack([column, row], -1).astype("float64")


def matrix_entries(outputs):
    """Recover (a0, a1, a2, b0, b1, b2) from transformed ramps, off three pixels."""
    middle = outputs.shape[1] // 2
    at = outputs[:, middle, middle]
    by_column = outputs[:, middle, middle + 1] - at
    by_row = outputs[:, middle + 1, middle] - at
    offset = at - middle * (by_column + by_row)
    return np.stack([by_column, by_row, offset], 1).transpose(0, 2, 1).reshape(-1, 6)


def keras_entries(count, settings, side=32):
    generator = ImageDataGenerator(dtype="float64", **settings)
    image = ramps(side)
    return matrix_entries(
        np.stack([generator.random_transform(image, seed=i) for i in range(count)])
    )


def affine_entries(count, settings, side=32, seed=(3, 4)):
    return Affine(**settings).matrices(count, side, side, seed).numpy()[:, :6]


def smallest_p(ours, theirs, side=32):
    """The least Kolmogorov-Smirnov p-value over entries and what they make up."""

    def statistics(m):
        a0, a1, a2, b0, b1, b2 = m.T
        middle = (side - 1) / 2
        centre = [(a0 + a1) * middle + a2, (b0 + b1) * middle + b2]
        skew, area = a0 * a1 + b0 * b1, a0 * b1 - a1 * b0
        return [a0, a1, a2, b0, b1, b2, *centre, skew, area]

    # Recovered and computed entries differ in the last float32 digits, which
    # would break ties (no zoom, no shift); hence the rounding.
    return min(
        scipy.stats.ks_2samp(np.round(a, 4), np.round(b, 4)).pvalue
        for a, b in zip(statistics(ours), statistics(theirs), strict=True)
    )


class TestResampling:
    @pytest.mark.parametrize("picture", [noise, smooth])
    @pytest.mark.parametrize("shape", [(32, 32), (19, 34)])
    @pytest.mark.parametrize("fill_mode", FILL_MODES)
    def test_is_keras_to_the_letter_with_legacy_axes(self, fill_mode, shape, picture):
        settings = dict(**WILD, fill_mode=fill_mode, cval=77.0)
        augmentation = Affine(**settings, legacy_axes=True)
        generator = ImageDataGenerator(**settings)
        images = picture(12, *shape)
        result = augmentation(images, (5, 6)).numpy()
        drawn = drawn_parameters(augmentation, 12, *shape, (5, 6))
        assert {p["flip_horizontal"] for p in drawn} == {True, False}
        expected = np.stack(
            [
                generator.apply_transform(image.astype("float64"), p)
                for image, p in zip(images, drawn, strict=True)
            ]
        )
        np.testing.assert_allclose(result, expected, rtol=1e-3, atol=0.05)

    @pytest.mark.filterwarnings("ignore:shear_range=0.2:UserWarning")
    @pytest.mark.parametrize("settings", [PRINTED, FLIPS], ids=["shear", "flips"])
    def test_the_texts_settings_give_keras_pixels(self, settings):
        images = noise(64, 32, 32)
        augmentation = Affine(**settings, legacy_axes=True)
        generator = ImageDataGenerator(**settings)
        drawn = drawn_parameters(augmentation, 64, 32, 32, (5, 6))
        expected = [
            generator.apply_transform(image.astype("float64"), p)
            for image, p in zip(images, drawn, strict=True)
        ]
        result = augmentation(images, (5, 6)).numpy()
        np.testing.assert_allclose(result, np.stack(expected), rtol=1e-3, atol=0.05)

    @pytest.mark.filterwarnings("ignore:shear_range=0.2:UserWarning")
    def test_a_shear_of_a_fifth_of_a_degree_moves_no_pixel(self):
        # Of a ramp the values are the places that they were read at, in pixels.
        images = np.repeat(ramps(32)[None].astype("float32"), 500, axis=0)
        slight, plain = (
            np.abs(Affine(shear_range=angle)(images, (1, 2)).numpy() - images).max()
            for angle in (0.2, 11.5)
        )
        assert slight < 0.11
        assert plain > 2.5

    @pytest.mark.parametrize("shape", [(19, 34), (30, 17), (1, 6)])
    @pytest.mark.parametrize("fill_mode", FILL_MODES)
    def test_turns_about_the_true_centre_by_default(self, fill_mode, shape):
        augmentation = Affine(**WILD, fill_mode=fill_mode, cval=77.0)
        images = noise(12, *shape)
        result = augmentation(images, (8, 1)).numpy()
        drawn = drawn_parameters(augmentation, 12, *shape, (8, 1))
        expected = np.stack(
            [
                by_scipy(image, p, fill_mode, 77.0)
                for image, p in zip(images, drawn, strict=True)
            ]
        )
        np.testing.assert_allclose(result, expected, rtol=1e-3, atol=0.05)

    def test_legacy_axes_change_nothing_on_square_images_with_like_shifts(self):
        default = affine_entries(500, SHEAR | dict(rotation_range=0, shear_range=0))
        legacy = affine_entries(
            500, SHEAR | dict(rotation_range=0, shear_range=0, legacy_axes=True)
        )
        assert smallest_p(default, legacy) > 0.01

    def test_width_shift_moves_columns_and_keras_moves_rows(self):
        # The reason for `legacy_axes`; should Keras mend it, this will tell.
        image = noise(1, 12, 12)
        ours = Affine(width_shift_range=[4])(image, 0).numpy()[0]
        legacy = Affine(width_shift_range=[4], legacy_axes=True)(image, 0).numpy()[0]
        theirs = ImageDataGenerator(width_shift_range=[4]).random_transform(image[0])
        assert any(np.array_equal(ours[:, 6], image[0, :, c]) for c in (2, 10))
        for moved in (legacy, theirs):
            assert any(np.array_equal(moved[6], image[0, r]) for r in (2, 10))

    @pytest.mark.parametrize("dtype", ["uint8", "float32", "int32", "float16"])
    @pytest.mark.parametrize("fill_mode", FILL_MODES)
    def test_whole_pixel_shifts_are_exact(self, fill_mode, dtype):
        images = np.round(noise(20, 9, 14)).astype(dtype)
        augmentation = Affine(
            width_shift_range=5, height_shift_range=[0, 2, 3], fill_mode=fill_mode
        )
        result = augmentation(images, (1, 2)).numpy()
        matrices = augmentation.matrices(20, 9, 14, (1, 2)).numpy()
        assert len(np.unique(matrices[:, 2])) > 4 and len(np.unique(matrices[:, 5])) > 3
        expected = [
            scipy.ndimage.shift(image, (-m[5], -m[2], 0), order=0, mode=fill_mode)
            for image, m in zip(images.astype("float64"), matrices, strict=True)
        ]
        assert result.dtype == images.dtype
        np.testing.assert_array_equal(result, np.stack(expected))

    def test_flips_are_exact_and_hit_half_of_the_images(self):
        images = np.repeat(noise(1, 8, 11), 2000, axis=0)
        mirrored, upside_down = images[0][:, ::-1], images[0][::-1]
        for setting, flipped in [
            ("horizontal_flip", mirrored),
            ("vertical_flip", upside_down),
        ]:
            result = Affine(**{setting: True})(images, (2, 2)).numpy()
            is_flipped = (result == flipped).all((1, 2, 3))
            assert (is_flipped | (result == images).all((1, 2, 3))).all()
            assert scipy.stats.binomtest(int(is_flipped.sum()), 2000).pvalue > 0.01

    def test_no_settings_leave_the_images_alone(self):
        images = noise(3, 7, 5)
        np.testing.assert_array_equal(Affine()(images, (0, 0)), images)

    def test_quarter_turn_keeps_its_border_under_constant_fill(self):
        # Rounding puts border pixels a hair outside; they mustn't be cut.
        image = 1 + noise(1, 16, 16)
        matrix = tf.constant([[0, -1, 15.000002, 1, 0, -0.000002, 0, 0]])
        for fill_mode in ("constant", "wrap"):
            result = resample(tf.constant(image), matrix, fill_mode, 0.0).numpy()[0]
            np.testing.assert_allclose(result, np.rot90(image[0]), atol=0.01)


class TestDistribution:
    @pytest.mark.filterwarnings("ignore:shear_range=0.2:UserWarning")
    @pytest.mark.parametrize(
        "settings", [FLIPS, SHEAR, PRINTED], ids=["flips", "shear", "printed"]
    )
    def test_matrices_are_distributed_as_in_keras(self, settings):
        theirs = keras_entries(3000, settings)
        assert smallest_p(affine_entries(3000, settings), theirs) > 0.01

    @pytest.mark.parametrize(
        "change",
        [
            dict(rotation_range=25),
            dict(zoom_range=0.23),
            dict(width_shift_range=0.24),
            dict(shear_range=17),
            dict(horizontal_flip=False),
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_a_small_change_of_settings_would_be_noticed(self, change):
        theirs = keras_entries(3000, SHEAR)
        assert smallest_p(affine_entries(3000, SHEAR | change), theirs) < 1e-4

    @pytest.mark.parametrize(
        "shift", [3, 1, 2.5, 1.0, 0.15, [1, 4], [-0.1, 0.25], [0, 2.5]], ids=str
    )
    def test_the_readings_of_a_shift_are_those_of_keras(self, shift):
        settings = dict(height_shift_range=shift, width_shift_range=shift)
        ours = affine_entries(2000, settings, side=20)[:, [2, 5]]
        generator = ImageDataGenerator(**settings)
        drawn = [
            generator.get_random_transform((20, 20, 1), seed=i) for i in range(2000)
        ]
        theirs = np.array([[p["tx"], p["ty"]] for p in drawn], "float32")
        if isinstance(shift, float):
            for a, b in zip(ours.T, theirs.T, strict=True):
                assert scipy.stats.ks_2samp(a, b).pvalue > 0.005
            return
        for a, b in zip(ours.T, theirs.T, strict=True):
            values = np.union1d(a, b)
            assert len(values) == len(np.unique(a)) == len(np.unique(b))
            if len(values) > 1:
                table = [[(x == v).sum() for v in values] for x in (a, b)]
                assert scipy.stats.chi2_contingency(table).pvalue > 0.005

    def test_augmented_images_have_the_mean_and_spread_of_keras(self):
        image = smooth(1, 24, 24, 1, seed=4)
        count = 2000
        generator = ImageDataGenerator(**SHEAR)
        theirs = np.stack(
            [generator.random_transform(image[0], seed=i) for i in range(count)]
        )

        def distance(settings):
            ours = Affine(**settings)(np.repeat(image, count, 0), (7, 8)).numpy()
            error = np.sqrt((ours.var(0) + theirs.var(0)) / count)
            z = (ours.mean(0) - theirs.mean(0)) / error
            spread = ours.std(0).mean() / theirs.std(0).mean()
            return np.sqrt((z**2).mean()), abs(spread - 1)

        z, spread = distance(SHEAR)
        assert z < 1.7 and spread < 0.02
        z, spread = distance(SHEAR | dict(width_shift_range=0.25))
        assert z > 1.7 or spread > 0.02


class TestSeeds:
    def test_the_same_seed_gives_the_same_images(self):
        images = noise(6, 16, 16)
        augmentation = Affine(**SHEAR)
        first = augmentation(images, (1, 2)).numpy()
        np.testing.assert_array_equal(first, augmentation(images, [1, 2]))
        np.testing.assert_array_equal(
            augmentation(images, 9), augmentation(images, (9, 0))
        )
        assert not np.array_equal(first, augmentation(images, (1, 3)))
        assert not np.array_equal(first, augmentation(images, (2, 2)))

    def test_each_image_of_a_batch_draws_its_own_transform(self):
        images = np.repeat(noise(1, 16, 16), 8, axis=0)
        result = Affine(**SHEAR)(images, (1, 2)).numpy().reshape(8, -1)
        assert len(np.unique(result, axis=0)) == 8

    def test_global_seeds_play_no_part(self):
        images = noise(4, 16, 16)
        tf.random.set_seed(1)
        first = Affine(**SHEAR)(images, (1, 2)).numpy()
        tf.random.set_seed(2)
        np.testing.assert_array_equal(first, Affine(**SHEAR)(images, (1, 2)))

    def test_switching_on_a_flip_leaves_the_other_draws(self):
        plain = affine_entries(50, dict(rotation_range=20))
        flipped = affine_entries(50, dict(rotation_range=20, horizontal_flip=True))
        np.testing.assert_array_equal(plain[:, [1, 4]], flipped[:, [1, 4]])


class TestTypes:
    def test_uint8_stays_uint8_and_is_rounded(self):
        images = noise(32, 24, 24).astype("uint8")
        result = Affine(**SHEAR)(images, (1, 2)).numpy()
        exact = Affine(**SHEAR)(images.astype("float32"), (1, 2)).numpy()
        assert result.dtype == np.uint8
        assert np.abs(result - exact).max() <= 0.5 + 1e-4
        # Cut off instead of rounded, the mean would sink by half a level.
        assert abs((result - exact).mean()) < 0.01

    def test_white_stays_white(self):
        white = np.full((16, 16, 16, 1), 255, "uint8")
        for fill_mode in FILL_MODES[:2]:
            result = Affine(**WILD, fill_mode=fill_mode)(white, (0, 1))
            assert (result.numpy() == 255).all()

    def test_cval_must_fit_the_type(self):
        augmentation = Affine(20, fill_mode="constant", cval=-1.0)
        augmentation(noise(1, 4, 4), 0)
        with pytest.raises(ValueError, match=r"cval=-1 .*uint8.*0 to 255"):
            augmentation(np.zeros((1, 4, 4, 1), "uint8"), 0)

    def test_a_single_image_is_refused_with_the_remedy(self):
        with pytest.raises(ValueError, match=r"images\[None\]"):
            Affine()(np.zeros((4, 4, 3)), 0)


class TestInPipelines:
    @staticmethod
    def dataset(augmentation, images, drop_remainder):
        batches = tf.data.Dataset.from_tensor_slices(images).batch(
            4, drop_remainder=drop_remainder
        )
        seeds = tf.data.Dataset.random(seed=5, rerandomize_each_iteration=False)
        return tf.data.Dataset.zip(batches, seeds.batch(2, drop_remainder=True)).map(
            lambda batch, seed: augment.apply(augmentation, batch, seed),
            num_parallel_calls=4,
        )

    @pytest.mark.parametrize(
        "drop_remainder", [pytest.param(True, marks=pytest.mark.slow), False]
    )
    @pytest.mark.parametrize("fill_mode", FILL_MODES)
    def test_affine_in_a_parallel_map(self, fill_mode, drop_remainder):
        images = noise(18, 10, 12).astype("uint8")
        augmentation = Affine(**(SHEAR | dict(fill_mode=fill_mode)))
        dataset = self.dataset(augmentation, images, drop_remainder)
        batch = 4 if drop_remainder else None
        assert dataset.element_spec == tf.TensorSpec((batch, 10, 12, 3), tf.uint8)
        first, second = (list(dataset.as_numpy_iterator()) for _ in range(2))
        assert sum(map(len, first)) == (16 if drop_remainder else 18)
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
        assert not np.array_equal(first[0], images[:4])

    def test_unknown_image_sizes(self):
        augmentation = Affine(**SHEAR)
        spec = tf.TensorSpec((None, None, None, 1), tf.float32)
        traced = tf.function(
            augmentation, input_signature=[spec, tf.TensorSpec(2, "int32")]
        )
        for shape in [(3, 8, 9, 1), (2, 12, 5, 1)]:
            images = noise(*shape)
            expected = augmentation(images, (1, 2))
            np.testing.assert_allclose(
                traced(images, tf.constant([1, 2])), expected, atol=1e-3
            )

    def test_a_generator_in_a_parallel_map(self):
        images = noise(18, 10, 10).astype("uint8")
        generator = augment.image_data_generator(**SHEAR)
        dataset = self.dataset(generator, images, False)
        assert dataset.element_spec == tf.TensorSpec((None, 10, 10, 3), tf.float32)
        np.random.seed(1)
        state = np.random.get_state()[1].copy()
        first, second = (list(dataset.as_numpy_iterator()) for _ in range(2))
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.random.get_state()[1], state)
        assert 10 < first[0].max() <= 255

    def test_a_generator_transforms_as_by_its_own_method(self):
        images = noise(5, 10, 14)
        with pytest.warns(UserWarning, match="wrong way round"):
            generator = augment.image_data_generator(
                20, height_shift_range=0.3, brightness_range=(0.5, 1.5)
            )
        result = augment.apply(generator, images, (3, 1)).numpy()
        seeds = tf.random.stateless_uniform((5,), (3, 1), 0, 2**31 - 1, tf.int32)
        expected = [
            generator.random_transform(image, seed=int(seed))
            for image, seed in zip(images, seeds, strict=True)
        ]
        np.testing.assert_array_equal(result, np.stack(expected))

    def test_numpy_state_is_restored_after_an_error_too(self):
        class Broken(ImageDataGenerator):
            def get_random_transform(self, img_shape, seed=None):
                super().get_random_transform(img_shape, seed)
                raise OSError("disk on fire")

        state = np.random.get_state()[1].copy()
        with pytest.raises(OSError, match="disk on fire"):
            augment.apply(Broken(), noise(1, 4, 4), (0, 0))
        np.testing.assert_array_equal(np.random.get_state()[1], state)

    def test_callables_get_the_seed_if_they_need_it(self):
        images = noise(4, 6, 6)
        flip = tf.image.stateless_random_flip_left_right
        np.testing.assert_array_equal(
            augment.apply(flip, images, (1, 1)), flip(images, (1, 1))
        )
        np.testing.assert_array_equal(
            augment.apply(tf.image.flip_left_right, images, (1, 1)),
            images[:, :, ::-1],
        )
        # The optional int seed of this one isn't ours to fill.
        assert augment.apply(tf.image.random_flip_up_down, images, (1, 1)).shape == (
            images.shape
        )
        np.testing.assert_array_equal(augment.apply(None, images, (1, 1)), images)

    def test_keras_layers_augment(self):
        images = noise(64, 6, 6)
        layer = keras.layers.RandomFlip("horizontal", seed=1)
        result = np.asarray(augment.apply(layer, images, (1, 1)))
        flipped = (result == images[:, :, ::-1]).all((1, 2, 3))
        assert 10 < flipped.sum() < 54

    def test_what_cannot_augment_is_refused(self):
        with pytest.raises(ValueError, match="callable on batches"):
            augment.apply(3, noise(1, 4, 4), (0, 0))


class TestGet:
    def test_names_dicts_objects_and_none(self):
        assert augment.get(None) is None
        assert isinstance(augment.get("idg"), ImageDataGenerator)
        assert isinstance(augment.get("Image-Data-Generator"), ImageDataGenerator)
        spec = {"name": "affine", "rotation_range": 10, "zoom_range": 0.1}
        assert augment.get(spec) == Affine(10, zoom_range=0.1)
        assert augment.get(spec, rotation_range=5) == Affine(5, zoom_range=0.1)
        assert spec["rotation_range"] == 10
        for thing in (Affine(5), ImageDataGenerator(), tf.image.flip_left_right):
            assert augment.get(thing) is thing

    def test_each_call_gives_a_fresh_object(self):
        assert augment.get("affine") is not augment.get("affine")

    @pytest.mark.parametrize(
        "spec, arguments, message",
        [
            ("afine", {}, "Did you mean 'affine'"),
            ("affine", {"rotation": 3}, "Did you mean 'rotation_range'.*zoom_range"),
            ("idg", {"rotation": 3}, "Did you mean 'rotation_range'.*zoom_range"),
            (3, {}, "Unknown augmentation 3"),
            (keras.layers.RandomFlip, {}, r"Call it: RandomFlip\("),
            (Affine(), {"cval": 1}, "cval.*name or a dict"),
            (None, {"cval": 1}, "cval.*name or a dict"),
            ({"rotation_range": 3}, {}, "needs a 'name'"),
            (ImageDataGenerator(rescale=1 / 255), {}, "rescale.*divides uint8"),
            (ImageDataGenerator(validation_split=0.1), {}, "validation_split"),
            (ImageDataGenerator(data_format="channels_first"), {}, "data_format"),
            (ImageDataGenerator(samplewise_center=True), {}, "samplewise_center"),
        ],
    )
    def test_refusals_say_what_is_accepted(self, spec, arguments, message):
        with pytest.raises(ValueError, match=message):
            augment.get(spec, **arguments)

    def test_registered_names(self):
        @augment.register("test_upside_down")
        def upside_down():
            return tf.image.flip_up_down

        assert augment.get("test_upside_down") is tf.image.flip_up_down
        with pytest.raises(ValueError, match="taken"):
            augment.register("affine")


class TestSettings:
    @pytest.mark.parametrize("name", ["affine", "image_data_generator"])
    @pytest.mark.parametrize(
        "field, value, message",
        [
            ("rotation_range", -20, "at least 0"),
            ("rotation_range", "20", "at least 0"),
            ("rotation_range", True, "at least 0"),
            ("rotation_range", float("nan"), "at least 0"),
            ("shear_range", -0.2, "at least 0"),
            ("width_shift_range", -0.2, "fraction of the side"),
            ("width_shift_range", [], "fraction of the side"),
            ("height_shift_range", ["a"], "fraction of the side"),
            ("height_shift_range", [-2, -1, 0], "all of them pixels"),
            ("zoom_range", 1.0, "not including, 1"),
            ("zoom_range", 1, "not including, 1"),
            ("zoom_range", -0.1, "not including, 1"),
            ("zoom_range", [1.2, 0.8], "two numbers"),
            ("zoom_range", [0.0, 1.0], "above 0"),
            ("zoom_range", [1, 2, 3], "two numbers"),
            ("horizontal_flip", 1, "True or False"),
            ("fill_mode", "mirror", "constant, nearest, reflect, wrap"),
            ("cval", None, "a number"),
        ],
    )
    def test_refusals_name_field_value_and_choices(self, name, field, value, message):
        with pytest.raises(ValueError, match=message) as caught:
            augment.get(name, **{field: value})
        assert str(caught.value).startswith(f"{field}={value!r}")

    @pytest.mark.parametrize(
        "field, value, message",
        [
            ("validation_split", 0.2, "validation=..."),
            ("featurewise_center", True, "pipeline scales"),
            ("featurewise_std_normalization", True, "pipeline scales"),
            ("zca_whitening", True, "pipeline scales"),
            ("rescale", 1 / 255, "divides uint8"),
            ("preprocessing_function", abs, "the function itself"),
            ("interpolation_order", 7, "0 to 5"),
            ("brightness_range", 0.5, "two numbers"),
            ("channel_shift_range", -1, "at least 0"),
        ],
    )
    def test_the_generator_refuses_what_the_pipeline_does(self, field, value, message):
        with pytest.raises(ValueError, match=message) as caught:
            augment.image_data_generator(**{field: value})
        assert field in str(caught.value)

    def test_arguments_spelt_out_at_their_defaults_are_fine(self):
        generator = augment.image_data_generator(
            featurewise_center=False,
            samplewise_center=False,
            zca_whitening=False,
            zca_epsilon=1e-06,
            rotation_range=15,
            rescale=None,
            preprocessing_function=None,
            data_format=None,
            validation_split=0.0,
        )
        assert generator.rotation_range == 15

    @pytest.mark.parametrize("name", ["affine", "image_data_generator"])
    def test_a_shear_in_radians_is_called_out(self, name):
        with pytest.warns(UserWarning, match=r"degrees.*shear_range=11\.5"):
            augment.get(name, shear_range=0.2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            augment.get(name, shear_range=11.5)
            augment.get(name, shear_range=0)

    def test_a_native_generator_with_shear_in_radians_is_called_out(self):
        with pytest.warns(UserWarning, match="degrees"):
            augment.get(ImageDataGenerator(shear_range=0.2))

    @pytest.mark.filterwarnings("ignore:shear_range=0.2:UserWarning")
    @pytest.mark.parametrize("printed", [FLIPS, SHEAR, PRINTED])
    def test_the_generator_carries_every_setting(self, printed):
        assert vars(augment.image_data_generator(**printed)) == vars(
            ImageDataGenerator(**printed)
        )
        settings = printed | dict(cval=3.0, brightness_range=(0.8, 1.2))
        generator = augment.image_data_generator(
            **settings, channel_shift_range=5, interpolation_order=0
        )
        twin = ImageDataGenerator(
            **settings, channel_shift_range=5, interpolation_order=0
        )
        assert vars(generator) == vars(twin)


class TestConfig:
    @pytest.mark.parametrize(
        "augmentation",
        [
            Affine(),
            Affine(**SHEAR),
            Affine(**WILD, fill_mode="wrap", legacy_axes=True),
            Affine(width_shift_range=[1, 2], height_shift_range=3, cval=2),
        ],
        ids=repr,
    )
    def test_round_trip(self, augmentation):
        twin = Affine.from_config(augmentation.get_config())
        assert twin == augmentation and hash(twin) == hash(augmentation)
        assert eval(repr(augmentation)) == augmentation  # noqa: S307
        images = noise(3, 8, 8)
        np.testing.assert_array_equal(twin(images, 1), augmentation(images, 1))

    def test_whole_pixels_are_not_fractional_pixels(self):
        assert Affine(width_shift_range=2) != Affine(width_shift_range=2.0)
        assert Affine(20) == Affine(20.0) != Affine(21)
        assert Affine() != "Affine()"

    def test_settings_cannot_change_afterwards(self):
        with pytest.raises(AttributeError):
            Affine().rotation_range = 3


class TestPreview:
    @pytest.mark.parametrize("channels", [1, 3])
    def test_originals_above_augmented_rows(self, channels, tmp_path):
        images = noise(6, 8, 10, channels).astype("uint8")
        figure = augment.preview(Affine(**FLIPS), images, columns=4, rows=2, seed=7)
        shown = [axes.images[0].get_array() for axes in figure.axes]
        assert len(shown) == 12
        for row, batch in enumerate(
            [images[:4], *(Affine(**FLIPS)(images[:4], (7, r)).numpy() for r in (0, 1))]
        ):
            for picture, image in zip(shown[4 * row : 4 * row + 4], batch, strict=True):
                expected = image[..., 0] if channels == 1 else image
                np.testing.assert_allclose(picture, expected / 255, atol=1e-6)
        assert figure._repr_png_().startswith(b"\x89PNG")  # Notebooks show it.
        figure.savefig(tmp_path / "preview.png")
        assert (tmp_path / "preview.png").stat().st_size > 1000

    def test_generators_and_floats(self):
        images = noise(2, 8, 8) / 255
        figure = augment.preview(augment.get("idg", rotation_range=9), images, rows=1)
        assert len(figure.axes) == 4
        np.testing.assert_allclose(figure.axes[0].images[0].get_array(), images[0])

    @pytest.mark.parametrize("shape", [(0, 8, 8, 3), (8, 8, 3), (2, 8, 8, 7)])
    def test_what_is_no_batch_of_pictures_is_refused(self, shape):
        with pytest.raises(ValueError, match="batch, height, width, channels"):
            augment.preview(Affine(), np.zeros(shape))
        with pytest.raises(ValueError, match="columns must be an integer >= 1"):
            augment.preview(Affine(), np.zeros((1, 4, 4, 1)), columns=0)
