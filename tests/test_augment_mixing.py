"""Mixup and cutmix: what images say of the mixing is what labels and weights got."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from kerasopt import augment
from kerasopt.augment import CutMix, MixUp


def known(count=64, side=8, channels=3):
    """Images from which all shares can be read: image i is i, and i squared."""
    numbers = np.arange(count, dtype="float32")
    values = np.stack([numbers, numbers**2, np.ones(count)], -1)[:, None, None]
    return np.broadcast_to(values, (count, side, side, channels)).astype("float32")


class TestMixUp:
    def test_labels_have_the_shares_that_the_images_show(self):
        x, y = known(), np.eye(64, dtype="float32")
        images, labels = augment.apply_to_batch(MixUp(1.0), (x, y), [3, 4])
        labels = labels.numpy()
        assert (np.count_nonzero(labels > 1e-6, axis=1) == 2).mean() > 0.8
        # Share-weighted means of i and of i² come from the same two images.
        seen = images.numpy()[:, 0, 0]
        numbers = np.arange(64)
        np.testing.assert_allclose(labels @ numbers, seen[:, 0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            labels @ numbers**2, seen[:, 1], rtol=1e-4, atol=1e-2
        )
        np.testing.assert_allclose(labels.sum(1), 1, atol=1e-6)

    @pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
    def test_shares_have_the_distribution_of_the_paper(self, alpha):
        mixed = MixUp(alpha).mix(np.zeros((2000, 1), "float32"), [5, 6])
        found = scipy.stats.kstest(
            mixed.share.numpy(), scipy.stats.beta(alpha, alpha).cdf
        )
        assert found.pvalue > 1e-3
        other = scipy.stats.beta(1.6 * alpha, 1.6 * alpha).cdf
        assert scipy.stats.kstest(mixed.share.numpy(), other).pvalue < 1e-3

    def test_partners_are_a_permutation(self):
        partner = MixUp().mix(known(), [0, 1]).partner.numpy()
        assert sorted(partner) == list(range(64))
        assert (partner != np.arange(64)).mean() > 0.9

    def test_the_least_alpha_hardly_mixes(self):
        share = MixUp(0.05).mix(np.zeros((5000, 1)), [0, 1]).share.numpy()
        assert np.isfinite(share).all()
        # Keras gives 0.5 where both of its gammas underflow.
        assert (share == 0.5).mean() < 1e-3

    @pytest.mark.parametrize("shape", [(6, 5), (6, 4, 3), (6, 4, 4, 2, 3)])
    def test_samples_of_any_shape(self, shape):
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        mixed = MixUp(1.0).mix(x, [1, 2])
        share = mixed.share.numpy().reshape(-1, *[1] * (len(shape) - 1))
        expected = share * x + (1 - share) * x[mixed.partner.numpy()]
        np.testing.assert_allclose(mixed.samples, expected, atol=1e-6)

    def test_is_keras_layer_for_images(self):
        x = known()
        own = MixUp(0.2)(x, [1, 2])
        keras_layer = augment.apply(keras.layers.MixUp(0.2), x, [1, 2])
        np.testing.assert_allclose(own, keras_layer, rtol=1e-5, atol=1e-3)

    def test_a_global_policy_of_half_precision_plays_no_part(self):
        x, before = known(), keras.config.dtype_policy()
        expected = MixUp(1.0)(x, [1, 2]).numpy()
        try:
            keras.config.set_dtype_policy("mixed_bfloat16")
            assert (MixUp(1.0)(x, [1, 2]).numpy() == expected).all()
        finally:
            keras.config.set_dtype_policy(before)


class TestCutMix:
    def test_labels_have_the_shares_of_the_pixels(self):
        x, y = known(side=9), np.eye(64, dtype="float32")
        images, labels = augment.apply_to_batch(CutMix(1.0), (x, y), [3, 4])
        images, labels = np.rint(images.numpy()[..., 0]).astype(int), labels.numpy()
        shares = np.stack([np.bincount(i.ravel(), minlength=64) / 81 for i in images])
        np.testing.assert_allclose(labels, shares, atol=1e-6)
        assert (np.count_nonzero(shares, axis=1) == 2).mean() > 0.7

    def test_what_is_replaced_is_one_rectangle(self):
        mixed = CutMix().mix(known(side=9), [3, 4])
        images = np.rint(mixed.samples.numpy()[..., 0])
        for number, image in enumerate(images):
            rows, columns = np.nonzero(image != number)
            if len(rows):
                box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
                assert box == len(rows)

    def test_areas_are_even_with_an_alpha_of_1(self):
        mixed = CutMix(1.0).mix(np.zeros((2000, 32, 32, 1), "float32"), [5, 6])
        distance = scipy.stats.kstest(mixed.share.numpy(), "uniform").statistic
        assert distance < 0.08  # Sides of whole pixels.

    def test_what_is_no_batch_of_images_is_refused(self):
        with pytest.raises(ValueError, match=r"cutmix needs a batch of images"):
            CutMix()(np.zeros((4, 5)), [0, 1])


class TestLabels:
    def mixed(self):
        share, partner = tf.constant([0.75, 0.4]), tf.constant([1, 0])
        return (
            augment.MixUp()
            .mix(np.zeros((2, 1)), [0, 0])
            .__class__(tf.zeros((2, 1)), partner, share)
        )

    def test_weights_of_classes(self):
        """The loss is the mean of both samples' losses with both weights."""
        y, w = np.eye(2, dtype="float32"), np.array([10.0, 0.5], "float32")
        labels, weights = augment.mix_labels(self.mixed(), y, w)
        p = np.array([[0.3, 0.7], [0.6, 0.4]])
        loss = -(labels.numpy() * np.log(p)).sum(1) * weights.numpy()
        share = np.array([0.75, 0.4])
        own = -np.log(p[[0, 1], [0, 1]]) * w
        other = -np.log(p[[0, 1], [1, 0]]) * w[::-1]
        np.testing.assert_allclose(loss, share * own + (1 - share) * other, rtol=1e-5)

    def test_a_sample_of_weight_0_has_no_say(self):
        labels, weights = augment.mix_labels(
            self.mixed(), np.eye(2, dtype="float32"), np.array([1.0, 0.0])
        )
        np.testing.assert_allclose(labels, [[1, 0], [1, 0]])
        np.testing.assert_allclose(weights, [0.75, 0.6])

    def test_no_weight_at_all_gives_numbers(self):
        labels, weights = augment.mix_labels(self.mixed(), np.eye(2), np.zeros(2))
        assert np.isfinite(labels.numpy()).all()
        assert weights.numpy().tolist() == [0, 0]

    def test_numbers_keep_the_shares_of_the_samples(self):
        labels, weights = augment.mix_labels(
            self.mixed(), np.array([1.0, 2.0]), np.array([10.0, 0.5]), by_weight=False
        )
        np.testing.assert_allclose(labels, [1.25, 1.4])
        np.testing.assert_allclose(weights, [7.625, 6.2])


@pytest.mark.parametrize(
    ("name", "alpha", "message"),
    [
        ("mixup", 0, r"alpha=0 is not accepted; give a number of at least 0\.05\."),
        ("mixup", float("nan"), "alpha=nan is not accepted"),
        ("mixup", "much", "alpha='much' is not accepted"),
        ("mixup", True, "alpha=True is not accepted"),
        ("cutmix", 1.5, r"of at least 0\.05 and at most 1"),
    ],
)
def test_refusals(name, alpha, message):
    with pytest.raises(ValueError, match=message):
        augment.get(name, alpha=alpha)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_names_and_numpy_numbers(name):
    assert augment.get(name, alpha=np.float32(0.5)) == getattr(augment, name)(0.5)
    made = augment.get(name)
    assert type(made).from_config(made.get_config()) == made


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_pixels_become_floats_of_their_range(name):
    x = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3), dtype="uint8")
    mixed = augment.apply(augment.get(name), x, [0, 1])
    assert mixed.dtype == tf.float32
    assert x.min() <= mixed.numpy().min()
    assert mixed.numpy().max() <= x.max()
