"""Crop, held against NumPy's padding and SciPy's statistics."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from kerasopt import augment
from kerasopt.augment import Crop


def noise(count, height=9, width=12, channels=3, dtype="uint8", seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, height, width, channels)).astype(dtype)


def all_crops(image, padding):
    """Every crop of the padded image and its mirror, keyed (down, across, flipped)."""
    height, width = image.shape[:2]
    border = (padding, padding)
    padded = np.pad(image, (border, border, (0, 0)), mode="reflect")
    crops = {}
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = padded[top : top + height, left : left + width]
            crops[top - padding, left - padding, False] = crop
            crops[top - padding, left - padding, True] = crop[:, ::-1]
    return crops


def drawn(image, padding, results):
    """Which crop of the one image each result is."""
    keys = {crop.tobytes(): key for key, crop in all_crops(image, padding).items()}
    return np.array([keys[result.tobytes()] for result in results])


def is_flipped(augmentation, images, **context):
    """Whether each image comes out mirrored, for augmentations without shifts."""
    result = augmentation(images, (1, 2), **context).numpy()
    flipped = (result == images[:, :, ::-1]).all((1, 2, 3))
    assert (flipped ^ (result == images).all((1, 2, 3))).all()
    return flipped


class TestShifts:
    @pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32"])
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("padding", [1, 4, 8])
    def test_outputs_are_crops_of_numpys_reflect_padding(
        self, padding, channels, dtype
    ):
        images = noise(60, channels=channels, dtype=dtype)
        result = Crop(padding)(images, (3, 4)).numpy()
        assert result.dtype == images.dtype
        keys = {
            tuple(drawn(image, padding, moved[None])[0])
            for image, moved in zip(images, result, strict=True)
        }
        assert len(keys) > 10

    def test_all_crops_occur_equally_often(self):
        image, padding, count = noise(1)[0], 2, 10_000
        result = Crop(padding)(np.repeat(image[None], count, 0), (5, 6)).numpy()
        keys, counts = np.unique(
            drawn(image, padding, result), axis=0, return_counts=True
        )
        assert len(keys) == 50
        assert scipy.stats.chisquare(counts).pvalue > 0.01

    def test_batches_of_two_steps_differ_independently(self):
        image, count = noise(1)[0], 5_000
        images = np.repeat(image[None], count, 0)
        first, second = (
            drawn(image, 1, Crop(1)(images, (5, step)).numpy()) for step in (6, 7)
        )
        names = [keys @ [6, 2, 1] + 8 for keys in (first, second)]
        table = scipy.stats.contingency.crosstab(*names).count
        assert table.shape == (18, 18)
        assert scipy.stats.chi2_contingency(table).pvalue > 0.01

    def test_nothing_set_changes_nothing(self):
        images = noise(5)
        np.testing.assert_array_equal(Crop(0, flip=None)(images, 1), images)

    def test_switching_on_flips_and_cutout_leaves_the_shifts(self):
        images = noise(40)
        plain, flipped = (
            np.concatenate(
                [
                    drawn(image, 2, moved[None])
                    for image, moved in zip(
                        images, crop(images, 3).numpy(), strict=True
                    )
                ]
            )
            for crop in (Crop(2, flip=None), Crop(2))
        )
        np.testing.assert_array_equal(plain[:, :2], flipped[:, :2])
        assert not plain[:, 2].any() and 5 < flipped[:, 2].sum() < 35
        cut = Crop(2, cutout=3)(images, 3).numpy()
        same = (cut == Crop(2)(images, 3).numpy()).all(-1)
        assert same.sum((1, 2)).min() >= 9 * 12 - 9


class TestFlips:
    def test_random_flips_hit_half_of_the_images_each_time(self):
        images = noise(2000, 4, 5)
        flipped = is_flipped(Crop(0), images)
        assert scipy.stats.binomtest(int(flipped.sum()), 2000).pvalue > 0.01

    def test_alternating_shows_both_sides_in_any_two_epochs(self):
        images, rows = noise(2000, 4, 5), np.arange(2000)
        by_epoch = [
            is_flipped(Crop(0, flip="alternating"), images, rows=rows, epoch=epoch)
            for epoch in range(4)
        ]
        assert scipy.stats.binomtest(int(by_epoch[0].sum()), 2000).pvalue > 0.01
        for earlier, later in itertools.pairwise(by_epoch):
            np.testing.assert_array_equal(earlier, ~later)

    def test_an_images_coin_hangs_on_its_row_alone(self):
        images, rows = noise(300, 4, 5), np.arange(300)
        crop = Crop(0, flip="alternating")
        expected = is_flipped(crop, images, rows=rows, epoch=0)
        order = np.random.default_rng(1).permutation(300)[:77]
        for rows_dtype in ("int32", "int64"):
            shuffled = is_flipped(
                crop, images[order], rows=order.astype(rows_dtype), epoch=8
            )
            np.testing.assert_array_equal(shuffled, expected[order])

    def test_coins_of_two_runs_are_independent(self):
        images, rows = noise(2000, 4, 5), np.arange(2000)
        first, second = (
            is_flipped(
                Crop(0, flip="alternating"), images, rows=rows, epoch=0, run_seed=seed
            )
            for seed in (0, 2**40)
        )
        agreeing = int((first == second).sum())
        assert scipy.stats.binomtest(agreeing, 2000).pvalue > 0.01

    @pytest.mark.parametrize("context", [{}, {"rows": [0, 1]}, {"epoch": 0}])
    def test_alternating_without_its_context_is_refused(self, context):
        with pytest.raises(ValueError, match=r"rows=.*epoch=.*flip='random'"):
            Crop(flip="alternating")(noise(2), 0, **context)

    @pytest.mark.parametrize(
        "rows, epoch, run_seed",
        [
            ([0], 0, 0),
            ([0, 1, 2], 0, 0),
            ([[0, 1]], 0, 0),
            ([0.0, 1.0], 0, 0),
            ([0, 1], [0, 1], 0),
            ([0, 1], 0.5, 0),
            ([0, 1], 0, [1, 2]),
            ([0, 1], 0, 0.5),
        ],
    )
    def test_unfit_context_is_refused(self, rows, epoch, run_seed):
        with pytest.raises(ValueError, match=r"rows as integers of shape \(2,\)"):
            Crop(flip="alternating")(
                noise(2), 0, rows=rows, epoch=epoch, run_seed=run_seed
            )

    def test_one_row_number_for_a_batch_of_unknown_length_is_an_error(self):
        crop = Crop(flip="alternating")
        traced = tf.function(
            lambda images, rows: crop(images, 0, rows=rows, epoch=0),
            input_signature=[
                tf.TensorSpec((None, 9, 12, 3), tf.uint8),
                tf.TensorSpec((None,), tf.int64),
            ],
        )
        assert traced(noise(3), [4, 5, 6]).shape == (3, 9, 12, 3)
        with pytest.raises(tf.errors.InvalidArgumentError, match="rows, images"):
            traced(noise(3), [4])


class TestCutout:
    @staticmethod
    def cut_pixels(side, count=4000, height=9, width=12):
        images = np.zeros((count, height, width, 1), "float32")
        images[:, 0, 0] = height * width  # The mean is then 1.
        crop = Crop(0, flip=None, cutout=side)
        return crop(images, (1, 2)).numpy()[..., 0] == 1

    @pytest.mark.parametrize("side", [1, 2, 5, 9])
    def test_squares_are_whole_or_clipped_at_the_border(self, side):
        for cut in self.cut_pixels(side, count=300):
            rows, columns = np.flatnonzero(cut.any(1)), np.flatnonzero(cut.any(0))
            np.testing.assert_array_equal(cut, np.outer(cut.any(1), cut.any(0)))
            for found, size in [(rows, 9), (columns, 12)]:
                np.testing.assert_array_equal(np.diff(found), 1)
                is_clipped = found[0] == 0 or found[-1] == size - 1
                assert len(found) == side or (is_clipped and len(found) < side)

    def test_centres_are_uniform_over_the_image(self):
        cut = self.cut_pixels(1, count=20_000)
        assert (cut.sum((1, 2)) == 1).all()
        assert scipy.stats.chisquare(cut.sum(0).ravel()).pvalue > 0.01

    @pytest.mark.parametrize("side", [4, 5])
    def test_how_often_a_pixel_is_cut_follows_from_the_centres(self, side):
        # The paper's squares: from centre - side // 2 on, cut off at the border.
        def share(size):
            starts = np.arange(size) - side // 2
            return np.mean(
                [(np.arange(size) >= a) & (np.arange(size) < a + side) for a in starts],
                axis=0,
            )

        expected = np.outer(share(9), share(12))
        found = self.cut_pixels(side).mean(0)
        error = np.sqrt(expected * (1 - expected) / 4000)
        assert np.abs((found - expected) / error).max() < 4

    @pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
    def test_squares_have_the_images_own_mean_colour(self, dtype):
        images = noise(20, dtype=dtype)
        crop, plain = Crop(2, cutout=6), Crop(2)
        result, shifted = crop(images, 7).numpy(), plain(images, 7).numpy()
        means = images.astype("float64").mean((1, 2))
        means = np.round(means) if dtype == "uint8" else means
        cut = (result != shifted).any(-1)
        assert (cut.sum((1, 2)) > 0).all() and cut.sum((1, 2)).max() <= 36
        for image, mask, mean in zip(result, cut, means, strict=True):
            np.testing.assert_allclose(image[mask] - mean, 0, atol=1e-4)

    def test_white_stays_white(self):
        white = np.full((4, 40, 40, 3), 255, "uint8")
        assert (Crop(2, cutout=20)(white, 0).numpy() == 255).all()


class TestColours:
    @pytest.mark.parametrize("dtype", ["uint8", "float32"])
    def test_colours_change_as_kerass_layers_change_them(self, dtype):
        # Far from black and white, where Keras's layers would clip.
        span = 255 if dtype == "uint8" else 1.0
        images = (noise(200, dtype="float32") / 255 * 0.4 + 0.3) * span
        images = images.astype(dtype)
        crop = Crop(0, flip=None, brightness=0.1, contrast=0.3)
        result = crop(images, (1, 2)).numpy()
        assert result.dtype == images.dtype
        shifts, factors = [], []
        for before, after in zip(images, result, strict=True):
            v, w = before.astype("float64"), after.astype("float64")
            shifts.append((w.mean() - v.mean()) / span)
            factors.append(w.std((0, 1)).mean() / v.std((0, 1)).mean())
            expected = keras.ops.convert_to_numpy(
                keras.layers.RandomContrast(
                    0.3, value_range=(0, span)
                ).transform_images(
                    v.astype("float32"), {"contrast_factor": factors[-1]}
                )
            )
            np.testing.assert_allclose(
                w, expected + shifts[-1] * span, atol=1.5 if dtype == "uint8" else 1e-4
            )
        for found, middle, width in [(shifts, 0, 0.1), (factors, 1, 0.3)]:
            uniform = scipy.stats.uniform(middle - width, 2 * width)
            assert scipy.stats.kstest(found, uniform.cdf).pvalue > 0.01

    def test_integers_are_rounded_and_stay_in_range(self):
        crop = Crop(0, flip=None, brightness=0.5)
        for colour, edge in [(0, np.maximum), (255, np.minimum)]:
            images = np.full((50, 4, 4, 1), colour, "uint8")
            result = crop(images, 3).numpy()[:, 0, 0, 0].astype(int)
            assert (edge(result, colour) == result).all()
            assert len(np.unique(result)) > 10 and (result == colour).sum() > 10

    def test_switching_them_on_leaves_the_shifts(self):
        images = np.zeros((40, 9, 12, 1), "float32")
        images[:, 4, 6] = 1
        plain, coloured = (
            crop(images, 3).numpy()[..., 0].reshape(40, -1).argmax(1)
            for crop in (Crop(2), Crop(2, brightness=0.1, contrast=0.1))
        )
        np.testing.assert_array_equal(plain, coloured)


class TestSeeds:
    def test_the_same_seed_gives_the_same_images(self):
        images, crop = noise(30), Crop(2, cutout=3)
        first = crop(images, (1, 2)).numpy()
        tf.random.set_seed(9)  # Global seeds play no part.
        np.testing.assert_array_equal(first, crop(images, [1, 2]))
        np.testing.assert_array_equal(crop(images, 9), crop(images, (9, 0)))
        assert not np.array_equal(first, crop(images, (1, 3)))
        assert not np.array_equal(first, crop(images, (2, 2)))


class TestInPipelines:
    @pytest.mark.parametrize("drop_remainder", [True, False])
    def test_in_a_parallel_map(self, drop_remainder):
        images = noise(18)
        crop = Crop(2, flip="alternating", cutout=4)

        def augmented(step, batch):
            rows, pixels = batch
            return augment.apply(
                crop, pixels, tf.stack([7, step]), rows=rows, epoch=step, run_seed=3
            )

        dataset = (
            tf.data.Dataset.from_tensor_slices((np.arange(18), images))
            .batch(4, drop_remainder=drop_remainder)
            .enumerate()
            .map(augmented, num_parallel_calls=4)
        )
        batch = 4 if drop_remainder else None
        assert dataset.element_spec == tf.TensorSpec((batch, 9, 12, 3), tf.uint8)
        found = list(dataset.as_numpy_iterator())
        assert sum(map(len, found)) == (16 if drop_remainder else 18)
        for step, result in enumerate(found):
            rows = np.arange(4 * step, 4 * step + len(result))
            np.testing.assert_array_equal(
                result, crop(images[rows], (7, step), rows=rows, epoch=step, run_seed=3)
            )

    def test_unknown_image_sizes(self):
        crop, coloured = Crop(2, cutout=3), Crop(2, cutout=3, contrast=0.2)
        spec = tf.TensorSpec((None, None, None, 1), tf.float32)
        traced = tf.function(crop, input_signature=[spec, tf.TensorSpec(2, "int32")])
        for shape in [(3, 8, 9, 1), (2, 12, 5, 1)]:
            images = noise(*shape, dtype="float32")
            np.testing.assert_allclose(
                traced(images, tf.constant([1, 2])), crop(images, (1, 2)), rtol=1e-6
            )
            np.testing.assert_allclose(
                tf.function(coloured, input_signature=traced.input_signature)(
                    images, tf.constant([1, 2])
                ),
                coloured(images, (1, 2)),
                atol=1e-4,  # The sums of the means go in another order.
            )
        with pytest.raises(tf.errors.InvalidArgumentError, match="3×3 pixels"):
            traced(noise(1, 2, 9, 1, dtype="float32"), tf.constant([1, 2]))


class TestApply:
    def test_context_goes_to_keyword_only_parameters_of_its_names(self):
        images, heard = noise(2), {}

        def listening(images, seed, *, rows=None, epoch=5, run_seed=None):
            heard.update(rows=rows, epoch=epoch, run_seed=run_seed)
            return images

        augment.apply(listening, images, (0, 1), rows=[4, 5], run_seed=7)
        assert heard == {"rows": [4, 5], "epoch": 5, "run_seed": 7}

    def test_other_callables_go_without(self):
        images = noise(2)

        def unaware(images, seed, rows=3, **options):
            assert rows == 3 and not options
            return images

        for function in (unaware, tf.identity, Crop(), None):
            result = augment.apply(function, images, (0, 1), rows=[4, 5], epoch=1)
            assert result.shape == images.shape

    def test_preview_counts_its_rows_as_epochs(self):
        images = noise(5)
        crop = Crop(0, flip="alternating")
        figure = augment.preview(crop, images, rows=2, seed=6)
        shown = [axes.images[0].get_array() for axes in figure.axes]
        for first, second in zip(shown[5:10], shown[10:], strict=True):
            np.testing.assert_array_equal(first, second[:, ::-1])
        expected = crop(images, (6, 0), rows=np.arange(5), epoch=0, run_seed=6)
        np.testing.assert_allclose(shown[5:10], expected / 255, atol=1e-6)


class TestSettings:
    @pytest.mark.parametrize(
        "field, value, message",
        [
            ("padding", -1, "whole number of pixels"),
            ("padding", 1.5, "whole number of pixels"),
            ("padding", "2", "whole number of pixels"),
            ("padding", True, "whole number of pixels"),
            ("cutout", -1, "whole number of pixels"),
            ("cutout", None, "whole number of pixels"),
            ("brightness", -0.1, "a number in"),
            ("brightness", "0.1", "a number in"),
            ("contrast", 1.1, "a number in"),
            ("contrast", float("nan"), "a number in"),
            ("flip", True, "'random', 'alternating' or None"),
            ("flip", 0, "'random', 'alternating' or None"),
            ("flip", "vertical", "'random', 'alternating' or None"),
            ("flip", ["random"], "'random', 'alternating' or None"),
        ],
    )
    def test_refusals_name_field_value_and_choices(self, field, value, message):
        with pytest.raises(ValueError, match=message) as caught:
            augment.get("crop", **{field: value})
        assert str(caught.value).startswith(f"{field}={value!r}")

    @pytest.mark.parametrize("settings", [{"padding": 9}, {"cutout": 10}])
    @pytest.mark.parametrize("shape", [(1, 9, 12, 3), (1, 12, 9, 3)])
    def test_images_too_small_are_refused(self, settings, shape):
        with pytest.raises(ValueError, match=r"at least 10×10 pixels.*Given"):
            Crop(**settings)(noise(*shape), 0)
        fitting = {name: value - 1 for name, value in settings.items()}
        assert Crop(**fitting)(noise(*shape), 0).shape == shape

    def test_one_known_side_is_checked_while_tracing(self):
        spec = tf.TensorSpec((None, None, 2, 1), tf.uint8)
        with pytest.raises(ValueError, match="3×3 pixels"):
            tf.function(lambda x: Crop(2)(x, 0)).get_concrete_function(spec)

    def test_a_single_image_is_refused_with_the_remedy(self):
        with pytest.raises(ValueError, match=r"images\[None\]"):
            Crop()(noise(1)[0], 0)

    def test_found_by_name(self):
        spec = {"name": "crop", "padding": 4, "flip": "alternating"}
        assert augment.get(spec, cutout=8) == Crop(4, flip="alternating", cutout=8)
        assert augment.get("crop") == Crop() == augment.crop()
        assert augment.get("crop", flip=False) == Crop(flip=None) != Crop()
        with pytest.raises(ValueError, match="Did you mean 'padding'"):
            augment.get("crop", pading=4)

    def test_round_trip(self):
        crop = Crop(np.int64(4), flip="alternating", cutout=12, contrast=0.1)
        twin = Crop.from_config(crop.get_config())
        assert twin == crop and hash(twin) == hash(crop)
        assert repr(crop) == (
            "Crop(padding=4, flip='alternating', cutout=12, brightness=0.0, "
            "contrast=0.1)"
        )

    def test_settings_cannot_change_afterwards(self):
        with pytest.raises(AttributeError):
            Crop().padding = 3
